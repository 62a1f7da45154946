// SPDX-License-Identifier: MIT
// The case list that the benchmarks time (support/cases.hpp), reduced: attention and the ops over the vocabulary
// against double; and what the list says about bytes and operations against docs/performance_cuda.md.
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/ops/sample_tokens.hpp>
#include <rlvr/rl/objective.hpp>

#include "harness.hpp"
#include <map>
#include <reference/attention.hpp>
#include <reference/sampling.hpp>
#include <reference/token_loss.hpp>
#include <support/backend.hpp>
#include <support/cases.hpp>

namespace {

using reference::copy_of;
using test::execute;
using test::guarded;
using test::random_matrix;

/// |found - expected| / |expected|, lengths of the whole matrices: for what was rounded to bfloat16 on its way.
template <class View>
double relative_error(View const& found, reference::matrix const& expected) {
  double difference = 0;
  for (std::size_t i = 0; i < found.rows; ++i)
    for (std::size_t j = 0; j < found.columns; ++j)
      difference += std::pow(static_cast<double>(found(i, j)) - expected(i, j), 2);
  return std::sqrt(difference / dot(expected, expected));
}
/// Twice the largest relative error of a rounding to bfloat16: they do not all fall on one side.
constexpr double rounding_of_bf16 = 0x1p-8;

/// Tensor cores for attention, where the backend has them, while one is alive.
template <class Context>
class with_tensor_cores {
 public:
  with_tensor_cores(Context& context, bool on) : context_(context) { set(on); }
  ~with_tensor_cores() { set(false); }
  with_tensor_cores(with_tensor_cores const&) = delete;
  with_tensor_cores& operator=(with_tensor_cores const&) = delete;

 private:
  void set([[maybe_unused]] bool on) {
    if constexpr (test::on_cuda) context_.attention().tensor_cores = on;
  }
  Context& context_;
};

}  // namespace

TEST_CASE("case list: attention", "[attention]") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::attention_case const& full : cases::attention_cases()) {
    cases::attention_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    std::size_t const queries = c.sequences * c.queries, keys = c.sequences * c.context();
    std::size_t const width = c.heads * c.head_size, narrow = c.key_value_heads * c.head_size;
    guarded q = random_matrix(engine, queries, width), k = random_matrix(engine, keys, narrow),
            v = random_matrix(engine, keys, narrow);
    guarded out(queries, width), maximum(queries, c.heads), inverse(queries, c.heads);
    std::vector<std::vector<std::size_t>> visible(queries);
    for (std::size_t i = 0; i < queries; ++i)
      for (std::size_t j = 0; j <= c.before + i % c.queries; ++j) visible[i].push_back(i / c.queries * c.context() + j);
    reference::attention_problem const problem{
        c.heads, c.key_value_heads, c.head_size,       1 / std::sqrt(static_cast<double>(c.head_size)),
        visible, copy_of(q.view()), copy_of(k.view()), copy_of(v.view())};
    with_tensor_cores const setting(context, c.tensor_cores);
    bool const rounds = test::on_cuda && c.tensor_cores;
    auto const check = [&](guarded& found, reference::matrix const& expected, std::size_t length) {
      if (rounds)
        CHECK(relative_error(found.view(), expected) < 2 * rounding_of_bf16);
      else
        RLVR_CHECK_CLOSE(found.view(), expected, length, 2.0);
      CHECK(found.intact());
    };
    auto const plan = c.plan();
    rlvr::ops::attention_forward forward{.shape = c.shape(),
                                         .plan = &plan,
                                         .query = q.view(),
                                         .key = k.view(),
                                         .value = v.view(),
                                         .output = out.view(),
                                         .statistics = {maximum.view(), inverse.view()}};
    execute(context, forward);
    check(out, reference::attention(problem), c.context() + c.head_size);
    if (c.op == cases::attention_op::forward) continue;
    guarded d_out = random_matrix(engine, queries, width), d_q(queries, width), d_k(keys, narrow), d_v(keys, narrow);
    d_k.fill(0.0f);
    d_v.fill(0.0f);
    auto const expected = reference::attention_gradient(problem, copy_of(d_out.view()));
    execute(context, rlvr::ops::attention_gradient{.forward = forward,
                                                   .output_gradient = d_out.view(),
                                                   .query_gradient = d_q.view(),
                                                   .key_gradient = d_k.view(),
                                                   .value_gradient = d_v.view()});
    check(d_q, expected.query, c.context() + c.head_size);
    check(d_k, expected.key, c.queries * c.heads + c.head_size);
    check(d_v, expected.value, c.queries * c.heads + c.head_size);
  }
}

TEST_CASE("case list: losses and log-probabilities over the vocabulary") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::vocabulary_case const& full : cases::vocabulary_cases()) {
    if (full.samples()) continue;
    cases::vocabulary_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    guarded hidden = random_matrix(engine, c.rows, c.width), weight = random_matrix(engine, c.vocabulary, c.width);
    guarded advantage = random_matrix(engine, 1, c.rows, 2.0f), log_prob(1, c.rows), entropy(1, c.rows);
    test::bf16_matrix stored(weight.view());
    bool const in_bf16 = c.type == rlvr::dtype::bf16;
    auto rh = copy_of(hidden.view()), rw = copy_of(weight.view());
    if (in_bf16) rw = test::rounded(rw);
    if (in_bf16 && test::on_cuda) rh = test::rounded(rh);
    test::storage<std::int32_t> target(c.rows);
    std::vector<reference::token_record> records(c.rows);
    for (std::size_t i = 0; i < c.rows; ++i) {
      target[i] = static_cast<std::int32_t>(engine() % c.vocabulary);
      records[i] = {.target = target[i], .advantage = static_cast<double>(advantage.data()[i])};
    }
    // On policy: the surrogate's slope is that of -A log_prob, and no ratio is clipped.
    auto const expected = reference::linear_policy_loss(
        rh, rw, 1.0, records, [](double l, double, reference::token_record const& t) { return -t.advantage * l; },
        c.op == cases::vocabulary_op::policy_loss);
    rlvr::ops::linear_head head{.hidden = hidden.view(), .weight = weight.view(), .chunk_rows = c.chunk_rows};
    if (in_bf16) head.weight = stored.view();
    std::size_t const length = c.width + c.vocabulary;
    if (c.op == cases::vocabulary_op::log_prob) {
      execute(context,
              rlvr::ops::linear_log_prob{
                  .head = head, .target = target.data(), .log_prob = log_prob.data(), .entropy = entropy.data()});
      RLVR_CHECK_CLOSE(entropy.view(), test::as_row(expected.entropy), length, 4.0);
    } else {
      guarded d_hidden(c.rows, c.width), d_weight(c.vocabulary, c.width);
      rlvr::ops::linear_policy_loss<rlvr::ppo_clip> loss{};
      loss.head = head;
      loss.records.target = target.data();
      loss.records.advantage = advantage.data();
      loss.results.log_prob = log_prob.data();
      loss.hidden_gradient = d_hidden.view();
      loss.weight_gradient = d_weight.fill(0.0f).view();
      execute(context, loss);
      if (in_bf16 && test::on_cuda) {  // the gradient of the logits is rounded
        CHECK(relative_error(d_hidden.view(), expected.hidden_gradient) < rounding_of_bf16);
        CHECK(relative_error(d_weight.view(), expected.weight_gradient) < rounding_of_bf16);
      } else {
        RLVR_CHECK_CLOSE(d_hidden.view(), expected.hidden_gradient, length, 2.0);
        RLVR_CHECK_CLOSE(d_weight.view(), expected.weight_gradient, c.rows, 2.0);
      }
      CHECK((d_hidden.intact() && d_weight.intact()));
    }
    RLVR_CHECK_CLOSE(log_prob.view(), test::as_row(expected.log_prob), length, 4.0);
    CHECK((hidden.intact() && log_prob.intact() && entropy.intact()));
  }
}

TEST_CASE("case list: sampling") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (cases::vocabulary_case const& full : cases::vocabulary_cases()) {
    if (!full.samples()) continue;
    cases::vocabulary_case const c = full.reduced();
    INFO(full.name() << ", as " << c.name() << ", seed " << seed);
    std::mt19937 engine(seed++);
    guarded logits = random_matrix(engine, c.rows, c.vocabulary, 8.0f), log_prob(1, c.rows), entropy(1, c.rows);
    test::storage<rlvr::sample_key> keys(c.rows);
    for (std::size_t i = 0; i < c.rows; ++i) keys[i] = {.seed = seed, .prompt = static_cast<std::uint32_t>(i)};
    test::storage<std::int32_t> ids(c.rows, -1);
    rlvr::ops::sample_tokens op{.logits = logits.view(), .key = keys.data(), .id = ids.data()};
    if (c.op == cases::vocabulary_op::sample_filtered) {
      op.settings.top_k = 50;
      op.settings.top_p = 0.95f;
    }
    bool const scored = c.op == cases::vocabulary_op::sample_scored;
    if (scored) {
      op.log_prob = log_prob.data();
      op.entropy = entropy.data();
    }
    execute(context, op);
    std::vector<double> expected_log_prob, expected_entropy;
    for (std::size_t i = 0; i < c.rows; ++i) {
      auto const expected = rlvr::kernel::sample_row(rlvr::single_thread_group{}, logits.view().row(i), c.vocabulary,
                                                     op.settings, keys[i].bits());
      REQUIRE(ids[i] == expected.id);  // whose distribution sampling_test.cpp checks
      std::vector<double> const row(logits.view().row(i), logits.view().row(i) + c.vocabulary);
      auto const kept = reference::kept_by(
          row, {.top_k = static_cast<std::size_t>(op.settings.top_k), .top_p = static_cast<double>(op.settings.top_p)});
      CHECK(kept.kept[static_cast<std::size_t>(ids[i])]);
      auto const statistics = reference::token_statistics(row, 1.0, ids[i]);
      expected_log_prob.push_back(statistics.log_prob);
      expected_entropy.push_back(statistics.entropy);
    }
    if (scored) {
      RLVR_CHECK_CLOSE(log_prob.view(), test::as_row(expected_log_prob), c.vocabulary, 8.0);
      RLVR_CHECK_CLOSE(entropy.view(), test::as_row(expected_entropy), c.vocabulary, 8.0);
    }
    CHECK((logits.intact() && log_prob.intact() && entropy.intact()));
  }
}

TEST_CASE("case list: names differ; bytes and operations are those of docs/performance_cuda.md") {
  std::map<std::string, cases::work> least;
  std::size_t count = 0;
  auto const add = [&](auto const& list) {
    for (auto const& c : list) {
      least[c.name()] = c.least();
      ++count;
    }
  };
  add(cases::row_cases());
  add(cases::flat_cases());
  add(cases::product_cases());
  add(cases::attention_cases());
  add(cases::vocabulary_cases());
  CHECK(least.size() == count);

  // The document's limits: seconds at 3.35 TB/s, seconds at 67 TF/s, or the figures themselves; three digits.
  constexpr double bandwidth = 3.35e12, fp32 = 67e12;
  auto const near_to = [](double value) { return Approx(value).epsilon(0.01); };
  CHECK(least.at("rms_norm/0.5B/8192x896").bytes / bandwidth == near_to(17.5e-6));
  CHECK(least.at("rms_norm_gradient/7B/8192x3584").bytes / bandwidth == near_to(105e-6));
  CHECK(least.at("rope/7B/8192x3584").bytes / bandwidth == near_to(70.1e-6));
  CHECK(least.at("swiglu/0.5B/8192x4864").bytes / bandwidth == near_to(143e-6));
  CHECK(least.at("swiglu_gradient/7B/8192x18944").bytes / bandwidth == near_to(927e-6));
  CHECK(least.at("bias_gradient/7B/8192x3584").bytes / bandwidth == near_to(35.1e-6));
  CHECK(least.at("scatter_add_rows/0.5B/8192x896").bytes / bandwidth == near_to(26.3e-6));
  CHECK(least.at("round_to_bfloat16/0.5B/494032768").bytes / bandwidth == near_to(0.885e-3));
  CHECK(least.at("global_norm/0.5B/494032768").bytes / bandwidth == near_to(0.59e-3));
  CHECK(least.at("adamw_step/0.5B/494032768").bytes / bandwidth == near_to(4.72e-3));
  CHECK(least.at("adamw_step/7B, a quarter/1903904128").bytes / bandwidth == near_to(72.8e-3 / 4));
  CHECK(least.at("linear_policy_loss/0.5B/8192x151936/F32").operations / fp32 == near_to(99.9e-3));
  double const logits = 8.0 * 8192 * 151936;
  CHECK((least.at("linear_policy_loss/0.5B/8192x151936/F32").bytes - logits) / bandwidth == near_to(2.6e-3));
  CHECK(logits / bandwidth == near_to(2.97e-3));
  CHECK(least.at("sample_tokens/0.5B/256x151936").bytes == near_to(156e6));
  CHECK(least.at("attention_forward/0.5B/4x2048/14:2x64/F32").operations == near_to(3.0e10));
  CHECK(least.at("attention_forward/0.5B/4x2048/14:2x64/F32").bytes == near_to(67e6));
  CHECK(least.at("attention_gradient/7B/4x2048/28:4x128/F32").operations == near_to(1.8e11 + 2.4e11));
  CHECK(least.at("attention_gradient/7B/4x2048/28:4x128/F32").bytes == near_to(0.50e9 + 0.34e9));
  // 64 sequences of 4096 keys, a layer: 4.2 MB each, and the queries and outputs beside it.
  CHECK(least.at("attention_forward/0.5B/64x1+4095/14:2x64/F32").bytes == near_to(64 * 4.2e6));
}
