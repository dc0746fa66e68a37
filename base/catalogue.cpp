// SPDX-License-Identifier: Apache-2.0
#include "base/catalogue.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/product_name.h"
#include "base/text.h"

namespace silicast {

namespace fs = std::filesystem;

namespace {

// Files that hold no entries of their own: block formats beside the quantization schemes.
bool is_entry_file(const fs::path& path) {
  return (path.extension() == ".yaml" || path.extension() == ".yml") && path.filename() != "types.yaml";
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& item : fs::directory_iterator(folder))
    if (item.is_regular_file() && is_entry_file(item.path())) files.push_back(item.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::pair<std::string, std::string> split_variant(std::string_view path) {
  const auto hash = path.rfind('#');
  if (hash == std::string_view::npos) return {std::string(path), {}};
  return {std::string(path.substr(0, hash)), std::string(path.substr(hash + 1))};
}

bool is_yaml_path(std::string_view text) {
  const std::string path = split_variant(text).first;
  return path.ends_with(".yaml") || path.ends_with(".yml");
}

// Takes the member out of the map.
std::optional<Node> extract(Node& map, std::string_view key) {
  const auto at = std::find_if(map.members.begin(), map.members.end(), [&](const auto& m) { return m.key == key; });
  if (at == map.members.end()) return std::nullopt;
  Node value = std::move(at->value);
  map.members.erase(at);
  return value;
}

std::vector<std::string> texts_of(const std::optional<Node>& node, const std::string& key) {
  if (!node || node->kind == Node::Kind::null) return {};
  Node wrapper{.kind = Node::Kind::map, .mark = node->mark};
  wrapper.members.push_back({key, node->mark, *node});
  return Section(wrapper).texts(key);
}

void collect_sources(const Node& map, std::vector<std::pair<std::string, std::string>>& sources) {
  const Section section(map);
  const Node* node = section.optional("sources");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::map)
    section.fail("sources", "a map from fields to citations is expected, got " + shown(*node));
  for (const auto& member : node->members) {
    if (member.value.kind != Node::Kind::scalar || member.value.scalar.empty())
      throw InputError(member.mark, "sources." + member.key, "a citation is expected, got " + shown(member.value));
    sources.emplace_back(member.key, member.value.scalar);
  }
}

bool names_equal(const std::string& canonical, const Entry& entry) {
  if (canonical_name(entry.id) == canonical) return true;
  return std::any_of(entry.aliases.begin(), entry.aliases.end(),
                     [&](const std::string& alias) { return canonical_name(alias) == canonical; });
}

std::string canonical_text(const std::string& text) {
  std::string result = lower(text);
  for (char& c : result)
    if (c == '_' || c == ' ') c = '-';
  return result;
}

}  // namespace

Catalogue::Catalogue(fs::path folder, std::string kind) : folder_(std::move(folder)), kind_(std::move(kind)) {
  std::error_code error;
  if (!fs::is_directory(folder_, error))
    throw InputError(folder_.string() + ": no such folder; the catalogue of " + kind_ +
                     "s is looked for there (--data, SILICAST_DATA)");
}

std::vector<Entry> Catalogue::entries_of_text(const std::string& text, const fs::path& file,
                                              const std::string& only) const {
  Node root = parse_yaml(text, file.string());
  if (root.kind != Node::Kind::map) throw InputError(root.mark, "", "a map is expected, got " + shown(root));

  std::vector<std::pair<std::string, std::string>> base_sources;
  collect_sources(root, base_sources);
  // First the chain of families, then the merge from its far end: a null of a nearer file removes what any of them
  // says.
  std::vector<Node> nearer;
  std::vector<std::string> extended;
  for (auto parent = extract(root, "extends"); parent; parent = extract(root, "extends")) {
    const std::string name = parent->scalar;
    const auto safe =
        !name.empty() && name.find_first_of("/\\") == std::string::npos && name.find("..") == std::string::npos;
    fs::path path = file.parent_path() / "families" / (name + ".yaml");
    std::error_code error;
    if (safe && !fs::exists(path, error)) path = folder_ / "families" / (name + ".yaml");
    if (parent->kind != Node::Kind::scalar || !safe || !fs::exists(path, error))
      throw InputError(parent->mark, "extends", "no family " + shown(*parent) + " in " + path.parent_path().string());
    if (std::find(extended.begin(), extended.end(), name) != extended.end())
      throw InputError(parent->mark, "extends", "the family '" + name + "' extends itself");
    extended.push_back(name);
    Node family = read_yaml_file(path);
    collect_sources(family, base_sources);
    extract(family, "sources");
    extract(family, "notes");
    nearer.push_back(std::exchange(root, std::move(family)));
  }
  for (; !nearer.empty(); nearer.pop_back()) root = merged(std::move(root), nearer.back());

  const auto make_entry = [&](Node node, std::string id, const Mark& mark) {
    Entry entry{.id = std::move(id), .file = file};
    if (entry.id.empty() || entry.id.size() > 100)
      throw InputError(mark, "id", "a name of 1 to 100 characters is expected");
    entry.sources = base_sources;
    extract(node, "id");
    extract(node, "sources");
    entry.aliases = texts_of(extract(node, "aliases"), "aliases");
    entry.notes = texts_of(extract(node, "notes"), "notes");
    const auto name = texts_of(extract(node, "name"), "name");
    entry.name = name.empty() ? entry.id : name.front();
    entry.figures = std::move(node);
    return entry;
  };

  const auto variants = extract(root, "variants");
  if (!variants) {
    const Node* id = root.find("id");
    if (id == nullptr || id->kind != Node::Kind::scalar) throw InputError(root.mark, "id", "required, but missing");
    const std::string text_of_id = id->scalar;
    const Mark mark = id->mark;
    std::vector<Entry> single;
    single.push_back(make_entry(std::move(root), text_of_id, mark));
    return single;
  }
  if (variants->kind != Node::Kind::map || variants->members.empty())
    throw InputError(variants->mark, "variants", "a map from ids to differences is expected, got " + shown(*variants));
  if (const Node* id = root.find("id")) throw InputError(id->mark, "id", "a file with variants has no id of its own");
  // With `only`, of a file of many variants just that one is merged, and those that others are variants of.
  std::set<std::string> bases;
  for (const auto& member : variants->members)
    if (const Node* of = member.value.find("of")) bases.insert(of->scalar);
  const auto is_wanted = [&](const Node::Member& member) {
    if (only.empty() || root.find("aliases") != nullptr || canonical_name(member.key) == only ||
        bases.contains(member.key))
      return true;
    const Node* aliases = member.value.find("aliases");
    const std::vector<std::string> names = aliases ? texts_of(*aliases, "aliases") : std::vector<std::string>();
    return std::any_of(names.begin(), names.end(), [&](const auto& name) { return canonical_name(name) == only; });
  };
  std::vector<Entry> entries;
  std::map<std::string, std::pair<Node, decltype(Entry::sources)>> earlier;  // merged, with sources
  for (const auto& member : variants->members) {
    if (member.value.kind != Node::Kind::null) {
      const std::string path = "variants." + member.key;
      if (member.value.kind != Node::Kind::map)
        throw InputError(member.value.mark, path, "a map is expected, got " + shown(member.value));
      if (const Node* id = member.value.find("id"))
        throw InputError(id->mark, path + ".id", "the key of a variant is its id");
    }
    if (!is_wanted(member)) continue;
    Node difference = member.value;
    Node base = root;
    std::optional<Node> of;
    if (difference.kind == Node::Kind::map) of = extract(difference, "of");
    if (of) {
      const auto at = earlier.find(of->scalar);
      if (at == earlier.end())
        throw InputError(of->mark, "variants." + member.key + ".of", "no variant " + shown(*of) + " stands above");
      base = at->second.first;
      extract(base, "aliases");
    }
    Node node = difference.kind == Node::Kind::null ? std::move(base) : merged(std::move(base), difference);
    Node kept = node;
    entries.push_back(make_entry(std::move(node), member.key, member.mark));
    if (of) entries.back().sources = earlier.at(of->scalar).second;
    if (difference.kind == Node::Kind::map) collect_sources(difference, entries.back().sources);
    earlier.emplace(member.key, std::pair(std::move(kept), entries.back().sources));
  }
  return entries;
}

std::vector<Entry> Catalogue::entries_of(const fs::path& file) const {
  return entries_of_text(read_text_file(file), file);
}

std::optional<Entry> Catalogue::try_find(std::string_view name) const {
  const std::string canonical = canonical_name(name);
  if (canonical.empty()) return std::nullopt;
  const auto found_in = [&](const std::string& text, const fs::path& file) -> std::optional<Entry> {
    for (auto& entry : entries_of_text(text, file, canonical))
      if (names_equal(canonical, entry)) return std::move(entry);
    return std::nullopt;
  };
  // Most entries stand in a file of their own name; for the others only files that mention the name are parsed.
  const fs::path own = folder_ / (canonical + ".yaml");
  std::error_code error;
  if (canonical.find('/') == std::string::npos && is_entry_file(own) && fs::exists(own, error))
    if (auto entry = found_in(read_text_file(own), own)) return entry;
  for (const auto& file : files_of(folder_)) {
    const std::string text = read_text_file(file);
    if (canonical_text(text).find(canonical) == std::string::npos) continue;
    if (auto entry = found_in(text, file)) return entry;
  }
  return std::nullopt;
}

Entry Catalogue::find(std::string_view name) const {
  if (auto entry = try_find(name)) return std::move(*entry);
  std::vector<Entry> entries = all();
  const std::string product = product_name(name);
  std::vector<std::string> known;
  std::vector<std::size_t> same;  // products of that name
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::vector<std::string> names = entries[i].aliases;
    names.insert(names.begin(), entries[i].id);
    known.insert(known.end(), names.begin(), names.end());
    names.push_back(entries[i].name);
    const bool matches =
        std::any_of(names.begin(), names.end(), [&](const auto& n) { return product_name(n) == product; });
    if (!product.empty() && matches) same.push_back(i);
  }
  if (same.size() == 1) return std::move(entries[same.front()]);
  throw InputError("unknown " + kind_ + " '" + std::string(name) + "'" + did_you_mean(name, known) +
                   "; 'silicast list " + kind_ + "s' shows all " + kind_ + "s");
}

Entry Catalogue::read(const fs::path& file) const {
  const auto [path, variant] = split_variant(file.string());
  auto entries = entries_of(path);
  if (variant.empty() && entries.size() == 1) return std::move(entries.front());
  std::vector<std::string> ids;
  for (auto& entry : entries) {
    if (!variant.empty() && names_equal(canonical_name(variant), entry)) return std::move(entry);
    ids.push_back(entry.id);
  }
  const std::string choice = "name one as " + path + "#" + ids.front() + " (" + join(ids, ", ") + ")";
  if (variant.empty()) throw InputError(path + ": holds several variants; " + choice);
  throw InputError(path + ": unknown variant '" + variant + "'" + did_you_mean(variant, ids) + "; " + choice);
}

Entry Catalogue::find_or_read(std::string_view name_or_path) const {
  return is_yaml_path(name_or_path) ? read(fs::path(name_or_path)) : find(name_or_path);
}

std::vector<Entry> Catalogue::all() const {
  std::vector<Entry> entries;
  for (const auto& file : files_of(folder_))
    for (auto& entry : entries_of(file)) entries.push_back(std::move(entry));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  return entries;
}

namespace {

bool covers(const std::string& field, const std::string& path) {
  return field == "all" || path == field ||
         (path.size() > field.size() && path.starts_with(field) &&
          (path[field.size()] == '.' || path[field.size()] == '['));
}

bool begins_with_number(std::string_view text) {
  const auto digit = text.find_first_of("0123456789");
  return digit != std::string_view::npos && text.substr(0, digit).find_first_not_of("+-.") == std::string_view::npos;
}

void collect_unsourced(const Node& node, const std::string& path, const Entry& entry,
                       std::vector<std::pair<std::string, Mark>>& missing) {
  for (const auto& member : node.members)
    collect_unsourced(member.value, path.empty() ? member.key : path + "." + member.key, entry, missing);
  for (const auto& item : node.items) collect_unsourced(item, path, entry, missing);
  if (node.kind != Node::Kind::scalar || node.quoted || node.scalar.empty()) return;
  if (!begins_with_number(node.scalar)) return;
  const bool sourced = std::any_of(entry.sources.begin(), entry.sources.end(),
                                   [&](const auto& source) { return covers(source.first, path); });
  if (!sourced) missing.emplace_back(path, node.mark);
}

}  // namespace

std::vector<std::pair<std::string, Mark>> figures_without_source(const Entry& entry) {
  std::vector<std::pair<std::string, Mark>> missing;
  collect_unsourced(entry.figures, "", entry, missing);
  return missing;
}

}  // namespace silicast
