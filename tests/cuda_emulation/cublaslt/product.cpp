// SPDX-License-Identifier: MIT
/// @file
/// The arithmetic of cublasLtMatmul: blocks of 4 x 4 results, summed in double.
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
using tile = std::array<std::array<double, block>, block>;  // [column][row]

void const* at_batch(void const* data, matrix_description const& matrix, std::int64_t batch) {
  return static_cast<char const*>(data) + batch * matrix.batch_stride * static_cast<std::int64_t>(size_of(matrix.type));
}

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

tile multiply(double const* a, double const* b, std::int64_t depth) {
  tile sums{};
  for (std::int64_t q = 0; q < depth; ++q, a += block, b += block)
    for (std::size_t column = 0; column < block; ++column)
      for (std::size_t row = 0; row < block; ++row) sums[column][row] += a[row] * b[column];
  return sums;
}

/// The matrices of one member of the batch.
class batch_member {
 public:
  batch_member(product_call const& call, std::int64_t batch)
      : call_(call),
        batch_(batch),
        c_(at_batch(call.c_data, call.c, batch)),
        d_(const_cast<void*>(at_batch(call.d_data, call.d, batch))) {
    (void)split_epilogue(call.product.epilogue, parts_);
    if (call.alpha_pointer != nullptr) alpha_ = load(call.alpha_pointer, CUDA_R_32F, 0);
    if (call.beta_pointer != nullptr) beta_ = load(call.beta_pointer, CUDA_R_32F, 0);
    if (parts_.sums_result) result_sums_.resize(call.d.rows);
  }

  void run() {
    bool const tf32 = call_.a.type == CUDA_R_32F && call_.product.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
    std::int64_t const depth = call_.depth();
    std::vector<double> const a = pack(at_batch(call_.a_data, call_.a, batch_), call_.a,
                                       call_.product.a_operation == CUBLAS_OP_N, call_.rows(), depth, tf32);
    std::vector<double> const b = pack(at_batch(call_.b_data, call_.b, batch_), call_.b,
                                       call_.product.b_operation != CUBLAS_OP_N, call_.columns(), depth, tf32);
    for (std::int64_t column = 0; column < call_.columns(); column += block)
      for (std::int64_t row = 0; row < call_.rows(); row += block)
        finish(multiply(a.data() + row * depth, b.data() + column * depth, depth), row, column);
    if (parts_.sums_a) store_sums(a, call_.rows(), depth);
    if (parts_.sums_b) store_sums(b, call_.columns(), depth);
    for (std::size_t row = 0; row < result_sums_.size(); ++row)
      store_bias(static_cast<std::int64_t>(row), result_sums_[row]);
  }

 private:
  void finish(tile const& sums, std::int64_t first_row, std::int64_t first_column) {
    for (std::int64_t j = 0; j < std::min(block, call_.columns() - first_column); ++j)
      for (std::int64_t i = 0; i < std::min(block, call_.rows() - first_row); ++i)
        finish(sums[static_cast<std::size_t>(j)][static_cast<std::size_t>(i)], first_row + i, first_column + j);
  }

  void finish(double sum, std::int64_t row, std::int64_t column) {
    double value = alpha_ * sum;
    if (beta_ != 0) value += beta_ * load(c_, call_.c.type, call_.c.offset(row, column));
    value = epilogue(value, row, column);
    store(d_, call_.d.type, call_.d.offset(row, column), value);
    if (checker.written_by_host != nullptr)
      checker.written_by_host(
          static_cast<char*>(d_) + call_.d.offset(row, column) * static_cast<std::int64_t>(size_of(call_.d.type)),
          size_of(call_.d.type));
  }

  double epilogue(double value, std::int64_t row, std::int64_t column) {
    matmul_description const& product = call_.product;
    std::int64_t const auxiliary = batch_ * product.auxiliary_batch_stride + column * product.auxiliary_stride + row;
    cudaDataType_t const auxiliary_type = type_or(product.auxiliary_type, call_.d.type);
    if (parts_.adds_bias) value += load(product.bias, bias_type(), batch_ * product.bias_batch_stride + row);
    if (parts_.stores_argument) {
      store(product.auxiliary, auxiliary_type, auxiliary, value);
      if (checker.written_by_host != nullptr)
        checker.written_by_host(
            static_cast<char*>(product.auxiliary) + auxiliary * static_cast<std::int64_t>(size_of(auxiliary_type)),
            size_of(auxiliary_type));
    }
    if (parts_.relu) value = value < 0 ? 0 : value;
    if (parts_.gelu) value = gelu(value);
    if (parts_.gelu_gradient) value *= gelu_derivative(load(product.auxiliary, auxiliary_type, auxiliary));
    if (parts_.sums_result) result_sums_[static_cast<std::size_t>(row)] += value;
    return value;
  }

  void store_sums(std::vector<double> const& packed, std::int64_t lines, std::int64_t depth) const {
    for (std::int64_t line = 0; line < lines; ++line) {
      double sum = 0;
      double const* const strip = packed.data() + line / block * depth * block + line % block;
      for (std::int64_t q = 0; q < depth; ++q) sum += strip[q * block];
      store_bias(line, sum);
    }
  }

  void store_bias(std::int64_t index, double value) const {
    std::int64_t const place = batch_ * call_.product.bias_batch_stride + index;
    store(call_.product.bias, bias_type(), place, value);
    if (checker.written_by_host != nullptr)
      checker.written_by_host(
          static_cast<char*>(call_.product.bias) + place * static_cast<std::int64_t>(size_of(bias_type())),
          size_of(bias_type()));
  }

  [[nodiscard]] cudaDataType_t bias_type() const { return type_or(call_.product.bias_type, call_.d.type); }

  product_call const& call_;
  std::int64_t batch_;
  void const* c_;
  void* d_;
  epilogue_parts parts_{};
  double alpha_ = double{call_.alpha}, beta_ = double{call_.beta};
  std::vector<double> result_sums_;
};

}  // namespace

bool split_epilogue(cublasLtEpilogue_t epilogue, epilogue_parts& parts) {
  parts = {};
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
      break;
    case CUBLASLT_EPILOGUE_BIAS:
      parts.adds_bias = true;
      break;
    case CUBLASLT_EPILOGUE_RELU:
      parts.relu = true;
      break;
    case CUBLASLT_EPILOGUE_RELU_BIAS:
      parts.relu = parts.adds_bias = true;
      break;
    case CUBLASLT_EPILOGUE_GELU:
      parts.gelu = true;
      break;
    case CUBLASLT_EPILOGUE_GELU_BIAS:
      parts.gelu = parts.adds_bias = true;
      break;
    case CUBLASLT_EPILOGUE_GELU_AUX:
      parts.gelu = parts.stores_argument = true;
      break;
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
      parts.gelu = parts.stores_argument = parts.adds_bias = true;
      break;
    case CUBLASLT_EPILOGUE_DGELU:
      parts.gelu_gradient = true;
      break;
    case CUBLASLT_EPILOGUE_DGELU_BGRAD:
      parts.gelu_gradient = parts.sums_result = true;
      break;
    case CUBLASLT_EPILOGUE_BGRADA:
      parts.sums_a = true;
      break;
    case CUBLASLT_EPILOGUE_BGRADB:
      parts.sums_b = true;
      break;
    default:
      return false;
  }
  return true;
}

void compute(product_call const& call) {
  for (std::int64_t batch = 0; batch < call.d.batches; ++batch) batch_member(call, batch).run();
}

}  // namespace cuda_emulation::cublaslt
