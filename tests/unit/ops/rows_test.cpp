// SPDX-License-Identifier: MIT
// RMSNorm, rotary positions and SwiGLU: values and gradients against double, rows alone and in batches.
#include <rlvr/ops/rows.hpp>

#include "harness.hpp"
#include <reference/rows.hpp>
#include <support/backend.hpp>

namespace {

using test::execute;
using test::guarded;
using test::row_of;
using test::same_bits;

struct shape {
  std::size_t rows, width, gap;
  unsigned seed;

  friend std::ostream& operator<<(std::ostream& out, shape const& s) {
    return out << "rows=" << s.rows << " width=" << s.width << " gap=" << s.gap << " seed=" << s.seed;
  }
};

std::vector<shape> shapes() {
  std::vector<shape> all;
  unsigned seed = 1;
  for (std::size_t const width : test::widths)
    for (std::size_t const rows : test::sizes{0, 1, 2, 7, 17}) all.push_back({rows, width, seed % 2 ? 0u : 3u, seed++});
  all.push_back({301, 131, 1, seed});
  all.push_back({2, test::wide, 2, seed + 1});
  return all;
}

// Cosines and sines as a model makes them: computed in double, stored in float.
struct rotary_table {
  guarded cosine, sine;

  rotary_table(std::size_t positions, std::size_t head_size, double theta)
      : cosine(positions, head_size / 2), sine(positions, head_size / 2) {
    for (std::size_t p = 0; p < positions; ++p)
      for (std::size_t j = 0; j < head_size / 2; ++j) {
        double const angle =
            static_cast<double>(p) * std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_size));
        cosine.view()(p, j) = static_cast<float>(std::cos(angle));
        sine.view()(p, j) = static_cast<float>(std::sin(angle));
      }
  }
};

rlvr::ops::rope rope_op(guarded& values, test::storage<std::int32_t> const& position, rotary_table& table,
                        float direction) {
  rlvr::ops::rope op{};
  op.values = values.view();
  op.position = position.data();
  op.cosine = table.cosine.view();
  op.sine = table.sine.view();
  op.direction = direction;
  return op;
}

rlvr::ops::rms_norm norm_op(guarded& x, guarded& w, guarded& y, float* inverse_rms, float epsilon) {
  rlvr::ops::rms_norm op{};
  op.input = x.view();
  op.weight = w.data();
  op.output = y.view();
  op.inverse_rms = inverse_rms;
  op.epsilon = epsilon;
  return op;
}

}  // namespace

TEST_CASE("rms_norm: values and gradients agree with double") {
  auto&& context = test::make_context(2);
  for (shape const& s : shapes())
    for (float const epsilon : {1e-6f, 0.1f}) {
      INFO(s << " epsilon=" << epsilon);
      std::mt19937 engine(s.seed);
      guarded x(s.rows, s.width, s.gap), w(1, s.width), y(s.rows, s.width, s.gap), inverse_rms(1, s.rows);
      guarded dy(s.rows, s.width, s.gap), dx(s.rows, s.width, s.gap), dw(1, s.width);
      x.randomise(engine, 2.0f);
      w.randomise(engine);
      dy.randomise(engine);
      dw.randomise(engine);
      // One row is all zero: only epsilon keeps it finite.
      if (s.rows > 2)
        for (std::size_t j = 0; j < s.width; ++j) x.view()(1, j) = 0.0f;
      auto const e = static_cast<double>(epsilon);
      auto const rx = reference::copy_of(x.view()), rdy = reference::copy_of(dy.view());
      auto const rw = row_of(w);
      execute(context, norm_op(x, w, y, inverse_rms.data(), epsilon));
      RLVR_CHECK_CLOSE(y.view(), reference::rms_norm(rx, rw, e), s.width);

      auto const expected_dx = reference::rms_norm_input_gradient(rx, rw, e, rdy);
      auto expected_dw = reference::rms_norm_weight_gradient(rx, e, rdy);
      auto const before = row_of(dw);
      for (std::size_t j = 0; j < s.width; ++j) expected_dw[j] += before[j];
      rlvr::ops::rms_norm_gradient op{};
      op.input = x.view();
      op.weight = w.data();
      op.inverse_rms = inverse_rms.data();
      op.output_gradient = dy.view();
      op.input_gradient = dx.view();
      op.accumulate = false;
      op.weight_gradient = dw.data();
      execute(context, op);
      double scale = 1;  // dx is divided by the root mean square, which may be tiny
      for (double const r : row_of(inverse_rms)) scale = std::fmax(scale, r);
      RLVR_CHECK_CLOSE(dx.view(), expected_dx, s.width, scale);
      RLVR_CHECK_CLOSE(dw.view(), test::as_row(expected_dw), s.width + s.rows, 2.0);

      // A residual branch: the same gradient, added.
      guarded added(s.rows, s.width, s.gap), weight_again(1, s.width);
      added.fill(0.25f);
      auto sum = expected_dx;
      for (double& value : sum.values) value += 0.25;
      op.input_gradient = added.view();
      op.accumulate = true;
      op.weight_gradient = nullptr;
      execute(context, op);
      RLVR_CHECK_CLOSE(added.view(), sum, s.width, scale);

      // In place, both ways.
      guarded in_place = x;
      execute(context, norm_op(in_place, w, in_place, nullptr, epsilon));
      CHECK(same_bits(in_place.view(), y.view()));
      guarded gradient_in_place = dy;
      op.output_gradient = gradient_in_place.view();
      op.input_gradient = gradient_in_place.view();
      op.accumulate = false;
      execute(context, op);
      CHECK(same_bits(gradient_in_place.view(), dx.view()));
      CHECK((y.intact() && dx.intact() && dw.intact() && inverse_rms.intact() && in_place.intact()));
    }
}

TEST_CASE("rms_norm: the reference's gradient is that of its forward pass") {
  std::mt19937 engine(5);
  for (double const epsilon : {1e-6, 0.3}) {
    guarded x(3, 5), w(1, 5), dy(3, 5);
    auto rx = reference::copy_of(x.randomise(engine).view());
    auto rw = reference::copy_of(w.randomise(engine).view());
    auto const rdy = reference::copy_of(dy.randomise(engine).view());
    auto const loss = [&] { return dot(reference::rms_norm(rx, rw.values, epsilon), rdy); };
    RLVR_CHECK_CLOSE(reference::finite_differences(rx, loss),
                     reference::rms_norm_input_gradient(rx, rw.values, epsilon, rdy), 1);
    RLVR_CHECK_CLOSE(reference::finite_differences(rw, loss),
                     test::as_row(reference::rms_norm_weight_gradient(rx, epsilon, rdy)), 1);
  }
}

TEST_CASE("rope: rotates as complex numbers do, and back") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (std::size_t const head_size : test::sizes{2, 4, 6, 16, 18, 64})
    for (std::size_t const heads : test::sizes{1, 2, 3})
      for (std::size_t const rows : test::sizes{0, 1, 2, 9, 40})
        for (double const theta : {10000.0, 500000.0}) {
          INFO("head_size=" << head_size << " heads=" << heads << " rows=" << rows << " theta=" << theta
                            << " seed=" << seed);
          std::mt19937 engine(seed++);
          rotary_table table(300, head_size, theta);
          test::storage<std::int32_t> position(rows);
          for (auto& p : position) p = static_cast<std::int32_t>(engine() % 300);
          if (rows > 1) position[1] = 0;
          guarded x(rows, heads * head_size, seed % 3);
          auto const before = reference::copy_of(x.randomise(engine).view());
          guarded const start = x;
          execute(context, rope_op(x, position, table, 1.0f));
          RLVR_CHECK_CLOSE(x.view(), reference::rope(before, position, head_size, theta, 1), 2);
          CHECK(x.intact());
          execute(context, rope_op(x, position, table, -1.0f));
          RLVR_CHECK_CLOSE(x.view(), before, 4);
          // The gradient is the inverse rotation: <R x, y> = <x, R^-1 y>.
          guarded y = start;
          auto const ry = reference::copy_of(y.randomise(engine).view());
          execute(context, rope_op(y, position, table, -1.0f));
          CHECK(dot(reference::rope(before, position, head_size, theta, 1), ry) ==
                Approx(dot(before, reference::copy_of(y.view()))).margin(1e-5 * static_cast<double>(rows * head_size)));
        }
}

TEST_CASE("swiglu: values and gradients agree with double, far into both tails") {
  auto&& context = test::make_context(2);
  for (shape const& s : shapes())
    for (float const scale : {1.0f, 30.0f, 200.0f}) {
      INFO(s << " scale=" << scale);
      std::mt19937 engine(s.seed);
      guarded gate(s.rows, s.width, s.gap), up(s.rows, s.width), out(s.rows, s.width, s.gap), dy(s.rows, s.width);
      guarded gate_gradient(s.rows, s.width), up_gradient(s.rows, s.width, s.gap);
      auto rg = reference::copy_of(gate.randomise(engine, scale).view());
      auto const ru = reference::copy_of(up.randomise(engine).view());
      auto const rdy = reference::copy_of(dy.randomise(engine).view());
      execute(context, rlvr::ops::swiglu{.gate = gate.view(), .up = up.view(), .out = out.view()});
      auto const magnitude = static_cast<double>(scale);
      RLVR_CHECK_CLOSE(out.view(), reference::swiglu(rg, ru), 1, 1.0);
      execute(context, rlvr::ops::swiglu_gradient{.gate = gate.view(),
                                                  .up = up.view(),
                                                  .out_gradient = dy.view(),
                                                  .gate_gradient = gate_gradient.view(),
                                                  .up_gradient = up_gradient.view()});
      reference::matrix expected_gate(s.rows, s.width), expected_up(s.rows, s.width);
      for (std::size_t i = 0; i < rg.values.size(); ++i) {
        expected_gate.values[i] = rdy.values[i] * ru.values[i] * reference::silu_derivative(rg.values[i]);
        expected_up.values[i] = rdy.values[i] * reference::silu(rg.values[i]);
      }
      RLVR_CHECK_CLOSE(gate_gradient.view(), expected_gate, 1, magnitude);
      RLVR_CHECK_CLOSE(up_gradient.view(), expected_up, 1, 1.0);
      guarded gate_in_place = gate, up_in_place = up;
      execute(context, rlvr::ops::swiglu_gradient{.gate = gate_in_place.view(),
                                                  .up = up_in_place.view(),
                                                  .out_gradient = dy.view(),
                                                  .gate_gradient = gate_in_place.view(),
                                                  .up_gradient = up_in_place.view()});
      CHECK(same_bits(gate_in_place.view(), gate_gradient.view()));
      CHECK(same_bits(up_in_place.view(), up_gradient.view()));
      CHECK((out.intact() && gate_gradient.intact() && up_gradient.intact() && gate_in_place.intact()));
    }
  for (double const x : {-30.0, -2.0, -0.5, 0.0, 0.7, 3.0, 30.0}) {
    double const difference = (reference::silu(x + 1e-5) - reference::silu(x - 1e-5)) / 2e-5;
    CHECK(reference::silu_derivative(x) == Approx(difference).margin(1e-9));
  }
}

TEST_CASE("row ops: a row has the same bits alone, in any batch, with any threads") {
  constexpr std::size_t rows = 23;
  for (std::size_t const width : test::sizes{2, 14, 66, test::wide + 1}) {
    INFO("width=" << width);
    std::mt19937 engine(static_cast<unsigned>(width));
    guarded x(rows, width), up(rows, width), w(1, width), dy(rows, width);
    x.randomise(engine);
    up.randomise(engine);
    w.randomise(engine);
    dy.randomise(engine);
    rotary_table table(50, 2, 10000.0);
    test::storage<std::int32_t> position(rows);
    for (std::size_t i = 0; i < rows; ++i) position[i] = static_cast<std::int32_t>(i * 2);
    struct outputs {
      guarded norm, rotated, gated, norm_gradient, weight_gradient;
    };
    // Runs rows [first, first + count) as a batch of their own.
    auto const run = [&](std::size_t threads, std::size_t first, std::size_t count) {
      auto&& context = test::make_context(threads);
      outputs out{guarded(count, width), guarded(count, width), guarded(count, width), guarded(count, width),
                  guarded(1, width)};
      guarded part(count, width), inverse_rms(1, count);
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < width; ++j) part.view()(i, j) = x.view()(first + i, j);
      execute(context, norm_op(part, w, out.norm, inverse_rms.data(), 1e-5f));
      out.rotated = part;
      test::storage<std::int32_t> const positions(position.begin() + static_cast<std::ptrdiff_t>(first),
                                                  position.end());
      execute(context, rope_op(out.rotated, positions, table, 1.0f));
      execute(context, rlvr::ops::swiglu{
                           .gate = part.view(), .up = up.view().middle_rows(first, count), .out = out.gated.view()});
      rlvr::ops::rms_norm_gradient op{};
      op.input = part.view();
      op.weight = w.data();
      op.inverse_rms = inverse_rms.data();
      op.output_gradient = dy.view().middle_rows(first, count);
      op.input_gradient = out.norm_gradient.view();
      op.accumulate = false;
      op.weight_gradient = out.weight_gradient.fill(0.0f).data();
      execute(context, op);
      return out;
    };
    outputs whole = run(1, 0, rows);
    for (std::size_t const threads : test::thread_counts) {
      outputs other = run(threads, 0, rows);
      CHECK(same_bits(whole.norm.view(), other.norm.view()));
      CHECK(same_bits(whole.rotated.view(), other.rotated.view()));
      CHECK(same_bits(whole.gated.view(), other.gated.view()));
      CHECK(same_bits(whole.norm_gradient.view(), other.norm_gradient.view()));
      CHECK(same_bits(whole.weight_gradient.view(), other.weight_gradient.view()));
    }
    for (std::size_t first = 0; first < rows; first += 3)
      for (std::size_t const count : test::sizes{1, 2}) {
        outputs part = run(2, first, count);
        CHECK(same_bits(whole.norm.view().middle_rows(first, count), part.norm.view()));
        CHECK(same_bits(whole.rotated.view().middle_rows(first, count), part.rotated.view()));
        CHECK(same_bits(whole.gated.view().middle_rows(first, count), part.gated.view()));
        CHECK(same_bits(whole.norm_gradient.view().middle_rows(first, count), part.norm_gradient.view()));
      }
  }
}

// Against the one-thread bodies: a reference whose gradient is a whole Jacobian would take too long.
TEST_CASE("row ops: the widest rows agree with the one-thread bodies") {
  auto&& context = test::make_context(2);
  rlvr::single_thread_group const group;
  constexpr std::size_t rows = 3, width = test::widest;
  std::mt19937 engine(11);
  guarded x(rows, width, 1), up(rows, width), w(1, width), dy(rows, width), inverse_rms(1, rows);
  for (guarded* values : {&x, &up, &w, &dy}) values->randomise(engine);
  guarded norm(rows, width), norm_gradient(rows, width), gated(rows, width);
  guarded expected_norm = norm, expected_gradient = norm, expected_gated = norm, expected_rms(1, rows);
  auto const forward = norm_op(x, w, norm, inverse_rms.data(), 1e-5f);
  execute(context, forward);
  rlvr::ops::rms_norm_gradient backward{};
  backward.input = x.view();
  backward.weight = w.data();
  backward.inverse_rms = inverse_rms.data();
  backward.output_gradient = dy.view();
  backward.input_gradient = norm_gradient.view();
  backward.accumulate = false;
  execute(context, backward);
  execute(context, rlvr::ops::swiglu{.gate = x.view(), .up = up.view(), .out = gated.view()});
  auto on_host = norm_op(x, w, expected_norm, expected_rms.data(), 1e-5f);
  auto gradient_on_host = backward;
  gradient_on_host.inverse_rms = expected_rms.data();
  gradient_on_host.input_gradient = expected_gradient.view();
  for (std::size_t i = 0; i < rows; ++i) {
    rlvr::kernel::rms_norm_row(group, on_host, i);
    rlvr::kernel::rms_norm_gradient_row(group, gradient_on_host, i);
    rlvr::kernel::swiglu_row(group, x.view().row(i), up.view().row(i), expected_gated.view().row(i), width);
  }
  RLVR_CHECK_CLOSE(inverse_rms.view(), reference::copy_of(expected_rms.view()), 16);
  RLVR_CHECK_CLOSE(norm.view(), reference::copy_of(expected_norm.view()), 16);
  RLVR_CHECK_CLOSE(norm_gradient.view(), reference::copy_of(expected_gradient.view()), 16);
  RLVR_CHECK_CLOSE(gated.view(), reference::copy_of(expected_gated.view()), 1);
  CHECK((norm.intact() && norm_gradient.intact() && gated.intact() && inverse_rms.intact()));
}

TEST_CASE("row ops: shapes that do not fit are refused") {
  auto&& context = test::make_context(1);
  guarded a(3, 4), b(3, 5), c(4, 4);
  auto const run = [&](auto const& op) { execute(context, op); };
  CHECK_THROWS_AS(run(norm_op(a, a, b, nullptr, 0.1f)), rlvr::shape_error);
  CHECK_THROWS_AS(run(norm_op(a, a, c, nullptr, 0.1f)), rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::swiglu{.gate = a.view(), .up = b.view(), .out = a.view()}), rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::swiglu{.gate = a.view(), .up = a.view(), .out = c.view()}), rlvr::shape_error);
  // Gradients are written through their own views: each of them is checked.
  CHECK_THROWS_AS(run(rlvr::ops::swiglu_gradient{.gate = b.view(),
                                                 .up = b.view(),
                                                 .out_gradient = b.view(),
                                                 .gate_gradient = b.view(),
                                                 .up_gradient = a.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::swiglu_gradient{.gate = b.view(),
                                                 .up = a.view(),
                                                 .out_gradient = b.view(),
                                                 .gate_gradient = b.view(),
                                                 .up_gradient = b.view()}),
                  rlvr::shape_error);
  rotary_table table(4, 4, 10000.0);
  test::storage<std::int32_t> const position(3);
  CHECK_THROWS_AS(run(rope_op(b, position, table, 1.0f)), rlvr::shape_error);
}
