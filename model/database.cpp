// SPDX-License-Identifier: Apache-2.0
#include "model/database.h"

#include <algorithm>
#include <cstdlib>

#include "base/document.h"

namespace silicast {

namespace {

std::filesystem::path checked(std::filesystem::path folder) {
  if (!std::filesystem::exists(folder / "quants" / "types.yaml"))
    throw InputError(
        folder.string() +
        ": is not a data folder of silicast (no quants/types.yaml); give one with --data or SILICAST_DATA");
  return folder;
}

TypeTable read_types(const std::filesystem::path& file) {
  const Node root = read_yaml_file(file);
  return TypeTable(Section(root));
}

ResidualScale read_residual_scale(const std::filesystem::path& file) {
  const Node root = read_yaml_file(file);
  const Section section(root);
  const Section datasheet = section.required_section("datasheet");
  constexpr double widest = 5;
  const ResidualScale scale{datasheet.number("decode", 0, widest), datasheet.number("prefill", 0, widest)};
  datasheet.finish();
  section.ignore("sources");
  section.ignore("notes");
  section.finish();
  return scale;
}

// A device of the user's, as the file that it stands in; else the name.
std::string own_device(std::string_view name) {
  std::string text(name);
  if (text.find_first_of("./\\") != std::string::npos) return text;
  const auto folder = user_folder();
  if (folder.empty()) return text;
  const auto file = folder / "devices" / (text + ".yaml");
  return std::filesystem::exists(file) ? file.string() : text;
}

}  // namespace

std::filesystem::path user_folder() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const auto data = variable("XDG_DATA_HOME"); data.is_absolute()) return data / "silicast";
  const auto home = variable("HOME");
  if (home.empty()) return {};
#ifdef __APPLE__
  return home / "Library" / "Application Support" / "silicast";
#else
  return home / ".local" / "share" / "silicast";
#endif
}

Database::Database(std::filesystem::path folder)
    : folder_(checked(std::move(folder))),
      devices_(folder_ / "devices", "device"),
      models_(folder_ / "models", "model"),
      quants_(folder_ / "quants", "quant"),
      stacks_(folder_ / "stacks", "stack"),
      links_(folder_ / "links", "link"),
      types_(std::make_shared<const TypeTable>(read_types(folder_ / "quants" / "types.yaml"))),
      residual_scale_(read_residual_scale(folder_ / "profiles" / "evidence.yaml")),
      prices_(PriceBook::read(folder_ / "prices")) {}

template <class T, class Make>
std::shared_ptr<const T> Database::cached(Cache<T>& cache, std::string_view name, Make make) const {
  const std::lock_guard lock(mutex_);
  if (const auto at = cache.find(name); at != cache.end()) return at->second;
  auto value = std::make_shared<const T>(make());
  cache.emplace(std::string(name), value);
  return value;
}

Entry Database::device_entry(std::string_view name) const { return devices_.find_or_read(own_device(name)); }

std::vector<Entry> Database::own_devices() const {
  std::vector<Entry> entries;
  std::error_code none;
  const auto folder = user_folder();
  if (folder.empty()) return entries;
  for (const auto& file : std::filesystem::directory_iterator(folder / "devices", none))
    if (file.path().extension() == ".yaml") entries.push_back(devices_.find_or_read(file.path().string()));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  return entries;
}

std::shared_ptr<const Device> Database::device(std::string_view name,
                                               const std::vector<FieldOverride>& overrides) const {
  if (overrides.empty()) return cached(device_cache_, name, [&] { return read_device(device_entry(name)); });
  Entry entry = device_entry(name);
  for (const auto& [path, value] : overrides)
    set_path(entry.figures, path, value, Mark{std::make_shared<const std::string>("--set " + path + "=" + value)});
  return std::make_shared<const Device>(read_device(entry));
}

std::shared_ptr<const Stack> Database::stack(std::string_view name) const {
  return cached(stack_cache_, name, [&] { return read_stack(stacks_.find_or_read(name), *types_); });
}

std::shared_ptr<const Stack> Database::stack_with_full_windows(std::string_view name) const {
  const auto usual = stack(name);
  return cached(full_window_stack_cache_, name, [&] {
    Stack full = *usual;
    full.allocation.windowed_cache = false;
    return full;
  });
}

std::shared_ptr<const Profile> Database::profile(std::string_view family, std::string_view device) const {
  const auto read = [](const std::filesystem::path& folder, const std::string& name) {
    const auto file = folder / "profiles" / (name + ".yaml");
    const bool there = !folder.empty() && std::filesystem::exists(file);
    return there ? std::make_shared<const Profile>(read_profile(file)) : nullptr;
  };
  const std::lock_guard lock(mutex_);
  auto at = profile_cache_.find(family);
  if (at == profile_cache_.end()) {
    const std::string name(family);
    std::shared_ptr<const Profile> common = read(folder_, name);
    if (!common) common = read(user_folder(), name);
    at = profile_cache_.emplace(name, Profiles{std::move(common), {}}).first;
  }
  if (device.empty()) return at->second.common;
  auto own = at->second.of_device.find(device);
  if (own == at->second.of_device.end()) {
    const std::string name(device);
    own = at->second.of_device.emplace(name, read(user_folder(), std::string(family) + "@" + name)).first;
  }
  return own->second ? own->second : at->second.common;
}

std::shared_ptr<const Corrections> Database::corrections(std::string_view family, const Scope& scope) const {
  const auto profile_of_family = profile(family, scope.device);
  if (!profile_of_family) return nullptr;
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Corrections>& known = corrections_cache_[scope];
  if (!known) known = std::make_shared<const Corrections>(profile_of_family->corrections(scope));
  return known;
}

std::shared_ptr<const ParameterSpread> Database::parameter_spread(std::string_view family, const Scope& scope) const {
  const auto profile_of_family = profile(family, scope.device);
  if (!profile_of_family) return nullptr;
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const ParameterSpread>& known = spread_cache_[scope];
  if (!known) known = std::make_shared<const ParameterSpread>(*profile_of_family, scope);
  return known;
}

std::shared_ptr<const Link> Database::link(std::string_view name) const {
  return cached(link_cache_, name, [&] { return read_link(links_.find_or_read(name)); });
}

std::shared_ptr<const QuantScheme> Database::quant(std::string_view name) const {
  return cached(quant_cache_, name, [&] {
    const Entry entry = quants_.find_or_read(name);
    QuantScheme scheme = read_quant_scheme(entry.section(), *types_);
    scheme.id = entry.id;
    scheme.name = entry.name;
    return scheme;
  });
}

std::shared_ptr<const Architecture> Database::architecture(std::string_view name) const {
  return cached(architecture_cache_, name, [&] {
    const Entry entry = models_.find_or_read(name);
    Architecture architecture = read_architecture(entry.section());
    architecture.id = entry.id;
    architecture.name = entry.name;
    validate(architecture, entry.file.string());
    return architecture;
  });
}

}  // namespace silicast
