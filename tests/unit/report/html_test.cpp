// SPDX-License-Identifier: MIT
// The page against a strict reader of HTML written here: every tag and attribute is one of ours, whatever the texts of
// the run try.
#include <rlvr/report/html.hpp>

#include "records.hpp"
#include <limits>
#include <set>
#include <support/catch.hpp>

using namespace report_test;

namespace {

struct page {
  std::vector<std::string> problems;
  std::multiset<std::string> elements;
  std::string text;  // of all elements but style, with references resolved
};

// Accepts only what the report is meant to consist of: known names, quoted values, every reference known, every
// element closed in order.
page read_page(std::string const& html) {
  static std::set<std::string> const known{
      "html",  "head",   "meta",       "title", "style", "body",    "main",   "header",  "footer", "p",
      "h1",    "h2",     "h3",         "ul",    "li",    "b",       "i",      "div",     "span",   "small",
      "table", "thead",  "tbody",      "tr",    "th",    "td",      "figure", "svg",     "line",   "text",
      "path",  "circle", "figcaption", "label", "input", "article", "pre",    "details", "summary"};
  static std::set<std::string> const attributes{
      "charset",    "http-equiv", "content",     "name", "lang", "class",   "style", "viewBox", "role",
      "aria-label", "x1",         "x2",          "y1",   "y2",   "x",       "y",     "cx",      "cy",
      "r",          "d",          "text-anchor", "type", "id",   "checked", "for"};
  static std::map<std::string, std::string> const references{{"lt", "<"},    {"gt", ">"},  {"amp", "&"},
                                                             {"quot", "\""}, {"#39", "'"}, {"#96", "`"}};
  page result;
  std::vector<std::string> open;
  std::size_t at = 0;
  auto const problem = [&](std::string const& what) {
    result.problems.push_back(what + " near " + html.substr(at, 60));
  };
  auto const decode = [&](std::string const& raw) {
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '&') {
        out += raw[i];
        continue;
      }
      auto const end = raw.find(';', i);
      auto const found = end == std::string::npos ? references.end() : references.find(raw.substr(i + 1, end - i - 1));
      if (found == references.end()) {
        problem("bare &");
      } else {
        out += found->second;
        i = end;
      }
    }
    return out;
  };
  REQUIRE(html.starts_with("<!DOCTYPE html>\n"));
  at = 16;
  while (at < html.size()) {
    auto const begin = html.find('<', at);
    std::string const raw = html.substr(at, begin == std::string::npos ? begin : begin - at);
    if (!open.empty() && open.back() == "style") {
      if (raw.find("</") != std::string::npos || raw.find('&') != std::string::npos) problem("text in style");
    } else {
      if (raw.find_first_of(">\"'`") != std::string::npos) problem("unescaped character in text " + raw);
      result.text += decode(raw);
    }
    if (begin == std::string::npos) break;
    at = begin + 1;
    bool const closing = html[at] == '/';
    if (closing) ++at;
    auto const name_end = html.find_first_of(" />", at);
    std::string const name = html.substr(at, name_end - at);
    if (!known.contains(name)) problem("element " + name);
    at = name_end;
    if (closing) {
      if (open.empty() || open.back() != name) problem("closing " + name);
      if (!open.empty()) open.pop_back();
      if (html[at] != '>') problem("closing tag with attributes");
      ++at;
      continue;
    }
    result.elements.insert(name);
    while (html[at] == ' ') {
      auto const end = html.find_first_of("= />", ++at);
      std::string const attribute = html.substr(at, end - at);
      if (!attributes.contains(attribute)) problem("attribute " + attribute);
      at = end;
      if (html[at] != '=') continue;
      if (html[at + 1] != '"') {
        problem("unquoted value");
        return result;
      }
      auto const quote = html.find('"', at + 2);
      std::string const value = html.substr(at + 2, quote - at - 2);
      if (value.find_first_of("<>`") != std::string::npos) problem("value " + value);
      decode(value);
      at = quote + 1;
    }
    bool const empty = html[at] == '/';
    if (empty) ++at;
    if (html[at] != '>') problem("tag does not end");
    ++at;
    if (!empty && name != "meta" && name != "input") open.push_back(name);
  }
  if (!open.empty()) problem("open " + open.back());
  return result;
}

report::report_data hostile_run() {
  report::report_data data;
  std::string const& h = hostile;
  data.title = data.subtitle = data.confusion_caption = h;
  data.run = {h, h, {{h, h}}, {{h, 1}}, h, h, h, {{h, h}}, {{h, h}}};
  data.comparison = {h, {h, "plain"}, {{h, {{0.5, 0.1}, {}}}, {"second", {{0.7, 0.2}}}}};
  data.confusion = report::confusion_matrix({h, "b"});
  data.confusion.add(h, "b", 3);
  data.confusion.add("b", h + "!");
  for (std::uint64_t step = 1; step < 30; ++step) {
    data.steps.push_back(step_of(step));
    data.steps.back().set(train::metric::reward_class(h), 0.5);
    data.steps.back().set(train::metric::evaluation(h, train::metric::avg_at_k), 0.5);
    auto completion = completion_of(step, h, step % 2 == 0 ? h : "correct");
    completion.prompt = completion.prompt_id = completion.gold = h;
    completion.answer = h;
    completion.reward_parts = {{h, 1}};
    data.completions.push_back(completion);
  }
  return data;
}

std::size_t count(std::string const& text, std::string const& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("no text of a run becomes markup") {
  std::string const html = report::to_html(hostile_run());
  page const read = read_page(html);
  for (auto const& problem : read.problems) FAIL_CHECK(problem);
  CHECK(read.elements.count("script") == 0);
  CHECK(count(read.text, "<img src=x onerror=alert(1)>") > 30);  // it is shown as the text that it is
  CHECK(html == report::to_valid_utf8(html));
  for (char const byte : html) REQUIRE((static_cast<unsigned char>(byte) >= 0x20 || byte == '\n' || byte == '\t'));
  CHECK(html.find("\u202e") == std::string::npos);  // no bidirectional override
  CHECK(html.find("http://") == std::string::npos);
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find("default-src 'none'") != std::string::npos);
}

TEST_CASE("the strict reader would notice") {
  for (std::string const bad :
       {"<script></script>", "<p onclick=\"x\"></p>", "a & b", "<p>", "<p class=x></p>", "\"", "<p class=\"<\"></p>"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_page("<!DOCTYPE html>\n" + bad).problems.empty());
  }
}

TEST_CASE("escaping shows everything and lets nothing act") {
  CHECK(report::escape_html("<a b='c' d=\"e\">`&lt;") == "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&#96;&amp;lt;");
  CHECK(report::escape_html(std::string("\0\x1b\r\x7f\n\t", 6)) == "\u2400\u241b\u240d\u2421\n\t");
  CHECK(report::escape_html("\u202e\u200b\ufeff\U000e0041") == "[U+202E][U+200B][U+FEFF][U+E0041]");
  CHECK(report::escape_html("\xff\xc3\u0085\uffff") == "\ufffd\ufffd\ufffd\ufffd");
  CHECK(report::escape_html("\u00e9\u4e2d\U0001f600") == "\u00e9\u4e2d\U0001f600");
  CHECK(report::mark_up_response("<think>a&lt;/think&gt;</answer>") ==
        "<span class=\"tag\">&lt;think&gt;</span>a&amp;lt;/think&amp;gt;<span class=\"tag\">&lt;/answer&gt;</span>");
}

TEST_CASE("shortening counts code points and never splits one") {
  CHECK(report::shorten("h\u00e9llo", 2) == "h\u00e9\u2026");
  CHECK(report::shorten("h\u00e9", 2) == "h\u00e9");
  CHECK(report::shorten("", 0).empty());
}

TEST_CASE("empty, tiny and broken runs have a page too") {
  report::report_data data;
  page empty = read_page(report::to_html(data));
  CHECK(empty.problems.empty());
  CHECK(empty.text.find("No steps were recorded") != std::string::npos);
  CHECK(empty.elements.count("table") == 0);

  data.steps.push_back(step_of(1));
  data.completions.push_back(completion_of(1, "", ""));
  CHECK(read_page(report::to_html(data)).problems.empty());

  double const not_a_number = std::numeric_limits<double>::quiet_NaN();
  for (auto& [name, value] : data.steps[0].scalars) value = not_a_number;
  data.completions[0].reward = data.completions[0].advantage = not_a_number;
  data.comparison = {"", {"a"}, {{"model", {}}}};
  std::string const html = report::to_html(data);
  CHECK(read_page(html).problems.empty());
  CHECK(html.find(">nan<") == std::string::npos);
}

TEST_CASE("the facts count evaluations of all models together") {
  report::report_data data;
  for (auto const* const phase : {"evaluate_start", "grpo", "grpo", "evaluate_r1_re", "sft_labels"})
    data.steps.push_back(step_of(data.steps.size() + 1, phase));
  std::string const html = report::to_html(data);
  CHECK(html.find("evaluations <b>2</b>") != std::string::npos);
  CHECK(html.find("GRPO steps <b>2</b>") != std::string::npos);
  CHECK(html.find("other steps <b>1</b>") != std::string::npos);
}

TEST_CASE("equal runs give equal bytes, and the log alone is enough to write the report again") {
  temporary_folder folder;
  report::report_data data = hostile_run();
  std::string const first = report::to_html(data);
  CHECK(report::to_html(hostile_run()) == first);

  auto sink = report::json_lines_sink::create(folder.path);
  for (auto const& step : data.steps) sink.on_step(step);
  for (auto const& completion : data.completions) sink.on_completion(completion);
  sink.close();
  data.steps = report::read_metrics(folder / "metrics.jsonl").records;
  data.completions = report::read_completions(folder / "completions.jsonl").records;
  report::write_report(folder / "report.html", data);
  CHECK(read(folder / "report.html") == first);
}

TEST_CASE("figures follow the records") {
  std::vector<train::step_record> steps;
  for (std::uint64_t i = 1; i <= 20; ++i) steps.push_back(step_of(i));
  train::step_record supervised;
  supervised.phase = train::phase::sft;
  supervised.set(train::metric::loss, 2);
  supervised.set(train::metric::reward, 9);  // another phase's scalar is not in the GRPO curve
  steps.push_back(supervised);
  train::step_record evaluation;
  evaluation.phase = train::phase::evaluate;
  evaluation.step = 20;
  evaluation.set(train::metric::evaluation("out/of_domain", train::metric::avg_at_k), 0.5);
  steps.push_back(evaluation);

  auto const figures = report::standard_figures(steps);
  std::vector<std::string> titles;
  for (auto const& figure : figures) titles.push_back(figure.chart.title);
  CHECK(titles == std::vector<std::string>{"Reward", "Accuracy", "KL to the reference", "Supervised loss"});
  CHECK(figures[0].chart.curves[0].y.size() == 20);
  CHECK(figures[1].chart.curves[0].label == "out/of domain");
  auto const stack = report::class_stack(steps);
  REQUIRE(stack.layers.size() == 1);
  CHECK(stack.layers[0].y[9] == Approx(0.1));
}

TEST_CASE("samples are spread over each class") {
  std::vector<train::completion_record> completions;
  for (std::uint64_t i = 0; i < 100; ++i) completions.push_back(completion_of(i, "", i % 10 == 3 ? "rare" : "common"));
  CHECK(report::pick_samples(completions, 3) == std::vector<std::size_t>{0, 3, 43, 49, 93, 99});
  CHECK(report::pick_samples(completions, 1) == std::vector<std::size_t>{93, 99});
  CHECK(report::pick_samples(completions, 1000).size() == 100);
  CHECK(report::pick_samples({}, 5).empty());
}
