// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Cases.h"
#include "tools/fused-bench/MakeInputs.h"

#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/Session.h"

#include <chrono>
#include <memory>

namespace sinter::tools {

class Stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

/// A compiled graph with its variables and inputs, ready to be called.
struct BoundCase {
  Executable executable;
  State state;
  std::vector<NamedArrays::Entry> inputs;
  BoundCall call;
  double compileMs;
};

/// Without `inputs` it makes them.
BoundCase prepare(const Model &model, const std::shared_ptr<CpuDevice> &device,
                  const std::vector<std::string> &disabledPasses = {},
                  const std::vector<NamedArrays::Entry> *inputs = nullptr);

BoundCase prepare(const Model &model, const CompileOptions &options,
                  const std::vector<NamedArrays::Entry> *inputs = nullptr);

/// Seconds per call. An untimed call first: caches hold what they can hold, as they do for the
/// probes, and the workers are awake.
double timeCalls(BoundCall &call, int64_t times);
/// How many calls take some `enough` seconds.
int64_t callsPerSample(BoundCall &call, double enough);

} // namespace sinter::tools
