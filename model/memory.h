// SPDX-License-Identifier: Apache-2.0
// What is resident where: weights, KV cache and buffers as the stack allocates them, against what each pool offers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "hardware/device.h"
#include "model/placement.h"
#include "model/stack.h"
#include "workloads/step.h"
#include "workloads/workload.h"

namespace silicast {

struct MemoryPool {
  std::string name;  // "gpu", "host", "unified"
  Bytes capacity;
  Bytes usable;
  Bytes weights;
  Bytes kv_cache;
  Bytes compute;
  Bytes overhead;

  [[nodiscard]] Bytes used() const { return weights + kv_cache + compute + overhead; }
  [[nodiscard]] bool fits() const { return used() <= usable; }
};

struct CacheRequest {
  double context = 0;  // tokens per sequence: depth, prompt and generated
  double sequences = 1;
  TypeId key_type{};
  TypeId value_type{};
  double ubatch = 512;
  bool unified = false;  // the sequences share one buffer of llama.cpp, padded once, instead of one each
  // Of a mixed batch: how many sequences of which context; `context` is then the longest.
  struct Group {
    double sequences = 1, context = 0;
  };
  std::vector<Group> mixed;
};

// KV cache or recurrent state of one layer for all sequences, as the stack allocates it: padded contexts, sliding
// windows of window + ubatch tokens, latent vectors for MLA, F32 states of linear attention, Mamba-2 and convolutions;
// nothing where an earlier layer's cache is read.
Bytes layer_cache_bytes(const Layer& layer, std::int64_t hidden, const CacheRequest& request,
                        const AllocationRules& rules, const TypeTable& types);
Bytes kv_cache_bytes(const Architecture& architecture, const CacheRequest& request, const AllocationRules& rules,
                     const TypeTable& types);

struct BufferRequest {
  double context = 0;  // tokens of all sequences
  double ubatch = 512;
  bool fused_attention = true;
  int pipeline_copies = 1;  // llama.cpp keeps 4 copies of the inputs when it pipelines over several GPUs
};

struct ComputeBuffers {
  Bytes device;
  Bytes host;
};

// llama.cpp's compute buffers. Without flash attention the score matrix rules: heads x context x ubatch F32, with some
// hidden-size activations, keys and the mask; otherwise the larger of the logits of a micro-batch with one activation,
// and the feed-forward activations. Reproduces the logged sizes of facts from
// XiongjieDai/GPU-Benchmarks-on-LLM-Inference.
ComputeBuffers llama_cpp_buffers(const Architecture& architecture, const BufferRequest& request);

// The share of unified memory that the GPU may keep resident, by memory size and release; an explicit limit
// (`iogpu.wired_limit_mb` on macOS) overrides it.
struct UsableRequest {
  Bytes capacity;
  std::string os;  // "macos-26"; empty: the rule that needs no release
  std::optional<Bytes> wired_limit;
};
Bytes usable_bytes(const Device& device, const Stack& stack, const UsableRequest& request);

// What each layer occupies, and what belongs to none: everything that a placement moves about.
struct LayerMemory {
  std::vector<Bytes> weights;  // without routed experts
  std::vector<Bytes> experts;  // routed experts
  std::vector<Bytes> cache;
  Bytes embedding;
  Bytes per_layer_inputs;  // a table of which rows are looked up, beside the embedding
  Bytes output;            // output projection (the embedding again where they are tied), norm and what else
  bool tied = false;
};
// The cache of all sequences: llama.cpp's slots are all as long as the longest, or share one buffer of the sum; paged
// and growing caches hold what each sequence has.
LayerMemory layer_memory(const Workload& workload, const CacheRequest& request, const AllocationRules& rules);

struct MemoryRequest {
  CacheRequest cache;
  UsableRequest usable;                // of each device
  std::optional<Bytes> host_capacity;  // of a discrete GPU's host; absent: not checked
  bool fused_attention = true;
  Placement placement;
};

// The buffers of one of `devices` devices, as the stack allocates them.
ComputeBuffers compute_buffers(const Architecture& architecture, const Stack& stack, const MemoryRequest& request,
                               int devices);

// The pools: one for a unified machine or a CPU; for discrete GPUs each device and the host.
std::vector<MemoryPool> memory_pools(const LayerMemory& layers, const Architecture& architecture, const Device& device,
                                     const Stack& stack, const MemoryRequest& request);

}  // namespace silicast
