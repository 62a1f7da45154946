// SPDX-License-Identifier: MIT
// The three products of a linear layer: values against double, guards, and the promises about bits.
#include <rlvr/ops/linear.hpp>

#include "harness.hpp"
#include <array>
#include <reference/linear.hpp>
#include <support/backend.hpp>

namespace {

using test::execute;
using test::guarded;
using test::same_bits;

struct shape {
  std::size_t rows, inputs, outputs, gap;
  unsigned seed;

  friend std::ostream& operator<<(std::ostream& out, shape const& s) {
    return out << "rows=" << s.rows << " inputs=" << s.inputs << " outputs=" << s.outputs << " gap=" << s.gap
               << " seed=" << s.seed;
  }
};

std::vector<shape> shapes() {
  std::vector<shape> all;
  unsigned seed = 1;
  for (std::size_t const rows : test::sizes{0, 1, 2, 3, 4, 5, 7, 8, 9, 17})
    for (std::size_t const inputs : test::sizes{0, 1, 7, 8, 9, 16, 33})
      for (std::size_t const outputs : test::sizes{0, 1, 2, 7, 8, 9, 15, 24, 31})
        all.push_back({rows, inputs, outputs, seed % 3 == 0 ? 5u : 0u, seed++});
  for (auto const& [rows, inputs, outputs] : {std::array<std::size_t, 3>{131, 67, 97},
                                              {64, 64, 64},
                                              {65, 127, 129},
                                              {1, 301, 203},
                                              {3, 1031, 61},
                                              {200, 96, 31},
                                              {16, 4099, 8}})
    all.push_back({rows, inputs, outputs, seed % 2 == 0 ? 3u : 0u, seed++});
  return all;
}

}  // namespace

TEST_CASE("linear: forward and both gradients agree with double") {
  auto&& context = test::make_context(2);
  for (shape const& s : shapes()) {
    for (bool const accumulate : {false, true}) {
      INFO(s << " accumulate=" << accumulate);
      std::mt19937 engine(s.seed);
      guarded x(s.rows, s.inputs, s.gap), w(s.outputs, s.inputs, s.gap), y(s.rows, s.outputs, s.gap);
      guarded dy(s.rows, s.outputs, s.gap), dx(s.rows, s.inputs, s.gap), dw(s.outputs, s.inputs, s.gap);
      x.randomise(engine);
      w.randomise(engine);
      dy.randomise(engine);
      dw.randomise(engine);  // always added to
      if (accumulate) {
        y.randomise(engine);
        dx.randomise(engine);
      }
      auto const add = [](reference::matrix a, reference::matrix const& b) {
        for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
        return a;
      };
      auto const rx = reference::copy_of(x.view()), rw = reference::copy_of(w.view()),
                 rdy = reference::copy_of(dy.view());
      auto expected_y = reference::linear_forward(rx, rw);
      auto expected_dx = reference::linear_input_gradient(rdy, rw);
      auto const expected_dw = add(reference::copy_of(dw.view()), reference::linear_weight_gradient(rdy, rx));
      if (accumulate) {
        expected_y = add(reference::copy_of(y.view()), expected_y);
        expected_dx = add(reference::copy_of(dx.view()), expected_dx);
      }
      execute(context, rlvr::ops::linear_forward{
                           .input = x.view(), .weight = w.view(), .output = y.view(), .accumulate = accumulate});
      execute(
          context,
          rlvr::ops::linear_input_gradient{
              .output_gradient = dy.view(), .weight = w.view(), .input_gradient = dx.view(), .accumulate = accumulate});
      execute(context, rlvr::ops::linear_weight_gradient{
                           .output_gradient = dy.view(), .input = x.view(), .weight_gradient = dw.view()});
      RLVR_CHECK_CLOSE(y.view(), expected_y, s.inputs);
      RLVR_CHECK_CLOSE(dx.view(), expected_dx, s.outputs);
      RLVR_CHECK_CLOSE(dw.view(), expected_dw, s.rows);
      CHECK((x.intact() && w.intact() && y.intact() && dy.intact() && dx.intact() && dw.intact()));
    }
  }
}

TEST_CASE("linear_forward: a bias, and a residual that is another matrix or the output itself") {
  auto&& context = test::make_context(2);
  for (auto const& [rows, inputs, outputs] :
       {std::array<std::size_t, 3>{1, 8, 4}, {3, 7, 9}, {5, 0, 6}, {70, 33, 31}, {67, 64, 96}})
    for (std::size_t const gap : test::sizes{0, 3}) {
      INFO("rows=" << rows << " inputs=" << inputs << " outputs=" << outputs << " gap=" << gap);
      std::mt19937 engine(static_cast<unsigned>(rows + inputs));
      guarded x(rows, inputs, gap), w(outputs, inputs), bias(1, outputs), residual(rows, outputs, 2 * gap);
      guarded const nothing(rows, outputs, gap);
      auto const rx = reference::copy_of(x.randomise(engine).view()),
                 rw = reference::copy_of(w.randomise(engine).view());
      auto const rb = reference::copy_of(bias.randomise(engine).view());
      auto const rr = reference::copy_of(residual.randomise(engine).view());
      for (bool const with_bias : {false, true})
        for (bool const with_residual : {false, true}) {
          auto expected = reference::linear_forward(rx, rw);
          for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < outputs; ++j)
              expected(i, j) += (with_bias ? rb(0, j) : 0.0) + (with_residual ? rr(i, j) : 0.0);
          guarded y = nothing, in_place = residual, accumulated = residual;
          float const* const added = with_bias ? bias.data() : nullptr;
          rlvr::ops::linear_forward op{.input = x.view(), .weight = w.view(), .output = y.view(), .bias = added};
          if (with_residual) op.residual = residual.view();
          execute(context, op);
          RLVR_CHECK_CLOSE(y.view(), expected, inputs);
          CHECK((y.intact() && residual.intact() && bias.intact()));
          if (!with_residual) continue;
          op.output = in_place.view();
          op.residual = in_place.view();
          execute(context, op);
          CHECK(same_bits(in_place.view(), y.view()));
          execute(context, rlvr::ops::linear_forward{.input = x.view(),
                                                     .weight = w.view(),
                                                     .output = accumulated.view(),
                                                     .accumulate = true,
                                                     .bias = added});
          CHECK(same_bits(accumulated.view(), y.view()));
          CHECK((in_place.intact() && accumulated.intact()));
        }
    }
}

// References are products of the values that bfloat16 holds, exact in double; what is added is float as before.
TEST_CASE("linear: bfloat16 weights agree with double on the rounded operands") {
  auto&& context = test::make_context(2);
  for (auto const& [rows, inputs, outputs] : {std::array<std::size_t, 3>{0, 4, 4},
                                              {3, 4, 0},
                                              {2, 0, 3},
                                              {1, 1, 1},
                                              {3, 7, 5},
                                              {9, 16, 8},
                                              {67, 96, 64},
                                              {70, 130, 201},
                                              {2, 1100, 70}})
    for (bool const accumulate : {false, true}) {
      INFO("rows=" << rows << " inputs=" << inputs << " outputs=" << outputs << " accumulate=" << accumulate);
      std::mt19937 engine(static_cast<unsigned>(rows * 31 + inputs));
      std::size_t const gap = rows % 3;
      guarded x(rows, inputs, gap), w(outputs, inputs), y(rows, outputs, gap), bias(1, outputs);
      guarded dy(rows, outputs), dx(rows, inputs, gap), dw(outputs, inputs, gap);
      for (guarded* each : {&x, &w, &bias, &dy, &dw}) each->randomise(engine);
      if (accumulate) {
        y.randomise(engine);
        dx.randomise(engine);
      }
      test::bf16_matrix weight(w.view(), gap);
      auto const rw = test::rounded(reference::copy_of(w.view()));
      auto const as_multiplied = [](guarded& m) {  // tensor cores want both operands in bfloat16
        return test::on_cuda ? test::rounded(reference::copy_of(m.view())) : reference::copy_of(m.view());
      };
      auto const rx = as_multiplied(x), rdy = as_multiplied(dy);
      auto expected_y = reference::linear_forward(rx, rw);
      auto expected_dx = reference::linear_input_gradient(rdy, rw);
      auto expected_dw = reference::linear_weight_gradient(rdy, rx);
      auto const add = [](reference::matrix& to, guarded& from) {
        for (std::size_t i = 0; i < to.rows; ++i)
          for (std::size_t j = 0; j < to.columns; ++j) to(i, j) += static_cast<double>(from.view()(i, j));
      };
      add(expected_dw, dw);
      if (accumulate) {
        add(expected_y, y);
        add(expected_dx, dx);
      }
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < outputs; ++j) expected_y(i, j) += static_cast<double>(bias.view()(0, j));
      execute(context, rlvr::ops::linear_forward{.input = x.view(),
                                                 .weight = weight.view(),
                                                 .output = y.view(),
                                                 .accumulate = accumulate,
                                                 .bias = bias.data()});
      execute(context, rlvr::ops::linear_input_gradient{.output_gradient = dy.view(),
                                                        .weight = weight.view(),
                                                        .input_gradient = dx.view(),
                                                        .accumulate = accumulate});
      execute(context, rlvr::ops::linear_weight_gradient{.output_gradient = dy.view(),
                                                         .input = x.view(),
                                                         .weight_gradient = dw.view(),
                                                         .operands = rlvr::dtype::bf16});
      RLVR_CHECK_CLOSE(y.view(), expected_y, inputs);
      RLVR_CHECK_CLOSE(dx.view(), expected_dx, outputs);
      RLVR_CHECK_CLOSE(dw.view(), expected_dw, rows);
      CHECK((x.intact() && y.intact() && dy.intact() && dx.intact() && dw.intact()));
    }
}

TEST_CASE("linear: the reference's gradients are those of its forward pass") {
  std::mt19937 engine(5);
  guarded x(3, 4), w(5, 4), dy(3, 5);
  auto rx = reference::copy_of(x.randomise(engine).view()), rw = reference::copy_of(w.randomise(engine).view());
  auto const rdy = reference::copy_of(dy.randomise(engine).view());
  auto const loss = [&] { return dot(reference::linear_forward(rx, rw), rdy); };
  RLVR_CHECK_CLOSE(reference::finite_differences(rx, loss), reference::linear_input_gradient(rdy, rw), 1);
  RLVR_CHECK_CLOSE(reference::finite_differences(rw, loss), reference::linear_weight_gradient(rdy, rx), 1);
}

TEST_CASE("linear_forward: a row has the same bits alone, in any batch, at any place") {
  auto&& context = test::make_context(2);
  for (std::size_t const inputs : test::sizes{1, 7, 8, 33, 64, 129, test::scale(600, 260)})
    for (std::size_t const outputs : test::sizes{1, 7, 24, 97, test::scale(385, 133)}) {
      INFO("inputs=" << inputs << " outputs=" << outputs);
      std::mt19937 engine(static_cast<unsigned>(inputs * 1000 + outputs));
      constexpr std::size_t most = 70;
      guarded x(most, inputs), w(outputs, inputs), alone(most, outputs), alone_bf16(most, outputs);
      x.randomise(engine);
      w.randomise(engine);
      test::bf16_matrix weight(w.view());
      for (std::size_t row = 0; row < most; ++row) {
        execute(context, rlvr::ops::linear_forward{.input = x.view().middle_rows(row, 1),
                                                   .weight = w.view(),
                                                   .output = alone.view().middle_rows(row, 1)});
        execute(context, rlvr::ops::linear_forward{.input = x.view().middle_rows(row, 1),
                                                   .weight = weight.view(),
                                                   .output = alone_bf16.view().middle_rows(row, 1)});
      }
      for (std::size_t const rows : test::sizes{2, 3, 4, 5, 6, 7, 33, 65})
        for (std::size_t first = 0; first + rows <= most; first += test::scale(5, 19)) {
          guarded batch(rows, outputs, 3);
          execute(context, rlvr::ops::linear_forward{
                               .input = x.view().middle_rows(first, rows), .weight = w.view(), .output = batch.view()});
          REQUIRE(same_bits(batch.view(), alone.view().middle_rows(first, rows)));
          guarded wide(rows, inputs + 1, 2);  // rows that begin anywhere
          auto const moved = wide.view().middle_columns(1, inputs);
          for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < inputs; ++j) moved(i, j) = x.view()(first + i, j);
          execute(context, rlvr::ops::linear_forward{.input = moved, .weight = w.view(), .output = batch.view()});
          REQUIRE(same_bits(batch.view(), alone.view().middle_rows(first, rows)));
          execute(context, rlvr::ops::linear_forward{.input = moved, .weight = weight.view(), .output = batch.view()});
          REQUIRE(same_bits(batch.view(), alone_bf16.view().middle_rows(first, rows)));
        }
    }
}

TEST_CASE("linear: neither threads nor repetition change a bit", "[repetition]") {
  std::mt19937 engine(77);
  guarded x(137, 83), w(211, 83), dy(137, 211);
  x.randomise(engine);
  w.randomise(engine);
  dy.randomise(engine);
  std::vector<guarded> ys, dxs, dws;
  for (std::size_t const threads : test::thread_counts) {
    auto&& context = test::make_context(threads);
    guarded y(137, 211), dx(137, 83), dw(211, 83);
    dw.fill(0.5f);
    execute(context, rlvr::ops::linear_forward{.input = x.view(), .weight = w.view(), .output = y.view()});
    execute(context, rlvr::ops::linear_input_gradient{
                         .output_gradient = dy.view(), .weight = w.view(), .input_gradient = dx.view()});
    execute(context, rlvr::ops::linear_weight_gradient{
                         .output_gradient = dy.view(), .input = x.view(), .weight_gradient = dw.view()});
    ys.push_back(y);
    dxs.push_back(dx);
    dws.push_back(dw);
    CHECK(same_bits(ys.front().view(), y.view()));
    CHECK(same_bits(dxs.front().view(), dx.view()));
    CHECK(same_bits(dws.front().view(), dw.view()));
  }
}

TEST_CASE("linear: NaN and infinity stay in their rows") {
  auto&& context = test::make_context(1);
  std::mt19937 engine(3);
  guarded x(9, 17), w(25, 17), clean(9, 25), dirty(9, 25);
  x.randomise(engine);
  w.randomise(engine);
  execute(context, rlvr::ops::linear_forward{.input = x.view(), .weight = w.view(), .output = clean.view()});
  x.view()(4, 16) = test::nan;
  x.view()(6, 0) = test::infinity;
  execute(context, rlvr::ops::linear_forward{.input = x.view(), .weight = w.view(), .output = dirty.view()});
  for (std::size_t row = 0; row < 9; ++row) {
    if (row == 4 || row == 6)
      for (std::size_t j = 0; j < 25; ++j) CHECK_FALSE(std::isfinite(dirty.view()(row, j)));
    else
      CHECK(same_bits(clean.view().middle_rows(row, 1), dirty.view().middle_rows(row, 1)));
  }
}

TEST_CASE("linear: shapes that do not fit are refused") {
  auto&& context = test::make_context(1);
  guarded a(3, 4), b(5, 4), c(3, 5), wrong(4, 5);
  auto const run = [&](auto const& op) { execute(context, op); };
  CHECK_THROWS_AS(run(rlvr::ops::linear_forward{.input = a.view(), .weight = c.view(), .output = c.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::linear_forward{.input = a.view(), .weight = b.view(), .output = wrong.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::linear_forward{
                      .input = a.view(), .weight = b.view(), .output = c.view(), .residual = wrong.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(
      run(rlvr::ops::linear_forward{
          .input = a.view(), .weight = b.view(), .output = c.view(), .accumulate = true, .residual = c.view()}),
      rlvr::argument_error);
  CHECK_THROWS_AS(run(rlvr::ops::linear_input_gradient{
                      .output_gradient = c.view(), .weight = b.view(), .input_gradient = wrong.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::linear_weight_gradient{
                      .output_gradient = c.view(), .input = a.view(), .weight_gradient = wrong.view()}),
                  rlvr::shape_error);
}
