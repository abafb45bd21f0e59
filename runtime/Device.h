// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <cstdint>
#include <memory>
#include <string>

namespace sinter {

/// Where a Program runs: memory and workers. Thread-safe.
class Device {
public:
  virtual ~Device() = default;

  virtual std::string name() const = 0;
  /// Units that run kernels at once; the size of per-worker scratch.
  virtual int64_t workers() const = 0;
  /// At least `bytes` bytes aligned to bufferAlignment, with unspecified contents; never null, also
  /// for 0 bytes. Freed blocks are kept for reuse. Throws Error(Device) when memory is out.
  virtual std::shared_ptr<void> allocate(int64_t bytes) = 0;
  /// Runs a compiled program and returns its status; does not throw and allocates nothing.
  virtual SinterStatus run(SinterRun entry, void *const *args, const int64_t *table,
                           void *arena) noexcept = 0;
};

} // namespace sinter
