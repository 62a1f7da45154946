// SPDX-License-Identifier: MIT
// evaluate on extraction tasks: hand-computed figures, the real corpora, and what is refused.
#include "program.hpp"
#include <support/catch.hpp>

using cli::run;
using nlohmann::json;

namespace {

// Two abstracts; three relations in the first, one in the second.
constexpr char const* abstracts =
    "1|t|Aspirin and warfarin.\n1|a|They caused bleeding and nausea.\n"
    "1\t0\t7\tAspirin\tChemical\tC1\n1\t12\t20\twarfarin\tChemical\tC2\n"
    "1\t34\t42\tbleeding\tDisease\tD1\n1\t47\t53\tnausea\tDisease\tD2\n"
    "1\tCID\tC1\tD1\n1\tCID\tC2\tD1\n1\tCID\tC1\tD2\n\n"
    "2|t|Lithium.\n2|a|A tremor followed.\n"
    "2\t0\t7\tLithium\tChemical\tC3\n2\t11\t17\ttremor\tDisease\tD3\n2\tCID\tC3\tD3\n";

}  // namespace

TEST_CASE("evaluate scores pairs of PubTator records as computed by hand") {
  cli::folder const scratch;
  std::string const data = scratch.write("x.txt", abstracts);
  // Record 1: two of three found, one wrong.  Record 2 has no prediction: an empty response.
  std::string const predictions =
      scratch.write("p.jsonl", R"({"id": "1", "answer": "aspirin | bleeding\nC2 | D1\nwarfarin | nausea"})"
                               "\n");
  auto const found = run({"evaluate", "--task", "bc5cdr", "--data", data, "--predictions", predictions});
  REQUIRE(found.code == 0);
  json const figures = found.lines().at(0);
  CHECK(figures["records"] == 2);
  CHECK(figures["predicted_records"] == 1);
  CHECK(figures["format_rate"] == 0.5);
  json const& micro = figures["pairs"]["micro"];
  CHECK(micro["matched"] == 2);
  CHECK(micro["predicted"] == 3);
  CHECK(micro["gold"] == 4);
  CHECK(micro["precision"].get<double>() == Approx(2. / 3));
  CHECK(micro["recall"].get<double>() == Approx(0.5));
  CHECK(micro["f1"].get<double>() == Approx(4. / 7));
  CHECK(figures["pairs"]["macro"]["f1"].get<double>() == Approx(1. / 3));  // the mean of 2/3 and 0

  auto const exact = run({"evaluate", "--task", "bc5cdr", "--data", data, "--predictions", predictions, "--matching",
                          "exact", "--limit", "1"});
  REQUIRE(exact.code == 0);
  CHECK(exact.lines().at(0)["pairs"]["micro"]["matched"] == 1);  // "aspirin" is none of the names as written
}

TEST_CASE("evaluate refuses predictions that fit no record, by file and line") {
  cli::folder const scratch;
  std::string const data = scratch.write("x.txt", abstracts);
  auto const refused = [&](std::string const& rows, std::string const& says) {
    auto const found =
        run({"evaluate", "--task", "bc5cdr", "--data", data, "--predictions", scratch.write("p.jsonl", rows)});
    INFO(found.err);
    CHECK(found.failed_clearly(1));
    CHECK(found.err.find(says) != std::string::npos);
  };
  refused("{\"id\": \"3\", \"answer\": \"\"}\n", "p.jsonl");
  refused("{\"id\": \"1\", \"answer\": \"\"}\n{\"id\": 1, \"answer\": \"\"}\n", "second time");
  refused("{\"id\": \"1\", \"answer\": \"\", \"completion\": \"\"}\n", "answer and a completion");
  CHECK(run({"evaluate", "--task", "bc5cdr", "--data", data}).failed_clearly(2));
  CHECK(run({"evaluate", "--task", "bc5cdr", "--data", data, "--predictions", "x", "--types"}).failed_clearly(2));
  CHECK(run({"evaluate", "--task", "semeval2010", "--data", data, "--model", "x", "--types"}).failed_clearly(2));
  CHECK(run({"evaluate", "--task", "bc5cdr", "--data", scratch / "absent", "--predictions", "x"}).failed_clearly(1));
}

TEST_CASE("evaluate reads the corpora as published") {
  auto const folder = cli::shared_data("data/ood");
  if (!folder) {
    WARN("skipped: the extraction corpora are not here (RLVR_SHARED_DIR)");
    return;
  }
  cli::folder const scratch;
  std::string const none = scratch.write("none.jsonl", "");
  auto const gold = [&](std::string const& task, std::string const& data, std::string const& facts) {
    auto const found = run({"evaluate", "--task", task, "--data", *folder + data, "--predictions", none});
    INFO(found.err);
    REQUIRE(found.code == 0);
    json const figures = found.lines().at(0);
    CHECK(figures[facts]["micro"]["matched"] == 0);
    CHECK(figures["predicted_records"] == 0);
    return std::pair<int, int>(figures["records"], figures[facts]["micro"]["gold"]);
  };
  // Figures of the corpora's own descriptions: 500 abstracts; 500 documents of the revised DocRED.
  CHECK(gold("bc5cdr", "/bc5cdr/CDR_TestSet.PubTator.txt", "pairs") == std::pair<int, int>(500, 1066));
  CHECK(gold("re_docred", "/re_docred/test_revised.json", "triples").first == 500);
  CHECK(gold("text2kgbench", "/text2kgbench_wikidata_tekgen", "triples").first > 3000);
}
