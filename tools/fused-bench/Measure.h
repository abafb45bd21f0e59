// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Cases.h"
#include "tools/fused-bench/Measurement.h"
#include "tools/support/Probes.h"

#include <memory>
#include <string>

namespace sinter::tools {

struct MeasureOptions {
  int64_t threads = 0;  ///< 0: the default.
  int64_t runs = 15;    ///< Samples per case.
  bool unfused = true;  ///< Also measure every op as its own kernel.
  bool winograd = true; ///< Where the case allows it.
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
