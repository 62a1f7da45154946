// SPDX-License-Identifier: MIT
// Time and peak extra memory of the fused head and loss, beside a variant that materialises logits and their gradient
// for the whole batch.  Exits with 1 where the fused loss needs 15 % of that memory or more.
// Usage: benchmark_memory_of_loss [tokens hidden vocabulary chunk_rows]
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/rl/objective.hpp>

#include "measure.hpp"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

using rlvr::execute;

// A figure of /proc/self/status in bytes; 0 where there is none.
double status_bytes(char const* name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, std::strlen(name), name) == 0)
      return 1024 * std::strtod(line.c_str() + std::strlen(name), nullptr);
  return 0;
}

// Bytes that `work` needed at its peak beyond what was resident before it.
double peak_extra_bytes(std::function<void()> const& work) {
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts again from the present
  double const before = status_bytes("VmRSS:");
  work();
  return status_bytes("VmHWM:") - before;
}

}  // namespace

int main(int argc, char** argv) {
  auto const argument = [&](int i, std::size_t otherwise) {
    return argc > i ? static_cast<std::size_t>(std::strtoull(argv[i], nullptr, 10)) : otherwise;
  };
  std::size_t const tokens = argument(1, 1024), hidden = argument(2, 576), vocabulary = argument(3, 49152),
                    chunk = argument(4, 128);
  if (status_bytes("VmHWM:") == 0) {
    std::fprintf(stderr, "memory_of_loss: /proc/self/status has no VmHWM here\n");
    return 1;
  }
  rlvr::matrix<float> h(tokens, hidden), w(vocabulary, hidden), dh(tokens, hidden), dw(vocabulary, hidden);
  benchmarks::randomise(h.view().data, tokens * hidden, 1.0f, 1);
  benchmarks::randomise(w.view().data, vocabulary * hidden, 0.05f, 2);
  std::vector<std::int32_t> target(tokens);
  std::vector<float> advantage(tokens), old_log_prob(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    target[i] = static_cast<std::int32_t>(i * 48271 % vocabulary);
    advantage[i] = i % 2 ? 1.0f : -1.0f;
  }
  rlvr::cpu::context context;
  execute(context, rlvr::ops::linear_log_prob{.head = {.hidden = h.view(), .weight = w.view(), .chunk_rows = 1},
                                              .target = target.data(),
                                              .log_prob = old_log_prob.data()});
  rlvr::token_records const records{
      .target = target.data(), .advantage = advantage.data(), .old_log_prob = old_log_prob.data()};
  auto const fused = [&] {
    execute(context, rlvr::ops::linear_policy_loss<rlvr::ppo_clip>{
                         .head = {.hidden = h.view(), .weight = w.view(), .chunk_rows = chunk},
                         .records = records,
                         .hidden_gradient = dh.view(),
                         .weight_gradient = dw.view()});
  };
  // Logits and gradient side by side, as separate operators leave them; the same products and the same row body.
  auto const materialised = [&] {
    rlvr::matrix<float> logits(tokens, vocabulary), gradient(tokens, vocabulary);
    execute(context, rlvr::ops::linear_forward{.input = h.view(), .weight = w.view(), .output = logits.view()});
    context.parallel_for(tokens, [&](std::size_t i, std::size_t) {
      std::memcpy(gradient.view().row(i), logits.view().row(i), vocabulary * sizeof(float));
      rlvr::kernel::token_loss_row(rlvr::single_thread_group{}, gradient.view().row(i), vocabulary, 1.0f,
                                   rlvr::ppo_clip{}, records, {}, i);
    });
    execute(context, rlvr::ops::linear_input_gradient{
                         .output_gradient = gradient.view(), .weight = w.view(), .input_gradient = dh.view()});
    execute(context, rlvr::ops::linear_weight_gradient{
                         .output_gradient = gradient.view(), .input = h.view(), .weight_gradient = dw.view()});
  };
  double const extra = peak_extra_bytes(fused);  // the first call: it also grows the scratch memory
  double const naive_extra = peak_extra_bytes(materialised);
  auto const seconds = benchmarks::interleaved(3, {fused, materialised});
  double const both = 2.0 * 4.0 * static_cast<double>(tokens) * static_cast<double>(vocabulary);
  double const ratio = extra / both;
  std::printf("%zu tokens, hidden %zu, vocabulary %zu, chunk_rows %zu, %zu threads\n", tokens, hidden, vocabulary,
              chunk, context.threads());
  std::printf("fused         peak extra memory %7.1f MB   %6.2f s\n", extra * 1e-6, benchmarks::median(seconds[0]));
  std::printf("materialised  peak extra memory %7.1f MB   %6.2f s\n", naive_extra * 1e-6,
              benchmarks::median(seconds[1]));
  std::printf("fused / (logits + gradient, %.1f MB)  %.3f of the memory\n", both * 1e-6, ratio);
  std::printf("fused / materialised, measured      %.3f of the memory, %.2f of the time\n", extra / naive_extra,
              benchmarks::median_ratio(seconds[0], seconds[1]));
  if (!(ratio < 0.15)) {
    std::fprintf(stderr, "memory_of_loss: found %.3f of the materialised memory, expected less than 0.15\n", ratio);
    return 1;
  }
}
