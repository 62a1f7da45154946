// SPDX-License-Identifier: MIT
// Texts that look like the right answer, or nearly, and are another: no verifier calls one correct.
#include <rlvr/reward/exact_match.hpp>
#include <rlvr/reward/numeric_answer.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/reward/verdict.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <array>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <utility>
#include <vector>

using namespace rlvr::reward;
using namespace std::string_view_literals;

namespace {

/// Code points without width, of other directions, that combine; and bytes that are none.
constexpr std::array inserted{"\u200B"sv, "\u200C"sv, "\u200D"sv, "\u200E"sv,      "\u200F"sv, "\u202E"sv,
                              "\u2066"sv, "\uFEFF"sv, "\u034F"sv, "\u0301"sv,      "\u00AD"sv, "\uFE0F"sv,
                              "\u3164"sv, "\u2063"sv, "\u180E"sv, "\U000E0020"sv,  "\0"sv,     "\x7F"sv,
                              "\x80"sv,   "\xC0"sv,   "\xFF"sv,   "\xED\xA0\x80"sv};

/// Letters of other scripts that fonts draw alike.
constexpr std::array<std::pair<char, std::string_view>, 24> drawn_alike{{
    {'a', "\u0430"}, {'c', "\u0441"}, {'e', "\u0435"}, {'f', "\u017F"}, {'i', "\u0456"}, {'k', "\u043A"},
    {'m', "\u043C"}, {'n', "\u0578"}, {'o', "\u03BF"}, {'p', "\u0440"}, {'s', "\u0455"}, {'t', "\u0442"},
    {'u', "\u057D"}, {'w', "\u0461"}, {'r', "\u0433"}, {'B', "\u0412"}, {'C', "\u0421"}, {'E', "\u0395"},
    {'-', "\u2010"}, {',', "\u201A"}, {'(', "\u2768"}, {')', "\u2769"}, {'4', "\u0664"}, {'2', "\u06F2"},
}};

/// Every text that comes of this one by one change in one place.
std::vector<std::string> look_alikes(std::string_view right) {
  std::vector<std::string> all;
  auto const replace = [&](std::size_t at, std::size_t count, std::string_view by) {
    all.push_back(std::string(right).replace(at, count, by));
  };
  for (std::size_t at = 0; at <= right.size(); ++at) {
    for (std::string_view const mark : inserted) replace(at, 0, mark);
    if (at == right.size()) break;
    auto const code = static_cast<unsigned char>(right[at]);
    std::string const fullwidth{'\xEF', static_cast<char>(0xBC + (code - 0x20) / 64),
                                static_cast<char>(0x80 + (code - 0x20) % 64)};
    if (code > 0x20) replace(at, 1, fullwidth);
    for (auto const& [letter, other] : drawn_alike) {
      if (right[at] == letter) replace(at, 1, other);
    }
  }
  return all;
}

template <class Judge>
void check_none_right(std::string_view right, Judge const& judge) {
  CHECK(judge(std::string(right)) == reward_class::correct);
  std::vector<std::string> taken;
  for (std::string const& each : look_alikes(right)) {
    auto const kind = judge(each);
    if (kind == reward_class::correct || kind == reward_class::error) taken.push_back(each);
  }
  CHECK(taken == std::vector<std::string>{});
}

std::string respond(std::string_view answer) { return "<think>t</think><answer>" + std::string(answer) + "</answer>"; }

}  // namespace

TEST_CASE("one changed place in a label, a tag or a triple is not right") {
  auto const guide = rlvr::text::semeval2010_guideline();
  auto const gold = *rlvr::text::parse_label(guide, "Cause-Effect(e1,e2)");
  CHECK(look_alikes("Cause-Effect(e1,e2)").size() > 400);
  auto const staged = [&](std::string const& text) {
    return evaluate(r1_re{}, relation_sample{.completion = text, .gold = gold, .guide = &guide}).kind;
  };
  check_none_right("Cause-Effect(e1,e2)", [&](std::string const& label) { return staged(respond(label)); });
  check_none_right("Cause-Effect(e1,e2)", [&](std::string const& label) {
    return judge_relation_leniently(guide, gold, respond(label)).kind;
  });
  // Of each tag without the edge where more text may stand: reasoning is free.
  for (std::string_view const part : {"<think", "/think>", "<answer", "/answer>"}) {
    check_none_right(part, [&](std::string const& other) {
      std::string text = respond("Cause-Effect(e1,e2)");
      return staged(text.replace(text.find(part), part.size(), other));
    });
  }
  std::vector<triple> const triples{{"smoke", "Cause-Effect", "fire"}};
  check_none_right("smoke | Cause-Effect | fire", [&](std::string const& line) {
    std::string const text = respond(line);
    return evaluate(triples_reward{}, triple_sample{.completion = text, .gold = triples, .guide = &guide}).kind;
  });
}

TEST_CASE("one changed place in an answer, a number or a verdict is not right") {
  auto const exact = [](std::string const& answer) {
    std::string const text = respond(answer);
    return evaluate(exact_match_reward{}, answer_sample{.completion = text, .gold = "smoke fire"}).kind;
  };
  check_none_right("smoke fire", exact);
  auto const numeric = [](std::string_view gold) {
    return [gold](std::string const& answer) {
      std::string const text = "\\boxed{" + answer + "}";
      return evaluate(numeric_answer_reward{}, answer_sample{.completion = text, .gold = gold}).kind;
    };
  };
  for (std::string_view const number : {"42", "1/2", "24", "(2,4)"}) check_none_right(number, numeric(number));
  auto const verdict = [](verdict_extractor extractor) {
    return [extractor](std::string const& text) {
      pairwise_verdict_reward reward;
      reward.extractor = extractor;
      return evaluate(reward, comparison_sample{.completion = text, .gold = pairwise_verdict::second}).kind;
    };
  };
  // The window's rule pays for whatever stands round the tags, so only what stands inside is changed there.
  check_none_right("[[B]]", [&](std::string const& inside) { return verdict({})("<answer>" + inside + "</answer>"); });
  check_none_right("[[B]]</answer>",
                   [&](std::string const& end) { return verdict(closing_verdict_extractor())("<answer>" + end); });
}
