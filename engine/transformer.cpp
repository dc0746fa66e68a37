// SPDX-License-Identifier: Apache-2.0
#include "engine/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "engine/transformer_buffers.h"

namespace silicast::engine {

namespace {

// Rows that a thread norms and quantizes for itself, and their values: some microseconds of work.
constexpr std::int64_t rows_alone = 8;
constexpr std::int64_t values_alone = 16384;

std::size_t index_of(ActivationType type) { return static_cast<std::size_t>(type); }
ActivationType activation_of(BlockType type) { return traits_of(type).activation; }

void add_bias(const float* bias, Range rows, std::int64_t count, float* out, std::int64_t stride) {
  if (bias == nullptr) return;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t r = rows.begin; r < rows.end; ++r) out[i * stride + r] += bias[r];
}

}  // namespace

// Consecutive tokens of one sequence.
struct Run {
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::int64_t sequence = 0;
  std::int64_t position = 0;
};

struct Transformer::Step {
  std::span<const BatchToken> batch;
  std::vector<Run> runs;
  std::vector<std::int32_t> wanted;  // tokens whose logits are
  bool short_runs = true;            // one item of attention has all tokens of a run
  KvCache* cache = nullptr;
  float* logits = nullptr;

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(batch.size()); }
};

struct Transformer::ThreadState {
  explicit ThreadState(const BufferSizes& sizes)
      : scratch(sizes.columns), row(static_cast<std::size_t>(sizes.columns) * sizeof(float)) {
    for (const ActivationType type : sizes.activations)
      alone[index_of(type)] = std::make_unique<Activations>(values_alone / rows_alone, rows_alone);
  }

  Scratch scratch;
  AlignedBuffer row;
  std::array<std::unique_ptr<Activations>, 4> alone;
};

Transformer::Transformer(std::shared_ptr<const Model> model, const Kernels& kernels, ThreadPool& pool,
                         std::int64_t capacity)
    : model_(std::move(model)),
      kernels_(kernels),
      pool_(pool),
      capacity_(capacity),
      hidden_(model_->architecture.hidden),
      step_(std::make_unique<Step>()) {
  const BufferSizes sizes = buffer_sizes(*model_, capacity);
  const auto& feed_forward = model_->architecture.layer(0).feed_forward;
  if (const auto* dense = std::get_if<DenseFeedForward>(&feed_forward)) geglu_ = dense->activation == Activation::geglu;
  if (const auto* experts = std::get_if<ExpertFeedForward>(&feed_forward))
    geglu_ = experts->activation == Activation::geglu;
  query_width_ = sizes.query_width;
  key_width_ = sizes.key_width;
  x_ = AlignedBuffer(sizes.x);
  first_ = AlignedBuffer(sizes.first);
  second_ = AlignedBuffer(sizes.second);
  rope_ = AlignedBuffer(sizes.rope);
  if (sizes.window_rope) window_rope_ = AlignedBuffer(sizes.rope);
  for (const ActivationType type : sizes.activations)
    shared_[index_of(type)] = std::make_unique<Activations>(sizes.shared_columns, sizes.shared_rows);
  if (sizes.experts > 0) routing_ = std::make_unique<ExpertRouting>(sizes.experts, sizes.used, capacity);
  step_->runs.reserve(static_cast<std::size_t>(capacity));
  step_->wanted.reserve(static_cast<std::size_t>(capacity));
  threads_.resize(static_cast<std::size_t>(pool.size()));
  pool.run([&](const Worker& worker) {
    threads_[static_cast<std::size_t>(worker.index())] = std::make_unique<ThreadState>(sizes);
  });
}

Transformer::~Transformer() = default;

std::uint64_t Transformer::buffer_bytes_for(const Model& model, std::int64_t capacity, int threads) {
  const BufferSizes sizes = buffer_sizes(model, capacity);
  const std::uint64_t of_thread =
      Scratch(sizes.columns).bytes() + static_cast<std::uint64_t>(sizes.columns) * sizeof(float) +
      sizes.activations.size() * Activations::bytes_for(values_alone / rows_alone, rows_alone);
  return sizes.total() + static_cast<std::uint64_t>(threads) * of_thread;
}

void Transformer::forward(std::span<const BatchToken> batch, KvCache& cache, float* logits) {
  ensure(!batch.empty() && static_cast<std::int64_t>(batch.size()) <= capacity_, "the step fits into its buffers");
  Step& step = *step_;
  step.batch = batch;
  step.cache = &cache;
  step.logits = logits;
  step.runs.clear();
  step.wanted.clear();
  step.short_runs = true;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const BatchToken& token = batch[i];
    if (token.logits) step.wanted.push_back(static_cast<std::int32_t>(i));
    const bool follows = !step.runs.empty() && step.runs.back().sequence == token.sequence &&
                         step.runs.back().position + step.runs.back().count == token.position;
    if (!follows) step.runs.push_back({static_cast<std::int64_t>(i), 0, token.sequence, token.position});
    ++step.runs.back().count;
  }
  for (const Run& run : step.runs) {
    cache.advance(run.sequence, run.position, run.count);
    step.short_runs = step.short_runs && run.count <= attention_tokens;
  }
  pool_.run([&](const Worker& worker) { walk(worker, step); });
}

void Transformer::walk(const Worker& worker, const Step& step) {
  begin(worker, step);
  const std::vector<LayerWeights>& layers = model_->weights.layers;
  std::int64_t count = step.count();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerWeights& w = layers[i];
    const bool last = i + 1 == layers.size();
    project_attention(worker, step, i);
    attend(worker, step, i);
    if (last && step.wanted.empty()) return;  // the cache was all that was asked for
    const float* attended = attention_result();
    if (last && step.wanted.size() < step.batch.size()) {
      count = static_cast<std::int64_t>(step.wanted.size());
      if (worker.index() == 0) keep_wanted(step);
      worker.barrier();
    }
    prepare(worker, attended, w.output.columns, nullptr, {&w.output}, count, query_width_);
    const Range rows = project(worker, w.output, w.output_bias, count, second_.as<float>(), hidden_);
    add(worker, rows, w.post_attention_norm, count);
    if (w.router.data != nullptr)
      expert_feed_forward(worker, w, count);
    else
      feed_forward(worker, w, count);
  }
  output(worker, step);
}

// Embeddings, and the rotations of every position.
void Transformer::begin(const Worker& worker, const Step& step) {
  const Matrix& embedding = model_->weights.embedding;
  const Parameters& p = model_->parameters;
  const Rope rope{.style = p.rope.style,
                  .dimensions = p.rope.dimensions,
                  .base = p.rope.base,
                  .frequency_factors = model_->rope.divisors.empty() ? nullptr : model_->rope.divisors.data()};
  const Rope window{.style = p.rope.style, .dimensions = p.rope.dimensions, .base = window_base(p.rope)};
  const Range share = worker.share(step.count());
  for (std::int64_t i = share.begin; i < share.end; ++i) {
    const BatchToken& token = step.batch[static_cast<std::size_t>(i)];
    float* x = x_.as<float>() + i * hidden_;
    traits_of(embedding.type)
        .dequantize(embedding.data + static_cast<std::size_t>(token.token) * row_bytes(embedding.type, hidden_), x,
                    hidden_);
    if (p.embedding_scale != 1)
      for (std::int64_t j = 0; j < hidden_; ++j) x[j] *= p.embedding_scale;
    float* table = rope_.as<float>() + i * rope.dimensions;
    rope_table(rope, token.position, table);
    if (model_->rope.magnitude != 1)
      for (std::int64_t j = 0; j < rope.dimensions; ++j) table[j] *= model_->rope.magnitude;
    if (window_rope_.size() > 0) rope_table(window, token.position, window_rope_.as<float>() + i * rope.dimensions);
  }
  worker.barrier();
}

void Transformer::project_attention(const Worker& worker, const Step& step, std::size_t layer) {
  const LayerWeights& w = model_->weights.layers[layer];
  const std::int64_t count = step.count();
  prepare(worker, x_.as<float>(), hidden_, w.attn_norm, {&w.q, &w.k, &w.v}, count, hidden_);
  project(worker, w.q, w.q_bias, count, queries(), query_width_);
  project(worker, w.k, w.k_bias, count, keys(), key_width_);
  project(worker, w.v, w.v_bias, count, values(), key_width_);
  worker.barrier();
}

// Query and key heads of some tokens: norm, rotation; keys and values go into the cache.
void Transformer::rotate_and_store(const Step& step, std::size_t layer, const Run& run, Range tokens, Range kv_heads) {
  const LayerWeights& w = model_->weights.layers[layer];
  const GroupedAttention& a = model_->attention(layer);
  const Parameters& p = model_->parameters;
  const std::int64_t group = a.heads / a.kv_heads;
  const bool windowed = a.window > 0 && window_rope_.size() > 0;
  const float* tables = windowed ? window_rope_.as<float>() : rope_.as<float>();
  KvCache& cache = *step.cache;
  const std::int64_t origin = cache.origin(layer, run.sequence);
  for (std::int64_t t = tokens.begin; t < tokens.end; ++t) {
    const float* table = tables + t * p.rope.dimensions;
    float* q = queries() + t * query_width_ + kv_heads.begin * group * a.key_dim;
    float* k = keys() + t * key_width_ + kv_heads.begin * a.key_dim;
    const float* v = values() + t * key_width_ + kv_heads.begin * a.key_dim;
    if (w.q_norm != nullptr) {
      for (std::int64_t h = 0; h < kv_heads.size() * group; ++h)
        rms_norm(kernels_, q + h * a.key_dim, w.q_norm, p.norm_epsilon, q + h * a.key_dim, a.key_dim);
      for (std::int64_t h = 0; h < kv_heads.size(); ++h)
        rms_norm(kernels_, k + h * a.key_dim, w.k_norm, p.norm_epsilon, k + h * a.key_dim, a.key_dim);
    }
    apply_rope(kernels_, p.rope.style, table, p.rope.dimensions, q, kv_heads.size() * group, a.key_dim);
    apply_rope(kernels_, p.rope.style, table, p.rope.dimensions, k, kv_heads.size(), a.key_dim);
    const std::int64_t cell = run.position + (t - run.begin) - origin;
    for (std::int64_t h = 0; h < kv_heads.size(); ++h) {
      const std::int64_t head = kv_heads.begin + h;
      store_kv(kernels_, cache.shape().type, k + h * a.key_dim, a.key_dim,
               cache.row(layer, run.sequence, 0, head, cell));
      store_kv(kernels_, cache.shape().type, v + h * a.key_dim, a.key_dim,
               cache.row(layer, run.sequence, 1, head, cell));
    }
  }
}

Attention Transformer::attention_of(const Step& step, std::size_t layer, const Run& run) const {
  const GroupedAttention& a = model_->attention(layer);
  const Parameters& p = model_->parameters;
  return {.q = queries() + run.begin * query_width_,
          .q_stride = query_width_,
          .k = step.cache->keys(layer, run.sequence),
          .v = step.cache->values(layer, run.sequence),
          .out = attention_result() + run.begin * query_width_,
          .out_stride = query_width_,
          .tokens = run.count,
          .first_position = run.position - step.cache->origin(layer, run.sequence),
          .heads = a.heads,
          .kv_heads = a.kv_heads,
          .head_dim = a.key_dim,
          .window = a.window,
          .scale = p.attention_scale > 0 ? p.attention_scale : 1 / std::sqrt(static_cast<float>(a.key_dim)),
          .softcap = p.attention_softcap};
}

void Transformer::attend(const Worker& worker, const Step& step, std::size_t layer) {
  const GroupedAttention& a = model_->attention(layer);
  const Scratch& scratch = scratch_of(worker);
  if (step.short_runs) {
    // A KV head of a run is one thread's from rotation to result.
    const Range units = worker.share(static_cast<std::int64_t>(step.runs.size()) * a.kv_heads);
    for (std::int64_t u = units.begin; u < units.end; ++u) {
      const Run& run = step.runs[static_cast<std::size_t>(u / a.kv_heads)];
      const std::int64_t head = u % a.kv_heads;
      rotate_and_store(step, layer, run, {run.begin, run.begin + run.count}, {head, head + 1});
      attention(kernels_, attention_of(step, layer, run), {head, head + 1}, scratch);
    }
    worker.barrier();
    return;
  }
  const Range share = worker.share(step.count());
  for (const Run& run : step.runs) {
    const Range tokens{std::max(share.begin, run.begin), std::min(share.end, run.begin + run.count)};
    if (!tokens.empty()) rotate_and_store(step, layer, run, tokens, {0, a.kv_heads});
  }
  worker.barrier();
  for (const Run& run : step.runs) {
    const Attention task = attention_of(step, layer, run);
    // Later tokens see more: so the items go round.
    for (std::int64_t i = worker.index(); i < attention_items(task); i += worker.count())
      attention(kernels_, task, {i, i + 1}, scratch);
  }
  worker.barrier();
}

// The last layer's rows without logits are not computed further: the others move to the front.
void Transformer::keep_wanted(const Step& step) {
  for (std::size_t i = 0; i < step.wanted.size(); ++i) {
    const auto to = static_cast<std::int64_t>(i);
    const std::int64_t from = step.wanted[i];
    if (from == to) continue;
    std::copy_n(x_.as<float>() + from * hidden_, hidden_, x_.as<float>() + to * hidden_);
    std::copy_n(attention_result() + from * query_width_, query_width_, attention_result() + to * query_width_);
  }
}

void Transformer::feed_forward(const Worker& worker, const LayerWeights& w, std::int64_t count) {
  const std::int64_t width = w.gate.rows;
  prepare(worker, x_.as<float>(), hidden_, w.ffn_norm, {&w.gate, &w.up}, count, hidden_);
  const Range rows = project(worker, w.gate, nullptr, count, first_.as<float>(), width);
  project(worker, w.up, nullptr, count, second_.as<float>(), width);
  for (std::int64_t i = 0; i < count; ++i) activate(i * width + rows.begin, rows.size());
  worker.barrier();
  prepare(worker, first_.as<float>(), width, nullptr, {&w.down}, count, width);
  const Range result = project(worker, w.down, nullptr, count, second_.as<float>(), hidden_);
  add(worker, result, w.post_ffn_norm, count);
}

// gate = act(gate) * up, of values that follow each other.
void Transformer::activate(std::int64_t first, std::int64_t n) {
  float* gate = first_.as<float>() + first;
  const float* up = second_.as<float>() + first;
  (geglu_ ? geglu : swiglu)(kernels_, gate, up, gate, n);
}

void Transformer::output(const Worker& worker, const Step& step) {
  const Weights& w = model_->weights;
  const auto count = static_cast<std::int64_t>(step.wanted.size());
  prepare(worker, x_.as<float>(), hidden_, w.output_norm, {&w.output}, count, hidden_);
  const Range rows = project(worker, w.output, nullptr, count, step.logits, w.output.rows);
  const float cap = model_->parameters.logit_softcap;
  if (cap == 0) return;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      float& logit = step.logits[i * w.output.rows + r];
      logit = cap * std::tanh(logit / cap);
    }
}

const Scratch& Transformer::scratch_of(const Worker& worker) const {
  return threads_[static_cast<std::size_t>(worker.index())]->scratch;
}

bool Transformer::each_alone(std::int64_t columns, std::int64_t count) const {
  return count <= rows_alone && columns * count <= values_alone;
}

Activations& Transformer::prepared(const Worker& worker, BlockType type, std::int64_t columns,
                                   std::int64_t count) const {
  const std::size_t kind = index_of(activation_of(type));
  return each_alone(columns, count) ? *threads_[static_cast<std::size_t>(worker.index())]->alone[kind] : *shared_[kind];
}

void Transformer::prepare(const Worker& worker, const float* rows, std::int64_t columns, const float* norm,
                          std::initializer_list<const Matrix*> matrices, std::int64_t count, std::int64_t stride) {
  const bool alone = each_alone(columns, count);
  const Range share = alone ? Range{0, count} : worker.share(count);
  float* row = threads_[static_cast<std::size_t>(worker.index())]->row.as<float>();
  unsigned done = 0;  // a bit for each activation type
  for (const Matrix* matrix : matrices) {
    const ActivationType type = activation_of(matrix->type);
    const unsigned bit = 1U << index_of(type);
    if ((done & bit) != 0) continue;
    done |= bit;
    Activations& to = prepared(worker, matrix->type, columns, count);
    to.begin(type, columns, count);
    for (std::int64_t i = share.begin; i < share.end; ++i) {
      const float* from = rows + i * stride;
      if (norm != nullptr) {
        rms_norm(kernels_, from, norm, model_->parameters.norm_epsilon, row, columns);
        from = row;
      }
      to.fill(kernels_, from, 0, {i, i + 1});
    }
  }
  if (!alone) worker.barrier();
}

Range Transformer::project(const Worker& worker, const Matrix& matrix, const float* bias, std::int64_t count,
                           float* out, std::int64_t stride) const {
  const Range rows = worker.share(matrix.rows, row_granule);
  if (rows.empty()) return rows;
  const Activations& x = prepared(worker, matrix.type, matrix.columns, count);
  matmul(kernels_, matrix, x, {out, stride}, rows, scratch_of(worker));
  add_bias(bias, rows, count, out, stride);
  return rows;
}

void Transformer::add(const Worker& worker, Range rows, const float* norm, std::int64_t count) {
  float* x = x_.as<float>();
  const float* delta = second_.as<float>();
  if (norm == nullptr) {
    for (std::int64_t i = 0; i < count; ++i)
      add_scaled(kernels_, delta + i * hidden_ + rows.begin, 1, x + i * hidden_ + rows.begin, rows.size());
    worker.barrier();
    return;
  }
  worker.barrier();
  const Range share = worker.share(count);
  float* row = threads_[static_cast<std::size_t>(worker.index())]->row.as<float>();
  for (std::int64_t i = share.begin; i < share.end; ++i) {
    rms_norm(kernels_, delta + i * hidden_, norm, model_->parameters.norm_epsilon, row, hidden_);
    add_scaled(kernels_, row, 1, x + i * hidden_, hidden_);
  }
  worker.barrier();
}

}  // namespace silicast::engine
