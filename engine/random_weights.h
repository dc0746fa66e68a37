// SPDX-License-Identifier: Apache-2.0
// Random weights of realistic scale, straight as blocks.
//
// Matrices are normal with a standard deviation of 1/sqrt(inputs), which keeps activations at unit scale; norms are
// near one, biases near zero. Quantizing billions of weights would take minutes: so a pool of blocks is quantized for
// each (type, scale), and a tensor is filled with blocks drawn from it. What a seed gives depends on neither the number
// of threads nor the order of the tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/thread_pool.h"
#include "engine/type_traits.h"
#include "workloads/tensors.h"

namespace silicast::engine {

class RandomWeights {
 public:
  // For a model of so many weights: small ones make do with small pools.
  RandomWeights(std::uint64_t seed, std::int64_t model_weights, ThreadPool& pool);

  // The bytes [offset, offset + out.size()) of a tensor; both multiples of slice_bytes(type), but for its end.
  void fill(const Tensor& tensor, BlockType type, std::uint64_t offset, std::span<std::byte> out);
  [[nodiscard]] static std::size_t slice_bytes(BlockType type);

 private:
  // Chunks of whole blocks, one after the other.
  using Pool = std::vector<std::byte>;
  const Pool& blocks_of(BlockType type, std::int64_t inputs);
  [[nodiscard]] std::int64_t chunks_of(BlockType type) const;

  std::uint64_t seed_;
  std::int64_t pool_chunks_;
  ThreadPool& pool_;
  std::map<std::pair<BlockType, std::int64_t>, Pool> pools_;
};

// 64 random bits, the same everywhere for the same index (splitmix64, doi:10.1145/2714064.2660195).
std::uint64_t random_bits(std::uint64_t index);
// A standard normal number from the index's bits.
float random_normal(std::uint64_t index);

}  // namespace silicast::engine
