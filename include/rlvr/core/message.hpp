// SPDX-License-Identifier: MIT
/// @file
/// The text of an error, put together from texts and whole numbers.
///
/// Not std::string: <string> costs every unit that nvcc compiles a second, and most of them throw nothing.
#pragma once

#include <rlvr/core/config.hpp>

#include <concepts>
#include <cstddef>
#if !defined(__CUDACC_RTC__)
#  include <new>
#endif

RLVR_NAMESPACE_BEGIN

/// Characters that an error owns.  Copying throws nothing: where there is no memory for it, the text says so.
class message {
 public:
  message() = default;
  message(char const* text) {
    std::size_t size = 0;
    while (text[size] != '\0') ++size;
    append(text, size);
  }
  /// std::string, and what else has characters.
  template <class String>
  requires requires(String const& text) {
    text.c_str();
    text.size();
  }
  message(String const& text) { append(text.c_str(), text.size()); }
  message(message const& other) noexcept { append(other.text_, other.size_); }
  message(message&& other) noexcept : text_(other.text_), size_(other.size_) {
    other.text_ = nullptr;
    other.size_ = 0;
  }
  message& operator=(message other) noexcept {
    char* const text = text_;
    text_ = other.text_;
    other.text_ = text;
    size_ = other.size_;
    return *this;
  }
  ~message() { delete[] text_; }

  [[nodiscard]] char const* c_str() const noexcept {
    return text_ ? text_ : (size_ == 0 ? "" : "no memory for an error's text");
  }

  message& operator+=(message const& more) {
    append(more.text_, more.size_);
    return *this;
  }
  friend message operator+(message text, message const& more) {
    text += more;
    return text;
  }

  friend bool operator==(message const& a, message const& b) noexcept {
    char const* left = a.c_str();
    char const* right = b.c_str();
    while (*left != '\0' && *left == *right) ++left, ++right;
    return *left == *right;
  }

 private:
  void append(char const* more, std::size_t count) noexcept {
    if (count == 0) return;
    char* const longer = allocate(size_ + count + 1);
    if (longer && (text_ || size_ == 0) && more) {
      for (std::size_t i = 0; i < size_; ++i) longer[i] = text_[i];
      for (std::size_t i = 0; i < count; ++i) longer[size_ + i] = more[i];
      longer[size_ + count] = '\0';
      delete[] text_;
      text_ = longer;
    } else {
      delete[] longer;
      delete[] text_;
      text_ = nullptr;
    }
    size_ += count;
  }

  [[nodiscard]] static char* allocate(std::size_t size) noexcept {
#if defined(__CUDACC_RTC__)
    (void)size;  // no errors on a device
    return nullptr;
#else
    return new (std::nothrow) char[size];
#endif
  }

  char* text_ = nullptr;
  std::size_t size_ = 0;
};

/// A whole number in decimals.
template <std::integral T>
[[nodiscard]] message text_of(T number) {
  char digits[24];
  std::size_t at = sizeof digits;
  digits[--at] = '\0';
  bool negative = false;
  if constexpr (std::signed_integral<T>) negative = number < 0;
  do {
    int const digit = static_cast<int>(number % T(10));
    digits[--at] = static_cast<char>('0' + (digit < 0 ? -digit : digit));
    number = static_cast<T>(number / T(10));
  } while (number != T(0));
  if (negative) digits[--at] = '-';
  return message(digits + at);
}

RLVR_NAMESPACE_END
