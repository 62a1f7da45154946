// SPDX-License-Identifier: MIT
// The parts of advantage_support.hpp that know no estimator.
#include "advantage_support.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace golden {

stored_groups::stored_groups(std::vector<std::int64_t> const& group) {
  rlvr::for_each_group(view(group), [&](std::span<std::size_t const> of_group) {
    for (std::size_t const i : of_group) members.push_back(static_cast<std::int64_t>(i));
    offsets.push_back(static_cast<std::int64_t>(members.size()));
  });
}

template <class T>
void whiten(rlvr::whitening const& rule, std::span<T> values, std::span<bool const> mask) {
  std::vector<double> numbers;
  for (T const x : values) numbers.push_back(static_cast<double>(x));
  rlvr::reward_statistics const batch =
      rlvr::summarise_rewards(static_cast<std::int64_t>(values.size()), [&](std::int64_t i) {
        auto const place = static_cast<std::size_t>(i);
        return mask[place] ? numbers[place] : std::numeric_limits<double>::quiet_NaN();
      });
  std::vector<double> const mapped = test::map(whitened_number{rule, batch}, numbers);
  rule.apply(values, mask);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(numbers[i]) && (mask[i] || rule.masked == rlvr::masked_rule::transform))
      values[i] = static_cast<T>(mapped[i]);
}

template <class T>
std::vector<T> row_sums(matrix<T> const& rows) {
  std::vector<T> sums;
  for (auto const& row : rows) {
    auto const all = std::make_unique<bool[]>(row.size());
    std::fill_n(all.get(), row.size(), true);
    sums.push_back(static_cast<T>(rlvr::masked_sum(view(row), std::span<bool const>(all.get(), row.size()))));
  }
  return sums;
}

template void whiten(rlvr::whitening const&, std::span<float>, std::span<bool const>);
template void whiten(rlvr::whitening const&, std::span<double>, std::span<bool const>);
template std::vector<float> row_sums(matrix<float> const&);
template std::vector<double> row_sums(matrix<double> const&);

}  // namespace golden
