// SPDX-License-Identifier: MIT
/// @file
/// Owning storage, by memory space.  A space says how memory is obtained; `host_memory` is the one of the CPU.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

RLVR_NAMESPACE_BEGIN

/// Requirements on a memory space: static, stateless allocation of zero-initialised bytes.
template <class Space>
concept memory_space = requires(std::size_t bytes, void* block) {
  { Space::allocate(bytes) } -> std::same_as<void*>;
  { Space::release(block) }
  noexcept;
};

/// Ordinary memory, aligned to a cache line, zero-initialised.
struct host_memory {
  static constexpr std::size_t alignment = 64;

  [[nodiscard]] static void* allocate(std::size_t bytes) {
    void* const block = ::operator new (bytes, std::align_val_t{alignment});
    std::memset(block, 0, bytes);
    return block;
  }
  static void release(void* block) noexcept { ::operator delete (block, std::align_val_t{alignment}); }
};

/// A one-dimensional owning array of trivially copyable elements; starts zeroed; moves, never copies implicitly.
template <class T, memory_space Space = host_memory>
requires std::is_trivially_copyable_v<T>
class buffer {
 public:
  using value_type = T;

  buffer() = default;
  /// @throws shape_error on overflow, std::bad_alloc
  explicit buffer(std::size_t count)
      : data_(count ? static_cast<T*>(Space::allocate(checked_multiply(count, sizeof(T)))) : nullptr), size_(count) {}
  buffer(buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  buffer& operator=(buffer&& other) noexcept {
    if (this != &other) {
      if (data_) Space::release(data_);
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~buffer() {
    if (data_) Space::release(data_);
  }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<T> span() const noexcept { return {data_, size_}; }

  /// Makes room for `count` elements; the content is lost (and zero) if it has to grow.
  void reserve(std::size_t count) {
    if (count > size_) *this = buffer(count);
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// An owning row-major matrix; moves, never copies implicitly.  One that was moved from is 0 x 0.
template <class T, memory_space Space = host_memory>
class matrix {
 public:
  matrix() = default;
  matrix(std::size_t rows, std::size_t columns)
      : storage_(checked_multiply(rows, columns)), rows_(rows), columns_(columns) {}
  matrix(matrix&& other) noexcept
      : storage_(std::move(other.storage_)),
        rows_(std::exchange(other.rows_, 0)),
        columns_(std::exchange(other.columns_, 0)) {}
  matrix& operator=(matrix&& other) noexcept {
    storage_ = std::move(other.storage_);
    if (this != &other) {
      rows_ = std::exchange(other.rows_, 0);
      columns_ = std::exchange(other.columns_, 0);
    }
    return *this;
  }

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  [[nodiscard]] matrix_view<T> view() const noexcept { return {storage_.data(), rows_, columns_}; }
  /// The first `count` rows.  @pre count <= rows()
  [[nodiscard]] matrix_view<T> first_rows(std::size_t count) const noexcept {
    return {storage_.data(), count, columns_};
  }

  /// Reshapes; keeps the memory if it suffices.  The content is unspecified afterwards.
  void resize(std::size_t rows, std::size_t columns) {
    storage_.reserve(checked_multiply(rows, columns));
    rows_ = rows;
    columns_ = columns;
  }

 private:
  buffer<T, Space> storage_;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
};

RLVR_NAMESPACE_END
