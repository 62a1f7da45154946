// SPDX-License-Identifier: MIT
// The optimiser's ops: the norm in double and AdamW over several steps, both the same whatever the threads.
#include <rlvr/ops/optimizer.hpp>

#include "harness.hpp"
#include <reference/adamw.hpp>
#include <support/backend.hpp>

namespace {

using test::execute;
using test::guarded;

// Round the block that the sum is cut into.
constexpr std::size_t sizes[] = {0, 1, 2, 7, 16, 17, 16383, 16384, 16385, 50021};

std::span<float> span_of(guarded& values) { return {values.data(), values.columns()}; }

}  // namespace

TEST_CASE("global_norm: agrees with double, independent of threads") {
  for (std::size_t const n : sizes)
    for (float const scale : {1.0f, 1e-20f, 1e18f}) {  // squares that float could not hold
      INFO("n=" << n << " scale=" << scale);
      std::mt19937 engine(static_cast<unsigned>(n));
      guarded values(1, n);
      values.randomise(engine, scale);
      long double sum = 0;
      for (float const x : span_of(values)) sum += static_cast<long double>(x) * static_cast<long double>(x);
      test::storage<double> norms;
      for (std::size_t const threads : test::thread_counts) {
        auto&& context = test::make_context(threads);
        test::storage<double> norm(1, -1.0);
        execute(context, rlvr::ops::global_norm{.values = span_of(values), .result = norm.data()});
        norms.push_back(norm[0]);
        CHECK(norms.back() == norms.front());
      }
      CHECK(norms.front() == Approx(static_cast<double>(std::sqrt(sum))).epsilon(1e-13));
    }
  auto&& context = test::make_context(1);
  guarded values(1, 40000);
  values.fill(0.0f).data()[33333] = test::nan;
  test::storage<double> norm(1);
  execute(context, rlvr::ops::global_norm{.values = span_of(values), .result = norm.data()});
  CHECK(std::isnan(norm[0]));
  values.data()[33333] = -test::infinity;
  execute(context, rlvr::ops::global_norm{.values = span_of(values), .result = norm.data()});
  CHECK(std::isinf(norm[0]));
  CHECK_THROWS_AS(execute(context, rlvr::ops::global_norm{.values = span_of(values)}), rlvr::argument_error);
}

TEST_CASE("adamw_step: five steps agree with double; the gradient is consumed; threads change no bit") {
  rlvr::adamw_rule const rule{.learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  for (std::size_t const n : sizes) {
    INFO("n=" << n);
    std::vector<guarded> results;
    for (std::size_t const threads : test::thread_counts) {
      auto&& context = test::make_context(threads);
      std::mt19937 engine(static_cast<unsigned>(n));
      guarded parameter(1, n), gradient(1, n), first(1, n), second(1, n);
      parameter.randomise(engine);
      first.fill(0.0f);
      second.fill(0.0f);
      std::vector<reference::adamw_state> states(n);
      for (std::size_t i = 0; i < n; ++i) states[i].parameter = static_cast<double>(parameter.data()[i]);
      for (int t = 1; t <= 5; ++t) {
        gradient.randomise(engine);
        if (n > 3) gradient.data()[3] = 0.0f;  // a parameter that only decays
        float const clip = t == 2 ? 0.25f : 1.0f;
        double const factor = t / 5.0;
        for (std::size_t i = 0; i < n; ++i)
          states[i].step(t, static_cast<double>(gradient.data()[i]) * static_cast<double>(clip), 0.01 * factor, 0.9,
                         0.95, 1e-8, 0.1);
        execute(context, rlvr::ops::adamw_step{.parameter = span_of(parameter),
                                               .gradient = span_of(gradient),
                                               .first_moment = span_of(first),
                                               .second_moment = span_of(second),
                                               .rule = rule,
                                               .step = t,
                                               .factor = factor,
                                               .gradient_scale = clip});
        bool zero = true;
        for (float const g : span_of(gradient)) zero = zero && g == 0.0f;
        CHECK(zero);
      }
      reference::matrix p(1, n), m(1, n), v(1, n);
      for (std::size_t i = 0; i < n; ++i) {
        p(0, i) = states[i].parameter;
        m(0, i) = states[i].first;
        v(0, i) = states[i].second;
      }
      RLVR_CHECK_CLOSE(parameter.view(), p, 5);
      RLVR_CHECK_CLOSE(first.view(), m, 5);
      RLVR_CHECK_CLOSE(second.view(), v, 5);
      CHECK((parameter.intact() && gradient.intact() && first.intact() && second.intact()));
      results.push_back(parameter);
      CHECK(test::same_bits(results.front().view(), parameter.view()));
    }
  }
}

TEST_CASE("adamw_step: what a replayed step reads from the context's memory has the bits of the host's values") {
  rlvr::adamw_rule const rule{.learning_rate = 0.01};
  for (std::size_t const n : sizes)
    for (double const norm : {0.5, 4.0, static_cast<double>(test::infinity), static_cast<double>(test::nan)}) {
      INFO("n=" << n << " norm=" << norm);
      auto&& context = test::make_context(3);
      std::mt19937 engine(static_cast<unsigned>(n));
      guarded parameter(1, n), gradient(1, n), first(1, n), second(1, n);
      parameter.randomise(engine);
      gradient.randomise(engine);
      first.randomise(engine);
      second.fill(0.5f);
      guarded other_parameter = parameter, other_gradient = gradient, other_first = first, other_second = second;
      guarded before = parameter, first_before = first;
      bool const finite = std::isfinite(norm);
      if (finite)
        execute(context,
                rlvr::ops::adamw_step{.parameter = span_of(parameter),
                                      .gradient = span_of(gradient),
                                      .first_moment = span_of(first),
                                      .second_moment = span_of(second),
                                      .rule = rule,
                                      .step = 3,
                                      .factor = 0.7,
                                      .gradient_scale = static_cast<float>(rlvr::clip_coefficient(norm, 1.0))});
      test::storage<rlvr::adamw_update<float>> update(1, rule.at<float>(3, 0.7));
      test::storage<double> norms(1, norm);
      test::storage<rlvr::bf16> mirror(n, rlvr::bf16(7.0f));
      execute(context, rlvr::ops::adamw_step{.parameter = span_of(other_parameter),
                                             .gradient = span_of(other_gradient),
                                             .first_moment = span_of(other_first),
                                             .second_moment = span_of(other_second),
                                             .rule = rule,
                                             .update = update.data(),
                                             .norm = norms.data(),
                                             .max_norm = 1.0,
                                             .mirror = {mirror.data(), n}});
      CHECK(test::same_bits(finite ? parameter.view() : before.view(), other_parameter.view()));
      CHECK(test::same_bits(finite ? first.view() : first_before.view(), other_first.view()));
      CHECK(test::same_bits(second.view(), other_second.view()));
      bool rounded = true, zero = true;
      for (std::size_t i = 0; i < n; ++i) {
        float const expected = finite ? other_parameter.data()[i] : 7.0f;
        rounded = rounded && static_cast<float>(mirror[i]) == static_cast<float>(rlvr::bf16(expected));
        zero = zero && other_gradient.data()[i] == 0.0f;
      }
      CHECK(rounded);
      CHECK(zero);
    }
}

TEST_CASE("adamw_step: sizes, steps and settings that do not fit are refused") {
  auto&& context = test::make_context(1);
  guarded a(1, 4), b(1, 5);
  auto const run = [&](guarded& gradient, guarded& first, guarded& second, std::int64_t step, double rate) {
    execute(context, rlvr::ops::adamw_step{.parameter = span_of(a),
                                           .gradient = span_of(gradient),
                                           .first_moment = span_of(first),
                                           .second_moment = span_of(second),
                                           .rule = {.learning_rate = rate},
                                           .step = step});
  };
  CHECK_THROWS_AS(run(b, a, a, 1, 1e-3), rlvr::shape_error);
  CHECK_THROWS_AS(run(a, b, a, 1, 1e-3), rlvr::shape_error);
  CHECK_THROWS_AS(run(a, a, b, 1, 1e-3), rlvr::shape_error);
  CHECK_THROWS_AS(run(a, a, a, 0, 1e-3), rlvr::argument_error);
  CHECK_THROWS_AS(run(a, a, a, 1, -1.0), rlvr::argument_error);
}
