// SPDX-License-Identifier: MIT
// What every context offers beside ops: copies to and from its memory, host data made visible, zeroing, scratch.
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/rows.hpp>

#include "harness.hpp"
#include <numeric>
#include <span>
#include <support/backend.hpp>

namespace {

using test::execute;
using memory = test::context::memory;

}  // namespace

TEST_CASE("context: what was uploaded comes back") {
  auto&& context = test::make_context(1);
  for (std::size_t const count : test::sizes{0, 1, 7, 4099}) {
    INFO("count=" << count);
    std::vector<std::int32_t> source(count), back(count, -1);
    std::iota(source.begin(), source.end(), 5);
    rlvr::buffer<std::int32_t, memory> block(count + 1);
    context.upload(block.data(), source.data(), count);
    context.download(back.data(), block.data(), count);
    CHECK(back == source);
  }
}

TEST_CASE("context: fresh memory holds zeros; zero() stops where it is told to") {
  auto&& context = test::make_context(1);
  rlvr::buffer<float, memory> block(100);
  std::vector<float> values(100, -1.0f);
  context.download(values.data(), block.data(), 100);
  CHECK(values == std::vector<float>(100, 0.0f));
  std::fill(values.begin(), values.end(), 3.0f);
  context.upload(block.data(), values.data(), 100);
  context.zero(block.data() + 10, 80);
  context.zero(block.data(), 0);
  context.download(values.data(), block.data(), 100);
  for (std::size_t i = 0; i < 100; ++i) CHECK(values[i] == (i >= 10 && i < 90 ? 0.0f : 3.0f));
}

TEST_CASE("context: host data that was made visible can be read by ops, several pieces at a time") {
  auto&& context = test::make_context(2);
  for (std::size_t const rows : test::sizes{1, 3, 700}) {
    INFO("rows=" << rows);
    std::vector<float> source(4 * 5);
    std::iota(source.begin(), source.end(), 0.0f);
    std::vector<std::int32_t> first(rows), second(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      first[i] = static_cast<std::int32_t>(i % 4);
      second[i] = static_cast<std::int32_t>((i * 3 + 1) % 4);
    }
    float const* const table = context.visible(std::span<float const>(source));
    std::int32_t const* const indices[] = {context.visible(std::span<std::int32_t const>(first)),
                                           context.visible(std::span<std::int32_t const>(second))};
    test::guarded gathered[] = {test::guarded(rows, 5, 1), test::guarded(rows, 5)};
    // Both before anything waits: what is visible stays so until then.
    for (std::size_t n = 0; n < 2; ++n)
      rlvr::execute(context,
                    rlvr::ops::gather_rows{.source = {table, 4, 5}, .index = indices[n], .output = gathered[n].view()});
    float done = 0;
    context.download(&done, gathered[0].data(), 1);
    for (std::size_t n = 0; n < 2; ++n)
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < 5; ++j)
          REQUIRE(gathered[n].view()(i, j) == source[5 * static_cast<std::size_t>((n == 0 ? first : second)[i]) + j]);
  }
}

TEST_CASE("context: scratch memory grows and is the op's own") {
  auto&& context = test::make_context(2);
  test::guarded x(3, 5), y(3, 5);
  std::mt19937 engine(1);
  x.randomise(engine);
  for (std::size_t const count : test::sizes{15, 100, 16, 50000}) {
    rlvr::matrix_view<float> const block(context.shared_scratch(count), 3, 5);
    execute(context, rlvr::ops::copy_rows{.source = x.view(), .destination = block});
    execute(context, rlvr::ops::copy_rows{.source = block, .destination = y.fill(test::nan).view()});
    CHECK(test::same_bits(x.view(), y.view()));
  }
}
