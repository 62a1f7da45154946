// SPDX-License-Identifier: MIT
// A type that does not return a loss_value is no objective.
// first error: token_objective|linear_policy_loss
// names: token_objective<
#include <rlvr/ops/linear_policy_loss.hpp>

namespace {
struct mistaken {
  template <class T>
#ifdef VALID
  constexpr rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& token) const {
    return {.value = -token.log_prob};
  }
#else
  constexpr T operator()(rlvr::token_sample<T> const& token) const {
    return -token.log_prob;
  }
#endif
};
}  // namespace

int main() {
  rlvr::ops::linear_policy_loss<mistaken> const loss{};
  return loss.head.chunk_rows == 0;
}
