// SPDX-License-Identifier: MIT
/// @file
/// Candidates without names: a judge that knows who wrote a response, or always sees the best one first, learns to read
/// that instead of the response.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/shuffle.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Names that say nothing about who wrote a candidate, "model-1", "model-2", .. in the order in which the prompt shows
/// them, which is shuffled by a seed (as RewardAnything does): the same seed, the same order, on every platform.
class masked_names {
 public:
  masked_names(std::size_t candidates, std::uint64_t seed) : shown_(candidates), place_(candidates) {
    std::iota(shown_.begin(), shown_.end(), std::size_t{0});
    rlvr::detail::shuffle(std::span<std::size_t>(shown_), random_stream(seed));
    for (std::size_t place = 0; place < candidates; ++place) place_[shown_[place]] = place;
  }

  /// The candidates in the order in which to show them.
  [[nodiscard]] std::span<std::size_t const> order() const noexcept { return shown_; }

  /// The mask of a candidate.  @throws argument_error if there is no such candidate
  [[nodiscard]] std::string mask(std::size_t candidate) const {
    if (candidate >= place_.size()) {
      throw argument_error("masked_names: candidate " + std::to_string(candidate) + " of " +
                           std::to_string(place_.size()));
    }
    return "model-" + std::to_string(place_[candidate] + 1);
  }

  /// The candidate behind a mask; nothing if the text is no mask.  Never throws.
  [[nodiscard]] std::optional<std::size_t> candidate(std::string_view mask) const noexcept {
    constexpr std::string_view lead = "model-";
    if (!mask.starts_with(lead)) return std::nullopt;
    mask.remove_prefix(lead.size());
    std::size_t number = 0;
    auto const read = std::from_chars(mask.data(), mask.data() + mask.size(), number);
    bool const whole = read.ec == std::errc{} && read.ptr == mask.data() + mask.size();
    if (!whole || mask.front() == '0' || number > shown_.size()) return std::nullopt;
    return shown_[number - 1];
  }

 private:
  std::vector<std::size_t> shown_;
  std::vector<std::size_t> place_;
};

}  // namespace reward
RLVR_NAMESPACE_END
