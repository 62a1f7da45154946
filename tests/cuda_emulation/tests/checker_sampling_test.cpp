// SPDX-License-Identifier: MIT
/// @file
/// What sampling keeps where logits tie, from rows of a warp and of a block, counted by hand: the suite of the ops
/// compares the kernel with the same body run by one thread, which would share a mistake.
#include <rlvr/ops/sample_tokens.hpp>

#include <cstdint>
#include <set>
#include <support/backend.hpp>
#include <support/catch.hpp>
#include <vector>

namespace {

/// The ids that `draws` keys draw from the row.
std::set<std::int32_t> drawn(std::vector<float> const& logits, rlvr::sampling_settings const& settings,
                             std::uint32_t draws) {
  auto&& context = test::make_context(1);
  auto const row = test::to_storage(logits);
  test::storage<rlvr::sample_key> keys;
  for (std::uint32_t i = 0; i < draws; ++i) keys.push_back({.seed = 5, .step = 0, .prompt = i, .sample = 0});
  test::storage<std::int32_t> ids(draws, -1);
  test::execute(
      context,
      rlvr::ops::sample_tokens{
          .logits = {row.data(), draws, row.size(), 0}, .settings = settings, .key = keys.data(), .id = ids.data()});
  return {ids.begin(), ids.end()};
}

}  // namespace

TEST_CASE("sampling: tokens that tie are kept together, and greedy takes the first of them") {
  using ids = std::set<std::int32_t>;
  for (std::size_t const vocabulary : {std::size_t{40}, std::size_t{1025}}) {  // a warp's row, a block's
    CAPTURE(vocabulary);
    std::vector<float> logits(vocabulary, -3.0f);
    auto const last = static_cast<std::int32_t>(vocabulary) - 1;
    for (std::int32_t const best : {7, 21, last}) logits[static_cast<std::size_t>(best)] = 4.0f;
    for (std::int32_t const second : {0, 33}) logits[static_cast<std::size_t>(second)] = 3.0f;
    CHECK(drawn(logits, {.temperature = 0.0f}, 2) == ids{7});
    CHECK(drawn(logits, {.temperature = 0.0f, .vocabulary_limit = 7}, 2) == ids{0});
    CHECK(drawn(logits, {.top_k = 1}, 12) == ids{7, 21, last});
    CHECK(drawn(logits, {.top_k = 3}, 12) == ids{7, 21, last});
    CHECK(drawn(logits, {.top_k = 4}, 24) == ids{0, 7, 21, 33, last});
    CHECK(drawn(logits, {.top_p = 0.2f}, 12) == ids{7, 21, last});
    CHECK(drawn(logits, {.min_p = 0.3f}, 24) == ids{0, 7, 21, 33, last});
    CHECK(drawn(logits, {.top_p = 0.2f, .vocabulary_limit = 30}, 12) == ids{7, 21});
  }
}
