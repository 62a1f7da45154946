// SPDX-License-Identifier: MIT
// Bias, gather, scatter and scatter-add: copies are exact, sums agree with double.
#include <rlvr/ops/rows.hpp>

#include "harness.hpp"
#include <iterator>
#include <support/backend.hpp>

namespace {

using test::execute;
using test::guarded;
using test::same_bits;

}  // namespace

TEST_CASE("bias: added to every row; its gradient is the sum of the rows") {
  for (std::size_t const width : test::widths)
    for (std::size_t const rows : test::sizes{0, 1, 2, 17, 67, 600}) {
      INFO("rows=" << rows << " width=" << width << " seed=" << rows + 100 * width);
      std::mt19937 engine(static_cast<unsigned>(rows + 100 * width));
      guarded x(rows, width, width % 3), bias(1, width), dy(rows, width, 2), db(1, width);
      auto expected = reference::copy_of(x.randomise(engine).view());
      bias.randomise(engine);
      dy.randomise(engine);
      auto gradient = reference::copy_of(db.randomise(engine).view());
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < width; ++j) {
          expected(i, j) += static_cast<double>(bias.view()(0, j));
          gradient(0, j) += static_cast<double>(dy.view()(i, j));
        }
      guarded const start = db;
      bool first = true;
      for (std::size_t const threads : test::thread_counts) {
        auto&& context = test::make_context(threads);
        guarded values = x, sums = start;
        execute(context, rlvr::ops::add_bias{.values = values.view(), .bias = bias.data()});
        execute(context, rlvr::ops::bias_gradient{.output_gradient = dy.view(), .gradient = sums.data()});
        RLVR_CHECK_CLOSE(values.view(), expected, 1);
        RLVR_CHECK_CLOSE(sums.view(), gradient, rows);
        if (first) db = sums;
        first = false;
        CHECK(same_bits(sums.view(), db.view()));
        CHECK((values.intact() && sums.intact()));
      }
    }
}

TEST_CASE("gather, scatter: copies in the order of the index; scatter_add: its transpose") {
  for (std::size_t const width : test::sizes{1, 7, 8, 33, 129, test::widest})
    for (std::size_t const rows : test::sizes{0, 1, 2, 19, 600}) {
      if (rows > 100 && width > 100) continue;
      INFO("rows=" << rows << " width=" << width << " seed=" << rows + width);
      std::mt19937 engine(static_cast<unsigned>(rows + width));
      std::size_t const places = rows + 23;
      guarded source(places, width, 1), gathered(rows, width, 2), scattered(places, width), added(places, width, 3);
      source.randomise(engine);
      test::storage<std::int32_t> any(rows), distinct(places);
      for (auto& i : any) i = static_cast<std::int32_t>(engine() % 7);  // repeats
      for (std::size_t i = 0; i < places; ++i) distinct[i] = static_cast<std::int32_t>((i + places / 2) % places);
      guarded first_added = added;
      bool first = true;
      for (std::size_t const threads : test::thread_counts) {
        auto&& context = test::make_context(threads);
        execute(context, rlvr::ops::gather_rows{
                             .source = source.view(), .index = any.data(), .output = gathered.fill(test::nan).view()});
        bool exact = true;
        for (std::size_t i = 0; i < rows; ++i)
          exact = exact && same_bits(gathered.view().middle_rows(i, 1),
                                     source.view().middle_rows(static_cast<std::size_t>(any[i]), 1));
        CHECK(exact);
        test::bf16_matrix table(source.view(), 1);  // an embedding in bfloat16
        guarded widened(rows, width, 1);
        execute(context, rlvr::ops::gather_rows{.source = table.view(), .index = any.data(), .output = widened.view()});
        exact = widened.intact();
        for (std::size_t i = 0; i < rows; ++i)
          exact = exact && same_bits(widened.view().middle_rows(i, 1),
                                     table.view().middle_rows(static_cast<std::size_t>(any[i]), 1));
        CHECK(exact);

        execute(context,
                rlvr::ops::scatter_rows{
                    .source = gathered.view(), .index = distinct.data(), .destination = scattered.fill(0.5f).view()});
        std::vector<bool> written(places);
        exact = true;
        for (std::size_t i = 0; i < rows; ++i) {
          auto const place = static_cast<std::size_t>(distinct[i]);
          written[place] = true;
          exact = exact && same_bits(scattered.view().middle_rows(place, 1), gathered.view().middle_rows(i, 1));
        }
        for (std::size_t i = 0; i < places; ++i)
          for (std::size_t j = 0; j < width; ++j) exact = exact && (written[i] || scattered.view()(i, j) == 0.5f);
        CHECK(exact);

        added.fill(0.25f);
        auto expected = reference::copy_of(added.view());
        for (std::size_t i = 0; i < rows; ++i)
          for (std::size_t j = 0; j < width; ++j)
            expected(static_cast<std::size_t>(any[i]), j) += static_cast<double>(gathered.view()(i, j));
        execute(context, rlvr::ops::scatter_add_rows{
                             .source = gathered.view(), .index = any.data(), .destination = added.view()});
        RLVR_CHECK_CLOSE(added.view(), expected, rows);
        if (first) first_added = added;
        first = false;
        CHECK(same_bits(first_added.view(), added.view()));
        CHECK((gathered.intact() && scattered.intact() && added.intact()));
      }
    }
}

TEST_CASE("round_to_bfloat16: every element to the nearest, its neighbours untouched") {
  for (std::size_t const count : test::sizes{0, 1, 7, 4095, 4096, 4097, 3 * 4096 + 33}) {
    INFO("count=" << count);
    std::mt19937 engine(static_cast<unsigned>(count));
    guarded values(1, count);
    values.randomise(engine, 3.0f);
    float const special[] = {test::nan, test::infinity, -0.0f, 1.00390625f, 1.01171875f, 3.4e38f, 1e-40f};
    for (std::size_t i = 0; i < count && i < std::size(special); ++i) values.data()[i] = special[i];
    auto const sentinel = rlvr::bf16::from_bits(0x1234);
    test::storage<rlvr::bf16> result(count + 8, sentinel);
    auto&& context = test::make_context(2);
    execute(context,
            rlvr::ops::round_to_bfloat16{.source = {values.data(), count}, .destination = {&result[4], count}});
    bool exact = values.intact();
    for (std::size_t i = 0; i < result.size(); ++i) {
      bool const inside = i >= 4 && i < 4 + count;
      auto const expected = inside ? rlvr::bf16(values.data()[i - 4]) : sentinel;
      exact = exact && result[i].bits == expected.bits;
    }
    CHECK(exact);
    CHECK_THROWS_AS(
        execute(context, rlvr::ops::round_to_bfloat16{.source = {values.data(), count}, .destination = result}),
        rlvr::shape_error);
  }
}

TEST_CASE("copy_rows: the same bits, gaps and neighbours untouched; it refuses other extents") {
  for (std::size_t const width : test::sizes{1, 7, 33, test::widest})
    for (std::size_t const rows : test::sizes{0, 1, 2, 19}) {
      INFO("rows=" << rows << " width=" << width << " seed=" << rows + width);
      std::mt19937 engine(static_cast<unsigned>(rows + width));
      guarded source(rows, width, 1), copied(rows, width, 2);
      source.randomise(engine);
      for (std::size_t const threads : test::thread_counts) {
        auto&& context = test::make_context(threads);
        execute(context, rlvr::ops::copy_rows{.source = source.view(), .destination = copied.fill(test::nan).view()});
        CHECK(same_bits(copied.view(), source.view()));
        CHECK(copied.intact());
      }
      auto&& context = test::make_context(1);
      guarded other(rows + 1, width), wider(rows, width + 1);
      CHECK_THROWS_AS(execute(context, rlvr::ops::copy_rows{.source = source.view(), .destination = other.view()}),
                      rlvr::shape_error);
      CHECK_THROWS_AS(execute(context, rlvr::ops::copy_rows{.source = source.view(), .destination = wider.view()}),
                      rlvr::shape_error);
    }
}
