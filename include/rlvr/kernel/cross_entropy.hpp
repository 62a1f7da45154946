// SPDX-License-Identifier: MIT
/// @file
/// Cross entropy of one row of logits with the refinements of supervised fine-tuning, fused with its gradient.  With
/// l = c tanh(x / c) where a softcap c is set and l = x where not, lse = log sum_j e^l_j, V tokens, target t:
///
///   loss = (1 - e) (lse - l_t) + e mean_j (lse - l_j) + z lse^2
///   d loss / d l_j = p_j (1 + 2 z lse) - (1 - e) [j = t] - e / V,     d l_j / d x_j = 1 - (l_j / c)^2
///
/// e is label smoothing (Szegedy et al. 2015, 1512.00567), z the z-loss that keeps normalisers near 1 (PaLM,
/// 2204.02311, section 5), c the softcap of Gemma 2 (2408.00118).  Liger's fused linear cross entropy (@ ead96b618e5c)
/// has the three; there as here ignored rows (negative target) have loss 0 and gradient 0, and the mean over the valid
/// rows is the caller's (rl/aggregate.hpp, `token_mean`).  The `cross_entropy` objective is e = z = 0 without a
/// softcap.
///
/// Edge cases: -inf logits are tokens that may not occur: they stay -inf under a softcap, get gradient 0, and the
/// smoothing is spread over the others, so that the loss is finite unless the target is one of them (then it is +inf).
/// A one-token vocabulary has loss z lse^2.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/kernel/softmax.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What is added to plain cross entropy; all of it is off by default.
struct cross_entropy_rule {
  double label_smoothing = 0;  ///< e: share of the loss that every token's log-probability gets; [0, 1]
  double z_loss = 0;           ///< z: coefficient of the squared log-normaliser (Liger: lse_square_scale; PaLM: 1e-4)
  double softcap = 0;          ///< c: bound on the magnitude of logits; 0: none (Gemma 2: 30)

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
      throw argument_error("cross_entropy_rule: label_smoothing must lie in [0, 1]");
    if (!(z_loss >= 0)) throw argument_error("cross_entropy_rule: z_loss must not be negative");
    if (!(softcap >= 0)) throw argument_error("cross_entropy_rule: softcap must not be negative (0: none)");
  }
};

namespace kernel {

/// Loss of one row; on return `logits` holds scale * d loss by the raw logits.
template <cooperative_group Group, std::floating_point T>
RLVR_HD T cross_entropy_row(Group const& group, T* logits, std::size_t vocabulary, cross_entropy_rule const& rule,
                            std::int32_t target, std::type_identity_t<T> scale) {
  if (target < 0) {  // the whole group agrees on this branch
    group.for_each(vocabulary, [=](std::size_t j) { logits[j] = T(0); });
    return T(0);
  }
  T const impossible = rlvr::detail::lowest_value<T>();
  T const cap = static_cast<T>(rule.softcap);
  if (cap > T(0)) {
    group.for_each(vocabulary, [=](std::size_t j) {
      T const x = logits[j];
      logits[j] = x == impossible ? x : cap * std::tanh(x / cap);
    });
    group.sync();
  }
  row_statistics<T> const s = softmax_statistics(group, logits, vocabulary, T(1));
  T const smoothing = static_cast<T>(rule.label_smoothing);
  T const log_sum = s.maximum + s.log_normaliser;
  T loss = smoothing == T(1) ? T(0) : -(T(1) - smoothing) * log_probability(s, logits[target], T(1));
  loss += static_cast<T>(rule.z_loss) * log_sum * log_sum;
  T share = T(0);
  if (smoothing > T(0)) {
    T const possible = group.sum(vocabulary, [=](std::size_t j) { return logits[j] == impossible ? T(0) : T(1); });
    T const below =
        group.sum(vocabulary, [=](std::size_t j) { return logits[j] == impossible ? T(0) : s.maximum - logits[j]; });
    loss += smoothing * (s.log_normaliser + below / possible);
    share = smoothing / possible;
  }
  T const pull = T(1) + T(2) * static_cast<T>(rule.z_loss) * log_sum;
  group.sync();  // every thread has read logits[target] before any thread overwrites it
  group.for_each(vocabulary, [=](std::size_t j) {
    T const logit = logits[j];
    T const hit = j == static_cast<std::size_t>(target) ? T(1) - smoothing : T(0);
    T const slope = probability(s, logit, T(1)) * pull - hit - share;
    T const bent = cap > T(0) ? T(1) - (logit / cap) * (logit / cap) : T(1);
    logits[j] = logit == impossible ? T(0) : scale * slope * bent;
  });
  return loss;
}

}  // namespace kernel
RLVR_NAMESPACE_END
