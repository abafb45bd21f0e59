// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Cases.h"

#include "sinter/runtime/Session.h"

#include <optional>

namespace sinter::tools {

struct CheckResult {
  double maxError = 0;
  /// For all rows; absent where a smaller instance was compared.
  std::optional<double> interpreterMs = {};
};

/// Compares one call with the interpreter's, as the case says. Throws Error(Mismatch) when they
/// differ by more than the case tolerates.
CheckResult checkAgainstInterpreter(const CaseRow &row, const Executable &executable,
                                    const std::vector<NamedArrays::Entry> &inputs);

/// The same of the row's smaller instance, compiled as `options` say.
CheckResult checkSmallerInstance(const CaseRow &row, const CompileOptions &options);

} // namespace sinter::tools
