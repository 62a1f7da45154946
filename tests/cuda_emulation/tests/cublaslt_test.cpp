// SPDX-License-Identifier: MIT
/// @file
/// The reference cublasLtMatmul against a naive product, and what it refuses.
#include <cublasLt.h>
#include <cuda_runtime.h>

#include "runtime/memory.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

/// Device memory with the host's values.
class device_values {
 public:
  explicit device_values(std::vector<float> const& values) : size_(values.size()) {
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(float)) == cudaSuccess);
    REQUIRE(cudaMemcpy(data_, values.data(), size_ * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~device_values() { (void)cudaFree(data_); }
  device_values(device_values const&) = delete;
  device_values& operator=(device_values const&) = delete;

  [[nodiscard]] float* data() const { return data_; }
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> result(size_);
    REQUIRE(cudaMemcpy(result.data(), data_, size_ * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess);
    return result;
  }

 private:
  std::size_t size_;
  float* data_ = nullptr;
};

std::vector<float> pattern(std::size_t size, int seed) {
  std::vector<float> result(size);
  for (std::size_t i = 0; i < size; ++i)
    result[i] = static_cast<float>((static_cast<int>(i) * 37 + seed * 11) % 23 - 11) / 8.0f;
  return result;
}

struct shape {
  std::int64_t m, n, k;
  bool a_transposed, b_transposed, row_order;
};

/// A call of cublasLtMatmul and its parts.
struct matmul_call {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;

  explicit matmul_call(shape const& s, std::int64_t padding = 0) {
    REQUIRE(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS);
    set(CUBLASLT_MATMUL_DESC_TRANSA, s.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, s.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    a = layout(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, s.row_order, padding);
    b = layout(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, s.row_order, padding);
    d = layout(s.m, s.n, s.row_order, padding);
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
  static cublasLtMatrixLayout_t layout(std::int64_t rows, std::int64_t columns, bool row_order, std::int64_t padding) {
    cublasLtMatrixLayout_t result = nullptr;
    REQUIRE(cublasLtMatrixLayoutCreate(&result, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                       static_cast<std::uint64_t>(columns),
                                       (row_order ? columns : rows) + padding) == CUBLAS_STATUS_SUCCESS);
    cublasLtOrder_t const order = row_order ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL;
    REQUIRE(cublasLtMatrixLayoutSetAttribute(result, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order) ==
            CUBLAS_STATUS_SUCCESS);
    return result;
  }
  cublasStatus_t run(float alpha, float const* x, float const* y, float beta, float* z) const {
    return cublasLtMatmul(handle, product, &alpha, x, a, y, b, &beta, z, d, z, d, nullptr, nullptr, 0, nullptr);
  }
};

double element(std::vector<float> const& data, std::int64_t row, std::int64_t column, std::int64_t rows,
               std::int64_t columns, bool row_order, std::int64_t padding) {
  std::int64_t const at = row_order ? row * (columns + padding) + column : column * (rows + padding) + row;
  return double{data[static_cast<std::size_t>(at)]};
}

void compare_with_naive(shape const& s) {
  constexpr std::int64_t padding = 3;
  auto const size = static_cast<std::size_t>((std::max({s.m, s.n, s.k}) + padding) * std::max({s.m, s.n, s.k}));
  std::vector<float> const a = pattern(size, 1), b = pattern(size, 2), before = pattern(size, 3);
  device_values const x(a), y(b), z(before);
  matmul_call const call(s, padding);
  REQUIRE(call.run(2.0f, x.data(), y.data(), -0.5f, z.data()) == CUBLAS_STATUS_SUCCESS);
  std::vector<float> const after = z.values();
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (std::int64_t q = 0; q < s.k; ++q)
        sum += (s.a_transposed ? element(a, q, i, s.k, s.m, s.row_order, padding)
                               : element(a, i, q, s.m, s.k, s.row_order, padding)) *
               (s.b_transposed ? element(b, j, q, s.n, s.k, s.row_order, padding)
                               : element(b, q, j, s.k, s.n, s.row_order, padding));
      double const expected = 2 * sum - 0.5 * element(before, i, j, s.m, s.n, s.row_order, padding);
      REQUIRE(element(after, i, j, s.m, s.n, s.row_order, padding) == Approx(expected));
    }
}

}  // namespace

TEST_CASE("cublasLtMatmul agrees with a naive product in every order and transposition") {
  for (unsigned bits = 0; bits < 8; ++bits) {
    INFO("bits " << bits);
    compare_with_naive({5, 7, 9, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
    compare_with_naive({1, 1, 1, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
    compare_with_naive({8, 4, 13, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
  }
}

TEST_CASE("cublasLtMatmul: a column's bits do not depend on how many there are") {
  std::vector<float> const a = pattern(6 * 11, 1), b = pattern(11 * 9, 2);
  device_values const x(a), y(b), many(std::vector<float>(6 * 9)), one(std::vector<float>(6));
  REQUIRE(matmul_call({6, 9, 11, false, false, false}).run(1, x.data(), y.data(), 0, many.data()) ==
          CUBLAS_STATUS_SUCCESS);
  REQUIRE(matmul_call({6, 1, 11, false, false, false}).run(1, x.data(), y.data() + 8 * 11, 0, one.data()) ==
          CUBLAS_STATUS_SUCCESS);
  std::vector<float> const all = many.values();
  REQUIRE(one.values() == std::vector<float>(all.begin() + 8 * 6, all.end()));
}

TEST_CASE("cublasLtMatmul's epilogues") {
  device_values const x({1, 2, 3, 4}), y({1, -1, 0.5f, 2}), z(std::vector<float>(4)), bias({10, -20}),
      auxiliary(std::vector<float>(4));
  matmul_call const call({2, 2, 2, false, false, false});
  std::vector<double> const product = {-2, -2, 6.5, 9};  // column-major
  call.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data());
  call.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, auxiliary.data());
  call.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, std::int64_t{2});
  auto const expect = [&](cublasLtEpilogue_t epilogue, auto function) {
    call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    REQUIRE(call.run(1, x.data(), y.data(), 0, z.data()) == CUBLAS_STATUS_SUCCESS);
    std::vector<float> const result = z.values();
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(result[i] == Approx(function(product[i], i % 2 == 0 ? 10.0 : -20.0)));
  };
  auto const gelu = [](double v) {
    return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
  };
  expect(CUBLASLT_EPILOGUE_DEFAULT, [](double v, double) { return v; });
  expect(CUBLASLT_EPILOGUE_BIAS, [](double v, double b) { return v + b; });
  expect(CUBLASLT_EPILOGUE_RELU, [](double v, double) { return std::max(v, 0.0); });
  expect(CUBLASLT_EPILOGUE_RELU_BIAS, [](double v, double b) { return std::max(v + b, 0.0); });
  expect(CUBLASLT_EPILOGUE_GELU, [&](double v, double) { return gelu(v); });
  expect(CUBLASLT_EPILOGUE_GELU_AUX_BIAS, [&](double v, double b) { return gelu(v + b); });
  REQUIRE(auxiliary.values() == std::vector<float>{8, -22, 16.5f, -11});
  expect(CUBLASLT_EPILOGUE_BGRADA, [](double v, double) { return v; });
  REQUIRE(bias.values() == std::vector<float>{4, 6});
}

TEST_CASE("cublasLtMatmul refuses what the library refuses, and fails where it would not notice") {
  device_values const x(std::vector<float>(16)), y(std::vector<float>(16)), z(std::vector<float>(16));
  matmul_call const call({4, 4, 4, false, false, false});
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
  device_values const x(std::vector<float>(20)), y(std::vector<float>(16)), z(std::vector<float>(16));
  matmul_call const call({4, 4, 4, false, false, false});
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
  auto const run = [&](float const* a, cublasLtMatmulAlgo_t const& algorithm) {
    return cublasLtMatmul(call.handle, call.product, &one, a, call.a, y.data(), call.b, &zero, z.data(), call.d,
                          z.data(), call.d, &algorithm, nullptr, 0, nullptr);
  };
  REQUIRE(run(x.data(), results[0].algo) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(run(x.data() + 1, results[0].algo) == CUBLAS_STATUS_NOT_SUPPORTED);  // 256 bytes were promised
  REQUIRE(run(x.data(), results[1].algo) == CUBLAS_STATUS_INVALID_VALUE);      // no workspace
  REQUIRE(cublasLtMatmulPreferenceDestroy(preference) == CUBLAS_STATUS_SUCCESS);
}
