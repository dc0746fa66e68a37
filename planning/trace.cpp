// SPDX-License-Identifier: Apache-2.0
#include "planning/trace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <optional>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

namespace silicast::serving {

namespace {

constexpr std::size_t most_complaints = 20;
constexpr std::int32_t mooncake_block = 512;

// What is wrong with a row; its place is added where it is caught.
struct BadRow {
  std::string what;
};

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

std::int32_t tokens(std::string_view column, std::string_view text) {
  const auto value = parse_number(trim(text));
  constexpr double most = 1e9;
  if (!value || *value < 0 || *value > most || std::floor(*value) != *value)
    throw BadRow{std::string(column) + ": a number of tokens is expected, got " + in_quotes(trim(text))};
  return static_cast<std::int32_t>(*value);
}

double seconds(std::string_view column, std::string_view text) {
  const auto value = parse_number(trim(text));
  if (!value || *value < 0)
    throw BadRow{std::string(column) + ": seconds from 0 on are expected, got " + in_quotes(trim(text))};
  return *value;
}

// "2023-11-16 18:15:46.6805900" and "2024-05-10 00:00:00.009930+00:00": seconds since 1970.
std::optional<double> date_seconds(std::string_view text) {
  constexpr std::size_t to_seconds = 19;
  if (text.size() < to_seconds) return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t length) { return parse_integer(text.substr(at, length)); };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const auto hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date(std::chrono::year(static_cast<int>(*year)),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day)));
  const auto within = [](std::int64_t value, std::int64_t most) { return value >= 0 && value <= most; };
  if (!date.ok() || !within(*hour, 23) || !within(*minute, 59) || !within(*second, 60)) return std::nullopt;
  double fraction = 0;
  std::string_view rest = text.substr(to_seconds);
  if (!rest.empty() && rest.front() == '.') {
    const auto end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    const auto digits = parse_number("0" + std::string(rest.substr(0, end)));
    if (!digits) return std::nullopt;
    fraction = *digits;
    rest.remove_prefix(end);
  }
  if (!rest.empty() && rest != "Z" && rest != "+00:00") return std::nullopt;
  const auto whole = duration_cast<std::chrono::seconds>(sys_days(date).time_since_epoch()).count() + *hour * 3600 +
                     *minute * 60 + *second;
  return static_cast<double>(whole) + fraction;
}

using Fields = std::vector<std::string_view>;
using ReadRow = std::function<Request(const std::string& line)>;

// Position of each column by name, after the header.
class Columns {
 public:
  explicit Columns(const std::string& header) {
    for (const auto name : split(header, ',')) names_.push_back(lower(trim(name)));
  }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const {
    const auto at = std::find(names_.begin(), names_.end(), name);
    return at == names_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - names_.begin()));
  }
  [[nodiscard]] bool has(std::initializer_list<std::string_view> names) const {
    return std::all_of(names.begin(), names.end(), [&](auto name) { return find(name).has_value(); });
  }
  [[nodiscard]] Fields split_row(const std::string& line) const {
    Fields fields = split(line, ',');
    if (fields.size() != names_.size())
      throw BadRow{std::to_string(names_.size()) + " fields are expected, got " + std::to_string(fields.size())};
    return fields;
  }

 private:
  std::vector<std::string> names_;
};

ReadRow azure_rows(const Columns& columns) {
  return [columns, time = *columns.find("timestamp"), in = *columns.find("contexttokens"),
          out = *columns.find("generatedtokens")](const std::string& line) {
    const Fields fields = columns.split_row(line);
    const auto at = date_seconds(trim(fields[time]));
    if (!at)
      throw BadRow{"TIMESTAMP: a date such as 2023-11-16 18:15:46.6805900 is expected, got " + in_quotes(fields[time])};
    return Request{.arrival = *at,
                   .prompt = tokens("ContextTokens", fields[in]),
                   .output = tokens("GeneratedTokens", fields[out])};
  };
}

ReadRow burstgpt_rows(const Columns& columns) {
  return [columns, time = *columns.find("timestamp"), in = *columns.find("request tokens"),
          out = *columns.find("response tokens"), session = columns.find("session id"),
          sessions = std::make_shared<std::map<std::string, std::int64_t, std::less<>>>()](const std::string& line) {
    const Fields fields = columns.split_row(line);
    Request request{.arrival = seconds("Timestamp", fields[time]),
                    .prompt = tokens("Request tokens", fields[in]),
                    .output = tokens("Response tokens", fields[out])};
    if (session && !trim(fields[*session]).empty())
      request.client =
          sessions->emplace(trim(fields[*session]), static_cast<std::int64_t>(sessions->size()) + 1).first->second;
    return request;
  };
}

ReadRow arrival_rows(const Columns& columns) {
  return [columns, time = *columns.find("arrival"), in = *columns.find("prompt"),
          out = *columns.find("output")](const std::string& line) {
    const Fields fields = columns.split_row(line);
    return Request{.arrival = seconds("arrival", fields[time]),
                   .prompt = tokens("prompt", fields[in]),
                   .output = tokens("output", fields[out])};
  };
}

Request mooncake_row(const std::string& line) {
  Node node;
  try {
    node = parse_json(line, "");
  } catch (const InputError& error) {
    throw BadRow{std::string("a JSON object is expected: ") + error.what()};
  }
  const auto text = [&](const char* key) -> std::string_view {
    const Node* value = node.kind == Node::Kind::map ? node.find(key) : nullptr;
    if (value == nullptr || value->kind != Node::Kind::scalar)
      throw BadRow{std::string(key) + ": required, but missing"};
    return value->scalar;
  };
  constexpr double milliseconds = 1000;
  Request request{.arrival = seconds("timestamp", text("timestamp")) / milliseconds,
                  .prompt = tokens("input_length", text("input_length")),
                  .output = tokens("output_length", text("output_length"))};
  const Node* ids = node.find("hash_ids");
  if (ids == nullptr) return request;
  std::int32_t left = request.prompt;
  for (const Node& id : ids->items) {
    const auto key = parse_integer(id.scalar);
    if (!key || *key < 0) throw BadRow{"hash_ids: whole numbers are expected, got " + in_quotes(id.scalar)};
    if (left <= 0) break;
    request.prefix.push_back({static_cast<std::uint64_t>(*key) + 1, std::min(left, mooncake_block)});
    left -= mooncake_block;
  }
  return request;
}

struct Format {
  std::string name;
  ReadRow read;
  bool header = true;
};

Format format_of(const std::string& first, const std::string& file) {
  if (!first.empty() && first.front() == '{') return {"mooncake", mooncake_row, false};
  const Columns columns(first);
  if (columns.has({"timestamp", "contexttokens", "generatedtokens"})) return {"azure", azure_rows(columns)};
  if (columns.has({"timestamp", "request tokens", "response tokens"})) return {"burstgpt", burstgpt_rows(columns)};
  if (columns.has({"arrival", "prompt", "output"})) return {"arrivals", arrival_rows(columns)};
  throw InputError(Mark{std::make_shared<const std::string>(file), 1, 0}, "",
                   "not a trace that is known: " + in_quotes(first.substr(0, 80)) +
                       "; accepted are TIMESTAMP,ContextTokens,GeneratedTokens (Azure), Timestamp,Model,Request tokens,"
                       "Response tokens,... (BurstGPT), JSON lines with timestamp, input_length, output_length "
                       "(Mooncake), and arrival,prompt,output");
}

// Calls `use` with every line that is not blank, and complains about all bad ones at once.
void each_row(std::istream& text, const std::string& file, int line_number,
              const std::function<void(const std::string&)>& use) {
  std::vector<std::string> complaints;
  std::size_t bad = 0;
  for (std::string line; std::getline(text, line); ++line_number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (trim(line).empty()) continue;
    try {
      use(line);
    } catch (const BadRow& row) {
      if (++bad <= most_complaints) complaints.push_back(file + ":" + std::to_string(line_number) + ": " + row.what);
    }
  }
  if (bad == 0) return;
  std::string message = join(complaints, "\n");
  if (bad > most_complaints) message += "\nand " + std::to_string(bad - most_complaints) + " more bad rows";
  throw InputError(message);
}

std::string first_line(std::istream& text) {
  std::string first;
  std::getline(text, first);
  if (first.starts_with("\xef\xbb\xbf")) first.erase(0, 3);
  if (!first.empty() && first.back() == '\r') first.pop_back();
  return first;
}

std::ifstream opened(const std::filesystem::path& file) {
  std::ifstream text(file, std::ios::binary);
  if (!text) throw InputError(file.string() + ": cannot be read");
  return text;
}

}  // namespace

Trace read_trace(std::istream& text, const std::string& file) {
  const std::string first = first_line(text);
  const Format format = format_of(first, file);
  Trace trace;
  trace.format = format.name;
  const auto take = [&](const std::string& line) {
    Request request = format.read(line);
    if (request.output < 1 || request.prompt < 1) {
      ++trace.left_out;
      return;
    }
    trace.requests.push_back(std::move(request));
  };
  if (!format.header) {
    text.clear();
    text.seekg(0);
  }
  each_row(text, file, format.header ? 2 : 1, take);
  if (trace.requests.empty()) throw InputError(file + ": no requests in it");
  std::stable_sort(trace.requests.begin(), trace.requests.end(),
                   [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
  const double start = trace.requests.front().arrival;
  for (Request& request : trace.requests) request.arrival -= start;
  return trace;
}

Trace read_trace(const std::filesystem::path& file) {
  std::ifstream text = opened(file);
  return read_trace(text, file.string());
}

std::vector<LengthPair> read_lengths(std::istream& text, const std::string& file) {
  std::vector<LengthPair> pairs;
  const std::string first = first_line(text);
  const Columns columns(first);
  if (!columns.has({"prompt", "output"}) || columns.find("arrival")) {
    text.clear();
    text.seekg(0);
    for (const Request& request : read_trace(text, file).requests) pairs.push_back({request.prompt, request.output});
    return pairs;
  }
  each_row(text, file, 2, [&](const std::string& line) {
    const Fields fields = columns.split_row(line);
    const LengthPair pair{tokens("prompt", fields[*columns.find("prompt")]),
                          tokens("output", fields[*columns.find("output")])};
    if (pair.prompt < 1 || pair.output < 1) throw BadRow{"at least 1 token of each is expected"};
    pairs.push_back(pair);
  });
  if (pairs.empty()) throw InputError(file + ": no lengths in it");
  return pairs;
}

std::vector<LengthPair> read_lengths(const std::filesystem::path& file) {
  std::ifstream text = opened(file);
  return read_lengths(text, file.string());
}

}  // namespace silicast::serving
