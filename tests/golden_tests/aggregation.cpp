// SPDX-License-Identifier: MIT
// Golden cases of the family aggregation.
#include "policy_loss_batch.hpp"

namespace golden {
namespace {

template <class T>
struct packed_values {
  explicit packed_values(test_case<T> const& test, char const* name)
      : values(test.flat(name)), mask(test.flat("mask")), rows(test.rows("mask").size()) {
    padded_length = values.size() / rows;
    for (std::size_t i = 0; i <= rows; ++i) offsets.push_back(static_cast<std::int64_t>(i * padded_length));
  }
  [[nodiscard]] rlvr::batch_statistics statistics() const { return rlvr::count_batch(mask.view(), offsets); }

  std::vector<T> values;
  flags mask;
  std::size_t rows;
  std::size_t padded_length = 0;
  std::vector<std::int64_t> offsets;
};

template <class T, class Aggregation>
std::pair<T, std::vector<T>> aggregate(packed_values<T> const& batch, Aggregation const& aggregation,
                                       rlvr::batch_statistics const& statistics,
                                       std::vector<std::int64_t> const& lengths = {}) {
  std::vector<T> scales(batch.values.size());
  auto longest = static_cast<std::int64_t>(batch.padded_length);
  for (std::int64_t const length : lengths) longest = std::max(longest, length);
  auto const by_length = scales_by_length<T>(aggregation, statistics, longest);
  T const loss = rlvr::aggregate<computed_scales<T>, T>({by_length.data()}, statistics, batch.values, batch.mask.view(),
                                                        batch.offsets, scales, lengths);
  return {loss, scales};
}

// Rows [first, last) alone.
template <class T>
rlvr::batch_statistics part_statistics(packed_values<T> const& batch, std::size_t first, std::size_t last) {
  std::vector<std::int64_t> offsets;
  for (std::size_t i = first; i <= last; ++i) offsets.push_back(batch.offsets[i] - batch.offsets[first]);
  auto const begin = static_cast<std::size_t>(batch.offsets[first]);
  return rlvr::count_batch(batch.mask.view().subspan(begin, static_cast<std::size_t>(offsets.back())), offsets);
}

// The weight of every position of each row, masked ones too.
template <class T>
std::vector<T> reduction_weights(test_case<T> const& test, packed_values<T> const& batch) {
  auto const reduction = test.text("reduction");
  std::vector<T> result;
  auto const put = [&](auto const& aggregation, rlvr::batch_statistics const& statistics, std::int64_t length) {
    result.insert(result.end(), batch.padded_length, scales_by_length<T>(aggregation, statistics, length).back());
  };
  auto const size = static_cast<std::size_t>(test.parameter("micro_batch_size"));
  rlvr::batch_statistics prompts{};
  std::vector<std::int64_t> tokens_of_prompt(batch.rows);
  if (reduction == "prompt_mean") {
    for (value const& bounds : test.parameters().at("prompt_boundaries").items()) {
      auto const first = static_cast<std::size_t>(bounds.at(0).number());
      auto const last = static_cast<std::size_t>(bounds.at(1).number());
      std::int64_t const tokens = part_statistics(batch, first, last).tokens;
      prompts.add_sequence(tokens);
      for (std::size_t i = first; i < last; ++i) tokens_of_prompt[i] = tokens;
    }
  }
  for (std::size_t i = 0; i < batch.rows; ++i) {
    std::int64_t const length = part_statistics(batch, i, i + 1).tokens;
    if (reduction == "token_mean") {
      put(rlvr::token_mean{}, batch.statistics(), length);
    } else if (reduction == "sequence_mean") {
      put(rlvr::sequence_mean_token_mean{rlvr::count_rows::all}, batch.statistics(), length);
    } else if (reduction == "seq_mean_token_sum_norm") {
      auto const longest = static_cast<std::int64_t>(test.parameter("max_len"));
      put(rlvr::constant_length{longest, rlvr::count_rows::all}, batch.statistics(), length);
    } else if (reduction == "prompt_mean") {
      put(rlvr::prompt_mean{}, prompts, tokens_of_prompt[i]);
    } else if (reduction == "token_mean_legacy") {
      std::size_t const first = i / size * size;
      auto const parts = static_cast<std::int64_t>((batch.rows + size - 1) / size);
      put(rlvr::micro_batch_mean{parts}, part_statistics(batch, first, std::min(batch.rows, first + size)), length);
    } else {
      throw std::runtime_error("unknown reduction " + reduction);
    }
  }
  return result;
}

}  // namespace

void add_aggregation(registry& all) {
  all.add("aggregation", "aggregate", []<class T>(test_case<T>& test) {
    packed_values<T> const batch(test, "x");
    auto const aggregation = read_aggregation(test.parameters(), batch.padded_length);
    auto const [loss, gradient] = aggregate(batch, aggregation, aggregation.statistics(batch.statistics()));
    test.output("loss", loss);
    test.gradient("x", gradient);
  });
  all.add("aggregation", "aggregate_rollout_groups", []<class T>(test_case<T>& test) {
    packed_values<T> const batch(test, "x");
    auto const [loss, gradient] =
        aggregate(batch, rlvr::row_denominator{}, batch.statistics(), test.integers("row_denominator"));
    test.output("loss", loss);
    test.gradient("x", gradient);
  });
  all.add("aggregation", "reduction_weights", []<class T>(test_case<T>& test) {
    packed_values<T> const batch(test, "adv");
    std::vector<T> const weights = reduction_weights(test, batch);
    std::vector<T> scaled = batch.values;
    for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] *= weights[i];
    test.output("weights", weights);
    test.output("scaled", scaled);
  });
  all.add("aggregation", "grad_accumulation", []<class T>(test_case<T>& test) {
    packed_values<T> const batch(test, "x");
    auto const [loss, gradient] = aggregate(batch, rlvr::token_mean{}, batch.statistics());
    test.output("loss", loss);
    test.gradient("x", gradient);
    auto const parts = static_cast<std::size_t>(test.parameter("micro_batches"));
    double biased = 0;
    for (std::size_t k = 0; k < parts; ++k) {
      std::size_t const first = k * batch.rows / parts;
      std::size_t const last = (k + 1) * batch.rows / parts;
      auto const scales = aggregate(batch, rlvr::micro_batch_mean{static_cast<std::int64_t>(parts)},
                                    part_statistics(batch, first, last))
                              .second;
      for (auto i = static_cast<std::size_t>(batch.offsets[first]); i < static_cast<std::size_t>(batch.offsets[last]);
           ++i)
        if (batch.mask[i]) biased += static_cast<double>(scales[i]) * static_cast<double>(batch.values[i]);
    }
    test.output("biased_mean_of_micro_batch_means", static_cast<T>(biased));
  });
}

}  // namespace golden
