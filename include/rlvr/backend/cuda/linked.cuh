// SPDX-License-Identifier: MIT
/// @file
/// The CUDA backend for units that nvcc does not compile.  Programs whose other libraries nvcc cannot parse write their
/// model and trainer code against `linked_context`; one unit of the program, compiled by nvcc, includes linked_ops.cuh
/// and so holds the ops.  An op that it lacks (a loss with an objective of one's own) is a line there, and says so as
/// an undefined reference to `run`.
///
///     // device_ops.cu
///     #include <rlvr/backend/cuda/linked_ops.cuh>
///     template void rlvr::cuda::run(rlvr::cuda::linked_context&,
///                                   rlvr::ops::linear_policy_loss<my_objective> const&);
///
/// No kernel is named in a unit of the host compiler, and none in the interface between the two.  Both units belong
/// to one program or to one shared library, which exports neither kernels nor `run`.
#pragma once

#if !defined(RLVR_CUDA_LINKED)
#  define RLVR_CUDA_LINKED  // the headers below launch nothing and may be read by any compiler
#endif

#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/ops/execute.hpp>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// A context whose ops are compiled elsewhere; everything else is `context`'s.
class linked_context : public context {
 public:
  using context::context;

  /// Bodies of rows are kernels: not from here.
  void for_each_row() = delete;
};

/// An op on a linked context: defined in linked_ops.cuh, for the ops that are instantiated there.
template <class Op>
void run(linked_context& ctx, Op const& op);

}  // namespace cuda
RLVR_NAMESPACE_END
