// SPDX-License-Identifier: Apache-2.0

#include "base/text.h"
#include "cli/query_options.h"

namespace silicast::cli {

namespace {

constexpr const char* placement_group = "Where the layers live";

[[noreturn]] void fail(const std::string& option, const std::string& expected, const std::string& text) {
  throw UsageError(option + ": " + expected + " is expected, got '" + text + "'");
}

std::int64_t count(const std::string& option, const std::string& text) {
  const auto value = parse_integer(text);
  if (!value || *value < 0) fail(option, "a whole number from 0 on", text);
  return *value;
}

void read_gpu_layers(const std::string& text, Offload& offload) {
  if (lower(text) == "all") {
    offload.layers = Offload::Layers::all;
  } else if (lower(text) == "auto") {
    offload.layers = Offload::Layers::automatic;
  } else {
    if (!parse_integer(text)) fail("--gpu-layers", "a number of layers, auto or all", text);
    offload.layers = Offload::Layers::count;
    offload.gpu_layers = count("--gpu-layers", text);
  }
}

// "4x16": generation and lanes.
Pcie read_pcie(const std::string& text) {
  const std::string lowered = lower(text);
  const auto parts = split(lowered, 'x');
  const auto generation = parts.size() == 2 ? parse_integer(parts[0]) : std::nullopt;
  const auto lanes = parts.size() == 2 ? parse_integer(parts[1]) : std::nullopt;
  constexpr std::int64_t newest_generation = 7;
  constexpr std::int64_t most_lanes = 32;
  if (!generation || !lanes || *generation < 1 || *generation > newest_generation || *lanes < 1 || *lanes > most_lanes)
    fail("--pcie", "GENxLANES such as 4x16, generation 1 to 7, 1 to 32 lanes,", text);
  return {static_cast<int>(*generation), static_cast<int>(*lanes)};
}

Bytes read_size(const std::string& option, const std::string& text) {
  const auto value = parse_quantity<Bytes>(text);
  if (!value || value->value() <= 0) fail(option, "a size such as 64GiB", text);
  return *value;
}

Split read_split(const std::string& text) {
  const std::string name = lower(text);
  if (name == "layer") return Split::layer;
  if (name == "row") return Split::row;
  if (name == "tensor") return Split::tensor;
  fail("--split", "layer, row or tensor", text);
}

std::vector<double> read_shares(const std::string& text) {
  std::vector<double> shares;
  for (const auto part : split(text, ',')) {
    const auto share = parse_number(part);
    if (!share) fail("--tensor-split", "a list of numbers such as 3,1", text);
    shares.push_back(*share);
  }
  return shares;
}

template <class Read>
void add_placement(const Command& command, const std::string& name, const char* type, const std::string& help,
                   Read read) {
  command.add_option(name, read, help).type_name(type).group(placement_group);
}

}  // namespace

void add_placement_options(const Command& command, Query& query) {
  add_placement(command, "--host", "NAME|FILE",
                "The machine around a discrete GPU: a CPU of the catalogue with its memory",
                [&query](const std::string& text) { query.host = text; });
  add_placement(command, "--host-memory", "SIZE", "Memory of the host (default: its largest)",
                [&query](const std::string& text) { query.host_memory = read_size("--host-memory", text); });
  add_placement(command, "--pcie", "GENxLANES",
                "The slot between them, such as 4x16 (default: the lesser of both sides')",
                [&query](const std::string& text) { query.pcie = read_pcie(text); });
  command
      .add_flag(
          "--no-mmap", [&query] { query.mapped = false; },
          "Host weights in page-locked memory: faster copies, no paging from storage")
      .group(placement_group);
  add_placement(command, "--gpu-layers", "N|auto|all", "Layers on the GPU, the output counting as one (default all)",
                [&query](const std::string& text) { read_gpu_layers(text, query.offload); });
  command
      .add_flag(
          "--cpu-moe", [&query] { query.offload.cpu_moe_layers = 1'000'000; },
          "Keep the routed experts of all layers on the host")
      .group(placement_group);
  add_placement(command, "--n-cpu-moe", "N", "Keep the routed experts of the first N layers on the host",
                [&query](const std::string& text) { query.offload.cpu_moe_layers = count("--n-cpu-moe", text); });
  add_placement(
      command, "--offload", "compute|stream",
      "While decoding, compute the host's layers there as the stack does (default), or copy all their weights to the "
      "device at every step",
      [&query](const std::string& text) {
        if (lower(text) != "compute" && lower(text) != "stream") fail("--offload", "compute or stream", text);
        query.offload.streams_everything = lower(text) == "stream";
      });
  command
      .add_flag(
          "--no-op-offload", [&query] { query.offload.streams_prompts = false; },
          "Prompts too: the CPU computes the host's layers; their weights are never copied (ik_llama.cpp: -rtr)")
      .group(placement_group);
  add_placement(command, "--optimize", "decode|ttft", "What --gpu-layers auto makes fast (default decode)",
                [&query](const std::string& text) {
                  if (lower(text) != "decode" && lower(text) != "ttft") fail("--optimize", "decode or ttft", text);
                  query.offload.for_ttft = lower(text) == "ttft";
                });
  add_placement(command, "--split", "layer|row|tensor", "How several devices share the model (default layer)",
                [&query](const std::string& text) { query.split = read_split(text); });
  add_placement(command, "--tensor-split", "A,B,...", "Shares of the devices in a layer split (default even)",
                [&query](const std::string& text) { query.device_shares = read_shares(text); });
  add_placement(command, "--interconnect", "NAME",
                "Link between devices: nvlink, pcie, thunderbolt-4, thunderbolt-5 (default: what they have)",
                [&query](const std::string& text) { query.interconnect = text; });
}

}  // namespace silicast::cli
