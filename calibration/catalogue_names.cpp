// SPDX-License-Identifier: Apache-2.0
#include "calibration/catalogue_names.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"

namespace silicast {

namespace {

using Words = std::vector<std::string>;

// Words that drivers add or leave out without meaning another device.
bool is_noise(std::string_view word) {
  static const std::set<std::string, std::less<>> noise{
      "nvidia", "geforce",     "amd",     "radeon",    "intel", "tesla",  "r",    "tm",        "c", "corporation",
      "cpu",    "gpu",         "apu",     "processor", "with",  "w",      "core", "graphics",  "@", "generation",
      "gen",    "workstation", "edition", "platinum",  "gold",  "silver", "the",  "laptop-gpu"};
  if (noise.contains(word)) return true;
  const bool counts_cores = word.ends_with("-core") || word.ends_with("-cores");
  const bool is_clock = word.ends_with("ghz");
  const bool is_ordinal = word.ends_with("th") && word.size() == 4;  // "13th Gen"
  return counts_cores || is_clock || is_ordinal;
}

// "NVIDIA A100-SXM4-80GB" -> a100 sxm 80gb; what stands in parentheses names a driver.
Words words_of(std::string_view text) {
  Words words;
  std::string word;
  int depth = 0;
  const auto end_word = [&] {
    if (word.starts_with("sxm")) word = "sxm";
    if (!word.empty() && !is_noise(word)) words.push_back(word);
    word.clear();
  };
  const std::string small = lower(text);
  for (std::size_t i = 0; i < small.size(); ++i) {
    const char c = small[i];
    if (c == '(') ++depth;
    if (c == ')') depth = std::max(0, depth - 1);
    if (depth > 0 || c == ')') {
      end_word();
      continue;
    }
    const bool number_of_cores = c == '-' && small.compare(i, 5, "-core") == 0;
    const bool keeps_together =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '+' || c == '@' || number_of_cores;
    if (keeps_together)
      word.push_back(c);
    else
      end_word();
  }
  end_word();
  return words;
}

bool is_memory_size(const std::string& word) {
  return word.size() > 2 && word.ends_with("gb") && parse_integer(word.substr(0, word.size() - 2)).has_value();
}

Words without_memory(Words words) {
  std::erase_if(words, is_memory_size);
  return words;
}

// "38c", as the catalogue tells variants apart.
bool is_core_count(const std::string& word) {
  return word.size() > 1 && word.ends_with('c') && parse_integer(word.substr(0, word.size() - 1)).has_value();
}

// What the words have more than these, or nothing when they lack one of them.
std::optional<Words> surplus(const Words& words, const Words& needed) {
  Words rest = words;
  for (const std::string& word : needed) {
    const auto at = std::find(rest.begin(), rest.end(), word);
    if (at == rest.end()) return std::nullopt;
    rest.erase(at);
  }
  return rest;
}

// Sellers' names of one chip that its datasheet spells otherwise.
std::string respelled(std::string_view reported) {
  std::string text = lower(reported);
  const auto replace = [&](std::string_view from, std::string_view to) {
    if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  };
  replace("h100 80gb hbm3", "h100 sxm");  // the SXM module; the PCIe card reports "H100 PCIe"
  replace("w/ radeon 8060s", "");
  replace("w/ radeon 8050s", "");
  return text;
}

// But for a few words of the vocabulary and auxiliary tensors: the work is the same.
bool same_shape(const Architecture& a, const Architecture& b) {
  const auto close = [](std::int64_t x, std::int64_t y) {
    constexpr double tolerance = 1e-3;
    return std::abs(static_cast<double>(x) / static_cast<double>(y) - 1) < tolerance;
  };
  return a.hidden == b.hidden && a.layers.size() == b.layers.size() &&
         a.queries_per_kv_head() == b.queries_per_kv_head() && close(a.vocabulary, b.vocabulary) &&
         close(parameter_count(a), parameter_count(b)) && close(active_parameter_count(a), active_parameter_count(b));
}

std::string_view after_last(std::string_view text, std::string_view separators) {
  const auto at = text.find_last_of(separators);
  return at == std::string_view::npos ? text : text.substr(at + 1);
}

}  // namespace

std::string model_file_stem(std::string_view path) {
  while (!path.empty() && (path.back() == '/' || path.back() == '\\')) path.remove_suffix(1);
  std::string stem(after_last(path, "/\\"));
  if (lower(stem).ends_with(".gguf")) stem.resize(stem.size() - 5);
  // "-00001-of-00003"
  const auto of = stem.rfind("-of-");
  if (of != std::string::npos && of >= 6 && stem[of - 6] == '-' && parse_integer(stem.substr(of + 4)))
    stem.resize(of - 6);
  return stem;
}

std::string quant_of_llama_type(std::string_view type) {
  type = trim(type);
  constexpr std::string_view guessed = "(guessed)";
  if (type.ends_with(guessed)) type = trim(type.substr(0, type.size() - guessed.size()));
  if (type.starts_with("mostly ")) type.remove_prefix(7);
  if (type.starts_with("all ")) type.remove_prefix(4);
  // llama_model_ftype_name of llama.cpp, where it is not the scheme's name followed by " - ...".
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> names{{{"Q2_K - Small", "Q2_K_S"},
                                                                                 {"Q3_K - Small", "Q3_K_S"},
                                                                                 {"Q3_K - Medium", "Q3_K_M"},
                                                                                 {"Q3_K - Large", "Q3_K_L"},
                                                                                 {"Q4_K - Small", "Q4_K_S"},
                                                                                 {"Q4_K - Medium", "Q4_K_M"},
                                                                                 {"Q5_K - Small", "Q5_K_S"},
                                                                                 {"Q5_K - Medium", "Q5_K_M"},
                                                                                 {"MXFP4 MoE", "MXFP4_MOE"},
                                                                                 {"IQ3_S mix - 3.66 bpw", "IQ3_M"},
                                                                                 {"Q2_K - Medium", "Q2_K"},
                                                                                 {"fp16", "F16"}}};
  for (const auto& [printed, scheme] : names)
    if (type == printed) return std::string(scheme);
  return std::string(trim(type.substr(0, type.find(" - "))));
}

CatalogueNames::CatalogueNames(const Database& database) {
  for (const Entry& entry : database.devices().all()) {
    devices_.push_back({entry.id, words_of(entry.id)});
    devices_.push_back({entry.id, words_of(entry.name)});
    for (const std::string& alias : entry.aliases) {
      devices_.push_back({entry.id, words_of(alias)});
      aliases_.emplace(canonical_name(alias), entry.id);
    }
  }
  for (const Entry& entry : database.models().all()) {
    models_.emplace(canonical_name(entry.id), entry.id);
    for (const std::string& alias : entry.aliases) models_.emplace(canonical_name(alias), entry.id);
    const auto architecture = database.architecture(entry.id);
    shapes_.push_back({entry.id, architecture, static_cast<double>(parameter_count(*architecture))});
  }
  for (const Entry& entry : database.quants().all()) {
    quants_.emplace(canonical_name(entry.id), entry.id);
    for (const std::string& alias : entry.aliases) quants_.emplace(canonical_name(alias), entry.id);
  }
}

std::optional<NameMatch> CatalogueNames::device(std::string_view reported, bool cpu) const {
  const Words words = words_of(respelled(reported));
  if (words.empty()) return std::nullopt;
  const auto is_cpu_name = [](const std::string& id) { return id.ends_with("-cpu"); };
  // A processor with entries for its GPU and for its cores has the latter under NAME-cpu.
  std::vector<std::string> found;
  std::vector<std::string> variants;
  const auto add = [](std::vector<std::string>& ids, const std::string& id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  // First every word, then without the memory, which is an option of the device rather than its name.
  for (const bool with_memory : {true, false}) {
    const Words wanted = with_memory ? words : without_memory(words);
    if (wanted.empty()) break;
    for (const DeviceName& name : devices_) {
      const auto rest = surplus(with_memory ? name.words : without_memory(name.words), wanted);
      if (!rest) continue;
      if (rest->empty())
        add(found, name.id);
      else if (rest->size() == 1 && is_core_count(rest->front()))
        add(variants, name.id);
    }
    if (!found.empty()) break;
  }
  const bool has_cpu_entry = std::any_of(found.begin(), found.end(), is_cpu_name);
  std::erase_if(found, [&](const std::string& id) { return has_cpu_entry && is_cpu_name(id) != cpu; });
  std::erase_if(variants, [&](const std::string& id) { return is_cpu_name(id) != cpu && has_cpu_entry; });
  if (found.empty() && variants.empty()) return std::nullopt;
  if (found.empty()) found.swap(variants);
  // The catalogue says which of several is meant by a bare name.
  const auto usual = aliases_.find(canonical_name(reported));
  if (usual != aliases_.end() && !(has_cpu_entry && is_cpu_name(usual->second) != cpu))
    found.insert(found.begin(), usual->second);
  NameMatch match{found.front(), {}};
  for (const auto& id : found)
    if (id != match.name) match.others.push_back(id);
  for (const auto& id : variants)
    if (std::find(found.begin(), found.end(), id) == found.end()) match.others.push_back(id);
  return match;
}

std::optional<std::string> CatalogueNames::model_by_name(std::string_view name,
                                                         std::optional<double> parameters) const {
  constexpr double tolerance = 0.02;  // printed to two digits; GGUF may count auxiliary tensors
  std::string stem = canonical_name(model_file_stem(name));
  while (stem.size() > 1) {
    const auto at = models_.find(stem);
    if (at != models_.end()) {
      if (!parameters) return at->second;
      for (const Shape& shape : shapes_)
        if (shape.id == at->second && std::abs(shape.parameters / *parameters - 1) < tolerance) return shape.id;
    }
    const auto end = stem.find_last_of("-.");
    if (end == std::string::npos) break;
    stem.resize(end);
  }
  return std::nullopt;
}

std::optional<NameMatch> CatalogueNames::model_by_size(std::string_view architecture, double parameters,
                                                       double tolerance) const {
  std::vector<const Shape*> found;
  for (const Shape& shape : shapes_)
    if (shape.architecture->gguf_architecture == architecture &&
        std::abs(shape.parameters / parameters - 1) <= tolerance)
      found.push_back(&shape);
  if (found.empty()) return std::nullopt;
  // Of equal shapes the one that is named after the architecture, rather than one derived from it.
  std::stable_partition(found.begin(), found.end(),
                        [&](const Shape* shape) { return shape->id.starts_with(architecture); });
  NameMatch match{found.front()->id, {}};
  for (const Shape* shape : found) {
    if (!same_shape(*shape->architecture, *found.front()->architecture)) return std::nullopt;
    if (shape != found.front()) match.others.push_back(shape->id);
  }
  return match;
}

std::optional<std::string> CatalogueNames::quant_in_name(std::string_view name) const {
  const std::string stem = model_file_stem(name);
  // From the longest tail on, so that MLX-4bit is not taken for 4bit.
  for (std::size_t at = stem.find_first_of("-."); at != std::string::npos; at = stem.find_first_of("-.", at + 1)) {
    const std::string tail = stem.substr(at + 1);
    if (const auto found = quants_.find(canonical_name(tail)); found != quants_.end()) return found->second;
    if (tail.starts_with("UD-")) return tail;
  }
  return std::nullopt;
}

bool CatalogueNames::has_quant(std::string_view name) const { return quants_.contains(canonical_name(name)); }

}  // namespace silicast
