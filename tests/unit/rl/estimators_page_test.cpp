// SPDX-License-Identifier: MIT
// docs/estimators.md against the headers: what the page names exists, and what the headers assert to be an estimator is
// on the page; and the examples of the page are code of this file.
#include <rlvr/rl/batch_loss.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/presets.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
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

namespace {

// The lines between the markers of a snippet of this file, as the page shows them: without the function's indent.
std::string snippet(std::string const& name) {
  static std::string const source = read(RLVR_TEST_DATA "/unit/rl/estimators_page_test.cpp");
  std::string const open = "// [" + name + "]\n", close = "  // [/" + name + "]";
  std::size_t const first = source.find(open) + open.size();
  std::stringstream lines(source.substr(first, source.find(close) - first));
  std::string text, line;
  while (std::getline(lines, line)) text += line.substr(std::min<std::size_t>(2, line.size())) + "\n";
  return text;
}

void check_on_page(std::string const& name) {
  INFO(snippet(name));
  CHECK(snippet(name).size() > 100);
  CHECK(read(root + "/docs/estimators.md").find("```cpp\n" + snippet(name) + "```") != std::string::npos);
}

}  // namespace

TEST_CASE("level 1 of the page: a preset") {
  // [preset]
  auto const& settings = rlvr::presets::dapo;
  std::vector<double> const rewards{1, 0, 0, 1};  // of four responses to one prompt
  std::vector<double> advantages(4);
  rlvr::group_advantages(settings.advantage, std::span(rewards), rewards.size(), std::span(advantages));

  rlvr::token_sample<double> const token{.log_prob = -1.0, .old_log_prob = -1.2, .advantage = advantages[0]};
  rlvr::loss_value<double> const loss = settings.objective(token);
  // loss.value, loss.d_log_prob, loss.clip
  // [/preset]
  double const deviation = std::sqrt(1.0 / 3);
  CHECK(advantages[0] == Approx(0.5 / (deviation + 1e-6)));
  CHECK(loss.value == Approx(-advantages[0] * std::exp(0.2)));
  CHECK(loss.d_log_prob == Approx(-advantages[0] * std::exp(0.2)));
  CHECK(loss.clip == rlvr::clip_region::none);
  check_on_page("preset");
}

TEST_CASE("level 2 of the page: composed from parts") {
  // [parts]
  std::vector<rlvr::token_sample<double>> samples{
      {.log_prob = -1.0, .old_log_prob = -1.2, .reference_log_prob = -1.1, .behaviour_log_prob = -1.3, .advantage = 1},
      {.log_prob = -0.5, .old_log_prob = -0.4, .reference_log_prob = -0.6, .behaviour_log_prob = -1.4, .advantage = 1},
      {.log_prob = -2.0, .old_log_prob = -2.1, .reference_log_prob = -2.0, .behaviour_log_prob = -2.1, .advantage = -1},
      {}};
  bool const counts[] = {true, true, true, false};  // the fourth position is padding
  std::vector<std::int64_t> const rows{0, 2, 4};    // two responses of two positions

  // Clip-higher, weighted for the sampler's mismatch (truncated at 2); KL to the reference, not weighted; token mean.
  rlvr::importance_weight const correction{.upper = 2};
  for (auto& sample : samples) sample.weight = correction(sample);
  rlvr::kl_penalised const objective{rlvr::importance_weighted{rlvr::ppo_clip{.high = 0.28}}, rlvr::k3{}, 0.01};
  std::vector<double> gradient(samples.size());  // by the log-probabilities
  rlvr::loss_metrics metrics;
  double const loss = rlvr::batch_loss<double>(objective, rlvr::token_mean{}, rlvr::count_batch(counts, rows), samples,
                                               counts, rows, {.d_log_prob = gradient, .metrics = &metrics});
  // [/parts]
  auto const k3 = [](double d) { return std::exp(d) - d - 1; };
  double const first = -std::exp(0.1) * std::exp(0.2) + 0.01 * k3(-0.1);
  double const second = -2 * std::exp(-0.1) + 0.01 * k3(-0.1);
  double const third = std::exp(0.1);
  CHECK(loss == Approx((first + second + third) / 3));
  CHECK(gradient[0] == Approx((-std::exp(0.3) + 0.01 * (1 - std::exp(-0.1))) / 3));
  CHECK(gradient[1] == Approx((-2 * std::exp(-0.1) + 0.01 * (1 - std::exp(-0.1))) / 3));
  CHECK(gradient[2] == Approx(std::exp(0.1) / 3));
  CHECK(gradient[3] == 0);
  CHECK(metrics.clip_fraction() == 0);
  check_on_page("parts");
}

TEST_CASE("level 3 of the page: an objective of one's own") {
  // [own]
  auto const objective = rlvr::differentiate([](auto s) {
    auto const width = 0.1 + 0.3 * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width);
  });
  rlvr::token_sample<double> const token{.log_prob = -1.0, .old_log_prob = -1.2, .advantage = 0.5, .entropy = 1.5};
  rlvr::loss_value<double> const loss = objective(token);  // value and derivatives

  rlvr::grpo_settings<decltype(objective), rlvr::group_z_score, rlvr::token_mean> const settings{objective};
  // [/own]
  double const slope = 1 - std::pow(std::tanh(0.2 / 0.55), 2);
  CHECK(loss.value == Approx(-0.5 * 0.55 * std::tanh(0.2 / 0.55)));
  CHECK(loss.d_log_prob == Approx(-0.5 * slope));
  CHECK(loss.d_entropy == 0);
  CHECK(settings.objective(token).value == loss.value);
  check_on_page("own");
}
