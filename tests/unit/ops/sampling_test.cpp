// SPDX-License-Identifier: MIT
// Sampling: what the filters keep, against sorting; the distribution of draws, by quantiles and by chi-square; greedy
// ties; the op's keys, log-probs and limits.
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/ops/execute.hpp>

#include "harness.hpp"
#include <reference/sampling.hpp>
#include <reference/token_loss.hpp>

namespace {

using rlvr::execute;
using rlvr::sampling_settings;
using rlvr::single_thread_group;
using test::guarded;

reference::sampling_filters filters(sampling_settings const& s) {
  return {static_cast<double>(s.temperature), static_cast<std::size_t>(s.top_k), static_cast<double>(s.top_p),
          static_cast<double>(s.min_p)};
}

std::string name(sampling_settings const& s) {
  std::ostringstream out;
  out << "temperature=" << s.temperature << " top_k=" << s.top_k << " top_p=" << s.top_p << " min_p=" << s.min_p
      << " limit=" << s.vocabulary_limit;
  return out.str();
}

std::vector<double> limited(std::vector<float> const& logits, std::int32_t limit) {
  auto const count = limit > 0 ? std::min(logits.size(), static_cast<std::size_t>(limit)) : logits.size();
  return {logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<sampling_settings> filter_settings() {
  std::vector<sampling_settings> all;
  for (float const temperature : {1.0f, 0.6f})
    for (std::int32_t const top_k : {0, 1, 3, 10, 5000})
      for (float const top_p : {1.0f, 0.9f, 0.35f, 1e-6f})
        for (float const min_p : {0.0f, 0.07f, 1.0f})
          all.push_back({.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p});
  all.push_back({.vocabulary_limit = 5});
  all.push_back({.top_k = 2, .vocabulary_limit = 6});
  all.push_back({.vocabulary_limit = 100000});
  return all;
}

// Logits with ties: tenths in a narrow range.
std::vector<float> tied_logits(std::mt19937& engine, std::size_t count) {
  std::vector<float> logits(count);
  for (float& l : logits) l = static_cast<float>(engine() % 40) / 8.0f;
  return logits;
}

}  // namespace

TEST_CASE("sampling: kept sets and draws at every quantile agree with sorting") {
  constexpr std::uint64_t points = 1024;
  unsigned seed = 1;
  for (std::size_t const vocabulary : test::sizes{1, 2, 7, 16, 61}) {
    for (bool const ties : {false, true}) {
      std::mt19937 engine(seed++);
      std::vector<float> logits = tied_logits(engine, vocabulary);
      if (!ties)
        for (float& l : logits) l += static_cast<float>(engine() % 1000) * 1e-4f;
      if (vocabulary > 10) logits[3] = -test::infinity;
      for (sampling_settings const& s : filter_settings()) {
        INFO(name(s) << " vocabulary=" << vocabulary << " ties=" << ties << " seed=" << seed - 1);
        auto const expected = reference::kept_by(limited(logits, s.vocabulary_limit), filters(s));
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

TEST_CASE("sampling: the largest and the smallest bits stay inside") {
  std::vector<float> const logits{-test::infinity, 1.0f, -90.0f, 1.0f, -test::infinity};
  auto const draw = [&](std::uint64_t bits) {
    return rlvr::kernel::sample_row(single_thread_group{}, logits.data(), logits.size(), {}, bits).id;
  };
  CHECK(draw(0) == 1);
  CHECK(draw(~std::uint64_t{0}) == 3);
}

TEST_CASE("sampling: greedy takes the smallest id among the largest logits") {
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

TEST_CASE("sampling: -0 and 0 tie") {
  std::vector<float> const zeros{-0.0f, 0.0f, -0.0f, -5.0f};
  auto const token = rlvr::kernel::sample_row(single_thread_group{}, zeros.data(), 4, {.top_k = 1}, 0);
  CHECK(token.id == 0);
  CHECK(token.kept_mass == Approx(3 / (3 + std::exp(-5.0))));
}

TEST_CASE("sample_tokens: keyed draws follow the distribution") {
  rlvr::cpu::context context(2);
  constexpr std::size_t draws = 40000;
  for (sampling_settings const& s :
       {sampling_settings{}, {.temperature = 0.7f, .top_k = 12}, {.top_p = 0.8f, .min_p = 0.02f}}) {
    INFO(name(s));
    std::mt19937 engine(99);
    std::vector<float> const logits = tied_logits(engine, 31);
    std::vector<rlvr::sample_key> keys;
    for (std::uint32_t i = 0; i < draws; ++i)
      keys.push_back({.seed = 1, .step = i % 7, .prompt = i % 11, .sample = i / 77, .position = i % 5});
    std::vector<std::int32_t> ids(draws);
    rlvr::matrix_view<float const> const same_row(logits.data(), draws, logits.size(), 0);
    execute(context, rlvr::ops::sample_tokens{.logits = same_row, .settings = s, .key = keys.data(), .id = ids.data()});
    auto const expected = reference::kept_by(limited(logits, 0), filters(s));
    std::vector<double> counts(logits.size());
    for (std::int32_t const id : ids) ++counts[static_cast<std::size_t>(id)];
    double statistic = 0, freedom = -1;
    for (std::size_t j = 0; j < counts.size(); ++j) {
      double const mean = expected.probability[j] * draws;
      if (mean == 0) {
        CHECK(counts[j] == 0);
        continue;
      }
      statistic += (counts[j] - mean) * (counts[j] - mean) / mean;
      freedom += 1;
    }
    CHECK(statistic < freedom + 5 * std::sqrt(2 * freedom));
  }
}

TEST_CASE("sample_tokens: log-prob, entropy and mass; the same draw in any batch with any threads") {
  unsigned seed = 1;
  for (std::size_t const vocabulary : test::sizes{1, 2, 33, 1009})
    for (sampling_settings const& s :
         {sampling_settings{}, {.temperature = 0.0f}, {.temperature = 1.5f, .top_k = 4}, {.vocabulary_limit = 1}}) {
      INFO(name(s) << " vocabulary=" << vocabulary << " seed=" << seed);
      std::mt19937 engine(seed++);
      constexpr std::size_t rows = 19;
      guarded logits(rows, vocabulary, 3), log_prob(1, rows), entropy(1, rows), mass(1, rows);
      logits.randomise(engine, 4.0f);
      std::vector<rlvr::sample_key> keys;
      for (std::uint32_t i = 0; i < rows; ++i) keys.push_back({.seed = seed, .prompt = i});
      std::vector<std::int32_t> ids(rows, -1);
      {
        rlvr::cpu::context context(2);
        execute(context, rlvr::ops::sample_tokens{.logits = logits.view(),
                                                  .settings = s,
                                                  .key = keys.data(),
                                                  .id = ids.data(),
                                                  .log_prob = log_prob.data(),
                                                  .entropy = entropy.data(),
                                                  .kept_mass = mass.data()});
      }
      std::vector<double> expected_log_prob, expected_entropy;
      auto const temperature = s.temperature == 0.0f ? 1.0 : static_cast<double>(s.temperature);
      for (std::size_t i = 0; i < rows; ++i) {
        std::vector<double> const row(logits.view().row(i), logits.view().row(i) + vocabulary);
        auto const statistics = reference::token_statistics(row, temperature, ids[i]);
        expected_log_prob.push_back(statistics.log_prob);
        expected_entropy.push_back(statistics.entropy);
        if (s.vocabulary_limit > 0) CHECK(ids[i] < s.vocabulary_limit);
        if (s.temperature == 0.0f) CHECK(ids[i] == std::max_element(row.begin(), row.end()) - row.begin());
      }
      RLVR_CHECK_CLOSE(log_prob.view(), test::as_row(expected_log_prob), vocabulary, 4.0);
      RLVR_CHECK_CLOSE(entropy.view(), test::as_row(expected_entropy), vocabulary, 4.0);
      CHECK((log_prob.intact() && entropy.intact() && mass.intact()));
      for (std::size_t threads = 1; threads <= 3; ++threads)
        for (std::size_t const count : test::sizes{1, 4}) {
          rlvr::cpu::context context(threads);
          std::vector<std::int32_t> part(count);
          for (std::size_t first = 0; first + count <= rows; ++first) {
            execute(context, rlvr::ops::sample_tokens{.logits = logits.view().middle_rows(first, count),
                                                      .settings = s,
                                                      .key = keys.data() + first,
                                                      .id = part.data()});
            for (std::size_t i = 0; i < count; ++i) REQUIRE(part[i] == ids[first + i]);
          }
        }
    }
}

TEST_CASE("sample_tokens: settings outside their range are refused") {
  rlvr::cpu::context context(1);
  float const logits[2] = {0.0f, 1.0f};
  rlvr::sample_key const key{};
  std::int32_t id = -1;
  auto const run = [&](sampling_settings const& s) {
    execute(context, rlvr::ops::sample_tokens{.logits = {logits, 1, 2}, .settings = s, .key = &key, .id = &id});
  };
  CHECK_NOTHROW(run({}));
  for (sampling_settings const& s : {sampling_settings{.temperature = -1.0f},
                                     {.temperature = test::nan},
                                     {.temperature = test::infinity},
                                     {.temperature = 1e-40f},
                                     {.top_k = -1},
                                     {.top_p = 0.0f},
                                     {.top_p = 1.1f},
                                     {.top_p = test::nan},
                                     {.min_p = -0.1f},
                                     {.min_p = 1.1f},
                                     {.min_p = test::nan},
                                     {.vocabulary_limit = -1}}) {
    INFO(name(s));
    CHECK_THROWS_AS(run(s), rlvr::argument_error);
  }
  CHECK_THROWS_AS(execute(context, rlvr::ops::sample_tokens{.logits = {logits, 1, 0}, .key = &key, .id = &id}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(execute(context, rlvr::ops::sample_tokens{.logits = {logits, 1, 2}, .key = &key}),
                  rlvr::argument_error);
}
