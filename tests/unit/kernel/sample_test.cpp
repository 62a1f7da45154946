// SPDX-License-Identifier: MIT
// Drawing from a row: what the filters keep, against sorting; the distribution of draws, by quantiles; greedy ties.
#include <rlvr/kernel/sample.hpp>

#include <unit/ops/harness.hpp>
#include <unit/ops/sampling_support.hpp>

namespace {

using rlvr::sampling_settings;
using rlvr::single_thread_group;

}  // namespace

TEST_CASE("sample_row: kept sets and draws at every quantile agree with sorting") {
  constexpr std::uint64_t points = 1024;
  unsigned seed = 1;
  for (std::size_t const vocabulary : test::sizes{1, 2, 7, 16, 61}) {
    for (bool const ties : {false, true}) {
      std::mt19937 engine(seed++);
      std::vector<float> logits = test::tied_logits(engine, vocabulary);
      if (!ties)
        for (float& l : logits) l += static_cast<float>(engine() % 1000) * 1e-4f;
      if (vocabulary > 10) logits[3] = -test::infinity;
      for (sampling_settings const& s : test::filter_settings()) {
        INFO(test::name(s) << " vocabulary=" << vocabulary << " ties=" << ties << " seed=" << seed - 1);
        auto const expected = reference::kept_by(test::limited(logits, s.vocabulary_limit), test::filters(s));
        std::vector<std::uint64_t> counts(expected.kept.size());
        float kept_mass = test::nan;
        for (std::uint64_t point = 0; point < points; ++point) {
          // The middle of the point-th of 1024 equal parts of the 64-bit range.
          std::uint64_t const bits = (point << 54) | (std::uint64_t{1} << 53);
          auto const token = rlvr::kernel::sample_row(single_thread_group{}, logits.data(), vocabulary, s, bits);
          ++counts.at(static_cast<std::size_t>(token.id));
          kept_mass = token.kept_mass;
        }
        // The mass that the filters keep tells wrong sets apart; so does every token's share of the quantiles.
        CHECK(static_cast<double>(kept_mass) == Approx(expected.mass).margin(2e-6));
        double worst = 0;
        for (std::size_t j = 0; j < expected.kept.size(); ++j) {
          worst = std::max(worst, std::abs(static_cast<double>(counts[j]) - expected.probability[j] * points));
          if (!expected.kept[j] && counts[j] > 0) FAIL_CHECK("token " << j << " was filtered, yet drawn");
        }
        CHECK(worst <= 1.01);
      }
    }
  }
}

TEST_CASE("sample_row: the largest and the smallest bits stay inside") {
  std::vector<float> const logits{-test::infinity, 1.0f, -90.0f, 1.0f, -test::infinity};
  auto const draw = [&](std::uint64_t bits) {
    return rlvr::kernel::sample_row(single_thread_group{}, logits.data(), logits.size(), {}, bits).id;
  };
  CHECK(draw(0) == 1);
  CHECK(draw(~std::uint64_t{0}) == 3);
}

TEST_CASE("sample_row: greedy takes the smallest id among the largest logits") {
  for (std::size_t const vocabulary : test::sizes{1, 2, 15, 16, 17, 129})
    for (std::size_t const first : test::sizes{std::size_t{0}, vocabulary / 2, vocabulary - 1}) {
      std::vector<float> logits(vocabulary, -2.0f);
      for (std::size_t j = first; j < vocabulary; j += 3) logits[j] = -1.0f;
      auto const token = rlvr::kernel::sample_row(single_thread_group{}, logits.data(), vocabulary,
                                                  {.temperature = 0.0f, .top_k = 1}, 12345);
      CHECK(static_cast<std::size_t>(token.id) == first);
      CHECK(token.kept_mass == 1.0f);
    }
  std::vector<float> const padded{1.0f, 2.0f, 9.0f};
  CHECK(rlvr::kernel::sample_row(single_thread_group{}, padded.data(), 3, {.temperature = 0, .vocabulary_limit = 2}, 0)
            .id == 1);
}

TEST_CASE("sample_row: -0 and 0 tie") {
  std::vector<float> const zeros{-0.0f, 0.0f, -0.0f, -5.0f};
  auto const token = rlvr::kernel::sample_row(single_thread_group{}, zeros.data(), 4, {.top_k = 1}, 0);
  CHECK(token.id == 0);
  CHECK(token.kept_mass == Approx(3 / (3 + std::exp(-5.0))));
}
