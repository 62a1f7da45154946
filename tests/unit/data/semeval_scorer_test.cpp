// SPDX-License-Identifier: MIT
#include <rlvr/data/semeval_scorer.hpp>

#include "../../../examples/r1_re/score_json.hpp"
#include "shared_data.hpp"
#include <filesystem>
#include <fstream>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::data;

namespace {

std::string code_of(std::vector<labelled_id> const& predictions, std::vector<labelled_id> const& key) {
  try {
    (void)score_semeval(predictions, key, "predictions.txt", "key.txt");
  } catch (format_error const& error) {
    return error.code();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the scorer reproduces every golden case of the official scorer") {
  auto const folder = shared_data("data/scorer_golden");
  if (!folder) {
    return;
  }
  std::size_t scored = 0;
  std::size_t refused = 0;
  for (auto const& entry : std::filesystem::directory_iterator(*folder)) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    INFO(entry.path().filename());
    auto const golden = nlohmann::ordered_json::parse(std::ifstream(entry.path()));
    auto const data = folder->parent_path();
    auto const predictions = data / golden["prediction_file"].get<std::string>();
    auto const key = data / golden["key_file"].get<std::string>();
    if (golden["official"].is_null()) {
      CHECK(golden["exit_code"] != 0);
      CHECK_THROWS_AS(score_semeval_files(predictions, key), format_error);
      ++refused;
      continue;
    }
    auto const score = score_semeval_files(predictions, key);
    // Member for member, in the same order.
    CHECK(r1_re::to_json(score).dump(1) == golden["official"].dump(1));
    for (auto const& [name, evaluation] :
         {std::pair{"way19_directed", &score.way19_directed}, std::pair{"way10_undirected", &score.way10_undirected},
          std::pair{"way10_directed_official", &score.way10_directed_official}}) {
      auto const& exact = golden["full_precision_recomputed"]["values"][name];
      auto const check = [&](precision_recall const& mine, nlohmann::ordered_json const& theirs) {
        CHECK(mine.precision == Approx(theirs[0].get<double>()).epsilon(1e-12).margin(1e-12));
        CHECK(mine.recall == Approx(theirs[1].get<double>()).epsilon(1e-12).margin(1e-12));
        CHECK(mine.f1 == Approx(theirs[2].get<double>()).epsilon(1e-12).margin(1e-12));
      };
      check(evaluation->macro, exact["macro_excl_other"]);
      check(evaluation->micro.percent, exact["micro_excl_other"]);
    }
    ++scored;
  }
  CHECK(scored >= 1);
  CHECK(refused >= 1);
}

// Worked by hand.  Key: A-B(e1,e2) x2, A-B(e2,e1), C-D(e1,e2), Other, Other.
// Predictions: right, wrong direction, right, (skipped), right, A-B(e1,e2).
TEST_CASE("a small key worked by hand") {
  std::vector<labelled_id> const key{{"1", "A-B(e1,e2)"}, {"2", "A-B(e1,e2)"}, {"3", "A-B(e2,e1)"},
                                     {"4", "C-D(e1,e2)"}, {"5", "Other"},      {"6", "Other"}};
  std::vector<labelled_id> const predictions{
      {"6", "A-B(e1,e2)"}, {"5", "Other"}, {"3", "A-B(e2,e1)"}, {"2", "A-B(e2,e1)"}, {"1", "A-B(e1,e2)"}};
  auto const score = score_semeval(predictions, key);
  CHECK(score.warnings.empty());

  // 19-way.  A-B(e1,e2): P 1/2, R 1/2, F1 50; A-B(e2,e1): P 1/2, R 1/1, F1 66.67; C-D: 0.
  auto const& full = score.way19_directed;
  CHECK(full.confusion.columns == std::vector<std::string>{"A-B1", "A-B2", "C-D1", "_O_"});
  CHECK(full.confusion.rows.at(0).cells == std::vector<std::size_t>{1, 1, 0, 0});
  CHECK(full.confusion.rows.at(2).tail == std::vector<std::size_t>{0, 1, 1});
  CHECK(full.confusion.column_sums == std::vector<std::size_t>{2, 2, 0, 1, 5, 1, 6});
  CHECK(full.macro.f1 == Approx((50 + 200.0 / 3 + 0) / 3));
  CHECK(full.micro.percent.precision == Approx(50.0));
  CHECK(full.accuracy_on_answered.numerator == 3);
  CHECK(full.coverage.percent() == Approx(500.0 / 6));

  // Undirected.  A-B: correct 3, proposed 4, gold 3: P 75, R 100, F1 600/7; C-D: 0.
  CHECK(score.way10_undirected.macro.f1 == Approx(300.0 / 7));

  // Official.  A-B: correct 2, proposed 3, wrong direction 1, gold 3: P 2/4, R 2/3, F1 4/7; C-D 0.
  auto const& official = score.way10_directed_official;
  CHECK(official.confusion.tail_columns == std::vector<std::string>{"sum", "wrong_dir", "skipped", "actual"});
  CHECK(official.confusion.rows.at(0).tail == std::vector<std::size_t>{2, 1, 0, 3});
  CHECK(official.confusion.column_sums == std::vector<std::size_t>{3, 0, 1, 4, 1, 1, 6});
  auto const& first = official.per_relation.at(0);
  CHECK(first.label == "A-B");
  CHECK(first.correct == 2);
  CHECK(first.proposed == 3);
  CHECK(first.wrong_direction == 1);
  CHECK(first.percent.precision == Approx(50.0));
  CHECK(score.official_macro_f1() == Approx(200.0 / 7));
  CHECK(official.micro.proposed == 4);
  CHECK(official.micro.gold == 4);
  CHECK(official.accuracy_skipped_as_other.numerator == 3);
}

TEST_CASE("only wrong directions: precision 0 whatever the count") {
  std::vector<labelled_id> const key{{"1", "A-B(e1,e2)"}};
  std::vector<labelled_id> const predictions{{"1", "A-B(e2,e1)"}};
  auto const score = score_semeval(predictions, key);
  CHECK(score.official_macro_f1() == 0);
  CHECK(score.way10_directed_official.accuracy_on_answered.denominator == 1);
  CHECK(score.way10_undirected.macro.f1 == Approx(100.0));
  REQUIRE(score.warnings.size() == 1);
  CHECK(score.warnings[0].label == "A-B(e2,e1)");
  CHECK(score.way19_directed.confusion.columns == std::vector<std::string>{"A-B1", "*AB2"});
}

TEST_CASE("names without a hyphen are kept whole in the matrix") {
  std::vector<labelled_id> const key{{"1", "Makes(e1,e2)"}, {"2", "Owns(e2,e1)"}};
  std::vector<labelled_id> const predictions{{"1", "Makes(e1,e2)"}, {"2", "Holds(e2,e1)"}};
  auto const score = score_semeval(predictions, key);
  CHECK(score.way19_directed.confusion.columns == std::vector<std::string>{"Makes1", "Owns2", "*Holds2"});
  CHECK(score.way10_undirected.confusion.columns == std::vector<std::string>{"Makes", "Owns", "*Holds"});
  CHECK(score.official_macro_f1() == Approx(50.0));
}

TEST_CASE("the scorer refuses what the official one aborts on") {
  std::vector<labelled_id> const key{{"1", "A-B(e1,e2)"}, {"2", "Other"}};
  CHECK(code_of({{"1", "Other"}}, key) == "no error");
  CHECK(code_of({}, key) == "NoPredictions");
  CHECK(code_of({{"3", "Other"}}, key) == "UnknownId");
  CHECK(code_of({{"01", "Other"}}, key) == "UnknownId");
  CHECK(code_of({{"1", "Other"}, {"1", "Other"}}, key) == "DuplicateId");
  CHECK(code_of({{"1", "Other"}}, {{"1", "Other"}, {"1", "Other"}}) == "DuplicateId");
  CHECK(code_of({{"2", "Other"}}, {{"2", "Other"}}) == "NoRelations");
  CHECK(code_of({{"2", "Other"}}, {}) == "NoRelations");
}

TEST_CASE("Other predicted for a key without Other") {
  std::vector<labelled_id> const key{{"1", "Cause-Effect(e1,e2)"}, {"2", "Message-Topic(e1,e2)"}};
  std::vector<labelled_id> const predictions{{"1", "Other"}, {"2", "Message-Topic(e1,e2)"}};
  auto const json = r1_re::to_json(score_semeval(predictions, key));
  CHECK(json["warnings"].dump() == R"([["1","_Other"]])");
  CHECK(json["way19_directed"]["confusion"]["columns"].dump() == R"(["C-E1","M-T1","_O_"])");
  CHECK(json["way19_directed"]["accuracy_skipped_as_other"]["num"] == 1);
  CHECK(json["official_macro_f1"] == "50.00");
}

TEST_CASE("directions are recognised at the end of a label only") {
  CHECK(without_direction("Cause-Effect(e2,e1)") == "Cause-Effect");
  CHECK(without_direction("Cause-Effect") == "Cause-Effect");
  CHECK(without_direction("Other") == "Other");
  CHECK(without_direction("(e1,e2)") == "");
  CHECK(without_direction("X(e1,e1)") == "X(e1,e1)");
}
