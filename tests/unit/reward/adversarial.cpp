// SPDX-License-Identifier: MIT
// Every row of tests/adversarial/visible.jsonl (contract RE-STRICT-1, stated in the README beside it).
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward;
using nlohmann::json;

namespace {

std::string decode_base64(std::string const& text) {
  std::string const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned buffer = 0;
  int bits = 0;
  for (char const c : text) {
    if (c == '=') break;
    buffer = (buffer << 6) | static_cast<unsigned>(alphabet.find(c));
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>((buffer >> bits) & 0xFF);
    }
  }
  return bytes;
}

std::string completion_of(json const& row) {
  if (row.contains("completion")) return row["completion"];
  if (row.contains("completion_b64")) return decode_base64(row["completion_b64"]);
  std::string text;
  for (json const& part : row.at("completion_parts")) {
    std::string const unit = part.is_string() ? part : part.at(0);
    for (int count = part.is_string() ? 1 : part.at(1).get<int>(); count > 0; --count) text += unit;
  }
  return text;
}

std::vector<json> visible_rows() {
  std::ifstream file(RLVR_TEST_DATA "/adversarial/visible.jsonl");
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

}  // namespace

TEST_CASE("every visible adversarial row is classified as the contract says") {
  auto const guide = rlvr::text::semeval2010_guideline();
  std::size_t completions = 0;
  std::size_t timed = 0;
  for (json const& row : visible_rows()) {
    if (row["kind"] != "completion") continue;
    ++completions;
    CAPTURE(row["id"].get<std::string>(), row["why"].get<std::string>());
    std::string const completion = completion_of(row);
    std::string const gold = row["gold"];
    std::string const prefill = row.value("prefill", "");

    relation_classification result;
    double fastest = std::numeric_limits<double>::infinity();  // of three: the machine may be busy
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto const start = std::chrono::steady_clock::now();
      result = classify(guide, gold, completion, prefill);
      std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
      fastest = std::min(fastest, elapsed.count());
    }
    json const& expected = row["expected"];
    CHECK(result.format_ok == expected["format_ok"].get<bool>());
    CHECK(class_name(result.kind) == expected["reward_class"].get<std::string>());
    CHECK(result.answer.has_value() == !expected["answer"].is_null());
    if (result.answer && !expected["answer"].is_null()) CHECK(*result.answer == expected["answer"].get<std::string>());
    CHECK((result.reward == 3) == (expected["reward_class"] == "correct"));
    CHECK(result.diagnosis.empty() == (result.kind == reward_class::correct));
    CHECK(result.diagnosis.size() < 400);
    CHECK(std::all_of(result.diagnosis.begin(), result.diagnosis.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    if (row.contains("max_ms")) {
      ++timed;
      CHECK(fastest < test::time_limit(row["max_ms"].get<double>()));
    }

    // The same through a sample, whose prompt must not be read.
    std::string const prompt = row.value("prompt", "");
    relation_sample const sample{.completion = completion,
                                 .gold = *rlvr::text::parse_label(guide, gold),
                                 .guide = &guide,
                                 .prompt = prompt,
                                 .prefill = prefill,
                                 .truncated = row.value("truncated", false)};
    outcome const scored = r1_re{}(sample);
    CHECK(scored.value == result.reward);
    CHECK(scored.kind == result.kind);
    if (sample.truncated) CHECK_THAT(scored.diagnosis, Catch::Matchers::Contains("cut off"));
  }
  CHECK(completions == 62);
  CHECK(timed == 5);
}
