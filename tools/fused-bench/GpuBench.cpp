// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuBench.h"

#include "tools/fused-bench/Check.h"
#include "tools/fused-bench/GpuProbeKernels.h"
#include "tools/fused-bench/GpuTiming.h"
#include "tools/fused-bench/Prepare.h"

#include "sinter/ir/base/TargetInfo.h"

namespace sinter::tools {

GpuBench::GpuBench(const GpuBenchOptions &options)
    : options(options), device(CudaDevice::shared()),
      probes(device, compileGpuProbes(TargetInfo::parse(device->target()).arch),
             options.small ? smallGpuProbes : GpuProbeSizes{}) {}

Measurement GpuBench::measure(const CaseRow &row) {
  CompileOptions compileOptions{.target = Target::parse(device->target()), .device = device};
  CheckResult check = checkSmallerInstance(row, compileOptions);
  Model model = options.small ? row.check.make(row.check.rows) : row.make(row.rows);
  BoundCase fused = prepare(model, compileOptions);
  const Program &program = fused.executable.program();
  Measurement result = describe(row.name, program, *device);
  result.compileMs = fused.compileMs;
  result.maxError = check.maxError;
  result.checkedSmaller = true;
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
  timeOnGpu(result, program, fused.call, probes,
            {.runs = options.runs,
             .flops = {model.flops, model.leastFlops, model.multipliesBf16},
             .unfused = unfused ? &unfused->call : nullptr});
  return result;
}

} // namespace sinter::tools
