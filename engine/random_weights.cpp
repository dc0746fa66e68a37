// SPDX-License-Identifier: Apache-2.0
#include "engine/random_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "engine/decode.h"

namespace silicast::engine {

namespace {

constexpr std::int64_t chunk_weights = 256;  // a whole number of blocks of every type
constexpr std::int64_t fewest_chunks = 256;  // of a pool
constexpr std::int64_t most_chunks = 2048;
constexpr std::int64_t model_chunks_of_one = 64;  // how often a chunk recurs, on average
constexpr std::int64_t chunks_of_slice = 1024;    // drawn in one stream

std::uint64_t hash_of(std::uint64_t seed, std::string_view text) {
  for (const char c : text) seed = random_bits(seed ^ static_cast<unsigned char>(c));
  return seed;
}

std::size_t chunk_bytes(BlockType type) { return row_bytes(type, chunk_weights); }

// The frequency factors of Llama 3.1 (config.json of the model, rope_scaling).
float llama3_factor(std::int64_t pair, std::int64_t pairs) {
  constexpr double base = 500000;
  constexpr double context = 8192;
  constexpr double factor = 8;
  constexpr double low = 1;
  constexpr double high = 4;
  const double turn = 2 * std::numbers::pi * std::pow(base, static_cast<double>(pair) / static_cast<double>(pairs));
  if (turn < context / high) return 1;
  if (turn > context / low) return static_cast<float>(factor);
  const double smooth = (context / turn - low) / (high - low);
  return static_cast<float>(1 / ((1 - smooth) / factor + smooth));
}

float vector_value(const Tensor& tensor, std::uint64_t stream, std::int64_t i) {
  constexpr float spread = 0.1F;
  if (tensor.role == TensorRole::rope_freqs) return llama3_factor(i, tensor.elements());
  const float noise = spread * random_normal(stream + static_cast<std::uint64_t>(i));
  return tensor.bias ? noise : 1 + noise;
}

void fill_vector(const Tensor& tensor, BlockType type, std::uint64_t stream, std::uint64_t offset,
                 std::span<std::byte> out) {
  const auto bytes = static_cast<std::int64_t>(row_bytes(type, traits_of(type).block));
  const std::int64_t first = static_cast<std::int64_t>(offset) / bytes * traits_of(type).block;
  std::vector<float> values(out.size() / static_cast<std::size_t>(bytes) *
                            static_cast<std::size_t>(traits_of(type).block));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = vector_value(tensor, stream, first + static_cast<std::int64_t>(i));
  traits_of(type).quantize(values.data(), out.data(), static_cast<std::int64_t>(values.size()));
}

}  // namespace

std::uint64_t random_bits(std::uint64_t index) {
  std::uint64_t z = index + 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

float random_normal(std::uint64_t index) {
  constexpr double unit = 1.0 / 9007199254740992.0;  // 2^-53
  const double u = (static_cast<double>(random_bits(2 * index) >> 11) + 0.5) * unit;
  const double v = static_cast<double>(random_bits(2 * index + 1) >> 11) * unit;
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
}

RandomWeights::RandomWeights(std::uint64_t seed, std::int64_t model_weights, ThreadPool& pool)
    : seed_(seed),
      pool_chunks_(std::clamp(model_weights / (chunk_weights * model_chunks_of_one), fewest_chunks, most_chunks)),
      pool_(pool) {}

std::size_t RandomWeights::slice_bytes(BlockType type) { return chunk_bytes(type) * chunks_of_slice; }

// The codebook types take a search for each block.
std::int64_t RandomWeights::chunks_of(BlockType type) const {
  constexpr std::int64_t fewer = 8;
  return traits_of(type).needs_imatrix ? pool_chunks_ / fewer : pool_chunks_;
}

const RandomWeights::Pool& RandomWeights::blocks_of(BlockType type, std::int64_t inputs) {
  Pool& pool = pools_[{type, inputs}];
  if (!pool.empty()) return pool;
  const std::size_t bytes = chunk_bytes(type);
  pool.resize(bytes * static_cast<std::size_t>(chunks_of(type)));
  const float scale = 1 / std::sqrt(static_cast<float>(inputs));
  const std::uint64_t stream = hash_of(seed_, traits_of(type).name) ^ static_cast<std::uint64_t>(inputs);
  pool_.run([&](const Worker& worker) {
    const Range share = worker.share(chunks_of(type));
    float weights[chunk_weights];
    for (std::int64_t c = share.begin; c < share.end; ++c) {
      for (std::int64_t i = 0; i < chunk_weights; ++i)
        weights[i] = scale * random_normal(stream + static_cast<std::uint64_t>(c * chunk_weights + i));
      traits_of(type).quantize(weights, pool.data() + static_cast<std::size_t>(c) * bytes, chunk_weights);
    }
  });
  return pool;
}

void RandomWeights::fill(const Tensor& tensor, BlockType type, std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t stream = hash_of(seed_, gguf_name(tensor));
  if (tensor.dimensions() == 1 || tensor.bias) return fill_vector(tensor, type, stream, offset, out);
  const Pool& pool = blocks_of(type, tensor.shape[0]);
  const std::size_t bytes = chunk_bytes(type);
  const std::size_t slice = slice_bytes(type);
  const auto chunks = static_cast<std::uint64_t>(chunks_of(type));
  const std::uint64_t first = offset / slice;
  pool_.run([&](const Worker& worker) {
    const Range share = worker.share(static_cast<std::int64_t>((out.size() + slice - 1) / slice));
    for (std::int64_t s = share.begin; s < share.end; ++s) {
      std::uint64_t state = random_bits(stream ^ ((first + static_cast<std::uint64_t>(s)) << 20));
      std::size_t at = static_cast<std::size_t>(s) * slice;
      const std::size_t end = std::min(at + slice, out.size());
      while (at < end) {
        state = random_bits(state);
        const std::size_t piece = std::min(bytes, end - at);
        std::memcpy(out.data() + at, pool.data() + state % chunks * bytes, piece);
        at += piece;
      }
    }
  });
}

}  // namespace silicast::engine
