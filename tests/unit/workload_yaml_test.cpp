// SPDX-License-Identifier: Apache-2.0
// What `show model NAME --quant Q --format yaml` prints is, fed back, the same workload: it occupies as much and takes
// as long, for every model of the catalogue.
#include <gtest/gtest.h>

#include "model/database.h"
#include "model/memory.h"
#include "model/model_source.h"
#include "model/step_cost.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Workload read_back(const Workload& workload) {
  const Node document = parse_yaml(workload_yaml(workload), "workload.yaml");
  return read_workload(Section(document), database().types());
}

class Costs {
 public:
  explicit Costs(const char* stack_name)
      : stack_(database().stack(stack_name)), device_(database().device("rtx-4090")) {
    executor_.processor = *device_->gpu;
    executor_.dram_bandwidth = device_->memory.achievable_bandwidth;
    executor_.stack = stack_.get();
    executor_.key_type = executor_.value_type = database().types()->at("F16");
    executor_.ubatch = 512;
  }

  [[nodiscard]] std::vector<double> of(const Workload& w) const {
    const CacheRequest cache{.context = 5000, .key_type = executor_.key_type, .value_type = executor_.value_type};
    const LayerMemory m = layer_memory(w, cache, stack_->allocation);
    std::vector<double> numbers{
        w.tensor_bytes().value(),    m.embedding.value(),
        m.per_layer_inputs.value(),  m.output.value(),
        static_cast<double>(m.tied), llama_cpp_buffers(w.architecture, {.context = 5000}).device.value()};
    for (std::size_t i = 0; i < m.weights.size(); ++i)
      numbers.insert(numbers.end(), {m.weights[i].value(), m.experts[i].value(), m.cache[i].value()});
    const StepEvaluator evaluator(step_graph(w), w, executor_);
    numbers.push_back(evaluator.seconds({.batch = 3, .new_tokens = 1, .depth = 4000}).value());
    numbers.push_back(evaluator.seconds({.new_tokens = 512, .depth = 100}).value());
    return numbers;
  }

 private:
  std::shared_ptr<const Stack> stack_;
  std::shared_ptr<const Device> device_;
  Executor executor_;
};

void expect_same(const std::string& model, const std::string& quant, const Costs& costs) {
  const Workload w = make_workload(*database().architecture(model), *database().quant(quant), {}, database().types());
  const Workload back = read_back(w);
  EXPECT_EQ(costs.of(back), costs.of(w)) << model << ' ' << quant;
  EXPECT_EQ(back.architecture.name, w.architecture.name);
  EXPECT_EQ(back.architecture.context, w.architecture.context) << model;
  EXPECT_EQ(back.architecture.encoder, w.architecture.encoder) << model;
  EXPECT_EQ(active_parameter_count(back.architecture), active_parameter_count(w.architecture)) << model;
}

TEST(WorkloadYaml, FedBackOccupiesAndTakesTheSame) {
  const Costs llama("llama.cpp-cuda");
  const char* const quants[] = {"Q4_K_M", "IQ2_XXS", "Q8_0", "MXFP4_MOE"};
  std::size_t next = 0;
  for (const Entry& entry : database().models().all()) {
    // Every model with one scheme of many types, and with another in turn.
    expect_same(entry.id, "IQ3_M", llama);
    expect_same(entry.id, quants[next++ % std::size(quants)], llama);
  }
}

// The scheme's quality holds for the file as it was printed, and no longer once a type was changed.
TEST(WorkloadYaml, KeepsItsSchemeUntilItIsEdited) {
  const Workload w =
      make_workload(*database().architecture("lfm2-350m"), *database().quant("Q4_K_M"), {}, database().types());
  ModelSource source{.architecture = nullptr, .workload = std::make_shared<const Workload>(read_back(w)), .files = {}};
  ASSERT_NE(quantized(source, "", database()).scheme, nullptr);
  EXPECT_EQ(quantized(source, "", database()).scheme->id, "Q4_K_M");
  Workload edited = w;
  edited.types.back() = database().types()->at("F16");
  source.workload = std::make_shared<const Workload>(std::move(edited));
  EXPECT_EQ(quantized(source, "", database()).scheme, nullptr);
}

TEST(WorkloadYaml, EverySchemeFedBackIsTheSame) {
  for (const Entry& entry : database().quants().all()) {
    for (const char* model : {"gpt-oss-20b", "lfm2-350m"}) {
      const Workload w =
          make_workload(*database().architecture(model), *database().quant(entry.id), {}, database().types());
      const Workload back = read_back(w);
      EXPECT_EQ(back.types, w.types) << model << ' ' << entry.id;
      EXPECT_EQ(back.format, w.format) << entry.id;
      EXPECT_EQ(back.quantization, w.quantization) << entry.id;
    }
  }
}

}  // namespace
}  // namespace silicast
