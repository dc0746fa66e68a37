// SPDX-License-Identifier: Apache-2.0
// The engine's kernels beside the machine's limits of the same run, a line per type: decode (one row of activations) in
// GB/s of weights, small batches, prefill in GFLOP/s. `silicast bench kernels` says more.
//
//   bench_engine [TYPE...]      SILICAST_ISA=avx2 bench_engine Q4_K
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/measure/kernel_bench.h"
#include "engine/topology.h"

namespace {

using namespace silicast::engine;

constexpr std::int64_t prefill_batch = 512;

const KernelResult& find(const std::vector<KernelResult>& results, BlockType type, std::int64_t batch, int threads) {
  for (const KernelResult& r : results)
    if (r.what.type == type && r.what.batch == batch && r.what.threads == threads) return r;
  std::fprintf(stderr, "bench_engine: a case is missing\n");
  std::exit(70);
}

void print_threads(const std::vector<KernelResult>& results, const std::vector<BlockType>& types, int threads) {
  const Roof& roof = find(results, types.front(), 1, threads).roof;
  std::printf("\n%d thread%s: read %.1f GB/s, products of bytes %.0f GOP/s\n", threads, threads == 1 ? "" : "s",
              roof.read / 1e9, roof.operations / 1e9);
  std::printf("%-8s %8s %8s %8s %8s %8s %9s %8s\n", "type", "GB/s", "of read", "x2", "x4", "x8", "GFLOP/s", "of peak");
  for (const BlockType type : types) {
    const KernelResult& one = find(results, type, 1, threads);
    const KernelResult& many = find(results, type, prefill_batch, threads);
    std::printf("%-8s %8.2f %8.2f %8.2f %8.2f %8.2f %9.0f %8.3f\n", std::string(traits_of(type).name).c_str(),
                one.bytes_per_second() / 1e9, one.of_read(), find(results, type, 2, threads).of_read(),
                find(results, type, 4, threads).of_read(), find(results, type, 8, threads).of_read(),
                many.operations_per_second() / 1e9, many.of_peak());
  }
}

}  // namespace

int main(int argc, char** argv) {
  KernelBenchOptions options;
  options.quick = true;
  options.cold = true;
  options.batches = {1, 2, 4, 8, prefill_batch};
  for (int i = 1; i < argc; ++i)
    if (const auto type = find_block_type(argv[i])) options.types.push_back(*type);
  if (options.types.empty())
    for (const TypeTraits& traits : all_types()) options.types.push_back(traits.type);
  const char* name = std::getenv("SILICAST_ISA");
  options.isa = name == nullptr ? best_isa() : find_isa(name).value_or(best_isa());
  const auto results = measure_kernels(options);
  const LayerShape& shape = results.front().what.shape;
  std::printf("%s, %s; %lld x %lld, weights from memory; x2, x4, x8: share of the read limit with so many rows\n",
              topology().processor_name.c_str(), std::string(name_of(*options.isa)).c_str(),
              static_cast<long long>(shape.rows), static_cast<long long>(shape.columns));
  int last = 0;
  for (const KernelResult& r : results)
    if (r.what.threads != last) print_threads(results, options.types, last = r.what.threads);
  return 0;
}
