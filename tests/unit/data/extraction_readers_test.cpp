// SPDX-License-Identifier: MIT
#include <rlvr/data/docred.hpp>
#include <rlvr/data/pubtator.hpp>
#include <rlvr/data/text2kgbench.hpp>

#include "reading.hpp"
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::data;

namespace {

std::string const abstract_text =
    "12|t|Drug A harms.\n12|a|Drug A and beta caused liver and renal failure.\n"
    "12\t0\t6\tDrug A\tChemical\tC1\n12\t14\t20\tDrug A\tChemical\tC1\n12\t25\t29\tbeta\tChemical\t-1\n"
    "12\t37\t60\tliver and renal failure\tDisease\tD1|D2\tliver failure|renal failure\n12\tCID\tC1\tD2\n\n"
    "13|t|T\r\n13|a|\r\n";

std::string const red_text =
    R"([{"title":"T","sents":[["Ada",",","born"],["London","."]],)"
    R"("vertexSet":[[{"name":"Ada","type":"PER","sent_id":0,"pos":[0,1]},)"
    R"({"name":"Ada L.","type":"PER","sent_id":0,"pos":[0,2]}],)"
    R"([{"name":"London","type":"LOC","sent_id":1,"pos":[0,1]}]],"labels":[{"h":0,"r":"P19","t":1,"evidence":[0,1]}]},)"
    "\n"
    R"({"title":"U [\"]","sents":[],"vertexSet":[],"labels":[]} ])";

std::string const ontology_text =
    R"({"title":"Film Ontology","id":"ont_1","concepts":[{"qid":"Q1","label":"film"},{"qid":"Q5","label":"human"}],)"
    R"("relations":[{"pid":"P57","label":"director","domain":"Q1","range":"Q5"},)"
    R"({"pid":"P577","label":"publication date ","domain":"Q1","range":""},)"
    R"({"pid":"P1","label":"league","domain":"Q5","range":"Q9"},)"
    R"({"pid":"P1","label":"league","domain":"Q1","range":"Q9"}]})";

std::string const sentence_text =
    R"({"id":"a_1","sent":"X by Y.","triples":[{"sub":"X","rel":"director","obj":"Y"},)"
    R"({"sub":"X","rel":"genre","obj":"Z"}]})"
    "\n\n"
    R"({"id":"a_2","sent":"S","sub_label":"X","rel_label":"director","obj_label":"X","sub":"Q7"})"
    "\n"
    R"({"id":"a_3","sent":"nothing","triples":[]})"
    "\n";

using test::replaced;

/// Code and message of the format_error that parsing raises.
template <class Parse>
std::string code_and_message(Parse const& parse) {
  test::failure const found = test::failing(parse);
  return found.code + " " + found.message;
}

}  // namespace

TEST_CASE("PubTator documents become examples") {
  auto const examples = parse_pubtator(abstract_text, "x.txt");
  REQUIRE(examples.size() == 2);
  auto const& [id, text, sentences, entities, facts] = examples[0];
  CHECK(id == "12");
  CHECK(text == "Drug A harms. Drug A and beta caused liver and renal failure.");
  REQUIRE(entities.size() == 3);
  CHECK(entities[0] == text::named_entity{.id = "C1", .types = {"Chemical"}, .names = {"Drug A"}});
  CHECK(entities[2] ==
        text::named_entity{.id = "D2", .types = {"Disease"}, .names = {"liver and renal failure", "renal failure"}});
  CHECK(facts == std::vector<text::extracted_fact>{{.subject = 0, .relation = "CID", .object = 2, .evidence = {}}});
  CHECK(examples[1].text == "T ");

  // Offsets count characters: two bytes each here.
  auto const accents = parse_pubtator("1|t|\xC3\xA9\xC3\xA9\n1|a|x\xC3\xA9\n1\t4\t5\t\xC3\xA9\tT\tI\n", "x.txt");
  CHECK(accents.at(0).entities.at(0).names.at(0) == "\xC3\xA9");
}

TEST_CASE("PubTator: what is wrong is named with its line") {
  auto const fails = [](std::string const& from, std::string const& to) {
    return code_and_message([&] { (void)parse_pubtator(replaced(abstract_text, from, to), "x.txt"); });
  };
  CHECK(fails("12\t0\t6", "12\t1\t6") ==
        "BadOffset x.txt: line 3: found mention 'Drug A', expected the text there, 'rug A'");
  CHECK(fails("\t25\t29", "\t25\t99999999999999999999").starts_with("BadOffset x.txt: line 5:"));
  CHECK(fails("\t25\t29", "\t29\t25").starts_with("BadOffset x.txt: line 5:"));
  CHECK(fails("\tD1|D2\t", "\tD1\t").starts_with("BadLine x.txt: line 6: found 2 parts"));
  CHECK(fails("CID\tC1\tD2", "CID\tC1\tD9").starts_with("UnknownId x.txt: document 12: found CID of 'D9'"));
  CHECK(fails("12\tCID", "13\tCID").starts_with("BadLine x.txt: line 7:"));
  CHECK(fails("\tC1\n", "\n").starts_with("BadLine x.txt: line 3: found 5 fields"));
  CHECK(fails("13|t|T", "12|t|T").starts_with("DuplicateId x.txt: line 9:"));
  CHECK(fails("13|a|\r\n", "").starts_with("Truncated x.txt: line 10:"));
  CHECK(fails("12|a|", "12|b|").starts_with("BadLine x.txt: line 2:"));
  CHECK(fails("12|t|", "x|t|").starts_with("BadLine x.txt: line 1:"));
  CHECK(parse_pubtator("\n\n", "x.txt").empty());
}

TEST_CASE("DocRED documents become examples") {
  auto const examples = parse_docred(red_text, "x.json", {{"P19", "place of birth"}});
  REQUIRE(examples.size() == 2);
  CHECK(examples[0].id == "T");
  CHECK(examples[0].text == "Ada , born London .");
  CHECK(examples[0].sentences == std::vector<std::size_t>{0, 11});
  CHECK(examples[0].entities.at(0) == text::named_entity{.id = "0", .types = {"PER"}, .names = {"Ada", "Ada L."}});
  CHECK(examples[0].facts == std::vector<text::extracted_fact>{
                                 {.subject = 0, .relation = "place of birth", .object = 1, .evidence = {0, 1}}});
  CHECK(examples[1].id == "U [\"]");
  CHECK(parse_docred(red_text, "x.json").at(0).facts.at(0).relation == "P19");
  CHECK(parse_docred(" [ ] ", "x.json").empty());
  CHECK(parse_relation_names(R"({"P1":["a","x"],"P2":["b"],"P3":"a"})", "n.json") == relation_names{{"P2", "b"}});
}

TEST_CASE("DocRED: what is wrong is named with its document and field") {
  auto const fails = [](std::string const& from, std::string const& to) {
    return code_and_message([&] { (void)parse_docred(replaced(red_text, from, to), "x.json"); });
  };
  CHECK(fails(R"("h":0)", R"("h":2)") == "Range x.json: document 0.labels[0].h: found 2, expected 0 to 1");
  CHECK(fails(R"("pos":[0,2])", R"("pos":[0,4])").starts_with("Range x.json: document 0.vertexSet[0][1].pos[1]"));
  CHECK(fails(R"("pos":[0,2])", R"("pos":[2,2])").starts_with("Range x.json: document 0.vertexSet[0][1].pos[0]"));
  CHECK(fails(R"("sent_id":1)", R"("sent_id":18446744073709551615)").starts_with("Range x.json: document 0"));
  CHECK(fails(R"("evidence":[0,1])", R"("evidence":[0,-1])").starts_with("Range x.json: document 0.labels[0]"));
  CHECK(fails(R"("r":"P19")", R"("r":" ")").starts_with("Empty x.json: document 0.labels[0].r"));
  CHECK(fails(R"("name":"London",)", "").starts_with("Missing x.json: document 0.vertexSet[1][0].name"));
  CHECK(fails("\"U [\\\"]\"", "\"T\"").starts_with("DuplicateId x.json: document 1"));
  CHECK(fails(R"("labels":[]} ])", R"("labels":[]} )").starts_with("Json x.json: element 1: found the end"));
  CHECK(fails(R"("labels":[]} ])", R"("labels":[]},])").starts_with("Json x.json: element 2: found nothing"));
  CHECK(fails(R"("labels":[]} ])", R"("labels":[]}]x)").starts_with("Json x.json: element 2: found 'x'"));
  CHECK(fails(R"("title":"T",)", R"("title":"T","title":"T",)").starts_with("DuplicateKey x.json: document 0"));
  CHECK(code_and_message([] { (void)parse_docred("{}", "x.json"); }).starts_with("Json x.json: begin"));
  CHECK(code_and_message([] { (void)parse_docred("[1]", "x.json"); }).starts_with("Type x.json: document 0"));
  CHECK(code_and_message([] {
          (void)parse_docred("[" + std::string(200'000, '[') + "]", "x.json");
        }).starts_with("Json"));
  CHECK(code_and_message([] { (void)parse_docred(std::string(200'000, '['), "x.json"); }).starts_with("Json"));
}

TEST_CASE("Text2KGBench ontologies become guidelines, sentences examples") {
  auto const ontology = parse_text2kgbench_ontology(ontology_text, "o.json");
  CHECK(ontology.id == "ont_1");
  CHECK(ontology.guide.title == "Film Ontology");
  REQUIRE(ontology.guide.relations.size() == 3);
  CHECK(ontology.guide.relations[0].first_role == "film");
  CHECK(ontology.guide.relations[0].second_role == "human");
  CHECK(ontology.guide.relations[1].name == "publication date");
  CHECK(ontology.guide.relations[1].second_role.empty());
  CHECK(ontology.guide.relations[2].first_role == "human or film");  // declared twice
  CHECK(ontology.guide.relations[2].second_role == "Q9");            // of an undeclared concept
  auto const examples = parse_text2kgbench(sentence_text, "s.jsonl", &ontology);
  REQUIRE(examples.size() == 3);
  CHECK(examples[0].entities == std::vector<text::named_entity>{{.id = "X", .types = {"film"}, .names = {"X"}},
                                                                {.id = "Y", .types = {"human"}, .names = {"Y"}},
                                                                {.id = "Z", .types = {}, .names = {"Z"}}});
  CHECK(examples[0].facts.at(1) ==
        text::extracted_fact{.subject = 0, .relation = "genre", .object = 2, .evidence = {}});
  CHECK(examples[1].facts.at(0) ==
        text::extracted_fact{.subject = 0, .relation = "director", .object = 0, .evidence = {}});
  CHECK(examples[2].facts.empty());

  auto const fails = [](std::string const& from, std::string const& to) {
    return code_and_message([&] { (void)parse_text2kgbench(replaced(sentence_text, from, to), "s.jsonl"); });
  };
  CHECK(fails("a_2", "a_1").starts_with("DuplicateId s.jsonl:3: id: found 'a_1' a second time"));
  CHECK(fails(R"("obj":"Z")", R"("obj":" ")").starts_with("Empty s.jsonl:1: triples[1].obj"));
  CHECK(fails(R"("rel":"genre",)", "").starts_with("Missing s.jsonl:1: triples[1].rel"));
  CHECK(fails(R"(,"triples":[])", "").starts_with("Missing s.jsonl:4: triples"));
  CHECK(fails(R"("triples":[]})", R"("triples":{}})").starts_with("Type s.jsonl:4: triples"));
  CHECK(fails(R"("triples":[]})", R"("triples":[])").starts_with("Json s.jsonl:4"));
  CHECK(code_and_message([] {
          (void)parse_text2kgbench_ontology(replaced(ontology_text, R"("label":"director",)", ""), "o.json");
        }).starts_with("Missing o.json: relations[0].label"));
}
