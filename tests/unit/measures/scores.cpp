// SPDX-License-Identifier: MIT
#include <rlvr/core/error.hpp>
#include <rlvr/reward/measures/bleu.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/rouge.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward::measures;
using rlvr::argument_error;

namespace {

using words = std::vector<std::string_view>;

// Clipped matches of one order, by a map from n-grams to counts.
std::size_t brute_matches(words const& hypothesis, std::vector<words> const& references, std::size_t order) {
  auto const counts = [order](words const& text) {
    std::map<words, std::size_t> found;
    for (std::size_t at = 0; at + order <= text.size(); ++at) {
      auto const begin = text.begin() + static_cast<std::ptrdiff_t>(at);
      ++found[words(begin, begin + static_cast<std::ptrdiff_t>(order))];
    }
    return found;
  };
  std::size_t matched = 0;
  for (auto const& [gram, count] : counts(hypothesis)) {
    std::size_t most = 0;
    for (words const& reference : references) most = std::max(most, counts(reference)[gram]);
    matched += std::min(count, most);
  }
  return matched;
}

}  // namespace

TEST_CASE("the published example of Table-R1 comes out") {
  std::string_view const hypothesis = "the cat sat on the mat";
  std::string_view const reference = "the cat is on the mat";
  CHECK(sentence_bleu(hypothesis, reference) == Approx(0.379918).margin(5e-7));
  rouge_options stems;
  stems.stem = true;
  CHECK(rouge_l(hypothesis, reference, stems).f1 == Approx(0.833333).margin(5e-7));
  double const score = (sentence_bleu(hypothesis, reference) + rouge_l(hypothesis, reference, stems).f1) / 2;
  CHECK(1 + score == Approx(1.606626).margin(5e-7));
}

TEST_CASE("ROUGE by hand") {
  CHECK(rouge_n("a b c", "a c b", 2).f1 == 0);
  CHECK(rouge_n("a a b", "a b b", 1) == overlap_score{2.0 / 3, 2.0 / 3, 2.0 / 3});
  CHECK(rouge_n("", "", 1) == overlap_score{});
  CHECK(rouge_n("one", "one two", 2) == overlap_score{});
  CHECK(rouge_l("", "") == overlap_score{});
  CHECK(rouge_l("a x b", "a b").recall == 1);
  CHECK(rouge_l("a x b", "a b").precision == Approx(2.0 / 3));
  CHECK_THROWS_AS(rouge_n("a", "a", 0), argument_error);
  // Words past the limit match nothing, but still dilute.
  rouge_options two_words;
  two_words.max_words = 2;
  CHECK(rouge_l("a b c d", "a b c d", two_words) == overlap_score{0.5, 0.5, 0.5});
}

TEST_CASE("sets and multisets overlap as counted by hand") {
  using letters = std::vector<char>;
  CHECK(jaccard(letters{'a', 'b', 'c'}, letters{'b', 'c', 'd'}) == 0.5);
  set_score const sets = compare_sets(letters{'a', 'a', 'b', 'c'}, letters{'c', 'a', 'd', 'e', 'f'});
  CHECK(sets == set_score{.matched = 2, .predicted = 3, .gold = 5});
  CHECK(sets.precision() == Approx(2.0 / 3));
  CHECK(sets.recall() == Approx(0.4));
  CHECK(sets.f1() == Approx(0.5));
  CHECK(sets.jaccard() == Approx(1.0 / 3));
  set_score const bags = compare_multisets(letters{'a', 'a', 'b', 'b'}, letters{'a', 'b', 'b', 'b', 'c'});
  CHECK(bags == set_score{.matched = 3, .predicted = 4, .gold = 5});
  CHECK(bags.jaccard() == Approx(0.5));
  set_score const nothing = compare_multisets(letters{}, letters{});
  set_score const no_gold = compare_sets(letters{'a'}, letters{});
  set_score const no_guess = compare_sets(letters{}, letters{'a'});
  for (auto const measure : {&set_score::f1, &set_score::precision, &set_score::recall, &set_score::jaccard}) {
    CHECK((nothing.*measure)() == 1);
    CHECK((no_gold.*measure)() == 0);
    CHECK((no_guess.*measure)() == 0);
  }
}

TEST_CASE("n-grams are counted as by a map") {
  std::mt19937 random(11);
  std::array<std::string_view, 4> const letters{"x", "y", "zz", ""};
  for (int round = 0; round < 300; ++round) {
    INFO("round " << round);
    auto const text = [&] {
      words all(random() % 12);
      for (std::string_view& word : all) word = letters[random() % (1 + static_cast<std::size_t>(round) % 4)];
      return all;
    };
    words const hypothesis = text();
    std::vector<words> references(random() % 4);
    for (words& reference : references) reference = text();
    n_gram_matcher matcher(hypothesis, references);
    for (std::size_t order = 1; order <= 6; ++order) {
      n_gram_match const match = matcher.next();
      CHECK(match.matched == brute_matches(hypothesis, references, order));
      CHECK(match.hypothesis == (hypothesis.size() < order ? 0 : hypothesis.size() + 1 - order));
    }
  }
}

TEST_CASE("BLEU by hand") {
  // Two words, both right, one bigram right; the reference is twice as long.
  CHECK(sentence_bleu("a b", "a b c d") == Approx(std::exp(1 - 2.0)));
  // A hypothesis longer than the reference gains nothing by it: p1 = 1/2, p2 smoothed to 1/2.
  CHECK(sentence_bleu("a b", "a") == Approx(0.5));
  bleu_options every_order;
  every_order.effective_order = false;
  CHECK(sentence_bleu("a b", "a b c d", every_order) == 0);
  bleu_options add;
  add.smoothing = bleu_smoothing::add_k;
  CHECK(sentence_bleu("a x", "a b", add) == Approx(std::pow(0.5 * 0.5 * 1 * 1, 0.25)));
  add.smoothing_value = 0;
  CHECK(sentence_bleu("a x", "a b", add) == 0);
  bleu_options floor;
  floor.smoothing = bleu_smoothing::floor;
  floor.smoothing_value = 0.0;
  CHECK(sentence_bleu("a x", "a b", floor) == 0);
  CHECK(sentence_bleu("", "a") == 0);
  CHECK(sentence_bleu("a", "") == 0);
  CHECK(sentence_bleu("A", "a") == 0);
  bleu_options fold;
  fold.lower_case = true;
  CHECK(sentence_bleu("A", "a", fold) == 1);

  // Of two references equally far in length the shorter counts; clipping takes the larger count.
  std::array<std::string_view, 2> const references{"a b c d e", "a a a"};
  bleu_counts const counts = count_bleu("a a a a", references);
  CHECK(counts.reference_words == 3);
  CHECK(counts.hypothesis_words == 4);
  CHECK(counts.matched[0] == 3);
  CHECK(counts.matched[1] == 2);
  CHECK(counts.total[3] == 1);

  bleu_options bad;
  bad.max_order = 9;
  CHECK_THROWS_AS(sentence_bleu("a", "a", bad), argument_error);
  bad.max_order = 0;
  CHECK_THROWS_AS(sentence_bleu("a", "a", bad), argument_error);
  bad.max_order = 4;
  bad.smoothing_value = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(sentence_bleu("a", "a", bad), argument_error);
  CHECK_THROWS_AS(count_bleu("a", std::span<std::string_view const>{}), argument_error);
}

TEST_CASE("long replies are measured in time") {
  std::string const reference = "the cat is on the mat and the dog is under the table";
  std::string reply;
  while (reply.size() < 150000) reply += "the cat \xFF, e.g. sat-on 3.5-";
  reply += std::string(150000, 'y') + std::string(150000, '.') + std::string(50000, '&');
  auto const begin = std::chrono::steady_clock::now();
  CHECK(sentence_bleu(reply, reference) > 0);
  rouge_options stems;
  stems.stem = true;
  CHECK(rouge_l(reply, reference, stems).recall > 0);
  CHECK(rouge_n(reply, reference, 2).f1 > 0);
  CHECK_FALSE(normalise_answer(reply).empty());
  std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - begin;
  CHECK(elapsed.count() < test::time_limit(3000));
}
