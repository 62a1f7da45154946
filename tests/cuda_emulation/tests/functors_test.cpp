// SPDX-License-Identifier: MIT
/// @file
/// Every functor of rl/ in kernels beside the same functor on the host: built against the emulation, and by nvcc, whose
/// PTX is interpreted.  A forgotten host-device attribute cannot survive.
#include "functors_objectives.hpp"
#include "functors_preference.hpp"
#include "functors_rows.hpp"
#include "functors_rules.hpp"

using functors::check;

TEMPLATE_TEST_CASE("functors: objectives", "", float, double) {
  auto const samples = functors::make_samples<TestType>();
  check<TestType>(functors::token_objectives{}, samples);
  check<TestType>(functors::combined_objectives{}, samples);
  check<TestType>(functors::kl_estimators{}, samples);
}

TEMPLATE_TEST_CASE("functors: objectives of sequences and metrics", "", float, double) {
  auto const samples = functors::make_samples<TestType>();
  std::vector<functors::response<TestType>> responses(samples.size() / functors::response<TestType>::length);
  for (std::size_t i = 0; i < samples.size(); ++i) responses[i / 4].tokens[i % 4] = samples[i];
  check<TestType>(functors::sequence_objectives{}, responses);
  check<TestType>(functors::metrics_section{}, responses);
}

TEMPLATE_TEST_CASE("functors: preference losses", "", float, double) {
  auto const pairs = functors::make_pairs<TestType>();
  check<TestType>(functors::pair_losses{}, pairs);
  check<TestType>(functors::response_losses{}, pairs);
}

TEMPLATE_TEST_CASE("functors: aggregations and schedules", "", float, double) {
  check<TestType>(functors::length_rules{},
                  std::vector<std::int64_t>{0, 1, 2, 5, 9, 10, 11, 40, 59, 60, 61, 99, 100, 200});
}

TEMPLATE_TEST_CASE("functors: advantages", "", float, double) {
  functors::generator next;
  std::vector<functors::rewards_of_group<TestType>> groups(12);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].count = static_cast<std::int64_t>(g % 6);
    for (std::size_t i = 0; i < 5; ++i) {
      groups[g].rewards[i] = static_cast<TestType>(g % 4 == 3 ? 0.1 : next(-1, 2));
      groups[g].lengths[i] = static_cast<std::int64_t>(next(0, 20));
    }
  }
  groups[10].rewards[1] = std::numeric_limits<TestType>::quiet_NaN();
  groups[11].rewards[2] = std::numeric_limits<TestType>::infinity();
  check<TestType>(functors::advantage_estimators{}, groups);
}

TEMPLATE_TEST_CASE("functors: corrections, critic, shaping, optimiser", "", float, double) {
  auto const samples = functors::make_samples<TestType>();
  check<TestType>(functors::token_rules{}, samples);
  check<TestType>(functors::state_rules<TestType>{}, samples);
}

TEMPLATE_TEST_CASE("functors: rows of logits", "", float, double) {
  constexpr std::size_t rows = 4, count = rows * functors::vocabulary;
  functors::generator next;
  test::storage<TestType> logits(count), reference(count), found(rows * functors::row_numbers), expected = found;
  for (TestType& x : logits) x = static_cast<TestType>(next(-4, 4));
  for (TestType& x : reference) x = static_cast<TestType>(next(-4, 4));
  logits[functors::vocabulary + 3] = -std::numeric_limits<TestType>::infinity();
  test::storage<unsigned char> keep(functors::vocabulary);
  for (std::size_t j = 0; j < keep.size(); ++j) keep[j] = j % 3 == 0;
  static_assert(sizeof(bool) == sizeof(unsigned char));
  functors::row_bodies<TestType> bodies{.logits = logits.data(),
                                        .reference = reference.data(),
                                        .keep = reinterpret_cast<bool const*>(keep.data()),
                                        .numbers = found.data()};
  test::for_each_row(rows, bodies);
  bodies.numbers = expected.data();
  for (std::size_t row = 0; row < rows; ++row) bodies(rlvr::single_thread_group{}, row);
  functors::record::instance().add(12, found.size());
  double const ulps = 8;  // a block sums in another order
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("row " << i / functors::row_numbers << ", number " << i % functors::row_numbers);
    CHECK(functors::close(found[i], expected[i], ulps));
  }
}
