// SPDX-License-Identifier: MIT
// What an objective costs: alone, and inside the fused loss beside the softmax that the loss needs anyway; and what a
// derivative costs that nobody wrote: the same arithmetic through dual numbers against the hand-written functor.
// Exits with 1 where a derived objective takes more than 1.1 times as long inside the fused loss.
//
// Measured (EPYC, a core shared with others, GCC 12 -O3 -march=native, vocabulary 32768): softmax statistics 206 us a
// token, the fused loss 1.10 to 1.19 times that for every objective (2.05 with an entropy term, whose gradient needs a
// logarithm of every probability), the objective itself 1 to 28 ns.  Derived to hand-written: fused 0.99 to 1.01; alone
// 0.9 to 1.05 for a bare clip, 0.5 to 0.9 for the library's own functors, which guard more, 1.27 (with -O2) for a bare
// sigmoid gate: there the guard of dual numbers against 0 * infinity shows at each of four products; without it the
// gate takes 1.02.  Usage: benchmark_objectives [rows vocabulary]
#include <rlvr/kernel/token_loss.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "measure.hpp"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

using sample = rlvr::token_sample<float>;

constexpr std::size_t sample_count = 4096;  // stay in the cache: arithmetic is measured, not memory
constexpr std::size_t rounds = 31;

// The clip and nothing else, derivative by hand: what `differentiate` of the same arithmetic has to be measured
// against. `ppo_clip` is heavier, it guards against infinite log-ratios and tells where it clipped.
struct bare_clip {
  template <class T>
  rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& s) const {
    T const ratio = std::exp(s.log_prob - s.old_log_prob);
    T const free = ratio * s.advantage;
    T const clipped = (ratio < T(0.8) ? T(0.8) : (ratio > T(1.2) ? T(1.2) : ratio)) * s.advantage;
    bool const bound = clipped < free;
    return {.value = -(bound ? clipped : free), .d_log_prob = bound ? T(0) : -free};
  }
};

struct bare_gate {
  template <class T>
  rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& s) const {
    T const ratio = std::exp(s.log_prob - s.old_log_prob);
    T const gate = T(1) / (T(1) + std::exp(T(-1.05) * (ratio - T(1))));
    return {.value = T(-4 / 1.05) * s.advantage * gate,
            .d_log_prob = T(-4) * s.advantage * gate * (T(1) - gate) * ratio};
  }
};

// One function per objective that the compiler may not merge with what stands around it.  Everything is inlined into
// it: whether a compiler finds a functor too large for that changes the time by more than its arithmetic does.
template <class Objective>
[[gnu::noinline, gnu::flatten]] void evaluate(Objective const& objective, std::vector<sample> const& samples,
                                              std::vector<rlvr::loss_value<float>>& losses) {
  for (std::size_t i = 0; i < samples.size(); ++i) losses[i] = objective(samples[i]);
  benchmarks::keep(losses.front());
}

struct fused_input {
  std::size_t rows, vocabulary;
  std::vector<float> logits, scratch, log_prob, entropy;
  std::vector<std::int32_t> target;
  std::vector<float> advantage, old_log_prob, reference_log_prob;
  std::vector<rlvr::sequence_record<float>> sequence;
  std::vector<std::int32_t> sequence_index;

  fused_input(std::size_t n, std::size_t v)
      : rows(n),
        vocabulary(v),
        logits(n * v),
        scratch(v),
        log_prob(n),
        entropy(n),
        target(n),
        advantage(n),
        old_log_prob(n),
        reference_log_prob(n),
        sequence(1),
        sequence_index(n, 0) {
    benchmarks::randomise(logits.data(), logits.size(), 4.0f, 1);
    std::vector<float> noise(3 * n);
    benchmarks::randomise(noise.data(), noise.size(), 1.0f, 2);
    for (std::size_t i = 0; i < n; ++i) {
      target[i] = static_cast<std::int32_t>(i * 48271 % v);
      rlvr::kernel::token_log_prob_row(rlvr::single_thread_group{}, logits.data() + i * v, v, 1.0f, target[i],
                                       &log_prob[i], &entropy[i]);
      advantage[i] = noise[3 * i];
      old_log_prob[i] = log_prob[i] + 0.4f * noise[3 * i + 1];
      reference_log_prob[i] = log_prob[i] + 0.4f * noise[3 * i + 2];
    }
    sequence[0] = {.length = static_cast<float>(n), .mean_log_ratio = 1e-4f, .index = 0};
  }
  [[nodiscard]] rlvr::token_records records() const {
    return {.target = target.data(),
            .advantage = advantage.data(),
            .old_log_prob = old_log_prob.data(),
            .reference_log_prob = reference_log_prob.data(),
            .sequence = sequence.data(),
            .sequence_index = sequence_index.data()};
  }
};

// A fresh copy of a row, as the product that makes logits leaves it in the cache.
float* copy_row(fused_input& input, std::size_t row) {
  std::memcpy(input.scratch.data(), input.logits.data() + row * input.vocabulary, input.vocabulary * sizeof(float));
  return input.scratch.data();
}

[[gnu::noinline]] void softmax_alone(fused_input& input) {
  for (std::size_t i = 0; i < input.rows; ++i)
    rlvr::kernel::token_log_prob_row(rlvr::single_thread_group{}, copy_row(input, i), input.vocabulary, 1.0f,
                                     input.target[i], &input.log_prob[i], &input.entropy[i]);
  benchmarks::keep(input.log_prob.front());
}

template <class Objective>
[[gnu::noinline]] void fused(Objective const& objective, fused_input& input) {
  for (std::size_t i = 0; i < input.rows; ++i) {
    float* const row = copy_row(input, i);
    rlvr::kernel::token_loss_row(rlvr::single_thread_group{}, row, input.vocabulary, 1.0f, objective, input.records(),
                                 {.log_prob = input.log_prob.data()}, i);
    benchmarks::keep(*row);
  }
}

std::vector<sample> make_samples() {
  std::vector<float> noise(4 * sample_count);
  benchmarks::randomise(noise.data(), noise.size(), 1.0f, 3);
  std::vector<sample> samples(sample_count);
  for (std::size_t i = 0; i < sample_count; ++i) {
    samples[i].log_prob = noise[4 * i] - 2;
    samples[i].old_log_prob = samples[i].log_prob + 0.4f * noise[4 * i + 1];
    samples[i].advantage = noise[4 * i + 2];
    samples[i].reference_log_prob = samples[i].log_prob + 0.4f * noise[4 * i + 3];
    samples[i].entropy = 1;
    samples[i].sequence = {.length = 100, .mean_log_ratio = 1e-4f, .index = 0};
  }
  return samples;
}

// Everything that is timed: alone and fused, by name.
class table {
 public:
  explicit table(fused_input& input) : input_(&input), samples_(make_samples()), losses_(sample_count) {}

  template <class Objective>
  std::vector<rlvr::loss_value<float>> add(std::string name, Objective objective) {
    names_.push_back(std::move(name));
    alone_.push_back([this, objective] {
      for (int repetition = 0; repetition < 8; ++repetition) evaluate(objective, samples_, losses_);
    });
    fused_.push_back([this, objective] { fused(objective, *input_); });
    evaluate(objective, samples_, losses_);
    return losses_;
  }
  // A hand-written objective and the same by `differentiate`; says where their derivatives differ.
  template <class ByHand, class Function>
  void add_pair(std::string const& name, ByHand by_hand, Function function) {
    auto const expected = add(name, by_hand);
    auto const found = add("  differentiate", rlvr::differentiate(function));
    float worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i)
      worst = std::max(worst, std::abs(found[i].d_log_prob - expected[i].d_log_prob));
    if (worst > 1e-5f) std::printf("%s: derivatives differ by %.1e\n", name.c_str(), static_cast<double>(worst));
    pairs_.push_back(names_.size() - 1);
  }

  // Prints the rows; whether every derived objective is within the limit inside the fused loss.
  [[nodiscard]] bool report() {
    fused_.push_back([this] { softmax_alone(*input_); });
    auto const alone = benchmarks::interleaved(rounds, alone_);
    auto const inside = benchmarks::interleaved(rounds, fused_);
    auto const& softmax = inside.back();
    double const rows = static_cast<double>(input_->rows);
    std::printf("vocabulary %zu; softmax statistics alone %.2f us a token\n\n", input_->vocabulary,
                benchmarks::median(softmax) / rows * 1e6);
    std::printf("%-34s %10s %8s %12s %10s %8s\n", "objective", "ns alone", "to hand", "us fused", "to softmax",
                "to hand");
    bool good = true;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      std::printf("%-34s %10.2f %8s %12.2f %10.2f", names_[i].c_str(),
                  benchmarks::median(alone[i]) / (8.0 * sample_count) * 1e9, ratio(alone, i).c_str(),
                  benchmarks::median(inside[i]) / rows * 1e6, benchmarks::median_ratio(inside[i], softmax));
      std::printf(" %8s\n", ratio(inside, i).c_str());
      if (derived(i)) good = good && benchmarks::median_ratio(inside[i], inside[i - 1]) <= 1.1;
    }
    return good;
  }

 private:
  [[nodiscard]] bool derived(std::size_t i) const { return std::find(pairs_.begin(), pairs_.end(), i) != pairs_.end(); }
  [[nodiscard]] std::string ratio(std::vector<std::vector<double>> const& seconds, std::size_t i) const {
    if (!derived(i)) return "";
    char text[16];
    std::snprintf(text, sizeof text, "%.2f", benchmarks::median_ratio(seconds[i], seconds[i - 1]));
    return text;
  }

  fused_input* input_;
  std::vector<sample> samples_;
  std::vector<rlvr::loss_value<float>> losses_;
  std::vector<std::string> names_;
  std::vector<std::function<void()>> alone_, fused_;
  std::vector<std::size_t> pairs_;
};

}  // namespace

int main(int argc, char** argv) {
  auto const argument = [&](int i, std::size_t otherwise) {
    return argc > i ? static_cast<std::size_t>(std::strtoull(argv[i], nullptr, 10)) : otherwise;
  };
  fused_input input(argument(1, 32), argument(2, 32768));
  table all(input);
  auto const clip = [](auto s) {
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    return -min(ratio * s.advantage, clamp(ratio, 0.8, 1.2) * s.advantage);
  };
  auto const gate = [](auto s) {
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    return -4 / 1.05 * s.advantage * (1 / (1 + exp(-1.05 * (ratio - 1))));
  };
  all.add_pair("bare clip", bare_clip{}, clip);
  all.add_pair("bare sigmoid gate", bare_gate{}, gate);
  all.add_pair("ppo_clip", rlvr::ppo_clip{}, clip);
  all.add_pair("reinforce", rlvr::reinforce{}, [](auto s) { return -s.advantage * s.log_prob; });
  all.add_pair("cispo", rlvr::cispo(0.2, 0.2), [](auto s) {
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    return -stop_gradient(clamp(ratio, 0.8, 1.2)) * s.advantage * s.log_prob;
  });
  all.add_pair("sapo", rlvr::sapo{}, [](auto s) {
    auto const tau = s.advantage > 0 ? 1.0f : 1.05f;
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    return -4 / tau * s.advantage * (1 / (1 + exp(-tau * (ratio - 1))));
  });
  all.add_pair("direct_reward", rlvr::direct_reward{.beta = 0.1}, [](auto s) {
    auto const drift = s.log_prob - s.old_log_prob;
    return -s.advantage * s.log_prob + 0.05 * drift * drift;
  });
  all.add_pair("kl_penalised ppo_clip, k3", rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0.01}, [](auto s) {
    auto const ratio = exp(s.log_prob - s.old_log_prob);
    auto const d = s.reference_log_prob - s.log_prob;
    return -min(ratio * s.advantage, clamp(ratio, 0.8, 1.2) * s.advantage) + 0.01 * (expm1(d) - d);
  });
  all.add("entropy_regularised ppo_clip", rlvr::entropy_regularised{rlvr::ppo_clip{}, 0.001});
  all.add("cross_entropy", rlvr::cross_entropy{});
  all.add("topr", rlvr::topr{});
  all.add("dppo", rlvr::dppo{});
  all.add("trust_region_policy_gradient", rlvr::trust_region_policy_gradient{});
  all.add("reference_policy_gradient", rlvr::reference_policy_gradient{});
  all.add("squared_log_ratio", rlvr::squared_log_ratio{});
  all.add("kl_cov", rlvr::kl_cov{});
  all.add("sequence_clip", rlvr::sequence_clip{});
  all.add("gmpo", rlvr::gmpo{});
  all.add("vespo", rlvr::vespo{});
  return all.report() ? 0 : 1;
}
