// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/sample.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>

namespace silicast::engine {

double wall_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

namespace {

double processor_now(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return wall_now();
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct alignas(64) ThreadTimes {
  double begin = 0, end = 0, processor = 0;
};

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

// A thread that waits for its turn falls behind the wall; the tick of the scheduler costs about 1 %.
bool disturbed(const Repeat& repeat) { return repeat.wall > 1.03 * repeat.processor + 3e-6; }

Repeat repeat_of(const std::vector<ThreadTimes>& threads) {
  Repeat repeat;
  double begin = threads.front().begin;
  double end = 0;
  for (const ThreadTimes& thread : threads) {
    begin = std::min(begin, thread.begin);
    end = std::max(end, thread.end);
    repeat.processor = std::max(repeat.processor, thread.processor);
  }
  repeat.wall = end - begin;
  return repeat;
}

double first_number(const std::filesystem::path& file) {
  std::ifstream in(file);
  double value = 0;
  return in >> value ? value : 0;
}

// Busy processor seconds of all programs; 0 where unknown.
double busy_seconds() {
  std::ifstream in("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0;
  if (!(in >> label >> user >> nice >> system) || label != "cpu") return 0;
  return (user + nice + system) / 100;  // USER_HZ is 100 in every Linux ABI
}

template <class Action>  // action(path of a folder's entry)
void for_each_entry(const char* folder, Action action) {
  std::error_code none;
  for (std::filesystem::directory_iterator at(folder, none), end; !none && at != end; at.increment(none))
    action(at->path());
}

}  // namespace

Sample summary_of(const std::vector<Repeat>& repeats) {
  Sample result;
  if (repeats.empty()) return result;
  result.repeats = static_cast<int>(repeats.size());
  std::vector<double> quiet, all, wall;
  for (const Repeat& repeat : repeats) {
    all.push_back(repeat.processor);
    wall.push_back(repeat.wall);
    if (!disturbed(repeat)) quiet.push_back(repeat.processor);
  }
  result.disturbed = 1 - static_cast<double>(quiet.size()) / static_cast<double>(all.size());
  std::vector<double>& used = quiet.size() >= 3 ? quiet : all;
  std::sort(used.begin(), used.end());
  std::sort(wall.begin(), wall.end());
  result.seconds = quantile(used, 0.5);
  result.best = used.front();
  result.spread = result.seconds > 0 ? (quantile(used, 0.75) - quantile(used, 0.25)) / result.seconds : 0;
  result.wall_seconds = quantile(wall, 0.5);
  return result;
}

Sample sample(ThreadPool& pool, const Effort& effort, const std::function<void(const Worker&)>& action) {
  std::vector<ThreadTimes> threads(static_cast<std::size_t>(pool.size()));
  std::vector<Repeat> repeats;
  const auto once = [&] {
    pool.run([&](const Worker& worker) {
      ThreadTimes& times = threads[static_cast<std::size_t>(worker.index())];
      worker.barrier();
      times.begin = wall_now();
      const double before = processor_now(CLOCK_THREAD_CPUTIME_ID);
      action(worker);
      times.processor = processor_now(CLOCK_THREAD_CPUTIME_ID) - before;
      times.end = wall_now();
    });
  };
  once();
  const double begin = wall_now();
  for (int i = 0; i < effort.most && (i < effort.least || wall_now() - begin < effort.seconds); ++i) {
    once();
    repeats.push_back(repeat_of(threads));
  }
  return summary_of(repeats);
}

Condition condition() {
  static const double wall_start = wall_now();
  static const double busy_start = busy_seconds();
  static const double own_start = processor_now(CLOCK_PROCESS_CPUTIME_ID);
  Condition result;
  double sum = 0;
  int count = 0;
  for_each_entry("/sys/devices/system/cpu", [&](const std::filesystem::path& entry) {
    const double kilohertz = first_number(entry / "cpufreq" / "scaling_cur_freq");
    if (kilohertz <= 0) return;
    sum += 1e3 * kilohertz;
    ++count;
  });
  if (count > 0) result.clock_hertz = sum / count;
  if (count == 0) {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
      if (line.rfind("cpu MHz", 0) == 0 && line.find(':') != std::string::npos) {
        sum += 1e6 * std::strtod(line.c_str() + line.find(':') + 1, nullptr);
        ++count;
      }
    if (count > 0) result.clock_hertz = sum / count;
  }
  for_each_entry("/sys/class/thermal", [&](const std::filesystem::path& entry) {
    result.temperature_celsius = std::max(result.temperature_celsius, 1e-3 * first_number(entry / "temp"));
  });
  const double elapsed = wall_now() - wall_start;
  if (elapsed > 0.2 && busy_seconds() > 0) {
    const double own = processor_now(CLOCK_PROCESS_CPUTIME_ID) - own_start;
    result.foreign_load = std::max(0.0, (busy_seconds() - busy_start - own) / elapsed);
  }
  return result;
}

}  // namespace silicast::engine
