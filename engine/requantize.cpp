// SPDX-License-Identifier: Apache-2.0
#include "engine/requantize.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "engine/mapping.h"
#include "engine/thread_pool.h"

namespace silicast::engine {

namespace {

// Says how the file was made; ours is said anew.
constexpr std::array<std::string_view, 3> of_quantization{"general.file_type", "general.quantization_version",
                                                          "general.alignment"};

bool is_copied(std::string_view key) {
  return std::find(of_quantization.begin(), of_quantization.end(), key) == of_quantization.end() &&
         !key.starts_with("split.") && !key.starts_with("quantize.");
}

BlockType block_type(const GgufTensor& tensor, int number, const std::string& name) {
  if (const auto type = find_block_type(number)) return *type;
  throw RefusedError(name + ": tensor '" + tensor.name + "': is of type " + std::to_string(number) +
                     ", for which the engine has no kernels");
}

struct Source {
  BlockType from{};
  BlockType to{};
  const std::byte* data = nullptr;
};

class Requantizer {
 public:
  Requantizer(const std::filesystem::path& in, const QuantScheme& scheme, const QuantOptions& options,
              const std::shared_ptr<const TypeTable>& types)
      : name_(in.string()), header_(read_gguf(in, *types)) {
    for (const auto& path : header_.paths) parts_.push_back(Mapping::of_file(path));
    copy_metadata(scheme);
    const Workload workload = workload_of(header_, name_, types);
    if (workload.tensors.size() != header_.tensors.size())
      throw RefusedError(name_ + ": has experts' gates and ups in one tensor, which is not requantized");
    const auto assigned = assign_types(scheme, options, workload.architecture, workload.tensors, *types);
    for (std::size_t i = 0; i < header_.tensors.size(); ++i)
      add(header_.tensors[i], workload.tensors[i], (*types)[assigned[i]]);
  }

  void write(const std::filesystem::path& out, int threads, const GgufWriter::Progress& progress) {
    ThreadPool pool({.threads = threads});
    writer_.write(
        out, [&](std::size_t i, std::uint64_t offset, std::span<std::byte> to) { fill(pool, sources_[i], offset, to); },
        progress);
  }

 private:
  void copy_metadata(const QuantScheme& scheme) {
    for (std::size_t i = 0; i < header_.metadata.size(); ++i) {
      const auto [begin, end] = header_.metadata_ranges[i];
      const auto value = parts_.front().bytes().subspan(begin, end - begin);
      if (is_copied(header_.metadata[i].first)) writer_.add_raw(header_.metadata[i].first, value);
    }
    constexpr std::uint32_t quantization_version = 2;
    writer_.add("general.quantization_version", quantization_version);
    if (const auto number = gguf_file_type(scheme.id))
      writer_.add("general.file_type", static_cast<std::uint32_t>(*number));
  }

  void add(const GgufTensor& stored, const Tensor& tensor, const TensorType& assigned) {
    Source source;
    source.from = block_type(stored, static_cast<int>(stored.type), name_);
    source.to = source.from;
    if (is_quantizable(tensor)) {
      if (!assigned.gguf_number) throw RefusedError("type " + assigned.name + " is none of a GGUF");
      source.to = block_type(stored, *assigned.gguf_number, name_);
    }
    const auto part = static_cast<std::size_t>(stored.file);
    source.data = parts_[part].data() + header_.data_offsets[part] + stored.offset;
    sources_.push_back(source);
    writer_.add_tensor(stored.name, stored.shape, source.to);
  }

  // The bytes [offset, offset + to.size()) of the new tensor.
  static void fill(ThreadPool& pool, const Source& source, std::uint64_t offset, std::span<std::byte> to) {
    constexpr std::int64_t chunk = 4096;  // weights: whole blocks of every type
    const TypeTraits& from = traits_of(source.from);
    const TypeTraits& into = traits_of(source.to);
    const auto block_bytes = static_cast<std::uint64_t>(into.bytes);
    const std::int64_t first = static_cast<std::int64_t>(offset / block_bytes) * into.block;
    const std::int64_t count = static_cast<std::int64_t>(to.size() / block_bytes) * into.block;
    if (source.from == source.to) {
      std::copy_n(source.data + offset, to.size(), to.data());
      return;
    }
    pool.run([&](const Worker& worker) {
      std::array<float, chunk> weights;
      const Range share = worker.share(count, chunk);
      for (std::int64_t i = share.begin; i < share.end; i += chunk) {
        const std::int64_t n = std::min(chunk, share.end - i);
        from.dequantize(source.data + row_bytes(source.from, first + i), weights.data(), n);
        into.quantize(weights.data(), to.data() + row_bytes(source.to, i), n);
      }
    });
  }

  std::string name_;
  GgufFile header_;
  std::vector<Mapping> parts_;
  std::vector<Source> sources_;
  GgufWriter writer_;
};

}  // namespace

void requantize_file(const std::filesystem::path& in, const QuantScheme& scheme, const QuantOptions& options,
                     const std::filesystem::path& out, const std::shared_ptr<const TypeTable>& types, int threads,
                     const GgufWriter::Progress& progress) {
  std::error_code error;
  if (std::filesystem::equivalent(in, out, error))
    throw InputError(out.string() + ": is the file that is read; another name is accepted");
  Requantizer(in, scheme, options, types).write(out, threads, progress);
}

}  // namespace silicast::engine
