// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/KernelPlan.h"

namespace sinter::codegen {

/// The lesser of two sizes, neither of which need leave room for their sum: evaluate() adds wide.
inline DimExpr least(const DimExpr &a, const DimExpr &b) { return a + b - max(a, b); }

/// Blocks of `threads` threads for `units` units of work of which a block takes `perBlock` at once.
/// Kernels stride by the grid, so that its size never changes a result: `$workers` (the number of
/// multiprocessors) times so many blocks at most that their ends leave no processor idle for long.
Grid gridFor(const DimExpr &units, int64_t threads, int64_t perBlock = 0);

/// How elements in a row are shared out in packs of `width` neighbours. What is left behind the last
/// whole pack is taken element by element.
struct Packs {
  DimExpr whole, units;
  bool even = true; ///< Nothing is ever left.
  static Packs of(const DimExpr &elements, int64_t width);
};

/// Sizes that a kernel counts in ints, as the user's `op` has them: known ones that are too large are
/// Error(Unsupported) at its line, others are looked at when a program is bound. `margin`: how far
/// beyond a size the kernel counts.
void limitToInts(mlir::Operation *op, KernelPlan &plan, llvm::ArrayRef<DimExpr> sizes,
                 int64_t margin = 0);

} // namespace sinter::codegen
