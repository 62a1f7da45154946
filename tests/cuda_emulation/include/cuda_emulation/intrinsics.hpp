// SPDX-License-Identifier: MIT
/// @file
/// Arithmetic that CUDA has and C++ has not.
///
/// "Fast" functions are computed by the exact ones: their error on a device is documented, not reproduced.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <math.h>
#include <type_traits>

namespace cuda_emulation::detail {

/// Conversion to an integer as a device does it: saturating, NaN becomes 0.
template <class Integer, class Float>
Integer saturate(Float rounded) {
  using limits = std::numeric_limits<Integer>;
  if (std::isnan(rounded)) return 0;
  if (rounded <= static_cast<Float>(limits::min())) return limits::min();
  if (rounded >= static_cast<Float>(limits::max())) return limits::max();
  return static_cast<Integer>(rounded);
}

}  // namespace cuda_emulation::detail

// --- approximations.  glibc declares some of these names too, hence noexcept.
// -----------------------------------------

inline float __expf(float x) noexcept { return ::expf(x); }
inline float __exp10f(float x) noexcept { return static_cast<float>(std::pow(10.0, static_cast<double>(x))); }
inline float __logf(float x) noexcept { return ::logf(x); }
inline float __log2f(float x) noexcept { return ::log2f(x); }
inline float __log10f(float x) noexcept { return ::log10f(x); }
inline float __powf(float x, float y) noexcept { return ::powf(x, y); }
inline float __sinf(float x) noexcept { return ::sinf(x); }
inline float __cosf(float x) noexcept { return ::cosf(x); }
inline float __tanf(float x) noexcept { return ::tanf(x); }
inline float __tanhf(float x) noexcept { return ::tanhf(x); }
inline void __sincosf(float x, float* sine, float* cosine) noexcept {
  *sine = ::sinf(x);
  *cosine = ::cosf(x);
}
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }  // NaN becomes 0

// --- rounded arithmetic (to nearest, the host's mode)
// -----------------------------------------------------------------

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return ::fmaf(a, b, c); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return ::sqrtf(x); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __drcp_rn(double x) { return 1.0 / x; }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }

// --- functions -------------------------------------------------------------------------------------------------------

inline float rsqrtf(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float rcbrtf(float x) { return static_cast<float>(1.0 / std::cbrt(static_cast<double>(x))); }
inline double rcbrt(double x) { return 1.0 / std::cbrt(x); }
inline float fdividef(float a, float b) { return a / b; }
inline double normcdf(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
inline float normcdff(float x) { return static_cast<float>(normcdf(static_cast<double>(x))); }

/// The smaller and the larger of two numbers, of mixed types too; a NaN loses, as in CUDA's overloads.
template <class A, class B>
requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  using common = std::common_type_t<A, B>;
  auto const left = static_cast<common>(a), right = static_cast<common>(b);
  return right < left || left != left ? right : left;
}
template <class A, class B>
requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  using common = std::common_type_t<A, B>;
  auto const left = static_cast<common>(a), right = static_cast<common>(b);
  return left < right || left != left ? right : left;
}

// --- representations -------------------------------------------------------------------------------------------------

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

// --- conversions -----------------------------------------------------------------------------------------------------

#define RLVR_EMULATION_CONVERSIONS(name, Float, Integer)                                                       \
  inline Integer name##_rn(Float x) { return ::cuda_emulation::detail::saturate<Integer>(std::nearbyint(x)); } \
  inline Integer name##_rz(Float x) { return ::cuda_emulation::detail::saturate<Integer>(std::trunc(x)); }     \
  inline Integer name##_rd(Float x) { return ::cuda_emulation::detail::saturate<Integer>(std::floor(x)); }     \
  inline Integer name##_ru(Float x) { return ::cuda_emulation::detail::saturate<Integer>(std::ceil(x)); }
RLVR_EMULATION_CONVERSIONS(__float2int, float, int)
RLVR_EMULATION_CONVERSIONS(__float2uint, float, unsigned)
RLVR_EMULATION_CONVERSIONS(__float2ll, float, long long)
RLVR_EMULATION_CONVERSIONS(__float2ull, float, unsigned long long)
RLVR_EMULATION_CONVERSIONS(__double2int, double, int)
RLVR_EMULATION_CONVERSIONS(__double2uint, double, unsigned)
RLVR_EMULATION_CONVERSIONS(__double2ll, double, long long)
RLVR_EMULATION_CONVERSIONS(__double2ull, double, unsigned long long)
#undef RLVR_EMULATION_CONVERSIONS
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
inline float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
inline double __int2double_rn(int x) { return static_cast<double>(x); }
inline float __double2float_rn(double x) { return static_cast<float>(x); }

// --- bits ------------------------------------------------------------------------------------------------------------

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline int __ffsll(long long x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1; }
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1u) << (31 - bit);
  return reversed;
}
inline unsigned long long __brevll(unsigned long long x) {
  return static_cast<unsigned long long>(__brev(static_cast<unsigned>(x))) << 32 |
         __brev(static_cast<unsigned>(x >> 32));
}
/// Four bytes out of the eight of (y, x), chosen by the low four nibbles; a nibble's top bit replicates the sign.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  std::uint64_t const bytes = std::uint64_t{y} << 32 | x;
  unsigned result = 0;
  for (int position = 0; position < 4; ++position) {
    unsigned const nibble = selector >> (4 * position) & 15u;
    auto byte = static_cast<unsigned>(bytes >> (8 * (nibble & 7u)) & 0xffu);
    if ((nibble & 8u) != 0) byte = (byte & 0x80u) != 0 ? 0xffu : 0u;
    result |= byte << (8 * position);
  }
  return result;
}
/// The upper half of (high, low) shifted left; the lower half of it shifted right: by `shift` mod 32.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) << (shift & 31u) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31u));
}
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(std::uint64_t{a} * b >> 32); }
inline int __mulhi(int a, int b) { return static_cast<int>(std::int64_t{a} * b >> 32); }
__extension__ inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
__extension__ inline long long __mul64hi(long long a, long long b) {
  return static_cast<long long>(static_cast<__int128>(a) * b >> 64);
}
