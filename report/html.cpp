// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

namespace silicast {

std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '&')
      escaped += "&amp;";
    else
      escaped += c;
  }
  return escaped;
}

std::string table_html(const Table& table) {
  const auto cell = [&](const std::string& element, std::size_t i, const std::string& text) {
    const bool right = i < table.columns.size() && table.columns[i].right;
    return "<" + element + (right ? " class=\"number\">" : ">") + html_text(text) + "</" + element + ">";
  };
  std::string text = "<table><thead><tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += cell("th", i, table.columns[i].title);
  text += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      text += cell("td", i, row[i].shown.empty() ? plain(row[i].value) : row[i].shown);
    text += "</tr>\n";
  }
  return text + "</tbody></table>";
}

}  // namespace silicast
