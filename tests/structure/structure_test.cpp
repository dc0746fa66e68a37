// SPDX-License-Identifier: Apache-2.0
// The rules of tests/structure/rules.h, first each on a tree in memory that breaks it, then all on the tree as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/document.h"
#include "base/text.h"
#include "tests/structure/rules.h"

namespace silicast::structure {
namespace {

namespace fs = std::filesystem;

// ---------------------------------------------------------------- the rules can fail

TEST(StructureRules, IncludesGoToTheLeft) {
  const Files files{{"base/a.h", "// first\n #  include \"model/m.h\"\n"},
                    {"hardware/h.h", "#include \"base/a.h\"\n#include \"workloads/w.h\"\n#include \"hardware/h.h\"\n"},
                    {"workloads/w.h", "#include \"a.h\"\n"},
                    {"model/m.h", "#include <vector>\n// #include \"cli/main.cpp\"\n"},
                    {"engine/e.cpp", "#include \"model/m.h\"\n"},
                    {"cli/main.cpp", "#include \"model/m.h\"\n"},
                    {"stray/s.h", ""}};
  EXPECT_EQ(includes_to_the_right(files),
            (Complaints{"base/a.h:2: base must not include model (\"model/m.h\")",
                        "engine/e.cpp:1: engine must not include model (\"model/m.h\")",
                        "hardware/h.h:2: hardware must not include workloads (\"workloads/w.h\")",
                        "stray/s.h:1: the folder has no place in the include rule (tests/structure/rules.cpp)",
                        "workloads/w.h:1: includes \"a.h\", which is no file seen from the root"}));
}

TEST(StructureRules, PublicHeadersShowNoThirdParty) {
  const Files files{{"base/a.h", "#include <vector>\n#include <yaml-cpp/yaml.h>\n"},
                    {"base/a.cpp", "#include <yaml-cpp/yaml.h>\n"},
                    {"report/r.h", "#include <fmt.h>\n"},
                    {"cli/c.h", "#include <CLI/CLI.hpp>\n"}};
  EXPECT_EQ(third_party_in_headers(files), (Complaints{"base/a.h:2: a public header includes <yaml-cpp/yaml.h>",
                                                       "report/r.h:1: a public header includes <fmt.h>"}));
}

std::string lines(int count) { return std::string(static_cast<std::size_t>(count), '\n'); }

TEST(StructureRules, FilesAreShort) {
  const Files files{{"base/a.cpp", lines(600)}, {"base/b.cpp", lines(601)},    {"base/README.md", lines(41)},
                    {"README.md", lines(200)},  {"data/README.md", lines(90)}, {"data/x.csv", lines(5000)}};
  EXPECT_EQ(too_long(files), (Complaints{"base/README.md:40: is 41 lines long; at most 40",
                                         "base/b.cpp:600: is 601 lines long; at most 600"}));
}

TEST(StructureRules, LicenceLine) {
  const Files files{{"base/a.cpp", "// SPDX-License-Identifier: Apache-2.0\n"},
                    {"base/b.cpp", "#include <vector>\n"},
                    {"dev", "#!/usr/bin/env bash\n# SPDX-License-Identifier: Apache-2.0\n"},
                    {"base/CMakeLists.txt", lines(3) + "# SPDX-License-Identifier: Apache-2.0\n"}};
  EXPECT_EQ(without_licence(files),
            (Complaints{"base/CMakeLists.txt:1: the line 'SPDX-License-Identifier: Apache-2.0' is missing",
                        "base/b.cpp:1: the line 'SPDX-License-Identifier: Apache-2.0' is missing"}));
}

TEST(StructureRules, EverySourceIsBuilt) {
  const Files files{{"base/CMakeLists.txt", "add(a.cpp\n  deep/b.cpp)\n# c.cpp\n"},
                    {"base/a.cpp", ""},
                    {"base/deep/b.cpp", ""},
                    {"base/c.cpp", ""},
                    {"base/deep/a.cpp", ""},
                    {"bench/CMakeLists.txt", "silicast_benchmark(predict)\n"},
                    {"bench/predict.cpp", ""},
                    {"bench/predic.cpp", ""}};
  EXPECT_EQ(not_built(files), (Complaints{"base/c.cpp:1: no CMakeLists.txt lists this file",
                                          "base/deep/a.cpp:1: no CMakeLists.txt lists this file",
                                          "bench/predic.cpp:1: no CMakeLists.txt lists this file"}));
}

TEST(StructureRules, DataIsReadable) {
  const Files files{{"data/a.yaml", "a: 1\na: 2\n"}, {"data/b/c.yaml", "a: 1\n"}, {"tests/x.yaml", "a: [\n"}};
  EXPECT_EQ(unreadable_data(files), Complaints{"data/a.yaml:2:1: a: duplicate key"});
}

// ---------------------------------------------------------------- the tree

// Folders at the root that hold no sources of ours.
bool is_skipped(const std::string& name) {
  return name.starts_with('.') || name.starts_with("build") || name == "shared" || name == "node_modules";
}

bool is_of_interest(const fs::path& path) {
  static const std::vector<std::string> endings{".h", ".cpp", ".cmake", ".md", ".yaml", ".yml"};
  return path.filename() == "CMakeLists.txt" || path.filename() == "dev" ||
         std::find(endings.begin(), endings.end(), path.extension()) != endings.end();
}

const Files& tree() {
  static const Files files = [] {
    const fs::path root = SILICAST_SOURCE_ROOT;
    Files result;
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
      if (it.depth() == 0 && is_skipped(it->path().filename().string())) {
        it.disable_recursion_pending();
        continue;
      }
      if (it->is_regular_file() && is_of_interest(it->path()))
        result[it->path().lexically_relative(root).generic_string()] = read_text_file(it->path());
    }
    return result;
  }();
  return files;
}

class Structure : public testing::TestWithParam<std::pair<const char*, Complaints (*)(const Files&)>> {};

TEST_P(Structure, Holds) {
  const Complaints complaints = GetParam().second(tree());
  EXPECT_TRUE(complaints.empty()) << join(complaints, "\n");
}

INSTANTIATE_TEST_SUITE_P(Tree, Structure,
                         testing::Values(std::pair{"includes_to_the_right", &includes_to_the_right},
                                         std::pair{"third_party_in_headers", &third_party_in_headers},
                                         std::pair{"too_long", &too_long},
                                         std::pair{"without_licence", &without_licence},
                                         std::pair{"not_built", &not_built},
                                         std::pair{"unreadable_data", &unreadable_data}),
                         [](const auto& rule) { return std::string(rule.param.first); });

TEST(StructureTree, IsSeen) {
  EXPECT_TRUE(tree().contains("base/text.cpp"));
  EXPECT_TRUE(tree().contains("tests/structure/rules.cpp"));
  EXPECT_TRUE(tree().contains("dev"));
  EXPECT_TRUE(std::any_of(tree().begin(), tree().end(),
                          [](const auto& file) { return file.first.starts_with("data/models/"); }));
}

}  // namespace
}  // namespace silicast::structure
