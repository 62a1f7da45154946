// SPDX-License-Identifier: MIT
// The promise under prefix sharing: a token's attention has the same bits in a flat sequence, in any cut into
// segments, in any batch, and decoded one token at a time through a cache; and the same step again has the same bits.
#include "attention_invariance_support.hpp"

namespace {

using test::execute;
using test::guarded;
using test::same_bits;

}  // namespace

TEST_CASE("attention: flat, cut into segments, one token at a time - the same bits", "[attention]") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (test::heads const& h : test::head_cases)
    for (std::size_t const tokens : test::sizes{1, 2, 9, 33, 70, 131}) {
      INFO("heads=" << h << " tokens=" << tokens << " seed=" << seed);
      std::mt19937 engine(seed++);
      test::attention_data flat(h, tokens);
      flat.packed.randomise(engine, 1.5f);
      auto const whole = test::chain({tokens}).plan();
      execute(context, flat.forward(whole));

      test::check_random_cuts(context, flat, test::scale(4, 2), engine);

      // Decode: keys arrive in a cache at another place, the shared prefix in a range of its own.
      std::size_t const prefix = tokens / 3;
      constexpr std::size_t place = 17;
      guarded key(tokens + place + 2, h.key_value * h.size, 5), value(tokens + place + 2, h.key_value * h.size);
      guarded out(1, h.query * h.size);
      std::size_t const own_place = place + prefix + 1;
      std::size_t const step = tokens < 10 ? 1 : test::scale(1, 13);
      for (std::size_t i = 0; i < tokens; ++i) {
        std::size_t const row = i < prefix ? place + i : own_place + i - prefix;
        for (std::size_t j = 0; j < key.columns(); ++j) {
          key.view()(row, j) = flat.key()(i, j);
          value.view()(row, j) = flat.value()(i, j);
        }
        if (i % step != step - 1 && i + 1 != tokens) continue;
        rlvr::ops::attention_plan plan;
        auto const as_int = [](std::size_t x) { return static_cast<std::int64_t>(x); };
        rlvr::ops::key_range const shared{place, as_int(prefix)};
        if (i < prefix)
          plan.add_span(0, 1, {}, {place, as_int(i + 1)}, as_int(i));
        else
          plan.add_span(0, 1, {&shared, 1}, {as_int(own_place), as_int(i - prefix + 1)}, as_int(i - prefix));
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

TEST_CASE("attention: a path through a shared tree has the bits of the flat sequence", "[attention]") {
  auto&& context = test::make_context(2);
  for (unsigned seed = 1; seed <= test::scale(12, 6); ++seed)
    for (test::heads const& h : {test::heads{4, 2, 16}, {3, 1, 7}}) {
      INFO("heads=" << h << " seed=" << seed);
      std::mt19937 engine(seed);
      test::tree const tree = test::random_tree(engine, 1 + static_cast<int>(seed % 4), 37);
      test::attention_data shared(h, tree.tokens);
      shared.packed.randomise(engine);
      auto const plan = tree.plan();
      execute(context, shared.forward(plan));
      test::check_paths_alone(context, shared, tree);
    }
}

TEST_CASE("attention: neither threads nor repetition change a bit of values and gradients", "[attention][repetition]") {
  for (test::heads const& h : {test::heads{1, 1, 8}, {4, 2, 16}, {6, 6, 5}})
    for (std::size_t const longest : test::sizes{5, 70}) {
      INFO("heads=" << h << " longest=" << longest);
      std::mt19937 engine(static_cast<unsigned>(longest));
      test::tree const tree = test::random_tree(engine, 3, longest);
      auto const plan = tree.plan();
      test::attention_data inputs(h, tree.tokens);
      inputs.packed.randomise(engine);
      guarded d_out(tree.tokens, h.query * h.size);
      d_out.randomise(engine);
      std::vector<test::attention_data> results, gradients;
      for (std::size_t const threads : test::thread_counts) {
        auto&& context = test::make_context(threads);
        test::attention_data data = inputs, gradient(h, tree.tokens);
        gradient.packed.fill(0.125f);
        execute(context, data.forward(plan));
        execute(context, rlvr::ops::attention_gradient{.forward = data.forward(plan),
                                                       .output_gradient = d_out.view(),
                                                       .query_gradient = gradient.query(),
                                                       .key_gradient = gradient.key(),
                                                       .value_gradient = gradient.value()});
        results.push_back(data);
        gradients.push_back(gradient);
        CHECK(same_bits(results.front().out.view(), data.out.view()));
        CHECK(same_bits(gradients.front().packed.view(), gradient.packed.view()));
      }
    }
}

TEST_CASE("attention: keys that a token does not see cannot change it, not even as NaN", "[attention]") {
  auto&& context = test::make_context(1);
  auto const clean_rows = [&](test::tree const& tree, std::size_t poisoned, bool value_too, std::size_t rows) {
    std::mt19937 engine(4);
    test::attention_data clean({2, 1, 9}, tree.tokens);
    clean.packed.randomise(engine);
    test::attention_data dirty = clean;
    for (std::size_t j = 0; j < 9; ++j) {
      dirty.key()(poisoned, j) = test::nan;
      if (value_too) dirty.value()(poisoned, j) = test::infinity;
    }
    auto const plan = tree.plan();
    execute(context, clean.forward(plan));
    execute(context, dirty.forward(plan));
    CHECK(std::isnan(dirty.out.view()(poisoned, 0)));
    return same_bits(clean.out.view().middle_rows(0, rows), dirty.out.view().middle_rows(0, rows));
  };
  for (std::size_t const poisoned : test::sizes{1, 5, 31, 32, 39}) {  // a later token of the same segment
    INFO("poisoned token " << poisoned);
    CHECK(clean_rows(test::chain({40}), poisoned, false, poisoned));
  }
  test::tree siblings;
  siblings.add(-1, 3);
  siblings.add(0, 5);
  siblings.add(0, 4);
  CHECK(clean_rows(siblings, 8, true, 8));  // the first token of a sibling
}
