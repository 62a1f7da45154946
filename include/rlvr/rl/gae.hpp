// SPDX-License-Identifier: MIT
/// @file
/// Generalised advantage estimation (Schulman et al. 2015, 1506.02438, eq. 16) and the critic's loss.
///
///   delta_t = r_t + gamma V_{t+1} - V_t        A_t = delta_t + gamma lambda A_{t+1}        return R_t = A_t + V_t
///
/// after the last token V = A = 0.  What a token that does not count (tool output, padding) does is `masked_gae`.  With
/// lambda = 1 the advantage is the discounted return minus V_t: no bias from the critic, most variance; lambda = 0 is
/// the one-step temporal difference: the reverse.  VAPO (2504.05118) takes another lambda for the critic's returns
/// (1) than for the advantages, and adapts the latter to the length n: 1 - 1 / (alpha n).
///
///   value_loss   scale / 2 max((V - R)^2, (clamp(V, V_old - clip, V_old + clip) - R)^2)
///   d / dV       scale (V - R) where the plain term is the larger one; 0 where the clipped one is, V lies beyond the
///                bounds then.  In the kink where both are equal: that of the plain term.
///
/// Advantages are constants of the policy loss; whiten them with `rlvr::whitening` (rl/advantage.hpp).  The reward of a
/// response that is judged as a whole, and KL in the reward, go into the r_t with `terminal_reward` (rl/returns.hpp).
///
/// Edge cases: an empty row is nothing; in a row without tokens that count every A is 0 (`carry`, `zero`).  `carry` and
/// `zero` read neither reward nor value of a token that does not count for the A and R of any that does.  What they
/// write at such a token is not to be read: its A is finite, its R with `carry` is A + V as in verl, whatever V holds.
///
/// Sources: carry: verl 1dda039b9c63 `compute_gae_advantage_return`, NeMo-RL 7ea279abfbeb; zero: OpenRLHF 3c3be6234e0c;
/// ignore: TRL f2cd57710ae3, ROLL 8eb27cc2dc34, slime 624b824a898a.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What a token that does not count does to the recursion.
enum class masked_gae : std::uint8_t {
  carry,  ///< it is skipped: V_{t+1} and A_{t+1} are those of the next token that counts; its own A is the carried one
  zero,   ///< its reward and value are 0, the recursion runs over it; R = A + 0 there
  ignore  ///< nothing: the mask is not looked at
};

/// A and R of one row.
struct generalised_advantage {
  double gamma = 1;   ///< discount
  double lambda = 1;  ///< verl, OpenRLHF, slime, SkyRL: 1; TRL, ROLL, NeMo-RL: 0.95
  masked_gae masked = masked_gae::carry;

  /// Advantages and returns; with `carry` and `ignore` R_t = A_t + V_t also where the mask is false.  `returns` may be
  /// empty.  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::span<T const> values, std::span<bool const> mask, std::span<T> advantages,
             std::span<T> returns = {}) const {
    std::size_t const size = rewards.size();
    if (values.size() != size || mask.size() != size || advantages.size() != size ||
        (!returns.empty() && returns.size() != size))
      throw shape_error("generalised_advantage: the spans differ in length");
    double next_value = 0;
    double advantage = 0;
    for (std::size_t t = size; t-- > 0;) {
      bool const counts = mask[t] || masked == masked_gae::ignore;
      if (counts || masked == masked_gae::zero) {
        double const value = counts ? static_cast<double>(values[t]) : 0;
        double const reward = counts ? static_cast<double>(rewards[t]) : 0;
        advantage = reward + gamma * next_value - value + gamma * lambda * advantage;
        next_value = value;
      }
      advantages[t] = static_cast<T>(advantage);
      if (returns.empty()) continue;
      bool const without_value = !counts && masked == masked_gae::zero;
      returns[t] = static_cast<T>(without_value ? advantage : advantage + static_cast<double>(values[t]));
    }
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(gamma >= 0 && gamma <= 1)) throw argument_error("generalised_advantage: gamma must lie in [0, 1]");
    if (!(lambda >= 0 && lambda <= 1)) throw argument_error("generalised_advantage: lambda must lie in [0, 1]");
  }
};

/// lambda = 1 - 1 / max(alpha n, 1): the horizon of the estimate grows with the response (VAPO).
[[nodiscard]] RLVR_HD constexpr double length_adaptive_lambda(double alpha, std::int64_t length) {
  double const horizon = alpha * static_cast<double>(length);
  return 1 - 1 / (horizon > 1 ? horizon : 1);
}

/// Advantages and returns with different lambdas: a critic learns from unbiased returns while the policy's advantages
/// keep a low variance (VAPO; NeMo-RL's lam_value and lam_policy).
struct decoupled_advantage {
  double gamma = 1;
  double lambda_value = 1;           ///< of the returns
  double lambda_policy = 0.95;       ///< of the advantages
  double length_adaptive_alpha = 0;  ///< above 0: the advantages' lambda is `length_adaptive_lambda` of the row instead
  masked_gae masked = masked_gae::carry;

  /// Advantages, 0 where the mask is false, and returns of one row.  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::span<T const> values, std::span<bool const> mask, std::span<T> advantages,
             std::span<T> returns) const {
    generalised_advantage rule{.gamma = gamma, .lambda = lambda_value, .masked = masked};
    if (returns.size() != rewards.size()) throw shape_error("decoupled_advantage: the spans differ in length");
    rule.apply(rewards, values, mask, advantages, returns);
    rule.lambda = lambda_policy;
    if (length_adaptive_alpha > 0)
      rule.lambda = length_adaptive_lambda(length_adaptive_alpha, detail::count_tokens(mask, 0, mask.size()));
    rule.apply(rewards, values, mask, advantages);
    for (std::size_t t = 0; t < mask.size(); ++t)
      if (!mask[t]) advantages[t] = T(0);
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    generalised_advantage{.gamma = gamma, .lambda = lambda_value}.validate();
    generalised_advantage{.gamma = gamma, .lambda = lambda_policy}.validate();
    if (!(length_adaptive_alpha >= 0)) throw argument_error("decoupled_advantage: alpha must not be negative");
  }
};

/// A value loss and its derivative by the value.
template <std::floating_point T>
struct value_loss_result {
  T value{};
  T d_value{};
  bool clipped = false;  ///< the clipped term is strictly larger
};

/// The critic's loss of one token.
struct value_loss {
  double clip = unlimited;  ///< of V - V_old; verl, OpenRLHF 0.5, TRL, slime, SkyRL 0.2; unlimited: plain squared error
  double scale = 1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr value_loss_result<T> operator()(T value, T old_value, T target) const {
    T const half = static_cast<T>(0.5 * scale);
    T const error = value - target;
    value_loss_result<T> result{half * error * error, static_cast<T>(scale) * error, false};
    if (clip == unlimited) return result;
    T const low = old_value - static_cast<T>(clip);
    T const high = old_value + static_cast<T>(clip);
    bool const outside = value < low || value > high;
    T const clipped_error = (value < low ? low : (value > high ? high : value)) - target;
    T const clipped = half * clipped_error * clipped_error;
    if (!outside || !(clipped > result.value)) return result;
    return {clipped, T(0), true};
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(clip > 0)) throw argument_error("value_loss: clip must be positive");
    if (!(scale >= 0)) throw argument_error("value_loss: scale must not be negative");
  }
};

/// The critic's loss over packed rows, and how many of their tokens the clip held.
template <std::floating_point T>
struct value_loss_summary {
  T loss{};
  std::int64_t tokens = 0;
  std::int64_t clipped = 0;

  /// clipped / (tokens + epsilon) (verl: 1e-8); 0 without tokens.
  [[nodiscard]] constexpr double clip_fraction(double epsilon = 0) const {
    return tokens > 0 ? static_cast<double>(clipped) / (static_cast<double>(tokens) + epsilon) : 0;
  }
};

/// sum over the tokens that count of aggregation scale * value loss.  Positions whose mask is false are not read; their
/// derivative is 0.  Throws shape_error where the sizes differ.
/// @param batch     statistics of the whole optimiser step (`count_batch` where this is all of it)
/// @param d_values  receives d loss / d value; may be empty
template <std::floating_point T, loss_aggregation Aggregation>
value_loss_summary<T> batch_value_loss(value_loss const& rule, Aggregation const& aggregation,
                                       batch_statistics const& batch, std::span<T const> values,
                                       std::span<T const> old_values, std::span<T const> targets,
                                       std::span<bool const> mask, std::span<std::int64_t const> row_offsets,
                                       std::span<T> d_values = {}) {
  detail::require_packed_rows("batch_value_loss", values.size(), mask.size(), row_offsets);
  if (old_values.size() != values.size() || targets.size() != values.size() ||
      (!d_values.empty() && d_values.size() != values.size()))
    throw shape_error("batch_value_loss: the spans differ in length");
  value_loss_summary<T> result{};
  double total = 0;
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row) {
    auto const first = static_cast<std::size_t>(row_offsets[row]);
    auto const last = static_cast<std::size_t>(row_offsets[row + 1]);
    T const scale = aggregation.template scale<T>(batch, detail::count_tokens(mask, first, last));
    for (std::size_t t = first; t < last; ++t) {
      auto const loss = mask[t] ? rule(values[t], old_values[t], targets[t]) : value_loss_result<T>{};
      total += static_cast<double>(scale) * static_cast<double>(loss.value);
      result.tokens += mask[t] ? 1 : 0;
      result.clipped += loss.clipped ? 1 : 0;
      if (!d_values.empty()) d_values[t] = scale * loss.d_value;
    }
  }
  result.loss = static_cast<T>(total);
  return result;
}

static_assert(std::is_trivially_copyable_v<decoupled_advantage>);
static_assert(std::is_trivially_copyable_v<generalised_advantage> && std::is_trivially_copyable_v<value_loss>);

RLVR_NAMESPACE_END
