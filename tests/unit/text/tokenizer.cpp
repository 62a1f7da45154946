// SPDX-License-Identifier: MIT
#include <rlvr/text/bpe_trainer.hpp>
#include <rlvr/text/tokenizer.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <thread>
#include <vector>

using namespace rlvr;
using namespace rlvr::text;
using ids_t = std::vector<std::int32_t>;

namespace {

std::vector<std::string> corpus() {
  std::mt19937 random(7);
  std::vector<std::string> const words{"The",   "cause", "effect",      "of",   "entity", "was",
                                       "whole", "part",  "caf\xC3\xA9", "1234", "didn't", "\xE6\x97\xA5\xE6\x9C\xAC",
                                       "in",    "<e1>"};
  std::vector<std::string> result;
  for (int line = 0; line < 200; ++line) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += (i > 0 ? " " : "") + words[random() % words.size()];
    result.push_back(text + ".\n");
  }
  return result;
}

tokenizer const& trained() {
  static tokenizer const result = train_bpe(corpus(), {.vocab_size = 400, .special_tokens = {"<|pad|>", "<|end|>"}});
  return result;
}

std::string random_bytes(std::mt19937& random, std::size_t most) {
  std::string text(random() % (most + 1), '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string random_utf8(std::mt19937& random, std::size_t most) {
  std::string text;
  for (std::size_t i = random() % (most + 1); i > 0; --i) {
    constexpr char32_t tops[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    char32_t const code = static_cast<char32_t>(random()) % (tops[random() % 4] + 1);
    append_utf8(text, code >= 0xD800 && code < 0xE000 ? U' ' : code);
  }
  return text;
}

/// Merging as the definition says it: find the lowest rank, leftmost; merge; again.
ids_t slow_bpe(tokenizer_definition const& definition, std::string const& piece) {
  ids_t ids;
  for (char const c : piece) {
    for (std::size_t id = 0; id < definition.tokens.size(); ++id) {
      if (definition.tokens[id] == std::string(1, c)) ids.push_back(static_cast<std::int32_t>(id));
    }
  }
  for (;;) {
    std::size_t best = definition.merges.size();
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best; ++rank) {
        if (definition.merges[rank].left == ids[i] && definition.merges[rank].right == ids[i + 1]) {
          best = rank;
          where = i;
        }
      }
    }
    if (best == definition.merges.size()) return ids;
    ids[where] = definition.merges[best].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

std::vector<std::string> pieces_of(std::vector<pre_tokenizer_step> const& steps, std::string const& text) {
  pre_tokenizer const owner(steps);
  pre_tokenizer::cutter cut(owner);
  auto const& pieces = cut(text);
  return {pieces.begin(), pieces.end()};
}

}  // namespace

TEST_CASE("UTF-8: what is well formed by table 3-7 of the Unicode Standard") {
  CHECK(is_valid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA6\x99"));
  for (char const* const bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                                "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF"}) {
    CHECK_FALSE(is_valid_utf8(bad));
    CHECK(valid_utf8_prefix(std::string("ab") + bad) == 2);
  }
  std::size_t valid = 0;
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      valid += is_valid_utf8(std::string{static_cast<char>(a), static_cast<char>(b)});
    }
  }
  CHECK(valid == 128 * 128 + 1920);
  for (char32_t code : {U'\0', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xFFFF', U'\x10000', U'\x10FFFF'}) {
    std::string text;
    append_utf8(text, code);
    utf8_sequence const back = decode_utf8_front(text);
    CHECK((back.well_formed && back.code_point == code && back.bytes == text.size()));
  }
  CHECK(incomplete_utf8_tail("a\xF0\x9F\xA6") == 3);
  CHECK(incomplete_utf8_tail("a\xE2") == 1);
  CHECK(incomplete_utf8_tail("a\xED\xA0") == 0);  // a surrogate: nothing can complete it
  CHECK(incomplete_utf8_tail("\xC3\xA9") == 0);
  CHECK(incomplete_utf8_tail("") == 0);
}

TEST_CASE("NFC: examples of Unicode Standard Annex 15 and of its conformance test") {
  std::map<std::string, std::string> const cases{
      {"e\xCC\x81", "\xC3\xA9"},                                 // e, acute
      {"\xE2\x84\xAB", "\xC3\x85"},                              // angstrom sign
      {"\xE2\x84\xA6", "\xCE\xA9"},                              // ohm sign
      {"s\xCC\xA3\xCC\x87", "\xE1\xB9\xA9"},                     // s, dot below, dot above
      {"s\xCC\x87\xCC\xA3", "\xE1\xB9\xA9"},                     // marks in the other order
      {"\xE1\xB8\x8B\xCC\xA3", "\xE1\xB8\x8D\xCC\x87"},          // d-dot-above, dot below
      {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"},  // Hangul L V T
      {"\xEA\xB0\x80\xE1\x86\xA8", "\xEA\xB0\x81"},              // Hangul LV T
      {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"},              // composition exclusion
      {"\xEF\xAC\x81", "\xEF\xAC\x81"},                          // fi ligature: compatibility only
      {"a\xCC\x95\xCC\x80\xD6\xAE\xCC\x80", "\xC3\xA0\xD6\xAE\xCC\x80\xCC\x95"},
      {"\xCC\x81"
       "a",
       "\xCC\x81"
       "a"},
      {"a\xFF\xCC\x81", "a\xFF\xCC\x81"},
      {"", ""}};
  for (auto const& [text, normal] : cases) {
    CAPTURE(text);
    CHECK(to_nfc(text) == normal);
    CHECK(to_nfc(normal) == normal);
  }
}

TEST_CASE("the byte alphabet is GPT-2's") {
  CHECK(bytes_to_letters(" \n") == "\xC4\xA0\xC4\x8A");  // U+0120, U+010A
  CHECK(bytes_to_letters("a~\x7F\xAD\xFF") == "a~\xC4\xA1\xC5\x83\xC3\xBF");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(letters_to_bytes(bytes_to_letters(all)) == all);
  CHECK_FALSE(letters_to_bytes(" "));
}

TEST_CASE("pre-tokenisers cut as the reference does") {
  using v = std::vector<std::string>;
  std::vector<pre_tokenizer_step> const gpt2(1);
  CHECK(pieces_of(gpt2, "I'm  here, 12.5!\n\n x") ==
        v{"I", "'m", " ", " here", ",", " 12", ".", "5", "!", "\n\n", " x"});
  std::vector<pre_tokenizer_step> smol(2);
  smol[0].type = pre_tokenizer_step::kind::digits;
  CHECK(pieces_of(smol, "a 123") == v{"a", " ", "1", "2", "3"});
  std::vector<pre_tokenizer_step> qwen(2);
  qwen[0].type = pre_tokenizer_step::kind::split;
  qwen[0].expression = qwen2_expression;
  qwen[1].use_regex = false;
  CHECK(pieces_of(qwen, "He'S 12\r\n  x(a)") == v{"He", "'S", " ", "1", "2", "\r\n", " ", " x", "(a", ")"});
  CHECK(pieces_of(qwen,
                  "\xC2\x85"
                  "a\xE1\xA0\x8E"
                  "b") == v{"\xC2\x85"
                            "a",
                            "\xE1\xA0\x8E"
                            "b"});
  // U+180E is no white space, though PCRE2's \s matches it.
  CHECK(pieces_of(qwen, "\xE1\xA0\x8E!") == v{"\xE1\xA0\x8E!"});
  qwen[0].expression = "a.";
  qwen[0].is_literal = true;
  CHECK(pieces_of(qwen, "xa.aba.") == v{"x", "a.", "ab", "a."});
  std::vector<pre_tokenizer_step> prefix(1);
  prefix[0].add_prefix_space = true;
  CHECK(pieces_of(prefix, "a b") == v{" a", " b"});
  CHECK(pieces_of(gpt2, "").empty());
}

TEST_CASE("an expression that explodes is an error, not a hang") {
  std::vector<pre_tokenizer_step> steps(2);
  steps[0].type = pre_tokenizer_step::kind::split;
  steps[0].expression = "(a+)+$";
  CHECK_THROWS_AS(pieces_of(steps, std::string(40, 'a') + "b"), unsupported_error);
  steps[0].expression = "(";
  CHECK_THROWS_AS(pre_tokenizer(steps), argument_error);
}

TEST_CASE("decode(encode(x)) == x for any bytes, whole and streamed") {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string const text = round % 2 == 0 ? random_bytes(random, 60) : random_utf8(random, 30);
    ids_t const ids = trained().encode(text);
    REQUIRE(trained().decode(ids) == text);
    stream_decoder stream(trained());
    std::string streamed;
    for (std::int32_t const id : ids) streamed += stream.push(id);
    REQUIRE(streamed + stream.finish() == text);
  }
}

TEST_CASE("the heap merges as the definition does") {
  std::mt19937 random(13);
  // No expression: the whole text is one piece.
  tokenizer_definition definition = trained().definition();
  definition.steps[0].use_regex = false;
  tokenizer const whole(definition);
  auto const texts = corpus();
  for (int round = 0; round < 100; ++round) {
    std::string text = texts[random() % texts.size()].substr(random() % 20, 40);
    if (!is_valid_utf8(text)) continue;
    for (int i = 0; i < 3; ++i) text[random() % text.size()] = "aeth "[random() % 5];
    if (!is_valid_utf8(text)) continue;
    CHECK(whole.encode(text) == slow_bpe(definition, text));
  }
  definition.tokens.push_back("tt");
  definition.merges.push_back({2 + 't', 2 + 't', static_cast<std::int32_t>(definition.tokens.size()) - 1});
  tokenizer const pairs(definition);
  CHECK(pairs.encode("ttt") == ids_t{pairs.vocab_size() - 1, 2 + 't'});  // the leftmost of equals
  CHECK(pairs.encode(std::string(33, 't')) == slow_bpe(definition, std::string(33, 't')));
}

TEST_CASE("long pieces take near-linear time") {
  for (std::string const& text : {std::string(400000, 'a'), std::string(400000, ' '), std::string(400000, '\xE9')}) {
    auto const start = std::chrono::steady_clock::now();
    CHECK(trained().decode(trained().encode(text)) == text);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  }
}

TEST_CASE("special tokens in a text are plain text unless asked for") {
  std::string const text = "a<|end|>b<|end|";
  ids_t const plain = trained().encode(text);
  CHECK(std::count(plain.begin(), plain.end(), 1) == 0);
  CHECK(trained().decode(plain) == text);
  ids_t const parsed = trained().encode(text, special_text::parse);
  CHECK(std::count(parsed.begin(), parsed.end(), 1) == 1);
  CHECK(trained().decode(parsed) == text);
  CHECK(trained().decode(parsed, true) == "ab<|end|");
  CHECK_THROWS_AS(trained().decode(ids_t{trained().vocab_size()}), argument_error);
  CHECK_THROWS_AS(trained().decode(ids_t{-1}), argument_error);
}

TEST_CASE("plain text cannot be merged into a special token") {
  tokenizer_definition definition = trained().definition();
  auto const byte = [&](char c) { return *trained().token_to_id(std::string(1, c)); };
  auto const id = static_cast<std::int32_t>(definition.tokens.size());
  definition.tokens.push_back("<>");
  definition.added.push_back({.id = id, .content = "<>", .special = true});
  definition.merges.push_back({byte('<'), byte('>'), id});
  definition.ignore_merges = true;
  tokenizer const with(definition);
  CHECK(with.encode("<>") == ids_t{byte('<'), byte('>')});
  CHECK(with.encode("<>", special_text::parse) == ids_t{id});
}

TEST_CASE("added tokens: the longest wins, and the flags of tokenizer.json hold") {
  tokenizer_definition definition = trained().definition();
  auto const add = [&](added_token token) {
    token.id = static_cast<std::int32_t>(definition.tokens.size());
    definition.tokens.emplace_back();
    definition.added.push_back(token);
    return token.id;
  };
  std::int32_t const think = add({.content = "<think>"});
  std::int32_t const longer = add({.content = "<think>ing"});
  std::int32_t const word = add({.content = "cat", .single_word = true});
  std::int32_t const wide = add({.content = "[M]", .lstrip = true, .rstrip = true});
  tokenizer const with(definition);
  auto const has = [&](std::string const& text, std::int32_t id) {
    ids_t const ids = with.encode(text);
    return std::count(ids.begin(), ids.end(), id);
  };
  CHECK(has("<think>x<think>in<think>ing", think) == 2);
  CHECK(has("<think>ing", longer) == 1);
  CHECK(has("cat, a cat", word) == 2);
  CHECK(has("cats concat \xC3\xA9"
            "cat cat_",
            word) == 0);
  CHECK(with.encode("  [M] \n ") == ids_t{wide});
  CHECK(with.token_to_id("<think>") == think);
  CHECK(with.id_to_token(think) == "<think>");
  CHECK(with.id_to_token(*with.token_to_id("\xC4\xA0")) == "\xC4\xA0");
}

TEST_CASE("training: frequent pairs first, ties by the lower ids, the same for any order of texts") {
  // "ab" 3 times, "bc" 2 times, "cd" 2 times.
  tokenizer const tiny = train_bpe(std::vector<std::string>{"ab ab abcd cd bc"}, {.vocab_size = 258});
  REQUIRE(tiny.vocab_size() == 258);
  CHECK(tiny.token_bytes(256) == "ab");
  CHECK(tiny.token_bytes(257) == " ab");  // " ab" and "cd" occur twice; " " is byte 32

  auto texts = corpus();
  std::reverse(texts.begin(), texts.end());
  tokenizer const reversed = train_bpe(texts, {.vocab_size = 400, .special_tokens = {"<|pad|>", "<|end|>"}});
  CHECK(reversed.definition().tokens == trained().definition().tokens);
  CHECK(reversed.definition().merges == trained().definition().merges);
  CHECK(trained().token_to_id("<|pad|>") == 0);
  CHECK(trained().token_to_id("!") == 2 + '!');
  std::string const line = corpus()[0];
  CHECK(trained().encode(line).size() * 2 < line.size());
  CHECK_THROWS_AS(train_bpe(texts, {.vocab_size = 257, .special_tokens = {"<|pad|>", "<|end|>"}}), argument_error);
}

TEST_CASE("training counts as a recount from scratch does") {
  // The incremental counts must pick what counting all pairs anew before each merge picks.
  std::mt19937 random(17);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int k = 0; k < 12; ++k) text += "abc"[random() % 3];
    texts.push_back(text);
  }
  tokenizer const fast = train_bpe(texts, {.vocab_size = 256 + 30, .min_frequency = 1});
  std::vector<ids_t> words;
  for (std::string const& text : texts) words.emplace_back(text.begin(), text.end());
  std::int32_t next = 256;
  for (bpe_merge const& merge : fast.definition().merges) {
    std::map<std::pair<std::int32_t, std::int32_t>, int> counts;
    for (ids_t const& word : words) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it) best = it->second > best->second ? it : best;
    REQUIRE(std::pair(merge.left, merge.right) == best->first);
    next = std::max(next, merge.result);
    for (ids_t& word : words) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != merge.left || word[i + 1] != merge.right) continue;
        word[i] = merge.result;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  CHECK(next > 270);
}

TEST_CASE("one tokenizer serves many threads") {
  auto const texts = corpus();
  std::vector<ids_t> expected;
  for (std::string const& text : texts) expected.push_back(trained().encode(text));
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < texts.size(); ++i) count += trained().encode(texts[i]) != expected[i];
      });
    }
  }
  CHECK(wrong == std::vector<int>(4));
}
