// SPDX-License-Identifier: MIT
/// @file
/// How every backend runs the row-wise ops: the body of kernel/row_bodies.hpp over all rows.  A backend offers
/// `for_each_row`; ops whose algorithm differs by backend (sums over rows, products, attention) it runs itself.
#pragma once

#include <rlvr/kernel/row_bodies.hpp>
#include <rlvr/ops/rows.hpp>
#include <rlvr/ops/sample_tokens.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// A context that runs bodies: `for_each_row(rows, width, body)` calls body(group, row) for every row; `width` is the
/// number of elements of a row, on which alone (and the body's type) the group may depend.
template <class Context>
concept runs_rows = requires(Context& context, std::size_t count, kernel::rms_norm_body const& body) {
  context.for_each_row(count, count, body);
};

template <runs_rows Context>
void run(Context& context, rms_norm const& op) {
  context.for_each_row(op.input.rows, op.input.columns, kernel::rms_norm_body{op});
}

template <runs_rows Context>
void run(Context& context, rope const& op) {
  context.for_each_row(op.values.rows, op.values.columns, kernel::rope_body{op});
}

template <runs_rows Context>
void run(Context& context, swiglu const& op) {
  context.for_each_row(op.gate.rows, op.gate.columns, kernel::swiglu_body{op.gate, op.up, op.out});
}

template <runs_rows Context>
void run(Context& context, swiglu_gradient const& op) {
  context.for_each_row(op.gate.rows, op.gate.columns,
                       kernel::swiglu_gradient_body{op.gate, op.up, op.out_gradient, op.gate_gradient, op.up_gradient});
}

template <runs_rows Context>
void run(Context& context, add_bias const& op) {
  context.for_each_row(op.values.rows, op.values.columns, kernel::add_bias_body{op.values, op.bias});
}

template <runs_rows Context>
void run(Context& context, copy_rows const& op) {
  context.for_each_row(op.source.rows, op.source.columns,
                       kernel::copy_rows_body{op.source, nullptr, op.destination, nullptr});
}

template <runs_rows Context>
void run(Context& context, gather_rows const& op) {
  if (op.source.type == dtype::bf16)
    context.for_each_row(op.output.rows, op.output.columns,
                         kernel::convert_rows_body<bf16, float>{op.source.as<bf16>(), op.index, op.output});
  else
    context.for_each_row(op.output.rows, op.output.columns,
                         kernel::copy_rows_body{op.source.as<float>(), op.index, op.output, nullptr});
}

template <runs_rows Context>
void run(Context& context, round_to_bfloat16 const& op) {
  constexpr std::size_t width = 4096;  // whole rows, then what is left
  std::size_t const rows = op.source.size() / width;
  std::size_t const rest = op.source.size() % width;
  auto const round = [&](std::size_t first, std::size_t count, std::size_t columns) {
    context.for_each_row(
        count, columns,
        kernel::convert_rows_body<float, bf16>{
            {op.source.data() + first, count, columns}, nullptr, {op.destination.data() + first, count, columns}});
  };
  round(0, rows, width);
  if (rest) round(rows * width, 1, rest);
}

template <runs_rows Context>
void run(Context& context, scatter_rows const& op) {
  context.for_each_row(op.source.rows, op.source.columns,
                       kernel::copy_rows_body{op.source, nullptr, op.destination, op.index});
}

template <runs_rows Context>
void run(Context& context, sample_tokens const& op) {
  context.for_each_row(
      op.logits.rows, op.logits.columns,
      kernel::sample_body{op.logits, op.settings, op.key, op.id, op.log_prob, op.entropy, op.kept_mass});
}

}  // namespace ops
RLVR_NAMESPACE_END
