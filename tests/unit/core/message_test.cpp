// SPDX-License-Identifier: MIT
#include <rlvr/core/error.hpp>
#include <rlvr/core/message.hpp>
#include <rlvr/core/sort.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <support/catch.hpp>
#include <utility>
#include <vector>

using rlvr::message;
using rlvr::text_of;

TEST_CASE("message: texts and numbers in a row") {
  CHECK(message().c_str() == std::string());
  CHECK((message("") + "").c_str() == std::string());
  CHECK(("rows: " + text_of(3) + ", " + text_of(std::size_t{0})).c_str() == std::string("rows: 3, 0"));
  CHECK(message(std::string("a text")).c_str() == std::string("a text"));
  CHECK(text_of(std::numeric_limits<std::int64_t>::min()).c_str() == std::string("-9223372036854775808"));
  CHECK(text_of(std::numeric_limits<std::uint64_t>::max()).c_str() == std::string("18446744073709551615"));
  CHECK(text_of(std::int8_t{-128}).c_str() == std::string("-128"));
}

TEST_CASE("message: copies are their own, what was moved from is empty") {
  message first("one");
  message copy = first;
  copy += " two";
  copy += copy;
  CHECK(first.c_str() == std::string("one"));
  CHECK(copy.c_str() == std::string("one twoone two"));
  message moved = std::move(copy);
  CHECK(moved == "one twoone two");
  copy = first;
  CHECK(copy == first);
  CHECK_FALSE(copy == moved);
  CHECK_FALSE(message("on") == first);
}

TEST_CASE("error: what() outlives the text that it was made of, and copies of the error") {
  rlvr::shape_error const copy = [] {
    std::string const text(1000, 'x');
    return rlvr::shape_error(text + "!");
  }();
  CHECK(std::string(copy.what()) == std::string(1000, 'x') + "!");
  CHECK(copy.where().line != 0);
}

TEST_CASE("sort_stably: every size, equal elements in their order") {
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::pair<int, std::size_t>> values;
    for (std::size_t i = 0; i < size; ++i) values.emplace_back(static_cast<int>(i * 7919 % 11), i);
    rlvr::detail::sort_stably(values, [](auto const& a, auto const& b) { return a.first < b.first; });
    REQUIRE(values.size() == size);
    for (std::size_t i = 1; i < size; ++i) REQUIRE(values[i - 1] < values[i]);
  }
}
