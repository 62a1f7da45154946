// SPDX-License-Identifier: MIT
/// @file
/// NVRTC takes every header of rl/ and kernel/ by itself, and every functor of rl/ in a kernel, so that objectives
/// compiled at run time may use them.  No header is exempt: what only the host calls compiles against stand-ins.
#include <rlvr/backend/cuda/runtime_compile.hpp>

#include <ctime>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <support/catch.hpp>

namespace {

std::string const root = std::string(RLVR_TEST_DATA) + "/..";

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// What the compiler says to a program; empty if it takes it.  Adds to `seconds`.
std::string refusal_of(std::string const& source, rlvr::cuda::runtime_options const& options, double& seconds) {
  double const begin = cpu_seconds();
  std::string refusal;
  try {
    (void)rlvr::cuda::compile_device_code(source, options);
  } catch (rlvr::cuda::runtime_compile_error const& error) {
    refusal = error.what();
  }
  double const spent = cpu_seconds() - begin;
  std::cout << options.source_name << ": " << static_cast<int>(1000 * spent) << " ms CPU\n";
  seconds += spent;
  return refusal;
}

/// Files with this extension below a folder of the repository, as paths from `base`.
std::set<std::string> files(std::string const& folder, std::string const& extension, std::string const& base) {
  std::set<std::string> found;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(root + "/" + folder))
    if (entry.path().extension() == extension)
      found.insert(std::filesystem::relative(entry.path(), root + "/" + base).generic_string());
  return found;
}

rlvr::cuda::runtime_options options_for(std::string const& name) {
  rlvr::cuda::runtime_options options;
  options.include_folder = root + "/include";
  options.source_name = name;
  return options;
}

}  // namespace

TEST_CASE("nvrtc: each header of rl and kernel compiles by itself") {
  std::set<std::string> headers = files("include/rlvr/rl", ".hpp", "include");
  headers.merge(files("include/rlvr/kernel", ".hpp", "include"));
  REQUIRE(headers.size() > 40);
  double seconds = 0;
  for (std::string const& header : headers) {
    INFO(header);
    CHECK(refusal_of("#include <" + header + ">\n", options_for(header), seconds) == "");
  }
  std::cout << headers.size() << " headers, " << seconds << " s CPU\n";
  CHECK(seconds < 25);
}

TEST_CASE("nvrtc: objectives, combinators and KL estimators pass the compiler's front end inside a kernel") {
  std::string source =
      "#include <rlvr/core/dual.hpp>\n#include <rlvr/rl/differentiate.hpp>\n#include "
      "<rlvr/rl/importance_objectives.hpp>\n"
      "#include <rlvr/rl/objective.hpp>\n#include <rlvr/rl/penalty.hpp>\n#include <rlvr/rl/presets.hpp>\n"
      "template <class Objective, class T> __device__ void evaluate(rlvr::token_sample<T> const* samples, T* losses) "
      "{\n"
      "  losses[threadIdx.x] = Objective{}(samples[threadIdx.x]).value;\n}\n"
      "template <class T> __global__ void all(rlvr::token_sample<T> const* samples, T* losses) {\n";
  std::set<std::string> const objectives{"ppo_clip",
                                         "reinforce",
                                         "cross_entropy",
                                         "weighted_policy_gradient",
                                         "topr",
                                         "sapo",
                                         "direct_reward",
                                         "dppo",
                                         "trust_region_policy_gradient",
                                         "reference_policy_gradient",
                                         "squared_log_ratio",
                                         "kl_cov",
                                         "kl_penalised<rlvr::ppo_clip, rlvr::k1>",
                                         "kl_penalised<rlvr::ppo_clip, rlvr::k2>",
                                         "kl_penalised<rlvr::reinforce, rlvr::k3>"};
  for (std::string const& objective : objectives) source += "  evaluate<rlvr::" + objective + ">(samples, losses);\n";
  source +=
      "}\ntemplate __global__ void all(rlvr::token_sample<float> const*, float*);\n"
      "template __global__ void all(rlvr::token_sample<double> const*, double*);\n";
  double seconds = 0;
  auto options = options_for("objectives.cu");
  options.compiler_options = {"--relocatable-device-code=true", "--fdevice-syntax-only"};
  CHECK(refusal_of(source, options, seconds) == "");
  // That it can fail: this template is wrong only where it is instantiated.
  options.source_name = "wrong.cu";
  CHECK(refusal_of("#include <rlvr/rl/objective.hpp>\n"
                   "template <class T> __global__ void kernel(T value) { value.absent(); }\n"
                   "void launch() { kernel<<<1, 1>>>(rlvr::ppo_clip{}); }\n",
                   options, seconds)
            .find("has no member \"absent\"") != std::string::npos);
}
