// SPDX-License-Identifier: Apache-2.0
#include "report/value.h"

#include "base/text.h"

namespace silicast {

std::string plain(const Value& value) {
  struct Printer {
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return exact(v); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const std::vector<std::string>& v) const { return join(v, "; "); }
    std::string operator()(const std::vector<std::int64_t>& v) const {
      std::vector<std::string> texts;
      for (const std::int64_t number : v) texts.push_back(std::to_string(number));
      return join(texts, "; ");
    }
  };
  return std::visit(Printer{}, value);
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string markdown_cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '\\') escaped += '\\';
    escaped += c == '\n' || c == '\r' ? ' ' : c;
  }
  return escaped;
}

std::string fields_csv(const std::vector<Field>& fields) {
  std::string header;
  std::string row;
  for (const Field& field : fields) {
    const char* separator = header.empty() ? "" : ",";
    header.append(separator).append(csv_cell(field.key));
    row.append(separator).append(csv_cell(plain(field.value)));
  }
  return header + "\n" + row + "\n";
}

std::string fields_markdown(const std::vector<Field>& fields) {
  std::string text = "| field | value |\n|---|---|\n";
  for (const Field& field : fields) {
    const std::string value = plain(field.value);
    if (!value.empty()) text += "| " + markdown_cell(field.key) + " | " + markdown_cell(value) + " |\n";
  }
  return text;
}

}  // namespace silicast
