// SPDX-License-Identifier: Apache-2.0
#include "planning/here.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

TEST(Here, ProcessorsAreFoundByTheNamesThatSystemsGiveThem) {
  EXPECT_EQ(device_named(database(), "AMD Ryzen 9 9950X 16-Core Processor"), "ryzen-9-9950x");
  EXPECT_EQ(device_named(database(), "13th Gen Intel(R) Core(TM) i9-13900K"), "core-i9-13900k");
  EXPECT_EQ(device_named(database(), "Intel(R) Core(TM) i9-10900X CPU @ 3.70GHz"), "core-i9-10900x");
  EXPECT_EQ(device_named(database(), "NVIDIA GeForce RTX 4090"), "rtx-4090");
  EXPECT_EQ(device_named(database(), "NVIDIA RTX A6000"), "rtx-a6000");
  EXPECT_EQ(device_named(database(), "NVIDIA GeForce RTX 3060 Ti"), "rtx-3060-ti");
  EXPECT_EQ(device_named(database(), "Apple M2 Ultra"), "m2-ultra-60");  // the smaller one of the two
  EXPECT_EQ(device_named(database(), "Intel(R) Xeon(R) Processor"), "");
  EXPECT_EQ(device_named(database(), ""), "");
}

TEST(Here, CpuinfoIsCountedByCoresNotThreads) {
  std::string text;
  for (int thread = 0; thread < 8; ++thread)
    text += "processor\t: " + std::to_string(thread) +
            "\nmodel name\t: Some CPU\ncpu MHz\t\t: 2600.000\nphysical id\t: " + std::to_string(thread / 4) +
            "\ncore id\t\t: " + std::to_string(thread % 2) + "\nflags\t\t: sse2 avx2\n\n";
  SystemFacts facts;
  read_cpuinfo(text, facts);
  EXPECT_EQ(facts.cores, 4);  // two packages of two cores
  EXPECT_EQ(facts.cpu_name, "Some CPU");
  EXPECT_EQ(facts.clock_hertz, 2.6e9);
  EXPECT_EQ(facts.flags, (std::vector<std::string>{"sse2", "avx2"}));
  SystemFacts arm;
  read_cpuinfo("processor\t: 0\nFeatures\t: fp asimd\n\nprocessor\t: 1\nFeatures\t: fp asimd\n", arm);
  EXPECT_EQ(arm.cores, 2);
}

TEST(Here, AnUnknownCpuIsDescribedSoThatItCanBePredicted) {
  SystemFacts facts{.cpu_name = "Some \"CPU\" of 2031", .cores = 6, .clock_hertz = 3.2e9, .memory_bytes = 15.6e9};
  for (const auto& flags : {std::vector<std::string>{"sse2", "avx2", "avx512f", "avx512_vnni"},
                            std::vector<std::string>{"sse2"}, std::vector<std::string>{"asimd", "asimddp"}}) {
    facts.flags = flags;
    const HereMachine here(database(), facts);
    ASSERT_EQ(here.devices().size(), 1U);
    const auto device = database().device(here.devices().front());
    EXPECT_EQ(device->cpu->cores, 6);
    const Prediction p =
        predict({.model = "llama-3.2-1b", .quant = "Q4_K_M", .device = here.devices().front()}, database());
    ASSERT_TRUE(p.decode) << p.limiting;
    // 0.8 GB of weights through an assumed 51.2 GB/s.
    EXPECT_GT(p.decode->tokens_per_second.value, 1);
    EXPECT_LT(p.decode->tokens_per_second.value, 80);
    EXPECT_NE(here.notes().front().find("not in the catalogue"), std::string::npos);
  }
}

TEST(Here, ThisMachineHasAProcessorAndMemory) {
  const SystemFacts facts = system_facts();
  EXPECT_GT(facts.cores, 0);
  EXPECT_GT(facts.memory_bytes, 1e8);
  EXPECT_FALSE(HereMachine(database()).devices().empty());
}

TEST(Here, KnownGpusComeWithTheirHost) {
  const HereMachine here(database(), {.cpu_name = "AMD Ryzen 9 9950X 16-Core Processor",
                                      .cores = 16,
                                      .memory_bytes = 64e9,
                                      .gpu_names = {"NVIDIA GeForce RTX 4090", "Voodoo 2"}});
  EXPECT_EQ(here.devices(), (std::vector<std::string>{"rtx-4090", "ryzen-9-9950x"}));
  EXPECT_EQ(here.host(), "ryzen-9-9950x");
  EXPECT_TRUE(std::any_of(here.notes().begin(), here.notes().end(),
                          [](const std::string& note) { return note.find("Voodoo 2") != std::string::npos; }));
}

}  // namespace
}  // namespace silicast
