// SPDX-License-Identifier: Apache-2.0
#include "planning/candidates.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "model/machine.h"
#include "model/model_source.h"
#include "model/quality.h"
#include "model/running.h"
#include "planning/model_class.h"
#include "planning/recommend.h"

namespace silicast {

namespace {

Bytes bytes_but_embedding(const Workload& workload) {
  Bytes bytes;
  for (std::size_t i = 0; i < workload.tensors.size(); ++i)
    if (workload.tensors[i].role != TensorRole::token_embd)
      bytes += workload.type_table->bytes(workload.tensors[i], workload.types[i]);
  return bytes;
}

// What is not quantized loses nothing: every weight in 16 bits or more, but those that the model comes with in fewer.
std::optional<Quality> quality_with_plain(const QuantizedModel& model, const TypeTable& types) {
  const Workload& workload = *model.workload;
  const auto plain = [&](std::size_t i) {
    const TensorType& type = types[workload.types[i]];
    return type.block == 1 && type.bytes >= 2;
  };
  bool all = true;
  for (std::size_t i = 0; i < workload.tensors.size() && all; ++i) all = plain(i);
  if (all) return Quality{.source = "unquantized"};
  return quality_of(*model.scheme, workload.architecture);
}

}  // namespace

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
    model.quants.push_back({.name = "",
                            .quality = std::nullopt,
                            .least_bytes = bytes_but_embedding(*source.workload),
                            .offloads = source.workload->format == QuantFormat::gguf});
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
      const auto quality = quality_with_plain(made, *database_.types());
      constexpr double few_bits = 4;
      const bool lossy = quality ? quality->perplexity_ratio > most_ratio
                                 : (*database_.types())[made.scheme->default_type].bits_per_weight() < few_bits;
      if (needs.quants.empty() && lossy) continue;
      model.quants.push_back({.name = quant,
                              .quality = quality,
                              .least_bytes = bytes_but_embedding(*made.workload),
                              .is_mlx = made.scheme->format == QuantFormat::mlx,
                              .offloads = made.scheme->format == QuantFormat::gguf});
    } catch (const RefusedError&) {
      // The scheme is not for models like this one; one that was asked for by name is an error.
      if (!needs.quants.empty() && must) throw;
    }
  }
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
      machines.push_back({.name = plain + count_text,
                          .memory = memory,
                          .devices = devices,
                          .device = device->id,
                          .label = device->id + count_text,
                          .price = price ? std::optional(price->usd) : std::nullopt,
                          .price_from = !discrete && price && memory > smallest && price_of_smallest &&
                                        price->usd == price_of_smallest->usd,
                          .is_apple = device->vendor == "Apple",
                          .offloads = discrete && devices == 1 && !host_.empty() && device->pcie.has_value()});
    }
  }
  devices_.push_back(std::move(machines));
}

Query Candidates::query(const CandidateModel& model, const CandidateMachine& machine, const CandidateQuant& quant,
                        bool offloaded) const {
  Query query;
  query.model = model.name;
  query.device = machine.name;
  query.quant = quant.name;
  query.memory = machine.memory;
  if (!offloaded) return query;
  query.host = host_;
  query.offload.layers = Offload::Layers::automatic;
  return query;
}

}  // namespace silicast
