// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/support/Probes.h"

#include "sinter/codegen/ProgramCosts.h"

#include <vector>

namespace sinter::tools {

/// Not a number where there are none; the upper one of two in the middle.
double median(std::vector<double> values);

/// Of a program without named dimensions; 0 where there is one.
int64_t number(const DimExpr &size);

/// What must move: arguments and constants in, results out.
Traffic trafficOf(const Program &program, const codegen::ProgramCosts &costs);

} // namespace sinter::tools
