// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"

#include <gtest/gtest.h>

#include "tests/unit/expect_parts.h"

namespace silicast {
namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> records(std::string_view text) {
  const CsvTable table(text, "t.csv");
  std::vector<Fields> result;
  for (const CsvRecord& record : table.records()) result.push_back(record.fields);
  return result;
}

TEST(Csv, FieldsAsRfc4180WritesThem) {
  EXPECT_EQ(records("a,b,c\n1,,3\n"), (std::vector<Fields>{{"1", "", "3"}}));
  EXPECT_EQ(records("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n"), (std::vector<Fields>{{"x, y", "say \"hi\""}}));
  EXPECT_EQ(records("a,b\n\"two\nlines\",\n"), (std::vector<Fields>{{"two\nlines", ""}}));
  EXPECT_EQ(records("a,b\n\"\",\"\"\n"), (std::vector<Fields>{{"", ""}}));
  EXPECT_EQ(records("a,b\n1,2"), (std::vector<Fields>{{"1", "2"}})) << "the last line may lack its break";
  EXPECT_EQ(records("a,b\n1,\n"), (std::vector<Fields>{{"1", ""}})) << "a trailing comma begins an empty field";
}

TEST(Csv, LineBreaksOfEverySystem) {
  EXPECT_EQ(records("a,b\r\n1,2\r\n3,4\r\n"), (std::vector<Fields>{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(records("a,b\r1,2\r3,4"), (std::vector<Fields>{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(records("a,b\n\n1,2\n\n\n"), (std::vector<Fields>{{"1", "2"}})) << "empty lines are skipped";
}

TEST(Csv, ColumnsInAnyOrder) {
  const CsvTable table("\xEF\xBB\xBF value , id\n5,x\n", "t.csv");
  EXPECT_EQ(table.columns(), (Fields{"value", "id"})) << "a byte order mark is not part of a name";
  EXPECT_EQ(table.at("id"), 1U);
  EXPECT_EQ(table.find("notes"), std::nullopt);
}

TEST(Csv, RecordsKnowTheirLines) {
  const CsvTable table("a\n\"1\n2\"\n\n3\n", "t.csv");
  ASSERT_EQ(table.records().size(), 2U);
  EXPECT_EQ(table.records()[0].line, 2);
  EXPECT_EQ(table.records()[1].line, 5);
  EXPECT_EQ(table.mark(table.records()[1]).text(), "t.csv:5");
}

void expect_refused(std::string_view text, const std::vector<std::string>& parts) {
  expect_error<InputError>([&] { CsvTable(text, "t.csv"); }, parts);
}

TEST(Csv, OtherRecordsAreKeptBesideBadOnes) {
  using namespace std::string_literals;
  const std::string text =
      "a,b\n1,2\n3\n4,5,6\n7,x\"y\n8,\"p\"q\n9,\0\n10,11\n12,\"open\n13,14\n15,\"also\n16,\"17\"\n"s;
  std::vector<BadRow> bad;
  const CsvTable table(text, "t.csv", &bad);
  std::vector<std::string> kept;
  for (const CsvRecord& record : table.records()) kept.push_back(record.fields[0]);
  EXPECT_EQ(kept, (Fields{"1", "10", "13", "16"})) << "an open quote costs no line but its own";
  std::vector<int> lines;
  for (const BadRow& row : bad) lines.push_back(row.line);
  EXPECT_EQ(lines, (std::vector{3, 4, 5, 6, 7, 9, 11}));
  EXPECT_TRUE(bad[0].what.starts_with("1 fields")) << bad[0].what;
  EXPECT_THROW(CsvTable("a,a\n1,2\n", "t.csv", &bad), InputError) << "without a header there is no table";
}

TEST(Csv, WhatNoProgramWritesIsRefused) {
  expect_refused("", {"t.csv:1", "names of the columns"});
  expect_refused("\n\n", {"t.csv:1", "names of the columns"});
  expect_refused("a,a\n", {"t.csv:1", "'a'", "twice"});
  expect_refused("a,b\n1\n", {"t.csv:2", "1 fields", "2 columns"});
  expect_refused("a,b\n1,2\n1,2,3\n", {"t.csv:3", "3 fields", "2 columns"});
  expect_refused("a,b\n1,x\"y\n", {"t.csv:2", "a quote inside"});
  expect_refused("a,b\n1,\"x\"y\n", {"t.csv:2", "closing quote"});
  expect_refused("a,b\n1,2\n1,\"x\n2,3\n4,5\n", {"t.csv:3", "never ends"});
  expect_refused("a\n\"", {"t.csv:2", "never ends"});
  expect_refused(std::string_view("a\nx\0y\n", 6), {"t.csv:2", "NUL"});
  expect_refused(std::string(20'000, ','), {"t.csv:1", "at most 10000 fields"});
}

TEST(Csv, MissingColumnIsNamedWithWhatThereIs) {
  const CsvTable table("id,valu\n", "t.csv");
  expect_error<InputError>([&] { static_cast<void>(table.at("value")); },
                           {"t.csv:1", "value", "missing", "did you mean 'valu'", "id,valu"});
}

}  // namespace
}  // namespace silicast
