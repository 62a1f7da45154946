// SPDX-License-Identifier: MIT
// The kernel bodies on a group of real threads agree with one thread.  Built with ThreadSanitizer this is the proof
// that they synchronise where a CUDA block must.
#include <rlvr/kernel/elementwise.hpp>
#include <rlvr/kernel/rms_norm.hpp>
#include <rlvr/kernel/sample.hpp>
#include <rlvr/kernel/token_loss.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include <support/host_threads_group.hpp>
#include <unit/ops/harness.hpp>

namespace {

using rlvr::single_thread_group;
using test::guarded;
using test::run_on_host_threads;

constexpr std::size_t thread_counts[] = {1, 2, 3, 5};

}  // namespace

TEST_CASE("host threads: reductions, ranges and once") {
  for (std::size_t const threads : thread_counts)
    for (std::size_t const n : test::sizes{0, 1, 2, 3, 4, 5, 17}) {
      INFO("threads=" << threads << " n=" << n);
      std::vector<int> visits(n);
      std::vector<int> sums(threads), maxima(threads);
      int calls = 0;
      run_on_host_threads(threads, [&](auto const& group) {
        group.for_each(n, [&](std::size_t i) { ++visits[i]; });
        int const sum = group.sum(n, [](std::size_t i) { return static_cast<int>(i) + 1; });
        int const largest = group.max(n, [](std::size_t i) { return static_cast<int>(i * 7 % 5); });
        group.once([&] { ++calls; });
        group.sync();
        group.for_each(threads, [&](std::size_t own_index) {  // one index for each thread
          sums[own_index] = sum;
          maxima[own_index] = largest;
        });
      });
      CHECK(calls == 1);
      int expected = std::numeric_limits<int>::lowest();
      for (std::size_t i = 0; i < n; ++i) expected = std::max(expected, static_cast<int>(i * 7 % 5));
      for (std::size_t i = 0; i < threads; ++i) {
        CHECK(sums[i] == static_cast<int>(n * (n + 1) / 2));
        CHECK(maxima[i] == expected);
      }
      for (int const count : visits) CHECK(count == 1);
    }
}

TEST_CASE("host threads: RMSNorm and its gradient, apart and in place") {
  for (std::size_t const threads : thread_counts)
    for (std::size_t const width : test::sizes{1, 3, 16, 131}) {
      INFO("threads=" << threads << " width=" << width);
      std::mt19937 engine(static_cast<unsigned>(width));
      guarded x(3, width), w(1, width), dy(3, width), expected(3, width), expected_dx(3, width), inverse(1, 3);
      x.randomise(engine);
      w.randomise(engine);
      dy.randomise(engine);
      auto const forward = [&](guarded& in, guarded& out, float* rms) {
        return rlvr::kernel::rms_norm_args{in.view(), w.data(), out.view(), rms, 1e-5f};
      };
      auto const backward = [&](guarded& in, guarded& out, float* rms) {
        return rlvr::kernel::rms_norm_gradient_args{x.view(), w.data(), rms, in.view(), out.view(), false};
      };
      for (std::size_t row = 0; row < 3; ++row) {
        rlvr::kernel::rms_norm_row(single_thread_group{}, forward(x, expected, inverse.data()), row);
        rlvr::kernel::rms_norm_gradient_row(single_thread_group{}, backward(dy, expected_dx, inverse.data()), row);
      }
      guarded y = x, dx = dy, own_inverse(1, 3), weight_gradient(1, width), expected_weight_gradient(1, width);
      weight_gradient.fill(0.0f);
      expected_weight_gradient.fill(0.0f);
      rlvr::kernel::rms_norm_weight_gradient_columns(single_thread_group{}, x.view(), inverse.data(), dy.view(),
                                                     expected_weight_gradient.data(), 0, width);
      run_on_host_threads(threads, [&](auto const& group) {
        for (std::size_t row = 0; row < 3; ++row)
          rlvr::kernel::rms_norm_row(group, forward(y, y, own_inverse.data()), row);
        for (std::size_t row = 0; row < 3; ++row)
          rlvr::kernel::rms_norm_gradient_row(group, backward(dx, dx, inverse.data()), row);
        rlvr::kernel::rms_norm_weight_gradient_columns(group, x.view(), inverse.data(), dy.view(),
                                                       weight_gradient.data(), 0, width);
      });
      RLVR_CHECK_CLOSE(y.view(), reference::copy_of(expected.view()), width);
      RLVR_CHECK_CLOSE(dx.view(), reference::copy_of(expected_dx.view()), width, 4.0);
      RLVR_CHECK_CLOSE(own_inverse.view(), reference::copy_of(inverse.view()), width, 4.0);
      CHECK(test::same_bits(weight_gradient.view(), expected_weight_gradient.view()));
    }
}

TEST_CASE("host threads: element-wise bodies have the same bits") {
  std::mt19937 engine(8);
  constexpr std::size_t width = 36;
  guarded gate(1, width), up(1, width), d(1, width), table(2, 3), bias(1, width);
  for (guarded* g : {&gate, &up, &d, &table, &bias}) g->randomise(engine);
  std::int32_t const position = 1;
  auto const run = [&](auto const& run_body) {
    std::vector<guarded> results{gate, up, guarded(1, width), gate, gate};
    run_body([&](auto const& group) {
      rlvr::kernel::swiglu_row(group, gate.data(), up.data(), results[2].data(), width);
      rlvr::kernel::swiglu_gradient_row(group, results[0].data(), results[1].data(), d.data(), results[0].data(),
                                        results[1].data(), width);
      rlvr::kernel::rope_row(group,
                             rlvr::kernel::rope_args{results[3].view(), &position, table.view(), table.view(), 1}, 0);
      rlvr::kernel::add_bias_row(group, results[4].data(), bias.data(), width);
    });
    return results;
  };
  auto expected = run([](auto const& body) { body(single_thread_group{}); });
  for (std::size_t const threads : thread_counts) {
    auto results = run([&](auto const& body) { run_on_host_threads(threads, body); });
    for (std::size_t i = 0; i < results.size(); ++i) CHECK(test::same_bits(results[i].view(), expected[i].view()));
  }
}

TEST_CASE("host threads: the token loss agrees, rows in a row, masked ones between them") {
  auto const objective = rlvr::entropy_regularised{rlvr::ppo_clip{}, 0.3};
  for (std::size_t const threads : thread_counts)
    for (std::size_t const vocabulary : test::sizes{1, 2, 5, 64, 1001}) {
      INFO("threads=" << threads << " vocabulary=" << vocabulary);
      std::mt19937 engine(static_cast<unsigned>(vocabulary));
      constexpr std::size_t rows = 6;
      guarded logits(rows, vocabulary);
      logits.randomise(engine, 4.0f);
      std::vector<std::int32_t> target(rows);
      std::vector<float> advantage(rows, 0.8f);
      for (std::size_t i = 0; i < rows; ++i) target[i] = i == 2 ? -1 : static_cast<std::int32_t>(engine() % vocabulary);
      rlvr::token_records const records{.target = target.data(), .advantage = advantage.data()};
      auto const run = [&](auto const& run_body) {
        guarded all = logits;
        guarded scalars(4, rows);
        run_body([&](auto const& group) {
          for (std::size_t i = 0; i < rows; ++i) {
            rlvr::kernel::token_log_prob_row(group, all.view().row(i), vocabulary, 0.8f, target[i],
                                             scalars.view().row(2) + i, scalars.view().row(3) + i);
            rlvr::kernel::token_loss_row(
                group, all.view().row(i), vocabulary, 0.8f, objective, records,
                rlvr::token_results{.log_prob = scalars.view().row(0), .entropy = scalars.view().row(1)}, i);
          }
        });
        return std::pair{all, scalars};
      };
      auto expected = run([](auto const& body) { body(single_thread_group{}); });
      auto found = run([&](auto const& body) { run_on_host_threads(threads, body); });
      RLVR_CHECK_CLOSE(found.first.view(), reference::copy_of(expected.first.view()), vocabulary, 2.0);
      RLVR_CHECK_CLOSE(found.second.view(), reference::copy_of(expected.second.view()), vocabulary, 8.0);
    }
}

TEST_CASE("host threads: every group draws the same token") {
  std::mt19937 engine(12);
  std::vector<rlvr::sampling_settings> const settings{{},
                                                      {.temperature = 0.0f},
                                                      {.temperature = 0.7f, .top_k = 5},
                                                      {.top_p = 0.8f},
                                                      {.top_k = 20, .top_p = 0.9f, .min_p = 0.05f},
                                                      {.vocabulary_limit = 3}};
  for (std::size_t const vocabulary : test::sizes{1, 2, 7, 333}) {
    std::vector<float> logits(vocabulary);
    for (float& l : logits) l = static_cast<float>(engine() % 800) / 100.0f;
    for (rlvr::sampling_settings const& s : settings)
      for (std::uint64_t draw = 0; draw < 4; ++draw) {
        std::uint64_t const bits = (std::uint64_t{engine()} << 32) | engine();
        auto const expected = rlvr::kernel::sample_row(single_thread_group{}, logits.data(), vocabulary, s, bits);
        for (std::size_t const threads : test::sizes{2, 3}) {
          std::vector<rlvr::kernel::sampled_token> tokens(threads);
          run_on_host_threads(threads, [&](auto const& group) {
            auto const token = rlvr::kernel::sample_row(group, logits.data(), vocabulary, s, bits);
            group.for_each(threads, [&](std::size_t i) { tokens[i] = token; });
          });
          for (auto const& token : tokens) CHECK((token.id == expected.id && token.kept_mass == expected.kept_mass));
        }
      }
  }
}
