// SPDX-License-Identifier: Apache-2.0
#include "calibration/served.h"

#include <cmath>

#include "base/text.h"

namespace silicast {

std::optional<double> scaled(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

std::int64_t mean_length(double tokens, double requests, const char* what) {
  const auto length = std::llround(tokens / requests);
  if (length < 1) throw RecordError{std::string("no ") + what + " tokens", ""};
  return length;
}

bool add_figures(const Run& base, const ServedRequest& request, const std::vector<ServedFigure>& figures,
                 ImportContext& context) {
  bool any = false;
  for (const ServedFigure& figure : figures) {
    if (figure.value && *figure.value < 0)
      context.result.not_taken.push_back(
          {base.observation.line, "a value is not above 0", std::string(figure.metric) + ": " + exact(*figure.value)});
    if (!figure.value || *figure.value <= 0) continue;
    Run run = base;
    Observation& row = run.observation;
    row.metric = figure.metric;
    row.value = *figure.value;
    if (figure.stddev && *figure.stddev >= 0) row.stddev = figure.stddev;
    row.prompt = request.prompt;
    row.gen = request.gen;
    row.batch = request.concurrency;
    context.add(std::move(run));
    any = true;
  }
  return any;
}

bool leave_out_throughput(const Run& base, const Throughput& all, const char* because, const std::string& detail,
                          ImportContext& context) {
  if (!all.output && !all.total) return false;
  context.result.not_taken.push_back({base.observation.line, std::string("throughput of ") + because, detail});
  return true;
}

bool add_throughput(const Run& base, const ServedRequest& request, const Throughput& all, double requests,
                    ImportContext& context) {
  if (!all.output && !all.total) return false;
  if (!request.concurrency)
    return leave_out_throughput(base, all, "requests of which is not told how many ran at once",
                                "--concurrency tells it", context);
  Run run = base;
  constexpr double hardly_more = 1.25;  // a mean over a run falls short of its batch
  run.observation.notes +=
      requests <= hardly_more * *request.concurrency ? "; whole batch" : "; clients that ask again";
  return add_figures(run, request, {{"tg_tps", all.output, {}}, {"total_tps", all.total, {}}}, context);
}

void refuse_without_figures() { throw RecordError{"no figure above 0", ""}; }

}  // namespace silicast
