// SPDX-License-Identifier: MIT
/// @file
/// Functors evaluated where the backend under test runs: in a loop on the host, or, built with RLVR_TEST_CUDA, in
/// kernels.  What tests functors is then written once for host and device code.
///
/// On CUDA functors are kernel arguments: trivially copyable, with an RLVR_HD operator() and no lambdas; what they
/// point to has to be `test::storage`.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <support/storage.hpp>
#include <type_traits>
#include <vector>

#if defined(RLVR_TEST_CUDA)
#  include <rlvr/backend/cuda/block_group.cuh>
#  include <rlvr/backend/cuda/launch.cuh>
#else
#  include <rlvr/kernel/cooperative_group.hpp>
#endif

namespace test {

/// How often the functions here have launched a kernel, and what else a test counts (an op as one); 0 on the host.
inline std::size_t kernel_launches = 0;

/// What a functor gives back, as an array can hold it: vectors of bool have no elements to point at.
template <class Function, class... Inputs>
using result_of = std::conditional_t<std::is_same_v<std::invoke_result_t<Function const&, Inputs const&...>, bool>,
                                     unsigned char, std::invoke_result_t<Function const&, Inputs const&...>>;

#if defined(RLVR_TEST_CUDA)

namespace detail {

inline constexpr unsigned threads = 64;

inline std::size_t blocks_of(std::size_t count) { return (count + threads - 1) / threads; }

inline void finish_launch() {
  ++kernel_launches;
  rlvr::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

template <class Result, class Function, class... Inputs>
__global__ void map_kernel(Function function, std::size_t count, Result* results, Inputs const*... inputs) {
  std::size_t const i = std::size_t{blockIdx.x} * threads + threadIdx.x;
  if (i < count) results[i] = static_cast<Result>(function(inputs[i]...));
}

template <class Result, class Function, class... Inputs>
std::vector<Result> map(Function const& function, storage<Inputs> const&... inputs) {
  std::size_t count = 0;
  ((count = inputs.size()), ...);
  storage<Result> results(count);
  rlvr::cuda::launch(map_kernel<Result, Function, Inputs...>, blocks_of(count), threads, 0, nullptr, function, count,
                     results.data(), inputs.data()...);
  finish_launch();
  return {results.begin(), results.end()};
}

template <class Body>
__global__ void index_kernel(Body body, std::size_t count) {
  std::size_t const i = std::size_t{blockIdx.x} * threads + threadIdx.x;
  if (i < count) body(i);
}

template <class Body>
__global__ void row_kernel(Body body) {
  body(rlvr::cuda::block_group<threads>{}, static_cast<std::size_t>(blockIdx.x));
}

}  // namespace detail

/// function(inputs[i]...) for every i; the inputs are equally many.
template <class Function, class... Inputs>
[[nodiscard]] std::vector<result_of<Function, Inputs...>> map(Function const& function,
                                                              std::vector<Inputs> const&... inputs) {
  return detail::map<result_of<Function, Inputs...>, Function, Inputs...>(function, to_storage(inputs)...);
}

/// Calls body(i) for every i < count, on threads of their own.
template <class Body>
void for_each_index(std::size_t count, Body const& body) {
  rlvr::cuda::launch(detail::index_kernel<Body>, detail::blocks_of(count), detail::threads, 0, nullptr, body, count);
  detail::finish_launch();
}

/// Calls body(group, row) for every row, on cooperative groups (kernel/cooperative_group.hpp).
template <class Body>
void for_each_row(std::size_t rows, Body const& body) {
  rlvr::cuda::launch(detail::row_kernel<Body>, rows, detail::threads, 0, nullptr, body);
  detail::finish_launch();
}

#else

/// function(inputs[i]...) for every i; the inputs are equally many.
template <class Function, class... Inputs>
[[nodiscard]] std::vector<result_of<Function, Inputs...>> map(Function const& function,
                                                              std::vector<Inputs> const&... inputs) {
  std::size_t count = 0;
  ((count = inputs.size()), ...);
  std::vector<result_of<Function, Inputs...>> results(count);
  for (std::size_t i = 0; i < count; ++i) results[i] = function(inputs[i]...);
  return results;
}

/// Calls body(i) for every i < count.
template <class Body>
void for_each_index(std::size_t count, Body const& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

/// Calls body(group, row) for every row, on cooperative groups (kernel/cooperative_group.hpp).
template <class Body>
void for_each_row(std::size_t rows, Body const& body) {
  for (std::size_t row = 0; row < rows; ++row) body(rlvr::single_thread_group{}, row);
}

#endif

}  // namespace test
