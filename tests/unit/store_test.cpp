// SPDX-License-Identifier: Apache-2.0
#include "calibration/store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "calibration/import.h"
#include "tests/unit/expect_error.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

// A folder of its own for each test, gone afterwards.
class Stores : public ::testing::Test {
 protected:
  Stores() {
    std::string name = (fs::temp_directory_path() / "silicast-store-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Stores() override { fs::remove_all(folder_); }
  [[nodiscard]] fs::path file(const char* name = "runs.sqlite") const { return folder_ / name; }

 private:
  fs::path folder_;
};

Run run_of(double value, std::int64_t prompt = 512) {
  silicast::Run run;
  Observation& o = run.observation;
  o.source_date = "2026-11-20";
  o.device = "rtx-4090";
  o.backend = "llama.cpp-cuda";
  o.build = "b5163 (8cf427ff)";
  o.flash_attention = true;
  o.model = "llama-3.1-8b";
  o.params_b = 8.030261312;
  o.quant = "Q4_K_M";
  o.model_size_gib = 4.58;
  o.kv_type = "q8_0";
  o.gpu_layers = -1;
  o.threads = 8;
  o.prompt = prompt;
  o.depth = 0;
  o.batch = 1;
  o.metric = "pp_tps";
  o.value = value;
  o.stddev = 0.1 + 0.2;  // no short decimal
  o.notes = "b=2048; a \"note\", with\na line break";
  run.machine = "NVIDIA GeForce RTX 4090; AMD Ryzen 9 7950X";
  run.command = "llama-bench -p 512";
  return run;
}

TEST_F(Stores, KeepsEveryColumn) {
  const silicast::Run run = run_of(1.0 / 3);
  Store(file(), Store::Mode::write).add({run}, "a.json");
  const auto runs = Store(file(), Store::Mode::read).runs();
  ASSERT_EQ(runs.size(), 1U);
  const Observation& o = runs[0].run.observation;
  const Observation& expected = run.observation;
  for (const std::string& column : observation_columns())
    EXPECT_EQ(column_of(o, column), column_of(expected, column)) << column;
  EXPECT_EQ(o.value, expected.value) << "to the last bit";
  EXPECT_EQ(o.stddev, expected.stddev);
  EXPECT_EQ(o.params_b, expected.params_b);
  EXPECT_EQ(o.notes, expected.notes);
  EXPECT_EQ(runs[0].run.machine, run.machine);
  EXPECT_EQ(runs[0].run.command, run.command);
  EXPECT_EQ(runs[0].file, "a.json");
  EXPECT_EQ(runs[0].imported.size(), std::string("2026-11-20T20:03:11Z").size());
}

TEST_F(Stores, AbsentIsNotZero) {
  silicast::Run run;
  run.observation.metric = "tg_tps";
  run.observation.value = 1;
  Store(file(), Store::Mode::write).add({run}, "");
  const Observation o = Store(file(), Store::Mode::read).runs()[0].run.observation;
  EXPECT_FALSE(o.flash_attention || o.params_b || o.gpu_layers || o.threads || o.prompt || o.gen || o.depth ||
               o.batch || o.stddev || o.device_memory_gb);
}

TEST_F(Stores, DuplicatesAndConflicts) {
  Store store(file(), Store::Mode::write);
  EXPECT_EQ(store.add({run_of(100), run_of(100)}, "a").runs, 1U) << "within one file as well";
  const Added again = store.add({run_of(100), run_of(101), run_of(150)}, "b");
  EXPECT_EQ(again.duplicates, 1U);
  EXPECT_EQ(again.runs, 2U) << "a run that disagrees is kept";
  ASSERT_EQ(again.conflicts.size(), 1U) << "101 is within the spread of machines";
  EXPECT_EQ(again.conflicts[0].added.observation.value, 150);
  EXPECT_EQ(again.conflicts[0].with, 1);
  EXPECT_TRUE(store.add({run_of(500, 1024)}, "c").conflicts.empty()) << "another prompt is another cell";
}

TEST_F(Stores, ExportReadsBack) {
  Store store(file(), Store::Mode::write);
  silicast::Run same_id = run_of(7);
  same_id.observation.id = "x";
  silicast::Run also = run_of(8);
  also.observation.id = "x";
  store.add({run_of(1.0 / 3), run_of(2, 64), same_id, also}, "a");
  const Database database(SILICAST_SOURCE_ROOT "/data");
  const Imported imported = import_runs(runs_csv(store.runs()), "e.csv", {}, database);
  EXPECT_TRUE(imported.not_taken.empty()) << "ids in it are unique";
  ASSERT_EQ(imported.runs.size(), 4U);
  const Added added = store.add(imported.runs, "e.csv");
  EXPECT_EQ(added.duplicates, 4U);
  EXPECT_EQ(added.runs, 0U);
}

TEST_F(Stores, NewerLayoutIsRefusedAndLeftAlone) {
  Store(file(), Store::Mode::write).add({run_of(1)}, "");
  // In the file's header: big-endian, at byte 60. The last connection has merged the log into it.
  std::fstream bytes(file(), std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(60);
  bytes.write("\0\0\0\x63", 4);
  bytes.close();
  EXPECT_INPUT_ERROR(Store(file(), Store::Mode::write), "newer silicast (layout 99");
  EXPECT_INPUT_ERROR(Store(file(), Store::Mode::read), "newer silicast");
}

TEST_F(Stores, WhatIsNoStore) {
  EXPECT_INPUT_ERROR(Store(file("none"), Store::Mode::read), "no store yet");
  std::ofstream(file("text"))
      << "this is no database, only a text that is long enough to have a header of its own ....";
  EXPECT_INPUT_ERROR(Store(file("text"), Store::Mode::write), "is not a store");
  EXPECT_INPUT_ERROR(Store(file("text"), Store::Mode::read), "is not a store");
  fs::create_directory(file("folder"));
  EXPECT_INPUT_ERROR(Store(file("folder"), Store::Mode::write), "is a folder");
  std::ofstream(file("empty")).close();
  EXPECT_EQ(Store(file("empty"), Store::Mode::write).add({run_of(1)}, "").runs, 1U) << "an empty file becomes one";
}

TEST_F(Stores, CutOffFileIsReported) {
  Store(file(), Store::Mode::write).add({run_of(1)}, "");
  fs::resize_file(file(), 5000);
  EXPECT_THROW(Store(file(), Store::Mode::read).runs(), InputError);
}

// Runs in a process of its own, which may give up rights. Its result: 0, else what the action returned.
template <class Action>
int result_of_process(Action action) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 99;
    try {
      code = action();
    } catch (const std::exception&) {
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Stores, ReadsWhatItMayNotWrite) {
  Store(file(), Store::Mode::write).add({run_of(1)}, "");
  const fs::path folder = file().parent_path();
  fs::permissions(folder, fs::perms(0555));
  EXPECT_EQ(result_of_process([&] {
              if (geteuid() == 0 && setuid(65534) != 0) return 0;  // as nobody
              return Store(file(), Store::Mode::read).runs().size() == 1 ? 0 : 1;
            }),
            0);
  fs::permissions(folder, fs::perms(0755));
}

TEST_F(Stores, FullDiskIsSaid) {
  Store(file(), Store::Mode::write).add({run_of(1)}, "");
  EXPECT_EQ(result_of_process([&] {
              std::signal(SIGXFSZ, SIG_IGN);
              constexpr rlim_t most = 60'000;
              const rlimit limit{most, most};
              setrlimit(RLIMIT_FSIZE, &limit);
              std::vector<silicast::Run> runs;
              for (int i = 1; i < 2000; ++i) runs.push_back(run_of(1, i));
              try {
                Store(file(), Store::Mode::write).add(runs, "");
              } catch (const InputError& error) {
                const std::string what = error.what();
                const bool names_it = what.starts_with(file().string()) && what.find("cannot be written") != what.npos;
                return names_it && what.find("rollback") == what.npos ? 0 : 1;
              }
              return 2;
            }),
            0);
  EXPECT_EQ(Store(file(), Store::Mode::read).runs().size(), 1U) << "all or none";
}

TEST_F(Stores, RunsToFitKeepTheirMark) {
  Store store(file(), Store::Mode::write);
  store.add({run_of(1)}, "a.csv");
  store.add({run_of(1)}, std::string(host_import_mark) + "a.csv");
  EXPECT_EQ(store.runs().at(0).file, "calibrate host --import a.csv") << "it was imported before";
  store.add({run_of(1)}, "b.csv");
  EXPECT_EQ(store.runs().at(0).file, "calibrate host --import a.csv");
}

TEST_F(Stores, ThreadsLoseNothing) {
  constexpr int writers = 2;
  constexpr int each = 1000;
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      for (int i = 0; i < each; i += 10) {
        std::vector<silicast::Run> runs;
        for (int k = 0; k < 10; ++k) runs.push_back(run_of(1 + w, 1 + i + k));
        Store(file(), Store::Mode::write).add(runs, std::to_string(w));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Store(file(), Store::Mode::read).runs().size(), static_cast<std::size_t>(writers * each));
}

TEST_F(Stores, ProcessesLoseNothing) {
  constexpr int each = 1000;
  std::vector<pid_t> children;
  for (int w = 0; w < 2; ++w) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int code = 0;
      try {
        Store store(file(), Store::Mode::write);
        for (int i = 0; i < each; i += 20) {
          std::vector<silicast::Run> runs;
          for (int k = 0; k < 20; ++k) runs.push_back(run_of(1 + w, 1 + i + k));
          store.add(runs, std::to_string(w));
        }
      } catch (const std::exception&) {
        code = 1;
      }
      _exit(code);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const auto runs = Store(file(), Store::Mode::read).runs();
  EXPECT_EQ(runs.size(), 2U * each);
  std::set<std::int64_t> numbers;
  for (const StoredRun& run : runs) numbers.insert(run.number);
  EXPECT_EQ(numbers.size(), 2U * each);
}

TEST(StoreFile, DefaultPlace) {
  const char* before = std::getenv("XDG_DATA_HOME");
  const std::string saved = before == nullptr ? "" : before;
  setenv("XDG_DATA_HOME", "/somewhere", 1);
  EXPECT_EQ(Store::default_file(), fs::path("/somewhere/silicast/observations.sqlite"));
  if (before == nullptr)
    unsetenv("XDG_DATA_HOME");
  else
    setenv("XDG_DATA_HOME", saved.c_str(), 1);
}

}  // namespace
}  // namespace silicast
