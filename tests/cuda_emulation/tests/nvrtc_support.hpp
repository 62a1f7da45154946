// SPDX-License-Identifier: MIT
/// @file
/// Batches of logits for objectives that are compiled at run time, on the device and on the CPU.
#pragma once

#include <rlvr/backend/cuda/runtime_objective.cuh>
#include <rlvr/kernel/token_loss.hpp>

#include "ptx_support.cuh"
#include <cstddef>
#include <cstdint>
#include <string>
#include <support/catch.hpp>
#include <vector>

/// Compiles the text here, and keeps it for NVRTC: `name` is the string.
#define RLVR_TEST_SOURCE(name, ...) \
  __VA_ARGS__                       \
  inline constexpr char const* name = #__VA_ARGS__

namespace nvrtc_test {

using emulation_test::device_array;

inline rlvr::cuda::runtime_options options() { return {.include_folder = std::string(RLVR_TEST_DATA) + "/../include"}; }

inline float value_of(std::uint64_t& seed) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return static_cast<float>(static_cast<std::int32_t>(seed >> 32)) * 0x1p-29f;
}

/// What a loss reads and writes, on the host.
struct batch {
  std::size_t rows, columns;
  std::vector<float> logits, advantage, old_log_prob, scale, log_prob, entropy;
  std::vector<std::int32_t> target;
  std::vector<rlvr::loss_value<float>> loss;

  batch(std::size_t row_count, std::size_t column_count, std::uint64_t seed)
      : rows(row_count), columns(column_count), log_prob(rows), entropy(rows), loss(rows) {
    for (std::size_t i = 0; i < rows * columns; ++i) logits.push_back(value_of(seed));
    for (std::size_t row = 0; row < rows; ++row) {
      float const x = value_of(seed);
      advantage.push_back(row % 5 == 4 ? 0.0f : x);
      old_log_prob.push_back(-std::log(static_cast<float>(columns)) - 2.0f + 0.5f * value_of(seed));
      scale.push_back(0.25f + 0.125f * static_cast<float>(row));
      target.push_back(row % 7 == 6 ? -1 : static_cast<std::int32_t>((row * 31 + 3) % columns));
    }
  }
};

constexpr float inverse_temperature = 0.8f;

/// The library's loss, compiled with this program, one thread per row.
template <class Objective>
batch on_cpu(batch values, Objective const& objective) {
  rlvr::token_records records{};
  records.target = values.target.data();
  records.scale = values.scale.data();
  records.advantage = values.advantage.data();
  records.old_log_prob = values.old_log_prob.data();
  for (std::size_t row = 0; row < values.rows; ++row)
    rlvr::kernel::token_loss_row(rlvr::single_thread_group{}, values.logits.data() + row * values.columns,
                                 values.columns, inverse_temperature, objective, records,
                                 {values.log_prob.data(), values.entropy.data(), values.loss.data()}, row);
  return values;
}

/// The same on the device by `launch(rows)`.
template <class Launch>
batch on_device(batch values, Launch const& launch) {
  device_array<float> const logits(values.logits), advantage(values.advantage), old_log_prob(values.old_log_prob),
      scale(values.scale), log_prob(values.log_prob), entropy(values.entropy);
  device_array<std::int32_t> const target(values.target);
  device_array<rlvr::loss_value<float>> const loss(values.loss);
  rlvr::cuda::runtime_loss_rows rows;
  rows.logits = {logits.get(), values.rows, values.columns};
  rows.inverse_temperature = inverse_temperature;
  rows.records.target = target.get();
  rows.records.scale = scale.get();
  rows.records.advantage = advantage.get();
  rows.records.old_log_prob = old_log_prob.get();
  rows.results = {log_prob.get(), entropy.get(), loss.get()};
  launch(rows);
  values.logits = logits.values();
  values.log_prob = log_prob.values();
  values.entropy = entropy.values();
  values.loss = loss.values();
  return values;
}

/// Sums over the vocabulary have another order on the device, and one compiler fuses products that another does not:
/// a few units in the last place of what is added, so an absolute part beside the relative one.
inline void require_close(batch const& found, batch const& expected) {
  static constexpr double relative = 2e-5, absolute = 2e-6;
  auto const close = [](float value) { return Approx(value).epsilon(relative).margin(absolute); };
  for (std::size_t i = 0; i < found.logits.size(); ++i) REQUIRE(found.logits[i] == close(expected.logits[i]));
  for (std::size_t row = 0; row < found.rows; ++row) {
    INFO("row " << row);
    CHECK(found.log_prob[row] == close(expected.log_prob[row]));
    CHECK(found.entropy[row] == close(expected.entropy[row]));
    CHECK(found.loss[row].value == close(expected.loss[row].value));
    CHECK(found.loss[row].d_log_prob == close(expected.loss[row].d_log_prob));
    CHECK(found.loss[row].d_entropy == close(expected.loss[row].d_entropy));
    CHECK(found.loss[row].clip == expected.loss[row].clip);
  }
}

}  // namespace nvrtc_test
