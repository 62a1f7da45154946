// SPDX-License-Identifier: MIT
/// @file
/// Does the response have the required `<think>..</think><answer>..</answer>` form?  Nothing about the answer itself.
/// The defaults +1 and -3 are those of R1-RE (arXiv 2507.04642).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/tags.hpp>

#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// `right` for a well-formed response, which passes; else `wrong`, with class bad_format and the reason.
struct format_reward {
  double right = 1;
  double wrong = -3;
  text::response_policy policy{};
  static constexpr std::string_view name = "format";

  template <response_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    if (parsed.ok()) return outcome::of(right, true);
    return outcome::of(wrong, false, reward_class::bad_format, text::describe(parsed));
  }
};

}  // namespace reward
RLVR_NAMESPACE_END
