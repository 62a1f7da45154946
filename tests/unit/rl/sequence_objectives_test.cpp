// SPDX-License-Identifier: MIT
// Sequence-level objectives: the gradient of the whole batch's loss through the sums over rows, edge cases, and the
// pass that fills the records.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "loss_support.hpp"

using namespace loss_test;

TEST_CASE("sequence gradients are those of the batch's loss", "[sequence_objectives]") {
  random_numbers random;
  rlvr::sequence_mean_token_mean const rows{rlvr::count_rows::all};
  for (int round = 0; round < 40; ++round) {
    INFO("seed " << seed << ", round " << round);
    batch b(random, 5);
    double const low = random.uniform(0.05, 0.4), high = random.uniform(0.05, 0.4);
    check_batch_gradient(b, rlvr::gspo(low, high), rows);
    check_batch_gradient(b, rlvr::gspo(low, high), rlvr::sequence_mean_token_sum{});  // LUSPO
    check_batch_gradient(b, rlvr::sequence_clip{.low = low, .high = high, .dual_clip = 1.3, .ratio_cap = 1.5},
                         rlvr::token_mean{});
    check_batch_gradient(b, rlvr::sequence_clip{.low = low, .high = high, .level = rlvr::sequence_level::product},
                         rows);
    check_batch_gradient(b, rlvr::sequence_clip{.low = low, .high = high, .max_log_ratio = 0.1, .epsilon = 0.5}, rows);
    check_batch_gradient(b, rlvr::gmpo{.log_low = low, .log_high = high}, rows);
    check_batch_gradient(b, rlvr::gmpo{.log_low = low, .log_high = high, .epsilon = 0.5}, rows);
    check_batch_gradient(b, rlvr::kl_penalised{rlvr::gspo(low, high), rlvr::sequence_ratio_weighted{rlvr::k3{}}, 0.3},
                         rows);
  }
}

TEST_CASE("with one advantage a response GSPO-token has the exact gradient", "[sequence_objectives]") {
  random_numbers random(2);
  for (int round = 0; round < 40; ++round) {
    INFO("seed " << seed << ", round " << round);
    batch b(random, 5, true);
    std::vector<double> token, sequence;
    rlvr::sequence_mean_token_mean const rows{};
    double const first = b.loss(rlvr::gspo_token(0.1, 0.2), rows, &token);
    double const second = b.loss(rlvr::gspo(0.1, 0.2), rows, &sequence);
    CHECK(first == Approx(second));
    for (std::size_t i = 0; i < token.size(); ++i) CHECK(token[i] == Approx(sequence[i]).margin(1e-14));
  }
}

TEST_CASE("at the clip bound of a sequence the gradient is a one-sided one", "[sequence_objectives]") {
  for (double const advantage : {1.0, -1.0})
    for (double const bound : {std::log(0.9), std::log(1.2)}) {
      auto const at = [&](double step) {
        rlvr::token_sample<double> s{.log_prob = bound + step, .old_log_prob = 0, .advantage = advantage};
        s.sequence = rlvr::summarise_sequence<double>(
            rlvr::gspo(0.1, 0.2), 1, [](std::int64_t) { return true; }, [&](std::int64_t) { return s; });
        return rlvr::gspo(0.1, 0.2)(s);
      };
      double const h = 1e-7;
      double const right = (at(h).value - at(0).value) / h, left = (at(0).value - at(-h).value) / h;
      double const slope = at(0).d_log_prob;
      CHECK(std::min(std::abs(slope - left), std::abs(slope - right)) < 1e-5);
    }
}

TEST_CASE("vespo: its weight, and a score-function gradient", "[sequence_objectives]") {
  rlvr::vespo_weight const weight{};
  CHECK(weight(0.0, 1.0) == Approx(1));
  CHECK(weight(0.0, -1.0) == Approx(1));
  CHECK(weight(0.5, 1.0) == Approx(std::exp(3 + 2 * 0.5 - 3 * std::exp(0.5))));
  CHECK(weight(-0.5, -1.0) == Approx(std::exp(2 - 3 * 0.5 - 2 * std::exp(-0.5))));
  CHECK(weight(1e3, 1.0) == 0);
  CHECK(weight(-1e3, 1.0) == Approx(0).margin(1e-12));
  random_numbers random(3);
  batch b(random, 5);
  for (auto& sample : b.samples) sample.weight = 1;
  std::vector<double> gradient;
  b.loss(rlvr::vespo{}, rlvr::token_sum{}, &gradient);
  for (std::size_t row = 0; row + 1 < b.offsets.size(); ++row) {
    double sum = 0;
    auto const first = static_cast<std::size_t>(b.offsets[row]), last = static_cast<std::size_t>(b.offsets[row + 1]);
    for (std::size_t i = first; i < last; ++i)
      if (b.mask()[i]) sum += b.samples[i].log_prob - b.samples[i].old_log_prob;
    for (std::size_t i = first; i < last; ++i)
      if (b.mask()[i]) CHECK(gradient[i] == Approx(-weight(sum, b.samples[i].advantage) * b.samples[i].advantage));
  }
}

TEST_CASE("sequence objectives are finite at the edges of arithmetic", "[sequence_objectives]") {
  check_finite(rlvr::gspo());
  check_finite(rlvr::gspo_token());
  check_finite(rlvr::sequence_clip{.level = rlvr::sequence_level::product});
  check_finite(rlvr::gmpo{});
  check_finite(rlvr::vespo{});
  // A record that nobody filled: ratio 1, no gradient through the row.
  CHECK(rlvr::gspo()(rlvr::token_sample<double>{.advantage = 1}).value == -1);
  CHECK(rlvr::gspo()(rlvr::token_sample<double>{.advantage = 1}).d_log_prob == 0);
}

TEST_CASE("records of rows", "[sequence_objectives]") {
  random_numbers random(4);
  batch b(random, 10);
  for (std::size_t i = 0; i < b.samples.size(); ++i) b.samples[i].sequence = {.index = 7, .reward = 2};
  rlvr::summarise_sequences<double>(rlvr::reinforce{}, b.samples, b.mask(), b.offsets);
  for (std::size_t row = 0; row + 1 < b.offsets.size(); ++row) {
    double n = 0, log_ratio = 0, advantage = 0;
    auto const first = static_cast<std::size_t>(b.offsets[row]), last = static_cast<std::size_t>(b.offsets[row + 1]);
    for (std::size_t i = first; i < last; ++i) {
      if (!b.mask()[i]) continue;
      n += 1;
      log_ratio += b.samples[i].log_prob - b.samples[i].old_log_prob;
      advantage += b.samples[i].advantage;
    }
    for (std::size_t i = first; i < last; ++i) {
      if (!b.mask()[i]) continue;
      auto const& record = b.samples[i].sequence;
      CHECK(record.length == n);
      CHECK(record.mean_log_ratio == Approx(log_ratio / n));
      CHECK(record.mean_advantage == Approx(advantage / n));
      CHECK(record.index == 7);
      CHECK(record.reward == 2);
      CHECK(record.term == 0);
    }
  }
  CHECK_THROWS_AS(rlvr::summarise_sequences<double>(rlvr::reinforce{}, b.samples, b.mask().first(1), b.offsets),
                  rlvr::shape_error);
  std::vector<std::int64_t> const wrong{0, 1};
  CHECK_THROWS_AS(rlvr::summarise_sequences<double>(rlvr::reinforce{}, b.samples, b.mask(), wrong), rlvr::shape_error);
}

TEST_CASE("differentiate sees the record", "[sequence_objectives]") {
  random_numbers random(5);
  auto const by_dual = rlvr::differentiate([](auto s) {
    auto const ratio = exp(s.log_prob - stop_gradient(s.log_prob) + s.sequence.mean_log_ratio);
    return -min(ratio * s.advantage, clamp(ratio, 0.9, 1.2) * s.advantage);
  });
  for (int round = 0; round < 200; ++round) {
    auto sample = random.sample();
    sample.sequence.length = 4;
    sample.sequence.mean_log_ratio = random.normal(0.2);
    auto const by_hand = rlvr::gspo_token(0.1, 0.2)(sample);
    CHECK(by_hand.value == Approx(by_dual(sample).value));
    CHECK(by_hand.d_log_prob == Approx(by_dual(sample).d_log_prob));
  }
}

TEST_CASE("a geometric mean of weights", "[sequence_objectives]") {
  std::vector<double> const weights{2, 8, std::nan("")};
  bool const mask[] = {true, true, false};
  CHECK(rlvr::geometric_mean_weight<double>(weights, mask) == Approx(4));
  bool const none[] = {false, false, false};
  CHECK(rlvr::geometric_mean_weight<double>(weights, none) == 1);
}
