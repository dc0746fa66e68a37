// SPDX-License-Identifier: Apache-2.0
#include "calibration/store.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <map>
#include <set>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

namespace fs = std::filesystem;

// In the file's header, so that another program's database is not taken for a store: "sica".
constexpr int application_id = 0x73696361;
constexpr auto patience = std::chrono::seconds(60);

// `figure` is everything that makes a run the same run, `cell` that without the figure itself.
constexpr const char* schema = R"(
  CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    cell TEXT NOT NULL,
    figure TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL, source_url TEXT NOT NULL, source_date TEXT NOT NULL,
    device TEXT NOT NULL, device_count INTEGER NOT NULL, device_memory_gb REAL,
    backend TEXT NOT NULL, build TEXT NOT NULL, flash_attn INTEGER,
    model TEXT NOT NULL, params_b REAL, quant TEXT NOT NULL, model_size_gib REAL, kv_type TEXT NOT NULL,
    ngl INTEGER, threads INTEGER, prompt_len INTEGER, gen_len INTEGER, depth INTEGER, batch REAL,
    metric TEXT NOT NULL, value REAL NOT NULL, stddev REAL, notes TEXT NOT NULL,
    machine TEXT NOT NULL, command TEXT NOT NULL, file TEXT NOT NULL, imported TEXT NOT NULL
  );
  CREATE INDEX runs_by_cell ON runs (cell);
)";

constexpr const char* columns =
    "cell, figure, id, source_url, source_date, device, device_count, device_memory_gb, backend, build, flash_attn, "
    "model, params_b, quant, model_size_gib, kv_type, ngl, threads, prompt_len, gen_len, depth, batch, metric, value, "
    "stddev, notes, machine, command, file, imported";
constexpr int column_count = 30;

std::string text_of(const std::optional<double>& value) { return value ? exact(*value) : ""; }
std::string text_of(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : ""; }

// Fields that no separator can run together: each with its length.
std::string joined(const std::vector<std::string>& fields) {
  std::string text;
  for (const std::string& field : fields) text += std::to_string(field.size()) + ":" + field;
  return text;
}

std::string cell_of(const Run& run) {
  const Observation& o = run.observation;
  return joined({o.device, std::to_string(o.device_count), text_of(o.device_memory_gb), o.backend, o.build,
                 o.flash_attention ? (*o.flash_attention ? "1" : "0") : "", o.model, o.quant, o.kv_type,
                 text_of(o.gpu_layers), text_of(o.threads), text_of(o.prompt), text_of(o.gen), text_of(o.depth),
                 text_of(o.batch), o.metric, o.notes, run.machine});
}

std::string figure_of(const Run& run, const std::string& cell) {
  const Observation& o = run.observation;
  return joined({cell, exact(o.value), text_of(o.stddev), o.source_url, o.source_date});
}

std::string now() {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

// Beyond three standard deviations of the difference, and beyond what runs of one machine vary by.
bool disagree(double a, std::optional<double> a_spread, double b, std::optional<double> b_spread) {
  constexpr double usual = 0.05;
  const double spread = std::hypot(a_spread.value_or(0), b_spread.value_or(0));
  return std::abs(a - b) > std::max(3 * spread, usual * std::max(std::abs(a), std::abs(b)));
}

// As SQLite says it when it happens: what is done afterwards, a rollback, changes what the connection says.
class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};

SqliteError error_of(sqlite3* database) {
  const int code = sqlite3_errcode(database) & 0xff;
  std::string what = sqlite3_errmsg(database);
  const int reason = sqlite3_system_errno(database);
  if (code == SQLITE_IOERR && reason != 0) what += ": " + std::generic_category().message(reason);
  return {code, what};
}

// A file that nobody writes and beside which no other can be made: read without locks and logs.
std::string unchanging(const std::string& file) {
  std::string uri = "file:";
  for (const char c : file) {
    if (c == '%')
      uri += "%25";
    else if (c == '?')
      uri += "%3f";
    else if (c == '#')
      uri += "%23";
    else
      uri += c;
  }
  return uri + "?immutable=1";
}

class Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) : database_(database) {
    if (sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) fail();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int at, const std::string& value) {
    check(sqlite3_bind_text64(statement_, at, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  void bind(int at, double value) { check(sqlite3_bind_double(statement_, at, value)); }
  void bind(int at, std::int64_t value) { check(sqlite3_bind_int64(statement_, at, value)); }
  template <class T>
  void bind(int at, const std::optional<T>& value) {
    if (value)
      bind(at, *value);
    else
      check(sqlite3_bind_null(statement_, at));
  }

  // False when there are no more rows.
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) fail();
    return result == SQLITE_ROW;
  }
  void reset() { sqlite3_reset(statement_); }

  [[nodiscard]] std::string text(int at) const {
    const auto* bytes = sqlite3_column_text(statement_, at);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, at));
    return bytes == nullptr ? "" : std::string(reinterpret_cast<const char*>(bytes), size);
  }
  [[nodiscard]] std::int64_t integer(int at) const { return sqlite3_column_int64(statement_, at); }
  [[nodiscard]] double real(int at) const { return sqlite3_column_double(statement_, at); }
  [[nodiscard]] bool null(int at) const { return sqlite3_column_type(statement_, at) == SQLITE_NULL; }
  [[nodiscard]] std::optional<std::int64_t> optional_integer(int at) const {
    return null(at) ? std::nullopt : std::optional(integer(at));
  }
  [[nodiscard]] std::optional<double> optional_real(int at) const {
    return null(at) ? std::nullopt : std::optional(real(at));
  }

 private:
  void check(int result) const {
    if (result != SQLITE_OK) fail();
  }
  [[noreturn]] void fail() const { throw error_of(database_); }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

void bind_run(Statement& insert, const Run& run, const std::string& cell, const std::string& figure,
              const std::string& file, const std::string& imported) {
  const Observation& o = run.observation;
  std::optional<std::int64_t> flash;
  if (o.flash_attention) flash = *o.flash_attention ? 1 : 0;
  int at = 0;
  const auto put = [&](const auto& value) { insert.bind(++at, value); };
  put(cell), put(figure), put(o.id), put(o.source_url), put(o.source_date);
  put(o.device), put(o.device_count), put(o.device_memory_gb), put(o.backend), put(o.build), put(flash);
  put(o.model), put(o.params_b), put(o.quant), put(o.model_size_gib), put(o.kv_type), put(o.gpu_layers);
  put(o.threads), put(o.prompt), put(o.gen), put(o.depth), put(o.batch), put(o.metric), put(o.value), put(o.stddev);
  put(o.notes), put(run.machine), put(run.command), put(file), put(imported);
  ensure(at == column_count, "every column of a run is bound");
}

// In the order of `columns`, from the third on, with the number first.
StoredRun read_run(const Statement& row) {
  StoredRun stored;
  Observation& o = stored.run.observation;
  int at = 0;
  const auto text = [&] { return row.text(at++); };
  const auto integer = [&] { return row.optional_integer(at++); };
  const auto real = [&] { return row.optional_real(at++); };
  stored.number = integer().value_or(0);
  o.id = text();
  o.source_url = text();
  o.source_date = text();
  o.device = text();
  o.device_count = integer().value_or(1);
  o.device_memory_gb = real();
  o.backend = text();
  o.build = text();
  if (const auto flash = integer()) o.flash_attention = *flash != 0;
  o.model = text();
  o.params_b = real();
  o.quant = text();
  o.model_size_gib = real();
  o.kv_type = text();
  o.gpu_layers = integer();
  o.threads = integer();
  o.prompt = integer();
  o.gen = integer();
  o.depth = integer();
  o.batch = real();
  o.metric = text();
  o.value = real().value_or(0);
  o.stddev = real();
  o.notes = text();
  stored.run.machine = text();
  stored.run.command = text();
  stored.file = text();
  stored.imported = text();
  return stored;
}

}  // namespace

class Store::Connection {
 public:
  enum class Changes { possible, impossible };

  Connection(const fs::path& file, Mode mode, Changes changes = Changes::possible) : file_(file.string()), mode_(mode) {
    const int flags = mode == Mode::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const bool is_uri = changes == Changes::impossible;
    const int result = sqlite3_open_v2(is_uri ? unchanging(file_).c_str() : file_.c_str(), &database_,
                                       flags | SQLITE_OPEN_FULLMUTEX | (is_uri ? SQLITE_OPEN_URI : 0), nullptr);
    if (result != SQLITE_OK) {
      const std::string why = database_ == nullptr ? "out of memory" : sqlite3_errmsg(database_);
      sqlite3_close_v2(database_);
      throw InputError(file_ + ": the store cannot be opened: " + why);
    }
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, static_cast<int>(std::chrono::milliseconds(patience).count()));
  }
  ~Connection() { sqlite3_close_v2(database_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void execute(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }
  [[noreturn]] void fail() const { fail(error_of(database_)); }
  [[noreturn]] void fail(const SqliteError& error) const {
    const int code = error.code();
    const std::string why = error.what();
    if (code == SQLITE_FULL || (code == SQLITE_IOERR && mode_ == Mode::write))
      throw InputError(file_ + ": the store cannot be written: " + why + "; nothing was added");
    if (code == SQLITE_NOTADB) throw InputError(file_ + ": is not a store of silicast (no SQLite file)");
    if (code == SQLITE_BUSY)
      throw InputError(file_ + ": another process has been writing the store for a minute; nothing was added");
    throw InputError(file_ + ": the store cannot be used: " + why);
  }
  std::int64_t pragma(const char* name) {
    Statement statement(database_, std::string("PRAGMA ") + name);
    return statement.step() ? statement.integer(0) : 0;
  }
  // Messages of SQLite carry no file.
  template <class Action>
  auto with_place(Action action) {
    try {
      return action();
    } catch (const SqliteError& error) {
      fail(error);
    }
  }
  // Write-ahead logging lets readers go on while one writes. Switching to it needs the file for oneself for a moment,
  // for which SQLite does not wait.
  void switch_to_wal() {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (sqlite3_exec(database_, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr) != SQLITE_OK) {
      if ((sqlite3_errcode(database_) & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > end) fail();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void check_version() {
    const auto found = pragma("user_version");
    const auto owner = pragma("application_id");
    if (owner != application_id)
      throw InputError(file_ + ": is an SQLite file of another program, not a store of silicast");
    if (found > version)
      throw InputError(file_ + ": was written by a newer silicast (layout " + std::to_string(found) +
                       ", this one knows up to " + std::to_string(version) + "); it was left as it is");
  }
  // False where reading would take a file beside the store, which cannot be made.
  [[nodiscard]] bool can_be_read() {
    try {
      static_cast<void>(pragma("user_version"));
    } catch (const SqliteError& error) {
      return error.code() != SQLITE_CANTOPEN && error.code() != SQLITE_READONLY;
    }
    return true;
  }
  [[nodiscard]] bool is_new() {
    return pragma("user_version") == 0 && pragma("application_id") == 0 && pragma("schema_version") == 0;
  }
  [[nodiscard]] sqlite3* get() const { return database_; }

 private:
  std::string file_;
  Mode mode_;
  sqlite3* database_ = nullptr;
};

namespace {

// Rolls back unless committed.
class Transaction {
 public:
  template <class Connection>
  explicit Transaction(Connection& connection) : database_(connection.get()) {
    connection.execute("BEGIN IMMEDIATE");
  }
  ~Transaction() {
    if (!done_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  template <class Connection>
  void commit(Connection& connection) {
    connection.execute("COMMIT");
    done_ = true;
  }

 private:
  sqlite3* database_;
  bool done_ = false;
};

}  // namespace

Store::Store(const fs::path& file, Mode mode) : file_(file) {
  std::error_code error;
  const bool exists = fs::exists(file, error);
  if (mode == Mode::read && !exists)
    throw InputError(file.string() + ": there is no store yet; silicast calibrate import makes one");
  if (fs::is_directory(file, error)) throw InputError(file.string() + ": is a folder; a store is a file");
  if (mode == Mode::write && file.has_parent_path()) {
    fs::create_directories(file.parent_path(), error);
    if (error) throw InputError(file.parent_path().string() + ": cannot be created: " + error.message());
  }
  connection_ = std::make_unique<Connection>(file, mode);
  if (mode == Mode::read && !connection_->can_be_read()) {
    const fs::path log = file.string() + "-wal";
    if (fs::exists(log, error) && fs::file_size(log, error) > 0)
      throw InputError(file.string() + ": runs in " + log.string() +
                       " are not in the store yet; reading them takes the right to write to the folder");
    connection_ = std::make_unique<Connection>(file, mode, Connection::Changes::impossible);
  }
  Connection& c = *connection_;
  c.with_place([&] {
    if (mode == Mode::read && c.is_new())
      throw InputError(file.string() + ": is empty; silicast calibrate import makes a store of it");
    if (mode == Mode::read || !c.is_new()) {
      c.check_version();
      return;
    }
    c.switch_to_wal();
    Transaction transaction(c);
    if (c.is_new()) {  // still, now that nobody else writes
      c.execute(schema);
      c.execute(("PRAGMA application_id = " + std::to_string(application_id)).c_str());
      c.execute(("PRAGMA user_version = " + std::to_string(version)).c_str());
    }
    transaction.commit(c);
    c.check_version();
  });
}

Store::~Store() = default;

Added Store::add(const std::vector<Run>& runs, const std::string& imported_from) {
  Connection& c = *connection_;
  return c.with_place([&] {
    c.execute("PRAGMA synchronous = FULL");
    Transaction transaction(c);
    c.check_version();
    std::string marks = "?";
    for (int i = 1; i < column_count; ++i) marks += ", ?";
    Statement insert(c.get(), std::string("INSERT OR IGNORE INTO runs (") + columns + ") VALUES (" + marks + ")");
    Statement others(c.get(), "SELECT number, value, stddev FROM runs WHERE cell = ? ORDER BY number");
    Statement same(c.get(), "SELECT number FROM runs WHERE figure = ?");
    Statement mark(c.get(), "UPDATE runs SET file = ? WHERE figure = ?");
    const std::string imported = now();
    Added added;
    std::map<std::int64_t, int> lines;  // of what is added, by number
    const auto line_of = [&](std::int64_t number) {
      const auto at = lines.find(number);
      return at == lines.end() ? 0 : at->second;
    };
    for (const Run& run : runs) {
      const std::string cell = cell_of(run);
      others.reset();
      others.bind(1, cell);
      std::optional<Conflict> conflict;
      while (!conflict && others.step())
        if (disagree(others.real(1), others.optional_real(2), run.observation.value, run.observation.stddev))
          conflict = Conflict{run, others.integer(0), others.real(1), line_of(others.integer(0))};
      insert.reset();
      bind_run(insert, run, cell, figure_of(run, cell), imported_from, imported);
      insert.step();
      if (sqlite3_changes(c.get()) == 0) {
        ++added.duplicates;
        same.reset();
        same.bind(1, figure_of(run, cell));
        if (same.step()) added.known.push_back({run.observation.line, same.integer(0), line_of(same.integer(0))});
        if (imported_from.starts_with(host_import_mark)) {
          mark.reset();
          mark.bind(1, imported_from);
          mark.bind(2, figure_of(run, cell));
          mark.step();
        }
        continue;
      }
      ++added.runs;
      lines[sqlite3_last_insert_rowid(c.get())] = run.observation.line;
      if (conflict) added.conflicts.push_back(*std::move(conflict));
    }
    insert.reset();
    others.reset();
    same.reset();
    mark.reset();
    transaction.commit(c);
    return added;
  });
}

std::vector<StoredRun> Store::runs() const {
  return connection_->with_place([&] {
    const std::string_view all(columns);
    const std::string wanted(all.substr(all.find("id,")));
    Statement select(connection_->get(), "SELECT number, " + wanted + " FROM runs ORDER BY number");
    std::vector<StoredRun> result;
    while (select.step()) result.push_back(read_run(select));
    return result;
  });
}

fs::path Store::default_file() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  const fs::path name = fs::path("silicast") / "observations.sqlite";
  // Relative paths are to be ignored, the specification of the variable says.
  if (const fs::path data = variable("XDG_DATA_HOME"); data.is_absolute()) return data / name;
  const fs::path home = variable("HOME");
  if (home.empty()) throw InputError("neither XDG_DATA_HOME nor HOME is set; --store says where the runs are kept");
#ifdef __APPLE__
  return home / "Library" / "Application Support" / name;
#else
  return home / ".local" / "share" / name;
#endif
}

namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

}  // namespace

std::string runs_csv(const std::vector<StoredRun>& runs) {
  std::string text =
      "id,source_url,source_date,device,device_count,device_memory_gb,backend,build,flash_attn,model,params_b,quant,"
      "model_size_gib,kv_type,ngl,threads,prompt_len,gen_len,depth,batch,metric,value,stddev,notes,machine,command,"
      "file,"
      "imported\n";
  std::set<std::string> ids;
  for (const StoredRun& stored : runs) {
    const Observation& o = stored.run.observation;
    // Two imported files may use one id; in a file every row has its own.
    std::string id = o.id.empty() ? "run-" + std::to_string(stored.number) : o.id;
    if (!ids.insert(id).second) {
      id += "-run-" + std::to_string(stored.number);
      ids.insert(id);
    }
    const std::string flash = o.flash_attention ? (*o.flash_attention ? "1" : "0") : "";
    std::vector<std::string> fields{id,
                                    o.source_url,
                                    o.source_date,
                                    o.device,
                                    std::to_string(o.device_count),
                                    text_of(o.device_memory_gb),
                                    o.backend,
                                    o.build,
                                    flash,
                                    o.model,
                                    text_of(o.params_b),
                                    o.quant,
                                    text_of(o.model_size_gib),
                                    o.kv_type,
                                    text_of(o.gpu_layers),
                                    text_of(o.threads),
                                    text_of(o.prompt),
                                    text_of(o.gen),
                                    text_of(o.depth),
                                    text_of(o.batch),
                                    o.metric,
                                    exact(o.value),
                                    text_of(o.stddev),
                                    o.notes,
                                    stored.run.machine,
                                    stored.run.command,
                                    stored.file,
                                    stored.imported};
    for (std::string& field : fields) field = csv_field(field);
    text += join(fields, ",") + "\n";
  }
  return text;
}

}  // namespace silicast
