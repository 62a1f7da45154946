// SPDX-License-Identifier: MIT
#include <rlvr/train/evaluate.hpp>
#include <rlvr/train/trainer.hpp>

#include <cmath>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;

namespace {

struct recorder {
  std::vector<train::step_record> steps;
  void on_step(train::step_record const& record) { steps.push_back(record); }
  void on_completion(train::completion_record const&) {}
  void on_message(train::message_level, std::string_view) {}
  void close() {}
};

train::step_record step_of(std::string const& phase, double tokens) {
  train::step_record record;
  record.phase = phase;
  record.set(train::metric::num_tokens, tokens);
  return record;
}

/// Runs two phases of three and two steps; what was done is appended to `log`.
train::run_state run_two_phases(recorder& sink, train::run_state const& from, std::vector<std::string>& log,
                                std::vector<train::run_state>& saved, std::uint64_t stop_after = 0) {
  train::trainer<recorder> trainer(
      sink, from,
      {.checkpoint_every = 2, .stop_requested = [&] { return stop_after && sink.steps.back().step >= stop_after; }},
      [&](train::run_state const& state) { saved.push_back(state); });
  auto const phase = [&](std::string const& name, std::uint64_t steps) {
    trainer.phase(
        steps, [&] { log.push_back(name + " begins"); },
        [&](std::uint64_t step) {
          log.push_back(name + std::to_string(step));
          return step_of(name, 10.0);
        });
  };
  phase("a", 3);
  phase("b", 2);
  return trainer.state();
}

reward::outcome outcome_of(reward::reward_class kind, double value) {
  return reward::outcome::of(value, value > 0, kind);
}

}  // namespace

TEST_CASE("phases run in order, steps count through, checkpoints come at intervals and at ends") {
  recorder sink;
  std::vector<std::string> log;
  std::vector<train::run_state> saved;
  train::run_state const end = run_two_phases(sink, {}, log, saved);
  CHECK(log == std::vector<std::string>{"a begins", "a0", "a1", "a2", "b begins", "b0", "b1"});
  CHECK(end == train::run_state{.step = 5, .phase = 2, .phase_step = 0, .num_tokens = 50});
  REQUIRE(saved.size() == 3);
  CHECK(saved[0] == train::run_state{.step = 2, .phase = 0, .phase_step = 2, .num_tokens = 20});
  CHECK(saved[1] == train::run_state{.step = 3, .phase = 1, .phase_step = 0, .num_tokens = 30});
  REQUIRE(sink.steps.size() == 5);
  CHECK(sink.steps[3].step == 4);
  CHECK(sink.steps[3].find(train::metric::num_tokens) == 40.0);
}

TEST_CASE("a resumed run does exactly what was left, from every checkpoint") {
  recorder whole;
  std::vector<std::string> all;
  std::vector<train::run_state> saved;
  run_two_phases(whole, {}, all, saved);
  for (train::run_state const& from : saved) {
    recorder sink;
    std::vector<std::string> rest;
    std::vector<train::run_state> ignored;
    train::run_state const end = run_two_phases(sink, from, rest, ignored);
    CHECK(end.step == 5);
    CHECK(end.num_tokens == 50);
    REQUIRE(rest.size() <= all.size());
    CHECK(std::vector<std::string>(all.end() - static_cast<std::ptrdiff_t>(rest.size()), all.end()) == rest);
    CHECK(sink.steps.size() == 5 - from.step);
  }
}

TEST_CASE("a requested stop saves first and says after which step") {
  recorder sink;
  std::vector<std::string> log;
  std::vector<train::run_state> saved;
  CHECK_THROWS_WITH(run_two_phases(sink, {}, log, saved, 1), Catch::Matchers::Contains("after step 1"));
  REQUIRE(saved.size() == 1);
  CHECK(saved[0] == train::run_state{.step = 1, .phase = 0, .phase_step = 1, .num_tokens = 10});
}

TEST_CASE("Avg@k, Pass@k and the interval follow from shares per prompt") {
  using reward::reward_class;
  std::vector<reward::outcome> const outcomes{
      outcome_of(reward_class::correct, 3),     outcome_of(reward_class::correct, 3),
      outcome_of(reward_class::correct, 3),     outcome_of(reward_class::wrong_label, -0.5),
      outcome_of(reward_class::bad_format, -3), outcome_of(reward_class::invalid_label, -3)};
  train::evaluation_figures const figures = train::evaluate_outcomes(outcomes, 2);
  CHECK(figures.prompts == 3);
  CHECK(figures.avg_at_k == Approx(0.5));
  CHECK(figures.pass_at_k == Approx(2.0 / 3.0));
  CHECK(figures.format_rate == Approx(4.0 / 6.0));
  CHECK(figures.mean_reward == Approx(2.5 / 6.0));
  CHECK(figures.half_interval == Approx(1.96 * std::sqrt(0.25 / 3.0)));  // shares 1, 1/2, 0: variance 1/4
  CHECK_THROWS_AS(train::evaluate_outcomes(outcomes, 4), argument_error);
  CHECK(train::evaluate_outcomes({}, 4).avg_at_k == 0.0);
}
