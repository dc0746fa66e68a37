// SPDX-License-Identifier: Apache-2.0
#include "base/catalogue.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/expect_error.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

// A catalogue in a folder of its own.
class CatalogueTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              (std::string("silicast-catalogue-") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "families");
    write("families/ada.yaml",
          "extends: nvidia\nmemory: {type: GDDR6X, share: 0.92}\ngpu: {rate: 256}\nsources: {gpu: white paper}\n"
          "notes: [of the family]\n");
    write("families/nvidia.yaml", "vendor: NVIDIA\nmemory: {type: GDDR6, ecc: 1}\n");
    write("rtx-4090.yaml",
          "name: GeForce RTX 4090\nid: rtx-4090\naliases: [NVIDIA RTX 4090, 4090]\nextends: ada\n"
          "memory: {size: 24 GiB, ecc: null}\ncores: 128\nnotes: [of the card]\nsources: {memory: datasheet}\n");
    write("m2.yaml",
          "vendor: Apple\ncores: 10\nsources: {cores: base}\nvariants:\n"
          "  m2-max-38: {cores: 38, aliases: Apple M2 Max 38c}\n"
          "  m2-ultra-76: {cores: 76, power: 5 W, sources: {power: measured}}\n  m2: null\n");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  [[nodiscard]] Catalogue catalogue() const { return {folder_, "device"}; }

  fs::path folder_;
};

TEST_F(CatalogueTest, ExtendsStatesOnlyTheDifference) {
  const Entry entry = catalogue().find("rtx-4090");
  EXPECT_EQ(entry.name, "GeForce RTX 4090");
  EXPECT_EQ(entry.section().text("vendor"), "NVIDIA") << "from the family of the family";
  const Section memory = entry.section().required_section("memory");
  EXPECT_EQ(memory.text("type"), "GDDR6X") << "the nearer family wins";
  EXPECT_EQ(memory.quantity<Bytes>("size"), 24_GiB);
  EXPECT_FALSE(memory.has("ecc")) << "null removes what the family said";
  EXPECT_EQ(entry.notes, std::vector<std::string>{"of the card"});
  for (const char* key : {"id", "name", "aliases", "extends", "sources", "notes"})
    EXPECT_EQ(entry.figures.find(key), nullptr) << key << " is not a figure";
}

TEST_F(CatalogueTest, AVariantOfAVariant) {
  write("m3.yaml",
        "cores: 10\nvariants:\n  m3: {power: 5 W, aliases: base M3, sources: {power: measured}}\n"
        "  m3-max: {of: m3, cores: 40}\n");
  const Entry max = catalogue().find("m3-max");
  EXPECT_EQ(max.section().count("cores"), 40);
  EXPECT_EQ(max.section().text("power"), "5 W");
  EXPECT_TRUE(max.aliases.empty()) << "another's names are not its own";
  EXPECT_EQ(max.sources, catalogue().find("m3").sources);
  EXPECT_EQ(catalogue().find("m3").section().count("cores"), 10);
}

TEST_F(CatalogueTest, VariantsAreEntriesOfTheirOwn) {
  EXPECT_EQ(catalogue().find("m2-max-38").section().count("cores"), 38);
  EXPECT_EQ(catalogue().find("m2").section().count("cores"), 10);
  EXPECT_EQ(catalogue().find("m2-ultra-76").name, "m2-ultra-76") << "without a name the id is shown";
  std::vector<std::string> ids;
  for (const auto& entry : catalogue().all()) ids.push_back(entry.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"m2", "m2-max-38", "m2-ultra-76", "rtx-4090"})) << "families are no entries";
}

TEST_F(CatalogueTest, NamesAreComparedLoosely) {
  for (const char* name : {"RTX-4090", "rtx_4090", " nvidia rtx 4090 ", "4090"})
    EXPECT_EQ(catalogue().find(name).id, "rtx-4090") << name;
  EXPECT_EQ(catalogue().find("apple_m2_max_38c").id, "m2-max-38");
  EXPECT_FALSE(catalogue().try_find("").has_value());
  EXPECT_FALSE(catalogue().try_find("4091").has_value());
  EXPECT_FALSE(catalogue().try_find("../devices/rtx-4090").has_value()) << "a name is not a path";
}

// As drivers, shops and model hubs write them.
TEST_F(CatalogueTest, NamesOfProducts) {
  write("rtx-4090-laptop.yaml", "name: NVIDIA GeForce RTX 4090 Laptop GPU\nid: rtx-4090-laptop\ncores: 76\n");
  write("rtx-3080.yaml",
        "name: NVIDIA GeForce RTX 3080 10 GB\nvariants:\n  rtx-3080: {cores: 68}\n"
        "  rtx-3080-12: {name: NVIDIA GeForce RTX 3080 12 GB, cores: 70}\n");
  write("core-i9.yaml", "name: Intel Core i9-13900K\nid: core-i9-13900k\ncores: 8\n");
  write("ryzen.yaml", "name: AMD Ryzen 9 7950X\nid: ryzen-9-7950x\ncores: 16\n");
  write("llama.yaml", "name: Llama 3.1 8B\nid: llama-3.1-8b\nlayers: 32\n");
  const std::vector<std::pair<const char*, const char*>> cases{
      {"NVIDIA GeForce RTX 4090", "rtx-4090"},
      {"GeForce RTX4090", "rtx-4090"},
      {"NVIDIA GeForce RTX 4090 Laptop GPU", "rtx-4090-laptop"},
      {"RTX 4090 Mobile", "rtx-4090-laptop"},
      {"NVIDIA GeForce RTX 3080 12GB", "rtx-3080-12"},
      {"13th Gen Intel(R) Core(TM) i9-13900K", "core-i9-13900k"},
      {"Intel\u00ae Core\u2122 i9-13900K CPU @ 3.00GHz", "core-i9-13900k"},
      {"AMD Ryzen 9 7950X 16-Core Processor", "ryzen-9-7950x"},
      {"meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"},
      {"Llama-3_1-8B-it-GGUF", "llama-3.1-8b"},
      {"llama3.1:8b", "llama-3.1-8b"},
  };
  for (const auto& [name, id] : cases) EXPECT_EQ(catalogue().find(name).id, id) << name;
  for (const char* name : {"GeForce RTX 3080 20GB", "RTX 4090 Ti", "GeForce", "llama-31-8b", "Llama 3.1 80B", "GPU"})
    EXPECT_INPUT_ERROR(catalogue().find(name), "unknown device '" + std::string(name) + "'");
  // A name that two products share is neither's.
  write("other.yaml", "name: Other\nid: other\naliases: [AMD Ryzen 9 7950X Processor]\ncores: 1\n");
  EXPECT_INPUT_ERROR(catalogue().find("Ryzen9 7950X"), "unknown device");
}

TEST_F(CatalogueTest, UnknownNamesGetSuggestions) {
  EXPECT_INPUT_ERROR(catalogue().find("rtx-4080"), "unknown device 'rtx-4080' (did you mean 'rtx-4090'");
  EXPECT_INPUT_ERROR(catalogue().find("tpu-v7"), "unknown device 'tpu-v7'; 'silicast list devices' shows all devices");
  EXPECT_INPUT_ERROR(Catalogue(folder_ / "none", "device"), "no such folder; the catalogue of devices");
}

TEST_F(CatalogueTest, FilesOfTheUsersOwn) {
  const std::string m2 = (folder_ / "m2.yaml").string();
  EXPECT_EQ(catalogue().find_or_read((folder_ / "rtx-4090.yaml").string()).id, "rtx-4090");
  EXPECT_EQ(catalogue().find_or_read(m2 + "#m2-ultra-76").id, "m2-ultra-76");
  EXPECT_INPUT_ERROR(catalogue().find_or_read(m2), "holds several variants; name one as " + m2 + "#m2-max-38");
  EXPECT_INPUT_ERROR(catalogue().find_or_read(m2 + "#m2-ultra-67"),
                     "unknown variant 'm2-ultra-67' (did you mean 'm2-ultra-76'?)");
  EXPECT_INPUT_ERROR(catalogue().find_or_read("absent.yaml"), "absent.yaml: cannot be opened");
  // A file elsewhere still extends the families of the catalogue.
  const fs::path own = folder_ / "own" / "box.yaml";
  fs::create_directories(own.parent_path());
  std::ofstream(own) << "id: box\nextends: nvidia\n";
  EXPECT_EQ(catalogue().read(own).section().text("vendor"), "NVIDIA");
}

TEST_F(CatalogueTest, ExtendsStaysInItsFolder) {
  write("secret.yaml", "id: secret\n");
  for (const auto& name :
       std::vector<std::string>{"../secret", "/etc/passwd", "..", "a\\\\b", "none", "", std::string(300, 'x')}) {
    write("bad.yaml", "id: bad\nextends: \"" + name + "\"\n");
    EXPECT_INPUT_ERROR(catalogue().find("bad"), "bad.yaml:2:10: extends: no family '");
  }
  write("bad.yaml", "id: bad\nextends: [ada]\n");
  EXPECT_INPUT_ERROR(catalogue().find("bad"), "extends: no family a list");
}

// Used to be refused: generations are numbered with a dot.
TEST_F(CatalogueTest, FamilyNamesMayHoldADot) {
  write("families/rdna3.5.yaml", "cores: 40\n");
  write("box.yaml", "id: box\nextends: rdna3.5\n");
  EXPECT_EQ(catalogue().find("box").section().count("cores"), 40);
}

TEST_F(CatalogueTest, ExtendsInACircleEnds) {
  write("families/self.yaml", "extends: self\n");
  write("families/ping.yaml", "extends: pong\n");
  write("families/pong.yaml", "extends: ping\n");
  write("bad.yaml", "id: bad\nextends: self\n");
  EXPECT_INPUT_ERROR(catalogue().find("bad"), "self.yaml:1:10: extends: the family 'self' extends itself");
  write("bad.yaml", "id: bad\nextends: ping\n");
  EXPECT_INPUT_ERROR(catalogue().find("bad"), "the family 'ping' extends itself");
}

TEST_F(CatalogueTest, EntriesThatAreRefused) {
  const auto refuses = [&](const std::string& text, const std::string& message) {
    write("bad.yaml", text);
    EXPECT_INPUT_ERROR(catalogue().entries_of(folder_ / "bad.yaml"), message);
  };
  refuses("name: x\n", "bad.yaml:1:1: id: required, but missing");
  refuses("id: [x]\n", "id: required, but missing");
  refuses("id: ''\n", "a name of 1 to 100 characters is expected");
  refuses("[1]\n", "a map is expected, got a list");
  refuses("id: a\nvariants: {b: null}\n", "a file with variants has no id of its own");
  refuses("variants: [b]\n", "variants: a map from ids to differences is expected, got a list");
  // Used to be read as a file without entries, and then to crash.
  refuses("variants: {}\n", "variants: a map from ids to differences is expected");
  refuses("variants: {b: 5}\n", "variants.b: a map is expected, got '5'");
  refuses("variants: {b: {of: c}, c: {}}\n", "variants.b.of: no variant 'c' stands above");
  refuses("variants: {b: {id: c}}\n", "variants.b.id: the key of a variant is its id");
  refuses("id: a\nsources: [x]\n", "sources: a map from fields to citations is expected, got a list");
  refuses("id: a\nsources: {gpu: ''}\n", "sources.gpu: a citation is expected");
  refuses("id: a\naliases: {b: c}\n", "aliases: text is expected, got a map");
}

TEST_F(CatalogueTest, EveryFigureHasASource) {
  const auto missing = [&](const std::string& text) {
    write("figures.yaml", "id: figures\n" + text);
    std::vector<std::string> paths;
    for (const auto& [path, mark] : figures_without_source(catalogue().find("figures"))) paths.push_back(path);
    return paths;
  };
  const std::string figures = "memory: {size: 24 GiB, type: GDDR6X, list: [1, 2], quoted: '7'}\nmemory_bus: 384\n";
  EXPECT_EQ(missing(figures), (std::vector<std::string>{"memory.size", "memory.list", "memory.list", "memory_bus"}))
      << "numbers only; a list under its own name";
  EXPECT_EQ(missing(figures + "sources: {memory: x}\n"), std::vector<std::string>{"memory_bus"})
      << "a prefix covers whole names only";
  EXPECT_EQ(missing(figures + "sources: {memory.list: x, memory_bus: y}\n"), std::vector<std::string>{"memory.size"});
  EXPECT_TRUE(missing(figures + "sources: {all: x}\n").empty());
  // Used to be overlooked: numbers that do not begin with a digit.
  EXPECT_EQ(missing("a: -5\nb: .5\nc: +1\nd: text\n"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(figures_without_source(catalogue().find("m2-ultra-76")).size(), 0U) << "file and variant together";
  const auto of_card = figures_without_source(catalogue().find("rtx-4090"));
  ASSERT_EQ(of_card.size(), 1U);
  EXPECT_EQ(of_card[0].first, "cores");
  EXPECT_EQ(of_card[0].second.line, 6);
}

}  // namespace
}  // namespace silicast
