// SPDX-License-Identifier: MIT
/// @file
/// The vocabulary's ops on the GPU: chunked log-probs and losses over the head, and sampling (ops/run_losses.hpp), over
/// cuBLASLt's products and the row kernels.
#pragma once

#include <rlvr/backend/cuda/matmul.cuh>
#include <rlvr/backend/cuda/rows.cuh>
#include <rlvr/ops/run_losses.hpp>
#include <rlvr/ops/sample_tokens.hpp>
