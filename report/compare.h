// SPDX-License-Identifier: Apache-2.0
// Several queries side by side: text, JSON (schema silicast.compare/1), CSV, Markdown and charts. In each column the
// best of what fits is marked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/prediction.h"
#include "report/plot.h"
#include "report/prediction.h"

namespace silicast {

struct Candidate {
  std::vector<std::string> choices;      // of each option that varies
  std::optional<Prediction> prediction;  // absent: the query is refused
  std::string reason;                    // why it is refused, or does not fit

  [[nodiscard]] bool feasible() const { return prediction && prediction->feasible; }
};

struct Comparison {
  std::vector<std::string> varied;  // option names without dashes
  std::vector<Candidate> candidates;
};

// Names by which compared_by() sorts, besides the options that vary.
std::vector<std::string> compared_columns();
// The best first, what has no such figure last; an empty name keeps the order. The name is one of compared_columns() or
// of `varied`.
Comparison compared_by(Comparison comparison, const std::string& column);

std::string compare_text(const Comparison& comparison, const TextStyle& style = {});
std::string compare_json(const Comparison& comparison);
std::string compare_csv(const Comparison& comparison);
std::string compare_markdown(const Comparison& comparison);
// Bars of the speeds; speed against memory, and against cost and quality where they are known.
Plot compare_plot(const Comparison& comparison);

// A figure of a prediction that candidates are compared by.
struct ComparedFigure {
  std::string name;   // "decode"
  std::string title;  // "decode tok/s"
  std::string key;    // of prediction_fields()
  bool more_is_better = true;
};
// Those that at least one candidate has.
std::vector<ComparedFigure> compared_figures(const Comparison& comparison);
std::optional<double> figure_of(const Candidate& candidate, const ComparedFigure& figure);
// "rtx-4090, Q4_K_M"
std::string candidate_name(const Candidate& candidate);

}  // namespace silicast
