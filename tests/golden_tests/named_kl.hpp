// SPDX-License-Identifier: MIT
/// @file
/// The KL estimator that a file names, as one functor: what is composed with it is instantiated once.
#pragma once

#include <rlvr/rl/kl.hpp>

#include <stdexcept>
#include <string>

namespace golden {

/// One of the estimators of rl/kl.hpp.
struct named_kl {
  enum class kind : unsigned char { k1, k2, k3, absolute, reverse_k3 } which = kind::k1;
  double input_clamp = rlvr::unlimited;
  double output_clamp = rlvr::unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD rlvr::kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    switch (which) {
      case kind::k1:
        return rlvr::k1{input_clamp, output_clamp}(log_prob, reference_log_prob);
      case kind::k2:
        return rlvr::k2{input_clamp, output_clamp}(log_prob, reference_log_prob);
      case kind::k3:
        return rlvr::k3{input_clamp, output_clamp}(log_prob, reference_log_prob);
      case kind::absolute:
        return rlvr::absolute_kl{input_clamp, output_clamp}(log_prob, reference_log_prob);
      default:
        return rlvr::reverse_k3{input_clamp, output_clamp}(log_prob, reference_log_prob);
    }
  }
};

[[nodiscard]] inline named_kl read_kl(std::string const& name, double input_clamp = rlvr::unlimited,
                                      double output_clamp = rlvr::unlimited) {
  using kind = named_kl::kind;
  if (name == "k1") return {kind::k1, input_clamp, output_clamp};
  if (name == "k2") return {kind::k2, input_clamp, output_clamp};
  if (name == "k3") return {kind::k3, input_clamp, output_clamp};
  if (name == "abs") return {kind::absolute, input_clamp, output_clamp};
  if (name.starts_with("k3_reversed")) return {kind::reverse_k3, input_clamp, output_clamp};
  throw std::runtime_error("unknown estimator " + name);
}

}  // namespace golden
