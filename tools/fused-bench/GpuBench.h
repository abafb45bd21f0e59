// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/GpuProbes.h"
#include "tools/fused-bench/Measure.h"

namespace sinter::tools {

struct GpuBenchOptions {
  int64_t runs = 15;    ///< Samples per case.
  bool unfused = false; ///< Also measure every op as its own kernel.
  /// Measure the smaller instances that are compared: to try the bench out, not for figures.
  bool small = false;
};

/// Measures cases on the GPU. Times are the device's own, of the steps of the program alone: inputs
/// and variables lie on the device.
class GpuBench {
public:
  /// Throws Error(Device) where there is no GPU.
  explicit GpuBench(const GpuBenchOptions &options);
  /// Throws Error(Mismatch) when the smaller instance's result is not the interpreter's.
  Measurement measure(const CaseRow &row);

private:
  GpuBenchOptions options;
  std::shared_ptr<CudaDevice> device;
  GpuProbes probes;
};

} // namespace sinter::tools
