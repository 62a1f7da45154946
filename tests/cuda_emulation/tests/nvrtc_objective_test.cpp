// SPDX-License-Identifier: MIT
/// @file
/// Objectives compiled at run time by NVRTC, their PTX executed by the interpreter, against the same text compiled with
/// this program.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>

#include "nvrtc_support.hpp"
#include "runtime/memory.hpp"
#include <string>

using namespace nvrtc_test;
using rlvr::cuda::compile_objective;
using rlvr::cuda::runtime_objective;

// What a user writes.
RLVR_TEST_SOURCE(
    clip_source, struct own_clip {
      double low = 0.2;
      double high = 0.3;
      template <class T>
      rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& s) const {
        if (s.advantage == T(0)) return {};
        T const ratio = std::exp(s.log_prob - s.old_log_prob);
        T const lowest = T(1 - low);
        T const highest = T(1 + high);
        T const clipped = -s.advantage * (ratio < lowest ? lowest : (ratio > highest ? highest : ratio));
        T const unclipped = -s.advantage * ratio;
        if (clipped > unclipped)
          return {.value = clipped, .clip = s.advantage < T(0) ? rlvr::clip_region::low : rlvr::clip_region::high};
        return {.value = unclipped, .d_log_prob = unclipped};
      }
    };);

RLVR_TEST_SOURCE(
    soft_source, struct soft_region {
      double width = 0.1;
      template <class T>
      T operator()(rlvr::token_sample<T> s) const {
        auto const bound = width + 0.3 * stop_gradient(s.entropy);
        return -s.advantage * bound * tanh((s.log_prob - s.old_log_prob) / bound) - 0.01 * s.entropy;
      }
    };);

namespace {

batch run(runtime_objective const& objective, batch const& values) {
  return on_device(values, [&](auto const& rows) { objective.launch(nullptr, rows); });
}

/// What an expression throws.
template <class Error, class Function>
std::string message_of(Function const& function) {
  try {
    function();
  } catch (Error const& error) {
    return error.what();
  }
  FAIL("nothing was thrown, or something else");
  return {};
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("nvrtc: a clip from a string is ppo_clip, for a warp, a block and a large block per row") {
  runtime_objective const own(clip_source, "own_clip", options());
  runtime_objective const library("// nothing of one's own", "rlvr::ppo_clip", options());
  for (auto const& [rows, columns] : {std::pair<std::size_t, std::size_t>{13, 37}, {5, 1500}, {2, 16500}}) {
    INFO(rows << " x " << columns);
    batch const values(rows, columns, rows);
    require_close(run(own, values), on_cpu(values, rlvr::ppo_clip{.low = 0.2, .high = 0.3}));
    require_close(run(library, values), on_cpu(values, rlvr::ppo_clip{}));
  }
}

TEST_CASE("nvrtc: plain arithmetic from a string has its exact gradient, by the entropy as well") {
  runtime_objective const objective(soft_source, "rlvr::differentiated<soft_region>", options());
  batch const values(9, 300, 4);
  batch const expected = on_cpu(values, rlvr::differentiate(soft_region{}));
  REQUIRE(expected.loss[0].d_entropy != 0.0f);
  require_close(run(objective, values), expected);
}

TEST_CASE("nvrtc: a launch fills the members of the objective") {
  auto with_parameters = options();
  with_parameters.parameter_bytes = sizeof(own_clip);
  runtime_objective const objective(clip_source, "own_clip", with_parameters);
  batch const values(13, 37, 2);
  for (own_clip const clip : {own_clip{0.1, 0.1}, own_clip{0.5, 0.9}})
    require_close(on_device(values, [&](auto const& rows) { objective.launch(nullptr, rows, clip); }),
                  on_cpu(values, clip));

  rlvr::cuda::runtime_loss_rows const none;
  CHECK(has(message_of<rlvr::argument_error>([&] { objective.launch(nullptr, none); }), "0 bytes of values, compiled"));
  CHECK(has(message_of<rlvr::argument_error>([&] { objective.launch(nullptr, none, 0.2); }), "8 bytes of values"));
  with_parameters.parameter_bytes = 24;
  CHECK(has(message_of<rlvr::cuda::runtime_compile_error>(
                [&] { (void)compile_objective(clip_source, "own_clip", with_parameters); }),
            "the objective's size differs from parameter_bytes"));
}

TEST_CASE("nvrtc: objectives of one name are apart, and move") {
  std::string const positive =
      "struct f { template <class T> T operator()(rlvr::token_sample<T> s) const { return "
      "s.log_prob; } };";
  std::string const negative =
      "struct f { template <class T> T operator()(rlvr::token_sample<T> s) const { return "
      "-s.log_prob; } };";
  batch const values(4, 33, 7);
  runtime_objective first(positive, "rlvr::differentiated<f>", options());
  runtime_objective second(negative, "rlvr::differentiated<f>", options());
  CHECK(run(first, values).loss[0].d_log_prob == 1.0f);
  CHECK(run(second, values).loss[0].d_log_prob == -1.0f);
  first = std::move(second);
  runtime_objective const third(std::move(first));
  CHECK(run(third, values).loss[0].d_log_prob == -1.0f);
}

TEST_CASE("nvrtc: a graph captures the launch") {
  runtime_objective const objective(clip_source, "own_clip", options());
  batch const values(3, 37, 5);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  batch const found = on_device(values, [&](auto const& rows) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    objective.launch(stream, rows);
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(executable, stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  });
  cudaStreamDestroy(stream);
  require_close(found, on_cpu(values, own_clip{}));
}

TEST_CASE("nvrtc: no rows are no launch, missing arrays are refused") {
  runtime_objective const objective(clip_source, "own_clip", options());
  rlvr::cuda::runtime_loss_rows rows;
  objective.launch(nullptr, rows);
  rows.logits = {nullptr, 1, 8};
  CHECK(has(message_of<rlvr::argument_error>([&] { objective.launch(nullptr, rows); }), "must not be null"));
}

TEST_CASE("nvrtc: messages have the line of the user's source") {
  auto named = options();
  named.source_name = "soft.hpp";
  auto const log = [&](std::string const& source, std::string const& type) {
    return message_of<rlvr::cuda::runtime_compile_error>([&] { (void)compile_objective(source, type, named); });
  };
  std::string const head =
      "struct f {\n  template <class T> T operator()(rlvr::token_sample<T> s) const {\n    return ";
  CHECK(has(log(head + "missing(s.log_prob);\n  }\n};", "rlvr::differentiated<f>"), "soft.hpp(3): error"));
  CHECK(has(log("struct f {\n\n  int x\n};", "f"), "soft.hpp(4): error"));
  CHECK(has(log("struct f {};", "g"), "type of soft.hpp(1): error: identifier \"g\" is undefined"));
  CHECK(has(log("struct f {};", "f"), "this type is no token objective"));
  CHECK(has(log("#include <rlvr/rl/absent.hpp>", "f"), "soft.hpp(1): catastrophic error"));
  CHECK(has(log("struct f {", "f"), "error"));
  CHECK(log("struct f {", "f").substr(0, 33) == "soft.hpp: NVRTC_ERROR_COMPILATION");
}

TEST_CASE("nvrtc: each mistake of a caller has its message") {
  auto const refused = [](std::string const& source, std::string const& type, rlvr::cuda::runtime_options const& how) {
    return message_of<rlvr::argument_error>([&] { (void)compile_objective(source, type, how); });
  };
  CHECK(has(refused(" \n\t", "f", options()), "objective: the source is empty"));
  CHECK(has(refused("struct f {};", " ", options()), "is not the name of a type"));
  CHECK(has(refused("struct f {};", "f; int x", options()), "is not the name of a type"));
  for (std::string const architecture : {"", "90", "compute_", "compute_1", "sm_9000", "gfx90", "sm_90b"}) {
    auto wrong = options();
    wrong.architecture = architecture;
    CHECK(
        has(refused("struct f {};", "f", wrong), "architecture \"" + architecture + "\": expected compute_N or sm_N"));
  }
  auto lost = options();
  lost.include_folder = "/no/such/folder";
  CHECK(has(refused("struct f {};", "f", lost), "there is no rlvr/core/config.hpp in \"/no/such/folder\""));
  auto mistaken = options();
  mistaken.compiler_options = {"--no-such-option"};
  CHECK(has(message_of<rlvr::cuda::runtime_compile_error>(
                [&] { (void)compile_objective(clip_source, "own_clip", mistaken); }),
            "NVRTC_ERROR_INVALID_OPTION"));
}

TEST_CASE("nvrtc: code for a device is compiled here and loaded there") {
  auto native = options();
  native.architecture = rlvr::cuda::device_architecture();
  REQUIRE(native.architecture == "sm_90");
  auto const code = compile_objective(clip_source, "own_clip", native);
  CHECK(!code.is_ptx);
  CHECK(code.code.substr(1, 3) == "ELF");
  CHECK(has(code.log, "registers"));
  CHECK(has(code.log, " 0 bytes spill stores"));
  CHECK(has(message_of<rlvr::cuda::cuda_error>([&] { runtime_objective const loaded(code); }), "cudaLibraryLoadData"));
}

TEST_CASE("nvrtc: the emulated runtime loads and unloads libraries") {
  std::size_t const before = cuda_emulation::live_device_bytes();
  std::string const text = rlvr::cuda::compile_device_code(
                               "__device__ int step = 5;\n"
                               "extern \"C\" __global__ void add(int* value) { *value += step; }\n",
                               options())
                               .code;
  auto const load = [](char const* code, cudaLibrary_t& library) {
    return cudaLibraryLoadData(&library, code, nullptr, nullptr, 0, nullptr, nullptr, 0);
  };
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
  CHECK(load("no PTX", library) == cudaErrorInvalidPtx);
  REQUIRE(load(text.c_str(), library) == cudaSuccess);
  CHECK(cudaLibraryGetKernel(&kernel, library, "absent") == cudaErrorSymbolNotFound);
  REQUIRE(cudaLibraryGetKernel(&kernel, library, "add") == cudaSuccess);
  {
    device_array<int> const value(std::vector<int>{37});
    int* address = value.get();
    void* arguments[] = {&address};
    REQUIRE(cudaLaunchKernel(reinterpret_cast<void const*>(kernel), dim3(1), dim3(1), arguments, 0, nullptr) ==
            cudaSuccess);
    CHECK(value.values()[0] == 42);
  }
  CHECK(cuda_emulation::live_device_bytes() > before);  // the variable
  CHECK(cudaLibraryUnload(library) == cudaSuccess);
  CHECK(cuda_emulation::live_device_bytes() == before);
  CHECK(cudaLibraryUnload(library) == cudaErrorInvalidResourceHandle);
  CHECK(cudaLibraryGetKernel(&kernel, library, "add") == cudaErrorSymbolNotFound);
  CHECK(cudaGetLastError() == cudaErrorSymbolNotFound);
}
