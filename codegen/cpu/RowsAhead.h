// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/KernelFunction.h"

namespace sinter::cpu {

/// Asks for the lines of `bytes` bytes from element `offset` on, into the second-level cache: more
/// of them can be on their way than into the first.
void prefetch(KernelFunction &kernel, const codegen::BufferRef &buffer, mlir::Value offset,
              int64_t bytes);

/// The rows that a region looks up in large tables (embeddings): where they lie no prefetcher can
/// guess. Indices of these rows are evaluated again, without a check: nothing is read there.
class RowsAhead {
public:
  /// Rows of which a unit reads `elements`, along the last dim of the region's domain.
  RowsAhead(KernelFunction &kernel, int64_t elements);

  /// So many units should lie between asking and reading; 0 where there is nothing to ask for.
  int64_t units() const { return numUnits; }
  /// Asks for what a unit reads whose first element is at `index`.
  void askFor(llvm::ArrayRef<codegen::LaneIndex> index);

private:
  struct LookUp {
    mlir::Operation *op;
    ir::Access access;
    int64_t bytes; ///< Of a row that are asked for.
  };
  void collect(mlir::Value value, int64_t elements);
  codegen::LaneIndex evaluate(mlir::Operation *op, const ir::IndexExpr &expr,
                              llvm::ArrayRef<codegen::LaneIndex> index);

  KernelFunction &kernel;
  codegen::ElementEmitter emitter;
  llvm::SmallVector<LookUp> lookUps;
  int64_t numUnits = 0;
};

} // namespace sinter::cpu
