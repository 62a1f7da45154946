// SPDX-License-Identifier: MIT
/// @file
/// Functors evaluated in kernels, compared with the same functors on the host.
///
/// A section is a struct of functors that evaluates each of them on one input and hands every number to a sink, by a
/// name: one kernel for all, and each functor travels to the device as a kernel's argument.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/token_sample.hpp>
#include <rlvr/rl/unpaired_preference.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <string>
#include <support/catch.hpp>
#include <support/evaluate.hpp>
#include <type_traits>
#include <vector>

namespace functors {

/// Numbers that one input may give in one section.
inline constexpr std::size_t capacity = 320;

/// How far the device's numbers may be from the host's, in units of the last place of a number of at least 1.  The
/// emulation runs the host's own code.  nvcc and the host's compiler round elementary functions differently and fuse
/// multiply-adds elsewhere; differences of large terms show more of it than the terms do.
#if defined(RLVR_CUDA_EMULATION)
inline constexpr double allowed_ulps = 0;
#else
inline constexpr double allowed_ulps = 8;
#endif

/// Takes numbers; on the host their names too.
template <class T, bool Named>
struct sink {
  T* values = nullptr;
  char const** names = nullptr;
  std::size_t count = 0;

  RLVR_HD void put(char const* name, T value) {
    if constexpr (Named) names[count] = name;
    values[count++] = value;
  }
  template <class Number>
  requires std::is_arithmetic_v<Number> RLVR_HD void operator()(char const* name, Number value) {
    put(name, static_cast<T>(value));
  }
  RLVR_HD void operator()(char const* name, rlvr::loss_value<T> const& loss) {
    put(name, loss.value);
    put(name, loss.d_log_prob);
    put(name, loss.d_entropy);
    put(name, loss.kl);
    put(name, static_cast<T>(static_cast<int>(loss.clip)));
  }
  RLVR_HD void operator()(char const* name, rlvr::kl_value<T> const& kl) {
    put(name, kl.value);
    put(name, kl.d_log_prob);
  }
  RLVR_HD void operator()(char const* name, rlvr::preference_value<T> const& loss) {
    put(name, loss.value);
    put(name, loss.d_chosen);
    put(name, loss.d_rejected);
  }
  RLVR_HD void operator()(char const* name, rlvr::unpaired_value<T> const& loss) {
    put(name, loss.value);
    put(name, loss.d_log_ratio);
  }
  RLVR_HD void operator()(char const* name, rlvr::preference::score_value<T> const& score) {
    put(name, score.value);
    put(name, score.slope);
  }
  RLVR_HD void operator()(char const* name, rlvr::sequence_record<T> const& record) {
    put(name, record.length);
    put(name, record.mean_log_ratio);
    put(name, record.mean_advantage);
    put(name, record.term);
    put(name, record.mean_kl);
  }
};

/// A section on the device: one input a thread.
template <class T, class Section, class Input>
struct section_body {
  Section section{};
  Input const* inputs = nullptr;
  T* values = nullptr;
  std::size_t width = 0;

  RLVR_HD void operator()(std::size_t i) const {
    sink<T, false> out{values + i * width};
    section(inputs[i], out);
  }
};

/// Numbers compared, and how far they were apart; printed when the program ends.
class record {
 public:
  static record& instance() {
    static record all;
    return all;
  }
  void add(std::size_t functors, std::size_t numbers) {
    functors_ += functors;
    numbers_ += numbers;
  }
  void add_distance(double ulps) { largest_ = std::max(largest_, ulps); }
  record(record const&) = delete;
  record& operator=(record const&) = delete;

 private:
  record() { std::cout.flush(); }  // cout is alive as long as this is
  ~record() {
    std::cout << "functors in kernels: " << functors_ << ", " << numbers_ << " numbers, at most " << largest_
              << " units of the last place from the host's" << std::endl;
  }

  std::size_t functors_ = 0, numbers_ = 0;
  double largest_ = 0;
};

/// Units of the last place of max(1, |expected|) between two numbers.
template <class T>
[[nodiscard]] double distance(T found, T expected) {
  if (found == expected || (std::isnan(found) && std::isnan(expected))) return 0;
  double const unit = std::numeric_limits<T>::epsilon() * std::max(1.0, std::abs(static_cast<double>(expected)));
  double const ulps = std::abs(static_cast<double>(found) - static_cast<double>(expected)) / unit;
  return std::isfinite(ulps) ? ulps : std::numeric_limits<double>::infinity();
}

/// Whether the device's number will do.
template <class T>
[[nodiscard]] bool close(T found, T expected, double ulps = allowed_ulps) {
  double const apart = distance(found, expected);
  record::instance().add_distance(apart);
  return apart <= ulps;
}

/// Evaluates a section on the host and in a kernel.
template <class T, class Section, class Input>
void check(Section const& section, std::vector<Input> const& inputs) {
  std::vector<T> expected(inputs.size() * capacity);
  std::vector<char const*> names(capacity);
  std::size_t width = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    sink<T, true> out{expected.data() + i * capacity, names.data()};
    section(inputs[i], out);
    REQUIRE(out.count <= capacity);
    width = out.count;
  }
  auto const stored = test::to_storage(inputs);
  test::storage<T> found(inputs.size() * width, std::numeric_limits<T>::quiet_NaN());
  test::for_each_index(inputs.size(), section_body<T, Section, Input>{section, stored.data(), found.data(), width});
  std::size_t functors = 0;
  for (std::size_t k = 0; k < width; ++k) functors += k == 0 || names[k] != names[k - 1] ? 1 : 0;
  record::instance().add(functors, inputs.size() * width);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t k = 0; k < width; ++k)
      if (!close(found[i * width + k], expected[i * capacity + k])) {
        INFO("number " << k << ", " << names[k] << ", of input " << i << " in "
                       << (sizeof(T) == 4 ? "float" : "double"));
        CHECK(found[i * width + k] == expected[i * capacity + k]);
      }
  SUCCEED(width << " numbers of " << inputs.size() << " inputs");
}

/// The same numbers on every machine.
class generator {
 public:
  /// In [low, high).
  [[nodiscard]] double operator()(double low, double high) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * static_cast<double>(state_ >> 40) * 0x1p-24;
  }

 private:
  std::uint64_t state_ = 20250611;
};

/// Tokens near the policy they were sampled with, some far from it, and the edges: equal policies, tokens that one of
/// them excludes, no advantage.
template <class T>
[[nodiscard]] std::vector<rlvr::token_sample<T>> make_samples() {
  generator next;
  auto const in = [&](double low, double high) { return static_cast<T>(next(low, high)); };
  std::vector<rlvr::token_sample<T>> samples;
  for (std::int64_t i = 0; i < 40; ++i) {
    T const drift = i % 5 == 4 ? T(8) : T(0.5);
    rlvr::token_sample<T> s{.log_prob = in(-9, -0.01)};
    s.old_log_prob = s.log_prob - in(-1, 1) * drift;
    s.reference_log_prob = s.log_prob - in(-1, 1);
    s.behaviour_log_prob = s.old_log_prob - in(-0.2, 0.2);
    s.advantage = in(-2, 2);
    s.entropy = in(0, 4);
    s.sequence = {.length = T(4),
                  .mean_log_ratio = in(-0.3, 0.3),
                  .index = i / 4,
                  .mean_advantage = in(-1, 1),
                  .reward = in(-1, 1),
                  .term = in(-1, 1),
                  .mean_kl = in(0, 1)};
    s.weight = in(0.2, 3);
    s.selected = i % 3 == 0;
    samples.push_back(s);
  }
  samples[0].old_log_prob = samples[0].reference_log_prob = samples[0].log_prob;
  samples[5].log_prob = -std::numeric_limits<T>::infinity();
  samples[10].old_log_prob = -std::numeric_limits<T>::infinity();
  samples[15].reference_log_prob = -std::numeric_limits<T>::infinity();
  samples[20].advantage = T(0);
  samples[25].log_prob = T(-100);
  samples[30].old_log_prob = T(-100);
  return samples;
}

}  // namespace functors
