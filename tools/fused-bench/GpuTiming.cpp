// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuTiming.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {

double gpuSample(BoundCall &call) {
  constexpr int64_t calls = 5;
  return median(call.measure(calls));
}

Measurement describe(const std::string &name, const Program &program, const Device &device) {
  codegen::ProgramCosts costs = codegen::costsOf(program, device.workers());
  return {.name = name,
          .target = program.target,
          .threads = device.workers(),
          .bytesMoved = number(costs.bytesMoved),
          .bytesNeeded = number(costs.bytesNeeded),
          .kernels = costs.launches,
          .peakBytes = number(costs.peakBytes)};
}

void timeOnGpu(Measurement &result, const Program &program, BoundCall &call, GpuProbes &probes,
               const GpuTimingOptions &options) {
  const Traffic traffic = trafficOf(program, codegen::costsOf(program, result.threads));
  const GpuFlops &work = options.flops;
  result.flops = work.count;
  auto probe = [&] {
    double bytes = probes.transferSeconds(traffic);
    double flops = work.count > 0 ? work.least / probes.flopsPerSecond(work.multipliesBf16) : 0;
    result.limitIsFlops = flops > bytes;
    return std::max(bytes, flops) * 1e3;
  };
  // A sample is held against the better of its two probes; the first runs warm up.
  gpuSample(call);
  std::vector<double> times, rooflines, gains;
  for (double before = probe(); result.samples < options.runs; ++result.samples) {
    double own = gpuSample(call), after = probe(), limit = std::min(before, after);
    before = after;
    // What stays in the cache between runs may beat memory's bandwidth.
    result.rejected += limit > own;
    times.push_back(own);
    rooflines.push_back(limit / own);
    if (options.unfused)
      gains.push_back(gpuSample(*options.unfused) / own);
  }
  result.ms = median(times);
  if (options.unfused)
    result.vsUnfused = median(gains);
  if (result.rejected * 2 > result.samples)
    return;
  result.roofline = median(rooflines);
  result.limitMs = *result.roofline * result.ms;
}

} // namespace sinter::tools
