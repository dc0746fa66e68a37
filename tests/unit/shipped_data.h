// SPDX-License-Identifier: Apache-2.0
// The catalogue of this checkout, opened once.
#pragma once

#include "model/database.h"

namespace silicast {

inline const Database& database() {
  static const Database instance(SILICAST_SOURCE_ROOT "/data");
  return instance;
}

}  // namespace silicast
