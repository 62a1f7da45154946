// SPDX-License-Identifier: MIT
/// @file
/// An op is a value: its arguments and `validate()`.  `execute(context, op)` validates once and calls the backend's
/// `run(context, op)`, found beside the context.  Model, trainer and tests are written against any context.
///
/// Ops take an explicit context (threads or stream, scratch memory), change nothing process-wide and leave no state
/// behind.  A CPU backend grows its scratch memory up to the largest op seen; after that ops do not allocate.
#pragma once

#include <rlvr/core/config.hpp>

#include <concepts>

RLVR_NAMESPACE_BEGIN

/// Whether the backend of Context has the op.
template <class Context, class Op>
concept supports = requires(Context& context, Op const& op) {
  op.validate();
  run(context, op);
};

/// @throws shape_error, argument_error from `op.validate()`
template <class Context, class Op>
requires supports<Context, Op>
void execute(Context& context, Op const& op) {
  op.validate();
  run(context, op);
}

RLVR_NAMESPACE_END
