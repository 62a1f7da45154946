// SPDX-License-Identifier: MIT
/// @file
/// The report of a run: one HTML file without scripts, fonts or pictures from elsewhere, readable offline and without
/// JavaScript (the filter of the samples is radio buttons and CSS).
///
/// Text of the model and of the data reaches the page through `escape_html` alone.  Behind that stands a content
/// security policy that forbids every script and every load, so that a browser would not run injected code even if some
/// escaped.  Equal data give equal bytes.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/charts.hpp>
#include <rlvr/report/file.hpp>
#include <rlvr/report/html_style.hpp>
#include <rlvr/report/html_text.hpp>
#include <rlvr/report/svg.hpp>
#include <rlvr/report/tables.hpp>
#include <rlvr/train/metrics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// What a report shows.  Every part may be empty and is left out then.
struct report_data {
  std::string title;
  std::string subtitle;  ///< one or two sentences
  train::run_record run;
  comparison_table comparison;
  confusion_matrix confusion;
  std::string confusion_caption;  ///< which model on which data
  std::vector<train::step_record> steps;
  std::vector<train::completion_record> completions;
  std::size_t samples_per_class = 8;
  std::size_t most_sample_characters = 6000;  ///< of a completion and of a prompt each
};

/// At most `per_class` completions of each reward class, evenly spread over their order: the first, the last and those
/// between.  Indices, ascending.
[[nodiscard]] inline std::vector<std::size_t> pick_samples(std::vector<train::completion_record> const& completions,
                                                           std::size_t per_class) {
  std::map<std::string_view, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < completions.size(); ++i) classes[completions[i].reward_class].push_back(i);
  std::vector<std::size_t> picked;
  for (auto const& [name, members] : classes) {
    std::size_t const count = std::min(per_class, members.size());
    for (std::size_t k = 0; k < count; ++k) {
      picked.push_back(members[count == 1 ? members.size() - 1 : k * (members.size() - 1) / (count - 1)]);
    }
  }
  std::sort(picked.begin(), picked.end());
  return picked;
}

namespace detail {

/// Mean of the first and of the last tenth of a curve (at least one value), values that are not finite left out.
[[nodiscard]] inline std::pair<double, double> ends_of(std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); }), values.end());
  if (values.empty()) return {std::nan(""), std::nan("")};
  std::size_t const count = std::max<std::size_t>(1, values.size() / 10);
  double first = 0;
  double last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    first += values[i];
    last += values[values.size() - 1 - i];
  }
  return {first / static_cast<double>(count), last / static_cast<double>(count)};
}

/// A number for people: three significant digits, a typographic minus sign.
[[nodiscard]] inline std::string readable_number(double value, bool percent = false) {
  if (!std::isfinite(value)) return "\u2013";
  double const magnitude = std::abs(value);
  std::string const sign = value < 0 ? "\u2212" : "";
  if (percent) return sign + fmt::format("{:.1f} %", 100 * magnitude);
  if (magnitude != 0 && magnitude < 1e-3) return tick_label(value, 1e-9);
  if (magnitude >= 100) return tick_label(value, 1);
  return sign + fmt::format("{:.{}f}", magnitude,
                            magnitude >= 10                    ? 1
                            : magnitude >= 1 || magnitude == 0 ? 2
                            : magnitude >= 0.1                 ? 3
                            : magnitude >= 0.01                ? 4
                                                               : 5);
}

/// Writes the page section by section.
class page_writer {
 public:
  explicit page_writer(report_data const& data) : data_(data), figures_(standard_figures(data.steps)) {}

  [[nodiscard]] std::string page() {
    std::string const title = escape_html(data_.title.empty() ? "Run report" : data_.title);
    append(out_,
           "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>",
           title);
    out_ += html_style;
    append(out_, "</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"kicker\">Run report</p>\n<h1>{}</h1>\n",
           title);
    if (!data_.subtitle.empty()) append(out_, "<p class=\"lead\">{}</p>\n", escape_html(data_.subtitle));
    facts();
    tiles();
    out_ += "</header>\n";
    results();
    curves();
    classes();
    confusion();
    samples();
    settings();
    out_ += "<footer>Written by rlvr.</footer>\n</main>\n</body>\n</html>\n";
    return std::move(out_);
  }

 private:
  void section(std::string_view title, std::string_view lead) {
    append(out_, "<h2>{}</h2>\n<p class=\"lead\">{}</p>\n", title, lead);
  }

  void facts() {
    out_ += "<ul class=\"facts\">";
    auto const fact = [&](std::string_view name, std::string const& value) {
      if (!value.empty()) append(out_, "<li>{} <b>{}</b></li>", name, escape_html(value));
    };
    fact("run", data_.run.name);
    std::map<std::string_view, std::size_t> counts;
    for (auto const& record : data_.steps) {
      bool const evaluation =
          std::string_view(record.phase).substr(0, train::phase::evaluate.size()) == train::phase::evaluate;
      ++counts[evaluation                           ? "evaluations"
               : record.phase == train::phase::grpo ? "GRPO steps"
               : record.phase == train::phase::sft  ? "SFT steps"
                                                    : "other steps"];
    }
    for (auto const& [name, count] : counts) fact(name, std::to_string(count));
    for (auto record = data_.steps.rbegin(); record != data_.steps.rend(); ++record) {
      if (auto const tokens = record->find(train::metric::num_tokens)) {
        fact("tokens", tick_label(*tokens, 1));
        break;
      }
    }
    fact("CPU", data_.run.cpu);
    out_ += "</ul>\n";
  }

  void tile(std::string_view what, std::string const& value, std::string const& from) {
    append(out_,
           "<div class=\"tile\"><p class=\"what\">{}</p><p class=\"value\">{}</p><p class=\"from\">{}</p></div>\n",
           escape_html(what), value, from);
  }

  /// The last model of the comparison, and how reward and format rate moved.
  void tiles() {
    out_ += "<div class=\"tiles\">\n";
    auto const& table = data_.comparison;
    for (std::size_t i = 0; i < table.columns.size() && !table.empty(); ++i) {
      auto const cell = [&](std::size_t row) {
        return i < table.rows[row].cells.size() ? table.rows[row].cells[i] : estimate{};
      };
      estimate const last = cell(table.rows.size() - 1);
      std::string value = readable_number(last.value, true);
      if (std::isfinite(last.half_width)) append(value, " <small>\u00b1 {:.1f}</small>", 100 * last.half_width);
      tile(table.columns[i], value,
           escape_html(table.rows.back().name) + (table.rows.size() > 1
                                                      ? fmt::format(" \u00b7 {} {}", escape_html(table.rows[0].name),
                                                                    readable_number(cell(0).value, true))
                                                      : std::string()));
    }
    auto const movement = [&](std::string_view what, std::string_view name, bool percent) {
      auto const [first, last] = ends_of(curve_of(data_.steps, train::phase::grpo, name, "", 0).y);
      if (std::isfinite(last)) {
        tile(what, readable_number(last, percent),
             fmt::format("last tenth of GRPO, from {}", readable_number(first, percent)));
      }
    };
    movement("Mean reward", train::metric::reward, false);
    movement("Format rate", train::metric::format_ok, true);
    out_ += "</div>\n";
  }

  void results() {
    auto const& table = data_.comparison;
    if (table.empty()) return;
    section("Comparison", "The same evaluation for every model; the best value of a column is bold.");
    out_ += "<div class=\"pair\">\n<div class=\"card\"><table class=\"results\"><thead><tr><th>Model</th>";
    for (auto const& column : table.columns) append(out_, "<th>{}</th>", escape_html(column));
    out_ += "</tr></thead><tbody>\n";
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      append(out_, "<tr><th><span class=\"key s{}\"></span>{}</th>", row % 8, escape_html(table.rows[row].name));
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        estimate const cell = i < table.rows[row].cells.size() ? table.rows[row].cells[i] : estimate{};
        append(out_, "<td{}>{}", table.best_row(i) == row ? " class=\"best\"" : "", readable_number(cell.value, true));
        if (std::isfinite(cell.half_width))
          append(out_, " <span class=\"pm\">\u00b1 {:.1f}</span>", 100 * cell.half_width);
        out_ += "</td>";
      }
      out_ += "</tr>\n";
    }
    append(out_, "</tbody></table><p class=\"caption\">{}</p></div>\n<div class=\"card\">{}</div>\n</div>\n",
           escape_html(table.caption), to_svg(table));
  }

  void curves() {
    section("Training curves",
            "Thin lines are single steps, thick lines their local mean; dots are evaluations.  At the right of "
            "each title: the mean of the last tenth, for evaluations the last value.");
    if (figures_.empty()) out_ += "<div class=\"card\"><p class=\"caption\">No steps were recorded.</p></div>\n";
    out_ += "<div class=\"grid2\">\n";
    for (auto const& [chart, note] : figures_) {
      append(out_, "<figure class=\"card\"><figcaption><b>{}</b>", escape_html(chart.title));
      if (chart.curves.size() == 1) append(out_, "<span class=\"last\">{}</span>", last_of(chart, chart.curves[0]));
      append(out_, "<span class=\"note\">{}</span></figcaption>\n", escape_html(note));
      if (chart.curves.size() > 1) {
        out_ += "<ul class=\"legend\">";
        for (auto const& curve : chart.curves) {
          append(out_, "<li><i class=\"s{}\"></i>{} <b>{}</b></li>", curve.colour, escape_html(curve.label),
                 last_of(chart, curve));
        }
        out_ += "</ul>\n";
      }
      out_ += to_svg(chart) + "</figure>\n";
    }
    out_ += "</div>\n";
  }

  [[nodiscard]] static std::string last_of(line_chart const& chart, series const& curve) {
    if (!curve.markers) return readable_number(ends_of(curve.y).second, chart.percent);
    auto const last = std::find_if(curve.y.rbegin(), curve.y.rend(), [](double y) { return std::isfinite(y); });
    return readable_number(last == curve.y.rend() ? std::nan("") : *last, chart.percent);
  }

  void classes() {
    stacked_chart const chart = class_stack(data_.steps);
    if (chart.x.empty()) return;
    section("Reward classes", "What became of the sampled completions, step by step.");
    out_ += "<figure class=\"card wide\"><ul class=\"legend\">";
    for (auto const& layer : chart.layers) {
      append(out_, "<li><i class=\"box s{}\"></i>{} <b>{}</b></li>", layer.colour, escape_html(readable(layer.label)),
             readable_number(ends_of(layer.y).second, true));
    }
    append(out_, "</ul>\n{}</figure>\n", to_svg(chart));
  }

  void confusion() {
    auto const& matrix = data_.confusion;
    if (matrix.total() == 0) return;
    section("Confusion matrix",
            "Rows are gold labels, columns predictions; shades are shares of a row, the diagonal is correct.");
    out_ += "<div class=\"card scroll\"><table class=\"confusion\"><thead><tr><th></th>";
    for (auto const& label : matrix.predicted_labels()) append(out_, "<th><span>{}</span></th>", escape_html(label));
    out_ += "<th>n</th><th>recall</th></tr></thead><tbody>\n";
    for (std::size_t row = 0; row < matrix.gold_labels().size(); ++row) {
      std::uint64_t const total = matrix.row_total(row);
      std::uint64_t hits = 0;
      append(out_, "<tr><th>{}</th>", escape_html(matrix.gold_labels()[row]));
      for (std::size_t i = 0; i < matrix.predicted_labels().size(); ++i) {
        std::uint64_t const count = matrix.count(row, i);
        bool const hit = matrix.predicted_labels()[i] == matrix.gold_labels()[row];
        if (hit) hits = count;
        if (count == 0) {
          out_ += "<td class=\"zero\">0</td>";
          continue;
        }
        double const share = static_cast<double>(count) / static_cast<double>(total);
        append(out_, "<td class=\"{}{}\" style=\"--a:{:.2f}\">{}</td>", hit ? "hit" : "miss",
               share > 0.55 ? " deep" : "", 0.12 + 0.88 * share, count);
      }
      append(out_, "<td class=\"sum\">{}</td><td class=\"sum\">{}</td></tr>\n", total,
             total == 0 ? "\u2013" : readable_number(static_cast<double>(hits) / static_cast<double>(total), true));
    }
    append(out_, "</tbody></table>{}</div>\n",
           data_.confusion_caption.empty()
               ? std::string()
               : fmt::format("<p class=\"caption\">{}</p>", escape_html(data_.confusion_caption)));
  }

  void samples() {
    if (data_.completions.empty()) return;
    std::vector<std::string> names;
    std::map<std::string, std::size_t> counts;
    for (auto const& record : data_.completions) {
      if (counts[record.reward_class]++ == 0) names.push_back(record.reward_class);
    }
    sort_classes(names);
    auto const place = [&](std::string const& name) {
      return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    };
    auto const picked = pick_samples(data_.completions, data_.samples_per_class);
    section("Sample completions", fmt::format("{} of {} recorded completions, spread over the run within each class.",
                                              picked.size(), data_.completions.size()));
    out_ += "<style>";
    for (std::size_t i = 0; i < names.size(); ++i) {
      append(out_, "#pick-{0}:checked~.cards>.sample:not(.k{0}){{display:none}}\n", i);
    }
    auto const chosen = [&](std::string_view id, std::string_view comma) {
      append(out_, "#pick-{0}:checked~.picks>[for=pick-{0}]{1}", id, comma);
    };
    for (std::size_t i = 0; i < names.size(); ++i) chosen(std::to_string(i), ",");
    chosen("all", "{background:var(--accent);border-color:var(--accent);color:var(--card)}</style>\n<div>\n");
    out_ += "<input class=\"pick\" type=\"radio\" name=\"pick\" id=\"pick-all\" checked>\n";
    for (std::size_t i = 0; i < names.size(); ++i) {
      append(out_, "<input class=\"pick\" type=\"radio\" name=\"pick\" id=\"pick-{}\">\n", i);
    }
    append(out_, "<div class=\"picks\"><label for=\"pick-all\">all<span class=\"n\">{}</span></label>",
           data_.completions.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      append(out_, "<label for=\"pick-{}\">{}<span class=\"n\">{}</span></label>", i, escape_html(readable(names[i])),
             counts[names[i]]);
    }
    out_ += "</div>\n<div class=\"cards\">\n";
    for (std::size_t const i : picked) sample(data_.completions[i], place(data_.completions[i].reward_class));
    out_ += "</div>\n</div>\n";
  }

  void sample(train::completion_record const& record, std::size_t place) {
    append(out_, "<article class=\"card sample s{} k{}\"><p class=\"head\"><span class=\"chip\">{}</span>",
           class_colour(record.reward_class), place, escape_html(readable(record.reward_class)));
    auto const item = [&](std::string_view name, std::string const& value) {
      append(out_, "<span>{} <b>{}</b></span>", name, value);
    };
    item("gold", escape_html(shorten(record.gold, 120)));
    item("answer", record.answer ? escape_html(shorten(*record.answer, 120)) : "\u2013");
    auto const brief = [](double value) {
      std::string const sign = value < 0 ? "\u2212" : "";
      return std::isfinite(value) ? sign + fmt::format("{:.3g}", std::abs(value)) : std::string("\u2013");
    };
    item("reward", brief(record.reward));
    for (auto const& [name, value] : record.reward_parts) item(escape_html(readable(name)), brief(value));
    item("advantage", brief(record.advantage));
    item("step", std::to_string(record.step));
    if (!record.prompt_id.empty()) item("prompt", escape_html(shorten(record.prompt_id, 60)));
    if (record.truncated) item("", "truncated");
    append(out_, "</p>\n<pre class=\"text\">{}</pre>",
           mark_up_response(shorten(record.completion, data_.most_sample_characters)));
    if (!record.prompt.empty()) {
      append(out_, "<details><summary>Prompt</summary><pre class=\"text\">{}</pre></details>",
             escape_html(shorten(record.prompt, data_.most_sample_characters)));
    }
    out_ += "</article>\n";
  }

  void settings() {
    auto const& run = data_.run;
    bool any = false;
    auto const table = [&](std::string_view title, auto const& rows) {
      if (rows.empty()) return;
      append(out_, "<h3>{}</h3><table class=\"settings\">", title);
      for (auto const& [name, value] : rows) {
        append(out_, "<tr><th>{}</th><td>{}</td></tr>\n", escape_html(name), escape_html(fmt::format("{}", value)));
      }
      out_ += "</table>\n";
    };
    train::run_record::facts environment;
    for (auto const& [name, value] : {std::pair{"Library", &run.library_version}, std::pair{"Compiler", &run.compiler},
                                      std::pair{"CPU", &run.cpu}, std::pair{"Command", &run.command}}) {
      if (!value->empty()) environment.emplace_back(name, *value);
    }
    any = !environment.empty() || !run.configuration.empty() || !run.seeds.empty() || !run.data_hashes.empty() ||
          !run.extra.empty();
    if (!any) return;
    section("Configuration and environment", "What is needed to repeat the run.");
    out_ += "<div class=\"pair\">\n<div class=\"card\">";
    table("Configuration", run.configuration);
    out_ += "</div>\n<div class=\"card\">";
    table("Environment", environment);
    table("Seeds", run.seeds);
    table("Data", run.data_hashes);
    table("Further facts", run.extra);
    out_ += "</div>\n</div>\n";
  }

  report_data const& data_;
  std::vector<figure> figures_;
  std::string out_;
};

}  // namespace detail

/// The page.
[[nodiscard]] inline std::string to_html(report_data const& data) { return detail::page_writer(data).page(); }

/// Writes the page as a whole: an older report stays until the new one is complete.  @throws io_error
inline void write_report(std::string const& path, report_data const& data) { write_atomic(path, to_html(data)); }

}  // namespace report
RLVR_NAMESPACE_END
