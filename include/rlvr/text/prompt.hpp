// SPDX-License-Identifier: MIT
/// @file
/// The prompt of R1-RE (arXiv 2507.04642): guideline, sentence with marked entities, the request to reason in
/// `<think>` and to answer in `<answer>`.  The paper's own wording is not public; this one is ours.
///
///     prompt := shared part (guideline and request: equal for the whole batch)
///               sentence part (equal for one group) [prefill]
///
/// The parts are rendered apart, so that a prefix tree computes each once; `prompt_parts::whole` joins them.
///
/// Sentences are data and may say anything.  So that one cannot forge structure, every `<` that begins a structural
/// tag (`<think>`, `<answer>`, `<e1>`, `<e2>` and their closing forms) or a chat control marker (`<|`) is written
/// `&lt;`.  All other text, lone `<` included, stays as it is.  Entity markers are therefore kept apart from the text:
/// `marked_sentence` holds the plain sentence and two spans, and the markers are inserted while it is escaped.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace text {

/// Bytes [begin, end) of a sentence.
struct text_span {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend constexpr bool operator==(text_span const&, text_span const&) = default;
};

/// A sentence without markers, and where its two entities stand; either may come first.
struct marked_sentence {
  std::string text{};
  text_span e1{};
  text_span e2{};
  friend bool operator==(marked_sentence const&, marked_sentence const&) = default;

  [[nodiscard]] std::string_view first_entity() const {
    return std::string_view(text).substr(e1.begin, e1.end - e1.begin);
  }
  [[nodiscard]] std::string_view second_entity() const {
    return std::string_view(text).substr(e2.begin, e2.end - e2.begin);
  }
};

/// @throws argument_error unless both spans lie in the text, are not empty and do not overlap
inline void validate(marked_sentence const& sentence) {
  auto const check = [&](text_span span, char const* name) {
    if (span.begin < span.end && span.end <= sentence.text.size()) return;
    throw argument_error(std::string("marked sentence: ") + name + " is [" + std::to_string(span.begin) + ", " +
                         std::to_string(span.end) + "), expected a non-empty span of " +
                         std::to_string(sentence.text.size()) + " bytes");
  };
  check(sentence.e1, "e1");
  check(sentence.e2, "e2");
  if (sentence.e1.begin < sentence.e2.end && sentence.e2.begin < sentence.e1.end) {
    throw argument_error("marked sentence: e1 and e2 overlap, expected two separate entities");
  }
}

/// Reads `... <e1>storm</e1> ... <e2>damage</e2> ...`: takes the markers out and remembers the spans.
/// @throws argument_error unless each of the four markers occurs once, opening before closing, around text, and the
///         entities do not overlap
[[nodiscard]] inline marked_sentence parse_marked_sentence(std::string_view text) {
  std::array<std::string_view, 4> const markers{"<e1>", "</e1>", "<e2>", "</e2>"};
  auto const found = tag_scan(text, markers);
  for (std::size_t i = 0; i < markers.size(); ++i) {
    if (found[i].once()) continue;
    throw argument_error("marked sentence: " + std::string(markers[i]) + " occurs " + std::to_string(found[i].count) +
                         " times, expected once");
  }
  for (std::size_t i = 0; i < markers.size(); i += 2) {
    if (found[i].position < found[i + 1].position) continue;
    throw argument_error("marked sentence: " + std::string(markers[i + 1]) + " stands before " +
                         std::string(markers[i]));
  }
  // The offset of a marker in the plain text: its own less the markers before it.
  auto const plain_offset = [&](std::size_t marker) {
    std::size_t offset = found[marker].position;
    for (std::size_t i = 0; i < markers.size(); ++i) {
      if (found[i].position < found[marker].position) offset -= markers[i].size();
    }
    return offset;
  };
  marked_sentence sentence;
  sentence.e1 = {plain_offset(0), plain_offset(1)};
  sentence.e2 = {plain_offset(2), plain_offset(3)};
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  std::sort(order.begin(), order.end(),
            [&](std::size_t left, std::size_t right) { return found[left].position < found[right].position; });
  std::size_t from = 0;
  for (std::size_t const marker : order) {
    sentence.text.append(text.substr(from, found[marker].position - from));
    from = found[marker].position + markers[marker].size();
  }
  sentence.text.append(text.substr(from));
  validate(sentence);
  return sentence;
}

/// Appends data to a prompt: a `<` that begins a structural tag or a chat control marker becomes `&lt;`.
inline void append_escaped(std::string& prompt, std::string_view data) {
  constexpr std::array<std::string_view, 9> reserved{"<think>", "</think>", "<answer>", "</answer>", "<e1>",
                                                     "</e1>",   "<e2>",     "</e2>",    "<|"};
  for (std::size_t at = 0; at < data.size(); ++at) {
    std::string_view const rest = data.substr(at);
    bool const begins_tag = data[at] == '<' && std::any_of(reserved.begin(), reserved.end(),
                                                           [&](std::string_view tag) { return rest.starts_with(tag); });
    if (begins_tag) {
      prompt += "&lt;";
    } else {
      prompt += data[at];
    }
  }
}

/// The sentence with its markers, the text escaped.  Undone by `parse_marked_sentence` where nothing was escaped.
/// @throws argument_error as `validate`
[[nodiscard]] inline std::string mark(marked_sentence const& sentence) {
  validate(sentence);
  struct marked_span {
    text_span span;
    std::string_view open;
    std::string_view close;
  };
  std::array<marked_span, 2> spans{{{sentence.e1, "<e1>", "</e1>"}, {sentence.e2, "<e2>", "</e2>"}}};
  if (sentence.e2.begin < sentence.e1.begin) std::swap(spans[0], spans[1]);
  std::string_view const plain = sentence.text;
  std::string text;
  text.reserve(plain.size() + 18);
  std::size_t from = 0;
  for (marked_span const& entity : spans) {
    append_escaped(text, plain.substr(from, entity.span.begin - from));
    text += entity.open;
    append_escaped(text, plain.substr(entity.span.begin, entity.span.end - entity.span.begin));
    text += entity.close;
    from = entity.span.end;
  }
  append_escaped(text, plain.substr(from));
  return text;
}

/// The fixed words of a prompt.
struct prompt_wording {
  std::string before_guideline{};
  std::string after_guideline{};  ///< the request: how to reason, how to answer
  std::string before_sentence{};
  std::string after_sentence{};
  std::string prefill{};  ///< what the prompt already writes of the response, e.g. "<think>\n"; rewards need it too
};

/// Wording for instruction-tuned models.
[[nodiscard]] inline prompt_wording full_wording() {
  return {.before_guideline = "You annotate relations between two entities by the following guideline.\n\n",
          .after_guideline =
              "\nThe entities are marked <e1>...</e1> and <e2>...</e2>. Reason first: name the entities, compare the "
              "sentence with the definitions, check the direction. Then give exactly one label.\n"
              "Write <think>your reasoning</think><answer>the label</answer> and nothing else. A label is "
              "Name(e1,e2), Name(e2,e1), or the plain Name of a relation without direction.\n\n",
          .before_sentence = "Sentence: ",
          .after_sentence = "\n",
          .prefill = {}};
}

/// Wording for models trained from scratch, whose context is short: the guideline, the sentence, a line feed.
[[nodiscard]] inline prompt_wording compact_wording() {
  return {.before_guideline = {}, .after_guideline = {}, .before_sentence = {}, .after_sentence = "\n", .prefill = {}};
}

/// A prompt in the pieces that a batch and a group share.
struct prompt_parts {
  std::string shared{};    ///< guideline and request: once for the whole batch
  std::string sentence{};  ///< once for a group of responses; ends with the prefill, if there is one

  [[nodiscard]] std::string whole() const { return std::string(shared).append(sentence); }
};

/// Turns guideline and sentence into a prompt; a plain value, so wording and rendering are changed by assignment.
struct prompt_template {
  prompt_wording wording = full_wording();
  guideline_rendering rendering{};

  /// What all prompts of one guideline begin with.
  [[nodiscard]] std::string shared_part(guideline const& guide) const {
    return std::string(wording.before_guideline).append(render(guide, rendering)).append(wording.after_guideline);
  }

  /// What the prompts of one sentence add.  @throws argument_error if the spans do not fit the sentence
  [[nodiscard]] std::string sentence_part(marked_sentence const& sentence) const {
    return std::string(wording.before_sentence)
        .append(mark(sentence))
        .append(wording.after_sentence)
        .append(wording.prefill);
  }

  [[nodiscard]] prompt_parts operator()(guideline const& guide, marked_sentence const& sentence) const {
    return {.shared = shared_part(guide), .sentence = sentence_part(sentence)};
  }
};

/// The template for models trained from scratch: one line per relation, no headings.
[[nodiscard]] inline prompt_template compact_prompt() {
  return {.wording = compact_wording(),
          .rendering = {.title = false, .introduction = false, .examples_per_relation = 0, .compact = true}};
}

}  // namespace text
RLVR_NAMESPACE_END
