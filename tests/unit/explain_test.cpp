// SPDX-License-Identifier: Apache-2.0
// What an explanation must be whatever the constants: its parts add up, nothing beats its roof, elasticities are the
// derivatives that closed forms give.
#include "model/explain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/document.h"
#include "report/compare.h"
#include "report/explain.h"
#include "report/labels.h"
#include "tests/unit/expect_error.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

Query query(const char* model, const char* quant, const char* device) {
  return {.model = model, .quant = quant, .device = device, .prompt = 700, .gen = 64};
}

std::vector<Query> queries() {
  std::vector<Query> result{
      query("llama-3.1-8b", "Q4_K_M", "rtx-4090"),       query("llama-3.1-8b", "IQ3_XXS", "m2-ultra-76"),
      query("qwen3-30b-a3b", "Q4_K_M", "m4-pro-20"),     query("gpt-oss-20b", "MXFP4_MOE", "h100-sxm"),
      query("tinyllama-1.1b", "Q8_0", "core-i9-13900k"), query("llama-3.1-8b", "F16", "a100-sxm-80")};
  result.push_back(result.front());
  result.back().concurrency = 8, result.back().prompt = 100;
  result.push_back(query("llama-3.1-70b", "Q4_K_M", "rtx-a6000x2"));
  return result;
}

double sum_of_shares(const PhaseExplanation& phase) {
  double sum = 0;
  for (const OpExplanation& op : phase.ops) sum += op.share;
  return sum;
}

double sum_of_seconds(const PhaseExplanation& phase) {
  double sum = 0;
  for (const OpExplanation& op : phase.ops) sum += op.cost.seconds.value();
  return sum;
}

template <class Check>  // check(phase, predicted phase)
void for_each_phase(Check check) {
  for (const Query& q : queries()) {
    SCOPED_TRACE(q.model + " " + q.quant + " " + q.device);
    const Explanation e = explain(q, database());
    ASSERT_TRUE(e.prefill && e.decode) << e.prediction.limiting;
    check(*e.prefill, *e.prediction.prefill);
    check(*e.decode, *e.prediction.decode);
  }
}

TEST(Explain, OperationsAddUpToThePhase) {
  for_each_phase([](const PhaseExplanation& phase, const Phase& predicted) {
    EXPECT_NEAR(sum_of_shares(phase), 1, 1e-9);
    EXPECT_NEAR(sum_of_seconds(phase) / predicted.seconds.value(), 1, 1e-9);
    double kinds = 0;
    double kind_seconds = 0;
    for (const auto& kind : phase.layer_kinds) kinds += kind.share, kind_seconds += kind.seconds.value();
    EXPECT_NEAR(kinds, 1, 1e-9);
    EXPECT_NEAR(kind_seconds / predicted.seconds.value(), 1, 1e-9);
  });
}

TEST(Explain, StepsAreThoseOfThePrediction) {
  // The phase's bytes and operations are sums over steps of their own; prediction and explanation must agree on them.
  for_each_phase([](const PhaseExplanation& phase, const Phase& predicted) {
    EXPECT_NEAR(phase.cost.dram_bytes / predicted.cost.dram_bytes, 1, 1e-9);
    EXPECT_NEAR(phase.cost.operations / predicted.cost.operations, 1, 1e-9);
  });
}

TEST(Explain, NothingBeatsItsRoof) {
  for_each_phase([](const PhaseExplanation& phase, const Phase&) {
    for (const OpExplanation& op : phase.ops) {
      EXPECT_LE(op.achieved.value(), op.attainable.value() * (1 + 1e-9))
          << op.name << " " << op.kernel << " " << op.unit;
      EXPECT_LE(op.achieved_bandwidth.value(), op.attainable_bandwidth.value() * (1 + 1e-9)) << op.name;
      EXPECT_GE(op.cached_share, 0);
      EXPECT_LE(op.cached_share, 1);
    }
  });
}

const Elasticity& named(const Explanation& e, const std::string& field) {
  for (const Elasticity& elasticity : e.elasticities)
    if (elasticity.field == field) return elasticity;
  ADD_FAILURE() << "no elasticity of " << field;
  return e.elasticities.front();
}

TEST(Elasticity, OfBandwidthIsOneWhereOnlyBandwidthCounts) {
  // F16 needs no unpacking; a large model makes launches small beside the weights.
  Query q = query("llama-3.1-70b", "F16", "m2-ultra-76");
  q.prompt = 0;
  const Explanation e = explain(q, database());
  ASSERT_TRUE(e.decode) << e.prediction.limiting;
  const Elasticity& bandwidth = named(e, "memory.bandwidth");
  EXPECT_GT(*bandwidth.decode, 0.085);
  EXPECT_LE(*bandwidth.decode, 0.1 + 1e-9);
  EXPECT_EQ(bandwidth.with, std::vector<std::string>{"memory.achievable_bandwidth"});
  EXPECT_FALSE(bandwidth.prefill);
}

TEST(Elasticity, IsTheNumericalDerivative) {
  const Query q = query("llama-3.1-8b", "Q4_K_M", "m2-ultra-76");
  const Explanation e = explain(q, database());
  Query faster = q;
  faster.overrides = {{"gpu.clock", "1537.8 MHz"}};  // 1.1 x 1398 MHz
  const Prediction p = predict(faster, database());
  EXPECT_NEAR(*named(e, "gpu.clock").decode, e.prediction.decode->seconds / p.decode->seconds - 1, 1e-9);
  EXPECT_NEAR(*named(e, "gpu.clock").prefill, e.prediction.prefill->seconds / p.prefill->seconds - 1, 1e-9);
}

TEST(Elasticity, OfAllFiguresTogetherIsAtMostOne) {
  // Everything 10 % faster makes everything 10 % faster: the effects of bandwidth, clock and overheads bound each
  // other.
  for (const Query& q : queries()) {
    const Explanation e = explain(q, database());
    for (const Elasticity& x : e.elasticities) {
      for (const auto& effect : {x.prefill, x.decode}) {
        if (!effect) continue;
        EXPECT_LT(*effect, 0.101) << x.field << " " << q.device;
        EXPECT_GT(*effect, -0.101) << x.field << " " << q.device;
      }
    }
  }
}

TEST(Elasticity, CoversEveryUnitOfTheEntry) {
  const Explanation e = explain(query("llama-3.1-8b", "Q4_K_M", "rtx-4090"), database());
  const auto device = database().device("rtx-4090");
  for (std::size_t i = 0; i < unit_count; ++i) {
    if (!device->gpu->has(static_cast<Unit>(i))) continue;
    const std::string field = "gpu.per_core_per_clock." + std::string(name_of(static_cast<Unit>(i)));
    EXPECT_EQ(named(e, field).field, field);
  }
  EXPECT_LT(*named(e, "stack.overheads.kernel").decode, 0);
}

TEST(Elasticity, OfTheHostWhereItsMemoryIsWhatCounts) {
  Query q = query("llama-3.3-70b", "Q4_K_M", "rtx-4090");
  q.host = "ryzen-9-7950x";
  q.offload.layers = Offload::Layers::count, q.offload.gpu_layers = 20;
  const Explanation e = explain(q, database());
  ASSERT_TRUE(e.decode) << e.prediction.limiting;
  EXPECT_GT(*named(e, "host.memory.bandwidth").decode, 0.08);
  EXPECT_GT(*named(e, "pcie.lanes").prefill, 0.05);
  EXPECT_EQ(named(e, "pcie.lanes").with, std::vector<std::string>{"host.pcie.lanes"});
}

TEST(Explain, OfWhatDoesNotFitHasNoPhases) {
  const Explanation e = explain(query("llama-3.1-405b", "Q8_0", "rtx-4090"), database());
  EXPECT_FALSE(e.prediction.feasible);
  EXPECT_FALSE(e.prefill || e.decode);
  EXPECT_TRUE(e.elasticities.empty());
  EXPECT_NE(explain_text(e).find("does not fit"), std::string::npos);
}

TEST(ExplainReport, IsJsonWithTheAgreedKeys) {
  const Explanation e = explain(query("gpt-oss-20b", "MXFP4_MOE", "rtx-4090"), database());
  const Node root = parse_json(explain_json(e), "explain");
  EXPECT_EQ(root.find("schema")->scalar, "silicast.explain/1");
  for (const char* phase : {"prefill", "decode"}) {
    const Node* ops = root.find(phase)->find("ops");
    ASSERT_FALSE(ops->items.empty());
    for (const char* key :
         {"seconds", "share", "dram_bytes", "flops", "intensity_flops_per_byte", "bound", "utilization", "residency"})
      EXPECT_NE(ops->items.front().find(key), nullptr) << key;
  }
  EXPECT_NE(explain_csv(e).find("decode,"), std::string::npos);
  EXPECT_NE(explain_markdown(e).find("### decode"), std::string::npos);
}

TEST(Labels, NeverCoverEachOther) {
  std::vector<LabelledPoint> points;
  for (int row = 0; row < 5; ++row)
    for (int column = 0; column < 8; ++column)
      points.push_back({100.0 + 7 * column, 100.0 + 5 * row, "label " + std::to_string(8 * row + column)});
  const auto places = placed_labels(points, 300, 200);
  ASSERT_EQ(places.size(), points.size());
  EXPECT_TRUE(placed_labels({points.front()}, 300, 200).front().shown);
  EXPECT_LT(std::count_if(places.begin(), places.end(), [](const auto& p) { return p.shown; }), 20);
}

class PlotFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("silicast-plot-" +
               std::to_string(std::hash<std::string>{}(testing::UnitTest::GetInstance()->current_test_info()->name())));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    libraries_ = SILICAST_SOURCE_ROOT "/build/plot";
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] static std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  [[nodiscard]] bool have_libraries() const { return fs::exists(libraries_ / "vega.min.js"); }
  [[nodiscard]] static Plot plot() {
    return explain_plot(explain(query("llama-3.1-8b", "Q4_K_M", "rtx-4090"), database()));
  }

  fs::path folder_;
  fs::path libraries_;
};

TEST_F(PlotFiles, SpecificationsAreJson) {
  const Plot p = plot();
  ASSERT_EQ(p.charts.size(), 4U);
  for (const Chart& chart : p.charts) EXPECT_NE(parse_json(chart.spec, chart.title).find("layer"), nullptr);
}

TEST_F(PlotFiles, PageLoadsNothing) {
  if (!have_libraries()) GTEST_SKIP() << "the plot libraries are not installed";
  const fs::path file = folder_ / "why.html";
  write_plot(plot(), file, libraries_);
  const std::string page = content(file);
  EXPECT_GT(page.size(), 500'000U);
  for (const char* loading : {"src=\"http", "href=\"http", "<link", "@import", "<script src", "@VEGA", "@CHARTS@"})
    EXPECT_EQ(page.find(loading), std::string::npos) << loading;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  const std::string begin = "<script id=\"charts\" type=\"application/json\">";
  const auto at = page.find(begin) + begin.size();
  EXPECT_EQ(parse_json(page.substr(at, page.find("</script>", at) - at), "charts").items.size(), 4U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);  // no draft is left
}

TEST_F(PlotFiles, PictureIsDrawnByNode) {
  if (!have_libraries() || std::system("node --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "node or the plot libraries are not installed";
  write_plot(plot(), folder_ / "why.svg", libraries_);
  const std::string picture = content(folder_ / "why.svg");
  EXPECT_TRUE(picture.starts_with("<svg"));
  EXPECT_NE(picture.find("Roofline"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(PlotFiles, FailuresLeaveNothingBehind) {
  EXPECT_THROW(write_plot({}, folder_ / "why.pdf", libraries_), UsageError);
  EXPECT_INPUT_ERROR((write_plot({}, folder_ / "why.html", folder_ / "nowhere"), 0), "./dev setup");
  EXPECT_INPUT_ERROR((write_plot({}, folder_ / "why.svg", folder_ / "nowhere"), 0), "not installed");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST(ExplainText, ShowsTheLinkWhereThereIsOneAndEveryResourceThatWorks) {
  const auto heads = [](Query q) {
    const std::string text = explain_text(explain(q, database()));
    const auto at = text.find("  operation");
    return text.substr(at, text.find('\n', at) - at);
  };
  Query q = query("llama-3.1-70b", "Q4_K_M", "rtx-a6000x2");
  q.split = Split::tensor;
  for (const char* resource : {"DRAM", "matrix", "unpack", "vector", "cache", "link", "bound by"})
    EXPECT_NE(heads(q).find(resource), std::string::npos) << resource;
  EXPECT_EQ(heads(query("llama-3.1-8b", "Q4_K_M", "rtx-4090")).find("link"), std::string::npos);
}

Comparison comparison() {
  Comparison c{.varied = {"quant"}, .candidates = {}};
  for (const char* quant : {"Q8_0", "Q4_K_M", "F16"}) {
    Candidate candidate{
        .choices = {quant}, .prediction = predict(query("llama-3.1-8b", quant, "rtx-3060"), database()), .reason = {}};
    candidate.reason = candidate.prediction->limiting;
    c.candidates.push_back(std::move(candidate));
  }
  return c;
}

TEST(Compare, MarksTheBestAndTellsWhyTheOthersDoNotFit) {
  const Comparison c = compared_by(comparison(), "decode");
  EXPECT_EQ(c.candidates.front().choices.front(), "Q4_K_M");
  const std::string text = compare_text(c);
  EXPECT_NE(text.find(" *"), std::string::npos) << text;
  EXPECT_NE(text.find("does not fit: memory of"), std::string::npos) << text;
  const Node root = parse_json(compare_json(c), "compare");
  EXPECT_EQ(root.find("schema")->scalar, "silicast.compare/1");
  EXPECT_EQ(root.find("rows")->items.size(), 3U);
  for (const Chart& chart : compare_plot(c).charts)
    EXPECT_NE(parse_json(chart.spec, chart.title).find("layer"), nullptr);
}

// Q4_K_M was measured on Llama 3 8B; of Llama 3.1 8B that is another model's figure, of an unquantized one nobody's.
TEST(Compare, MarksQualityThatWasMeasuredOnAnotherModel) {
  const auto compared = [](const char* model) {
    Comparison c{.varied = {"quant"}, .candidates = {}};
    for (const char* quant : {"Q4_K_M", "F16"})
      c.candidates.push_back(
          {.choices = {quant}, .prediction = predict(query(model, quant, "rtx-4090"), database()), .reason = {}});
    return c;
  };
  const Comparison other = compared("llama-3.1-8b");
  EXPECT_NE(compare_text(other).find("~1.0"), std::string::npos) << compare_text(other);
  EXPECT_EQ(compare_text(other).find("~1 "), std::string::npos);
  for (const std::string& text : {compare_text(other), compare_markdown(other)})
    EXPECT_NE(text.find("~ measured on another model"), std::string::npos) << text;
  const Node root = parse_json(compare_json(other), "compare");
  const auto& rows = root.find("rows")->items;
  ASSERT_EQ(rows[0].find("borrowed")->items.size(), 1U);
  EXPECT_EQ(rows[0].find("borrowed")->items[0].scalar, "quality");
  EXPECT_TRUE(rows[1].find("borrowed")->items.empty());
  for (const std::string& text : {compare_text(compared("llama-3-8b")), compare_markdown(compared("llama-3-8b"))})
    EXPECT_EQ(text.find('~'), std::string::npos) << text;
}

TEST(Compare, ShowsCostsInTheCurrencyThatIsAskedFor) {
  Query q = query("llama-3.1-8b", "Q4_K_M", "rtx-4090");
  q.cost.currency = "EUR";
  Comparison c{.varied = {}, .candidates = {}};
  c.candidates.push_back({.choices = {}, .prediction = predict(q, database()), .reason = {}});
  EXPECT_NE(compare_text(c).find("EUR/M output"), std::string::npos) << compare_text(c);
  q.cost.currency = "GBP";
  c.candidates.push_back({.choices = {}, .prediction = predict(q, database()), .reason = {}});
  EXPECT_NE(compare_text(c).find("$/M output"), std::string::npos) << "two currencies are not put in one column";
}

}  // namespace
}  // namespace silicast
