// SPDX-License-Identifier: MIT
/// @file
/// A small document whose entities share names, and counts to expect.
#pragma once

#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/text/extraction_example.hpp>

#include <cstddef>

namespace test {

/// What was matched.
inline rlvr::reward::measures::set_score counts(std::size_t matched, std::size_t predicted, std::size_t gold) {
  return {.matched = matched, .predicted = predicted, .gold = gold};
}

/// A document with aliases: Ada Lovelace, London, "the Engine", and two people called Byron.
inline rlvr::text::extraction_example document() {
  rlvr::text::extraction_example example;
  example.id = "d";
  example.entities = {
      {.id = "0", .types = {"PER"}, .names = {"Ada Lovelace", "Ada", "Countess of Lovelace"}},
      {.id = "1", .types = {"LOC"}, .names = {"London"}},
      {.id = "2", .types = {"PER"}, .names = {"Lord Byron", "Byron"}},
      {.id = "3", .types = {"PER"}, .names = {"Anne Isabella Byron", "Byron"}},
      {.id = "4", .types = {}, .names = {"Analytical Engine"}},
  };
  example.facts = {{.subject = 0, .relation = "born in", .object = 1, .evidence = {}},
                   {.subject = 0, .relation = "father", .object = 2, .evidence = {}},
                   {.subject = 0, .relation = "mother", .object = 3, .evidence = {}},
                   {.subject = 2, .relation = "spouse", .object = 3, .evidence = {}}};
  return example;
}

}  // namespace test
