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
      guarded x(most, inputs), w(outputs, inputs), alone(most, outputs);
      x.randomise(engine);
      w.randomise(engine);
      for (std::size_t row = 0; row < most; ++row)
        execute(context, rlvr::ops::linear_forward{.input = x.view().middle_rows(row, 1),
                                                   .weight = w.view(),
                                                   .output = alone.view().middle_rows(row, 1)});
      for (std::size_t const rows : test::sizes{2, 3, 4, 5, 6, 7, 33, 65})
        for (std::size_t first = 0; first + rows <= most; first += test::scale(5, 19)) {
          guarded batch(rows, outputs, 3);
          execute(context, rlvr::ops::linear_forward{
                               .input = x.view().middle_rows(first, rows), .weight = w.view(), .output = batch.view()});
          REQUIRE(same_bits(batch.view(), alone.view().middle_rows(first, rows)));
        }
    }
}

TEST_CASE("linear: neither threads nor repetition change a bit") {
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
  CHECK_THROWS_AS(run(rlvr::ops::linear_input_gradient{
                      .output_gradient = c.view(), .weight = b.view(), .input_gradient = wrong.view()}),
                  rlvr::shape_error);
  CHECK_THROWS_AS(run(rlvr::ops::linear_weight_gradient{
                      .output_gradient = c.view(), .input = a.view(), .weight_gradient = wrong.view()}),
                  rlvr::shape_error);
}
