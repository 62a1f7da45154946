// SPDX-License-Identifier: MIT
/// @file
/// Every preference loss of rl/.
#pragma once

#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_batch.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/reference_free.hpp>
#include <rlvr/rl/unpaired_preference.hpp>

#include "functors_support.hpp"

namespace functors {

namespace preference = rlvr::preference;

/// Losses of pairs.
struct pair_losses {
  preference::dpo dpo{0.1, 0.1};
  preference::robust robust{0.1, 0.2};
  preference::hinge hinge{};
  preference::ipo ipo{};
  preference::exo_pair exo{};
  preference::discopop discopop{};
  preference::nca_pair nca{};
  preference::bco_pair bco{};
  preference::sppo_hard sppo{};
  preference::apo_zero zero{};
  preference::apo_down down{};
  preference::simpo simpo{};
  preference::orpo orpo{};
  preference::bradley_terry annotated{};
  preference::sigmoid_norm normalised{};
  preference::mixture<preference::dpo, preference::bco_pair> mixture{};
  preference::transformed<preference::forward_kl_score, preference::length_normalised<preference::ipo>> transformed{};

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::preference_sample<T> const& pair, sink<T, Named>& out) const {
    out("dpo", dpo(pair));
    out("robust", robust(pair));
    out("hinge", hinge(pair));
    out("ipo", ipo(pair));
    out("exo_pair", exo(pair));
    out("discopop", discopop(pair));
    out("nca_pair", nca(pair));
    out("bco_pair", bco(pair));
    out("sppo_hard", sppo(pair));
    out("apo_zero", zero(pair));
    out("apo_down", down(pair));
    out("simpo", simpo(pair));
    out("orpo", orpo(pair));
    out("bradley_terry", annotated(pair));
    out("sigmoid_norm", normalised(pair));
    out("mixture", mixture(pair));
    out("transformed", transformed(pair));
  }
};

/// Losses of single responses, and scores of log-ratios.
struct response_losses {
  preference::kto kto{};
  preference::apo_zero_unpaired zero{};
  preference::bco bco{};
  preference::reverse_kl_score reverse_kl{};
  preference::forward_kl_score forward_kl{};
  preference::js_score js{};
  preference::alpha_score alpha{};
  preference::alpha_reward reward{};
  rlvr::wpo_weight wpo{.maximum = 2};

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::preference_sample<T> const& pair, sink<T, Named>& out) const {
    out("kto", kto(pair.chosen, true));
    out("kto disliked", kto(pair.rejected, false));
    out("apo_zero_unpaired", zero(pair.chosen, true));
    out("apo_zero_unpaired disliked", zero(pair.rejected, false));
    out("bco", bco(pair.chosen, true));
    out("bco disliked", bco(pair.rejected, false));
    out("reverse_kl_score", reverse_kl(pair.chosen));
    out("forward_kl_score", forward_kl(pair.chosen));
    out("js_score", js(pair.chosen));
    out("alpha_score", alpha(pair.chosen));
    out("alpha_reward", reward(pair.chosen));
    out("wpo_weight", wpo(static_cast<double>(pair.chosen), static_cast<double>(pair.rejected)));
  }
};

/// Pairs of log-ratios near and far from each other.
template <class T>
[[nodiscard]] std::vector<rlvr::preference_sample<T>> make_pairs() {
  generator next;
  std::vector<rlvr::preference_sample<T>> pairs;
  for (int i = 0; i < 24; ++i) {
    double const width = i % 4 == 3 ? 60 : 3;
    rlvr::preference_sample<T> pair{};
    pair.chosen = static_cast<T>(-next(0, width));
    pair.rejected = static_cast<T>(-next(0, width));
    pair.chosen_length = static_cast<T>(i % 7);
    pair.rejected_length = static_cast<T>(i % 5);
    pair.margin = static_cast<T>(next(0, 1));
    pairs.push_back(pair);
  }
  pairs[0].rejected = pairs[0].chosen;
  return pairs;
}

}  // namespace functors
