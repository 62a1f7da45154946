// SPDX-License-Identifier: MIT
// score, reward, inspect, tokenize and logprobs against data that others made.
#include "program.hpp"
#include <cmath>
#include <map>
#include <support/catch.hpp>

using cli::run;
using nlohmann::json;

namespace {

std::vector<json> read_lines(std::string const& path) {
  std::vector<json> values;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) values.push_back(json::parse(line));
  return values;
}

}  // namespace

TEST_CASE("score prints the figures of the official scorer and aborts where it does") {
  auto const data = cli::shared_data("data");
  if (!data) {
    WARN("skipped: the scorer's golden cases are not here (RLVR_SHARED_DIR)");
    return;
  }
  std::size_t cases = 0;
  for (auto const& entry : std::filesystem::directory_iterator(*data + "/scorer_golden")) {
    if (entry.path().extension() != ".json") continue;
    INFO(entry.path().filename());
    json const golden = json::parse(std::ifstream(entry.path()));
    auto const found = run({"score", "--key", *data + "/" + golden["key_file"].get<std::string>(), "--predictions",
                            *data + "/" + golden["prediction_file"].get<std::string>()});
    ++cases;
    if (golden["official"].is_null()) {
      CHECK(found.failed_clearly(1));
    } else {
      CHECK(found.code == 0);
      CHECK(found.lines().at(0) == golden["official"]);
    }
  }
  CHECK(cases > 0);
}

TEST_CASE("score on a key of three lines") {
  cli::folder const scratch;
  auto const key = scratch.write("key", "1\tCause-Effect(e1,e2)\n2\tMessage-Topic(e2,e1)\n3\tOther\n");
  auto const found = run({"score", "--key", key, "--predictions",
                          scratch.write("predictions", "1\tCause-Effect(e1,e2)\n2\tMessage-Topic(e1,e2)\n3\tOther\n")});
  CHECK(found.code == 0);
  CHECK(found.lines().at(0)["official_macro_f1"] == "50.00");
  auto const wrong = run({"score", "--key", key, "--predictions", scratch.write("wrong", "9\tOther\n")});
  CHECK(wrong.failed_clearly(1));
  CHECK(wrong.err.find("9") != std::string::npos);
}

TEST_CASE("reward classifies completions that try to cheat, in their order") {
  std::string const file = RLVR_TEST_DATA "/adversarial/visible.jsonl";
  auto const expected = read_lines(file);
  auto const result = run({"reward", "--task", "semeval2010", "--input", file});
  REQUIRE(result.code == 0);
  auto const found = result.lines();
  REQUIRE(found.size() == expected.size());
  std::map<std::string, double> const rewards{
      {"correct", 3}, {"wrong_label", -0.5}, {"wrong_direction", -0.5}, {"bad_format", -3}, {"invalid_label", -3}};
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO(expected[i]["id"]);
    CHECK(found[i]["id"] == expected[i]["id"]);
    for (char const* const key : {"format_ok", "answer", "reward_class"})
      CHECK(found[i][key] == expected[i]["expected"][key]);
    std::string const kind = found[i]["reward_class"];
    if (kind == "n/a") CHECK(found[i]["reward"].is_null());
    if (kind != "n/a") CHECK(found[i]["reward"] == rewards.at(kind));
  }
}

TEST_CASE("reward refuses rows that are none, by file and line") {
  cli::folder const scratch;
  std::string const good = R"({"id": 1, "gold": "Other", "completion": "x"})"
                           "\n";
  for (std::string const& bad :
       {std::string(R"({"id": 2, "gold": "Other",)"), std::string(R"([1])"),
        std::string(R"({"id": 2, "gold": "Nothing", "completion": "x"})"), std::string(R"({"id": 2, "gold": "Other"})"),
        std::string(R"({"id": 2, "gold": "Other", "completion": "x", "completion_b64": "eA=="})"),
        std::string(R"({"id": 2, "gold": "Other", "completion": 5})"),
        std::string(R"({"id": 2, "gold": "Other", "completion_b64": "eA="})"),
        std::string(R"({"id": 2, "gold": "Other", "completion_b64": "e*=="})"),
        std::string(R"({"id": 2, "gold": "Other", "completion_parts": [["x", -1]]})"),
        std::string(R"({"id": 2, "gold": "Other", "completion_parts": [["xxxxxxxx", 1000000000000]]})"),
        std::string(R"({"gold": "Other", "completion": "x"})")}) {
    INFO(bad);
    auto const found =
        run({"reward", "--task", "semeval2010", "--input", scratch.write("rows.jsonl", good + bad + "\n")});
    CHECK(found.code == 1);
    CHECK(found.lines().size() == 1);  // what came before was answered
    CHECK(found.err.starts_with("r1_re: "));
    CHECK(found.err.find("rows.jsonl:2") != std::string::npos);
    CHECK(found.err.find('\n') + 1 == found.err.size());
  }
}

TEST_CASE("reward reads a guideline, and refuses one with a misspelt field") {
  cli::folder const scratch;
  auto const rows = scratch.write(
      "rows.jsonl",
      R"row({"id": "a", "gold": "Makes(e1,e2)", "completion": "s</think><answer>Makes(e2,e1)</answer>", "prefill": "<think>"})row"
      "\n");
  auto const found = run({"reward", "--input", rows, "--guideline",
                          scratch.write("guide.json", R"({"name": "g", "relations": [{"name": "Makes"}]})")});
  REQUIRE(found.code == 0);
  CHECK(found.lines().at(0)["reward_class"] == "wrong_direction");
  auto const wrong = run({"reward", "--input", rows, "--guideline",
                          scratch.write("bad.json", R"({"name": "g", "relations": [{"name": "Makes", "cue": []}]})")});
  CHECK(wrong.failed_clearly(1));
  CHECK(wrong.err.find("relations[0].cue") != std::string::npos);
  CHECK(run({"reward", "--input", rows, "--guideline", scratch.write("none.json", R"({"name": "g", "relations": []})")})
            .failed_clearly(1));
}

TEST_CASE("inspect agrees with the verdicts on malformed files") {
  for (json const& row : read_lines(RLVR_TEST_DATA "/malformed/manifest.jsonl")) {
    if (row.value("divergence_allowed", false)) continue;
    INFO(row["path"]);
    auto const found =
        run({"inspect", "--kind", row["kind"], RLVR_TEST_DATA "/malformed/" + row["path"].get<std::string>()});
    bool const accept = row["expect"] == "accept";
    CHECK(found.code == (accept ? 0 : 1));
    json const verdict = found.lines().at(0);
    CHECK(verdict["ok"] == accept);
    CHECK(verdict["message"].get<std::string>().find('\n') == std::string::npos);
    if (accept) CHECK(verdict["error_class"].is_null());
    if (accept) continue;
    auto const in_bars = [](json const& name) {
      return std::string(1, '|').append(name.get<std::string>()).append("|");
    };
    CHECK(in_bars(row["error_class"]).find(in_bars(verdict["error_class"])) != std::string::npos);
  }
}

TEST_CASE("tokenize gives the ids of the reference tokenizers and their text back") {
  bool seen = false;
  for (auto const& [name, folder] : {std::pair{"gpt-2", "gpt2"}, std::pair{"qwen2", "qwen2"}}) {
    auto const tokenizers = cli::shared_data("data/tokenizers");
    if (!tokenizers) continue;
    seen = true;
    std::string const golden = *tokenizers + "/golden/golden_" + name + ".json";
    auto const found =
        run({"tokenize", "--tokenizer", *tokenizers + "/" + folder + "/tokenizer.json", "--input", golden});
    REQUIRE(found.code == 0);
    auto const lines = found.lines();
    json const cases = json::parse(std::ifstream(golden));
    REQUIRE(lines.size() == cases.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      INFO(cases[i]["text"]);
      CHECK(lines[i]["ids"] == cases[i]["ids"]);
      CHECK(lines[i]["decoded"] == (cases[i].contains("decoded") ? cases[i]["decoded"] : cases[i]["text"]));
    }
  }
  if (!seen) WARN("skipped: the golden cases of tokenizers are not here (RLVR_SHARED_DIR)");
}

TEST_CASE("logprobs answers a golden file with its numbers, on any number of threads") {
  for (std::string const name : {"tiny-llama-sharded", "tiny-qwen2", "tiny-smollm2"}) {
    INFO(name);
    std::string const folder = RLVR_TEST_DATA "/models/" + name;
    auto const result = run({"logprobs", "--model", folder, "--input", folder + "/golden.json"});
    REQUIRE(result.code == 0);
    CHECK(
        run({"logprobs", "--model", folder, "--input", folder + "/golden.json", "--threads", "3", "--pass-tokens", "9"})
            .out == result.out);
    json const found = result.lines().at(0);
    json const golden = json::parse(std::ifstream(folder + "/golden.json"));
    REQUIRE(found["sequences"].size() == golden["sequences"].size());
    for (std::size_t s = 0; s < golden["sequences"].size(); ++s) {
      json const& mine = found["sequences"][s];
      json const& theirs = golden["sequences"][s];
      auto const compare = [](json const& a, json const& b) {
        REQUIRE(a.size() == b.size());
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i].get<double>() - b[i].get<double>()) < 1e-4);
      };
      compare(mine["logprob_next"], theirs["logprob_next"]);
      compare(mine["entropy"], theirs["entropy"]);
      CHECK(mine["argmax"] == theirs["argmax"]);
      REQUIRE(mine["logits"].size() == theirs["logits"].size());
      for (auto const& [position, values] : theirs["logits"].items()) compare(mine["logits"][position], values);
    }
    for (std::size_t i = 0; i < golden["greedy"].size(); ++i)
      for (char const* const key : {"ids", "ids_below_tokenizer_size"})
        CHECK(found["greedy"][i].value(key, json()) == golden["greedy"][i].value(key, json()));
  }
}

TEST_CASE("logprobs continues sequences, and refuses ids and positions that are none") {
  cli::folder const scratch;
  std::string const model = RLVR_TEST_DATA "/models/tiny-qwen2";
  auto const ask = [&](std::string const& input) {
    return run({"logprobs", "--model", model, "--input", scratch.write("input.json", input)});
  };
  auto const plain = ask(R"({"sequences": [{"ids": [5], "greedy": 6, "logit_positions": [0]}, [1, 2]]})");
  REQUIRE(plain.code == 0);
  json const sequences = plain.lines().at(0)["sequences"];
  json const ids = sequences[0]["greedy"];
  REQUIRE(ids.size() == 6);
  CHECK(ids[0] == sequences[0]["argmax"][0]);
  CHECK(sequences[0]["logits"]["0"].size() == 272);
  CHECK_FALSE(sequences[1].contains("greedy"));
  auto const stopped = ask(json{{{"ids", {5}}, {"greedy", 6}, {"stop_ids", {ids[2]}}}}.dump());
  REQUIRE(stopped.code == 0);
  json const cut = stopped.lines().at(0)["sequences"][0]["greedy"];
  CHECK(cut.size() <= 3);
  CHECK(cut.back() == ids[2]);
  for (char const* const bad :
       {"[[272]]", "[[-1]]", "[[]]", "[[1.5]]", "{}", "5", "[5]", R"([{"ids": [1], "logit_positions": [1]}])",
        R"([{"ids": [1], "greedy": 100000}])", R"({"greedy": [{"prompt": []}]})", "[[1]"}) {
    INFO(bad);
    auto const found = ask(bad);
    CHECK(found.failed_clearly(1));
    CHECK(found.err.find("input.json") != std::string::npos);
  }
}
