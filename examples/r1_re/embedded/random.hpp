// SPDX-License-Identifier: MIT
/// @file
/// SplitMix64 (Steele, Lea, Flood 2014) with the few draws the task generators need.  The standard
/// library's distributions differ between implementations; these draws do not, so the committed data
/// files come out byte for byte the same everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace r1_re::embedded {

class splitmix64 {
 public:
  explicit splitmix64(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] std::uint64_t next() noexcept {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  /// An index in [0, count); count must not be 0.  The bias of the remainder is below count / 2^64.
  [[nodiscard]] std::size_t below(std::size_t count) noexcept { return static_cast<std::size_t>(next() % count); }

  /// An index in [first, last], both included.
  [[nodiscard]] std::size_t between(std::size_t first, std::size_t last) noexcept {
    return first + below(last - first + 1);
  }

  /// True in `percent` of 100 cases.
  [[nodiscard]] bool chance(std::size_t percent) noexcept { return below(100) < percent; }

  /// One element of a non-empty sequence.
  template <class Sequence>
  [[nodiscard]] auto const& pick(Sequence const& sequence) noexcept {
    return sequence[below(std::size(sequence))];
  }

  /// Fisher-Yates.
  template <class Sequence>
  void shuffle(Sequence& sequence) noexcept {
    for (std::size_t left = std::size(sequence); left > 1; --left) {
      std::swap(sequence[left - 1], sequence[below(left)]);
    }
  }

 private:
  std::uint64_t state_;
};

/// A generator for item `index` of stream `seed`: neighbouring indices give unrelated streams.
[[nodiscard]] inline splitmix64 keyed_random(std::uint64_t seed, std::uint64_t index) noexcept {
  std::uint64_t const mixed = splitmix64(seed).next();
  return splitmix64(mixed ^ splitmix64(index ^ 0xD1B54A32D192ED03ULL).next());
}

}  // namespace r1_re::embedded
