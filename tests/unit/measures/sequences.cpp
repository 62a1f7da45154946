// SPDX-License-Identifier: MIT
// Against the tables of the textbooks: O(n m) memory, one line of recurrence each.
#include <rlvr/reward/measures/sequences.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward::measures;

namespace {

using table = std::vector<std::vector<std::size_t>>;

template <class T>
std::size_t naive_subsequence(std::vector<T> const& a, std::vector<T> const& b) {
  table t(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      t[i][j] = a[i - 1] == b[j - 1] ? t[i - 1][j - 1] + 1 : std::max(t[i - 1][j], t[i][j - 1]);
    }
  }
  return t.back().back();
}

template <class T>
std::size_t naive_substring(std::vector<T> const& a, std::vector<T> const& b) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t run = 0;
      while (i + run < a.size() && j + run < b.size() && a[i + run] == b[j + run]) ++run;
      longest = std::max(longest, run);
    }
  }
  return longest;
}

template <class T>
std::size_t naive_distance(std::vector<T> const& a, std::vector<T> const& b) {
  table t(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        t[i][j] = i + j;
      } else {
        t[i][j] = std::min({t[i - 1][j] + 1, t[i][j - 1] + 1, t[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      }
    }
  }
  return t.back().back();
}

template <class T>
std::span<T const> view(std::vector<T> const& values) {
  return values;
}

template <class T>
void check_all(std::vector<T> const& a, std::vector<T> const& b) {
  CHECK(longest_common_subsequence(view(a), view(b)) == naive_subsequence(a, b));
  CHECK(longest_common_substring(view(a), view(b)) == naive_substring(a, b));
  CHECK(edit_distance(view(a), view(b)) == naive_distance(a, b));
}

}  // namespace

TEST_CASE("random sequences give what the textbook tables give") {
  std::mt19937 random(20250523);
  auto const below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  for (int round = 0; round < 600; ++round) {
    INFO("round " << round);
    // Short ones, and lengths round the 64 elements of a block.
    std::size_t const longest = round % 3 == 0 ? 8 : round % 3 == 1 ? 70 : 140;
    std::size_t const letters = 1 + below(round % 2 == 0 ? 3 : 40);
    std::vector<int> a(below(longest + 1));
    std::vector<int> b(below(longest + 1));
    for (auto* each : {&a, &b}) {
      for (int& value : *each) value = static_cast<int>(below(letters)) - 1;
    }
    if (round % 5 == 0) {  // alike but for a few places
      b = a;
      for (std::size_t edit = below(6); edit > 0 && !b.empty(); --edit) {
        auto const place = b.begin() + static_cast<std::ptrdiff_t>(below(b.size()));
        if (edit % 2 == 0) {
          b.erase(place);
        } else {
          b.insert(place, static_cast<int>(below(letters)));
        }
      }
    }
    check_all(a, b);
  }
}

TEST_CASE("the edges of a block of 64") {
  for (std::size_t const left : {0U, 1U, 63U, 64U, 65U, 127U, 128U, 129U}) {
    for (std::size_t const right : {0U, 1U, 63U, 64U, 65U, 128U}) {
      INFO(left << " and " << right);
      std::vector<int> a(left, 7);
      std::vector<int> b(right, 7);
      check_all(a, b);
      if (!a.empty()) a.back() = 8;
      if (!b.empty()) b.front() = 9;
      check_all(a, b);
    }
  }
}

TEST_CASE("what begins in one block and ends two blocks later") {
  // Few matches far apart: the carry of the addition passes whole blocks of ones.
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    INFO("round " << round);
    std::vector<int> a(300, -1);
    for (int marks = 0; marks < 6; ++marks) a[random() % a.size()] = static_cast<int>(random() % 4);
    std::vector<int> b(1 + random() % 8);
    for (int& value : b) value = static_cast<int>(random() % 4);
    check_all(a, b);
  }
}

TEST_CASE("bytes, code points and words are counted as such") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(longest_common_subsequence("ABCBDAB", "BDCABA") == 4);
  CHECK(longest_common_substring("xabcdy", "zabcw") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("", "") == 0);
  CHECK(longest_common_substring("", "abc") == 0);

  // U+00E9 against e: two bytes for one, one code point for one.
  CHECK(edit_distance("caf\xC3\xA9", "cafe") == 2);
  CHECK(edit_distance(code_points("caf\xC3\xA9"), code_points("cafe")) == 1);
  // A byte that is no UTF-8 equals itself alone.
  CHECK(code_points("a\xFF\xC3") == std::u32string{U'a', 0x1100FF, 0x1100C3});
  CHECK(edit_distance(code_points("\xFF"), code_points("\xFE")) == 1);
  CHECK(longest_common_subsequence(code_points("\xFF!"), code_points("?\xFF")) == 1);

  std::vector<std::string_view> const claim{"the", "cat", "sat", "down"};
  std::vector<std::string_view> const source{"on", "the", "cat", "sat", "the", "cat", "sat", "down", "there"};
  CHECK(longest_common_substring(view(claim), view(source)) == 4);
  CHECK(longest_common_substring<std::string_view>(claim, source) == 4);
}

TEST_CASE("the cost is known before it is paid") {
  CHECK(alignment_steps(0, 1000) == 0);
  CHECK(alignment_steps(64, 10) == 10);
  CHECK(alignment_steps(10, 65) == 20);
  std::size_t const most = std::numeric_limits<std::size_t>::max();
  CHECK(alignment_steps(most, most) == most);
  std::string_view const left = "kitten";
  std::string_view const right = "sitting";
  CHECK(edit_distance_within(6, left, right) == std::size_t{3});
  CHECK_FALSE(edit_distance_within(5, left, right).has_value());
  CHECK(longest_common_subsequence_within(6, left, right) == std::size_t{4});
  CHECK_FALSE(longest_common_subsequence_within(5, left, right).has_value());
}

TEST_CASE("the substring of long texts is found in time") {
  std::mt19937 random(7);
  std::string reference(20000, 'a');
  for (char& letter : reference) letter = static_cast<char>('a' + random() % 4);
  std::string reply = "Quote: " + reference.substr(1000, 15000);
  reply += "z";
  reply.append(500000, 'a');
  std::string const repeated(20000, 'b');
  auto const begin = std::chrono::steady_clock::now();
  CHECK(longest_common_substring(reply, reference) == 15000);
  CHECK(longest_common_substring(std::string(500000, 'b'), repeated) == 20000);
  std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - begin;
  CHECK(elapsed.count() < test::time_limit(2000));
}
