// SPDX-License-Identifier: MIT
// golden_tests [FOLDER]: every case of every family file in FOLDER, else in $RLVR_GOLDEN_DIR, else in tests/golden,
// through the public headers, in double and, where a float tolerance is stated, in float.  The last line counts cases;
// exit 1 if one failed or there was none.  A case whose operation has no handler is a failure.
#include "case.hpp"
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

// Failures of one case in one number type.
template <class T>
std::vector<std::string> run(golden::json const& data, std::function<void(golden::test_case<T>&)> const& handle) {
  golden::test_case<T> test(data);
  try {
    handle(test);
  } catch (std::exception const& error) {
    test.fail(std::string("threw: ") + error.what());
  }
  std::vector<std::string> failures = test.failures();
  for (std::string& failure : failures) failure.insert(0, std::is_same_v<T, float> ? "float: " : "double: ");
  return failures;
}

std::vector<std::string> run(golden::registry const& handlers, std::string const& family, golden::json const& data) {
  auto const* const handler = handlers.find(family + "/" + data.at("op").get<std::string>());
  if (handler == nullptr) return {"no handler for operation " + data.at("op").get<std::string>()};
  std::vector<std::string> failures = run<double>(data, handler->in_double);
  if (data.at("tolerance").contains("f32"))
    for (std::string& failure : run<float>(data, handler->in_float)) failures.push_back(std::move(failure));
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
  std::vector<std::filesystem::path> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());

  std::size_t passed = 0, failed = 0;
  for (auto const& path : files) {
    std::ifstream file(path);
    golden::json const content = golden::json::parse(file);
    auto const family = content.at("family").get<std::string>();
    std::size_t family_failed = 0;
    for (golden::json const& data : content.at("cases")) {
      std::vector<std::string> const failures = run(handlers, family, data);
      for (std::string const& failure : failures)
        std::printf("%s: %s\n", data.at("name").get<std::string>().c_str(), failure.c_str());
      family_failed += failures.empty() ? 0 : 1;
    }
    std::size_t const count = content.at("cases").size();
    std::printf("%-20s %4zu cases, %zu failed\n", family.c_str(), count, family_failed);
    passed += count - family_failed;
    failed += family_failed;
  }
  std::printf("%zu passed, %zu failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
} catch (std::exception const& error) {
  std::fprintf(stderr, "golden_tests: %s\n", error.what());
  return 1;
}
