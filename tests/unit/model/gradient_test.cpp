// SPDX-License-Identifier: MIT
// The whole model against a naive one in double: values, and gradients by central differences of the naive one.
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "model_support.hpp"
#include <cmath>
#include <reference/transformer.hpp>
#include <support/catch.hpp>

using namespace model_support;

namespace {

constexpr double entropy_weight = 0.3;

/// The same loss in double: mean over scored tokens of -log p - 0.3 H.
double reference_loss(rlvr::model::parameter_layout const& layout, std::vector<double> const& weights,
                      std::vector<cut_sequence> const& sequences) {
  reference::transformer const model(layout, weights);
  double sum = 0;
  std::size_t count = 0;
  for (auto const& [before, scored] : sequences) {
    ids whole = before;
    whole.insert(whole.end(), scored.begin(), scored.end());
    auto const values = model.run(whole);
    for (std::size_t i = 0; i < scored.size(); ++i, ++count)
      sum -= values.log_prob[before.size() + i - 1] + entropy_weight * values.entropy[before.size() + i - 1];
  }
  return sum / static_cast<double>(count);
}

double l2(std::span<float const> values) {
  double square = 0;
  for (float const v : values) square += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(square);
}

}  // namespace

TEST_CASE("log-probs and entropies of a tree are those of a naive model in double") {
  for (auto const family : families) {
    INFO("family " << static_cast<int>(family));
    rlvr::cpu::context context(2);
    learner model(context, tiny(family));
    randomise(model, 11);
    generator random(12);
    random_tree const tree(random, 3);
    std::vector<float> log_prob, entropy;
    model.log_probs(model.weights(), tree.batch, {}, log_prob, &entropy);
    std::vector<double> const weights(model.weights().arena().begin(), model.weights().arena().end());
    reference::transformer const naive(model.weights().layout(), weights);
    std::size_t next = 0;
    for (auto const& [before, scored] : tree.sequences) {
      ids whole = before;
      whole.insert(whole.end(), scored.begin(), scored.end());
      auto const expected = naive.run(whole);
      for (std::size_t i = 0; i < scored.size(); ++i, ++next) {
        CHECK(std::fabs(log_prob[next] - expected.log_prob[before.size() + i - 1]) < 2e-5);
        CHECK(std::fabs(entropy[next] - expected.entropy[before.size() + i - 1]) < 2e-5);
      }
    }
    CHECK(next == log_prob.size());
  }
}

TEST_CASE("the gradient of every tensor agrees with central differences of the naive model") {
  for (auto const family : families) {
    rlvr::cpu::context context(2);
    learner model(context, tiny(family));
    randomise(model, 21);
    generator random(22);
    random_tree const tree(random, 2);
    rlvr::entropy_regularised<rlvr::cross_entropy> const objective{{}, entropy_weight};
    auto const losses = model.accumulate(tree.batch, objective);
    auto const& layout = model.weights().layout();
    std::vector<double> weights(model.weights().arena().begin(), model.weights().arena().end());
    CHECK(losses.total == Approx(reference_loss(layout, weights, tree.sequences)).epsilon(1e-5));
    std::normal_distribution<double> normal;
    for (auto const& info : layout.tensors())
      for (int repeat = 0; repeat < 2; ++repeat) {
        INFO("family " << static_cast<int>(family) << ", " << info.name);
        std::vector<double> direction(info.size());
        double square = 0;
        for (double& d : direction) {
          d = normal(random);
          square += d * d;
        }
        double const step = 1e-5;
        auto const moved = [&](double by) {
          std::vector<double> result = weights;
          for (std::size_t i = 0; i < info.size(); ++i) result[info.offset + i] += by * direction[i];
          return reference_loss(layout, result, tree.sequences);
        };
        double const expected = (moved(step) - moved(-step)) / (2 * step);
        auto const gradient = model.gradient().subspan(info.offset, info.size());
        double found = 0;
        for (std::size_t i = 0; i < info.size(); ++i) found += static_cast<double>(gradient[i]) * direction[i];
        // A gradient tensor is off by at most 1e-4 of its own length; differences in double by far less.
        CHECK(std::fabs(found - expected) <= 1e-4 * l2(gradient) * std::sqrt(square) + 1e-8);
      }
  }
}

TEST_CASE("a tree has the gradient of its sequences side by side") {
  for (auto const family : families) {
    rlvr::cpu::context context(2);
    learner tree_model(context, tiny(family)), flat_model(context, tiny(family));
    randomise(tree_model, 31);
    randomise(flat_model, 31);
    generator random(32);
    random_tree const tree(random, 3);
    auto const a = tree_model.accumulate(tree.batch, rlvr::cross_entropy{});
    auto const b = flat_model.accumulate(flat(tree.sequences), rlvr::cross_entropy{});
    CHECK(bits(a.log_prob) == bits(b.log_prob));
    for (auto const& info : tree_model.weights().layout().tensors()) {
      INFO("family " << static_cast<int>(family) << ", " << info.name);
      auto const left = tree_model.gradient().subspan(info.offset, info.size());
      std::vector<float> difference(left.begin(), left.end());
      for (std::size_t i = 0; i < info.size(); ++i) difference[i] -= flat_model.gradient()[info.offset + i];
      CHECK(l2(left) > 0);
      CHECK(l2(difference) <= 2e-6 * l2(left) + 1e-9);
    }
  }
}

TEST_CASE("recomputed activations, thread counts and repetitions give the same gradient bits") {
  for (auto const family : families) {
    INFO("family " << static_cast<int>(family));
    generator random(42);
    random_tree const tree(random, 3);
    std::vector<std::uint32_t> expected;
    for (auto const policy : {rlvr::model::activation_policy::keep_all, rlvr::model::activation_policy::recompute})
      for (std::size_t threads = 1; threads <= 3; ++threads) {
        rlvr::cpu::context context(threads);
        learner model(context, tiny(family), policy);
        randomise(model, 41);
        for (int repeat = 0; repeat < 2; ++repeat) {
          context.zero(model.gradient().data(), model.gradient().size());
          model.accumulate(tree.batch, rlvr::cross_entropy{});
          auto const found = bits(model.gradient());
          if (expected.empty()) expected = found;
          CHECK(found == expected);
        }
      }
  }
}
