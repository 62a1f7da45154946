// SPDX-License-Identifier: MIT
/// @file
/// Traffic of the row-wise ops, of what sums over rows and of the optimiser, against the formulas of
/// docs/performance_cuda.md.  R rows, D columns, P elements.
#include <rlvr/backend/cuda/optimizer.cuh>
#include <rlvr/backend/cuda/rows.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/ops/optimizer.hpp>
#include <rlvr/ops/rows.hpp>

#include "kernel_traffic.hpp"
#include <cstdint>
#include <span>

using namespace kernel_traffic;

namespace {

/// A kernel that reads some arrays of R x D floats once and writes some once.
constexpr traffic passes(std::size_t rows, std::size_t columns, std::size_t reads, std::size_t writes) {
  return {4 * rows * columns * reads, 4 * rows * columns * writes};
}

/// `words` numbers of the row that each of its threads reads.
constexpr traffic scalars(std::size_t rows, std::size_t columns, std::size_t words) {
  return {4 * rows * row_threads(columns) * words, 0};
}

/// Partial sums of 256 rows each, written and read; the sums themselves, read and written.
constexpr traffic folded_columns(std::size_t rows, std::size_t columns) {
  return passes(rlvr::math::ceil_div(rows, std::size_t{256}) + 1, columns, 1, 1);
}

/// x twice, the weight.
constexpr traffic rms_norm_traffic(std::size_t rows, std::size_t columns) { return passes(rows, columns, 3, 1); }

/// x, dy and the weight twice; what it adds to once.
constexpr traffic rms_norm_gradient_traffic(std::size_t rows, std::size_t columns, bool accumulate) {
  return passes(rows, columns, accumulate ? 7 : 6, 1) + scalars(rows, columns, 1);
}

/// x, dy and the row's 1 / rms at each element.
constexpr traffic rms_weight_gradient_traffic(std::size_t rows, std::size_t columns) {
  return passes(rows, columns, 3, 0) + folded_columns(rows, columns);
}

/// Two values, a sine and a cosine for each pair.
constexpr traffic rope_traffic(std::size_t rows, std::size_t columns) {
  return passes(rows, columns / 2, 4, 2) + scalars(rows, columns, 1);
}

constexpr traffic swiglu_traffic(std::size_t rows, std::size_t columns) { return passes(rows, columns, 2, 1); }

constexpr traffic swiglu_gradient_traffic(std::size_t rows, std::size_t columns) { return passes(rows, columns, 3, 2); }

/// Values and the bias.
constexpr traffic add_bias_traffic(std::size_t rows, std::size_t columns) { return passes(rows, columns, 2, 1); }

constexpr traffic column_sums_traffic(std::size_t rows, std::size_t columns) {
  return passes(rows, columns, 1, 0) + folded_columns(rows, columns);
}

constexpr traffic copy_rows_traffic(std::size_t rows, std::size_t columns) { return passes(rows, columns, 1, 1); }

/// A copy, and an index a row.
constexpr traffic indexed_rows_traffic(std::size_t rows, std::size_t columns) {
  return copy_rows_traffic(rows, columns) + scalars(rows, columns, 1);
}

/// The same from bfloat16.
constexpr traffic widened_rows_traffic(std::size_t rows, std::size_t columns) {
  return {indexed_rows_traffic(rows, columns).loads - 2 * rows * columns, 4 * rows * columns};
}

/// @param repeats  how often each target occurs, next to each other.  Each source row and its target, per source row;
///     the first row of a target scans all R indices, the others those before them; the threads read their own index.
constexpr traffic scatter_add_traffic(std::size_t rows, std::size_t columns, std::size_t repeats) {
  std::size_t scans = 0;
  for (std::size_t row = 0; row < rows; ++row) scans += row % repeats == 0 ? rows : row;
  return passes(rows, columns, 2, 1) + traffic{4 * scans + 4 * rows * rlvr::cuda::small_block, 0};
}

constexpr traffic global_norm_traffic(std::size_t count) {
  std::size_t const sums = rlvr::math::ceil_div(count, std::size_t{16384});
  return {4 * count + 8 * sums, 8 * sums + 8};
}

/// Parameter, gradient and two moments, read and written.
constexpr traffic adamw_traffic(std::size_t count) { return passes(1, count, 4, 4); }

struct extents {
  std::size_t rows, columns;
  [[nodiscard]] std::string named(char const* op) const {
    return std::string(op) + " " + std::to_string(rows) + " x " + std::to_string(columns);
  }
};

/// A warp for each row, and a block for each row.
constexpr extents shapes[] = {{24, 896}, {6, 3584}};

test::storage<std::int32_t> indices(std::size_t count, std::size_t repeats = 1) {
  test::storage<std::int32_t> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<std::int32_t>(i / repeats);
  return result;
}

}  // namespace

TEST_CASE("kernel traffic: RMSNorm and its gradients") {
  for (extents const shape : shapes) {
    auto const [rows, columns] = shape;
    shared_matrix x(rows, columns), y(rows, columns), dy(rows, columns), weight(2, columns), inverse(1, rows);
    rlvr::ops::rms_norm forward{};
    forward.input = x.view();
    forward.weight = weight.data();
    forward.output = y.view();
    forward.inverse_rms = inverse.data();
    forward.epsilon = 1e-6f;
    require_close(shape.named("rms_norm"), counted(forward), rms_norm_traffic(rows, columns));
    rlvr::ops::rms_norm_gradient gradient{};
    gradient.input = x.view();
    gradient.weight = weight.data();
    gradient.inverse_rms = inverse.data();
    gradient.output_gradient = dy.view();
    gradient.input_gradient = y.view();
    for (bool const accumulate : {false, true}) {
      gradient.accumulate = accumulate;
      require_close(shape.named(accumulate ? "rms_norm_gradient, added" : "rms_norm_gradient"), counted(gradient),
                    rms_norm_gradient_traffic(rows, columns, accumulate));
    }
    gradient.weight_gradient = weight.data() + columns;
    require_close(shape.named("rms_norm_gradient with weight"), counted(gradient),
                  rms_norm_gradient_traffic(rows, columns, true) + rms_weight_gradient_traffic(rows, columns));
  }
}

TEST_CASE("kernel traffic: rotation of heads of 64 and 128") {
  for (std::size_t const head : {64, 128}) {
    extents const shape{12, 14 * head};
    shared_matrix values(shape.rows, shape.columns), cosine(shape.rows, head / 2), sine(shape.rows, head / 2);
    auto const position = indices(shape.rows);
    rlvr::ops::rope op{};
    op.values = values.view();
    op.position = position.data();
    op.cosine = cosine.view();
    op.sine = sine.view();
    op.direction = 1.0f;
    require_close(shape.named("rope"), counted(op), rope_traffic(shape.rows, shape.columns));
  }
}

TEST_CASE("kernel traffic: SwiGLU and its gradient") {
  for (extents const shape : {extents{12, 1000}, extents{4, 4864}}) {
    auto const [rows, columns] = shape;
    shared_matrix gate(rows, columns), up(rows, columns), out(rows, columns), d_gate(rows, columns),
        d_up(rows, columns);
    require_close(shape.named("swiglu"), counted(rlvr::ops::swiglu{gate.view(), up.view(), out.view()}),
                  swiglu_traffic(rows, columns));
    require_close(shape.named("swiglu_gradient"),
                  counted(rlvr::ops::swiglu_gradient{gate.view(), up.view(), out.view(), d_gate.view(), d_up.view()}),
                  swiglu_gradient_traffic(rows, columns));
  }
}

TEST_CASE("kernel traffic: bias, column sums") {
  for (extents const shape : {extents{24, 896}, extents{6, 3584}, extents{600, 100}}) {
    auto const [rows, columns] = shape;
    shared_matrix values(rows, columns), bias(1, columns);
    require_close(shape.named("add_bias"), counted(rlvr::ops::add_bias{values.view(), bias.data()}),
                  add_bias_traffic(rows, columns));
    require_close(shape.named("bias_gradient"), counted(rlvr::ops::bias_gradient{values.view(), bias.data()}),
                  column_sums_traffic(rows, columns));
  }
}

TEST_CASE("kernel traffic: rows copied, gathered, scattered, added") {
  for (extents const shape : shapes) {
    auto const [rows, columns] = shape;
    shared_matrix from(rows, columns), to(rows, columns);
    auto const index = indices(rows);
    require_close(shape.named("copy_rows"), counted(rlvr::ops::copy_rows{from.view(), to.view()}),
                  copy_rows_traffic(rows, columns));
    require_close(shape.named("gather_rows"), counted(rlvr::ops::gather_rows{from.view(), index.data(), to.view()}),
                  indexed_rows_traffic(rows, columns));
    test::storage<rlvr::bf16> narrow(rows * columns);
    rlvr::matrix_view<rlvr::bf16 const> const in_bf16{narrow.data(), rows, columns};
    require_close(shape.named("gather_rows, bfloat16"),
                  counted(rlvr::ops::gather_rows{in_bf16, index.data(), to.view()}),
                  widened_rows_traffic(rows, columns));
    require_close(shape.named("scatter_rows"), counted(rlvr::ops::scatter_rows{from.view(), index.data(), to.view()}),
                  indexed_rows_traffic(rows, columns));
    require_close(shape.named("scatter_add_rows"),
                  counted(rlvr::ops::scatter_add_rows{from.view(), index.data(), to.view()}),
                  scatter_add_traffic(rows, columns, 1));
    auto const repeated = indices(rows, 3);
    require_close(shape.named("scatter_add_rows, targets thrice"),
                  counted(rlvr::ops::scatter_add_rows{from.view(), repeated.data(), to.view()}),
                  scatter_add_traffic(rows, columns, 3));
  }
}

TEST_CASE("kernel traffic: the optimiser") {
  std::size_t const count = 70001;
  shared_matrix parameter(1, count), gradient(1, count), first(1, count), second(1, count);
  test::storage<double> norm(1);
  auto const all = [](shared_matrix& m) { return std::span<float>(m.data(), count); };
  require_close("global_norm 70001", counted(rlvr::ops::global_norm{.values = all(gradient), .result = norm.data()}),
                global_norm_traffic(count));
  for (float& value : all(second)) value = 1.0f;
  require_close("adamw_step 70001",
                counted(rlvr::ops::adamw_step{.parameter = all(parameter),
                                              .gradient = all(gradient),
                                              .first_moment = all(first),
                                              .second_moment = all(second),
                                              .rule = {}}),
                adamw_traffic(count));
}
