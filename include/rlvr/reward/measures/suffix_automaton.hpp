// SPDX-License-Identifier: MIT
/// @file
/// The suffix automaton (Blumer et al. 1985): the smallest machine that reads exactly the substrings of a sequence,
/// built while the sequence is read, with at most two states and three edges for each element.  Behind
/// `longest_common_substring` of sequences.hpp.
///
/// Edges lie in one table hashed by (state, letter), so that large alphabets (words) cost no more than bytes.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures::detail {

/// Reads every substring of what was appended.  Letters are numbers below 2^32.
class suffix_automaton {
 public:
  /// @throws argument_error if there are 2^30 elements or more to come
  explicit suffix_automaton(std::size_t elements) {
    if (elements >= (std::size_t{1} << 30)) {
      throw argument_error("longest_common_substring: the shorter sequence has 2^30 elements or more");
    }
    states_.reserve(2 * elements + 1);
    states_.push_back({});
    // Two edges for each element are usual; more make it grow.
    table_.assign(std::bit_ceil(4 * elements + 16), none);
  }

  /// Makes the sequence one letter longer; amortised constant expected time.
  void append(std::size_t letter) {
    auto const symbol = static_cast<index>(letter);
    index const added = add_state(states_[last_].length + 1, none);
    index state = last_;
    last_ = added;
    for (; state != none && find(state, symbol) == none; state = states_[state].link) add_edge(state, symbol, added);
    if (state == none) {
      states_[added].link = 0;
      return;
    }
    index const next = edges_[find(state, symbol)].target;
    if (states_[next].length == states_[state].length + 1) {
      states_[added].link = next;
      return;
    }
    index const split = add_state(states_[state].length + 1, states_[next].link);
    for (index each = states_[next].first_edge; each != none; each = edges_[each].next) {
      add_edge(split, edges_[each].symbol, edges_[each].target);
    }
    for (; state != none; state = states_[state].link) {
      index const each = find(state, symbol);
      if (each == none || edges_[each].target != next) break;
      edges_[each].target = split;
    }
    states_[next].link = split;
    states_[added].link = split;
  }

  /// Follows a text and knows the longest suffix of what it has read that occurs in the sequence.
  class reader {
   public:
    explicit reader(suffix_automaton const& automaton) : automaton_(&automaton) {}

    /// Reads a letter and returns the length of that suffix; amortised constant expected time.
    std::size_t read(std::size_t letter) {
      auto const symbol = static_cast<index>(letter);
      index found = automaton_->find(state_, symbol);
      while (found == none && state_ != 0) {
        state_ = automaton_->states_[state_].link;
        length_ = automaton_->states_[state_].length;
        found = automaton_->find(state_, symbol);
      }
      if (found == none) return length_ = 0;
      state_ = automaton_->edges_[found].target;
      return ++length_;
    }

    /// Reads something that the sequence lacks; returns 0.
    std::size_t reset() noexcept {
      state_ = 0;
      return length_ = 0;
    }

   private:
    suffix_automaton const* automaton_;
    std::uint32_t state_ = 0;
    std::size_t length_ = 0;
  };

 private:
  using index = std::uint32_t;
  static constexpr index none = std::numeric_limits<index>::max();

  struct state_type {
    index length = 0;         // of the longest substring that leads here
    index link = none;        // where its longest suffix of another class leads
    index first_edge = none;  // of the list of edges from here
  };
  struct edge_type {
    index from;
    index symbol;
    index target;
    index next;  // edge from the same state
  };

  index add_state(index length, index link) {
    states_.push_back({length, link, none});
    return static_cast<index>(states_.size() - 1);
  }

  /// Where in the table an edge is or would be.
  [[nodiscard]] std::size_t slot(index from, index symbol) const noexcept {
    std::uint64_t mixed = (std::uint64_t{from} << 32 | symbol) * 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93U;
    std::size_t const mask = table_.size() - 1;
    std::size_t at = static_cast<std::size_t>(mixed ^ mixed >> 32) & mask;
    while (table_[at] != none && (edges_[table_[at]].from != from || edges_[table_[at]].symbol != symbol)) {
      at = (at + 1) & mask;
    }
    return at;
  }

  [[nodiscard]] index find(index from, index symbol) const noexcept { return table_[slot(from, symbol)]; }

  void add_edge(index from, index symbol, index target) {
    if (2 * edges_.size() >= table_.size()) {
      table_.assign(2 * table_.size(), none);
      for (std::size_t i = 0; i < edges_.size(); ++i) {
        table_[slot(edges_[i].from, edges_[i].symbol)] = static_cast<index>(i);
      }
    }
    auto const added = static_cast<index>(edges_.size());
    table_[slot(from, symbol)] = added;
    edges_.push_back({from, symbol, target, states_[from].first_edge});
    states_[from].first_edge = added;
  }

  std::vector<state_type> states_;
  std::vector<edge_type> edges_;
  std::vector<index> table_;  // open addressing; a power of two, at most half full
  index last_ = 0;            // reads the whole sequence
};

}  // namespace reward::measures::detail
RLVR_NAMESPACE_END
