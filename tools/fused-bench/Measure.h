// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Cases.h"
#include "tools/support/Probes.h"

#include <memory>
#include <optional>
#include <string>

namespace sinter::tools {

struct MeasureOptions {
  int64_t threads = 0;  ///< 0: the default.
  int64_t runs = 15;    ///< Samples per case.
  bool unfused = true;  ///< Also measure every op as its own kernel.
  bool winograd = true; ///< Where the case allows it.
};

/// One line of the report; what a case does not have is absent.
struct Measurement {
  std::string name = {}, target = {};
  int64_t threads = 0;
  double ms = 0;
  std::optional<double> limitMs = {}, roofline = {}, vsUnfused = {};
  std::optional<int64_t> bytesMoved = {}, bytesNeeded = {}, kernels = {}, peakBytes = {};
  double compileMs = 0;
  std::optional<double> maxError = {};
  bool checkedSmaller = false; ///< The error is that of a smaller instance of the graph.
  /// One call of the reference interpreter, scaled from the rows that it computes.
  std::optional<double> interpreterMs = {};
  double flops = 0;
  bool limitIsFlops = false; ///< Else bytes.
  int64_t rejected = 0;      ///< Samples in which the kernel was faster than its probe.
  int64_t starved = 0;       ///< Samples that other processes kept from the processors.
  int64_t samples = 0;       ///< All that were taken.
};

class Bench {
public:
  explicit Bench(const MeasureOptions &options);
  /// Throws Error(Mismatch) when the result is not the interpreter's.
  Measurement measure(const CaseRow &row);
  int64_t threads() const { return device->workers(); }

private:
  Measurement measureKernel(const CaseRow &row);
  Measurement measureColdCompile(const CaseRow &row);
  Measurement measureEmptyCall(const CaseRow &row);

  MeasureOptions options;
  std::shared_ptr<CpuDevice> device;
  Probes probes;
};

/// What the child process of the cold compile does: compiles and prints milliseconds.
int runColdCompile(const std::string &name);

} // namespace sinter::tools
