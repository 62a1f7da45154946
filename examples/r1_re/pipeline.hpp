// SPDX-License-Identifier: MIT
/// @file
/// The R1-RE run, assembled: evaluate the start, fine-tune on labels (the baseline), warm-start on traces, GRPO with
/// the staged reward, evaluate, report.  Which phases a run has, and how long they are, is its `run_settings`.
#pragma once

#include <rlvr/data/batching.hpp>
#include <rlvr/report/console.hpp>
#include <rlvr/report/json_lines_sink.hpp>
#include <rlvr/report/sinks.hpp>
#include <rlvr/rl/presets.hpp>
#include <rlvr/rl/schedule.hpp>
#include <rlvr/train/grpo.hpp>
#include <rlvr/train/sft.hpp>
#include <rlvr/train/trainer.hpp>

#include "checkpoint.hpp"
#include "model_folder.hpp"
#include "presets.hpp"
#include "run_report.hpp"
#include "scoring.hpp"
#include "task.hpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1_re {

/// The data of a run, as read.
struct run_data {
  task train;
  std::vector<task> evaluation;  ///< in the order of the report's columns; the first is in-domain
};

/// Streams of random numbers: one per purpose, so that phases do not share draws.
enum class stream : std::uint64_t { weights = 1, label_tuning, warm_start, reinforcement, rollout, evaluation, split };

[[nodiscard]] inline std::uint64_t seed_of(std::uint64_t seed, stream purpose) {
  return rlvr::random_stream(seed, static_cast<std::uint64_t>(purpose)).bits();
}

/// One run on one context.
template <class Context>
class pipeline {
 public:
  using memory = typename Context::memory;

  /// @param start   weights, tokenizer and dialogue that the run starts from
  /// @param output  folder of the run
  /// @param threads that score responses; 0: all cores
  pipeline(Context& context, run_settings settings, model_parts const& start, run_data const& data, std::string output,
           std::uint64_t seed, unsigned threads, std::function<bool()> stop_requested)
      : context_(context),
        settings_(std::move(settings)),
        start_(start),
        output_(std::move(output)),
        seed_(seed),
        threads_(threads),
        stop_requested_(std::move(stop_requested)),
        model_(context, start.config),
        train_(encode(data.train, reasoned(), *start.tokenizer)) {
    for (task const& each : data.evaluation) {
      task part = each;
      if (part.examples.size() > settings_.evaluation_prompts) part.examples.resize(settings_.evaluation_prompts);
      evaluation_.push_back(encode(part, reasoned(), *start.tokenizer));
    }
  }

  /// Runs from the beginning or, with `resume`, from the last checkpoint in the output folder.
  /// @return every record of the run, those before a resume among them
  /// @throws rlvr::train::interrupted after a requested stop
  rlvr::report::memory_sink run(bool resume, rlvr::train::run_record const& record) {
    checkpoint_store store(output_ + "/checkpoints");
    rlvr::train::run_state state;
    if (resume) {
      std::vector<std::string> notes;
      if (auto const saved = store.load_latest(model_, notes)) state = *saved;
      for (std::string const& note : notes) std::fprintf(stderr, "r1_re: passed over a checkpoint: %s\n", note.c_str());
    } else {
      store.clear();
    }
    auto lines = state.step ? rlvr::report::json_lines_sink::resume(output_, state.step)
                            : rlvr::report::json_lines_sink::create(output_);
    rlvr::report::memory_sink records;
    if (state.step) records = read_records(output_);
    rlvr::report::write_run(output_, record);
    sinks sink(rlvr::report::console_sink{}, std::move(lines), records);
    trainer_type trainer(sink, state,
                         {.checkpoint_every = settings_.checkpoint_every, .stop_requested = stop_requested_},
                         [&](rlvr::train::run_state const& now) { store.save(model_, now); });
    run_phases(trainer, sink);
    sink.close();
    return records;
  }

 private:
  using sinks =
      rlvr::report::tee_sink<rlvr::report::console_sink, rlvr::report::json_lines_sink, rlvr::report::memory_sink&>;
  using trainer_type = rlvr::train::trainer<sinks>;

  [[nodiscard]] dialogue reasoned() const { return {.prompt = settings_.prompt, .reasoned = true}; }
  [[nodiscard]] dialogue labels_only() const { return {.prompt = settings_.prompt, .reasoned = false}; }

  void run_phases(trainer_type& trainer, sinks& sink) {
    auto const from_start = [this] { load_start(); };
    auto const nothing = [] {};
    evaluation_phase(trainer, sink, phase_names::start, reasoned(), from_start);
    if (settings_.label_tuning.steps) {
      supervised_phase(trainer, "sft_labels", settings_.label_tuning, labels_only(), stream::label_tuning, from_start);
      evaluation_phase(trainer, sink, phase_names::label_tuned, labels_only(), nothing);
      trainer.phase(
          0, [&] { save_model(output_ + "/sft_labels", model_, start_, labels_only()); }, no_step);
    }
    bool const warm = settings_.warm_start.steps > 0;
    if (warm) {
      supervised_phase(trainer, rlvr::train::phase::sft, settings_.warm_start, reasoned(), stream::warm_start,
                       from_start);
      evaluation_phase(trainer, sink, phase_names::warm_started, reasoned(), nothing);
    }
    if (settings_.reinforcement.steps) {
      reinforcement_phase(trainer, sink, warm ? std::function<void()>(nothing) : std::function<void()>(from_start));
      evaluation_phase(trainer, sink, phase_names::reinforced, reasoned(), nothing);
    }
    trainer.phase(
        0, [&] { save_model(output_ + "/r1_re", model_, start_, reasoned()); }, no_step);
  }

  static rlvr::train::step_record no_step(std::uint64_t) { return {}; }

  /// Back to the run's initial weights, with fresh moments.
  void load_start() {
    context_.upload(model_.weights().arena().data(), start_.weights.data(), start_.weights.size());
    model_.reset_optimiser();
  }

  /// One step: every evaluation set, Avg@k.
  template <class Begin>
  void evaluation_phase(trainer_type& trainer, sinks& sink, std::string_view name, dialogue const& talk,
                        Begin&& begin) {
    trainer.phase(1, begin, [&](std::uint64_t) {
      rlvr::train::step_record record;
      record.phase = std::string(name);
      for (encoded_task const& set : evaluation_) {
        evaluation_result const result =
            evaluate(model_, set, talk, start_, evaluation_settings(settings_.evaluation_samples));
        add_figures(record, set.name, result.figures);
        for (auto completion : result.records) {
          completion.step = trainer.state().step + 1;
          completion.phase = std::string(name) + "/" + set.name;
          sink.on_completion(completion);
        }
      }
      return record;
    });
  }

  [[nodiscard]] evaluation_options evaluation_settings(std::size_t samples) const {
    return {.samples = samples,
            .temperature = settings_.evaluation_temperature,
            .max_new_tokens = settings_.max_new_tokens,
            .seed = seed_of(seed_, stream::evaluation),
            .threads = threads_};
  }

  template <class Begin>
  void supervised_phase(trainer_type& trainer, std::string_view name, supervised_settings const& settings,
                        dialogue const& talk, stream purpose, Begin&& begin) {
    rlvr::data::batch_schedule const batches(train_.size(), settings.batch, seed_of(seed_, purpose));
    rlvr::cosine_schedule const schedule{.warmup_steps = static_cast<std::int64_t>(settings.steps / 20 + 1),
                                         .total_steps = static_cast<std::int64_t>(settings.steps),
                                         .final_factor = 0.1};
    trainer.phase(settings.steps, begin, [&](std::uint64_t step) {
      rlvr::train::sft_group const group =
          supervised_group(train_, batches.batch_indices(step), talk, *start_.tokenizer, start_.stop_ids.at(0));
      rlvr::train::step_record record =
          rlvr::train::sft_step(model_, std::span(&group, 1),
                                update_settings(settings.learning_rate, schedule(static_cast<std::int64_t>(step) + 1)));
      record.phase = std::string(name);
      return record;
    });
  }

  [[nodiscard]] static rlvr::train::update_settings update_settings(double learning_rate, double factor) {
    return {
        .rule = {.learning_rate = learning_rate, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.01},
        .factor = factor,
        .max_grad_norm = 1.0};
  }

  template <class Begin>
  void reinforcement_phase(trainer_type& trainer, sinks& sink, Begin&& begin) {
    reinforcement_settings const& settings = settings_.reinforcement;
    auto grpo = rlvr::presets::r1_re;
    grpo.objective.beta = settings.kl_coefficient;
    grpo.group_size = static_cast<std::int64_t>(settings.group_size);
    rlvr::data::batch_schedule const batches(train_.size(), settings.prompts, seed_of(seed_, stream::reinforcement));
    rlvr::linear_schedule const schedule{
        .warmup_steps = 3, .total_steps = static_cast<std::int64_t>(settings.steps), .final_factor = 0.1};
    rlvr::model::parameters<memory> reference(start_.config);
    std::string const reference_path = output_ + "/reference.safetensors";
    bool reference_loaded = false;
    rlvr::reward::r1_re reward;
    reward.policy = response_policy_of(reasoned());
    rlvr::train::rollout_batch rollouts;
    rollouts.reward_name = reward.name;
    trainer.phase(
        settings.steps,
        [&] {
          begin();
          model_.reset_optimiser();
          save_arrays(reference_path, context_, {{"weights", model_.weights().arena()}});
        },
        [&](std::uint64_t step) {
          if (!reference_loaded) load_arrays(reference_path, context_, {{"weights", reference.arena()}});
          reference_loaded = true;
          std::vector<std::size_t> const indices = batches.batch_indices(step);
          auto const prompts = generation_prompts(train_, indices, settings.group_size);
          rlvr::model::generation_options options = sampling_of(start_, settings_.max_new_tokens);
          options.max_active = settings.prompts * settings.group_size;
          options.seed = seed_of(seed_, stream::rollout);
          options.step = static_cast<std::uint32_t>(step);
          scored_responses scored;
          rlvr::train::step_record record = rlvr::train::grpo_step(
              model_, settings.kl_coefficient > 0.0 ? &reference : nullptr,
              std::span<std::int32_t const>(train_.prefix), std::span<rlvr::model::generation_prompt const>(prompts),
              grpo, {.mini_batches = settings.mini_batches},
              update_settings(settings.learning_rate, schedule(static_cast<std::int64_t>(step) + 1)), options,
              [&](std::span<rlvr::model::generated_sequence const> sequences) {
                scored = score_responses(train_, indices, sequences, *start_.tokenizer, reward, threads_);
                rollouts.reward_seconds = scored.seconds;
                return scored.outcomes;
              },
              rollouts);
          // The first response of each group is kept for people.
          for (std::size_t i = 0; i < rollouts.sequences.size(); i += settings.group_size) {
            auto completion = describe_response(train_, indices[rollouts.sequences[i].prompt], rollouts.sequences[i],
                                                scored.texts[i], rollouts.outcomes[i], reward.policy);
            completion.step = trainer.state().step + 1;
            completion.phase = std::string(rlvr::train::phase::grpo);
            completion.advantage = rollouts.advantages[i];
            sink.on_completion(completion);
          }
          if (settings.evaluate_every && (step == 0 || (step + 1) % settings.evaluate_every == 0))
            add_small_evaluation(record, settings.evaluate_prompts);
          return record;
        });
  }

  /// Greedy accuracy on the first sentences of each set, for the curves.
  void add_small_evaluation(rlvr::train::step_record& record, std::size_t sentences) {
    evaluation_options options = evaluation_settings(1);
    options.sentences = sentences;
    for (encoded_task const& set : evaluation_)
      add_figures(record, set.name, evaluate(model_, set, reasoned(), start_, options).figures);
  }

  Context& context_;
  run_settings settings_;
  model_parts const& start_;
  std::string output_;
  std::uint64_t seed_;
  unsigned threads_;
  std::function<bool()> stop_requested_;
  rlvr::train::learner<Context> model_;
  encoded_task train_;
  std::vector<encoded_task> evaluation_;
};

}  // namespace r1_re
