// SPDX-License-Identifier: Apache-2.0
// The operations of one step: a forward pass over a batch of sequences, each with new tokens and a depth already in
// the cache. Layers of the same kind with the same tensor types stand once, with their number.
//
// Counting conventions: a multiply-add is two operations; `tokens` are batch x new tokens; amounts are per layer.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "workloads/workload.h"

namespace silicast {

enum class OpKind : std::uint8_t {
  embedding,      // rows of token_embd
  norm,           // RMS or layer norm over the hidden size
  head_norm,      // norm of queries and keys
  matmul,         // activations times a weight matrix
  expert_matmul,  // the same through the router's choice
  bias,           // adding a bias vector
  rope,
  kv_append,         // storing the new keys and values
  attention,         // scores, softmax and weighted values over the cache
  convolution,       // causal convolution over the last tokens
  linear_attention,  // the gated delta rule over a recurrent state
  state_space,       // Mamba-2's selective scan over a recurrent state
  gate,              // sigmoid gate on the attention output
  activation,        // SwiGLU and its kin
  router,            // softmax and top-k over the experts
  biased_router,     // sigmoid scores, the top-k chosen with a bias
  latent_join,       // joining the parts of latent attention's queries and keys, and the results of its heads
  expert_sum,        // weighted sum of the chosen experts' outputs
  add,               // residual connection
};
constexpr std::size_t op_kind_count = 19;
std::string_view name_of(OpKind kind);

struct MatmulShape {
  TypeId type{};
  std::int64_t in = 0;       // columns of the weight: the length of a dot product
  std::int64_t out = 0;      // rows of the weight
  std::int64_t experts = 0;  // 0: dense
  std::int64_t used = 0;     // experts per token

  bool operator==(const MatmulShape&) const = default;
};

struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t key_dim = 0;  // as computed: of the latent for MLA
  std::int64_t value_dim = 0;
  std::int64_t cached_keys = 0;    // values stored per token; 0: an earlier layer's cache is read
  std::int64_t cached_values = 0;  // 0 for MLA, whose value is a view of the key
  std::int64_t window = 0;
  std::int64_t compression = 1;  // tokens that a cached entry stands for
  std::int64_t top = 0;          // entries that a query reads at most; 0: all
  bool all_see_all = false;      // an encoder's: a query attends to the tokens after it as well

  bool operator==(const AttentionShape&) const = default;
};

// Where an operation stands in the step. What comes after the last layer's mixer concerns only the tokens whose logits
// are wanted; a stack may compute it for those alone.
enum class Stage : std::uint8_t {
  layers,
  last_feed_forward,  // after the mixer, and one of its layers is the model's last
  head,               // after all layers
  never,              // of no operation
};

struct Op {
  OpKind kind = OpKind::matmul;
  std::string_view name;  // "attn_q", "ffn_down", "attention": stems of GGUF names where there is one
  int layers = 1;         // how many layers run it
  int group = -1;         // index into StepGraph::groups; -1: not of a layer
  Stage stage = Stage::layers;
  MatmulShape matmul;
  AttentionShape attention;
  std::int64_t read = 0;     // activation values read per token (vector ops)
  std::int64_t written = 0;  // activation values written per token (vector ops)
  double flops = 0;          // vector operations per token
  std::int64_t state = 0;    // F32 values per sequence, read and written once a step

  bool operator==(const Op&) const = default;
};

struct LayerGroup {
  int kind = 0;             // index into Architecture::kinds
  std::vector<int> layers;  // the layers of the group
};

struct StepGraph {
  std::vector<LayerGroup> groups;
  std::vector<Op> ops;
};

StepGraph step_graph(const Workload& workload);

// The graph in `parts` parts: an operation of a layer goes to part `part(op, layer)`, with layer -1 for what belongs to
// none, or to no part at all if that is negative. An operation is left out of a part that has none of its layers;
// groups keep their indices and lose the other parts' layers.
std::vector<StepGraph> parts_of(const StepGraph& graph, int parts,
                                const std::function<int(const Op& op, int layer)>& part);

// The operations for which `wanted(op, layer)` holds, as a graph of their own.
StepGraph part_of(const StepGraph& graph, const std::function<bool(const Op& op, int layer)>& wanted);

// Whether the operation works on, or beside, the routed experts: what `--cpu-moe` moves to the host.
bool belongs_to_experts(const Op& op);

// Some experts are more popular than others: their shares of the tokens spread by a half of the mean (an estimate).
//
// Expected number of distinct experts that `tokens` tokens touch when each draws `used` of `experts`: with
// beta-distributed shares E (1 - B(a, b + T) / B(a, b)), a / (a + b) = k/E.
double expected_distinct_experts(double experts, double used, double tokens);

// Expected number of tiles of so many columns that the tokens of one expert fill, averaged over the experts that have
// any: the sum over j of P(X > j columns) / P(X > 0). X, the tokens of an expert, has the variance of the draws and of
// the popularity; beyond the first tile its tail is that of a log-normal distribution.
double expected_expert_tiles(double experts, double used, double tokens, double columns);

// Tokens of the cache that a query reads, averaged over the new tokens at the depth: causal, capped by the window.
double mean_attended(double new_tokens, double depth, double window);
// The same in entries of an attention's cache.
double mean_attended(const AttentionShape& attention, double new_tokens, double depth);
// Entries that the queries of a step read at most, of so many cells in the cache.
double entries_read(const AttentionShape& attention, double cells, double new_tokens);

// Operations of one occurrence, a multiply-add counting two. Of a matrix for so many columns, each of them with all
// experts that it uses; of attention for sequences with new tokens at a depth.
double operations_of(const MatmulShape& shape, double columns);
double operations_of(const AttentionShape& shape, double sequences, double new_tokens, double depth);

}  // namespace silicast
