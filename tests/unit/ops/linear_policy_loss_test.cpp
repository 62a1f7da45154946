// SPDX-License-Identifier: MIT
// The fused head and loss: every result and gradient against double, for several objectives, masks, temperatures and
// chunk sizes.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "loss_support.hpp"
#include <cmath>

namespace {

using reference::token_record;
using test::guarded;
using test::loss_batch;
using test::loss_case;
using test::masking;

std::vector<loss_case> loss_cases(bool with_widest) {
  std::vector<loss_case> all;
  unsigned seed = 1;
  float const temperatures[] = {1.0f, 0.7f, 2.5f};
  std::size_t const chunks[] = {1, 3, 8, 128};
  masking const masks[] = {masking::none, masking::some, masking::none, masking::all};
  std::size_t const row_counts[] = {1, 2, 7, 9, 17};
  std::size_t const hidden_widths[] = {1, 8, 13, 33};
  for (std::size_t const vocabulary : test::widths)
    for (int repeat = 0; repeat < 4; ++repeat, ++seed)
      all.push_back({row_counts[seed % 5], hidden_widths[seed % 4], vocabulary, chunks[(seed + seed / 4) % 4],
                     temperatures[seed % 3], masks[(seed / 2) % 4], seed});
  all.push_back({0, 8, 16, 128, 1.0f, masking::none, seed});
  all.push_back({35, 40, test::wide, 16, 1.3f, masking::some, seed + 1});
  if (with_widest) all.push_back({5, 9, test::widest, 2, 0.9f, masking::some, seed + 2});
  return all;
}

// A user's function: a struct, because device code has to be able to call it.
struct every_field {
  template <class Sample>
  RLVR_HD auto operator()(Sample const& s) const {
    auto const ratio = exp(s.log_prob - s.behaviour_log_prob);
    return -(ratio * s.advantage) + s.entropy * s.entropy * 0.25f + (s.reference_log_prob - s.log_prob) * 0.1f +
           s.sequence.mean_log_ratio * s.log_prob;
  }
};

template <class Objective>
void check(char const* name, Objective const& objective, reference::objective const& f, bool with_widest = false) {
  auto&& context = test::make_context(2);
  for (loss_case const& c : loss_cases(with_widest)) {
    INFO(name << ": " << c);
    loss_batch batch(c);
    auto const expected =
        reference::linear_policy_loss(reference::copy_of(batch.hidden.view()), reference::copy_of(batch.weight.view()),
                                      static_cast<double>(c.temperature), batch.records, f);
    auto out = test::run_loss(context, c, batch, objective);
    std::size_t const length = c.width + c.vocabulary;
    double const magnitude = 4;  // logits, ratios and advantages of this size
    RLVR_CHECK_CLOSE(out.log_prob.view(), test::as_row(expected.log_prob), length, magnitude);
    RLVR_CHECK_CLOSE(out.entropy.view(), test::as_row(expected.entropy), length, magnitude);
    reference::matrix losses(1, c.rows);
    for (std::size_t i = 0; i < c.rows; ++i) losses(0, i) = static_cast<double>(out.loss[i].value);
    RLVR_CHECK_CLOSE(losses, test::as_row(expected.loss), length, magnitude);
    RLVR_CHECK_CLOSE(out.hidden_gradient.view(), expected.hidden_gradient, length, magnitude);
    RLVR_CHECK_CLOSE(out.weight_gradient.view(), expected.weight_gradient, length + c.rows, magnitude);
    CHECK((batch.hidden.intact() && batch.weight.intact() && out.log_prob.intact() && out.entropy.intact() &&
           out.hidden_gradient.intact() && out.weight_gradient.intact()));
    if (c.mask == masking::all) {  // exactly nothing
      for (double const x : reference::copy_of(out.hidden_gradient.view()).values) CHECK(x == 0);
      for (double const x : reference::copy_of(out.weight_gradient.view()).values) CHECK(x == 0);
    }
  }
}

}  // namespace

TEST_CASE("linear_policy_loss: cross entropy and REINFORCE") {
  check("cross_entropy", rlvr::cross_entropy{}, [](double l, double, token_record const&) { return -l; });
  check(
      "reinforce", rlvr::reinforce{}, [](double l, double, token_record const& t) { return -t.advantage * l; }, true);
}

TEST_CASE("linear_policy_loss: clipped objectives") {
  check("ppo_clip", rlvr::ppo_clip{},
        [](double l, double, token_record const& t) { return reference::clipped_surrogate(l, t, 0.2, 0.2); });
  check("dual clip", rlvr::ppo_clip{.low = 0.1, .high = 0.28, .dual_clip = 1.4},
        [](double l, double, token_record const& t) { return reference::clipped_surrogate(l, t, 0.1, 0.28, 1.4); });
}

TEST_CASE("linear_policy_loss: a KL term and an entropy bonus, whose gradient reaches every logit") {
  check("entropy", rlvr::entropy_regularised{rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0.3}, 0.7},
        [](double l, double h, token_record const& t) {
          return reference::clipped_surrogate(l, t, 0.2, 0.2) + 0.3 * reference::schulman_k3(l, t) - 0.7 * h;
        });
}

TEST_CASE("linear_policy_loss: a user's own arithmetic, reading every field of the sample") {
  check("differentiated", rlvr::differentiate(every_field{}), [](double l, double h, token_record const& t) {
    return -std::exp(l - t.behaviour_log_prob) * t.advantage + 0.25 * h * h +
           static_cast<double>(0.1f) * (t.reference_log_prob - l) + t.mean_log_ratio * l;
  });
}

// Every product's operands are those that bfloat16 holds, but for the gradient of the logits, which a GPU rounds before
// it multiplies (relative error 2^-8): hidden_gradient may be off by 2^-8 sum_v |d_v w_vk|, the weight's likewise.
TEST_CASE("linear_policy_loss: a head in bfloat16") {
  auto&& context = test::make_context(2);
  reference::objective const f = [](double l, double, token_record const&) { return -l; };
  for (loss_case const& c : {loss_case{9, 16, 33, 4, 1.0f, masking::some, 21},
                             {5, 7, 61, 128, 0.7f, masking::none, 22},
                             {17, 40, test::wide, 8, 1.3f, masking::some, 23}}) {
    INFO(c);
    loss_batch batch(c);
    test::bf16_matrix weight(batch.weight.view(), c.seed % 2);
    auto const rw = test::rounded(reference::copy_of(batch.weight.view()));
    auto rh = reference::copy_of(batch.hidden.view());
    if (test::on_cuda) rh = test::rounded(rh);
    auto const temperature = static_cast<double>(c.temperature);
    auto const expected = reference::linear_policy_loss(rh, rw, temperature, batch.records, f);
    test::loss_outputs out(c);
    auto head = batch.head(c);
    head.weight = weight.view();
    test::execute(context, rlvr::ops::linear_policy_loss<rlvr::cross_entropy>{
                               .head = head,
                               .records = batch.library_records(),
                               .results = {.log_prob = out.log_prob.data(), .loss = out.loss.data()},
                               .hidden_gradient = out.hidden_gradient.view(),
                               .weight_gradient = out.weight_gradient.view()});
    std::size_t const length = c.width + c.vocabulary;
    RLVR_CHECK_CLOSE(out.log_prob.view(), test::as_row(expected.log_prob), length, 4.0);

    reference::matrix hidden_bound(c.rows, c.width), weight_bound(c.vocabulary, c.width);
    for (std::size_t i = 0; test::on_cuda && i < c.rows; ++i) {
      if (batch.records[i].target < 0) continue;
      std::vector<double> logits(c.vocabulary);
      for (std::size_t v = 0; v < c.vocabulary; ++v)
        for (std::size_t k = 0; k < c.width; ++k) logits[v] += rh(i, k) * rw(v, k);
      auto const row = reference::token_statistics(logits, temperature, batch.records[i].target);
      auto const d = reference::logit_gradient(row, temperature, batch.records[i].target, batch.records[i].scale, 0);
      for (std::size_t v = 0; v < c.vocabulary; ++v)
        for (std::size_t k = 0; k < c.width; ++k) {
          hidden_bound(i, k) += 0x1p-8 * std::abs(d[v] * rw(v, k));
          weight_bound(v, k) += 0x1p-8 * std::abs(d[v] * rh(i, k));
        }
    }
    auto const worst_excess = [&](auto const& found, reference::matrix const& wanted, reference::matrix const& bound) {
      double worst = 0;
      for (std::size_t i = 0; i < found.rows; ++i)
        for (std::size_t j = 0; j < found.columns; ++j)
          worst = std::fmax(worst, std::abs(static_cast<double>(found(i, j)) - wanted(i, j)) /
                                       (bound(i, j) + test::tolerance(static_cast<double>(length + c.rows), 4.0)));
      return worst;
    };
    CHECK(worst_excess(out.hidden_gradient.view(), expected.hidden_gradient, hidden_bound) < 1);
    CHECK(worst_excess(out.weight_gradient.view(), expected.weight_gradient, weight_bound) < 1);
    CHECK((out.hidden_gradient.intact() && out.weight_gradient.intact()));
  }
}

TEST_CASE("linear_policy_loss: the reference's gradients are those of its total loss") {
  loss_case const c{5, 3, 6, 2, 0.8f, masking::some, 42};
  loss_batch batch(c);
  auto hidden = reference::copy_of(batch.hidden.view()), weight = reference::copy_of(batch.weight.view());
  reference::objective const f = [](double l, double h, token_record const& t) {
    return reference::clipped_surrogate(l, t, 0.2, 0.2) + 0.3 * reference::schulman_k3(l, t) - 0.7 * h;
  };
  auto const total = [&] {
    return reference::linear_policy_loss(hidden, weight, static_cast<double>(c.temperature), batch.records, f, false)
        .total;
  };
  auto const analytic =
      reference::linear_policy_loss(hidden, weight, static_cast<double>(c.temperature), batch.records, f);
  RLVR_CHECK_CLOSE(reference::finite_differences(hidden, total), analytic.hidden_gradient, 1);
  RLVR_CHECK_CLOSE(reference::finite_differences(weight, total), analytic.weight_gradient, 1);
}

TEST_CASE("linear_policy_loss: records that are absent take their stated defaults") {
  auto&& context = test::make_context(1);
  loss_case const c{9, 8, 33, 4, 1.0f, masking::none, 3};
  loss_batch batch(c);
  auto const objective = rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k2{}, 0.5};
  loss_batch explicit_batch = batch;
  test::loss_outputs const first = test::run_loss(context, c, batch, objective);
  test::storage<float> const own = [&] {
    guarded copy = first.log_prob;
    return test::storage<float>(copy.data(), copy.data() + c.rows);
  }();
  explicit_batch.old_log_prob = explicit_batch.reference_log_prob = explicit_batch.behaviour_log_prob = own;
  std::fill(explicit_batch.scale.begin(), explicit_batch.scale.end(), 1.0f);
  auto stated = test::run_loss(context, c, explicit_batch, objective);
  test::loss_outputs absent(c);
  test::execute(context, rlvr::ops::linear_policy_loss<decltype(objective)>{
                             .head = batch.head(c),
                             .objective = objective,
                             .records = {.target = batch.target.data(), .advantage = batch.advantage.data()},
                             .results = {.loss = absent.loss.data()},
                             .hidden_gradient = absent.hidden_gradient.view(),
                             .weight_gradient = absent.weight_gradient.view()});
  CHECK(test::same_bits(stated.hidden_gradient.view(), absent.hidden_gradient.view()));
  CHECK(test::same_bits(stated.weight_gradient.view(), absent.weight_gradient.view()));
  for (std::size_t i = 0; i < c.rows; ++i) CHECK(absent.loss[i].value == stated.loss[i].value);
}
