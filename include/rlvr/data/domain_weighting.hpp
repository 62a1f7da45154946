// SPDX-License-Identifier: MIT
/// @file
/// Weights of domains from their rewards, for domain-aware dynamic sampling (RuleReasoner, 2506.08672, algorithm 1).
/// Where a domain's mean reward is far below the target, it is sampled more:
///
///   rbar_i = mean reward of domain i in the last batch      rt_i = alpha rt_i + (1 - alpha) rbar_i, first 0
///   v_i = 1 - rt_i                                          w_i = exp(v_i / tau) + epsilon, normalised to sum 1
///
/// Paper and released code differ; both are here, and which of them gave the reported figures is not known:
///
///           paper (`rule_reasoner_weighting`)    code (`rule_reasoner_code_weighting`)
///   past    ewma_history, alpha 0.5              series_history: batches weigh 1, 1/2, 1/3 .. (or 1, 1/2, 1/4 ..); the
///                                                buffer is emptied after each step, so that it holds one batch
///   v_i     1 - rt_i                             max(0, mean of K factors - mean): for K = 4 the target is 25/48,
///                                                whatever the buffer holds
///   w_i     exp(v / tau) + epsilon, a floor      exp((v + epsilon) / tau): epsilon cancels and is no floor
///   tau     0.5 (8B), 0.8 (4B)                   0.3
///
/// The code also holds a variant with a moving average that nothing calls (`rule_reasoner_code_ewma_weighting`).
///
/// Edge cases: a domain without rewards in a batch keeps its past; one that was never seen counts as mean 0 and so gets
/// the largest weight (the released code leaves it out, and then never samples it again).  Rewards that are not finite
/// are left out.  Weights are computed relative to the largest, so that a small tau cannot overflow.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// Rewards of one batch in one domain.
struct domain_rewards {
  double sum = 0;
  std::uint64_t count = 0;

  friend bool operator==(domain_rewards const&, domain_rewards const&) = default;
};

/// What is known of a domain.  Plain numbers: write them into a checkpoint.
struct domain_record {
  domain_rewards current{};              ///< of the batch that is still open
  double estimate = 0;                   ///< moving average of the batch means
  std::uint64_t batches = 0;             ///< closed batches that held rewards of the domain
  std::vector<domain_rewards> recent{};  ///< the newest of them first, as many as the history keeps

  friend bool operator==(domain_record const&, domain_record const&) = default;
};

/// Requirements on a history: how closed batches become a mean, and the mean that rewards of 1 throughout would have.
template <class History>
concept domain_history = requires(History const& history, domain_record& record, domain_record const& known) {
  history.close(record);
  { history.mean(known) } -> std::same_as<double>;
  { history.mean_factor() } -> std::same_as<double>;
  history.validate();
};

/// rt = alpha rt + (1 - alpha) rbar.
struct ewma_history {
  double alpha = 0.5;            ///< weight of the past, in [0, 1]
  bool zero_is_no_past = false;  ///< while the average is 0, take the batch's mean as it is (the code's variant)

  void close(domain_record& record) const {
    double const mean = record.current.sum / static_cast<double>(record.current.count);
    bool const replace = zero_is_no_past && !(record.estimate < 0 || record.estimate > 0);
    record.estimate = replace ? mean : alpha * record.estimate + (1 - alpha) * mean;
  }
  [[nodiscard]] double mean(domain_record const& record) const { return record.estimate; }
  [[nodiscard]] double mean_factor() const { return 1; }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(alpha >= 0 && alpha <= 1)) throw argument_error("ewma_history: alpha must lie in [0, 1]");
  }
};

/// Factors of the batches of a series_history, from the newest.
enum class reward_series {
  constant,  ///< 1, 1, 1 ..
  harmonic,  ///< 1, 1/2, 1/3 ..
  geometric  ///< 1, 1/2, 1/4 ..
};

/// Mean over all rewards of the last batches, each reward times the factor of its batch (not divided by the factors).
struct series_history {
  reward_series series = reward_series::harmonic;
  std::size_t depth = 4;  ///< K, the factors that make the target
  std::size_t kept = 1;   ///< batches that are kept; the released code empties its buffer after each step

  /// Of the `age`-th batch, 0 being the newest.
  [[nodiscard]] double factor(std::size_t age) const {
    switch (series) {
      case reward_series::harmonic:
        return 1 / (static_cast<double>(age) + 1);
      case reward_series::geometric:
        return std::pow(0.5, static_cast<double>(age));
      case reward_series::constant:
        break;
    }
    return 1;
  }
  void close(domain_record& record) const {
    record.recent.insert(record.recent.begin(), record.current);
    if (record.recent.size() > kept) record.recent.resize(kept);
  }
  [[nodiscard]] double mean(domain_record const& record) const {
    double sum = 0;
    std::uint64_t count = 0;
    for (std::size_t age = 0; age < record.recent.size(); ++age) {
      sum += factor(age) * record.recent[age].sum;
      count += record.recent[age].count;
    }
    return count == 0 ? 0 : sum / static_cast<double>(count);
  }
  /// (factor 1 + .. + factor K) / K.
  [[nodiscard]] double mean_factor() const {
    double sum = 0;
    for (std::size_t age = 0; age < depth; ++age) sum += factor(age);
    return sum / static_cast<double>(depth);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (depth == 0) throw argument_error("series_history: found depth 0, expected at least 1");
    if (kept == 0) throw argument_error("series_history: found kept 0, expected at least 1");
  }
};

static_assert(domain_history<ewma_history> && domain_history<series_history>);

/// v = target - mean.
struct fixed_target {
  double target = 1;

  template <domain_history History>
  [[nodiscard]] double operator()(double mean, History const&) const {
    return target - mean;
  }
};

/// v = max(0, base * mean factor of the history - mean).
struct decayed_target {
  double base = 1;

  template <domain_history History>
  [[nodiscard]] double operator()(double mean, History const& history) const {
    return math::max(0.0, base * history.mean_factor() - mean);
  }
};

/// Requirements on a link: from a domain's gap to its unnormalised weight.  It may scale all weights by a factor that
/// depends on the largest gap of all domains, which normalisation takes out again.
template <class Link>
concept weight_link = requires(Link const& link, double gap) {
  { link(gap, gap) } -> std::same_as<double>;
  link.validate();
};

/// exp(v / tau) + floor: every weight is at least floor / (sum of the unnormalised weights).
struct exp_floor_link {
  double temperature = 0.5;  ///< tau
  double floor = 0.1;        ///< epsilon

  [[nodiscard]] double operator()(double gap, double largest) const {
    double const reference = floor > 0 ? math::max(largest, 0.0) : largest;
    return std::exp((gap - reference) / temperature) + floor * std::exp(-reference / temperature);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(temperature > 0)) throw argument_error("exp_floor_link: temperature must be positive");
    if (!(floor >= 0)) throw argument_error("exp_floor_link: floor must not be negative");
  }
};

/// exp(v / tau), the softmax of the gaps.
struct exp_link {
  double temperature = 0.3;  ///< tau

  [[nodiscard]] double operator()(double gap, double largest) const { return std::exp((gap - largest) / temperature); }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(temperature > 0)) throw argument_error("exp_link: temperature must be positive");
  }
};

/// 1 for every domain: the baseline that ignores rewards.
struct uniform_link {
  [[nodiscard]] double operator()(double, double) const { return 1; }
  void validate() const {}
};

static_assert(weight_link<exp_floor_link> && weight_link<exp_link> && weight_link<uniform_link>);

/// A complete rule from rewards to weights.
template <domain_history History = ewma_history, class Target = fixed_target, weight_link Link = exp_floor_link>
struct domain_weighting {
  History history{};
  Target target{};
  Link link{};

  /// Weights that sum to 1, one per record.
  [[nodiscard]] std::vector<double> operator()(std::span<domain_record const> records) const {
    std::vector<double> weights;
    weights.reserve(records.size());
    for (domain_record const& record : records) weights.push_back(target(history.mean(record), history));
    double largest = weights.empty() ? 0 : weights[0];
    for (double const gap : weights) largest = math::max(largest, gap);
    double sum = 0;
    for (double& weight : weights) sum += weight = link(weight, largest);
    for (double& weight : weights) weight /= sum;
    return weights;
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    history.validate();
    link.validate();
  }
};

/// Algorithm 1 of the paper with its defaults for 8B.
[[nodiscard]] inline domain_weighting<> rule_reasoner_weighting() { return {}; }

/// What the released code computes, with the values of its script.
[[nodiscard]] inline domain_weighting<series_history, decayed_target, exp_link> rule_reasoner_code_weighting() {
  return {};
}

/// The released code's variant with a moving average, which its training loop does not call.
[[nodiscard]] inline domain_weighting<ewma_history, decayed_target, exp_link> rule_reasoner_code_ewma_weighting() {
  return {.history = {.zero_is_no_past = true}};
}

/// Collects rewards by domain and turns them into weights.
template <domain_history History = ewma_history, class Target = fixed_target, weight_link Link = exp_floor_link>
class domain_tracker {
 public:
  using weighting_type = domain_weighting<History, Target, Link>;

  /// Throws argument_error if there is no domain, or a parameter is outside its range.
  explicit domain_tracker(std::size_t domain_count, weighting_type weighting = {})
      : weighting_(std::move(weighting)), records_(domain_count) {
    if (domain_count == 0) throw argument_error("domain_tracker: found 0 domains, expected at least 1");
    weighting_.validate();
  }

  /// Adds a reward to the open batch; one that is not finite is left out.
  /// Throws argument_error if there is no such domain.
  void update(std::size_t domain, double reward) {
    if (domain >= records_.size()) {
      throw argument_error("domain_tracker: found domain " + text_of(domain) + ", expected less than " +
                           text_of(records_.size()));
    }
    if (!std::isfinite(reward)) return;
    records_[domain].current.sum += reward;
    ++records_[domain].current.count;
  }

  /// Closes the batch: its rewards enter the history.
  void end_batch() {
    for (domain_record& record : records_) {
      if (record.current.count == 0) continue;
      weighting_.history.close(record);
      ++record.batches;
      record.current = {};
    }
  }

  /// Weights after the closed batches; they sum to 1.
  [[nodiscard]] std::vector<double> domain_weights() const { return weighting_(records_); }

  /// The mean reward of a domain as the history sees it.  @pre domain < domain_count()
  [[nodiscard]] double mean(std::size_t domain) const { return weighting_.history.mean(records_[domain]); }

  /// Whether a closed batch held a reward.
  [[nodiscard]] bool any_seen() const {
    for (domain_record const& record : records_) {
      if (record.batches > 0) return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t domain_count() const noexcept { return records_.size(); }

  /// The whole state.
  [[nodiscard]] std::vector<domain_record> const& records() const noexcept { return records_; }

  /// Puts a state back.  Throws argument_error if the number of domains differs.
  void restore(std::vector<domain_record> records) {
    if (records.size() != records_.size()) {
      throw argument_error("domain_tracker: found a state of " + text_of(records.size()) + " domains, expected " +
                           text_of(records_.size()));
    }
    records_ = std::move(records);
  }

 private:
  weighting_type weighting_;
  std::vector<domain_record> records_;
};

}  // namespace data
RLVR_NAMESPACE_END
