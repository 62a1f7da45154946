// SPDX-License-Identifier: MIT
/// @file
/// Umbrella of the CUDA backend: `rlvr::cuda::context` and every op on it.
#pragma once

#include <rlvr/backend/cuda/attention.cuh>
#include <rlvr/backend/cuda/attention_gradient.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/backend/cuda/matmul.cuh>
#include <rlvr/backend/cuda/optimizer.cuh>
#include <rlvr/backend/cuda/rows.cuh>
#include <rlvr/ops/execute.hpp>
