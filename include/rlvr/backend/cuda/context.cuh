// SPDX-License-Identifier: MIT
/// @file
/// The GPU's execution context: one stream, scratch memory, cuBLASLt.  Everything that ops do is ordered on the stream;
/// ops neither allocate (once their scratch has its size) nor wait, so a step can be captured into a CUDA graph.
///
/// A step has two halves.  The host *loads* what the step reads into memory that stays where it is (step_input,
/// `load_plan`), then `replayable` *runs* ops alone: eagerly the first time, captured the second, a graph launch after.
/// The key of `replayable` names the shapes and addresses of the step; the context adds those of its own memory that
/// the step's ops ask for, scratch and the plan's tables, and nothing that they do not ask for.  One context serves one
/// caller at a time; make as many as there are independent callers.
#pragma once

#include <rlvr/backend/cuda/attention_plan.cuh>
#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/graph.cuh>
#include <rlvr/backend/cuda/memory.cuh>
#include <rlvr/backend/cuda/product.cuh>
#include <rlvr/backend/cuda/staging.cuh>
#include <rlvr/core/tensor.hpp>
#include <rlvr/kernel/row_bodies.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

struct destroy_stream {
  void operator()(cudaStream_t stream) const noexcept { (void)cudaStreamDestroy(stream); }
};
struct destroy_cublaslt {
  void operator()(cublasLtHandle_t handle) const noexcept { (void)cublasLtDestroy(handle); }
};

[[nodiscard]] inline cudaStream_t make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return stream;
}
[[nodiscard]] inline cublasLtHandle_t make_cublaslt() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLtCreate");
  return handle;
}

}  // namespace detail

/// Who asked for scratch memory: requests of one purpose replace each other, those of different purposes coexist.
enum class scratch_purpose : std::size_t {
  chunk,      ///< logits of a chunk of rows
  reduction,  ///< partial sums
  attention,  ///< per-row sums of the attention's backward pass
  operand,    ///< operands of a product in bfloat16, and what must be copied to be aligned
  count_
};

/// How attention multiplies.
struct attention_settings {
  /// Queries, keys, values, weights and, backward, dO and dS rounded to bfloat16 and multiplied by tensor cores with
  /// float sums, on compute capability 8 and later; else plain float arithmetic.  Must not change between an op and its
  /// gradient.
  bool tensor_cores = false;
};

/// Where ops on device memory run.
class context {
 public:
  using memory = device_memory;

  /// cuBLASLt's workspace; NVIDIA recommends 32 MiB from Hopper on (cuBLAS documentation, "cublasSetWorkspace").
  static constexpr std::size_t matmul_workspace_bytes = std::size_t{32} << 20;

  /// On the current device, with a stream of its own.
  context() : context(detail::make_stream(), true) {}
  /// On a stream of the caller's, who destroys it after the context.
  explicit context(cudaStream_t stream) : context(stream, false) {}
  context(context const&) = delete;
  context& operator=(context const&) = delete;
  ~context() { (void)cudaStreamSynchronize(stream_); }

  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }

  /// How products are computed; `set` forgets the algorithms chosen so far.
  [[nodiscard]] product_runner& products() noexcept { return products_; }

  /// How attention multiplies; a change holds from the next op on.
  [[nodiscard]] attention_settings& attention() noexcept { return attention_; }

  /// The plan that attention ran with last, on the device.
  [[nodiscard]] attention_plan_cache& attention_plans() noexcept {
    used_ |= plan_bit;
    return attention_plans_;
  }

  /// Waits until everything on the stream is done.  What `visible` returned before is invalid after it.
  void synchronize() {
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    staging_.recycle();
  }

  /// Host data as ops see it: a copy, made on the stream; valid until the next `synchronize` or `download`.
  /// @throws cuda_error in captured work, which would copy again, at each replay, from memory that is others' by then
  template <class T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T const* visible(std::span<T const> data) {
    if (graphs_.capturing()) check(cudaErrorStreamCaptureUnsupported, "host data for an op");
    return static_cast<T const*>(staging_.copy(data.data(), data.size_bytes(), stream_));
  }

  /// Host data into device memory, ordered on the stream; does not wait, and `data` may go.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void stage(T* to, std::span<T const> data) {
    if (data.empty()) return;
    check(cudaMemcpyAsync(to, visible(data), data.size_bytes(), cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync");
  }

  /// Brings the device's tables of the plan up to date that attention over `keys` keys will run with.  A graph that
  /// captured the op may then be replayed with a plan that has as many tiles, as the steps of decoding do while no
  /// sequence ends.
  void load_plan(ops::attention_plan const& plan, std::size_t keys) { attention_plans_.load(*this, plan, keys); }

  /// Whether `replayable` captures and replays; results are the same bit for bit.
  [[nodiscard]] bool& use_graphs() noexcept { return use_graphs_; }
  [[nodiscard]] graph_cache const& graphs() const noexcept { return graphs_; }

  /// Runs `body`, which runs ops and does nothing else, or a graph that was captured from it.
  /// @param key  () -> replay_key: all that `body` depends on beside this context: shapes, settings, addresses
  template <class Key, class Body>
  void replayable(Key&& key, Body&& body) {
    if (!use_graphs_) {
      body();
      return;
    }
    replay_key whole = key();
    add_settings(whole);
    graphs_.run(stream_, std::move(whole), lender{this}, body);
  }

  /// Copies host data into device memory; returns when the host's copy is no longer needed.
  template <class T>
  void upload(T* to, T const* from, std::size_t count) {
    if (count == 0) return;
    check(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
    synchronize();
  }

  /// Copies device memory to the host; returns when it is there.
  template <class T>
  void download(T* to, T const* from, std::size_t count) {
    if (count == 0) return;
    check(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
    synchronize();
  }

  /// Sets floats to 0.
  void zero(float* values, std::size_t count) {
    if (count) check(cudaMemsetAsync(values, 0, count * sizeof(float), stream_), "cudaMemsetAsync");
  }

  /// A product on the stream.
  void multiply(product const& p) { products_.run(p, stream_); }

  /// body(group, row) for every row (kernel/row_bodies.hpp), in a unit that includes row_kernels.cuh.
  template <kernel::row_body Body>
  void for_each_row(std::size_t rows, std::size_t width, Body const& body) {
    launch_rows(*this, rows, width, body);  // found by its argument: this header launches nothing itself
  }

  /// Uninitialised bytes of an op, valid until the same purpose asks again.  Grows (and then waits for the device, and
  /// cannot be captured), never shrinks.
  template <class T>
  [[nodiscard]] T* scratch(scratch_purpose purpose, std::size_t count) {
    used_ |= 1u << static_cast<unsigned>(purpose);
    buffer<unsigned char, memory>& block = scratch_[static_cast<std::size_t>(purpose)];
    block.reserve(checked_multiply(count, sizeof(T)));
    return reinterpret_cast<T*>(block.data());
  }

  /// Uninitialised floats that a whole op shares; valid until the next op asks.
  [[nodiscard]] float* shared_scratch(std::size_t count) { return scratch<float>(scratch_purpose::chunk, count); }

 private:
  context(cudaStream_t stream, bool owned)
      : stream_(stream),
        owned_stream_(owned ? stream : nullptr),
        cublaslt_(detail::make_cublaslt()),
        matmul_workspace_(matmul_workspace_bytes),
        products_(cublaslt_.get(), matmul_workspace_.data(), matmul_workspace_bytes) {}

  static constexpr unsigned plan_bit = 1u << static_cast<unsigned>(scratch_purpose::count_);

  /// What ops have asked for, as bits: one for each purpose of scratch, and the plan's.
  struct lender {
    context* owner;

    void forget_use() const noexcept { owner->used_ = 0; }
    [[nodiscard]] unsigned used() const noexcept { return owner->used_; }
    [[nodiscard]] replay_key key_of(unsigned set) const {
      replay_key key;
      for (std::size_t i = 0; i < owner->scratch_.size(); ++i)
        if (set >> i & 1u) key.add(owner->scratch_[i]);
      if (set & plan_bit) owner->attention_plans_.fingerprint(key);
      return key;
    }
  };

  void add_settings(replay_key& key) {
    key.add(attention_.tensor_cores);
    key.add(products_.settings().batch_invariant);
    key.add(products_.settings().representative_rows);
    key.add(products_.settings().compute_type);
  }

  cudaStream_t stream_;
  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, detail::destroy_stream> owned_stream_;
  std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, detail::destroy_cublaslt> cublaslt_;
  buffer<unsigned char, memory> matmul_workspace_;
  product_runner products_;
  std::array<buffer<unsigned char, memory>, static_cast<std::size_t>(scratch_purpose::count_)> scratch_;
  staging staging_;
  attention_plan_cache attention_plans_;
  attention_settings attention_;
  graph_cache graphs_;
  unsigned used_ = 0;
  bool use_graphs_ = true;
};

}  // namespace cuda
RLVR_NAMESPACE_END
