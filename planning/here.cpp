// SPDX-License-Identifier: Apache-2.0
#include "planning/here.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace silicast {

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// "key : value" lines.
std::string_view value_of(std::string_view line) {
  const auto colon = line.find(':');
  return colon == std::string_view::npos ? std::string_view() : trim(line.substr(colon + 1));
}

// The words of a name that tell it from others: "nvidia", "(r)", "16-core", "processor" and the like are left out.
std::set<std::string> words_of(std::string_view name) {
  static const std::set<std::string, std::less<>> common{"nvidia", "amd",    "intel",    "cpu",     "processor",
                                                         "with",   "radeon", "graphics", "geforce", "(r)",
                                                         "(tm)",   "apple",  "gpu"};
  std::string text = lower(name.substr(0, name.find(" @ ")));
  for (const char* mark : {"(r)", "(tm)", "(c)"})
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark))
      text.replace(at, std::string_view(mark).size(), " ");
  for (char& c : text)
    if (std::string_view("-_,()").find(c) != std::string_view::npos) c = ' ';
  std::set<std::string> words;
  std::string previous;
  for (const auto part : split(text, ' ')) {
    const std::string word(trim(part));
    const bool counts_cores = word == "core" && parse_integer(previous).has_value();
    if (counts_cores) words.erase(previous);
    if (!word.empty() && !counts_cores && !common.contains(word)) words.insert(word);
    previous = word;
  }
  return words;
}

#ifdef __APPLE__
std::string system_text(const char* name) {
  std::size_t size = 0;
  if (sysctlbyname(name, nullptr, &size, nullptr, 0) != 0 || size == 0) return {};
  std::string text(size, '\0');
  if (sysctlbyname(name, text.data(), &size, nullptr, 0) != 0) return {};
  return text.substr(0, text.find('\0'));
}

double system_number(const char* name) {
  std::int64_t value = 0;
  std::size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? static_cast<double>(value) : 0;
}
#else

// Each file of the NVIDIA driver says "Model: NVIDIA GeForce RTX 4090"; others name some of their products.
std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    const std::string text = content(entry.path() / "information");
    for (const auto line : split(text, '\n'))
      if (line.starts_with("Model:")) names.emplace_back(value_of(line));
  }
  for (const auto& entry : fs::directory_iterator("/sys/class/drm", error)) {
    const std::string name(trim(content(entry.path() / "device" / "product_name")));
    const bool is_card = entry.path().filename().string().find('-') == std::string::npos;
    if (is_card && !name.empty()) names.push_back(name);
  }
  return names;
}

// "32768K" of the largest unified cache that the first core sees.
double last_cache() {
  double largest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/sys/devices/system/cpu/cpu0/cache", error)) {
    const std::string size(trim(content(entry.path() / "size")));
    const auto value = size.ends_with('K') ? parse_number(size.substr(0, size.size() - 1)) : std::nullopt;
    constexpr double kibi = 1024;
    if (value) largest = std::max(largest, *value * kibi);
  }
  return largest;
}

double memory_size() {
  constexpr double kibi = 1024;
  const std::string text = content("/proc/meminfo");
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with("MemTotal:")) continue;
    const auto value = value_of(line);
    return kibi * parse_number(value.substr(0, value.find(' '))).value_or(0);
  }
  return 0;
}
#endif

bool has(const SystemFacts& facts, std::string_view flag) {
  for (const std::string& other : facts.flags)
    if (other == flag) return true;
  return false;
}

}  // namespace

void read_cpuinfo(std::string_view text, SystemFacts& facts) {
  std::set<std::pair<std::string, std::string>> cores;
  int processors = 0;
  std::string package;
  for (const auto line : split(text, '\n')) {
    const std::string_view key = trim(line.substr(0, line.find(':')));
    const std::string_view value = value_of(line);
    if (key == "processor") ++processors;
    if (key == "model name" && facts.cpu_name.empty()) facts.cpu_name = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    constexpr double mega = 1e6;
    if (key == "cpu MHz" && facts.clock_hertz <= 0) facts.clock_hertz = mega * parse_number(value).value_or(0);
    if ((key != "flags" && key != "Features") || !facts.flags.empty()) continue;
    for (const auto flag : split(value, ' ')) facts.flags.emplace_back(flag);
  }
  facts.cores = cores.empty() ? processors : static_cast<int>(cores.size());
}

SystemFacts system_facts() {
  SystemFacts facts;
#ifdef __APPLE__
  facts.cpu_name = system_text("machdep.cpu.brand_string");
  facts.cores = static_cast<int>(system_number("hw.physicalcpu"));
  facts.memory_bytes = system_number("hw.memsize");
#else
  read_cpuinfo(content("/proc/cpuinfo"), facts);
  constexpr double kilo = 1e3;
  const auto most = parse_number(trim(content("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")));
  if (most) facts.clock_hertz = kilo * *most;
  facts.memory_bytes = memory_size();
  facts.last_cache_bytes = last_cache();
  facts.gpu_names = gpu_names();
#endif
  return facts;
}

std::string device_named(const Database& database, std::string_view name) {
  // Of the Apple chips of a name the smallest: the number of GPU cores is not in it.
  const bool apple = lower(name).starts_with("apple");
  const auto same = apple ? std::nullopt : database.devices().try_find(name);
  if (same) return same->id;
  const auto words = words_of(name);
  if (words.empty()) return {};
  std::string best;
  std::size_t most = 0;
  int least_cores = 0;
  for (const Entry& entry : database.devices().all()) {
    const auto device = database.device(entry.id);
    const auto its = words_of(device->name);
    if (apple) {
      if (device->gpu && its == words && (best.empty() || device->gpu->cores < least_cores)) {
        best = entry.id;
        least_cores = device->gpu->cores;
      }
      continue;
    }
    const bool fits = !its.empty() && std::includes(words.begin(), words.end(), its.begin(), its.end());
    if (!fits || its.size() <= most) continue;
    most = its.size();
    best = entry.id;
  }
  return best;
}

std::string cpu_yaml(const SystemFacts& facts) {
  constexpr double gibi = 1073741824;
  constexpr double giga = 1e9;
  const bool x86 = has(facts, "sse2");
  const bool wide = has(facts, "avx512f");
  std::vector<std::string> sets;
  for (const auto& [flag, set] :
       {std::pair("avx2", "avx2"), std::pair("avx512f", "avx512"), std::pair("avx512_vnni", "avx512_vnni"),
        std::pair("avx512_bf16", "avx512_bf16"), std::pair("avx_vnni", "avx_vnni"), std::pair("asimddp", "dotprod")})
    if (has(facts, flag)) sets.emplace_back(set);
  std::string name = facts.cpu_name.empty() ? "This machine" : facts.cpu_name;
  std::erase_if(name, [](char c) { return c == '"' || c == '\\' || c == '\n'; });
  const double clock = facts.clock_hertz > 0 ? facts.clock_hertz : 3 * giga;
  const std::string width = wide ? "512" : has(facts, "avx2") ? "256" : "128";
  std::string text = "name: \"" + name + "\"\nid: here\nclass: cpu\nvendor: unknown\ndefault_stack: llama.cpp-cpu\n" +
                     // Two channels of DDR4-3200, the usual desktop: nothing tells what is really there.
                     "memory:\n  type: DDR4\n  bandwidth: 51.2 GB/s\n  achievable_share: 0.7\n  capacity: [" +
                     rounded(std::max(1.0, facts.memory_bytes / gibi), 4) +
                     " GiB]\ncpu:\n  architecture: " + (x86 ? "x86-64" : "armv8") +
                     "\n  cores: " + std::to_string(std::max(1, facts.cores)) +
                     "\n  clock: " + rounded(clock / giga, 4) + " GHz\n  instruction_sets: [" + join(sets, ", ") +
                     "]\n  vector_width: " + width + " bit\n  fma_units: 2\n";
  constexpr double mebi = 1048576;
  if (facts.last_cache_bytes > 0) text += "  l3: {capacity: " + rounded(facts.last_cache_bytes / mebi, 6) + " MiB}\n";
  return text + "sources:\n  all: \"the system's own report; memory bandwidth: assumed\"\n";
}

HereMachine::HereMachine(const Database& database, const SystemFacts& facts) : memory_(facts.memory_bytes) {
  for (const std::string& gpu : facts.gpu_names) {
    const std::string device = device_named(database, gpu);
    if (device.empty()) {
      notes_.push_back("GPU '" + gpu + "': not in the catalogue, left out (docs/data-format.md: how to add it)");
      continue;
    }
    notes_.push_back("GPU '" + gpu + "': " + device);
    devices_.push_back(device);
  }
  std::string cpu = device_named(database, facts.cpu_name);
  if (!cpu.empty()) {
    notes_.push_back("CPU '" + facts.cpu_name + "': " + cpu);
  } else {
    std::string pattern = (fs::temp_directory_path() / "silicast-here-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw InputError("cannot make a folder in " + pattern);
    folder_ = pattern;
    cpu = (folder_ / "here.yaml").string();
    std::ofstream(cpu) << cpu_yaml(facts);
    notes_.push_back("CPU '" + facts.cpu_name +
                     "': not in the catalogue; described from what the system tells, its "
                     "memory bandwidth assumed as 51.2 GB/s: little evidence");
  }
  host_ = devices_.empty() ? "" : cpu;
  devices_.push_back(cpu);
}

HereMachine::~HereMachine() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace silicast
