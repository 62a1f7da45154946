// SPDX-License-Identifier: MIT
/// @file
/// Umbrella of the CPU backend: `rlvr::cpu::context` and every op on it.
#pragma once

#include <rlvr/backend/cpu/attention.hpp>
#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/backend/cpu/optimizer.hpp>
#include <rlvr/backend/cpu/rows.hpp>
#include <rlvr/ops/execute.hpp>
