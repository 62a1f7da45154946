// SPDX-License-Identifier: MIT
/// @file
/// Which examples are worth training on, by how often they were answered rightly so far.
///
///   variance_score       v_i = Var(s_i1 .. s_iE), population form, s_ie the accuracy on example i in epoch e
///                        1-shot RLVR, Wang et al. 2025 (2504.20571): training on the top example alone, copied to
///                        fill the batch, comes close to training on all.  (Its code ranks by the standard deviation:
///                        the same order.)
///   limr_scores          1 - sum_e (s_ie - mean_e)^2 / sum_e (1 - mean_e)^2, mean_e over all examples
///                        LIMR, Li et al. 2025 (2502.11886): learns as the average example does.  Histories are cut
///                        to the shortest one, as in the code of 1-shot RLVR.
///   rank_examples        the largest score first; equal scores keep their order
///   replicate_to_batch   copies of the chosen examples in turn
///   pass_rate_band       low <= mean <= high, a filter of whole examples; `mean_between` of rl/reward_shaping.hpp is
///                        its strict form and drops what is always right or always wrong
///
/// An example that is always right or always wrong scores 0 by variance.  Selection biases the data on purpose.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/sort.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/reward_shaping.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// Accuracies of each example in the order of their epochs.  Histories may differ in length.
class accuracy_history {
 public:
  explicit accuracy_history(std::size_t example_count = 0) : accuracies_(example_count) {}
  /// Histories read from elsewhere.  Throws argument_error if an accuracy lies outside [0, 1].
  explicit accuracy_history(std::vector<std::vector<double>> const& accuracies) : accuracies_(accuracies.size()) {
    for (std::size_t example = 0; example < accuracies.size(); ++example) {
      for (double const accuracy : accuracies[example]) record(example, accuracy);
    }
  }

  /// Appends the share of right answers to an example in an epoch.
  /// Throws argument_error if it lies outside [0, 1] or there is no such example.
  void record(std::size_t example, double accuracy) {
    if (example >= accuracies_.size()) {
      throw argument_error("accuracy_history: found example " + text_of(example) + ", expected less than " +
                           text_of(accuracies_.size()));
    }
    if (!(accuracy >= 0 && accuracy <= 1)) {
      throw argument_error("accuracy_history: the accuracy of example " + text_of(example) + " must lie in [0, 1]");
    }
    accuracies_[example].push_back(accuracy);
  }

  [[nodiscard]] std::size_t size() const noexcept { return accuracies_.size(); }
  /// Accuracies of an example.  @pre example < size()
  [[nodiscard]] std::span<double const> operator[](std::size_t example) const { return accuracies_[example]; }

  friend bool operator==(accuracy_history const&, accuracy_history const&) = default;

 private:
  std::vector<std::vector<double>> accuracies_;
};

namespace detail {

[[nodiscard]] inline reward_statistics summarise_accuracies(std::span<double const> accuracies) {
  return summarise_rewards(static_cast<std::int64_t>(accuracies.size()),
                           [&](std::int64_t i) { return accuracies[static_cast<std::size_t>(i)]; });
}

}  // namespace detail

/// Population variance of an example's accuracies, exactly 0 where they are equal or there are none.
[[nodiscard]] inline double variance_score(std::span<double const> accuracies) {
  return detail::summarise_accuracies(accuracies).variance(0);
}

/// The variance score of every example.
[[nodiscard]] inline std::vector<double> variance_scores(accuracy_history const& history) {
  std::vector<double> scores;
  for (std::size_t example = 0; example < history.size(); ++example) scores.push_back(variance_score(history[example]));
  return scores;
}

/// The LIMR score of every example, at most 1; all 1 where every example is always right.
/// Throws argument_error if an example has no accuracies.
[[nodiscard]] inline std::vector<double> limr_scores(accuracy_history const& history) {
  if (history.size() == 0) return {};
  std::size_t epochs = history[0].size();
  for (std::size_t example = 0; example < history.size(); ++example) {
    epochs = math::min(epochs, history[example].size());
    if (epochs == 0) throw argument_error("limr_scores: example " + text_of(example) + " has no accuracies");
  }
  std::vector<double> distances(history.size());
  double farthest = 0;  // of an example that is always right
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    double mean = 0;
    for (std::size_t example = 0; example < history.size(); ++example) mean += history[example][epoch];
    mean /= static_cast<double>(history.size());
    farthest += (1 - mean) * (1 - mean);
    for (std::size_t example = 0; example < history.size(); ++example) {
      double const difference = history[example][epoch] - mean;
      distances[example] += difference * difference;
    }
  }
  for (double& distance : distances) distance = farthest > 0 ? 1 - distance / farthest : 1;
  return distances;
}

/// An example and what it scored.
struct ranked_example {
  std::size_t example = 0;
  double score = 0;

  friend bool operator==(ranked_example const&, ranked_example const&) = default;
};

/// All examples, the largest score first; equal scores keep their order.
/// Throws argument_error if a score is NaN.
[[nodiscard]] inline std::vector<ranked_example> rank_examples(std::span<double const> scores) {
  std::vector<ranked_example> ranking;
  for (std::size_t example = 0; example < scores.size(); ++example) {
    if (std::isnan(scores[example])) {
      throw argument_error("rank_examples: the score of example " + text_of(example) + " is not a number");
    }
    ranking.push_back({example, scores[example]});
  }
  rlvr::detail::sort_stably(ranking,
                            [](ranked_example const& a, ranked_example const& b) { return a.score > b.score; });
  return ranking;
}

/// Scores of a history.
enum class selection_score { variance, limr };

/// All examples of a history, the largest score first: pi_1, pi_2, .. of 1-shot RLVR.
[[nodiscard]] inline std::vector<ranked_example> rank_examples(accuracy_history const& history,
                                                               selection_score score = selection_score::variance) {
  return rank_examples(score == selection_score::variance ? variance_scores(history) : limr_scores(history));
}

/// `batch_size` examples: the chosen ones in turn, again and again, so that their numbers differ by at most one.
/// Throws argument_error if nothing is chosen, or more than the batch holds.
[[nodiscard]] inline std::vector<std::size_t> replicate_to_batch(std::span<std::size_t const> chosen,
                                                                 std::size_t batch_size) {
  if (chosen.empty()) throw argument_error("replicate_to_batch: found 0 examples, expected at least 1");
  if (batch_size < chosen.size()) {
    throw argument_error("replicate_to_batch: found " + text_of(chosen.size()) + " examples, expected at most the " +
                         text_of(batch_size) + " of a batch");
  }
  std::vector<std::size_t> batch;
  batch.reserve(batch_size);
  for (std::size_t i = 0; i < batch_size; ++i) batch.push_back(chosen[i % chosen.size()]);
  return batch;
}

/// The first `count` of a ranking, copied in turn to fill a batch: 1-shot RLVR is count 1, batch 128.
/// Throws argument_error if `count` is 0, or more than the ranking or the batch holds.
[[nodiscard]] inline std::vector<std::size_t> replicate_to_batch(std::span<ranked_example const> ranking,
                                                                 std::size_t count, std::size_t batch_size) {
  if (count > ranking.size()) {
    throw argument_error("replicate_to_batch: found " + text_of(ranking.size()) + " ranked examples, expected " +
                         text_of(count));
  }
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(ranking[i].example);
  return replicate_to_batch(chosen, batch_size);
}

/// low <= mean <= high: difficulty between two pass rates, both included.
struct pass_rate_band {
  double low = 0.1;
  double high = 0.9;

  [[nodiscard]] RLVR_HD constexpr bool operator()(reward_statistics const& group) const {
    return group.count > 0 && low <= group.mean && group.mean <= high;
  }
};

static_assert(group_filter<pass_rate_band>);

/// Examples that pass a filter, ascending.  One without accuracies passes none of the filters of this library.
/// @param last_epochs  how many of the newest accuracies count; 0: all
template <group_filter Filter>
[[nodiscard]] std::vector<std::size_t> select_examples(Filter const& filter, accuracy_history const& history,
                                                       std::size_t last_epochs = 0) {
  std::vector<std::size_t> chosen;
  for (std::size_t example = 0; example < history.size(); ++example) {
    std::span<double const> accuracies = history[example];
    if (last_epochs != 0 && accuracies.size() > last_epochs) accuracies = accuracies.last(last_epochs);
    if (filter(detail::summarise_accuracies(accuracies))) chosen.push_back(example);
  }
  return chosen;
}

}  // namespace data
RLVR_NAMESPACE_END
