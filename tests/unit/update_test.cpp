// SPDX-License-Identifier: Apache-2.0
// A few runs of one machine on top of what the record says.
#include "calibration/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "calibration/fit.h"
#include "model/parameter_spread.h"
#include "tests/unit/fit_example.h"

namespace silicast {
namespace {

Profile prior() { return {.family = "llama.cpp-cuda", .spread = prior_spread("llama.cpp-cuda"), .residual = {}}; }

double log_error(const FitRow& row, const Profile& profile) {
  return std::log(row.tokens / row.cost(profile.corrections(row.scope)).seconds.value() / row.measured);
}

double kernel_share() {
  const auto variance = [spread = prior_spread("llama.cpp-cuda")](const char* name) {
    return spread.find(name)->second * spread.find(name)->second;
  };
  const double matrix = variance("matrix/device") + variance("matrix/architecture") + variance("matrix/stack");
  return variance("kernel/name") / (variance("kernel/name") + matrix);
}

// The machine is not as the record says: what it shows in one type of weights holds for the others.
TEST(Update, WhatOneTypeShowsHoldsForTheOthers) {
  auto rows = nominal_rows({"rtx-4090"});
  Profile truth;
  truth.parameters = {{"bandwidth/device/rtx-4090", {-0.25, 0}}, {"matrix/device/rtx-4090", {-0.3, 0}}};
  measure(rows, truth, 0.01);
  std::vector<const FitRow*> seen;
  for (const FitRow& row : rows)
    if (row.quant == "Q8_0" || row.quant == "Q4_0") seen.push_back(&row);
  ASSERT_EQ(seen.size(), 12U);
  const Profile updated = updated_profile(prior(), seen, "2026-11-20");
  EXPECT_EQ(updated.level(rows.front().scope), EvidenceLevel::measured);
  EXPECT_EQ(updated.decode_rows + updated.prefill_rows, 12);
  for (const FitRow& row : rows) {
    if (row.quant != "F16") continue;
    EXPECT_GT(std::abs(log_error(row, prior())), 0.15) << row.id;
    // What the prompts of other types show may be their kernel's: of the 0.3, the kernel's share of the prior variance.
    const bool prefill = row.metric == Metric::prefill_rate;
    EXPECT_LT(std::abs(log_error(row, updated)), prefill ? 0.3 * kernel_share() + 0.02 : 0.08) << row.id;
  }
}

// Precisions add up: that of the prior and that of the one row, as in Fit.OneRowLeavesOpenWhatBayesSays.
TEST(Update, OneRowLeavesOpenWhatBayesSays) {
  auto rows = nominal_rows({"rtx-4090"});
  rows.resize(1);
  rows.front().weight = 1;
  measure(rows, {}, 0);
  const FitRow& row = rows.front();
  const Profile updated = updated_profile(prior(), pointers(rows), "");
  const double before = ParameterSpread(prior(), row.scope).log_sd(row.work, row.overheads({}));
  const double after = ParameterSpread(updated, row.scope).log_sd(row.work, row.overheads({}));
  const double noise = row.metric == Metric::prefill_rate ? 0.08 : 0.05;  // of one rate (calibration/residual.cpp)
  const double expected = 1 / std::sqrt(1 / (before * before) + 1 / (noise * noise));
  EXPECT_NEAR(after, expected, 0.03 * expected);
  EXPECT_NEAR(log_error(row, updated), 0, 1e-6);
}

// A card of a kind that the record knows to a percent may still be 20 % slower: its own runs say so.
TEST(Update, AMachineMayDifferFromItsKind) {
  auto rows = nominal_rows({"rtx-4090"});
  measure(rows, {}, 0);
  std::vector<FitRow> record = rows;
  set_weights(record);
  const Profile kind = updated_profile(prior(), pointers(record), "");
  for (FitRow& row : rows) row.measured *= 0.8;
  set_weights(rows);
  const Profile own = updated_profile(kind, pointers(rows), "");
  for (const FitRow& row : rows) EXPECT_LT(log_error(row, own), 0.12) << row.id;  // 0.22 without them
}

// One model is slower than anything else of the machine says; its own runs tell, and stay in the profile.
TEST(Update, WhatIsLeftOverOfARunHoldsForItsNeighbours) {
  auto rows = nominal_rows({"rtx-4090"});
  measure(rows, {}, 0);
  for (FitRow& row : rows)
    if (row.model == "tinyllama-1.1b" && row.metric == Metric::prefill_rate) row.measured *= 0.7;
  set_weights(rows);
  const Profile updated = updated_profile(prior(), pointers(rows), "");
  ASSERT_EQ(updated.leftovers(PhaseKind::prefill).points().size(), 12U);
  // Two devices that divide the layers are another machine.
  auto divided = rows;
  for (FitRow& row : divided)
    if (row.quant == "F16") row.devices = 2;
  EXPECT_EQ(updated_profile(prior(), pointers(divided), "").leftovers(PhaseKind::prefill).points().size(), 9U);
  for (const FitRow& row : rows) {
    if (row.model != "tinyllama-1.1b" || row.metric != Metric::prefill_rate) continue;
    const double before = log_error(row, updated);
    EXPECT_GT(before, 0.1) << row.id;
    EXPECT_LT(std::abs(before + updated.leftovers(PhaseKind::prefill).at(row.cell).log), before / 3) << row.id;
  }
}

TEST(Update, HoldsEachRowOutOnce) {
  auto rows = nominal_rows({"rtx-4090"});
  measure(rows, {}, 0.01);
  FitRow& slip = rows[0];  // decoding, which all types share the bandwidth of
  slip.measured *= 3;
  set_weights(rows);
  const auto held_out = held_out_of_updates(prior(), rows, 5);
  std::set<std::string> ids;
  for (const HeldOut& held : held_out) {
    ids.insert(held.row->id);
    // Whatever a row says of itself, the others tell the truth.
    const double truth = held.row == &slip ? held.row->measured / 3 : held.row->measured;
    EXPECT_NEAR(std::log(held.predicted / truth), 0, 0.12) << held.row->id;
  }
  EXPECT_EQ(ids.size(), rows.size());
  EXPECT_EQ(held_out.size(), rows.size());
}

TEST(Update, TheScaleIsThatOfTheHeldOutRows) {
  auto rows = nominal_rows({"rtx-4090"});
  measure(rows, {}, 0);
  std::vector<HeldOut> held_out;
  for (const FitRow& row : rows)
    if (row.metric == Metric::decode_rate) held_out.push_back({.row = &row, .predicted = row.measured * 1.1});
  Profile profile;
  profile.residual.fill({.decode = 0.5, .prefill = 0.4});
  set_residual(profile, held_out);
  // All of them are 10 % off, which is to be the 80 % interval's end: 1.28 standard deviations.
  EXPECT_NEAR(profile.residual_of(EvidenceLevel::measured).decode, std::log(1.1) / 1.2815515655, 1e-6);
  EXPECT_EQ(profile.residual_of(EvidenceLevel::measured).prefill, 0.4);  // no row: as it was
}

}  // namespace
}  // namespace silicast
