// SPDX-License-Identifier: Apache-2.0
// From the start of a process to the end of its first training step.
#pragma once

#include "tools/fused-bench/Measure.h"

namespace sinter::tools {

/// `warm`: an earlier process has filled the cache; else there is none of its kernels.
Measurement measureFirstStep(const CaseRow &row, const MeasureOptions &options, bool warm);

/// What the child process does: builds the graph, compiles it, draws the parameters, runs one step.
/// `request` is "CASE:NANOSECONDS:FOLDER": when it was started by the monotonic clock, and the
/// folder of the cache. Prints milliseconds since then, those of compile(), the number of kernels
/// and the first output.
int runFirstStep(const std::string &request);

} // namespace sinter::tools
