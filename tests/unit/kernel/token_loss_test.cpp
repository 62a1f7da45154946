// SPDX-License-Identifier: MIT
// The token body on rows of logits that a product would hardly yield: -inf, ties, one token, huge shifts, extreme
// spreads.
#include <rlvr/kernel/token_loss.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>

#include <reference/token_loss.hpp>
#include <unit/ops/harness.hpp>

namespace {

using rlvr::single_thread_group;

// value = 0.75 log_prob - 0.5 entropy: both gradients at once, known exactly.
struct linear_objective {
  rlvr::loss_value<float> operator()(rlvr::token_sample<float> const& s) const {
    return {.value = 0.75f * s.log_prob - 0.5f * s.entropy, .d_log_prob = 0.75f, .d_entropy = -0.5f};
  }
};

struct row_result {
  std::vector<float> gradient;
  float log_prob = test::nan, entropy = test::nan;
};

template <class Objective>
row_result run_row(std::vector<float> logits, float temperature, std::int32_t target, Objective const& objective) {
  row_result result;
  rlvr::kernel::token_loss_row(single_thread_group{}, logits.data(), logits.size(), 1 / temperature, objective,
                               rlvr::token_records{.target = &target},
                               rlvr::token_results{.log_prob = &result.log_prob, .entropy = &result.entropy}, 0);
  result.gradient = logits;
  return result;
}

void check(std::vector<float> const& logits, float temperature, std::int32_t target, double magnitude = 4) {
  INFO("vocabulary=" << logits.size() << " temperature=" << temperature << " target=" << target);
  auto const result = run_row(logits, temperature, target, linear_objective{});
  std::vector<double> const wide(logits.begin(), logits.end());
  auto const row = reference::token_statistics(wide, static_cast<double>(temperature), target);
  auto const gradient = reference::logit_gradient(row, static_cast<double>(temperature), target, 0.75, -0.5);
  CHECK(std::abs(static_cast<double>(result.log_prob) - row.log_prob) <=
        test::tolerance(static_cast<double>(logits.size()), std::fmax(magnitude, std::abs(row.log_prob))));
  CHECK(std::abs(static_cast<double>(result.entropy) - row.entropy) <=
        test::tolerance(static_cast<double>(logits.size()), magnitude));
  rlvr::matrix_view<float const> const view(result.gradient.data(), 1, result.gradient.size());
  RLVR_CHECK_CLOSE(view, test::as_row(gradient), logits.size(), magnitude);
}

std::vector<float> random_logits(std::mt19937& engine, std::size_t count, float scale) {
  std::vector<float> logits(count);
  for (float& l : logits) l = scale * (static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f);
  return logits;
}

}  // namespace

TEST_CASE("token_loss_row: values and gradients agree with double over widths, spreads and temperatures") {
  std::mt19937 engine(20250704);
  for (std::size_t const vocabulary : test::widths)
    for (float const scale : {0.0f, 1.0f, 8.0f, 60.0f})  // 0: all tie
      for (float const temperature : {1.0f, 0.5f, 3.0f})
        check(random_logits(engine, vocabulary, scale), temperature, static_cast<std::int32_t>(engine() % vocabulary),
              std::fmax(4.0, static_cast<double>(scale / temperature)));
}

TEST_CASE("token_loss_row: tokens that may not occur have logit -inf and gradient 0") {
  std::mt19937 engine(2);
  for (std::size_t const vocabulary : test::sizes{2, 7, 16, 33}) {
    auto logits = random_logits(engine, vocabulary, 3.0f);
    for (std::size_t j = 1; j < vocabulary; j += 2) logits[j] = -test::infinity;
    check(logits, 1.0f, 0);
    check(logits, 0.7f, static_cast<std::int32_t>((vocabulary - 1) / 2 * 2));
    auto const result = run_row(logits, 1.0f, 0, linear_objective{});
    for (std::size_t j = 1; j < vocabulary; j += 2) CHECK(result.gradient[j] == 0.0f);
  }
  std::vector<float> one(9, -test::infinity);
  one[4] = 2.5f;
  auto const certain = run_row(one, 1.0f, 4, linear_objective{});
  CHECK((certain.log_prob == 0.0f && certain.entropy == 0.0f));
  for (float const g : certain.gradient) CHECK(g == 0.0f);
}

TEST_CASE("token_loss_row: a shift of all logits changes nothing, up to 2^20") {
  std::mt19937 engine(3);
  for (std::size_t const vocabulary : test::sizes{2, 9, 127}) {
    // Eighths: adding a power of two is exact, so every bit has to agree.
    std::vector<float> logits(vocabulary);
    for (float& l : logits) l = static_cast<float>(engine() % 64) / 8.0f - 4.0f;
    auto const expected = run_row(logits, 1.0f, 1, linear_objective{});
    for (float const shift : {-1048576.0f, -4096.0f, 64.0f, 4096.0f, 1048576.0f}) {
      auto moved = logits;
      for (float& l : moved) l += shift;
      auto const result = run_row(moved, 1.0f, 1, linear_objective{});
      CHECK(result.log_prob == expected.log_prob);
      CHECK(result.entropy == expected.entropy);
      CHECK(result.gradient == expected.gradient);
    }
  }
}

TEST_CASE("token_loss_row: spreads beyond the range of exp stay finite") {
  std::vector<float> const logits{0.0f, -1e4f, 1e4f, -1e30f, 1e4f};
  auto const likely = run_row(logits, 1.0f, 2, linear_objective{});
  CHECK(likely.log_prob == Approx(-std::log(2.0)));
  CHECK(likely.entropy == Approx(std::log(2.0)));
  auto const unlikely = run_row(logits, 1.0f, 1, linear_objective{});
  CHECK(unlikely.log_prob == Approx(-2e4 - std::log(2.0)));
  CHECK(unlikely.gradient[1] == Approx(0.75));
  for (float const g : unlikely.gradient) CHECK(std::isfinite(g));
}

TEST_CASE("token_loss_row: a gradient sums to nothing over the vocabulary") {
  std::mt19937 engine(4);
  auto const result = run_row(random_logits(engine, 1000, 4.0f), 1.0f, 77, linear_objective{});
  double sum = 0;
  for (float const g : result.gradient) sum += static_cast<double>(g);
  CHECK(std::abs(sum) < 1e-6);
}

TEST_CASE("token_loss_row: masked rows read nothing and write zeros") {
  std::vector<float> const logits(13, test::nan);
  auto const masked = run_row(logits, 1.0f, -1, rlvr::cross_entropy{});
  CHECK((masked.log_prob == 0.0f && masked.entropy == 0.0f));
  for (float const g : masked.gradient) CHECK(g == 0.0f);
  float log_prob = test::nan, entropy = test::nan;
  rlvr::kernel::token_log_prob_row(single_thread_group{}, logits.data(), 13, 1.0f, -5, &log_prob, &entropy);
  CHECK((log_prob == 0.0f && entropy == 0.0f));
}
