// SPDX-License-Identifier: MIT
/// @file
/// Preference losses as files name them, and what lets the batch functions take values that the backend has computed.
#pragma once

#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/reference_free.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <string>
#include <support/evaluate.hpp>
#include <vector>

namespace golden {

/// The losses of pairs that files name, as one functor: what is composed with it is instantiated once.
struct named_loss {
  enum class kind : unsigned char {
    sigmoid,
    robust,
    hinge,
    ipo,
    exo_pair,
    discopop,
    nca_pair,
    bco_pair,
    sppo_hard,
    apo_zero,
    apo_down,
    simpo
  } which = kind::sigmoid;
  double beta = 0.1;
  double label_smoothing = 0;
  double extra = 0;  ///< tau, or gamma of simpo

  template <class T>
  [[nodiscard]] RLVR_HD rlvr::preference_value<T> operator()(rlvr::preference_sample<T> const& pair) const {
    switch (which) {
      case kind::sigmoid:
        return rlvr::preference::dpo{beta, label_smoothing}(pair);
      case kind::robust:
        return rlvr::preference::robust{beta, label_smoothing}(pair);
      case kind::hinge:
        return rlvr::preference::hinge{beta}(pair);
      case kind::ipo:
        return rlvr::preference::ipo{beta}(pair);
      case kind::exo_pair:
        return rlvr::preference::exo_pair{beta, label_smoothing}(pair);
      case kind::discopop:
        return rlvr::preference::discopop{beta, extra}(pair);
      case kind::nca_pair:
        return rlvr::preference::nca_pair{beta}(pair);
      case kind::bco_pair:
        return rlvr::preference::bco_pair{.beta = beta}(pair);
      case kind::sppo_hard:
        return rlvr::preference::sppo_hard{beta}(pair);
      case kind::apo_zero:
        return rlvr::preference::apo_zero{beta}(pair);
      case kind::apo_down:
        return rlvr::preference::apo_down{beta}(pair);
      default:
        return rlvr::preference::simpo{beta, extra, label_smoothing}(pair);
    }
  }
};

[[nodiscard]] inline named_loss read_loss(std::string const& name, double beta, double label_smoothing,
                                          double extra = 0.05) {
  static char const* const names[] = {"sigmoid",  "robust",   "hinge",     "ipo",      "exo_pair", "discopop",
                                      "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "simpo"};
  for (std::size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) return {static_cast<named_loss::kind>(i), beta, label_smoothing, extra};
  throw std::runtime_error("unknown loss '" + name + "'");
}

/// The scores that files name.
struct named_score {
  enum class kind : unsigned char { reverse_kl, forward_kl, js, alpha } which = kind::reverse_kl;
  double alpha = 0.5;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD rlvr::preference::score_value<T> operator()(T log_ratio) const {
    if (which == kind::reverse_kl) return rlvr::preference::reverse_kl_score{}(log_ratio);
    if (which == kind::forward_kl) return rlvr::preference::forward_kl_score{}(log_ratio);
    if (which == kind::js) return rlvr::preference::js_score{}(log_ratio);
    return rlvr::preference::alpha_score{alpha}(log_ratio);
  }
};

[[nodiscard]] inline named_score read_score(std::string const& name, double alpha) {
  using kind = named_score::kind;
  if (name.empty() || name == "reverse_kl") return {kind::reverse_kl, alpha};
  if (name == "forward_kl") return {kind::forward_kl, alpha};
  if (name == "js_divergence") return {kind::js, alpha};
  if (name == "alpha_divergence") return {kind::alpha, alpha};
  throw std::runtime_error("unknown divergence '" + name + "'");
}

/// A loss for the batch functions: it notes the pairs that it is asked about, or answers with what the backend has
/// computed for them.
template <class T>
struct answers {
  std::vector<rlvr::preference_sample<T>>* asked = nullptr;
  rlvr::preference_value<T> const** next = nullptr;

  [[nodiscard]] rlvr::preference_value<T> operator()(rlvr::preference_sample<T> const& pair) const {
    if (next != nullptr) return *(*next)++;
    asked->push_back(pair);
    return {};
  }
  [[nodiscard]] rlvr::preference_value<T> of_margin(T margin) const { return (*this)({.chosen = margin}); }
};

/// run(loss), with the loss evaluated by the backend.
template <class T, class Loss, class Run>
[[nodiscard]] auto with_backend(Loss const& loss, Run const& run) {
  std::vector<rlvr::preference_sample<T>> asked;
  (void)run(answers<T>{.asked = &asked});
  std::vector<rlvr::preference_value<T>> const values = test::map(loss, asked);
  rlvr::preference_value<T> const* next = values.data();
  return run(answers<T>{.next = &next});
}

}  // namespace golden
