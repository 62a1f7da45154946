// SPDX-License-Identifier: MIT
// The fused loss inside somebody else's CUDA code: raw device pointers, the caller's stream, an objective of one's own.
// Hidden states meet the vocabulary in chunks of rows; logits exist for one chunk at a time; value and gradient come
// from one kernel per chunk.  Nothing else of the library is involved: no model, no trainer.
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/rl/differentiate.hpp>

#include <cstdio>
#include <exception>
#include <vector>

/// A trust region that fades instead of clipping: the log-ratio bent by tanh, as wide as the policy is unsure.
/// Plain arithmetic; `differentiate` makes it a loss with its exact gradient.
struct soft_trust_region {
  template <class Sample>
  RLVR_HD auto operator()(Sample const& s) const {
    auto const width = 0.1f + 0.3f * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width);
  }
};

template <class T>
T* device_copy(std::vector<T> const& values, cudaStream_t stream) {
  T* data = nullptr;
  rlvr::cuda::check(cudaMalloc(&data, values.size() * sizeof(T)), "cudaMalloc");
  rlvr::cuda::check(cudaMemcpyAsync(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream),
                    "cudaMemcpyAsync");
  return data;
}

int main() try {
  constexpr std::size_t rows = 96, width = 64, vocabulary = 1000;
  auto const wave = [](std::size_t i) { return 0.1f * static_cast<float>((i * 7919) % 41) - 2.0f; };
  std::vector<float> hidden(rows * width), head(vocabulary * width), advantage(rows), old_log_prob(rows, -8.0f);
  std::vector<std::int32_t> target(rows);
  for (std::size_t i = 0; i < hidden.size(); ++i) hidden[i] = wave(i);
  for (std::size_t i = 0; i < head.size(); ++i) head[i] = 0.1f * wave(i + 3);
  for (std::size_t i = 0; i < rows; ++i) advantage[i] = i % 2 ? 1.0f : -1.0f;
  for (std::size_t i = 0; i < rows; ++i) target[i] = static_cast<std::int32_t>(i * 31 % vocabulary);

  cudaStream_t stream = nullptr;
  rlvr::cuda::check(cudaStreamCreate(&stream), "cudaStreamCreate");
  float* const hidden_gradient = device_copy(hidden, stream);                         // written, so any content will do
  float* const head_gradient = device_copy(std::vector<float>(head.size()), stream);  // added to
  auto* const losses = device_copy(std::vector<rlvr::loss_value<float>>(rows), stream);
  {
    rlvr::cuda::context context(stream);
    using objective = rlvr::differentiated<soft_trust_region>;
    rlvr::execute(context, rlvr::ops::linear_policy_loss<objective>{
                               .head = {.hidden = {device_copy(hidden, stream), rows, width},
                                        .weight = {device_copy(head, stream), vocabulary, width},
                                        .temperature = 1.0f,
                                        .chunk_rows = 32},
                               .records = {.target = device_copy(target, stream),
                                           .advantage = device_copy(advantage, stream),
                                           .old_log_prob = device_copy(old_log_prob, stream)},
                               .results = {.loss = losses},
                               .hidden_gradient = {hidden_gradient, rows, width},
                               .weight_gradient = {head_gradient, vocabulary, width}});
    std::vector<rlvr::loss_value<float>> found(rows);
    context.download(found.data(), losses, rows);
    context.download(hidden.data(), hidden_gradient, hidden.size());
    double total = 0, squares = 0;
    for (auto const& loss : found) total += static_cast<double>(loss.value);
    for (float const g : hidden) squares += static_cast<double>(g) * static_cast<double>(g);
    std::printf("loss %.5f, squared norm of the hidden gradient %.5f\n", total, squares);
  }
  rlvr::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
  return 0;  // device memory ends with the process
} catch (std::exception const& failure) {
  std::fprintf(stderr, "fused_loss: %s\n", failure.what());
  return 1;
}
