// SPDX-License-Identifier: MIT
/// @file
/// Functions that CUDA has and C++ has not, at their edges.
#include "engine_support.hpp"
#include <cmath>
#include <cstdint>
#include <limits>

using namespace engine_tests;

TEST_CASE("bit functions") {
  REQUIRE(__popc(0xf0f0u) == 8);
  REQUIRE(__popcll(~0ull) == 64);
  REQUIRE(__clz(0) == 32);
  REQUIRE(__clz(1) == 31);
  REQUIRE(__clz(-1) == 0);
  REQUIRE(__clzll(1) == 63);
  REQUIRE(__ffs(0) == 0);
  REQUIRE(__ffs(8) == 4);
  REQUIRE(__ffs(std::numeric_limits<int>::min()) == 32);
  REQUIRE(__ffsll(1ll << 40) == 41);
  REQUIRE(__brev(1u) == 0x80000000u);
  REQUIRE(__brev(0x12345678u) == 0x1e6a2c48u);
  REQUIRE(__brevll(1ull) == 1ull << 63);
  REQUIRE(__byte_perm(0x33221100u, 0x77665544u, 0x7531u) == 0x77553311u);
  REQUIRE(__byte_perm(0x00008000u, 0u, 0x9999u) == 0xffffffffu);  // the sign of byte 1, four times
  REQUIRE(__funnelshift_l(0x80000000u, 1u, 1) == 3u);
  REQUIRE(__funnelshift_l(5u, 7u, 32) == 7u);
  REQUIRE(__funnelshift_r(2u, 1u, 1) == 0x80000001u);
  REQUIRE(__funnelshift_r(5u, 7u, 32) == 5u);
  REQUIRE(__umulhi(0xffffffffu, 0xffffffffu) == 0xfffffffeu);
  REQUIRE(__mulhi(-1, 1) == -1);
  REQUIRE(__umul64hi(~0ull, ~0ull) == ~0ull - 1);
  REQUIRE(__mul64hi(-1ll, 1ll) == -1ll);
}

TEST_CASE("representations") {
  REQUIRE(__float_as_int(1.0f) == 0x3f800000);
  REQUIRE(__float_as_uint(-0.0f) == 0x80000000u);
  REQUIRE(__int_as_float(0x3f800000) == 1.0f);
  REQUIRE(__uint_as_float(0x40000000u) == 2.0f);
  REQUIRE(__longlong_as_double(__double_as_longlong(-3.5)) == -3.5);
}

TEST_CASE("conversions round as named, saturate, and take NaN to 0") {
  REQUIRE(__float2int_rn(2.5f) == 2);
  REQUIRE(__float2int_rn(3.5f) == 4);
  REQUIRE(__float2int_rz(-2.9f) == -2);
  REQUIRE(__float2int_rd(-2.1f) == -3);
  REQUIRE(__float2int_ru(2.1f) == 3);
  REQUIRE(__float2int_rn(1e20f) == std::numeric_limits<int>::max());
  REQUIRE(__float2int_rn(-1e20f) == std::numeric_limits<int>::min());
  REQUIRE(__float2int_rn(NAN) == 0);
  REQUIRE(__float2uint_rz(-5.0f) == 0u);
  REQUIRE(__double2ll_rd(-1e300) == std::numeric_limits<long long>::min());
  REQUIRE(__double2uint_ru(4294967294.5) == 4294967295u);
}

TEST_CASE("functions that only CUDA names") {
  REQUIRE(rsqrtf(4.0f) == 0.5f);
  REQUIRE(rsqrt(16.0) == 0.25);
  REQUIRE(__frsqrt_rn(0.25f) == 2.0f);
  REQUIRE(std::isinf(rsqrtf(0.0f)));
  REQUIRE(__saturatef(NAN) == 0.0f);
  REQUIRE(__saturatef(7.0f) == 1.0f);
  REQUIRE(__fdividef(3.0f, 2.0f) == 1.5f);
  REQUIRE(__fmaf_rn(2.0f, 3.0f, 4.0f) == 10.0f);
  REQUIRE(__expf(0.0f) == 1.0f);
  REQUIRE(__logf(1.0f) == 0.0f);
  REQUIRE(__exp10f(2.0f) == 100.0f);
  REQUIRE(normcdff(0.0f) == 0.5f);
}

TEST_CASE("min and max convert as CUDA's overloads do, and pass over NaN") {
  REQUIRE(min(3, 4u) == 3u);
  REQUIRE(max(2.0f, 3.0) == 3.0);
  REQUIRE(min(NAN, 1.0f) == 1.0f);
  REQUIRE(min(1.0f, NAN) == 1.0f);
  REQUIRE(max(NAN, 1.0f) == 1.0f);
  REQUIRE(max(1.0f, NAN) == 1.0f);
}
