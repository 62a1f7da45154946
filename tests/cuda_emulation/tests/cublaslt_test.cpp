// SPDX-License-Identifier: MIT
/// @file
/// The reference cublasLtMatmul against a naive product, and what it refuses.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "runtime/memory.hpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

/// Device memory with the host's values.
template <class T>
class device_array {
 public:
  explicit device_array(std::vector<T> const& values) : size_(values.size()) {
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(T)) == cudaSuccess);
    REQUIRE(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~device_array() { (void)cudaFree(data_); }
  device_array(device_array const&) = delete;
  device_array& operator=(device_array const&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> result(size_);
    REQUIRE(cudaMemcpy(result.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return result;
  }

 private:
  std::size_t size_;
  T* data_ = nullptr;
};
using device_values = device_array<float>;

std::vector<float> pattern(std::size_t size, int seed) {
  std::vector<float> result(size);
  for (std::size_t i = 0; i < size; ++i)
    result[i] = static_cast<float>((static_cast<int>(i) * 37 + seed * 11) % 23 - 11) / 8.0f;
  return result;
}

struct shape {
  std::int64_t m, n, k;
  bool a_transposed, b_transposed;
};

/// A call of cublasLtMatmul and its parts.
struct matmul_call {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;

  explicit matmul_call(shape const& s, std::int64_t padding = 0, cudaDataType_t operands = CUDA_R_32F,
                       cublasComputeType_t compute_type = CUBLAS_COMPUTE_32F) {
    REQUIRE(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatmulDescCreate(&product, compute_type, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS);
    set(CUBLASLT_MATMUL_DESC_TRANSA, s.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, s.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    a = layout(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, padding, operands);
    b = layout(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, padding, operands);
    d = layout(s.m, s.n, padding, CUDA_R_32F);
  }
  ~matmul_call() {
    (void)cublasLtMatrixLayoutDestroy(a);
    (void)cublasLtMatrixLayoutDestroy(b);
    (void)cublasLtMatrixLayoutDestroy(d);
    (void)cublasLtMatmulDescDestroy(product);
    (void)cublasLtDestroy(handle);
  }
  matmul_call(matmul_call const&) = delete;
  matmul_call& operator=(matmul_call const&) = delete;

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, Value value) const {
    REQUIRE(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
  }
  static cublasLtMatrixLayout_t layout(std::int64_t rows, std::int64_t columns, std::int64_t padding,
                                       cudaDataType_t type) {
    cublasLtMatrixLayout_t result = nullptr;
    REQUIRE(cublasLtMatrixLayoutCreate(&result, type, static_cast<std::uint64_t>(rows),
                                       static_cast<std::uint64_t>(columns), rows + padding) == CUBLAS_STATUS_SUCCESS);
    return result;
  }
  cublasStatus_t run(float alpha, void const* x, void const* y, float beta, float* z) const {
    return cublasLtMatmul(handle, product, &alpha, x, a, y, b, &beta, z, d, z, d, nullptr, nullptr, 0, nullptr);
  }
};

double element(std::vector<float> const& data, std::int64_t row, std::int64_t column, std::int64_t rows) {
  return double{data[static_cast<std::size_t>(column * rows + row)]};
}

/// The product of `a` and `b`, of which the device has copies at x and y, three elements between its columns.
void compare_with_naive(shape const& s, std::vector<float> const& a, std::vector<float> const& b, void const* x,
                        void const* y, cudaDataType_t operands) {
  constexpr std::int64_t padding = 3;
  std::vector<float> const before = pattern(static_cast<std::size_t>((s.m + padding) * s.n), 3);
  device_values const z(before);
  matmul_call const call(s, padding, operands);
  REQUIRE(call.run(2.0f, x, y, -0.5f, z.data()) == CUBLAS_STATUS_SUCCESS);
  std::vector<float> const after = z.values();
  std::int64_t const a_rows = (s.a_transposed ? s.k : s.m) + padding, b_rows = (s.b_transposed ? s.n : s.k) + padding;
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (std::int64_t q = 0; q < s.k; ++q)
        sum += (s.a_transposed ? element(a, q, i, a_rows) : element(a, i, q, a_rows)) *
               (s.b_transposed ? element(b, j, q, b_rows) : element(b, q, j, b_rows));
      REQUIRE(element(after, i, j, s.m + padding) == Approx(2 * sum - 0.5 * element(before, i, j, s.m + padding)));
    }
}

constexpr std::size_t most = 16 * 16;

}  // namespace

TEST_CASE("cublasLtMatmul agrees with a naive product in every transposition, in float and bfloat16") {
  std::vector<float> const a = pattern(most, 1), b = pattern(most, 2);  // exact in bfloat16
  std::vector<__nv_bfloat16> a_short, b_short;
  for (std::size_t i = 0; i < most; ++i) {
    a_short.push_back(__float2bfloat16(a[i]));
    b_short.push_back(__float2bfloat16(b[i]));
  }
  device_values const x(a), y(b);
  device_array<__nv_bfloat16> const x_short(a_short), y_short(b_short);
  for (unsigned bits = 0; bits < 4; ++bits) {
    INFO("bits " << bits);
    for (auto const& [m, n, k] : {std::array{5, 7, 9}, {1, 1, 1}, {8, 4, 13}}) {
      shape const s{m, n, k, (bits & 1) != 0, (bits & 2) != 0};
      compare_with_naive(s, a, b, x.data(), y.data(), CUDA_R_32F);
      compare_with_naive(s, a, b, x_short.data(), y_short.data(), CUDA_R_16BF);
    }
  }
}

TEST_CASE("cublasLtMatmul reads floats as TF32 where that is asked for, and refuses it for bfloat16") {
  device_values const x({1.0f + 0x1p-12f, 0, 0, 1}), y({1, 0, 0, 3}), z(std::vector<float>(4));
  shape const s{2, 2, 2, false, false};
  REQUIRE(matmul_call(s).run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(z.values() == std::vector<float>{1.0f + 0x1p-12f, 0, 0, 3});
  auto const tf32 = CUBLAS_COMPUTE_32F_FAST_TF32;
  REQUIRE(matmul_call(s, 0, CUDA_R_32F, tf32).run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(z.values() == std::vector<float>{1, 0, 0, 3});
  REQUIRE(matmul_call(s, 0, CUDA_R_16BF, tf32).run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_CASE("cublasLtMatmul: a column's bits do not depend on how many there are") {
  std::vector<float> const a = pattern(6 * 11, 1), b = pattern(11 * 9, 2);
  device_values const x(a), y(b), many(std::vector<float>(6 * 9)), one(std::vector<float>(6));
  REQUIRE(matmul_call({6, 9, 11, false, false}).run(1, x.data(), y.data(), 0, many.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(matmul_call({6, 1, 11, false, false}).run(1, x.data(), y.data() + 8 * 11, 0, one.data()) ==
          CUBLAS_STATUS_SUCCESS);
  std::vector<float> const all = many.values();
  REQUIRE(one.values() == std::vector<float>(all.begin() + 8 * 6, all.end()));
}

TEST_CASE("cublasLtMatmul adds a bias to every column, and a matrix that is not the result") {
  device_values const x({1, 2, 3, 4}), y({1, -1, 0.5f, 2}), z(std::vector<float>(4)), bias({10, -20}),
      addend({100, 200, 0, 300, 400});
  matmul_call const call({2, 2, 2, false, false});  // column-major: -2, -2, 6.5, 9
  call.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data());
  REQUIRE(call.run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(z.values() == std::vector<float>{-2, -2, 6.5f, 9});  // a pointer alone adds nothing
  call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  REQUIRE(call.run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(z.values() == std::vector<float>{8, -22, 16.5f, -11});
  cublasLtMatrixLayout_t const c = matmul_call::layout(2, 2, 1, CUDA_R_32F);
  float const one = 1;
  auto const run = [&](float const* from, float* to) {
    return cublasLtMatmul(call.handle, call.product, &one, x.data(), call.a, y.data(), call.b, &one, from, c, to,
                          call.d, nullptr, nullptr, 0, nullptr);
  };
  REQUIRE(run(addend.data(), z.data()) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(z.values() == std::vector<float>{108, 178, 316.5f, 389});
  REQUIRE(addend.values() == std::vector<float>{100, 200, 0, 300, 400});
  REQUIRE_THROWS_AS(run(addend.data(), addend.data()), cuda_emulation::failure);  // in place with another stride
  REQUIRE_THROWS_AS(run(addend.data() + 1, z.data()), cuda_emulation::failure);   // past the end
  call.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data() + 1);
  REQUIRE_THROWS_AS(run(addend.data(), z.data()), cuda_emulation::failure);
  call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU);
  REQUIRE(run(addend.data(), z.data()) == CUBLAS_STATUS_NOT_SUPPORTED);  // nobody uses it, so nobody wrote it
  REQUIRE(cublasLtMatrixLayoutDestroy(c) == CUBLAS_STATUS_SUCCESS);
}

TEST_CASE("cublasLtMatmul refuses what the library refuses, and fails where it would not notice") {
  device_values const x(std::vector<float>(16)), y(std::vector<float>(16)), z(std::vector<float>(16));
  matmul_call const call({4, 4, 4, false, false});
  REQUIRE(call.run(1, nullptr, y.data(), 0, z.data()) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE_THROWS_AS(call.run(1, x.data() + 1, y.data(), 0, z.data()), cuda_emulation::failure);
  REQUIRE_THROWS_AS(call.run(1, x.data(), y.data(), 0, x.data()), cuda_emulation::failure);
  std::vector<float> host(16);
  REQUIRE_THROWS_AS(call.run(1, host.data(), y.data(), 0, z.data()), cuda_emulation::failure);
  std::int64_t const narrow = 3;
  REQUIRE(cublasLtMatrixLayoutSetAttribute(call.a, CUBLASLT_MATRIX_LAYOUT_LD, &narrow, sizeof narrow) ==
          CUBLAS_STATUS_SUCCESS);
  REQUIRE(call.run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE(std::string(cublasLtGetStatusName(CUBLAS_STATUS_INVALID_VALUE)) == "CUBLAS_STATUS_INVALID_VALUE");
}

TEST_CASE("cublasLtMatmul holds the caller to the alignment and workspace of the heuristic") {
  device_values const x(std::vector<float>(20)), y(std::vector<float>(32)), z(std::vector<float>(16));
  matmul_call const call({4, 4, 4, false, false});
  cublasLtMatmulPreference_t preference = nullptr;
  REQUIRE(cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS);
  std::uint64_t const bytes = 1 << 20;
  REQUIRE(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                               sizeof bytes) == CUBLAS_STATUS_SUCCESS);
  cublasLtMatmulHeuristicResult_t results[2];
  int found = 0;
  REQUIRE(cublasLtMatmulAlgoGetHeuristic(call.handle, call.product, call.a, call.b, call.d, call.d, preference, 2,
                                         results, &found) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(found == 2);
  REQUIRE(results[1].workspaceSize > 0);
  float const one = 1, zero = 0;
  auto const run = [&](float const* a, cublasLtMatrixLayout_t b, cublasLtMatmulAlgo_t const& algorithm) {
    return cublasLtMatmul(call.handle, call.product, &one, a, call.a, y.data(), b, &zero, z.data(), call.d, z.data(),
                          call.d, &algorithm, nullptr, 0, nullptr);
  };
  REQUIRE(run(x.data(), call.b, results[0].algo) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(run(x.data() + 1, call.b, results[0].algo) == CUBLAS_STATUS_NOT_SUPPORTED);  // 256 bytes were promised
  REQUIRE(run(x.data(), call.b, results[1].algo) == CUBLAS_STATUS_INVALID_VALUE);      // no workspace
  cublasLtMatrixLayout_t const wider = matmul_call::layout(4, 4, 4, CUDA_R_32F);
  cublasLtMatrixLayout_t const odd = matmul_call::layout(4, 4, 1, CUDA_R_32F);
  REQUIRE(run(x.data(), wider, results[0].algo) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(run(x.data(), odd, results[0].algo) == CUBLAS_STATUS_NOT_SUPPORTED);  // the stride was 16 bytes
  REQUIRE(cublasLtMatrixLayoutDestroy(wider) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatrixLayoutDestroy(odd) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatmulPreferenceDestroy(preference) == CUBLAS_STATUS_SUCCESS);
}

TEST_CASE("cublasLtMatmul: algorithms for few columns or narrow loads give other bits") {
  constexpr std::int64_t k = 200;
  std::vector<float> values(static_cast<std::size_t>(k * 64));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0f / static_cast<float>(3 + i % 101);
  device_values const x(values), y(values), z(std::vector<float>(4 * 64));
  auto const first_element = [&](std::int64_t columns, std::uint32_t alignment) {
    matmul_call const call({4, columns, k, true, false});
    cublasLtMatmulPreference_t preference = nullptr;
    REQUIRE(cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignment,
                                                 sizeof alignment) == CUBLAS_STATUS_SUCCESS);
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    REQUIRE(cublasLtMatmulAlgoGetHeuristic(call.handle, call.product, call.a, call.b, call.d, call.d, preference, 1,
                                           &result, &found) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatmulPreferenceDestroy(preference) == CUBLAS_STATUS_SUCCESS);
    float const one = 1, zero = 0;
    REQUIRE(cublasLtMatmul(call.handle, call.product, &one, x.data(), call.a, y.data(), call.b, &zero, z.data(), call.d,
                           z.data(), call.d, &result.algo, nullptr, 0, nullptr) == CUBLAS_STATUS_SUCCESS);
    return z.values()[0];
  };
  REQUIRE(first_element(64, 16) == first_element(64, 256));
  REQUIRE(first_element(64, 16) != first_element(63, 16));
  REQUIRE(first_element(64, 16) != first_element(64, 8));
  REQUIRE(first_element(64, 16) == Approx(first_element(63, 4)));
}
