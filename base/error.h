// SPDX-License-Identifier: Apache-2.0
// Three kinds of failure, three mechanisms:
//   the input is wrong              -> InputError (exit code 3) or UsageError (2), with place and rule;
//   the model cannot answer that    -> RefusedError (4), with the reason;
//   silicast itself is wrong        -> ensure(), which aborts and is never reachable from input.
// An answer that is "no" (it does not fit) is a value in the result, not an exception.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace silicast {

enum class ExitCode { done = 0, no = 1, usage = 2, bad_input = 3, refused = 4, internal = 70 };

// A place in a file; line and column count from 1, 0 means unknown.
struct Mark {
  std::shared_ptr<const std::string> file;
  int line = 0;
  int column = 0;

  [[nodiscard]] std::string text() const;  // "file:line:column", as far as known
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode exit_code, const std::string& message) : std::runtime_error(message), exit_code_(exit_code) {}
  [[nodiscard]] ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// Something in a file or a value given by the user. The message reads
// "FILE:LINE:COLUMN: KEY.PATH: what is wrong, what was seen; what is accepted; did you mean".
class InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(ExitCode::bad_input, message) {}
  InputError(const Mark& mark, std::string_view key_path, std::string_view what);
};

// What a message says, without the place it begins with; for lists whose rows say the place.
std::string without_place(std::string_view message, const Mark& mark);

class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};

class RefusedError : public Error {
 public:
  explicit RefusedError(const std::string& message) : Error(ExitCode::refused, message) {}
};

// " (did you mean 'x'?)", or nothing when no known name is close.
std::string did_you_mean(std::string_view unknown, const std::vector<std::string>& known);

// Aborts with the sentence and the place in the source when the condition does not hold.
// The built-ins rather than std::source_location, which Clang before 15 does not have with libstdc++.
void ensure(bool condition, std::string_view sentence, const char* file = __builtin_FILE(),
            int line = __builtin_LINE());

}  // namespace silicast
