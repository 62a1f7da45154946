// SPDX-License-Identifier: MIT
// Bandwidth of the optimiser and of row-wise ops, beside a copy that shows what the memory gives.
// Usage: benchmark_rows [Google Benchmark's options], e.g. --benchmark_repetitions=5
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/backend/cpu/optimizer.hpp>
#include <rlvr/backend/cpu/rows.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/execute.hpp>

#include <benchmark/benchmark.h>

#include "measure.hpp"
#include <cstring>

namespace {

using rlvr::execute;

void set_bytes(benchmark::State& state, double bytes_a_call) {
  state.counters["GB/s"] =
      benchmark::Counter(bytes_a_call * static_cast<double>(state.iterations()) * 1e-9, benchmark::Counter::kIsRate);
}

constexpr std::size_t parameters = std::size_t{1} << 24;

void copy(benchmark::State& state) {
  rlvr::cpu::context context;
  rlvr::buffer<float> from(parameters), to(parameters);
  for (auto _ : state)
    context.parallel_pieces(parameters, 65536, [&](std::size_t first, std::size_t count, std::size_t) {
      std::memcpy(to.data() + first, from.data() + first, count * sizeof(float));
    });
  set_bytes(state, 8.0 * parameters);  // a read and a write
}

void adamw(benchmark::State& state) {
  rlvr::cpu::context context;
  rlvr::buffer<float> parameter(parameters), gradient(parameters), first(parameters), second(parameters);
  benchmarks::randomise(parameter.data(), parameters, 1.0f, 1);
  benchmarks::randomise(gradient.data(), parameters, 1.0f, 2);
  std::int64_t step = 0;
  for (auto _ : state)
    execute(context, rlvr::ops::adamw_step{.parameter = parameter.span(),
                                           .gradient = gradient.span(),
                                           .first_moment = first.span(),
                                           .second_moment = second.span(),
                                           .rule = {},
                                           .step = ++step});
  set_bytes(state, 32.0 * parameters);  // four arrays, read and written
}

void global_norm(benchmark::State& state) {
  rlvr::cpu::context context;
  rlvr::buffer<float> gradient(parameters);
  double norm = 0;
  for (auto _ : state) execute(context, rlvr::ops::global_norm{.values = gradient.span(), .result = &norm});
  set_bytes(state, 4.0 * parameters);
}

void rms_norm(benchmark::State& state) {
  rlvr::cpu::context context;
  rlvr::matrix<float> x(1024, 576), w(1, 576), y(1024, 576);
  benchmarks::randomise(x.view().data, 1024 * 576, 1.0f, 1);
  rlvr::ops::rms_norm op{};
  op.input = x.view();
  op.weight = w.view().data;
  op.output = y.view();
  op.epsilon = 1e-5f;
  for (auto _ : state) execute(context, op);
  set_bytes(state, 8.0 * 1024 * 576);
}

void swiglu(benchmark::State& state) {
  rlvr::cpu::context context;
  rlvr::matrix<float> gate(1024, 1536), up(1024, 1536), out(1024, 1536);
  benchmarks::randomise(gate.view().data, 1024 * 1536, 4.0f, 1);
  for (auto _ : state) execute(context, rlvr::ops::swiglu{.gate = gate.view(), .up = up.view(), .out = out.view()});
  set_bytes(state, 12.0 * 1024 * 1536);
}

// One row of a vocabulary; the argument chooses the filters.
void sample(benchmark::State& state) {
  rlvr::cpu::context context(1);
  rlvr::matrix<float> logits(1, 49152);
  benchmarks::randomise(logits.view().data, 49152, 8.0f, 1);
  rlvr::sampling_settings const settings =
      state.range(0) == 0 ? rlvr::sampling_settings{} : rlvr::sampling_settings{.top_k = 50, .top_p = 0.9f};
  rlvr::sample_key key{};
  std::int32_t id = 0;
  for (auto _ : state) {
    ++key.position;
    execute(context, rlvr::ops::sample_tokens{.logits = logits.view(), .settings = settings, .key = &key, .id = &id});
  }
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK(copy)->UseRealTime();
BENCHMARK(adamw)->UseRealTime();
BENCHMARK(global_norm)->UseRealTime();
BENCHMARK(rms_norm)->UseRealTime();
BENCHMARK(swiglu)->UseRealTime();
BENCHMARK(sample)->Arg(0)->Arg(1)->ArgName("filters")->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
