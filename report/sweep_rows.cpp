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

constexpr int row_digits = 10;
constexpr std::array<double, 2 * row_digits + 1> powers_of_ten{
    1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
double power_of_ten(int exponent) {
  const int at = exponent + row_digits;
  return powers_of_ten[static_cast<std::size_t>(at)];
}

// A line on its way into the rows, which grow by as much as it holds at a time: a string that grows by cells of a few
// characters takes a fifth of a sweep's time.
class Line {
 public:
  explicit Line(std::string& rows) : rows_(rows) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { flush(); }

  void put(char c) {
    make_room(1);
    *at_++ = c;
  }
  void put(std::string_view text) {
    if (text.size() > held_.size()) {
      flush();
      rows_ += text;
      return;
    }
    make_room(text.size());
    at_ = std::copy(text.begin(), text.end(), at_);
  }
  // Ten significant digits, no exponent for magnitudes from 1e-5 to 1e9: a quarter of the time that the shortest exact
  // text takes. Whole numbers (bytes, tokens) have all their digits.
  void put(double value) {
    make_room(longest_number);
    constexpr double largest_exact = 9007199254740992.0;  // 2^53
    constexpr double smallest = 1e-5;
    constexpr double largest = 1e9;
    if (value >= 0 && value < largest_exact && value == static_cast<double>(static_cast<std::int64_t>(value)))
      at_ = std::to_chars(at_, at_ + longest_number, static_cast<std::int64_t>(value)).ptr;
    else if (value >= smallest && value < largest)
      put_fraction(value);
    else
      at_ = std::to_chars(at_, at_ + longest_number, value, std::chars_format::general, row_digits).ptr;
  }

 private:
  void put_fraction(double value) {
    int exponent = -5;  // of the first digit
    while (value >= power_of_ten(exponent + 1)) ++exponent;
    const int decimals = row_digits - 1 - exponent;
    // Beyond 10 decimals in two steps: the table ends there.
    const double scaled = decimals <= row_digits
                              ? value * power_of_ten(decimals)
                              : value * power_of_ten(row_digits) * power_of_ten(decimals - row_digits);
    std::array<char, longest_number> digits;
    // Positive and of row_digits digits; std::lround is a call for each number.
    const auto nearest = static_cast<std::int64_t>(scaled + 0.5);  // NOLINT(bugprone-incorrect-roundings)
    const char* last = std::to_chars(digits.data(), digits.data() + digits.size(), nearest).ptr;
    const char* next = digits.data();
    int before_point = static_cast<int>(last - next) - decimals;
    while (last[-1] == '0' && last - next > before_point) --last;
    if (before_point <= 0) *at_++ = '0';
    for (; before_point > 0; --before_point) *at_++ = *next++;
    if (next == last) return;
    *at_++ = '.';
    for (; before_point < 0; ++before_point) *at_++ = '0';
    while (next < last) *at_++ = *next++;
  }
  void make_room(std::size_t characters) {
    if (static_cast<std::size_t>(held_.data() + held_.size() - at_) < characters) flush();
  }
  void flush() {
    rows_.append(held_.data(), at_);
    at_ = held_.data();
  }

  static constexpr std::size_t longest_number = 32;
  std::string& rows_;
  std::array<char, 1024> held_;
  char* at_ = held_.data();
};

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
    Line line(rows);
    for (const Choice& choice : choices) {
      if (choice.whole)
        line.put(choice.number);
      else
        line.put(choice.cell);
      line.put(',');
    }
    for (const SweepColumn& column : columns) {
      if (!column.other) {
        if (point.figures.has(column.figure)) line.put(point.figures[column.figure]);
      } else if (*column.other != Other::limiting) {
        line.put(text_of(*column.other, point));
      } else if (!point.reason.empty()) {
        line.put(csv_cell(point.reason));
      }
      line.put(&column == &columns.back() ? '\n' : ',');
    }
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
    Line line(rows);
    for (std::size_t i = 0; i < choices.size(); ++i) {
      line.put(before_axis_[i]);
      if (choices[i].whole)
        line.put(choices[i].number);
      else
        line.put(choices[i].cell);
    }
    line.put(std::string_view("},"));
    for (const SweepColumn& column : columns) {
      line.put(column.json_before);
      if (!column.other && point.figures.has(column.figure)) {
        line.put(point.figures[column.figure]);
      } else if (column.other == Other::feasible) {
        line.put(text_of(Other::feasible, point));
      } else {
        const std::string_view text = column.other ? text_of(*column.other, point) : std::string_view();
        line.put(text.empty() ? "null" : json_text(text));
      }
    }
    line.put(std::string_view("}\n"));
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
