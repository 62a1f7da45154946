// SPDX-License-Identifier: MIT
/// @file
/// Weights in training: the model, its gradient, AdamW's moments, and the passes over a `token_batch`.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
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

  explicit learner(Context& context, model_config const& config,
                   model::activation_policy policy = model::activation_policy::keep_all)
      : context_(&context),
        weights_(config),
        runner_(context, policy),
        gradient_(weights_.layout().size()),
        first_moment_(weights_.layout().size()),
        second_moment_(weights_.layout().size()),
        norm_(1),
        gradient_views_(weights_.layout().views(gradient_.data())) {}

  [[nodiscard]] Context& context() const noexcept { return *context_; }
  [[nodiscard]] model::parameters<memory>& weights() noexcept { return weights_; }
  [[nodiscard]] model::parameters<memory> const& weights() const noexcept { return weights_; }
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
  void log_probs(model::parameters<memory> const& weights, token_batch const& batch, head_settings const& head,
                 std::vector<float>& log_prob, std::vector<float>* entropy = nullptr) {
    gather_hidden(weights, batch);
    std::size_t const count = batch.scored();
    results_.resize(2, count);
    execute(*context_, ops::linear_log_prob{.head = head_of(weights, count, head),
                                            .target = context_->visible(std::span(batch.target)),
                                            .log_prob = results_.view().row(0),
                                            .entropy = entropy ? results_.view().row(1) : nullptr});
    log_prob.resize(count);
    context_->download(log_prob.data(), results_.view().row(0), count);
    if (!entropy) return;
    entropy->resize(count);
    context_->download(entropy->data(), results_.view().row(1), count);
  }

  /// Forward pass, loss, backward pass; the gradient is added to what is there.
  /// @pre `batch.scale` is set
  template <token_objective Objective>
  token_losses accumulate(token_batch const& batch, Objective const& objective, head_settings const& head = {}) {
    std::size_t const count = batch.scored();
    require_extent("learner: scales of the batch", batch.scale.size(), count);
    token_losses out;
    if (count == 0) return out;
    gather_hidden(weights_, batch);
    auto const width = static_cast<std::size_t>(weights_.config().hidden_size);
    scored_gradient_.resize(count, width);
    hidden_gradient_.resize(batch.tree.size(), width);
    results_.resize(2, count);
    losses_.reserve(count);
    auto const optional = [&]<class Value>(std::vector<Value> const& values) {
      return values.empty() ? nullptr : context_->visible(std::span<Value const>(values));
    };
    if constexpr (needs_sequence_pass<Objective>) summarise(batch, objective, head);
    bool const with_sequences = needs_sequence_pass<Objective>;
    execute(
        *context_,
        ops::linear_policy_loss<Objective>{
            .head = head_of(weights_, count, head),
            .objective = objective,
            .records = {.target = context_->visible(std::span(batch.target)),
                        .scale = context_->visible(std::span(batch.scale)),
                        .advantage = optional(batch.advantage),
                        .old_log_prob = optional(batch.old_log_prob),
                        .reference_log_prob = optional(batch.reference_log_prob),
                        .behaviour_log_prob = optional(batch.behaviour_log_prob),
                        .weight = optional(batch.weight),
                        .selected = optional(batch.selected),
                        .sequence = with_sequences ? optional(sequences_) : nullptr,
                        .sequence_index = with_sequences ? optional(batch.sequence) : nullptr},
            .results = {.log_prob = results_.view().row(0), .entropy = results_.view().row(1), .loss = losses_.data()},
            .hidden_gradient = scored_gradient_.view(),
            .weight_gradient = gradient_views_.head});
    context_->zero(hidden_gradient_.view().data, batch.tree.size() * width);
    execute(*context_, ops::scatter_add_rows{.source = scored_gradient_.view(),
                                             .index = context_->visible(std::span(batch.row)),
                                             .destination = hidden_gradient_.view()});
    runner_.backward(weights_, hidden_gradient_.view(), gradient_views_);
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

  /// Clips the gradient to `max_norm`, steps, and zeroes the gradient.
  /// @param factor  of the rule's learning rate, from a schedule
  update_result update(adamw_rule const& rule, double factor, double max_norm) {
    update_result result;
    execute(*context_, ops::global_norm{.values = gradient_.span(), .result = norm_.data()});
    context_->download(&result.grad_norm, norm_.data(), 1);
    if (!std::isfinite(result.grad_norm)) {
      result.skipped = true;
      context_->zero(gradient_.data(), gradient_.size());
      return result;
    }
    double const coefficient = max_norm / (result.grad_norm + 1e-6);
    result.clip_coefficient = coefficient < 1.0 ? coefficient : 1.0;
    ++updates_;
    execute(*context_, ops::adamw_step{.parameter = weights_.arena(),
                                       .gradient = gradient_.span(),
                                       .first_moment = first_moment_.span(),
                                       .second_moment = second_moment_.span(),
                                       .rule = rule,
                                       .step = updates_,
                                       .factor = factor,
                                       .gradient_scale = static_cast<float>(result.clip_coefficient)});
    return result;
  }

 private:
  /// Fills the records of the responses that a sequence-level objective reads, under the weights in training: one more
  /// product with the head.
  /// @pre `gather_hidden` has run for the batch, whose responses lie one after the other
  template <class Objective>
  void summarise(token_batch const& batch, Objective const& objective, head_settings const& head) {
    std::size_t const count = batch.scored();
    execute(*context_, ops::linear_log_prob{.head = head_of(weights_, count, head),
                                            .target = context_->visible(std::span(batch.target)),
                                            .log_prob = results_.view().row(0),
                                            .entropy = results_.view().row(1)});
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
  }

  /// Runs the tree and collects the hidden rows that predict scored tokens.
  void gather_hidden(model::parameters<memory> const& weights, token_batch const& batch) {
    matrix_view<float const> const hidden = runner_.forward(weights, batch.tree);
    scored_hidden_.resize(batch.scored(), hidden.columns);
    execute(*context_,
            ops::gather_rows{
                .source = hidden, .index = context_->visible(std::span(batch.row)), .output = scored_hidden_.view()});
  }

  [[nodiscard]] ops::linear_head head_of(model::parameters<memory> const& weights, std::size_t count,
                                         head_settings const& head) const {
    return {.hidden = scored_hidden_.first_rows(count),
            .weight = weights.views().head,
            .temperature = head.temperature,
            .chunk_rows = head.chunk_rows};
  }

  Context* context_;
  model::parameters<memory> weights_;
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
};

}  // namespace train
RLVR_NAMESPACE_END
