// SPDX-License-Identifier: MIT
/// @file
/// Moves between registers, of addresses between spaces, selections.
#include "ptx/decoder.hpp"
#include "ptx/text.hpp"
#include "ptx/warp.hpp"

namespace cuda_emulation::ptx {
namespace {

void copy(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const value = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = value[lane]; });
}

std::uint64_t low_bits(unsigned count) { return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; }

void unpack(warp& self, instruction const& at, lane_mask mask) {
  unsigned const width = at.bytes * 8u / at.destinations;
  std::uint64_t value[warp_lanes];
  std::memcpy(value, self.values(at.source[0]), sizeof value);
  for (unsigned part = 0; part < at.destinations; ++part) {
    std::uint64_t* const result = self.values(at.destination[part]);
    for_each_lane(mask, [&](unsigned lane) { result[lane] = (value[lane] >> (width * part)) & low_bits(width); });
  }
}

void pack(warp& self, instruction const& at, lane_mask mask) {
  unsigned const width = at.bytes * 8u / at.sources;
  std::uint64_t value[warp_lanes] = {};
  for (unsigned part = 0; part < at.sources; ++part) {
    std::uint64_t const* const source = self.values(at.source[part]);
    for_each_lane(mask, [&](unsigned lane) { value[lane] |= (source[lane] & low_bits(width)) << (width * part); });
  }
  std::uint64_t* const result = self.values(at.destination[0]);
  for_each_lane(mask, [&](unsigned lane) { result[lane] = value[lane]; });
}

/// One operand to one, one to many, or many to one.
void move(warp& self, instruction const& at, lane_mask mask) {
  if (at.destinations > 1) return unpack(self, at, mask);
  if (at.sources > 1) return pack(self, at, mask);
  copy(self, at, mask);
}

/// Adds the beginning of a space's window in the generic address space (`offset`).
void to_other_space(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const value = self.values(at.source[0]);
  auto const difference = static_cast<std::uint64_t>(at.offset);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = value[lane] + difference; });
}

std::uint64_t window_of(std::uint64_t address) {
  if (address >= parameter_window) return parameter_window;
  if (address >= local_window) return local_window;
  return address >= shared_window ? shared_window : 0;
}

/// Asks for the window in `offset`.
void is_in_space(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const value = self.values(at.source[0]);
  for_each_lane(mask, [&](unsigned lane) { result[lane] = window_of(value[lane]) == std::uint64_t(at.offset); });
}

void select(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const choice = self.values(at.source[2]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = (choice[lane] & 1) != 0 ? a[lane] : b[lane]; });
}

/// slct: the first operand where the third is not negative.
template <class T>
void select_by_sign(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const sign = self.values(at.source[2]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = as<T>(sign[lane]) >= T{0} ? a[lane] : b[lane]; });
}

std::uint64_t window_named_by(opcode const& op) {
  for (std::string_view const modifier : op.modifiers) {
    if (starts_with(modifier, "shared")) return shared_window;
    if (starts_with(modifier, "param")) return parameter_window;
    if (modifier == "local") return local_window;
  }
  return 0;
}

}  // namespace

handler decode_move(opcode const& op, instruction& at) {
  if (op.name == "mov") {
    at.bytes = static_cast<std::uint8_t>(type_bytes(op.type()));
    return at.bytes <= 8 ? move : nullptr;
  }
  if (op.name == "selp") return select;
  if (op.name == "slct") return op.type() == "f32" ? select_by_sign<float> : select_by_sign<std::int32_t>;
  if (op.name == "cvta") {
    auto const window = static_cast<std::int64_t>(window_named_by(op));
    at.offset = op.has("to") ? -window : window;
    return window == 0 ? copy : to_other_space;
  }
  if (op.name == "isspacep") {
    at.offset = static_cast<std::int64_t>(window_named_by(op));
    return is_in_space;
  }
  return nullptr;
}

}  // namespace cuda_emulation::ptx
