// SPDX-License-Identifier: MIT
// Golden cases of the family entropy.
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "logits.hpp"
#include "policy_loss_batch.hpp"

namespace golden {
namespace {

// A number per row, whose logits become factor times its gradient by them.
template <class T, class Rule>
struct row_number_body {
  std::size_t vocabulary = 0;
  T* logits = nullptr;
  T inverse_temperature{};
  T const* factor = nullptr;
  T* numbers = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    T* const line = logits + row * vocabulary;
    T const* const input = line;
    using rlvr::kernel::softmax_statistics;  // or the group's own
    auto const s = softmax_statistics(group, input, vocabulary, inverse_temperature);
    T const number = Rule::number(group, input, vocabulary, inverse_temperature, s);
    group.sync();  // every thread has read the row
    Rule::replace(group, line, vocabulary, inverse_temperature, s, number, factor[row] * inverse_temperature);
    group.once([&] { numbers[row] = number; });
  }
};

struct entropy_rule {
  template <class Group, class T, class Statistics>
  RLVR_HD static T number(Group const&, T const*, std::size_t, T, Statistics const& s) {
    return s.entropy;
  }
  template <class Group, class T, class Statistics>
  RLVR_HD static void replace(Group const& group, T* line, std::size_t vocabulary, T inverse_temperature,
                              Statistics const& s, T, T factor) {
    rlvr::kernel::replace_by_gradient(group, line, vocabulary, inverse_temperature, s, 0, 0, factor);
  }
};

struct sum_of_squares_rule {
  template <class Group, class T, class Statistics>
  RLVR_HD static T number(Group const& group, T const* input, std::size_t vocabulary, T inverse_temperature,
                          Statistics const& s) {
    return rlvr::kernel::sum_of_squared_probabilities(group, input, vocabulary, inverse_temperature, s);
  }
  template <class Group, class T, class Statistics>
  RLVR_HD static void replace(Group const& group, T* line, std::size_t vocabulary, T inverse_temperature,
                              Statistics const& s, T sum, T factor) {
    rlvr::kernel::replace_by_squares_gradient(group, line, vocabulary, inverse_temperature, s, sum, factor);
  }
};

template <class Rule, class T>
std::vector<T> row_numbers(logit_rows<T>& rows, T inverse_temperature, std::vector<T> const& factor) {
  auto const factors = test::to_storage(factor);
  test::storage<T> numbers(rows.rows);
  test::for_each_row(rows.rows, row_number_body<T, Rule>{rows.vocabulary, rows.logits.data(), inverse_temperature,
                                                         factors.data(), numbers.data()});
  return to_vector(numbers);
}

template <class T>
std::vector<T> entropies(logit_rows<T>& rows, double temperature, std::vector<T> const& factor) {
  return row_numbers<entropy_rule>(rows, 1 / static_cast<T>(temperature), factor);
}

template <class T>
void entropy_from_logits(test_case<T>& test) {
  logit_rows<T> rows(test.rows("logits"));
  test.output("entropy", entropies(rows, test.parameter("temperature", 1), test.flat("grad_out")));
  test.gradient("logits", rows.values());
}

template <class T>
void entropy_bonus(test_case<T>& test) {
  matrix<T> const mask = test.rows("mask");
  flags const counts(test.flat("mask"));
  std::size_t const length = mask.at(0).size();
  std::vector<T> const logits = test.flat("logits");
  std::size_t const positions = mask.size() * length;
  logit_rows<T> rows(logits, logits.size() / positions);
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i <= mask.size(); ++i) offsets.push_back(static_cast<std::int64_t>(i * length));
  double const temperature = test.parameter("temperature", 1);
  logit_rows<T> unused = rows;
  std::vector<T> scale(positions);
  std::vector<T> const entropy = entropies(unused, temperature, scale);
  named_aggregation const aggregation = read_aggregation(test.parameters(), length);
  auto const statistics = aggregation.statistics(rlvr::count_batch(counts.view(), offsets));
  auto const scales = scales_by_length<T>(aggregation, statistics, static_cast<std::int64_t>(length));
  test.output("entropy_mean", rlvr::aggregate<computed_scales<T>, T>({scales.data()}, statistics, entropy,
                                                                     counts.view(), offsets, scale));
  (void)entropies(rows, temperature, scale);
  std::vector<T> gradient = rows.values();
  for (std::size_t i = 0; i < gradient.size(); ++i)
    if (!counts[i / rows.vocabulary]) gradient[i] = T(0);
  test.gradient("logits", gradient);
}

template <class T>
void sum_pi_squared(test_case<T>& test) {
  logit_rows<T> rows(test.rows("logits"));
  T const inverse = static_cast<T>(1 / test.parameter("temperature", 1));
  test.output("sum_pi_squared", row_numbers<sum_of_squares_rule>(rows, inverse, test.flat("grad_out")));
  test.gradient("logits", rows.values());
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
