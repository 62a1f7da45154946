// SPDX-License-Identifier: MIT
/// @file
/// The transformer against golden numbers (models/README.md): every folder of $RLVR_MODEL_GOLDEN_DIR, default
/// tests/models, that holds a golden.json.  One line per group of checks; ends with "N passed, N failed".
///
/// Bounds that follow from the file's tolerances: with a gradient tensor off by at most e in the L2 norm, its norm and
/// each entry are off by at most e, and its sum by sqrt(n) e.  A loss after a step is taken at parameters that are each
/// off by up to p = param_after_step_atol: where the gradient is g, independent deviations move it by about p |g|.
///
/// Built with RLVR_TEST_CUDA it tests the CUDA backend (support/backend.hpp).
#include <rlvr/model/generate.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/pretrained.hpp>

#include "models/verdicts.hpp"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <support/backend.hpp>
#include <utility>
#include <vector>

namespace {

using nlohmann::json;
using rlvr::train::token_batch;
using learner = rlvr::train::learner<test::context>;
using ids = std::vector<std::int32_t>;
using grpo_objective = rlvr::kl_penalised<rlvr::ppo_clip, rlvr::k3>;

/// One checkpoint.
struct fixture {
  std::string folder;
  std::string name;
  json golden;
  verdicts& out;

  [[nodiscard]] double tolerance(char const* key) const { return golden["tolerance"]["f32"][key].get<double>(); }
  [[nodiscard]] std::size_t vocabulary() const { return golden["vocab_size"].get<std::size_t>(); }
};

[[nodiscard]] learner load(test::context& context, std::string const& folder,
                           rlvr::model::activation_policy policy = rlvr::model::activation_policy::keep_all) {
  learner result(context, rlvr::train::load_config(folder), policy);
  rlvr::train::load_weights(folder, result.weights(), context);
  return result;
}

/// Memory of the context, on the host.
[[nodiscard]] std::vector<float> fetch(learner const& model, float const* values, std::size_t count) {
  std::vector<float> result(count);
  model.context().download(result.data(), values, count);
  return result;
}
[[nodiscard]] std::vector<float> fetch(learner const& model, std::span<float const> values) {
  return fetch(model, values.data(), values.size());
}

/// Facts of the file: sizes, names and shapes of tensors, rotary frequencies.
void check_facts(fixture const& at, learner& model) {
  at.out.begin(at.name + " facts");
  rlvr::model_config const& config = model.weights().config();
  at.out.near("parameters", static_cast<double>(model.weights().layout().size()), at.golden["num_parameters"], 0);
  at.out.near("vocab_size", static_cast<double>(config.vocab_size), at.golden["vocab_size"], 0);
  at.out.near("tied", config.tie_word_embeddings, at.golden["tied"].get<bool>(), 0);
  std::vector<double> const frequency = rlvr::model::inverse_frequencies(config);
  for (std::size_t i = 0; i < at.golden["inv_freq"].size(); ++i) {
    double const expected = at.golden["inv_freq"][i];
    at.out.near("inv_freq", frequency.at(i), expected, 1e-12 * expected);
  }
}

/// Logits, log-probs, entropies, argmax of the packed sequences: a forest of roots.
void check_sequences(fixture const& at, test::context& context, learner& model) {
  rlvr::model::prefix_tree tree;
  ids next;
  for (json const& sequence : at.golden["sequences"]) {
    auto const tokens = sequence["ids"].get<ids>();
    tree.add_segment(tokens);
    next.insert(next.end(), tokens.begin() + 1, tokens.end());
    next.push_back(0);  // after the last token: only its entropy is compared
  }
  at.out.begin(at.name + " packing");
  at.out.same("ids", ids(tree.tokens().begin(), tree.tokens().end()), at.golden["packed"]["ids"]);
  using memory = test::context::memory;
  auto const states = model.runner().forward(model.weights(), tree);
  rlvr::matrix<float, memory> projected(tree.size(), at.vocabulary()), scores(2, tree.size());
  rlvr::execute(context, rlvr::ops::linear_forward{
                             .input = states, .weight = model.weights().views().head, .output = projected.view()});
  rlvr::execute(context, rlvr::ops::linear_log_prob{
                             .head = {.hidden = states, .weight = model.weights().views().head, .chunk_rows = 7},
                             .target = context.visible(std::span<std::int32_t const>(next)),
                             .log_prob = scores.view().row(0),
                             .entropy = scores.view().row(1)});
  std::vector<float> const log_prob = fetch(model, scores.view().row(0), tree.size());
  std::vector<float> const entropy = fetch(model, scores.view().row(1), tree.size());
  std::vector<float> const logit_values = fetch(model, projected.view().data, tree.size() * at.vocabulary());
  rlvr::matrix_view<float const> const logits{logit_values.data(), tree.size(), at.vocabulary()};
  std::vector<float> const state_values = fetch(model, states.data, states.rows * states.columns);
  rlvr::matrix_view<float const> const hidden{state_values.data(), states.rows, states.columns};
  auto const each = [&](char const* group, auto&& check) {
    at.out.begin(at.name + " " + group);
    for (std::size_t s = 0; s < at.golden["sequences"].size(); ++s)
      check(at.golden["sequences"][s], static_cast<std::size_t>(tree.segments()[s].begin),
            "sequence " + std::to_string(s));
  };
  each("logits", [&](json const& sequence, std::size_t first, std::string const& where) {
    for (auto const& [position, values] : sequence["logits"].items())
      for (std::size_t j = 0; j < at.vocabulary(); ++j)
        at.out.near(where + " position " + position, logits(first + std::stoul(position), j), values.at(j),
                    at.tolerance("logits_atol"));
  });
  each("log-probs", [&](json const& sequence, std::size_t first, std::string const& where) {
    for (std::size_t i = 0; i < sequence["logprob_next"].size(); ++i)
      at.out.near(where, log_prob[first + i], sequence["logprob_next"][i], at.tolerance("logprob_atol"));
  });
  each("entropies", [&](json const& sequence, std::size_t first, std::string const& where) {
    for (std::size_t i = 0; i < sequence["entropy"].size(); ++i)
      at.out.near(where, entropy[first + i], sequence["entropy"][i], at.tolerance("entropy_atol"));
  });
  each("argmax", [&](json const& sequence, std::size_t first, std::string const& where) {
    for (std::size_t i = 0; i < sequence["argmax"].size(); ++i) {
      float const* const row = logits.row(first + i);
      at.out.near(where, static_cast<double>(std::max_element(row, row + at.vocabulary()) - row), sequence["argmax"][i],
                  0);
    }
  });
  at.out.begin(at.name + " trace after the final norm");
  json const& trace = at.golden["trace_sequence3"].back();
  auto const rows = hidden.middle_rows(static_cast<std::size_t>(tree.segments()[3].begin),
                                       static_cast<std::size_t>(tree.segments()[3].count));
  double square = 0, sum = 0;
  for (std::size_t i = 0; i < rows.rows; ++i)
    for (std::size_t j = 0; j < rows.columns; ++j) {
      square += static_cast<double>(rows(i, j)) * static_cast<double>(rows(i, j));
      sum += static_cast<double>(rows(i, j));
    }
  double const each_off = at.tolerance("logits_atol");
  double const elements = static_cast<double>(rows.rows * rows.columns);
  at.out.near("l2", std::sqrt(square), trace["l2"], each_off * std::sqrt(elements));
  at.out.near("sum", sum, trace["sum"], each_off * elements);
  for (std::size_t j = 0; j < 8; ++j)
    at.out.near("last token", rows(rows.rows - 1, j), trace["last_token_first8"][j], each_off);
}

/// Continuations through the cache.
void check_greedy(fixture const& at, test::context& context, learner& model) {
  for (bool const limited : {false, true}) {
    char const* const key = limited ? "ids_below_tokenizer_size" : "ids";
    if (!at.golden["greedy"][0].contains(key)) continue;
    at.out.begin(at.name + " greedy " + key);
    std::vector<rlvr::model::generation_prompt> prompts;
    for (json const& entry : at.golden["greedy"]) prompts.push_back({.tokens = entry["prompt"].get<ids>()});
    rlvr::model::generation_options options;
    options.sampling.temperature = 0;
    options.sampling.vocabulary_limit = limited ? at.golden["tokenizer_size"].get<std::int32_t>() : 0;
    options.max_new_tokens = at.golden["greedy"][0][key].size();
    auto const found = rlvr::model::generate(context, model.runner(), model.weights(), {},
                                             std::span<rlvr::model::generation_prompt const>(prompts), options);
    for (std::size_t i = 0; i < found.size(); ++i)
      at.out.same("prompt " + std::to_string(i), found[i].tokens, at.golden["greedy"][i][key]);
  }
}

/// How examples are laid out.
enum class layout { shared, separate, one_pass_each };

/// The batches whose losses add up to the case's loss; responses in their order.
[[nodiscard]] std::vector<token_batch> batches_of(json const& source, bool is_grpo, layout how) {
  std::vector<token_batch> result(1);
  std::int64_t shared = rlvr::model::prefix_tree::no_parent;
  if (how == layout::shared) shared = result[0].tree.add_segment(source["prompt"].get<ids>());
  rlvr::batch_statistics global;
  for (std::size_t i = 0; i < source["responses"].size(); ++i) {
    if (how == layout::one_pass_each && i > 0) result.emplace_back();
    token_batch& batch = result.back();
    auto const response = source["responses"][i].get<ids>();
    json const& prompt = is_grpo ? source["prompt"] : source["prompts"][i];
    std::int64_t const parent = how == layout::shared ? shared : batch.tree.add_segment(prompt.get<ids>());
    batch.add_response(response, parent);
    global.add_sequence(static_cast<std::int64_t>(response.size()));
    if (!is_grpo) continue;
    for (std::size_t t = 0; t < response.size(); ++t) {
      batch.advantage.push_back(source["advantages"][i]);
      batch.old_log_prob.push_back(source["old_logp"][i][t]);
      batch.reference_log_prob.push_back(source["ref_logp"][i][t]);
    }
  }
  for (token_batch& batch : result) batch.set_scales(rlvr::token_mean{}, global);
  return result;
}

/// Losses of all batches, in the order of the responses.
template <class Objective>
[[nodiscard]] rlvr::train::token_losses accumulate(learner& model, std::vector<token_batch> const& batches,
                                                   Objective const& objective) {
  rlvr::train::token_losses all;
  for (token_batch const& batch : batches) {
    auto const part = model.accumulate(batch, objective, {.chunk_rows = 5});
    all.loss.insert(all.loss.end(), part.loss.begin(), part.loss.end());
    all.log_prob.insert(all.log_prob.end(), part.log_prob.begin(), part.log_prob.end());
    all.entropy.insert(all.entropy.end(), part.entropy.begin(), part.entropy.end());
    all.total += part.total;
  }
  return all;
}

void check_tokens(fixture const& at, json const& source, rlvr::train::token_losses const& found) {
  json const& tokens = source["tokens"];
  double const off = at.tolerance("logprob_atol");
  std::size_t next = 0;
  for (std::size_t i = 0; i < tokens["logp"].size(); ++i)
    for (std::size_t t = 0; t < tokens["logp"][i].size(); ++t, ++next) {
      std::string const where = "response " + std::to_string(i) + " token " + std::to_string(t) + " ";
      double const log_prob = found.log_prob.at(next);
      at.out.near(where + "logp", log_prob, tokens["logp"][i][t], off);
      if (!tokens.contains("ratio")) continue;
      at.out.near(where + "entropy", found.entropy[next], tokens["entropy"][i][t], at.tolerance("entropy_atol"));
      auto const& loss = found.loss[next];
      // d exp(x) = exp(x) dx
      auto const scaled = [&](double value) { return off * (1 + std::fabs(value)); };
      double const ratio = tokens["ratio"][i][t], pg = tokens["pg"][i][t], k3 = tokens["k3"][i][t];
      double const old = source["old_logp"][i][t], reference = source["ref_logp"][i][t];
      double const coefficient = source["kl_coef"];
      at.out.near(where + "ratio", std::exp(log_prob - old), ratio, scaled(ratio));
      at.out.near(where + "pg", loss.value - coefficient * loss.kl, pg, scaled(pg));
      at.out.near(where + "k3", loss.kl, k3, off * (1 + std::exp(reference - log_prob)));
      at.out.near(where + "clipped", loss.clip != rlvr::clip_region::none, tokens["clipped"][i][t].get<double>(), 0);
    }
  if (next != found.loss.size()) at.out.fail(std::to_string(found.loss.size()) + " scored tokens");
}

/// Norm, sum and sampled entries of every gradient tensor.
void check_gradients(fixture const& at, json const& source, learner& model) {
  for (auto const& info : model.weights().layout().tensors()) {
    if (!source["params"].contains(info.name)) {
      at.out.fail(info.name + " is not in the golden file");
      continue;
    }
    json const& expected = source["params"][info.name];
    if (json(info.shape) != expected["shape"]) at.out.fail(info.name + ": another shape");
    auto const gradient = fetch(model, model.gradient().subspan(info.offset, info.size()));
    double square = 0, sum = 0;
    for (float const g : gradient) {
      square += static_cast<double>(g) * static_cast<double>(g);
      sum += static_cast<double>(g);
    }
    double const off = at.tolerance("grad_tensor_l2_rel") * expected["grad_l2"].get<double>();
    at.out.near(info.name + " norm", std::sqrt(square), expected["grad_l2"], off);
    at.out.near(info.name + " sum", sum, expected["grad_sum"], off * std::sqrt(static_cast<double>(info.size())));
    for (std::size_t i = 0; i < expected["index"].size(); ++i)
      at.out.near(info.name + " entry", gradient[expected["index"][i].get<std::size_t>()], expected["value"][i], off);
  }
  if (source["params"].size() != model.weights().layout().tensors().size()) at.out.fail("another number of tensors");
}

/// Sampled entries and norms of every parameter.
void check_parameters(fixture const& at, json const& source, learner& model, std::string const& when) {
  // Before a step they are the stored values, which the file spells with 14 digits.
  double const off = when == "param" ? 1e-12 : at.tolerance("param_after_step_atol");
  for (auto const& info : model.weights().layout().tensors()) {
    json const& expected = source["params"][info.name];
    auto const values = fetch(model, model.weights().values(info));
    if (expected.contains(when + "_l2")) {
      double square = 0;
      for (float const v : values) square += static_cast<double>(v) * static_cast<double>(v);
      at.out.near(info.name + " " + when + " norm", std::sqrt(square), expected[when + "_l2"],
                  off * std::sqrt(static_cast<double>(info.size())));
    }
    for (std::size_t i = 0; i < expected["index"].size(); ++i)
      at.out.near(info.name + " " + when, values[expected["index"][i].get<std::size_t>()], expected[when][i], off);
  }
}

/// How far a loss may be off at stepped parameters; the model's gradient is the one there.
[[nodiscard]] double stepped_loss_tolerance(fixture const& at, learner& model) {
  double square = 0;
  for (float const g : fetch(model, model.gradient())) square += static_cast<double>(g) * static_cast<double>(g);
  return at.tolerance("loss_atol") + at.tolerance("param_after_step_atol") * std::sqrt(square);
}

/// Loss, gradients, two steps.
template <class Objective>
void check_training(fixture const& at, std::string const& kind, Objective const& objective, layout how,
                    rlvr::model::activation_policy policy, std::size_t threads) {
  static constexpr char const* layout_names[] = {"shared prompt", "separate sequences", "one pass each"};
  json const& source = at.golden[kind];
  std::string const title = at.name + " " + kind + ", " + layout_names[static_cast<int>(how)] +
                            (policy == rlvr::model::activation_policy::recompute ? ", recompute" : "") + ": ";
  auto&& context = test::make_context(threads);
  learner model = load(context, at.folder, policy);
  auto const batches = batches_of(source, kind == "grpo", how);
  json const& settings = at.golden["optimizer"];
  rlvr::adamw_rule const rule{.learning_rate = settings["lr"],
                              .beta1 = settings["beta1"],
                              .beta2 = settings["beta2"],
                              .epsilon = settings["eps"],
                              .weight_decay = settings["weight_decay"]};
  double const relative = at.tolerance("grad_tensor_l2_rel");
  auto const scaled = [&](char const* key) { return relative * source[key].get<double>(); };

  at.out.begin(title + "tokens and loss");
  auto const losses = accumulate(model, batches, objective);
  check_tokens(at, source, losses);
  at.out.near("loss", losses.total, source["loss"], at.tolerance("loss_atol"));
  at.out.begin(title + "gradients");
  check_gradients(at, source, model);
  check_parameters(at, source, model, "param");
  at.out.begin(title + "first step");
  auto const first = model.update(rule, 1.0, settings["max_grad_norm"]);
  at.out.near("grad_norm", first.grad_norm, source["grad_norm"], scaled("grad_norm"));
  at.out.near("clip_coef", first.clip_coefficient, source["clip_coef"], scaled("clip_coef"));
  check_parameters(at, source, model, "after_step1");
  at.out.begin(title + "second step");
  auto const after_first = accumulate(model, batches, objective);
  at.out.near("loss_after_step1", after_first.total, source["loss_after_step1"], stepped_loss_tolerance(at, model));
  auto const second = model.update(rule, 1.0, settings["max_grad_norm"]);
  at.out.near("grad_norm_step2", second.grad_norm, source["grad_norm_step2"], scaled("grad_norm_step2"));
  at.out.near("clip_coef_step2", second.clip_coefficient, source["clip_coef_step2"], scaled("clip_coef_step2"));
  check_parameters(at, source, model, "after_step2");
  auto const after_second = accumulate(model, batches, objective);
  at.out.near("loss_after_step2", after_second.total, source["loss_after_step2"], stepped_loss_tolerance(at, model));
  at.out.end();
}

void check_folder(std::string const& folder, verdicts& out) {
  fixture const at{folder, std::filesystem::path(folder).filename().string(),
                   json::parse(std::ifstream(folder + "/golden.json")), out};
  if (at.golden["format"] != "rlvr-model-golden/1") throw rlvr::argument_error("golden.json has another format");
  {
    auto&& context = test::make_context(2);
    learner model = load(context, folder);
    check_facts(at, model);
    check_sequences(at, context, model);
    check_greedy(at, context, model);
    out.end();
  }
  using enum rlvr::model::activation_policy;
  json const& source = at.golden["grpo"];
  grpo_objective const grpo{{.low = source["clip_low"], .high = source["clip_high"]}, {}, source["kl_coef"]};
  check_training(at, "grpo", grpo, layout::shared, keep_all, 2);
  check_training(at, "grpo", grpo, layout::separate, keep_all, 1);
  check_training(at, "grpo", grpo, layout::shared, recompute, 2);
  check_training(at, "sft", rlvr::cross_entropy{}, layout::separate, keep_all, 2);
  check_training(at, "sft", rlvr::cross_entropy{}, layout::one_pass_each, recompute, 1);
}

}  // namespace

int main() {
  char const* const chosen = std::getenv("RLVR_MODEL_GOLDEN_DIR");
  std::string const root = chosen != nullptr ? chosen : RLVR_TEST_DATA "/models";
  std::vector<std::string> folders;
  std::error_code code;
  for (auto const& entry : std::filesystem::directory_iterator(root, code))
    if (std::filesystem::exists(entry.path() / "golden.json")) folders.push_back(entry.path().string());
  std::sort(folders.begin(), folders.end());
  verdicts out;
  if (folders.empty()) {
    out.begin(root);
    out.fail("no folder with a golden.json");
  }
  for (std::string const& folder : folders) try {
      check_folder(folder, out);
    } catch (std::exception const& reason) {
      out.begin(folder);
      out.fail(reason.what());
    }
  out.end();
  std::printf("%zu passed, %zu failed\n", out.passed(), out.failed());
  return out.failed() == 0 ? 0 : 1;
}
