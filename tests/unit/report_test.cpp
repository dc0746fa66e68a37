// SPDX-License-Identifier: Apache-2.0
// One made-up prediction through every format: they must carry the same numbers, and every key of the schema.
#include <gtest/gtest.h>

#include <map>

#include "base/document.h"
#include "base/text.h"
#include "report/prediction.h"
#include "report/table.h"

namespace silicast {
namespace {

StepCost cost_of(Resource bound) {
  StepCost cost;
  cost.seconds = Seconds(0.01);
  cost.busy = {0.0081, 0.0017, 0.0033, 0.0005, 0, 0, 0.0011};
  cost.bound[static_cast<std::size_t>(bound)] = 0.01;
  return cost;
}

Prediction example() {
  Prediction p;
  p.query.asked = {.model = "my, \"odd\" model", .quant = "Q4_K_M", .device = "box"};
  p.query.asked.overrides = {{"memory.bandwidth", "900GB/s"}};
  p.query.model_name = "Odd | Model";
  p.query.device_name = "Box";
  p.query.processor = "gpu";
  p.query.memory = 24_GiB;
  p.query.bits_per_weight = 1.0 / 3;
  p.query.parameters = 8'030'261'312;
  p.query.active_parameters = 3'353'032'704;
  p.query.files = {{"a.yaml", "fnv1a64:00"}};
  p.pools = {{"gpu", 24_GiB, 23_GiB, Bytes(4912898304), Bytes(100663296), 258_MiB, 400_MiB},
             {"host", Bytes(0), Bytes(0), Bytes(295501824), {}, {}, {}}};
  p.file_bytes = Bytes(4912898304);
  p.prefill = Phase{Seconds(0.1), {5120.123456789, 3000.1, 8000.2}, cost_of(Resource::matrix)};
  p.decode = Phase{Seconds(0.01), {100.0 / 3, 20, 50}, cost_of(Resource::dram)};
  p.ttft = Interval{0.1, 0.05, 0.2};
  p.tpot = Interval{0.03, 0.02, 0.05};
  p.e2e_latency = Interval{3.91, 2.59, 6.55};
  p.output_token_throughput = Interval{32.7, 19.5, 49.4};
  p.quality = Quality{1.024, 0.028152, "llama-3-8b", "somewhere"};
  p.evidence = {"datasheet", 0, {"first note", "second, with a comma"}};
  return p;
}

Prediction infeasible() {
  Prediction p = example();
  p.feasible = false;
  p.limiting = "memory of gpu: needs 5 GiB, has 4 GiB";
  p.prefill.reset(), p.decode.reset(), p.ttft.reset(), p.tpot.reset(), p.e2e_latency.reset(),
      p.output_token_throughput.reset(), p.quality.reset();
  return p;
}

// Leaves by dotted key; lists of texts as one.
void flatten(const Node& node, const std::string& key, std::map<std::string, std::string>& leaves) {
  const auto below = [&](const std::string& name) { return key.empty() ? name : key + "." + name; };
  for (const auto& member : node.members) flatten(member.value, below(member.key), leaves);
  const bool texts = !node.items.empty() && node.items.front().kind == Node::Kind::scalar;
  std::vector<std::string> joined;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (texts)
      joined.push_back(node.items[i].scalar);
    else
      flatten(node.items[i], below(std::to_string(i)), leaves);
  }
  if (node.kind == Node::Kind::list && (texts || node.items.empty())) leaves[key] = join(joined, "; ");
  if (node.kind == Node::Kind::scalar || node.kind == Node::Kind::null) leaves[key] = node.scalar;
}

std::map<std::string, std::string> json_leaves(const Prediction& p) {
  std::map<std::string, std::string> leaves;
  flatten(parse_json(prediction_json(p), "report"), "", leaves);
  return leaves;
}

// RFC 4180, without line breaks within cells.
std::vector<std::string> csv_cells(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      cells.back() += line[++i];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      cells.emplace_back();
    else
      cells.back() += line[i];
  }
  return cells;
}

bool same(const std::string& a, const std::string& b) {
  const auto x = parse_number(a);
  const auto y = parse_number(b);
  return x && y ? *x == *y : a == b;
}

TEST(Report, JsonHasEveryKeyOfTheSchema) {
  const auto leaves = json_leaves(example());
  for (const char* key : {"schema",
                          "query.version",
                          "query.model",
                          "query.quant",
                          "query.device",
                          "query.stack",
                          "query.prompt",
                          "query.files.0.hash",
                          "query.profile",
                          "query.profile_date",
                          "feasible",
                          "limiting",
                          "memory.total_bytes",
                          "memory.file_bytes",
                          "memory.pools.0.name",
                          "memory.pools.0.capacity_bytes",
                          "memory.pools.0.usable_bytes",
                          "memory.pools.0.weights_bytes",
                          "memory.pools.0.kv_cache_bytes",
                          "memory.pools.0.compute_bytes",
                          "memory.pools.0.overhead_bytes",
                          "memory.pools.0.used_bytes",
                          "prefill.seconds",
                          "prefill.tokens_per_second.value",
                          "prefill.tokens_per_second.p10",
                          "prefill.tokens_per_second.p90",
                          "prefill.bound",
                          "prefill.utilization.alu",
                          "prefill.utilization.matrix",
                          "prefill.utilization.dram",
                          "prefill.utilization.link",
                          "decode.seconds_per_token",
                          "decode.tokens_per_second.value",
                          "decode.bound",
                          "decode.utilization.dram",
                          "ttft.value",
                          "ttft.p10",
                          "ttft.p90",
                          "tpot.value",
                          "e2e_latency.value",
                          "output_token_throughput.value",
                          "startup",
                          "power",
                          "energy",
                          "cost",
                          "quality.perplexity_ratio",
                          "quality.kld",
                          "quality.source",
                          "evidence.level",
                          "evidence.measurements",
                          "evidence.notes"})
    EXPECT_TRUE(leaves.contains(key)) << key;
  EXPECT_EQ(leaves.at("schema"), "silicast.prediction/1");
  EXPECT_EQ(leaves.at("prefill.bound"), "matrix");
  EXPECT_EQ(leaves.at("memory.pools.0.weights_bytes"), "4912898304");
}

TEST(Report, JsonReadsBackTheVeryNumbers) {
  const Prediction p = example();
  const auto leaves = json_leaves(p);
  EXPECT_EQ(parse_number(leaves.at("prefill.tokens_per_second.value")), p.prefill->tokens_per_second.value);
  EXPECT_EQ(parse_number(leaves.at("decode.tokens_per_second.value")), p.decode->tokens_per_second.value);
  EXPECT_EQ(parse_number(leaves.at("query.bits_per_weight")), p.query.bits_per_weight);
}

TEST(Report, CsvCarriesWhatJsonCarries) {
  for (const Prediction& p : {example(), infeasible()}) {
    const auto leaves = json_leaves(p);
    const std::string csv = prediction_csv(p);
    const auto lines = split(csv, '\n');
    ASSERT_EQ(lines.size(), 3U);  // the header, one row, nothing after the last line break
    const auto keys = csv_cells(lines[0]);
    const auto values = csv_cells(lines[1]);
    ASSERT_EQ(keys.size(), values.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto leaf = leaves.find(keys[i]);
      if (leaf != leaves.end())
        EXPECT_TRUE(same(leaf->second, values[i])) << keys[i] << ": " << leaf->second << " and " << values[i];
      else
        EXPECT_EQ(values[i], "") << keys[i];  // JSON has null for the whole section
    }
    EXPECT_EQ(csv_cells(lines[1])[2], p.query.asked.model);
  }
}

TEST(Report, TheColumnsOfCsvDoNotDependOnTheAnswer) {
  const std::string fits = prediction_csv(example());
  const std::string does_not = prediction_csv(infeasible());
  EXPECT_EQ(fits.substr(0, fits.find('\n')), does_not.substr(0, does_not.find('\n')));
}

TEST(Report, MarkdownCarriesWhatCsvCarries) {
  const Prediction p = example();
  const std::string markdown = prediction_markdown(p);
  for (const Field& field : prediction_fields(p)) {
    const std::string value = plain(field.value);
    if (value.empty()) continue;
    EXPECT_NE(markdown.find("| " + field.key + " | " + markdown_cell(value) + " |\n"), std::string::npos) << field.key;
  }
}

TEST(Report, TextShowsTheSameNumbersRounded) {
  const Prediction p = example();
  const std::string text = prediction_text(p);
  for (const char* shown : {"5120 tok/s",
                            "3000 to 8000 tok/s",
                            "33.3 tok/s",
                            "20.0 to 50.0 tok/s",
                            "100 ms",
                            "50.0 ms to 200 ms",
                            "30.0 ms",
                            "3.91 s",
                            "32.7 tok/s",
                            "4.58 GiB",
                            "96.0 MiB",
                            "258 MiB",
                            "400 MiB",
                            "23.0 GiB",
                            "24.0 GiB",
                            "81 %",
                            "17 %",
                            "33 %",
                            "1.024",
                            "0.0282",
                            "datasheet",
                            "second, with a comma",
                            "memory bandwidth",
                            "matrix arithmetic"})
    EXPECT_NE(text.find(shown), std::string::npos) << shown << " is not in\n" << text;
}

TEST(Report, TextFitsTheTerminal) {
  Prediction p = infeasible();
  p.limiting +=
      "; fits with " +
      std::string(
          "--memory 48GiB, or with --quant IQ2_XXS (1.5 GiB of tensors), or with a context of 512 tokens, or without");
  Prediction together = example();
  together.query.asked.concurrency = 128;
  for (const auto& text : {prediction_text(p), prediction_text(example()), prediction_text(together)})
    for (const auto line : split(text, '\n')) EXPECT_LE(display_width(line), 100U) << line;
}

TEST(Report, ColourAndBlocksOnlyWhereAskedFor) {
  const Prediction p = infeasible();
  const std::string plain_text = prediction_text(p);
  EXPECT_TRUE(
      std::all_of(plain_text.begin(), plain_text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
  const std::string rich = prediction_text(p, {.colour = true, .blocks = true});
  EXPECT_NE(rich.find("\033[1;31m"), std::string::npos);
  EXPECT_NE(rich.find("█"), std::string::npos);
}

TEST(Report, AnswersOfNoCarryTheMemoryAndNoSpeed) {
  const auto leaves = json_leaves(infeasible());
  EXPECT_EQ(leaves.at("feasible"), "false");
  EXPECT_EQ(leaves.at("limiting"), "memory of gpu: needs 5 GiB, has 4 GiB");
  EXPECT_EQ(leaves.at("prefill"), "");
  EXPECT_EQ(leaves.at("quality"), "");
  EXPECT_TRUE(leaves.contains("memory.pools.0.used_bytes"));
}

TEST(Report, UnknownHostMemoryIsNull) { EXPECT_EQ(json_leaves(example()).at("memory.pools.1.capacity_bytes"), ""); }

TEST(Table, EveryFormatShowsEveryCell) {
  const Table table{.columns = {{"a", "A"}, {"b", "B", true}},
                    .rows = {{{std::string("x|y")}, {1.0 / 3, "0.333"}}, {{}, {std::int64_t{7}}}}};
  EXPECT_EQ(table_text(table), "A        B\nx|y  0.333\n         7\n");
  EXPECT_EQ(table_csv(table), "a,b\nx|y,0.3333333333333333\n,7\n");
  EXPECT_EQ(table_markdown(table), "| A | B |\n|---|---:|\n| x\\|y | 0.333 |\n|  | 7 |\n");
  EXPECT_NE(table_json(table).find("\"b\": 0.3333333333333333"), std::string::npos);
}

TEST(Table, WrapsAtBlanks) {
  EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrapped("unbreakable", 4, 0), "unbreakable");
}

}  // namespace
}  // namespace silicast
