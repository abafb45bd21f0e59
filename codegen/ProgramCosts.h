// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <cstdint>
#include <optional>

namespace sinter::codegen {

/// What a program costs, as formulas over its named dimensions (numbers where there are none).
struct ProgramCosts {
  DimExpr bytesMoved;   ///< By all kernels and copies.
  DimExpr bytesNeeded;  ///< Arguments, constants and results once each.
  DimExpr flops;
  DimExpr arenaBytes;
  DimExpr resultBytes;  ///< Of results that are not updates.
  DimExpr peakBytes;    ///< Arena and results.
  int64_t launches = 0, copies = 0;
};

/// Per-worker scratch is counted for `workers` workers.
ProgramCosts costsOf(const Program &program, int64_t workers);

/// The most bytes of the arena that are in use at one step: no plan with these steps needs less. None
/// when sizes are not known.
std::optional<int64_t> largestLiveSet(const Program &program, int64_t workers);

/// The sizes of a program, with the number of workers filled in.
DimExpr forWorkers(const DimExpr &size, int64_t workers);

} // namespace sinter::codegen
