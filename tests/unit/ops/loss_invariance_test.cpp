// SPDX-License-Identifier: MIT
// What does not change the bits of a token's log-prob and loss: chunk size, batch, row position, threads, repetition;
// and linear_log_prob against the loss op and double.
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "loss_support.hpp"

namespace {

using test::execute;
using test::guarded;
using test::loss_batch;
using test::loss_case;
using test::masking;
using test::same_bits;

constexpr auto objective = rlvr::entropy_regularised{rlvr::ppo_clip{}, 0.01};

bool same_losses(test::storage<rlvr::loss_value<float>> const& a, test::storage<rlvr::loss_value<float>> const& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i)
    equal = a[i].value == b[i].value && a[i].d_log_prob == b[i].d_log_prob && a[i].d_entropy == b[i].d_entropy;
  return equal;
}

}  // namespace

TEST_CASE("linear_policy_loss: chunk size changes no bit of the forward results") {
  auto&& context = test::make_context(2);
  for (std::size_t const vocabulary : test::sizes{7, 33, test::wide}) {
    std::size_t const width = test::scale(24, 13);
    loss_case const whole{67, width, vocabulary, 67, 0.9f, masking::some, 5};
    loss_batch batch(whole);
    auto expected = test::run_loss(context, whole, batch, objective);
    for (std::size_t const chunk : test::sizes{1, 2, 3, 8, 31, 64, 66, 68, 1000}) {
      INFO("vocabulary=" << vocabulary << " chunk_rows=" << chunk);
      loss_case c = whole;
      c.chunk_rows = chunk;
      auto out = test::run_loss(context, c, batch, objective);
      CHECK(same_bits(expected.log_prob.view(), out.log_prob.view()));
      CHECK(same_bits(expected.entropy.view(), out.entropy.view()));
      CHECK(same_losses(expected.loss, out.loss));
      RLVR_CHECK_CLOSE(out.hidden_gradient.view(), reference::copy_of(expected.hidden_gradient.view()), width, 4.0);
      RLVR_CHECK_CLOSE(out.weight_gradient.view(), reference::copy_of(expected.weight_gradient.view()), 67, 4.0);
    }
  }
}

TEST_CASE("linear_policy_loss: neither threads nor repetition change a bit of values and gradients", "[repetition]") {
  loss_case const c{67, 40, 513, 16, 1.2f, masking::some, 6};
  loss_batch batch(c);
  std::vector<test::loss_outputs> results;
  for (std::size_t const threads : test::thread_counts) {
    auto&& context = test::make_context(threads);
    results.push_back(test::run_loss(context, c, batch, objective));
    CHECK(same_bits(results.front().log_prob.view(), results.back().log_prob.view()));
    CHECK(same_bits(results.front().entropy.view(), results.back().entropy.view()));
    CHECK(same_bits(results.front().hidden_gradient.view(), results.back().hidden_gradient.view()));
    CHECK(same_bits(results.front().weight_gradient.view(), results.back().weight_gradient.view()));
    CHECK(same_losses(results.front().loss, results.back().loss));
  }
}

TEST_CASE("linear_log_prob: agrees with double, and with the loss op in every bit, alone and in batches") {
  auto&& context = test::make_context(2);
  unsigned seed = 1;
  for (std::size_t const vocabulary : test::sizes{1, 2, 7, 16, 33, 127, test::wide, test::widest})
    for (std::size_t const rows : test::sizes{0, 1, 9, 35})
      for (masking const mask : {masking::none, masking::some, masking::all}) {
        if (vocabulary == test::widest && (rows != 9 || mask != masking::some)) continue;
        loss_case const c{rows, 17, vocabulary, 1 + seed % 20, seed % 2 ? 1.0f : 1.7f, mask, seed++};
        INFO(c);
        loss_batch batch(c);
        guarded log_prob(1, rows), entropy(1, rows);
        execute(context, rlvr::ops::linear_log_prob{.head = batch.head(c),
                                                    .target = batch.target.data(),
                                                    .log_prob = log_prob.data(),
                                                    .entropy = entropy.data()});
        auto const expected = reference::linear_policy_loss(
            reference::copy_of(batch.hidden.view()), reference::copy_of(batch.weight.view()),
            static_cast<double>(c.temperature), batch.records,
            [](double, double, reference::token_record const&) { return 0.0; }, false);
        RLVR_CHECK_CLOSE(log_prob.view(), test::as_row(expected.log_prob), c.width + vocabulary, 4.0);
        RLVR_CHECK_CLOSE(entropy.view(), test::as_row(expected.entropy), c.width + vocabulary, 4.0);
        auto loss = test::run_loss(context, c, batch, objective);
        CHECK(same_bits(loss.log_prob.view(), log_prob.view()));
        CHECK(same_bits(loss.entropy.view(), entropy.view()));
        if (vocabulary == 1 && mask == masking::none)  // the only token is certain, exactly
          for (std::size_t i = 0; i < rows; ++i) CHECK((log_prob.view()(0, i) == 0.0f && entropy.view()(0, i) == 0.0f));
        bool alone = true;
        for (std::size_t i = 0; i < rows; i += test::scale(1, 5)) {
          test::storage<float> one(1, test::nan);
          rlvr::ops::linear_head head = batch.head(c);
          head.hidden = head.hidden.middle_rows(i, 1);
          execute(context,
                  rlvr::ops::linear_log_prob{
                      .head = head, .target = batch.target.data() + i, .log_prob = one.data(), .entropy = nullptr});
          alone = alone && one[0] == log_prob.view()(0, i);
        }
        CHECK(alone);
        CHECK((log_prob.intact() && entropy.intact()));
      }
}

TEST_CASE("linear heads: what cannot be computed is refused") {
  auto&& context = test::make_context(1);
  loss_case const c{3, 4, 5, 2, 1.0f, masking::none, 1};
  loss_batch batch(c);
  test::storage<float> out(3);
  auto const run = [&](rlvr::ops::linear_head const& head, std::int32_t const* target) {
    execute(context, rlvr::ops::linear_log_prob{.head = head, .target = target, .log_prob = out.data()});
  };
  CHECK_NOTHROW(run(batch.head(c), batch.target.data()));
  CHECK_THROWS_AS(run(batch.head(c), nullptr), rlvr::argument_error);
  for (float const temperature : {0.0f, -1.0f, 1e-40f, test::nan, test::infinity}) {
    auto head = batch.head(c);
    head.temperature = temperature;
    CHECK_THROWS_AS(run(head, batch.target.data()), rlvr::argument_error);
  }
  auto head = batch.head(c);
  head.chunk_rows = 0;
  CHECK_THROWS_AS(run(head, batch.target.data()), rlvr::argument_error);
  head = batch.head(c);
  head.weight = head.weight.middle_rows(0, 0);
  CHECK_THROWS_AS(run(head, batch.target.data()), rlvr::shape_error);
  head.weight = batch.weight.view().middle_columns(0, 3);
  CHECK_THROWS_AS(run(head, batch.target.data()), rlvr::shape_error);
}
