// SPDX-License-Identifier: MIT
// Lists of answers: what reads as a number, and matching against all pairings.
#include <rlvr/reward/measures/list_match.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward::measures;

namespace {

std::vector<list_item> items(std::initializer_list<std::string_view> texts) {
  std::vector<list_item> all;
  for (std::string_view const each : texts) all.push_back(read_list_item(each));
  return all;
}

}  // namespace

TEST_CASE("numbers of answer lists") {
  auto const reads = [](std::string_view text) { return read_grouped_number(text); };
  CHECK(reads("1,234") == 1234);
  CHECK(reads("-1,234,567.5") == -1234567.5);
  CHECK(reads("+12") == 12);
  CHECK(reads("1e3") == 1000);
  CHECK(reads("5.") == 5);
  CHECK(reads(".5E-1") == 0.05);
  CHECK(reads("007") == 7);
  CHECK(reads("1234567") == 1234567);
  for (char const* const text :
       {"",    "+",  ".",  "1,23", "1234,567", ",123", "1,2345", "1,234,", "1.5,000", "1e",    "e5",
        "--1", "1 ", " 1", "1a",   "0x10",     "inf",  "nan",    "1e999",  "5%",      "1.2.3", "1,234e5,000"}) {
    INFO(text);
    CHECK_FALSE(reads(text));
  }
  CHECK_FALSE(reads(std::string(1'000'000, '1')));
}

TEST_CASE("lists match one to one") {
  CHECK(match_lists(items({"a", "1", "b"}), items({"b", "a", "1.009"})));
  CHECK_FALSE(match_lists(items({"a", "a"}), items({"a", "b"})));
  CHECK_FALSE(match_lists(items({"a"}), items({"a", "a"})));
  CHECK_FALSE(match_lists(items({"A"}), items({"a"})));
  CHECK_FALSE(match_lists(items({"0"}), items({""})));
  CHECK_FALSE(match_lists(items({"1"}), items({"1.02"})));
  CHECK(match_lists(items({"1"}), items({"1.02"}), 0.1));
  CHECK(match_lists(items({"0.5"}), items({"0.25"}), 0.2500001));
  CHECK_FALSE(match_lists(items({"0.5"}), items({"0.25"}), 0.25));  // less, not equal
  // Greedy: 1.000 takes 1.005, which only 1.009 could have used; 0.995 is too far from 1.009.
  auto const answer = items({"1.000", "1.009"});
  auto const gold = items({"1.005", "0.995"});
  CHECK_FALSE(match_lists(answer, gold, 1e-2, list_matching::greedy));
  CHECK(match_lists(answer, gold));
}

TEST_CASE("exact matching is right whenever any pairing is; greedy matching only then") {
  std::mt19937 random(3);
  std::size_t matched = 0;
  std::size_t missed = 0;
  for (int i = 0; i < 4000; ++i) {
    std::size_t const size = 1 + random() % 5;
    auto const draw = [&] {
      std::vector<list_item> all(size);
      for (list_item& each : all) {
        if (random() % 5 == 0) {
          each.text = std::string(1, static_cast<char>('a' + random() % 2));
        } else {
          each.number = 0.004 * static_cast<double>(random() % 6);
        }
      }
      return all;
    };
    auto const answer = draw();
    auto const gold = draw();
    std::vector<std::size_t> order(size);
    for (std::size_t k = 0; k < size; ++k) order[k] = k;
    bool expected = false;
    do {
      bool all = true;
      for (std::size_t k = 0; k < size; ++k) {
        list_item const& left = answer[k];
        list_item const& right = gold[order[k]];
        bool const near = left.number && right.number ? std::abs(*left.number - *right.number) < 1e-2
                                                      : !left.number && !right.number && left.text == right.text;
        all = all && near;
      }
      expected = expected || all;
    } while (!expected && std::next_permutation(order.begin(), order.end()));
    bool const greedy = match_lists(answer, gold, 1e-2, list_matching::greedy);
    if (match_lists(answer, gold) != expected) FAIL("exact matching is wrong in round " << i);
    if (greedy && !expected) FAIL("greedy matching pays for a wrong list in round " << i);
    matched += expected ? 1 : 0;
    missed += expected && !greedy ? 1 : 0;
  }
  CHECK(matched > 400);
  CHECK(missed > 20);
}
