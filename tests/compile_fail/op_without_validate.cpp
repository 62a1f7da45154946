// SPDX-License-Identifier: MIT
// An op without validate() is none.
// first error: execute
// names: supports<
#include <rlvr/ops/execute.hpp>

namespace {
struct backend {};
struct new_op {
#ifdef VALID
  void validate() const {}
#endif
};
void run([[maybe_unused]] backend& context, [[maybe_unused]] new_op const& op) {}
}  // namespace

int main() {
  backend context;
  rlvr::execute(context, new_op{});
}
