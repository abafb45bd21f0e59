// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CpuDevice.h"

#include <cstdint>
#include <memory>

namespace sinter::tools {

/// What the machine can do at best, right now, with the threads of one device. Written by hand with
/// the widest vectors the CPU has.
class Probes {
public:
  explicit Probes(CpuDevice &device) : device(device) {}

  /// Floating-point operations per second of independent fused multiply-adds on f32, or of dot
  /// products of bf16 where the CPU has them.
  double flopsPerSecond(bool bf16 = false);
  /// Seconds to read `readBytes` and to write `writeBytes`: pairs of a read and a write go at the
  /// better speed of a plain and a non-temporal copy, reads beyond them at that of a summing read,
  /// writes beyond them at that of the copy. All over memory of that size, so that what fits a
  /// cache is measured in it.
  double transferSeconds(int64_t readBytes, int64_t writeBytes);

private:
  void reserve(std::shared_ptr<void> &block, int64_t &capacity, int64_t bytes);
  double run(SinterKernel kernel, int64_t bytes);

  CpuDevice &device;
  std::shared_ptr<void> source, target;
  int64_t sourceBytes = 0, targetBytes = 0;
};

} // namespace sinter::tools
