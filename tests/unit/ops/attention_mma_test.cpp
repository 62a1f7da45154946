// SPDX-License-Identifier: MIT
// Attention on tensor cores: values, statistics and gradients against double over inputs rounded to bfloat16, and the
// promise that a token has the same bits flat, in any tree, in any cut and from a cache.
#include "attention_invariance_support.hpp"

#if defined(RLVR_TEST_CUDA)

#  include <rlvr/core/dtype.hpp>

namespace attention_on_tensor_cores {
namespace {

using test::execute;
using test::guarded;
using test::same_bits;

/// The context with tensor cores, while one is alive.
class on_tensor_cores {
 public:
  on_tensor_cores() { context_.attention().tensor_cores = true; }
  ~on_tensor_cores() { context_.attention().tensor_cores = false; }
  on_tensor_cores(on_tensor_cores const&) = delete;
  on_tensor_cores& operator=(on_tensor_cores const&) = delete;

  operator test::context&() { return context_; }

 private:
  test::context& context_ = test::make_context(1);
};

double rounded(double value) { return static_cast<double>(static_cast<float>(rlvr::bf16(static_cast<float>(value)))); }

reference::matrix rounded(reference::matrix values) {
  for (double& value : values.values) value = rounded(value);
  return values;
}

/// What the kernels see of the inputs.
reference::attention_problem problem(test::attention_data& data, std::vector<std::vector<std::size_t>> visible) {
  return {data.h.query,
          data.h.key_value,
          data.h.size,
          1 / std::sqrt(static_cast<double>(data.h.size)),
          std::move(visible),
          rounded(reference::copy_of(data.query())),
          rounded(reference::copy_of(data.key())),
          rounded(reference::copy_of(data.value()))};
}

/// What a matrix should be, and the sum of the sizes of the terms that were rounded to bfloat16 before they were added.
struct expectation {
  expectation(std::size_t rows, std::size_t columns) : value(rows, columns), terms(rows, columns) {}

  void add(std::size_t row, std::size_t column, double term) {
    value(row, column) += term;
    terms(row, column) += std::abs(term);
  }

  reference::matrix value, terms;
};

/// The largest error as a multiple of 2^-8 terms, besides the roundings of float.
template <class View>
double worst_error(View const& found, expectation const& expected, std::size_t length, double magnitude) {
  double worst = 0;
  for (std::size_t i = 0; i < found.rows; ++i)
    for (std::size_t j = 0; j < found.columns; ++j) {
      double const error = std::abs(static_cast<double>(found(i, j)) - expected.value(i, j));
      double const limit = 0x1p-8 * expected.terms(i, j) + test::tolerance(static_cast<double>(length), magnitude);
      worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error / limit);
    }
  return worst;
}

struct expectations {
  expectation out, query, key, value;
};

/// Attention and its gradients in double, with D = dO . O of an output as it was found.
expectations expected_of(reference::attention_problem const& p, reference::matrix const& d_out,
                         reference::matrix const& out) {
  expectations e{{p.query.rows, p.query.columns},
                 {p.query.rows, p.query.columns},
                 {p.key.rows, p.key.columns},
                 {p.value.rows, p.value.columns}};
  for (std::size_t i = 0; i < p.query.rows; ++i)
    for (std::size_t head = 0; head < p.heads; ++head) {
      std::size_t const q = head * p.head_size, kv = head / (p.heads / p.key_value_heads) * p.head_size;
      auto const probabilities = reference::attention_probabilities(p, i, head);
      double product = 0;
      for (std::size_t c = q; c < q + p.head_size; ++c) product += d_out(i, c) * out(i, c);
      for (std::size_t n = 0; n < probabilities.size(); ++n) {
        std::size_t const j = p.visible[i][n];
        double d_probability = 0;
        for (std::size_t c = 0; c < p.head_size; ++c) d_probability += d_out(i, q + c) * p.value(j, kv + c);
        double const d_score = probabilities[n] * (d_probability - product) * p.scale;
        for (std::size_t c = 0; c < p.head_size; ++c) {
          e.out.add(i, q + c, probabilities[n] * p.value(j, kv + c));
          e.query.add(i, q + c, d_score * p.key(j, kv + c));
          e.key.add(j, kv + c, d_score * p.query(i, q + c));
          e.value.add(j, kv + c, probabilities[n] * d_out(i, q + c));
        }
      }
    }
  return e;
}

/// Runs forward and backward over the tree.
void check_tree(test::context& context, test::heads const& h, test::tree const& tree, float scale, unsigned seed) {
  std::mt19937 engine(seed);
  test::attention_data data(h, tree.tokens);
  data.packed.randomise(engine, scale);
  guarded d_out(tree.tokens, h.query * h.size, 4);
  auto const rd = rounded(reference::copy_of(d_out.randomise(engine).view()));
  auto const plan = tree.plan();
  auto const p = problem(data, tree.visible());
  auto const op = data.forward(plan);
  execute(context, op);
  test::attention_data gradients(h, tree.tokens);
  gradients.packed.fill(test::nan);
  for (std::size_t i = 0; i < tree.tokens; ++i)
    for (std::size_t j = 0; j < gradients.key().columns; ++j) {
      gradients.key()(i, j) = 0.5f;  // added to
      gradients.value()(i, j) = -0.25f;
    }
  execute(context, rlvr::ops::attention_gradient{.forward = op,
                                                 .output_gradient = d_out.view(),
                                                 .query_gradient = gradients.query(),
                                                 .key_gradient = gradients.key(),
                                                 .value_gradient = gradients.value()});

  auto expected = expected_of(p, rd, reference::copy_of(data.out.view()));
  for (double& x : expected.key.value.values) x += 0.5;
  for (double& x : expected.value.value.values) x -= 0.25;
  std::size_t const length = static_cast<std::size_t>(plan.longest_context) + h.size;
  std::size_t const sums = length + tree.tokens * h.query / h.key_value;
  double const magnitude = std::pow(static_cast<double>(scale), 3);
  CHECK(worst_error(data.out.view(), expected.out, length, magnitude) <= 1);
  CHECK(worst_error(gradients.query(), expected.query, length, magnitude) <= 1);
  CHECK(worst_error(gradients.key(), expected.key, sums, magnitude) <= 1);
  CHECK(worst_error(gradients.value(), expected.value, sums, magnitude) <= 1);
  reference::matrix largest(tree.tokens, h.query);  // 1 / z is the likeliest key's probability: weights as they are
  for (std::size_t i = 0; i < tree.tokens; ++i)
    for (std::size_t head = 0; head < h.query; ++head) {
      auto const probabilities = reference::attention_probabilities(p, i, head);
      largest(i, head) = *std::max_element(probabilities.begin(), probabilities.end());
    }
  RLVR_CHECK_CLOSE(data.inverse.view(), largest, length, magnitude);
  CHECK((data.packed.intact() && data.out.intact() && data.maximum.intact() && data.inverse.intact() &&
         gradients.packed.intact() && d_out.intact()));
}

constexpr test::heads mma_heads[] = {{1, 1, 1}, {4, 2, 16}, {3, 1, 7}, {6, 2, 33}, {3, 1, 64}, {2, 1, 80}, {2, 2, 128}};

}  // namespace

TEST_CASE("attention on tensor cores: values, statistics and gradients agree with double over rounded inputs",
          "[attention]") {
  on_tensor_cores context;
  unsigned seed = 1;
  for (test::heads const& h : mma_heads)
    for (std::size_t const longest : test::sizes{3, 40}) {
      INFO("heads=" << h << " longest=" << longest << " seed=" << seed);
      std::mt19937 engine(seed);
      check_tree(context, h, test::random_tree(engine, 2, longest), seed % 5 == 0 ? 4.0f : 1.0f, seed);
      ++seed;
    }
  for (test::heads const& h : {test::heads{1, 1, 131}, {3, 1, 256}}) {
    INFO("heads=" << h);
    check_tree(context, h, test::chain({41, 12}), 1.0f, seed++);
  }
  // So many rows see the first keys that several blocks share them.
  check_tree(context, {16, 1, 4}, test::chain({20, 120}), 1.0f, seed);
}

TEST_CASE("attention on tensor cores: flat, cut into segments, one token at a time - the same bits", "[attention]") {
  on_tensor_cores scope;
  test::context& context = scope;
  unsigned seed = 1;
  for (test::heads const& h : {test::heads{4, 2, 16}, {6, 2, 64}, {6, 2, 33}, {2, 1, 128}, {2, 1, 200}})
    for (std::size_t const tokens : test::sizes{9, 70, 131}) {
      if (h.size > 64 && tokens > 70) continue;
      INFO("heads=" << h << " tokens=" << tokens << " seed=" << seed);
      std::mt19937 engine(seed++);
      test::attention_data flat(h, tokens);
      flat.packed.randomise(engine, 1.5f);
      auto const whole = test::chain({tokens}).plan();
      execute(context, flat.forward(whole));
      test::check_random_cuts(context, flat, 2, engine);
      // Decode through a cache whose other rows are NaN.
      std::size_t const prefix = tokens / 3, own = prefix + 5;
      guarded key(tokens + 7, h.key_value * h.size, 5), value(tokens + 7, h.key_value * h.size);
      guarded out(1, h.query * h.size);
      for (std::size_t i = 0; i < tokens; ++i) {
        std::size_t const row = i < prefix ? i : own + i - prefix;
        for (std::size_t j = 0; j < key.columns(); ++j) {
          key.view()(row, j) = flat.key()(i, j);
          value.view()(row, j) = flat.value()(i, j);
        }
        if (i < prefix || (i % 13 != 12 && i + 1 != tokens)) continue;
        rlvr::ops::attention_plan plan;
        auto const as_int = [](std::size_t x) { return static_cast<std::int64_t>(x); };
        rlvr::ops::key_range const shared{0, as_int(prefix)};
        plan.add_span(0, 1, {&shared, 1}, {as_int(own), as_int(i - prefix + 1)}, as_int(i - prefix));
        execute(context, rlvr::ops::attention_forward{.shape = h.shape(),
                                                      .plan = &plan,
                                                      .query = flat.query().middle_rows(i, 1),
                                                      .key = key.view(),
                                                      .value = value.view(),
                                                      .output = out.fill(test::nan).view()});
        CHECK(same_bits(flat.out.view().middle_rows(i, 1), out.view()));
      }
    }
}

TEST_CASE("attention on tensor cores: a path through a shared tree has the bits of the flat sequence", "[attention]") {
  on_tensor_cores scope;
  test::context& context = scope;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    INFO("seed=" << seed);
    test::heads const h{4, 2, 16};
    std::mt19937 engine(seed);
    test::tree const tree = test::random_tree(engine, 1 + static_cast<int>(seed % 4), 61);
    test::attention_data shared(h, tree.tokens);
    shared.packed.randomise(engine);
    auto const plan = tree.plan();
    execute(context, shared.forward(plan));
    test::check_paths_alone(context, shared, tree);
  }
}

TEST_CASE("attention on tensor cores: aligned rows, unaligned rows and repetition - the same bits", "[attention]") {
  on_tensor_cores scope;
  test::context& context = scope;
  for (test::heads const& h :
       {test::heads{4, 2, 12}, {1, 1, 32}, {3, 1, 64}, {2, 1, 80}, {2, 1, 128}, {2, 1, 200}, {16, 1, 4}}) {
    INFO("heads=" << h);
    auto const plan = test::chain({30, h.query == 16 ? 110u : 11u}).plan();
    std::size_t const tokens = h.query == 16 ? 140 : 41;
    auto const run = [&](std::size_t gap) {
      std::mt19937 engine(3);
      guarded maximum(tokens, h.query), inverse(tokens, h.query);
      std::vector<guarded> in, out;
      for (std::size_t const columns : {h.query, h.key_value, h.key_value, h.query}) {
        in.emplace_back(tokens, columns * h.size, gap).randomise(engine);
        out.emplace_back(tokens, columns * h.size, gap).fill(0.0f);
      }
      rlvr::ops::attention_forward const forward{.shape = h.shape(),
                                                 .plan = &plan,
                                                 .query = in[0].view(),
                                                 .key = in[1].view(),
                                                 .value = in[2].view(),
                                                 .output = out[3].view(),
                                                 .statistics = {maximum.view(), inverse.view()}};
      execute(context, forward);
      execute(context, rlvr::ops::attention_gradient{.forward = forward,
                                                     .output_gradient = in[3].view(),
                                                     .query_gradient = out[0].view(),
                                                     .key_gradient = out[1].view(),
                                                     .value_gradient = out[2].view()});
      for (guarded const& result : out) CHECK(result.intact());
      return out;
    };
    auto aligned = run(0), unaligned = run(3), again = run(0);
    for (std::size_t n = 0; n < aligned.size(); ++n) {
      CHECK(same_bits(aligned[n].view(), unaligned[n].view()));
      CHECK(same_bits(aligned[n].view(), again[n].view()));
    }
  }
}

TEST_CASE("attention on tensor cores: keys that a token does not see cannot change it, not even as NaN",
          "[attention]") {
  on_tensor_cores scope;
  test::context& context = scope;
  test::heads const h{2, 1, 9};
  auto const plan = test::chain({40}).plan();
  std::mt19937 engine(4);
  test::attention_data clean(h, 40);
  clean.packed.randomise(engine);
  test::attention_data const inputs = clean;
  execute(context, clean.forward(plan));
  for (std::size_t const poisoned : test::sizes{1, 7, 8, 31, 39}) {
    INFO("poisoned token " << poisoned);
    test::attention_data dirty = inputs;
    for (std::size_t j = 0; j < h.size; ++j) dirty.key()(poisoned, j) = test::nan;
    execute(context, dirty.forward(plan));
    CHECK(same_bits(clean.out.view().middle_rows(0, poisoned), dirty.out.view().middle_rows(0, poisoned)));
    CHECK(std::isnan(dirty.out.view()(poisoned, 0)));
  }
}

TEST_CASE("attention on tensor cores: the setting decides", "[attention]") {
  test::context& context = test::make_context(1);
  test::heads const h{2, 1, 32};
  test::attention_data data(h, 33);
  std::mt19937 engine(6);
  data.packed.randomise(engine);
  auto const plan = test::chain({33}).plan();
  execute(context, data.forward(plan));
  guarded plain = data.out;
  {
    on_tensor_cores scope;
    execute(scope, data.forward(plan));
  }
  CHECK(!same_bits(plain.view(), data.out.view()));
  execute(context, data.forward(plan));
  CHECK(same_bits(plain.view(), data.out.view()));
}

}  // namespace attention_on_tensor_cores

#endif
