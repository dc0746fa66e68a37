// SPDX-License-Identifier: Apache-2.0
// Fields and tables as JSON.
#include <nlohmann/json.hpp>

#include "report/table.h"
#include "report/value.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
          return nullptr;
        else
          return v;
      },
      value);
}

bool holds_nothing(const Json& json) {
  if (!json.is_object()) return json.is_null();
  return std::all_of(json.begin(), json.end(), [](const Json& member) { return holds_nothing(member); });
}

Json::json_pointer pointer_of(std::string_view key) {
  std::string path = "/";
  for (const char c : key) path += c == '.' ? '/' : c;
  return Json::json_pointer(path);
}

// A file name of the user's may be no UTF-8.
std::string written(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string fields_json(const std::vector<Field>& fields) {
  Json root = Json::object();
  for (const Field& field : fields) root[pointer_of(field.key)] = json_of(field.value);
  for (auto& member : root)
    if (holds_nothing(member)) member = nullptr;
  return written(root);
}

std::string table_json(const Table& table) {
  Json rows = Json::array();
  for (const auto& row : table.rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i].key] = json_of(row[i].value);
    rows.push_back(std::move(object));
  }
  return written(rows);
}

std::string document_json(const std::vector<Field>& fields, const std::vector<std::pair<std::string, Table>>& tables) {
  Json root = Json::parse(fields_json(fields));
  for (const auto& [key, table] : tables) root[key] = Json::parse(table_json(table));
  return written(root);
}

}  // namespace silicast
