// SPDX-License-Identifier: MIT
// Log lines against nlohmann-json as the reader, and against the table of the Unicode Standard for broken text.
#include "records.hpp"
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <support/catch.hpp>

using namespace report_test;
using nlohmann::json;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
std::string const replaced = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("malformed UTF-8 is replaced by maximal subparts") {
  // Unicode Standard 15, section 3.9, tables 3-8 to 3-11.
  std::string const r = replaced;
  CHECK(report::to_valid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == r + r + r + r + r + r + r + r + "A");
  CHECK(report::to_valid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == r + r + r + r + r + r + r + r + "A");
  CHECK(report::to_valid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") == r + r + r + r + r + "A" + r + r + "B");
  CHECK(report::to_valid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == r + r + r + r + "A");
  for (std::string_view good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80",
                                "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    CHECK(report::to_valid_utf8(good) == good);
  }
}

TEST_CASE("every byte pair in model text gives valid JSON that reads back") {
  std::string all;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 7) all += {static_cast<char>(a), static_cast<char>(b), 'x'};
  }
  for (std::string const& text : {all, hostile, std::string(3, '\0')}) {
    std::string const line = report::to_json(completion_of(1, text, text));
    CHECK(line.find('\n') == std::string::npos);
    json const parsed = json::parse(line);
    CHECK(parsed["completion"].get<std::string>() == report::to_valid_utf8(text));
    auto const back = report::parse_completion_record(line);
    REQUIRE(back);
    CHECK(back->completion == report::to_valid_utf8(text));
    CHECK(report::to_json(*back) == line);
  }
}

TEST_CASE("a step is one object with its scalars in order") {
  train::step_record record = step_of(7);
  record.set("weird \"name\"", -0.0);
  record.set(train::metric::entropy, not_a_number);
  record.set(train::metric::loss, -inf);
  record.set(train::metric::grad_norm, 0.1 + 0.2);
  std::string const line = report::to_json(record);
  auto const parsed = nlohmann::ordered_json::parse(line);
  std::vector<std::string> names;
  for (auto const& [name, value] : parsed.items()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"step", "phase", "reward", "kl", "reward_class/correct", "weird \"name\"",
                                          "entropy", "loss", "grad_norm", "non_finite"});
  CHECK(parsed["step"] == 7);
  CHECK(parsed["entropy"].is_null());
  CHECK(parsed["loss"].is_null());
  CHECK(parsed["non_finite"] == nlohmann::ordered_json{{"entropy", "nan"}, {"loss", "-inf"}});
  CHECK(parsed["grad_norm"].get<double>() == 0.1 + 0.2);  // every bit

  auto const back = report::parse_step_record(line);
  REQUIRE(back);
  CHECK(back->scalars.size() == record.scalars.size());
  CHECK(std::isnan(*back->find("entropy")));
  CHECK(*back->find("loss") == -inf);
  CHECK(std::signbit(*back->find("weird \"name\"")));
  CHECK(report::to_json(*back) == line);
}

TEST_CASE("doubles survive the way through text") {
  for (double value : {5e-324, 1.7976931348623157e308, 1e21, 1e22, 123456789012345680.0, 0.1, 1e-7, -2.5}) {
    train::step_record record;
    record.set("x", value);
    std::string const line = report::to_json(record);
    CHECK(json::parse(line)["x"].get<double>() == value);
    CHECK(report::parse_step_record(line)->find("x") == value);
  }
}

TEST_CASE("two members of one name are refused") {
  train::step_record record = step_of(1);
  record.set("step", 3);
  CHECK_THROWS_AS(report::to_json(record), argument_error);
  record = step_of(1);
  record.scalars.emplace_back("reward", 1);
  CHECK_THROWS_AS(report::to_json(record), argument_error);
}

TEST_CASE("completions keep what JSON numbers could not") {
  train::completion_record record = completion_of(3, "text", "correct");
  record.answer.reset();
  record.reward = not_a_number;
  record.reward_parts[1].second = inf;
  std::string const line = report::to_json(record);
  json const parsed = json::parse(line);
  CHECK(parsed["token_hash"] == "fedcba9876543210");
  CHECK(parsed["answer"].is_null());
  CHECK(parsed["rewards"] == json{{"format", 1.0}, {"relation", nullptr}});
  CHECK(parsed["non_finite"] == json{{"reward", "nan"}, {"rewards/relation", "inf"}});
  auto const back = report::parse_completion_record(line);
  REQUIRE(back);
  CHECK(back->token_hash == record.token_hash);
  CHECK(!back->answer);
  CHECK(std::isnan(back->reward));
  CHECK(back->reward_parts == record.reward_parts);
}

TEST_CASE("the token hash is FNV-1a") {
  // Vectors of the FNV reference: the empty string and "foob", which is one word.
  int const none = 0;
  CHECK(train::hash_tokens(&none, 0) == 0xcbf29ce484222325ULL);
  int const foob = 'f' | 'o' << 8 | 'o' << 16 | 'b' << 24;
  CHECK(train::hash_tokens(&foob, 1) == 0xdd120e790c2512afULL);
}

TEST_CASE("run.json is valid and whole") {
  temporary_folder folder;
  train::run_record run;
  run.name = hostile;
  run.configuration = {{"seed", "1"}, {"learning_rate", "1e-3"}};
  run.seeds = {{"rollout", 18446744073709551615ULL}};
  report::write_run(folder.path, run);
  json const parsed = json::parse(read(folder / "run.json"));
  CHECK(parsed["name"] == report::to_valid_utf8(hostile));
  CHECK(parsed["seeds"]["rollout"] == 18446744073709551615ULL);
  CHECK(parsed["data_hashes"] == json::object());
  CHECK(!std::filesystem::exists(folder / "run.json.partial"));
  CHECK_THROWS_AS(report::write_run(folder / "absent", run), io_error);
}

TEST_CASE("a failed replacement leaves the old file") {
  temporary_folder folder;
  write(folder / "report.html", "old");
  std::filesystem::create_directory(folder / "report.html.partial");
  CHECK_THROWS_AS(report::write_atomic(folder / "report.html", "new"), io_error);
  CHECK(read(folder / "report.html") == "old");
}

TEST_CASE("text that is no record is refused") {
  std::string const line = report::to_json(step_of(1));
  for (std::size_t length = 0; length < line.size(); ++length)
    CHECK(!report::parse_step_record(line.substr(0, length)));
  for (std::string_view bad :
       {"[]", "{}", "null", "{\"step\":-1}", "{\"step\":1}}", "{\"step\":1,}", "{\"step\":\"1\"}",
        "{\"step\":1,\"x\":nan}", "{\"step\":1,\"x\":\"\\q\"}", "{\"step\":1 \"x\":2}"}) {
    CAPTURE(bad);
    CHECK(!report::parse_step_record(bad));
    CHECK(!report::parse_completion_record(bad));
  }
  std::string const deep = "{\"step\":1,\"x\":" + std::string(100000, '[');
  CHECK(!report::parse_step_record(deep));
  // What a later version might add is skipped.
  CHECK(report::parse_step_record(R"( {"step" : 1, "x":[1,{"y":"\ud83d\ude00"}], "s":"t", "b":true } )"));
}
