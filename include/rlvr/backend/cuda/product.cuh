// SPDX-License-Identifier: MIT
/// @file
/// One matrix product on cuBLASLt, and which of its algorithms runs.
///
/// cuBLASLt sees column-major matrices; a row-major matrix is its transpose read that way, so the layouts of the three
/// products of a linear layer need no copy.
///
/// The choice of the algorithm decides the order of every sum.  It is made once per weight (its shape, stride,
/// alignment and type, and whether a bias is added), for a row count that stands for all
/// (`product_settings::representative_rows`) and for contiguous matrices in fresh memory beside it, and kept: the same
/// row gives the same bits in any batch, which a choice per row count (cuBLASLt's own habit) or per view would not.
/// Views that are less aligned than that are copied first (matmul.cuh).  Split-K, whose sums end in an order of their
/// own, is not allowed.  The price is a tile that does not suit small batches; `batch_invariant = false` buys it back.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

struct product_settings {
  bool batch_invariant = true;            ///< one algorithm per weight, whatever the number of rows
  std::size_t representative_rows = 512;  ///< for which it is chosen
  /// Of float operands; CUBLAS_COMPUTE_32F_FAST_TF32: tensor cores, 10 bits.  bfloat16 ones use tensor cores anyway.
  cublasComputeType_t compute_type = CUBLAS_COMPUTE_32F;
};

/// d[m, n] = op(a)[m, k] op(b)[k, n] + c[m, n] + bias[m], all column-major, leading dimensions in elements.
struct product {
  std::size_t m, n, k;
  dtype type = dtype::f32;  ///< of a and b: f32 or bf16; all else is float
  void const* a = nullptr;
  std::size_t a_stride = 0;
  bool a_transposed = false;
  void const* b = nullptr;
  std::size_t b_stride = 0;
  bool b_transposed = false;
  float const* c = nullptr;  ///< null: none; may be d
  std::size_t c_stride = 0;
  float const* bias = nullptr;  ///< null: none
  float* d = nullptr;
  std::size_t d_stride = 0;
  bool rows_are_n = true;  ///< a is the weight and n counts rows of the batch; else k does
};

namespace detail {

struct destroy_matmul_descriptor {
  void operator()(cublasLtMatmulDesc_t descriptor) const noexcept { (void)cublasLtMatmulDescDestroy(descriptor); }
};
struct destroy_layout {
  void operator()(cublasLtMatrixLayout_t layout) const noexcept { (void)cublasLtMatrixLayoutDestroy(layout); }
};
struct destroy_preference {
  void operator()(cublasLtMatmulPreference_t preference) const noexcept {
    (void)cublasLtMatmulPreferenceDestroy(preference);
  }
};
using matmul_descriptor = std::unique_ptr<cublasLtMatmulDescOpaque_t, destroy_matmul_descriptor>;
using matrix_layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, destroy_layout>;
using matmul_preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, destroy_preference>;

[[nodiscard]] inline matmul_descriptor make_descriptor(product const& p, cublasComputeType_t compute_type) {
  cublasLtMatmulDesc_t raw = nullptr;
  cublasComputeType_t const type = p.type == dtype::f32 ? compute_type : CUBLAS_COMPUTE_32F;
  check(cublasLtMatmulDescCreate(&raw, type, CUDA_R_32F), "cublasLtMatmulDescCreate");
  matmul_descriptor descriptor(raw);
  auto const set = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
    check(cublasLtMatmulDescSetAttribute(raw, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }
  return descriptor;
}

[[nodiscard]] inline matrix_layout make_layout(dtype type, std::size_t rows, std::size_t columns, std::size_t stride) {
  cublasLtMatrixLayout_t raw = nullptr;
  check(cublasLtMatrixLayoutCreate(&raw, type == dtype::bf16 ? CUDA_R_16BF : CUDA_R_32F, rows, columns,
                                   static_cast<std::int64_t>(stride)),
        "cublasLtMatrixLayoutCreate");
  return matrix_layout(raw);
}

/// The four layouts of a product.
struct product_layouts {
  matrix_layout a, b, c, d;

  explicit product_layouts(product const& p)
      : a(make_layout(p.type, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k, p.a_stride)),
        b(make_layout(p.type, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n, p.b_stride)),
        c(make_layout(dtype::f32, p.m, p.n, p.c ? p.c_stride : p.d_stride)),
        d(make_layout(dtype::f32, p.m, p.n, p.d_stride)) {}
};

/// Bytes, at most 16, that pointer and stride (in elements) are multiples of.
[[nodiscard]] inline std::uint32_t alignment_of(void const* data, std::size_t stride, dtype type) {
  auto const bits = reinterpret_cast<std::uintptr_t>(data) | (stride * size_of(type)) | 16u;
  return std::uint32_t{1} << std::countr_zero(bits);
}

/// The same of a contiguous matrix in fresh memory, from any of its rows on.
[[nodiscard]] inline std::uint32_t contiguous_alignment(std::size_t columns, dtype type) {
  return alignment_of(nullptr, columns, type);
}

}  // namespace detail

/// Runs products and remembers their algorithms.  One per context.
class product_runner {
 public:
  /// @param workspace  device memory that cuBLASLt may use
  product_runner(cublasLtHandle_t handle, void* workspace, std::size_t workspace_bytes)
      : handle_(handle), workspace_(workspace), workspace_bytes_(workspace_bytes) {}

  [[nodiscard]] product_settings const& settings() const noexcept { return settings_; }
  /// Forgets all choices.
  void set(product_settings const& settings) {
    settings_ = settings;
    choices_.clear();
  }

  /// Whether the batch's matrices are aligned as the weight's algorithm expects; if not, the caller copies them.
  [[nodiscard]] bool input_is_aligned(product const& p) const {
    return !fixed(p) ||
           detail::alignment_of(p.b, p.b_stride, p.type) >= detail::contiguous_alignment(contiguous_b(p), p.type);
  }
  [[nodiscard]] bool output_is_aligned(product const& p) const {
    auto const aligned = [&](float const* data, std::size_t stride) {
      return detail::alignment_of(data, stride, dtype::f32) >= detail::contiguous_alignment(p.m, dtype::f32);
    };
    return !fixed(p) || (aligned(p.d, p.d_stride) && (!p.c || aligned(p.c, p.c_stride)));
  }

  /// @pre `input_is_aligned` and `output_is_aligned`
  /// @throws cuda_error if cuBLASLt has no algorithm for the shape
  void run(product const& p, cudaStream_t stream) {
    cublasLtMatmulAlgo_t const algorithm = choose(p);
    detail::matmul_descriptor const descriptor = detail::make_descriptor(p, settings_.compute_type);
    detail::product_layouts const layouts(p);
    float const one = 1.0f;
    float const beta = p.c ? 1.0f : 0.0f;
    check(cublasLtMatmul(handle_, descriptor.get(), &one, p.a, layouts.a.get(), p.b, layouts.b.get(), &beta,
                         p.c ? p.c : p.d, layouts.c.get(), p.d, layouts.d.get(), &algorithm, workspace_,
                         workspace_bytes_, stream),
          "cublasLtMatmul");
  }

 private:
  /// What an algorithm is chosen by.
  struct shape_key {
    std::array<std::size_t, 6> sizes;         ///< m, n, k, strides
    std::array<std::uint32_t, 3> alignments;  ///< of a, of b, of c and d and the bias
    dtype type;
    bool a_transposed, b_transposed, with_bias;

    friend bool operator==(shape_key const&, shape_key const&) = default;
  };
  struct choice {
    shape_key key;
    cublasLtMatmulAlgo_t algorithm;
  };

  /// Whether the algorithm may depend on the weight alone.
  [[nodiscard]] bool fixed(product const& p) const { return p.rows_are_n && settings_.batch_invariant; }
  /// The leading dimension of b without gaps.
  [[nodiscard]] static std::size_t contiguous_b(product const& p) { return p.b_transposed ? p.n : p.k; }

  /// The product for which the algorithm is chosen.
  [[nodiscard]] product representative(product p) const {
    if (fixed(p)) {
      p.n = settings_.representative_rows;
      p.b = p.c = p.d = nullptr;
      p.b_stride = contiguous_b(p);
      p.d_stride = p.m;
    } else if (p.rows_are_n) {
      p.n = std::bit_ceil(p.n);
    } else {
      p.k = std::bit_ceil(p.k);  // a sum over rows: one choice per order of magnitude
    }
    return p;
  }

  [[nodiscard]] cublasLtMatmulAlgo_t choose(product const& asked) {
    product const p = representative(asked);
    std::uint32_t result_alignment = detail::alignment_of(p.d, p.d_stride, dtype::f32);
    if (p.c) result_alignment = math::min(result_alignment, detail::alignment_of(p.c, p.c_stride, dtype::f32));
    if (p.bias) result_alignment = math::min(result_alignment, detail::alignment_of(p.bias, 0, dtype::f32));
    shape_key const key{{p.m, p.n, p.k, p.a_stride, p.b_stride, p.d_stride},
                        {detail::alignment_of(p.a, p.a_stride, p.type), detail::alignment_of(p.b, p.b_stride, p.type),
                         result_alignment},
                        p.type,
                        p.a_transposed,
                        p.b_transposed,
                        p.bias != nullptr};
    for (choice const& known : choices_)
      if (known.key == key) return known.algorithm;
    choices_.push_back({key, ask(p, key)});
    return choices_.back().algorithm;
  }

  [[nodiscard]] cublasLtMatmulAlgo_t ask(product const& p, shape_key const& key) const {
    cublasLtMatmulPreference_t raw = nullptr;
    check(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
    detail::matmul_preference const preference(raw);
    auto const prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof value),
            "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes_});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.alignments[0]);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.alignments[1]);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.alignments[2]);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.alignments[2]);
    detail::matmul_descriptor const descriptor = detail::make_descriptor(p, settings_.compute_type);
    detail::product_layouts const layouts(p);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle_, descriptor.get(), layouts.a.get(), layouts.b.get(), layouts.c.get(),
                                         layouts.d.get(), preference.get(), 1, &result, &found),
          "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0)
      throw cuda_error("cuBLASLt has no algorithm for a product of " + std::to_string(p.m) + " x " +
                           std::to_string(p.n) + " x " + std::to_string(p.k),
                       static_cast<int>(CUBLAS_STATUS_NOT_SUPPORTED));
    return result.algo;
  }

  cublasLtHandle_t handle_;
  void* workspace_;
  std::size_t workspace_bytes_;
  product_settings settings_;
  std::vector<choice> choices_;  ///< a model has a dozen shapes
};

}  // namespace cuda
RLVR_NAMESPACE_END
