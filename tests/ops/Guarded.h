// SPDX-License-Identifier: Apache-2.0
// Arrays between guard bytes: a kernel that writes outside of its buffers is caught.
#pragma once

#include "sinter/ir/base/Array.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace sinter::ops {

class GuardedArray {
public:
  /// Filled with a pattern. `shift` bytes away from 64-byte alignment.
  GuardedArray(DType dtype, const std::vector<int64_t> &sizes, int64_t shift = 0) {
    bytes = byteSize(dtype);
    for (int64_t size : sizes)
      bytes *= size;
    int64_t total = (2 * guard + shift + bytes + 63) / 64 * 64;
    memory.reset(static_cast<unsigned char *>(std::aligned_alloc(64, static_cast<size_t>(total))),
                 std::free);
    if (!memory)
      throw std::bad_alloc();
    std::memset(memory.get(), pattern, static_cast<size_t>(total));
    begin = guard + shift;
    view = Array::wrap(memory.get() + begin, dtype, sizes, {}, memory);
  }

  const Array &array() const { return view; }
  /// Whether the bytes around the array are what they were.
  bool intact() const {
    for (int64_t i = 1; i <= guard; ++i)
      if (memory.get()[begin - i] != pattern || memory.get()[begin + bytes + i - 1] != pattern)
        return false;
    return true;
  }

private:
  static constexpr int64_t guard = 192;
  static constexpr unsigned char pattern = 0xA5;
  std::shared_ptr<unsigned char> memory;
  int64_t begin = 0, bytes = 0;
  Array view;
};

} // namespace sinter::ops
