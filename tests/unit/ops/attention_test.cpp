// SPDX-License-Identifier: MIT
// Attention over prefix trees: values, statistics and gradients against double.
#include "attention_support.hpp"

namespace {

using test::execute;
using test::guarded;

struct tree_case {
  test::heads heads;
  int depth;
  std::size_t longest;
  float scale;  // of the inputs: 12 makes softmax rows nearly one-hot
  unsigned seed;

  friend std::ostream& operator<<(std::ostream& out, tree_case const& c) {
    return out << "heads=" << c.heads << " depth=" << c.depth << " longest=" << c.longest << " scale=" << c.scale
               << " seed=" << c.seed;
  }
};

std::vector<tree_case> tree_cases() {
  std::vector<tree_case> all;
  unsigned seed = 1;
  for (test::heads const& h : test::head_cases)
    for (int depth = 1; depth <= (test::on_cuda ? 3 : 4); ++depth)
      for (std::size_t const longest : test::sizes{1, 3, 9, 35})
        all.push_back({h, depth, longest, seed % 5 == 0 ? 4.0f : 1.0f, seed++});
  all.push_back({{2, 1, 16}, 2, test::scale(200, 90), 1.0f, seed});
  for (test::heads const& h : {test::heads{2, 1, 80}, {2, 2, 128}, {1, 1, 131}, {3, 1, 256}})  // wide heads
    for (std::size_t const longest : test::sizes{5, 40}) all.push_back({h, 2, longest, 1.0f, ++seed});
  return all;
}

reference::attention_problem problem(test::attention_data& data, std::vector<std::vector<std::size_t>> visible) {
  return {data.h.query,
          data.h.key_value,
          data.h.size,
          1 / std::sqrt(static_cast<double>(data.h.size)),
          std::move(visible),
          reference::copy_of(data.query()),
          reference::copy_of(data.key()),
          reference::copy_of(data.value())};
}

// Runs forward and backward over the tree and compares with double.
void check_tree(test::context& context, test::heads const& h, test::tree const& tree, float scale,
                std::mt19937& engine) {
  test::attention_data data(h, tree.tokens);
  data.packed.randomise(engine, scale);
  auto const plan = tree.plan();
  auto const p = problem(data, tree.visible());
  auto const op = data.forward(plan);
  execute(context, op);
  std::size_t const length = static_cast<std::size_t>(plan.longest_context) + h.size;
  double const magnitude = std::pow(static_cast<double>(scale), 3);
  RLVR_CHECK_CLOSE(data.out.view(), reference::attention(p), length, magnitude);
  reference::matrix largest(tree.tokens, h.query);
  for (std::size_t i = 0; i < tree.tokens; ++i)
    for (std::size_t head = 0; head < h.query; ++head) {
      auto const probabilities = reference::attention_probabilities(p, i, head);
      largest(i, head) = *std::max_element(probabilities.begin(), probabilities.end());
    }
  RLVR_CHECK_CLOSE(data.inverse.view(), largest, length, magnitude);  // 1 / z is the likeliest key's probability

  test::attention_data gradients(h, tree.tokens);
  gradients.packed.fill(test::nan);
  for (std::size_t i = 0; i < tree.tokens; ++i)
    for (std::size_t j = 0; j < gradients.key().columns; ++j) {
      gradients.key()(i, j) = 0.5f;  // added to
      gradients.value()(i, j) = -0.25f;
    }
  guarded d_out(tree.tokens, h.query * h.size, 2);
  auto const rd = reference::copy_of(d_out.randomise(engine).view());
  auto expected = reference::attention_gradient(p, rd);
  for (double& x : expected.key.values) x += 0.5;
  for (double& x : expected.value.values) x -= 0.25;
  execute(context, rlvr::ops::attention_gradient{.forward = op,
                                                 .output_gradient = d_out.view(),
                                                 .query_gradient = gradients.query(),
                                                 .key_gradient = gradients.key(),
                                                 .value_gradient = gradients.value()});
  std::size_t const sums = length + tree.tokens * h.query / h.key_value;
  RLVR_CHECK_CLOSE(gradients.query(), expected.query, length, magnitude);
  RLVR_CHECK_CLOSE(gradients.key(), expected.key, sums, magnitude);
  RLVR_CHECK_CLOSE(gradients.value(), expected.value, sums, magnitude);
  CHECK((data.packed.intact() && data.out.intact() && data.maximum.intact() && data.inverse.intact() &&
         gradients.packed.intact()));
}

}  // namespace

TEST_CASE("attention: values, statistics and gradients over random prefix trees agree with double", "[attention]") {
  auto&& context = test::make_context(2);
  for (tree_case const& c : tree_cases()) {
    INFO(c);
    std::mt19937 engine(c.seed);
    test::tree const tree = test::random_tree(engine, c.depth, c.longest);
    check_tree(context, c.heads, tree, c.scale, engine);
  }
}

// A backend may share the work on keys that so many queries see, and cut a long span for it.
TEST_CASE("attention: a prefix that thousands of query rows see, most of them in one span", "[attention]") {
  auto&& context = test::make_context(2);
  for (test::heads const& h : {test::heads{8, 1, 4}, {16, 2, 8}}) {
    INFO("heads=" << h);
    std::mt19937 engine(21);
    test::tree tree;
    tree.add(-1, 12);
    tree.add(0, 270);
    for (int child = 0; child < 3; ++child) tree.add(0, 10);
    check_tree(context, h, tree, 1.0f, engine);
  }
}

TEST_CASE("attention: the reference's gradients are those of its forward pass", "[attention]") {
  std::mt19937 engine(9);
  test::tree tree;
  tree.add(-1, 2);
  tree.add(0, 1);
  tree.add(0, 2);
  test::attention_data data({4, 2, 3}, tree.tokens);
  data.packed.randomise(engine, 1.5f);
  auto p = problem(data, tree.visible());
  guarded d_out(tree.tokens, 12);
  auto const rd = reference::copy_of(d_out.randomise(engine).view());
  auto const loss = [&] { return dot(reference::attention(p), rd); };
  auto const gradients = reference::attention_gradient(p, rd);
  RLVR_CHECK_CLOSE(reference::finite_differences(p.query, loss), gradients.query, 1);
  RLVR_CHECK_CLOSE(reference::finite_differences(p.key, loss), gradients.key, 1);
  RLVR_CHECK_CLOSE(reference::finite_differences(p.value, loss), gradients.value, 1);
}

TEST_CASE("attention: queries that continue a cache see what came before them", "[attention]") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (test::heads const& h : {test::heads{1, 1, 4}, {4, 2, 16}, {6, 2, 33}})
    for (std::size_t const before : test::sizes{1, 7, 31, 32, 33})
      for (std::size_t const count : test::sizes{1, 2, 9, 40}) {
        INFO("heads=" << h << " own_before=" << before << " count=" << count << " seed=" << seed);
        std::mt19937 engine(seed++);
        // Two sequences share a prefix of 5 keys; their own keys lie elsewhere in the cache; the rest of it is NaN.
        constexpr std::size_t prefix = 5;
        std::size_t const own = before + count;
        std::size_t const places = prefix + 2 * own + 11;
        guarded query(2 * count, h.query * h.size), out(2 * count, h.query * h.size);
        guarded key(places, h.key_value * h.size, 1), value(places, h.key_value * h.size);
        query.randomise(engine);
        auto const fill = [&](std::size_t first, std::size_t rows) {
          for (std::size_t i = first; i < first + rows; ++i)
            for (std::size_t j = 0; j < key.columns(); ++j) {
              key.view()(i, j) = static_cast<float>(engine() % 2001) * 1e-3f - 1;
              value.view()(i, j) = static_cast<float>(engine() % 2001) * 1e-3f - 1;
            }
        };
        std::size_t const first_own = prefix + 3, second_own = prefix + 7 + own;
        fill(2, prefix);
        fill(first_own, own);
        fill(second_own, own);
        rlvr::ops::attention_plan plan;
        rlvr::ops::key_range const shared{2, prefix};
        auto const as_int = [](std::size_t x) { return static_cast<std::int64_t>(x); };
        plan.add_span(0, as_int(count), {&shared, 1}, {as_int(first_own), as_int(own)}, as_int(before));
        plan.add_span(as_int(count), as_int(count), {&shared, 1}, {as_int(second_own), as_int(own)}, as_int(before));
        execute(context, rlvr::ops::attention_forward{.shape = h.shape(),
                                                      .plan = &plan,
                                                      .query = query.view(),
                                                      .key = key.view(),
                                                      .value = value.view(),
                                                      .output = out.view()});
        std::vector<std::vector<std::size_t>> visible(2 * count);
        for (std::size_t i = 0; i < 2 * count; ++i) {
          for (std::size_t n = 0; n < prefix; ++n) visible[i].push_back(2 + n);
          for (std::size_t n = 0; n < before + i % count + 1; ++n)
            visible[i].push_back((i < count ? first_own : second_own) + n);
        }
        reference::attention_problem const p{h.query,
                                             h.key_value,
                                             h.size,
                                             1 / std::sqrt(static_cast<double>(h.size)),
                                             visible,
                                             reference::copy_of(query.view()),
                                             reference::copy_of(key.view()),
                                             reference::copy_of(value.view())};
        RLVR_CHECK_CLOSE(out.view(), reference::attention(p), prefix + own + h.size);
        CHECK((out.intact() && key.intact() && value.intact()));
      }
}

TEST_CASE("attention: heads wider than a backend's kernels are refused", "[attention]") {
  if constexpr (test::on_cuda) {
    auto&& context = test::make_context(1);
    test::attention_data data({1, 1, 257}, 2);
    data.packed.fill(0.5f);
    rlvr::ops::attention_plan plan;
    plan.add_span(0, 2, {}, {0, 2}, 0);
    CHECK_THROWS_AS(execute(context, data.forward(plan)), rlvr::unsupported_error);
  }
}

TEST_CASE("attention: plans that do not fit are refused before anything is read", "[attention]") {
  auto&& context = test::make_context(1);
  test::attention_data data({2, 1, 4}, 6);
  data.packed.fill(0.0f);
  auto const refused = [&](rlvr::ops::attention_plan const& plan) {
    CHECK_THROWS_AS(execute(context, data.forward(plan)), rlvr::shape_error);
  };
  using rlvr::ops::key_range;
  auto const one_span = [](std::int64_t begin, std::int64_t count, key_range own, std::int64_t before) {
    rlvr::ops::attention_plan plan;
    plan.add_span(begin, count, {}, own, before);
    return plan;
  };
  CHECK_NOTHROW(execute(context, data.forward(one_span(0, 6, {0, 6}, 0))));
  refused(one_span(1, 6, {0, 6}, 0));
  refused(one_span(-1, 2, {0, 6}, 0));
  refused(one_span(0, 6, {1, 6}, 0));
  refused(one_span(0, 6, {-1, 6}, 0));
  refused(one_span(0, 6, {0, 5}, 0));  // the last query would see a key that is not there
  refused(one_span(0, 3, {0, 5}, 3));
  refused(one_span(0, 3, {0, 5}, -1));
  refused(one_span(std::numeric_limits<std::int64_t>::max(), 1, {0, 6}, 0));
  auto too_short = one_span(0, 6, {0, 6}, 0);
  too_short.longest_context = 5;
  refused(too_short);
  auto no_range = one_span(0, 6, {0, 6}, 0);
  no_range.spans[0].range_count = 2;
  refused(no_range);
  auto const plan = one_span(0, 6, {0, 6}, 0);
  auto op = data.forward(plan);
  op.shape.key_value_heads = 0;
  CHECK_THROWS_AS(execute(context, op), rlvr::shape_error);
  op = data.forward(plan);
  op.plan = nullptr;
  CHECK_THROWS_AS(execute(context, op), rlvr::argument_error);
}
