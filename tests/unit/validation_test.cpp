// SPDX-License-Identifier: Apache-2.0
#include "calibration/validation.h"
#include "calibration/accuracy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/csv.h"
#include "calibration/baselines.h"
#include "calibration/outliers.h"
#include "calibration/requirement.h"
#include "report/validation_report.h"
#include "tests/unit/expect_parts.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

TEST(Statistics, Quantile) {
  EXPECT_DOUBLE_EQ(quantile({3}, 0.9), 3);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({5, 1, 3}, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile({0, 10, 20, 30, 40}, 0.9), 36);
  EXPECT_DOUBLE_EQ(quantile({2, 1}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({2, 1}, 1), 2);
}

TEST(Statistics, ByHand) {
  // Errors 10 %, 50 %, 20 %, 0 %; biases +10 %, -50 %, +20 %, 0.
  const ErrorStatistics s =
      error_statistics({{.predicted = 110, .measured = 100, .p10 = 100, .p90 = 120},  // on the edge: inside
                        {.predicted = 50, .measured = 100, .p10 = 40, .p90 = 60},
                        {.predicted = 12, .measured = 10, .p10 = 9, .p90 = 16},
                        {.predicted = 7, .measured = 7}});
  EXPECT_EQ(s.n, 4U);
  EXPECT_NEAR(s.median_ape, 0.15, 1e-12);
  EXPECT_NEAR(s.p90_ape, 0.2 + 0.7 * 0.3, 1e-12) << "position 2.7 of 0, 0.1, 0.2, 0.5";
  EXPECT_NEAR(s.mape, 0.2, 1e-12);
  EXPECT_NEAR(s.median_bias, 0.05, 1e-12);
  ASSERT_TRUE(s.coverage80.has_value());
  EXPECT_NEAR(*s.coverage80, 2.0 / 3.0, 1e-12) << "of the rows that have an interval";
  EXPECT_EQ(error_statistics({{.predicted = 1, .measured = 2}}).coverage80, std::nullopt);
}

TEST(Baselines, EfficiencyNeverSeesItsOwnDevice) {
  const auto row = [](const char* device, const char* quant, double ratio) {
    return BaselineRow{
        .metric = Metric::decode_rate, .device = device, .quant = quant, .measured = ratio * 200, .ideal = 200};
  };
  const std::vector<BaselineRow> rows{row("a", "Q4_0", 0.5), row("a", "Q8_0", 0.9), row("b", "Q4_0", 0.6),
                                      row("b", "Q8_0", 0.8), row("b", "F16", 1.0)};
  const auto constant = efficiency_baseline(rows, false);
  EXPECT_NEAR(*constant[0], 200 * 0.8, 1e-9) << "the median of 0.6, 0.8, 1.0";
  EXPECT_NEAR(*constant[2], 200 * 0.7, 1e-9) << "the median of 0.5, 0.9";
  const auto per_quant = efficiency_baseline(rows, true);
  EXPECT_NEAR(*per_quant[0], 200 * 0.6, 1e-9);
  EXPECT_NEAR(*per_quant[3], 200 * 0.9, 1e-9);
  EXPECT_NEAR(*per_quant[4], 200 * 0.7, 1e-9) << "no other device has F16: over all schemes";
  EXPECT_EQ(efficiency_baseline({row("a", "Q4_0", 0.5)}, false)[0], std::nullopt);
}

const std::string header = "id,device,backend,model,quant,prompt_len,gen_len,depth,batch,metric,value,notes\n";
const std::string rows =
    "a,NVIDIA RTX 4090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,128,0,1,tg_tps,130,\n"
    "b,NVIDIA RTX 4090,llama.cpp-cuda,llama-3-8b,Q4_K_M,512,,0,1,pp_tps,9000,\n"
    "c,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,tg_tps,115,\n"
    "d,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,size_gib,4.58,\n"
    "e,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-70b,F16,,,,,tg_tps,1,\n"
    "f,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-70b,F16,,,,,oom,1,\n"
    "g,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,1000000,,tg_tps,1,\n"
    "h,Abacus,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,tg_tps,1,\"an \"\"old\"\" one, of wood\"\n";

Validation validated(const ValidationOptions& options = {}) {
  return validate(parse_observations(header + rows, "m.csv"), database(), options);
}

TEST(Validation, PredictsWhatItCanAndCountsTheRest) {
  const Validation v = validated();
  ASSERT_EQ(v.rows.size(), 8U);
  EXPECT_EQ(v.predicted, 5U);
  EXPECT_EQ(v.unsupported, (std::map<std::string, std::size_t>{{"predicted not to fit", 2}, {"unknown device", 1}}));
  EXPECT_EQ(v.metrics.at("tg_tps").n, 2U);
  EXPECT_EQ(v.metrics.at("oom").median_ape, 0) << "140 GB do not fit 24 GB";
  EXPECT_LT(v.metrics.at("size_gib").median_ape, 0.002) << "the GGUF's size is arithmetic";
  EXPECT_EQ(v.metrics.at("size_gib").coverage80, std::nullopt);
  for (const ValidatedRow& row : v.rows)
    EXPECT_EQ(row.prediction.has_value(), row.status() == "ok") << row.observation.id;
}

TEST(Validation, NamesWhatItDoesNotKnow) {
  const std::string odd =
      "a,Abacus,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,tg_tps,1,\n"
      "b,Abacus,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,tg_tps,2,\n"
      "c,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,tgtps,2,\n"
      "d,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,,,,,ppl,6,\n";
  const Validation v = validate(parse_observations(header + odd, "m.csv"), database(), {});
  EXPECT_EQ(v.unknown, (decltype(v.unknown){{{"unknown device", "Abacus"}, 2}, {{"unknown metric", "tgtps"}, 1}}));
  EXPECT_NE(validation_text(v).find("Abacus"), std::string::npos);
  EXPECT_NE(validation_json(v).find("\"name\": \"Abacus\""), std::string::npos);
}

TEST(Validation, BadLinesAreLeftOutAndNamed) {
  const std::string file = testing::TempDir() + "silicast-bad-lines.csv";
  std::ofstream(file) << header << rows << "i,too,few\n,no,id,m,q,,,,,tg_tps,5,\n";
  std::vector<BadRowOfFile> bad;
  const auto read = read_what_can_be_read({file}, bad);
  EXPECT_EQ(read.size(), 8U);
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_EQ(bad[0].file, file);
  EXPECT_EQ(bad[0].line, 10);
  EXPECT_EQ(bad[1].line, 11);
  Validation v = validated();
  v.unread = bad;
  EXPECT_NE(validation_text(v).find("2 lines are left out:\n  " + file + ":10: 3 fields"), std::string::npos);
  std::ofstream(file) << header << "i,too,few\n";
  EXPECT_THROW(read_what_can_be_read({file}, bad), InputError) << "nothing is left";
  std::remove(file.c_str());
}

TEST(Validation, BenchmarksMayGoBeyondTheContextThatAModelWasTrainedFor) {
  const std::string deep = "a,NVIDIA RTX 3090,llama.cpp-cuda,llama-3-8b,Q4_K_M,16384,,0,1,pp_tps,3000,\n";
  const Validation v = validate(parse_observations(header + deep, "m.csv"), database(), {});
  EXPECT_EQ(v.predicted, 1U) << "8192 tokens";
}

TEST(Validation, AnswersWhatPredictAnswers) {
  const Validation v = validated();
  const Prediction p = predict({.model = "llama-3-8b",
                                .quant = "Q4_K_M",
                                .device = "rtx-4090",
                                .stack = v.rows[1].prediction->stack,
                                .prompt = 512,
                                .gen = 0},
                               database());
  EXPECT_EQ(v.rows[1].prediction->value, p.prefill->tokens_per_second.value);
  EXPECT_EQ(v.rows[1].prediction->p10, p.prefill->tokens_per_second.p10);
  EXPECT_NEAR(*v.rows[0].prediction->bandwidth_over_size, 1008e9 / p.file_bytes.value(), 1e-6)
      << "peak bandwidth of the datasheet";
}

TEST(Validation, ThreadsDoNotChangeTheResult) {
  EXPECT_EQ(predictions_csv(validated({.threads = 1})), predictions_csv(validated({.threads = 8})));
}

TEST(Validation, NothingIsFittedOnTheFile) {
  auto observations = parse_observations(header + rows, "m.csv");
  for (Observation& o : observations) o.value *= 3;
  const Validation other = validate(std::move(observations), database(), {});
  const Validation v = validated();
  for (std::size_t i = 0; i < v.rows.size(); ++i) {
    if (!v.rows[i].prediction) continue;
    EXPECT_EQ(v.rows[i].prediction->value, other.rows[i].prediction->value);
  }
}

TEST(Validation, Groups) {
  const Validation v = validated({.group_by = {"device", "metric"}});
  ASSERT_EQ(v.groups.size(), 5U);
  EXPECT_EQ(v.groups[0].by,
            (std::vector<std::pair<std::string, std::string>>{{"device", "NVIDIA RTX 3090"}, {"metric", "oom"}}));
  EXPECT_EQ(v.groups[0].metrics.at("oom").n, 1U);
  expect_error<UsageError>([] { validated({.group_by = {"devise"}}); },
                           {"--group-by", "'devise'", "did you mean 'device'"});
}

TEST(Validation, EmptyFile) {
  const Validation v = validate(parse_observations(header, "m.csv"), database(), {});
  EXPECT_EQ(v.predicted, 0U);
  EXPECT_NE(validation_json(v).find("\"groups\": []"), std::string::npos);
  EXPECT_NE(validation_json(v).find("\"unsupported\": {}"), std::string::npos);
  EXPECT_FALSE(validation_text(v).empty());
}

TEST(ValidationReport, PredictionsKeepIdsAndOrder) {
  const std::string csv = predictions_csv(validated());
  EXPECT_TRUE(csv.starts_with("id,metric,measured,predicted,p10,p90,ape,evidence,baseline_bandwidth,status")) << csv;
  const CsvTable table(csv, "out.csv");
  ASSERT_EQ(table.records().size(), 8U);
  EXPECT_EQ(table.records()[0].fields[table.at("status")], "ok");
  EXPECT_EQ(table.records()[7].fields[table.at("id")], "h");
  EXPECT_EQ(table.records()[7].fields[table.at("predicted")], "");
  EXPECT_EQ(table.records()[7].fields[table.at("status")], "unknown device: Abacus");
}

TEST(ValidationReport, Json) {
  const std::string json = validation_json(validated({.group_by = {"quant"}}));
  for (const char* part :
       {"\"schema\": \"silicast.validation/1\"", "\"rows\": 8", "\"predicted\": 5", "\"unknown device\": 1",
        "\"tg_tps\"", "\"median_ape\"", "\"p90_ape\"", "\"mape\"", "\"median_bias\"", "\"coverage80\"",
        "\"bandwidth_over_size\"", "\"constant_efficiency\"", "\"per_quant_efficiency\"", "\"quant\": \"Q4_K_M\""})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
}

TEST(Requirement, HoldsOrSaysWhichRows) {
  const Validation v = validated();
  EXPECT_TRUE(missed("tg_tps rows >= 2", v).empty());
  EXPECT_TRUE(missed("tg_tps median <= 1000 %", v).empty());
  EXPECT_TRUE(missed("tg_tps median <= 0.999", v).empty()) << "a fraction without the sign";
  expect_error<UsageError>([&] { missed("tg_tps median <= 20", v); }, {"2000 %", "'20 %'", "0.2"});
  expect_error<UsageError>([] { check_requirement("tg_tps coverage >= 70"); }, {"7000 %", "'70 %'"});
  EXPECT_THROW(check_requirement("tg_tps median <= 1"), UsageError) << "1 % or 100 %?";
  EXPECT_THROW(check_requirement("no-such-file.csv"), InputError);
  check_requirement("tg_tps rows >= 2");
  check_requirement("tg_tps median <= 20 %");
  EXPECT_TRUE(missed("tg_tps[quant=Q4_K_M] bias >= -100 %", v).empty());
  EXPECT_THROW(missed("tg_tps median", v), UsageError);
  EXPECT_THROW(missed("tg_tps meidan <= 5 %", v), UsageError);
  EXPECT_THROW(missed("tg median <= 5 %", v), UsageError);
  EXPECT_THROW(missed("tg_tps[colour=blue] median <= 5 %", v), UsageError);
  EXPECT_THROW(missed("tg_tps median < 5 %", v), UsageError);
  EXPECT_THROW(missed("tg_tps median <= five", v), UsageError);
}

TEST(Requirement, Fails) {
  const Validation v = validated();
  const auto shortfalls = missed("tg_tps[stack=llama.cpp-cuda] rows >= 3", v);
  ASSERT_EQ(shortfalls.size(), 1U);
  EXPECT_EQ(shortfalls[0].what, "tg_tps[stack=llama.cpp-cuda] rows >= 3: 2 of 2 rows");
  ASSERT_EQ(shortfalls[0].rows.size(), 2U);
  EXPECT_EQ(missed("pp_tps[quant=F16] median <= 5 %", v).front().what, "pp_tps[quant=F16] median <= 5 %: no row");
}

std::string prediction_file(const Validation& v, double factor) {
  std::string file = testing::TempDir() + "/silicast_predictions_" + std::to_string(factor) + ".csv";
  Validation other = v;
  for (ValidatedRow& row : other.rows)
    if (row.prediction) row.prediction->value = row.observation.value * factor;
  std::ofstream(file) << predictions_csv(other);
  return file;
}

TEST(Requirement, NoWorseThanAnEarlierState) {
  const Validation v = validated();
  EXPECT_TRUE(regressions(prediction_file(v, 100), v).empty()) << "a hundred times too fast was worse";
  const auto worse = regressions(prediction_file(v, 1), v);
  ASSERT_FALSE(worse.empty()) << "no prediction is as good as the measurement itself";
  EXPECT_NE(worse[0].what.find(", was 0 %"), std::string::npos) << worse[0].what;
  ASSERT_FALSE(worse[0].rows.empty());
  EXPECT_TRUE(worse[0].rows[0].before.has_value());
}

TEST(Requirement, RowsThatAreNotPredictedAnyMore) {
  const Validation v = validated();
  const std::string file = prediction_file(v, 100);
  std::string unknown = rows;
  unknown.replace(unknown.find("NVIDIA RTX 4090"), std::string("NVIDIA RTX 4090").size(), "Abacus");
  const auto lost = regressions(file, validate(parse_observations(header + unknown, "m.csv"), database(), {}));
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].what, "1 rows are not predicted any more");
  EXPECT_EQ(lost[0].rows[0].id, "a");
}

TEST(Accuracy, EveryDeviceCountsTheSame) {
  std::vector<FitRow> fit_rows;
  for (const auto& [device, measured] : {std::pair("many", 100.0), {"many", 80.0}, {"many", 125.0}, {"one", 50.0}}) {
    FitRow row{.id = device, .source = "s", .model = "m"};
    row.scope = {device, "a", "s"};
    row.metric = Metric::decode_rate;
    row.measured = measured;
    fit_rows.push_back(row);
  }
  CrossValidation run{.by = FoldBy::device};
  for (const FitRow& row : fit_rows) run.rows.push_back({.row = &row, .predicted = 100, .p10 = 90, .p90 = 110});
  const Accuracy accuracy = accuracy_of(run);
  const HeldOutUnits& units = accuracy.units.at("tg_tps");
  EXPECT_EQ(units.n, 2U);
  // Medians of 0, 20 and 25 % and of 100 %; one of three and none lie within.
  EXPECT_DOUBLE_EQ(units.median_ape, 0.6);
  EXPECT_DOUBLE_EQ(units.p90_ape, 0.92);
  EXPECT_DOUBLE_EQ(units.coverage80, 1.0 / 6);
  run.by = FoldBy::cell;
  EXPECT_TRUE(accuracy_of(run).units.empty());
}

TEST(Outliers, NamedByWhatTheyLookLike) {
  std::vector<FitRow> fit_rows;
  CrossValidation run;
  const auto add = [&](const std::string& source, Metric metric, double measured) {
    FitRow row{.id = source, .source = source, .model = "m"};
    row.scope = {"d", "a", "s"};
    row.metric = metric;
    row.measured = measured;
    fit_rows.push_back(row);
  };
  add("good", Metric::decode_rate, 95);
  add("slow", Metric::decode_rate, 20);
  add("slow", Metric::prefill_rate, 30);
  add("old build", Metric::decode_rate, 101);
  add("old build", Metric::prefill_rate, 40);
  for (const FitRow& row : fit_rows) run.rows.push_back({.row = &row, .predicted = 100, .unaided = 100});
  const auto outliers = outliers_of(run, 10);
  ASSERT_EQ(outliers.size(), 2U);
  EXPECT_EQ(outliers[0].source, "slow");
  EXPECT_TRUE(outliers[0].suspicion.starts_with("both phases slow")) << outliers[0].suspicion;
  EXPECT_EQ(outliers[1].source, "old build");
  EXPECT_TRUE(outliers[1].suspicion.starts_with("prefill alone slow")) << outliers[1].suspicion;
  EXPECT_DOUBLE_EQ(outliers[1].prefill_ratio, 0.4);
  EXPECT_EQ(outliers_of(run, 1).size(), 1U);
}

}  // namespace
}  // namespace silicast
