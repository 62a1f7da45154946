// SPDX-License-Identifier: MIT
/// @file
/// Batches by domain weights: domain-aware dynamic sampling (RuleReasoner, 2506.08672); the weights are those of
/// rl/domain_weighting.hpp.
///
///   apportion         weights -> whole counts that sum to the batch
///     highest_weight_first   floor(B w_i), then one more for each of the heaviest domains (released code)
///     largest_remainder      floor(B w_i), then one more for each of the largest fractions (Hamilton's method)
///   draw_domains      B independent draws by the weights (the paper's words)
///   domain_sampler    counts -> examples: each domain's examples in a shuffled list that is consumed and reshuffled
///
/// A weight above 0 is no promise: a domain whose share of the batch is below 1 can get no example from an
/// apportionment, batch after batch, and then its mean never changes.  `independent_draws` reaches it in the end.
///
/// Expectation: within a domain every example is drawn equally often (`list_end::carry`: exactly once per pass).  The
/// weights make the batch a biased sample of the data on purpose; no importance correction is applied.
///
/// A domain's list in its e-th pass is a pure function of (seed, domain, e), a batch's order of (seed, step).  The
/// state therefore is a few numbers per domain, and a run that resumes from it goes on bit for bit.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/shuffle.hpp>
#include <rlvr/core/sort.hpp>
#include <rlvr/data/domain_weighting.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// Weights before the first rewards.
enum class start_weights {
  uniform,
  inverse_root,     ///< 1 / sqrt(n_i), n_i the domain's examples
  exp_inverse_root  ///< exp(1 / sqrt(n_i))
};

/// Start weights that sum to 1.  Throws argument_error if there is no domain, or one without examples.
[[nodiscard]] inline std::vector<double> initial_domain_weights(start_weights start,
                                                                std::span<std::size_t const> domain_sizes) {
  if (domain_sizes.empty()) throw argument_error("initial_domain_weights: found 0 domains, expected at least 1");
  std::vector<double> weights;
  double sum = 0;
  for (std::size_t domain = 0; domain < domain_sizes.size(); ++domain) {
    if (domain_sizes[domain] == 0) {
      throw argument_error("initial_domain_weights: domain " + text_of(domain) +
                           " has 0 examples, expected at least 1");
    }
    double const inverse_root = 1 / std::sqrt(static_cast<double>(domain_sizes[domain]));
    double const weight = start == start_weights::uniform        ? 1
                          : start == start_weights::inverse_root ? inverse_root
                                                                 : std::exp(inverse_root);
    weights.push_back(weight);
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

/// Who gets the places that whole parts leave over.
enum class leftover_rule { highest_weight_first, largest_remainder };

namespace detail {

/// Throws argument_error unless the weights are finite, not negative, and one of them is positive; returns their sum.
inline double checked_weight_sum(char const* function, std::span<double const> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] >= 0) || !std::isfinite(weights[i])) {
      throw argument_error(message(function) + ": weight " + text_of(i) + " must be finite and not negative");
    }
    sum += weights[i];
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    throw argument_error(message(function) + ": the weights must have a positive, finite sum");
  }
  return sum;
}

}  // namespace detail

/// Counts that sum to `batch_size`, in proportion to the weights (which need not be normalised).  Ties go to the lower
/// index.  Throws argument_error unless the weights are finite, not negative, and one of them is positive.
[[nodiscard]] inline std::vector<std::size_t> apportion(std::span<double const> weights, std::size_t batch_size,
                                                        leftover_rule rule = leftover_rule::highest_weight_first) {
  double const sum = detail::checked_weight_sum("apportion", weights);
  std::vector<std::size_t> counts, order;
  std::vector<double> rest;
  std::size_t left = batch_size;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double const share = static_cast<double>(batch_size) * (weights[i] / sum);
    std::size_t const whole = math::min(static_cast<std::size_t>(share), left);
    counts.push_back(whole);
    rest.push_back(share - static_cast<double>(whole));
    if (weights[i] > 0) order.push_back(i);
    left -= whole;
  }
  bool const by_rest = rule == leftover_rule::largest_remainder;
  rlvr::detail::sort_stably(order, [&](std::size_t a, std::size_t b) {
    return by_rest && rest[a] != rest[b] ? rest[a] > rest[b] : weights[a] > weights[b];
  });
  for (std::size_t i = 0; left > 0; --left, i = (i + 1) % order.size()) ++counts[order[i]];
  return counts;
}

/// Counts of `batch_size` independent draws by the weights (which need not be normalised).  Throws argument_error as
/// `apportion` does.
[[nodiscard]] inline std::vector<std::size_t> draw_domains(std::span<double const> weights, std::size_t batch_size,
                                                           random_stream random) {
  double const sum = detail::checked_weight_sum("draw_domains", weights);
  std::size_t last = 0;  // rounding must not lead past the last domain that has a weight
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) last = i;
  }
  std::vector<std::size_t> counts(weights.size());
  for (std::size_t draw = 0; draw < batch_size; ++draw) {
    double const threshold = random.uniform() * sum;
    double passed = 0;
    std::size_t domain = 0;
    while (domain < last && (passed += weights[domain]) <= threshold) ++domain;
    ++counts[domain];
  }
  return counts;
}

/// How weights become the counts of a batch.
enum class allocation { highest_weight_first, largest_remainder, independent_draws };

/// What happens when a domain's list holds fewer examples than the batch asks for.
enum class list_end {
  carry,     ///< the rest is used up, then the next list is begun
  reshuffle  ///< the rest is left out and the next list is begun (released code)
};

/// Parameters of a domain_sampler.
struct domain_sampler_settings {
  std::size_t batch_size = 64;
  std::uint64_t seed = 0;
  std::uint64_t update_every = 1;  ///< batches between two updates of the weights; released script: 8
  start_weights start = start_weights::uniform;
  allocation counts = allocation::highest_weight_first;
  list_end end = list_end::carry;
};

/// Where a domain's list is read next.
struct domain_cursor {
  std::uint64_t pass = 0;      ///< lists that were begun before this one
  std::uint64_t position = 0;  ///< in [0, examples of the domain]

  friend bool operator==(domain_cursor const&, domain_cursor const&) = default;
};

/// Everything that a sampler does not get from its constructor.  Plain numbers: write them into a checkpoint.
struct domain_sampler_state {
  std::uint64_t step = 0;  ///< batches that were given out
  std::vector<double> weights;
  std::vector<domain_record> records;
  std::vector<domain_cursor> cursors;

  friend bool operator==(domain_sampler_state const&, domain_sampler_state const&) = default;
};

/// Batches of examples whose domains are chosen by what the domains still have to learn:
///
///     domain_sampler sampler(domain_of_each_example, {.batch_size = 64, .seed = 1});
///     for (std::size_t const example : sampler.next_batch()) sampler.report(example, is_right(example) ? 1 : 0);
template <domain_history History = ewma_history, class Target = fixed_target, weight_link Link = exp_floor_link>
class domain_sampler {
 public:
  using weighting_type = domain_weighting<History, Target, Link>;

  /// @param domain_of  the domain of each example; every number below the largest must occur
  /// Throws argument_error if there are no examples, a domain has none, or a parameter is outside its range.
  explicit domain_sampler(std::span<std::size_t const> domain_of, domain_sampler_settings settings = {},
                          weighting_type weighting = {})
      : settings_(settings),
        domain_of_(domain_of.begin(), domain_of.end()),
        tracker_(domain_count_of(domain_of), std::move(weighting)),
        members_(tracker_.domain_count()),
        cursors_(tracker_.domain_count()) {
    if (settings_.batch_size == 0) throw argument_error("domain_sampler: found batch size 0, expected at least 1");
    if (settings_.update_every == 0) throw argument_error("domain_sampler: found update_every 0, expected at least 1");
    for (std::size_t example = 0; example < domain_of_.size(); ++example) {
      members_[domain_of_[example]].push_back(example);
    }
    std::vector<std::size_t> sizes;
    for (auto const& members : members_) sizes.push_back(members.size());
    weights_ = initial_domain_weights(settings_.start, sizes);
    for (std::size_t domain = 0; domain < members_.size(); ++domain) lists_.push_back(shuffled(domain, 0));
  }

  /// The next examples, in random order.  The rewards reported since the last call form one batch and enter the weights
  /// first.  A domain that is smaller than its count gives examples more than once.
  [[nodiscard]] std::vector<std::size_t> next_batch() {
    if (step_ > 0) {
      tracker_.end_batch();
      if (step_ % settings_.update_every == 0 && tracker_.any_seen()) weights_ = tracker_.domain_weights();
    }
    std::vector<std::size_t> const counts = domain_counts();
    std::vector<std::size_t> batch;
    batch.reserve(settings_.batch_size);
    for (std::size_t domain = 0; domain < counts.size(); ++domain) take(domain, counts[domain], batch);
    rlvr::detail::shuffle(std::span<std::size_t>(batch), stream(purpose::batch_order, 0, step_));
    ++step_;
    return batch;
  }

  /// The reward of a response to an example of the current batch: what the domain is judged by (RuleReasoner: whether
  /// the answer is correct, without format rewards).  Throws argument_error if there is no such example.
  void report(std::size_t example, double reward) { tracker_.update(domain_of(example), reward); }

  /// Throws argument_error if there is no such example.
  [[nodiscard]] std::size_t domain_of(std::size_t example) const {
    if (example >= domain_of_.size()) {
      throw argument_error("domain_sampler: found example " + text_of(example) + ", expected less than " +
                           text_of(domain_of_.size()));
    }
    return domain_of_[example];
  }

  /// The weights by which the last batch was chosen, or the first one will be; they sum to 1.
  [[nodiscard]] std::vector<double> const& domain_weights() const noexcept { return weights_; }

  [[nodiscard]] domain_tracker<History, Target, Link> const& tracker() const noexcept { return tracker_; }

  [[nodiscard]] domain_sampler_state state() const { return {step_, weights_, tracker_.records(), cursors_}; }

  /// Goes on where another sampler with the same examples, settings and weighting stood.  Throws argument_error if the
  /// state does not fit the examples.
  void restore(domain_sampler_state const& state) {
    std::size_t const domains = members_.size();
    if (state.weights.size() != domains || state.records.size() != domains || state.cursors.size() != domains) {
      throw argument_error("domain_sampler: found a state of " + text_of(state.weights.size()) + " weights, " +
                           text_of(state.records.size()) + " records and " + text_of(state.cursors.size()) +
                           " cursors, expected " + text_of(domains) + " of each");
    }
    detail::checked_weight_sum("domain_sampler: restore", state.weights);
    for (std::size_t domain = 0; domain < domains; ++domain) {
      if (state.cursors[domain].position > members_[domain].size()) {
        throw argument_error("domain_sampler: found position " + text_of(state.cursors[domain].position) +
                             " in domain " + text_of(domain) + ", expected at most " +
                             text_of(members_[domain].size()));
      }
    }
    tracker_.restore(state.records);
    step_ = state.step;
    weights_ = state.weights;
    cursors_ = state.cursors;
    for (std::size_t domain = 0; domain < domains; ++domain) lists_[domain] = shuffled(domain, cursors_[domain].pass);
  }

 private:
  enum class purpose : std::uint32_t { list = 1, batch_order = 2, draws = 3 };

  [[nodiscard]] static std::size_t domain_count_of(std::span<std::size_t const> domain_of) {
    if (domain_of.empty()) throw argument_error("domain_sampler: found 0 examples, expected at least 1");
    std::size_t count = 0;
    for (std::size_t const domain : domain_of) {
      if (domain >= domain_of.size()) {  // then some domain below it is empty; checked before anything is allocated
        throw argument_error("domain_sampler: found domain " + text_of(domain) + " among " + text_of(domain_of.size()) +
                             " examples, expected no number below the largest to be left out");
      }
      count = math::max(count, domain + 1);
    }
    return count;
  }

  [[nodiscard]] random_stream stream(purpose use, std::uint64_t domain, std::uint64_t id) const {
    constexpr std::uint32_t mark = 0x646F6D61;  // "doma": streams of other users of the seed are unrelated
    auto const block =
        philox(settings_.seed, {{mark, static_cast<std::uint32_t>(use), static_cast<std::uint32_t>(domain),
                                 static_cast<std::uint32_t>(domain >> 32)}});
    return random_stream((std::uint64_t{block.word[1]} << 32) | block.word[0], id);
  }

  [[nodiscard]] std::vector<std::size_t> shuffled(std::size_t domain, std::uint64_t pass) const {
    std::vector<std::size_t> list = members_[domain];
    rlvr::detail::shuffle(std::span<std::size_t>(list), stream(purpose::list, domain, pass));
    return list;
  }

  [[nodiscard]] std::vector<std::size_t> domain_counts() const {
    if (settings_.counts == allocation::independent_draws) {
      return draw_domains(weights_, settings_.batch_size, stream(purpose::draws, 0, step_));
    }
    return apportion(weights_, settings_.batch_size,
                     settings_.counts == allocation::largest_remainder ? leftover_rule::largest_remainder
                                                                       : leftover_rule::highest_weight_first);
  }

  void begin_next_list(std::size_t domain) {
    cursors_[domain] = {cursors_[domain].pass + 1, 0};
    lists_[domain] = shuffled(domain, cursors_[domain].pass);
  }

  void take(std::size_t domain, std::size_t count, std::vector<std::size_t>& batch) {
    std::size_t const size = members_[domain].size();
    domain_cursor& cursor = cursors_[domain];
    if (settings_.end == list_end::reshuffle && size - cursor.position < count) begin_next_list(domain);
    for (; count > 0; --count) {
      if (cursor.position == size) begin_next_list(domain);
      batch.push_back(lists_[domain][static_cast<std::size_t>(cursor.position++)]);
    }
  }

  domain_sampler_settings settings_;
  std::vector<std::size_t> domain_of_;
  domain_tracker<History, Target, Link> tracker_;
  std::vector<std::vector<std::size_t>> members_;  // examples of each domain
  std::vector<std::vector<std::size_t>> lists_;    // the same, shuffled for the pass of the cursor
  std::vector<domain_cursor> cursors_;
  std::vector<double> weights_;
  std::uint64_t step_ = 0;
};

}  // namespace data
RLVR_NAMESPACE_END
