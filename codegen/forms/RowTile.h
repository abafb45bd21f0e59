// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// Rows of a Row that are reduced together, each in registers of its own: what several of them read
/// is loaded once for all. They are `rows` neighbours along the last kept dim, in `lines`
/// neighbours along the one before. Both divide their dims, so that units are whole tiles.
struct RowTile {
  int64_t lines = 1, rows = 1;
  int64_t count() const { return lines * rows; }
};

/// Follows from the sizes and the lanes alone. One row where rows share nothing, where more is
/// stored than what they are reduced to, or where computing takes longer than loading.
RowTile rowTile(ir::FusedOp fused, const passes::KernelAnalysis &analysis,
                const Schedule &schedule);

/// Whether a Row may write its results one after the other, a row of each, because they bypass the
/// cache: none may then overwrite an input, which the next one reads again.
bool mayWriteApart(ir::FusedOp fused, const passes::KernelAnalysis &analysis);
/// FormRules::mayShareBuffer of a Row whose results are all written at a point before the next.
bool mayShareRowAtPoint(const passes::KernelAnalysis &analysis, mlir::Value source,
                        mlir::Value result);

} // namespace sinter::codegen
