// SPDX-License-Identifier: MIT
/// @file
/// The guideline of SemEval-2010 Task 8 (Hendrickx et al. 2010): nine directed relations between two nominals and
/// `Other`, 19 labels.  The wording is ours; the facts are those of the task's public annotation guidelines.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/guideline.hpp>

RLVR_NAMESPACE_BEGIN
namespace text {

/// A fresh copy of the guideline; relations in alphabetical order, `Other` last.
[[nodiscard]] inline guideline semeval2010_guideline() {
  guideline guide;
  guide.title = "Relations between two marked nominals";
  guide.introduction =
      "Pick the one label that the most plausible reading of the sentence makes true. Negated, possible or merely "
      "intended links do not count. A verb of movement decides for Entity-Destination or Entity-Origin, even where a "
      "part, content or member would also fit.";
  guide.direction_rule =
      "Name(e1,e2): e1 fills the first role, e2 the second. Name(e2,e1): e2 fills the first role, e1 the second. "
      "Other has no direction.";
  auto const add = [&guide](char const* name, char const* first, char const* second, char const* definition) {
    guide.relations.push_back({.name = name,
                               .definition = definition,
                               .first_role = first,
                               .second_role = second,
                               .directed = true,
                               .examples = {}});
  };
  add("Cause-Effect", "cause", "effect",
      "the cause brings about an event or state; illness counts as a state. A made thing is a product instead.");
  add("Component-Whole", "component", "whole",
      "a separable part with a function inside a structured object. People are never components.");
  add("Content-Container", "content", "container",
      "something kept or carried inside a bounded space, from which it can be taken out again.");
  add("Entity-Destination", "entity", "destination", "the entity moves, physically or abstractly, to the destination.");
  add("Entity-Origin", "entity", "origin",
      "the entity comes from or is made out of the origin, which does not actively make it.");
  add("Instrument-Agency", "instrument", "agency",
      "the agent uses the instrument. Skills and the agent's own parts are no instruments.");
  add("Member-Collection", "member", "collection",
      "one of several alike members of a group, without a role of its own in it.");
  add("Message-Topic", "message", "topic",
      "an act or piece of communication (speech, text, show) that holds information about the topic.");
  add("Product-Producer", "product", "producer",
      "the producer actively brings a new thing, work or organisation into existence.");
  guide.relations.push_back({.name = "Other",
                             .definition = "any other link, such as place, purpose, measure or kind, or none at all.",
                             .first_role = {},
                             .second_role = {},
                             .directed = false,
                             .examples = {}});
  return guide;
}

}  // namespace text
RLVR_NAMESPACE_END
