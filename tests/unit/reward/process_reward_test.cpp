// SPDX-License-Identifier: MIT
// Step scores, their use, and search: the numbers of arXiv 2503.21295.
#include <rlvr/reward/process_reward.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using text_reply = judge_reply<std::string>;
using choice_reply = judge_reply<choice_probabilities>;
using score_reply = judge_reply<step_score>;

/// A judge of two logits per draw, over a vocabulary with other tokens.
struct logits_judge {
  std::vector<double> gap;
  double others = 0;  ///< mass of all other tokens
  std::vector<std::string>* seen = nullptr;

  choice_reply choose(choice_request const& request) const {
    if (seen) seen->push_back(std::string(request.text));
    double const yes = two_token_probability(gap[request.sample % gap.size()], 0) * (1 - others);
    return choice_probabilities{{yes, 1 - others - yes}, std::nullopt};
  }
};

auto const asks = [](step_request const&) -> text_reply {
  return "Fine so far.\n" + std::string(step_question) + " Yes, clearly";
};

std::vector<std::string> const two_steps{"x = 1", "x + 1 = 3"};

}  // namespace

TEST_CASE("the probability of one of two tokens") {
  CHECK(two_token_probability(2, 0) == Approx(0.880797078).epsilon(1e-8));
  CHECK(two_token_probability(3, 4) == Approx(0.268941421).epsilon(1e-8));
  CHECK((two_token_probability(2, 0) + two_token_probability(-1, 0)) / 2 == Approx(0.574869).epsilon(1e-6));
  CHECK(two_token_probability(5, 5) == 0.5);
  CHECK(two_token_probability(1e308, -1e308) == 1);
  CHECK(two_token_probability(-1e308, 1e308) == 0);
  CHECK(two_token_probability(-745, 0) > 0);
  CHECK(two_token_probability(0, -infinity) == 1);
  CHECK(two_token_probability(-infinity, 0) == 0);
  CHECK_THROWS_AS(two_token_probability(std::nan(""), 0), rlvr::numeric_error);
  CHECK_THROWS_AS(two_token_probability(-infinity, -infinity), rlvr::numeric_error);
}

TEST_CASE("a step's score is the mean over analyses, whatever other tokens weigh") {
  step_request const request{.question = "q", .steps = two_steps};
  CHECK(step_scorer{asks, logits_judge{{2, -1}}, 2}(request)->value == Approx(0.574869).epsilon(1e-6));
  CHECK(step_scorer{asks, logits_judge{{2, -1}, 0.75}, 2}(request)->value == Approx(0.574869).epsilon(1e-6));
  CHECK(step_scorer{asks, logits_judge{{2, -1}}, 10}(request)->used == 10);
  CHECK(step_scorer{asks, logits_judge{{2, -1}}}.analyses == 10);
  CHECK_THROWS_AS((step_scorer{asks, logits_judge{{0}}, 0}(request)), rlvr::argument_error);
  CHECK_THROWS_AS((step_scorer{asks, logits_judge{{0}}}(step_request{.question = "q"})), rlvr::argument_error);
}

TEST_CASE("an analysis is cut after its last question; the steps stand fenced") {
  std::vector<std::string> seen;
  step_request const request{.question = "q<|im_end|>", .steps = two_steps, .sample = 3};
  auto const quoting = [](step_request const& r) -> text_reply {
    std::string const ask(step_question);
    return std::to_string(r.sample) + " I shall answer \"" + ask + "\" now.\n" + ask + " No";
  };
  REQUIRE(step_scorer{quoting, logits_judge{{0}, 0, &seen}, 2}(request).has_value());
  REQUIRE(seen.size() == 2);
  CHECK_THAT(seen[0], Catch::EndsWith("now.\n" + std::string(step_question)));
  CHECK_THAT(seen[0], Contains("6 I shall answer"));
  CHECK_THAT(seen[1], Contains("7 I shall answer"));
  CHECK_THAT(seen[0], Contains("<previous_step") && Contains("\nx = 1\n") && Contains("<current_step") &&
                          Contains("\nx + 1 = 3\n") && Contains("q&lt;|im_end|>"));
}

TEST_CASE("an analysis without the question is left out or completed") {
  step_request const request{.question = "q", .steps = two_steps};
  auto const rambles = [](step_request const& r) -> text_reply {
    return r.sample == 1 ? std::string("well, \n\n") : "ok\n" + std::string(step_question);
  };
  step_scorer scorer{rambles, logits_judge{{1, -5, 1}}, 3};
  auto const skipping = scorer(request);
  CHECK(skipping->value == Approx(two_token_probability(1, 0)));
  CHECK(skipping->used == 2);
  CHECK(skipping->skipped == 1);
  scorer.without_question = missing_question::append;
  CHECK(scorer(request)->value == Approx((2 * two_token_probability(1, 0) + two_token_probability(-5, 0)) / 3));
  CHECK_THAT(scorer.prompt(request, "well, \n\n"), Catch::EndsWith("well,\n" + std::string(step_question)));
  auto const silent = [](step_request const&) -> text_reply { return std::string(); };
  CHECK(step_scorer{silent, logits_judge{{0}}}(request).reason() == "no analysis asks whether the step is correct");
}

TEST_CASE("a critic or a judge that fails has no score") {
  step_request const request{.question = "q", .steps = two_steps};
  struct failing {
    choice_reply choose(choice_request const&) const { return choice_reply::late("5 s"); }
  };
  struct zero {
    choice_reply choose(choice_request const&) const { return choice_probabilities{{0, 0}, std::nullopt}; }
  };
  CHECK(step_scorer{asks, failing{}}(request).status() == outcome_status::timed_out);
  CHECK(step_scorer{asks, zero{}}(request).reason() == "both answers have probability 0");
  auto const throws = [](step_request const&) -> text_reply { throw std::runtime_error("no memory"); };
  CHECK(step_scorer{throws, zero{}}(request).reason() == "no memory");
}

TEST_CASE("the first step below the threshold is the error") {
  std::vector<double> const scores{0.9, 0.5, 0.4999, 0.1};
  CHECK(first_error(scores) == 2u);
  CHECK(first_error(scores, 0.6) == 1u);
  CHECK_FALSE(first_error(scores, 0.1));
  CHECK_FALSE(first_error({}));
  CHECK(first_error(std::vector<double>{0.9, std::nan("")}) == 1u);  // no score is no proof
}

TEST_CASE("scores of a solution") {
  std::vector<double> const scores{0.5, 0.8, 0.6};
  CHECK(solution_score(scores, solution_aggregate::min) == 0.5);
  CHECK(solution_score(scores, solution_aggregate::product) == Approx(0.24));
  CHECK(solution_score(scores, solution_aggregate::last) == 0.6);
  CHECK(solution_score(scores, solution_aggregate::mean) == Approx(1.9 / 3));
  CHECK_THROWS_AS(solution_score({}, solution_aggregate::min), rlvr::argument_error);
}

TEST_CASE("blank lines part the steps of a response") {
  using steps = std::vector<std::string>;
  CHECK(split_steps("a\nb\n\nc", 9) == steps{"a\nb", "c"});
  CHECK(split_steps("\n\n a \r\n \t\r\n\r\n\nb\n", 9) == steps{"a", "b"});
  CHECK(split_steps("a\n\n\xE2\x80\x8B\n\nb", 9) == steps{"a", "b"});
  CHECK(split_steps("", 9).empty());
  CHECK(split_steps("\n \n", 9).empty());
  CHECK(split_steps("a\n\nb\n\nc", 2) == steps{"a", "b"});
  CHECK(split_steps("a\n\nb", 2) == steps{"a", "b"});
  CHECK(split_steps("a\n\nb", 0).empty());
}

TEST_CASE("the scores of a response's steps are its reward") {
  struct sample {
    std::string_view completion;
    std::string_view prompt{};
    std::string_view prefill{};
  };
  std::vector<std::size_t> lengths;
  auto const by_text = [&](step_request const& request) -> score_reply {
    lengths.push_back(request.steps.size());
    if (request.steps.back() == "late") return score_reply::late("9 s");
    if (request.question != "q") return score_reply::failed("no question");
    return step_score{.value = std::stod(request.steps.back()), .used = 1};
  };
  outcome const right = process_reward{by_text}(sample{"0.9\n\n0.6", "q"});
  CHECK(right.value == 0.6);
  CHECK(right.passed);
  CHECK(lengths == std::vector<std::size_t>{1, 2});
  outcome const wrong = process_reward{by_text, solution_aggregate::mean}(sample{"0.9\n\n0.2\n\n0.4", "q"});
  CHECK(wrong.value == Approx(0.5));
  CHECK_FALSE(wrong.passed);
  CHECK(wrong.diagnosis == "step 2 is called wrong");
  CHECK(wrong.parts == std::vector<outcome_part>{{"steps", 3}, {"right_steps", 1}});
  outcome const late = process_reward{by_text}(sample{"0.9\n\nlate", "q"});
  CHECK(late.status == outcome_status::timed_out);
  CHECK(late.diagnosis == "step 2: 9 s");
  CHECK(process_reward{by_text}(sample{"x", "q"}).status == outcome_status::error);  // stod throws
  CHECK(process_reward{by_text}(sample{"nan", "q"}).status == outcome_status::error);
  CHECK(process_reward{by_text}(sample{" \n", "q"}).kind == reward_class::bad_format);
  process_reward limited{by_text};
  limited.max_steps = 2;
  CHECK(limited(sample{"0.9\n\n0.8", "q"}).value == 0.8);
  lengths.clear();
  CHECK(limited(sample{"0.9\n\n0.8\n\n0.7", "q"}).diagnosis == "the response has more than 2 steps");
  CHECK(lengths.empty());
}

TEST_CASE("the F1 of ProcessBench") {
  CHECK(process_bench_f1(72.0, 91.7) == Approx(80.66).margin(0.005));
  CHECK(process_bench_f1(66.2, 92.7) == Approx(77.24).margin(0.005));
  CHECK(process_bench_f1(0, 0.9) == 0);
  CHECK(process_bench_f1(0.9, 0) == 0);
  process_bench_counts counts;
  CHECK(counts.f1() == 0);
  counts.add(2, 2);
  counts.add(1, 2);             // an error, but another step
  counts.add(std::nullopt, 0);  // called right
  counts.add(std::nullopt, std::nullopt);
  counts.add(0, std::nullopt);
  CHECK(counts.erroneous_accuracy() == Approx(1.0 / 3));
  CHECK(counts.correct_accuracy() == 0.5);
  CHECK(counts.f1() == Approx(0.4));
}

TEST_CASE("the best of n passes over failures and takes the first of equals") {
  using reply = judge_reply<double>;
  CHECK(best_of_n(std::vector<reply>{0.2, 0.7, 0.7, 0.1}) == 1u);
  CHECK(best_of_n(std::vector<reply>{reply::failed("x"), -1.0, reply::late("y")}) == 1u);
  CHECK(best_of_n(std::vector<reply>{std::nan(""), -5.0}) == 1u);
  CHECK_FALSE(best_of_n(std::vector<reply>{reply::failed("x")}));
  CHECK_FALSE(best_of_n(std::vector<reply>{}));
}

TEST_CASE("guided search with an exact scorer finds the best leaf of a tree") {
  // Each path of digits has a value; the scorer knows the best value below a path.
  std::mt19937 random(3);
  constexpr std::size_t depth = 4, width = 3;
  for (int round = 0; round < 20; ++round) {
    std::vector<double> leaf(81);
    for (double& value : leaf) value = std::uniform_real_distribution<double>(0, 1)(random);
    std::function<double(std::size_t, std::size_t)> const best = [&](std::size_t index, std::size_t level) -> double {
      if (level == depth) return leaf[index];
      double value = 0;
      for (std::size_t child = 0; child < width; ++child)
        value = std::max(value, best(index * width + child, level + 1));
      return value;
    };
    auto const index_of = [](std::span<std::string const> steps) {
      std::size_t index = 0;
      for (std::string const& step : steps) index = index * width + static_cast<std::size_t>(step[0] - '0');
      return index;
    };
    auto const policy = [](std::string_view, std::span<std::string const> steps, std::size_t) {
      std::vector<proposed_step> proposals;
      for (char const digit : {'2', '0', '1', '0'})
        proposals.push_back({.text = std::string(1, digit), .final = steps.size() + 1 == depth});
      return proposals;
    };
    auto const scorer = [&](step_request const& request) -> score_reply {
      return step_score{.value = best(index_of(request.steps), request.steps.size()), .used = 1};
    };
    guided_solution const found = guided_search("q", policy, scorer);
    CHECK(found.end == search_end::finished);
    CHECK(leaf[index_of(found.steps)] == *std::max_element(leaf.begin(), leaf.end()));
    CHECK(found.duplicates == depth);
    CHECK(found.scored == depth * width);
    CHECK(found.scores.size() == depth);
    CHECK(guided_search("q", policy, scorer).steps == found.steps);
  }
}

TEST_CASE("guided search drops what is no step, and says how it ended") {
  auto const proposes = [](std::vector<std::string> texts) {
    return [texts](std::string_view, std::span<std::string const>, std::size_t count) {
      std::vector<proposed_step> proposals;
      for (std::size_t i = 0; i < texts.size() && i < count; ++i) proposals.push_back({texts[i], false});
      return proposals;
    };
  };
  auto const constant = [](step_request const&) -> score_reply { return step_score{.value = 0.5, .used = 1}; };
  auto const drops = proposes({"\xFF", " ", "bad\x01", "good", " good\n", "other"});
  guided_solution const limited = guided_search("q", drops, constant, {.max_steps = 2});
  CHECK(limited.end == search_end::step_limit);
  CHECK(limited.steps == std::vector<std::string>{"good", "good"});  // the first of equals
  CHECK(limited.unusable == 6);
  CHECK(limited.duplicates == 2);
  CHECK(limited.scored == 4);
  CHECK(guided_search("q", proposes({}), constant).end == search_end::no_candidate);
  CHECK(guided_search("q", proposes({"\x01"}), constant).end == search_end::no_candidate);
  auto const fails = [](step_request const&) { return score_reply::failed("down"); };
  guided_solution const unscored = guided_search("q", proposes({"a", "b"}), fails);
  CHECK(unscored.end == search_end::no_score);
  CHECK(unscored.diagnosis == "down");
  CHECK(unscored.score_failures == 2);
  CHECK(unscored.steps.empty());
  // One candidate's failure is its own, NaN included.
  auto const partly = [](step_request const& request) -> score_reply {
    if (request.steps.back() == "a") throw std::runtime_error("a failed");
    return step_score{.value = request.steps.back() == "b" ? std::nan("") : 0.1, .used = 1};
  };
  CHECK(guided_search("q", proposes({"a", "b", "c"}), partly, {.max_steps = 1}).steps == std::vector<std::string>{"c"});
  // Time for one round of scores.
  static std::int64_t time = 0;
  auto const slow = [](step_request const&) -> score_reply {
    ++time;
    return step_score{.value = 0.5, .used = 1};
  };
  guided_search_options hurried{.call = {.now = [] { return time; }, .deadline = 2}};
  guided_solution const stopped = guided_search("q", proposes({"a", "b", "c"}), slow, hurried);
  CHECK(stopped.end == search_end::no_time);
  CHECK(stopped.steps == std::vector<std::string>{"a"});
  CHECK(stopped.scored == 3);
  CHECK(stopped.score_failures == 1);
  CHECK_THROWS_AS(guided_search("q", drops, constant, {.max_steps = 0}), rlvr::argument_error);
  CHECK_THROWS_AS(guided_search("q", drops, constant, {.candidates = 0}), rlvr::argument_error);
}
