// SPDX-License-Identifier: MIT
/// @file
/// Traffic of the kernels over rows of logits and of those beside products, against the formulas of
/// docs/performance_cuda.md.  R rows, V tokens.  Products run on cuBLASLt, whose traffic nobody counts.
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/rl/token_sample.hpp>

#include "kernel_traffic.hpp"
#include <cstdint>
#include <utility>
#include <vector>

using namespace kernel_traffic;

namespace {

/// Reads of the logits.  Without filters: maximum, sum of the weights, and one in all for the bisection to the drawn
/// token.  The threshold of top-k is found bit by bit, that of top-p too, after a sum of what is left; with any filter
/// the kept mass takes one more, and so do log-probability and entropy.
std::size_t sampling_passes(rlvr::sampling_settings const& settings, bool scored) {
  if (settings.temperature == 0.0f) return 2 + scored;
  bool const by_k = settings.top_k > 0;
  bool const by_p = settings.top_p < 1.0f;
  return 3 + 32 * by_k + 33 * by_p + (by_k || by_p || settings.min_p > 0.0f) + scored;
}

/// The passes and, for each thread, its row's key; of a row an id and what is asked for.
traffic sample_traffic(std::size_t rows, std::size_t vocabulary, rlvr::sampling_settings const& settings, bool scored) {
  std::size_t const keys = rows * row_threads(vocabulary) * sizeof(rlvr::sample_key);
  return {4 * rows * vocabulary * sampling_passes(settings, scored) + keys, rows * (scored ? 12 : 4)};
}

/// The logits once, for each thread its target; log-probability and entropy.
constexpr traffic log_prob_traffic(std::size_t rows, std::size_t vocabulary) {
  return {4 * rows * (vocabulary + row_threads(vocabulary)), 8 * rows};
}

/// The logits twice and, for each thread, the row's records and the target's logit; the gradient once.
/// @param records  arrays of records that are given, the targets among them
constexpr traffic loss_traffic(std::size_t rows, std::size_t vocabulary, std::size_t records) {
  return {4 * rows * (2 * vocabulary + (records + 1) * row_threads(vocabulary)), 4 * rows * vocabulary};
}

/// A masked row: for each thread its target; zeros.
constexpr traffic masked_loss_traffic(std::size_t rows, std::size_t vocabulary) {
  return {4 * rows * row_threads(vocabulary), 4 * rows * vocabulary};
}

/// Floats in, bfloat16 out.
constexpr traffic rounding_traffic(std::size_t elements) { return {4 * elements, 2 * elements}; }

/// @tparam Entropy  whether the entropy's gradient is asked for
template <bool Entropy>
struct ratio_objective {
  rlvr::loss_value<float> operator()(rlvr::token_sample<float> const& s) const {
    float const slope = -s.advantage * (1.0f + s.log_prob - s.old_log_prob);
    return {.value = slope, .d_log_prob = slope, .d_entropy = Entropy ? 0.1f : 0.0f};
  }
};

/// A head with few columns: its products shall cost little.
struct head_data {
  std::size_t rows, vocabulary;
  shared_matrix hidden{rows, 4}, weight{vocabulary, 4}, d_hidden{rows, 4}, d_weight{vocabulary, 4};
  test::storage<std::int32_t> target = test::storage<std::int32_t>(rows, 5);
  test::storage<float> scale = test::storage<float>(rows, 1.0f), advantage = test::storage<float>(rows, 0.5f);
  test::storage<float> old_log_prob = test::storage<float>(rows, -8.0f), log_prob = test::storage<float>(rows);
  test::storage<float> entropy = test::storage<float>(rows);
  test::storage<rlvr::loss_value<float>> loss = test::storage<rlvr::loss_value<float>>(rows);

  [[nodiscard]] rlvr::ops::linear_head head() {
    return {.hidden = hidden.view(), .weight = weight.view(), .temperature = 1.0f, .chunk_rows = 2};
  }
  template <class Objective>
  [[nodiscard]] traffic count_loss() {
    return counted(rlvr::ops::linear_policy_loss<Objective>{
        .head = head(),
        .objective = {},
        .records = {.target = target.data(),
                    .scale = scale.data(),
                    .advantage = advantage.data(),
                    .old_log_prob = old_log_prob.data()},
        .results = {.log_prob = log_prob.data(), .entropy = entropy.data(), .loss = loss.data()},
        .hidden_gradient = d_hidden.view(),
        .weight_gradient = d_weight.view()});
  }
};

/// A warp, a small and a large block for each row.
constexpr std::size_t vocabularies[] = {1000, 8000, 30000};

std::string named(char const* op, std::size_t rows, std::size_t vocabulary) {
  return std::string(op) + " " + std::to_string(rows) + " x " + std::to_string(vocabulary);
}

}  // namespace

TEST_CASE("kernel traffic: log-probabilities of given tokens") {
  for (std::size_t const vocabulary : vocabularies) {
    head_data data{3, vocabulary};
    require_close(named("linear_log_prob", data.rows, vocabulary),
                  counted(rlvr::ops::linear_log_prob{.head = data.head(),
                                                     .target = data.target.data(),
                                                     .log_prob = data.log_prob.data(),
                                                     .entropy = data.entropy.data()}),
                  log_prob_traffic(data.rows, vocabulary));
  }
}

TEST_CASE("kernel traffic: the fused loss") {
  for (std::size_t const vocabulary : vocabularies) {
    head_data data{3, vocabulary};
    traffic const derived = loss_traffic(data.rows, vocabulary, 4);
    require_close(named("linear_policy_loss", data.rows, vocabulary), data.count_loss<ratio_objective<false>>(),
                  derived);
    require_close(named("linear_policy_loss with entropy", data.rows, vocabulary),
                  data.count_loss<ratio_objective<true>>(), derived);
    for (auto& target : data.target) target = -1;
    require_close(named("linear_policy_loss, masked", data.rows, vocabulary), data.count_loss<ratio_objective<false>>(),
                  masked_loss_traffic(data.rows, vocabulary));
  }
}

TEST_CASE("kernel traffic: sampling") {
  std::size_t const rows = 2;
  std::vector<std::pair<char const*, rlvr::sampling_settings>> const cases = {
      {"sample_tokens", {}},
      {"sample_tokens, greedy", {.temperature = 0.0f}},
      {"sample_tokens, min_p", {.min_p = 0.1f}},
      {"sample_tokens, top_k", {.top_k = 50}},
      {"sample_tokens, top_k and top_p", {.top_k = 50, .top_p = 0.9f}}};
  test::storage<rlvr::sample_key> keys(rows);
  for (std::size_t row = 0; row < rows; ++row) keys[row].seed = row;
  test::storage<std::int32_t> id(rows);
  test::storage<float> log_prob(rows), entropy(rows);
  for (std::size_t const vocabulary : vocabularies) {
    shared_matrix logits(rows, vocabulary);
    for (auto const& [name, settings] : cases)
      for (bool const scored : {false, true}) {
        if (vocabulary > 8000 && settings.top_k > 0 && scored) continue;  // slow, and nothing new
        require_close(named(name, rows, vocabulary) + (scored ? ", scored" : ""),
                      counted(rlvr::ops::sample_tokens{.logits = logits.view(),
                                                       .settings = settings,
                                                       .key = keys.data(),
                                                       .id = id.data(),
                                                       .log_prob = scored ? log_prob.data() : nullptr,
                                                       .entropy = scored ? entropy.data() : nullptr}),
                      sample_traffic(rows, vocabulary, settings, scored));
      }
  }
}

TEST_CASE("kernel traffic: what is rounded to bfloat16") {
  std::size_t const rows = 10, in = 1024, out = 64;
  shared_matrix input(rows, in), output(rows, out), d_output(rows, out), d_input(rows, in), d_weight(out, in);
  test::storage<rlvr::bf16> weight(out * in);
  rlvr::matrix_view<rlvr::bf16 const> const narrow{weight.data(), out, in};
  require_close("linear_forward 10 x 1024 x 64, bfloat16",
                counted(rlvr::ops::linear_forward{.input = input.view(), .weight = narrow, .output = output.view()}),
                rounding_traffic(rows * in));
  require_close("linear_input_gradient 10 x 1024 x 64, bfloat16",
                counted(rlvr::ops::linear_input_gradient{
                    .output_gradient = d_output.view(), .weight = narrow, .input_gradient = d_input.view()}),
                rounding_traffic(rows * out));
  require_close("linear_weight_gradient 10 x 1024 x 64, bfloat16",
                counted(rlvr::ops::linear_weight_gradient{.output_gradient = d_output.view(),
                                                          .input = input.view(),
                                                          .weight_gradient = d_weight.view(),
                                                          .operands = rlvr::dtype::bf16}),
                rounding_traffic(rows * (in + out)));
  std::size_t const count = 10007;
  shared_matrix master(1, count);
  test::storage<rlvr::bf16> rounded(count);
  require_close("round_to_bfloat16 10007",
                counted(rlvr::ops::round_to_bfloat16{.source = {master.data(), count}, .destination = rounded}),
                rounding_traffic(count));
}
