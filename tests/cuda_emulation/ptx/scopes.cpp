// SPDX-License-Identifier: MIT
/// @file
/// Names within a function body.
#include "ptx/scopes.hpp"

#include "engine/state.hpp"
#include "ptx/text.hpp"

namespace cuda_emulation::ptx {

void scope_stack::pop() {
  scope ended = std::move(scopes_.back());
  scopes_.pop_back();
  for (auto& [name, set] : ended.wanted) {
    if (auto const found = ended.labels.find(name); found != ended.labels.end())
      set(found->second);
    else if (scopes_.empty())
      throw failure("PTX: there is no label " + name);
    else
      scopes_.back().wanted.emplace_back(name, std::move(set));
  }
}

std::optional<slot> scope_stack::find_register(std::string_view name) const {
  for (auto block = scopes_.rbegin(); block != scopes_.rend(); ++block)
    if (auto const found = block->registers.find(name); found != block->registers.end()) return found->second;
  return find_special_register(name);
}

std::optional<symbol> scope_stack::find_variable(std::string_view name) const {
  for (auto block = scopes_.rbegin(); block != scopes_.rend(); ++block)
    if (auto const found = block->variables.find(name); found != block->variables.end()) return found->second;
  return std::nullopt;
}

std::optional<slot> find_special_register(std::string_view name) {
  static std::map<std::string_view, slot> const slots = {{"%tid.x", thread_x},
                                                         {"%tid.y", thread_y},
                                                         {"%tid.z", thread_z},
                                                         {"%ntid.x", block_extent_x},
                                                         {"%ntid.y", block_extent_y},
                                                         {"%ntid.z", block_extent_z},
                                                         {"%ctaid.x", block_x},
                                                         {"%ctaid.y", block_y},
                                                         {"%ctaid.z", block_z},
                                                         {"%nctaid.x", grid_x},
                                                         {"%nctaid.y", grid_y},
                                                         {"%nctaid.z", grid_z},
                                                         {"%laneid", lane_index},
                                                         {"%warpid", warp_index},
                                                         {"%nwarpid", warp_count},
                                                         {"%lanemask_lt", mask_less},
                                                         {"%lanemask_le", mask_less_equal},
                                                         {"%lanemask_gt", mask_greater},
                                                         {"%lanemask_ge", mask_greater_equal},
                                                         {"%lanemask_eq", mask_equal},
                                                         {"%total_smem_size", shared_total},
                                                         {"%dynamic_smem_size", shared_dynamic},
                                                         {"%clock", zero_slot},
                                                         {"%clock64", zero_slot},
                                                         {"%clock_hi", zero_slot},
                                                         {"%globaltimer", zero_slot},
                                                         {"%smid", zero_slot},
                                                         {"%nsmid", zero_slot},
                                                         {"%gridid", zero_slot}};
  auto const found = slots.find(name);
  return found == slots.end() ? std::nullopt : std::optional<slot>(found->second);
}

}  // namespace cuda_emulation::ptx
