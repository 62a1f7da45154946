// SPDX-License-Identifier: MIT
// Golden cases of the family gae.
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/gae.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/returns.hpp>

#include "advantage_support.hpp"
#include "policy_loss_batch.hpp"
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace golden {
namespace {

template <class T>
flags mask_of(test_case<T> const& test, matrix<T> const& like) {
  if (test.has("mask")) return flags(test.flat("mask"));
  return flags(like.size() * like.at(0).size(), true);
}

// Whitens all rows at once.
template <class T>
void whiten_rows(matrix<T>& rows, flags const& mask, rlvr::whitening const& rule) {
  std::vector<T> flat;
  for (auto const& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  whiten(rule, std::span<T>(flat), mask.view());
  auto next = flat.begin();
  for (auto& row : rows)
    for (T& x : row) x = *next++;
}

auto const gae = []<class T>(test_case<T>& test) {
  matrix<T> const rewards = test.rows("token_rewards");
  matrix<T> const values = test.rows("values");
  flags const mask = mask_of(test, values);
  std::string const mode = test.text("mask_mode");
  rlvr::generalised_advantage const rule{.gamma = test.parameter("gamma"),
                                         .lambda = test.parameter("lam"),
                                         .masked = mode == "carry"  ? rlvr::masked_gae::carry
                                                   : mode == "zero" ? rlvr::masked_gae::zero
                                                                    : rlvr::masked_gae::ignore};
  matrix<T> advantages = rewards, returns = rewards;
  std::size_t const width = values.at(0).size();
  for (std::size_t i = 0; i < rewards.size(); ++i)
    rule.apply(view(rewards[i]), view(values[i]), mask.view().subspan(i * width, width), std::span<T>(advantages[i]),
               std::span<T>(returns[i]));
  if (test.has_parameter("whiten")) {
    bool const keep = test.text("whiten").find("not zeroed") != std::string::npos;
    // verl adds 1e-8 to the count, TRL does not.
    whiten_rows(
        advantages, mask,
        keep ? rlvr::whitening{.mean_epsilon = 1e-8, .masked = rlvr::masked_rule::transform} : rlvr::whitening{});
  }
  test.output("advantages", advantages);
  test.output("returns", returns);
};

auto const gae_outcome = []<class T>(test_case<T>& test) {
  matrix<T> const values = test.rows("values");
  std::vector<T> const reward = test.flat("rewards");
  flags const mask = mask_of(test, values);
  std::size_t const width = values.at(0).size();
  double const lambda = test.parameter("lam", 0.95);
  double const alpha = test.parameter("length_adaptive_alpha", 0);
  bool const penalised = test.parameter("kl_in_reward", 0) != 0;
  matrix<T> advantages = values, returns = values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto const counts = mask.view().subspan(i * width, width);
    std::vector<T> kl, rewards(width);
    if (penalised)
      for (auto const& found : test::map(rlvr::k1{}, test.rows("logp").at(i), test.rows("ref_logp").at(i)))
        kl.push_back(found.value);
    rlvr::terminal_reward{.kl_coefficient = test.parameter("kl_coef", 0)}.apply(reward[i], view(kl), counts,
                                                                                std::span<T>(rewards));
    bool const adaptive = alpha > 0 && !test.has_parameter("lam_policy");
    rlvr::decoupled_advantage{.gamma = test.parameter("gamma"),
                              .lambda_value = test.parameter("lam_value", lambda),
                              .lambda_policy = test.parameter("lam_policy", lambda),
                              .length_adaptive_alpha = adaptive ? alpha : 0}
        .apply(view(rewards), view(values[i]), counts, std::span<T>(advantages[i]), std::span<T>(returns[i]));
  }
  if (test.parameter("normalize", 0) != 0) whiten_rows(advantages, mask, rlvr::whitening{.mean_epsilon = 1e-8});
  test.output("advantages", advantages);
  test.output("returns", returns);
};

auto const value_loss = []<class T>(test_case<T>& test) {
  std::vector<T> const value = test.flat("vpred"), old = test.flat("old_values"), target = test.flat("returns");
  matrix<T> const shape = test.rows("vpred");
  std::size_t const width = shape.at(0).size();
  flags const mask = mask_of(test, shape);
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i <= shape.size(); ++i) offsets.push_back(static_cast<std::int64_t>(i * width));
  rlvr::value_loss const rule{.clip = test.parameter("clip", rlvr::unlimited), .scale = test.parameter("scale", 1)};
  std::vector<T> slopes(value.size());
  named_aggregation const aggregation = aggregation_of(test, width);
  auto const statistics = aggregation.statistics(rlvr::count_batch(mask.view(), offsets));
  auto const found =
      rlvr::batch_value_loss<T>(rule, aggregation, statistics, value, old, target, mask.view(), offsets, slopes);
  test.output("loss", found.loss);
  test.output("clipfrac", found.clip_fraction(1e-8));
  test.gradient("vpred", slopes);

  // The same of the values that the backend computes: `batch_value_loss` takes no other rule.
  auto const scales = scales_by_length<T>(aggregation, statistics, static_cast<std::int64_t>(width));
  auto const each = test::map(rule, value, old, target);
  std::vector<T> losses;
  for (auto const& of_token : each) losses.push_back(of_token.value);
  test.output("loss", rlvr::aggregate<computed_scales<T>, T>({scales.data()}, statistics, losses, mask.view(), offsets,
                                                             slopes));
  for (std::size_t i = 0; i < slopes.size(); ++i) slopes[i] *= each[i].d_value;
  test.gradient("vpred", slopes);
};

}  // namespace

void add_gae(registry& all) {
  all.add("gae", "gae", gae);
  all.add("gae", "gae_outcome", gae_outcome);
  all.add("gae", "value_loss", value_loss);
}

}  // namespace golden
