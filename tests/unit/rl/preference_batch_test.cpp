// SPDX-License-Identifier: MIT
// Batches of preference pairs: token gradients against central differences, masks, both orders, any split into parts,
// LD-DPO, WPO, the SFT term, sorted margins.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/preference_batch.hpp>
#include <rlvr/rl/preference_score.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <support/catch.hpp>
#include <vector>

namespace {

namespace preference = rlvr::preference;
constexpr unsigned seed = 20261124;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Random pairs, interleaved; rows of 0 to 6 tokens, three quarters of which count.
struct batch {
  explicit batch(std::size_t pairs, unsigned salt = 0) {
    std::mt19937_64 engine(seed + salt);
    std::normal_distribution<double> normal(0, 1);
    for (std::size_t row = 0; row < 2 * pairs; ++row) {
      for (std::size_t t = engine() % 7; t > 0; --t) {
        log_prob.push_back(-std::abs(normal(engine)));
        reference.push_back(log_prob.back() + 0.7 * normal(engine));
        flags.push_back(engine() % 4 != 0);
      }
      offsets.push_back(static_cast<std::int64_t>(log_prob.size()));
    }
    for (std::size_t p = 0; p < pairs; ++p) weight.push_back(0.5 + std::abs(normal(engine)));
    mask = std::make_unique<bool[]>(flags.size() + 1);
    std::copy(flags.begin(), flags.end(), mask.get());
    gradient.resize(log_prob.size());
  }
  [[nodiscard]] rlvr::preference_rows<double> rows() const {
    return {.log_prob = log_prob,
            .reference_log_prob = reference,
            .mask = {mask.get(), flags.size()},
            .offsets = offsets,
            .pair_weight = weight};
  }

  std::vector<double> log_prob, reference, gradient, weight;
  std::vector<std::int64_t> offsets{0};
  std::vector<bool> flags;
  std::unique_ptr<bool[]> mask;
};

// Central differences of `loss_of(rows, gradient)` by every token.
template <class LossOf>
void check_gradient(batch& data, LossOf const& loss_of) {
  double const h = 1e-6;
  std::vector<double> const expected = [&] {
    std::vector<double> scratch(data.log_prob.size()), result;
    for (std::size_t t = 0; t < data.log_prob.size(); ++t) {
      double const at = data.log_prob[t];
      data.log_prob[t] = at + h;
      double const above = loss_of(data.rows(), std::span<double>(scratch)).loss;
      data.log_prob[t] = at - h;
      double const below = loss_of(data.rows(), std::span<double>(scratch)).loss;
      data.log_prob[t] = at;
      result.push_back((above - below) / (2 * h));
    }
    return result;
  }();
  std::fill(data.gradient.begin(), data.gradient.end(), not_a_number);
  (void)loss_of(data.rows(), std::span<double>(data.gradient));
  for (std::size_t t = 0; t < expected.size(); ++t) {
    INFO("token " << t);
    CHECK(data.gradient[t] == Approx(expected[t]).epsilon(1e-5).margin(1e-8));
  }
}

}  // namespace

TEST_CASE("preference batch: gradient of every token", "[preference]") {
  INFO("seed " << seed);
  batch data(6);
  rlvr::preference_options options{.normaliser = 9.5, .tail_weight = 0.3, .sft_weight = 0.4};
  auto const run = [&](auto const& loss) {
    check_gradient(data, [&](auto const& rows, std::span<double> gradient) {
      return rlvr::preference_batch_loss(loss, rows, options, gradient);
    });
  };
  run(preference::dpo{0.4, 0.1});
  run(preference::length_normalised{preference::ipo{0.4}});
  run(preference::transformed{preference::alpha_score{0.4}, preference::nca_pair{0.4}});
  options.sft_tokens = 11;
  run(preference::dpo{0.4});
  options.order = rlvr::pair_order::halves;
  run(preference::sppo_hard{0.4});
  for (auto const kind : {rlvr::aot_kind::paired, rlvr::aot_kind::unpaired})
    check_gradient(data, [&](auto const& rows, std::span<double> gradient) {
      return rlvr::aot_loss(preference::dpo{0.4, 0.1}, kind, rows, options, gradient);
    });
}

TEST_CASE("preference batch: the value is the mean over pairs of sums over tokens", "[preference]") {
  double const log_prob[] = {-1, -2, -0.5, -3, -0.25};
  double const reference[] = {-1.5, -1, -1, -1, -0.5};
  std::int64_t const offsets[] = {0, 1, 3, 5, 5};  // pairs (1 token, 2 tokens) and (2 tokens, none)
  double gradient[5];
  rlvr::preference_rows<double> const rows{
      .log_prob = log_prob, .reference_log_prob = reference, .mask = {}, .offsets = offsets};
  preference::dpo const loss{0.5};
  auto const found = rlvr::preference_batch_loss(loss, rows, {}, std::span<double>(gradient));
  double const d[] = {0.5, -1 + 0.5, -2 + 0.25, 0};
  CHECK(found.loss == Approx((loss.of_margin(d[0] - d[1]).value + loss.of_margin(d[2] - d[3]).value) / 2));
  CHECK(found.chosen_log_ratio == Approx((d[0] + d[2]) / 2));
  CHECK(found.rejected_log_ratio == Approx((d[1] + d[3]) / 2));
  CHECK(found.accuracy == 0.5);
  CHECK(found.pairs == 2);
  // LD-DPO: the second token of row 1 and both of row 2 lie past the shorter response.
  auto const decoupled = rlvr::preference_batch_loss(loss, rows, {.tail_weight = 0.25}, std::span<double>(gradient));
  CHECK(decoupled.rejected_log_ratio == Approx((-1 + 0.25 * 0.5) / 2));
  CHECK(decoupled.chosen_log_ratio == Approx((0.5 + 0.25 * d[2]) / 2));
  CHECK(gradient[2] == Approx(0.25 * gradient[1]));
  // Without a reference the log-ratio is the log-probability; halves pair rows 0 and 2, 1 and 3.
  rlvr::preference_rows<double> free = rows;
  free.reference_log_prob = {};
  auto const alone = rlvr::preference_batch_loss(loss, free, {.order = rlvr::pair_order::halves, .sft_weight = 2},
                                                 std::span<double>(gradient));
  CHECK(alone.sft == Approx((1 + 2.5 / 2) / 2));
  CHECK(alone.loss == Approx((loss.of_margin(-1 + 3.25).value + loss.of_margin(-2.5).value) / 2 + 2 * alone.sft));
}

TEST_CASE("preference batch: masked tokens and pairs are never read", "[preference]") {
  batch clean(5, 1), dirty(5, 1);
  for (std::size_t t = 0; t < dirty.flags.size(); ++t)
    if (!dirty.flags[t]) dirty.log_prob[t] = t % 2 ? not_a_number : -infinity;
  bool const counted[] = {true, true, false, true, true};
  for (auto t = static_cast<std::size_t>(dirty.offsets[4]); t < static_cast<std::size_t>(dirty.offsets[6]); ++t)
    dirty.reference[t] = not_a_number;
  auto const run = [&](batch& data) {
    auto rows = data.rows();
    rows.pair_mask = counted;
    return rlvr::preference_batch_loss(preference::length_normalised{preference::dpo{}}, rows, {.sft_weight = 1},
                                       std::span<double>(data.gradient));
  };
  auto const expected = run(clean), found = run(dirty);
  CHECK(found.loss == expected.loss);
  CHECK(std::isfinite(found.loss));
  CHECK(dirty.gradient == clean.gradient);
  CHECK(found.pairs == 4);
  for (std::size_t t = 0; t < dirty.flags.size(); ++t)
    if (!dirty.flags[t]) CHECK(dirty.gradient[t] == 0);

  bool const none[] = {false, false, false, false, false};
  auto rows = dirty.rows();
  rows.pair_mask = none;
  auto const empty = rlvr::preference_batch_loss(preference::dpo{}, rows, {}, std::span<double>(dirty.gradient));
  CHECK(empty.loss == 0);
  CHECK(empty.accuracy == 0);
  CHECK(dirty.gradient == std::vector<double>(dirty.gradient.size()));
}

TEST_CASE("preference batch: forbidden tokens and huge log-ratios give finite results", "[preference]") {
  std::int64_t const offsets[] = {0, 2, 3};
  double const reference[] = {-infinity, -1, -1};
  std::array<double, 3> gradient{};
  // A token forbidden by both policies adds nothing; one forbidden by the policy alone sits on the limit.
  for (double const second : {-2.0, -infinity, -1e3, -1e9}) {
    double const log_prob[] = {-infinity, second, -0.5};
    auto const found = rlvr::preference_batch_loss(
        preference::dpo{}, {.log_prob = log_prob, .reference_log_prob = reference, .mask = {}, .offsets = offsets},
        {.sft_weight = 0}, std::span<double>(gradient));
    CHECK(std::isfinite(found.loss));
    for (double const g : gradient) CHECK(std::isfinite(g));
    bool const clamped = second < -1e6;
    CHECK((gradient[1] == 0) == clamped);
    if (clamped) CHECK(found.loss == Approx(0.1 * (1e6 + 0.5)));
  }
  double const log_prob[] = {-infinity, -2, -0.5};
  auto const aot =
      rlvr::aot_loss(preference::dpo{}, rlvr::aot_kind::paired,
                     {.log_prob = log_prob, .reference_log_prob = reference, .mask = {}, .offsets = offsets}, {},
                     std::span<double>(gradient));
  CHECK(std::isfinite(aot.loss));
}

TEST_CASE("preference batch: parts with the global normaliser add up to the whole", "[preference]") {
  batch data(7, 2);
  preference::dpo const loss{0.3, 0.05};
  rlvr::preference_options const options{.normaliser = 7, .sft_weight = 0.3};
  auto const whole = rlvr::preference_batch_loss(loss, data.rows(), options, std::span<double>(data.gradient));
  std::mt19937_64 engine(seed);
  for (int repetition = 0; repetition < 5; ++repetition) {
    double sum = 0;
    std::vector<double> gradient(data.gradient.size());
    for (std::size_t pair = 0; pair < 7;) {
      std::size_t const count = std::min<std::size_t>(1 + engine() % 3, 7 - pair);
      auto const begin = data.offsets[2 * pair], end = data.offsets[2 * (pair + count)];
      auto const at = static_cast<std::size_t>(begin), size = static_cast<std::size_t>(end - begin);
      std::vector<std::int64_t> offsets;
      for (std::size_t row = 2 * pair; row <= 2 * (pair + count); ++row) offsets.push_back(data.offsets[row] - begin);
      auto const part =
          rlvr::preference_batch_loss(loss,
                                      {.log_prob = std::span<double const>(data.log_prob).subspan(at, size),
                                       .reference_log_prob = std::span<double const>(data.reference).subspan(at, size),
                                       .mask = {data.mask.get() + at, size},
                                       .offsets = offsets,
                                       .pair_weight = std::span<double const>(data.weight).subspan(pair, count)},
                                      options, std::span<double>(gradient).subspan(at, size));
      sum += part.loss;
      pair += count;
    }
    CHECK(sum == Approx(whole.loss).epsilon(1e-14));
    CHECK(gradient == data.gradient);
  }
}

TEST_CASE("WPO: the weight of a pair", "[preference]") {
  double const logits[] = {0.3, -1.0, 2.0, -infinity};
  double sum = 0, squares = 0;
  for (double const x : logits) sum += std::exp(x);
  for (double const x : logits) squares += std::exp(x) / sum * (std::exp(x) / sum);
  CHECK(rlvr::wpo_weight::log_collision(std::span<double const>(logits)) == Approx(std::log(squares)));
  double const log_prob[] = {-1, not_a_number, -2}, collision[] = {-0.5, 0, -1};
  bool const mask[] = {true, false, true};
  double const mean =
      rlvr::wpo_weight::row_mean(std::span<double const>(log_prob), std::span<double const>(collision), mask);
  CHECK(mean == Approx(-0.75));
  CHECK(rlvr::wpo_weight{}(mean, 1.0) == Approx(std::exp(0.25)));
  CHECK(rlvr::wpo_weight{.maximum = 1}(mean, 1.0) == 1);
  CHECK(rlvr::wpo_weight::row_mean(std::span<double const>(), std::span<double const>(), {}) == 0);
}

TEST_CASE("AOT: sorted margins, against the definition", "[preference]") {
  // One token per row: log-ratios of three pairs.
  double const chosen[] = {0.5, -1, 2}, rejected[] = {1, 0.25, -0.5};
  double log_prob[6], gradient[6];
  for (std::size_t p = 0; p < 3; ++p) {
    log_prob[2 * p] = chosen[p] - 3;
    log_prob[2 * p + 1] = rejected[p] - 3;
  }
  double const reference[] = {-3, -3, -3, -3, -3, -3};
  std::int64_t const offsets[] = {0, 1, 2, 3, 4, 5, 6};
  preference::dpo const loss{0.5};
  rlvr::preference_rows<double> const rows{
      .log_prob = log_prob, .reference_log_prob = reference, .mask = {}, .offsets = offsets};
  auto const found = rlvr::aot_loss(loss, rlvr::aot_kind::unpaired, rows, {}, std::span<double>(gradient));
  double const expected =
      loss.of_margin(-1 + 0.5).value + loss.of_margin(0.5 - 0.25).value + loss.of_margin(2.0 - 1).value;
  CHECK(found.loss == Approx(expected / 3));
  CHECK(gradient[2] == Approx(-gradient[5]));  // -1 was compared with -0.5
  // The reference's margins are all 0: the paired form compares each policy margin with 0.
  auto const paired = rlvr::aot_loss(loss, rlvr::aot_kind::paired, rows, {}, std::span<double>(gradient));
  CHECK(paired.loss ==
        Approx((loss.of_margin(-0.5).value + loss.of_margin(-1.25).value + loss.of_margin(2.5).value) / 3));
}

TEST_CASE("preference batch: sizes that do not fit", "[preference]") {
  batch data(2);
  auto const run = [&](rlvr::preference_rows<double> const& rows, std::size_t room) {
    return rlvr::preference_batch_loss(preference::dpo{}, rows, {}, std::span<double>(data.gradient).first(room));
  };
  std::size_t const tokens = data.log_prob.size();
  auto rows = data.rows();
  CHECK_NOTHROW(run(rows, tokens));
  CHECK_THROWS_AS(run(rows, tokens - 1), rlvr::shape_error);
  rows.offsets = rows.offsets.first(4);
  CHECK_THROWS_AS(run(rows, tokens), rlvr::shape_error);
  rows = data.rows();
  rows.reference_log_prob = rows.reference_log_prob.first(1);
  CHECK_THROWS_AS(run(rows, tokens), rlvr::shape_error);
  rows = data.rows();
  rows.pair_weight = rows.pair_weight.first(1);
  CHECK_THROWS_AS(run(rows, tokens), rlvr::shape_error);
}
