// SPDX-License-Identifier: MIT
/// @file
/// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
///
/// A draw is a pure function of its key and counter, so results depend neither on threads nor on the order of calls.
/// Sampling is keyed by (seed, step, prompt, sample, position): batch composition cannot change a rollout.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// Four 32-bit words: a Philox counter, or the block it yields.
struct philox_block {
  std::uint32_t word[4];

  friend constexpr bool operator==(philox_block const&, philox_block const&) = default;
};

/// Ten rounds of Philox4x32.
[[nodiscard]] RLVR_HD constexpr philox_block philox(std::uint64_t key, philox_block counter) {
  std::uint32_t key_low = static_cast<std::uint32_t>(key);
  std::uint32_t key_high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    std::uint64_t const a = std::uint64_t{0xD2511F53u} * counter.word[0];
    std::uint64_t const b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key_low, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key_high, static_cast<std::uint32_t>(a)}};
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return counter;
}

/// What a sampled token is keyed by.
struct sample_key {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t prompt = 0;
  std::uint32_t sample = 0;
  std::uint32_t position = 0;

  /// 64 random bits.
  [[nodiscard]] RLVR_HD constexpr std::uint64_t bits() const {
    philox_block const block = philox(seed, {{step, prompt, sample, position}});
    return (std::uint64_t{block.word[1]} << 32) | block.word[0];
  }
};

/// A sequential stream for set-up work (initial weights, shuffles): one key, a running counter.
/// Streams with different ids are independent.
class random_stream {
 public:
  constexpr explicit random_stream(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// The next 64 bits.
  constexpr std::uint64_t bits() {
    philox_block const block =
        philox(seed_, {{static_cast<std::uint32_t>(count_), static_cast<std::uint32_t>(count_ >> 32),
                        static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)}});
    ++count_;
    return (std::uint64_t{block.word[1]} << 32) | block.word[0];
  }

  /// Uniform in [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Uniform in [0, bound), unbiased.  @pre bound > 0
  constexpr std::uint64_t below(std::uint64_t bound) {
    std::uint64_t const limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound);  // a multiple of bound
    std::uint64_t draw = bits();
    while (draw >= limit) draw = bits();
    return draw % bound;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t count_ = 0;
};

RLVR_NAMESPACE_END
