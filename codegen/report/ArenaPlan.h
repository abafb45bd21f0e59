// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/codegen/report/Report.h"

namespace sinter::codegen::report {

/// What lies where in the arena, step by step, for one choice of sizes. `kernelOf` has the number
/// of the kernel of every step, -1 for a copy.
ArenaPlan arenaPlanOf(const Program &program, const DimBinding &binding,
                      const std::vector<int> &kernelOf);

} // namespace sinter::codegen::report
