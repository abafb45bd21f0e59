// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuBench.h"

#include "tools/fused-bench/Check.h"
#include "tools/fused-bench/Prepare.h"
#include "sinter/codegen/ProgramCosts.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {
namespace {

double median(std::vector<double> values) {
  if (values.empty())
    return NAN;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int64_t number(const DimExpr &size) { return size.constant().value_or(0); }

/// What must move: arguments and constants in, results out.
Traffic trafficOf(const Program &program, const codegen::ProgramCosts &costs) {
  Traffic traffic{.written = number(costs.resultBytes)};
  for (const Argument &argument : program.arguments)
    traffic.read += number(argument.shape.numElements()) * byteSize(argument.dtype);
  for (const Array &constant : program.constants)
    traffic.read += constant.numBytes();
  for (const Result &output : program.results)
    if (output.updates >= 0)
      traffic.written += number(output.shape.numElements()) * byteSize(output.dtype);
  return traffic;
}

} // namespace

GpuBench::GpuBench(const GpuBenchOptions &options)
    : options(options), device(CudaDevice::shared()),
      probes(device,
             options.small ? GpuProbeSizes{.bytes = 1 << 16, .rounds = 2} : GpuProbeSizes{}) {}

Measurement GpuBench::measure(const CaseRow &row) {
  CompileOptions compileOptions{.target = Target::parse(device->target()), .device = device};
  CheckResult check = checkSmallerInstance(row, compileOptions);
  Model model = options.small ? row.check.make(row.check.rows) : row.make(row.rows);
  BoundCase fused = prepare(model, compileOptions);
  const Program &program = fused.executable.program();
  codegen::ProgramCosts costs = codegen::costsOf(program, device->workers());
  Measurement result{.name = row.name,
                     .target = program.target,
                     .threads = device->workers(),
                     .bytesMoved = number(costs.bytesMoved),
                     .bytesNeeded = number(costs.bytesNeeded),
                     .kernels = costs.launches,
                     .peakBytes = number(costs.peakBytes),
                     .compileMs = fused.compileMs,
                     .maxError = check.maxError,
                     .checkedSmaller = true,
                     .flops = model.flops};
  fused.call();
  std::optional<BoundCase> unfused;
  if (options.unfused) {
    CompileOptions alone = compileOptions;
    alone.disabledPasses = {"fuse"};
    try {
      unfused.emplace(prepare(model, alone, &fused.inputs));
      unfused->call();
    } catch (const Error &error) {
      if (error.kind() != ErrorKind::Device)
        throw;
      unfused.reset(); // Not enough memory for every intermediate.
    }
  }
  const Traffic traffic = trafficOf(program, costs);
  auto probe = [&] {
    double bytes = probes.transferSeconds(traffic);
    double flops =
        model.flops > 0 ? model.leastFlops / probes.flopsPerSecond(model.multipliesBf16) : 0;
    result.limitIsFlops = flops > bytes;
    return std::max(bytes, flops) * 1e3;
  };
  // A sample stands between two probes and is held against the better one; the first runs warm up.
  constexpr int64_t callsPerSample = 5;
  fused.call.measure(callsPerSample);
  std::vector<double> times, rooflines, gains;
  for (double before = probe(); result.samples < options.runs; ++result.samples) {
    double own = median(fused.call.measure(callsPerSample)), after = probe(),
           limit = std::min(before, after);
    before = after;
    // What stays in the cache between runs may beat memory's bandwidth.
    result.rejected += limit > own;
    times.push_back(own);
    rooflines.push_back(limit / own);
    if (unfused)
      gains.push_back(median(unfused->call.measure(callsPerSample)) / own);
  }
  result.ms = median(times);
  if (unfused)
    result.vsUnfused = median(gains);
  if (result.rejected * 2 > result.samples)
    return result;
  result.roofline = median(rooflines);
  result.limitMs = *result.roofline * result.ms;
  return result;
}

} // namespace sinter::tools
