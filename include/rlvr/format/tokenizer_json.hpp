// SPDX-License-Identifier: MIT
/// @file
/// Reads and writes Hugging Face's tokenizer.json of byte-level BPE models (GPT-2, Llama 3, Qwen, SmolLM).
///
/// Read: merges as "a b" or ["a", "b"]; normaliser none or NFC; pre-tokenisers ByteLevel, Split (Isolated), Digits and
/// sequences of them that end in ByteLevel.  Not applied: truncation, padding and the post-processor, whose work is the
/// caller's.  Stricter than Hugging Face's reader: no id twice, no gaps, a token for every byte, added tokens with
/// texts and ids of their own. Codes: Json, DuplicateKey, Type, Missing, UnsupportedModel, UnsupportedPreTokenizer,
/// UnsupportedNormalizer, Regex, MergeFormat, MergeUnknown, IdRange, DuplicateId, Alphabet, AddedToken.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/bpe.hpp>
#include <rlvr/text/pre_tokenizer.hpp>
#include <rlvr/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

namespace detail {

/// An id as the file gives it; how large it may be is known later.
[[nodiscard]] inline std::int32_t checked_id(json_object const& owner, nlohmann::json const& value,
                                             std::string_view where) {
  try {
    return static_cast<std::int32_t>(owner.as_integer(value, where, 0, std::numeric_limits<std::int32_t>::max()));
  } catch (format_error const& reason) {
    if (reason.code() != "Range") throw;
    owner.fail("IdRange", where, json_object::describe(value), "an id from 0 to 2^31 - 1");
  }
}

inline void read_pre_tokenizer(json_object const& object, std::vector<text::pre_tokenizer_step>& steps,
                               std::size_t depth = 0) {
  using text::pre_tokenizer_step;
  auto const refuse = [&](std::string_view field, std::string_view found, std::string_view expected) {
    object.fail("UnsupportedPreTokenizer", object.name(field), found, expected);
  };
  std::string const type = object.string("type");
  if (!steps.empty() && steps.back().type == pre_tokenizer_step::kind::byte_level) {
    refuse("type", excerpt(type) + " behind ByteLevel", "ByteLevel last");
  }
  if (type == "Sequence") {
    nlohmann::json const& list = object.at("pretokenizers");
    if (!list.is_array()) object.fail("Type", object.name("pretokenizers"), json_object::describe(list), "a list");
    if (depth > 8) refuse("type", "deeper sequences", "at most 8 levels");
    for (std::size_t i = 0; i < list.size(); ++i) {
      read_pre_tokenizer({list[i], object.file(), object.name("pretokenizers[" + std::to_string(i) + "]")}, steps,
                         depth + 1);
    }
  } else if (type == "ByteLevel") {
    steps.push_back({.type = pre_tokenizer_step::kind::byte_level,
                     .use_regex = object.find_boolean("use_regex").value_or(true),
                     .add_prefix_space = object.find_boolean("add_prefix_space").value_or(true)});
  } else if (type == "Digits") {
    steps.push_back({.type = pre_tokenizer_step::kind::digits,
                     .individual_digits = object.find_boolean("individual_digits").value_or(false)});
  } else if (type == "Split") {
    std::string const behavior = object.string("behavior");
    if (behavior != "Isolated") refuse("behavior", excerpt(behavior), "Isolated");
    // With Isolated, matches and what lies between them are pieces either way: invert changes nothing.
    static_cast<void>(object.find_boolean("invert"));
    json_object const pattern = object.object("pattern");
    bool const is_literal = pattern.has("String");
    std::string expression = is_literal ? pattern.string("String") : pattern.string("Regex");
    if (is_literal && expression.empty()) refuse("pattern", "an empty text", "a text or an expression");
    try {
      if (!is_literal) static_cast<void>(text::pattern(expression));
    } catch (argument_error const& reason) {
      object.fail("Regex", object.name("pattern"), reason.what(), "a regular expression that compiles");
    }
    steps.push_back(
        {.type = pre_tokenizer_step::kind::split, .expression = std::move(expression), .is_literal = is_literal});
  } else {
    refuse("type", excerpt(type), "ByteLevel, Split, Digits or a Sequence of them");
  }
}

/// Is the normaliser NFC?
[[nodiscard]] inline bool read_normalizer(json_object const& object) {
  std::string const type = object.string("type");
  if (type == "NFC") return true;
  if (type != "Sequence") object.fail("UnsupportedNormalizer", object.name("type"), excerpt(type), "NFC or none");
  nlohmann::json const& list = object.at("normalizers");
  if (!list.is_array()) object.fail("Type", object.name("normalizers"), json_object::describe(list), "a list");
  bool result = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    json_object const inner(list[i], object.file(), object.name("normalizers[" + std::to_string(i) + "]"));
    std::string const kind = inner.string("type");
    if (kind != "NFC") inner.fail("UnsupportedNormalizer", inner.name("type"), excerpt(kind), "NFC");
    result = true;
  }
  return result;
}

inline void check_model(json_object const& model) {
  std::string const type = model.has("type") ? model.string("type") : "BPE";  // old files do not name it
  if (type != "BPE") model.fail("UnsupportedModel", "model.type", excerpt(type), "BPE");
  if (model.find_number("dropout").value_or(0) != 0) {
    model.fail("UnsupportedModel", "model.dropout", "a random tokenizer", "0 or null");
  }
  for (char const* const key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (auto const text = model.find_string(key); text && !text->empty()) {
      model.fail("UnsupportedModel", model.name(key), excerpt(*text), "an empty text or null");
    }
  }
  if (model.find_boolean("byte_fallback").value_or(false)) {
    model.fail("UnsupportedModel", "model.byte_fallback", "true", "false: byte-level BPE has every byte");
  }
}

[[nodiscard]] inline std::vector<text::added_token> read_added_tokens(json_object const& root) {
  std::vector<text::added_token> result;
  nlohmann::json const* const list = root.find("added_tokens");
  if (list == nullptr) return result;
  if (!list->is_array()) root.fail("Type", "added_tokens", json_object::describe(*list), "a list");
  for (std::size_t i = 0; i < list->size(); ++i) {
    json_object const item((*list)[i], root.file(), "added_tokens[" + std::to_string(i) + "]");
    auto const flag = [&](char const* key) { return item.find_boolean(key).value_or(false); };
    text::added_token token;
    token.id = checked_id(item, item.at("id"), item.name("id"));
    token.content = item.string("content");
    token.special = flag("special");
    token.normalized = item.find_boolean("normalized").value_or(!token.special);
    token.single_word = flag("single_word");
    token.lstrip = flag("lstrip");
    token.rstrip = flag("rstrip");
    result.push_back(std::move(token));
  }
  return result;
}

/// The two printed tokens of a merge in either notation.
[[nodiscard]] inline std::pair<std::string_view, std::string_view> merge_parts(json_object const& model,
                                                                               nlohmann::json const& merge,
                                                                               std::size_t rank) {
  auto const refuse = [&] {
    model.fail("MergeFormat", "model.merges[" + std::to_string(rank) + "]", json_object::describe(merge),
               "\"a b\" or [\"a\", \"b\"]");
  };
  if (merge.is_string()) {
    std::string_view const line = merge.get_ref<std::string const&>();
    auto const blank = line.find(' ');
    if (blank == std::string_view::npos || line.find(' ', blank + 1) != std::string_view::npos) refuse();
    return {line.substr(0, blank), line.substr(blank + 1)};
  }
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) refuse();
  return {merge[0].get_ref<std::string const&>(), merge[1].get_ref<std::string const&>()};
}

[[nodiscard]] inline nlohmann::ordered_json step_json(text::pre_tokenizer_step const& step) {
  using enum text::pre_tokenizer_step::kind;
  if (step.type == digits) return {{"type", "Digits"}, {"individual_digits", step.individual_digits}};
  if (step.type == split) {
    return {{"type", "Split"},
            {"pattern", {{step.is_literal ? "String" : "Regex", step.expression}}},
            {"behavior", "Isolated"},
            {"invert", false}};
  }
  return {{"type", "ByteLevel"},
          {"add_prefix_space", step.add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", step.use_regex}};
}

}  // namespace detail

/// @param file  for messages  @throws format_error
[[nodiscard]] inline text::tokenizer parse_tokenizer(nlohmann::json const& value, std::string const& file) {
  json_object const root(value, file);
  json_object const model = root.object("model");
  detail::check_model(model);
  text::tokenizer_definition definition;
  definition.steps.clear();
  definition.ignore_merges = model.find_boolean("ignore_merges").value_or(false);
  json_object const vocabulary = model.object("vocab");
  nlohmann::json const& merges = model.at("merges");
  if (!merges.is_array()) model.fail("Type", "model.merges", json_object::describe(merges), "a list");
  if (root.has("normalizer")) definition.normalize_nfc = detail::read_normalizer(root.object("normalizer"));
  if (root.has("pre_tokenizer")) detail::read_pre_tokenizer(root.object("pre_tokenizer"), definition.steps);
  if (definition.steps.empty() || definition.steps.back().type != text::pre_tokenizer_step::kind::byte_level) {
    root.fail("UnsupportedPreTokenizer", "pre_tokenizer", "none that ends in ByteLevel", "a byte-level one");
  }
  if (root.has("decoder")) {
    if (std::string const type = root.object("decoder").string("type"); type != "ByteLevel") {
      root.fail("UnsupportedModel", "decoder.type", detail::excerpt(type), "ByteLevel");
    }
  }
  definition.added = detail::read_added_tokens(root);
  std::unordered_map<std::string_view, std::int32_t> added_ids;
  for (text::added_token const& token : definition.added) added_ids.emplace(token.content, token.id);

  // Ids are compared with the number of tokens before anything of their size is allocated.
  std::unordered_map<std::string_view, std::int32_t> ids;
  std::unordered_map<std::int32_t, std::string_view> taken;
  auto const& members = vocabulary.value().get_ref<nlohmann::json::object_t const&>();
  std::size_t count = members.size();
  for (auto const& [token, id_value] : members) {
    std::int32_t const id = detail::checked_id(vocabulary, id_value, "model.vocab, token " + detail::excerpt(token));
    auto const [other, is_new] = taken.emplace(id, token);
    if (!is_new) {
      vocabulary.fail("DuplicateId", "model.vocab, token " + detail::excerpt(token),
                      "the id " + std::to_string(id) + " of " + detail::excerpt(other->second), "an id of its own");
    }
    ids.emplace(token, id);
  }
  for (text::added_token const& token : definition.added) {
    auto const in_vocabulary = ids.find(token.content);
    std::string const where = "added token " + detail::excerpt(token.content);
    if (token.content.empty()) root.fail("AddedToken", where, "an empty text", "a text");
    if (in_vocabulary != ids.end() && in_vocabulary->second != token.id) {
      root.fail("AddedToken", where, "the id " + std::to_string(token.id),
                std::to_string(in_vocabulary->second) + " as in model.vocab");
    }
    if (in_vocabulary == ids.end()) {
      auto const [other, is_new] = taken.emplace(token.id, token.content);
      bool const same_bytes = !is_new && text::letters_to_bytes(other->second) == token.content;
      if (!is_new && !same_bytes) {
        root.fail("AddedToken", where, "the id " + std::to_string(token.id) + " of " + detail::excerpt(other->second),
                  "an id of its own");
      }
      count += is_new ? 1 : 0;
    }
  }
  for (auto const& [id, token] : taken) {
    if (static_cast<std::size_t>(id) >= count) {
      root.fail("IdRange", "token " + detail::excerpt(token), "the id " + std::to_string(id),
                "0 to " + std::to_string(count - 1) + ": ids without gaps");
    }
  }
  definition.tokens.resize(count);
  for (auto const& [token, id] : ids) {
    std::optional<std::string>& bytes = definition.tokens[static_cast<std::size_t>(id)];
    bytes = text::letters_to_bytes(token);
    auto const added = added_ids.find(token);
    if (added != added_ids.end() && bytes != added->first) bytes.reset();  // its text is no spelling of bytes
    if (!bytes && added == added_ids.end()) {
      root.fail("Alphabet", "model.vocab, token " + detail::excerpt(token), "a character that stands for no byte",
                "the 256 letters of byte-level BPE");
    }
  }
  std::string whole;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    auto const [left, right] = detail::merge_parts(model, merges[rank], rank);
    auto const find = [&](std::string_view token) {
      auto const found = ids.find(token);
      if (found == ids.end()) {
        model.fail("MergeUnknown", "model.merges[" + std::to_string(rank) + "]", detail::excerpt(token),
                   "a token of the vocabulary");
      }
      return found->second;
    };
    std::int32_t const left_id = find(left);
    std::int32_t const right_id = find(right);
    whole.assign(left).append(right);
    definition.merges.push_back({left_id, right_id, find(whole)});
  }
  return text::tokenizer(std::move(definition), file);
}

/// @throws io_error, format_error
[[nodiscard]] inline text::tokenizer read_tokenizer(std::string const& path) {
  return parse_tokenizer(read_json(path, std::size_t{1} << 28), path);
}

/// The text of a tokenizer.json that Hugging Face's tokenizers load.  Equal tokenizers give equal text.
/// @throws argument_error if the text of an added token is also the printed form of another token
[[nodiscard]] inline std::string tokenizer_text(text::tokenizer const& tokenizer) {
  text::tokenizer_definition const& definition = tokenizer.definition();
  using nlohmann::ordered_json;
  ordered_json head;
  head["version"] = "1.0";
  head["truncation"] = nullptr;
  head["padding"] = nullptr;
  head["added_tokens"] = ordered_json::array();
  std::vector<text::added_token> added = definition.added;
  std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
  for (text::added_token const& token : added) {
    head["added_tokens"].push_back({{"id", token.id},
                                    {"content", token.content},
                                    {"single_word", token.single_word},
                                    {"lstrip", token.lstrip},
                                    {"rstrip", token.rstrip},
                                    {"normalized", token.normalized},
                                    {"special", token.special}});
  }
  head["normalizer"] = definition.normalize_nfc ? ordered_json{{"type", "NFC"}} : ordered_json();
  ordered_json steps = ordered_json::array();
  for (text::pre_tokenizer_step const& step : definition.steps) steps.push_back(detail::step_json(step));
  head["pre_tokenizer"] =
      steps.size() == 1 ? steps[0] : ordered_json{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
  head["post_processor"] = nullptr;
  head["decoder"] = detail::step_json({});
  head["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", definition.ignore_merges}};
  std::string out = head.dump();
  out.resize(out.size() - 2);  // the model and the whole stay open: vocabulary and merges are written by hand
  auto const quote = [](std::string const& text) { return nlohmann::json(text).dump(); };

  // Added tokens among the model's ids stand in the vocabulary, or a reader would number them anew.
  std::int32_t end = tokenizer.vocab_size();
  while (end > 0 && !definition.tokens[static_cast<std::size_t>(end - 1)]) --end;
  std::unordered_set<std::string> written;
  out += ",\"vocab\":{";
  for (std::int32_t id = 0; id < end; ++id) {
    auto const& bytes = definition.tokens[static_cast<std::size_t>(id)];
    std::string token = bytes ? text::bytes_to_letters(*bytes) : std::string(tokenizer.token_bytes(id));
    out += (id > 0 ? "," : "") + quote(token) + ":" + std::to_string(id);
    if (!written.insert(std::move(token)).second) {
      throw argument_error("added token " + std::to_string(id) + ": its text is the printed form of another token");
    }
  }
  out += "},\"merges\":[";
  for (std::size_t rank = 0; rank < definition.merges.size(); ++rank) {
    text::bpe_merge const& merge = definition.merges[rank];
    auto const letters = [&](std::int32_t id) {
      return text::bytes_to_letters(*definition.tokens[static_cast<std::size_t>(id)]);
    };
    out += (rank > 0 ? "," : "") + quote(letters(merge.left) + " " + letters(merge.right));
  }
  return out + "]}}\n";
}

/// @throws argument_error, io_error
inline void write_tokenizer(std::string const& path, text::tokenizer const& tokenizer,
                            file_operations const& operations = system_files) {
  atomic_write(path, tokenizer_text(tokenizer), operations);
}

}  // namespace format
RLVR_NAMESPACE_END
