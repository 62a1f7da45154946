// SPDX-License-Identifier: MIT
/// @file
/// The ops in the shapes that a model of 0.5 and one of 7 thousand million parameters gives them: one list for the
/// benchmarks (benchmarks/cuda), which run the shapes as they are, and for the conformance suite, which runs
/// `reduced()` ones: as wide as the kernels' choices depend on it, with few rows.
///
/// `least()` is what an execution cannot do without: bytes of DRAM if every operand crosses once, and operations.
/// docs/performance_cuda.md derives both.  Scalars of a row (a position, an index, a root mean square) and vectors that
/// all rows share (weights, biases, angles) are left out: they stay in the caches.
///
/// Sizes: Qwen2.5-0.5B and Qwen2.5-7B, config.json (Hugging Face).
#pragma once

#include <rlvr/core/dtype.hpp>
#include <rlvr/ops/attention.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cases {

struct model_size {
  char const* name;
  std::size_t hidden, intermediate, heads, key_value_heads, head_size, vocabulary;
};

inline constexpr model_size models[] = {{"0.5B", 896, 4864, 14, 2, 64, 151936},
                                        {"7B", 3584, 18944, 28, 4, 128, 152064}};

/// What an execution cannot do without.
struct work {
  double bytes = 0;
  double operations = 0;
};

/// Which units compute the operations.
enum class arithmetic {
  fp32,  ///< fused multiply-adds
  bf16   ///< tensor cores, operands in bfloat16
};

// Ops that go over rows
// ------------------------------------------------------------------------------------------------

enum class row_op {
  rms_norm,
  rms_norm_gradient,
  rms_norm_both_gradients,
  rope,
  swiglu,
  swiglu_gradient,
  add_bias,
  bias_gradient,
  copy_rows,
  gather_rows,
  gather_rows_bf16,
  scatter_rows,
  scatter_add_rows
};

/// Bytes and operations an element.
struct row_cost {
  row_op op;
  char const* name;
  double bytes, operations;
};

inline constexpr row_cost row_costs[] = {
    {row_op::rms_norm, "rms_norm", 8, 4},
    {row_op::rms_norm_gradient, "rms_norm_gradient", 12, 7},
    {row_op::rms_norm_both_gradients, "rms_norm_gradient with the weight's", 12 + 8, 7 + 3},
    {row_op::rope, "rope", 8, 3.5},
    {row_op::swiglu, "swiglu", 12, 6},
    {row_op::swiglu_gradient, "swiglu_gradient", 20, 12},
    {row_op::add_bias, "add_bias", 8, 1},
    {row_op::bias_gradient, "bias_gradient", 4, 1},
    {row_op::copy_rows, "copy_rows", 8, 0},
    {row_op::gather_rows, "gather_rows", 8, 0},
    {row_op::gather_rows_bf16, "gather_rows from bf16", 6, 0},
    {row_op::scatter_rows, "scatter_rows", 8, 0},
    {row_op::scatter_add_rows, "scatter_add_rows", 12, 1},
};

[[nodiscard]] constexpr row_cost const& cost_of(row_op op) { return row_costs[static_cast<std::size_t>(op)]; }

struct row_case {
  row_op op;
  char const* model;
  std::size_t rows, columns;
  std::size_t head_size;   ///< of `rope`
  std::size_t table_rows;  ///< rows that an index may name

  [[nodiscard]] constexpr work least() const {
    double const elements = static_cast<double>(rows) * static_cast<double>(columns);
    return {cost_of(op).bytes * elements, cost_of(op).operations * elements};
  }
  [[nodiscard]] std::string name() const {
    return std::string(cost_of(op).name) + "/" + model + "/" + std::to_string(rows) + "x" + std::to_string(columns);
  }
  /// Row i of what an index names, all different.
  [[nodiscard]] constexpr std::int32_t index(std::size_t i) const {
    return static_cast<std::int32_t>((rows - 1 - i) * (table_rows / rows));
  }
  [[nodiscard]] constexpr row_case reduced() const {
    row_case small_case = *this;
    bool const sums_columns = op == row_op::bias_gradient || op == row_op::rms_norm_both_gradients;
    if (rows > 1000 && sums_columns) {  // more rows than a partial sum has
      small_case.rows = 300;
      small_case.columns = columns / 32;
    } else {
      small_case.rows = rows > 1000 ? 3 : 2;
    }
    small_case.table_rows = 2 * small_case.rows + 1;
    return small_case;
  }
};

[[nodiscard]] inline std::vector<row_case> row_cases() {
  std::vector<row_case> all;
  for (row_cost const& cost : row_costs)
    for (model_size const& model : models)
      for (std::size_t const rows : {256u, 8192u}) {
        std::size_t columns = model.hidden;
        if (cost.op == row_op::swiglu || cost.op == row_op::swiglu_gradient) columns = model.intermediate;
        all.push_back({cost.op, model.name, rows, columns, model.head_size, model.vocabulary});
      }
  return all;
}

// The optimiser: flat arrays
// -------------------------------------------------------------------------------------------

enum class flat_op { round_to_bfloat16, global_norm, adamw_step, adamw_step_mirrored };

/// Bytes and operations a parameter; AdamW reads and writes four arrays, the mirror is a fifth, in bfloat16.
struct flat_cost {
  flat_op op;
  char const* name;
  double bytes, operations;
};

inline constexpr flat_cost flat_costs[] = {
    {flat_op::round_to_bfloat16, "round_to_bfloat16", 6, 0},
    {flat_op::global_norm, "global_norm", 4, 2},
    {flat_op::adamw_step, "adamw_step", 32, 15},
    {flat_op::adamw_step_mirrored, "adamw_step with a mirror", 34, 15},
};

[[nodiscard]] constexpr flat_cost const& cost_of(flat_op op) { return flat_costs[static_cast<std::size_t>(op)]; }

struct flat_case {
  flat_op op;
  char const* model;
  std::size_t parameters;

  [[nodiscard]] constexpr work least() const {
    auto const count = static_cast<double>(parameters);
    return {cost_of(op).bytes * count, cost_of(op).operations * count};
  }
  [[nodiscard]] std::string name() const {
    return std::string(cost_of(op).name) + "/" + model + "/" + std::to_string(parameters);
  }
  /// Longer than the blocks of the sums (16384 elements), and odd.
  [[nodiscard]] constexpr flat_case reduced() const { return {op, model, 16384 + 1001 + parameters % 2}; }
};

/// The smaller model whole; of the larger one a quarter, what each of four devices holds: the state of all of it would
/// be 122 GB.
[[nodiscard]] inline std::vector<flat_case> flat_cases() {
  std::vector<flat_case> all;
  for (flat_cost const& cost : flat_costs) {
    all.push_back({cost.op, "0.5B", 494'032'768});
    all.push_back({cost.op, "7B, a quarter", 7'615'616'512 / 4});
  }
  return all;
}

// Products
// -------------------------------------------------------------------------------------------------------------

enum class product_op { forward, input_gradient, weight_gradient };

inline constexpr char const* product_names[] = {"linear_forward", "linear_input_gradient", "linear_weight_gradient"};

/// A layer with a weight of [outputs, inputs]; activations and gradients are float.
struct product_case {
  product_op op;
  char const* model;
  std::size_t rows, inputs, outputs;
  rlvr::dtype type;  ///< of the weight

  /// The weight's gradient is read and written: it is added to.
  [[nodiscard]] constexpr work least() const {
    auto const r = static_cast<double>(rows), in = static_cast<double>(inputs), out = static_cast<double>(outputs);
    double const weight = op == product_op::weight_gradient ? 8.0 : static_cast<double>(rlvr::size_of(type));
    return {4 * r * in + 4 * r * out + weight * in * out, 2 * r * in * out};
  }
  [[nodiscard]] constexpr arithmetic units() const {
    return type == rlvr::dtype::bf16 ? arithmetic::bf16 : arithmetic::fp32;
  }
  [[nodiscard]] std::string name() const {
    return std::string(product_names[static_cast<std::size_t>(op)]) + "/" + model + "/" + std::to_string(rows) + "x" +
           std::to_string(inputs) + "x" + std::to_string(outputs) + "/" + std::string(rlvr::name_of(type));
  }
  [[nodiscard]] constexpr product_case reduced() const {
    return {op, model, rows > 1000 ? std::size_t{5} : std::size_t{2}, inputs / 16, outputs / 16, type};
  }
};

/// The widest projection of a layer, for a batch of decoding and for one of training.
[[nodiscard]] inline std::vector<product_case> product_cases() {
  std::vector<product_case> all;
  for (model_size const& model : models)
    for (rlvr::dtype const type : {rlvr::dtype::f32, rlvr::dtype::bf16}) {
      all.push_back({product_op::forward, model.name, 16, model.hidden, model.intermediate, type});
      for (product_op const op : {product_op::forward, product_op::input_gradient, product_op::weight_gradient})
        all.push_back({op, model.name, 8192, model.hidden, model.intermediate, type});
    }
  return all;
}

// Attention
// ------------------------------------------------------------------------------------------------------------

enum class attention_op { forward, gradient };

/// Sequences of equal shape: `queries` tokens of each, behind `before` tokens that are in the cache.
struct attention_case {
  attention_op op;
  char const* model;
  std::size_t sequences, queries, before;
  std::size_t heads, key_value_heads, head_size;
  bool tensor_cores;

  [[nodiscard]] constexpr std::size_t context() const { return before + queries; }
  /// Query and key heads, times a key that the query sees.
  [[nodiscard]] constexpr double pairs() const {
    auto const q = static_cast<double>(queries);
    return static_cast<double>(sequences * heads) * (q * static_cast<double>(before) + q * (q + 1) / 2);
  }
  /// Forward: queries and outputs, keys and values once; 4d operations a pair.  Gradient: dQ (Q, dO, O and dQ; K, V;
  /// 6d) and dK, dV (Q, dO; K, V; dK, dV read and written; 8d) are kernels of their own.
  [[nodiscard]] constexpr work least() const {
    auto const d = static_cast<double>(head_size);
    double const query_elements = static_cast<double>(sequences * queries * heads) * d;
    double const key_elements = static_cast<double>(sequences * context() * key_value_heads) * d;
    if (op == attention_op::forward) return {8 * query_elements + 8 * key_elements, 4 * d * pairs()};
    return {(16 + 8) * query_elements + (8 + 24) * key_elements, (6 + 8) * d * pairs()};
  }
  [[nodiscard]] constexpr arithmetic units() const { return tensor_cores ? arithmetic::bf16 : arithmetic::fp32; }
  [[nodiscard]] std::string name() const {
    return std::string(op == attention_op::forward ? "attention_forward/" : "attention_gradient/") + model + "/" +
           std::to_string(sequences) + "x" + std::to_string(queries) +
           (before ? std::string("+").append(std::to_string(before)) : "") + "/" + std::to_string(heads) + ":" +
           std::to_string(key_value_heads) + "x" + std::to_string(head_size) + (tensor_cores ? "/BF16" : "/F32");
  }
  /// One group of heads; prompts of more than one tile.
  [[nodiscard]] constexpr attention_case reduced() const {
    attention_case small_case = *this;
    small_case.sequences = 2;
    small_case.queries = queries > 1 ? 13 : 1;
    small_case.before = before ? 37 : 0;
    small_case.heads = heads / key_value_heads;
    small_case.key_value_heads = 1;
    return small_case;
  }
  [[nodiscard]] rlvr::ops::attention_shape shape() const {
    return {.heads = heads,
            .key_value_heads = key_value_heads,
            .head_size = head_size,
            .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
  }
  /// Keys of a sequence follow each other, the cached ones first.
  [[nodiscard]] rlvr::ops::attention_plan plan() const {
    rlvr::ops::attention_plan result;
    for (std::size_t s = 0; s < sequences; ++s)
      result.add_span(static_cast<std::int64_t>(s * queries), static_cast<std::int64_t>(queries), {},
                      {static_cast<std::int64_t>(s * context()), static_cast<std::int64_t>(context())},
                      static_cast<std::int64_t>(before));
    return result;
  }
};

/// Prompts of 2048 tokens, forward and backward; a step of decoding with 4096 tokens in the cache.
[[nodiscard]] inline std::vector<attention_case> attention_cases() {
  std::vector<attention_case> all;
  for (model_size const& m : models)
    for (bool const tensor_cores : {false, true}) {
      for (attention_op const op : {attention_op::forward, attention_op::gradient})
        all.push_back({op, m.name, 4, 2048, 0, m.heads, m.key_value_heads, m.head_size, tensor_cores});
      all.push_back(
          {attention_op::forward, m.name, 64, 1, 4095, m.heads, m.key_value_heads, m.head_size, tensor_cores});
    }
  return all;
}

// The vocabulary
// -------------------------------------------------------------------------------------------------------

enum class vocabulary_op { policy_loss, log_prob, sample, sample_scored, sample_filtered };

inline constexpr char const* vocabulary_names[] = {"linear_policy_loss", "linear_log_prob", "sample_tokens",
                                                   "sample_tokens, scored", "sample_tokens, top-k and top-p"};

struct vocabulary_case {
  vocabulary_op op;
  char const* model;
  std::size_t rows, width, vocabulary, chunk_rows;
  rlvr::dtype type;  ///< of the head

  [[nodiscard]] constexpr bool samples() const {
    return op != vocabulary_op::policy_loss && op != vocabulary_op::log_prob;
  }
  /// Loss: three products; a chunk reads the weight twice and its gradient, writes that; logits are read and written
  /// once.  Log-probabilities: one product, weight and logits read once.  Sampling: logits read once.
  [[nodiscard]] constexpr work least() const {
    auto const r = static_cast<double>(rows), v = static_cast<double>(vocabulary);
    if (samples()) return {4 * r * v, 0};
    double const entries = static_cast<double>(width) * v;
    auto const chunks = static_cast<double>((rows + chunk_rows - 1) / chunk_rows);
    auto const stored = static_cast<double>(rlvr::size_of(type));
    if (op == vocabulary_op::log_prob) return {chunks * stored * entries + 4 * r * v, 2 * r * entries};
    return {chunks * (2 * stored + 8) * entries + 8 * r * v, 6 * r * entries};
  }
  [[nodiscard]] constexpr arithmetic units() const {
    return type == rlvr::dtype::bf16 ? arithmetic::bf16 : arithmetic::fp32;
  }
  [[nodiscard]] std::string name() const {
    std::string const shape = std::string(vocabulary_names[static_cast<std::size_t>(op)]) + "/" + model + "/" +
                              std::to_string(rows) + "x" + std::to_string(vocabulary);
    return samples() ? shape : shape + "/" + std::string(rlvr::name_of(type));
  }
  /// Rows still too wide for the smaller blocks (16384); more than one chunk.
  [[nodiscard]] constexpr vocabulary_case reduced() const {
    return {op, model, 3, width / 56, vocabulary / 9, 2, type};
  }
};

[[nodiscard]] inline std::vector<vocabulary_case> vocabulary_cases() {
  std::vector<vocabulary_case> all;
  for (model_size const& m : models) {
    for (vocabulary_op const op : {vocabulary_op::policy_loss, vocabulary_op::log_prob})
      for (rlvr::dtype const type : {rlvr::dtype::f32, rlvr::dtype::bf16})
        all.push_back({op, m.name, 8192, m.hidden, m.vocabulary, 2048, type});
    for (vocabulary_op const op : {vocabulary_op::sample, vocabulary_op::sample_scored, vocabulary_op::sample_filtered})
      all.push_back({op, m.name, 256, m.hidden, m.vocabulary, 256, rlvr::dtype::f32});
  }
  return all;
}

}  // namespace cases
