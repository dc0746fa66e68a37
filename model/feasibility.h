// SPDX-License-Identifier: Apache-2.0
// Whether a compiled query fits its memory, what is missing, and the nearest change that would make it fit.
#pragma once

#include <string>
#include <vector>

#include "model/memory.h"
#include "model/prediction.h"

namespace silicast {

// The memory option the query asks for. Throws InputError naming the device's options when it is none of them.
Bytes memory_capacity(const Device& device, const Query& query);

// Likewise of a discrete GPU's host.
Bytes host_capacity(const Device& host, const Query& query);

// The most sequences whose cache fits beside the weights; compute buffers grow with them.
SequencesThatFit sequences_that_fit(const Compiled& compiled, const std::vector<MemoryPool>& pools,
                                    const MemoryRequest& request);

// Empty when every pool fits; otherwise "memory of <pool>: needs X, has Y; fits with ...".
std::string limiting_memory(const Compiled& compiled, const std::vector<MemoryPool>& pools,
                            const MemoryRequest& request, const Database& database);

}  // namespace silicast
