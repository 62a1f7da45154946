// SPDX-License-Identifier: MIT
/// @file
/// Random samples and batches for the tests of losses, with the seed in every failure message.
#pragma once

#include <rlvr/rl/batch_loss.hpp>
#include <rlvr/rl/sequence_pass.hpp>

#include <cmath>
#include <memory>
#include <random>
#include <support/catch.hpp>
#include <vector>

namespace loss_test {

inline constexpr unsigned seed = 20251123;

class random_numbers {
 public:
  explicit random_numbers(unsigned offset = 0) : engine_(seed + offset) {}
  double normal(double scale) { return scale * std::normal_distribution<double>()(engine_); }
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }

  /// A token near its old policy.
  rlvr::token_sample<double> sample() {
    rlvr::token_sample<double> s{};
    s.log_prob = -std::abs(normal(1.5)) - 0.01;
    s.old_log_prob = s.log_prob + normal(0.4);
    s.reference_log_prob = s.log_prob + normal(0.6);
    s.behaviour_log_prob = s.old_log_prob + normal(0.1);
    s.advantage = normal(1.0);
    s.entropy = std::abs(normal(1.0));
    s.weight = uniform(0.2, 2);
    s.selected = uniform(0, 1) < 0.5;
    s.sequence.reward = normal(1.0);
    return s;
  }

 private:
  std::mt19937_64 engine_;
};

/// Packed rows with masked positions that hold NaN.
struct batch {
  std::vector<rlvr::token_sample<double>> samples;
  std::unique_ptr<bool[]> mask_storage;
  std::vector<std::int64_t> offsets{0};

  explicit batch(random_numbers& random, std::size_t rows, bool one_advantage_a_row = false) {
    double const nan = std::nan("");
    std::vector<bool> counts;
    for (std::size_t i = 0; i < rows; ++i) {
      std::size_t const length = i % 5 == 4 ? 0 : 1 + random.below(6);
      double const advantage = random.normal(1);
      for (std::size_t t = 0; t < length; ++t) {
        auto sample = random.sample();
        if (one_advantage_a_row) sample.advantage = advantage;
        bool const masked = random.uniform(0, 1) < 0.25;
        if (masked)
          sample = {.log_prob = nan,
                    .old_log_prob = nan,
                    .reference_log_prob = nan,
                    .behaviour_log_prob = nan,
                    .advantage = nan,
                    .entropy = nan,
                    .weight = nan};
        samples.push_back(sample);
        counts.push_back(!masked);
      }
      offsets.push_back(static_cast<std::int64_t>(samples.size()));
    }
    mask_storage.reset(new bool[samples.size() + 1]);
    for (std::size_t i = 0; i < samples.size(); ++i) mask_storage[i] = counts[i];
  }

  [[nodiscard]] std::span<bool const> mask() const { return {mask_storage.get(), samples.size()}; }

  /// Loss of the log-probs as they are now; records are computed anew.
  template <class Objective, class Aggregation>
  double loss(Objective const& objective, Aggregation const& aggregation, std::vector<double>* gradient = nullptr) {
    rlvr::summarise_sequences<double>(objective, samples, mask(), offsets);
    if (gradient) gradient->assign(samples.size(), std::nan(""));
    return rlvr::batch_loss<double>(objective, aggregation, rlvr::count_batch(mask(), offsets), samples, mask(),
                                    offsets,
                                    {.d_log_prob = gradient ? std::span<double>(*gradient) : std::span<double>()});
  }
};

/// The gradient of the whole batch's loss by every log-prob against central differences, where it has no kink within
/// the step.
template <class Objective, class Aggregation>
void check_batch_gradient(batch& b, Objective const& objective, Aggregation const& aggregation) {
  std::vector<double> gradient;
  b.loss(objective, aggregation, &gradient);
  std::vector<double> after, ahead;
  double const h = 1e-6;
  for (std::size_t i = 0; i < b.samples.size(); ++i) {
    if (!b.mask()[i]) {
      CHECK(gradient[i] == 0);
      continue;
    }
    double const before = b.samples[i].log_prob;
    b.samples[i].log_prob = before + h;
    double const above = b.loss(objective, aggregation, &after);
    b.samples[i].log_prob = before - h;
    double const below = b.loss(objective, aggregation, &ahead);
    b.samples[i].log_prob = before;
    if (std::abs(after[i] - ahead[i]) > 1e-4) continue;
    INFO("position " << i);
    CHECK(gradient[i] == Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-8));
  }
}

/// d_log_prob of one token against central differences, where the loss has no kink within the step.
template <class Objective>
void check_slope(Objective const& objective, rlvr::token_sample<double> const& sample) {
  double const h = 1e-6;
  auto const at = [&](double step) {
    auto moved = sample;
    moved.log_prob += step;
    return objective(moved);
  };
  if (std::abs(at(h).d_log_prob - at(-h).d_log_prob) > 1e-3) return;
  CHECK(objective(sample).d_log_prob == Approx((at(h).value - at(-h).value) / (2 * h)).epsilon(1e-5).margin(1e-7));
}

/// At a kink the derivative is one of the two one-sided ones.
template <class Objective>
void check_kink(Objective const& objective, rlvr::token_sample<double> const& sample) {
  double const h = 1e-7;
  auto const value = [&](double step) {
    auto moved = sample;
    moved.log_prob += step;
    return objective(moved).value;
  };
  double const right = (value(h) - value(0)) / h;
  double const left = (value(0) - value(-h)) / h;
  double const slope = objective(sample).d_log_prob;
  INFO("left " << left << ", right " << right << ", found " << slope);
  CHECK(std::min(std::abs(slope - left), std::abs(slope - right)) < 1e-5 * (1 + std::abs(slope)));
}

/// Log-probs that a policy can have at the edge of arithmetic.
template <class Objective>
void check_finite(Objective const& objective) {
  float const infinity = std::numeric_limits<float>::infinity();
  for (float const advantage : {-1.5f, 0.0f, 1.5f})
    for (float const now : {-infinity, -1000.0f, -0.5f, 0.0f})
      for (float const then : {-infinity, -1000.0f, -0.5f, 0.0f}) {
        rlvr::token_sample<float> sample{.log_prob = now,
                                         .old_log_prob = then,
                                         .reference_log_prob = then,
                                         .behaviour_log_prob = then,
                                         .advantage = advantage,
                                         .entropy = 1,
                                         .selected = true};
        sample.sequence = rlvr::summarise_sequence<float>(
            objective, 1, [](std::int64_t) { return true; }, [&](std::int64_t) { return sample; });
        auto const loss = objective(sample);
        INFO("advantage " << advantage << ", log-prob " << now << ", old " << then);
        CHECK(std::isfinite(loss.value));
        CHECK(std::isfinite(loss.d_log_prob));
      }
}

}  // namespace loss_test
