// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CpuDevice.h"

#include <cstdint>
#include <memory>

namespace sinter::tools {

/// Bytes that must move.
struct Traffic {
  int64_t read = 0, written = 0;
  int64_t inPlace = 0; ///< Of these, both read and written where they lie.
};

/// What the machine can do at best, right now, with the threads of one device. Written by hand with
/// the widest vectors the CPU has.
class Probes {
public:
  explicit Probes(CpuDevice &device) : device(device) {}

  /// Floating-point operations per second of independent fused multiply-adds on f32, or of dot
  /// products of bf16 where the CPU has them.
  double flopsPerSecond(bool bf16 = false);
  /// Seconds for that traffic: pairs of a read and a write go at the better speed of a plain and a
  /// non-temporal copy, those in place also at that of a loop that adds to its array; reads beyond
  /// them at that of a summing read, writes beyond them at that of the copy. All over memory of
  /// that size, so that what fits a cache is measured in it.
  double transferSeconds(const Traffic &traffic);

private:
  void reserve(std::shared_ptr<void> &block, int64_t &capacity, int64_t bytes);
  double run(SinterKernel kernel, int64_t bytes);

  CpuDevice &device;
  std::shared_ptr<void> source, target;
  int64_t sourceBytes = 0, targetBytes = 0;
};

} // namespace sinter::tools
