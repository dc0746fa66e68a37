// SPDX-License-Identifier: Apache-2.0
#include "planning/grid.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/expect_error.h"
#include "tests/unit/query_reader.h"

namespace silicast {
namespace {

Grid grid_of(const std::string& yaml) { return {parse_yaml(yaml, "grid.yaml"), some_options(), read_some_option}; }

std::vector<std::string> texts(const Axis& axis) {
  std::vector<std::string> result;
  for (std::uint64_t i = 0; i < axis.size(); ++i) result.push_back(axis.text(i));
  return result;
}

TEST(Grid, ValuesListsAndRangesBecomeAxes) {
  const Grid grid = grid_of(
      "model: llama-3-8b\n"
      "quant: [Q4_K_M, Q8_0]\n"
      "depth: {from: 0, to: 1000, step: 250}\n"
      "concurrency: {from: 1, to: 20, factor: 2}\n"
      "gen: {from: 1, to: 3}\n"
      "prompt: {from: 10, to: 29, step: 10}\n"
      "price: {from: 0.1, to: 0.3, step: 0.1}\n");
  EXPECT_EQ(grid.names(),
            (std::vector<std::string>{"model", "quant", "depth", "concurrency", "gen", "prompt", "price"}));
  EXPECT_EQ(texts(grid.axes()[2]), (std::vector<std::string>{"0", "250", "500", "750", "1000"}));
  EXPECT_EQ(texts(grid.axes()[3]), (std::vector<std::string>{"1", "2", "4", "8", "16"}));
  EXPECT_EQ(texts(grid.axes()[4]), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(texts(grid.axes()[5]), (std::vector<std::string>{"10", "20"}));
  EXPECT_EQ(texts(grid.axes()[6]), (std::vector<std::string>{"0.1", "0.2", "0.3"}));
  EXPECT_EQ(grid.points(), 2U * 5 * 5 * 3 * 2 * 3);
  EXPECT_EQ(grid.shapes(), 5U * 5 * 3 * 2);
}

TEST(Grid, ShapesVaryFastestAndTheLastOptionFirst) {
  const Grid grid = grid_of("depth: [0, 1]\nmodel: [a, b]\ngen: [7, 8]\nquant: [x, y]\n");
  std::vector<std::string> seen;
  auto position = grid.position(0);
  for (std::uint64_t point = 0; point < grid.points(); ++point) {
    EXPECT_EQ(position, grid.position(point));
    std::string text;
    for (std::size_t i = 0; i < position.size(); ++i) text += grid.axes()[i].text(position[i]);
    seen.push_back(text);
    const bool only_shape = grid.advance(position);
    EXPECT_EQ(only_shape, (point + 1) % grid.shapes() != 0);
  }
  EXPECT_EQ((std::vector<std::string>(seen.begin(), seen.begin() + 6)),
            (std::vector<std::string>{"0a7x", "0a8x", "1a7x", "1a8x", "0a7y", "0a8y"}));
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 16U);
}

TEST(Grid, QueriesHoldWhatTheOptionsSay) {
  const Grid grid = grid_of(
      "model: llama-3-8b\ndevice: [rtx-4090, m2-ultra-76]\nmemory: 64GiB\nno-mmap: [false, true]\ndepth: [0, 512]\n"
      "set: {memory.bandwidth: [900GB/s, 1TB/s], gpu.cores: 60}\n");
  EXPECT_EQ(grid.points(), 2U * 2 * 2 * 2);
  EXPECT_EQ(grid.names().back(), "gpu.cores");
  std::vector<std::uint64_t> last(grid.axes().size());
  for (std::size_t i = 0; i < last.size(); ++i) last[i] = grid.axes()[i].size() - 1;
  const Query query = grid.query(last, read_some_option);
  EXPECT_EQ(query.device, "m2-ultra-76");
  EXPECT_EQ(query.memory, Bytes(64_GiB));
  EXPECT_FALSE(query.mapped);
  ASSERT_EQ(query.overrides.size(), 2U);
  EXPECT_EQ(query.overrides[0].path, "memory.bandwidth");
  EXPECT_EQ(query.overrides[0].value, "1TB/s");
  EXPECT_EQ(grid.shape(last), (Shape{.prompt = 512, .gen = 128, .depth = 512, .concurrency = 1}));
  EXPECT_EQ(grid_of("set: [gpu.cores=60, gpu.cores=76, memory.bandwidth=1TB/s]\n").points(), 2U);
}

TEST(Grid, HugeGridsAreCountedNotHeld) {
  const Grid grid = grid_of("depth: {from: 0, to: 999999999}\nprompt: {from: 1, to: 1000000000}\n");
  EXPECT_EQ(grid.points(), 1'000'000'000'000'000'000U);
  EXPECT_EQ(grid.shape(grid.position(123'456'789'000'000'041U)).depth, 123'456'789);
  EXPECT_EQ(grid.shape(grid.position(123'456'789'000'000'041U)).prompt, 42);
  EXPECT_EQ(
      grid_of("depth: {from: 0, to: 999999999}\nprompt: {from: 1, to: 1000000000}\ngen: {from: 1, to: 100}\n").points(),
      ~std::uint64_t{0});
}

TEST(Grid, ErrorsNameTheLineAndWhatIsAccepted) {
  EXPECT_INPUT_ERROR(grid_of(""), "is empty");
  EXPECT_INPUT_ERROR(grid_of("{}"), "the grid is empty");
  EXPECT_INPUT_ERROR(grid_of("model: a\ndept: 0\n"), "grid.yaml:2:1: dept: unknown option (did you mean 'depth'?)");
  EXPECT_INPUT_ERROR(grid_of("model: a\ndepth: [0, many]\n"), "grid.yaml:2:1: depth: a whole number is expected");
  EXPECT_INPUT_ERROR(grid_of("depth: []\n"), "the list is empty");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 10, to: 0}\n"), "the range is empty: from 10 to 0");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 0, to: 10, step: 0}\n"), "a step above zero");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 0, to: 10, stp: 2}\n"), "stp");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 0, to: 10, step: 2, factor: 2}\n"), "not both");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 0, to: 10, factor: 2}\n"), "above zero is expected with a factor");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 1, to: 10, factor: 1}\n"), "a factor above 1");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: 0, to: 1, step: 0.5}\n"), "whole numbers are expected");
  EXPECT_INPUT_ERROR(grid_of("depth: {from: -5, to: 1}\n"), "a whole number is expected, got '-5'");
  EXPECT_INPUT_ERROR(grid_of("depth:\n"), "a value, a list or a range");
  EXPECT_INPUT_ERROR(grid_of("memory: 64\n"), "a size such as 24GiB");
  EXPECT_INPUT_ERROR(grid_of("no-mmap: perhaps\n"), "true, false or both");
  EXPECT_INPUT_ERROR(grid_of("set: gpu.cores\n"), "PATH=VALUE");
  EXPECT_INPUT_ERROR(grid_of("set: {gpu.cores: []}\n"), "the list is empty");
}

TEST(Grid, NamesThatAreNotKnownAreErrorsWithTheirPlace) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  EXPECT_INPUT_ERROR(check_names(grid_of("model: [llama-3-8b, lama-3-8b]\n"), database), "grid.yaml:1:1: model");
  EXPECT_INPUT_ERROR(check_names(grid_of("model: llama-3-8b\ndevice: rtx-409O\n"), database), "grid.yaml:2:1: device");
  EXPECT_INPUT_ERROR(check_names(grid_of("quant: Q4_K_XXL\n"), database), "quant");
  check_names(grid_of("model: llama-3-8b\ndevice: [rtx-4090x2, m2-ultra-76]\nquant: [Q4_K_M]\nstack: llama.cpp\n"),
              database);
}

}  // namespace
}  // namespace silicast
