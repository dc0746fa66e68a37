// SPDX-License-Identifier: Apache-2.0
// What gguf.cpp (the bytes) and gguf_architecture.cpp (their meaning) share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "workloads/architecture.h"
#include "workloads/gguf.h"

namespace silicast {

// The value as a whole number; nullopt for text, arrays, fractions and what exceeds 63 bits.
std::optional<std::int64_t> integer_of(const GgufValue& value);

// Bytes of a file as one line of a message: quoted, unprintable bytes as '?', cut after some length.
std::string printable(std::string_view bytes);

// "[4096, 128256]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// Metadata first, tensor shapes where it is silent; throws InputError where the two contradict each other and
// RefusedError for an architecture outside the table in gguf_architecture.cpp.
Architecture architecture_of_gguf(const GgufFile& file, const std::string& name);

}  // namespace silicast
