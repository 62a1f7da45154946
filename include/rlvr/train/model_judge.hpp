// SPDX-License-Identifier: MIT
/// @file
/// A judge of token probabilities made of a model of ours: one forward pass over a text, then
///
///     P(c) = exp(z_c) / sum_{c' in choices} exp(z_c')
///
/// over the logits z of the given tokens alone (R-PRM, arXiv 2503.21295), or of the whole vocabulary.  What the judge
/// would write greedily is reported too, so that a text which calls for none of the choices shows (the unparsable
/// judgement of arXiv 2503.23829).  Logits do not depend on what else a batch holds, so equal questions get equal bits.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/model/parameters.hpp>
#include <rlvr/model/prefix_tree.hpp>
#include <rlvr/model/transformer.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/reward/judge.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// What the probabilities of the choices are relative to.
enum class choice_scope : std::uint8_t {
  choices,     ///< they sum to 1
  vocabulary,  ///< they sum to at most 1
};

/// Gives the probabilities of single tokens after a text.  Copies share the model's working memory, so one judge serves
/// one thread.
template <class Context>
class model_judge {
 public:
  static constexpr bool thread_safe = false;
  /// Text to token ids, without a token that the model needs at the end.
  using encoder = std::function<std::vector<std::int32_t>(std::string_view)>;

  /// @param weights  must outlive the judge; whatever they hold at a call is what judges
  model_judge(Context& context, model::model_weights weights, encoder encode,
              choice_scope scope = choice_scope::choices)
      : state_(std::make_shared<state>(context, weights)), encode_(std::move(encode)), scope_(scope) {}

  /// A failure if the text is empty or longer than the model's positions, or if a logit is not finite.
  /// @throws argument_error unless each choice is one token, and no two are the same; what the encoder throws
  [[nodiscard]] reward::judge_reply<reward::choice_probabilities> choose(reward::choice_request const& request) const {
    std::vector<std::int32_t> choices;
    for (std::string_view const choice : request.choices) {
      std::vector<std::int32_t> const ids = encode_(choice);
      if (ids.size() != 1) {
        throw argument_error("model_judge: the choice '" + std::string(choice) + "' has " + std::to_string(ids.size()) +
                             " tokens, expected 1");
      }
      choices.push_back(ids.front());
    }
    return choose(encode_(request.text), choices);
  }

  /// As above, for a text and choices in tokens.
  /// @throws argument_error unless there are choices, all different tokens of the vocabulary
  [[nodiscard]] reward::judge_reply<reward::choice_probabilities> choose(std::span<std::int32_t const> text,
                                                                         std::span<std::int32_t const> choices) const {
    using reply = reward::judge_reply<reward::choice_probabilities>;
    model_config const& config = state_->weights.config();
    check_choices(config, choices);
    if (text.empty()) return reply::failed("the text to judge is empty");
    if (static_cast<std::int64_t>(text.size()) > config.max_position_embeddings) {
      return reply::failed("the text to judge has " + std::to_string(text.size()) + " tokens, the model has " +
                           std::to_string(config.max_position_embeddings) + " positions");
    }
    std::vector<float> const logits = state_->next_token_logits(text);
    if (!std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }))
      return reply::failed("a logit of the judge is not finite");
    return probabilities(logits, choices);
  }

 private:
  /// The working memory.
  struct state {
    state(Context& in, model::model_weights const& of)
        : context(&in), weights(of), runner(in, model::activation_policy::recompute) {}

    [[nodiscard]] std::vector<float> next_token_logits(std::span<std::int32_t const> text) {
      model::prefix_tree tree;
      tree.add_segment(text);
      matrix_view<float const> const hidden = runner.forward(weights, tree);
      weight_view const head = weights.views().head;
      logits.resize(1, head.rows);
      execute(*context,
              ops::linear_forward{
                  .input = {hidden.row(hidden.rows - 1), 1, hidden.columns}, .weight = head, .output = logits.view()});
      std::vector<float> values(head.rows);
      context->download(values.data(), logits.view().data, values.size());
      return values;
    }

    Context* context;
    model::model_weights weights;
    model::transformer<Context> runner;
    matrix<float, typename Context::memory> logits;
  };

  static void check_choices(model_config const& config, std::span<std::int32_t const> choices) {
    if (choices.empty()) throw argument_error("model_judge: there are no choices");
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (choices[i] < 0 || static_cast<std::int64_t>(choices[i]) >= static_cast<std::int64_t>(config.vocab_size)) {
        throw argument_error("model_judge: token " + std::to_string(choices[i]) + " is outside the vocabulary of " +
                             std::to_string(config.vocab_size));
      }
      for (std::size_t j = 0; j < i; ++j) {
        if (choices[j] != choices[i]) continue;
        throw argument_error("model_judge: two choices are token " + std::to_string(choices[i]) +
                             ", expected different ones");
      }
    }
  }

  [[nodiscard]] reward::choice_probabilities probabilities(std::vector<float> const& logits,
                                                           std::span<std::int32_t const> choices) const {
    auto const logit = [&](std::int32_t token) { return static_cast<double>(logits[static_cast<std::size_t>(token)]); };
    auto const greedy = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    double highest = scope_ == choice_scope::vocabulary ? logit(greedy) : logit(choices.front());
    for (std::int32_t const token : choices) highest = std::max(highest, logit(token));
    double sum = 0;
    if (scope_ == choice_scope::vocabulary) {
      for (float const value : logits) sum += std::exp(static_cast<double>(value) - highest);
    } else {
      for (std::int32_t const token : choices) sum += std::exp(logit(token) - highest);
    }
    reward::choice_probabilities result;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      result.probability.push_back(std::exp(logit(choices[i]) - highest) / sum);
      if (choices[i] == greedy) result.chosen = i;
    }
    return result;
  }

  std::shared_ptr<state> state_;
  encoder encode_;
  choice_scope scope_;
};

}  // namespace train
RLVR_NAMESPACE_END
