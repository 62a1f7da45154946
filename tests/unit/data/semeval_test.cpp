// SPDX-License-Identifier: MIT
#include <rlvr/data/semeval.hpp>

#include "reading.hpp"
#include "shared_data.hpp"
#include <fstream>
#include <map>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::data;

namespace {

using test::failing;
using test::failure;
using test::replaced;

std::string const two_blocks =
    "1\t\"The <e1>child</e1> sat in the <e2>cradle</e2>.\"\nEntity-Destination(e1,e2)\nComment: A note: with colon. "
    "\n\n"
    "12\t\"A <e2>key</e2> &lt; the <e1>piano keys</e1>\"\nOther\nComment:\n\n";

std::string with_crlf(std::string const& text) {
  std::string out;
  for (char const letter : text) {
    out += letter == '\n' ? std::string("\r\n") : std::string(1, letter);
  }
  return out;
}

failure corpus_failure(std::string const& text) {
  auto const labels = semeval_labels();
  return failing([&] { (void)parse_semeval(text, "corpus.txt", labels); });
}

failure key_failure(std::string const& text) {
  auto const labels = semeval_labels();
  return failing([&] { (void)parse_label_file(text, "key.txt", labels); });
}

}  // namespace

TEST_CASE("the corpus reader takes LF and CRLF") {
  for (auto const& text : {two_blocks, with_crlf(two_blocks)}) {
    auto const examples = parse_semeval(text, "corpus.txt", semeval_labels());
    REQUIRE(examples.size() == 2);
    CHECK(examples[0] == relation_example{"1", "The <e1>child</e1> sat in the <e2>cradle</e2>.",
                                          "Entity-Destination(e1,e2)", "A note: with colon."});
    CHECK(examples[1] == relation_example{"12", "A <e2>key</e2> &lt; the <e1>piano keys</e1>", "Other", ""});
    auto const entities = find_entities(examples[1].sentence);
    REQUIRE(entities);
    CHECK(entities->e1 == "piano keys");
    CHECK(entities->e2 == "key");
  }
}

TEST_CASE("the corpus reader's edges") {
  CHECK(parse_semeval("", "corpus.txt").empty());
  CHECK(parse_semeval("\n\r\n\n", "corpus.txt").empty());
  CHECK(parse_semeval(two_blocks + "\n\n", "corpus.txt").size() == 2);
  // The last block may lack its blank line and even the comment's line end.
  CHECK(parse_semeval(two_blocks.substr(0, two_blocks.size() - 1), "corpus.txt").size() == 2);
  CHECK(parse_semeval(two_blocks.substr(0, two_blocks.size() - 2), "corpus.txt").size() == 2);
  // Without a label set any label goes.
  CHECK(parse_semeval(replaced(two_blocks, "Other", "Makes(e2,e1)"), "corpus.txt")[1].label == "Makes(e2,e1)");
}

TEST_CASE("the corpus reader names file, line, found and expected") {
  auto const check = [](std::string const& text, std::string const& code, std::string const& start,
                        std::string const& part) {
    auto const failure = corpus_failure(text);
    INFO(failure.message);
    CHECK(failure.code == code);
    CHECK(failure.message.starts_with("corpus.txt: " + start));
    CHECK(failure.message.find(part) != std::string::npos);
    CHECK(failure.message.find("expected") != std::string::npos);
    CHECK(failure.message.find('\n') == std::string::npos);
  };
  check("1\t\"<e1>a</e1> <e2>b</e2>\"\n", "Truncated", "line 2", "a label");
  check("1\t\"<e1>a</e1> <e2>b</e2>\"\nOther\n", "Truncated", "line 3", "Comment");
  check(replaced(two_blocks, "</e2>", ""), "MissingMarker", "line 1", "<e2>..</e2>");
  check(replaced(two_blocks, "<e1>child</e1>", "<e1></e1>"), "MissingMarker", "line 1", "non-empty");
  check(replaced(two_blocks, "<e1>child</e1>", "<e1><e1>child</e1>"), "MissingMarker", "line 1", "child");
  check(replaced(two_blocks, "12\t", "1\t"), "DuplicateId", "line 5", "id 1 a second time");
  check(replaced(two_blocks, "Entity-Destination(e1,e2)", "Entity-Destination"), "UnknownLabel", "line 2",
        "'Entity-Destination'");
  check(replaced(two_blocks, "1\t", "1 "), "BadLine", "line 1", "TAB");
  check(replaced(two_blocks, "1\t", "x1\t"), "BadLine", "line 1", "decimal id");
  check(replaced(two_blocks, ".\"\n", ".\n"), "BadLine", "line 1", "double quotes");
  check(replaced(two_blocks, "1\t\"", "1\t"), "BadLine", "line 1", "double quotes");
  check("1\t\"\n", "BadLine", "line 1", "double quotes");
  check(replaced(two_blocks, "Comment: A", "A"), "BadLine", "line 3", "\"Comment:\"");
  check(replaced(two_blocks, "\n\n12", "\n12"), "BadLine", "line 4", "blank line");
  check(replaced(two_blocks, "\nOther\n", "\n\nOther\n"), "BadLine", "line 6", "a label");
  check("\n" + two_blocks, "BadLine", "line 1", "a blank line");
  check(std::string(5000, 'x'), "BadLine", "line 1", "xxx...'");
  check(std::string("\x01\x7F\ty\n"), "BadLine", "line 1", "'??\\ty'");
}

TEST_CASE("entities that overlap or are missing are not found") {
  CHECK_FALSE(find_entities(""));
  CHECK_FALSE(find_entities("<e1>a <e2>b</e1> c</e2>"));
  CHECK_FALSE(find_entities("<e1>a <e2>b</e2> c</e1>"));
  CHECK_FALSE(find_entities("</e1>a<e1> <e2>b</e2>"));
  CHECK_FALSE(find_entities("<e1>a</e1> <e2>b</e2> <e2>c</e2>"));
  CHECK(find_entities("<e1>a</e1><e2>b</e2>"));
}

TEST_CASE("key files are as strict as the official scorer") {
  auto const entries = parse_label_file("8001\tOther\r\n7\tCause-Effect(e2,e1)\n", "key.txt", semeval_labels());
  CHECK(entries == std::vector<labelled_id>{{"8001", "Other"}, {"7", "Cause-Effect(e2,e1)"}});
  CHECK(label_file_text(entries) == "8001\tOther\n7\tCause-Effect(e2,e1)\n");
  CHECK(parse_label_file("", "key.txt").empty());

  CHECK(key_failure("1\tOther").code == "Truncated");
  CHECK(key_failure("1\tOther\n1\tOther\n").code == "DuplicateId");
  CHECK(key_failure("1\tOther\n").code == "no error");
  CHECK(key_failure("1\tOther\n01\tOther\n").code == "no error");  // ids are texts
  CHECK(key_failure("1\tCause-Effect\n").code == "UnknownLabel");
  CHECK(key_failure("1\tOther \n").code == "UnknownLabel");
  CHECK(key_failure("1\t_Other\n").code == "UnknownLabel");
  CHECK(key_failure("1 Other\n").code == "BadLine");
  CHECK(key_failure("-1\tOther\n").code == "BadLine");
  CHECK(key_failure("1\tOther\n\n").code == "BadLine");
  CHECK(key_failure("1\t\n").code == "BadLine");
  CHECK(key_failure("1\tOther\r\r\n").code == "BadLine");
  CHECK(
      key_failure("1\tOther\n2\tNone\n").message.starts_with("key.txt: line 2: found 'None', expected one of the 19"));
}

TEST_CASE("files that cannot be read are io_errors") {
  CHECK_THROWS_AS(read_semeval("/no/such/file.txt"), io_error);
  CHECK_THROWS_AS(read_semeval(RLVR_TEST_DATA), io_error);
  CHECK_THROWS_AS(read_label_file("/no/such/file.txt"), io_error);
}

TEST_CASE("the embedded corpora read back") {
  std::string const folder = std::string(RLVR_TEST_DATA) + "/../examples/r1_re/data/";
  auto const train = read_semeval(folder + "general_train.txt");
  CHECK(train.size() == 960);
  CHECK(read_semeval(folder + "general_test.txt").size() == 240);
  CHECK(read_semeval(folder + "clinical_test.txt").size() == 240);
  CHECK(train.at(0).id == "1");
  CHECK(train.at(0).comment.starts_with("cue "));
}

TEST_CASE("the full SemEval-2010 release reads without complaint") {
  auto const folder = shared_data("data/semeval2010");
  if (!folder) {
    return;
  }
  auto const labels = semeval_labels();
  auto const train = read_semeval(*folder / "TRAIN_FILE.TXT", labels);
  auto const test = read_semeval(*folder / "TEST_FILE_FULL.TXT", labels);
  REQUIRE(train.size() == 8000);
  REQUIRE(test.size() == 2717);
  CHECK(train.front().id == "1");
  CHECK(test.front().id == "8001");
  CHECK(test.back().id == "10717");

  // The organisers' own figures: relation, count in training, count in test.
  struct row {
    std::string label;
    std::size_t train, test;
  };
  std::map<std::string, std::size_t> train_counts;
  std::map<std::string, std::size_t> test_counts;
  for (auto const& example : train) {
    ++train_counts[example.label];
  }
  for (auto const& example : test) {
    ++test_counts[example.label];
  }
  for (auto const& [label, in_train, in_test] :
       {row{"Cause-Effect(e1,e2)", 344, 134}, row{"Cause-Effect(e2,e1)", 659, 194}, row{"Other", 1410, 454},
        row{"Entity-Destination(e1,e2)", 844, 291}, row{"Entity-Destination(e2,e1)", 1, 1},
        row{"Instrument-Agency(e2,e1)", 407, 134}, row{"Member-Collection(e2,e1)", 612, 201}}) {
    INFO(label);
    CHECK(train_counts[label] == in_train);
    CHECK(test_counts[label] == in_test);
  }
  CHECK(label_file_text(key_of(test)) == read_text(*folder / "TEST_KEY_DIRECTED.txt"));
}
