// SPDX-License-Identifier: MIT
/// @file
/// The extraction corpora that `r1_re evaluate` reads: examples, what they are compared under, and where they lie.
///
///   text2kgbench   a folder with ontologies/ and ground_truth/ (all ten are read), or one file of sentences, whose
///                  ontology is named or lies in a folder `ontologies` above it
///   bc5cdr         a PubTator file; the answer lists pairs of chemical and disease
///   re_docred      a JSON file of documents
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/data/docred.hpp>
#include <rlvr/data/pubtator.hpp>
#include <rlvr/data/text2kgbench.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/guideline.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1_re {

/// Examples and the guidelines they stand under.
struct extraction_task {
  std::string name;
  std::vector<rlvr::text::extraction_example> examples;
  std::vector<std::shared_ptr<rlvr::text::guideline const>> guides;  ///< of each example; null: any relation
  bool pairs = false;                                                ///< the answer lists pairs instead of triples

  [[nodiscard]] std::size_t fact_count() const {
    std::size_t count = 0;
    for (auto const& example : examples) count += example.facts.size();
    return count;
  }
};

/// Where a task's data lies.
struct extraction_files {
  std::string data;
  std::string ontology;        ///< text2kgbench: of a single file; empty: looked for
  std::string relation_names;  ///< re_docred: readable names of relations; empty: identifiers
};

[[nodiscard]] inline bool is_extraction_task(std::string_view name) {
  return name == "text2kgbench" || name == "bc5cdr" || name == "re_docred";
}

namespace detail {

/// The ontology of a folder whose id begins the sentence's id; nothing if there is none.
[[nodiscard]] inline std::optional<rlvr::data::text2kgbench_ontology> find_ontology(std::filesystem::path const& folder,
                                                                                    std::string_view sentence_id) {
  std::error_code ignored;
  std::vector<std::filesystem::path> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (auto const& file : files) {
    auto ontology = rlvr::data::read_text2kgbench_ontology(file.string());
    if (sentence_id.starts_with(ontology.id + "_")) return ontology;
  }
  return std::nullopt;
}

inline void append(extraction_task& task, std::vector<rlvr::text::extraction_example> examples,
                   rlvr::data::text2kgbench_ontology const& ontology) {
  auto const guide = std::make_shared<rlvr::text::guideline const>(ontology.guide);
  for (auto& example : examples) {
    task.examples.push_back(std::move(example));
    task.guides.push_back(guide);
  }
}

inline void read_text2kgbench(extraction_task& task, extraction_files const& files) {
  namespace fs = std::filesystem;
  fs::path const data = files.data;
  if (fs::is_directory(data)) {
    if (!files.ontology.empty())
      throw rlvr::argument_error("--guideline: found one for the folder " + files.data +
                                 ", expected it to have its own");
    std::vector<fs::path> ontologies;
    std::error_code problem;
    for (auto const& entry : fs::directory_iterator(data / "ontologies", problem))
      if (entry.path().extension() == ".json") ontologies.push_back(entry.path());
    if (ontologies.empty())
      throw rlvr::io_error((data / "ontologies").string(), "cannot read: found no ontology (*.json) there");
    std::sort(ontologies.begin(), ontologies.end());
    for (fs::path const& path : ontologies) {
      auto const ontology = rlvr::data::read_text2kgbench_ontology(path.string());
      auto const sentences = data / "ground_truth" / (ontology.id + "_ground_truth.jsonl");
      append(task, rlvr::data::read_text2kgbench(sentences.string(), &ontology), ontology);
    }
    return;
  }
  auto const untyped = rlvr::data::read_text2kgbench(files.data);
  std::optional<rlvr::data::text2kgbench_ontology> ontology;
  if (!files.ontology.empty()) {
    ontology = rlvr::data::read_text2kgbench_ontology(files.ontology);
  } else if (!untyped.empty()) {
    fs::path const folder = fs::absolute(data).parent_path();
    for (fs::path const& above : {folder, folder.parent_path(), folder.parent_path().parent_path()})
      if (!ontology) ontology = find_ontology(above / "ontologies", untyped.front().id);
    if (!ontology)
      throw rlvr::argument_error("--guideline: found no ontology of sentence '" + untyped.front().id + "' near " +
                                 files.data + ", expected its file (JSON)");
  }
  if (ontology) append(task, rlvr::data::read_text2kgbench(files.data, &*ontology), *ontology);
}

}  // namespace detail

/// Reads a corpus.  @throws rlvr::io_error, rlvr::format_error, rlvr::argument_error
[[nodiscard]] inline extraction_task read_extraction_task(std::string name, extraction_files const& files) {
  extraction_task task;
  task.name = std::move(name);
  if (task.name != "text2kgbench" && !files.ontology.empty())
    throw rlvr::argument_error("--guideline: found one for task '" + task.name + "', expected it with text2kgbench");
  if (task.name != "re_docred" && !files.relation_names.empty())
    throw rlvr::argument_error("--relation-names: found one for task '" + task.name + "', expected it with re_docred");
  if (task.name == "text2kgbench") {
    detail::read_text2kgbench(task, files);
  } else if (task.name == "bc5cdr") {
    task.pairs = true;
    task.examples = rlvr::data::read_pubtator(files.data);
  } else {
    rlvr::data::relation_names names;
    if (!files.relation_names.empty()) names = rlvr::data::read_relation_names(files.relation_names);
    task.examples = rlvr::data::read_docred(files.data, names);
  }
  task.guides.resize(task.examples.size());
  return task;
}

}  // namespace r1_re
