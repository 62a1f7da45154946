// SPDX-License-Identifier: MIT
/// @file
/// The abstraction that lets a row-wise kernel body be written once.
///
/// A cooperative group is a set of threads that work on one row together: a CUDA block, a warp, some host threads, or
/// one thread.  Bodies speak of index ranges, never of thread ids, so that the one-thread instantiation is an ordinary
/// loop that the compiler vectorises.
///
/// | member                | meaning                                                                                |
/// |-----------------------|----------------------------------------------------------------------------------------|
/// | `for_each(n, f)`      | calls f(i) once for every i in [0, n); no order, no barrier                             |
/// | `sum(n, f)`           | sum of f(i); collective: all threads call it, all receive the result, acts as a barrier |
/// | `max(n, f)`           | maximum of f(i), the lowest value of the type for n = 0; collective like `sum`          |
/// | `once(f)`             | calls f() on one thread; no barrier                                                     |
/// | `sync()`              | barrier: writes before it are visible after it                                          |
///
/// The order of a sum is fixed for a given group type and n, so results are reproducible run to run.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>

#include <concepts>
#include <cstddef>
#include <limits>

RLVR_NAMESPACE_BEGIN

namespace detail {

/// A variable, so that device code need not call numeric_limits.
template <class T>
inline constexpr T lowest = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                 : std::numeric_limits<T>::lowest();

/// The neutral element of a maximum.
template <class T>
[[nodiscard]] RLVR_HD constexpr T lowest_value() {
  return lowest<T>;
}

/// Probe functions for the concept.
struct index_to_float {
  RLVR_HD float operator()(std::size_t) const { return 0.0f; }
};
struct index_visitor {
  RLVR_HD void operator()(std::size_t) const {}
};
struct thunk {
  RLVR_HD void operator()() const {}
};

}  // namespace detail

template <class Group>
concept cooperative_group = requires(Group const& group, std::size_t n) {
  group.for_each(n, detail::index_visitor{});
  { group.sum(n, detail::index_to_float{}) } -> std::same_as<float>;
  { group.max(n, detail::index_to_float{}) } -> std::same_as<float>;
  group.once(detail::thunk{});
  group.sync();
};

/// One thread.  Reductions keep `width` partial results, element i in partial i mod width, and fold them as a tree:
/// vectorisable without reordering licence, and independent of how the range was padded.
struct single_thread_group {
  static constexpr std::size_t width = 16;

  template <class Function>
  RLVR_HD void for_each(std::size_t n, Function&& function) const {
    for (std::size_t i = 0; i < n; ++i) function(i);
  }

  template <class Function>
  [[nodiscard]] RLVR_HD auto sum(std::size_t n, Function&& function) const {
    using value = decltype(function(n));
    value partial[width] = {};
    std::size_t i = 0;
    for (; i + width <= n; i += width)
      for (std::size_t lane = 0; lane < width; ++lane) partial[lane] += function(i + lane);
    for (std::size_t lane = 0; i < n; ++i, ++lane) partial[lane] += function(i);
    for (std::size_t half = width / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) partial[lane] += partial[lane + half];
    return partial[0];
  }

  template <class Function>
  [[nodiscard]] RLVR_HD auto max(std::size_t n, Function&& function) const {
    using value = decltype(function(n));
    value partial[width];
    for (std::size_t lane = 0; lane < width; ++lane) partial[lane] = detail::lowest_value<value>();
    std::size_t i = 0;
    for (; i + width <= n; i += width)
      for (std::size_t lane = 0; lane < width; ++lane) partial[lane] = math::max(partial[lane], function(i + lane));
    for (std::size_t lane = 0; i < n; ++i, ++lane) partial[lane] = math::max(partial[lane], function(i));
    for (std::size_t half = width / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) partial[lane] = math::max(partial[lane], partial[lane + half]);
    return partial[0];
  }

  template <class Function>
  RLVR_HD void once(Function&& function) const {
    function();
  }

  RLVR_HD void sync() const {}
};

static_assert(cooperative_group<single_thread_group>);

RLVR_NAMESPACE_END
