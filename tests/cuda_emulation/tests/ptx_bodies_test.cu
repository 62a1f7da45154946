// SPDX-License-Identifier: MIT
/// @file
/// The library's row bodies over a block, as nvcc translates them, against the same bodies on one thread.
#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/kernel/rms_norm.hpp>
#include <rlvr/kernel/sample.hpp>
#include <rlvr/kernel/token_loss.hpp>
#include <rlvr/rl/objective.hpp>

#include "ptx_support.cuh"
#include <cmath>
#include <cstdint>
#include <support/catch.hpp>
#include <vector>

namespace {

using emulation_test::device_array;
constexpr unsigned threads = 128;
using block = rlvr::cuda::block_group<threads>;

/// Values in about [-4, 4).
std::vector<float> make_values(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<std::int32_t>(seed >> 32)) * 0x1p-29f;
  }
  return values;
}

__global__ void norm_kernel(rlvr::kernel::rms_norm_args args) { rlvr::kernel::rms_norm_row(block{}, args, blockIdx.x); }

__global__ void sample_kernel(rlvr::matrix_view<float const> logits, rlvr::sampling_settings settings, std::int32_t* id,
                              float* mass) {
  std::size_t const row = blockIdx.x;
  block const group;
  rlvr::kernel::sampled_token const token =
      rlvr::kernel::sample_row(group, logits.row(row), logits.columns, settings, 0x9e3779b97f4a7c15ull * (row + 1));
  group.once([&] {
    id[row] = token.id;
    mass[row] = token.kept_mass;
  });
}

__global__ void loss_kernel(rlvr::matrix_view<float> logits, rlvr::ppo_clip objective, rlvr::token_records records,
                            rlvr::token_results results) {
  std::size_t const row = blockIdx.x;
  rlvr::kernel::token_loss_row(block{}, logits.row(row), logits.columns, 0.8f, objective, records, results, row);
}

}  // namespace

TEST_CASE("ptx: rms_norm_row over a block") {
  constexpr std::size_t rows = 5, columns = 301;
  std::vector<float> const input = make_values(rows * columns, 1), weight = make_values(columns, 2);
  device_array<float> const device_input(input), device_weight(weight);
  device_array<float> output{std::vector<float>(rows * columns)}, inverse{std::vector<float>(rows)};
  norm_kernel<<<rows, threads>>>(
      {{device_input.get(), rows, columns}, device_weight.get(), {output.get(), rows, columns}, inverse.get(), 1e-6f});
  std::vector<float> expected(rows * columns), expected_inverse(rows);
  for (std::size_t row = 0; row < rows; ++row)
    rlvr::kernel::rms_norm_row(rlvr::single_thread_group{},
                               rlvr::kernel::rms_norm_args{{input.data(), rows, columns},
                                                           weight.data(),
                                                           {expected.data(), rows, columns},
                                                           expected_inverse.data(),
                                                           1e-6f},
                               row);
  std::vector<float> const found = output.values(), found_inverse = inverse.values();
  for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == Approx(expected[i]).epsilon(1e-5));
  for (std::size_t i = 0; i < rows; ++i) REQUIRE(found_inverse[i] == Approx(expected_inverse[i]).epsilon(1e-5));
}

TEST_CASE("ptx: sample_row over a block draws the same tokens") {
  constexpr std::size_t rows = 4, columns = 777;
  std::vector<float> const logits = make_values(rows * columns, 3);
  device_array<float> const device_logits(logits);
  rlvr::sampling_settings settings;
  settings.top_k = 50;
  settings.top_p = 0.9f;
  settings.temperature = 0.7f;
  for (int run = 0; run < 2; ++run, settings = {}) {
    device_array<std::int32_t> id{std::vector<std::int32_t>(rows)};
    device_array<float> mass{std::vector<float>(rows)};
    sample_kernel<<<rows, threads>>>({device_logits.get(), rows, columns}, settings, id.get(), mass.get());
    std::vector<std::int32_t> const found = id.values();
    std::vector<float> const found_mass = mass.values();
    for (std::size_t row = 0; row < rows; ++row) {
      auto const expected = rlvr::kernel::sample_row(rlvr::single_thread_group{}, logits.data() + row * columns,
                                                     columns, settings, 0x9e3779b97f4a7c15ull * (row + 1));
      CHECK(found[row] == expected.id);
      CHECK(found_mass[row] == Approx(expected.kept_mass));
    }
  }
}

TEST_CASE("ptx: token_loss_row over a block") {
  constexpr std::size_t rows = 6, columns = 517;
  std::vector<float> const logits = make_values(rows * columns, 4);
  std::vector<std::int32_t> const target{3, 516, -1, 0, 77, 128};
  std::vector<float> const advantage{1.0f, -0.5f, 2.0f, 0.25f, -2.0f, 0.0f},
      old_log_prob{-7.0f, -8.0f, -1.0f, -6.5f, -5.0f, -9.0f};
  device_array<float> device_logits(logits);
  device_array<std::int32_t> const device_target(target);
  device_array<float> const device_advantage(advantage), device_old(old_log_prob);
  device_array<float> log_prob{std::vector<float>(rows)}, entropy{std::vector<float>(rows)};
  rlvr::token_records records{}, device_records{};
  device_records.target = device_target.get();
  device_records.advantage = device_advantage.get();
  device_records.old_log_prob = device_old.get();
  records.target = target.data();
  records.advantage = advantage.data();
  records.old_log_prob = old_log_prob.data();
  loss_kernel<<<rows, threads>>>({device_logits.get(), rows, columns}, rlvr::ppo_clip{}, device_records,
                                 {log_prob.get(), entropy.get(), nullptr});
  std::vector<float> expected = logits, expected_log_prob(rows), expected_entropy(rows);
  for (std::size_t row = 0; row < rows; ++row)
    rlvr::kernel::token_loss_row(rlvr::single_thread_group{}, expected.data() + row * columns, columns, 0.8f,
                                 rlvr::ppo_clip{}, records,
                                 {expected_log_prob.data(), expected_entropy.data(), nullptr}, row);
  std::vector<float> const found = device_logits.values();
  for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == Approx(expected[i]).epsilon(2e-4).margin(1e-7));
  for (std::size_t row = 0; row < rows; ++row) {
    CHECK(log_prob.values()[row] == Approx(expected_log_prob[row]).epsilon(1e-5));
    CHECK(entropy.values()[row] == Approx(expected_entropy[row]).epsilon(1e-4));
  }
}
