// SPDX-License-Identifier: MIT
/// @file
/// Dependency trees as undirected graphs: what lies between two words, and which words hold a sentence together.
///
///   read_conllu         sentences with a head and an arc label per word, from CoNLL-U text; the parser that made them
///                       is not part of this library
///   dependency_graph    nodes = tokens, edges = arcs without their direction (`add_edge` lays others over them, such
///                       as semantic arcs)
///   shortest_path       breadth-first search, which tokens named by the caller may not lie on
///   degree_centrality   neighbours of each token
///   betweenness         sum over pairs s < t of (shortest paths s-t through v) / (shortest paths s-t), unnormalised,
///                       ends not counted                        Brandes, Journal of Mathematical Sociology 25 (2001)
///
/// Time: O(n + m) for a path and for degrees, O(n m) for betweenness of n tokens and m edges; constant stack.
/// Format: universaldependencies.org/format.html.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// A word of a parsed sentence.
struct dependency_token {
  std::string form;            ///< as written
  std::string part_of_speech;  ///< universal tag (column UPOS)
  std::string relation;        ///< label of the arc from its head (column DEPREL)
  std::size_t head = 0;        ///< number of its head, from 1; 0: a root

  friend bool operator==(dependency_token const&, dependency_token const&) = default;
};

/// A parsed sentence.
struct dependency_sentence {
  std::string id;  ///< of the comment "# sent_id = ..", or empty
  std::vector<dependency_token> tokens;

  friend bool operator==(dependency_sentence const&, dependency_sentence const&) = default;
};

namespace detail {

/// Reads CoNLL-U line by line.
class conllu_reader {
 public:
  conllu_reader(std::string_view content, std::string_view file) : content_(content), file_(file) {}

  std::vector<dependency_sentence> read() {
    while (!content_.empty()) {
      std::size_t const end = std::min(content_.find('\n'), content_.size());
      std::string_view line = content_.substr(0, end);
      content_.remove_prefix(std::min(end + 1, content_.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++line_;
      if (line.empty()) {
        finish_sentence();
      } else if (line.front() == '#') {
        constexpr std::string_view mark = "# sent_id = ";
        if (line.starts_with(mark)) sentence_.id = line.substr(mark.size());
      } else {
        read_word(line);
      }
    }
    finish_sentence();
    return std::move(sentences_);
  }

 private:
  [[noreturn]] void fail(std::string_view code, std::size_t line, std::string_view column, std::string_view found,
                         std::string_view expected) const {
    std::string place = "line " + std::to_string(line);
    if (!column.empty()) place += ", column " + std::string(column);
    throw format_error(code, file_, place, found, expected);
  }

  /// A field for a message: quoted, and cut where it is long.
  [[nodiscard]] static std::string shown(std::string_view field) {
    constexpr std::size_t longest = 40;
    return '"' + std::string(field.substr(0, longest)) + (field.size() > longest ? "\"..." : "\"");
  }

  [[nodiscard]] static bool number_of(std::string_view field, std::size_t& number) {
    auto const [end, status] = std::from_chars(field.data(), field.data() + field.size(), number);
    return status == std::errc() && end == field.data() + field.size();
  }

  void read_word(std::string_view line) {
    std::array<std::string_view, 10> fields;
    std::size_t count = 0;
    for (std::size_t begin = 0; begin <= line.size(); ++count) {
      std::size_t const end = std::min(line.find('\t', begin), line.size());
      if (count < fields.size()) fields[count] = line.substr(begin, end - begin);
      begin = end + 1;
    }
    if (count != fields.size()) {
      fail("ConlluColumns", line_, "", std::to_string(count) + " columns", "10, separated by tabs");
    }
    // Ranges (3-4) spell out what is written as one, decimal numbers (3.1) what is not written: no nodes of the tree.
    if (fields[0].find_first_of("-.") != std::string_view::npos) return;
    std::size_t number = 0;
    if (!number_of(fields[0], number) || number != sentence_.tokens.size() + 1) {
      fail("ConlluId", line_, "1 (ID)", shown(fields[0]), "\"" + std::to_string(sentence_.tokens.size() + 1) + "\"");
    }
    if (fields[1].empty()) fail("ConlluForm", line_, "2 (FORM)", "nothing", "a word");
    std::size_t head = 0;
    if (!number_of(fields[6], head))
      fail("ConlluHead", line_, "7 (HEAD)", shown(fields[6]), "the number of a word, or 0");
    sentence_.tokens.push_back({std::string(fields[1]), std::string(fields[3]), std::string(fields[7]), head});
    lines_.push_back(line_);
  }

  void finish_sentence() {
    std::vector<dependency_token> const& tokens = sentence_.tokens;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].head > tokens.size()) {
        fail("ConlluHead", lines_[i], "7 (HEAD)", std::to_string(tokens[i].head),
             "at most " + std::to_string(tokens.size()) + ", the words of the sentence");
      }
    }
    check_cycles();
    if (!tokens.empty()) sentences_.push_back(std::move(sentence_));
    sentence_ = {};
    lines_.clear();
  }

  /// Follows the heads upwards; linear, as no word is followed twice.
  void check_cycles() const {
    std::vector<dependency_token> const& tokens = sentence_.tokens;
    std::vector<std::size_t> seen(tokens.size() + 1);  // the walk that came by first, from 1; 0: none
    for (std::size_t start = 1; start <= tokens.size(); ++start) {
      std::size_t at = start;
      while (at != 0 && seen[at] == 0) {
        seen[at] = start;
        at = tokens[at - 1].head;
      }
      if (at != 0 && seen[at] == start) {
        std::string const found =
            std::to_string(tokens[at - 1].head) + ", which leads back to word " + std::to_string(at);
        fail("ConlluCycle", lines_[at - 1], "7 (HEAD)", found, "heads that lead to a root");
      }
    }
  }

  std::string_view content_;
  std::string_view file_;
  std::size_t line_ = 0;
  dependency_sentence sentence_;
  std::vector<std::size_t> lines_;  // of the words of the sentence
  std::vector<dependency_sentence> sentences_;
};

}  // namespace detail

/// Reads sentences of CoNLL-U: ten columns separated by tabs, blank lines between sentences, comments after '#'.  Lines
/// may end in CR LF; ranges and empty nodes are passed over; several roots are allowed.
/// @param file  what messages call the text
/// Throws format_error, with line and column, where a line has other columns, numbers do not count up from 1, or heads
/// do not lead to a root.
[[nodiscard]] inline std::vector<dependency_sentence> read_conllu(std::string_view content,
                                                                  std::string_view file = "CoNLL-U text") {
  return detail::conllu_reader(content, file).read();
}

/// An undirected graph over the tokens of a sentence, numbered from 0.
class dependency_graph {
 public:
  /// A graph without edges.
  explicit dependency_graph(std::size_t size) : neighbours_(size) {}

  /// The graph of a tree.  Throws argument_error if a head is no word of the sentence, or the word itself.
  explicit dependency_graph(std::span<std::size_t const> heads) : neighbours_(heads.size()) {
    for (std::size_t i = 0; i < heads.size(); ++i) {
      if (heads[i] > 0) add_edge(i, heads[i] - 1);
    }
  }
  explicit dependency_graph(dependency_sentence const& sentence) : neighbours_(sentence.tokens.size()) {
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      if (sentence.tokens[i].head > 0) add_edge(i, sentence.tokens[i].head - 1);
    }
  }

  /// Joins two tokens; joining them again changes nothing.
  /// Throws argument_error if one of them does not exist, or they are the same.
  void add_edge(std::size_t a, std::size_t b) {
    if (a >= size() || b >= size() || a == b) {
      throw argument_error("dependency_graph: found an edge from " + text_of(a) + " to " + text_of(b) +
                           ", expected two different tokens below " + text_of(size()));
    }
    insert(neighbours_[a], b);
    insert(neighbours_[b], a);
  }

  [[nodiscard]] std::size_t size() const noexcept { return neighbours_.size(); }
  /// Ascending.  @pre token < size()
  [[nodiscard]] std::span<std::size_t const> neighbours(std::size_t token) const { return neighbours_[token]; }

 private:
  static void insert(std::vector<std::size_t>& ascending, std::size_t value) {
    auto const place = std::lower_bound(ascending.begin(), ascending.end(), value);
    if (place == ascending.end() || *place != value) ascending.insert(place, value);
  }

  std::vector<std::vector<std::size_t>> neighbours_;
};

/// A shortest path from one of `from` to one of `to`, both ends included; empty if there is none.  No token of
/// `blocked` lies between the ends, and no token of `from` or `to` does.  Among equal paths it is the one whose tokens
/// were met first when the starts are taken as listed and neighbours in ascending order.
/// Throws argument_error if a token does not exist.
[[nodiscard]] inline std::vector<std::size_t> shortest_path(dependency_graph const& graph,
                                                            std::span<std::size_t const> from,
                                                            std::span<std::size_t const> to,
                                                            std::span<std::size_t const> blocked = {}) {
  enum : unsigned char { open, met, closed };
  std::vector<unsigned char> state(graph.size(), open);
  std::vector<bool> is_end(graph.size());
  auto const checked = [&](std::size_t token) {
    if (token >= graph.size()) {
      throw argument_error("shortest_path: found token " + text_of(token) + ", expected less than " +
                           text_of(graph.size()));
    }
    return token;
  };
  for (std::size_t const token : blocked) state[checked(token)] = closed;
  for (std::size_t const token : to) is_end[checked(token)] = true;
  std::vector<std::size_t> before(graph.size(), graph.size());
  std::vector<std::size_t> queue;
  for (std::size_t const token : from) {
    if (is_end[checked(token)]) return {token};
    if (state[token] != met) queue.push_back(token);
    state[token] = met;
  }
  for (std::size_t at = 0; at < queue.size(); ++at) {
    for (std::size_t const next : graph.neighbours(queue[at])) {
      if (is_end[next]) {
        std::vector<std::size_t> path{next};
        for (std::size_t token = queue[at]; token != graph.size(); token = before[token]) path.push_back(token);
        std::reverse(path.begin(), path.end());
        return path;
      }
      if (state[next] != open) continue;
      state[next] = met;
      before[next] = queue[at];
      queue.push_back(next);
    }
  }
  return {};
}

/// A shortest path between two tokens.
[[nodiscard]] inline std::vector<std::size_t> shortest_path(dependency_graph const& graph, std::size_t from,
                                                            std::size_t to, std::span<std::size_t const> blocked = {}) {
  return shortest_path(graph, std::span<std::size_t const>(&from, 1), std::span<std::size_t const>(&to, 1), blocked);
}

/// The number of neighbours of each token.
[[nodiscard]] inline std::vector<double> degree_centrality(dependency_graph const& graph) {
  std::vector<double> degrees;
  degrees.reserve(graph.size());
  for (std::size_t token = 0; token < graph.size(); ++token) {
    degrees.push_back(static_cast<double>(graph.neighbours(token).size()));
  }
  return degrees;
}

/// The betweenness of each token; each pair is counted once, nothing is normalised.
[[nodiscard]] inline std::vector<double> betweenness(dependency_graph const& graph) {
  std::size_t const size = graph.size();
  std::vector<double> result(size);
  std::vector<double> paths(size), dependency(size);
  std::vector<std::size_t> distance(size), queue;
  for (std::size_t source = 0; source < size; ++source) {
    std::fill(paths.begin(), paths.end(), 0.0);
    std::fill(dependency.begin(), dependency.end(), 0.0);
    std::fill(distance.begin(), distance.end(), size);  // not reached
    queue.assign(1, source);
    paths[source] = 1;
    distance[source] = 0;
    for (std::size_t at = 0; at < queue.size(); ++at) {
      for (std::size_t const next : graph.neighbours(queue[at])) {
        if (distance[next] == size) {
          distance[next] = distance[queue[at]] + 1;
          queue.push_back(next);
        }
        if (distance[next] == distance[queue[at]] + 1) paths[next] += paths[queue[at]];
      }
    }
    for (std::size_t at = queue.size(); at-- > 1;) {  // farthest first; the source itself is no inner token
      std::size_t const token = queue[at];
      for (std::size_t const nearer : graph.neighbours(token)) {
        if (distance[nearer] + 1 == distance[token]) {
          dependency[nearer] += paths[nearer] / paths[token] * (1 + dependency[token]);
        }
      }
      result[token] += dependency[token];
    }
  }
  for (double& value : result) value /= 2;  // every pair was met from both ends
  return result;
}

}  // namespace text
RLVR_NAMESPACE_END
