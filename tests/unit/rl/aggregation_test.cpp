// SPDX-License-Identifier: MIT
// Aggregation: any split of a batch gives the same loss and gradients; edge cases; metrics and token selections, which
// come from the same pass or the same batch.
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "loss_support.hpp"
#include <algorithm>

using namespace loss_test;

namespace {

// Loss and gradients of the batch in parts of whole rows, each part with the statistics of the whole.
template <class Aggregation>
void check_partition(batch const& b, Aggregation const& aggregation, random_numbers& random) {
  rlvr::entropy_regularised const objective{rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0.1}, 0.01};
  auto const whole = rlvr::count_batch(b.mask(), b.offsets);
  std::size_t const count = b.samples.size(), rows = b.offsets.size() - 1;
  std::vector<double> by_log_prob(count), by_entropy(count);
  rlvr::loss_metrics metrics{};
  std::vector<rlvr::loss_value<double>> token_loss(count);
  double const loss = rlvr::batch_loss<double>(objective, aggregation, whole, b.samples, b.mask(), b.offsets,
                                               {by_log_prob, by_entropy, token_loss, &metrics});
  double magnitude = 0;  // of the terms of the sum
  std::vector<double> scale(count);
  for (std::size_t row = 0; row + 1 < b.offsets.size(); ++row) {
    auto const first = static_cast<std::size_t>(b.offsets[row]), last = static_cast<std::size_t>(b.offsets[row + 1]);
    std::int64_t const length = std::count(&b.mask()[0] + first, &b.mask()[0] + last, true);
    for (std::size_t i = first; i < last; ++i) {
      scale[i] = aggregation.template scale<double>(whole, length);
      magnitude += std::abs(token_loss[i].value * scale[i]);
    }
  }

  std::size_t const parts = 1 + random.below(rows);
  std::vector<std::size_t> part_of_row(rows);
  for (auto& part : part_of_row) part = random.below(parts);
  double sum = 0;
  rlvr::loss_metrics summed{};
  rlvr::batch_statistics counted{};
  for (std::size_t part = 0; part < parts; ++part) {
    std::vector<rlvr::token_sample<double>> samples;
    std::vector<std::int64_t> offsets{0};
    std::vector<std::size_t> origin;
    for (std::size_t row = 0; row < rows; ++row) {
      if (part_of_row[row] != part) continue;
      for (auto i = static_cast<std::size_t>(b.offsets[row]); i < static_cast<std::size_t>(b.offsets[row + 1]); ++i) {
        samples.push_back(b.samples[i]);
        origin.push_back(i);
      }
      offsets.push_back(static_cast<std::int64_t>(samples.size()));
    }
    std::unique_ptr<bool[]> const mask(new bool[samples.size() + 1]);
    for (std::size_t i = 0; i < samples.size(); ++i) mask[i] = b.mask()[origin[i]];
    std::span<bool const> const mask_view(mask.get(), samples.size());
    std::vector<double> part_log_prob(samples.size()), part_entropy(samples.size());
    rlvr::loss_metrics part_metrics{};
    sum += rlvr::batch_loss<double>(objective, aggregation, whole, samples, mask_view, offsets,
                                    {part_log_prob, part_entropy, {}, &part_metrics});
    summed += part_metrics;
    counted += rlvr::count_batch(mask_view, offsets);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      // The same arithmetic, but two call sites that the compiler may contract differently.
      double const expected = by_log_prob[origin[i]];
      double const few_ulp = 4 * std::numeric_limits<double>::epsilon();
      CHECK(std::abs(part_log_prob[i] - expected) <= few_ulp * (std::abs(expected) + scale[origin[i]]));
      CHECK(part_entropy[i] == by_entropy[origin[i]]);
    }
  }
  CHECK(counted == whole);
  CHECK(std::abs(sum - loss) <= 8 * std::numeric_limits<double>::epsilon() * magnitude);
  CHECK(summed.tokens == metrics.tokens);
  CHECK(summed.clip_fraction() == metrics.clip_fraction());
  CHECK(summed.outside == metrics.outside);
  CHECK(summed.approximate_kl() == Approx(metrics.approximate_kl()).margin(1e-15));
  CHECK(summed.log_ratio_quantile(0.9) == metrics.log_ratio_quantile(0.9));
}

}  // namespace

TEST_CASE("any split of a batch gives the same loss and gradients", "[aggregation]") {
  random_numbers random;
  for (int round = 0; round < 60; ++round) {
    INFO("seed " << seed << ", round " << round);
    batch const b(random, 1 + random.below(12));
    check_partition(b, rlvr::token_mean{}, random);
    check_partition(b, rlvr::token_mean{1e-8}, random);
    check_partition(b, rlvr::sequence_mean_token_mean{}, random);
    check_partition(b, rlvr::sequence_mean_token_mean{rlvr::count_rows::all, 1e-8, 1e-8}, random);
    check_partition(b, rlvr::sequence_mean_token_sum{rlvr::count_rows::all}, random);
    check_partition(b, rlvr::constant_length{}, random);
    check_partition(b, rlvr::constant_length{32}, random);
    check_partition(b, rlvr::token_sum{}, random);
    check_partition(b, rlvr::scaled_by{0.25, rlvr::token_mean{}}, random);
  }
}

TEST_CASE("aggregations against their formulas", "[aggregation]") {
  // Rows of 1, 0, 2 and 4 positions, of which the last row's second is masked.
  std::vector<double> const x{3, -1, 2, 5, std::nan(""), 7, -4};
  bool const mask[] = {true, true, true, true, false, true, true};
  std::vector<std::int64_t> const offsets{0, 1, 1, 3, 7};
  auto const statistics = rlvr::count_batch(mask, offsets);
  CHECK(statistics == rlvr::batch_statistics{6, 4, 3, 3});
  auto const loss = [&](auto const& aggregation) {
    return rlvr::aggregate<std::remove_cvref_t<decltype(aggregation)>, double>(aggregation, statistics, x, mask,
                                                                               offsets);
  };
  using rlvr::count_rows;
  CHECK(loss(rlvr::token_mean{}) == Approx(12.0 / 6));
  CHECK(loss(rlvr::token_mean{2}) == Approx(12.0 / 8));
  CHECK(loss(rlvr::sequence_mean_token_mean{}) == Approx((3.0 + 0.5 + 8.0 / 3) / 3));
  CHECK(loss(rlvr::sequence_mean_token_mean{count_rows::all}) == Approx((3.0 + 0.5 + 8.0 / 3) / 4));
  CHECK(loss(rlvr::sequence_mean_token_mean{count_rows::one, 1, 2}) == Approx((3.0 / 2 + 1.0 / 3 + 8.0 / 4)));
  CHECK(loss(rlvr::sequence_mean_token_mean{count_rows::all, 1, 2}) == Approx((3.0 / 2 + 1.0 / 3 + 8.0 / 4) / 6));
  CHECK(loss(rlvr::sequence_mean_token_sum{}) == Approx(12.0 / 3));
  CHECK(loss(rlvr::sequence_mean_token_sum{count_rows::all}) == Approx(12.0 / 4));
  CHECK(loss(rlvr::constant_length{}) == Approx(12.0 / 9));
  CHECK(loss(rlvr::constant_length{10, count_rows::all}) == Approx(12.0 / 40));
  CHECK(loss(rlvr::token_sum{}) == Approx(12));
  CHECK(loss(rlvr::scaled_by{0.5, rlvr::token_sum{}}) == Approx(6));
}

TEST_CASE("a mean of micro-batch means is another loss", "[aggregation]") {
  std::vector<double> const values{1, 1, 1, 5};
  bool const mask[] = {true, true, true, true};
  std::vector<std::int64_t> const together{0, 3, 4}, first{0, 3}, second{0, 1};
  std::span<double const> const view(values);
  std::span<bool const> const all(mask);
  double const right =
      rlvr::aggregate<rlvr::token_mean, double>({}, rlvr::count_batch(all, together), view, all, together);
  rlvr::micro_batch_mean const legacy{2};
  double const biased = rlvr::aggregate<rlvr::micro_batch_mean, double>(legacy, rlvr::count_batch(all.first(3), first),
                                                                        view.first(3), all.first(3), first) +
                        rlvr::aggregate<rlvr::micro_batch_mean, double>(legacy, rlvr::count_batch(all.last(1), second),
                                                                        view.last(1), all.last(1), second);
  CHECK(right == 2);
  CHECK(biased == 3);
}

TEST_CASE("aggregation of prompts, rollout groups and LUSPO", "[aggregation]") {
  std::vector<double> const values{1, 2, 3, 4, 5, 6};
  bool const mask[] = {true, true, true, true, true, true};
  std::vector<std::int64_t> const offsets{0, 1, 3, 6};  // rows of 1, 2 and 3 tokens
  auto const statistics = rlvr::count_batch(mask, offsets);
  // Prompt 0 has rows 0 and 1, prompt 1 row 2.
  rlvr::batch_statistics prompts{};
  prompts.add_sequence(3);
  prompts.add_sequence(3);
  std::vector<std::int64_t> const tokens{3, 3, 3};
  CHECK(rlvr::aggregate<rlvr::prompt_mean, double>({}, prompts, values, mask, offsets, {}, tokens) ==
        Approx((6.0 / 3 + 15.0 / 3) / 2));
  std::vector<std::int64_t> const denominators{2, 2, 0};
  CHECK(rlvr::aggregate<rlvr::row_denominator, double>({}, statistics, values, mask, offsets, {}, denominators) ==
        Approx(1.0 / 2 + 5.0 / 2 + 15));
  // LUSPO: mean over rows of (row mean times length).
  CHECK(rlvr::aggregate<rlvr::sequence_mean_token_sum, double>({rlvr::count_rows::all}, statistics, values, mask,
                                                               offsets) == Approx((1.0 * 1 + 2.5 * 2 + 5.0 * 3) / 3));
}

TEST_CASE("a batch without tokens has loss and gradient 0", "[aggregation]") {
  double const nan = std::nan("");
  std::vector<rlvr::token_sample<double>> const samples(3, {.log_prob = nan, .old_log_prob = nan, .advantage = nan});
  bool const mask[] = {false, false, false};
  std::vector<std::int64_t> const offsets{0, 0, 2, 3};
  auto const check = [&](auto const& aggregation) {
    std::vector<double> gradient(3, nan);
    rlvr::loss_metrics metrics{};
    CHECK(rlvr::batch_loss<double>(rlvr::ppo_clip{}, aggregation, rlvr::count_batch(mask, offsets), samples, mask,
                                   offsets, {gradient, {}, {}, &metrics}) == 0);
    CHECK(gradient == std::vector<double>(3, 0.0));
    CHECK(metrics.clip_fraction() == 0);
    CHECK(metrics.approximate_kl() == 0);
    CHECK(metrics.log_ratio_quantile(0.5) == 0);
  };
  check(rlvr::token_mean{1e-8});
  check(rlvr::sequence_mean_token_mean{rlvr::count_rows::all, 1e-8, 1e-8});
  check(rlvr::sequence_mean_token_sum{});
  check(rlvr::constant_length{});
  check(rlvr::token_sum{});
  std::vector<std::int64_t> const falling{0, 2, 1, 3};
  CHECK_THROWS_AS(rlvr::count_batch(mask, falling), rlvr::shape_error);
}

TEST_CASE("metrics against direct counts", "[loss_metrics]") {
  random_numbers random(6);
  rlvr::ppo_clip const objective{.dual_clip = 1.5};
  rlvr::loss_metrics metrics{};
  std::vector<double> log_ratios;
  double k1 = 0, k3 = 0, above_positive = 0, entropy = 0;
  for (int i = 0; i < 2000; ++i) {
    auto const sample = random.sample();
    metrics.add(sample, objective(sample));
    double const u = sample.log_prob - sample.old_log_prob;
    log_ratios.push_back(u);
    k1 -= u;
    k3 += std::exp(u) - 1 - u;
    entropy += sample.entropy;
    above_positive += std::exp(u) > 1.2 && sample.advantage > 0 ? 1 : 0;
  }
  std::sort(log_ratios.begin(), log_ratios.end());
  CHECK(metrics.approximate_kl() == Approx(k1 / 2000));
  CHECK(metrics.approximate_kl_k3() == Approx(k3 / 2000));
  CHECK(metrics.mean_entropy() == Approx(entropy / 2000));
  CHECK(metrics.clip_fraction_high() == above_positive / 2000);
  CHECK(metrics.outside.above_positive == static_cast<std::int64_t>(above_positive));
  CHECK(metrics.clipped_dual > 0);
  for (double const q : {0.01, 0.1, 0.5, 0.9, 0.99}) {
    double const exact = log_ratios[static_cast<std::size_t>(q * 2000)];
    CHECK(std::abs(metrics.log_ratio_quantile(q) - exact) <= 2 * rlvr::loss_metrics::bin_width);
  }
  CHECK(metrics.log_ratio_quantile(0) >= log_ratios.front());
  CHECK(metrics.log_ratio_quantile(1) <= log_ratios.back());
}

TEST_CASE("quantiles and high-entropy tokens", "[token_selection]") {
  std::vector<double> const values{4, 1, 3, 2};
  CHECK(rlvr::linear_quantile<double>(values, 0.0) == 1);
  CHECK(rlvr::linear_quantile<double>(values, 1.0) == 4);
  CHECK(rlvr::linear_quantile<double>(values, 0.5) == 2.5);
  CHECK(rlvr::linear_quantile<double>(values, 0.9) == Approx(3.7));
  CHECK(rlvr::linear_quantile<double>({}, 0.5) == 0);
  CHECK_THROWS_AS(rlvr::linear_quantile<double>(values, 1.1), rlvr::argument_error);

  std::vector<double> const entropy{0.1, std::nan(""), 2, 0.5, 1};
  bool const mask[] = {true, false, true, true, true};
  bool selected[5];
  CHECK(rlvr::select_high_entropy<double>(entropy, mask, 0.5, selected) == 0.75);
  CHECK(std::vector<bool>(selected, selected + 5) == std::vector<bool>{false, false, true, false, true});
  rlvr::select_high_entropy<double>(entropy, mask, 0.0, selected);
  CHECK(std::count(selected, selected + 5, true) == 4);
  CHECK_THROWS_AS(rlvr::select_high_entropy<double>(entropy, std::span<bool const>(mask).first(2), 0.5, selected),
                  rlvr::shape_error);
}

TEST_CASE("covariance selections", "[token_selection]") {
  random_numbers random(7);
  batch const b(random, 20);
  std::size_t const count = b.samples.size();
  std::vector<double> advantage, log_prob, covariance(count);
  double tokens = 0, mean_advantage = 0, mean_log_prob = 0;
  for (std::size_t i = 0; i < count; ++i) {
    advantage.push_back(b.samples[i].advantage);
    log_prob.push_back(b.samples[i].log_prob);
    if (!b.mask()[i]) continue;
    tokens += 1;
    mean_advantage += advantage[i];
    mean_log_prob += log_prob[i];
  }
  rlvr::token_covariances<double>(advantage, log_prob, b.mask(), covariance);
  for (std::size_t i = 0; i < count; ++i) {
    double const expected =
        b.mask()[i] ? (advantage[i] - mean_advantage / tokens) * (log_prob[i] - mean_log_prob / tokens) : 0;
    CHECK(covariance[i] == Approx(expected).margin(1e-14));
  }
  std::unique_ptr<bool[]> const chosen(new bool[count]), clipped(new bool[count]);
  std::fill_n(clipped.get(), count, false);
  clipped[0] = true;
  std::span<bool> const selected(chosen.get(), count);

  std::size_t const most = rlvr::select_kl_cov<double>(0.3, covariance, b.mask(), selected);
  CHECK(most == static_cast<std::size_t>(0.3 * tokens));
  double least_chosen = 1e9, largest_left = -1e9;
  for (std::size_t i = 0; i < count; ++i) {
    if (!b.mask()[i]) CHECK_FALSE(selected[i]);
    if (selected[i]) least_chosen = std::min(least_chosen, covariance[i]);
    if (b.mask()[i] && !selected[i]) largest_left = std::max(largest_left, covariance[i]);
  }
  CHECK(least_chosen >= largest_left);
  CHECK(rlvr::select_kl_cov<double>(1e-9, covariance, b.mask(), selected) == 1);

  std::span<bool const> const clipped_view(clipped.get(), count);
  std::size_t const all = rlvr::select_clip_cov<double>({.low = 0.1, .high = 2, .share = 1}, covariance, b.mask(),
                                                        clipped_view, 1, selected);
  std::size_t candidates = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bool const candidate = b.mask()[i] && i != 0 && covariance[i] > 0.1 && covariance[i] < 2;
    candidates += candidate ? 1 : 0;
    CHECK(selected[i] == candidate);
  }
  CHECK(all == candidates);
  // A quota below the number of candidates: a subset of them, another one for another seed.
  double const share = 3.5 / tokens;
  REQUIRE(candidates > 6);
  auto const draw = [&](std::uint64_t with_seed) {
    CHECK(rlvr::select_clip_cov<double>({.low = 0.1, .high = 2, .share = share}, covariance, b.mask(), clipped_view,
                                        with_seed, selected) == 3);
    return std::vector<bool>(selected.begin(), selected.end());
  };
  CHECK(draw(1) == draw(1));
  bool different = false;
  for (std::uint64_t other = 2; other < 12; ++other) different = different || draw(other) != draw(1);
  CHECK(different);
  // Nothing to choose from.
  std::fill_n(clipped.get(), count, false);
  CHECK(rlvr::select_kl_cov<double>(0.5, covariance, clipped_view, selected) == 0);
}
