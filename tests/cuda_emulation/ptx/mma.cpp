// SPDX-License-Identifier: MIT
/// @file
/// The product of tensor cores, in the one shape and type that the library uses.  Any other stays unknown.
#include <cuda_emulation/mma.hpp>

#include "ptx/decoder.hpp"
#include "ptx/warp.hpp"
#include <algorithm>
#include <iterator>
#include <string_view>

namespace cuda_emulation::ptx {
namespace {

/// Sources: four registers of A, two of B, four of C.
void multiply(warp& self, instruction const& at, lane_mask mask) {
  if (mask != all_lanes)
    fail_at(self, at, static_cast<unsigned>(std::countr_zero(mask)), "mma.sync needs all 32 lanes of a warp");
  product_fragments fragments[warp_lanes];
  product_fragments* lanes[warp_lanes];
  for (unsigned lane = 0; lane < warp_lanes; ++lane) {
    product_fragments& mine = fragments[lane];
    lanes[lane] = &mine;
    for (unsigned i = 0; i < 4; ++i) mine.left[i] = as<std::uint32_t>(self.values(at.source[i])[lane]);
    for (unsigned i = 0; i < 2; ++i) mine.right[i] = as<std::uint32_t>(self.values(at.source[4 + i])[lane]);
    for (unsigned i = 0; i < 4; ++i) mine.sums[i] = as<float>(self.values(at.source[6 + i])[lane]);
  }
  multiply_fragments(lanes);
  for (unsigned i = 0; i < 4; ++i) {
    std::uint64_t* const result = self.values(at.destination[i]);
    for (unsigned lane = 0; lane < warp_lanes; ++lane) result[lane] = bits_of(fragments[lane].sums[i]);
  }
}

}  // namespace

handler decode_matrix(opcode const& op, instruction& at) {
  static constexpr std::string_view known[] = {"sync", "aligned", "m16n8k16", "row", "col",
                                               "f32",  "bf16",    "bf16",     "f32"};
  if (op.name != "mma" || !std::equal(op.modifiers.begin(), op.modifiers.end(), std::begin(known), std::end(known)))
    return nullptr;
  at.kind = flow::collective;
  at.whole_warp = true;
  return multiply;
}

}  // namespace cuda_emulation::ptx
