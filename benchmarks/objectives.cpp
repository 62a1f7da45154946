// SPDX-License-Identifier: MIT
// What a derivative costs that nobody wrote: an objective through dual numbers against the hand-written one.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>

#include "measure.hpp"
#include <cstdio>

namespace {

template <class Objective>
void evaluate(Objective const& objective, std::vector<rlvr::token_sample<float>> const& samples,
              std::vector<float>& gradients) {
  for (std::size_t i = 0; i < samples.size(); ++i) gradients[i] = objective(samples[i]).d_log_prob;
  benchmarks::keep(gradients.front());
}

}  // namespace

int main() {
  constexpr std::size_t count = 1 << 18;
  std::vector<float> noise(3 * count), by_hand(count), by_dual(count);
  benchmarks::randomise(noise.data(), noise.size(), 1.0f, 1);
  std::vector<rlvr::token_sample<float>> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i].log_prob = noise[3 * i] - 2;
    samples[i].old_log_prob = samples[i].log_prob + 0.4f * noise[3 * i + 1];
    samples[i].advantage = noise[3 * i + 2];
  }
  rlvr::ppo_clip const hand{};
  auto const dual = rlvr::differentiate([](auto s) {
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    return -min(ratio * s.advantage, clamp(ratio, 0.8, 1.2) * s.advantage);
  });
  auto const seconds = benchmarks::interleaved(
      21, {[&] { evaluate(hand, samples, by_hand); }, [&] { evaluate(dual, samples, by_dual); }});
  double worst = 0;
  for (std::size_t i = 0; i < count; ++i)
    worst = std::max(worst,
                     static_cast<double>(by_hand[i] > by_dual[i] ? by_hand[i] - by_dual[i] : by_dual[i] - by_hand[i]));
  auto const nanoseconds = [](double time) { return time / count * 1e9; };
  std::printf("ppo_clip by hand      %6.2f ns a token\n", nanoseconds(benchmarks::median(seconds[0])));
  std::printf("differentiate(lambda) %6.2f ns a token, %.2f times, largest difference of gradients %.1e\n",
              nanoseconds(benchmarks::median(seconds[1])), benchmarks::median_ratio(seconds[1], seconds[0]), worst);
}
