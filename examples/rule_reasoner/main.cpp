// SPDX-License-Identifier: MIT
// Domain-aware dynamic sampling (RuleReasoner, arXiv 2506.08672) on four domains of different difficulty.  Instead of a
// language model, each domain has a two-armed bandit: its logit is the model's skill, REINFORCE trains it on the
// answers to the examples that the sampler gives out.  Three samplers, three policies with the same start:
//
//   uniform   the same share for every domain
//   paper     weights exp((1 - average reward) / 0.5) + 0.1
//   code      weights of the released code: exp(max(0, 25/48 - mean reward) / 0.3)
//
// The table shows the accuracy of the weakest domain and, for the paper's form, the weights.
#include <rlvr/data/domain_sampling.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

namespace {

constexpr std::size_t domain_count = 4;
constexpr std::array<char const*, domain_count> names{"facts", "chains", "kinship", "puzzles"};
constexpr std::array<std::size_t, domain_count> sizes{800, 400, 100, 60};

// A policy that answers rightly with probability 1 / (1 + exp(-logit)).
class bandits {
 public:
  [[nodiscard]] double accuracy(std::size_t domain) const { return 1 / (1 + std::exp(-logit_[domain])); }
  [[nodiscard]] double lowest_accuracy() const {
    double lowest = 1;
    for (std::size_t domain = 0; domain < domain_count; ++domain) lowest = std::min(lowest, accuracy(domain));
    return lowest;
  }
  void learn(std::array<double, domain_count> const& gradient) {
    for (std::size_t domain = 0; domain < domain_count; ++domain) logit_[domain] += learning_rate * gradient[domain];
  }

 private:
  static constexpr double learning_rate = 0.03;
  std::array<double, domain_count> logit_{1.5, 0.5, -1, -2.5};
};

// One training step: answers, rewards, gradient.
template <class Sampler>
void step(Sampler& sampler, bandits& policy, rlvr::random_stream& random) {
  std::array<double, domain_count> gradient{};
  for (std::size_t const example : sampler.next_batch()) {
    std::size_t const domain = sampler.domain_of(example);
    double const reward = random.uniform() < policy.accuracy(domain) ? 1 : 0;
    gradient[domain] += reward * (1 - policy.accuracy(domain));  // reward times the gradient of log p(right)
    sampler.report(example, reward);
  }
  policy.learn(gradient);
}

}  // namespace

int main() try {
  std::vector<std::size_t> domain_of;
  for (std::size_t domain = 0; domain < domain_count; ++domain) {
    domain_of.insert(domain_of.end(), sizes[domain], domain);
  }
  rlvr::data::domain_sampler_settings const settings{.batch_size = 64, .seed = 1};
  rlvr::data::domain_weighting<rlvr::data::ewma_history, rlvr::data::fixed_target, rlvr::data::uniform_link> const
      no_weighting;
  rlvr::data::domain_sampler uniform(domain_of, settings, no_weighting);
  rlvr::data::domain_sampler paper(domain_of, settings, rlvr::data::rule_reasoner_weighting());
  rlvr::data::domain_sampler code(domain_of, settings, rlvr::data::rule_reasoner_code_weighting());

  std::array<bandits, 3> policy;
  std::array<rlvr::random_stream, 3> random{rlvr::random_stream(7), rlvr::random_stream(7), rlvr::random_stream(7)};
  std::array<int, 3> reached{};  // the step after which every domain is right in 80 of 100 answers
  std::printf("       accuracy of the weakest      weights of the paper's form\n");
  std::printf("step   uniform   paper    code ");
  for (char const* const name : names) std::printf("  %8s", name);
  std::printf("\n");
  for (int number = 1; number <= 120; ++number) {
    step(uniform, policy[0], random[0]);
    step(paper, policy[1], random[1]);
    step(code, policy[2], random[2]);
    for (std::size_t i = 0; i < 3; ++i) {
      if (reached[i] == 0 && policy[i].lowest_accuracy() >= 0.8) reached[i] = number;
    }
    if (number > 10 && number % 10 != 0) continue;
    std::printf("%4d   %7.3f %7.3f %7.3f ", number, policy[0].lowest_accuracy(), policy[1].lowest_accuracy(),
                policy[2].lowest_accuracy());
    for (double const weight : paper.domain_weights()) std::printf("  %8.3f", weight);
    std::printf("\n");
  }
  std::printf("\nEvery domain at 0.8 after");
  for (std::size_t i = 0; i < 3; ++i) {
    char const* const name = std::array{"uniform", "paper", "code"}[i];
    if (reached[i] > 0) {
      std::printf("%s %d steps (%s)", i == 0 ? "" : ",", reached[i], name);
    } else {
      std::printf("%s more than 120 steps (%s)", i == 0 ? "" : ",", name);
    }
  }
  std::printf(".\n");
} catch (std::exception const& error) {
  std::fprintf(stderr, "rule_reasoner: %s\n", error.what());
  return 1;
}
