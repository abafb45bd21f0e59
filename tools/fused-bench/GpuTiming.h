// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/GpuProbes.h"
#include "tools/fused-bench/Measurement.h"
#include "tools/fused-bench/Traffic.h"

namespace sinter::tools {

/// Floating-point operations of a case (see Model).
struct GpuFlops {
  double count = 0, least = 0;
  bool multipliesBf16 = false;
};

struct GpuTimingOptions {
  int64_t runs = 15; ///< Samples.
  GpuFlops flops = {};
  BoundCall *unfused = nullptr; ///< The same with every op as a kernel of its own, or none.
};

/// What a sample is: the median of that many runs of the program alone, in milliseconds.
double gpuSample(BoundCall &call);

/// What `program` moves and needs; all but its times.
Measurement describe(const std::string &name, const Program &program, const Device &device);

/// Fills in times and limits: samples stand between two probes.
void timeOnGpu(Measurement &result, const Program &program, BoundCall &call, GpuProbes &probes,
               const GpuTimingOptions &options);

} // namespace sinter::tools
