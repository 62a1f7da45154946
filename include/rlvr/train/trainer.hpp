// SPDX-License-Identifier: MIT
/// @file
/// The loop round the steps: phases in a fixed order, numbering, metrics, checkpoints, interruption, resume.
///
/// A run is a list of phases (supervised warm start, GRPO, evaluations, ...), each a number of steps.  A step is a
/// function of the weights and its index alone, since all random numbers are keyed by it; so a run that is killed and
/// resumed from its last checkpoint ends in the same weights, bit for bit, as one that was never interrupted.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/train/metrics.hpp>
#include <rlvr/train/stopwatch.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace train {

/// Where a run stands: everything besides weights and moments that a resumed run needs.
struct run_state {
  std::uint64_t step = 0;        ///< steps done over all phases
  std::uint64_t phase = 0;       ///< index of the phase that comes next or goes on
  std::uint64_t phase_step = 0;  ///< steps of it that are done
  std::uint64_t num_tokens = 0;  ///< processed so far

  friend bool operator==(run_state const&, run_state const&) = default;
};

/// The run was asked to stop; its state is saved.
class interrupted : public error {
 public:
  explicit interrupted(std::uint64_t step, source_place where = source_place::current())
      : error("interrupted after step " + std::to_string(step) + "; the checkpoint there can be resumed", where) {}
};

struct trainer_options {
  std::uint64_t checkpoint_every = 0;      ///< steps between checkpoints inside a phase; 0: at the ends of phases only
  std::function<bool()> stop_requested{};  ///< asked after every step; may be empty
};

/// Runs phases.  `Sink` receives the records.
template <metrics_sink Sink>
class trainer {
 public:
  /// @param resumed  {} for a new run, or the state of a checkpoint
  /// @param save     writes a checkpoint of weights, moments and the given state
  trainer(Sink& sink, run_state const& resumed, trainer_options options, std::function<void(run_state const&)> save)
      : sink_(&sink), state_(resumed), options_(std::move(options)), save_(std::move(save)) {}

  [[nodiscard]] run_state const& state() const noexcept { return state_; }

  /// Runs the next phase of the run's list, or what is left of it; phases that a resumed run has behind it are skipped.
  /// @param steps  number of steps
  /// @param begin  called before the first step, not on resume inside the phase: loads weights, resets moments
  /// @param step   step_record(std::uint64_t index), index from 0 within the phase
  /// @throws interrupted after a requested stop, with a checkpoint on disk
  template <class Begin, class Step>
  void phase(std::uint64_t steps, Begin&& begin, Step&& step) {
    std::uint64_t const index = next_phase_++;
    if (index < state_.phase) return;
    if (state_.phase_step == 0) begin();
    std::uint64_t const first_step = state_.step - state_.phase_step + 1;
    while (state_.phase_step < steps) {
      stopwatch const time;
      step_record record = step(state_.phase_step);
      ++state_.step;
      ++state_.phase_step;
      record.step = state_.step;
      record.phase_first_step = first_step;
      record.phase_last_step = first_step + steps - 1;
      if (auto const tokens = record.find(metric::num_tokens)) {
        state_.num_tokens += static_cast<std::uint64_t>(*tokens);
        record.set(metric::num_tokens, static_cast<double>(state_.num_tokens));
      }
      record.set(metric::step_time, time.seconds());
      sink_->on_step(record);
      bool const last = state_.phase_step == steps;
      if (last) break;
      bool const stop = options_.stop_requested && options_.stop_requested();
      if (stop || (options_.checkpoint_every && state_.phase_step % options_.checkpoint_every == 0)) save_(state_);
      if (stop) throw interrupted(state_.step);
    }
    state_.phase = index + 1;
    state_.phase_step = 0;
    save_(state_);
    if (options_.stop_requested && options_.stop_requested()) throw interrupted(state_.step);
  }

 private:
  Sink* sink_;
  run_state state_;
  trainer_options options_;
  std::function<void(run_state const&)> save_;
  std::uint64_t next_phase_ = 0;
};

}  // namespace train
RLVR_NAMESPACE_END
