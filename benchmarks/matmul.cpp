// SPDX-License-Identifier: MIT
// The products of a linear layer, as GF/s, as a fraction of the FMA peak and as a ratio to Eigen's product, each
// measured in the same rounds.  Usage: benchmark_matmul [rounds]
#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/backend/cpu/matmul_eigen.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/execute.hpp>

#include "measure.hpp"
#include <cstdio>
#include <cstdlib>

namespace {

using rlvr::execute;

using rlvr::cpu::wide_lanes;

// Twelve independent chains of fused multiply-adds on registers: what the arithmetic units can do at most.
double fma_chains(std::size_t repeats) {
  wide_lanes sums[12];
  for (std::size_t i = 0; i < 12; ++i) sums[i] = wide_lanes{} + static_cast<float>(i);
  wide_lanes x = wide_lanes{} + 0.999999f;
  wide_lanes y = wide_lanes{} + 1e-7f;
  asm volatile("" : "+m"(x), "+m"(y));
  for (std::size_t n = 0; n < repeats; ++n)
#pragma GCC unroll 12
    for (std::size_t i = 0; i < 12; ++i) sums[i] = sums[i] * x + y;
  wide_lanes total{};
  for (wide_lanes const& sum : sums) total += sum;
  return static_cast<double>(total[0]);
}

struct shape {
  char const* name;
  std::size_t rows, inputs, outputs;
};

}  // namespace

int main(int argc, char** argv) {
  std::size_t const rounds = argc > 1 ? static_cast<std::size_t>(std::atoi(argv[1])) : 9;
  rlvr::cpu::context context;
  std::size_t const threads = context.threads();
  constexpr std::size_t repeats = 4000000;
  double const peak_operations = static_cast<double>(threads * repeats * 12 * rlvr::cpu::packed_sizes::lane_count * 2);
  shape const shapes[] = {{"decode 1", 1, 576, 1536},     {"decode 16", 16, 576, 1536},
                          {"layer 256", 256, 576, 1536},  {"layer 1024", 1024, 576, 1536},
                          {"down 1024", 1024, 1536, 576}, {"head 128", 128, 576, 49152}};
  std::printf("%zu threads, %zu rounds; Eigen: one product, cut into the same tiles over the same threads\n", threads,
              rounds);
  std::printf("%-12s %-8s %9s %9s %9s %9s\n", "shape", "product", "GF/s", "of peak", "Eigen", "to Eigen");
  for (shape const& s : shapes) {
    rlvr::matrix<float> x(s.rows, s.inputs), w(s.outputs, s.inputs), y(s.rows, s.outputs), dx(s.rows, s.inputs),
        dw(s.outputs, s.inputs), eigen(s.rows, s.outputs);
    benchmarks::randomise(x.view().data, s.rows * s.inputs, 1.0f, 1);
    benchmarks::randomise(w.view().data, s.outputs * s.inputs, 1.0f, 2);
    double const operations = 2.0 * static_cast<double>(s.rows * s.inputs * s.outputs);
    // Enough calls that a candidate takes some milliseconds.
    auto const calls = static_cast<std::size_t>(std::max(1.0, 2e8 / operations));
    auto const repeated = [calls](auto const& work) {
      return [calls, work] {
        for (std::size_t i = 0; i < calls; ++i) work();
      };
    };
    auto const by_eigen = [&] {
      std::size_t const edge = rlvr::cpu::detail::tile_edge(s.outputs, 2 * threads, 8);
      context.parallel_pieces(s.outputs, edge, [&](std::size_t first, std::size_t count, std::size_t) {
        auto out = rlvr::cpu::portable::as_eigen(eigen.view().middle_columns(first, count));
        rlvr::matrix_view<float const> const rows = w.view().middle_rows(first, count);
        rlvr::matrix_view<float const> const in = x.view();
        out.noalias() = rlvr::cpu::portable::as_eigen(in) * rlvr::cpu::portable::as_eigen(rows).transpose();
      });
    };
    auto const seconds = benchmarks::interleaved(
        rounds,
        {[&] {
           context.parallel_for(threads, [&](std::size_t, std::size_t) { benchmarks::keep(fma_chains(repeats)); });
         },
         repeated(by_eigen), repeated([&] {
           execute(context, rlvr::ops::linear_forward{.input = x.view(), .weight = w.view(), .output = y.view()});
         }),
         repeated([&] {
           execute(context, rlvr::ops::linear_input_gradient{
                                .output_gradient = y.view(), .weight = w.view(), .input_gradient = dx.view()});
         }),
         repeated([&] {
           execute(context, rlvr::ops::linear_weight_gradient{
                                .output_gradient = y.view(), .input = x.view(), .weight_gradient = dw.view()});
         })});
    double const peak = peak_operations / benchmarks::median(seconds[0]) * 1e-9;
    double const work = operations * static_cast<double>(calls) * 1e-9;
    char const* const products[] = {"forward", "dX", "dW"};
    for (std::size_t i = 0; i < 3; ++i) {
      double const rate = work / benchmarks::median(seconds[2 + i]);
      std::printf("%-12s %-8s %9.1f %8.0f%% %9.1f %9.2f\n", i == 0 ? s.name : "", products[i], rate, 100 * rate / peak,
                  work / benchmarks::median(seconds[1]), benchmarks::median_ratio(seconds[1], seconds[2 + i]));
    }
    std::printf("%-12s FMA peak %.1f GF/s\n", "", peak);
  }
}
