// SPDX-License-Identifier: Apache-2.0
// What the importers of servers' benchmarks share: figures of requests, and of all requests together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/import_parts.h"

namespace silicast {

struct ServedRequest {
  std::int64_t prompt = 0;
  std::int64_t gen = 0;
  std::optional<double> concurrency;
};

struct ServedFigure {
  const char* metric;
  std::optional<double> value;
  std::optional<double> stddev;
};

// Tokens per second of all requests.
struct Throughput {
  std::optional<double> output;
  std::optional<double> total;  // prompts and answers
};

constexpr double ms = 1e-3;
std::optional<double> scaled(std::optional<double> value, double factor);
// Throws RecordError where it is none.
std::int64_t mean_length(double tokens, double requests, const char* what);

// One run for each figure that the record has. False where it has none above 0.
bool add_figures(const Run& base, const ServedRequest& request, const std::vector<ServedFigure>& figures,
                 ImportContext& context);
// As tg_tps and total_tps. With no more requests than run at once it is a batch from its first prompt to its last
// token, else clients that ask again. False where the record has none.
bool add_throughput(const Run& base, const ServedRequest& request, const Throughput& all, double requests,
                    ImportContext& context);
// Likewise; says that it is not taken.
bool leave_out_throughput(const Run& base, const Throughput& all, const char* because, const std::string& detail,
                          ImportContext& context);

// Where a record has neither.
[[noreturn]] void refuse_without_figures();

}  // namespace silicast
