// SPDX-License-Identifier: Apache-2.0
#include "calibration/observation.h"

#include <gtest/gtest.h>

#include "calibration/query_of.h"
#include "tests/unit/expect_parts.h"

namespace silicast {
namespace {

const std::string header =
    "id,device,backend,model,quant,prompt_len,gen_len,depth,batch,ngl,flash_attn,metric,value,stddev\n";

std::vector<Observation> parsed(const std::string& rows) { return parse_observations(header + rows, "m.csv"); }

TEST(Observation, ReadsARow) {
  const auto rows =
      parsed("a,Apple M2 Ultra 76c,llama.cpp-metal,llama-3-8b,Q4_K_M,512,,4096,1,99,1,pp_tps,1023.89,1.5\n");
  ASSERT_EQ(rows.size(), 1U);
  const Observation& row = rows.front();
  EXPECT_EQ(row.line, 2);
  EXPECT_EQ(row.device, "Apple M2 Ultra 76c");
  EXPECT_EQ(row.device_count, 1) << "blank, or a column that the file does not have";
  EXPECT_EQ(row.prompt, 512);
  EXPECT_EQ(row.gen, std::nullopt) << "blank is not zero";
  EXPECT_EQ(row.depth, 4096);
  EXPECT_EQ(row.gpu_layers, 99);
  EXPECT_EQ(row.flash_attention, true);
  EXPECT_EQ(row.value, 1023.89);
  EXPECT_EQ(row.stddev, 1.5);
  EXPECT_EQ(column_of(row, "prompt_len"), "512");
  EXPECT_EQ(column_of(row, "gen_len"), "");
  EXPECT_EQ(column_of(row, "nonsense"), std::nullopt);
}

TEST(Observation, HostileCellsAreRefusedWithLineColumnValueAndRule) {
  struct Case {
    const char* row;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases{
      {"a,d,b,m,q,,,,,,,tg_tps,nan,", {"m.csv:2", "value", "'nan'", "above 0"}},
      {"a,d,b,m,q,,,,,,,tg_tps,-1,", {"m.csv:2", "value", "'-1'", "above 0"}},
      {"a,d,b,m,q,,,,,,,tg_tps,0,", {"m.csv:2", "value", "'0'", "above 0"}},
      {"a,d,b,m,q,,,,,,,tg_tps,inf,", {"m.csv:2", "value", "'inf'"}},
      {"a,d,b,m,q,,,,,,,tg_tps,,", {"m.csv:2", "value", "''"}},
      {"a,d,b,m,q,,,,,,,tg_tps,12 t/s,", {"m.csv:2", "value", "'12 t/s'"}},
      {"a,d,b,m,q,,,,,,,oom,-1,", {"m.csv:2", "value", "at least 0"}},
      {"a,d,b,m,q,,,,,,,,5,", {"m.csv:2", "metric", "empty"}},
      {",d,b,m,q,,,,,,,tg_tps,5,", {"m.csv:2", "id", "empty"}},
      {"a,d,b,m,q,512.5,,,,,,pp_tps,5,", {"m.csv:2", "prompt_len", "'512.5'", "whole number"}},
      {"a,d,b,m,q,-1,,,,,,pp_tps,5,", {"m.csv:2", "prompt_len", "'-1'"}},
      {"a,d,b,m,q,9999999999,,,,,,pp_tps,5,", {"m.csv:2", "prompt_len", "1e9"}},
      {"a,d,b,m,q,,1e3,,,,,tg_tps,5,", {"m.csv:2", "gen_len", "'1e3'"}},
      {"a,d,b,m,q,,,,0,,,tg_tps,5,", {"m.csv:2", "batch", "'0'", "above 0"}},
      {"a,d,b,m,q,,,,,-2,,tg_tps,5,", {"m.csv:2", "ngl", "'-2'"}},
      {"a,d,b,m,q,,,,,,yes,tg_tps,5,", {"m.csv:2", "flash_attn", "'yes'", "auto"}},
      {"a,d,b,m,q,,,,,,,tg_tps,5,-3", {"m.csv:2", "stddev", "'-3'"}},
  };
  for (const Case& c : cases) expect_error<InputError>([&] { parsed(std::string(c.row) + "\n"); }, c.parts);
}

TEST(Observation, IdsAreUnique) {
  expect_error<InputError>(
      [] { parsed("a,d,b,m,q,,,,,,,tg_tps,5,\nb,d,b,m,q,,,,,,,tg_tps,5,\na,d,b,m,q,,,,,,,tg_tps,5,\n"); },
      {"m.csv:4", "id", "'a'", "line 2"});
}

TEST(Observation, ColumnsInAnyOrderFurtherOnesIgnoredMissingOnesNamed) {
  const auto rows =
      parse_observations("value,mood,metric,quant,model,backend,device,id\n7,fine,ppl,q,m,b,d,x\n", "m.csv");
  EXPECT_EQ(rows.front().id, "x");
  EXPECT_EQ(rows.front().value, 7);
  expect_error<InputError>([] { parse_observations("id,device,backend,model,quant,metric\n", "m.csv"); },
                           {"m.csv:1", "value", "missing"});
}

TEST(QueryOf, Months) {
  EXPECT_DOUBLE_EQ(*month_of("2024-05"), 2024 * 12 + 5.5);
  EXPECT_NEAR(*month_of("2024-05-12"), 2024 * 12 + 5 + 11.5 / 31, 1e-9);
  EXPECT_LT(*month_of("2024-05-31"), *month_of("2024-06-01"));
  EXPECT_DOUBLE_EQ(*month_of("2024-05-99"), *month_of("2024-05"));
  EXPECT_DOUBLE_EQ(*month_of("2023-11..2025"), 2023 * 12 + 11.5);
  EXPECT_DOUBLE_EQ(*month_of("2025"), 2025 * 12 + 6.5);
  EXPECT_DOUBLE_EQ(*month_of("2023 (file dated 2023-08-28)"), 2023 * 12 + 6.5);
  for (const char* bad : {"", "soon", "05/2024", "99"}) EXPECT_EQ(month_of(bad), std::nullopt) << bad;
}

TEST(QueryOf, MonthsOfBuilds) {
  EXPECT_DOUBLE_EQ(*month_of_build("b2824 (4426e298)"), 2024 * 12 + 5.5);
  EXPECT_NEAR(*month_of_build("b6077 (83bc2f28)"), *month_of("2025-08-04"), 0.5)
      << "between two anchors; released 2025-08-04";
  for (const char* none : {"", "b1 (abc)", "vllm 0.26.0", "8e672ef (2023-11)", "b43556"})
    EXPECT_EQ(month_of_build(none), std::nullopt) << none;
}

// ---------------------------------------------------------------- rows to queries, on the catalogue as it is

class Mapping : public testing::Test {
 protected:
  static const QueryMapper& mapper() {
    static const Database database(SILICAST_SOURCE_ROOT "/data");
    static const QueryMapper result(database);
    return result;
  }

  static Observation row() {
    return {.id = "x",
            .source_date = "2025-08",
            .device = "NVIDIA RTX 4090",
            .backend = "llama.cpp-cuda",
            .model = "llama-3-8b",
            .quant = "Q4_K_M",
            .metric = "tg_tps",
            .value = 100};
  }

  static Query query_of(const Observation& observation) {
    const auto result = mapper()(observation);
    if (const auto* question = std::get_if<Question>(&result)) return question->query;
    ADD_FAILURE() << std::get<Unpredicted>(result).text();
    return {};
  }

  static std::string reason_of(const Observation& observation) {
    const auto result = mapper()(observation);
    const auto* reason = std::get_if<Unpredicted>(&result);
    return reason ? reason->reason : "predicted";
  }
};

TEST_F(Mapping, DecodeRateHasNoPromptAndBlankMeans128Tokens) {
  Observation o = row();
  Query q = query_of(o);
  EXPECT_EQ(q.prompt, 0);
  EXPECT_EQ(q.gen, 128);
  EXPECT_EQ(q.depth, 0);
  EXPECT_EQ(q.concurrency, 1);
  EXPECT_EQ(q.flash_attention, FlashAttention::automatic);
  EXPECT_EQ(q.device, "rtx-4090") << "names of measurement files are aliases";
  o.gen = 64;
  o.depth = 4096;
  o.prompt = 512;  // of the run, not of the rate
  o.batch = 15.9;
  q = query_of(o);
  EXPECT_EQ(q.prompt, 0);
  EXPECT_EQ(q.gen, 64);
  EXPECT_EQ(q.depth, 4096);
  EXPECT_EQ(q.concurrency, 16);
}

TEST_F(Mapping, OtherMetrics) {
  Observation o = row();
  o.metric = "pp_tps";
  EXPECT_EQ(reason_of(o), "prompt_len is missing");
  o.prompt = 512;
  EXPECT_EQ(query_of(o).prompt, 512);
  EXPECT_EQ(query_of(o).gen, 0);
  o.metric = "ttft_s";
  EXPECT_EQ(query_of(o).gen, 128);
  o.metric = "tpot_s";
  EXPECT_EQ(query_of(o).prompt, 0);
  EXPECT_EQ(query_of(o).depth, 512);
  o.metric = "ppl";
  EXPECT_EQ(reason_of(o), "metric not predicted");
}

TEST_F(Mapping, FlagsAndNotesOfLlamaCpp) {
  Observation o = row();
  o.flash_attention = false;
  o.kv_type = "q8_0/q4_1";
  o.notes = "sweep-bench; ub=2048; b=1024";
  const Query q = query_of(o);
  EXPECT_EQ(q.flash_attention, FlashAttention::off);
  EXPECT_EQ(q.key_type, "q8_0");
  EXPECT_EQ(q.value_type, "q4_1");
  EXPECT_EQ(q.ubatch, 1024) << "a micro-batch is no larger than the batch";
  o.notes = "throughput=12; hub=3";
  EXPECT_EQ(query_of(o).ubatch, std::nullopt);
}

TEST_F(Mapping, ReasonsNotToPredict) {
  const auto reason = [](auto change) {
    Observation o = row();
    change(o);
    return reason_of(o);
  };
  EXPECT_EQ(reason([](Observation&) {}), "predicted");
  EXPECT_EQ(reason([](Observation& o) { o.device = "Abacus"; }), "unknown device");
  EXPECT_EQ(reason([](Observation& o) { o.device = ""; }), "unknown device");
  EXPECT_EQ(reason([](Observation& o) { o.model = "hal-9000"; }), "unknown model");
  EXPECT_EQ(reason([](Observation& o) { o.quant = "Q4_K_ULTRA"; }), "unknown quantization");
  EXPECT_EQ(reason([](Observation& o) { o.quant = ""; }), "quant is missing");
  EXPECT_EQ(reason([](Observation& o) { o.backend = "abacus"; }), "no stack for the backend");
  EXPECT_EQ(reason([](Observation& o) {
              o.device_count = 2;
              o.backend = "mlx";
              o.device = "Apple M2 Ultra 76c";
              o.quant = "MLX-4bit";
              o.notes = "two machines over rpc";
            }),
            "several devices");
  EXPECT_EQ(reason([](Observation& o) { o.notes = "speculative MTP (mtp1)"; }), "speculative decoding");
  EXPECT_EQ(reason([](Observation& o) { o.notes = "sweep-bench; ot=exps=CPU"; }), "the host is not stated");
  EXPECT_EQ(reason([](Observation& o) { o.notes = R"(ot="blk\.[0-9]\.ffn.*=CPU")"; }), "tensors placed one by one");
  EXPECT_EQ(reason([](Observation& o) { o.device = "NVIDIA RTX 4090 + AMD EPYC 9355"; }),
            "weights partly on the host, not said which");
  EXPECT_EQ(reason([](Observation& o) { o.kv_type = "turbo3"; }), "unknown cache type");
  EXPECT_EQ(reason([](Observation& o) { o.batch = 2048; }), "batch is not a number of sequences");
  EXPECT_EQ(reason([](Observation& o) { o.gen = 0; }), "gen_len is 0");
}

TEST_F(Mapping, DifferentCardsAreNotTwoOfTheFirst) {
  Observation o = row();
  o.device = "NVIDIA GeForce RTX 5070 Ti + NVIDIA GeForce RTX 5060 Ti";
  o.device_count = 2;
  EXPECT_EQ(reason_of(o), "different cards together");
}

TEST_F(Mapping, LlamaBenchLeftFlashAttentionOffUntilSpring2026) {
  Observation o = row();
  const auto setting = [&](const char* build) {
    o.build = build;
    return query_of(o).flash_attention;
  };
  EXPECT_EQ(setting("b8500 (342d6125b)"), FlashAttention::off);
  EXPECT_EQ(setting("b10066 (86a9c79f8)"), FlashAttention::automatic);
  EXPECT_EQ(setting("b8500"), FlashAttention::automatic) << "not a line of llama-bench's";
  o.flash_attention = true;
  EXPECT_EQ(setting("b8500 (342d6125b)"), FlashAttention::on) << "the table says so";
}

TEST_F(Mapping, LayersAndExpertsOnTheHost) {
  Observation o = row();
  o.device = "NVIDIA RTX 3090 + AMD Ryzen 7 3700X";
  o.gpu_layers = 20;
  Query q = query_of(o);
  EXPECT_EQ(q.device, "rtx-3090");
  EXPECT_EQ(q.host, "ryzen-7-3700x");
  EXPECT_EQ(q.offload.layers, Offload::Layers::count);
  EXPECT_EQ(q.offload.gpu_layers, 20);
  o.gpu_layers = 99;
  o.notes = "sweep-bench; n_cpu_moe=12";
  EXPECT_EQ(query_of(o).offload.cpu_moe_layers, 12);
}

TEST_F(Mapping, SeveralDevicesDivideByLayersOrRows) {
  Observation o = row();
  o.device_count = 2;
  Query q = query_of(o);
  EXPECT_TRUE(q.device.ends_with("x2")) << q.device;
  EXPECT_EQ(q.split, Split::layer);
  o.notes = "row split";
  EXPECT_EQ(query_of(o).split, Split::row);
}

TEST_F(Mapping, NamesAsProgramsAndRepositoriesPrintThem) {
  Observation o = row();
  const auto device_of = [&](const char* name) { return o.device = name, query_of(o).device; };
  EXPECT_EQ(device_of("NVIDIA Tesla P40"), "tesla-p40");  // the catalogue's title
  EXPECT_EQ(device_of("NVIDIA GeForce RTX 3090"), "rtx-3090");
  o.model = "meta-llama/Llama-3.1-8B-Instruct";
  EXPECT_EQ(query_of(o).model, "llama-3.1-8b");
  o.quant = "Q4_K - Medium";
  EXPECT_EQ(query_of(o).quant, "Q4_K_M");
  o.quant = "UD-IQ4_XS";  // of Unsloth's, none that is described
  EXPECT_EQ(query_of(o).quant, "IQ4_XS");
  o.model = "gpt-oss-20b", o.quant = "Q4_K_M";
  EXPECT_EQ(query_of(o).quant, "MXFP4_MOE") << "its experts stay MXFP4";
  o.quant = "MXFP4", o.backend = "mlx", o.device = "Apple M4 Max 40c";
  EXPECT_EQ(query_of(o).quant, "MLX-MXFP4");
  o.device = "NVIDIA RTX 9999";
  EXPECT_EQ(reason_of(o), "unknown device");
}

TEST_F(Mapping, DraftsThatAreSaidNotToBeAreNone) {
  Observation o = row();
  for (const char* notes : {"draft model of 0.5B", "MTP"})
    EXPECT_EQ((o.notes = notes, reason_of(o)), "speculative decoding") << notes;
  for (const char* notes : {"no drafting", "llama-bench without speculation", "MTP off"})
    EXPECT_EQ((o.notes = notes, reason_of(o)), "predicted") << notes;
}

TEST_F(Mapping, TheLatestGenerationThatWasThereIsTheStack) {
  Observation o = row();
  o.source_date = "";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda") << "without a date, the stack without a year";
  o.backend = "llama.cpp";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda") << "the device's usual one";
  o.source_date = "2023-09";
  const std::string old = query_of(o).stack;
  o.source_date = "2024-06";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda-2024-10") << "int8 MMA came in that month";
  o.source_date = "2025-10";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda-2025");
  o.source_date = "2025-11";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda-2026-01") << "the fusions came in that month";
  o.source_date = "2026-03-08";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda-2026-01");
  o.source_date = "2026-03";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda-2026-04") << "a month is its middle; the gated delta rule in one kernel";
  o.source_date = "2026-05";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-cuda");
  o.source_date = "2023-09";
  EXPECT_TRUE(old.starts_with("llama.cpp-cuda-20")) << old;
  o.model = "gpt-oss-20b";
  o.quant = "MXFP4_MOE";
  EXPECT_NE(query_of(o).stack, old) << "a date cannot be right when that generation cannot read the file";
  o.quant = "F16";
  EXPECT_EQ(query_of(o).quant, "F16-MXFP4") << "its experts are MXFP4 all the same";
}

TEST_F(Mapping, NotesNameTheBuild) {
  Observation o = row();
  o.device = "AMD Ryzen AI Max+ 395";
  o.backend = "llama.cpp-rocm";
  o.source_date = "2025-08";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2025-08") << "rocBLAS is the default";
  o.notes = "hipBLASLt=1; ub=512";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2025-08-hipblaslt");
  o.notes = "build variant=llama.cpp-rocwmma; ub=512";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2025-08-rocwmma");
  o.notes = "build variant=llama.cpp-rocwmma; hipBLASLt=1; ub=512";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2025-08-rocwmma-hipblaslt");
  o.source_date = "2025-07";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2025-hipblaslt") << "attention by rocWMMA did not run on RDNA3.5 yet";
  o.source_date = "2026-02";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2026-01") << "that generation has no such build";
  o.notes = "hipBLASLt off";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-rocm-2026-01-rocblas");
  o.backend = "llama.cpp-vulkan";
  o.source_date = "2026-08";
  o.notes = "env=vulkan_amdvlk";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-vulkan-amdvlk");
  o.notes = "env=vulkan_radv";
  EXPECT_EQ(query_of(o).stack, "llama.cpp-vulkan");
}

}  // namespace
}  // namespace silicast
