// SPDX-License-Identifier: MIT
// Checked sizes, views, and who owns the memory of buffers and matrices.
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <support/catch.hpp>
#include <type_traits>
#include <utility>

namespace {

constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();

// Counts what is allocated and released, and hands out ordinary memory.
struct counting_memory {
  static inline int blocks = 0;
  static inline int allocations = 0;
  static void* allocate(std::size_t bytes) {
    ++blocks;
    ++allocations;
    return rlvr::host_memory::allocate(bytes);
  }
  static void release(void* block) noexcept {
    --blocks;
    rlvr::host_memory::release(block);
  }
};
using counted_buffer = rlvr::buffer<float, counting_memory>;
using counted_matrix = rlvr::matrix<float, counting_memory>;

template <class Extents>
std::size_t count_of(Extents const& extents) {
  return rlvr::element_count(extents);
}

}  // namespace

TEST_CASE("checked sizes: products and sums that do not fit are refused") {
  CHECK(rlvr::checked_multiply(0, largest) == 0);
  CHECK(rlvr::checked_multiply(largest, 0) == 0);
  CHECK(rlvr::checked_multiply(largest, 1) == largest);
  CHECK(rlvr::checked_multiply(largest / 2, 2) == largest - 1);
  CHECK_THROWS_AS(rlvr::checked_multiply(largest / 2 + 1, 2), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::checked_multiply(std::size_t{1} << 32, std::size_t{1} << 32), rlvr::shape_error);
  CHECK(rlvr::checked_add(largest - 1, 1) == largest);
  CHECK_THROWS_AS(rlvr::checked_add(largest, 1), rlvr::shape_error);
  CHECK(count_of(std::array<std::size_t, 0>{}) == 1);
  CHECK(count_of(std::array<std::size_t, 3>{2, 3, 5}) == 30);
  CHECK(count_of(std::array<std::size_t, 2>{0, largest}) == 0);
  CHECK_THROWS_AS(count_of(std::array<std::size_t, 3>{largest, 2, 0}), rlvr::shape_error);
  CHECK_THROWS_AS(count_of(std::array<std::size_t, 3>{0, largest, 2}), rlvr::shape_error);
}

TEST_CASE("shape messages name what was found and what was expected") {
  std::array<std::size_t, 2> const extents{2, 3};
  CHECK(rlvr::to_string(std::span<std::size_t const>(extents)) == "[2, 3]");
  CHECK(rlvr::to_string(std::span<std::size_t const>()) == "[]");
  CHECK_NOTHROW(rlvr::require_extent("width", 4, 4));
  CHECK_THROWS_WITH(rlvr::require_extent("width", 3, 4), "width: found 3, expected 4");
}

TEST_CASE("matrix_view: rows, middle parts, strides, constness") {
  float values[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  rlvr::matrix_view<float> const view(values, 3, 3, 4);
  CHECK(view(2, 1) == 9);
  CHECK(view.row(1)[2] == 6);
  CHECK_FALSE(view.contiguous());
  auto const rows = view.middle_rows(1, 2);
  CHECK((rows.rows == 2 && rows.columns == 3 && rows.stride == 4 && rows(0, 0) == 4));
  auto const columns = view.middle_columns(1, 2);
  CHECK((columns.rows == 3 && columns.columns == 2 && columns(2, 1) == 10));
  rlvr::matrix_view<float const> const constant = view;
  CHECK(constant(2, 2) == 10);
  static_assert(!std::is_convertible_v<rlvr::matrix_view<float const>, rlvr::matrix_view<float>>);
  CHECK(rlvr::matrix_view<float>(values, 4, 3).contiguous());
  CHECK(rlvr::matrix_view<float>(values, 1, 3, 100).contiguous());
}

TEST_CASE("buffer: zeroed, aligned, moved, released once") {
  {
    counted_buffer first(1000);
    CHECK(reinterpret_cast<std::uintptr_t>(first.data()) % 64 == 0);
    bool zero = true;
    for (float const x : first.span()) zero = zero && x == 0.0f;
    CHECK(zero);
    float* const data = first.data();
    counted_buffer second = std::move(first);
    CHECK((second.data() == data && second.size() == 1000));
    CHECK((first.data() == nullptr && first.size() == 0));
    counted_buffer third(10);
    third = std::move(second);
    CHECK((third.data() == data && second.data() == nullptr && second.size() == 0));
    counted_buffer& alias = third;
    third = std::move(alias);
    CHECK((third.data() == data && third.size() == 1000));
    third.reserve(1000);
    CHECK(third.data() == data);  // enough already
    third.reserve(1001);
    CHECK((third.size() == 1001 && third.data()[1000] == 0.0f));
    CHECK(counting_memory::blocks == 1);
  }
  CHECK(counting_memory::blocks == 0);
  int const before = counting_memory::allocations;
  counted_buffer const empty(0);
  CHECK((empty.data() == nullptr && counting_memory::allocations == before));
  CHECK_THROWS_AS(counted_buffer(largest / 2), rlvr::shape_error);
  static_assert(!std::is_copy_constructible_v<counted_buffer> && !std::is_copy_assignable_v<counted_buffer>);
  static_assert(std::is_nothrow_move_constructible_v<counted_buffer>);
}

TEST_CASE("matrix: resizes within its memory, grows beyond it, leaves an empty one behind") {
  {
    counted_matrix values(3, 5);
    CHECK((values.rows() == 3 && values.columns() == 5 && values.view().contiguous()));
    float* const data = values.view().data;
    values.resize(5, 2);
    CHECK((values.rows() == 5 && values.columns() == 2 && values.view().data == data));
    values.view()(4, 1) = 7;
    CHECK(values.first_rows(2).rows == 2);
    counted_matrix moved = std::move(values);
    CHECK((moved.rows() == 5 && moved.view()(4, 1) == 7));
    CHECK((values.rows() == 0 && values.columns() == 0 && values.view().data == nullptr));
    values = std::move(moved);
    CHECK((values.rows() == 5 && values.view().data == data && moved.rows() == 0));
    values.resize(4, 4);
    CHECK(values.view()(3, 3) == 0.0f);
    CHECK(counting_memory::blocks == 1);
  }
  CHECK(counting_memory::blocks == 0);
  CHECK_THROWS_AS(counted_matrix(std::size_t{1} << 40, std::size_t{1} << 40), rlvr::shape_error);
}
