// SPDX-License-Identifier: Apache-2.0
#include "calibration/question.h"

#include "base/text.h"

namespace silicast {

std::string compile_key(const Query& q) {
  const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string(); };
  const std::string memory = q.memory ? exact(q.memory->value()) : "";
  return join({q.model,
               q.quant,
               q.device,
               q.stack,
               memory,
               q.key_type,
               q.value_type,
               std::to_string(static_cast<int>(q.flash_attention)),
               q.full_window_cache ? "full" : "",
               number(q.ubatch),
               number(q.threads),
               q.host,
               q.model_size ? exact(q.model_size->value()) : "",
               std::to_string(static_cast<int>(q.offload.layers)),
               std::to_string(q.offload.gpu_layers),
               std::to_string(q.offload.cpu_moe_layers),
               q.offload.streams_prompts ? "" : "computed",
               q.mapped ? "" : "pinned",
               std::to_string(static_cast<int>(q.split)),
               q.interconnect,
               q.power_limit ? exact(q.power_limit->value()) : "",
               q.calibrated ? "" : "none"},
              "|");
}

// Smallest request: benchmarks run beyond the context that a model was trained for, and are predicted there.
Compiled compile_for(Query query, const Database& database) {
  query.prompt = 0;
  query.gen = 1;
  query.depth = 0;
  query.concurrency = 1;
  return compile(query, database);
}

std::optional<Unpredicted> impossible(const Question& question, const Compiled& c) {
  const Architecture& architecture = c.workload->architecture;
  const std::int64_t layers = static_cast<std::int64_t>(architecture.layers.size());
  const bool all_layers = !question.gpu_layers || *question.gpu_layers < 0 || *question.gpu_layers > layers;
  if (!c.stack->on_cpu && !all_layers && !question.query.offload.wants_host())
    return Unpredicted{"weights partly on the host",
                       "ngl " + std::to_string(*question.gpu_layers) + " of " + std::to_string(layers + 1)};
  const Query& q = question.query;
  if (c.stack->on_cpu && q.threads) {
    // Two threads to a core at most.
    const int most = 2 * c.device->cpu->cores;
    if (*q.threads > most)
      return Unpredicted{"more threads than the processor has",
                         std::to_string(*q.threads) + " of " + std::to_string(most)};
  }
  return std::nullopt;
}

}  // namespace silicast
