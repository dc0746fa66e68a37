// SPDX-License-Identifier: Apache-2.0
#include "base/document.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/expect_error.h"

namespace silicast {
namespace {

Node yaml(std::string_view text) { return parse_yaml(text, "x.yaml"); }
Node json(std::string_view text) { return parse_json(text, "x.json"); }

constexpr std::string_view device = R"(name: Orin
memory:
  bandwidth: 204.8 GB/s
  capacity: [32 GiB, 64 GiB]
  share: 3/4
cores: 14
fast: true
)";

TEST(Document, ReadsEveryKindOfValue) {
  const Node root = yaml(device);
  const Section section(root);
  EXPECT_EQ(section.text("name"), "Orin");
  EXPECT_EQ(section.count("cores"), 14);
  EXPECT_TRUE(section.flag("fast", false));
  const Section memory = section.required_section("memory");
  EXPECT_EQ(memory.quantity<BytesPerSecond>("bandwidth"), 204.8_GBps);
  EXPECT_EQ(memory.quantities<Bytes>("capacity"), (std::vector{32_GiB, 64_GiB}));
  EXPECT_EQ(memory.share("share", 1), 0.75);
  EXPECT_NO_THROW(memory.finish());
  EXPECT_NO_THROW(section.finish());
}

TEST(Document, AbsentAndNullAreTheSame) {
  const Node root = yaml("a: null\nb: ~\nc:\n");
  const Section section(root);
  for (const char* key : {"a", "b", "c", "d"}) {
    EXPECT_FALSE(section.has(key)) << key;
    EXPECT_EQ(section.count_or(key, 7), 7) << key;
    EXPECT_EQ(section.text(key, "fallback"), "fallback") << key;
    EXPECT_FALSE(section.section(key).has_value()) << key;
    EXPECT_TRUE(section.texts(key).empty()) << key;
    EXPECT_TRUE(section.sections(key).empty()) << key;
    EXPECT_TRUE(section.named_sections(key).empty()) << key;
    EXPECT_EQ(section.optional_quantity<Bytes>(key), std::nullopt) << key;
  }
  EXPECT_NO_THROW(section.finish());
}

TEST(Document, MessagesNamePlaceKeyAndRule) {
  const Node root = yaml(device);
  const Section section(root);
  const Section memory = section.required_section("memory");
  EXPECT_INPUT_ERROR(
      static_cast<void>(memory.quantity<Bytes>("bandwidth")),
      "x.yaml:3:14: memory.bandwidth: a quantity is expected, got '204.8 GB/s'; accepted units: GB, GiB");
  EXPECT_INPUT_ERROR(section.quantity<Bytes>("cores"), "x.yaml:6:8: cores: the unit is missing in '14'; accepted: GB");
  EXPECT_INPUT_ERROR(section.count("name"), "x.yaml:1:7: name: a whole number from 1");
  EXPECT_INPUT_ERROR(section.count("cores", 1, 12),
                     "x.yaml:6:8: cores: a whole number from 1 to 12 is expected, got '14'");
  EXPECT_INPUT_ERROR(section.flag("cores", true), "true or false is expected, got '14'");
  EXPECT_INPUT_ERROR(section.text("memory"), "x.yaml:3:3: memory: text is expected, got a map");
  EXPECT_INPUT_ERROR(section.required("watts"), "watts: required, but missing");
  EXPECT_INPUT_ERROR(section.required_section("cores"), "cores: a map is expected, got '14'");
  EXPECT_INPUT_ERROR(section.choice("name", {"Orion", "Thor"}),
                     "name: one of Orion, Thor is expected, got 'Orin' (did you mean 'Orion'?)");
  EXPECT_INPUT_ERROR(memory.share("capacity", 1), "memory.capacity: a number is expected, got a list");
}

TEST(Document, NumbersAtTheirBounds) {
  const Node root = yaml("zero: 0\none: 1\nabove: 1.0000001\nnegative: -1\nzero_size: 0 GB\nnan: nan\n");
  const Section section(root);
  EXPECT_EQ(section.share("one", 0.5), 1);
  EXPECT_INPUT_ERROR(section.share("zero", 1), "zero: a number from 1e-06 to 1");
  EXPECT_INPUT_ERROR(section.share("above", 1), "above: ");
  EXPECT_INPUT_ERROR(section.count("zero"), "zero: a whole number from 1 to");
  EXPECT_EQ(section.count_or("zero", 5), 0);
  EXPECT_INPUT_ERROR(section.count_or("negative", 5), "negative: a whole number from 0 to");
  EXPECT_INPUT_ERROR(section.quantity<Bytes>("zero_size"), "zero_size: must be above zero");
  EXPECT_INPUT_ERROR(section.number("nan", 0, 1), "nan: a number from 0 to 1 is expected, got 'nan'");
}

// A text in quotes used to count as a number.
TEST(Document, QuotedIsText) {
  const Node root = yaml("cores: \"14\"\nfast: 'true'\nnothing: 'null'\nlong: |\n  12\n");
  const Section section(root);
  EXPECT_INPUT_ERROR(section.count("cores"), "got '14' in quotes, which is text");
  EXPECT_INPUT_ERROR(section.flag("fast", false), "got 'true' in quotes, which is text");
  EXPECT_EQ(section.text("nothing"), "null");
  EXPECT_EQ(section.text("long"), "12\n");
}

TEST(Document, UnknownKeysAreNamedTogether) {
  const Node root = yaml("memory:\n  bandwith: 1 GB/s\n  colour: red\n  capacity: 1 GB\n");
  const Section memory = Section(root).required_section("memory");
  static_cast<void>(memory.optional("bandwidth"));
  static_cast<void>(memory.quantity<Bytes>("capacity"));
  EXPECT_INPUT_ERROR(memory.finish(),
                     "x.yaml:2:3: unknown keys 'memory.bandwith' (did you mean 'bandwidth'?); 'memory.colour'");
}

TEST(Document, ListsAndMapsOfSections) {
  const Node root = yaml("limits:\n  - {share: 1/2}\n  - 7\nlevels: {l2: {size: 1 MiB}, l3: 5}\n");
  const Section section(root);
  EXPECT_INPUT_ERROR(section.sections("limits"), "x.yaml:3:5: limits[1]: a map is expected, got '7'");
  EXPECT_INPUT_ERROR(section.named_sections("levels"), "levels.l3: a map is expected, got '5'");
  EXPECT_INPUT_ERROR(section.sections("levels"), "levels: a list is expected, got a map");
}

TEST(Document, YamlThatIsRefused) {
  EXPECT_INPUT_ERROR(yaml("a: 1\nb: 2\na: 3\n"), "x.yaml:3:1: a: duplicate key");
  EXPECT_INPUT_ERROR(yaml("m: {k: 1, k: 2}"), "x.yaml:1:11: k: duplicate key");
  EXPECT_INPUT_ERROR(yaml("a: &x 1\n"), "anchors are not accepted in data files ('&x')");
  EXPECT_INPUT_ERROR(yaml("a: &x [1]\nb: *x\n"), "anchors are not accepted");
  EXPECT_INPUT_ERROR(yaml("b: *x\n"), "x.yaml:1");
  EXPECT_INPUT_ERROR(yaml("a: !!binary aGk=\n"), "tag 'tag:yaml.org,2002:binary' is not accepted");
  EXPECT_INPUT_ERROR(yaml("a: !thing {b: 1}\n"), "tag '!thing' is not accepted");
  EXPECT_INPUT_ERROR(yaml("a: !thing [1]\n"), "tag '!thing' is not accepted");
  EXPECT_INPUT_ERROR(yaml("[a]: 1\n"), "a key must be plain text");
  EXPECT_INPUT_ERROR(yaml("~: 1\n"), "a key must be plain text");
  EXPECT_INPUT_ERROR(yaml(""), "x.yaml: is empty");
  EXPECT_INPUT_ERROR(yaml("# nothing but a comment\n"), "x.yaml: is empty");
  EXPECT_INPUT_ERROR(yaml("a: 1\n---\nb: 2\n"), "one document a file is accepted");
  EXPECT_INPUT_ERROR(yaml(std::string_view("a: 1\0b", 6)), "holds a NUL byte");
  EXPECT_INPUT_ERROR(yaml("a: [1, 2\nb: 3\n"), "x.yaml:2:");
  EXPECT_INPUT_ERROR(yaml("a: b: c\n"), "not valid YAML");
  EXPECT_INPUT_ERROR(yaml("\ta: 1\n"), "not valid YAML");
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(Document, DepthIsLimited) {
  EXPECT_NO_THROW(yaml(repeated("[", 64) + repeated("]", 64))) << "64 levels are as deep as a file may be";
  EXPECT_INPUT_ERROR(yaml(repeated("[", 65) + repeated("]", 65)), "nested deeper than 64 levels");
  EXPECT_INPUT_ERROR(yaml(repeated("[", 200000)), "x.yaml");
  EXPECT_INPUT_ERROR(yaml(repeated("{a: ", 65)), "x.yaml");
  EXPECT_NO_THROW(json(repeated("[", 64) + repeated("]", 64)));
  EXPECT_INPUT_ERROR(json(repeated("[", 65) + repeated("]", 65)), "nested deeper than 64 levels");
  EXPECT_INPUT_ERROR(json(repeated("{\"a\":", 1000000)), "nested deeper than 64 levels");
}

TEST(Document, JsonValues) {
  const Node root =
      json(R"({"hidden_size": 4096, "theta": 1e6, "name": "12", "tied": false, "none": null, "list": [1, 2]})");
  const Section section(root);
  EXPECT_EQ(section.count("hidden_size"), 4096);
  EXPECT_EQ(section.number("theta", 0, 1e9), 1e6);
  EXPECT_EQ(section.text("name"), "12");
  EXPECT_INPUT_ERROR(section.count("name"), "in quotes, which is text");
  EXPECT_FALSE(section.flag("tied", true));
  EXPECT_FALSE(section.has("none"));
  EXPECT_EQ(section.required("list").items.size(), 2U);
}

TEST(Document, JsonThatIsRefused) {
  EXPECT_INPUT_ERROR(json(R"({"a": 1, "a": 2})"), "x.json: a: duplicate key");
  EXPECT_INPUT_ERROR(json("{\n  \"a\": 1,\n  \"b\" 2\n}"), "x.json:3:7: not valid JSON: ");
  EXPECT_INPUT_ERROR(json("{\"a\": 1} x"), "x.json:1:10: not valid JSON");
  EXPECT_INPUT_ERROR(json(""), "not valid JSON");
  EXPECT_INPUT_ERROR(json("{\"a\": 1e999}"), "x.json");
  EXPECT_INPUT_ERROR(json("{\"a\": NaN}"), "x.json:1");
  EXPECT_INPUT_ERROR(json("{'a': 1}"), "x.json:1");
}

// Duplicate keys used to be looked for one by one, which took minutes for this.
TEST(Document, ManyKeysTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  text.back() = '}';
  EXPECT_EQ(json(text).members.size(), 200000U);
}

TEST(Document, MergedReplacesRemovesAndKeepsOrder) {
  const Node result =
      merged(yaml("a: 1\nm: {x: 1, y: 2}\nl: [1, 2]\nz: 1\n"), yaml("m: {y: 3, w: 4}\nl: [9]\nz: null\nq: ~\n"));
  ASSERT_EQ(result.members.size(), 3U);
  EXPECT_EQ(result.members[0].key, "a");
  const Node* m = result.find("m");
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->find("x")->scalar, "1");
  EXPECT_EQ(m->find("y")->scalar, "3");
  EXPECT_EQ(m->find("y")->mark.line, 1) << "the place is where the winning value stands";
  EXPECT_EQ(m->find("w")->scalar, "4");
  EXPECT_EQ(result.find("l")->items.size(), 1U) << "lists are replaced, not joined";
  EXPECT_EQ(result.find("z"), nullptr) << "null removes";
  EXPECT_EQ(result.find("q"), nullptr) << "null adds nothing";
}

TEST(Document, SetPath) {
  Node root = yaml(device);
  const Mark mark{std::make_shared<const std::string>("--set"), 0, 0};
  set_path(root, "memory.bandwidth", "900GB/s", mark);
  set_path(root, "gpu.l2.capacity", "72 MiB", mark);
  EXPECT_EQ(Section(root).required_section("memory").quantity<BytesPerSecond>("bandwidth"), 900_GBps);
  EXPECT_EQ(root.find("gpu")->find("l2")->find("capacity")->scalar, "72 MiB");
  EXPECT_INPUT_ERROR(set_path(root, "cores.big", "2", mark), "--set: cores.big: 'big' is not reached");
  EXPECT_INPUT_ERROR(set_path(root, "memory..x", "2", mark), "--set: memory..x: an empty name in the path");
  EXPECT_INPUT_ERROR(set_path(root, "", "2", mark), "an empty name in the path");
  EXPECT_INPUT_ERROR(set_path(root, repeated("a.", 100000) + "a", "2", mark), "deeper than 64 levels");
}

TEST(Document, FilesThatCannotBeRead) {
  const auto folder = std::filesystem::temp_directory_path() / "silicast-document-test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "big.yaml") << std::string(3000, 'x');
  EXPECT_INPUT_ERROR(read_yaml_file(folder / "absent.yaml"), "absent.yaml: cannot be opened");
  EXPECT_INPUT_ERROR(read_yaml_file(folder), "is a folder, not a file");
  EXPECT_INPUT_ERROR(read_text_file(folder / "big.yaml", 2_KiB), "larger than 2.00 KiB");
  EXPECT_EQ(read_text_file(folder / "big.yaml").size(), 3000U);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace silicast
