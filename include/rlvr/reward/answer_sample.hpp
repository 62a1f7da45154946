// SPDX-License-Identifier: MIT
/// @file
/// A response to a question whose gold answer is a short text, and what the rewards of such responses may ask for.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/text/visible.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// One response.  Holds views: the text outlives the sample.
struct answer_sample {
  std::string_view completion{};                ///< what the model wrote, end-of-sequence token removed
  std::string_view gold{};                      ///< the right answer, as text
  std::string_view prefill{};                   ///< the begin of the response if the prompt wrote it
  std::span<std::string_view const> options{};  ///< of a question with choices: their texts, in the order A, B, ...
  std::span<std::int32_t const> tokens{};       ///< of the completion, for penalties of repetition
  std::size_t token_count = 0;                  ///< of the completion, for shaping by length
  bool truncated = false;                       ///< the length limit ended the completion
  std::size_t group = 0;                        ///< which prompt of the batch
};

/// A sample that carries its gold answer as text.
template <class Sample>
concept gold_answer_sample = response_sample<Sample> && requires(Sample const& sample) {
  { sample.gold } -> std::convertible_to<std::string_view>;
};

namespace detail {

/// @throws argument_error if the gold answer shows nothing: no response could be right, or every empty one would
inline void require_gold(std::string_view gold, char const* reward) {
  if (!text::has_visible(gold)) {
    throw argument_error(message(reward) + ": the gold answer is empty, expected a text with a visible character");
  }
}

}  // namespace detail
}  // namespace reward
RLVR_NAMESPACE_END
