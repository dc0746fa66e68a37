// SPDX-License-Identifier: Apache-2.0
#include "calibration/requirement.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/csv.h"
#include "base/document.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr std::size_t most_rows = 10;
const std::vector<std::string> statistics{"rows", "median", "p90", "mean", "bias", "coverage"};

struct Requirement {
  std::string metric, column, value, statistic;
  bool at_most = true;
  double limit = 0;
};

[[noreturn]] void refuse(std::string_view expression, const std::string& what) {
  throw UsageError("--require: " + what + " in '" + std::string(expression) +
                   "'; expected is METRIC[COLUMN=VALUE] STATISTIC <=|>= NUMBER [%], such as 'tg_tps median <= 5 %'");
}

Requirement parse(std::string_view expression) {
  Requirement r;
  std::vector<std::string> words;
  for (const auto& word : split(expression, ' '))
    if (const auto text = trim(word); !text.empty()) words.emplace_back(text);
  if (words.size() == 5 && words.back() == "%") words[3] += "%", words.pop_back();
  if (words.size() != 4) refuse(expression, std::to_string(words.size()) + " words");
  r.metric = words[0];
  if (const auto bracket = r.metric.find('['); bracket != std::string::npos) {
    const auto equals = r.metric.find('=', bracket);
    if (equals == std::string::npos || !r.metric.ends_with(']')) refuse(expression, "a bracket without COLUMN=VALUE");
    r.column = r.metric.substr(bracket + 1, equals - bracket - 1);
    r.value = r.metric.substr(equals + 1, r.metric.size() - equals - 2);
    r.metric.resize(bracket);
    const auto known = grouping_columns();
    if (std::find(known.begin(), known.end(), r.column) == known.end())
      refuse(expression, "unknown column '" + r.column + "'" + did_you_mean(r.column, known));
  }
  if (!metric_of_name(r.metric)) refuse(expression, "unknown metric '" + r.metric + "'");
  r.statistic = words[1];
  if (std::find(statistics.begin(), statistics.end(), r.statistic) == statistics.end())
    refuse(expression, "unknown statistic '" + r.statistic + "'" + did_you_mean(r.statistic, statistics));
  if (words[2] != "<=" && words[2] != ">=") refuse(expression, "'" + words[2] + "' is neither <= nor >=");
  r.at_most = words[2] == "<=";
  const bool percent = words[3].ends_with('%');
  const auto number = parse_number(percent ? words[3].substr(0, words[3].size() - 1) : words[3]);
  if (!number) refuse(expression, "'" + words[3] + "' is no number");
  if (!percent && r.statistic != "rows" && std::abs(*number) >= 1)
    refuse(expression, "'" + words[3] + "' without % means " + rounded(100 * *number, 4) + " %; '" + words[3] +
                           " %' or " + exact(*number / 100) + " says what is probably meant,");
  r.limit = percent ? *number / 100 : *number;
  return r;
}

double statistic_of(const std::string& name, const ErrorStatistics& s) {
  if (name == "rows") return static_cast<double>(s.n);
  if (name == "median") return s.median_ape;
  if (name == "p90") return s.p90_ape;
  if (name == "mean") return s.mape;
  if (name == "bias") return s.median_bias;
  return s.coverage80.value_or(0);
}

std::string shown(const std::string& statistic, double value) {
  return statistic == "rows" ? exact(value) : rounded(100 * value, 4) + " %";
}

double off(double predicted, double measured) { return std::abs(std::log(predicted / measured)); }

Shortfall::Row row_of(const ValidatedRow& row) {
  return {.id = row.observation.id,
          .device = row.prediction->device,
          .model = row.observation.model,
          .quant = row.observation.quant,
          .stack = row.prediction->stack,
          .measured = row.observation.value,
          .predicted = row.prediction->value,
          .before = std::nullopt};
}

bool counts(const ValidatedRow& row) { return row.prediction && row.observation.value > 0; }

CsvTable earlier_predictions(const std::filesystem::path& file) {
  CsvTable table(read_text_file(file), file.string());
  for (const char* column : {"id", "metric", "measured", "predicted", "stack"}) static_cast<void>(table.at(column));
  return table;
}

bool is_file(std::string_view requirement) { return requirement.ends_with(".csv"); }

}  // namespace

void check_requirement(const std::string& requirement) {
  if (is_file(requirement))
    static_cast<void>(earlier_predictions(requirement));
  else
    static_cast<void>(parse(requirement));
}

std::vector<Shortfall> shortfalls_of(const std::string& requirement, const Validation& validation) {
  return is_file(requirement) ? regressions(requirement, validation) : missed(requirement, validation);
}

std::vector<Shortfall> missed(std::string_view expression, const Validation& validation) {
  const Requirement r = parse(expression);
  std::vector<PredictedMeasured> pairs;
  Shortfall shortfall;
  for (const ValidatedRow& row : validation.rows) {
    if (!counts(row) || row.observation.metric != r.metric) continue;
    const std::string value = r.column.empty()      ? ""
                              : r.column == "stack" ? row.prediction->stack
                                                    : column_of(row.observation, r.column).value_or("");
    if (value != r.value) continue;
    pairs.push_back(row.pair());
    shortfall.rows.push_back(row_of(row));
  }
  const ErrorStatistics s = pairs.empty() ? ErrorStatistics{} : error_statistics(pairs);
  const double value = statistic_of(r.statistic, s);
  const bool holds = r.at_most ? value <= r.limit : value >= r.limit;
  if (holds && (!pairs.empty() || r.statistic == "rows")) return {};
  shortfall.what = std::string(expression) + ": " +
                   (pairs.empty() ? "no row" : shown(r.statistic, value) + " of " + std::to_string(s.n) + " rows");
  std::stable_sort(shortfall.rows.begin(), shortfall.rows.end(), [](const auto& a, const auto& b) {
    return off(a.predicted, a.measured) > off(b.predicted, b.measured);
  });
  shortfall.rows.resize(std::min(shortfall.rows.size(), most_rows));
  return {shortfall};
}

std::vector<Shortfall> regressions(const std::filesystem::path& file, const Validation& validation) {
  constexpr double tolerance = 1.1;
  constexpr double slack = 0.005;
  const CsvTable table = earlier_predictions(file);
  const auto id = table.at("id"), metric = table.at("metric"), predicted = table.at("predicted");
  std::map<std::pair<std::string, std::string>, double> before;
  for (const CsvRecord& record : table.records())
    if (const auto value = parse_number(record.fields[predicted]); value && *value > 0)
      before[{record.fields[id], record.fields[metric]}] = *value;

  struct Group {
    std::vector<PredictedMeasured> then, now;
    std::vector<Shortfall::Row> moved;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  Shortfall lost{.what = {}, .rows = {}};
  std::size_t lost_rows = 0;
  for (const ValidatedRow& row : validation.rows) {
    const auto at = before.find({row.observation.id, row.observation.metric});
    if (at == before.end() || row.observation.value <= 0) continue;
    if (!row.prediction) {
      ++lost_rows;
      if (lost.rows.size() < most_rows)
        lost.rows.push_back({.id = row.observation.id,
                             .device = row.observation.device,
                             .model = row.observation.model,
                             .quant = row.observation.quant,
                             .stack = row.status(),
                             .measured = row.observation.value,
                             .predicted = 0,
                             .before = at->second});
      continue;
    }
    Group& group = groups[{row.observation.metric, row.prediction->stack}];
    group.then.push_back({.predicted = at->second, .measured = row.observation.value});
    group.now.push_back(row.pair());
    group.moved.push_back(row_of(row));
    group.moved.back().before = at->second;
  }
  std::vector<Shortfall> result;
  for (auto& [key, group] : groups) {
    const double then = error_statistics(group.then).median_ape;
    const double now = error_statistics(group.now).median_ape;
    if (now <= tolerance * then + slack) continue;
    const auto worse = [](const Shortfall::Row& r) {
      return off(r.predicted, r.measured) - off(*r.before, r.measured);
    };
    std::stable_sort(group.moved.begin(), group.moved.end(),
                     [&](const auto& a, const auto& b) { return worse(a) > worse(b); });
    group.moved.resize(std::min(group.moved.size(), most_rows));
    result.push_back({key.first + " of " + key.second + ": median error of " + std::to_string(group.now.size()) +
                          " rows " + shown("median", now) + ", was " + shown("median", then),
                      std::move(group.moved)});
  }
  lost.what = std::to_string(lost_rows) + " rows are not predicted any more";
  if (lost_rows > 0) result.push_back(std::move(lost));
  if (groups.empty() && lost_rows == 0) throw InputError(file.string() + ": names no row of what is validated");
  return result;
}

}  // namespace silicast
