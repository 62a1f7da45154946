// SPDX-License-Identifier: MIT
// Random texts against a second reading of the contract, which shares no code with the library: it counts tags by
// searching, cuts strings, and looks labels and invisible characters up in sets.
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <random>
#include <set>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;

namespace {

std::string const blanks = " \t\r\n";

std::string utf8(unsigned c) {
  auto const byte = [](unsigned value) { return std::string(1, static_cast<char>(value)); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) return byte(0xC0 + c / 64) + byte(0x80 + c % 64);
  if (c < 0x10000) return byte(0xE0 + c / 4096) + byte(0x80 + c / 64 % 64) + byte(0x80 + c % 64);
  return byte(0xF0 + c / 262144) + byte(0x80 + c / 4096 % 64) + byte(0x80 + c / 64 % 64) + byte(0x80 + c % 64);
}

std::set<std::string> invisible_characters() {
  std::set<std::string> all;
  unsigned const ranges[][2] = {
      {0x0, 0x20},        {0x7F, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},
      {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x1680, 0x1680},
      {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x2064},   {0x2066, 0x206F},
      {0x3000, 0x3000},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F}};
  for (auto const& range : ranges) {
    for (unsigned c = range[0]; c <= range[1]; ++c) all.insert(utf8(c));
  }
  return all;
}

bool oracle_visible(std::string const& text) {
  static std::set<std::string> const invisible = invisible_characters();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 1;
    while (length <= 4 && invisible.count(text.substr(at, length)) == 0) ++length;
    if (length > 4) return true;
    at += length;
  }
  return false;
}

bool only_blanks(std::string const& text) { return text.find_first_not_of(blanks) == std::string::npos; }

struct oracle_result {
  bool format_ok = false;
  std::string answer;  // empty: none
};

oracle_result oracle(std::string const& text) {
  std::size_t place[4];
  std::string const tags[4] = {"<think>", "</think>", "<answer>", "</answer>"};
  for (int i = 0; i < 4; ++i) {
    place[i] = text.find(tags[i]);
    if (place[i] == std::string::npos || text.find(tags[i], place[i] + 1) != std::string::npos) return {};
    if (i > 0 && place[i] < place[i - 1]) return {};
  }
  std::string const before = text.substr(0, place[0]);
  std::string const think = text.substr(place[0] + 7, place[1] - place[0] - 7);
  std::string const between = text.substr(place[1] + 8, place[2] - place[1] - 8);
  std::string answer = text.substr(place[2] + 8, place[3] - place[2] - 8);
  std::string const after = text.substr(place[3] + 9);
  if (!only_blanks(before) || !only_blanks(between) || !only_blanks(after) || !oracle_visible(think)) return {};

  while (!answer.empty() && blanks.find(answer.back()) != std::string::npos) answer.pop_back();
  while (!answer.empty() && blanks.find(answer.front()) != std::string::npos) answer.erase(answer.begin());
  std::string canonical;
  bool inside = false;
  for (char const c : answer) {
    if (c == '(' && !inside) {
      while (!canonical.empty() && blanks.find(canonical.back()) != std::string::npos) canonical.pop_back();
    }
    if (c == '(') inside = true;
    if (c == ')') inside = false;
    if (inside && blanks.find(c) != std::string::npos) continue;
    canonical += c;
  }
  static std::set<std::string> const labels = [] {
    std::set<std::string> all{"Other"};
    for (char const* name :
         {"Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination", "Entity-Origin",
          "Instrument-Agency", "Member-Collection", "Message-Topic", "Product-Producer"}) {
      all.insert(std::string(name) + "(e1,e2)");
      all.insert(std::string(name) + "(e2,e1)");
    }
    return all;
  }();
  return {true, labels.count(canonical) != 0 ? canonical : ""};
}

struct agreement {
  rlvr::text::guideline guide = rlvr::text::semeval2010_guideline();
  std::size_t formed = 0;
  std::size_t labelled = 0;

  // Random prefills split the text: they must not change the judgement.
  bool operator()(std::string const& text, std::size_t cut) {
    oracle_result const expected = oracle(text);
    formed += expected.format_ok;
    labelled += !expected.answer.empty();
    std::string_view const view = text;
    relation_classification const whole = classify(guide, "Message-Topic(e2,e1)", view);
    relation_classification const split = classify(guide, "Other", view.substr(cut), view.substr(0, cut));
    return whole.format_ok == expected.format_ok && whole.answer.value_or("") == expected.answer &&
           split.format_ok == whole.format_ok && split.answer == whole.answer &&
           (whole.kind == reward_class::correct) == (expected.answer == "Message-Topic(e2,e1)") &&
           (split.kind == reward_class::correct) == (expected.answer == "Other");
  }
};

}  // namespace

TEST_CASE("random bytes never crash and are never well-formed by accident") {
  agreement agree;
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 200, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    REQUIRE(agree(text, text.empty() ? 0 : random() % text.size()));
  }
  CHECK(agree.formed == 0);
}

TEST_CASE("mutated responses are accepted exactly by the grammar") {
  std::vector<std::string> const atoms = {"<think>",
                                          "</think>",
                                          "<answer>",
                                          "</answer>",
                                          " ",
                                          "\n",
                                          "\t\r",
                                          "x",
                                          "<",
                                          ">",
                                          "</",
                                          "<think",
                                          "answer>",
                                          "Other",
                                          "Cause-Effect",
                                          "(",
                                          ")",
                                          "(e1,e2)",
                                          "( e2 , e1 )",
                                          "e1",
                                          ",",
                                          "e2",
                                          "Message-Topic",
                                          std::string(1, '\0'),
                                          "\v",
                                          "\xe2\x80\x8b",
                                          "\xe2\x80",
                                          "\xff",
                                          "\xc2\xa0",
                                          "<Think>",
                                          "\xc2\xad",
                                          "\xe3\x80\x80",
                                          "(e2,e1)",
                                          "Other()",
                                          "\xed\xa0\x80",
                                          "Reasoning",
                                          "\xf3\xa0\x81\x81"};
  std::vector<std::string> const labels = {
      "Other",         "Message-Topic(e2,e1)", "Cause-Effect (e1, e2)", " Entity-Origin ( e2,e1 ) ",
      "Message-Topic", "Other(e1,e2)",         "Message-Topic(e2,e1]"};
  agreement agree;
  std::mt19937 random(2);
  std::size_t const rounds = 200000;
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<std::string> parts = {"", "<think>",  atoms[random() % atoms.size()],   "</think>",
                                      "", "<answer>", labels[random() % labels.size()], "</answer>",
                                      ""};
    for (std::size_t changes = random() % 4; changes > 0; --changes) {
      std::size_t const at = random() % parts.size();
      switch (random() % 4) {
        case 0:
          parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at), atoms[random() % atoms.size()]);
          break;
        case 1:
          parts[at] = atoms[random() % atoms.size()];
          break;
        case 2:
          std::swap(parts[at], parts[random() % parts.size()]);
          break;
        default:
          parts[at] += blanks[random() % blanks.size()];
          break;
      }
    }
    std::string text;
    for (std::string const& part : parts) text += part;
    CAPTURE(round, text);
    REQUIRE(agree(text, random() % (text.size() + 1)));
  }
  // Both answers of the question must have been asked often.
  CHECK(agree.formed > rounds / 10);
  CHECK(agree.formed < rounds * 9 / 10);
  CHECK(agree.labelled > rounds / 20);
}
