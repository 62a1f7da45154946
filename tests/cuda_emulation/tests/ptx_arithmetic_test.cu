// SPDX-License-Identifier: MIT
/// @file
/// Arithmetic of every type: what nvcc made of a function for the device, interpreted, against the same function
/// compiled for the host; and instructions that nvcc seldom chooses, as inline assembly, against known results.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "ptx_support.cuh"
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <support/catch.hpp>
#include <vector>

namespace {

using emulation_test::device_array;

template <class Function, class Input, class Output>
__global__ void evaluate(Input const* a, Input const* b, Output* out, int count) {
  int const index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < count) Function::apply(a[index], b[index], out + index * Function::results);
}

/// All pairs of the values, on the device and on the host; results are compared as bits, NaN with NaN.
template <class Function, class Input, class Output>
void compare_on_pairs(std::vector<Input> const& values) {
  std::vector<Input> a, b;
  for (Input const x : values)
    for (Input const y : values) {
      a.push_back(x);
      b.push_back(y);
    }
  auto const count = static_cast<int>(a.size());
  device_array<Input> const device_a(a), device_b(b);
  device_array<Output> result(std::vector<Output>(a.size() * Function::results));
  evaluate<Function>
      <<<static_cast<unsigned>(count + 95) / 96, 96>>>(device_a.get(), device_b.get(), result.get(), count);
  std::vector<Output> const found = result.values();
  std::vector<Output> expected(found.size());
  for (std::size_t index = 0; index < a.size(); ++index)
    Function::apply(a[index], b[index], expected.data() + index * Function::results);
  int wrong = 0;
  for (std::size_t index = 0; index < found.size() && wrong < 5; ++index) {
    if (found[index] != found[index] && expected[index] != expected[index]) continue;
    if (std::memcmp(&found[index], &expected[index], sizeof(Output)) == 0) continue;
    INFO("operation " << index % Function::results << " of " << +a[index / Function::results] << " and "
                      << +b[index / Function::results] << ": found " << +found[index] << ", expected "
                      << +expected[index]);
    CHECK(false);
    ++wrong;
  }
  CHECK(wrong == 0);
}

template <class T>
struct integer_functions {
  static constexpr int results = 24;
  __host__ __device__ static void apply(T a, T b, T* out) {
    using bits = std::make_unsigned_t<T>;
    using wide = std::conditional_t<std::is_signed_v<T>, long long, unsigned long long>;
    auto const x = static_cast<bits>(a), y = static_cast<bits>(b);
    bool const divides = b != 0 && !(std::is_signed_v<T> && b == static_cast<T>(-1));
    int k = 0;
    out[k++] = static_cast<T>(x + y);
    out[k++] = static_cast<T>(x - y);
    out[k++] = static_cast<T>(static_cast<unsigned long long>(x) * y);
    out[k++] = divides ? static_cast<T>(a / b) : T{7};
    out[k++] = divides ? static_cast<T>(a % b) : T{7};
    out[k++] = a < b ? a : b;
    out[k++] = a > b ? a : b;
    out[k++] = static_cast<T>(x & y);
    out[k++] = static_cast<T>(x | y);
    out[k++] = static_cast<T>(x ^ y);
    out[k++] = static_cast<T>(~x);
    out[k++] = static_cast<T>(bits{0} - x);
    out[k++] = static_cast<T>(x << (y % (8 * sizeof(T))));
    out[k++] = static_cast<T>(a >> (y % (8 * sizeof(T))));
    out[k++] = a == b;
    out[k++] = a != b;
    out[k++] = a <= b;
    out[k++] = static_cast<T>(static_cast<bits>(x * bits{3}) + y);
    out[k++] = static_cast<T>((static_cast<wide>(a) * static_cast<wide>(b & T{0x7f})) >> 5);
    out[k++] = static_cast<T>(static_cast<std::int8_t>(x));
    out[k++] = static_cast<T>(static_cast<std::uint16_t>(x) + (a > T{3} && b < T{100} ? 1 : 0));
    out[k++] = static_cast<T>(static_cast<float>(a) * 0.25f > 3.0f);
    out[k++] = static_cast<T>((x & y) | (~x & bits{0x55}) | (x ^ y ^ bits{0x0f}));
    out[k++] = static_cast<T>(x / 7 + y % 10);
  }
};

template <class T>
std::vector<T> integer_values() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values{T{0},
                        T{1},
                        T{2},
                        T{3},
                        T{7},
                        T{100},
                        limits::max(),
                        limits::min(),
                        static_cast<T>(-1),
                        static_cast<T>(-5),
                        static_cast<T>(limits::max() / 3),
                        static_cast<T>(limits::max() - 1)};
  std::uint64_t state = 12345;
  for (int index = 0; index < 6; ++index) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values.push_back(static_cast<T>(state >> 7));
  }
  return values;
}

template <class T>
struct floating_functions {
  static constexpr int results = 22;
  __host__ __device__ static void apply(T a, T b, T* out) {
    int k = 0;
    out[k++] = a + b;
    out[k++] = a - b;
    out[k++] = a * b;
    out[k++] = a / b;
    out[k++] = std::fma(a, b, T{0.3f});
    out[k++] = std::fmin(a, b) + T{0};  // either zero may be the minimum
    out[k++] = std::fmax(a, b) + T{0};
    out[k++] = std::sqrt(std::fabs(a));
    out[k++] = -a;
    out[k++] = std::copysign(a, b);
    out[k++] = static_cast<T>(a < b);
    out[k++] = static_cast<T>(!(a < b));
    out[k++] = static_cast<T>(!(a >= b));
    out[k++] = static_cast<T>(a == b) + T{2} * static_cast<T>(a != b);
    out[k++] = std::floor(a);
    out[k++] = std::ceil(a);
    out[k++] = std::trunc(a);
    out[k++] = std::rint(a);
    bool const small = std::fabs(a) < T{1e9};
    out[k++] = small ? static_cast<T>(static_cast<int>(a)) : T{0};
    out[k++] = small ? static_cast<T>(static_cast<long long>(a * T{3})) : T{0};
    out[k++] = small && a >= T{0} ? static_cast<T>(static_cast<unsigned>(a)) : T{0};
    out[k++] = static_cast<T>(static_cast<float>(static_cast<double>(a) * 0.1));
  }
};

template <class T>
std::vector<T> floating_values() {
  using limits = std::numeric_limits<T>;
  return {T{0},
          -T{0},
          T{1},
          T{-1},
          T{0.5f},
          T{1.5f},
          T{2.5f},
          T{-2.5f},
          T{3.1415926f},
          T{1e10f},
          T{-123456.78f},
          limits::infinity(),
          -limits::infinity(),
          limits::quiet_NaN(),
          limits::max(),
          limits::min(),
          limits::denorm_min(),
          T{1e-3f},
          T{16777216}};
}

/// x y + x, rounded once; the headers have it for the device alone.
template <class T>
__host__ __device__ T fused(T x, T y) {
#if defined(__CUDA_ARCH__)
  return __hfma(x, y, x);
#else
  auto const wide = [](T value) { return static_cast<double>(static_cast<float>(value)); };
  double const result = std::fma(wide(x), wide(y), wide(x));
  if constexpr (std::is_same_v<T, __half>)
    return __double2half(result);
  else
    return __double2bfloat16(result);
#endif
}

/// The 16-bit formats: the same header's functions on both sides.
template <class T>
struct small_functions {
  static constexpr int results = 8;
  __host__ __device__ static void apply(float a, float b, float* out) {
    T x, y;
    if constexpr (std::is_same_v<T, __half>) {
      x = __float2half(a);
      y = __float2half(b);
    } else {
      x = __float2bfloat16(a);
      y = __float2bfloat16(b);
    }
    int k = 0;
    auto const give = [&](T value) { out[k++] = static_cast<float>(value); };
    give(x);
    give(__hadd(x, y));
    give(__hsub(x, y));
    give(__hmul(x, y));
    give(fused(x, y));
    give(__hneg(y));
    out[k++] = __hlt(x, y) ? 1.0f : 0.0f;
    out[k++] = __heq(x, y) ? 1.0f : 0.0f;
  }
};

struct pair_functions {
  static constexpr int results = 6;
  __host__ __device__ static void apply(float a, float b, float* out) {
    __nv_bfloat162 const brain = __floats2bfloat162_rn(a, b);
    __half2 const half = __floats2half2_rn(a, b);
    out[0] = __low2float(__hadd2(brain, brain));
    out[1] = __high2float(__hmul2(brain, brain));
    out[2] = __low2float(__hmul2(half, half));
    out[3] = __high2float(__hsub2(half, __half2half2(__low2half(half))));
    out[4] = __bfloat162float(__float2bfloat16_rz(a));
    out[5] = __half2float(__float2half_ru(b));
  }
};

__global__ void seldom_chosen(unsigned const* in, unsigned long long* out) {
  unsigned const a = in[0], b = in[1], c = in[2];  // 0x12345678, 0x9abcdef0, 5
  unsigned r = 0, s = 0;
  unsigned long long wide = 0;
  int k = 0;
  asm("bfe.u32 %0, %1, 8, 12;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("bfe.s32 %0, %1, 4, 8;" : "=r"(r) : "r"(b));
  out[k++] = r;
  asm("bfi.b32 %0, %1, %2, 4, 8;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("prmt.b32 %0, %1, %2, 0x5410;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("prmt.b32 %0, %1, %2, 0xba98;" : "=r"(r) : "r"(b), "r"(a));
  out[k++] = r;
  asm("prmt.b32.f4e %0, %1, %2, 1;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("lop3.b32 %0, %1, %2, %3, 0xe8;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  out[k++] = r;
  asm("shf.l.wrap.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  out[k++] = r;
  asm("shf.r.clamp.b32 %0, %1, %2, 40;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("sad.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  out[k++] = r;
  asm("mul.hi.u32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("mad.wide.u32 %0, %1, %2, %3;" : "=l"(wide) : "r"(a), "r"(b), "l"(1ull));
  out[k++] = wide;
  asm("add.cc.u32 %0, %2, %3; addc.u32 %1, 0, 0;" : "=r"(r), "=r"(s) : "r"(b), "r"(b));
  out[k++] = static_cast<unsigned long long>(s) << 32 | r;
  asm("sub.cc.u32 %0, %2, %3; subc.u32 %1, 0, 0;" : "=r"(r), "=r"(s) : "r"(a), "r"(b));
  out[k++] = static_cast<unsigned long long>(s) << 32 | r;
  asm("popc.b32 %0, %1;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("clz.b32 %0, %1;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("brev.b32 %0, %1;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("bfind.u32 %0, %1;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("slct.b32.s32 %0, %1, %2, -1;" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("add.sat.s32 %0, %1, 0x7fffffff;" : "=r"(r) : "r"(a));
  out[k++] = r;
  asm("bmsk.clamp.b32 %0, 4, 6;" : "=r"(r));
  out[k++] = r;
  asm("{ .reg .pred p; setp.hi.and.u32 p, %1, %2, 1; selp.u32 %0, 3, 4, p; }" : "=r"(r) : "r"(a), "r"(b));
  out[k++] = r;
  asm("{ .reg .pred p; setp.lt.u32 p, %1, %2; mov.u32 %0, 1; @!p mov.u32 %0, 2; @p add.u32 %0, %0, 8; }"
      : "=r"(r)
      : "r"(a), "r"(b));
  out[k++] = r;
}

__global__ void roundings(float const* in, float* out) {
  float const a = in[0], b = in[1];
  int k = 0;
  out[k++] = __fadd_rn(a, b);
  out[k++] = __fadd_rz(a, b);
  out[k++] = __fadd_ru(a, b);
  out[k++] = __fadd_rd(-a, -b);
  out[k++] = __fdiv_ru(a, 3.0f);
  out[k++] = __fmaf_rd(a, b, b);
  out[k++] = __fsqrt_ru(2.0f * a);
  out[k++] = static_cast<float>(__float2int_ru(2.25f * a));
  out[k++] = static_cast<float>(__float2int_rn(2.5f * a));
  out[k++] = __double2float_ru(1.0 + 1e-12 * static_cast<double>(a));
  out[k++] = __int2float_rz(16777219);
  out[k++] = __saturatef(a + 1.0f);
  float flushed = 0;
  asm("mul.ftz.f32 %0, %1, %2;" : "=f"(flushed) : "f"(1e-30f), "f"(1e-15f));
  out[k++] = flushed;
}

__global__ void approximations(float const* in, float* out) {
  int const index = static_cast<int>(threadIdx.x);
  float const x = in[index];
  float* const to = out + 8 * index;
  to[0] = __expf(x);
  to[1] = __logf(x);
  to[2] = __sinf(x);
  to[3] = __cosf(x);
  to[4] = rsqrtf(x);
  to[5] = expf(x);
  to[6] = tanhf(x);
  to[7] = __fdividef(x, 3.0f);
}

}  // namespace

TEST_CASE("ptx: integers of every width") {
  compare_on_pairs<integer_functions<std::int16_t>, std::int16_t, std::int16_t>(integer_values<std::int16_t>());
  compare_on_pairs<integer_functions<std::uint16_t>, std::uint16_t, std::uint16_t>(integer_values<std::uint16_t>());
  compare_on_pairs<integer_functions<int>, int, int>(integer_values<int>());
  compare_on_pairs<integer_functions<unsigned>, unsigned, unsigned>(integer_values<unsigned>());
  compare_on_pairs<integer_functions<long long>, long long, long long>(integer_values<long long>());
  compare_on_pairs<integer_functions<unsigned long long>, unsigned long long, unsigned long long>(
      integer_values<unsigned long long>());
}

TEST_CASE("ptx: float and double") {
  compare_on_pairs<floating_functions<float>, float, float>(floating_values<float>());
  compare_on_pairs<floating_functions<double>, double, double>(floating_values<double>());
}

TEST_CASE("ptx: half and bfloat16") {
  std::vector<float> const values{0.0f,
                                  1.0f,
                                  -1.0f,
                                  0.1f,
                                  3.14159f,
                                  65504.0f,
                                  65520.0f,
                                  1e-7f,
                                  6e-8f,
                                  -2.75f,
                                  1.00390625f,
                                  1.01171875f,
                                  1000.5f,
                                  3e38f,
                                  std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::quiet_NaN()};
  compare_on_pairs<small_functions<__half>, float, float>(values);
  compare_on_pairs<small_functions<__nv_bfloat16>, float, float>(values);
  compare_on_pairs<pair_functions, float, float>(values);
}

TEST_CASE("ptx: instructions that nvcc seldom chooses") {
  device_array<unsigned> const in({0x12345678u, 0x9abcdef0u, 5u});
  device_array<unsigned long long> out(std::vector<unsigned long long>(23));
  seldom_chosen<<<1, 1>>>(in.get(), out.get());
  unsigned const a = 0x12345678u, b = 0x9abcdef0u;
  std::vector<unsigned long long> const expected{0x456,
                                                 0xffffffef,
                                                 0x9abcd780,
                                                 0xdef05678,
                                                 0xffffffff,
                                                 0xf0123456,
                                                 (a & b) | (a & 5u) | (b & 5u),
                                                 (b << 5) | (a >> 27),
                                                 b,
                                                 (b - a) + 5u,
                                                 (static_cast<unsigned long long>(a) * b) >> 32,
                                                 static_cast<unsigned long long>(a) * b + 1,
                                                 static_cast<unsigned long long>(b) + b,
                                                 static_cast<unsigned long long>(a) - b,
                                                 13,
                                                 3,
                                                 0x1e6a2c48,
                                                 28,
                                                 b,
                                                 0x7fffffff,
                                                 0x3f0,
                                                 4,
                                                 9};
  CHECK(out.values() == expected);
}

TEST_CASE("ptx: rounding modes, saturation, flushed subnormals") {
  float const b = 0x1.8p-25f;
  device_array<float> const in({1.0f, b});
  device_array<float> out(std::vector<float>(13));
  roundings<<<1, 1>>>(in.get(), out.get());
  float const after_one = std::nextafter(1.0f, 2.0f);
  std::vector<float> const expected{1.0f,
                                    1.0f,
                                    after_one,
                                    -after_one,
                                    std::nextafter(1.0f / 3.0f, 0.0f),
                                    2 * b,
                                    std::nextafter(std::sqrt(2.0f), 2.0f),
                                    3.0f,
                                    2.0f,
                                    after_one,
                                    16777218.0f,
                                    1.0f,
                                    0.0f};
  std::vector<float> found = out.values();
  CHECK(found[4] >= 1.0f / 3.0f);  // upward: never below the exact quotient
  CHECK(found[6] >= std::sqrt(2.0f));
  found[4] = expected[4];
  found[6] = expected[6];
  CHECK(found == expected);
}

TEST_CASE("ptx: approximate functions are close to the exact ones") {
  std::vector<float> values;
  for (int index = 1; index <= 32; ++index) values.push_back(0.173f * static_cast<float>(index));
  device_array<float> const in(values);
  device_array<float> out(std::vector<float>(8 * values.size()));
  approximations<<<1, 32>>>(in.get(), out.get());
  std::vector<float> const found = out.values();
  for (std::size_t index = 0; index < values.size(); ++index) {
    float const x = values[index];
    float const* const at = found.data() + 8 * index;
    CHECK(at[0] == Approx(std::exp(x)).epsilon(1e-5));
    CHECK(at[1] == Approx(std::log(x)).margin(1e-6));
    CHECK(at[2] == Approx(std::sin(x)).margin(1e-6));
    CHECK(at[3] == Approx(std::cos(x)).margin(1e-6));
    CHECK(at[4] == Approx(1.0f / std::sqrt(x)));
    CHECK(at[5] == Approx(std::exp(x)).epsilon(1e-6));
    CHECK(at[6] == Approx(std::tanh(x)).epsilon(1e-6));
    CHECK(at[7] == Approx(x / 3.0f));
  }
}
