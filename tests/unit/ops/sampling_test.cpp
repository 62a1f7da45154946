// SPDX-License-Identifier: MIT
// sample_tokens: the bits of the one-thread body; the distribution of draws by chi-square; keys, log-probs, limits.
#include <rlvr/ops/sample_tokens.hpp>

#include "harness.hpp"
#include "sampling_support.hpp"
#include <reference/token_loss.hpp>
#include <support/backend.hpp>

namespace {

using rlvr::sampling_settings;
using rlvr::single_thread_group;
using test::execute;
using test::guarded;

// Whether host and device agree on every bit of e^x: not if only one of them fuses multiplications and additions.
#if defined(__CUDACC__) && !defined(__FMA__)
constexpr bool same_exponentials = false;
#else
constexpr bool same_exponentials = true;
#endif

// Rows that a model hardly yields, in turn: tokens that may not occur, ties of 0 and -0, all equal, extreme spreads.
void make_special(std::size_t row, rlvr::matrix_view<float> logits) {
  for (std::size_t j = 0; j < logits.columns; ++j) {
    float& l = logits(row, j);
    switch (row % 6) {
      case 1:
        l = j % 3 == 1 ? -test::infinity : l;
        break;
      case 2:
        l = j % 2 == 0 ? 0.0f : -0.0f;
        break;
      case 3:
        l = 2.5f;
        break;
      case 4:
        l *= 1e4f;
        break;
      case 5:
        l += 1e6f;
        break;
      default:
        break;
    }
  }
}

}  // namespace

TEST_CASE("sample_tokens: ids and masses have the bits of the one-thread body") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (std::size_t const vocabulary : test::sizes{1, 2, 33, test::wide, test::widest}) {
    std::size_t const rows = vocabulary < test::widest ? test::scale(12, 6) : 2;
    std::mt19937 engine(seed++);
    guarded logits(rows, vocabulary, 1), mass(1, rows);
    logits.randomise(engine, 6.0f);
    for (std::size_t i = 0; i < rows; ++i) make_special(i, logits.view());
    auto const settings = test::filter_settings();
    std::size_t const step = vocabulary < test::wide ? 1 : vocabulary < test::widest ? test::scale(1, 7) : 31;
    for (std::size_t at = 0; at < settings.size(); at += step) {
      sampling_settings s = settings[at];
      if (at % 10 == 9) s.temperature = 0.0f;
      INFO(test::name(s) << " vocabulary=" << vocabulary << " seed=" << seed - 1);
      test::storage<rlvr::sample_key> keys;
      for (std::uint32_t i = 0; i < rows; ++i)
        keys.push_back({.seed = at, .step = 3, .prompt = i, .sample = 1, .position = 17});
      test::storage<std::int32_t> ids(rows, -1);
      execute(context, rlvr::ops::sample_tokens{.logits = logits.view(),
                                                .settings = s,
                                                .key = keys.data(),
                                                .id = ids.data(),
                                                .kept_mass = mass.fill(test::nan).data()});
      for (std::size_t i = 0; i < rows; ++i) {
        auto const expected =
            rlvr::kernel::sample_row(single_thread_group{}, logits.view().row(i), vocabulary, s, keys[i].bits());
        CHECK(ids[i] == expected.id);
        if constexpr (same_exponentials)
          CHECK(mass.view()(0, i) == expected.kept_mass);
        else
          CHECK(mass.view()(0, i) == Approx(expected.kept_mass).margin(1e-6));
      }
      CHECK((logits.intact() && mass.intact()));
    }
  }
}

TEST_CASE("sample_tokens: keyed draws follow the distribution") {
  auto&& context = test::make_context(2);
  constexpr std::size_t draws = test::scale(40000, 1500);
  for (sampling_settings const& s :
       {sampling_settings{}, {.temperature = 0.7f, .top_k = 12}, {.top_p = 0.8f, .min_p = 0.02f}}) {
    INFO(test::name(s));
    std::mt19937 engine(99);
    auto const logits = test::to_storage(test::tied_logits(engine, 31));
    test::storage<rlvr::sample_key> keys;
    for (std::uint32_t i = 0; i < draws; ++i)
      keys.push_back({.seed = 1, .step = i % 7, .prompt = i % 11, .sample = i / 77, .position = i % 5});
    test::storage<std::int32_t> ids(draws);
    rlvr::matrix_view<float const> const same_row(logits.data(), draws, logits.size(), 0);
    execute(context, rlvr::ops::sample_tokens{.logits = same_row, .settings = s, .key = keys.data(), .id = ids.data()});
    auto const expected = reference::kept_by(test::limited(logits, 0), test::filters(s));
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
  for (std::size_t const vocabulary : test::sizes{1, 2, 33, test::wide})
    for (sampling_settings const& s :
         {sampling_settings{}, {.temperature = 0.0f}, {.temperature = 1.5f, .top_k = 4}, {.vocabulary_limit = 1}}) {
      INFO(test::name(s) << " vocabulary=" << vocabulary << " seed=" << seed);
      std::mt19937 engine(seed++);
      constexpr std::size_t rows = 19;
      guarded logits(rows, vocabulary, 3), log_prob(1, rows), entropy(1, rows), mass(1, rows);
      logits.randomise(engine, 4.0f);
      test::storage<rlvr::sample_key> keys;
      for (std::uint32_t i = 0; i < rows; ++i) keys.push_back({.seed = seed, .prompt = i});
      test::storage<std::int32_t> ids(rows, -1);
      {
        auto&& context = test::make_context(2);
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
      for (std::size_t const threads : test::thread_counts)
        for (std::size_t const count : test::sizes{1, 4}) {
          auto&& context = test::make_context(threads);
          test::storage<std::int32_t> part(count);
          for (std::size_t first = 0; first + count <= rows; first += test::scale(1, 5)) {
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
  auto&& context = test::make_context(1);
  test::storage<float> const logits{0.0f, 1.0f};
  test::storage<rlvr::sample_key> const key(1);
  test::storage<std::int32_t> id(1, -1);
  auto const run = [&](sampling_settings const& s) {
    execute(context, rlvr::ops::sample_tokens{
                         .logits = {logits.data(), 1, 2}, .settings = s, .key = key.data(), .id = id.data()});
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
    INFO(test::name(s));
    CHECK_THROWS_AS(run(s), rlvr::argument_error);
  }
  CHECK_THROWS_AS(
      execute(context, rlvr::ops::sample_tokens{.logits = {logits.data(), 1, 0}, .key = key.data(), .id = id.data()}),
      rlvr::shape_error);
  CHECK_THROWS_AS(execute(context, rlvr::ops::sample_tokens{.logits = {logits.data(), 1, 2}, .key = key.data()}),
                  rlvr::argument_error);
}
