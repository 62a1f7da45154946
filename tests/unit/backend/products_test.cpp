// SPDX-License-Identifier: MIT
// The packed products of the CPU against sums in double, against Eigen, and against themselves: whatever the tile,
// the block or the number of threads, the bits of an element stay.
#include <rlvr/backend/cpu/gemm_pairs.hpp>
#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/backend/cpu/matmul_eigen.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/execute.hpp>

#include <cmath>
#include <cstring>
#include <random>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;

namespace {

matrix<float> random_matrix(std::mt19937& random, std::size_t rows, std::size_t columns) {
  matrix<float> result(rows, columns);
  for (std::size_t i = 0; i < rows * columns; ++i)
    result.view().data[i] = static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f;
  return result;
}

bool same_bits(matrix<float> const& a, matrix<float> const& b) {
  std::size_t const bytes = a.rows() * a.columns() * sizeof(float);
  return bytes == 0 || std::memcmp(a.view().data, b.view().data, bytes) == 0;
}

// The largest error of `found` as sum over k of left(i, k) right(k, j), added to `before`.
template <class Left, class Right>
double error_of(matrix<float> const& found, matrix<float> const& before, std::size_t depth, Left left, Right right) {
  double worst = 0;
  for (std::size_t i = 0; i < found.rows(); ++i)
    for (std::size_t j = 0; j < found.columns(); ++j) {
      double sum = static_cast<double>(before.view().row(i)[j]);
      for (std::size_t k = 0; k < depth; ++k) sum += static_cast<double>(left(i, k)) * static_cast<double>(right(k, j));
      worst = std::max(worst, std::abs(sum - static_cast<double>(found.view().row(i)[j])));
    }
  return worst;
}

struct problem {
  std::size_t rows, inputs, outputs;
};

// Each edge of the tiles, the panels and the blocks is met from both sides.
std::vector<problem> problems() {
  std::mt19937 random(3);
  std::vector<problem> all{{1, 1, 1},     {7, 48, 193},   {8, 49, 192}, {64, 33, 65},
                           {65, 96, 130}, {258, 50, 200}, {3, 5, 0}};
  while (all.size() < 40) all.push_back({1 + random() % 90, 1 + random() % 120, 1 + random() % 220});
  return all;
}

}  // namespace

TEST_CASE("packed products: the gradients of a linear layer") {
  std::mt19937 random(4);
  cpu::context one(1), three(3);
  for (problem const& p : problems()) {
    INFO(p.rows << " rows, " << p.inputs << " inputs, " << p.outputs << " outputs");
    auto const x = random_matrix(random, p.rows, p.inputs);
    auto const dy = random_matrix(random, p.rows, p.outputs);
    auto const weight = random_matrix(random, p.outputs, p.inputs);
    bool const accumulates = p.rows % 2 == 0;
    auto const before = accumulates ? random_matrix(random, p.rows, p.inputs) : matrix<float>(p.rows, p.inputs);
    auto const weight_before = random_matrix(random, p.outputs, p.inputs);
    double const tolerance = 2e-7 * static_cast<double>(p.rows + p.outputs + 8);

    auto const input_gradient = [&](cpu::context& context, auto&& product) {
      matrix<float> dx(p.rows, p.inputs);
      if (accumulates)
        context.upload(dx.view().data, before.view().data, p.rows * p.inputs);
      else
        std::fill_n(dx.view().data, p.rows * p.inputs, 7.0f);  // what is there is not read
      product(context, ops::linear_input_gradient{.output_gradient = dy.view(),
                                                  .weight = weight.view(),
                                                  .input_gradient = dx.view(),
                                                  .accumulate = accumulates});
      return dx;
    };
    auto const run = [](cpu::context& context, auto const& op) { execute(context, op); };
    auto const dx = input_gradient(one, run);
    CHECK(same_bits(dx, input_gradient(three, run)));
    auto const exact_dx = [&](matrix<float> const& found) {
      return error_of(
          found, before, p.outputs, [&](std::size_t i, std::size_t k) { return dy.view().row(i)[k]; },
          [&](std::size_t k, std::size_t j) { return weight.view().row(k)[j]; });
    };
    CHECK(exact_dx(dx) < tolerance);
    CHECK(exact_dx(input_gradient(three, cpu::portable::input_gradient)) < tolerance);

    auto const weight_gradient = [&](cpu::context& context, auto&& product) {
      matrix<float> dw(p.outputs, p.inputs);
      context.upload(dw.view().data, weight_before.view().data, p.outputs * p.inputs);
      product(context, ops::linear_weight_gradient{
                           .output_gradient = dy.view(), .input = x.view(), .weight_gradient = dw.view()});
      return dw;
    };
    auto const dw = weight_gradient(one, run);
    CHECK(same_bits(dw, weight_gradient(three, run)));
    auto const exact_dw = [&](matrix<float> const& found) {
      return error_of(
          found, weight_before, p.rows, [&](std::size_t i, std::size_t k) { return dy.view().row(k)[i]; },
          [&](std::size_t k, std::size_t j) { return x.view().row(k)[j]; });
    };
    CHECK(exact_dw(dw) < tolerance);
    CHECK(exact_dw(weight_gradient(three, cpu::portable::weight_gradient)) < tolerance);
  }
}

TEST_CASE("packed products: the forward product has the bits of the one that packs nothing") {
  std::mt19937 random(5);
  for (problem const& p : problems()) {
    INFO(p.rows << " rows, " << p.inputs << " inputs, " << p.outputs << " outputs");
    auto const x = random_matrix(random, p.rows, p.inputs);
    auto const weight = random_matrix(random, p.outputs, p.inputs);
    auto const before = random_matrix(random, p.rows, p.outputs);
    for (bool const accumulate : {false, true}) {
      matrix<float> packed(p.rows, p.outputs), plain(p.rows, p.outputs);
      for (auto* y : {&packed, &plain})
        if (p.outputs) std::memcpy(y->view().data, before.view().data, p.rows * p.outputs * sizeof(float));
      buffer<float> scratch(cpu::pair_sizes::scratch(p.inputs));
      cpu::multiply_transposed_packed(x.view().data, x.view().stride, weight.view().data, weight.view().stride, p.rows,
                                      p.outputs, p.inputs, packed.view().data, packed.view().stride, accumulate,
                                      scratch.data());
      cpu::multiply_transposed(x.view().data, x.view().stride, weight.view().data, weight.view().stride, p.rows,
                               p.outputs, p.inputs, plain.view().data, plain.view().stride, accumulate);
      CHECK(same_bits(packed, plain));
    }
  }
}
