// SPDX-License-Identifier: MIT
/// @file
/// What a run tells about itself, as plain data: one `step_record` per step, a `completion_record` per kept
/// completion, one `run_record` per run, and the concept of those who listen.
///
/// Notation of the formulas below, all over the *global* batch of a step (so that micro-batches do not show):
///   R            completions (rows); r_i is the reward of row i after weighting and before any normalisation
///   G            groups (one per prompt); std_g is the sample standard deviation (divisor n - 1) of a group's
///                rewards, 0 for a group of one
///   M            the set of completion tokens that carry loss: not the prompt, not padding, not tokens after the end
///                of sequence, not rows left out of the loss; a mean over an empty M is 0
///   rho_t        exp(log_prob - old_log_prob), the importance ratio of token t
/// Rows whose reward is not a value (not applicable, error, timeout) are in no reward statistic; `reward_class/error`
/// and its siblings count them.  A value that could not be computed is NaN, never a silent 0.
#pragma once

#include <rlvr/core/config.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// The names of the scalars.  Where TRL has a metric of the same meaning, its name is used, so that dashboards fit.
namespace metric {

// ---- rewards, over rows ------------------------------------------------------------------------------------------
/// (1/R) sum r_i.
inline constexpr std::string_view reward = "reward";
/// (1/G) sum std_g: the spread inside groups, what group-relative advantages live on.
inline constexpr std::string_view reward_std = "reward_std";
/// Share of groups with std_g = 0: they carry no group-relative gradient.
inline constexpr std::string_view frac_reward_zero_std = "frac_reward_zero_std";
/// Share of rows whose response follows the response grammar.
inline constexpr std::string_view format_ok = "format_ok";
/// Share of rows of class `correct`.  The rows are sampled at the rollout's temperature.
inline constexpr std::string_view accuracy = "accuracy";
/// Prefix of the shares of rows per reward class; over all R rows, so they add up to 1.
inline constexpr std::string_view reward_class_prefix = "reward_class/";
/// The classes in the order in which tables and stacks show them; classes beyond these follow by first appearance.
inline constexpr std::array<std::string_view, 7> reward_classes{
    "correct", "wrong_direction", "wrong_label", "invalid_label", "bad_format", "error", "timed_out"};

/// Prefix of a reward's mean and standard deviation (divisor n - 1) over the rows that have it, and of its parts':
/// "rewards/r1_re/mean", "rewards/r1_re/format/std".
inline constexpr std::string_view rewards_prefix = "rewards/";
/// Share of rows without a value: errors, time-outs and what does not apply.
inline constexpr std::string_view unscorable = "reward/unscorable_frac";

// ---- completions, over rows (lengths in tokens, the end-of-sequence token included) ------------------------------
inline constexpr std::string_view mean_length = "completions/mean_length";
inline constexpr std::string_view min_length = "completions/min_length";
inline constexpr std::string_view max_length = "completions/max_length";
/// Share of rows that were cut at the length limit, without an end-of-sequence token.
inline constexpr std::string_view clipped_ratio = "completions/clipped_ratio";

// ---- policy, over the tokens of M --------------------------------------------------------------------------------
/// Mean of H(pi(. | context)) in nats, of the distribution before any top-k, top-p or min-p cut.
inline constexpr std::string_view entropy = "entropy";
/// Mean of the configured KL estimate (k3 unless configured otherwise) against the reference policy, in nats; absent
/// where there is no reference.
inline constexpr std::string_view kl = "kl";
/// Share of tokens with rho < 1 - epsilon_low and advantage < 0: held by the lower clip.
inline constexpr std::string_view clip_low = "clip_ratio/low_mean";
/// Share of tokens with rho > 1 + epsilon_high and advantage > 0: held by the upper clip.
inline constexpr std::string_view clip_high = "clip_ratio/high_mean";
/// Mean of log pi_old - log pi over the tokens of all updates (verl's ppo_kl); 0 where every update is on-policy.
inline constexpr std::string_view policy_kl = "ppo_kl";
/// The importance ratio rho below which 1 % of the tokens lie ...
inline constexpr std::string_view ratio_low = "importance_ratio/q01";
/// ... and below which 99 % lie.
inline constexpr std::string_view ratio_high = "importance_ratio/q99";

// ---- optimisation ------------------------------------------------------------------------------------------------
/// The value whose gradient was applied, with the configured aggregation over M.
inline constexpr std::string_view loss = "loss";
/// Euclidean norm of the whole gradient before clipping.
inline constexpr std::string_view grad_norm = "grad_norm";
/// Step size that this step used.
inline constexpr std::string_view learning_rate = "learning_rate";
/// 1 in steps whose gradient was not finite: weights and moments stayed as they were; absent otherwise.
inline constexpr std::string_view skipped_update = "skipped_update";
/// Tokens processed since the run began, prompts and completions, counted once per row.
inline constexpr std::string_view num_tokens = "num_tokens";

// ---- time: the only scalars that differ between two equal runs ---------------------------------------------------
/// Wall time of the step in seconds.
inline constexpr std::string_view step_time = "step_time";
/// Prefix of every other scalar that holds a time or a rate, e.g. "time/rollout" in seconds.
inline constexpr std::string_view time_prefix = "time/";

/// Prefix of the quantiles of the time that scoring one row took, in seconds: time/reward_p50, time/reward_p99.
inline constexpr std::string_view reward_time_prefix = "time/reward_";
/// Whether equal runs may differ in this scalar.
[[nodiscard]] inline constexpr bool is_time(std::string_view name) noexcept {
  return name.starts_with(step_time) || name.starts_with(time_prefix);
}

// ---- evaluation --------------------------------------------------------------------------------------------------
/// Prefix of the figures of an evaluation: "eval/<data set>/<figure>".
inline constexpr std::string_view evaluation_prefix = "eval/";
/// Figures: mean over prompts of the share of correct answers among k samples ...
inline constexpr std::string_view avg_at_k = "avg_at_k";
/// ... of whether one of k samples is correct ...
inline constexpr std::string_view pass_at_k = "pass_at_k";
/// ... and of the share of samples that follow the response grammar.
inline constexpr std::string_view format_rate = "format_rate";

/// "eval/<data_set>/<figure>", e.g. evaluation("in_domain", avg_at_k).
[[nodiscard]] inline std::string evaluation(std::string_view data_set, std::string_view figure) {
  return std::string(evaluation_prefix).append(data_set).append("/").append(figure);
}

/// "reward_class/<name>".
[[nodiscard]] inline std::string reward_class(std::string_view name) {
  return std::string(reward_class_prefix).append(name);
}

}  // namespace metric

/// The phases that the reports know; any other name is allowed.
namespace phase {
inline constexpr std::string_view sft = "sft";
inline constexpr std::string_view grpo = "grpo";
inline constexpr std::string_view evaluate = "evaluate";
}  // namespace phase

/// An insertion-ordered list of named numbers.
using named_values = std::vector<std::pair<std::string, double>>;

/// One step of one phase.
struct step_record {
  std::uint64_t step = 0;              ///< counts over the whole run, across phases: it never decreases in a run
  std::string phase;                   ///< one of `phase::`
  std::uint64_t phase_first_step = 1;  ///< for progress alone, not written to files
  std::uint64_t phase_last_step = 0;   ///< the same; 0 where the phase has no planned end
  named_values scalars;

  /// Appends a scalar, or replaces the value of the one with this name.
  void set(std::string_view name, double value) {
    for (auto& [known, old] : scalars) {
      if (known == name) {
        old = value;
        return;
      }
    }
    scalars.emplace_back(name, value);
  }

  /// The scalar's value; nothing if the step did not report it.
  [[nodiscard]] std::optional<double> find(std::string_view name) const {
    for (auto const& [known, value] : scalars) {
      if (known == name) return value;
    }
    return std::nullopt;
  }

  /// Compares what files hold; the two progress members are not part of it.  NaN differs from itself, as ever.
  friend bool operator==(step_record const& a, step_record const& b) {
    return a.step == b.step && a.phase == b.phase && a.scalars == b.scalars;
  }
};

/// One sampled completion and what became of it.
struct completion_record {
  std::uint64_t step = 0;             ///< the step that sampled it
  std::string phase;                  ///< "grpo" for rollouts, "evaluate" for evaluation samples
  std::string prompt_id;              ///< the sample's id in its data set
  std::string prompt;                 ///< text as the model saw it; may be shortened by whoever fills it in
  std::string completion;             ///< decoded text, any bytes: a model may emit half a character
  std::uint64_t token_hash = 0;       ///< `hash_tokens` of the completion's token ids: equal ids, equal hash
  std::string gold;                   ///< the label that was asked for
  std::optional<std::string> answer;  ///< the label that was read from the completion; nothing if none could be
  double reward = 0;                  ///< after weighting; NaN where the reward is not a value
  named_values reward_parts;          ///< each part before weighting, by name
  std::string reward_class;           ///< one of metric::reward_classes, or a task's own
  double advantage = 0;               ///< as the loss used it
  bool truncated = false;             ///< cut at the length limit

  friend bool operator==(completion_record const&, completion_record const&) = default;
};

/// FNV-1a, 64 bit, over the ids as little-endian 32-bit words.
template <std::integral Token>
[[nodiscard]] constexpr std::uint64_t hash_tokens(Token const* tokens, std::size_t count) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::size_t i = 0; i < count; ++i) {
    auto word = static_cast<std::uint32_t>(tokens[i]);
    for (int byte = 0; byte < 4; ++byte, word >>= 8) hash = (hash ^ (word & 0xffU)) * 0x100000001b3ULL;
  }
  return hash;
}

/// What a run was made of: enough to repeat it.
struct run_record {
  using facts = std::vector<std::pair<std::string, std::string>>;

  std::string name;                                          ///< the run's title
  std::string command;                                       ///< the command line
  facts configuration;                                       ///< every setting, in the order of the documentation
  std::vector<std::pair<std::string, std::uint64_t>> seeds;  ///< by purpose
  std::string compiler;                                      ///< name, version and flags that matter
  std::string cpu;                                           ///< model name and number of threads used
  std::string library_version;                               ///< rlvr's version
  facts data_hashes;                                         ///< file name, hash of its content
  facts extra;                                               ///< anything else worth keeping

  friend bool operator==(run_record const&, run_record const&) = default;
};

/// How much a message matters.
enum class message_level : std::uint8_t { info, warning, error };

/// Whoever wants to hear about a run: a console, a file, a test.  Calls come from one thread, in order; `close` is the
/// last and may come twice.  A sink throws what stops it (a full disk); it never drops a record silently.
template <class Sink>
concept metrics_sink = requires(Sink& sink, step_record const& step, completion_record const& completion,
                                message_level level, std::string_view text) {
  sink.on_step(step);
  sink.on_completion(completion);
  sink.on_message(level, text);
  sink.close();
};

}  // namespace train
RLVR_NAMESPACE_END
