// SPDX-License-Identifier: MIT
// The case list that the benchmarks time (support/cases.hpp), reduced: ops over rows, the optimiser's and products
// against double.  case_list_wide_test.cpp has the others.
#include <rlvr/ops/linear.hpp>
#include <rlvr/ops/optimizer.hpp>
#include <rlvr/ops/rows.hpp>

#include "harness.hpp"
#include <reference/adamw.hpp>
#include <reference/linear.hpp>
#include <reference/rows.hpp>
#include <support/backend.hpp>
#include <support/cases.hpp>

namespace {

using cases::row_op;
using reference::copy_of;
using test::execute;
using test::guarded;
using test::random_matrix;

void check_norm(test::context& context, cases::row_case const& c, std::mt19937& engine) {
  constexpr float epsilon = 1e-6f;
  guarded x = random_matrix(engine, c.rows, c.columns), w = random_matrix(engine, 1, c.columns),
          dy = random_matrix(engine, c.rows, c.columns);
  guarded y(c.rows, c.columns), inverse_rms(1, c.rows), dx(c.rows, c.columns), dw = random_matrix(engine, 1, c.columns);
  auto const rx = copy_of(x.view()), rdy = copy_of(dy.view());
  auto const rw = test::row_of(w);
  auto const expected_y = reference::rms_norm(rx, rw, static_cast<double>(epsilon));
  rlvr::ops::rms_norm forward{};
  forward.input = x.view();
  forward.weight = w.data();
  forward.output = y.view();
  forward.inverse_rms = inverse_rms.data();
  forward.epsilon = epsilon;
  execute(context, forward);
  RLVR_CHECK_CLOSE(y.view(), expected_y, c.columns);
  if (c.op == row_op::rms_norm) return;

  // With n = x / r and g = w dy: dx = (g - n mean(g n)) / r.
  reference::matrix expected_dx(c.rows, c.columns), expected_dw = copy_of(dw.view());
  for (std::size_t i = 0; i < c.rows; ++i) {
    double squares = 0, mean = 0;
    for (std::size_t j = 0; j < c.columns; ++j) squares += rx(i, j) * rx(i, j);
    double const r = std::sqrt(squares / static_cast<double>(c.columns) + static_cast<double>(epsilon));
    for (std::size_t j = 0; j < c.columns; ++j)
      mean += rw[j] * rdy(i, j) * (rx(i, j) / r) / static_cast<double>(c.columns);
    for (std::size_t j = 0; j < c.columns; ++j) {
      expected_dx(i, j) = (rw[j] * rdy(i, j) - rx(i, j) / r * mean) / r;
      expected_dw(0, j) += rdy(i, j) * (rx(i, j) / r);
    }
  }
  rlvr::ops::rms_norm_gradient gradient{};
  gradient.input = x.view();
  gradient.weight = w.data();
  gradient.inverse_rms = inverse_rms.data();
  gradient.output_gradient = dy.view();
  gradient.input_gradient = dx.view();
  if (c.op == row_op::rms_norm_both_gradients) gradient.weight_gradient = dw.data();
  execute(context, gradient);
  RLVR_CHECK_CLOSE(dx.view(), expected_dx, c.columns, 2.0);
  if (gradient.weight_gradient) RLVR_CHECK_CLOSE(dw.view(), expected_dw, c.rows, 2.0);
  CHECK((x.intact() && y.intact() && inverse_rms.intact() && dx.intact() && dw.intact()));
}

void check_rotation(test::context& context, cases::row_case const& c, std::mt19937& engine) {
  constexpr std::size_t positions = 40;
  constexpr double theta = 10000;
  guarded x = random_matrix(engine, c.rows, c.columns), cosine(positions, c.head_size / 2),
          sine(positions, c.head_size / 2);
  test::storage<std::int32_t> position(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) position[i] = static_cast<std::int32_t>((7 + 13 * i) % positions);
  for (std::size_t p = 0; p < positions; ++p)
    for (std::size_t j = 0; j < c.head_size / 2; ++j) {
      double const exponent = -2.0 * static_cast<double>(j) / static_cast<double>(c.head_size);
      double const angle = static_cast<double>(p) * std::pow(theta, exponent);
      cosine.view()(p, j) = static_cast<float>(std::cos(angle));
      sine.view()(p, j) = static_cast<float>(std::sin(angle));
    }
  auto const expected = reference::rope(copy_of(x.view()), position, c.head_size, theta, 1.0);
  rlvr::ops::rope op{};
  op.values = x.view();
  op.position = position.data();
  op.cosine = cosine.view();
  op.sine = sine.view();
  op.direction = 1.0f;
  execute(context, op);
  RLVR_CHECK_CLOSE(x.view(), expected, 2);
  CHECK(x.intact());
}

void check_activation(test::context& context, cases::row_case const& c, std::mt19937& engine) {
  guarded gate = random_matrix(engine, c.rows, c.columns, 4.0f), up = random_matrix(engine, c.rows, c.columns);
  guarded out(c.rows, c.columns), d_gate(c.rows, c.columns), d_up(c.rows, c.columns);
  auto const rg = copy_of(gate.view()), ru = copy_of(up.view());
  if (c.op == row_op::swiglu) {
    execute(context, rlvr::ops::swiglu{.gate = gate.view(), .up = up.view(), .out = out.view()});
    RLVR_CHECK_CLOSE(out.view(), reference::swiglu(rg, ru), 1, 4.0);
    CHECK(out.intact());
    return;
  }
  auto const rd = copy_of(out.randomise(engine).view());
  execute(context, rlvr::ops::swiglu_gradient{.gate = gate.view(),
                                              .up = up.view(),
                                              .out_gradient = out.view(),
                                              .gate_gradient = d_gate.view(),
                                              .up_gradient = d_up.view()});
  reference::matrix expected_gate = rd, expected_up = rd;
  for (std::size_t i = 0; i < rd.values.size(); ++i) {
    expected_gate.values[i] *= ru.values[i] * reference::silu_derivative(rg.values[i]);
    expected_up.values[i] *= reference::silu(rg.values[i]);
  }
  RLVR_CHECK_CLOSE(d_gate.view(), expected_gate, 1, 4.0);
  RLVR_CHECK_CLOSE(d_up.view(), expected_up, 1, 4.0);
  CHECK((d_gate.intact() && d_up.intact()));
}

void check_bias(test::context& context, cases::row_case const& c, std::mt19937& engine) {
  guarded values = random_matrix(engine, c.rows, c.columns), vector = random_matrix(engine, 1, c.columns);
  auto expected = copy_of(values.view()), sums = copy_of(vector.view());
  for (std::size_t i = 0; i < c.rows; ++i)
    for (std::size_t j = 0; j < c.columns; ++j) {
      double const before = expected(i, j);
      expected(i, j) += static_cast<double>(vector.view()(0, j));
      sums(0, j) += before;
    }
  if (c.op == row_op::add_bias) {
    execute(context, rlvr::ops::add_bias{.values = values.view(), .bias = vector.data()});
    RLVR_CHECK_CLOSE(values.view(), expected, 1);
  } else {
    execute(context, rlvr::ops::bias_gradient{.output_gradient = values.view(), .gradient = vector.data()});
    RLVR_CHECK_CLOSE(vector.view(), sums, c.rows);
  }
  CHECK((values.intact() && vector.intact()));
}

void check_copies(test::context& context, cases::row_case const& c, std::mt19937& engine) {
  guarded rows = random_matrix(engine, c.rows, c.columns), table = random_matrix(engine, c.table_rows, c.columns);
  test::storage<std::int32_t> index(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) index[i] = c.index(i);
  auto const from_rows = copy_of(rows.view());
  auto expected_table = copy_of(table.view());
  auto const row = [&](std::size_t i) { return static_cast<std::size_t>(index[i]); };
  if (c.op == row_op::copy_rows) {
    guarded out(c.rows, c.columns);
    execute(context, rlvr::ops::copy_rows{.source = rows.view(), .destination = out.view()});
    CHECK(test::same_bits(out.view(), rows.view()));
  } else if (c.op == row_op::gather_rows || c.op == row_op::gather_rows_bf16) {
    test::bf16_matrix stored(table.view());
    rlvr::weight_view source = table.view();
    if (c.op == row_op::gather_rows_bf16) {
      source = stored.view();
      expected_table = test::rounded(expected_table);
    }
    execute(context, rlvr::ops::gather_rows{.source = source, .index = index.data(), .output = rows.view()});
    bool same = true;
    for (std::size_t i = 0; i < c.rows; ++i)
      for (std::size_t j = 0; j < c.columns; ++j)
        same = same && static_cast<double>(rows.view()(i, j)) == expected_table(row(i), j);
    CHECK(same);
  } else {
    for (std::size_t i = 0; i < c.rows; ++i)
      for (std::size_t j = 0; j < c.columns; ++j)
        expected_table(row(i), j) = from_rows(i, j) + (c.op == row_op::scatter_rows ? 0.0 : expected_table(row(i), j));
    if (c.op == row_op::scatter_rows)
      execute(context,
              rlvr::ops::scatter_rows{.source = rows.view(), .index = index.data(), .destination = table.view()});
    else
      execute(context,
              rlvr::ops::scatter_add_rows{.source = rows.view(), .index = index.data(), .destination = table.view()});
    RLVR_CHECK_CLOSE(table.view(), expected_table, 1);
  }
  CHECK((rows.intact() && table.intact()));
}

}  // namespace

TEST_CASE("case list: ops over rows") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::row_case const& full : cases::row_cases()) {
    cases::row_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    switch (c.op) {
      case row_op::rms_norm:
      case row_op::rms_norm_gradient:
      case row_op::rms_norm_both_gradients:
        check_norm(context, c, engine);
        break;
      case row_op::rope:
        check_rotation(context, c, engine);
        break;
      case row_op::swiglu:
      case row_op::swiglu_gradient:
        check_activation(context, c, engine);
        break;
      case row_op::add_bias:
      case row_op::bias_gradient:
        check_bias(context, c, engine);
        break;
      default:
        check_copies(context, c, engine);
    }
  }
}

TEST_CASE("case list: the optimiser's ops") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::flat_case const& full : cases::flat_cases()) {
    cases::flat_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    std::size_t const n = c.parameters;
    guarded parameter = random_matrix(engine, 1, n), gradient = random_matrix(engine, 1, n), first(1, n), second(1, n);
    first.fill(0.0f);
    second.fill(0.0f);
    test::storage<rlvr::bf16> mirror(n);
    auto const start = test::row_of(parameter), slope = test::row_of(gradient);
    if (c.op == cases::flat_op::global_norm) {
      test::storage<double> norm(1, -1.0);
      execute(context, rlvr::ops::global_norm{.values = {gradient.data(), n}, .result = norm.data()});
      CHECK(norm[0] == Approx(std::sqrt(dot(test::as_row(slope), test::as_row(slope)))).epsilon(1e-12));
      continue;
    }
    std::vector<double> expected = start;
    if (c.op == cases::flat_op::round_to_bfloat16) {
      execute(context, rlvr::ops::round_to_bfloat16{.source = {parameter.data(), n}, .destination = mirror});
    } else {
      rlvr::adamw_rule const rule{
          .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
      rlvr::ops::adamw_step step{.parameter = {parameter.data(), n},
                                 .gradient = {gradient.data(), n},
                                 .first_moment = {first.data(), n},
                                 .second_moment = {second.data(), n},
                                 .rule = rule};
      if (c.op == cases::flat_op::adamw_step_mirrored) step.mirror = mirror;
      execute(context, step);
      for (std::size_t i = 0; i < n; ++i) {
        reference::adamw_state state{.parameter = start[i]};
        state.step(1, slope[i], 0.01, 0.9, 0.95, 1e-8, 0.1);
        expected[i] = state.parameter;
      }
      RLVR_CHECK_CLOSE(parameter.view(), test::as_row(expected), 5);
    }
    bool rounded = true;
    if (c.op != cases::flat_op::adamw_step)
      for (std::size_t i = 0; i < n; ++i)
        rounded = rounded && static_cast<float>(mirror[i]) == static_cast<float>(rlvr::bf16(parameter.data()[i]));
    CHECK(rounded);
    CHECK((parameter.intact() && gradient.intact() && first.intact() && second.intact()));
  }
}

TEST_CASE("case list: products") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::product_case const& full : cases::product_cases()) {
    cases::product_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    guarded x = random_matrix(engine, c.rows, c.inputs), w = random_matrix(engine, c.outputs, c.inputs);
    guarded y = random_matrix(engine, c.rows, c.outputs);
    test::bf16_matrix stored(w.view());
    bool const in_bf16 = c.type == rlvr::dtype::bf16;
    rlvr::weight_view weight = w.view();
    if (in_bf16) weight = stored.view();
    // A GPU rounds the other operand too.
    auto const operand = [&](guarded& values, bool round) {
      return in_bf16 && round ? test::rounded(copy_of(values.view())) : copy_of(values.view());
    };
    auto const rx = operand(x, test::on_cuda), ry = operand(y, test::on_cuda), rw = operand(w, true);
    switch (c.op) {
      case cases::product_op::forward:
        execute(context, rlvr::ops::linear_forward{.input = x.view(), .weight = weight, .output = y.view()});
        RLVR_CHECK_CLOSE(y.view(), reference::linear_forward(rx, rw), c.inputs);
        break;
      case cases::product_op::input_gradient:
        execute(context, rlvr::ops::linear_input_gradient{
                             .output_gradient = y.view(), .weight = weight, .input_gradient = x.view()});
        RLVR_CHECK_CLOSE(x.view(), reference::linear_input_gradient(ry, rw), c.outputs);
        break;
      case cases::product_op::weight_gradient: {
        auto expected = reference::linear_weight_gradient(ry, rx);
        auto const before = copy_of(w.view());
        for (std::size_t i = 0; i < before.values.size(); ++i) expected.values[i] += before.values[i];
        execute(context,
                rlvr::ops::linear_weight_gradient{
                    .output_gradient = y.view(), .input = x.view(), .weight_gradient = w.view(), .operands = c.type});
        RLVR_CHECK_CLOSE(w.view(), expected, c.rows);
        break;
      }
    }
    CHECK((x.intact() && w.intact() && y.intact()));
  }
}
