// SPDX-License-Identifier: MIT
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/porter_stemmer.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <array>
#include <initializer_list>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward::measures;

namespace {

std::string joined(std::vector<std::string_view> const& all) {
  std::string text;
  for (std::string_view const word : all) (text += word) += '|';
  return text;
}

std::string words_13a(std::string_view text) { return joined(split_words(tokenise_13a(text))); }

}  // namespace

TEST_CASE("words are split at white space of every kind") {
  CHECK(split_words("").empty());
  CHECK(split_words(" \t\r\n\v\f ").empty());
  CHECK(joined(split_words(" a\tbc\xC2\xA0\x64\xE3\x80\x80 e\x1F\x66")) == "a|bc|d|e|f|");
  // A zero-width space is none; bytes that are no UTF-8 are letters.
  CHECK(joined(split_words("a\xE2\x80\x8B\x62 \xC2 \xFF\xA0")) == "a\xE2\x80\x8B\x62|\xC2|\xFF\xA0|");
}

TEST_CASE("13a sets punctuation apart, except inside numbers") {
  CHECK(words_13a("It's 1,234.5; (no)!") == "It's|1,234.5|;|(|no|)|!|");
  CHECK(words_13a("end.") == "end|.|");
  CHECK(words_13a("a.,b 1.,2 .5 5.") == "a|.|,|b|1|.|,|2|.|5|5|.|");
  CHECK(words_13a("1990-1995 well-known") == "1990|-|1995|well-known|");
  CHECK(words_13a("hyphen-\nated <skipped>x &quot;&amp;lt; -\n") == "hyphenated|x|\"|<|-|");
  CHECK(words_13a("") == "");
}

TEST_CASE("ROUGE's words are runs of ASCII letters and digits, stemmed from four letters on") {
  CHECK(tokenise_rouge("Na\xC3\xAFve, it's 3.5%!") == "na ve it s 3 5 ");
  CHECK(tokenise_rouge("The runners were running", true) == "the runner were run ");
  CHECK(tokenise_rouge("its dogs", true) == "its dog ");
  CHECK(tokenise_rouge("...") == "");
}

TEST_CASE("Porter's own examples") {
  // The examples of the paper that NLTK's departures leave alone, each step's.
  for (auto const& [word, stem] : std::initializer_list<std::array<std::string_view, 2>>{{"caresses", "caress"},
                                                                                         {"ponies", "poni"},
                                                                                         {"cats", "cat"},
                                                                                         {"feed", "feed"},
                                                                                         {"agreed", "agre"},
                                                                                         {"plastered", "plaster"},
                                                                                         {"bled", "bled"},
                                                                                         {"motoring", "motor"},
                                                                                         {"sing", "sing"},
                                                                                         {"conflated", "conflat"},
                                                                                         {"troubled", "troubl"},
                                                                                         {"sized", "size"},
                                                                                         {"hopping", "hop"},
                                                                                         {"falling", "fall"},
                                                                                         {"hissing", "hiss"},
                                                                                         {"fizzed", "fizz"},
                                                                                         {"failing", "fail"},
                                                                                         {"filing", "file"},
                                                                                         {"happy", "happi"},
                                                                                         {"relational", "relat"},
                                                                                         {"conditional", "condit"},
                                                                                         {"rational", "ration"},
                                                                                         {"vietnamization", "vietnam"},
                                                                                         {"triplicate", "triplic"},
                                                                                         {"electrical", "electr"},
                                                                                         {"goodness", "good"},
                                                                                         {"revival", "reviv"},
                                                                                         {"adoption", "adopt"},
                                                                                         {"replacement", "replac"},
                                                                                         {"probate", "probat"},
                                                                                         {"rate", "rate"},
                                                                                         {"cease", "ceas"},
                                                                                         {"controll", "control"},
                                                                                         {"roll", "roll"}}) {
    INFO(word);
    CHECK(porter_stem(word) == stem);
  }
  // The departures.
  for (auto const& [word, stem] : std::initializer_list<std::array<std::string_view, 2>>{{"dies", "die"},
                                                                                         {"flies", "fli"},
                                                                                         {"died", "die"},
                                                                                         {"spied", "spi"},
                                                                                         {"enjoy", "enjoy"},
                                                                                         {"skies", "sky"},
                                                                                         {"dying", "die"},
                                                                                         {"news", "news"},
                                                                                         {"innings", "inning"},
                                                                                         {"succeed", "succeed"},
                                                                                         {"as", "as"},
                                                                                         {"s", "s"},
                                                                                         {"", ""},
                                                                                         {"possibli", "possibl"},
                                                                                         {"geologi", "geolog"},
                                                                                         {"hopefulli", "hope"}}) {
    INFO(word);
    CHECK(porter_stem(word) == stem);
  }
  CHECK(porter_stem("yyy") == "yyy");  // consonant, vowel, consonant
  CHECK(porter_stem(std::string(100000, 'y')).size() >= 99999);
}

TEST_CASE("answers that mean the same become the same") {
  CHECK(normalise_answer("  The  Eiffel-Tower! ") == "eiffeltower");
  CHECK(normalise_answer("A man, a plan, an anthem: the end") == "man plan anthem end");
  CHECK(normalise_answer("the") == "");
  CHECK(normalise_answer("theatre a1 _a_ \xC3\xA9tait a\xC3\xA9") == "theatre a1 \xC3\xA9tait a\xC3\xA9");
  // A dash is no letter, so the article next to it goes; so does one beside a no-break space.
  CHECK(normalise_answer("that\xE2\x80\x94the end") == "that\xE2\x80\x94 end");
  CHECK(normalise_answer("a\xE2\x80\x8B") == "\xE2\x80\x8B");
  CHECK(normalise_answer("of\xC2\xA0the\xC2\xA0sea") == "of sea");
  CHECK(normalise_answer("\xFF the\xFF") == "\xFF the\xFF");
  normalisation steps;
  steps.lower_case = false;
  CHECK(normalise_answer("The cat, the dog", steps) == "The cat dog");
  steps.remove_punctuation = false;
  CHECK(normalise_answer("The cat, the  dog", steps) == "The cat, dog");
  steps.remove_articles = false;
  CHECK(normalise_answer(" The cat,  the dog ", steps) == "The cat, the dog");
  steps.join_white_space = false;
  CHECK(normalise_answer(" The cat,  the dog ", steps) == " The cat,  the dog ");
}
