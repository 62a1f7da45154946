// SPDX-License-Identifier: MIT
/// @file
/// The arithmetic of cublasLtMatmul: blocks of 4 x 4 results.
#include "cublaslt/product.hpp"

#include "cublaslt/elements.hpp"
#include "engine/state.hpp"
#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace cuda_emulation::cublaslt {
namespace {

constexpr std::int64_t block = 4;
template <class Sum>
using tile = std::array<std::array<Sum, block>, block>;  // [column][row]

/// 10 bits of mantissa, as tensor cores read floats.
double to_tf32(double value) {
  auto const bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return double{std::bit_cast<float>((bits + 0xfffu + (bits >> 13 & 1u)) & 0xffffe000u)};
}

/// An operand as doubles in strips of `block` lines, [strip][k][line]; lines that do not exist are 0.
std::vector<double> pack(void const* data, matrix_description const& matrix, bool line_is_row, std::int64_t lines,
                         std::int64_t depth, bool tf32) {
  std::int64_t const strips = (lines + block - 1) / block;
  std::vector<double> packed(static_cast<std::size_t>(strips * depth * block));
  for (std::int64_t line = 0; line < lines; ++line) {
    double* const strip = packed.data() + line / block * depth * block + line % block;
    for (std::int64_t q = 0; q < depth; ++q) {
      double const value = load(data, matrix.type, line_is_row ? matrix.offset(line, q) : matrix.offset(q, line));
      strip[q * block] = tf32 ? to_tf32(value) : value;
    }
  }
  return packed;
}

template <class Sum>
tile<Sum> multiply(double const* a, double const* b, std::int64_t depth) {
  tile<Sum> sums{};
  for (std::int64_t q = 0; q < depth; ++q, a += block, b += block)
    for (std::size_t column = 0; column < block; ++column)
      for (std::size_t row = 0; row < block; ++row) sums[column][row] += static_cast<Sum>(a[row] * b[column]);
  return sums;
}

void finish(product_call const& call, double sum, std::int64_t row, std::int64_t column) {
  double value = double{call.alpha} * sum;
  if (call.beta != 0) value += double{call.beta} * load(call.c_data, call.c.type, call.c.offset(row, column));
  if (call.adds_bias()) value += load(call.product.bias, call.d.type, row);
  float* const element = static_cast<float*>(call.d_data) + call.d.offset(row, column);
  *element = static_cast<float>(value);
  if (checker.written_by_host != nullptr) checker.written_by_host(element, sizeof *element);
}

template <class Sum>
void compute_with(product_call const& call) {
  bool const tf32 = call.a.type == CUDA_R_32F && call.product.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
  std::int64_t const depth = call.depth();
  std::vector<double> const a =
      pack(call.a_data, call.a, call.product.a_operation == CUBLAS_OP_N, call.rows(), depth, tf32);
  std::vector<double> const b =
      pack(call.b_data, call.b, call.product.b_operation != CUBLAS_OP_N, call.columns(), depth, tf32);
  for (std::int64_t column = 0; column < call.columns(); column += block)
    for (std::int64_t row = 0; row < call.rows(); row += block) {
      tile<Sum> const sums = multiply<Sum>(a.data() + row * depth, b.data() + column * depth, depth);
      for (std::int64_t j = 0; j < std::min(block, call.columns() - column); ++j)
        for (std::int64_t i = 0; i < std::min(block, call.rows() - row); ++i)
          finish(call, double{sums[static_cast<std::size_t>(j)][static_cast<std::size_t>(i)]}, row + i, column + j);
    }
}

}  // namespace

void compute(product_call const& call) {
  if (call.sums_in_float)
    compute_with<float>(call);
  else
    compute_with<double>(call);
}

}  // namespace cuda_emulation::cublaslt
