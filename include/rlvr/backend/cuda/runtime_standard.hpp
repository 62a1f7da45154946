// SPDX-License-Identifier: MIT
/// @file
/// The standard library as far as NVRTC needs it for the headers of rl/ and kernel/.
///
/// NVRTC has no standard headers, and a host's cannot be read by it.  CUDA's own replacement (cuda/std/...) costs each
/// compilation one to two seconds and a path to the toolkit's headers; what these headers use is small, mostly names
/// for built-in operators of the compiler, and costs some hundredths of a second.  Math functions are CUDA's, the same
/// that nvcc chooses.  The text is given to the compiler under the names of the headers; a program of the host never
/// sees it.  Sources that ask for <cuda/std/...> may do so beside it.
///
/// Host functions in the headers (`validate`, batch code over spans and vectors) are compiled as functions of the
/// device that nothing calls; what they need compiles, and does nothing.  There are no exceptions on a device: where a
/// `throw` is reached, the kernel ends with an error.
#pragma once

#include <rlvr/core/config.hpp>

RLVR_NAMESPACE_BEGIN
namespace cuda::detail {

/// A header that the compiler is given by name.
struct runtime_header {
  char const* name;
  char const* text;
};

inline constexpr char const* runtime_standard_text =
    R"__(// What the headers of rl/ and kernel/ need of the standard library.  Unannotated functions are the device's.
#pragma once
#define __builtin_fmaf ::fmaf
#define __builtin_fma ::fma
namespace std {

using size_t = decltype(sizeof(0));
using ptrdiff_t = decltype(static_cast<char*>(nullptr) - static_cast<char*>(nullptr));
using nullptr_t = decltype(nullptr);
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned;
using int64_t = long long;
using uint64_t = unsigned long long;
using uintptr_t = size_t;

template <class T, T Value> struct integral_constant { static constexpr T value = Value; };
using true_type = integral_constant<bool, true>;
using false_type = integral_constant<bool, false>;
template <class T> struct type_identity { using type = T; };
template <class T> using type_identity_t = typename type_identity<T>::type;
template <class T> struct remove_const : type_identity<T> {};
template <class T> struct remove_const<T const> : type_identity<T> {};
template <class T> using remove_const_t = typename remove_const<T>::type;
template <class T> struct remove_cv : type_identity<T> {};
template <class T> struct remove_cv<T const> : type_identity<T> {};
template <class T> struct remove_cv<T volatile> : type_identity<T> {};
template <class T> struct remove_cv<T const volatile> : type_identity<T> {};
template <class T> using remove_cv_t = typename remove_cv<T>::type;
template <class T> struct remove_reference : type_identity<T> {};
template <class T> struct remove_reference<T&> : type_identity<T> {};
template <class T> struct remove_reference<T&&> : type_identity<T> {};
template <class T> using remove_reference_t = typename remove_reference<T>::type;
template <class T> using remove_cvref_t = remove_cv_t<remove_reference_t<T>>;
template <bool Condition, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> : type_identity<T> {};
template <bool Condition, class T = void> using enable_if_t = typename enable_if<Condition, T>::type;
template <bool Condition, class T, class U> struct conditional : type_identity<T> {};
template <class T, class U> struct conditional<false, T, U> : type_identity<U> {};
template <bool Condition, class T, class U> using conditional_t = typename conditional<Condition, T, U>::type;

template <class T> T&& declval() noexcept;
template <class Function, class... Arguments>
using invoke_result_t = decltype(declval<Function>()(declval<Arguments>()...));

template <class T, class U> inline constexpr bool is_same_v = false;
template <class T> inline constexpr bool is_same_v<T, T> = true;
template <class T, class... Others> inline constexpr bool rlvr_is_one_of = (is_same_v<remove_cv_t<T>, Others> || ...);
template <class T> inline constexpr bool is_const_v = false;
template <class T> inline constexpr bool is_const_v<T const> = true;
template <class T> inline constexpr bool is_void_v = rlvr_is_one_of<T, void>;
template <class T> inline constexpr bool is_floating_point_v = rlvr_is_one_of<T, float, double>;
template <class T>
inline constexpr bool is_integral_v =
    rlvr_is_one_of<T, bool, char, signed char, unsigned char, wchar_t, char8_t, char16_t, char32_t, short,
                   unsigned short, int, unsigned, long, unsigned long, long long, unsigned long long>;
template <class T> inline constexpr bool is_arithmetic_v = is_floating_point_v<T> || is_integral_v<T>;
template <class T> inline constexpr bool is_signed_v = false;
template <class T> requires is_arithmetic_v<T> inline constexpr bool is_signed_v<T> = T(-1) < T(0);
template <class T> inline constexpr bool is_enum_v = __is_enum(T);
template <class T> inline constexpr bool is_empty_v = __is_empty(T);
template <class T> inline constexpr bool is_aggregate_v = __is_aggregate(T);
template <class T> inline constexpr bool is_trivially_copyable_v = __is_trivially_copyable(T);
template <class T> inline constexpr bool is_standard_layout_v = __is_standard_layout(T);
template <class From, class To> inline constexpr bool is_convertible_v = __is_convertible_to(From, To);
template <class Base, class Derived> inline constexpr bool is_base_of_v = __is_base_of(Base, Derived);

template <class T, class U> concept same_as = is_same_v<T, U> && is_same_v<U, T>;
template <class From, class To>
concept convertible_to = is_convertible_v<From, To> && requires { static_cast<To>(declval<From>()); };
template <class Derived, class Base> concept derived_from = is_base_of_v<Base, Derived>;
template <class T> concept floating_point = is_floating_point_v<T>;
template <class T> concept integral = is_integral_v<T>;
template <class T> concept signed_integral = integral<T> && is_signed_v<T>;
template <class T> concept unsigned_integral = integral<T> && !is_signed_v<T>;

template <class T> constexpr remove_reference_t<T>&& move(T&& value) noexcept {
  return static_cast<remove_reference_t<T>&&>(value);
}
template <class T> constexpr T&& forward(remove_reference_t<T>& value) noexcept { return static_cast<T&&>(value); }
template <class T> constexpr void swap(T& a, T& b) { T c = move(a); a = move(b); b = move(c); }
template <class T, class U> struct pair { T first; U second; };
template <class T> constexpr T const& min(T const& a, T const& b) { return b < a ? b : a; }
template <class T> constexpr T const& max(T const& a, T const& b) { return a < b ? b : a; }
template <class T> constexpr T const& clamp(T const& x, T const& low, T const& high) {
  return x < low ? low : high < x ? high : x;
}

template <class T> struct numeric_limits {
  static constexpr bool is_specialized = is_integral_v<T>, has_infinity = false, is_integer = is_integral_v<T>;
  static constexpr bool is_signed = is_signed_v<T>;
  static constexpr int digits = static_cast<int>(sizeof(T) * 8) - (is_signed_v<T> ? 1 : 0);
  static constexpr T max() noexcept {
    return is_signed_v<T> ? static_cast<T>(((T(1) << (digits - 1)) - T(1)) * T(2) + T(1)) : static_cast<T>(~T(0));
  }
  static constexpr T min() noexcept { return is_signed_v<T> ? static_cast<T>(-max() - T(1)) : T(0); }
  static constexpr T lowest() noexcept { return min(); }
};
template <> struct numeric_limits<float> {
  static constexpr bool is_specialized = true, has_infinity = true, is_integer = false, is_signed = true;
  static constexpr int digits = 24;
  static constexpr float max() noexcept { return 0x1.fffffep+127f; }
  static constexpr float min() noexcept { return 0x1p-126f; }
  static constexpr float lowest() noexcept { return -max(); }
  static constexpr float epsilon() noexcept { return 0x1p-23f; }
  static constexpr float infinity() noexcept { return __builtin_bit_cast(float, 0x7f800000u); }
  static constexpr float quiet_NaN() noexcept { return __builtin_bit_cast(float, 0x7fc00000u); }
};
template <> struct numeric_limits<double> {
  static constexpr bool is_specialized = true, has_infinity = true, is_integer = false, is_signed = true;
  static constexpr int digits = 53;
  static constexpr double max() noexcept { return 0x1.fffffffffffffp+1023; }
  static constexpr double min() noexcept { return 0x1p-1022; }
  static constexpr double lowest() noexcept { return -max(); }
  static constexpr double epsilon() noexcept { return 0x1p-52; }
  static constexpr double infinity() noexcept { return __builtin_bit_cast(double, uint64_t(0x7ff) << 52); }
  static constexpr double quiet_NaN() noexcept { return __builtin_bit_cast(double, uint64_t(0xfff) << 51); }
};

#define RLVR_MATH(name)                               \
  inline float name(float x) { return ::name##f(x); } \
  inline double name(double x) { return ::name(x); }
RLVR_MATH(acos) RLVR_MATH(asin) RLVR_MATH(atan) RLVR_MATH(cbrt) RLVR_MATH(ceil) RLVR_MATH(cos) RLVR_MATH(cosh)
RLVR_MATH(erf) RLVR_MATH(erfc) RLVR_MATH(exp) RLVR_MATH(exp2) RLVR_MATH(expm1) RLVR_MATH(fabs) RLVR_MATH(floor)
RLVR_MATH(lgamma) RLVR_MATH(log) RLVR_MATH(log10) RLVR_MATH(log1p) RLVR_MATH(log2) RLVR_MATH(round) RLVR_MATH(sin)
RLVR_MATH(sinh) RLVR_MATH(sqrt) RLVR_MATH(tan) RLVR_MATH(tanh) RLVR_MATH(tgamma) RLVR_MATH(trunc)
#undef RLVR_MATH
#define RLVR_MATH(name)                                           \
  inline float name(float x, float y) { return ::name##f(x, y); } \
  inline double name(double x, double y) { return ::name(x, y); }
RLVR_MATH(atan2) RLVR_MATH(copysign) RLVR_MATH(fmax) RLVR_MATH(fmin) RLVR_MATH(fmod) RLVR_MATH(hypot) RLVR_MATH(pow)
#undef RLVR_MATH
inline float abs(float x) { return ::fabsf(x); }
inline double abs(double x) { return ::fabs(x); }
constexpr int abs(int x) { return x < 0 ? -x : x; }
constexpr long abs(long x) { return x < 0 ? -x : x; }
constexpr long long abs(long long x) { return x < 0 ? -x : x; }
inline float fma(float x, float y, float z) { return ::fmaf(x, y, z); }
inline double fma(double x, double y, double z) { return ::fma(x, y, z); }
template <floating_point T> constexpr bool isfinite(T x) { return x - x == T(0); }
template <floating_point T> constexpr bool isnan(T x) { return x != x; }
template <floating_point T> constexpr bool isinf(T x) { return !isnan(x) && !isfinite(x); }

// For what only the host calls: it must compile, not run.
template <class T> struct vector {
  vector() = default;
  explicit vector(size_t) {}
  vector(size_t, T) {}
  template <class Iterator> vector(Iterator, Iterator) {}
  T* begin() const { return nullptr; }
  T* end() const { return nullptr; }
  T* data() const { return nullptr; }
  size_t size() const { return 0; }
  bool empty() const { return true; }
  T& operator[](size_t i) const { return begin()[i]; }
  void assign(size_t, T) {}
  void resize(size_t) {}
  void push_back(T) {}
  void clear() {}
};
template <class Iterator> Iterator max_element(Iterator first, Iterator) { return first; }
template <class Iterator, class T> void fill(Iterator, Iterator, T) {}
template <class Iterator> bool is_sorted(Iterator, Iterator) { return true; }
struct string_view {
  constexpr string_view() = default;
  constexpr string_view(char const*) {}
};
struct string {
  string() = default;
  string(char const*) {}
  explicit string(string_view) {}
  string& operator+=(string const&) { return *this; }
  friend string operator+(string const& a, string const&) { return a; }
};
template <class T> string to_string(T) { return {}; }
struct exception {
  virtual char const* what() const noexcept { return ""; }
};
struct runtime_error : exception {
  explicit runtime_error(string const&) {}
};
inline constexpr size_t dynamic_extent = ~size_t(0);
template <class T, size_t Extent = dynamic_extent> class span {
 public:
  constexpr span() = default;
  constexpr span(T* data, size_t size) : data_(data), size_(size) {}
  template <class Range> requires requires(Range& range) {
    { range.data() } -> convertible_to<T*>;
    range.size();
  }
  constexpr span(Range&& range) : data_(range.data()), size_(range.size()) {}
  constexpr T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }
  constexpr T& operator[](size_t i) const { return data_[i]; }
  constexpr T& front() const { return data_[0]; }
  constexpr T& back() const { return data_[size_ - 1]; }
  constexpr span<T> first(size_t count) const { return {data_, count}; }
  constexpr span<T> last(size_t count) const { return {data_ + size_ - count, count}; }
  constexpr span<T> subspan(size_t from, size_t count = dynamic_extent) const {
    return {data_ + from, count == dynamic_extent ? size_ - from : count};
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace std
using std::int16_t, std::int32_t, std::int64_t, std::int8_t, std::ptrdiff_t, std::size_t;
using std::uint16_t, std::uint32_t, std::uint64_t, std::uint8_t;
)__";

inline constexpr char const* runtime_standard_forward = "#include <rlvr_standard>\n";

/// All of them.
inline constexpr runtime_header runtime_headers[] = {
    {"rlvr_standard", runtime_standard_text},
    {"algorithm", runtime_standard_forward},
    {"cmath", runtime_standard_forward},
    {"concepts", runtime_standard_forward},
    {"cstddef", runtime_standard_forward},
    {"cstdint", runtime_standard_forward},
    {"limits", runtime_standard_forward},
    {"numeric", runtime_standard_forward},
    {"span", runtime_standard_forward},
    {"string", runtime_standard_forward},
    {"string_view", runtime_standard_forward},
    {"type_traits", runtime_standard_forward},
    {"utility", runtime_standard_forward},
    {"vector", runtime_standard_forward},
    // Included by what throws.
    {"exception",
     "#pragma once\n"
     "#include <rlvr_standard>\n"
     "#define throw __trap(), (void)\n"},
    // Launches are the host's.  The groups need two constants of theirs.
    {"rlvr/backend/cuda/launch.cuh",
     "#pragma once\n"
     "#include <rlvr/core/error.hpp>\n"
     "RLVR_NAMESPACE_BEGIN\n"
     "namespace cuda {\n"
     "inline constexpr unsigned warp_size = 32;\n"
     "inline constexpr unsigned full_mask = 0xffffffffu;\n"
     "}\n"
     "RLVR_NAMESPACE_END\n"},
};

}  // namespace cuda::detail
RLVR_NAMESPACE_END
