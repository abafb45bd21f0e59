// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Prepare.h"

#include <algorithm>

namespace sinter::tools {

BoundCase prepare(const Model &model, const std::shared_ptr<CpuDevice> &device,
                  const std::vector<std::string> &disabledPasses,
                  const std::vector<NamedArrays::Entry> *inputs) {
  return prepare(model,
                 CompileOptions{.disabledPasses = disabledPasses,
                                .winograd = model.winograd,
                                .device = device},
                 inputs);
}

BoundCase prepare(const Model &model, const CompileOptions &options,
                  const std::vector<NamedArrays::Entry> *inputs) {
  Stopwatch watch;
  Executable executable = compile(model.graph, options);
  double compileMs = watch.seconds() * 1e3;
  State state(executable.program().arguments, stateSeed);
  std::vector<NamedArrays::Entry> own =
      inputs ? *inputs : makeInputs(*executable.device(), executable.program(), model.ranges);
  BoundCall call = executable.bind(state, NamedArrays(own));
  return {std::move(executable), std::move(state), std::move(own), std::move(call), compileMs};
}

double timeCalls(BoundCall &call, int64_t times) {
  call();
  Stopwatch watch;
  for (int64_t i = 0; i < times; ++i)
    call();
  return watch.seconds() / static_cast<double>(times);
}

int64_t callsPerSample(BoundCall &call, double enough) {
  call();
  double once = std::max(timeCalls(call, 1), 1e-7);
  return std::max<int64_t>(static_cast<int64_t>(enough / once), 1);
}

} // namespace sinter::tools
