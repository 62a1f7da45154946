// SPDX-License-Identifier: MIT
// Attention of a group of responses that share their prompt, against the same sequences unshared: forward and
// backward.  Usage: benchmark_attention [prompt response group]
#include <rlvr/backend/cpu/attention.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/execute.hpp>

#include "measure.hpp"
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

using rlvr::execute;

constexpr rlvr::ops::attention_shape heads{.heads = 9, .key_value_heads = 3, .head_size = 64, .scale = 0.125f};

// Tensors of one packed batch and its plan.
struct batch {
  rlvr::ops::attention_plan plan;
  rlvr::matrix<float> query, key, value, out, maximum, inverse, d_query, d_key, d_value;

  batch(rlvr::ops::attention_plan attention, std::size_t tokens) : plan(std::move(attention)) {
    std::size_t const wide = heads.heads * heads.head_size, narrow = heads.key_value_heads * heads.head_size;
    for (auto* m : {&query, &out, &d_query}) m->resize(tokens, wide);
    for (auto* m : {&key, &value, &d_key, &d_value}) m->resize(tokens, narrow);
    for (auto* m : {&maximum, &inverse}) m->resize(tokens, heads.heads);
    benchmarks::randomise(query.view().data, tokens * wide, 1.0f, 1);
    benchmarks::randomise(key.view().data, tokens * narrow, 1.0f, 2);
    benchmarks::randomise(value.view().data, tokens * narrow, 1.0f, 3);
  }

  [[nodiscard]] rlvr::ops::attention_forward forward() const {
    return {.shape = heads,
            .plan = &plan,
            .query = query.view(),
            .key = key.view(),
            .value = value.view(),
            .output = out.view(),
            .statistics = {maximum.view(), inverse.view()}};
  }
  [[nodiscard]] rlvr::ops::attention_gradient backward() const {
    return {.forward = forward(),
            .output_gradient = query.view(),
            .query_gradient = d_query.view(),
            .key_gradient = d_key.view(),
            .value_gradient = d_value.view()};
  }
};

}  // namespace

int main(int argc, char** argv) {
  auto const argument = [&](int i, std::int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  std::int64_t const prompt = argument(1, 600), response = argument(2, 100), group = argument(3, 8);
  rlvr::ops::attention_plan tree, flat;
  rlvr::ops::key_range const shared{0, prompt};
  tree.add_span(0, prompt, {}, shared, 0);
  for (std::int64_t g = 0; g < group; ++g) {
    std::int64_t const begin = prompt + g * response;
    tree.add_span(begin, response, {&shared, 1}, {begin, response}, 0);
    flat.add_span(g * (prompt + response), prompt + response, {}, {g * (prompt + response), prompt + response}, 0);
  }
  batch const together(tree, static_cast<std::size_t>(prompt + group * response));
  batch const apart(flat, static_cast<std::size_t>(group * (prompt + response)));
  rlvr::cpu::context context;
  auto const seconds = benchmarks::interleaved(
      7, {[&] { execute(context, together.forward()); }, [&] { execute(context, apart.forward()); },
          [&] { execute(context, together.backward()); }, [&] { execute(context, apart.backward()); }});
  // Pairs of a query and a key that it sees: what causal attention has to compute.
  auto const triangle = [](std::int64_t n) { return static_cast<double>(n * (n + 1) / 2); };
  double const shared_pairs =
      triangle(prompt) + static_cast<double>(group) * (triangle(response) + static_cast<double>(response * prompt));
  double const pairs = static_cast<double>(group) * triangle(prompt + response);
  std::printf("prompt %lld, response %lld, group %lld, %zu threads, heads %zu/%zu x %zu\n",
              static_cast<long long>(prompt), static_cast<long long>(response), static_cast<long long>(group),
              context.threads(), heads.heads, heads.key_value_heads, heads.head_size);
  char const* const passes[] = {"forward", "backward"};
  for (std::size_t i = 0; i < 2; ++i) {
    double const operations = (i == 0 ? 4.0 : 10.0) * static_cast<double>(heads.heads * heads.head_size) * shared_pairs;
    double const time = benchmarks::median(seconds[2 * i]);
    std::printf("%-9s shared %8.2f ms (%5.1f GF/s)   unshared %8.2f ms   unshared / shared %.2f (of the pairs %.2f)\n",
                passes[i], time * 1e3, operations / time * 1e-9, benchmarks::median(seconds[2 * i + 1]) * 1e3,
                benchmarks::median_ratio(seconds[2 * i + 1], seconds[2 * i]), pairs / shared_pairs);
  }
}
