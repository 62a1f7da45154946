// SPDX-License-Identifier: MIT
// Golden cases of the family entropy.
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "policy_loss_batch.hpp"

namespace golden {
namespace {

constexpr rlvr::single_thread_group group{};

// Entropy of a row, whose logits become factor times its gradient.
template <class T>
T entropy_of_row(std::vector<T>& logits, T temperature, T factor) {
  T const inverse = 1 / temperature;
  auto const s = rlvr::kernel::softmax_statistics(group, logits.data(), logits.size(), inverse);
  rlvr::kernel::replace_by_gradient(group, logits.data(), logits.size(), inverse, s, 0, 0, factor * inverse);
  return s.entropy;
}

template <class T>
void entropy_from_logits(test_case<T>& test) {
  matrix<T> rows = test.rows("logits");
  std::vector<T> const grad_out = test.flat("grad_out");
  std::vector<T> entropy;
  for (std::size_t i = 0; i < rows.size(); ++i)
    entropy.push_back(entropy_of_row(rows[i], static_cast<T>(test.parameter("temperature", 1)), grad_out[i]));
  test.output("entropy", entropy);
  test.gradient("logits", rows);
}

template <class T>
void entropy_bonus(test_case<T>& test) {
  matrix<T> const mask = test.rows("mask");
  flags const counts(test.flat("mask"));
  std::size_t const length = mask.at(0).size();
  std::vector<T> const logits = test.flat("logits");
  std::size_t const vocabulary = logits.size() / (mask.size() * length);
  matrix<T> rows;
  for (auto at = logits.begin(); at != logits.end(); at += static_cast<std::ptrdiff_t>(vocabulary))
    rows.emplace_back(at, at + static_cast<std::ptrdiff_t>(vocabulary));

  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i <= mask.size(); ++i) offsets.push_back(static_cast<std::int64_t>(i * length));
  T const temperature = static_cast<T>(test.parameter("temperature", 1));
  std::vector<T> entropy, scale(rows.size());
  for (auto row : rows) entropy.push_back(entropy_of_row(row, temperature, T(0)));
  named_aggregation const aggregation = read_aggregation(test.parameters(), length);
  auto const statistics = aggregation.statistics(rlvr::count_batch(counts.view(), offsets));
  test.output("entropy_mean",
              rlvr::aggregate<named_aggregation, T>(aggregation, statistics, entropy, counts.view(), offsets, scale));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (counts[i]) {
      entropy_of_row(rows[i], temperature, scale[i]);
    } else {
      rows[i].assign(vocabulary, T(0));
    }
  }
  test.gradient("logits", rows);
}

template <class T>
void sum_pi_squared(test_case<T>& test) {
  matrix<T> rows = test.rows("logits");
  std::vector<T> const grad_out = test.flat("grad_out");
  T const inverse = static_cast<T>(1 / test.parameter("temperature", 1));
  std::vector<T> sums;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& row = rows[i];
    auto const s = rlvr::kernel::softmax_statistics(group, row.data(), row.size(), inverse);
    sums.push_back(rlvr::kernel::sum_of_squared_probabilities(group, row.data(), row.size(), inverse, s));
    rlvr::kernel::replace_by_squares_gradient(group, row.data(), row.size(), inverse, s, sums[i],
                                              grad_out[i] * inverse);
  }
  test.output("sum_pi_squared", sums);
  test.gradient("logits", rows);
}

template <class T>
void high_entropy_mask(test_case<T>& test) {
  std::vector<T> const entropy = test.flat("entropy");
  flags const mask(test.flat("mask"));
  flags keep(entropy.size());
  rlvr::select_high_entropy<T>(entropy, mask.view(), test.parameter("quantile"), keep.span());
  std::vector<int> found;
  for (std::size_t i = 0; i < entropy.size(); ++i) found.push_back(keep[i] ? 1 : 0);
  test.output("keep", found);
}

template <class T>
void adaptive_entropy_coef(test_case<T>& test) {
  rlvr::adaptive_entropy rule{.coefficient = test.parameter("init"),
                              .target = test.parameter("target"),
                              .delta = test.parameter("delta"),
                              .lowest = test.parameter("min", 0),
                              .highest = test.parameter("max", 1)};
  std::vector<double> applied, after;
  for (T const entropy : test.flat("entropy")) {
    applied.push_back(rule.applied());
    rule.update(static_cast<double>(entropy));
    after.push_back(rule.coefficient);
  }
  test.output("applied", applied);
  test.output("coef_after", after);
}

}  // namespace

void add_entropy(registry& all) {
  auto const add = [&](char const* operation, auto run) { all.add("entropy", operation, run); };
  add("entropy_from_logits", [](auto& test) { entropy_from_logits(test); });
  add("entropy_bonus", [](auto& test) { entropy_bonus(test); });
  add("sum_pi_squared", [](auto& test) { sum_pi_squared(test); });
  add("high_entropy_mask", [](auto& test) { high_entropy_mask(test); });
  add("adaptive_entropy_coef", [](auto& test) { adaptive_entropy_coef(test); });
}

}  // namespace golden
