// SPDX-License-Identifier: MIT
// Objectives over whole responses: the expected loss and gradient by enumeration of every response of one to three
// tokens, against differences of the expected surrogate that rl/sequence_objectives.hpp states; what theory says about
// them.
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "expectation_support.hpp"

using namespace expectation_test;

namespace {

constexpr std::size_t symbols = 3;  // 0 ends a response
constexpr std::size_t longest = 3;  // tokens
using row_of = std::array<double, symbols>;
using table = std::array<row_of, symbols>;  // by the token before; 0: the start
using gradient = std::array<double, symbols * symbols>;

table probabilities(table const& logits) {
  table result{};
  for (std::size_t c = 0; c < symbols; ++c) result[c] = softmax(logits[c]);
  return result;
}

std::vector<std::vector<std::size_t>> all_responses() {
  std::vector<std::vector<std::size_t>> done, open{{}};
  for (std::size_t length = 1; length <= longest; ++length) {
    std::vector<std::vector<std::size_t>> longer;
    for (auto const& prefix : open)
      for (std::size_t token = 0; token < symbols; ++token) {
        auto response = prefix;
        response.push_back(token);
        (token == 0 || length == longest ? done : longer).push_back(response);
      }
    open = longer;
  }
  return done;
}

// A policy over responses, with advantages of every token of every response.
struct language {
  table logits{};
  table old{};
  table reference{};
  std::vector<std::vector<std::size_t>> responses = all_responses();
  std::vector<std::array<double, longest>> advantage;
  std::vector<std::array<double, longest>> weight;

  // With `one_advantage` all tokens of a response share theirs.  Responses are drawn from the old policy.
  language(loss_test::random_numbers& random, double drift, bool one_advantage, bool weights = false) {
    table earlier{}, frozen{};
    for (std::size_t c = 0; c < symbols; ++c)
      for (std::size_t k = 0; k < symbols; ++k) {
        logits[c][k] = random.normal(0.7);
        earlier[c][k] = logits[c][k] + random.normal(drift);
        frozen[c][k] = logits[c][k] + random.normal(0.5);
      }
    old = probabilities(earlier);
    reference = probabilities(frozen);
    for (std::size_t i = 0; i < responses.size(); ++i) {
      advantage.push_back({random.normal(1), random.normal(1), random.normal(1)});
      weight.push_back({1, 1, 1});
      if (one_advantage) advantage.back().fill(advantage.back()[0]);
      if (weights) weight.back() = {random.uniform(0.2, 2), random.uniform(0.2, 2), random.uniform(0.2, 2)};
    }
  }

  [[nodiscard]] std::vector<action> tokens(std::size_t i, table const& p, table const& held) const {
    std::vector<action> result;
    std::size_t before = 0;
    for (std::size_t t = 0; t < responses[i].size(); ++t) {
      std::size_t const token = responses[i][t];
      result.push_back({.p = p[before][token],
                        .held = held[before][token],
                        .old = old[before][token],
                        .reference = reference[before][token],
                        .advantage = advantage[i][t],
                        .weight = weight[i][t]});
      before = token;
    }
    return result;
  }

  [[nodiscard]] double probability(std::size_t i) const {
    double product = 1;
    for (action const& a : tokens(i, old, old)) product *= a.old;
    return product;
  }
};

struct row_expectation {
  double loss = 0;
  gradient by_logits{};
};

// A loss of one response and its derivatives by the log-probs of its tokens.
using row_objective = std::function<double(std::vector<rlvr::token_sample<double>>&, std::vector<double>& d_log_prob)>;
using row_surrogate = std::function<double(std::vector<action> const&)>;

template <class Objective, class Aggregation>
row_objective of(Objective const& objective, Aggregation const& aggregation) {
  return [=](std::vector<rlvr::token_sample<double>>& samples, std::vector<double>& d_log_prob) {
    std::array<bool, longest> const all{true, true, true};
    std::span<bool const> const mask(all.data(), samples.size());
    std::array<std::int64_t, 2> const offsets{0, static_cast<std::int64_t>(samples.size())};
    rlvr::summarise_sequences<double>(objective, samples, mask, offsets);
    d_log_prob.assign(samples.size(), 0);
    return rlvr::batch_loss<double>(objective, aggregation, rlvr::count_batch(mask, offsets), samples, mask, offsets,
                                    {.d_log_prob = std::span<double>(d_log_prob)});
  };
}

row_expectation by_library(language const& l, row_objective const& objective) {
  table const p = probabilities(l.logits);
  row_expectation result;
  for (std::size_t i = 0; i < l.responses.size(); ++i) {
    std::vector<rlvr::token_sample<double>> samples;
    for (action const& a : l.tokens(i, p, p))
      samples.push_back({.log_prob = std::log(a.p),
                         .old_log_prob = std::log(a.old),
                         .reference_log_prob = std::log(a.reference),
                         .advantage = a.advantage,
                         .weight = a.weight});
    std::vector<double> d_log_prob;
    result.loss += l.probability(i) * objective(samples, d_log_prob);
    std::size_t before = 0;
    for (std::size_t t = 0; t < l.responses[i].size(); ++t) {
      std::size_t const token = l.responses[i][t];
      for (std::size_t k = 0; k < symbols; ++k)
        result.by_logits[before * symbols + k] +=
            l.probability(i) * d_log_prob[t] * ((k == token ? 1 : 0) - p[before][k]);
      before = token;
    }
  }
  return result;
}

double expected_surrogate(language const& l, table const& logits, row_surrogate const& formula) {
  table const p = probabilities(logits), held = probabilities(l.logits);
  double sum = 0;
  for (std::size_t i = 0; i < l.responses.size(); ++i) sum += l.probability(i) * formula(l.tokens(i, p, held));
  return sum;
}

row_expectation by_differences(language const& l, row_surrogate const& formula) {
  row_expectation result{.loss = expected_surrogate(l, l.logits, formula)};
  for (std::size_t c = 0; c < symbols; ++c)
    for (std::size_t k = 0; k < symbols; ++k) {
      table above = l.logits, below = l.logits;
      above[c][k] += difference_step;
      below[c][k] -= difference_step;
      result.by_logits[c * symbols + k] =
          (expected_surrogate(l, above, formula) - expected_surrogate(l, below, formula)) / (2 * difference_step);
    }
  return result;
}

double length_of(std::vector<action> const& row) { return static_cast<double>(row.size()); }

// Probability of the response under the policy over that under the old one; with `held` that of the fixed policy.
double product_ratio(std::vector<action> const& row, double action::*policy = &action::p) {
  double product = 1;
  for (action const& a : row) product *= a.*policy / a.old;
  return product;
}

double geometric_ratio(std::vector<action> const& row, double padding = 0, double action::*policy = &action::p) {
  return std::pow(product_ratio(row, policy), 1 / (length_of(row) + padding));
}

// Mean over the tokens of a term.
template <class Term>
double mean_of(std::vector<action> const& row, Term const& term) {
  double sum = 0;
  for (action const& a : row) sum += term(a);
  return sum / length_of(row);
}

row_surrogate clipped_geometric(clip const& c, double padding = 0, double greatest = rlvr::unlimited) {
  return [=](std::vector<action> const& row) {
    double const ratio = std::min(geometric_ratio(row, padding), greatest);
    return mean_of(row, [&](action const& a) { return c(ratio, a.advantage); });
  };
}

double gmpo_of(std::vector<action> const& row, double low, double high, double padding) {
  double advantages = 0, exponent = 0;
  for (action const& a : row) {
    double const bound = std::exp(a.advantage > 0 ? high : -low);
    double const ratio = a.p / a.old;
    exponent += std::log(a.advantage > 0 ? std::min(ratio, bound) : std::max(ratio, bound));
    advantages += a.advantage;
  }
  return -advantages / (length_of(row) + padding) * std::exp(exponent / (length_of(row) + padding));
}

double vespo_of(std::vector<action> const& row) {
  double ratio = product_ratio(row, &action::held);
  for (action const& a : row) ratio *= a.weight;
  double sum = 0;
  for (action const& a : row) {
    double const k = a.advantage >= 0 ? 2 : 3, lambda = a.advantage >= 0 ? 3 : 2;
    sum -= std::exp(lambda - lambda * ratio) * std::pow(ratio, k) * a.advantage * std::log(a.p);
  }
  return sum;
}

struct row_case {
  std::string name;
  row_objective objective;
  row_surrogate formula;
};

constexpr rlvr::sequence_mean_token_mean row_mean{};
constexpr rlvr::sequence_mean_token_sum row_sum{};

std::vector<row_case> all_cases() {
  using rlvr::sequence_clip;
  using rlvr::sequence_level;
  using row = std::vector<action>;
  return {
      {"gspo", of(rlvr::gspo(0.05, 0.1), row_mean), clipped_geometric({.low = 0.05, .high = 0.1})},
      {"gspo, by its defaults", of(rlvr::gspo(), row_mean), clipped_geometric({.low = 3e-4, .high = 4e-4})},
      {"gspo, LUSPO's aggregation", of(rlvr::gspo(0.05, 0.1), row_sum),
       [](row const& r) { return length_of(r) * clipped_geometric({.low = 0.05, .high = 0.1})(r); }},
      {"gspo_token", of(rlvr::gspo_token(0.05, 0.1), row_mean),
       [](row const& r) {
         double const held = geometric_ratio(r, 0, &action::held);
         return mean_of(
             r, [&](action const& a) { return clip{.low = 0.05, .high = 0.1}(held * a.p / a.held, a.advantage); });
       }},
      {"sequence_clip",
       of(sequence_clip{.low = 0.1, .high = 0.2, .dual_clip = 1.3, .ratio_cap = 1.4, .epsilon = 0.5}, row_mean),
       clipped_geometric({.low = 0.1, .high = 0.2, .dual = 1.3, .cap = 1.4}, 0.5)},
      {"sequence_clip, bounded ratio", of(sequence_clip{.low = 1, .high = 9, .max_log_ratio = 0.1}, row_mean),
       clipped_geometric({.low = 1, .high = 9}, 0, std::exp(0.1))},
      {"sequence_clip, product", of(sequence_clip{.low = 0.2, .high = 0.3, .level = sequence_level::product}, row_mean),
       [](row const& r) {
         return mean_of(r,
                        [&](action const& a) { return clip{.low = 0.2, .high = 0.3}(product_ratio(r), a.advantage); });
       }},
      {"gmpo", of(rlvr::gmpo{.log_low = 0.1, .log_high = 0.2}, row_mean),
       [](row const& r) { return gmpo_of(r, 0.1, 0.2, 0); }},
      {"gmpo, padded", of(rlvr::gmpo{.log_low = 0.1, .log_high = 0.2, .epsilon = 0.5}, row_mean),
       [](row const& r) { return gmpo_of(r, 0.1, 0.2, 0.5); }},
      {"vespo", of(rlvr::vespo{}, row_sum), vespo_of},
      {"sequence_ratio_weighted",
       of(rlvr::kl_penalised{rlvr::gspo(0.05, 0.1), rlvr::sequence_ratio_weighted{rlvr::k3{}}, 0.3}, row_mean),
       [](row const& r) {
         double const kl = mean_of(r, [](action const& a) { return k3_of(a.p, a.reference); });
         return clipped_geometric({.low = 0.05, .high = 0.1})(r) + 0.3 * geometric_ratio(r) * kl;
       }},
  };
}

// Gradient of minus the expected advantage of a response drawn from the policy.
gradient exact_gradient(language const& l) {
  return by_differences(l, [](std::vector<action> const& row) { return -product_ratio(row) * row[0].advantage; })
      .by_logits;
}

double distance(gradient const& x, gradient const& y) {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) sum += (x[k] - y[k]) * (x[k] - y[k]);
  return std::sqrt(sum);
}

}  // namespace

std::vector<std::string> expectation_test::sequence_case_names() {
  std::vector<std::string> names;
  for (row_case const& one : all_cases()) names.push_back(one.name);
  return names;
}

TEST_CASE("every response is enumerated once", "[expectation]") {
  loss_test::random_numbers random;
  language const l(random, 0.5, false);
  CHECK(l.responses.size() == 1 + 2 + 4 * 3);
  double total = 0;
  for (std::size_t i = 0; i < l.responses.size(); ++i) total += l.probability(i);
  CHECK(total == Approx(1));
}

TEST_CASE("the expected loss and gradient of every sequence objective are those of its formula", "[expectation]") {
  for (row_case const& one : all_cases()) {
    loss_test::random_numbers random;
    for (int round = 0; round < 12; ++round) {
      language const l(random, round < 4 ? 0.03 : (round < 8 ? 0.3 : 0.8), false, one.name == "vespo");
      INFO(one.name << ", seed " << loss_test::seed << ", round " << round);
      row_expectation const found = by_library(l, one.objective), expected = by_differences(l, one.formula);
      CHECK(found.loss == Approx(expected.loss).epsilon(1e-12).margin(1e-13));
      check_equal(found.by_logits, expected.by_logits, 1, 1e-8);
    }
  }
}

TEST_CASE("on-policy, sequence objectives have the exact policy gradient under a sum over tokens", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 5; ++round) {
    language const l(random, 0, true);
    INFO("seed " << loss_test::seed << ", round " << round);
    gradient const exact = exact_gradient(l);
    auto const check = [&](char const* name, row_objective const& objective, double tolerance = 1e-8) {
      INFO(name);
      check_equal(by_library(l, objective).by_logits, exact, 1, tolerance);
    };
    check("reinforce", of(rlvr::reinforce{}, row_sum));
    check("ppo_clip", of(rlvr::ppo_clip{}, row_sum));
    check("gspo", of(rlvr::gspo(), row_sum));
    check("gspo_token", of(rlvr::gspo_token(), row_sum));
    check("gmpo", of(rlvr::gmpo{}, row_sum));
    check("vespo", of(rlvr::vespo{}, row_sum));
    check("product", of(rlvr::sequence_clip{.level = rlvr::sequence_level::product}, row_mean));
    // A mean over the tokens divides each response's part by its length.
    CHECK(distance(by_library(l, of(rlvr::gspo(), row_mean)).by_logits, exact) > 1e-3);
  }
}

TEST_CASE("off-policy, only the ratio of whole responses is unbiased", "[expectation]") {
  loss_test::random_numbers random;
  for (int round = 0; round < 5; ++round) {
    language const l(random, 0.5, true);
    INFO("seed " << loss_test::seed << ", round " << round);
    gradient const exact = exact_gradient(l);
    rlvr::sequence_clip free{.low = 1, .high = 1e9, .level = rlvr::sequence_level::product};
    check_equal(by_library(l, of(free, row_mean)).by_logits, exact, 1, 1e-8);
    free.level = rlvr::sequence_level::geometric;
    CHECK(distance(by_library(l, of(free, row_sum)).by_logits, exact) > 1e-3);
    CHECK(distance(by_library(l, of(rlvr::ppo_clip{.low = 1, .high = 1e9}, row_sum)).by_logits, exact) > 1e-3);
  }
}

TEST_CASE("sequence clips: nothing inside, no gradient beyond, all of it on the way back", "[expectation]") {
  loss_test::random_numbers random;
  for (double const drift : {0.01, 0.6}) {
    language l(random, drift, true);
    table const p = probabilities(l.logits);
    // Ratios just outside a bound of 1e-6 on either side; advantages that ask for more of the same, or the way back.
    for (double const towards : {1.0, -1.0}) {
      for (std::size_t i = 0; i < l.responses.size(); ++i)
        l.advantage[i].fill(geometric_ratio(l.tokens(i, p, p)) > 1 ? towards : -towards);
      INFO("drift " << drift << ", towards " << towards);
      gradient const free = by_library(l, of(rlvr::gspo(1, 1e9), row_mean)).by_logits;
      for (auto const gradient_to : {rlvr::sequence_gradient::token, rlvr::sequence_gradient::sequence}) {
        rlvr::sequence_clip const narrow{.low = 1e-6, .high = 1e-6, .gradient = gradient_to};
        check_equal(by_library(l, of(narrow, row_mean)).by_logits, free, towards > 0 ? 0 : 1);
        rlvr::sequence_clip const wide{.low = 0.9, .high = 9, .gradient = gradient_to};
        check_equal(by_library(l, of(wide, row_mean)).by_logits, free);
      }
    }
    // gmpo clips tokens: the advantages have to go with those.
    language by_token = l;
    for (std::size_t i = 0; i < l.responses.size(); ++i) {
      std::vector<action> const row = l.tokens(i, p, p);
      for (std::size_t t = 0; t < row.size(); ++t) by_token.advantage[i][t] = row[t].p > row[t].old ? 2 : -1;
    }
    rlvr::gmpo const narrow{.log_low = 1e-6, .log_high = 1e-6};
    check_equal(by_library(by_token, of(narrow, row_mean)).by_logits, gradient{});
    for (auto& advantages : by_token.advantage)
      for (double& advantage : advantages) advantage = -advantage;
    gradient const back = by_library(by_token, of(narrow, row_mean)).by_logits;
    check_equal(back, by_library(by_token, of(rlvr::gmpo{.log_low = 50, .log_high = 50}, row_mean)).by_logits);
    CHECK(distance(back, gradient{}) > 1e-3);
  }
}
