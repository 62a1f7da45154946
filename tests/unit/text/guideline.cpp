// SPDX-License-Identifier: MIT
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <set>
#include <string>
#include <support/catch.hpp>

using namespace rlvr::text;
using Catch::Matchers::Contains;

namespace {

guideline two_relations() {
  guideline guide;
  guide.title = "Toy";
  guide.introduction = "Choose one.";
  guide.direction_rule = "e1 first.";
  guide.relations = {{.name = "Owns",
                      .definition = "has it",
                      .first_role = "owner",
                      .second_role = "thing",
                      .directed = true,
                      .examples = {{"<e1>Ann</e1> has a <e2>car</e2>.", "Owns(e1,e2)"},
                                   {"the <e1>car</e1> of <e2>Ann</e2>", "Owns(e2,e1)"}}},
                     {.name = "Peer", .definition = "equal rank", .directed = false, .examples = {}}};
  return guide;
}

}  // namespace

TEST_CASE("labels enumerate, index, print and parse as one") {
  guideline const guide = two_relations();
  REQUIRE(label_count(guide) == 3);
  CHECK(label_texts(guide) == std::vector<std::string>{"Owns(e1,e2)", "Owns(e2,e1)", "Peer"});
  for (std::size_t i = 0; i < label_count(guide); ++i) {
    relation_label const label = label_at(guide, i);
    CHECK(label_index(guide, label) == i);
    CHECK(parse_label(guide, label_text(guide, label)) == label);
  }
  CHECK_THROWS_AS(label_at(guide, 3), rlvr::argument_error);
  CHECK_THROWS_AS(label_index(guide, {2, direction::none}), rlvr::argument_error);
  CHECK_THROWS_AS(label_index(guide, {0, direction::none}), rlvr::argument_error);
  CHECK_THROWS_AS(label_text(guide, {1, direction::e1_e2}), rlvr::argument_error);
  CHECK(find_relation(guide, "Peer") == 1);
  CHECK_FALSE(find_relation(guide, "peer"));
}

TEST_CASE("a label forgives white space where the rule says so, and nothing else") {
  guideline const guide = two_relations();
  relation_label const forward{0, direction::e1_e2};
  for (char const* text : {"Owns(e1,e2)", " Owns(e1,e2)\n", "Owns (e1,e2)", "Owns\t(\r\ne1 , e2 )", "Owns( e1,e2 )"}) {
    CAPTURE(text);
    CHECK(parse_label(guide, text) == forward);
  }
  CHECK(parse_label(guide, "Owns(e2, e1)") == relation_label{0, direction::e2_e1});
  CHECK(parse_label(guide, "\n Peer ") == relation_label{1, direction::none});
  for (char const* text : {"",
                           " ",
                           "(",
                           ")",
                           "()",
                           "Owns",
                           "Owns(",
                           "Owns()",
                           "Owns(e1,e2",
                           "Owns(e1,e2]",
                           "Owns e1,e2)",
                           "Owns(e1,e2))",
                           "(e1,e2)",
                           "Owns(e1,e1)",
                           "Owns(e1,e2),",
                           "Owns(e1,e2) Peer",
                           "owns(e1,e2)",
                           "Own s(e1,e2)",
                           "Owns((e1,e2)",
                           "Owns(e1 e2)",
                           "Owns(E1,E2)",
                           "Peer(e1,e2)",
                           "Peer()",
                           "Peer.",
                           "Owns(e1,e2,)",
                           "\vPeer",
                           "Peer\xc2\xa0",
                           "Owns(e1,,e2)"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_label(guide, text));
  }
  CHECK_FALSE(parse_label(guide, std::string_view("Peer\0", 5)));
}

TEST_CASE("validation names what is wrong") {
  CHECK_NOTHROW(validate(two_relations()));
  CHECK_THROWS_WITH(validate(guideline{}), Contains("no relation"));
  auto const with_name = [](std::string name) {
    guideline guide = two_relations();
    guide.relations[1].name = std::move(name);
    return guide;
  };
  CHECK_THROWS_WITH(validate(with_name("")), Contains("relation 1") && Contains("empty"));
  CHECK_THROWS_WITH(validate(with_name("Owns")), Contains("'Owns' is defined more than once"));
  for (char const* name : {"a b", "a(b", "a)", "\ta", "a\n", "a<b", "a>", "a|b", "a\x7f", "a\x01"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(validate(with_name(name)), rlvr::argument_error);
  }
  CHECK_THROWS_AS(validate(with_name(std::string("a\0b", 3))), rlvr::argument_error);
  CHECK_NOTHROW(validate(with_name("verwandt_mit-\xc3\xa4hnlich/2,x")));
  guideline guide = two_relations();
  guide.relations[0].examples[0].answer = "Owns";
  CHECK_THROWS_WITH(validate(guide), Contains("'Owns'") && Contains("label of the guideline"));
}

TEST_CASE("rendering shows the chosen parts and nothing else") {
  guideline const guide = two_relations();
  CHECK(render(guide) ==
        "Toy\n\nChoose one.\n\nRelations:\n- Owns(owner, thing): has it\n"
        "  Example: <e1>Ann</e1> has a <e2>car</e2>. -> Owns(e1,e2)\n"
        "  Example: the <e1>car</e1> of <e2>Ann</e2> -> Owns(e2,e1)\n- Peer: equal rank\n\nDirection: e1 first.\n");
  guideline_rendering const least{.title = false,
                                  .introduction = false,
                                  .definitions = false,
                                  .roles = false,
                                  .direction_rule = false,
                                  .examples_per_relation = 0,
                                  .compact = true};
  CHECK(render(guide, least) == "Owns\nPeer\n");
  guideline_rendering compact{.examples_per_relation = 1, .compact = true};
  compact.labels = true;
  CHECK(render(guide, compact) ==
        "Toy\nChoose one.\nOwns(owner,thing): has it\n<e1>Ann</e1> has a <e2>car</e2>. -> Owns(e1,e2)\n"
        "Peer: equal rank\ne1 first.\nOwns(e1,e2) Owns(e2,e1) Peer\n");
}

TEST_CASE("the SemEval-2010 guideline has the task's 19 labels and fits a short context") {
  guideline const guide = semeval2010_guideline();
  CHECK_NOTHROW(validate(guide));
  std::set<std::string> expected{"Other"};
  for (char const* name :
       {"Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination", "Entity-Origin",
        "Instrument-Agency", "Member-Collection", "Message-Topic", "Product-Producer"}) {
    expected.insert(std::string(name) + "(e1,e2)");
    expected.insert(std::string(name) + "(e2,e1)");
  }
  std::vector<std::string> const labels = label_texts(guide);
  CHECK(labels.size() == 19);
  CHECK(std::set<std::string>(labels.begin(), labels.end()) == expected);
  CHECK(label_texts(guide).back() == "Other");
  CHECK(render(guide, {.compact = true}).size() < 2500);
  for (relation_definition const& relation : guide.relations) {
    CHECK_FALSE(relation.definition.empty());
    // The name states the roles in argument order.
    if (relation.directed) {
      std::string lower = relation.name;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      CHECK(lower == relation.first_role + "-" + relation.second_role);
    }
  }
}

TEST_CASE("cues render as a lexicon, and nothing else if nothing else is asked for") {
  guideline guide = two_relations();
  guide.relations[0].cues = {"owned", "kept"};
  guide.relations[1].cues = {"equals"};
  guideline_rendering const lexicon{.title = false,
                                    .introduction = false,
                                    .relations = false,
                                    .direction_rule = false,
                                    .cue_lines = true,
                                    .compact = true};
  CHECK(render(guide, lexicon) == " owned Owns\n equals Peer\n kept Owns\n");
  guide.relations[1].cues = {"two\nlines"};
  CHECK_THROWS_WITH(validate(guide), Contains("a cue of 'Peer'"));
}
