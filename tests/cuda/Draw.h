// SPDX-License-Identifier: Apache-2.0
// Values that depend on nothing but their seed.
#pragma once

#include "sinter/sinter.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace sinter::test {

/// Floats lie in [-1, 1); integers are the upper `integerBits` of 32 random bits.
inline Array draw(DType dtype, std::vector<int64_t> sizes, uint32_t seed, int integerBits = 4) {
  Array array(dtype, std::move(sizes));
  uint32_t state = seed;
  for (int64_t i = 0; i < array.numElements(); ++i) {
    state = state * 1664525 + 1013904223;
    dispatch(dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (isFloatElement<T>)
        array.as<T>()[i] = static_cast<T>(static_cast<float>(state >> 8) / (1 << 23) - 1);
      else
        array.as<T>()[i] = static_cast<T>(state >> (32 - integerBits));
    });
  }
  return array;
}

} // namespace sinter::test
