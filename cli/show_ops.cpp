// SPDX-License-Identifier: Apache-2.0
// The operations of a step with what each has to do, whatever runs it: bytes of weights and cache, floating-point
// operations. A multiply-add counts two.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/show.h"
#include "workloads/step.h"

namespace silicast::cli {

namespace {

struct Work {
  double weight_bytes = 0;
  double cache_values = 0;
  double flops = 0;
};

Work work_of(const Op& op, const Workload& w, const ShowOptions& o) {
  const double batch = static_cast<double>(o.concurrency);
  const double tokens = batch * static_cast<double>(o.prompt);
  Work work;
  if (op.kind == OpKind::matmul || op.kind == OpKind::expert_matmul) {
    const MatmulShape& m = op.matmul;
    const bool sparse = m.experts > 0;
    const double rows = op.stage == Stage::head ? batch : tokens;
    const double used = sparse ? static_cast<double>(m.used) : 1;
    const double read = sparse ? expected_distinct_experts(static_cast<double>(m.experts), used, rows) : 1;
    work.weight_bytes = w.type_table->row_bytes(m.in, m.type).value() * static_cast<double>(m.out) * read;
    work.flops = operations_of(m, rows);
  } else if (op.kind == OpKind::attention) {
    const AttentionShape& a = op.attention;
    const double fresh = static_cast<double>(o.prompt);
    const double cells = static_cast<double>(o.depth) + fresh;
    const double window = static_cast<double>(a.window);
    const double read = window > 0 ? std::min(cells, window + fresh - 1) : cells;
    work.cache_values = batch * entries_read(a, read, fresh) * static_cast<double>(a.cached_keys + a.cached_values);
    work.flops = operations_of(a, batch, fresh, static_cast<double>(o.depth));
  } else {
    work.flops = op.flops * tokens;
  }
  work.weight_bytes *= op.layers;
  work.cache_values *= op.layers;
  work.flops *= op.layers;
  return work;
}

std::int64_t whole(double value) { return static_cast<std::int64_t>(std::llround(value)); }

std::string shape_of(const Op& op) {
  if (op.kind == OpKind::matmul) return std::to_string(op.matmul.in) + " x " + std::to_string(op.matmul.out);
  if (op.kind == OpKind::expert_matmul)
    return std::to_string(op.matmul.in) + " x " + std::to_string(op.matmul.out) + ", " +
           std::to_string(op.matmul.used) + " of " + std::to_string(op.matmul.experts);
  if (op.kind == OpKind::attention)
    return std::to_string(op.attention.heads) + "/" + std::to_string(op.attention.kv_heads) + " heads of " +
           std::to_string(op.attention.key_dim) +
           (op.attention.window > 0 ? ", window " + std::to_string(op.attention.window) : "");
  if (op.state > 0) return "a state of " + std::to_string(op.state) + " values";
  return std::to_string(op.read) + " -> " + std::to_string(op.written);
}

}  // namespace

Table ops_table(const Workload& workload, const ShowOptions& options) {
  Table table{.columns = {{"name", "operation"},
                          {"kind", "kind"},
                          {"group", "group", true},
                          {"layers", "layers", true},
                          {"shape", "shape"},
                          {"type", "type"},
                          {"weight_bytes", "weights read", true},
                          {"cache_values", "cache values", true},
                          {"flops", "GFLOP", true}},
              .rows = {}};
  constexpr double giga = 1e9;
  for (const Op& op : step_graph(workload).ops) {
    const bool weights = op.kind == OpKind::matmul || op.kind == OpKind::expert_matmul;
    const Work work = work_of(op, workload, options);
    table.rows.push_back({{std::string(op.name)},
                          {std::string(name_of(op.kind))},
                          op.group < 0 ? Cell{} : Cell{static_cast<std::int64_t>(op.group)},
                          {static_cast<std::int64_t>(op.layers)},
                          {shape_of(op)},
                          weights ? Cell{(*workload.type_table)[op.matmul.type].name} : Cell{},
                          weights ? Cell{whole(work.weight_bytes), human(Bytes(work.weight_bytes))} : Cell{},
                          work.cache_values > 0 ? Cell{whole(work.cache_values)} : Cell{},
                          {work.flops, rounded(work.flops / giga, 3)}});
  }
  return table;
}

}  // namespace silicast::cli
