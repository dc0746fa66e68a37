// SPDX-License-Identifier: Apache-2.0
// A sweep's file: its rows are predictions, and it does not depend on threads, interruptions and what a crash leaves.
#include "planning/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "base/csv.h"
#include "report/sweep_rows.h"
#include "tests/unit/query_reader.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

// Rows like those of a sweep, until so many have been asked for.
class FailingRows : public RowFormat {
 public:
  FailingRows(const RowFormat& rows, int rows_left) : rows_(rows), left_(rows_left) {}
  [[nodiscard]] std::string header() const override { return rows_.header(); }
  [[nodiscard]] std::string cell(std::string_view text) const override { return rows_.cell(text); }
  void append(std::string& text, const std::vector<Choice>& choices, const Point& point) const override {
    if (left_-- <= 0) throw std::runtime_error("interrupted");
    rows_.append(text, choices, point);
  }

 private:
  const RowFormat& rows_;
  mutable std::atomic<int> left_;
};

class Sweep : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "silicast-sweep-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  struct How {
    int threads = 1;
    std::string filter;
    std::string pareto;
    int interrupted_after = -1;  // rows; -1: not
    bool restart = false;
    SweepFormat format = SweepFormat::csv;
    std::string identity = "test";
  };

  SweepOutcome run(const std::string& yaml, const std::string& name, const How& how) {
    const Grid grid(parse_yaml(yaml, "grid.yaml"), some_options(), read_some_option);
    const auto rows = sweep_rows(how.format, grid.names());
    const FailingRows failing(*rows, how.interrupted_after);
    SweepTask task{.grid = &grid, .database = &database(), .reader = read_some_option, .format = rows.get()};
    if (how.interrupted_after >= 0) task.format = &failing;
    if (!how.filter.empty()) task.filter = Filter(how.filter, grid.names());
    if (!how.pareto.empty()) task.pareto = read_objectives(how.pareto);
    Ranks ranks;
    return sweep(
        task, {.out = folder_ / name, .threads = how.threads, .restart = how.restart, .identity = how.identity}, ranks);
  }

  std::string swept(const std::string& yaml, const How& how) {
    run(yaml, "whole.csv", how);
    return content(folder_ / "whole.csv");
  }

  fs::path folder_;
};

const char* const grid =
    "model: [llama-3.1-8b, qwen3-30b-a3b]\n"
    "depth: {from: 0, to: 12000, step: 400}\n"
    "device: [rtx-4090, m2-ultra-76]\n"
    "quant: [Q4_K_M, Q8_0]\n"
    "concurrency: [1, 4, 64]\n"
    "prompt: [0, 512]\n";

TEST_F(Sweep, RowsArePredictions) {
  const CsvTable table(swept(grid, {}), "whole.csv");
  ASSERT_EQ(table.records().size(), 2U * 31 * 2 * 2 * 3 * 2);
  std::mt19937 random(3);
  std::uniform_int_distribution<std::size_t> any(0, table.records().size() - 1);
  int feasible = 0;
  for (int i = 0; i < 60; ++i) {
    const auto& fields = table.records()[any(random)].fields;
    const auto cell = [&](const char* column) { return fields[table.at(column)]; };
    Query query;
    for (const char* option : {"model", "depth", "device", "quant", "concurrency", "prompt"})
      read_some_option(query, option, cell(option));
    const Prediction p = predict(query, database());
    EXPECT_EQ(cell("feasible"), p.feasible ? "true" : "false");
    EXPECT_NEAR(parse_number(cell("memory.total_bytes")).value_or(0) / p.total_bytes().value(), 1, 1e-9);
    EXPECT_TRUE(p.limiting.starts_with(cell("limiting")));
    if (!p.feasible) continue;
    ++feasible;
    const auto expect_close = [&](const char* column, double value) {
      EXPECT_NEAR(parse_number(cell(column)).value_or(0) / value, 1, 1e-9) << column;
    };
    expect_close("decode.tokens_per_second.value", p.decode->tokens_per_second.value);
    expect_close("decode.tokens_per_second.p90", p.decode->tokens_per_second.p90);
    expect_close("ttft.value", p.ttft->value);
    expect_close("e2e_latency.value", p.e2e_latency->value);
    expect_close("power.decode_watts", p.power->decode->watts.value());
    EXPECT_EQ(cell("cost.usd_per_million_output_tokens").empty(), !p.cost);
    if (p.cost) expect_close("cost.usd_per_million_output_tokens", *p.cost->usd_per_million_output_tokens);
    EXPECT_EQ(cell("prefill.tokens_per_second.value").empty(), query.prompt == 0);
    EXPECT_EQ(cell("decode.bound"), name_of(p.decode->cost.bottleneck()));
    EXPECT_EQ(cell("evidence.level"), p.evidence.level);
  }
  EXPECT_GT(feasible, 20);
}

TEST_F(Sweep, ThreadsDoNotChangeTheFile) {
  const std::string one = swept(grid, {});
  for (const int threads : {2, 3, 7}) EXPECT_EQ(swept(grid, {.threads = threads}), one);
}

TEST_F(Sweep, JsonLinesSayWhatCsvSays) {
  const std::string csv_text = swept(grid, {});
  const CsvTable csv(csv_text, "whole.csv");
  run(grid, "lines.jsonl", {.format = SweepFormat::jsonl});
  std::istringstream lines(content(folder_ / "lines.jsonl"));
  std::size_t row = 0;
  for (std::string line; std::getline(lines, line); ++row) {
    const Node object = parse_json(line, "lines.jsonl");
    for (std::size_t i = 0; i < csv.columns().size(); ++i) {
      const bool is_option = i < 6;
      const Node* node = is_option ? object.find("query") : &object;
      for (const auto part : split(csv.columns()[i], is_option ? '\n' : '.')) {
        ASSERT_NE(node, nullptr) << csv.columns()[i];
        node = node->find(part);
      }
      ASSERT_NE(node, nullptr) << csv.columns()[i];
      ASSERT_EQ(node->kind == Node::Kind::null ? "" : node->scalar, csv.records()[row].fields[i]) << csv.columns()[i];
    }
  }
  EXPECT_EQ(row, csv.records().size());
}

TEST_F(Sweep, AnInterruptedSweepContinuesToTheSameFile) {
  for (const How& how : {How{}, How{.filter = "decode > 20"}, How{.pareto = "decode,memory,cost"}}) {
    const std::string whole = swept(grid, how);
    for (const int rows : {0, 1, 17, 300}) {
      if (!how.pareto.empty() && rows > 17) continue;  // the front asks for few rows
      How broken = how;
      broken.interrupted_after = rows;
      broken.restart = true;
      EXPECT_THROW(run(grid, "broken.csv", broken), std::runtime_error);
      EXPECT_FALSE(fs::exists(folder_ / "broken.csv"));
      run(grid, "broken.csv", how);
      EXPECT_EQ(content(folder_ / "broken.csv"), whole) << rows;
      fs::remove(folder_ / "broken.csv");
    }
    EXPECT_FALSE(fs::exists(folder_ / "broken.csv.part"));
    EXPECT_FALSE(fs::exists(folder_ / "broken.csv.journal"));
  }
}

// What a kill may leave: rows beyond the journal's last line, half a row, half a line of the journal.
TEST_F(Sweep, WhatAKillLeavesIsContinued) {
  const std::string whole = swept(grid, {});
  const CsvTable table(whole, "whole.csv");
  const Grid parsed(parse_yaml(grid, "grid.yaml"), some_options(), read_some_option);
  const auto rows = sweep_rows(SweepFormat::csv, parsed.names());
  const SweepTask task{.grid = &parsed, .database = &database(), .reader = read_some_option, .format = rows.get()};
  std::size_t sound = 0;
  for (int line = 0; line <= 100; ++line) sound = whole.find('\n', sound) + 1;  // the header and 100 points
  const std::string title = "silicast-sweep 1 " + fingerprint(task, "test") + "\n";
  const std::string header = title + "0 " + std::to_string(whole.find('\n') + 1) + " 0 .\n";
  const std::string journal = header + "100 " + std::to_string(sound) + " 100 .\n";
  struct Left {
    std::string part, journal;
    std::uint64_t continued_at;
  };
  for (const Left& left :
       {Left{whole.substr(0, sound), journal, 100}, Left{whole.substr(0, sound + 57), journal, 100},
        Left{whole.substr(0, sound + 5000), journal + "120 99", 100}, Left{whole.substr(0, sound - 1), journal, 0},
        Left{whole.substr(0, sound), title, 0}, Left{"", title + "0 ", 0}}) {
    write_file(folder_ / "killed.csv.part", left.part);
    write_file(folder_ / "killed.csv.journal", left.journal);
    EXPECT_EQ(run(grid, "killed.csv", {}).continued_at, left.continued_at);
    EXPECT_EQ(content(folder_ / "killed.csv"), whole);
  }
}

TEST_F(Sweep, WhatAnotherSweepHasLeftIsNotContinued) {
  EXPECT_THROW(run(grid, "a.csv", {.interrupted_after = 50}), std::runtime_error);
  EXPECT_THROW(run(grid, "a.csv", {.identity = "another"}), UsageError);
  EXPECT_THROW(run("model: llama-3-8b\ndevice: rtx-4090\n", "a.csv", {}), UsageError);
  run(grid, "a.csv", {.restart = true, .identity = "another"});
  EXPECT_EQ(content(folder_ / "a.csv"), swept(grid, {}));
}

TEST_F(Sweep, TheFrontIsThatOfTheRows) {
  const CsvTable all(swept(grid, {}), "all.csv");
  const std::string text = swept(grid, {.threads = 2, .pareto = "decode,memory"});
  const CsvTable front(text, "front.csv");
  const std::size_t decode = all.at("decode.tokens_per_second.value");
  const std::size_t memory = all.at("memory.total_bytes");
  std::vector<std::vector<std::string>> expected;
  const auto number = [](const std::string& field) { return parse_number(field).value_or(0); };
  for (const auto& a : all.records()) {
    if (a.fields[decode].empty()) continue;
    const bool beaten = std::any_of(all.records().begin(), all.records().end(), [&](const auto& b) {
      if (b.fields[decode].empty()) return false;
      const double faster = number(b.fields[decode]) - number(a.fields[decode]);
      const double smaller = number(a.fields[memory]) - number(b.fields[memory]);
      return faster >= 0 && smaller >= 0 && (faster > 0 || smaller > 0);
    });
    if (!beaten) expected.push_back(a.fields);
  }
  ASSERT_EQ(front.records().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(front.records()[i].fields, expected[i]);
  EXPECT_GT(expected.size(), 1U);
}

TEST_F(Sweep, TheFilterLeavesTheRowsForWhichItHolds) {
  const CsvTable all(swept(grid, {}), "all.csv");
  const CsvTable some(swept(grid, {.filter = "feasible and decode >= 100 and depth < 4000"}), "some.csv");
  std::size_t expected = 0;
  for (const auto& record : all.records()) {
    const auto decode = parse_number(record.fields[all.at("decode.tokens_per_second.value")]);
    const auto depth = parse_number(record.fields[all.at("depth")]);
    if (decode && *decode >= 100 && *depth < 4000) ++expected;
  }
  EXPECT_EQ(some.records().size(), expected);
  EXPECT_GT(expected, 0U);
  EXPECT_LT(expected, all.records().size());
}

TEST_F(Sweep, PointsThatAreRefusedAreRowsWithTheReason) {
  const CsvTable table(swept("model: llama-3-8b\ndevice: rtx-4090\nmemory: [24GiB, 48GiB]\nprompt: [512, 9000]\n", {}),
                       "t");
  ASSERT_EQ(table.records().size(), 4U);
  const std::size_t reason = table.at("limiting");
  EXPECT_EQ(table.records()[0].fields[reason], "");
  EXPECT_NE(table.records()[1].fields[reason].find("exceed the context"), std::string::npos);
  EXPECT_NE(table.records()[2].fields[reason].find("--memory"), std::string::npos);
  EXPECT_EQ(table.records()[3].fields[table.at("feasible")], "false");
}

TEST_F(Sweep, AFullDiskIsSaid) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  const Grid parsed(parse_yaml(grid, "grid.yaml"), some_options(), read_some_option);
  const auto rows = sweep_rows(SweepFormat::csv, parsed.names());
  const SweepTask task{.grid = &parsed, .database = &database(), .reader = read_some_option, .format = rows.get()};
  Ranks ranks;
  try {
    sweep(task, {.out = "/dev/full", .threads = 2}, ranks);
    ADD_FAILURE() << "written to a full device";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace silicast
