// SPDX-License-Identifier: MIT
// An op that the context's backend does not have is refused at the call, by the name of the concept.
// first error: execute
// names: supports<
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/optimizer.hpp>

namespace {
struct new_backend {};
#ifdef VALID
void run(new_backend&, rlvr::ops::global_norm const&) {}
#endif
}  // namespace

int main() {
  new_backend context;
  rlvr::execute(context, rlvr::ops::global_norm{});
}
