// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"

namespace sinter::cuda {

/// Row with columns, the second launch: combines the partial results of all units in order.
KernelSource emitRowColumns(const KernelRequest &request);

/// Sums of a product in the last workspace: parts of k behind each other.
struct RowsOfParts {
  mlir::Type type;
  int64_t parts;
};
/// Rows behind a contraction, as a launch of their own. The plan of `request` is that of the rows.
KernelSource emitRowsOfParts(const KernelRequest &request, const RowsOfParts &sums);
/// The same as a function for the lanes that share rows, which lie in shared memory: its arguments
/// are those of a kernel, then the unit, its first row, how many follow, the sums of type `sum`, and
/// their distance from row to row.
BlockKernel emitRowsBehind(const KernelRequest &request, mlir::Type sum);

} // namespace sinter::cuda
