// SPDX-License-Identifier: Apache-2.0
// The memory of a placed model by the shape of the request: what memory_pools() says, with all but the shape worked
// out before. For sweeps and simulations that ask for many shapes.
#pragma once

#include <string>
#include <vector>

#include "model/memory.h"
#include "model/prediction.h"

namespace silicast {

class Footprint {
 public:
  // The compiled query must outlive it; its placement is kept whatever the shape.
  explicit Footprint(const Compiled& compiled);

  struct Use {
    Bytes total;                         // of all pools
    const std::string* lacks = nullptr;  // name of the first pool that does not hold what lies in it; null: all do
    Bytes needs;                         // of that pool
    Bytes has;
    bool pages = false;  // weights would be read from storage at every step: a placement of its own
  };
  // `context` tokens of each of so many sequences.
  [[nodiscard]] Use operator()(double context, double sequences);

 private:
  struct Pool {
    MemoryPool fixed;            // without cache and buffers
    std::vector<double> caches;  // occurrences of each kind of layer
    double device_buffers = 0;
    double host_buffers = 0;
  };

  const Compiled* compiled_;
  MemoryRequest request_;
  std::vector<Pool> pools_;
  std::vector<double> kind_bytes_;  // of one layer of each kind, at the shape asked last
  bool may_page_ = false;           // the last pool
};

}  // namespace silicast
