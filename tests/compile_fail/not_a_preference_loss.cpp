// SPDX-License-Identifier: MIT
// A functor of a pair that returns a number, without derivatives, is no preference loss.
// first error: preference_loss
// names: preference_loss<
#include <rlvr/rl/preference_batch.hpp>

namespace {
struct mistaken {
  template <class T>
#ifdef VALID
  constexpr rlvr::preference_value<T> operator()(rlvr::preference_sample<T> const& pair) const {
    return {.value = pair.rejected - pair.chosen, .d_chosen = -1, .d_rejected = 1};
  }
#else
  constexpr T operator()(rlvr::preference_sample<T> const& pair) const {
    return pair.rejected - pair.chosen;
  }
#endif
};
}  // namespace

int main() {
  rlvr::preference::mixture<mistaken, rlvr::preference::dpo> const loss{};
  return loss.first_weight == 0;
}
