// SPDX-License-Identifier: MIT
// A callable that returns text is no reward.
// first error: evaluate
// names: sample_reward<
#include <rlvr/reward/concept.hpp>

#include <string>

namespace {
struct mistaken {
#ifdef VALID
  double operator()(rlvr::reward::relation_sample const&) const { return 1.0; }
#else
  std::string operator()(rlvr::reward::relation_sample const&) const { return "good"; }
#endif
};
}  // namespace

int main() { return rlvr::reward::evaluate(mistaken{}, rlvr::reward::relation_sample{}).has_value() ? 0 : 1; }
