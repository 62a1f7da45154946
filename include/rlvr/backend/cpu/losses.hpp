// SPDX-License-Identifier: MIT
/// @file
/// The vocabulary's ops on the CPU: chunked log-probs and losses over the head, and sampling (ops/run_losses.hpp), over
/// the CPU's products and rows.
#pragma once

#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/backend/cpu/rows.hpp>
#include <rlvr/ops/run_losses.hpp>
#include <rlvr/ops/sample_tokens.hpp>
