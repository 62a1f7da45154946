// SPDX-License-Identifier: MIT
// Every token objective's expected loss and gradient by enumeration of all actions, against differences of the
// expected surrogate that its header states; and what theory says about them: on-policy, inside and outside the trust
// region; and that no objective of the headers is missing.  Objectives over whole responses:
// sequence_expectation_test.cpp.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/presets.hpp>

#include "expectation_support.hpp"
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace expectation_test;

namespace {

using rlvr::unlimited;

struct token_case {
  std::string name;
  std::function<rlvr::loss_value<double>(rlvr::token_sample<double> const&)> objective;
  surrogate formula;
};

double clamped(double x, double low, double high) { return std::min(std::max(x, low), high); }

// -sg(clamp(r, low, high)) A log p
surrogate weighted(double low, double high) {
  return [=](action const& a) { return -clamped(a.held / a.old, low, high) * a.advantage * std::log(a.p); };
}

surrogate clipped(clip const& c) {
  return [=](action const& a) { return c(a.p / a.old, a.advantage); };
}

// The clipped surrogate with KL (k3) and entropy: what every preset is made of.
surrogate preset(clip const& c, double kl = 0, double entropy = 0) {
  return
      [=](action const& a) { return c(a.p / a.old, a.advantage) + kl * k3_of(a.p, a.reference) - entropy * a.entropy; };
}

double binary_kl(double from, double to) {
  return from * std::log(from / to) + (1 - from) * std::log((1 - from) / (1 - to));
}

std::vector<token_case> ratio_cases() {
  using rlvr::ppo_clip;
  return {
      {"ppo_clip", ppo_clip{}, clipped({})},
      {"ppo_clip, clip-higher", ppo_clip{.low = 0.1, .high = 0.4}, clipped({.low = 0.1, .high = 0.4})},
      {"ppo_clip, dual clip", ppo_clip{.dual_clip = 1.3}, clipped({.dual = 1.3})},
      {"ppo_clip, ratio cap", ppo_clip{.ratio_cap = 1.4}, clipped({.cap = 1.4})},
      {"ppo_clip, bounded log-ratio", ppo_clip{.low = 1, .high = 9, .max_log_ratio = 0.3},
       [](action const& a) { return -clamped(a.p / a.old, std::exp(-0.3), std::exp(0.3)) * a.advantage; }},
      {"reinforce", rlvr::reinforce{}, [](action const& a) { return -a.advantage * std::log(a.p); }},
      {"cross_entropy", rlvr::cross_entropy{}, [](action const& a) { return -std::log(a.p); }},
      {"weighted_policy_gradient", rlvr::weighted_policy_gradient{}, weighted(0, unlimited)},
      {"cispo", rlvr::cispo(0.1, 0.3), weighted(0.9, 1.3)},
      {"cispo_capped", rlvr::cispo_capped(1.2), weighted(0, 1.2)},
      {"truncated_policy_gradient", rlvr::truncated_policy_gradient(), weighted(0, 1)},
      {"cispo_masked", rlvr::cispo_masked(0.1, 0.2),
       [](action const& a) {
         bool const beyond = a.advantage > 0 ? a.held > 1.2 * a.old : a.held < 0.9 * a.old;
         return beyond ? 0 : weighted(0.9, 1.2)(a);
       }},
      {"topr", rlvr::topr{.weight_positive = 2, .weight_negative = 0.5, .lowest = 0.1, .highest = 1.1},
       [](action const& a) { return a.reward > 0 ? -2 * a.advantage * std::log(a.p) : 0.5 * weighted(0.1, 1.1)(a); }},
      {"sapo", rlvr::sapo{.temperature_positive = 0.8, .temperature_negative = 1.5},
       [](action const& a) {
         double const tau = a.advantage > 0 ? 0.8 : 1.5;
         return -a.advantage * 4 / tau / (1 + std::exp(-tau * (a.p / a.old - 1)));
       }},
      {"direct_reward", rlvr::direct_reward{.beta = 0.3},
       [](action const& a) { return -a.advantage * std::log(a.p) + 0.15 * std::pow(std::log(a.p / a.old), 2); }},
      {"squared_log_ratio", rlvr::squared_log_ratio{},
       [](action const& a) { return std::pow(std::log(a.p / a.behaviour), 2); }},
      {"kl_cov", rlvr::kl_cov{.coefficient = 0.4},
       [](action const& a) {
         return -a.advantage * a.p / a.old + (a.selected ? 0.4 * std::abs(std::log(a.p / a.old)) : 0);
       }},
  };
}

// Whether an action is inside a trust region is a constant of the gradient.
std::vector<token_case> region_cases() {
  using rlvr::probability_divergence;
  return {
      {"dppo", rlvr::dppo{{.low = 0.03, .high = 0.05}, 1.3},
       [](action const& a) {
         bool const outside = a.advantage > 0 ? a.held - a.old > 0.05 : a.held - a.old < -0.03;
         return outside ? 0 : weighted(0, 1.3)(a);
       }},
      {"dppo, binary KL", rlvr::dppo{{.divergence = probability_divergence::binary_kl, .low = 0.002, .high = 0.004}},
       [](action const& a) {
         bool const away = a.advantage > 0 ? a.held > a.old : a.held < a.old;
         bool const outside = away && binary_kl(a.old, a.held) > (a.advantage > 0 ? 0.004 : 0.002);
         return outside ? 0 : weighted(0, 20)(a);
       }},
      {"trust_region_policy_gradient", rlvr::trust_region_policy_gradient{{.low = 0.03, .high = 0.05}},
       [](action const& a) {
         double const moved = a.held - a.behaviour;
         bool const outside = a.advantage > 0 ? moved > 0.05 : moved < -0.03;
         return outside ? 0 : -a.advantage * a.p / a.behaviour;
       }},
      {"trust_region_policy_gradient, absolute",
       rlvr::trust_region_policy_gradient{{.divergence = probability_divergence::absolute, .high = 0.04}},
       [](action const& a) { return std::abs(a.held - a.behaviour) > 0.04 ? 0 : -a.advantage * a.p / a.behaviour; }},
      {"reference_policy_gradient", rlvr::reference_policy_gradient{.low = 0.04},
       [](action const& a) {
         if (a.held - a.behaviour < -0.04) return 0.0;
         return -std::log(a.reference / a.held) * a.p / a.behaviour;
       }},
  };
}

std::vector<token_case> composed_cases() {
  rlvr::ppo_clip const ppo{};
  auto const own = rlvr::differentiate([](auto s) {
    auto const width = 0.1 + 0.3 * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width) - 0.01 * s.entropy;
  });
  return {
      {"kl_penalised", rlvr::kl_penalised{ppo, rlvr::k3{}, 0.3}, preset({}, 0.3)},
      {"kl_penalised, ratio-weighted k1", rlvr::kl_penalised{ppo, rlvr::ratio_weighted<rlvr::k1>{}, 0.3},
       [](action const& a) {
         return clip{}(a.p / a.old, a.advantage) + 0.3 * a.p / a.old * std::log(a.p / a.reference);
       }},
      {"entropy_regularised", rlvr::entropy_regularised{ppo, 0.2}, preset({}, 0, 0.2)},
      {"weighted_sum", rlvr::weighted_sum{0.7, ppo, 0.4, rlvr::cross_entropy{}},
       [](action const& a) { return 0.7 * clip{}(a.p / a.old, a.advantage) - 0.4 * std::log(a.p); }},
      {"importance_weighted", rlvr::importance_weighted{ppo},
       [](action const& a) { return a.weight * clip{}(a.p / a.old, a.advantage); }},
      {"restricted_to", rlvr::restricted_to{ppo},
       [](action const& a) { return a.selected ? clip{}(a.p / a.old, a.advantage) : 0; }},
      {"restricted_to, the others", rlvr::restricted_to{ppo, rlvr::token_choice::not_selected},
       [](action const& a) { return a.selected ? 0 : clip{}(a.p / a.old, a.advantage); }},
      {"differentiate", own,
       [](action const& a) {
         double const width = 0.1 + 0.3 * a.held_entropy;
         return -a.advantage * width * std::tanh(std::log(a.p / a.old) / width) - 0.01 * a.entropy;
       }},
  };
}

// The numbers are those of the sources that rl/presets.hpp names, not read from there.
std::vector<token_case> preset_cases() {
  namespace presets = rlvr::presets;
  return {
      {"verl", presets::verl.objective, preset({.dual = 3})},
      {"trl", presets::trl.objective, preset({})},
      {"r1_re", presets::r1_re.objective, preset({.dual = 3}, 0.001)},
      {"rule_reasoner", presets::rule_reasoner.objective, preset({.dual = 3})},
      {"table_r1", presets::table_r1.objective, preset({.high = 0.28, .dual = 10})},
      {"one_shot_rlvr", presets::one_shot_rlvr.objective, preset({.dual = 3}, 0.001, 0.001)},
      {"dapo", presets::dapo.objective, preset({.high = 0.28})},
      {"dr_grpo", presets::dr_grpo.objective, preset({})},
  };
}

std::vector<token_case> all_cases() {
  std::vector<token_case> result;
  for (auto const& part : {ratio_cases(), region_cases(), composed_cases(), preset_cases()})
    result.insert(result.end(), part.begin(), part.end());
  return result;
}

// Gradient of minus the policy's expected advantage, which is that of minus its expected reward: -p_k (A_k - mean A).
numbers exact_gradient(decision const& d) {
  numbers const p = softmax(d.logits);
  double mean = 0;
  for (std::size_t a = 0; a < actions; ++a) mean += p[a] * d.advantage[a];
  numbers result{};
  for (std::size_t k = 0; k < actions; ++k) result[k] = -p[k] * (d.advantage[k] - mean);
  return result;
}

// Ratios of 1.6 and 0.47, and advantages that ask for more of the same (`towards` = 1) or for the way back (-1).
decision outside_the_region(double towards) {
  loss_test::random_numbers random;
  decision d(random, 0);
  d.logits = {0, 0, 0, 0};
  d.old = {0.25 / 1.6, 0.25 / 1.6, 0.25 / 1.6, 1 - 0.75 / 1.6};
  d.behaviour = d.old;
  for (std::size_t a = 0; a < actions; ++a)
    d.advantage[a] = (d.old[a] < 0.25 ? towards : -towards) * (1 + 0.1 * static_cast<double>(a));
  return d;
}

}  // namespace

std::vector<std::string> expectation_test::token_case_names() {
  std::vector<std::string> names;
  for (token_case const& one : all_cases()) names.push_back(one.name);
  return names;
}

TEST_CASE("the expected loss and gradient of every token objective are those of its formula", "[expectation]") {
  for (token_case const& one : all_cases()) {
    loss_test::random_numbers random;
    for (int round = 0; round < 30; ++round) {
      decision const d(random, round < 10 ? 0.03 : (round < 20 ? 0.3 : 1.0));
      INFO(one.name << ", seed " << loss_test::seed << ", round " << round);
      expectation const found = by_library(d, one.objective), expected = by_differences(d, one.formula);
      CHECK(found.loss == Approx(expected.loss).epsilon(1e-12).margin(1e-13));
      check_equal(found.gradient, expected.gradient, 1, 1e-8);
    }
  }
}

TEST_CASE("on-policy, importance objectives have the exact policy gradient", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 10; ++round) {
    decision const d(random, 0);
    numbers const exact = exact_gradient(d);
    auto const check = [&](char const* name, auto const& objective, double factor = 1) {
      INFO(name << ", seed " << loss_test::seed << ", round " << round);
      check_equal(by_library(d, objective).gradient, exact, factor);
    };
    check("reinforce", rlvr::reinforce{});
    check("ppo_clip", rlvr::ppo_clip{});
    check("weighted_policy_gradient", rlvr::weighted_policy_gradient{});
    check("cispo", rlvr::cispo());
    check("cispo_capped", rlvr::cispo_capped());
    check("cispo_masked", rlvr::cispo_masked());
    check("truncated_policy_gradient", rlvr::truncated_policy_gradient());
    check("topr", rlvr::topr{});
    check("sapo", rlvr::sapo{});
    check("direct_reward", rlvr::direct_reward{});
    check("dppo", rlvr::dppo{});
    check("trust_region_policy_gradient", rlvr::trust_region_policy_gradient{});
    check("kl_cov", rlvr::kl_cov{});
    // These do not read the advantage, and have nothing to learn from their own samples.
    check("cross_entropy", rlvr::cross_entropy{}, 0);
    check("squared_log_ratio", rlvr::squared_log_ratio{}, 0);
  }
}

TEST_CASE("off-policy, an unbounded ratio has the exact policy gradient, a bounded one has not", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 10; ++round) {
    decision d(random, 1);
    d.old = d.behaviour;
    INFO("seed " << loss_test::seed << ", round " << round);
    numbers const exact = exact_gradient(d);
    rlvr::probability_trust_region const everywhere{.low = 2, .high = 2};
    check_equal(by_library(d, rlvr::weighted_policy_gradient{}).gradient, exact);
    check_equal(by_library(d, rlvr::ppo_clip{.low = 1, .high = 1e9}).gradient, exact, 1, 1e-9);  // until r reaches 0
    check_equal(by_library(d, rlvr::trust_region_policy_gradient{everywhere}).gradient, exact);
    check_equal(by_library(d, rlvr::dppo{everywhere, 1e9}).gradient, exact);
    check_equal(by_library(d, rlvr::kl_cov{0}).gradient, exact);
    CHECK(std::abs(by_library(d, rlvr::truncated_policy_gradient()).gradient[0] - exact[0]) > 1e-4);
    CHECK(std::abs(by_library(d, rlvr::reinforce{}).gradient[0] - exact[0]) > 1e-4);
  }
}

TEST_CASE("distillation by policy gradient follows the reverse KL to the reference, off-policy too", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 10; ++round) {
    decision const d(random, round < 5 ? 0 : 1);
    INFO("seed " << loss_test::seed << ", round " << round);
    auto const kl = by_differences(d, [](action const& a) { return a.p / a.behaviour * std::log(a.p / a.reference); });
    check_equal(by_library(d, rlvr::reference_policy_gradient{.low = 2}).gradient, kl.gradient, 1, 1e-8);
  }
}

TEST_CASE("inside the trust region a clip changes nothing", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 10; ++round) {
    decision const d(random, 0.02);
    INFO("seed " << loss_test::seed << ", round " << round);
    for (std::size_t a = 0; a < actions; ++a) {
      double const ratio = std::exp(d.sample(a).log_prob - d.sample(a).old_log_prob);
      REQUIRE(std::abs(ratio - 1) < 0.2);
    }
    auto const free = by_library(d, rlvr::weighted_policy_gradient{}).gradient;
    check_equal(by_library(d, rlvr::ppo_clip{}).gradient, free);
    check_equal(by_library(d, rlvr::ppo_clip{.dual_clip = 3, .max_log_ratio = 20, .ratio_cap = 3}).gradient, free);
    check_equal(by_library(d, rlvr::cispo()).gradient, free);
    check_equal(by_library(d, rlvr::cispo_capped()).gradient, free);
    check_equal(by_library(d, rlvr::cispo_masked()).gradient, free);
    check_equal(by_library(d, rlvr::dppo{}).gradient, free);
  }
}

TEST_CASE("beyond the clip the gradient vanishes, on the way back it does not", "[expectation]") {
  decision const away = outside_the_region(1), back = outside_the_region(-1);
  numbers const free = by_library(back, rlvr::weighted_policy_gradient{}).gradient;
  rlvr::probability_trust_region const region{.low = 0.05, .high = 0.05};
  auto const check = [&](char const* name, auto const& objective) {
    INFO(name);
    check_equal(by_library(away, objective).gradient, numbers{});
    check_equal(by_library(back, objective).gradient, free);
  };
  check("ppo_clip", rlvr::ppo_clip{});
  check("dppo", rlvr::dppo{region});
  check("trust_region_policy_gradient", rlvr::trust_region_policy_gradient{region});
  // cispo_masked drops the same tokens; those that it keeps have the bound for a weight.
  check_equal(by_library(away, rlvr::cispo_masked()).gradient, numbers{});
  // Dual clip and the cap of the ratio stop the way back as well, where they bind.
  decision far = back;
  far.advantage = {-1, -1, -1, 0};
  check_equal(by_library(far, rlvr::ppo_clip{.dual_clip = 1.5}).gradient, numbers{});
  check_equal(by_library(far, rlvr::ppo_clip{.ratio_cap = 1.5}).gradient, numbers{});
  // cispo and sapo never vanish.
  numbers const kept = by_library(away, rlvr::cispo()).gradient, faded = by_library(away, rlvr::sapo{}).gradient;
  CHECK(std::abs(kept[3]) > 0.01);
  CHECK(std::abs(faded[3]) > 0.01);
  CHECK(std::abs(faded[3]) < std::abs(by_library(away, rlvr::weighted_policy_gradient{}).gradient[3]));
}

namespace {

std::string read(std::filesystem::path const& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string word_at(std::string const& text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) ++end;
  return text.substr(at, end - at);
}

// The words that follow `opening` in a text.
std::set<std::string> words_after(std::string const& text, std::string const& opening) {
  std::set<std::string> result;
  for (std::size_t at = text.find(opening); at != std::string::npos; at = text.find(opening, at + 1))
    result.insert(word_at(text, at + opening.size()));
  result.erase("");
  return result;
}

}  // namespace

TEST_CASE("no objective of the headers is missing from the enumerations", "[expectation]") {
  std::filesystem::path const folder = RLVR_TEST_DATA "/../include/rlvr/rl";
  std::string all;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) all += read(entry.path());

  // What is asserted to be a token objective, the functions that return one, combinators and presets.
  std::set<std::string> declared;
  for (std::size_t at = all.find("static_assert(token_objective<"); at != std::string::npos;
       at = all.find("static_assert(token_objective<", at + 1))
    declared.merge(words_after(all.substr(at, all.find(';', at) - at), "token_objective<"));
  CHECK(declared.size() >= 15);
  std::set<std::string> functions;
  for (std::string const& type : declared) functions.merge(words_after(all, "RLVR_HD constexpr " + type + " "));
  functions.erase("operator");
  CHECK(functions.size() >= 6);
  declared.merge(functions);
  declared.merge(words_after(read(folder / "penalty.hpp"), "\nstruct "));
  std::string const presets = read(folder / "presets.hpp");
  std::size_t count = 0;
  for (std::size_t at = presets.find("constexpr grpo_settings<"); at != std::string::npos;
       at = presets.find("constexpr grpo_settings<", at + 1)) {
    std::size_t const brace = presets.find('{', at);
    std::size_t const name = presets.find_last_of(" \n", brace) + 1;
    declared.insert(word_at(presets, name));
    ++count;
  }
  CHECK(count >= 8);
  declared.insert("sequence_ratio_weighted");
  declared.insert("differentiate");

  std::set<std::string> enumerated;
  for (auto const& names : {token_case_names(), sequence_case_names()})
    for (std::string const& name : names) enumerated.insert(word_at(name, 0));
  for (std::string const& name : declared) {
    INFO(name);
    CHECK(enumerated.contains(name));
  }
}
