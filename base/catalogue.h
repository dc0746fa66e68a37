// SPDX-License-Identifier: Apache-2.0
// A folder of YAML files of one kind as named entries: ids, aliases, `extends`, `variants` and the rule that every
// figure has a source. What an entry means is its reader's business (hardware/, workloads/, model/).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"

namespace silicast {

// One entry, merged: family, file, variant. The keys id, extends and variants are gone; name, aliases, sources and
// notes are taken out into fields, so a reader sees the figures alone.
struct Entry {
  std::string id;
  std::string name;
  std::vector<std::string> aliases;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, std::string>> sources;  // field prefix -> citation
  std::filesystem::path file;
  Node figures;

  [[nodiscard]] Section section() const { return Section(figures); }
};

class Catalogue {
 public:
  // `kind` names what the folder holds, for messages: "device". Files are read when needed. The folder must exist.
  Catalogue(std::filesystem::path folder, std::string kind);

  // By id or alias, else by a name of this product alone (product_name.h). An InputError suggests names that are near.
  [[nodiscard]] Entry find(std::string_view name) const;
  [[nodiscard]] std::optional<Entry> try_find(std::string_view name) const;
  // A file of the user's own; it may have variants only if exactly one of them is wanted: NAME.yaml#variant.
  [[nodiscard]] Entry read(const std::filesystem::path& file) const;
  // A path when the text ends in .yaml or .yml (or names such a file with #variant), else a name.
  [[nodiscard]] Entry find_or_read(std::string_view name_or_path) const;
  // All entries, sorted by id. Reads every file.
  [[nodiscard]] std::vector<Entry> all() const;
  // All entries of one file, merged.
  [[nodiscard]] std::vector<Entry> entries_of(const std::filesystem::path& file) const;
  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  // `only`: a canonical name; entries that do not bear it may be left out.
  [[nodiscard]] std::vector<Entry> entries_of_text(const std::string& text, const std::filesystem::path& file,
                                                   const std::string& only = {}) const;

  std::filesystem::path folder_;
  std::string kind_;
};

// Every number of the entry for which no entry of `sources` (or "all") stands: key paths with their places.
std::vector<std::pair<std::string, Mark>> figures_without_source(const Entry& entry);

}  // namespace silicast
