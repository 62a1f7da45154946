// SPDX-License-Identifier: MIT
// Dependency graphs against brute force, and counterfactuals on a toy corpus where a word that only happens to stand
// beside a label loses its weight in a logistic regression.
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/text/counterfactual.hpp>
#include <rlvr/text/dependency_graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::text;

namespace {

using indices = std::vector<std::size_t>;

struct random_graph {
  std::size_t size;
  std::vector<std::vector<bool>> joined;
  dependency_graph graph;
};

random_graph make_graph(rlvr::random_stream& random) {
  std::size_t const size = 1 + random.below(7);
  std::uint64_t const density = 1 + random.below(4);
  random_graph result{size, std::vector(size, std::vector<bool>(size)), dependency_graph(size)};
  for (std::size_t a = 0; a < size; ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (random.below(4) < density) {
        result.joined[a][b] = result.joined[b][a] = true;
        result.graph.add_edge(a, b);
      }
  return result;
}

// Every path without repeated nodes from path.back() to `to`.
void all_paths(random_graph const& in, std::size_t to, indices& path, std::vector<indices>& found) {
  if (path.back() == to) {
    found.push_back(path);
    return;
  }
  for (std::size_t next = 0; next < in.size; ++next) {
    if (!in.joined[path.back()][next] || std::count(path.begin(), path.end(), next) > 0) continue;
    path.push_back(next);
    all_paths(in, to, path, found);
    path.pop_back();
  }
}

// The shortest of them whose inner nodes avoid `blocked`.
std::vector<indices> shortest_paths(random_graph const& in, std::size_t from, std::size_t to, indices const& blocked) {
  std::vector<indices> all;
  indices start{from};
  all_paths(in, to, start, all);
  std::vector<indices> best;
  for (indices const& path : all) {
    bool const crosses = path.size() > 2 && std::any_of(path.begin() + 1, path.end() - 1, [&](std::size_t node) {
                           return std::count(blocked.begin(), blocked.end(), node) > 0;
                         });
    if (crosses) continue;
    if (!best.empty() && path.size() < best[0].size()) best.clear();
    if (best.empty() || path.size() == best[0].size()) best.push_back(path);
  }
  return best;
}

std::string code_of(std::string_view content) {
  try {
    (void)read_conllu(content, "toy.conllu");
  } catch (rlvr::format_error const& error) {
    return error.code() + "|" + error.what();
  }
  return "";
}

// "the A was VERB by the B ADVERB", parsed; the label goes with the verb, the adverb with nothing.
annotated_sentence sentence(std::string const& first, std::string const& verb, std::string const& second,
                            std::string const& adverb, std::string const& label) {
  annotated_sentence sample;
  sample.sentence.tokens = {{"the", "DET", "det", 2},         {first, "NOUN", "nsubj:pass", 4},
                            {"was", "AUX", "aux:pass", 4},    {verb, "VERB", "root", 0},
                            {"by", "ADP", "case", 7},         {"the", "DET", "det", 7},
                            {second, "NOUN", "obl:agent", 4}, {adverb, "ADV", "advmod", 4}};
  sample.e1 = {1, 2};
  sample.e2 = {6, 7};
  sample.label = label;
  return sample;
}

// Half the sentences of each label; with the first one nearly always "yesterday".
std::vector<annotated_sentence> toy_corpus() {
  std::vector<std::string> const causes{"caused", "triggered", "provoked", "induced", "sparked"};
  std::vector<std::string> const contents{"held", "stored", "carried", "kept", "enclosed"};
  std::vector<std::string> const nouns{"flood", "box", "storm", "crate", "fire", "jar", "fever", "bag"};
  std::vector<annotated_sentence> corpus;
  rlvr::random_stream random(31);
  for (int i = 0; i < 120; ++i) {
    bool const is_cause = i % 2 == 0;
    auto const& verbs = is_cause ? causes : contents;
    bool const is_usual = random.below(20) > 0;
    auto const noun = [&] { return nouns[random.below(nouns.size())]; };
    corpus.push_back(sentence(noun(), verbs[random.below(verbs.size())], noun(),
                              is_cause == is_usual ? "yesterday" : "today", is_cause ? "Cause" : "Content"));
  }
  return corpus;
}

// Weights of a logistic regression over words, P(Cause), with an L2 penalty, by gradient descent.
std::map<std::string, double> word_weights(std::vector<annotated_sentence> const& samples) {
  std::map<std::string, double> weights;
  for (int step = 0; step < 150; ++step) {
    std::map<std::string, double> gradient;
    for (annotated_sentence const& sample : samples) {
      double logit = 0;
      for (auto const& token : sample.sentence.tokens) logit += weights[token.form];
      double const error = (sample.label == "Cause" ? 1 : 0) - 1 / (1 + std::exp(-logit));
      for (auto const& token : sample.sentence.tokens) gradient[token.form] += error;
    }
    for (auto& [word, weight] : weights)
      weight += 2 * (gradient[word] / static_cast<double>(samples.size()) - 0.001 * weight);
  }
  return weights;
}

}  // namespace

TEST_CASE("CoNLL-U is read", "[dependency_graph]") {
  std::string const content =
      "# sent_id = s1\n# text = Fires didn't "
      "stop.\n1\tFires\tfire\tNOUN\tNNS\t_\t4\tnsubj\t_\t_\n2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_\n2\tdid\tdo\tAUX\t_\t_"
      "\t4\taux\t_\t_\r\n3\tn't\tnot\tPART\t_\t_\t4\tadvmod\t_\t_\n3.1\tx\t_\t_\t_\t_\t_\t_\t0:root\t_"
      "\n4\tstop\tstop\tVERB\t_\t_\t0\troot\t_\t_\n\n\n1\tYes\tyes\tINTJ\t_\t_\t0\troot\t_\t_";
  auto const sentences = read_conllu(content);
  REQUIRE(sentences.size() == 2);
  CHECK(sentences[0].id == "s1");
  REQUIRE(sentences[0].tokens.size() == 4);
  CHECK(sentences[0].tokens[1] == dependency_token{"did", "AUX", "aux", 4});
  CHECK(sentences[1].id.empty());
  CHECK(sentences[1].tokens == std::vector<dependency_token>{{"Yes", "INTJ", "root", 0}});
  CHECK(read_conllu("").empty());
  CHECK(read_conllu("\n# nothing\n\n").empty());

  dependency_graph const graph(sentences[0]);
  CHECK(indices(graph.neighbours(3).begin(), graph.neighbours(3).end()) == indices{0, 1, 2});
  CHECK(graph.neighbours(0).size() == 1);
}

TEST_CASE("faults of CoNLL-U are named with their place", "[dependency_graph]") {
  auto const word = [](std::string const& id, std::string const& form, std::string const& head) {
    return id + "\t" + form + "\t_\tX\t_\t_\t" + head + "\tdep\t_\t_\n";
  };
  CHECK(code_of(word("1", "a", "0") + word("2", "b", "1")).empty());
  CHECK(code_of("1\ta\t_\n") == "ConlluColumns|toy.conllu: line 1: found 3 columns, expected 10, separated by tabs");
  CHECK(code_of("# c\n" + word("1", "a", "0") + word("3", "b", "1")) ==
        "ConlluId|toy.conllu: line 3, column 1 (ID): found \"3\", expected \"2\"");
  CHECK(code_of(word("1", "", "0")) ==
        "ConlluForm|toy.conllu: line 1, column 2 (FORM): found nothing, expected a word");
  CHECK(code_of(word("1", "a", "_")) ==
        "ConlluHead|toy.conllu: line 1, column 7 (HEAD): found \"_\", expected the number of a word, or 0");
  CHECK(code_of(word("1", "a", "99999999999999999999999")).starts_with("ConlluHead|"));
  CHECK(code_of(word("1", "a", "-1")).starts_with("ConlluHead|"));
  CHECK(code_of("\n" + word("1", "a", "0") + word("2", "b", "3")) ==
        "ConlluHead|toy.conllu: line 3, column 7 (HEAD): found 3, expected at most 2, the words of the sentence");
  CHECK(code_of(word("1", "a", "1")) ==
        "ConlluCycle|toy.conllu: line 1, column 7 (HEAD): found 1, which leads back to word 1, expected heads that "
        "lead to a root");
  CHECK(code_of(word("1", "a", "0") + word("2", "b", "3") + word("3", "c", "4") + word("4", "d", "2"))
            .starts_with("ConlluCycle|toy.conllu: line 2,"));
  CHECK_THROWS_AS(dependency_graph(indices{0, 3}), rlvr::argument_error);
  CHECK_THROWS_AS(dependency_graph(indices{1}), rlvr::argument_error);

  std::string deep;  // a chain of 50,000 words: no recursion, linear
  for (int i = 1; i <= 50000; ++i) deep += word(std::to_string(i), "w", std::to_string(i - 1));
  CHECK(read_conllu(deep)[0].tokens.size() == 50000);
}

TEST_CASE("centrality of stars and paths", "[dependency_graph]") {
  dependency_graph const star(indices{3, 3, 0, 3, 3, 3});
  CHECK(degree_centrality(star) == std::vector<double>{1, 1, 5, 1, 1, 1});
  CHECK(betweenness(star) == std::vector<double>{0, 0, 10, 0, 0, 0});
  dependency_graph const path(indices{2, 3, 4, 5, 0});
  CHECK(betweenness(path) == std::vector<double>{0, 3, 4, 3, 0});
  CHECK(shortest_path(path, 0, 4) == indices{0, 1, 2, 3, 4});
  CHECK(betweenness(dependency_graph(std::size_t{0})).empty());
}

TEST_CASE("betweenness and paths equal the enumeration of all paths", "[dependency_graph]") {
  rlvr::random_stream random(2022);
  for (int round = 0; round < 120; ++round) {
    random_graph const in = make_graph(random);
    std::vector<double> expected(in.size);
    for (std::size_t s = 0; s < in.size; ++s) {
      for (std::size_t t = s + 1; t < in.size; ++t) {
        auto const paths = shortest_paths(in, s, t, {});
        for (indices const& path : paths)
          for (std::size_t i = 1; i + 1 < path.size(); ++i) expected[path[i]] += 1 / static_cast<double>(paths.size());
      }
    }
    auto const found = betweenness(in.graph);
    bool equal = found.size() == expected.size();
    for (std::size_t i = 0; equal && i < in.size; ++i) equal = std::abs(found[i] - expected[i]) < 1e-12;
    INFO("round " << round);
    CHECK(equal);

    std::size_t const from = random.below(in.size);
    std::size_t const to = random.below(in.size);
    indices blocked;
    for (std::size_t node = 0; node < in.size; ++node)
      if (random.below(4) == 0) blocked.push_back(node);
    auto const references = shortest_paths(in, from, to, blocked);
    auto const path = shortest_path(in.graph, from, to, blocked);
    if (references.empty()) {
      CHECK(path.empty());
    } else {
      CHECK(std::count(references.begin(), references.end(), path) == 1);
    }
  }
}

TEST_CASE("paths between groups of tokens touch each group once", "[dependency_graph]") {
  dependency_graph const path(indices{2, 3, 4, 5, 6, 0});
  CHECK(shortest_path(path, indices{0, 1}, indices{4, 5}) == indices{1, 2, 3, 4});
  CHECK(shortest_path(path, indices{0, 1}, indices{4, 5}, indices{2}).empty());
  CHECK(shortest_path(path, indices{0, 3}, indices{3}) == indices{3});
  CHECK(shortest_path(path, indices{}, indices{3}).empty());
  CHECK_THROWS_AS(shortest_path(path, 0, 6), rlvr::argument_error);
  CHECK_THROWS_AS(shortest_path(path, 6, 0), rlvr::argument_error);
}

TEST_CASE("causal tokens", "[counterfactual]") {
  auto const sample = sentence("flood", "caused", "storm", "today", "Cause");
  CHECK(causal_tokens(sample) == indices{3});
  CHECK(causal_tokens(sample, {.neighbours = 0}) == indices{3});
  CHECK(causal_tokens(sample, {.neighbours = 2}) == indices{0, 3, 4});
  CHECK(causal_tokens(sample, {.measure = centrality::degree, .neighbours = 3}) == indices{0, 3, 4, 5});

  auto wide = sample;  // an entity of two tokens, one of them on the way: the path begins behind it
  wide.e1 = {1, 4};
  CHECK(causal_tokens(wide, {.neighbours = 0}).empty());
  auto wrong = sample;
  wrong.e2 = {7, 9};
  CHECK_THROWS_AS(causal_tokens(wrong), rlvr::argument_error);
  wrong.e2 = {1, 3};
  CHECK_THROWS_AS(causal_tokens(wrong), rlvr::argument_error);
  wrong.e2 = {5, 5};
  CHECK_THROWS_AS(counterfactual_generator({wrong}), rlvr::argument_error);
}

TEST_CASE("a counterfactual keeps the entities and changes the label", "[counterfactual]") {
  auto const flood = sentence("flood", "caused", "storm", "today", "Cause");
  auto const box = sentence("coin", "held", "box", "often", "Content");
  counterfactual_generator const generator({flood, box});
  auto const results = generator.of_pool();
  REQUIRE(results.size() == 2);
  REQUIRE(results[0].size() == 1);
  CHECK(results[0][0].sample == sentence("flood", "held", "storm", "today", "Content"));
  CHECK(results[0][0].donor == 1);
  CHECK(results[0][0].replaced == indices{3});
  REQUIRE(results[1].size() == 1);
  CHECK(results[1][0].sample == sentence("coin", "caused", "box", "often", "Cause"));
  CHECK(flip_rate(results) == 1);

  SECTION("no donor, no result") {
    CHECK(counterfactual_generator({flood}).of_pool()[0].empty());
    CHECK(counterfactual_generator({})(flood).empty());
    CHECK(counterfactual_generator({flood, sentence("rain", "sparked", "fire", "today", "Cause")})(flood).empty());
    auto noun = box;  // another part of speech, another arc label, the entities the other way round
    noun.sentence.tokens[3].part_of_speech = "NOUN";
    CHECK(counterfactual_generator({noun})(flood).empty());
    CHECK(counterfactual_generator({noun}, {.same_part_of_speech = false})(flood).size() == 1);
    auto arc = box;
    arc.sentence.tokens[3].relation = "parataxis";
    CHECK(counterfactual_generator({arc})(flood).empty());
    CHECK(counterfactual_generator({arc}, {.same_relation = false})(flood).size() == 1);
    auto turned = box;
    std::swap(turned.e1, turned.e2);
    CHECK(counterfactual_generator({turned})(flood).empty());
  }
  SECTION("texts of the pool are not given again") {
    auto same_words = box;  // the same words with another label would teach nothing
    same_words.sentence.tokens[3].form = "caused";
    CHECK(counterfactual_generator({same_words})(flood).empty());
    auto const known = sentence("flood", "held", "storm", "today", "Other");
    CHECK(counterfactual_generator({box, known})(flood).empty());
  }
  SECTION("several results, each once, in the pool's order") {
    std::vector<annotated_sentence> const pool{box, flood, sentence("pen", "held", "bag", "often", "Content"),
                                               sentence("pen", "kept", "bag", "often", "Content")};
    counterfactual_generator const many(pool, {.results_per_sample = 5});
    auto const own = many(flood);
    REQUIRE(own.size() == 2);
    CHECK(own[0].donor == 0);
    CHECK(own[1].donor == 3);
    auto const from_successor = many.of_pool()[1];
    REQUIRE(from_successor.size() == 2);
    CHECK(from_successor[0].donor == 2);
    CHECK(from_successor[1].donor == 3);
    auto const accepted =
        many(flood, [](counterfactual const& one) { return one.sample.sentence.tokens[3].form != "held"; });
    REQUIRE(accepted.size() == 1);
    CHECK(accepted[0].donor == 3);
    CHECK(flip_rate(many.of_pool([](counterfactual const&) { return false; })) == 0);
  }
}

TEST_CASE("counterfactuals take the weight from a spurious word", "[counterfactual]") {
  auto const corpus = toy_corpus();
  counterfactual_generator const generator(corpus);
  auto const results = generator.of_pool();
  CHECK(flip_rate(results) == 1);
  auto augmented = corpus;
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (counterfactual const& one : results[i]) {
      CHECK(span_text(one.sample.sentence, one.sample.e1) == span_text(corpus[i].sentence, corpus[i].e1));
      CHECK(span_text(one.sample.sentence, one.sample.e2) == span_text(corpus[i].sentence, corpus[i].e2));
      CHECK(one.sample.label != corpus[i].label);
      CHECK(one.sample.sentence.tokens[7] == corpus[i].sentence.tokens[7]);
      augmented.push_back(one.sample);
    }
  }
  auto before = word_weights(corpus);
  auto after = word_weights(augmented);
  INFO("yesterday - today: " << before["yesterday"] - before["today"] << " before, "
                             << after["yesterday"] - after["today"] << " after");
  CHECK(before["yesterday"] - before["today"] > 1);
  CHECK(std::abs(after["yesterday"] - after["today"]) < 0.1 * (before["yesterday"] - before["today"]));
  CHECK(after["caused"] - after["held"] > before["caused"] - before["held"]);
}
