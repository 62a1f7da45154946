// SPDX-License-Identifier: MIT
// A model as a judge: its probabilities against the logits of a reference implementation, in the golden files.
#include <rlvr/cpu.hpp>
#include <rlvr/reward/process_reward.hpp>
#include <rlvr/reward/soft_judge.hpp>
#include <rlvr/train/model_judge.hpp>
#include <rlvr/train/pretrained.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;

namespace {

using judge_ids = std::vector<std::int32_t>;
using cpu_judge = train::model_judge<cpu::context>;
static_assert(reward::choice_judge<cpu_judge>);

/// Ids as text: "3 14 15".
judge_ids ids_of_text(std::string_view text) {
  std::istringstream in{std::string(text)};
  judge_ids ids;
  for (std::int32_t id; in >> id;) ids.push_back(id);
  return ids;
}

struct judge_fixture {
  explicit judge_fixture(std::string const& name, train::choice_scope scope = train::choice_scope::choices)
      : folder(RLVR_TEST_DATA "/models/" + name),
        golden(nlohmann::json::parse(std::ifstream(folder + "/golden.json"))),
        weights(train::load_pretrained(folder, context)),
        judge(context, weights, ids_of_text, scope) {}

  cpu::context context{1};
  std::string folder;
  nlohmann::json golden;
  model::parameters<host_memory> weights;
  cpu_judge judge;
};

}  // namespace

TEST_CASE("a model's choice probabilities are those of the reference's logits") {
  for (char const* const name : {"tiny-llama", "tiny-qwen2", "tiny-qwen3", "tiny-smollm2"}) {
    INFO(name);
    judge_fixture const over_choices(name);
    judge_fixture const over_vocabulary(name, train::choice_scope::vocabulary);
    double const tolerance = 4 * over_choices.golden["tolerance"]["f32"]["logits_atol"].get<double>();
    std::size_t checked = 0, unparsable = 0;
    for (auto const& sequence : over_choices.golden["sequences"]) {
      judge_ids const whole = sequence["ids"].get<judge_ids>();
      for (auto const& [position, values] : sequence["logits"].items()) {
        std::size_t const length = std::stoul(position) + 1;
        judge_ids const text(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        std::vector<double> const logits = values.get<std::vector<double>>();
        auto const best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
        judge_ids const choices{best, (best + 17) % 200, (best + 90) % 200};
        std::vector<double> weight;
        double among = 0, all = 0;
        for (std::int32_t const choice : choices) weight.push_back(std::exp(logits[static_cast<std::size_t>(choice)]));
        for (double const each : weight) among += each;
        for (double const logit : logits) all += std::exp(logit);
        auto const narrow = over_choices.judge.choose(text, choices);
        auto const wide = over_vocabulary.judge.choose(text, choices);
        REQUIRE(narrow.has_value());
        REQUIRE(wide.has_value());
        for (std::size_t i = 0; i < choices.size(); ++i) {
          CHECK(narrow->probability[i] == Approx(weight[i] / among).margin(tolerance));
          CHECK(wide->probability[i] == Approx(weight[i] / all).margin(tolerance));
        }
        CHECK(narrow->chosen == 0u);
        auto const other = over_choices.judge.choose(text, judge_ids{choices[1], choices[2]});
        unparsable += other->chosen ? 0 : 1;
        double const p = reward::two_token_probability(logits[static_cast<std::size_t>(choices[1])],
                                                       logits[static_cast<std::size_t>(choices[2])]);
        CHECK(other->probability[0] == Approx(p).margin(tolerance));
        ++checked;
      }
    }
    CHECK(checked == 10);
    CHECK(unparsable == checked);
  }
}

TEST_CASE("a model judges through text, and serves the rewards") {
  judge_fixture at("tiny-qwen2");
  judge_ids const text{5, 9, 13, 40};
  reward::choice_request const request{.text = "5 9 13 40", .choices = {"7", "11"}};
  auto const by_text = reward::ask(at.judge, request);
  auto const by_ids = at.judge.choose(text, judge_ids{7, 11});
  REQUIRE(by_text.has_value());
  CHECK(by_text->probability == by_ids->probability);
  CHECK(by_text->probability[0] + by_text->probability[1] == Approx(1));
  // What was asked before leaves no trace.
  static_cast<void>(at.judge.choose(judge_ids{1, 2, 3, 4, 5, 6, 7, 8}, judge_ids{7, 11}));
  CHECK(at.judge.choose(text, judge_ids{7, 11})->probability == by_ids->probability);

  auto const encode = [&](std::string_view t) { return t == "YES" ? judge_ids{7} : t == "NO" ? judge_ids{11} : text; };
  reward::soft_judge_reward const soft{cpu_judge(at.context, at.weights, encode)};
  static_assert(!reward::is_thread_safe<decltype(soft)>);
  reward::outcome const result = soft(reward::reference_sample{.completion = "4", .reference = "4"});
  CHECK(*reward::find_part(result, "probability_yes") == by_ids->probability[0]);
}

TEST_CASE("what a model cannot judge is a failure or an error by name") {
  judge_fixture at("tiny-qwen2");
  CHECK(at.judge.choose(judge_ids{}, judge_ids{1}).reason() == "the text to judge is empty");
  judge_ids const longest(static_cast<std::size_t>(at.weights.config().max_position_embeddings), 3);
  CHECK(at.judge.choose(longest, judge_ids{1, 2}).has_value());
  judge_ids longer = longest;
  longer.push_back(3);
  CHECK(at.judge.choose(longer, judge_ids{1, 2}).reason().find("positions") != std::string::npos);
  CHECK_THROWS_AS(at.judge.choose(judge_ids{1}, judge_ids{}), argument_error);
  CHECK_THROWS_AS(at.judge.choose(judge_ids{1}, judge_ids{2, 2}), argument_error);
  CHECK_THROWS_AS(at.judge.choose(judge_ids{1}, judge_ids{272}), argument_error);
  CHECK_THROWS_AS(at.judge.choose(judge_ids{1}, judge_ids{-1}), argument_error);
  CHECK_THROWS_AS(at.judge.choose(judge_ids{272}, judge_ids{1}), argument_error);
  CHECK_THROWS_AS(at.judge.choose(reward::choice_request{.text = "1", .choices = {"2 3"}}), argument_error);
  at.weights.arena()[0] = std::nanf("");  // of token 0
  auto const broken = at.judge.choose(judge_ids{0}, judge_ids{1, 2});
  CHECK(broken.status() == reward::outcome_status::error);
  CHECK(broken.reason() == "a logit of the judge is not finite");
}
