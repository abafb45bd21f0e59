// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <utility>
#include <vector>

namespace sinter::ops {

/// f32 numbers in [-1, 1) that the seed decides.
inline Array numbers(std::vector<int64_t> sizes, unsigned seed) {
  Array array(f32, std::move(sizes));
  for (int64_t i = 0; i < array.numElements(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    array.as<float>()[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return array;
}

} // namespace sinter::ops
