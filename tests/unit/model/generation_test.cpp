// SPDX-License-Identifier: MIT
// Generation: what a sequence is does not depend on how the batch is run; limits give clear messages.
#include <rlvr/model/generate.hpp>

#include "model_support.hpp"
#include <algorithm>
#include <limits>
#include <support/catch.hpp>

using namespace model_support;
using rlvr::model::generated_sequence;
using rlvr::model::generation_options;
using rlvr::model::generation_prompt;

namespace {

/// A model and prompts to continue.
struct fixture {
  rlvr::cpu::context context;
  learner model;
  ids prefix;
  std::vector<generation_prompt> prompts;
  generation_options options;

  explicit fixture(std::size_t threads = 2) : context(threads), model(context, tiny(rlvr::model_family::qwen2)) {
    randomise(model, 3);
    generator random(4);
    prefix = random_ids(random, 7);
    for (std::uint32_t p = 0; p < 5; ++p)
      prompts.push_back({.tokens = random_ids(random, 1 + random() % 6), .id = 10 + p, .samples = 1 + p % 3});
    options.max_new_tokens = 12;
    options.stop_ids = {1, 2, 3};
    options.seed = 99;
  }

  [[nodiscard]] std::vector<generated_sequence> run() {
    return rlvr::model::generate(context, model.runner(), model.weights(), std::span<std::int32_t const>(prefix),
                                 std::span<generation_prompt const>(prompts), options);
  }
  [[nodiscard]] std::int64_t longest() const {
    std::size_t most = 0;
    for (auto const& prompt : prompts) most = std::max(most, prompt.tokens.size());
    return static_cast<std::int64_t>(prefix.size() + most + options.max_new_tokens);
  }
};

void require_same(std::vector<generated_sequence> const& found, std::vector<generated_sequence> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("sequence " << i);
    CHECK(found[i].prompt == expected[i].prompt);
    CHECK(found[i].sample == expected[i].sample);
    CHECK(found[i].tokens == expected[i].tokens);
    CHECK(bits(found[i].log_probs) == bits(expected[i].log_probs));
    CHECK(bits(found[i].entropies) == bits(expected[i].entropies));
    CHECK(found[i].finish == expected[i].finish);
  }
}

std::string message_of(fixture& at) {
  try {
    static_cast<void>(at.run());
  } catch (rlvr::argument_error const& reason) {
    return reason.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a sequence does not depend on how many decode side by side, the cache or the threads") {
  fixture base;
  auto const expected = base.run();
  bool stopped = false, cut = false;
  for (auto const& sequence : expected) {
    stopped = stopped || sequence.finish == rlvr::model::finish_reason::stop;
    cut = cut || sequence.finish == rlvr::model::finish_reason::length;
  }
  CHECK(stopped);
  CHECK(cut);
  for (std::size_t const active : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{64}})
    for (std::int64_t const rows : {std::int64_t{0}, base.longest(), base.longest() + 13, std::int64_t{1000}})
      for (std::size_t threads = 1; threads <= 3; ++threads) {
        INFO("max_active " << active << ", cache_rows " << rows << ", threads " << threads);
        fixture at(threads);
        at.options.max_active = active;
        at.options.cache_rows = rows;
        require_same(at.run(), expected);
      }
}

TEST_CASE("a sequence does not depend on the other prompts, nor on where the prompt is cut") {
  fixture base;
  auto const expected = base.run();
  for (std::size_t p = 0; p < base.prompts.size(); ++p) {
    std::vector<generated_sequence> mine;
    for (auto const& sequence : expected)
      if (sequence.prompt == p) mine.push_back(sequence);
    for (auto& sequence : mine) sequence.prompt = 0;
    fixture alone;
    alone.prompts = {base.prompts[p]};
    require_same(alone.run(), mine);
    fixture joined;  // prefix and prompt in one
    joined.prompts = {base.prompts[p]};
    auto& tokens = joined.prompts[0].tokens;
    tokens.insert(tokens.begin(), joined.prefix.begin(), joined.prefix.end());
    joined.prefix.clear();
    require_same(joined.run(), mine);
  }
}

TEST_CASE("seed, step, prompt id and sample are the random key") {
  fixture base;
  base.prompts = {base.prompts[0], base.prompts[0]};
  base.prompts[0].samples = base.prompts[1].samples = 2;
  base.options.stop_ids.clear();
  auto const same_id = base.run();
  CHECK(same_id[0].tokens == same_id[2].tokens);
  CHECK(same_id[0].tokens != same_id[1].tokens);
  base.prompts[1].id = 77;
  auto const other_id = base.run();
  CHECK(other_id[0].tokens == same_id[0].tokens);
  CHECK(other_id[2].tokens != same_id[2].tokens);
  base.options.step = 1;
  CHECK(base.run()[0].tokens != same_id[0].tokens);
  base.options.step = 0;
  base.options.seed = 100;
  CHECK(base.run()[0].tokens != same_id[0].tokens);
}

TEST_CASE("greedy tokens are the argmax, ids beyond the limit are never drawn") {
  fixture base;
  base.options.sampling.temperature = 0;
  base.options.sampling.vocabulary_limit = 9;
  for (auto const& sequence : base.run())
    for (std::int32_t const id : sequence.tokens) CHECK(id < 9);
  base.options.sampling.temperature = 1;
  for (auto const& sequence : base.run())
    for (std::int32_t const id : sequence.tokens) CHECK(id < 9);
}

TEST_CASE("limits of generation are named") {
  fixture at;
  at.options.cache_rows = at.longest() - 1;
  CHECK(message_of(at) == "generate: a sequence needs " + std::to_string(at.longest()) + " rows, the cache has " +
                              std::to_string(at.longest() - 1));
  at.options.cache_rows = 0;
  at.options.max_active = 0;
  CHECK(message_of(at) == "generate: max_active must be positive");
  at.options.max_active = 4;
  at.options.max_new_tokens = 1000;
  CHECK(message_of(at).find("the model has 128 positions") != std::string::npos);
  at.options.max_new_tokens = 4;
  at.prompts[1].tokens = {vocabulary};
  CHECK(message_of(at) == "transformer: token id 37 is outside the vocabulary of 37");
  at.prefix.clear();
  at.prompts[1].tokens.clear();
  CHECK(message_of(at) == "generate: prompt 1 is empty");
}

TEST_CASE("nothing to do is no error") {
  fixture at;
  at.options.max_new_tokens = 0;
  for (auto const& sequence : at.run()) CHECK(sequence.tokens.empty());
  at.options.max_new_tokens = 3;
  at.prompts.clear();
  CHECK(at.run().empty());
}

TEST_CASE("the allocator of cache rows joins what it gets back") {
  rlvr::model::row_allocator rows(10);
  auto const a = rows.allocate(4), b = rows.allocate(4);
  REQUIRE((a && b));
  CHECK(a->begin == 0);
  CHECK(b->begin == 4);
  CHECK_FALSE(rows.allocate(3));
  rows.release(*a);
  CHECK(rows.available() == 6);
  CHECK_FALSE(rows.allocate(5));
  rows.release(*b);
  auto const all = rows.allocate(10);
  REQUIRE(all);
  CHECK(all->begin == 0);
  CHECK(rows.available() == 0);
}
