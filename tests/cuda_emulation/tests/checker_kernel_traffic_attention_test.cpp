// SPDX-License-Identifier: MIT
/// @file
/// Traffic of attention, forward and backward, against the formulas of docs/performance_cuda.md.
#include <rlvr/backend/cuda/attention.cuh>
#include <rlvr/backend/cuda/attention_gradient.cuh>
#include <rlvr/core/math.hpp>

#include "kernel_traffic.hpp"
#include <algorithm>
#include <cstdint>

using namespace kernel_traffic;

namespace {

constexpr std::size_t threads = 128;  // of a block of any kernel of attention
constexpr std::size_t columns = 32;   // rows of a tile that passes, in the kernels by keys

/// Heads, and the plan of a batch: `spans` equal spans of `queries` queries, which see `shared` keys (the same for all)
/// and keys of their own, `before` of them before the first query.
struct attention_case {
  char const* name;
  std::size_t heads, key_heads, size;
  std::size_t spans, queries, shared, before;

  [[nodiscard]] std::size_t group() const { return heads / key_heads; }
  [[nodiscard]] std::size_t own() const { return before + queries; }
  /// (query, query head of a group) pairs of a span.
  [[nodiscard]] std::size_t span_rows() const { return queries * group(); }
};

/// A block that keeps rows (query, query head) and walks their keys.  Each of its threads reads its tile and its span.
/// @param row  bytes of a row that stays  @param context  keys, each with its place in the plan
traffic block_by_queries(attention_case const& c, std::size_t rows, traffic row, std::size_t context) {
  return traffic{threads * (16 + 32), 0} + rows * row + traffic{context * (8 * c.size + 16), 0};
}

/// All blocks of a kernel by queries, with tiles of `tile` rows.
traffic by_queries(attention_case const& c, std::size_t tile, traffic row) {
  traffic sum;
  for (std::size_t first = 0; first < c.span_rows(); first += tile) {
    std::size_t const end = std::min(first + tile, c.span_rows());
    sum = sum + block_by_queries(c, end - first, row, c.shared + c.before + (end - 1) / c.group() + 1);
  }
  return c.spans * c.key_heads * sum;
}

/// Query in; output and two statistics out.
traffic forward_traffic(attention_case const& c, std::size_t tile) {
  return by_queries(c, tile, {4 * c.size, 4 * c.size + 8});
}

/// Query, output and its gradient in, two statistics for each lane of the row; D and the query's gradient out.
/// On tensor cores D takes the output's gradient from memory once more.
traffic query_gradient_traffic(attention_case const& c, std::size_t tile, bool tensor_cores) {
  std::size_t const lanes = tensor_cores ? 4 : 8;
  return by_queries(c, tile, {(tensor_cores ? 16 : 12) * c.size + 8 * lanes, 4 + 4 * c.size});
}

/// A block that keeps keys and walks the rows that see them: `visits` times `rows` of them.
/// Each thread reads the task, each visit (40 bytes) and, once a tile of passing rows, the end of the visit; one thread
/// for each passing row the visit again; of a row there are Q, dO, three statistics, three numbers of its span.
/// @param task  whether the block is one of several for its keys: it leaves its sums for another kernel
traffic block_by_keys(attention_case const& c, std::size_t keys, std::size_t visits, std::size_t rows, bool shares) {
  std::size_t const tiles = rlvr::math::ceil_div(rows, columns);
  traffic const visit{threads * 40 + rows * (8 * c.size + 12 + 24) + tiles * (columns * 32 + threads * 8), 0};
  traffic const gradients{shares ? 0 : 8 * c.size, 8 * c.size};
  return traffic{threads * 48, 0} + visits * visit + keys * (traffic{8 * c.size, 0} + gradients);
}

/// dK and dV of `keys` keys out of `slots` partial sums.
traffic fold_traffic(attention_case const& c, std::size_t keys, std::size_t slots) {
  return traffic{threads * 32, 0} + keys * c.size * traffic{8 * slots + 8, 8};
}

/// All blocks of the kernels by keys.
/// @pre no span has more rows than a block meets, spans fill blocks evenly
traffic key_gradient_traffic(attention_case const& c, std::size_t tile) {
  std::size_t const shares = rlvr::math::ceil_div(c.spans * c.span_rows(), rlvr::cuda::gradient_rows_per_task);
  traffic sum;
  for (std::size_t first = 0; first < c.shared; first += tile) {
    std::size_t const keys = std::min(tile, c.shared - first);
    sum = sum + shares * block_by_keys(c, keys, c.spans / shares, c.span_rows(), shares > 1);
    if (shares > 1) sum = sum + fold_traffic(c, keys, shares);
  }
  for (std::size_t first = 0; first < c.own(); first += tile) {
    std::size_t const unseen = first > c.before ? first - c.before : 0;  // queries before the tile's first key
    sum = sum + c.spans * block_by_keys(c, std::min(tile, c.own() - first), 1, (c.queries - unseen) * c.group(), false);
  }
  return c.key_heads * sum;
}

/// The case's plan and its data.
class attention_data {
 public:
  explicit attention_data(attention_case const& c)
      : case_(c),
        queries_(c.spans * c.queries),
        keys_(c.shared + c.spans * c.own()),
        query_(queries_, c.heads * c.size),
        output_(queries_, c.heads * c.size),
        d_query_(queries_, c.heads * c.size),
        d_output_(queries_, c.heads * c.size),
        key_(keys_, c.key_heads * c.size),
        value_(keys_, c.key_heads * c.size),
        d_key_(keys_, c.key_heads * c.size),
        d_value_(keys_, c.key_heads * c.size),
        maximum_(queries_, c.heads),
        inverse_(queries_, c.heads) {
    rlvr::ops::key_range const shared{0, static_cast<std::int64_t>(c.shared)};
    for (std::size_t span = 0; span < c.spans; ++span)
      plan_.add_span(static_cast<std::int64_t>(span * c.queries), static_cast<std::int64_t>(c.queries),
                     {&shared, c.shared > 0 ? 1u : 0u},
                     {static_cast<std::int64_t>(c.shared + span * c.own()), static_cast<std::int64_t>(c.own())},
                     static_cast<std::int64_t>(c.before));
  }

  [[nodiscard]] rlvr::ops::attention_forward forward() {
    return {.shape = {.heads = case_.heads, .key_value_heads = case_.key_heads, .head_size = case_.size, .scale = 0.1f},
            .plan = &plan_,
            .query = query_.view(),
            .key = key_.view(),
            .value = value_.view(),
            .output = output_.view(),
            .statistics = {maximum_.view(), inverse_.view()}};
  }
  [[nodiscard]] rlvr::ops::attention_gradient gradient() {
    return {.forward = forward(),
            .output_gradient = d_output_.view(),
            .query_gradient = d_query_.view(),
            .key_gradient = d_key_.view(),
            .value_gradient = d_value_.view()};
  }

 private:
  attention_case case_;
  std::size_t queries_, keys_;
  rlvr::ops::attention_plan plan_;
  shared_matrix query_, output_, d_query_, d_output_, key_, value_, d_key_, d_value_, maximum_, inverse_;
};

/// Rows of a tile of the forward pass, of the backward pass; heads of at most 128 columns.
std::size_t forward_rows(attention_case const& c) { return c.span_rows() <= 16 ? 8 : 64; }
constexpr std::size_t gradient_rows(bool tensor_cores) { return tensor_cores ? 64 : 32; }

constexpr attention_case prompt{"prompt of 150", 6, 2, 64, 1, 150, 0, 0};
constexpr attention_case wide_prompt{"prompt of 70, heads of 128", 4, 2, 128, 1, 70, 0, 0};
constexpr attention_case decoding{"decoding, 3 caches of 300", 14, 2, 64, 3, 1, 0, 299};
constexpr attention_case siblings{"32 answers of 16 to a prompt of 40", 8, 1, 32, 32, 16, 40, 0};

}  // namespace

TEST_CASE("kernel traffic: attention, forward") {
  for (bool const tensor_cores : {false, true}) {
    shared_context().attention().tensor_cores = tensor_cores;
    for (attention_case const& c : {prompt, wide_prompt, decoding}) {
      attention_data data(c);
      require_close(std::string(c.name) + (tensor_cores ? ", tensor cores" : ""), counted(data.forward()),
                    forward_traffic(c, forward_rows(c)));
    }
  }
  shared_context().attention().tensor_cores = false;
}

TEST_CASE("kernel traffic: attention, backward") {
  for (bool const tensor_cores : {false, true}) {
    shared_context().attention().tensor_cores = tensor_cores;
    std::size_t const rows = gradient_rows(tensor_cores);
    for (attention_case const& c : {prompt, wide_prompt, siblings}) {
      attention_data data(c);
      (void)counted(data.forward());
      require_close(std::string(c.name) + (tensor_cores ? ", tensor cores" : ""), counted(data.gradient()),
                    query_gradient_traffic(c, rows, tensor_cores) + key_gradient_traffic(c, rows));
    }
  }
  shared_context().attention().tensor_cores = false;
}
