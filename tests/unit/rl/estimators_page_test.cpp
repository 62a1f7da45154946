// SPDX-License-Identifier: MIT
// docs/estimators.md against the headers: what the page names exists, and what the headers assert to be an estimator is
// on the page.
#include <rlvr/rl/objective.hpp>

#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

namespace {

std::string const root = RLVR_TEST_DATA "/..";

std::string read(std::filesystem::path const& path) {
  std::ifstream file(path);
  INFO(path.string());
  REQUIRE(file);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_name_character(text[end])) ++end;
    if (end > i) words.emplace(text.substr(i, end - i));
    i = end + 1;
  }
  return words;
}

std::string headers() {
  std::string all;
  for (char const* const folder : {"/include/rlvr/rl", "/include/rlvr/kernel"})
    for (auto const& entry : std::filesystem::directory_iterator(root + folder)) all += read(entry.path());
  return all;
}

// What stands in backticks in the first cell of a table's row.
std::vector<std::string> names_of_row(std::string const& line) {
  std::vector<std::string> names;
  std::size_t const end = line.find(" | ");
  for (std::size_t open = line.find('`'); open < end;) {
    std::size_t const close = line.find('`', open + 1);
    names.push_back(line.substr(open + 1, close - open - 1));
    open = line.find('`', close + 1);
  }
  return names;
}

}  // namespace

TEST_CASE("every name in the first column of the page exists") {
  std::set<std::string> const known = words_of(headers());
  std::stringstream page(read(root + "/docs/estimators.md"));
  std::string line;
  std::size_t checked = 0;
  while (std::getline(page, line)) {
    if (line.rfind("| ", 0) != 0) continue;
    for (std::string const& name : names_of_row(line))
      for (std::string const& word : words_of(name)) {
        if (std::isdigit(static_cast<unsigned char>(word[0])) || word.size() == 1) continue;  // arguments
        INFO(line.substr(0, 80) << ": " << word);
        CHECK(known.contains(word));
        ++checked;
      }
  }
  CHECK(checked > 60);
}

TEST_CASE("every estimator that a header asserts to be one is on the page") {
  std::set<std::string> const page = words_of(read(root + "/docs/estimators.md"));
  std::string const all = headers();
  std::size_t checked = 0;
  for (std::string const concept_name :
       {"token_objective<", "advantage_estimator<", "whole_group_estimator<", "preference_loss<", "margin_loss<",
        "kl_estimator<", "loss_aggregation<", "unpaired_loss<"}) {
    for (std::size_t assertion = all.find("static_assert("); assertion != std::string::npos;
         assertion = all.find("static_assert(", assertion + 1)) {
      std::string const text = all.substr(assertion, all.find(';', assertion) - assertion);
      for (std::size_t at = text.find(concept_name); at != std::string::npos; at = text.find(concept_name, at + 1)) {
        std::size_t end = at + concept_name.size();
        while (end < text.size() && (is_name_character(text[end]) || text[end] == ':')) ++end;
        std::string name = text.substr(at + concept_name.size(), end - at - concept_name.size());
        name = name.substr(name.rfind(':') + 1);
        INFO(concept_name << name);
        CHECK(page.contains(name));
        ++checked;
      }
    }
  }
  CHECK(checked > 40);
}

TEST_CASE("the example of the page compiles and gives what it says") {
  // [snippet]
  rlvr::ppo_clip const objective{.low = 0.2, .high = 0.28};
  rlvr::token_sample<double> const token{.log_prob = -1.0, .old_log_prob = -1.2, .advantage = 0.5};
  rlvr::loss_value<double> const loss = objective(token);
  // [/snippet]
  CHECK(loss.value == Approx(-0.5 * std::exp(0.2)));
  CHECK(loss.d_log_prob == Approx(-0.5 * std::exp(0.2)));
  CHECK(loss.clip == rlvr::clip_region::none);

  std::string const source = read(RLVR_TEST_DATA "/unit/rl/estimators_page_test.cpp");
  std::string const open = std::string("// [") + "snippet]\n", close = std::string("  // [/") + "snippet]";
  std::size_t const first = source.find(open) + open.size();
  std::stringstream lines(source.substr(first, source.find(close) - first));
  std::string snippet, line;
  while (std::getline(lines, line)) snippet += line.substr(2) + "\n";
  CHECK(snippet.size() > 100);
  CHECK(read(root + "/docs/estimators.md").find(snippet) != std::string::npos);
}
