// SPDX-License-Identifier: Apache-2.0
#include "calibration/import.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "calibration/catalogue_names.h"
#include "calibration/intake.h"
#include "calibration/measured.h"
#include "calibration/plausibility.h"
#include "tests/unit/expect_error.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

std::string sample(const std::string& name) {
  std::ifstream file(SILICAST_SOURCE_ROOT "/tests/data/import/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

Imported imported(const std::string& name, const Stated& stated = {}) {
  return import_runs(sample(name), name, stated, database());
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ImportLlamaBench, Json) {
  const Imported file = imported("llama-bench.json");
  EXPECT_EQ(file.format, "llama-bench-json");
  EXPECT_TRUE(file.not_taken.empty());
  ASSERT_EQ(file.runs.size(), 3U);
  const Observation& pp = file.runs[0].observation;
  EXPECT_EQ(pp.line, 2);
  EXPECT_EQ(pp.device, "rtx-4080");
  EXPECT_EQ(pp.device_count, 1);
  EXPECT_EQ(pp.backend, "llama.cpp-cuda");
  EXPECT_EQ(pp.build, "b5163 (8cf427ff)");
  EXPECT_EQ(pp.source_date, "2025-04-24");
  EXPECT_EQ(pp.model, "qwen2.5-7b");
  EXPECT_EQ(pp.quant, "Q4_K_M");
  EXPECT_EQ(pp.metric, "pp_tps");
  EXPECT_EQ(pp.value, 7100.002165);
  EXPECT_EQ(pp.stddev, 140.341520);
  EXPECT_EQ(pp.prompt, 512);
  EXPECT_EQ(pp.depth, 0);
  EXPECT_EQ(pp.flash_attention, false);
  EXPECT_EQ(pp.kv_type, "f16");
  EXPECT_EQ(pp.gpu_layers, 99);
  EXPECT_EQ(pp.threads, 8);
  EXPECT_NEAR(*pp.model_size_gib, 4.3559, 1e-4);
  EXPECT_EQ(pp.notes, "b=2048; ub=512");
  EXPECT_EQ(file.runs[0].machine, "NVIDIA GeForce RTX 4080; AMD Ryzen 7 7800X3D 8-Core Processor");
  const Observation& tg = file.runs[1].observation;
  EXPECT_EQ(tg.metric, "tg_tps");
  EXPECT_EQ(tg.gen, 128);
  EXPECT_EQ(tg.depth, 8192);
  EXPECT_EQ(tg.kv_type, "q8_0");
  EXPECT_EQ(tg.flash_attention, true);
  EXPECT_EQ(tg.gpu_layers, -1);
  const Observation& both = file.runs[2].observation;
  EXPECT_EQ(both.metric, "e2e_s");
  EXPECT_NEAR(both.value, 640 / 560.0, 1e-12);
  EXPECT_NEAR(*both.stddev, both.value / 100, 1e-12);
  EXPECT_EQ(both.gen, 129) << "the first token comes out of the prompt; 128 are decoded";
  EXPECT_FALSE(both.flash_attention.has_value()) << "-1: llama.cpp decides";
}

TEST(ImportLlamaBench, CsvAndJsonlSayTheSame) {
  const Imported csv = imported("llama-bench.csv");
  EXPECT_EQ(csv.format, "llama-bench-csv");
  ASSERT_EQ(csv.runs.size(), 2U);
  EXPECT_EQ(csv.runs[1].observation.value, 119.915244);
  EXPECT_EQ(csv.runs[1].observation.model, "qwen2.5-7b");
  EXPECT_EQ(csv.runs[1].observation.line, 3);
  const Imported jsonl = imported("llama-bench.jsonl");
  ASSERT_EQ(jsonl.runs.size(), 2U);
  EXPECT_EQ(jsonl.runs[0].observation.device, "m2-ultra-76");
  EXPECT_EQ(jsonl.runs[0].observation.model, "llama-2-7b");
  EXPECT_EQ(jsonl.runs[0].observation.backend, "llama.cpp-metal");
  ASSERT_EQ(jsonl.remarks.size(), 1U) << "the number of its cores is not told";
  EXPECT_NE(jsonl.remarks.begin()->first.find("m2-ultra-60"), std::string::npos);
}

TEST(ImportLlamaBench, Markdown) {
  const Imported file = imported("llama-bench.md", {.device = "rtx-4090"});
  ASSERT_EQ(file.runs.size(), 4U);
  const Observation& pp = file.runs[0].observation;
  EXPECT_EQ(pp.quant, "Q4_K_M");
  EXPECT_TRUE(pp.model.starts_with("llama-3")) << pp.model;
  EXPECT_EQ(pp.value, 11950.20);
  EXPECT_EQ(pp.stddev, 23.45);
  EXPECT_EQ(pp.build, "b5163 (8cf427ff)") << "the line below the table";
  EXPECT_EQ(pp.kv_type, "q8_0");
  EXPECT_EQ(pp.notes, "ub=1024");
  EXPECT_EQ(file.runs[1].observation.depth, 8192);
  const Observation& old = file.runs[2].observation;
  EXPECT_EQ(old.quant, "Q4_0") << "'mostly' of old builds";
  EXPECT_EQ(old.prompt, 64);
  EXPECT_EQ(old.backend, "llama.cpp-cpu");
  EXPECT_EQ(old.build, "") << "its table has no such line";
}

TEST(ImportLlamaBench, MarkdownNamesItsDeviceInTheLog) {
  const Imported file = imported("llama-bench.md");
  ASSERT_EQ(file.runs.size(), 2U);
  EXPECT_EQ(file.runs[0].observation.device, "rtx-4090");
  ASSERT_EQ(file.not_taken.size(), 2U) << "a CPU is named nowhere";
  EXPECT_NE(file.not_taken[0].reason.find("--device"), std::string::npos);
}

TEST(ImportServers, VllmServe) {
  const Imported file = imported("vllm-serve.json", {.device = "h100-sxmx2"});
  EXPECT_EQ(file.format, "vllm-serve");
  ASSERT_EQ(file.runs.size(), 4U);
  const Observation& ttft = file.runs[0].observation;
  EXPECT_EQ(ttft.metric, "ttft_s");
  EXPECT_DOUBLE_EQ(ttft.value, 0.18125);
  EXPECT_EQ(ttft.prompt, 1024);
  EXPECT_EQ(ttft.gen, 256);
  EXPECT_EQ(ttft.batch, 8);
  EXPECT_EQ(ttft.device, "h100-sxm");
  EXPECT_EQ(ttft.device_count, 2);
  EXPECT_EQ(ttft.model, "llama-3.1-8b");
  EXPECT_EQ(ttft.source_date, "2025-11-20");
  EXPECT_EQ(file.runs[1].observation.metric, "tpot_s");
  EXPECT_DOUBLE_EQ(file.runs[1].observation.value, 0.00975);
  EXPECT_EQ(imported("vllm-serve.json").runs.size(), 0U) << "the file does not tell the device";
  const Observation& output = file.runs[2].observation;
  EXPECT_EQ(output.metric, "tg_tps");
  EXPECT_EQ(output.value, 385.5);
  EXPECT_EQ(output.batch, 8);
  EXPECT_EQ(measured_how(output), Measured::closed_loop) << "64 requests, 8 at once";
  EXPECT_EQ(file.runs[3].observation.metric, "total_tps");
  EXPECT_EQ(file.runs[3].observation.value, 1927.5);
}

TEST(ImportServers, AThroughputIsTakenWhereItIsTheServers) {
  const auto with = [](const std::string& from, const std::string& to) {
    return import_runs(replaced(sample("vllm-serve.json"), from, to), "x", {.device = "h100-sxm"}, database());
  };
  const Imported slow = with(R"("request_rate": "inf")", R"("request_rate": 2.0)");
  EXPECT_EQ(slow.runs.size(), 2U) << "its latencies alone";
  ASSERT_EQ(slow.not_taken.size(), 1U);
  EXPECT_EQ(slow.not_taken[0].detail, "request_rate 2.0");
  const Imported open = with(R"("max_concurrency": 8)", R"("max_concurrency": null)");
  EXPECT_EQ(open.runs.size(), 2U);
  ASSERT_EQ(open.not_taken.size(), 1U);
  EXPECT_NE(open.not_taken[0].detail.find("--concurrency"), std::string::npos);
  const Imported burst = with(R"("max_concurrency": 8)", R"("max_concurrency": 64)");
  ASSERT_EQ(burst.runs.size(), 4U);
  EXPECT_EQ(measured_how(burst.runs[2].observation), Measured::whole_batch) << "64 requests, 64 at once";
}

TEST(ImportServers, VllmLatencyAndThroughput) {
  Stated stated{.device = "h100-sxm", .model = "llama-3.1-8b", .quant = "BF16"};
  EXPECT_EQ(imported("vllm-latency.json", stated).runs.size(), 0U) << "it does not tell what was asked";
  stated.prompt = 32;
  stated.gen = 128;
  stated.concurrency = 8;
  const Imported file = imported("vllm-latency.json", stated);
  ASSERT_EQ(file.runs.size(), 1U);
  EXPECT_EQ(file.runs[0].observation.metric, "e2e_s");
  EXPECT_EQ(file.runs[0].observation.value, 2.05);
  EXPECT_EQ(file.runs[0].observation.batch, 8);
  const Imported throughput = imported("vllm-throughput.json", stated);
  ASSERT_EQ(throughput.runs.size(), 1U);
  EXPECT_EQ(throughput.runs[0].observation.metric, "total_tps");
  EXPECT_EQ(throughput.runs[0].observation.value, 35164.8);
  stated.concurrency.reset();
  EXPECT_EQ(imported("vllm-throughput.json", stated).not_taken.size(), 1U) << "how many ran at once is not told";
}

TEST(ImportServers, TensorRt) {
  const Imported file = imported("trtllm.json");
  ASSERT_EQ(file.runs.size(), 5U);
  EXPECT_EQ(file.runs[3].observation.metric, "tg_tps");
  EXPECT_EQ(file.runs[3].observation.value, 200);
  const Observation& row = file.runs[1].observation;
  EXPECT_EQ(row.device, "h100-sxm");
  EXPECT_EQ(row.quant, "FP8");
  EXPECT_EQ(row.kv_type, "fp8");
  EXPECT_EQ(row.metric, "tpot_s");
  EXPECT_NEAR(row.value, 0.00496, 1e-9);
  const auto speculative =
      replaced(sample("trtllm.json"), "\"dataset\":", "\"decoding_stats\": {\"mode\": \"MTP\"}, \"dataset\":");
  const Imported other = import_runs(speculative, "x", {}, database());
  ASSERT_EQ(other.not_taken.size(), 1U);
  EXPECT_EQ(other.not_taken[0].reason, "speculative decoding");
}

TEST(ImportServers, TensorRtAsItIsPrinted) {
  // A run of 1.1.0 with its latencies, and one of 0.17 that tells neither its GPU nor how many requests ran at once.
  const Imported file = imported("trtllm.txt", {.device = "h100-sxm"});
  EXPECT_EQ(file.format, "trtllm");
  ASSERT_EQ(file.runs.size(), 5U);
  ASSERT_EQ(file.not_taken.size(), 1U);
  EXPECT_NE(file.not_taken[0].detail.find("--concurrency"), std::string::npos);
  EXPECT_EQ(imported("trtllm.txt").runs.size(), 5U);
  const Imported told = imported("trtllm.txt", {.device = "h100-sxm", .concurrency = 2000});
  ASSERT_EQ(told.runs.size(), 6U);
  EXPECT_EQ(told.runs[5].observation.value, 28390.4265);
  EXPECT_EQ(told.runs[5].observation.batch, 2000);
  const Observation& ttft = file.runs[0].observation;
  EXPECT_EQ(ttft.metric, "ttft_s");
  EXPECT_DOUBLE_EQ(ttft.value, 0.18);
  EXPECT_EQ(ttft.device, "h100-sxm");
  EXPECT_EQ(ttft.model, "llama-3.1-8b");
  EXPECT_EQ(ttft.quant, "FP8");
  EXPECT_EQ(ttft.build, "1.1.0");
  EXPECT_EQ(ttft.prompt, 1024);
  EXPECT_EQ(ttft.batch, 31.8);
  EXPECT_EQ(file.runs[3].observation.metric, "tg_tps");
  EXPECT_EQ(file.runs[3].observation.value, 3072);
  EXPECT_EQ(file.runs[4].observation.metric, "total_tps");
  EXPECT_EQ(file.runs[4].observation.value, 15360);
}

TEST(ImportServers, TensorRtReportsThatAreCutOff) {
  const std::string whole = sample("trtllm.txt");
  for (const char* end :
       {"Dtype:", "Number of requests:", "= PERFORMANCE", "Total Output Throughput (tokens/sec):  "}) {
    const Imported file = import_runs(whole.substr(0, whole.find(end)), "x", {}, database());
    EXPECT_EQ(file.runs.size(), 0U) << end;
    EXPECT_EQ(file.not_taken.size(), 1U) << end;
    EXPECT_TRUE(file.not_taken.empty() || file.not_taken[0].reason.find("cut off") != std::string::npos) << end;
  }
}

TEST(ImportMlx, Text) {
  const Imported file = imported("mlx.txt", {.device = "m4-max-40", .model = "llama-3.1-8b", .quant = "MLX-4bit"});
  ASSERT_EQ(file.runs.size(), 3U);
  EXPECT_EQ(file.runs[0].observation.value, 881.912);
  EXPECT_NEAR(*file.runs[0].observation.stddev, 3.372 / std::sqrt(2.0), 1e-6);
  EXPECT_EQ(file.runs[1].observation.metric, "tg_tps");
  EXPECT_EQ(file.runs[1].observation.depth, 512);
  EXPECT_EQ(file.runs[1].observation.gen, 1024);
  EXPECT_NEAR(file.runs[2].observation.value, 5.041e9 / 1073741824.0, 1e-9);
  EXPECT_EQ(imported("mlx.txt", {.device = "m4-max-40"}).runs.size(), 0U);
}

// Every prefix of a file: never a crash, never a run that the whole file does not have.
TEST(ImportHostile, EveryCut) {
  const Stated stated{
      .device = "rtx-4080", .model = "llama-3.1-8b", .quant = "Q4_K_M", .prompt = 32, .gen = 8, .concurrency = 1};
  for (const char* name : {"llama-bench.json", "llama-bench.csv", "llama-bench.md", "trtllm.json", "mlx.txt"}) {
    const std::string whole = sample(name);
    const std::size_t most = import_runs(whole, name, stated, database()).runs.size();
    for (std::size_t size = 0; size < whole.size(); size += 499) {
      try {
        EXPECT_LE(import_runs(whole.substr(0, size), name, stated, database()).runs.size(), most)
            << name << " " << size;
      } catch (const InputError&) {
      }
    }
  }
}

TEST(ImportHostile, CutOffJsonGivesWhatIsWhole) {
  const std::string whole = sample("llama-bench.json");
  const Imported cut = import_runs(whole.substr(0, whole.size() - 200), "x.json", {}, database());
  EXPECT_EQ(cut.runs.size(), 2U);
  ASSERT_EQ(cut.not_taken.size(), 1U);
  EXPECT_EQ(cut.not_taken[0].reason, "the file is cut off within a run");
  EXPECT_EQ(cut.not_taken[0].line, 80);
}

TEST(ImportHostile, WrongTypes) {
  const auto reason = [](const std::string& from, const std::string& to) {
    const Imported file = import_runs(replaced(sample("llama-bench.json"), from, to), "x", {}, database());
    EXPECT_EQ(file.runs.size(), 2U) << to << ": the other runs are taken";
    return file.not_taken.size() == 1 ? file.not_taken[0].reason : "";
  };
  EXPECT_EQ(reason("7100.002165", "\"fast\""), "a value is no number");
  EXPECT_EQ(reason("7100.002165", "-1"), "a value is not above 0");
  EXPECT_EQ(reason("7100.002165", "NaN"), "not JSON");
  EXPECT_EQ(reason("7100.002165", "1e999"), "not JSON");
  EXPECT_EQ(reason("\"n_prompt\": 512", "\"n_prompt\": 0.5"), "a value is no whole number");
  EXPECT_EQ(reason("\"n_prompt\": 512", "\"n_prompt\": -512"), "the test is not pp, tg or pp+tg");
  EXPECT_EQ(reason("\"n_prompt\": 512", "\"n_prompt\": 512, \"n_prompt\": 512"), "not JSON") << "a key twice";
}

TEST(ImportHostile, NotAFormat) {
  EXPECT_INPUT_ERROR(import_runs("", "f", {}, database()), "is empty");
  EXPECT_INPUT_ERROR(import_runs("hello", "f", {}, database()), "none of the formats");
  EXPECT_INPUT_ERROR(import_runs("{\"a\": 1}", "f", {}, database()), "none of the formats");
  EXPECT_INPUT_ERROR(import_runs(std::string(1 << 20, '['), "f", {}, database()), "cut off");
  EXPECT_INPUT_ERROR(imported("mlx.txt", {.device = "rtx-4900"}), "rtx-4090");
  EXPECT_THROW(import_runs("", "f", {}, database(), "xml"), UsageError);
  const std::string deep = "[{\"avg_ts\": " + std::string(5000, '{') + std::string(5000, '}') + "}]";
  EXPECT_EQ(import_runs(deep, "f", {}, database()).not_taken.size(), 1U);
}

TEST(ImportHostile, CutOffBeforeTheFormatShows) {
  EXPECT_INPUT_ERROR(import_runs("{\n\"a\": 1,\n", "f", {}, database()), "f:2: the JSON is cut off here");
  EXPECT_INPUT_ERROR(import_runs("[{\"a\": \"un", "f", {}, database()), "f:1: the JSON is cut off here");
  EXPECT_INPUT_ERROR(import_runs("{\"a\": tr", "f", {}, database()), "cut off");
  EXPECT_INPUT_ERROR(import_runs("{\"a\" 1}", "f", {}, database()), "none of the formats");
  const std::string empty = [] {
    try {
      import_runs(" \n", "f", {}, database());
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  }();
  EXPECT_EQ(empty, "f: is empty") << "no format would help";
}

TEST(ImportServers, VllmServeOfAnotherServer) {
  const auto backend = [](const std::string& name) {
    const std::string text =
        replaced(sample("vllm-serve.json"), R"("backend": "vllm")", R"("backend": ")" + name + "\"");
    return import_runs(text, "x", {.device = "h100-sxm"}, database()).runs.at(0).observation.backend;
  };
  EXPECT_EQ(backend("vllm"), "vllm");
  EXPECT_EQ(backend("sglang"), "sglang");
  EXPECT_EQ(backend("sglang-oai"), "sglang");
  EXPECT_EQ(backend("openai-chat"), "vllm") << "vLLM's own interface";
  EXPECT_EQ(backend("tgi"), "tgi");
}

TEST(ImportServers, NegativeLatencyIsReported) {
  const Imported file = import_runs(replaced(sample("vllm-serve.json"), "\"mean_ttft_ms\": ", "\"mean_ttft_ms\": -"),
                                    "x", {.device = "h100-sxm"}, database());
  EXPECT_EQ(file.runs.size(), 3U);
  ASSERT_EQ(file.not_taken.size(), 1U);
  EXPECT_EQ(file.not_taken[0].reason, "a value is not above 0");
  EXPECT_TRUE(file.not_taken[0].detail.starts_with("ttft_s: -")) << file.not_taken[0].detail;
}

TEST(ImportMeasurements, LinesThatAreNoRows) {
  const std::string good = "rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,11000\n";
  const Imported file = import_runs("id,device,backend,model,quant,prompt_len,metric,value\na," + good +
                                        "b,too,few\nc," + good + "d,\"open," + good + "e," + good,
                                    "m.csv", {}, database());
  EXPECT_EQ(file.runs.size(), 3U);
  ASSERT_EQ(file.not_taken.size(), 2U);
  EXPECT_EQ(file.not_taken[0].line, 3);
  EXPECT_EQ(file.not_taken[0].reason, "the line is no row of the table");
  EXPECT_TRUE(file.not_taken[0].detail.starts_with("3 fields")) << file.not_taken[0].detail;
  EXPECT_EQ(file.not_taken[1].line, 5);
}

TEST(ImportMeasurements, RowByRow) {
  const std::string header = "id,device,backend,model,quant,prompt_len,metric,value\n";
  const Imported file = import_runs(header +
                                        "a,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,11000\n"
                                        "b,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,fast\n"
                                        "a,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,11000\n"
                                        "c,,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,11000\n"
                                        "d,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_t",
                                    "m.csv", {}, database());
  EXPECT_EQ(file.runs.size(), 1U);
  ASSERT_EQ(file.not_taken.size(), 4U);
  std::set<int> lines;
  for (const NotTaken& row : file.not_taken) lines.insert(row.line);
  EXPECT_EQ(lines, (std::set{3, 4, 5, 6}));
}

Observation row(const char* metric, double value) {
  Observation o;
  o.device = "rtx-4090";
  o.backend = "llama.cpp-cuda";
  o.model = "llama-3.1-8b";
  o.quant = "Q4_K_M";
  o.metric = metric;
  o.value = value;
  o.prompt = 512;
  o.gen = 128;
  return o;
}

TEST(PlausibilityOfRuns, AgainstPhysicsAndUnits) {
  Plausibility judge(database());
  const auto reason = [&](const Observation& o) {
    const auto verdict = judge(o);
    EXPECT_EQ(verdict.not_judged, "") << verdict.name;
    return verdict.doubt ? verdict.doubt->reason : "";
  };
  EXPECT_EQ(reason(row("tg_tps", 150)), "");
  EXPECT_EQ(reason(row("tg_tps", 20)), "") << "slow is no contradiction";
  EXPECT_EQ(reason(row("tg_tps", 400)), "decodes faster than the memory can be read");
  Observation batched = row("tg_tps", 400);
  batched.batch = 8;
  EXPECT_EQ(reason(batched), "") << "eight sequences share the weights";
  EXPECT_EQ(reason(row("pp_tps", 12'000)), "");
  EXPECT_EQ(reason(row("pp_tps", 500'000)), "reads the prompt faster than the peak arithmetic");
  EXPECT_EQ(reason(row("tpot_s", 0.0001)), "decodes faster than the memory can be read");
  EXPECT_EQ(reason(row("tpot_s", 7.5)), "the unit seems wrong") << "ms for s";
  EXPECT_EQ(reason(row("tpot_s", 7500)), "the unit seems wrong") << "us for s";
  EXPECT_EQ(reason(row("ttft_s", 45)), "the unit seems wrong");
  EXPECT_EQ(reason(row("size_gib", 4.58)), "");
  EXPECT_EQ(reason(row("size_gib", 4690)), "the unit seems wrong") << "MiB for GiB";
  EXPECT_EQ(reason(row("mem_gib", 6.0)), "");
  EXPECT_EQ(reason(row("mem_gib", 6100)), "the unit seems wrong");
  Observation unknown = row("tg_tps", 1e6);
  unknown.device = "rtx-9999";
  EXPECT_EQ(judge(unknown).not_judged, "unknown device");
}

std::string doubt_about(const Observation& o) {
  static Plausibility judge(database());
  const auto verdict = judge(o);
  return verdict.doubt ? verdict.doubt->reason : "";
}

TEST(PlausibilityOfRuns, SeveralDevicesAndHosts) {
  Observation eight = row("tg_tps", 800);
  eight.device = "h100-sxm";
  eight.backend = "vllm";
  eight.quant = "BF16";
  eight.device_count = 8;
  EXPECT_EQ(doubt_about(eight), "");
  eight.value = 2500;  // 8 x 3.35 TB/s over 15 GB, less the caches: about 2000
  EXPECT_EQ(doubt_about(eight), "decodes faster than the memory can be read");
  Observation partly = row("tg_tps", 40);
  partly.model = "llama-3.1-70b";  // 42 GB
  partly.gpu_layers = 20;
  EXPECT_EQ(doubt_about(partly), "");
  partly.value = 400;
  EXPECT_EQ(doubt_about(partly), "decodes faster than the memory can be read");
}

TEST(PlausibilityOfRuns, UnitsOfEveryFigure) {
  constexpr const char* unit = "the unit seems wrong";
  EXPECT_EQ(doubt_about(row("pp_tps", 12)), unit) << "thousands of tokens";
  EXPECT_EQ(doubt_about(row("size_gib", 4.92e9)), unit) << "bytes";
  EXPECT_EQ(doubt_about(row("size_gib", 4920)), unit) << "MB";
  EXPECT_EQ(doubt_about(row("power_w", 300)), "");
  EXPECT_EQ(doubt_about(row("power_w", 0.3)), unit) << "kW";
  EXPECT_EQ(doubt_about(row("power_w", 300'000)), unit) << "mW";
  Observation unknown = row("tpot_s", 7.5e3);
  unknown.device = "rtx-9999";
  EXPECT_EQ(doubt_about(unknown), unit) << "no device at all";
  Observation o = row("tg_tps", 150);
  o.params_b = 8.03;
  o.model_size_gib = 4.58;
  o.device_memory_gb = 24;
  EXPECT_EQ(doubt_about(o), "");
  o.params_b = 8030;
  EXPECT_EQ(doubt_about(o), unit) << "millions";
  o.params_b = 8.03;
  o.model_size_gib = 4690;
  EXPECT_EQ(doubt_about(o), unit) << "MiB";
  o.model_size_gib.reset();
  o.device_memory_gb = 24564;
  EXPECT_EQ(doubt_about(o), unit) << "MiB";
  EXPECT_EQ(doubt_about(row("tgtps", 150)), "unknown metric");
  EXPECT_EQ(doubt_about(row("ppl", 6.2)), "");
}

TEST(PlausibilityOfRuns, SaysWhichUnitItLooksLike) {
  Plausibility judge(database());
  const auto hint = [&](const char* metric, double value) {
    const auto verdict = judge(row(metric, value));
    const std::string detail = verdict.doubt ? verdict.doubt->detail : "";
    return detail.substr(0, detail.find(':'));
  };
  const char* twice = "looks as if it had been divided by 1000 once too often";
  // An RTX 4090 takes about 45 ms for 512 tokens, 6.5 ms for one more, 0.85 s for all.
  EXPECT_EQ(hint("ttft_s", 0.045), "");
  EXPECT_EQ(hint("ttft_s", 45), "looks like milliseconds");
  EXPECT_EQ(hint("ttft_s", 45e3), "looks like microseconds");
  EXPECT_EQ(hint("ttft_s", 45e-6), twice);
  EXPECT_EQ(hint("ttft_s", 250), "looks like milliseconds") << "a slow one";
  EXPECT_EQ(hint("tpot_s", 6.5), "looks like milliseconds");
  EXPECT_EQ(hint("tpot_s", 6500), "looks like microseconds");
  EXPECT_EQ(hint("tpot_s", 6.5e-6), twice);
  EXPECT_EQ(hint("e2e_s", 850), "looks like milliseconds");
  EXPECT_EQ(hint("e2e_s", 850e3), "looks like microseconds");
  EXPECT_EQ(hint("e2e_s", 850e-6), twice);
  EXPECT_EQ(hint("e2e_s", 90), "") << "slow, but not by a unit";
  EXPECT_EQ(hint("mem_gib", 5300), "looks like MiB");
  EXPECT_EQ(hint("size_gib", 4690), "looks like MiB");
  EXPECT_EQ(hint("size_gib", 4.69e6), "looks like KiB");
  EXPECT_EQ(hint("size_gib", 4.92e9), "looks like bytes");
  EXPECT_EQ(hint("pp_tps", 1 / 11500.0), "looks like seconds per token");
  EXPECT_EQ(hint("pp_tps", 1e3 / 11500), "looks like milliseconds per token");
  EXPECT_EQ(hint("tg_tps", 1 / 155.0), "looks like seconds per token");
}

TEST(CatalogueNamesOfDevices, AsDriversPrintThem) {
  const CatalogueNames names(database());
  const auto device = [&](const char* text, bool cpu = false) {
    const auto match = names.device(text, cpu);
    return match ? match->name : "";
  };
  EXPECT_EQ(device("NVIDIA GeForce RTX 4080"), "rtx-4080");
  EXPECT_EQ(device("NVIDIA GeForce RTX 4070 Laptop GPU"), "rtx-4070-laptop");
  EXPECT_EQ(device("NVIDIA GeForce RTX 4070 Ti SUPER"), "rtx-4070-ti-super");
  EXPECT_EQ(device("NVIDIA H100 80GB HBM3"), "h100-sxm");
  EXPECT_EQ(device("NVIDIA H100 PCIe"), "h100-pcie");
  EXPECT_EQ(device("NVIDIA A100-SXM4-80GB"), "a100-sxm-80");
  EXPECT_EQ(device("NVIDIA RTX A6000"), "rtx-a6000");
  EXPECT_EQ(device("NVIDIA GB10"), "dgx-spark");
  EXPECT_EQ(device("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"), "ryzen-ai-max-395");
  EXPECT_EQ(device("Apple M2 Ultra"), "m2-ultra-76");
  EXPECT_EQ(device("Apple M4 Max"), "m4-max-40");
  EXPECT_EQ(device("NVIDIA GeForce RTX 9999"), "");
  EXPECT_EQ(device("AMD Radeon Graphics"), "") << "no model";
  EXPECT_EQ(device(""), "");
}

TEST(CatalogueNamesOfQuants, AsLlamaCppPrintsThem) {
  EXPECT_EQ(quant_of_llama_type("Q4_K - Medium"), "Q4_K_M");
  EXPECT_EQ(quant_of_llama_type("Q2_K - Medium"), "Q2_K");
  EXPECT_EQ(quant_of_llama_type("MXFP4 MoE"), "MXFP4_MOE");
  EXPECT_EQ(quant_of_llama_type("IQ4_XS - 4.25 bpw"), "IQ4_XS");
  EXPECT_EQ(quant_of_llama_type("IQ3_S mix - 3.66 bpw"), "IQ3_M");
  EXPECT_EQ(quant_of_llama_type("mostly Q4_0"), "Q4_0");
  EXPECT_EQ(quant_of_llama_type("Q8_0 (guessed)"), "Q8_0");
  EXPECT_EQ(quant_of_llama_type("all F32"), "F32");
  EXPECT_EQ(model_file_stem("a/b/Model-Q8_0-00001-of-00003.gguf"), "Model-Q8_0");
  EXPECT_EQ(model_file_stem("plain"), "plain");
}

TEST(IntakeOfFiles, AccountsForEveryRow) {
  const fs::path file = fs::temp_directory_path() / ("silicast-intake-" + std::to_string(::getpid()) + ".sqlite");
  fs::remove(file);
  {
    Store store(file, Store::Mode::write);
    const std::string text = replaced(sample("llama-bench.json"), "\"avg_ts\": 98.881588", "\"avg_ts\": 9888.1588");
    const Intake intake = take_in(text, "x.json", {}, "", database(), store);
    EXPECT_EQ(intake.taken, 2U);
    ASSERT_EQ(intake.not_taken.size(), 1U);
    EXPECT_EQ(intake.not_taken[0].line, 39);
    const Intake unknown =
        take_in(replaced(text, "GeForce RTX 4080", "GeForce RTX 9999"), "x.json", {}, "", database(), store);
    EXPECT_EQ(unknown.unknown.size(), 1U) << "said once";
    EXPECT_EQ(unknown.added.runs, 1U) << "and kept";
  }
  fs::remove(file);
}

}  // namespace
}  // namespace silicast
