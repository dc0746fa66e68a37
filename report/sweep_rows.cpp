// SPDX-License-Identifier: Apache-2.0
#include "report/sweep_rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "report/value.h"

namespace silicast {

namespace {

// What a column holds: a figure, or one of these.
enum class Other { feasible, prefill_bound, decode_bound, evidence, limiting };

struct SweepColumn {
  std::string_view key;
  Figure figure = Figure::memory;
  std::optional<Other> other;
  std::string_view json_before;  // up to the value
};

constexpr std::array<SweepColumn, figure_count + 5> columns{{
    {"feasible", {}, Other::feasible, R"("feasible":)"},
    {"memory.total_bytes", Figure::memory, {}, R"(,"memory":{"total_bytes":)"},
    {"prefill.tokens_per_second.value", Figure::prefill, {}, R"(},"prefill":{"tokens_per_second":{"value":)"},
    {"prefill.bound", {}, Other::prefill_bound, R"(},"bound":)"},
    {"decode.tokens_per_second.value", Figure::decode, {}, R"(},"decode":{"tokens_per_second":{"value":)"},
    {"decode.tokens_per_second.p10", Figure::decode_p10, {}, R"(,"p10":)"},
    {"decode.tokens_per_second.p90", Figure::decode_p90, {}, R"(,"p90":)"},
    {"decode.bound", {}, Other::decode_bound, R"(},"bound":)"},
    {"ttft.value", Figure::ttft, {}, R"(},"ttft":{"value":)"},
    {"tpot.value", Figure::tpot, {}, R"(},"tpot":{"value":)"},
    {"e2e_latency.value", Figure::e2e, {}, R"(},"e2e_latency":{"value":)"},
    {"output_token_throughput.value", Figure::throughput, {}, R"(},"output_token_throughput":{"value":)"},
    {"power.decode_watts", Figure::power, {}, R"(},"power":{"decode_watts":)"},
    {"energy.joules_per_output_token", Figure::energy, {}, R"(},"energy":{"joules_per_output_token":)"},
    {"cost.usd_per_hour", Figure::hourly, {}, R"(},"cost":{"usd_per_hour":)"},
    {"cost.usd_per_million_input_tokens", Figure::cost_in, {}, R"(,"usd_per_million_input_tokens":)"},
    {"cost.usd_per_million_output_tokens", Figure::cost, {}, R"(,"usd_per_million_output_tokens":)"},
    {"quality.perplexity_ratio", Figure::quality, {}, R"(},"quality":{"perplexity_ratio":)"},
    {"evidence.level", {}, Other::evidence, R"(},"evidence":{"level":)"},
    {"limiting", {}, Other::limiting, R"(},"limiting":)"},
}};

std::string_view text_of(Other other, const Point& point) {
  switch (other) {
    case Other::prefill_bound: return point.prefill_bound;
    case Other::decode_bound: return point.decode_bound;
    case Other::evidence: return point.evidence;
    case Other::limiting: return point.reason;
    case Other::feasible: break;
  }
  return point.feasible ? "true" : "false";
}

void append_whole(std::string& text, std::int64_t value) {
  std::array<char, 24> buffer;
  text.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

constexpr int row_digits = 10;
constexpr std::array<double, 2 * row_digits + 1> powers_of_ten{
    1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
double power_of_ten(int exponent) { return powers_of_ten[static_cast<std::size_t>(exponent + row_digits)]; }

// Ten significant row_digits, no exponent for magnitudes from 1e-5 to 1e10: a quarter of the time that the shortest
// exact text takes. Whole numbers (bytes, tokens) have all their row_digits.
void append_number(std::string& text, double value) {
  constexpr double largest_exact = 9007199254740992.0;  // 2^53
  if (value >= 0 && value < largest_exact && value == static_cast<double>(static_cast<std::int64_t>(value)))
    return append_whole(text, static_cast<std::int64_t>(value));
  constexpr double smallest = 1e-5;
  constexpr double largest = 1e9;
  std::array<char, 32> buffer{};
  if (!(value >= smallest && value < largest)) {
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, row_digits);
    text.append(buffer.data(), end.ptr);
    return;
  }
  int exponent = -5;  // of the first digit
  while (value >= power_of_ten(exponent + 1)) ++exponent;
  const int decimals = row_digits - 1 - exponent;
  // Beyond 10 decimals in two steps: the table ends there.
  const double scaled = decimals <= row_digits ? value * power_of_ten(decimals)
                                               : value * power_of_ten(row_digits) * power_of_ten(decimals - row_digits);
  auto mantissa = static_cast<std::int64_t>(scaled + 0.5);
  // "0.000" before, then the row_digits with a point among them, without zeros at the end.
  char* const first = buffer.data() + 8;
  char* last = std::to_chars(first, buffer.data() + buffer.size(), mantissa).ptr;
  const auto shown = static_cast<int>(last - first);
  while (last[-1] == '0') --last;
  const int before_point = shown - decimals;
  if (before_point <= 0) {
    text += "0.";
    text.append(static_cast<std::size_t>(-before_point), '0');
    text.append(first, last);
  } else {
    char* const point = first + before_point;
    text.append(first, std::min(point, last));
    for (char* at = last; at < point; ++at) text += '0';
    if (last > point) text.append(1, '.').append(point, static_cast<std::size_t>(last - point));
  }
}

class CsvRows : public RowFormat {
 public:
  explicit CsvRows(std::vector<std::string> axes) : axes_(std::move(axes)) {}

  [[nodiscard]] std::string header() const override {
    std::string line;
    for (const std::string& axis : axes_) line += csv_cell(axis) + ",";
    for (const SweepColumn& column : columns) line.append(column.key).append(",");
    line.back() = '\n';
    return line;
  }

  [[nodiscard]] std::string cell(std::string_view text) const override { return csv_cell(text); }

  void append(std::string& rows, const std::vector<Choice>& choices, const Point& point) const override {
    for (const Choice& choice : choices) {
      if (choice.whole)
        append_number(rows, choice.number);
      else
        rows += choice.cell;
      rows += ',';
    }
    for (const SweepColumn& column : columns) {
      if (!column.other) {
        if (point.figures.has(column.figure)) append_number(rows, point.figures[column.figure]);
      } else if (*column.other == Other::limiting) {
        rows += csv_cell(point.reason);
      } else {
        rows += text_of(*column.other, point);
      }
      rows += ',';
    }
    rows.back() = '\n';
  }

 private:
  std::vector<std::string> axes_;
};

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class JsonRows : public RowFormat {
 public:
  explicit JsonRows(const std::vector<std::string>& axes) {
    for (const std::string& axis : axes)
      before_axis_.push_back((before_axis_.empty() ? R"({"query":{)" : ",") + json_text(axis) + ":");
  }

  [[nodiscard]] std::string header() const override { return {}; }
  [[nodiscard]] std::string cell(std::string_view text) const override { return json_text(text); }

  void append(std::string& rows, const std::vector<Choice>& choices, const Point& point) const override {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      rows += before_axis_[i];
      if (choices[i].whole)
        append_number(rows, choices[i].number);
      else
        rows += choices[i].cell;
    }
    rows += "},";
    for (const SweepColumn& column : columns) {
      rows += column.json_before;
      if (!column.other && point.figures.has(column.figure)) {
        append_number(rows, point.figures[column.figure]);
      } else if (column.other == Other::feasible) {
        rows += text_of(Other::feasible, point);
      } else {
        const std::string_view text = column.other ? text_of(*column.other, point) : std::string_view();
        rows += text.empty() ? "null" : json_text(text);
      }
    }
    rows += "}\n";
  }

 private:
  std::vector<std::string> before_axis_;
};

}  // namespace

std::unique_ptr<RowFormat> sweep_rows(SweepFormat format, std::vector<std::string> axes) {
  if (format == SweepFormat::csv) return std::make_unique<CsvRows>(std::move(axes));
  return std::make_unique<JsonRows>(axes);
}

}  // namespace silicast
