// SPDX-License-Identifier: Apache-2.0
// The machine that this program runs on, as devices of the catalogue: the GPUs and the CPU whose names are found there.
// A CPU that is not gets a description of its own from what the system tells (cores, clock, instruction sets, caches,
// memory size); its memory bandwidth cannot be read and is assumed, which the notes say.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/database.h"

namespace silicast {

// What the system tells of itself.
struct SystemFacts {
  std::string cpu_name;            // "AMD Ryzen 9 9950X 16-Core Processor", "Apple M2 Max"
  int cores = 0;                   // physical
  double clock_hertz = 0;          // 0: not told
  std::vector<std::string> flags;  // of x86 and Arm CPUs, as /proc/cpuinfo spells them
  double memory_bytes = 0;
  double last_cache_bytes = 0;
  std::vector<std::string> gpu_names;
};
SystemFacts system_facts();
// From the text of /proc/cpuinfo.
void read_cpuinfo(std::string_view text, SystemFacts& facts);

// The id of the device whose name or alias is that of the processor, without what makers add ("16-Core Processor",
// "(R)"); empty: none. Of several that fit, the longest name.
std::string device_named(const Database& database, std::string_view name);

// A device file for a CPU that the catalogue does not have.
std::string cpu_yaml(const SystemFacts& facts);

// Keeps the files that it has written, in a folder of its own, until its end.
class HereMachine {
 public:
  explicit HereMachine(const Database& database, const SystemFacts& facts = system_facts());
  ~HereMachine();
  HereMachine(const HereMachine&) = delete;
  HereMachine& operator=(const HereMachine&) = delete;

  [[nodiscard]] const std::vector<std::string>& devices() const { return devices_; }  // names or files
  [[nodiscard]] const std::string& host() const { return host_; }                     // of its GPUs; empty: not known
  [[nodiscard]] Bytes memory() const { return memory_; }                              // of the machine
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> devices_;
  std::string host_;
  Bytes memory_;
  std::vector<std::string> notes_;
};

}  // namespace silicast
