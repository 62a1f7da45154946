// SPDX-License-Identifier: MIT
#include <rlvr/core/replay_key.hpp>

#include <benchmark/benchmark.h>

#include "measure.hpp"
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace benchmarks {
namespace {

enum class cache { cold, hot };

[[nodiscard]] std::string name_of(entry const& what, cache temperature) {
  return what.name + (temperature == cache::hot ? "/hot" : "/cold");
}

/// The op `times` over: eagerly at first, then a captured graph, so that the host's launches are not what is timed.
class repeated {
 public:
  repeated(session& run, entry const& what) : run_(run), op_(run.prepared(what)) {}

  void operator()(std::size_t times) {
    auto const key = [&] {
      rlvr::replay_key words;
      words.add(run_.number());
      words.add(times);
      return words;
    };
    run_.context.replayable(key, [&] {
      for (std::size_t i = 0; i < times; ++i) op_(run_.context);
    });
  }

 private:
  session& run_;
  operation const& op_;
};

/// A second for each of `times` executions with whatever the one before left in L2.
[[nodiscard]] double hot_seconds(session& run, repeated& op, stopwatch& watch, std::size_t times) {
  watch.start(run.context.stream());
  op(times);
  watch.stop(run.context.stream());
  return watch.seconds() / static_cast<double>(times);
}

/// The time of one execution after a flush.  The host queues it while the device still flushes.
[[nodiscard]] double cold_seconds(session& run, repeated& op, stopwatch& watch) {
  run.flush.run(run.context.stream());
  watch.start(run.context.stream());
  op(1);
  watch.stop(run.context.stream());
  return watch.seconds();
}

void report(benchmark::State& state, session const& run, entry const& what, cache temperature, double total) {
  double const bandwidth = temperature == cache::hot ? run.reached.l2_bytes : run.reached.dram_bytes;
  double const rate = what.units == cases::arithmetic::bf16 ? run.reached.bf16 : run.reached.fp32;
  double const moving = what.least.bytes / bandwidth, computing = what.least.operations / rate;
  using benchmark::Counter;
  state.counters["bytes"] = Counter(what.least.bytes, Counter::kIsIterationInvariantRate);
  state.counters["FLOP"] = Counter(what.least.operations, Counter::kIsIterationInvariantRate);
  state.counters["%peak"] =
      total > 0 ? 100 * std::max(moving, computing) * static_cast<double>(state.iterations()) / total : 0.0;
  state.SetLabel(moving >= computing                     ? temperature == cache::hot ? "of L2" : "of DRAM"
                 : what.units == cases::arithmetic::bf16 ? "of bf16"
                                                         : "of fp32");
}

void measure(benchmark::State& state, session& run, entry const& what, cache temperature) {
  try {
    repeated op(run, what);
    stopwatch watch;
    op(1);  // grows scratch memory
    op(1);  // captures
    run.context.synchronize();
    std::size_t times = 1;
    if (!run.smoke && temperature == cache::hot) {
      constexpr double wanted = 1e-3;
      double const once = std::max(hot_seconds(run, op, watch, 1), 1e-7);
      times = static_cast<std::size_t>(std::clamp(wanted / once, 1.0, 256.0));
    }
    if (temperature == cache::hot && times > 1) {
      op(times);
      op(times);
    }
    double total = 0;
    for (auto _ : state) {
      double const seconds =
          temperature == cache::hot ? hot_seconds(run, op, watch, times) : cold_seconds(run, op, watch);
      state.SetIterationTime(seconds);
      total += seconds;
    }
    run.context.synchronize();
    report(state, run, what, temperature, total);
    ++run.executed;
    if (run.smoke) std::printf("ran %s\n", name_of(what, temperature).c_str());
  } catch (std::exception const& failure) {
    state.SkipWithError(failure.what());
    ++run.failed;
    std::printf("FAILED %s: %s\n", name_of(what, temperature).c_str(), failure.what());
  }
}

}  // namespace

session::session(rlvr::cuda::context& where, peaks const& reached_peaks, bool smoke_run)
    : context(where), reached(reached_peaks), smoke(smoke_run), flush(smoke_run ? 65536 : 2 * l2_bytes()) {}

bool session::fits_l2(entry const& what) const { return 2 * what.least.bytes <= static_cast<double>(l2_bytes()); }

operation const& session::prepared(entry const& what) {
  if (current_ != &what) {
    context.synchronize();
    current_ = nullptr;
    operation_ = nullptr;  // first, so that two cases need not fit at once
    ++number_;
    operation_ = what.prepare(context);
    current_ = &what;
  }
  return operation_;
}

void register_benchmarks(session& run, std::vector<entry> const& entries) {
  for (entry const& what : entries)
    for (cache const temperature : {cache::cold, cache::hot}) {
      if (temperature == cache::hot && !run.fits_l2(what)) continue;
      std::string const name = name_of(what, temperature);
      auto const body = [&run, &what, temperature](benchmark::State& state) { measure(state, run, what, temperature); };
      benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMicrosecond);
    }
}

}  // namespace benchmarks
