// SPDX-License-Identifier: MIT
// An objective out of a text file, compiled while the program runs: no build, no nvcc.
//   runtime_objective [FILE TYPE [ARCHITECTURE]]
// FILE defines the objective, TYPE names it: "my_loss", or "rlvr::differentiated<my_loss>" for plain arithmetic.
// ARCHITECTURE is compute_80 (PTX) unless given; sm_90 and the like print registers too.  Where there is a device, loss
// and gradient of some rows of logits are computed on it.
#include <rlvr/backend/cuda/runtime_objective.cuh>
#include <rlvr/core/file_error.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr char const* soft_region = R"(
/// A trust region that fades instead of clipping: the log-ratio bent by tanh, as wide as the policy is unsure.
struct soft_region {
  template <class T>
  T operator()(rlvr::token_sample<T> s) const {
    auto const width = 0.1 + 0.3 * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width);
  }
};
)";

std::string text_of(char const* path) {
  std::ifstream file(path);
  if (!file) throw rlvr::io_error(path, "cannot open");
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
T* device_copy(std::vector<T> const& values, cudaStream_t stream) {
  void* data = nullptr;
  rlvr::cuda::check(cudaMalloc(&data, values.size() * sizeof(T)), "cudaMalloc");
  rlvr::cuda::check(cudaMemcpyAsync(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream),
                    "cudaMemcpyAsync");
  return static_cast<T*>(data);  // device memory ends with the process
}

void run(rlvr::cuda::compiled_objective const& code) {
  constexpr std::size_t rows = 8, vocabulary = 1000;
  std::vector<float> logits(rows * vocabulary), advantage(rows), old_log_prob(rows, -8.0f);
  std::vector<std::int32_t> target(rows);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 0.1f * static_cast<float>((i * 7919) % 41) - 2.0f;
  for (std::size_t row = 0; row < rows; ++row) advantage[row] = row % 2 ? 1.0f : -0.5f;
  for (std::size_t row = 0; row < rows; ++row) target[row] = static_cast<std::int32_t>(row * 31);

  cudaStream_t stream = nullptr;
  rlvr::cuda::check(cudaStreamCreate(&stream), "cudaStreamCreate");
  rlvr::cuda::runtime_objective const objective(code);
  float* const device_logits = device_copy(logits, stream);  // afterwards their gradient
  std::vector<rlvr::loss_value<float>> losses(rows);
  auto* const device_losses = device_copy(losses, stream);
  objective.launch(stream, {.logits = {device_logits, rows, vocabulary},
                            .records = {.target = device_copy(target, stream),
                                        .advantage = device_copy(advantage, stream),
                                        .old_log_prob = device_copy(old_log_prob, stream)},
                            .results = {.loss = device_losses}});
  rlvr::cuda::check(
      cudaMemcpyAsync(losses.data(), device_losses, rows * sizeof losses[0], cudaMemcpyDeviceToHost, stream),
      "cudaMemcpyAsync");
  rlvr::cuda::check(
      cudaMemcpyAsync(logits.data(), device_logits, logits.size() * sizeof logits[0], cudaMemcpyDeviceToHost, stream),
      "cudaMemcpyAsync");
  rlvr::cuda::check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  double total = 0, squares = 0;
  for (auto const& loss : losses) total += static_cast<double>(loss.value);
  for (float const g : logits) squares += static_cast<double>(g) * static_cast<double>(g);
  std::printf("ran on the device: loss %.5f, squared norm of the gradient %.5f\n", total, squares);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count == 2 || count > 4) {
    std::fprintf(stderr, "usage: runtime_objective [FILE TYPE [ARCHITECTURE]]\n");
    return 2;
  }
  rlvr::cuda::runtime_options options;
  if (count > 1) options.source_name = arguments[1];
  if (count > 3) options.architecture = arguments[3];
  std::string const type = count > 1 ? arguments[2] : "rlvr::differentiated<soft_region>";
  auto const code = rlvr::cuda::compile_objective(count > 1 ? text_of(arguments[1]) : soft_region, type, options);
  std::printf("%s: %zu bytes of %s for %s\n", type.c_str(), code.code.size(), code.is_ptx ? "PTX" : "machine code",
              options.architecture.c_str());
  std::istringstream log(code.log);
  for (std::string line; std::getline(log, line);)
    if (code.is_ptx || line.find("registers") != std::string::npos) std::printf("  %s\n", line.c_str());

  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("no CUDA device here: compiled, but no kernel ran\n");
    return 0;
  }
  run(code);
  return 0;
} catch (std::exception const& failure) {
  std::fprintf(stderr, "runtime_objective: %s\n", failure.what());
  return 1;
}
