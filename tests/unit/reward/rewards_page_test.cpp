// SPDX-License-Identifier: MIT
// docs/rewards.md: its examples are code of this file, and what it names exists in the headers.
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/explain.hpp>
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/score_pool.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;

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

// Without white space, which formatting changes.
std::string squeezed(std::string_view text) {
  std::string result;
  for (char const c : text)
    if (!std::isspace(static_cast<unsigned char>(c))) result += c;
  return result;
}

bool is_name(std::string_view text) {
  return text.size() > 2 && std::all_of(text.begin(), text.end(), [](char c) {
           return std::islower(static_cast<unsigned char>(c)) || std::isdigit(static_cast<unsigned char>(c)) ||
                  c == '_';
         });
}

struct names_an_entity {
  static constexpr std::string_view name = "names_an_entity";
  bool operator()(relation_sample const& sample) const {
    return sample.completion.find("e1") < sample.completion.size();
  }
};

struct slow_judge {
  double operator()(relation_sample const& sample) const { return sample.completion.empty() ? 0 : 1; }
};

}  // namespace

TEST_CASE("the examples of docs/rewards.md do what the page says") {
  auto const brevity = [](relation_sample const& sample) { return sample.completion.size() < 400 ? 1.0 : 0.0; };
  auto const reward = sum(term{1.0, r1_re{}}, term{0.1, named("brevity", brevity)});
  rlvr::text::guideline const guide = rlvr::text::semeval2010_guideline();
  relation_sample const sample{.completion = "<think>e1 starts it</think><answer>Cause-Effect(e1,e2)</answer>",
                               .gold = *rlvr::text::parse_label(guide, "Cause-Effect(e1,e2)"),
                               .guide = &guide};
  std::string const lines = to_text(explain(reward, sample));
  CHECK(lines.find("r1_re = 3, passed, correct") != std::string::npos);
  CHECK(lines.find("brevity = 1") != std::string::npos);
  CHECK(names_an_entity{}(sample));
  CHECK(reward_name(names_an_entity{}) == "names_an_entity");

  std::vector<relation_sample> const samples(3, sample);
  std::vector<outcome> const outcomes = score_all(samples, reward, {.threads = 4});
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[2].value == Approx(3.1));
  score_pool pool({.threads = 4});
  auto const report = pool.score(samples, std::make_shared<slow_judge const>(), std::chrono::seconds(20));
  REQUIRE(report.outcomes.size() == 3);
  CHECK(report.outcomes[0].value == 1);
}

TEST_CASE("the code of docs/rewards.md stands in its test, and its names in the headers") {
  std::string const page = read(root + "/docs/rewards.md");
  std::string const here = squeezed(read(root + "/tests/unit/reward/rewards_page_test.cpp"));
  std::size_t examples = 0;
  for (auto at = page.find("```cpp\n"); at != std::string::npos; at = page.find("```cpp\n", at + 1)) {
    std::size_t const begin = at + 7, end = page.find("```", begin);
    std::string const code = page.substr(begin, end - begin);
    CAPTURE(code);
    CHECK(here.find(squeezed(code)) != std::string::npos);
    ++examples;
  }
  CHECK(examples >= 6);

  std::string headers;
  for (char const* const folder : {"/include/rlvr/reward", "/include/rlvr/rl", "/include/rlvr/text"})
    for (auto const& entry : std::filesystem::recursive_directory_iterator(root + folder))
      if (entry.is_regular_file()) headers += read(entry.path());
  std::size_t names = 0;
  for (auto at = page.find('`'); at != std::string::npos;) {
    std::size_t const end = page.find('`', at + 1);
    if (end == std::string::npos) break;
    std::string const name = page.substr(at + 1, end - at - 1);
    if (is_name(name)) {
      CAPTURE(name);
      CHECK(headers.find(name) != std::string::npos);
      ++names;
    }
    at = page.find('`', end + 1);
  }
  CHECK(names > 50);
}
