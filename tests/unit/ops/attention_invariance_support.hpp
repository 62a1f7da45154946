// SPDX-License-Identifier: MIT
/// @file
/// What the promise under prefix sharing says, as checks that hold for every kernel of attention.
#pragma once

#include "attention_support.hpp"
#include <support/catch.hpp>

namespace test {

/// A flat sequence, already computed, has the same bits cut into segments at random places.
inline void check_random_cuts(context& where, attention_data& flat, std::size_t cuts, std::mt19937& engine) {
  std::size_t const tokens = flat.packed.rows();
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    std::vector<std::size_t> lengths;
    for (std::size_t rest = tokens; rest > 0;) {
      std::size_t const length = lengths.size() == 4 ? rest : 1 + engine() % rest;
      lengths.push_back(length);
      rest -= length;
    }
    attention_data parts = flat;
    parts.out.fill(nan);
    auto const plan = chain(lengths).plan();
    execute(where, parts.forward(plan));
    CHECK(same_bits(flat.out.view(), parts.out.view()));
    CHECK(same_bits(flat.maximum.view(), parts.maximum.view()));
    CHECK(same_bits(flat.inverse.view(), parts.inverse.view()));
  }
}

/// Every path from a root through `shared`'s tree, already computed, has the bits of the sequence without sharing.
inline void check_paths_alone(context& where, attention_data& shared, tree const& packed) {
  auto const visible = packed.visible();
  for (segment const& leaf : packed.segments) {
    if (leaf.length == 0) continue;
    // All that the leaf's last token sees, root first.
    std::vector<std::size_t> rows;
    for (auto const& range : packed.ancestors(leaf))
      for (std::int64_t n = 0; n < range.count; ++n) rows.push_back(static_cast<std::size_t>(range.begin + n));
    for (std::size_t n = 0; n < leaf.length; ++n) rows.push_back(leaf.begin + n);
    REQUIRE(rows.size() == visible[leaf.begin + leaf.length - 1].size());
    attention_data flat(shared.h, rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::size_t j = 0; j < flat.packed.columns(); ++j)
        flat.packed.view()(i, j) = shared.packed.view()(rows[i], j);
    auto const plan = chain({rows.size()}).plan();
    execute(where, flat.forward(plan));
    bool equal = true;
    for (std::size_t i = 0; i < rows.size(); ++i)
      equal = equal && same_bits(flat.out.view().middle_rows(i, 1), shared.out.view().middle_rows(rows[i], 1));
    CHECK(equal);
  }
}

}  // namespace test
