// SPDX-License-Identifier: MIT
// Times of the CUDA backend's ops on a device, and how far they are from what it can do (README.md here).
// Usage: benchmark_cuda [--smoke] [Google Benchmark's options], e.g. --benchmark_filter=rms_norm
#include <benchmark/benchmark.h>

#include "measure.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

namespace {

/// Prints nothing: a smoke run's times mean nothing, and what ran prints its name.
class silent : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(Context const&) override { return true; }
  void ReportRuns(std::vector<Run> const&) override {}
};

[[nodiscard]] bool smoke_wanted(int& argc, char** argv) {
  char const* const variable = std::getenv("RLVR_BENCHMARK_SMOKE");
  bool smoke = variable != nullptr && std::string_view(variable) == "1";
#if defined(RLVR_CUDA_EMULATION)
  smoke = true;
#endif
  char** const end = std::remove_if(argv + 1, argv + argc,
                                    [](char const* argument) { return std::string_view(argument) == "--smoke"; });
  smoke = smoke || end != argv + argc;
  argc = static_cast<int>(end - argv);
  return smoke;
}

void print(benchmarks::peaks const& reached) {
  std::printf(
      "measured peaks: DRAM %.0f GB/s, L2 %.0f GB/s, fp32 %.1f TFLOP/s, bf16 %.1f TFLOP/s; two events with nothing "
      "between them: %.1f us\n",
      reached.dram_bytes * 1e-9, reached.l2_bytes * 1e-9, reached.fp32 * 1e-12, reached.bf16 * 1e-12,
      reached.event_seconds * 1e6);
}

int run(int argc, char** argv, bool smoke) {
  // Before the caller's own options, which win.
  char short_runs[] = "--benchmark_min_time=0.05", one_run[] = "--benchmark_min_time=0";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, smoke ? one_run : short_runs);
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  std::fputs(benchmarks::description_of_device().c_str(), stdout);
  rlvr::cuda::context context;
  benchmarks::peaks const reached = benchmarks::measure_peaks(context, smoke);
  if (smoke)
    std::puts("smoke run: every case once at a reduced size; nothing is timed");
  else
    print(reached);
  std::fflush(stdout);

  std::vector<benchmarks::entry> entries;
  benchmarks::add_row_cases(entries, smoke);
  benchmarks::add_flat_cases(entries, smoke);
  benchmarks::add_product_cases(entries, smoke);
  benchmarks::add_attention_cases(entries, smoke);
  benchmarks::add_vocabulary_cases(entries, smoke);
  benchmarks::session session(context, reached, smoke);
  benchmarks::register_benchmarks(session, entries);
  silent reporter;
  std::size_t const matched =
      smoke ? benchmark::RunSpecifiedBenchmarks(&reporter) : benchmark::RunSpecifiedBenchmarks();
  std::printf("%zu benchmarks executed, %zu failed\n", session.executed, session.failed);
  return session.failed == 0 && matched > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("SKIPPED: no CUDA device");
    return 77;
  }
  try {
    bool const smoke = smoke_wanted(argc, argv);
    return run(argc, argv, smoke);
  } catch (std::exception const& failure) {
    std::printf("benchmark_cuda: %s\n", failure.what());
    return 1;
  }
}
