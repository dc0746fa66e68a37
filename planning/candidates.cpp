// SPDX-License-Identifier: Apache-2.0
#include "planning/candidates.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "model/machine.h"
#include "model/memory.h"
#include "model/model_source.h"
#include "model/quality.h"
#include "model/running.h"
#include "planning/model_class.h"
#include "planning/recommend.h"

namespace silicast {

namespace {

// What its weights are to a step and to a prompt.
CandidateQuant weighed(const Workload& workload, const Needs& needs) {
  CandidateQuant quant;
  double multiplied = 0;  // weights by which a token of the prompt is multiplied; only the last one is by the output
  for (std::size_t i = 0; i < workload.tensors.size(); ++i) {
    const Tensor& tensor = workload.tensors[i];
    if (tensor.role == TensorRole::token_embd) continue;
    const Bytes size = workload.type_table->bytes(tensor, workload.types[i]);
    quant.least_bytes += size;
    const TokenUse use = token_use(workload.architecture, tensor);
    const double share = static_cast<double>(use.used) / static_cast<double>(use.of);
    quant.step_bytes += share * size;
    if (tensor.layer >= 0 && is_quantizable(tensor)) multiplied += share * static_cast<double>(tensor.elements());
  }
  constexpr double multiply_and_add = 2;
  quant.prompt_operations = Flops(multiply_and_add * multiplied * static_cast<double>(needs.prompt));
  const TypeTable& types = *workload.type_table;
  CacheRequest cache{.context = static_cast<double>(needs.context), .sequences = static_cast<double>(needs.users)};
  cache.key_type = cache.value_type = *types.find("f16");
  cache.ubatch = 1;
  quant.cache_bytes = kv_cache_bytes(workload.architecture, cache, {.cache_padding = 1, .windowed_cache = true}, types);
  quant.offloads = workload.format == QuantFormat::gguf;
  quant.is_mlx = workload.format == QuantFormat::mlx;
  return quant;
}

std::vector<Processor> processors_of(const Device& device) {
  std::vector<Processor> processors;
  for (const auto& processor : {device.gpu, device.cpu})
    if (processor) processors.push_back(*processor);
  return processors;
}

Bytes caches_of(const Device& device) {
  Bytes bytes;
  for (const Processor& processor : processors_of(device))
    for (const auto& cache : {processor.l2, processor.last_level_cache})
      if (cache) bytes += cache->capacity;
  return bytes;
}

FlopsPerSecond peak_of(const Device& device) {
  FlopsPerSecond highest;
  for (const Processor& processor : processors_of(device))
    for (std::size_t unit = 0; unit < unit_count; ++unit)
      highest = std::max(highest, processor.peak(static_cast<Unit>(unit)));
  return highest;
}

constexpr double understated = 1.1;

}  // namespace

double ratio_of(const CandidateQuant& quant) {
  return quant.quality ? quant.quality->perplexity_ratio : std::numeric_limits<double>::infinity();
}

double fastest_decode(const CandidateMachine& machine, const CandidateQuant& quant) {
  const Bytes from_memory = quant.step_bytes - static_cast<double>(machine.devices) * machine.caches;
  if (from_memory.value() <= 0) return std::numeric_limits<double>::infinity();
  if (!machine.host_bandwidth || !quant.offloads) return understated / (from_memory / machine.bandwidth).value();
  const bool dense = quant.step_bytes == quant.least_bytes;
  const Bytes on_host = dense ? std::clamp(quant.least_bytes - machine.memory, Bytes(0), from_memory) : from_memory;
  const BytesPerSecond faster = std::max(machine.bandwidth, *machine.host_bandwidth);
  const Seconds step =
      dense ? on_host / *machine.host_bandwidth + (from_memory - on_host) / faster : from_memory / faster;
  return understated / step.value();
}

Seconds soonest_first_token(const CandidateMachine& machine, const CandidateQuant& quant) {
  const double step = 1 / fastest_decode(machine, quant);
  return std::max(Seconds(step), quant.prompt_operations / machine.peak * (1 / understated));
}

Candidates::Candidates(const Needs& needs, const Database& database) : database_(database), host_(needs.host) {
  for (const std::string& name : needs.models) add_model(name, needs, true);
  for (const std::string& wanted : needs.classes)
    for (const std::string& name : models_of_class(wanted, database))
      if (std::none_of(models_.begin(), models_.end(), [&](const CandidateModel& m) { return m.name == name; }))
        add_model(name, needs, false);
  if (!needs.host.empty()) static_cast<void>(database.device(needs.host));
  if (!needs.devices.empty()) {
    for (const std::string& name : needs.devices) add_device(name, {1}, needs.own_memory);
    return;
  }
  for (const Entry& entry : database.devices().all()) add_device(entry.id, needs.counts, needs.own_memory);
}

void Candidates::add_model(const std::string& name, const Needs& needs, bool must) {
  const ModelSource source = read_model_source(name, database_);
  CandidateModel model{.name = name, .quants = {}};
  if (source.workload) {
    model.quants.push_back(weighed(*source.workload, needs));
    models_.push_back(std::move(model));
    return;
  }
  std::vector<std::string> names = needs.quants;
  if (names.empty())
    for (const Entry& entry : database_.quants().all())
      if (lower(entry.id) != "f32") names.push_back(entry.id);
  constexpr double usual_ratio = 1.1;
  const double most_ratio = needs.max_perplexity_ratio.value_or(usual_ratio);
  for (const std::string& quant : names) {
    try {
      const QuantizedModel made = quantized(source, quant, database_);
      const auto quality = quality_of(made.scheme.get(), *made.workload);
      constexpr double few_bits = 4;
      const bool lossy = quality ? quality->perplexity_ratio > most_ratio
                                 : (*database_.types())[made.scheme->default_type].bits_per_weight() < few_bits;
      if (needs.quants.empty() && lossy) continue;
      CandidateQuant candidate = weighed(*made.workload, needs);
      candidate.name = quant;
      candidate.quality = quality;
      model.quants.push_back(std::move(candidate));
    } catch (const RefusedError&) {
      // The scheme is not for models like this one; one that was asked for by name is an error.
      if (!needs.quants.empty() && must) throw;
    }
  }
  std::stable_sort(model.quants.begin(), model.quants.end(),
                   [](const CandidateQuant& a, const CandidateQuant& b) { return ratio_of(a) < ratio_of(b); });
  if (!model.quants.empty()) models_.push_back(std::move(model));
}

void Candidates::add_device(const std::string& name, const std::vector<int>& counts, std::optional<Bytes> own_memory) {
  const auto [plain, asked] = split_device_count(name, database_);
  const auto device = database_.device(plain);
  const bool discrete = device->device_class == DeviceClass::discrete;
  std::vector<CandidateMachine> machines;
  for (const int count : counts) {
    const int devices = asked > 1 ? asked : count;
    if (devices > 1 && asked == 1 && !discrete) continue;
    for (const Bytes memory : device->memory.capacities) {
      // Systems report a little less than what is built in.
      constexpr double slack = 1.1;
      if (own_memory && !discrete && memory > slack * *own_memory && machines.size() > 0) break;
      const auto price = purchase_price(*device, memory, devices, database_.prices());
      const std::string count_text = devices > 1 ? "x" + std::to_string(devices) : "";
      const Bytes smallest = device->memory.capacities.front();
      const auto price_of_smallest = purchase_price(*device, smallest, devices, database_.prices());
      CandidateMachine machine{.device = plain,
                               .label = device->id + count_text,
                               .memory = memory,
                               .devices = devices,
                               .bandwidth = device->memory.bandwidth,
                               .host_bandwidth = std::nullopt,
                               .caches = caches_of(*device),
                               .peak = static_cast<double>(devices) * peak_of(*device),
                               .least_watts = device->power.model && device->gpu
                                                  ? static_cast<double>(devices) * device->power.model->base
                                                  : Watts(0),
                               .price = price ? std::optional(price->usd) : std::nullopt,
                               .price_from = !discrete && price && memory > smallest && price_of_smallest &&
                                             price->usd == price_of_smallest->usd,
                               .is_apple = device->vendor == "Apple",
                               .offloads = discrete && devices == 1 && !host_.empty() && device->pcie.has_value()};
      if (machine.offloads) {  // what a layer is computed from may then be the host's
        const auto host = database_.device(host_);
        machine.host_bandwidth = host->memory.bandwidth;
        machine.host_memory = host->memory.capacities.back();
        machine.caches += caches_of(*host);
        machine.peak += peak_of(*host);
      }
      machines.push_back(std::move(machine));
    }
  }
  devices_.push_back(std::move(machines));
}

Query Candidates::query(const CandidateModel& model, const CandidateMachine& machine, const CandidateQuant& quant,
                        bool offloaded) const {
  Query query;
  query.model = model.name;
  query.device = machine.device;
  query.devices = machine.devices;
  query.quant = quant.name;
  query.memory = machine.memory;
  if (!offloaded) return query;
  query.host = host_;
  query.offload.layers = Offload::Layers::automatic;
  return query;
}

}  // namespace silicast
