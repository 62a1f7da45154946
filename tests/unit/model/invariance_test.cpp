// SPDX-License-Identifier: MIT
// A sequence's forward results have the same bits whatever stands beside it and however it is computed.
#include <rlvr/model/generate.hpp>

#include "model_support.hpp"
#include <algorithm>
#include <support/catch.hpp>

using namespace model_support;

namespace {

/// Log-probs, then entropies, of each sequence alone in a batch.
std::vector<std::uint32_t> alone(learner& model, std::vector<cut_sequence> const& sequences) {
  std::vector<std::uint32_t> log_prob, entropy;
  for (auto const& sequence : sequences) {
    auto const found = forward_bits(model, flat({sequence}));
    auto const middle = found.begin() + static_cast<std::ptrdiff_t>(found.size() / 2);
    log_prob.insert(log_prob.end(), found.begin(), middle);
    entropy.insert(entropy.end(), middle, found.end());
  }
  log_prob.insert(log_prob.end(), entropy.begin(), entropy.end());
  return log_prob;
}

}  // namespace

TEST_CASE("a tree of any depth has the bits of its sequences, alone or together, on any number of threads") {
  for (auto const family : families)
    for (std::size_t depth = 1; depth <= 4; ++depth)
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        INFO("family " << static_cast<int>(family) << ", depth " << depth << ", seed " << seed);
        generator random(100 * depth + seed);
        random_tree const tree(random, depth);
        rlvr::cpu::context one(1);
        learner model(one, tiny(family));
        randomise(model, seed);
        auto const expected = alone(model, tree.sequences);
        CHECK(forward_bits(model, flat(tree.sequences)) == expected);
        for (std::size_t threads = 1; threads <= 3; ++threads) {
          rlvr::cpu::context context(threads);
          learner same(context, tiny(family));
          randomise(same, seed);
          CHECK(forward_bits(same, tree.batch, {.chunk_rows = 1 + seed * threads}) == expected);
        }
      }
}

TEST_CASE("neighbours do not change a sequence's bits") {
  generator random(7);
  rlvr::cpu::context context(2);
  learner model(context, tiny(rlvr::model_family::qwen3));
  randomise(model, 7);
  cut_sequence const mine{random_ids(random, 5), random_ids(random, 9)};
  auto const expected = alone(model, {mine});
  for (std::size_t before = 0; before < 4; ++before)
    for (std::size_t after = 0; after < 3; ++after) {
      std::vector<cut_sequence> all;
      std::size_t skipped = 0;
      for (std::size_t i = 0; i < before; ++i) {
        all.push_back({random_ids(random, 1 + random() % 20), random_ids(random, 1 + random() % 20)});
        skipped += all.back().scored.size();
      }
      all.push_back(mine);
      for (std::size_t i = 0; i < after; ++i) all.push_back({random_ids(random, 3), random_ids(random, 4)});
      auto const found = forward_bits(model, flat(all));
      std::vector<std::uint32_t> cut;
      for (std::size_t const first : {skipped, found.size() / 2 + skipped})
        cut.insert(cut.end(), found.begin() + static_cast<std::ptrdiff_t>(first),
                   found.begin() + static_cast<std::ptrdiff_t>(first + mine.scored.size()));
      CHECK(cut == expected);
    }
}

TEST_CASE("what the sampler reports has the bits of the training forward pass") {
  for (auto const family : families)
    for (float const temperature : {1.0f, 0.7f}) {
      INFO("family " << static_cast<int>(family) << ", temperature " << temperature);
      generator random(5);
      rlvr::cpu::context context(2);
      learner model(context, tiny(family));
      randomise(model, 5);
      ids const prefix = random_ids(random, 11);
      std::vector<rlvr::model::generation_prompt> prompts;
      for (std::uint32_t p = 0; p < 4; ++p)
        prompts.push_back({.tokens = random_ids(random, p * 3), .id = p, .samples = 3});
      rlvr::model::generation_options options;
      options.sampling.temperature = temperature;
      options.max_new_tokens = 17;
      options.stop_ids = {1};
      options.max_active = 5;
      auto const sequences =
          rlvr::model::generate(context, model.runner(), model.weights(), std::span<std::int32_t const>(prefix),
                                std::span<rlvr::model::generation_prompt const>(prompts), options);
      REQUIRE(sequences.size() == 12);
      rlvr::train::token_batch batch;
      std::int64_t const root = batch.tree.add_segment(prefix);
      std::vector<float> reported, entropies;
      std::vector<std::int64_t> parents;
      for (auto const& prompt : prompts) parents.push_back(batch.tree.add_segment(prompt.tokens, root));
      for (auto const& sequence : sequences) {
        batch.add_response(sequence.tokens, parents[sequence.prompt]);
        reported.insert(reported.end(), sequence.log_probs.begin(), sequence.log_probs.end());
        entropies.insert(entropies.end(), sequence.entropies.begin(), sequence.entropies.end());
      }
      reported.insert(reported.end(), entropies.begin(), entropies.end());
      CHECK(forward_bits(model, batch, {.temperature = temperature}) == bits(reported));
    }
}
