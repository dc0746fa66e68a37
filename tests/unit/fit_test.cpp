// SPDX-License-Identifier: Apache-2.0
// The fit: it finds the parameters that made its rows, keeps to its priors without rows, and repeats itself exactly.
#include "calibration/fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "calibration/cross_validation.h"
#include "calibration/residual.h"
#include "model/parameter_spread.h"
#include "model/prediction.h"
#include "tests/unit/fit_example.h"

namespace silicast {
namespace {

// Rows outlive what they were compiled with; the names of their kernels are those of a stack that is kept.
TEST(FitRows, NameTheKernelsOfTheirStack) {
  std::vector<Observation> observations;
  for (const char* notes : {"ub=512", "ub=512; --swa-full"})
    observations.push_back({.id = notes,
                            .source_date = "2026-08",
                            .device = "rtx-4090",
                            .backend = "llama.cpp-cuda",
                            .model = "gpt-oss-20b",
                            .quant = "MXFP4_MOE",
                            .prompt = 2048,
                            .depth = 16384,
                            .metric = "pp_tps",
                            .value = 1,
                            .notes = notes});
  const auto rows = fit_rows(observations, database(), 1).rows;
  ASSERT_EQ(rows.size(), 2U);
  ASSERT_EQ(rows[0].work.size(), rows[1].work.size());
  double windowed = 0, full = 0;
  for (std::size_t i = 0; i < rows[0].work.size(); ++i) {
    EXPECT_EQ(rows[0].work[i].kernel, rows[1].work[i].kernel);
    windowed += rows[0].work[i].layers * rows[0].work[i].operations;
    full += rows[1].work[i].layers * rows[1].work[i].operations;
  }
  EXPECT_GT(full, 1.1 * windowed);
}

TEST(RowFunction, SaysWhatTheModelSays) {
  const auto rows = nominal_rows({"rtx-4090"});
  ASSERT_EQ(rows.size(), 24U);
  Corrections c;
  c.bandwidth = 0.9, c.matrix = 0.7, c.launch = 1.3, c.step = 2, c.unpack = 1.5;
  c.unpack_of_type["Q4_0"] = 1.2;
  c.matrix_of_type["Q4_0"] = 0.8;
  c.kernel["mmq"] = 0.9;
  for (const FitRow& row : rows) {
    const RowFunction f = row_function(row);
    std::vector<double> logs(f.parameters.size());
    logs[bandwidth_parameter] = std::log(c.bandwidth);
    logs[matrix_parameter] = std::log(c.matrix);
    logs[launch_parameter] = std::log(c.launch);
    logs[step_parameter] = std::log(c.step);
    logs[unpack_parameter] = std::log(c.unpack);
    for (std::size_t i = row_parameter_count; i < logs.size(); ++i) {
      if (f.parameters[i] == "unpack/type/Q4_0") logs[i] = std::log(1.2);
      if (f.parameters[i] == "matrix/type/Q4_0") logs[i] = std::log(0.8);
      if (f.parameters[i] == "kernel/name/mmq") logs[i] = std::log(0.9);
    }
    const double expected = row.cost(c).seconds.value();
    EXPECT_NEAR(f.seconds(logs.data()), expected, 1e-12 * expected) << row.id;
  }
}

// Nor does it matter whether the evaluator applies the corrections or the row does.
TEST(RowFunction, AgreesWithACompiledPrediction) {
  Query query{.model = "llama-3-8b", .quant = "Q4_K_M", .device = "rtx-4090", .prompt = 512, .gen = 1};
  const Compiled corrected = compile(query, database());
  query.calibrated = false;
  const Compiled nominal = compile(query, database());
  ASSERT_TRUE(corrected.profile);
  FitRow row{.scope = nominal.scope};
  const StepShape shape{.new_tokens = 512};
  row.work = nominal.evaluator.single()->work(shape);
  row.step_seconds = nominal.evaluator.single()->step_overhead().value();
  const double expected = corrected.evaluator.seconds(shape).value();
  EXPECT_NEAR(row.cost(corrected.profile->corrections(row.scope)).seconds.value(), expected, 1e-12 * expected);
}

TEST(RowFunction, HasTheDerivativesOfItsValues) {
  for (const FitRow& row : nominal_rows({"rtx-4090"})) {
    const RowFunction f = row_function(row);
    constexpr double at = 0.1;
    const std::vector<double> logs(f.parameters.size(), at);
    std::vector<double> slopes(f.parameters.size());
    const double value = f.seconds(logs.data(), slopes.data());
    EXPECT_EQ(value, f.seconds(logs.data()));
    for (std::size_t i = 0; i < f.parameters.size(); ++i) {
      constexpr double step = 1e-5;
      std::vector<double> up(logs), down(logs);
      up[i] += step, down[i] -= step;
      const double difference = (f.seconds(up.data()) - f.seconds(down.data())) / (2 * step);
      EXPECT_NEAR(slopes[i], difference, 1e-7 * value) << row.id << " " << f.parameters[i];
    }
  }
}

TEST(Fit, FindsTheParametersThatMadeItsRows) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080", "rtx-4070-ti", "rtx-4060-ti"});
  measure(rows, truth(), 0.02);
  const Profile fitted = fit_profile(pointers(rows), "2026-11-20");
  // Parameters make up for each other; what they give together is what the rows determine.
  for (const FitRow& row : rows) {
    const double predicted = row.cost(fitted.corrections(row.scope)).seconds.value();
    const double made = row.cost(truth().corrections(row.scope)).seconds.value();
    EXPECT_NEAR(std::log(predicted / made), 0, 0.05) << row.id;
  }
  const double ratio =
      fitted.pooled("bandwidth", {"rtx-4090", "ada", ""}).log - fitted.pooled("bandwidth", {"rtx-4080", "ada", ""}).log;
  EXPECT_NEAR(ratio, -0.05, 0.03);
}

TEST(Fit, PredictsADeviceThatItHasNotSeenFromItsFamily) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080", "rtx-4070-ti"});
  auto unseen = nominal_rows({"rtx-4060-ti"});
  measure(rows, truth(), 0.02);
  measure(unseen, truth(), 0);
  const Profile fitted = fit_profile(pointers(rows), "");
  for (const FitRow& row : unseen) {
    const double with =
        std::abs(std::log(row.tokens / row.cost(fitted.corrections(row.scope)).seconds.value() / row.measured));
    EXPECT_LT(with, 0.1) << row.id;
  }
}

TEST(Fit, KeepsToItsPriorsWithoutEvidence) {
  auto rows = nominal_rows({"rtx-4090"});
  rows.resize(1);
  measure(rows, {}, 0);
  const Profile fitted = fit_profile(pointers(rows), "");
  for (const auto& [name, estimate] : fitted.parameters) {
    EXPECT_NEAR(estimate.log, 0, 1e-6) << name;
    // Those of a level add to those of the levels above it.
    double variance = 0;
    const std::string quantity = name.substr(0, name.find('/'));
    bool below = false;
    for (const std::string level : {"/device", "/architecture", "/stack"}) {
      below = below || name.starts_with(quantity + level);
      if (below) variance += std::pow(fitted.spread.find(quantity + level)->second, 2);
    }
    if (!below) variance = std::pow(fitted.spread.at(std::string(prior_of(name))), 2);
    EXPECT_LE(estimate.sd, std::sqrt(variance) * (1 + 1e-9)) << name;
  }
}

// What one measurement tells of the rate that it measured: precisions add up, that of the priors and that of the row.
// All of the row's parameters share in it, so this holds only with their correlations.
TEST(Fit, OneRowLeavesOpenWhatBayesSays) {
  for (const std::size_t index : {0U, 1U}) {
    auto all = nominal_rows({"rtx-4090"});
    std::vector<FitRow> rows{all[index]};
    rows.front().weight = 1;
    measure(rows, {}, 0);
    const FitRow& row = rows.front();
    const Profile prior{.spread = prior_spread(row.family)};
    const double before = ParameterSpread(prior, row.scope).log_sd(row.work, row.overheads({}));
    const double after =
        ParameterSpread(fit_profile(pointers(rows), ""), row.scope).log_sd(row.work, row.overheads({}));
    const double noise = row.metric == Metric::prefill_rate ? 0.08 : 0.05;  // of one rate (calibration/fit.cpp)
    const double expected = 1 / std::sqrt(1 / (before * before) + 1 / (noise * noise));
    EXPECT_GT(before, 2 * expected);
    EXPECT_NEAR(after, expected, 0.02 * expected) << row.id;  // correlations are kept in thousandths
  }
}

TEST(Fit, OneWildRowDoesNotMoveTheOthers) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080"});
  measure(rows, truth(), 0.02);
  rows.front().measured *= 10;  // a slip of a unit
  const Profile fitted = fit_profile(pointers(rows), "");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const double made = rows[i].cost(truth().corrections(rows[i].scope)).seconds.value();
    EXPECT_NEAR(std::log(rows[i].cost(fitted.corrections(rows[i].scope)).seconds.value() / made), 0, 0.07)
        << rows[i].id;
  }
}

TEST(Fit, RepeatsItselfExactly) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080"});
  measure(rows, truth(), 0.05);
  EXPECT_EQ(profile_yaml(fit_profiles(pointers(rows), "", 1).at("llama.cpp-cuda")),
            profile_yaml(fit_profiles(pointers(rows), "", 2).at("llama.cpp-cuda")));
}

TEST(CrossValidation, MachinesCanCountTheSame) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080"});
  measure(rows, truth(), 0);
  // A second source with a single row of the first card: as much as all of the others of that card.
  rows.front().source = "elsewhere";
  std::vector<HeldOut> held_out;
  for (const FitRow& row : rows) held_out.push_back({.row = &row, .predicted = row.measured});
  weigh_by_machine(held_out);
  std::map<std::tuple<std::string, std::string, Metric>, double> total;
  for (const HeldOut& held : held_out)
    total[{held.row->source, held.row->scope.device, held.row->metric}] += held.weight;
  EXPECT_EQ(total.size(), 5U);
  for (const auto& [machine, weight] : total) EXPECT_NEAR(weight, 1, 1e-12) << std::get<1>(machine);
}

TEST(CrossValidation, HoldsWholeDevicesOutAndCoversWhatItSays) {
  auto rows = nominal_rows({"rtx-4090", "rtx-4080", "rtx-4070-ti", "rtx-4060-ti", "rtx-3090", "rtx-3080"});
  measure(rows, truth(), 0.1);
  const CrossValidation result = cross_validate(rows, FoldBy::device, 3, 2, [](const std::string&) {});
  EXPECT_EQ(result.rows.size(), rows.size());
  std::map<std::string, std::size_t> fold_of;
  std::size_t covered = 0;
  for (const HeldOut& held : result.rows) {
    EXPECT_NE(held.level, EvidenceLevel::measured);
    EXPECT_EQ(fold_of.emplace(held.row->scope.device, held.fold).first->second, held.fold);
    if (held.p10 <= held.row->measured && held.row->measured <= held.p90) ++covered;
  }
  const double share = static_cast<double>(covered) / static_cast<double>(rows.size());
  EXPECT_GT(share, 0.65);
  EXPECT_LT(share, 0.97);
}

}  // namespace
}  // namespace silicast
