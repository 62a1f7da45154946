// SPDX-License-Identifier: MIT
/// @file
/// Losses on single responses that somebody liked or did not.  With d the log-ratio log pi - log pi_ref of a response,
/// b = beta, s = sigmoid, ls = log s, w_+ and w_- the weights of the two kinds:
///
///   loss                 liked                    not liked
///   kto                  w_+ (1 - s(b (d - z)))   w_- (1 - s(b (z - d)))     Ethayarajh et al. 2024 (2402.01306), eq.
///   7 apo_zero_unpaired    w_+ (1 - s(b d))         w_- s(b d)                 2408.06266, without pairs bco -w_+ ls(b
///   d - delta)     -w_- ls(delta - b d)       Jung et al. 2024 (2404.04656), eq. 7
///
/// z is an estimate of KL(pi || ref), a constant of the derivative: `kto_baseline` of log-ratios of responses that were
/// paired with prompts of others.  delta is the mean of b d over recent liked and not liked responses.
/// Derivatives are exact; every value is finite for |d| <= 1e6.  `mean_unpaired_loss` is the span form: an empty batch
/// has loss 0.  TRL @ f2cd57710ae3 trainer/kto_trainer.py and experimental/bco, Liger @ ead96b618e5c.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/preference.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// A response's loss and its derivative by the log-ratio.
template <std::floating_point T>
struct unpaired_value {
  T value{};
  T d_log_ratio{};
};

/// A loss of one response.
template <class Loss, class T = float>
concept unpaired_loss = std::is_trivially_copyable_v<Loss> && requires(Loss const& loss, T log_ratio, bool desirable) {
  { loss(log_ratio, desirable) } -> std::same_as<unpaired_value<T>>;
};

namespace preference {

/// Kahneman-Tversky optimisation: the value of an outcome saturates on both sides of the reference point.
struct kto {
  double beta = 0.1;
  double kl = 0;  ///< z, in nats of a whole response
  double desirable_weight = 1;
  double undesirable_weight = 1;  ///< balance: desirable_weight n_+ should be 1 to 4/3 of undesirable_weight n_-

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD unpaired_value<T> operator()(T log_ratio, bool desirable) const {
    T const b = static_cast<T>(beta);
    T const z = b * (log_ratio - static_cast<T>(kl));
    T const slope = b * detail::sigmoid_slope(z);
    T const weight = static_cast<T>(desirable ? desirable_weight : undesirable_weight);
    return desirable ? unpaired_value<T>{weight * math::sigmoid(-z), -weight * slope}
                     : unpaired_value<T>{weight * math::sigmoid(z), weight * slope};
  }
};

/// `kto` about the reference itself: no estimate of the KL is needed.
struct apo_zero_unpaired {
  double beta = 0.1;
  double desirable_weight = 1;
  double undesirable_weight = 1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD unpaired_value<T> operator()(T log_ratio, bool desirable) const {
    return kto{beta, 0, desirable_weight, undesirable_weight}(log_ratio, desirable);
  }
};

/// Binary classifier optimisation.
struct bco {
  double beta = 0.1;
  double delta = 0;  ///< reward that counts as neutral
  double desirable_weight = 1;
  double undesirable_weight = 1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD unpaired_value<T> operator()(T log_ratio, bool desirable) const {
    T const b = static_cast<T>(beta);
    T const z = b * log_ratio - static_cast<T>(delta);
    T const weight = static_cast<T>(desirable ? desirable_weight : undesirable_weight);
    return desirable ? unpaired_value<T>{-weight * math::log_sigmoid(z), -weight * b * math::sigmoid(-z)}
                     : unpaired_value<T>{-weight * math::log_sigmoid(-z), weight * b * math::sigmoid(z)};
  }
};

static_assert(unpaired_loss<kto> && unpaired_loss<kto, double>);
static_assert(unpaired_loss<apo_zero_unpaired> && unpaired_loss<bco>);

}  // namespace preference

/// z of KTO: max(0, mean) of log-ratios of mismatched responses; 0 where there are none.
template <std::floating_point T>
[[nodiscard]] double kto_baseline(std::span<T const> log_ratios) {
  double sum = 0;
  for (T const x : log_ratios) sum += static_cast<double>(x);
  return sum > 0 ? sum / static_cast<double>(log_ratios.size()) : 0;
}

/// Sum of the losses over `normaliser`, which is also in the derivatives.
/// @param desirable   liked or not, per response
/// @param normaliser  responses of the whole optimiser step; 0: those of this batch
/// @param each        receives value and derivative per response, the value without the normaliser
/// @throws shape_error where the sizes differ
template <class Loss, std::floating_point T>
requires unpaired_loss<Loss, T>
[[nodiscard]] double mean_unpaired_loss(Loss const& loss, std::span<T const> log_ratios,
                                        std::span<bool const> desirable, double normaliser,
                                        std::span<unpaired_value<T>> each) {
  if (log_ratios.size() != desirable.size() || log_ratios.size() != each.size())
    throw shape_error("mean_unpaired_loss: log-ratios, labels and results must be equally many");
  double const divisor = normaliser > 0 ? normaliser : static_cast<double>(log_ratios.size());
  double sum = 0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    each[i] = loss(log_ratios[i], desirable[i]);
    sum += static_cast<double>(each[i].value);
    each[i].d_log_ratio = static_cast<T>(static_cast<double>(each[i].d_log_ratio) / divisor);
  }
  return each.empty() ? 0 : sum / divisor;
}

RLVR_NAMESPACE_END
