// SPDX-License-Identifier: MIT
/// @file
/// A block and a warp as cooperative groups: what the bodies of kernel/ are instantiated with on a device.
///
/// Element i of a range belongs to thread i mod threads, so neighbouring threads touch neighbouring addresses.  A sum
/// is folded in one order that depends on the range and the group's size alone: within a thread ascending, within a
/// warp as a butterfly, across warps ascending.
///
/// The bodies' softmax reads a row three times for its statistics, which a CPU's cache makes cheap.  On a GPU the rows
/// of a vocabulary that are in work do not fit into the cache together, so these groups bring a softmax of their own
/// that reads once: each thread keeps the maximum of its elements and sums relative to it, and rescales when the
/// maximum grows (Milakov and Gimelshein, arXiv 1805.02867).  The fused loss then reads a row twice and writes it once.
#pragma once

#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/kernel/softmax.hpp>

#include <cmath>
#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

struct plus {
  template <class T>
  [[nodiscard]] __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct maximum {
  template <class T>
  [[nodiscard]] __device__ T operator()(T a, T b) const {
    return math::max(a, b);
  }
};

/// Folds the values of `Width` neighbouring lanes; each of them gets the result.  Every lane of the warp calls it.
template <unsigned Width = warp_size, class T, class Operation>
[[nodiscard]] __device__ T warp_reduce(T value, Operation operation) {
#pragma unroll
  for (unsigned distance = Width / 2; distance > 0; distance /= 2)
    value = operation(value, __shfl_xor_sync(full_mask, value, static_cast<int>(distance), static_cast<int>(Width)));
  return value;
}

/// Folds the values of a block of `Threads` threads; each of them gets the result.  A barrier before and after.
template <unsigned Threads, class T, class Operation>
[[nodiscard]] __device__ T block_reduce(T value, Operation operation) {
  static_assert(Threads % warp_size == 0 && Threads <= 1024);
  __shared__ T partial[Threads / warp_size];
  value = warp_reduce(value, operation);
  if (threadIdx.x % warp_size == 0) partial[threadIdx.x / warp_size] = value;
  __syncthreads();
  T result = partial[0];
#pragma unroll
  for (unsigned warp = 1; warp < Threads / warp_size; ++warp) result = operation(result, partial[warp]);
  __syncthreads();  // the next reduction of this type writes `partial` again
  return result;
}

/// What a function of an index returns.  Named, not deduced: a host compiler sees no bodies of device functions.
template <class Function>
using element_of = std::invoke_result_t<Function&, std::size_t>;

/// All threads of a one-dimensional block.
template <unsigned Threads>
struct block_group {
  static constexpr unsigned threads = Threads;

  template <class Function>
  __device__ void for_each(std::size_t n, Function&& function) const {
    for (std::size_t i = threadIdx.x; i < n; i += Threads) function(i);
  }
  template <class Function>
  [[nodiscard]] __device__ element_of<Function> sum(std::size_t n, Function&& function) const {
    using value = element_of<Function>;
    value total{};
    for (std::size_t i = threadIdx.x; i < n; i += Threads) total += function(i);
    return reduce(total, plus{});
  }
  template <class Function>
  [[nodiscard]] __device__ element_of<Function> max(std::size_t n, Function&& function) const {
    using value = element_of<Function>;
    value largest = rlvr::detail::lowest_value<value>();
    for (std::size_t i = threadIdx.x; i < n; i += Threads) largest = math::max(largest, function(i));
    return reduce(largest, maximum{});
  }
  /// Folds one value per thread; collective.
  template <class T, class Operation>
  [[nodiscard]] __device__ T reduce(T value, Operation operation) const {
    return block_reduce<Threads>(value, operation);
  }
  template <class Function>
  __device__ void once(Function&& function) const {
    if (threadIdx.x == 0) function();
  }
  __device__ void sync() const { __syncthreads(); }
};

/// One warp of a block; the others may work on rows of their own, or have none.
struct warp_group {
  static constexpr unsigned threads = warp_size;

  [[nodiscard]] static __device__ unsigned lane() { return threadIdx.x % warp_size; }

  template <class Function>
  __device__ void for_each(std::size_t n, Function&& function) const {
    for (std::size_t i = lane(); i < n; i += warp_size) function(i);
  }
  template <class Function>
  [[nodiscard]] __device__ element_of<Function> sum(std::size_t n, Function&& function) const {
    using value = element_of<Function>;
    value total{};
    for (std::size_t i = lane(); i < n; i += warp_size) total += function(i);
    return reduce(total, plus{});
  }
  template <class Function>
  [[nodiscard]] __device__ element_of<Function> max(std::size_t n, Function&& function) const {
    using value = element_of<Function>;
    value largest = rlvr::detail::lowest_value<value>();
    for (std::size_t i = lane(); i < n; i += warp_size) largest = math::max(largest, function(i));
    return reduce(largest, maximum{});
  }
  /// Folds one value per lane; collective.
  template <class T, class Operation>
  [[nodiscard]] __device__ T reduce(T value, Operation operation) const {
    sync();  // shuffles exchange registers; they do not order memory
    return warp_reduce(value, operation);
  }
  template <class Function>
  __device__ void once(Function&& function) const {
    if (lane() == 0) function();
  }
  __device__ void sync() const { __syncwarp(); }
};

static_assert(cooperative_group<block_group<256>> && cooperative_group<warp_group>);

namespace detail {

/// Of some logits l with maximum m: z = sum e^s and w = sum s e^s, s = (l - m) / temperature.
struct online_softmax {
  float maximum = rlvr::detail::lowest<float>;
  float normaliser = 0.0f;
  float weighted = 0.0f;

  /// The same sums relative to a larger maximum.
  __device__ void rebase(float larger, float inverse_temperature) {
    if (normaliser != 0.0f && maximum != larger) {
      float const shift = kernel::shifted_logit(maximum, larger, inverse_temperature);
      float const factor = math::exp(shift);
      weighted = factor > 0.0f ? factor * (weighted + shift * normaliser) : 0.0f;
      normaliser *= factor;
    }
    maximum = larger;
  }

  __device__ void add(float logit, float inverse_temperature) {
    if (logit == rlvr::detail::lowest<float>) return;  // a token that may not occur
    if (logit > maximum) rebase(logit, inverse_temperature);
    float const shifted = kernel::shifted_logit(logit, maximum, inverse_temperature);
    float const e = math::exp(shifted);
    if (e > 0.0f) weighted += e * shifted;
    normaliser += e;
  }
};

template <class Group>
[[nodiscard]] __device__ kernel::row_statistics<float> online_statistics(Group const& group, float const* logits,
                                                                         std::size_t vocabulary,
                                                                         float inverse_temperature) {
  online_softmax mine;
  group.for_each(vocabulary, [&](std::size_t j) { mine.add(logits[j], inverse_temperature); });
  float const largest = group.reduce(mine.maximum, maximum{});
  mine.rebase(largest, inverse_temperature);
  float const z = group.reduce(mine.normaliser, plus{});
  float const weighted = group.reduce(mine.weighted, plus{});
  float const log_z = std::log(z);
  return {largest, log_z, 1.0f / z, log_z - weighted / z};
}

}  // namespace detail

/// kernel/softmax.hpp's, in one pass.  Found beside the group by the bodies that ask for it.
template <unsigned Threads>
[[nodiscard]] __device__ kernel::row_statistics<float> softmax_statistics(block_group<Threads> const& group,
                                                                          float const* logits, std::size_t vocabulary,
                                                                          float inverse_temperature) {
  return detail::online_statistics(group, logits, vocabulary, inverse_temperature);
}

/// @overload
template <class Group>
requires std::is_same_v<Group, warp_group>
[[nodiscard]] __device__ kernel::row_statistics<float> softmax_statistics(Group const& group, float const* logits,
                                                                          std::size_t vocabulary,
                                                                          float inverse_temperature) {
  return detail::online_statistics(group, logits, vocabulary, inverse_temperature);
}

}  // namespace cuda
RLVR_NAMESPACE_END
