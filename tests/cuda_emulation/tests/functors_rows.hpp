// SPDX-License-Identifier: MIT
/// @file
/// The bodies of a row of logits with their functors, in float and in double: divergences over the vocabulary, the
/// softmax's statistics and gradients, cross-entropy.
#pragma once

#include <rlvr/kernel/cross_entropy.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/kernel/vocabulary_kl.hpp>

#include "functors_support.hpp"

namespace functors {

/// Tokens of the vocabulary.
inline constexpr std::size_t vocabulary = 37;
/// Numbers per row: gradients of the bodies below, and their values.
inline constexpr std::size_t row_numbers = 12 * vocabulary;

/// Evaluates all bodies on one row.
template <class T>
struct row_bodies {
  rlvr::forward_kl forward{};
  rlvr::reverse_kl reverse{};
  rlvr::jensen_shannon mixture{};
  rlvr::skewed_forward_kl skewed_forward{};
  rlvr::skewed_reverse_kl skewed_reverse{};
  rlvr::vocabulary_kl_settings all{.temperature = 0.8};
  rlvr::vocabulary_kl_settings greatest{.top_k = 5};
  rlvr::cross_entropy_rule rule{0.1, 0.01, 5};
  T const* logits = nullptr;
  T const* reference = nullptr;
  bool const* keep = nullptr;
  T* numbers = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    namespace kernel = rlvr::kernel;
    auto const target = static_cast<std::int32_t>(row);
    T* const out = numbers + row * row_numbers;
    T* const values = out + 11 * vocabulary;
    diverge(group, forward, all, row, 0);
    diverge(group, reverse, all, row, 1);
    diverge(group, mixture, all, row, 2);
    diverge(group, skewed_forward, all, row, 3);
    diverge(group, skewed_reverse, all, row, 4);
    diverge(group, mixture, greatest, row, 5);
    T const* const input = logits + row * vocabulary;
    T const value = kernel::vocabulary_kl_value(group, reverse, input, reference + row * vocabulary, vocabulary, all);
    kernel::token_log_prob_row(group, input, vocabulary, T(0.5), target, values + 6, values + 7);
    auto const s = kernel::softmax_statistics(group, input, vocabulary, T(1));
    T const squares = kernel::sum_of_squared_probabilities(group, input, vocabulary, T(1), s);
    kernel::kept_tokens const kept{keep, target};
    auto const restricted = kernel::softmax_statistics(group, input, vocabulary, T(1), kept);
    T* const by_squares = copy(group, row, 6);
    kernel::replace_by_squares_gradient(group, by_squares, vocabulary, T(1), s, squares, T(1));
    T* const by_kept = copy(group, row, 7);
    kernel::replace_by_gradient(group, by_kept, vocabulary, T(1), s, restricted, kept, target, T(1), T(1));
    T* const by_both = copy(group, row, 8);
    kernel::replace_by_gradient(group, by_both, vocabulary, T(1), s, target, T(1), T(1));
    T* const smoothed = copy(group, row, 9);
    T const entropy = kernel::cross_entropy_row(group, smoothed, vocabulary, rule, target, T(1));
    T* const masked = copy(group, row, 10);
    T const nothing = kernel::cross_entropy_row(group, masked, vocabulary, rule, -1, T(1));
    group.once([&] {
      values[8] = value;
      values[9] = squares;
      values[10] = kernel::log_probability(restricted, input[target], T(1));
      values[11] = entropy;
      values[12] = nothing;
      for (std::size_t j = 13; j < vocabulary; ++j) values[j] = T(0);
    });
  }

 private:
  /// The row's logits into place `which` of its numbers.
  template <class Group>
  RLVR_HD T* copy(Group const& group, std::size_t row, std::size_t which) const {
    T* const to = numbers + row * row_numbers + which * vocabulary;
    T const* const from = logits + row * vocabulary;
    group.for_each(vocabulary, [=](std::size_t j) { to[j] = from[j]; });
    group.sync();
    return to;
  }

  template <class Group, class Divergence>
  RLVR_HD void diverge(Group const& group, Divergence const& divergence, rlvr::vocabulary_kl_settings const& settings,
                       std::size_t row, std::size_t which) const {
    T* const gradient = copy(group, row, which);
    T const value = rlvr::kernel::vocabulary_kl_row(group, divergence, gradient, reference + row * vocabulary,
                                                    vocabulary, settings, T(1));
    T* const place = numbers + row * row_numbers + 11 * vocabulary + which;
    group.once([=] { *place = value; });
  }
};

}  // namespace functors
