// SPDX-License-Identifier: Apache-2.0
// What runs beside the threads of a unit: copies and matrix products that are waited for later.
#pragma once

#include "tests/cuda/machine/Machine.h"

namespace sinter::hostgpu {

struct AsyncState {
  /// At the end of a unit: "" or what nobody waited for.
  std::string leftOver() const { return ""; }
};

} // namespace sinter::hostgpu
