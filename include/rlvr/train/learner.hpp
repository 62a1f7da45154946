// SPDX-License-Identifier: MIT
/// @file
/// Weights in training: the model, its gradient, AdamW's moments, and the passes over a `token_batch`.
///
/// With bfloat16 weights the model runs on a rounded copy, and AdamW steps the float master copy: updates too small for
/// bfloat16 add up there.  Gradients and moments are float.
///
/// On a backend that captures, a pass (forward, loss, backward) is one replayable run and an update another; an
/// objective over whole responses cuts the pass in two, since the host sums up the responses in between.  A pass is
/// captured once per shape, with the objective and the weights that it is for.  Its shape is: tokens of the tree,
/// scored tokens, which optional records are there, responses (for such an objective), and the sizes of the attention
/// plan's tables: spans, ranges, rows of the longest span, tiles of queries, tasks of keys.  Trees whose segments have
/// the same lengths, in order, have the same shape; which ids they hold and, within these sizes, who attends to whom is
/// data.  A batch that makes memory grow ends the graphs that use it: a smaller shape is then captured once more. Begin
/// with the largest batch, and each shape is captured once.  An update has one shape.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/step_input.hpp>
#include <rlvr/model/generate.hpp>
#include <rlvr/model/transformer.hpp>
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/ops/optimizer.hpp>
#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/sequence_pass.hpp>
#include <rlvr/train/token_batch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// What one update did.
struct update_result {
  double grad_norm = 0.0;         ///< before clipping
  double clip_coefficient = 1.0;  ///< min(1, max_norm / (norm + 1e-6))
  bool skipped = false;           ///< the norm was not finite: weights and moments are untouched
};

/// Results of a loss pass, per scored token.
struct token_losses {
  std::vector<loss_value<float>> loss;
  std::vector<float> log_prob;
  std::vector<float> entropy;
  double total = 0.0;  ///< sum of scale * value

  /// Adds the tokens of the batch that these are the losses of.
  void add_to(loss_metrics& metrics, token_batch const& batch) const {
    token_records const records = batch.records();
    for (std::size_t i = 0; i < loss.size(); ++i)
      metrics.add(kernel::make_token_sample(records, i, log_prob[i], entropy[i]), loss[i]);
  }
};

/// The settings of a pass over the head.
struct head_settings {
  float temperature = 1.0f;
  std::size_t chunk_rows = 128;
};

/// One model in training on one context.
template <class Context>
class learner {
 public:
  using memory = typename Context::memory;

  /// @param running_type  the matrices that the model runs with: f32 (the weights themselves) or bf16 (a rounded copy)
  explicit learner(Context& context, model_config const& config,
                   model::activation_policy policy = model::activation_policy::keep_all,
                   dtype running_type = dtype::f32)
      : context_(&context),
        weights_(config),
        runner_(context, policy),
        gradient_(weights_.layout().size()),
        first_moment_(weights_.layout().size()),
        second_moment_(weights_.layout().size()),
        norm_(1),
        gradient_views_(weights_.layout().views(gradient_.data())) {
    if (running_type == dtype::bf16)
      rounded_.emplace(weights_);
    else if (running_type != dtype::f32)
      throw argument_error("learner: the model runs with f32 or bf16 weights");
  }

  [[nodiscard]] Context& context() const noexcept { return *context_; }
  /// To change them: the copy that the model runs with is rounded again before its next use.
  [[nodiscard]] model::parameters<memory>& weights() noexcept {
    rounded_is_current_ = false;
    return weights_;
  }
  [[nodiscard]] model::parameters<memory> const& weights() const noexcept { return weights_; }
  /// What the model runs with; valid until the weights change.
  [[nodiscard]] model::model_weights running_weights() {
    if (!rounded_) return weights_;
    if (!rounded_is_current_) rounded_->refresh(*context_);
    rounded_is_current_ = true;
    return *rounded_;
  }
  [[nodiscard]] model::transformer<Context>& runner() noexcept { return runner_; }
  [[nodiscard]] std::span<float> gradient() const noexcept { return gradient_.span(); }
  [[nodiscard]] std::span<float> first_moment() const noexcept { return first_moment_.span(); }
  [[nodiscard]] std::span<float> second_moment() const noexcept { return second_moment_.span(); }
  /// Updates done; the next is this plus one.
  [[nodiscard]] std::int64_t updates() const noexcept { return updates_; }
  void set_updates(std::int64_t count) noexcept { updates_ = count; }

  /// Forgets moments and the update count: a new phase of training starts.
  void reset_optimiser() {
    context_->zero(first_moment_.data(), first_moment_.size());
    context_->zero(second_moment_.data(), second_moment_.size());
    updates_ = 0;
  }

  /// Log-probs and entropies of the scored tokens without gradients, under any weights of this shape: the policy's own
  /// or a frozen reference's.
  void log_probs(model::model_weights const& weights, token_batch const& batch, head_settings const& head,
                 std::vector<float>& log_prob, std::vector<float>* entropy = nullptr) {
    load_pass(weights, batch);
    gather_hidden(weights);
    std::size_t const count = batch.scored();
    results_.resize(2, count);
    execute(*context_, ops::linear_log_prob{.head = head_of(weights, count, head),
                                            .target = inputs_.target.data(),
                                            .log_prob = results_.view().row(0),
                                            .entropy = entropy ? results_.view().row(1) : nullptr});
    log_prob.resize(count);
    context_->download(log_prob.data(), results_.view().row(0), count);
    if (!entropy) return;
    entropy->resize(count);
    context_->download(entropy->data(), results_.view().row(1), count);
  }

  /// Continues prompts under the running weights (model/generate.hpp), with memory of the learner's own: it stays for
  /// the next call, which replays the steps whose shapes this one has captured.
  [[nodiscard]] std::vector<model::generated_sequence> generate(std::span<std::int32_t const> prefix,
                                                                std::span<model::generation_prompt const> prompts,
                                                                model::generation_options const& options) {
    if (!generation_) generation_.emplace(*context_);
    return model::generate(*context_, generation_->runner, running_weights(), prefix, prompts, options,
                           generation_->memory);
  }

  /// Gives that memory back: the cache may be larger than the model.
  void release_generation() noexcept { generation_.reset(); }

  /// Forward pass, loss, backward pass; the gradient is added to what is there.
  /// @pre `batch.scale` is set
  template <token_objective Objective>
  token_losses accumulate(token_batch const& batch, Objective const& objective, head_settings const& head = {}) {
    std::size_t const count = batch.scored();
    require_extent("learner: scales of the batch", batch.scale.size(), count);
    token_losses out;
    if (count == 0) return out;
    model::model_weights const weights = running_weights();
    load_pass(weights, batch);
    auto const width = static_cast<std::size_t>(weights_.config().hidden_size);
    scored_gradient_.resize(count, width);
    hidden_gradient_.resize(batch.tree.size(), width);
    results_.resize(2, count);
    losses_.reserve(count);
    runner_.load_backward(weights.config());
    inputs_.load(*context_, batch);
    constexpr bool with_sequences = needs_sequence_pass<Objective>;
    if constexpr (with_sequences) {  // the host looks at the log-probs in between
      context_->replayable([&] { return pass_key(weights, head); },
                           [&] {
                             gather_hidden(weights);
                             execute(*context_, ops::linear_log_prob{.head = head_of(weights, count, head),
                                                                     .target = inputs_.target.data(),
                                                                     .log_prob = results_.view().row(0),
                                                                     .entropy = results_.view().row(1)});
                           });
      summarise(batch, objective);
    }
    auto const loss_key = [&] {
      replay_key key = pass_key(weights, head);
      key.add_type<Objective>();
      key.add_bytes(objective);
      sequences_on_device_.fingerprint(key);
      return key;
    };
    context_->replayable(loss_key, [&] {
      if constexpr (!with_sequences) gather_hidden(weights);
      run_loss(weights, batch.tree.size(), objective, head);
    });
    out.loss.resize(count);
    out.log_prob.resize(count);
    out.entropy.resize(count);
    context_->download(out.loss.data(), losses_.data(), count);
    context_->download(out.log_prob.data(), results_.view().row(0), count);
    context_->download(out.entropy.data(), results_.view().row(1), count);
    for (std::size_t i = 0; i < count; ++i)
      out.total += static_cast<double>(batch.scale[i]) * static_cast<double>(out.loss[i].value);
    return out;
  }

  /// Clips the gradient to `max_norm`, steps, and zeroes the gradient; the host is asked for nothing in between.
  /// @param factor  of the rule's learning rate, from a schedule
  update_result update(adamw_rule const& rule, double factor, double max_norm) {
    rule.validate();
    adamw_update<float> const step = rule.template at<float>(updates_ + 1, factor);
    step_.load(*context_, std::span(&step, 1));
    context_->replayable([&] { return update_key(max_norm); },
                         [&] {
                           execute(*context_, ops::global_norm{.values = gradient_.span(), .result = norm_.data()});
                           execute(*context_,
                                   ops::adamw_step{.parameter = weights_.arena(),
                                                   .gradient = gradient_.span(),
                                                   .first_moment = first_moment_.span(),
                                                   .second_moment = second_moment_.span(),
                                                   .rule = rule,
                                                   .update = step_.data(),
                                                   .norm = norm_.data(),
                                                   .max_norm = max_norm,
                                                   .mirror = rounded_ ? rounded_->arena() : std::span<bf16>()});
                         });
    update_result result;
    context_->download(&result.grad_norm, norm_.data(), 1);
    result.skipped = !std::isfinite(result.grad_norm);
    if (result.skipped) return result;
    result.clip_coefficient = clip_coefficient(result.grad_norm, max_norm);
    ++updates_;
    rounded_is_current_ = true;  // the step wrote it
    return result;
  }

 private:
  /// A batch's records in the context's memory.
  struct batch_inputs {
    step_input<std::int32_t, memory> row, target, sequence;
    step_input<float, memory> scale, advantage, old_log_prob, reference_log_prob, behaviour_log_prob, weight;
    step_input<std::uint8_t, memory> selected;

    void load(Context& context, token_batch const& batch) {
      sequence.load(context, batch.sequence);
      scale.load(context, batch.scale);
      advantage.load(context, batch.advantage);
      old_log_prob.load(context, batch.old_log_prob);
      reference_log_prob.load(context, batch.reference_log_prob);
      behaviour_log_prob.load(context, batch.behaviour_log_prob);
      weight.load(context, batch.weight);
      selected.load(context, batch.selected);
    }
    void fingerprint(replay_key& key) const {
      for (auto const* input : {&row, &target, &sequence}) input->fingerprint(key);
      for (auto const* input : {&scale, &advantage, &old_log_prob, &reference_log_prob, &behaviour_log_prob, &weight})
        input->fingerprint(key);
      selected.fingerprint(key);
    }
  };

  /// What a recorded pass has baked in.
  [[nodiscard]] replay_key pass_key(model::model_weights const& weights, head_settings const& head) const {
    replay_key key;
    key.add_type<learner>();
    runner_.fingerprint(key, weights);
    inputs_.fingerprint(key);
    for (auto const* block : {&scored_hidden_, &scored_gradient_, &hidden_gradient_, &results_}) key.add(*block);
    key.add(losses_);
    key.add(gradient_);
    key.add_bytes(head.temperature);
    key.add(head.chunk_rows);
    return key;
  }

  /// What a recorded update has baked in.
  [[nodiscard]] replay_key update_key(double max_norm) const {
    replay_key key;
    key.add_type<update_result>();
    key.add(weights_.arena().size());
    key.add(static_cast<void const*>(weights_.arena().data()));
    key.add(static_cast<void const*>(rounded_ ? rounded_->arena().data() : nullptr));
    for (auto const* block : {&gradient_, &first_moment_, &second_moment_}) key.add(*block);
    key.add(norm_);
    key.add_bytes(max_norm);
    step_.fingerprint(key);
    return key;
  }

  /// Loss, its gradient, backward pass: ops alone.
  template <class Objective>
  void run_loss(model::model_weights const& weights, std::size_t rows, Objective const& objective,
                head_settings const& head) {
    bool const with_sequences = needs_sequence_pass<Objective>;
    std::size_t const count = inputs_.target.size();
    execute(
        *context_,
        ops::linear_policy_loss<Objective>{
            .head = head_of(weights, count, head),
            .objective = objective,
            .records = {.target = inputs_.target.data(),
                        .scale = inputs_.scale.data(),
                        .advantage = inputs_.advantage.data(),
                        .old_log_prob = inputs_.old_log_prob.data(),
                        .reference_log_prob = inputs_.reference_log_prob.data(),
                        .behaviour_log_prob = inputs_.behaviour_log_prob.data(),
                        .weight = inputs_.weight.data(),
                        .selected = inputs_.selected.data(),
                        .sequence = with_sequences ? sequences_on_device_.data() : nullptr,
                        .sequence_index = with_sequences ? inputs_.sequence.data() : nullptr},
            .results = {.log_prob = results_.view().row(0), .entropy = results_.view().row(1), .loss = losses_.data()},
            .hidden_gradient = scored_gradient_.view(),
            .weight_gradient = gradient_views_.head});
    context_->zero(hidden_gradient_.view().data, rows * hidden_gradient_.columns());
    execute(*context_, ops::scatter_add_rows{.source = scored_gradient_.view(),
                                             .index = inputs_.row.data(),
                                             .destination = hidden_gradient_.view()});
    runner_.run_backward(weights, hidden_gradient_.view(), gradient_views_);
  }

  /// Fills the records of the responses that a sequence-level objective reads, under the weights in training.
  /// @pre `results_` has the log-probs of the batch, whose responses lie one after the other
  template <class Objective>
  void summarise(token_batch const& batch, Objective const& objective) {
    std::size_t const count = batch.scored();
    std::vector<float> log_prob(count), entropy(count);
    context_->download(log_prob.data(), results_.view().row(0), count);
    context_->download(entropy.data(), results_.view().row(1), count);
    token_records const records = batch.records();
    sequences_.resize(batch.lengths.size());
    std::size_t first = 0;
    for (std::size_t i = 0; i < batch.lengths.size(); ++i) {
      sequences_[i] = summarise_sequence<float>(
          objective, batch.lengths[i], [](std::int64_t) { return true; },
          [&](std::int64_t t) {
            std::size_t const token = first + static_cast<std::size_t>(t);
            return kernel::make_token_sample(records, token, log_prob[token], entropy[token]);
          },
          {.index = static_cast<std::int64_t>(i), .reward = batch.reward.empty() ? 0.0f : batch.reward[i]});
      first += static_cast<std::size_t>(batch.lengths[i]);
    }
    sequences_on_device_.load(*context_, sequences_);
  }

  /// The host's half of `gather_hidden`.
  void load_pass(model::model_weights const& weights, token_batch const& batch) {
    runner_.load(weights.config(), batch.tree);
    inputs_.row.load(*context_, batch.row);
    inputs_.target.load(*context_, batch.target);
    scored_hidden_.resize(batch.scored(), static_cast<std::size_t>(weights.config().hidden_size));
  }

  /// Runs the tree and collects the hidden rows that predict scored tokens.  @pre load_pass
  void gather_hidden(model::model_weights const& weights) {
    execute(*context_,
            ops::gather_rows{
                .source = runner_.run_forward(weights), .index = inputs_.row.data(), .output = scored_hidden_.view()});
  }

  [[nodiscard]] ops::linear_head head_of(model::model_weights const& weights, std::size_t count,
                                         head_settings const& head) const {
    return {.hidden = scored_hidden_.first_rows(count),
            .weight = weights.views().head,
            .temperature = head.temperature,
            .chunk_rows = head.chunk_rows};
  }

  /// Of `generate`: a pass of training between two calls must not move what decoding has captured.
  struct kept_generation {
    explicit kept_generation(Context& context) : runner(context) {}

    model::transformer<Context> runner;
    model::generation_memory<typename Context::memory> memory;
  };

  Context* context_;
  model::parameters<memory> weights_;
  std::optional<model::bf16_parameters<memory>> rounded_;
  bool rounded_is_current_ = false;
  model::transformer<Context> runner_;
  buffer<float, memory> gradient_;
  buffer<float, memory> first_moment_;
  buffer<float, memory> second_moment_;
  buffer<double, memory> norm_;
  model::parameter_views gradient_views_;
  std::int64_t updates_ = 0;
  matrix<float, memory> scored_hidden_;
  matrix<float, memory> scored_gradient_;
  matrix<float, memory> hidden_gradient_;
  matrix<float, memory> results_;
  buffer<loss_value<float>, memory> losses_;
  std::vector<sequence_record<float>> sequences_;
  step_input<sequence_record<float>, memory> sequences_on_device_;
  batch_inputs inputs_;
  step_input<adamw_update<float>, memory> step_;
  std::optional<kept_generation> generation_;
};

}  // namespace train
RLVR_NAMESPACE_END
