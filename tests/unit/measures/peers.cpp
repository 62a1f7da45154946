// SPDX-License-Identifier: MIT
// The figures of sacreBLEU, rouge_score, NLTK, Levenshtein, RapidFuzz and scikit-learn on real texts.
#include <rlvr/reward/measures/bleu.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/porter_stemmer.hpp>
#include <rlvr/reward/measures/rouge.hpp>
#include <rlvr/reward/measures/sequences.hpp>

#include "golden_table.hpp"
#include <array>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward::measures;
using golden::close;
using golden::number;
using golden::row;
using golden::rows_of;

namespace {

template <class T>
std::span<T const> view(std::vector<T> const& values) {
  return values;
}

// Everything that a row "pair" lists, in its order.
std::vector<double> figures_of(std::string const& left, std::string const& right) {
  bleu_options none;
  none.smoothing = bleu_smoothing::none;
  bleu_options floor;
  floor.smoothing = bleu_smoothing::floor;
  bleu_options add_k;
  add_k.smoothing = bleu_smoothing::add_k;
  bleu_options all_orders;
  all_orders.effective_order = false;
  bleu_options lower;
  lower.lower_case = true;
  lower.smoothing = bleu_smoothing::floor;
  lower.smoothing_value = 0.3;
  bleu_options plain;
  plain.tokenisation = bleu_tokenisation::white_space;
  plain.max_order = 2;
  std::vector<double> found;
  for (bleu_options const& options : {bleu_options{}, none, floor, add_k, all_orders, lower, plain}) {
    found.push_back(sentence_bleu(left, right, options));
  }
  rouge_options stems;
  stems.stem = true;
  auto const add = [&](overlap_score const& score) {
    found.insert(found.end(), {score.precision, score.recall, score.f1});
  };
  add(rouge_n(left, right, 1));
  found.push_back(rouge_n(left, right, 2).f1);
  add(rouge_l(left, right));
  found.push_back(rouge_n(left, right, 2, stems).f1);
  add(rouge_l(left, right, stems));

  std::u32string const left_points = code_points(left);
  std::u32string const right_points = code_points(right);
  std::vector<std::string_view> const left_words = split_words(left);
  std::vector<std::string_view> const right_words = split_words(right);
  for (std::size_t const size :
       {longest_common_subsequence(left_points, right_points), longest_common_substring(left_points, right_points),
        edit_distance(left_points, right_points), longest_common_subsequence(view(left_words), view(right_words)),
        edit_distance(view(left_words), view(right_words))}) {
    found.push_back(static_cast<double>(size));
  }
  set_score const sets = compare_sets(left_words, right_words);
  found.insert(found.end(), {sets.precision(), sets.recall(), sets.f1(), jaccard(left_words, right_words)});
  return found;
}

}  // namespace

TEST_CASE("pairs of real sentences get the figures of the packages") {
  std::size_t real = 0;
  std::size_t differing = 0;
  for (row const& fields : rows_of("pair")) {
    std::vector<double> const found = figures_of(fields.at(1), fields.at(2));
    REQUIRE(fields.size() == 3 + found.size());
    real += fields[0] != "made" ? 1 : 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (close(found[i], *number(fields[3 + i]))) continue;
      ++differing;
      UNSCOPED_INFO("figure " << i << " of '" << fields[1] << "' and '" << fields[2] << "': " << found[i] << ", not "
                              << fields[3 + i]);
    }
  }
  CHECK(differing == 0);
  CHECK(real >= 200);
}

TEST_CASE("BLEU of a corpus and of several references is sacreBLEU's") {
  bleu_options corpus;
  corpus.effective_order = false;
  bleu_options folded = corpus;
  folded.smoothing = bleu_smoothing::none;
  folded.lower_case = true;
  bleu_counts sum;
  bleu_counts folded_sum;
  for (row const& fields : rows_of("pair")) {
    if (fields[0] == "made") continue;
    std::array<std::string_view, 1> const references{fields[2]};
    sum += count_bleu(fields[1], references, corpus);
    folded_sum += count_bleu(fields[1], references, folded);
  }
  std::vector<row> const scores = rows_of("corpus");
  REQUIRE(scores.size() == 2);
  CHECK(bleu_score(sum, corpus) == Approx(*number(scores[0][0])).epsilon(1e-10));
  CHECK(bleu_score(folded_sum, folded) == Approx(*number(scores[1][0])).epsilon(1e-10));

  std::vector<row> const several = rows_of("multi");
  CHECK(several.size() > 30);
  for (row const& fields : several) {
    std::vector<std::string_view> const references(fields.begin() + 2, fields.end());
    INFO(fields[1]);
    CHECK(close(sentence_bleu(fields[1], references), *number(fields[0])));
  }
}

TEST_CASE("the stems of some thousand words are NLTK's") {
  std::vector<row> const words = rows_of("stem");
  CHECK(words.size() > 3000);
  for (row const& fields : words) {
    if (porter_stem(fields.at(0)) == fields.at(1)) continue;
    INFO(fields[0]);
    CHECK(porter_stem(fields[0]) == fields[1]);
  }
}

TEST_CASE("normalised sentences are those of the four steps in Python") {
  std::vector<row> const answers = rows_of("answer");
  CHECK(answers.size() > 100);
  for (row const& fields : answers) CHECK(normalise_answer(fields.at(0)) == fields.at(1));
}
