// SPDX-License-Identifier: MIT
/// @file
/// Batched generation over a tree of caches: a prefix that all prompts share is computed once, each prompt once per
/// group, and a finished sequence makes room for a waiting one.
///
/// A sequence's tokens depend on the weights, its own prompt and its key (seed, step, prompt, sample) alone: not on the
/// batch, the cache's size, the order of admission or the number of threads.  Reported log-probs have the bits that the
/// training forward pass computes for the same tokens.
///
/// A decode step (layers, head, sampling) is one replayable run.  Its shape is the number of active sequences, how many
/// of them have tokens already, and the sizes of the attention plan's tables; everything else is data: tokens,
/// positions, rows of the cache, lengths, random keys.  A call captures each shape once, and with memory that outlives
/// calls (`generation_memory`) so do all of them together, as long as the memory need not grow.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/model/generation.hpp>
#include <rlvr/model/kv_cache.hpp>
#include <rlvr/model/transformer.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/ops/sample_tokens.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

namespace detail {

/// One call of `generate`: who is waiting, who decodes, which rows of the cache are whose.
template <class Context>
class generation {
 public:
  using memory = typename Context::memory;

  generation(Context& context, transformer<Context>& runner, model_weights const& weights,
             std::span<std::int32_t const> prefix, std::span<generation_prompt const> prompts,
             generation_options const& options, generation_memory<memory>& kept)
      : context_(context),
        runner_(runner),
        weights_(weights),
        prompts_(prompts),
        options_(options),
        prefix_{0, static_cast<std::int64_t>(prefix.size())},
        states_(prompts.size()),
        available_rows_(required_rows(prefix.size())),
        kept_(kept),
        cache_(cache_for(prefix.size())),
        rows_(available_rows_) {
    auto const hidden = static_cast<std::size_t>(weights.config().hidden_size);
    kept_.prompt_hidden.resize(std::max<std::size_t>(prompts.size(), 1), hidden);
    if (prefix_.count > 0) {
      prefix_ = *rows_.allocate(prefix_.count);
      ops::attention_plan plan;
      plan.add_span(0, prefix_.count, {}, prefix_, 0);
      push_tokens(prefix, 0, prefix_.begin);
      matrix_view<float const> const states = extend(plan);
      kept_.prefix_hidden.resize(1, hidden);
      copy(states.row(states.rows - 1), kept_.prefix_hidden.view().data, hidden);
    }
    for (std::size_t p = 0; p < prompts.size(); ++p)
      for (std::uint32_t s = 0; s < prompts[p].samples; ++s) {
        results_.emplace_back();
        results_.back().prompt = p;
        results_.back().sample = s;
      }
  }

  [[nodiscard]] std::vector<generated_sequence> run() {
    if (options_.max_new_tokens == 0) return std::move(results_);
    while (next_waiting_ < results_.size() || !active_.empty()) {
      std::size_t const continuing = active_.size();
      admit();
      decode(continuing);
    }
    return std::move(results_);
  }

 private:
  /// A prompt while its group is in work.
  struct prompt_state {
    ops::key_range rows{};
    std::uint32_t unfinished = 0;
    bool computed = false;
  };

  /// A sequence that decodes.
  struct active_sequence {
    std::size_t result;
    ops::key_range rows;
  };

  [[nodiscard]] std::int64_t longest_prompt() const {
    std::size_t longest = 0;
    for (generation_prompt const& prompt : prompts_) longest = std::max(longest, prompt.tokens.size());
    return static_cast<std::int64_t>(longest);
  }

  [[nodiscard]] std::int64_t required_rows(std::size_t prefix) const {
    if (options_.cache_rows > 0) return options_.cache_rows;
    auto const each = static_cast<std::int64_t>(options_.max_new_tokens) + longest_prompt();
    std::int64_t sequences = 0;
    for (generation_prompt const& prompt : prompts_) sequences += prompt.samples;
    // At least one, so that a prefix without prompts is no special case.
    sequences = std::max<std::int64_t>(1, std::min(sequences, static_cast<std::int64_t>(options_.max_active)));
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(prefix) + sequences * each);
  }

  /// Memory is touched only for a call that is valid.
  [[nodiscard]] kv_cache<memory>& cache_for(std::size_t prefix) {
    validate(prefix);
    return kept_.cache(weights_.config(), available_rows_);
  }

  void validate(std::size_t prefix) const {
    if (options_.max_active == 0) throw argument_error("generate: max_active must be positive");
    auto const new_tokens = static_cast<std::int64_t>(options_.max_new_tokens);
    std::int64_t const longest = static_cast<std::int64_t>(prefix) + longest_prompt() + new_tokens;
    if (longest > weights_.config().max_position_embeddings)
      throw argument_error("generate: prompt and max_new_tokens make " + std::to_string(longest) +
                           " tokens, the model has " + std::to_string(weights_.config().max_position_embeddings) +
                           " positions");
    if (longest > available_rows_)
      throw argument_error("generate: a sequence needs " + std::to_string(longest) + " rows, the cache has " +
                           std::to_string(available_rows_));
    for (std::size_t p = 0; p < prompts_.size(); ++p)
      if (prefix == 0 && prompts_[p].tokens.empty())
        throw argument_error("generate: prompt " + std::to_string(p) + " is empty");
  }

  void copy(float const* from, float* to, std::size_t count) {
    execute(context_, ops::copy_rows{.source = {from, 1, count}, .destination = {to, 1, count}});
  }

  void push_tokens(std::span<std::int32_t const> tokens, std::int64_t first_position, std::int64_t first_row) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens_.push_back(tokens[i]);
      positions_.push_back(static_cast<std::int32_t>(first_position) + static_cast<std::int32_t>(i));
      token_rows_.push_back(static_cast<std::int32_t>(first_row) + static_cast<std::int32_t>(i));
    }
  }

  /// Loads the pushed tokens and forgets them.
  void load(ops::attention_plan const& plan) {
    runner_.load(weights_.config(), tokens_, positions_, token_rows_, plan, cache_);
    tokens_.clear();
    positions_.clear();
    token_rows_.clear();
  }

  /// Runs the pushed tokens and forgets them.
  matrix_view<float const> extend(ops::attention_plan const& plan) {
    load(plan);
    return runner_.run_extend(weights_, cache_);
  }

  /// The ranges that a response of this prompt attends to, root first.
  [[nodiscard]] std::span<ops::key_range const> ancestors(prompt_state const& state) {
    ancestors_.clear();
    if (prefix_.count > 0) ancestors_.push_back(prefix_);
    if (state.rows.count > 0) ancestors_.push_back(state.rows);
    return ancestors_;
  }

  /// Starts waiting sequences while there is room, in their order; computes prompts that are new.
  void admit() {
    std::vector<std::size_t> fresh;
    while (next_waiting_ < results_.size() && active_.size() < options_.max_active) {
      generated_sequence const& waiting = results_[next_waiting_];
      prompt_state& state = states_[waiting.prompt];
      auto const own = rows_.allocate(static_cast<std::int64_t>(options_.max_new_tokens));
      if (!own) break;
      if (!state.computed) {
        auto const rows = rows_.allocate(static_cast<std::int64_t>(prompts_[waiting.prompt].tokens.size()));
        if (!rows) {
          rows_.release(*own);
          break;
        }
        state = {.rows = *rows, .unfinished = prompts_[waiting.prompt].samples, .computed = true};
        fresh.push_back(waiting.prompt);
      }
      active_.push_back({next_waiting_++, *own});
    }
    if (fresh.empty()) return;
    ops::attention_plan plan;
    std::vector<std::int32_t> last;
    std::vector<std::int32_t> owner;
    for (std::size_t const p : fresh) {
      std::span<std::int32_t const> const tokens = prompts_[p].tokens;
      if (tokens.empty()) {
        copy(kept_.prefix_hidden.view().data, kept_.prompt_hidden.view().row(p), kept_.prompt_hidden.columns());
        continue;
      }
      std::span<ops::key_range const> const above =
          prefix_.count > 0 ? std::span<ops::key_range const>(&prefix_, 1) : std::span<ops::key_range const>();
      plan.add_span(static_cast<std::int64_t>(tokens_.size()), static_cast<std::int64_t>(tokens.size()), above,
                    states_[p].rows, 0);
      push_tokens(tokens, prefix_.count, states_[p].rows.begin);
      last.push_back(static_cast<std::int32_t>(tokens_.size()) - 1);
      owner.push_back(static_cast<std::int32_t>(p));
    }
    if (last.empty()) return;
    matrix_view<float const> const states = extend(plan);
    for (std::size_t i = 0; i < last.size(); ++i)
      copy(states.row(static_cast<std::size_t>(last[i])),
           kept_.prompt_hidden.view().row(static_cast<std::size_t>(owner[i])), states.columns);
  }

  /// One token for every active sequence; the first `continuing` of them have tokens already.  All of it on the device
  /// is one replayable run.
  void decode(std::size_t continuing) {
    auto const hidden_size = static_cast<std::size_t>(weights_.config().hidden_size);
    std::size_t const count = active_.size();
    kept_.hidden.resize(count, hidden_size);
    if (continuing > 0) {
      ops::attention_plan plan;
      for (std::size_t i = 0; i < continuing; ++i) {
        generated_sequence const& sequence = results_[active_[i].result];
        prompt_state const& state = states_[sequence.prompt];
        auto const done = static_cast<std::int64_t>(sequence.tokens.size());
        plan.add_span(static_cast<std::int64_t>(i), 1, ancestors(state), ops::key_range{active_[i].rows.begin, done},
                      done - 1);
        push_tokens(std::span(sequence.tokens).last(1), prefix_.count + state.rows.count + done - 1,
                    active_[i].rows.begin + done - 1);
      }
      load(plan);
    }
    host_row_index_.clear();
    for (std::size_t i = continuing; i < count; ++i)
      host_row_index_.push_back(static_cast<std::int32_t>(results_[active_[i].result].prompt));
    kept_.row_index.load(context_, host_row_index_);
    load_sampling(count);
    context_.replayable([&] { return step_key(continuing); },
                        [&] {
                          if (continuing > 0)
                            execute(context_, ops::copy_rows{.source = runner_.run_extend(weights_, cache_),
                                                             .destination = kept_.hidden.first_rows(continuing)});
                          if (count > continuing)
                            execute(context_, ops::gather_rows{.source = kept_.prompt_hidden.view(),
                                                               .index = kept_.row_index.data(),
                                                               .output = kept_.hidden.view().middle_rows(
                                                                   continuing, count - continuing)});
                          run_sampling(count);
                        });
    collect(count);
    retire();
  }

  /// What the run of a step has baked in.
  [[nodiscard]] replay_key step_key(std::size_t continuing) const {
    replay_key key;
    key.add_type<generation>();
    key.add(continuing);
    if (continuing > 0) runner_.fingerprint(key, weights_);
    key.add(weights_.views().head.data);
    key.add(weights_.views().head.type);
    key.add(weights_.views().head.rows);
    cache_.fingerprint(key);
    if (!host_row_index_.empty()) {  // sequences begin, from their prompts' states
      kept_.row_index.fingerprint(key);
      key.add(kept_.prompt_hidden.view().data);
    }
    kept_.keys.fingerprint(key);
    for (auto const* block : {&kept_.hidden, &kept_.logits, &kept_.drawn}) key.add(*block);
    key.add(kept_.ids);
    key.add_bytes(options_.sampling);
    return key;
  }

  void load_sampling(std::size_t count) {
    kept_.logits.resize(count, weights_.views().head.rows);
    host_keys_.clear();
    for (active_sequence const& active : active_) {
      generated_sequence const& sequence = results_[active.result];
      host_keys_.push_back({.seed = options_.seed,
                            .step = options_.step,
                            .prompt = prompts_[sequence.prompt].id,
                            .sample = sequence.sample,
                            .position = static_cast<std::uint32_t>(sequence.tokens.size())});
    }
    kept_.keys.load(context_, host_keys_);
    kept_.ids.reserve(count);
    kept_.drawn.resize(3, count);
  }

  void run_sampling(std::size_t count) {
    execute(context_, ops::linear_forward{.input = kept_.hidden.first_rows(count),
                                          .weight = weights_.views().head,
                                          .output = kept_.logits.view()});
    execute(context_, ops::sample_tokens{.logits = kept_.logits.view(),
                                         .settings = options_.sampling,
                                         .key = kept_.keys.data(),
                                         .id = kept_.ids.data(),
                                         .log_prob = kept_.drawn.view().row(0),
                                         .entropy = kept_.drawn.view().row(1),
                                         .kept_mass = kept_.drawn.view().row(2)});
  }

  /// Appends what was drawn to the sequences.
  void collect(std::size_t count) {
    host_ids_.resize(count);
    host_drawn_.resize(3 * count);
    context_.download(host_ids_.data(), kept_.ids.data(), count);
    context_.download(host_drawn_.data(), kept_.drawn.view().data, 3 * count);
    for (std::size_t i = 0; i < count; ++i) {
      generated_sequence& sequence = results_[active_[i].result];
      sequence.tokens.push_back(host_ids_[i]);
      sequence.log_probs.push_back(host_drawn_[i]);
      sequence.entropies.push_back(host_drawn_[count + i]);
      sequence.kept_mass.push_back(host_drawn_[2 * count + i]);
    }
  }

  /// Removes finished sequences and gives back their rows, and those of prompts that nobody needs any more.
  void retire() {
    std::erase_if(active_, [&](active_sequence const& active) {
      generated_sequence& sequence = results_[active.result];
      bool const stopped = std::find(options_.stop_ids.begin(), options_.stop_ids.end(), sequence.tokens.back()) !=
                           options_.stop_ids.end();
      if (!stopped && sequence.tokens.size() < options_.max_new_tokens) return false;
      sequence.finish = stopped ? finish_reason::stop : finish_reason::length;
      rows_.release(active.rows);
      prompt_state& state = states_[sequence.prompt];
      if (--state.unfinished == 0) rows_.release(state.rows);
      return true;
    });
  }

  Context& context_;
  transformer<Context>& runner_;
  model_weights weights_;
  std::span<generation_prompt const> prompts_;
  generation_options const& options_;
  ops::key_range prefix_;
  std::vector<prompt_state> states_;
  std::int64_t available_rows_;  ///< of the cache, which may have more
  generation_memory<memory>& kept_;
  kv_cache<memory>& cache_;
  row_allocator rows_;
  std::vector<generated_sequence> results_;
  std::size_t next_waiting_ = 0;
  std::vector<active_sequence> active_;
  std::vector<std::int32_t> tokens_, positions_, token_rows_, host_row_index_;
  std::vector<ops::key_range> ancestors_;
  std::vector<sample_key> host_keys_;
  std::vector<std::int32_t> host_ids_;
  std::vector<float> host_drawn_;
};

}  // namespace detail

/// Continues every prompt `samples` times.
/// @param prefix  tokens before every prompt (the guideline), computed once
/// @param kept    memory that outlives the call; the content of the cache does not
/// @return one entry per prompt and sample, prompts in order, samples in order
/// @throws argument_error for an empty prompt, a sequence beyond the model's positions or the cache
template <class Context>
[[nodiscard]] std::vector<generated_sequence> generate(Context& context, transformer<Context>& runner,
                                                       model_weights const& weights,
                                                       std::span<std::int32_t const> prefix,
                                                       std::span<generation_prompt const> prompts,
                                                       generation_options const& options,
                                                       generation_memory<typename Context::memory>& kept) {
  return detail::generation<Context>(context, runner, weights, prefix, prompts, options, kept).run();
}

/// The same with memory that is released when the call returns.
template <class Context>
[[nodiscard]] std::vector<generated_sequence> generate(Context& context, transformer<Context>& runner,
                                                       model_weights const& weights,
                                                       std::span<std::int32_t const> prefix,
                                                       std::span<generation_prompt const> prompts,
                                                       generation_options const& options) {
  generation_memory<typename Context::memory> memory;
  return generate(context, runner, weights, prefix, prompts, options, memory);
}

}  // namespace model
RLVR_NAMESPACE_END
