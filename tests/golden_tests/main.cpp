// SPDX-License-Identifier: MIT
// golden_tests [FOLDER]: every case of every family file in FOLDER, else in $RLVR_GOLDEN_DIR, else in tests/golden,
// through the public headers, in double and, where a float tolerance is stated, in float.  The last line counts cases;
// exit 1 if one failed or there was none.  A case whose operation has no handler is a failure.
//
// Built with RLVR_TEST_CUDA the ops run on rlvr::cuda::context, and functors are evaluated in kernels
// (support/evaluate.hpp).
#include "case.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <support/evaluate.hpp>
#include <vector>

namespace {

#if defined(RLVR_CUDA_EMULATION)
constexpr char const* backend_name = "cuda (emulated)";
#elif defined(RLVR_TEST_CUDA)
constexpr char const* backend_name = "cuda";
#else
constexpr char const* backend_name = "cpu";
#endif

struct counts {
  std::size_t passed = 0, failed = 0, numbers = 0, with_kernels = 0;
};

// Failures of one case in one number type.
template <class T>
void run(golden::value const& data, void (*handle)(golden::test_case<T>&), std::vector<std::string>& failures,
         counts& totals) {
  golden::test_case<T> test(data);
  try {
    handle(test);
  } catch (std::exception const& error) {
    test.fail(std::string("threw: ") + error.what());
  }
  for (std::string const& failure : test.failures())
    failures.push_back((std::is_same_v<T, float> ? "float: " : "double: ") + failure);
  totals.numbers += test.compared_numbers();
}

std::vector<std::string> run(golden::registry const& handlers, std::string const& family, golden::value const& data,
                             counts& totals) {
  auto const* const handler = handlers.find(family + "/" + data.at("op").text());
  if (handler == nullptr) return {"no handler for operation " + data.at("op").text()};
  std::size_t const launches = test::kernel_launches;
  std::vector<std::string> failures;
  run<double>(data, handler->in_double, failures, totals);
  if (data.at("tolerance").contains("f32")) run<float>(data, handler->in_float, failures, totals);
  totals.with_kernels += test::kernel_launches > launches ? 1 : 0;
  return failures;
}

std::string default_folder() {
  char const* const given = std::getenv("RLVR_GOLDEN_DIR");
  return given != nullptr ? given : RLVR_TEST_DATA "/golden";
}

}  // namespace

int main(int argc, char** argv) try {
  golden::registry handlers;
  golden::add_advantage(handlers);
  golden::add_aggregation(handlers);
  golden::add_dpo(handlers);
  golden::add_entropy(handlers);
  golden::add_gae(handlers);
  golden::add_kl(handlers);
  golden::add_logprob(handlers);
  golden::add_policy_loss(handlers);
  golden::add_reward_shaping(handlers);
  golden::add_rollout_correction(handlers);

  std::string const folder = argc > 1 ? argv[1] : default_folder();
  std::vector<std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());

  counts totals;
  for (std::string const& path : files) {
    golden::document const content = golden::read_document(path);
    std::size_t const kernels_before = totals.with_kernels;
    std::size_t failed = 0;
    for (golden::value const& data : content.cases.items()) {
      std::vector<std::string> const failures = run(handlers, content.family, data, totals);
      for (std::string const& failure : failures)
        std::printf("%s: %s\n", data.at("name").text().c_str(), failure.c_str());
      failed += failures.empty() ? 0 : 1;
    }
    std::size_t const count = content.cases.size();
    std::printf("%-20s %4zu cases, %zu failed", content.family.c_str(), count, failed);
    if (test::kernel_launches > 0) std::printf(", %zu with kernels", totals.with_kernels - kernels_before);
    std::printf("\n");
    totals.passed += count - failed;
    totals.failed += failed;
  }
  std::printf("golden_tests: %s: %zu cases, %zu values", backend_name, totals.passed + totals.failed, totals.numbers);
  if (test::kernel_launches > 0) std::printf("; %zu cases ran %zu kernels", totals.with_kernels, test::kernel_launches);
  std::printf("\n%zu passed, %zu failed\n", totals.passed, totals.failed);
  return totals.failed == 0 && totals.passed > 0 ? 0 : 1;
} catch (std::exception const& error) {
  std::fprintf(stderr, "golden_tests: %s\n", error.what());
  return 1;
}
