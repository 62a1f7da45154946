// SPDX-License-Identifier: MIT
/// @file
/// The rewards and combinators that the module offers, as functions without templates: a scripting language composes
/// with them what C++ composes at compile time.  All of it is the library's own (rlvr/reward/any_reward.hpp); a
/// composed value, its parts and its diagnosis are what the same composition in C++ gives.
///
/// Nothing here knows Python.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/reward/any_reward.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace python_rewards {

/// The gold answer of a sample: none, a text (a label, or triples one a line), or triples.
using gold_answer = std::variant<std::monostate, std::string_view, std::vector<rlvr::reward::triple>>;

/// One response.  Holds views: the texts outlive the sample.
struct sample {
  std::string_view completion{};
  std::string_view prefill{};  ///< the begin of the response if the prompt wrote it
  gold_answer gold{};
};

/// Any reward of a sample; copies share it.
using any_reward = rlvr::reward::any_reward<sample>;

using guideline_pointer = std::shared_ptr<rlvr::text::guideline const>;

/// A response policy that owns its tags.
class owned_policy {
 public:
  /// @param tags  think_open, think_close, answer_open, answer_close
  /// @throws rlvr::argument_error for an empty tag or one that occurs in another
  owned_policy(rlvr::text::response_policy switches, std::array<std::string, 4> tags);

  [[nodiscard]] rlvr::text::response_policy view() const noexcept;

 private:
  rlvr::text::response_policy switches_;
  std::array<std::string, 4> tags_;
};
using policy_pointer = std::shared_ptr<owned_policy const>;

/// The guideline of a JSON text (the form that `r1_re --guideline` reads).
/// @param name  for messages
/// @throws rlvr::format_error
[[nodiscard]] guideline_pointer guideline_from_json(std::string_view json, std::string const& name);
[[nodiscard]] guideline_pointer guideline_of_semeval2010();

/// The numbers of the staged reward of relation classification (rlvr/reward/r1_re.hpp).
struct r1_re_numbers {
  double format_right, format_wrong, metric_right, metric_wrong;
  bool invalid_label_is_format_failure, directed;
};

/// The numbers of the triple reward (rlvr/reward/triples.hpp).
struct triples_numbers {
  double format_right, format_wrong, scale, entity_weight, triple_weight;
};

// The rewards themselves.  A number that is not finite throws rlvr::argument_error; a gold answer of the wrong kind or
// outside the guideline is an error of its sample, none at all makes the reward not applicable.
[[nodiscard]] any_reward make_r1_re(guideline_pointer guide, policy_pointer policy, r1_re_numbers numbers);
[[nodiscard]] any_reward make_format(policy_pointer policy, double right, double wrong);
/// Tags, and some label of the guideline as the answer; asks for no gold answer.
[[nodiscard]] any_reward make_relation_format(guideline_pointer guide, policy_pointer policy, double right,
                                              double wrong);
[[nodiscard]] any_reward make_relation_match(guideline_pointer guide, policy_pointer policy, double right, double wrong,
                                             bool directed);
/// @param guide  null: any relation may occur in a triple
[[nodiscard]] any_reward make_triples(guideline_pointer guide, policy_pointer policy, triples_numbers numbers);

/// A term of `make_sum`: weight and reward; a name of its own is put on with `make_named`.
using weighted_reward = std::pair<double, any_reward>;

// The combinators of rlvr/reward/combinators.hpp.  Lists have one member or more, with different names (two parts of
// one name could not be told apart).  Otherwise: rlvr::argument_error.
[[nodiscard]] any_reward make_sum(std::vector<weighted_reward> const& terms);
[[nodiscard]] any_reward make_stages(std::vector<any_reward> const& stages);
[[nodiscard]] any_reward make_only_if(any_reward gate, any_reward reward, double otherwise);
[[nodiscard]] any_reward make_clamp(any_reward reward, double low, double high);
[[nodiscard]] any_reward make_scale(any_reward reward, double factor, double offset);
[[nodiscard]] any_reward make_piecewise(any_reward reward, std::vector<std::pair<double, double>> const& points);
[[nodiscard]] any_reward make_named(std::string name, any_reward reward);

/// One outcome for each sample, in order, whatever the number of threads.  Batches of few bytes stay on this thread.
/// @param threads  at most so many; 0: as many as pay
[[nodiscard]] std::vector<rlvr::reward::outcome> score(any_reward const& reward, std::span<sample const> samples,
                                                       unsigned threads);

}  // namespace python_rewards
