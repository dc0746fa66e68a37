// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/compare.h"
#include "report/table.h"
#include "report/wording.h"

namespace silicast {

namespace {

const std::vector<ComparedFigure>& all_figures() {
  static const std::vector<ComparedFigure> figures{
      {"prefill", "prefill tok/s", "prefill.tokens_per_second.value", true},
      {"decode", "decode tok/s", "decode.tokens_per_second.value", true},
      {"ttft", "first token", "ttft.value", false},
      {"e2e", "end to end", "e2e_latency.value", false},
      {"memory", "memory", "memory.total_bytes", false},
      {"power", "decode power", "power.decode_watts", false},
      {"energy", "J/token", "energy.joules_per_output_token", false},
      {"cost", "$/M output", "cost.usd_per_million_output_tokens", false},
      {"quality", "perplexity ratio", "quality.perplexity_ratio", false},
  };
  return figures;
}

std::optional<double> number_of(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  return std::nullopt;
}

// The currency that all candidates with a cost are asked to be shown in; empty: dollars, or several.
std::string currency_of(const Comparison& c) {
  std::optional<std::string> common;
  for (const Candidate& candidate : c.candidates) {
    if (!candidate.prediction || !candidate.prediction->cost) continue;
    const auto& shown = candidate.prediction->cost->shown;
    const std::string currency = shown ? shown->currency : "";
    if (common && *common != currency) return {};
    common = currency;
  }
  return common.value_or("");
}

// Whether the figure was measured on another model than the one asked for.
bool is_borrowed(const Candidate& candidate, const ComparedFigure& figure) {
  const auto& quality = candidate.prediction->quality;
  return figure.name == "quality" && quality && !quality->same_model && quality->source != "unquantized";
}

bool has_borrowed(const Comparison& c) {
  const ComparedFigure quality{.name = "quality"};
  return std::any_of(c.candidates.begin(), c.candidates.end(),
                     [&](const Candidate& x) { return x.prediction && is_borrowed(x, quality); });
}

std::vector<std::string> borrowed_of(const Candidate& candidate, const std::vector<ComparedFigure>& figures) {
  std::vector<std::string> names;
  for (const ComparedFigure& figure : figures)
    if (candidate.prediction && is_borrowed(candidate, figure)) names.push_back(figure.name);
  return names;
}

constexpr const char* borrowed_legend = "~ measured on another model than this one";

std::string shown(const ComparedFigure& figure, double value) {
  if (figure.name == "memory") return human(Bytes(value));
  if (figure.name == "ttft" || figure.name == "e2e") return human(Seconds(value));
  if (figure.name == "power") return rounded(value, 3) + " W";
  constexpr double whole_from = 1000;
  return value >= whole_from ? std::to_string(std::llround(value)) : rounded(value, figure.name == "quality" ? 4 : 3);
}

// The best of a column among what fits; nothing where there is nothing to choose from.
std::optional<double> best_of(const Comparison& c, const ComparedFigure& figure) {
  std::optional<double> best;
  int known = 0;
  for (const Candidate& candidate : c.candidates) {
    const auto value = candidate.feasible() ? figure_of(candidate, figure) : std::nullopt;
    if (!value) continue;
    ++known;
    if (!best || (figure.more_is_better ? *value > *best : *value < *best)) best = value;
  }
  return known > 1 ? best : std::nullopt;
}

bool is_best(const Candidate& candidate, const ComparedFigure& figure, const std::optional<double>& best) {
  return candidate.feasible() && best && figure_of(candidate, figure) == best;
}

enum class Marks { none, star, bold };

Table table_of(const Comparison& c, Marks marks) {
  Table table;
  const auto figures = compared_figures(c);
  for (const std::string& option : c.varied) table.columns.push_back({option, option});
  std::vector<std::optional<double>> best;
  for (const ComparedFigure& figure : figures) {
    table.columns.push_back({figure.key, figure.title, true});
    best.push_back(best_of(c, figure));
  }
  for (const Candidate& candidate : c.candidates) {
    std::vector<Cell> row;
    for (const std::string& choice : candidate.choices) row.push_back({choice});
    for (std::size_t i = 0; i < figures.size(); ++i) {
      const auto value = figure_of(candidate, figures[i]);
      if (!value) {
        row.emplace_back();
        continue;
      }
      const bool marked = is_best(candidate, figures[i], best[i]);
      const std::string text = (is_borrowed(candidate, figures[i]) ? "~" : "") + shown(figures[i], *value);
      row.push_back({*value, marks == Marks::star             ? text + (marked ? " *" : "  ")
                             : marks == Marks::bold && marked ? "**" + text + "**"
                                                              : text});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string verdict(const Candidate& candidate) {
  return !candidate.prediction ? "not possible" : candidate.feasible() ? "fits" : "does not fit";
}

std::size_t feasible_count(const Comparison& c) {
  return static_cast<std::size_t>(
      std::count_if(c.candidates.begin(), c.candidates.end(), [](const Candidate& x) { return x.feasible(); }));
}

}  // namespace

std::vector<std::string> compared_columns() {
  std::vector<std::string> names;
  for (const ComparedFigure& figure : all_figures()) names.push_back(figure.name);
  return names;
}

std::optional<double> figure_of(const Candidate& candidate, const ComparedFigure& figure) {
  if (!candidate.prediction) return std::nullopt;
  for (const Field& field : prediction_fields(*candidate.prediction))
    if (field.key == figure.key) return number_of(field.value);
  return std::nullopt;
}

std::vector<ComparedFigure> compared_figures(const Comparison& c) {
  std::vector<ComparedFigure> figures = all_figures();
  if (const std::string currency = currency_of(c); !currency.empty()) {
    const auto cost = std::find_if(figures.begin(), figures.end(), [](const auto& f) { return f.name == "cost"; });
    cost->title = currency + "/M output";
    cost->key = "cost.shown.per_million_output_tokens";
  }
  std::erase_if(figures, [&](const ComparedFigure& figure) {
    return std::none_of(c.candidates.begin(), c.candidates.end(),
                        [&](const Candidate& x) { return figure_of(x, figure).has_value(); });
  });
  return figures;
}

std::string candidate_name(const Candidate& candidate) { return join(candidate.choices, ", "); }

Comparison compared_by(Comparison c, const std::string& column) {
  const auto option = std::find(c.varied.begin(), c.varied.end(), column);
  if (option != c.varied.end()) {
    const auto i = static_cast<std::size_t>(option - c.varied.begin());
    std::stable_sort(c.candidates.begin(), c.candidates.end(), [i](const auto& a, const auto& b) {
      const auto x = parse_number(a.choices[i]);
      const auto y = parse_number(b.choices[i]);
      return x && y ? *x < *y : a.choices[i] < b.choices[i];
    });
    return c;
  }
  const auto figure =
      std::find_if(all_figures().begin(), all_figures().end(), [&](const auto& f) { return f.name == column; });
  if (figure == all_figures().end()) return c;
  std::vector<std::pair<double, Candidate>> keyed;
  for (Candidate& candidate : c.candidates) {
    const auto value = candidate.feasible() ? figure_of(candidate, *figure) : std::nullopt;
    const double key = !value ? std::numeric_limits<double>::infinity() : figure->more_is_better ? -*value : *value;
    keyed.emplace_back(key, std::move(candidate));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < keyed.size(); ++i) c.candidates[i] = std::move(keyed[i].second);
  return c;
}

std::string compare_text(const Comparison& c, const TextStyle& style) {
  std::string text = table_text(table_of(c, Marks::star));
  if (style.colour) text = "\033[1m" + text.substr(0, text.find('\n')) + "\033[0m" + text.substr(text.find('\n'));
  const std::size_t fit = feasible_count(c);
  text += "\n* the best of " +
          (fit == c.candidates.size()
               ? "all " + std::to_string(fit)
               : "the " + std::to_string(fit) + " of " + std::to_string(c.candidates.size()) + " that fit") +
          "\n";
  if (has_borrowed(c)) text += std::string(borrowed_legend) + "\n";
  for (const Candidate& candidate : c.candidates)
    if (!candidate.feasible())
      text += wrapped((candidate.choices.empty() ? "" : candidate_name(candidate) + ": ") + verdict(candidate) + ": " +
                          candidate.reason,
                      text_width, 2) +
              "\n";
  return text;
}

std::string compare_markdown(const Comparison& c) {
  Table table = table_of(c, Marks::bold);
  table.columns.push_back({"", "verdict"});
  for (std::size_t i = 0; i < c.candidates.size(); ++i) {
    const Candidate& candidate = c.candidates[i];
    table.rows[i].push_back({verdict(candidate) + (candidate.reason.empty() ? "" : ": " + candidate.reason)});
  }
  return table_markdown(table) + (has_borrowed(c) ? std::string("\n") + borrowed_legend + "\n" : "");
}

std::string compare_csv(const Comparison& c) {
  Table table = table_of(c, Marks::none);
  for (const char* key : {"feasible", "reason", "best", "borrowed"}) table.columns.push_back({key, key});
  const auto figures = compared_figures(c);
  for (std::size_t i = 0; i < c.candidates.size(); ++i) {
    const Candidate& candidate = c.candidates[i];
    std::vector<std::string> best;
    for (const ComparedFigure& figure : figures)
      if (is_best(candidate, figure, best_of(c, figure))) best.push_back(figure.name);
    table.rows[i].push_back({candidate.feasible()});
    table.rows[i].push_back({candidate.reason.empty() ? Value() : Value(candidate.reason)});
    table.rows[i].push_back({best});
    table.rows[i].push_back({borrowed_of(candidate, figures)});
  }
  return table_csv(table);
}

std::string compare_json(const Comparison& c) {
  using Json = nlohmann::ordered_json;
  Json root{{"schema", "silicast.compare/1"},
            {"varied", c.varied},
            {"feasible", feasible_count(c) > 0},
            {"best", Json::object()},
            {"rows", Json::array()}};
  const auto figures = compared_figures(c);
  for (std::size_t i = 0; i < c.candidates.size(); ++i) {
    const Candidate& candidate = c.candidates[i];
    Json row{{"choices", Json::object()},
             {"feasible", candidate.feasible()},
             {"reason", candidate.reason.empty() ? Json(nullptr) : Json(candidate.reason)},
             {"best", Json::array()},
             {"borrowed", borrowed_of(candidate, figures)}};
    for (std::size_t k = 0; k < c.varied.size(); ++k) row["choices"][c.varied[k]] = candidate.choices[k];
    for (const ComparedFigure& figure : figures) {
      if (!is_best(candidate, figure, best_of(c, figure))) continue;
      row["best"].push_back(figure.name);
      if (!root["best"].contains(figure.name)) root["best"][figure.name] = i;
    }
    row["prediction"] = candidate.prediction ? Json::parse(prediction_json(*candidate.prediction)) : Json(nullptr);
    root["rows"].push_back(std::move(row));
  }
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace silicast
