// SPDX-License-Identifier: MIT
/// @file
/// From an opcode to its handler, family by family.
#pragma once

#include "ptx/program.hpp"
#include <algorithm>
#include <string_view>
#include <vector>

namespace cuda_emulation::ptx {

/// "ld.global.v4.f32", taken apart.
struct opcode {
  std::string_view name;
  std::vector<std::string_view> modifiers;

  [[nodiscard]] bool has(std::string_view modifier) const {
    return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
  }
  /// The last modifier, which names the type of most instructions.
  [[nodiscard]] std::string_view type() const { return modifiers.empty() ? std::string_view{} : modifiers.back(); }
};

/// Finds the handler and fills in what the modifiers say; null for an instruction that is not known.
[[nodiscard]] handler decode(opcode const& op, instruction& at);
/// Whether the first operand is written.
[[nodiscard]] bool has_destination(opcode const& op);

/// @name The families; null: not one of mine
/// @{
[[nodiscard]] handler decode_integer(opcode const& op, instruction& at);
[[nodiscard]] handler decode_bits(opcode const& op, instruction& at);
[[nodiscard]] handler decode_floating(opcode const& op, instruction& at);
[[nodiscard]] handler decode_half(opcode const& op, instruction& at);
[[nodiscard]] handler decode_comparison(opcode const& op, instruction& at);
[[nodiscard]] handler decode_conversion(opcode const& op, instruction& at);
[[nodiscard]] handler decode_move(opcode const& op, instruction& at);
[[nodiscard]] handler decode_memory(opcode const& op, instruction& at);
[[nodiscard]] handler decode_atomic(opcode const& op, instruction& at);
[[nodiscard]] handler decode_collective(opcode const& op, instruction& at);
[[nodiscard]] handler decode_matrix(opcode const& op, instruction& at);
[[nodiscard]] handler decode_control(opcode const& op, instruction& at);
/// @}

/// Instructions that the linker writes itself.
void invert_predicate(warp& self, instruction const& at, lane_mask mask);
void copy_local(warp& self, instruction const& at, lane_mask mask);  ///< `length` bytes from `offset` to `target`
void do_nothing(warp& self, instruction const& at, lane_mask mask);
void unknown_instruction(warp& self, instruction const& at, lane_mask mask);
void assertion_failed(warp& self, instruction const& at, lane_mask mask);  ///< `offset`: where the text's address lies

}  // namespace cuda_emulation::ptx
