// SPDX-License-Identifier: MIT
/// @file
/// Curricula: what a run sees early and late.
///
///   epoch_stages         epoch -> a whole number, such as the candidates per prompt: RAG-Zeval (2505.22430) ranks 3
///                        answers in the first epoch and 4 in the second
///   linear_pacing        c(t) = c0 + (1 - c0) t / T                      Platanios et al. 2019 (1903.09848)
///   root_pacing          c(t) = sqrt(c0^2 + (1 - c0^2) t / T), the competence that gives every new example the same
///                        time; the same paper
///   step_pacing          c(t) = min(1, c0 g^floor(t / L))                Hacohen and Weinshall 2019 (1904.03626)
///   curriculum_schedule  batches drawn from the share c(t) of the examples that is easiest
///
/// t is the training step from 0, T the step from which on everything is used.  Difficulty is whatever the caller
/// measures: length, 1 - pass rate of a reference model, depth of a proof.  While c < 1 the batch is a biased sample on
/// purpose; from T on it is uniform.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/sort.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// One number per epoch; the last one stays.
class epoch_stages {
 public:
  /// Throws argument_error if there are no values.
  explicit epoch_stages(std::vector<std::size_t> values) : values_(std::move(values)) {
    if (values_.empty()) throw argument_error("epoch_stages: found 0 values, expected at least 1");
  }

  /// @param epoch  from 0
  [[nodiscard]] std::size_t operator()(std::size_t epoch) const {
    return values_[math::min(epoch, values_.size() - 1)];
  }

 private:
  std::vector<std::size_t> values_;
};

/// Candidates per prompt of RAG-Zeval: 3 in the first epoch, then 4.
[[nodiscard]] inline epoch_stages rag_zeval_candidates() { return epoch_stages({3, 4}); }

/// Requirements on a pacing: training step (from 0) to the share of the examples in use, in (0, 1].
template <class Pacing>
concept curriculum_pacing = requires(Pacing const& pacing, std::uint64_t step) {
  { pacing(step) } -> std::same_as<double>;
  pacing.validate();
};

namespace detail {

RLVR_HD constexpr double pacing_progress(std::uint64_t step, std::uint64_t full_at) {
  return step >= full_at ? 1 : static_cast<double>(step) / static_cast<double>(full_at);
}

inline void validate_share(double start) {
  if (!(start > 0 && start <= 1)) throw argument_error("curriculum: start must lie in (0, 1]");
}

}  // namespace detail

/// A straight line from `start` to 1.
struct linear_pacing {
  double start = 0.1;           ///< c0
  std::uint64_t full_at = 100;  ///< T

  [[nodiscard]] RLVR_HD constexpr double operator()(std::uint64_t step) const {
    return start + (1 - start) * detail::pacing_progress(step, full_at);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::validate_share(start); }
};

/// Grows as a square root: fast first, slower as more examples share the time.
struct root_pacing {
  double start = 0.01;           ///< c0; the paper's value
  std::uint64_t full_at = 1000;  ///< T

  [[nodiscard]] RLVR_HD double operator()(std::uint64_t step) const {
    double const squared = start * start;
    return math::min(1.0, std::sqrt(squared + (1 - squared) * detail::pacing_progress(step, full_at)));
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::validate_share(start); }
};

/// Grows by a factor every `length` steps.
struct step_pacing {
  double start = 0.1;          ///< c0
  double growth = 2;           ///< g
  std::uint64_t length = 100;  ///< L

  [[nodiscard]] RLVR_HD double operator()(std::uint64_t step) const {
    return math::min(1.0, start * std::pow(growth, std::floor(static_cast<double>(step / length))));
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::validate_share(start);
    if (!(growth >= 1)) throw argument_error("step_pacing: growth must be at least 1");
    if (length == 0) throw argument_error("step_pacing: found length 0, expected at least 1");
  }
};

static_assert(curriculum_pacing<linear_pacing> && curriculum_pacing<root_pacing> && curriculum_pacing<step_pacing>);

/// Batches from the easiest share of the examples, as a pure function of (seed, step): a resumed run needs no state.
template <curriculum_pacing Pacing>
class curriculum_schedule {
 public:
  /// @param difficulty  of each example; equal ones keep their order
  /// Throws argument_error if there are no examples, a difficulty is NaN, or a parameter is outside its range.
  curriculum_schedule(std::span<double const> difficulty, std::size_t batch_size, std::uint64_t seed, Pacing pacing)
      : batch_size_(batch_size), seed_(seed), pacing_(std::move(pacing)) {
    if (difficulty.empty()) throw argument_error("curriculum_schedule: found 0 examples, expected at least 1");
    if (batch_size == 0) throw argument_error("curriculum_schedule: found batch size 0, expected at least 1");
    pacing_.validate();
    for (std::size_t example = 0; example < difficulty.size(); ++example) {
      if (std::isnan(difficulty[example])) {
        throw argument_error("curriculum_schedule: the difficulty of example " + text_of(example) + " is not a number");
      }
      easiest_first_.push_back(example);
    }
    rlvr::detail::sort_stably(easiest_first_,
                              [&](std::size_t a, std::size_t b) { return difficulty[a] < difficulty[b]; });
  }

  /// How many of the easiest examples step `step` draws from: ceil(c(step) n), at least 1.
  [[nodiscard]] std::size_t available(std::uint64_t step) const {
    double const count = static_cast<double>(easiest_first_.size());
    double const share = std::ceil(pacing_(step) * count - 1e-9 * count);  // 0.3 * 10 may exceed 3 by rounding
    return static_cast<std::size_t>(math::clamp(share, 1.0, count));
  }

  /// Examples of a step.  None occurs twice unless the batch is larger than what is available; then each occurs equally
  /// often, up to one.
  [[nodiscard]] std::vector<std::size_t> batch_indices(std::uint64_t step) const {
    constexpr std::uint32_t mark = 0x63757272;  // "curr": streams of other users of the seed are unrelated
    auto const block = philox(seed_, {{mark, 0, 0, 0}});
    random_stream random((std::uint64_t{block.word[1]} << 32) | block.word[0], step);
    std::size_t const count = available(step);
    std::vector<std::size_t> pool(easiest_first_.begin(), easiest_first_.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<std::size_t> batch;
    batch.reserve(batch_size_);
    while (batch.size() < batch_size_) {
      std::size_t const at = batch.size() % count;  // the first places of the pool are drawn, round by round
      std::swap(pool[at], pool[at + static_cast<std::size_t>(random.below(count - at))]);
      batch.push_back(pool[at]);
    }
    return batch;
  }

  /// All examples, the easiest first.
  [[nodiscard]] std::vector<std::size_t> const& easiest_first() const noexcept { return easiest_first_; }

 private:
  std::vector<std::size_t> easiest_first_;
  std::size_t batch_size_;
  std::uint64_t seed_;
  Pacing pacing_;
};

}  // namespace data
RLVR_NAMESPACE_END
