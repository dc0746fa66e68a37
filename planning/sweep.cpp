// SPDX-License-Identifier: Apache-2.0
#include "planning/sweep.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "planning/dealer.h"
#include "planning/front_file.h"
#include "planning/sweep_file.h"

namespace silicast {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto report_interval = std::chrono::seconds(1);

// Where results go, in the order of the points.
class Sink {
 public:
  virtual ~Sink() = default;
  [[nodiscard]] virtual std::uint64_t next() const = 0;  // the first point that is missing
  virtual void accept(const BlockResult& result) = 0;
  virtual void finish() = 0;
  [[nodiscard]] virtual std::uint64_t rows() const = 0;
};

class RowSink : public Sink {
 public:
  RowSink(const SweepTask& task, const SweepOptions& options)
      : file_(options.out, fingerprint(task, options.identity), task.format->header(), options.restart) {}
  [[nodiscard]] std::uint64_t next() const override { return file_.next(); }
  void accept(const BlockResult& result) override { file_.write(result.rows, result.count, result.range.last); }
  void finish() override { file_.finish(); }
  [[nodiscard]] std::uint64_t rows() const override { return file_.rows(); }

 private:
  SweepFile file_;
};

class FrontSink : public Sink {
 public:
  FrontSink(const SweepTask& task, const SweepOptions& options)
      : front_(task.pareto),
        out_(options.out),
        header_(task.format->header()),
        fingerprint_(fingerprint(task, options.identity)),
        state_(load_front(out_, fingerprint_, options.restart, front_)) {}
  [[nodiscard]] std::uint64_t next() const override { return state_.next; }
  void accept(const BlockResult& result) override {
    for (const ParetoFront::Member& member : result.front) front_.add(member);
    state_.next = result.range.last;
    state_.incomparable += result.incomparable;
    // Saving takes no more than a tenth of the time.
    if (Clock::now() < next_save_) return;
    const auto start = Clock::now();
    save_front(out_, fingerprint_, state_, front_);
    constexpr int share = 10;
    next_save_ =
        Clock::now() + std::max<Clock::duration>(std::chrono::milliseconds(500), share * (Clock::now() - start));
  }
  void finish() override { finish_front(out_, header_, front_); }
  [[nodiscard]] std::uint64_t rows() const override { return front_.size(); }

 private:
  ParetoFront front_;
  std::filesystem::path out_;
  std::string header_;
  std::string fingerprint_;
  FrontState state_;
  Clock::time_point next_save_ = Clock::now();
};

std::uint64_t block_size(std::uint64_t points, std::uint64_t workers) {
  constexpr std::uint64_t largest = 1024;  // about 250 kB of rows: they stay in a cache on their way from rank to rank
  constexpr std::uint64_t blocks_each = 64;
  return std::clamp<std::uint64_t>(points / (blocks_each * workers), 1, largest);
}

// The other ranks, seen from rank 0. A message from one is an answer, or why there is none; with either it asks for
// more. Each has some ranges at a time, so that none waits while an answer is on its way.
constexpr char answer_mark = 'A';
constexpr char error_mark = 'E';
constexpr int ranges_each = 2;

class Helpers {
 public:
  explicit Helpers(Ranks& ranks) : ranks_(ranks), wanted_(static_cast<std::size_t>(ranks.size()), ranges_each) {
    wanted_.front() = 0;
  }

  // Takes in what has come, and gives work to who wants it.
  void serve(Dealer& dealer) {
    receive(&dealer);
    // One to each before a second one to any.
    for (int wants = ranges_each; wants > 0; --wants)
      for (int rank = 1; rank < ranks_.size(); ++rank) {
        int& wanted = wanted_[static_cast<std::size_t>(rank)];
        if (wanted < wants) continue;
        const auto range = dealer.take(false);
        if (!range) return;
        ranks_.send(rank, packed(BlockResult{.range = *range}));
        --wanted;
      }
  }

  // Until all of them have answered, and know that nothing is left.
  void dismiss() {
    const auto at_work = [&] {
      return std::any_of(wanted_.begin() + 1, wanted_.end(), [](int wanted) { return wanted < ranges_each; });
    };
    while (at_work()) {
      receive(nullptr);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    for (int rank = 1; rank < ranks_.size(); ++rank) ranks_.send(rank, packed(BlockResult{}));
  }

 private:
  void receive(Dealer* dealer) {
    while (const auto message = ranks_.poll()) {
      ++wanted_[static_cast<std::size_t>(message->rank)];
      if (dealer == nullptr) continue;
      const std::string_view bytes = std::string_view(message->bytes).substr(1);
      if (message->bytes.front() == error_mark)
        dealer->fail(std::make_exception_ptr(
            Error(ExitCode::internal, "rank " + std::to_string(message->rank) + ": " + std::string(bytes))));
      else
        dealer->give(unpacked(bytes));
    }
  }

  Ranks& ranks_;
  std::vector<int> wanted_;  // by rank: ranges that it has room for
};

// What one rank does with a range, by several threads in equal parts.
class RangeRunner {
 public:
  RangeRunner(const SweepTask& task, int threads) {
    for (int i = 0; i < threads; ++i) runners_.push_back(std::make_unique<BlockRunner>(task));
  }

  BlockResult run(const PointRange& range) {
    if (runners_.size() == 1) return runners_.front()->run(range);
    const std::uint64_t parts = runners_.size();
    std::vector<BlockResult> results(parts);
    std::vector<std::exception_ptr> errors(parts);
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < parts; ++i)
      threads.emplace_back([&, i] {
        try {
          results[i] =
              runners_[i]->run({range.first + range.size() * i / parts, range.first + range.size() * (i + 1) / parts});
        } catch (...) {
          errors[i] = std::current_exception();
        }
      });
    for (std::thread& thread : threads) thread.join();
    for (const auto& error : errors)
      if (error) std::rethrow_exception(error);
    BlockResult whole{.range = range};
    for (BlockResult& part : results) {
      whole.rows += part.rows;
      whole.count += part.count;
      whole.incomparable += part.incomparable;
      for (auto& member : part.front) whole.front.push_back(std::move(member));
    }
    return whole;
  }

 private:
  std::vector<std::unique_ptr<BlockRunner>> runners_;
};

void help(const SweepTask& task, int threads, Ranks& ranks) {
  RangeRunner runner(task, threads);
  for (PointRange range = unpacked(ranks.wait()).range; range.size() > 0; range = unpacked(ranks.wait()).range) {
    std::string answer;
    try {
      answer = answer_mark + packed(runner.run(range));
    } catch (const std::exception& error) {
      answer = error_mark + std::string(error.what());
    }
    ranks.send(0, answer);
  }
}

// The threads of rank 0.
class Crew {
 public:
  Crew(const SweepTask& task, Dealer& dealer, int threads) : dealer_(dealer) {
    for (int i = 0; i < threads; ++i)
      threads_.emplace_back([&task, &dealer] {
        try {
          BlockRunner runner(task);
          while (const auto range = dealer.take(true)) dealer.give(runner.run(*range));
        } catch (...) {
          dealer.fail(std::current_exception());
        }
      });
  }
  ~Crew() {
    dealer_.stop();
    for (std::thread& thread : threads_) thread.join();
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

 private:
  Dealer& dealer_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::string fingerprint(const SweepTask& task, const std::string& identity) {
  std::string text = identity;
  for (const Axis& axis : task.grid->axes()) {
    text += "\n" + axis.option + " " + axis.name;
    for (const std::string& value : axis.values) text += "\t" + value;
    if (axis.progression)
      text += "\t" + exact(axis.progression->from) + " " + exact(axis.progression->step) + " " +
              std::to_string(axis.progression->size);
  }
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return std::to_string(hash);
}

SweepOutcome sweep(const SweepTask& task, const SweepOptions& options, Ranks& ranks) {
  if (ranks.rank() > 0) {
    help(task, options.threads, ranks);
    return {};
  }
  const auto start = Clock::now();
  const std::uint64_t points = task.grid->points();
  Helpers helpers(ranks);
  SweepOutcome outcome{.points = points};
  try {
    std::unique_ptr<Sink> sink;
    if (task.pareto.empty())
      sink = std::make_unique<RowSink>(task, options);
    else
      sink = std::make_unique<FrontSink>(task, options);
    outcome.continued_at = std::min(sink->next(), points);
    const auto workers = static_cast<std::uint64_t>(options.threads) * static_cast<std::uint64_t>(ranks.size());
    Dealer dealer({outcome.continued_at, points}, block_size(points, workers), 4 * workers);
    const Crew crew(task, dealer, options.threads);
    const std::chrono::microseconds patience(ranks.size() > 1 ? 200 : 200'000);
    auto next_report = start + report_interval;
    SweepProgress progress{.points = points, .begun_at = outcome.continued_at};
    while (!dealer.done()) {
      if (ranks.size() > 1) helpers.serve(dealer);
      if (const auto result = dealer.next(patience)) {
        sink->accept(*result);
        outcome.incomparable += result->incomparable;
      }
      if (Clock::now() < next_report || !options.progress) continue;
      next_report = Clock::now() + report_interval;
      progress.done = sink->next();
      progress.seconds = std::chrono::duration<double>(Clock::now() - start).count();
      options.progress(progress);
    }
    sink->finish();
    outcome.rows = sink->rows();
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } catch (...) {
    helpers.dismiss();
    throw;
  }
  helpers.dismiss();
  return outcome;
}

}  // namespace silicast
