// SPDX-License-Identifier: MIT
/// @file
/// An objective of the library out of nvcc's kernels and out of NVRTC's: the same bits, since both compilers were given
/// the same bodies.
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/rl/objective.hpp>

#include "nvrtc_support.hpp"
#include <cstring>

using namespace nvrtc_test;

namespace nvrtc_test {

/// What `launch_rows` asks of a context.
struct default_stream {
  [[nodiscard]] cudaStream_t stream() const { return nullptr; }
};

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace nvrtc_test

TEST_CASE("nvrtc: ppo_clip has the bits of nvcc's kernel") {
  rlvr::cuda::runtime_objective const objective("// the library's", "rlvr::ppo_clip", options());
  for (auto const& [rows, columns] : {std::pair<std::size_t, std::size_t>{13, 37}, {5, 1500}, {2, 16500}}) {
    INFO(rows << " x " << columns);
    batch const values(rows, columns, rows);
    batch const at_run_time = on_device(values, [&](auto const& data) { objective.launch(nullptr, data); });
    batch const compiled = on_device(values, [&](auto const& data) {
      default_stream context;
      rlvr::cuda::launch_rows(context, data.logits.rows, data.logits.columns,
                              rlvr::kernel::token_loss_body<rlvr::ppo_clip>{
                                  data.logits, data.inverse_temperature, {}, data.records, data.results, 0});
    });
    CHECK(same_bits(at_run_time.logits, compiled.logits));
    CHECK(same_bits(at_run_time.log_prob, compiled.log_prob));
    CHECK(same_bits(at_run_time.entropy, compiled.entropy));
    for (std::size_t row = 0; row < rows; ++row) {
      CHECK(at_run_time.loss[row].value == compiled.loss[row].value);
      CHECK(at_run_time.loss[row].d_log_prob == compiled.loss[row].d_log_prob);
      CHECK(at_run_time.loss[row].clip == compiled.loss[row].clip);
    }
  }
}
