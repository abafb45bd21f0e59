// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sinter::hostgpu {

/// What the fake driver writes into a tensor map; innermost dim first.
struct TensorMapCode {
  static constexpr uint64_t good = 0x73696e7465723031;
  uint64_t magic = good;
  uint64_t address = 0;
  uint64_t sizes[5] = {};
  uint64_t strides[4] = {}; ///< In bytes, from dim 1.
  uint16_t box[5] = {};
  uint8_t rank = 0, elementBytes = 0;
  uint32_t swizzleBytes = 0;
};
static_assert(sizeof(TensorMapCode) <= 128);

} // namespace sinter::hostgpu
