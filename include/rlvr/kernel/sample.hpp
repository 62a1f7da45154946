// SPDX-License-Identifier: MIT
/// @file
/// Sampling a token from a row of logits: greedy, temperature, top-k, top-p, min-p.
///
/// Filters apply in this order, each on what the one before kept: temperature; top-k keeps the k largest logits (all
/// that tie with the k-th); top-p keeps the fewest largest whose mass reaches p of what is left (all that tie with the
/// last); min-p keeps tokens with at least min_p times the probability of the best.
///
/// Probabilities become integers, w_j = round(2^30 e^(l_j - m)): sums of integers are exact in any order, so one
/// thread, a CUDA block and a vectorised loop draw the same token from the same 64 random bits.  Tokens less likely
/// than about 2^-31 of the best are never drawn.  The price of this exactness is a distribution that is off by less
/// than 2^-30 a token, far below float's own rounding of the logits.
#pragma once

#include <rlvr/core/math.hpp>
#include <rlvr/kernel/cooperative_group.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

RLVR_NAMESPACE_BEGIN

/// How tokens are drawn.  The defaults sample the model's own distribution, as reinforcement learning needs.
struct sampling_settings {
  float temperature = 1.0f;           ///< 0: greedy, the smallest id among the largest logits
  std::int32_t top_k = 0;             ///< 0: off
  float top_p = 1.0f;                 ///< 1: off
  float min_p = 0.0f;                 ///< 0: off
  std::int32_t vocabulary_limit = 0;  ///< ids at and above it are never drawn (padding rows of the head); 0: no limit
};

namespace kernel {

/// What was drawn.
struct sampled_token {
  std::int32_t id;
  float kept_mass;  ///< probability, under the temperature, of everything the filters kept; 1 without filters
};

/// Orders floats as unsigned integers, -inf first; the two zeros are equal.
[[nodiscard]] RLVR_HD constexpr std::uint32_t ordered_bits(float x) {
  auto const raw = __builtin_bit_cast(std::uint32_t, x + 0.0f);  // -0 + 0 = 0
  return raw & 0x80000000u ? ~raw : raw | 0x80000000u;
}

/// The largest 32-bit threshold for which `enough(threshold)` holds; `enough` is decreasing and holds at 0.
template <class Enough>
[[nodiscard]] RLVR_HD std::uint32_t largest_threshold(Enough const& enough) {
  std::uint32_t threshold = 0;
  for (std::uint32_t bit = 0x80000000u; bit != 0; bit >>= 1)
    if (enough(threshold | bit)) threshold |= bit;
  return threshold;
}

/// Draws one token.  `bits` are 64 random bits (sample_key::bits).  Collective: every thread gets the result.
/// @pre at least one logit below the limit is finite
template <cooperative_group Group>
[[nodiscard]] RLVR_HD sampled_token sample_row(Group const& group, float const* logits, std::size_t vocabulary,
                                               sampling_settings const& settings, std::uint64_t bits) {
  std::size_t const count = settings.vocabulary_limit > 0
                                ? math::min(vocabulary, static_cast<std::size_t>(settings.vocabulary_limit))
                                : vocabulary;
  float const best = group.max(count, [=](std::size_t j) { return logits[j]; });
  if (settings.temperature == 0.0f) {
    std::size_t const from_end = group.max(count, [=](std::size_t j) { return logits[j] == best ? count - j : 0; });
    return {static_cast<std::int32_t>(count - from_end), 1.0f};
  }
  float const inverse_temperature = 1.0f / settings.temperature;
  // Of a logit that its caller has read once; 0 below the threshold.
  auto const weight = [=](float logit, std::uint32_t least) -> std::uint64_t {
    if (ordered_bits(logit) < least) return 0;
    float const e = math::exp((logit - best) * inverse_temperature);
    return static_cast<std::uint64_t>(static_cast<std::int32_t>(e * 1073741824.0f + 0.5f));
  };
  std::uint32_t threshold = 0;
  auto const kept_weight = [&](std::uint32_t least) {
    return group.sum(count, [=](std::size_t j) { return weight(logits[j], least); });
  };
  bool filtered = false;
  if (settings.top_k > 0 && static_cast<std::size_t>(settings.top_k) < count) {
    filtered = true;
    auto const k = static_cast<std::uint32_t>(settings.top_k);
    threshold = largest_threshold([&](std::uint32_t least) {
      return group.sum(count, [=](std::size_t j) {
        return static_cast<std::uint32_t>(ordered_bits(logits[j]) >= least);
      }) >= k;
    });
  }
  if (settings.top_p < 1.0f) {
    filtered = true;
    std::uint32_t const before = threshold;
    double const needed = static_cast<double>(settings.top_p) * static_cast<double>(kept_weight(before));
    threshold = math::max(before, largest_threshold([&](std::uint32_t least) {
                            return static_cast<double>(kept_weight(math::max(least, before))) >= needed;
                          }));
  }
  if (settings.min_p > 0.0f) {
    filtered = true;
    // In double, so that every library's logarithm rounds to the same float.
    auto const log_min_p = static_cast<float>(std::log(static_cast<double>(settings.min_p)));
    threshold = math::max(threshold, ordered_bits(math::multiply_add(settings.temperature, log_min_p, best)));
  }
  std::uint64_t const total = kept_weight(threshold);
  // The high word of bits * total: uniform in [0, total).
  std::uint64_t const low = (bits & 0xffffffffu) * (total & 0xffffffffu);
  std::uint64_t const middle_a = (bits >> 32) * (total & 0xffffffffu) + (low >> 32);
  std::uint64_t const middle_b = (bits & 0xffffffffu) * (total >> 32) + (middle_a & 0xffffffffu);
  std::uint64_t remaining = (bits >> 32) * (total >> 32) + (middle_a >> 32) + (middle_b >> 32);
  // The first index whose prefix sum exceeds it, by bisection: integer sums make the prefix exact.
  std::size_t first = 0;
  std::size_t length = count;
  while (length > 1) {
    std::size_t const left = length / 2;
    std::uint64_t const mass = group.sum(left, [=](std::size_t j) { return weight(logits[first + j], threshold); });
    if (mass > remaining) {
      length = left;
    } else {
      remaining -= mass;
      first += left;
      length -= left;
    }
  }
  float const kept_mass =
      filtered ? static_cast<float>(static_cast<double>(total) / static_cast<double>(kept_weight(0))) : 1.0f;
  return {static_cast<std::int32_t>(first), kept_mass};
}

}  // namespace kernel
RLVR_NAMESPACE_END
