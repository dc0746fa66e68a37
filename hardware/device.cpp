// SPDX-License-Identifier: Apache-2.0
#include "hardware/device.h"

#include <algorithm>
#include <cmath>

#include "base/catalogue.h"
#include "base/document.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, unit_count> unit_names{
    "fp32",        "fp16",        "int32",       "int32_slow",
    "lookup",      "dp4a",        "fp16_matrix", "fp16_matrix_fp16_accumulate",
    "bf16_matrix", "int8_matrix", "fp8_matrix",  "fp4_matrix"};

const std::vector<std::string> class_names{"discrete", "unified", "cpu"};
const std::vector<std::string> instruction_set_names{"avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx_vnni",
                                                     "amx",  "neon",   "dotprod",     "i8mm",        "sve",
                                                     "avx",  "sse4",   "rvv",         "bf16"};

// The bandwidth is stated as a whole or, by a family, per core and clock.
std::optional<Cache> read_cache(const Section& parent, std::string_view key, const Processor& processor) {
  const auto section = parent.section(key);
  if (!section) return std::nullopt;
  Cache cache{section->quantity<Bytes>("capacity"), section->optional_quantity<BytesPerSecond>("bandwidth")};
  constexpr double widest_bytes = 4096;
  const auto per_core = section->optional_number("bytes_per_core_per_clock", 0.01, widest_bytes);
  if (per_core && !cache.bandwidth) cache.bandwidth = Bytes(*per_core * processor.cores) * processor.clock;
  section->finish();
  return cache;
}

constexpr std::int64_t most_cores = 100'000;
constexpr std::int64_t most_dies = 64;
constexpr double most_per_clock = 1e6;

Processor read_gpu(const Section& section) {
  Processor gpu;
  gpu.architecture = section.text("architecture");
  gpu.cores = static_cast<int>(section.count("cores", 1, most_cores));
  gpu.clock = section.quantity<Hertz>("clock");
  const Section rates = section.required_section("per_core_per_clock");
  for (std::size_t i = 0; i < unit_count; ++i)
    if (const auto rate = rates.optional_number(unit_names[i], 0, most_per_clock)) gpu.per_core_per_clock[i] = *rate;
  rates.finish();
  if (!gpu.has(Unit::fp32)) rates.fail("fp32", "required, but missing");
  gpu.dies = static_cast<int>(section.count_or("dies", 1, 1, most_dies));
  gpu.matrix_on_vector_units = section.flag("matrix_on_vector_units", false);
  gpu.l2 = read_cache(section, "l2", gpu);
  gpu.last_level_cache = read_cache(section, "last_level_cache", gpu);
  section.ignore("stated");
  section.finish();
  return gpu;
}

struct CpuFigures {
  Processor processor;
  int sockets = 1;
  std::optional<BytesPerSecond> bandwidth;
};

double bits_of(const Section& section, std::string_view key, double fallback) {
  const auto text = section.optional_text(key);
  if (!text) return fallback;
  std::string_view number = trim(*text);
  if (!number.ends_with("bit")) section.fail(key, "a width in bit is expected, like '256 bit', got '" + *text + "'");
  number.remove_suffix(3);
  const auto bits = parse_number(number);
  constexpr double widest = 1e5;
  if (!bits || *bits <= 0 || *bits > widest)
    section.fail(key, "a width in bit is expected, like '256 bit', got '" + *text + "'");
  return *bits;
}

// Peak rates of SIMD cores from vector width and pipes. The int8 dot product multiplies four pairs a 32-bit lane.
CpuFigures read_cpu(const Section& section) {
  CpuFigures result;
  Processor& cpu = result.processor;
  cpu.architecture = section.text("architecture", "cpu");
  const auto performance = section.count("cores", 1, most_cores);
  const auto efficiency = section.count_or("efficiency_cores", 0, 0, most_cores);
  cpu.cores = static_cast<int>(performance + efficiency);
  cpu.clock = section.quantity<Hertz>("clock");
  result.sockets = static_cast<int>(section.count_or("sockets", 1, 1, 16));
  cpu.instruction_sets = section.texts("instruction_sets");
  for (const auto& name : cpu.instruction_sets)
    if (std::find(instruction_set_names.begin(), instruction_set_names.end(), name) == instruction_set_names.end())
      section.fail("instruction_sets",
                   "unknown instruction set '" + name + "'" + did_you_mean(name, instruction_set_names));
  const auto supports = [&](std::string_view name) {
    return std::find(cpu.instruction_sets.begin(), cpu.instruction_sets.end(), name) != cpu.instruction_sets.end();
  };
  constexpr double narrowest = 128;
  const double width = bits_of(section, "vector_width", narrowest);
  constexpr double wide = 512;
  if (width >= wide) cpu.instruction_sets.emplace_back("512-bit");
  const double pipes = section.optional_number("fma_units", 1, 8).value_or(2);
  const Hertz efficiency_clock = section.optional_quantity<Hertz>("efficiency_clock").value_or(cpu.clock);
  const double efficiency_pipes = section.optional_number("efficiency_fma_units", 1, 8).value_or(pipes);
  // The rates are those of the mean core, so that cores x rate x clock is the machine's peak.
  const double efficiency_ratio = efficiency_pipes / pipes * (efficiency_clock / cpu.clock);
  const double mean_core =
      (static_cast<double>(performance) + static_cast<double>(efficiency) * efficiency_ratio) / cpu.cores;
  cpu.fast_cores = static_cast<int>(performance);
  cpu.slow_core = efficiency_ratio;
  const auto set = [&](Unit unit, double rate) { cpu.per_core_per_clock[static_cast<std::size_t>(unit)] = rate; };
  const double lanes = width / 32;
  set(Unit::fp32, 2 * lanes * pipes * mean_core);
  set(Unit::int32, pipes * width / 256 * mean_core);
  const bool has_dot = supports("avx512_vnni") || supports("avx_vnni") || supports("dotprod");
  if (has_dot) set(Unit::dp4a, 8 * lanes * pipes * mean_core);
  // AMX: 16x16 tile of int32 from 64-byte rows, 16 cycles: 2*16*16*64/16 operations a clock (Intel SDM vol. 1 ch. 18).
  if (supports("amx")) set(Unit::int8_matrix, 2048), set(Unit::bf16_matrix, 1024);
  cpu.l2 = read_cache(section, "l2", cpu);
  cpu.last_level_cache = read_cache(section, "l3", cpu);
  result.bandwidth = section.optional_quantity<BytesPerSecond>("memory_bandwidth");
  section.finish();
  return result;
}

std::vector<GpuLimit> read_gpu_limits(const Section& memory) {
  std::vector<GpuLimit> limits;
  for (const auto& item : memory.sections("gpu_limit")) {
    GpuLimit limit;
    limit.from = item.optional_quantity<Bytes>("from").value_or(Bytes(0));
    limit.up_to = item.optional_quantity<Bytes>("up_to");
    limit.os = item.text("os", "");
    limit.share = item.number("share", 0.01, 1);
    item.finish();
    limits.push_back(limit);
  }
  return limits;
}

// Where neither a measurement nor a family's share is given: the mean of the streaming measurements of
// te42kyfo/gpu-benches over eight GPUs, 0.82 to 0.98 of peak.
constexpr double usual_achievable_share = 0.92;

Memory read_memory(const Section& section) {
  Memory memory;
  memory.type = section.text("type", "");
  section.ignore("transfer_rate");
  section.ignore("bus_width");
  section.ignore("channels");
  memory.bandwidth = section.quantity<BytesPerSecond>("bandwidth");
  memory.achievable_bandwidth = memory.bandwidth * section.share("achievable_share", usual_achievable_share);
  memory.core_bandwidth = section.optional_quantity<BytesPerSecond>("core_bandwidth");
  if (const auto measured = section.optional_quantity<BytesPerSecond>("achievable_bandwidth")) {
    if (*measured > memory.bandwidth) section.fail("achievable_bandwidth", "must not exceed the peak bandwidth");
    memory.achievable_bandwidth = *measured;
  }
  memory.capacities = section.quantities<Bytes>("capacity");
  std::sort(memory.capacities.begin(), memory.capacities.end());
  memory.gpu_limits = read_gpu_limits(section);
  section.finish();
  return memory;
}

std::optional<Pcie> read_pcie(const Section& device) {
  const auto section = device.section("pcie");
  if (!section) return std::nullopt;
  const Pcie pcie{static_cast<int>(section->count("generation", 1, 7)),
                  static_cast<int>(section->count("lanes", 1, 256))};
  section->finish();
  return pcie;
}

void read_power_and_price(const Section& root, Device& device) {
  if (const auto power = root.section("power")) device.power = read_power(*power);
  if (const auto storage = root.section("storage")) {
    device.storage_bandwidth = storage->quantity<BytesPerSecond>("bandwidth");
    storage->finish();
  }
  if (const auto price = root.section("launch_price")) {
    const std::string amount = price->text("amount");
    const auto blank = amount.find(' ');
    const auto value = parse_number(amount.substr(0, blank));
    if (!value || *value <= 0 || blank == std::string::npos || amount.substr(blank + 1) != "USD")
      price->fail("amount", "an amount such as '1599 USD' is expected, got '" + amount + "'");
    device.launch_price = Price{*value, price->text("date")};
    price->finish();
  }
}

}  // namespace

std::string_view name_of(Unit unit) { return unit_names[static_cast<std::size_t>(unit)]; }

std::optional<Unit> unit_of_name(std::string_view name) {
  for (std::size_t i = 0; i < unit_count; ++i)
    if (unit_names[i] == name) return static_cast<Unit>(i);
  return std::nullopt;
}

std::string_view name_of(DeviceClass c) { return class_names[static_cast<std::size_t>(c)]; }

Processor Processor::with_threads(std::optional<std::int64_t> threads) const {
  const auto mean = [&](int n) {
    const int fast = std::min(n, fast_cores);
    return (fast + (n - fast) * slow_core) / n;
  };
  Processor used = *this;
  used.cores = static_cast<int>(std::min<std::int64_t>(threads.value_or(fast_cores), cores));
  const double ratio = mean(used.cores) / mean(cores);
  for (double& rate : used.per_core_per_clock) rate *= ratio;
  return used;
}

FlopsPerSecond Processor::peak(Unit unit) const {
  return FlopsPerSecond(per_core_per_clock[static_cast<std::size_t>(unit)] * cores * clock.value());
}

BytesPerSecond Pcie::bandwidth() const {
  // Transfers per second and lane of generations 1 to 7 (PCI-SIG); one bit a transfer before encoding.
  constexpr std::array<double, 8> gigatransfers{0, 2.5, 5, 8, 16, 32, 64, 128};
  const double encoding = generation <= 2 ? 8.0 / 10 : 128.0 / 130;
  return BytesPerSecond(gigatransfers[static_cast<std::size_t>(generation)] * 1e9 / 8 * encoding * lanes);
}

std::optional<Bytes> Device::capacity(std::optional<Bytes> wanted) const {
  if (!wanted) return memory.capacities.back();
  // People write 64 GB for the 64 GiB of a data sheet, and the other way round.
  constexpr double tolerance = 0.005;
  for (const Bytes option : memory.capacities)
    for (const double reading :
         {option / *wanted, (option / 1_GiB) / (*wanted / 1_GB), (option / 1_GB) / (*wanted / 1_GiB)})
      if (std::abs(reading - 1) <= tolerance) return option;
  return std::nullopt;
}

Device read_device(const Entry& entry) {
  const Section root = entry.section();
  Device device;
  device.id = entry.id;
  device.name = entry.name;
  device.device_class = static_cast<DeviceClass>(root.choice("class", class_names));
  device.vendor = root.text("vendor");
  device.released = root.text("released", "");
  device.memory = read_memory(root.required_section("memory"));
  if (const auto gpu = root.section("gpu")) device.gpu = read_gpu(*gpu);
  if (const auto cpu = root.section("cpu")) {
    const CpuFigures figures = read_cpu(*cpu);
    device.cpu = figures.processor;
    device.cpu_sockets = figures.sockets;
    device.memory.cpu_bandwidth = figures.bandwidth;
  }
  if (!device.gpu && !device.cpu)
    throw InputError(entry.figures.mark, "gpu", "a device needs a gpu or a cpu, both are missing");
  if (device.device_class == DeviceClass::cpu && device.gpu) root.fail("gpu", "a device of class cpu has none");
  if (device.device_class != DeviceClass::cpu && !device.gpu) root.fail("gpu", "required, but missing");
  device.default_stack = root.text("default_stack", device.gpu ? "llama.cpp-vulkan" : "llama.cpp-cpu");
  device.pcie = read_pcie(root);
  device.ports = root.texts("ports");
  if (const auto nvlink = root.section("nvlink")) {
    device.nvlink_bandwidth = nvlink->quantity<BytesPerSecond>("bandwidth");
    constexpr double most_peers = 576;
    if (const auto peers = nvlink->optional_number("peers", 2, most_peers))
      device.nvlink_peers = static_cast<int>(*peers);
    nvlink->finish();
  }
  read_power_and_price(root, device);
  root.finish();
  return device;
}

}  // namespace silicast
