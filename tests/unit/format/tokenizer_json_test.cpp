// SPDX-License-Identifier: MIT
#include <rlvr/format/tokenizer_json.hpp>
#include <rlvr/text/bpe_trainer.hpp>

#include "temporary_folder.hpp"
#include <string>
#include <support/catch.hpp>
#include <unit/data/shared_data.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::format;
using ids_t = std::vector<std::int32_t>;

namespace {

nlohmann::json valid() { return read_json(std::string(RLVR_TEST_DATA) + "/malformed/tok/ok-pair-merges.json"); }

std::string code_of(nlohmann::json const& value) {
  try {
    static_cast<void>(parse_tokenizer(value, "tokenizer.json"));
    return "";
  } catch (format_error const& reason) {
    return reason.code();
  }
}

void check_golden(std::string const& name, std::string const& golden) {
  auto const path = shared_data("data/tokenizers/" + name + "/tokenizer.json");
  auto const cases = shared_data("data/tokenizers/golden/" + golden);
  if (!path || !cases) return;
  text::tokenizer const tokenizer = read_tokenizer(path->string());
  text::tokenizer const again = parse_tokenizer(parse_json(tokenizer_text(tokenizer), "again"), "again");
  CHECK(tokenizer_text(again) == tokenizer_text(tokenizer));
  std::size_t count = 0;
  for (nlohmann::json const& row : read_json(cases->string())) {
    std::string const text = row["text"];
    CAPTURE(text);
    ids_t const ids = tokenizer.encode(text, text::special_text::parse);
    CHECK(ids == row["ids"].get<ids_t>());
    CHECK(again.encode(text, text::special_text::parse) == ids);
    CHECK(tokenizer.decode(ids) == row.value("decoded", text));
    std::string streamed;
    text::stream_decoder stream(tokenizer);
    for (std::int32_t const id : ids) {
      std::string const part = stream.push(id);
      CHECK(text::is_valid_utf8(part));
      streamed += part;
    }
    CHECK(streamed + stream.finish() == tokenizer.decode(ids));
    ++count;
  }
  CHECK(count > 80);
}

}  // namespace

TEST_CASE("GPT-2's tokenizer gives the reference ids") { check_golden("gpt2", "golden_gpt-2.json"); }
TEST_CASE("Qwen's tokenizer gives the reference ids") { check_golden("qwen2", "golden_qwen2.json"); }

TEST_CASE("each part of a tokenizer.json is checked") {
  CHECK(code_of(valid()).empty());
  auto const changed = [](std::string const& pointer, nlohmann::json const& item) {
    nlohmann::json value = valid();
    value[nlohmann::json::json_pointer(pointer)] = item;
    return code_of(value);
  };
  CHECK(changed("/model", 3) == "Type");
  CHECK(changed("/model/type", "Unigram") == "UnsupportedModel");
  CHECK(changed("/model/dropout", 0.1) == "UnsupportedModel");
  CHECK(changed("/model/byte_fallback", true) == "UnsupportedModel");
  CHECK(changed("/model/end_of_word_suffix", "</w>") == "UnsupportedModel");
  CHECK(changed("/model/vocab", nlohmann::json::array()) == "Type");
  CHECK(changed("/model/vocab/he", "256") == "Type");
  CHECK(changed("/model/vocab/he", -1) == "IdRange");
  CHECK(changed("/model/vocab/he", 2000000000) == "IdRange");
  CHECK(changed("/model/vocab/he", 4000000000u) == "IdRange");
  CHECK(changed("/model/vocab/x y", 261) == "Alphabet");
  CHECK(changed("/model/merges", "h e") == "Type");
  CHECK(changed("/model/merges/0", {"h", "e", "l"}) == "MergeFormat");
  CHECK(changed("/model/merges/0", {"h", 3}) == "MergeFormat");
  CHECK(changed("/model/merges/0", "he") == "MergeFormat");
  CHECK(changed("/model/merges/0", "h o") == "MergeUnknown");
  CHECK(changed("/normalizer", {{"type", "NFKC"}}) == "UnsupportedNormalizer");
  CHECK(changed("/normalizer", {{"type", "NFC"}}).empty());
  CHECK(changed("/pre_tokenizer", nullptr) == "UnsupportedPreTokenizer");
  CHECK(changed("/pre_tokenizer", {{"type", "Whitespace"}}) == "UnsupportedPreTokenizer");
  CHECK(changed("/decoder", {{"type", "Metaspace"}}) == "UnsupportedModel");
  CHECK(changed("/added_tokens/0/content", "") == "AddedToken");
  CHECK(changed("/added_tokens/0/id", 5) == "AddedToken");
  CHECK(changed("/added_tokens/0/id", 262) == "IdRange");
  CHECK(changed("/added_tokens/0/content", "hello") == "AddedToken");
  CHECK(changed("/added_tokens/1", valid()["added_tokens"][0]) == "AddedToken");
  nlohmann::json missing = valid();
  missing["model"]["vocab"].erase("A");
  missing["model"]["vocab"]["hel"] = 65;
  CHECK(code_of(missing) == "Alphabet");
}

TEST_CASE("a trained tokenizer survives its file, special tokens first") {
  std::vector<std::string> const texts{"the cat sat on the mat <|end|>", "the hat and the cat", "12 34 12"};
  text::tokenizer const trained = text::train_bpe(
      texts, {.vocab_size = 300, .special_tokens = {"<|pad|>", "<|end|>", "a b\xC3\xA9"}, .normalize_nfc = true});
  temporary_folder const folder;
  write_tokenizer(folder / "tokenizer.json", trained);
  text::tokenizer const back = read_tokenizer(folder / "tokenizer.json");
  CHECK(tokenizer_text(back) == tokenizer_text(trained));
  CHECK(back.vocab_size() == trained.vocab_size());
  CHECK(back.token_to_id("<|end|>") == 1);
  CHECK(back.token_to_id("a b\xC3\xA9") == 2);
  for (std::string const& text : texts) {
    CHECK(back.encode(text) == trained.encode(text));
    CHECK(back.encode(text, text::special_text::parse) == trained.encode(text, text::special_text::parse));
  }
  // Where Hugging Face's reader looks for them: in the vocabulary, with the same id.
  CHECK(read_json(folder / "tokenizer.json")["model"]["vocab"]["<|end|>"] == 1);
}

TEST_CASE("a text that would print as two tokens is not written") {
  text::tokenizer const trained = text::train_bpe({}, {.vocab_size = 257, .special_tokens = {"a"}});
  CHECK_THROWS_AS(tokenizer_text(trained), argument_error);
}
