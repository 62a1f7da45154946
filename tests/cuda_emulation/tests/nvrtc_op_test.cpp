// SPDX-License-Identifier: MIT
/// @file
/// The op over a head with an objective that was compiled at run time, beside the same op with the same objective
/// compiled with this program.  Products and everything else run on the engine, the loss on the interpreter.
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/backend/cuda/runtime_ops.cuh>
#include <rlvr/rl/differentiate.hpp>

#include "nvrtc_support.hpp"

using namespace nvrtc_test;

RLVR_TEST_SOURCE(
    bent_source, struct bent_ratio {
      double width = 0.3;
      template <class T>
      T operator()(rlvr::token_sample<T> s) const {
        return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width) - 0.01 * s.entropy;
      }
    };);

namespace {

constexpr std::size_t width = 24, vocabulary = 51;

struct result {
  std::vector<float> hidden_gradient, weight_gradient;
  std::vector<rlvr::loss_value<float>> loss;
};

/// Chunks of four rows: the last one is smaller.
template <class Objective>
result run_op(rlvr::cuda::context& context, Objective const& objective) {
  batch const values(10, vocabulary, 3);
  std::uint64_t seed = 8;
  std::vector<float> hidden(values.rows * width), weight(vocabulary * width);
  for (float& x : hidden) x = value_of(seed);
  for (float& x : weight) x = 0.25f * value_of(seed);
  device_array<float> const device_hidden(hidden), device_weight(weight), advantage(values.advantage),
      old_log_prob(values.old_log_prob), scale(values.scale), hidden_gradient(hidden),
      weight_gradient(std::vector<float>(weight.size()));
  device_array<std::int32_t> const target(values.target);
  device_array<rlvr::loss_value<float>> const loss(values.loss);
  rlvr::execute(
      context, rlvr::ops::linear_policy_loss<Objective>{.head = {.hidden = {device_hidden.get(), values.rows, width},
                                                                 .weight = {device_weight.get(), vocabulary, width},
                                                                 .temperature = 1.25f,
                                                                 .chunk_rows = 4},
                                                        .objective = objective,
                                                        .records = {.target = target.get(),
                                                                    .scale = scale.get(),
                                                                    .advantage = advantage.get(),
                                                                    .old_log_prob = old_log_prob.get()},
                                                        .results = {.loss = loss.get()},
                                                        .hidden_gradient = {hidden_gradient.get(), values.rows, width},
                                                        .weight_gradient = {weight_gradient.get(), vocabulary, width}});
  return {hidden_gradient.values(), weight_gradient.values(), loss.values()};
}

void require_close_results(result const& found, result const& expected) {
  auto const close = [](float value) { return Approx(value).epsilon(1e-4).margin(1e-5); };
  for (std::size_t i = 0; i < found.hidden_gradient.size(); ++i)
    REQUIRE(found.hidden_gradient[i] == close(expected.hidden_gradient[i]));
  for (std::size_t i = 0; i < found.weight_gradient.size(); ++i)
    REQUIRE(found.weight_gradient[i] == close(expected.weight_gradient[i]));
  for (std::size_t i = 0; i < found.loss.size(); ++i) REQUIRE(found.loss[i].value == close(expected.loss[i].value));
}

}  // namespace

TEST_CASE("nvrtc: linear_policy_loss takes an objective that was compiled at run time") {
  rlvr::cuda::context context;
  rlvr::cuda::runtime_objective const plain(bent_source, "rlvr::differentiated<bent_ratio>", options());
  require_close_results(run_op(context, rlvr::cuda::runtime_loss<>{&plain}),
                        run_op(context, rlvr::differentiate(bent_ratio{})));

  auto with_parameters = options();
  with_parameters.parameter_bytes = sizeof(double);
  rlvr::cuda::runtime_objective const filled(bent_source, "rlvr::differentiated<bent_ratio>", with_parameters);
  require_close_results(run_op(context, rlvr::cuda::runtime_loss<double>{&filled, 0.05}),
                        run_op(context, rlvr::differentiate(bent_ratio{0.05})));
}
