// SPDX-License-Identifier: Apache-2.0
// From a query's names to the executors of a machine, and from its wishes to a placement.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "model/database.h"
#include "model/memory.h"
#include "model/placement.h"
#include "model/prediction.h"

namespace silicast {

// "rtx-a6000x2" is two of rtx-a6000, unless a device is called so. The count is at most 64.
std::pair<std::string, int> split_device_count(const std::string& name, const Database& database);

struct Machine {
  std::shared_ptr<const Device> device;
  std::shared_ptr<const Device> host;
  std::shared_ptr<const Stack> host_stack;
  std::string interconnect;
  MachineExecutors executors;
};

// Throws UsageError for what the devices do not have, RefusedError for what the stack cannot do.
Machine make_machine(const Query& query, std::shared_ptr<const Device> device, int devices, const Stack& stack,
                     const Executor& executor, const Database& database);

struct ChosenPlacement {
  Placement placement;
  std::optional<PlacedStep> step;  // of it, where the choice took one
};

// The placement that the query asks for; `automatic` finds the fewest layers (or, for mixtures of experts, layers'
// experts) on the host that fit, and of both the faster one.
ChosenPlacement choose_placement(const Query& query, const Machine& machine, const StepGraph& graph,
                                 const Workload& workload, const Stack& stack, const LayerMemory& layers,
                                 const MemoryRequest& request);

// In words: "20 of 32 layers and the output on the GPU, 12 on the host"; empty where all is on one device.
std::string describe(const Placement& placement, int layers);

// Whether a pool holds what lies in it; a pool of unknown capacity holds everything.
bool holds(const MemoryPool& pool);

}  // namespace silicast
