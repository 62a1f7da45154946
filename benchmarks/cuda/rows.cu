// SPDX-License-Identifier: MIT
// Ops that go over rows: normalisation, rotation, activation, bias, copies by an index.
#include <rlvr/backend/cuda/rows.cuh>

#include "operands.hpp"
#include <cstdint>

namespace benchmarks {
namespace {

using cases::row_case;
using cases::row_op;

operation norm(row_case const& c) {
  auto const owner = std::make_shared<operands>();
  auto const columns = c.columns;
  rlvr::ops::rms_norm forward{};
  forward.input = owner->matrix(c.rows, columns);
  forward.weight = owner->array(columns).data();
  forward.output = owner->matrix(c.rows, columns, 0.0f);
  forward.inverse_rms = owner->array(c.rows).data();
  forward.epsilon = 1e-6f;
  if (c.op == row_op::rms_norm) return runs(owner, forward);
  rlvr::ops::rms_norm_gradient gradient{};
  gradient.input = forward.input;
  gradient.weight = forward.weight;
  gradient.inverse_rms = forward.inverse_rms;
  gradient.output_gradient = owner->matrix(c.rows, columns);
  gradient.input_gradient = forward.output;
  if (c.op == row_op::rms_norm_both_gradients) gradient.weight_gradient = owner->array(columns).data();
  return runs(owner, gradient);
}

operation rotation(row_case const& c) {
  auto const owner = std::make_shared<operands>();
  constexpr std::size_t positions = 2048;
  std::vector<std::int32_t> position(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) position[i] = static_cast<std::int32_t>(i % positions);
  rlvr::ops::rope op{};
  op.values = owner->matrix(c.rows, c.columns);
  op.position = owner->copy_of(position);
  op.cosine = owner->matrix(positions, c.head_size / 2, 0.7f);
  op.sine = owner->matrix(positions, c.head_size / 2, 0.7f);
  op.direction = 1.0f;
  return runs(owner, op);
}

operation activation(row_case const& c) {
  auto const owner = std::make_shared<operands>();
  auto const gate = owner->matrix(c.rows, c.columns, 4.0f), up = owner->matrix(c.rows, c.columns);
  auto const out = owner->matrix(c.rows, c.columns);
  if (c.op == row_op::swiglu) return runs(owner, rlvr::ops::swiglu{.gate = gate, .up = up, .out = out});
  return runs(owner, rlvr::ops::swiglu_gradient{.gate = gate,
                                                .up = up,
                                                .out_gradient = out,
                                                .gate_gradient = owner->matrix(c.rows, c.columns, 0.0f),
                                                .up_gradient = owner->matrix(c.rows, c.columns, 0.0f)});
}

operation bias(row_case const& c) {
  auto const owner = std::make_shared<operands>();
  auto const values = owner->matrix(c.rows, c.columns);
  float* const vector = owner->array(c.columns, 1e-3f).data();
  if (c.op == row_op::add_bias) return runs(owner, rlvr::ops::add_bias{.values = values, .bias = vector});
  return runs(owner, rlvr::ops::bias_gradient{.output_gradient = values, .gradient = vector});
}

operation copies(row_case const& c) {
  auto const owner = std::make_shared<operands>();
  std::vector<std::int32_t> index(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) index[i] = c.index(i);
  std::int32_t const* const at = owner->copy_of(index);
  auto const rows = owner->matrix(c.rows, c.columns);
  auto const type = c.op == row_op::gather_rows_bf16 ? rlvr::dtype::bf16 : rlvr::dtype::f32;
  switch (c.op) {
    case row_op::gather_rows:
    case row_op::gather_rows_bf16:
      return runs(owner,
                  rlvr::ops::gather_rows{
                      .source = owner->weight(c.table_rows, c.columns, type, 1.0f), .index = at, .output = rows});
    case row_op::scatter_rows:
      return runs(owner, rlvr::ops::scatter_rows{
                             .source = rows, .index = at, .destination = owner->matrix(c.table_rows, c.columns)});
    case row_op::scatter_add_rows:
      return runs(owner, rlvr::ops::scatter_add_rows{
                             .source = rows, .index = at, .destination = owner->matrix(c.table_rows, c.columns)});
    default:
      return runs(owner, rlvr::ops::copy_rows{.source = rows, .destination = owner->matrix(c.rows, c.columns, 0.0f)});
  }
}

operation prepare(row_case const& c) {
  switch (c.op) {
    case row_op::rms_norm:
    case row_op::rms_norm_gradient:
    case row_op::rms_norm_both_gradients:
      return norm(c);
    case row_op::rope:
      return rotation(c);
    case row_op::swiglu:
    case row_op::swiglu_gradient:
      return activation(c);
    case row_op::add_bias:
    case row_op::bias_gradient:
      return bias(c);
    default:
      return copies(c);
  }
}

}  // namespace

void add_row_cases(std::vector<entry>& entries, bool reduced) {
  for (row_case const& full : cases::row_cases()) {
    row_case const c = sized(full, reduced);
    entries.push_back(
        {full.name(), c.least(), cases::arithmetic::fp32, [c](rlvr::cuda::context&) { return prepare(c); }});
  }
}

}  // namespace benchmarks
