// SPDX-License-Identifier: MIT
// Attention where kernels take other paths: rows that can and cannot be read 16 bytes at a time, heads of every padded
// size, spans of few and of many rows, keys that thousands of rows see, key ranges that overlap, plans that take turns.
#include "attention_support.hpp"

namespace {

using test::execute;
using test::guarded;
using test::same_bits;

struct tensors {
  tensors(test::heads const& counts, std::size_t queries, std::size_t keys, std::size_t gap)
      : h(counts),
        query(queries, counts.query * counts.size, gap),
        key(keys, counts.key_value * counts.size, gap),
        value(keys, counts.key_value * counts.size, gap),
        out(queries, counts.query * counts.size, gap),
        d_out(queries, counts.query * counts.size, gap),
        d_query(queries, counts.query * counts.size, gap),
        d_key(keys, counts.key_value * counts.size, gap),
        d_value(keys, counts.key_value * counts.size, gap),
        maximum(queries, counts.query),
        inverse(queries, counts.query) {
    d_key.fill(0.25f);
    d_value.fill(-0.5f);
  }

  void randomise(unsigned seed) {
    std::mt19937 engine(seed);
    query.randomise(engine);
    key.randomise(engine);
    value.randomise(engine);
    d_out.randomise(engine);
  }
  [[nodiscard]] rlvr::ops::attention_forward forward(rlvr::ops::attention_plan const& plan) {
    return {.shape = h.shape(),
            .plan = &plan,
            .query = query.view(),
            .key = key.view(),
            .value = value.view(),
            .output = out.view(),
            .statistics = {maximum.view(), inverse.view()}};
  }
  [[nodiscard]] rlvr::ops::attention_gradient gradient(rlvr::ops::attention_plan const& plan) {
    return {.forward = forward(plan),
            .output_gradient = d_out.view(),
            .query_gradient = d_query.view(),
            .key_gradient = d_key.view(),
            .value_gradient = d_value.view()};
  }
  [[nodiscard]] reference::attention_problem problem(std::vector<std::vector<std::size_t>> visible) {
    return {h.query,
            h.key_value,
            h.size,
            1 / std::sqrt(static_cast<double>(h.size)),
            std::move(visible),
            reference::copy_of(query.view()),
            reference::copy_of(key.view()),
            reference::copy_of(value.view())};
  }
  [[nodiscard]] bool intact() const {
    return query.intact() && key.intact() && value.intact() && out.intact() && d_out.intact() && d_query.intact() &&
           d_key.intact() && d_value.intact() && maximum.intact() && inverse.intact();
  }

  test::heads h;
  guarded query, key, value, out, d_out, d_query, d_key, d_value, maximum, inverse;
};

void check_all(tensors& t, std::vector<std::vector<std::size_t>> const& visible, std::size_t length) {
  auto const p = t.problem(visible);
  auto expected = reference::attention_gradient(p, reference::copy_of(t.d_out.view()));
  for (double& x : expected.key.values) x += 0.25;
  for (double& x : expected.value.values) x -= 0.5;
  RLVR_CHECK_CLOSE(t.out.view(), reference::attention(p), length);
  RLVR_CHECK_CLOSE(t.d_query.view(), expected.query, length);
  std::size_t const sums = length + visible.size() * t.h.query / t.h.key_value;
  RLVR_CHECK_CLOSE(t.d_key.view(), expected.key, sums);
  RLVR_CHECK_CLOSE(t.d_value.view(), expected.value, sums);
  CHECK(t.intact());
}

}  // namespace

TEST_CASE("attention: aligned rows give the bits of unaligned ones, in heads of every size", "[attention][tiles]") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (test::heads const& h :
       {test::heads{2, 1, 4}, {12, 1, 20}, {1, 1, 32}, {3, 1, 64}, {2, 2, 80}, {2, 1, 128}, {2, 1, 200}, {2, 1, 256}}) {
    INFO("heads=" << h << " seed=" << seed);
    std::mt19937 engine(seed);
    test::tree tree;
    tree.add(-1, 41);
    tree.add(0, 9);
    tree.add(0, 30);
    auto const plan = tree.plan();
    tensors aligned(h, tree.tokens, tree.tokens, 4), unaligned(h, tree.tokens, tree.tokens, 3);
    aligned.randomise(seed);
    unaligned.randomise(seed++);
    for (tensors* t : {&aligned, &unaligned}) {
      execute(context, t->forward(plan));
      execute(context, t->gradient(plan));
    }
    check_all(aligned, tree.visible(), 80 + h.size);
    CHECK(same_bits(aligned.out.view(), unaligned.out.view()));
    CHECK(same_bits(aligned.d_query.view(), unaligned.d_query.view()));
    CHECK(same_bits(aligned.d_key.view(), unaligned.d_key.view()));
    CHECK(same_bits(aligned.d_value.view(), unaligned.d_value.view()));
    CHECK(same_bits(aligned.maximum.view(), unaligned.maximum.view()));

    // One query at a time over the keys of the last path: few rows a span.
    guarded one(1, h.query * h.size);
    for (std::size_t const i : test::sizes{0, 1, 28, 29}) {
      rlvr::ops::key_range const root{0, 41};
      rlvr::ops::attention_plan step;
      step.add_span(0, 1, {&root, 1}, {50, static_cast<std::int64_t>(i + 1)}, static_cast<std::int64_t>(i));
      execute(context, rlvr::ops::attention_forward{.shape = h.shape(),
                                                    .plan = &step,
                                                    .query = aligned.query.view().middle_rows(50 + i, 1),
                                                    .key = aligned.key.view(),
                                                    .value = aligned.value.view(),
                                                    .output = one.view()});
      CHECK(same_bits(one.view(), aligned.out.view().middle_rows(50 + i, 1)));
    }
  }
}

TEST_CASE("attention: gradients of a prefix that thousands of rows see", "[attention][tiles]") {
  auto&& context = test::make_context(2);
  for (test::heads const& h : {test::heads{4, 1, 5}, {8, 2, 8}}) {
    INFO("heads=" << h);
    test::tree tree;
    tree.add(-1, 37);
    for (int child = 0; child < 3; ++child) tree.add(0, 260);
    auto const plan = tree.plan();
    tensors first(h, tree.tokens, tree.tokens, 0);
    first.randomise(3);
    tensors second = first;
    for (tensors* t : {&first, &second}) {
      execute(context, t->forward(plan));
      execute(context, t->gradient(plan));
    }
    check_all(first, tree.visible(), 300);
    CHECK(same_bits(first.d_key.view(), second.d_key.view()));
    CHECK(same_bits(first.d_value.view(), second.d_value.view()));
  }
}

TEST_CASE("attention: gradients where spans see overlapping pieces of the keys, or one piece twice",
          "[attention][tiles]") {
  auto&& context = test::make_context(2);
  test::heads const h{4, 2, 12};
  rlvr::ops::attention_plan plan;
  std::vector<std::vector<std::size_t>> visible(9);
  auto const add = [&](std::size_t begin, std::size_t count, std::vector<rlvr::ops::key_range> const& ancestors,
                       rlvr::ops::key_range own, std::int64_t before) {
    plan.add_span(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(count), ancestors, own, before);
    for (std::size_t i = 0; i < count; ++i) {
      for (auto const& range : ancestors)
        for (std::int64_t n = 0; n < range.count; ++n)
          visible[begin + i].push_back(static_cast<std::size_t>(range.begin + n));
      for (std::int64_t n = 0; n <= before + static_cast<std::int64_t>(i); ++n)
        visible[begin + i].push_back(static_cast<std::size_t>(own.begin + n));
    }
  };
  add(0, 2, {{3, 50}}, {60, 7}, 3);  // of 7 own keys, the queries see 4 and 5
  add(2, 0, {{0, 5}}, {5, 0}, 0);    // no query
  add(2, 3, {{10, 5}, {0, 0}, {12, 44}}, {70, 40}, 37);
  add(5, 4, {{12, 4}, {12, 4}}, {1, 4}, 0);  // some keys twice
  tensors t(h, 9, 120, 0);
  t.randomise(8);
  execute(context, t.forward(plan));
  execute(context, t.gradient(plan));
  check_all(t, visible, 120);
}

TEST_CASE("attention: plans and shapes that take turns, and plans without work", "[attention][tiles]") {
  auto&& context = test::make_context(2);
  test::tree small, large;
  small.add(-1, 3);
  large.add(-1, 20);
  large.add(0, 60);
  auto const small_plan = small.plan();
  auto const large_plan = large.plan();
  rlvr::ops::attention_plan const empty;
  for (test::heads const& h : {test::heads{2, 1, 8}, {6, 2, 8}, {2, 1, 40}})
    for (int turn = 0; turn < 2; ++turn)
      for (auto const* tree : {&small, &large}) {
        INFO("heads=" << h << " tokens=" << tree->tokens);
        tensors t(h, tree->tokens, tree->tokens, 1);
        t.randomise(7);
        auto const& plan = tree == &small ? small_plan : large_plan;
        execute(context, t.forward(plan));
        execute(context, t.forward(empty));
        execute(context, t.gradient(empty));
        execute(context, t.gradient(plan));
        check_all(t, tree->visible(), 80 + h.size);
      }
}

#if defined(RLVR_TEST_CUDA)
TEST_CASE("attention: a captured decoding step runs with the plans of later steps", "[attention][tiles]") {
  auto&& context = test::make_context(1);
  test::heads const h{6, 2, 16};
  tensors t(h, 3, 60, 0);
  t.randomise(5);
  auto const step = [](std::int64_t done) {
    rlvr::ops::attention_plan plan;
    rlvr::ops::key_range const prefix{7, 11};
    for (std::int64_t i = 0; i < 3; ++i) plan.add_span(i, 1, {&prefix, 1}, {20 + 13 * i, done + i}, done + i - 1);
    return plan;
  };
  auto const first = step(2);
  execute(context, t.forward(first));  // memory and tables have their sizes now
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  REQUIRE(cudaStreamBeginCapture(context.stream(), cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  rlvr::execute(context, t.forward(first));
  REQUIRE(cudaStreamEndCapture(context.stream(), &graph) == cudaSuccess);
  REQUIRE(cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess);
  for (std::int64_t done = 2; done < 10; ++done) {
    INFO("done=" << done);
    auto const plan = step(done);
    t.out.fill(test::nan);
    context.load_plan(plan, 60);
    REQUIRE(cudaGraphLaunch(ready, context.stream()) == cudaSuccess);
    context.synchronize();
    tensors direct = t;
    direct.out.fill(test::nan);
    execute(context, direct.forward(plan));
    CHECK(same_bits(t.out.view(), direct.out.view()));
    CHECK(!std::isnan(t.out.view()(2, 0)));
  }
  CHECK(cudaGraphExecDestroy(ready) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
}
#endif
