// SPDX-License-Identifier: MIT
// An objective and a reward with nothing but a C++20 compiler and -Iinclude: no CMake, no package.
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include <cstdio>

namespace {

/// A user's own objective: REINFORCE, in three lines.
struct my_objective {
  template <class T>
  constexpr rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& token) const {
    return {.value = -token.advantage * token.log_prob, .d_log_prob = -token.advantage};
  }
};
static_assert(rlvr::token_objective<my_objective>);

/// A user's own reward: short answers are better.
struct brevity {
  double operator()(rlvr::reward::relation_sample const& sample) const {
    return 1.0 / (1.0 + static_cast<double>(sample.completion.size()));
  }
};
static_assert(rlvr::reward::sample_reward<brevity>);

}  // namespace

int main() {
  rlvr::token_sample<double> const token{.log_prob = -0.5, .old_log_prob = -0.5, .advantage = 2.0};
  rlvr::reward::relation_sample const sample{.completion = "abc"};
  double const loss = my_objective{}(token).value;
  double const reward = rlvr::reward::evaluate(brevity{}, sample).value;
  std::printf("%g %g\n", loss, reward);
  return loss == 1.0 && reward == 0.25 ? 0 : 1;
}
