// SPDX-License-Identifier: Apache-2.0
// Which values may hold infinities because the graph says so: a mask of -inf is no mistake.
#pragma once

#include "sinter/ir/Ops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace sinter::codegen {

/// Infinities that a value may hold because a constant of the graph holds one: they come from
/// there, and no op made them. What arguments hold is not known, so it counts as finite.
struct Infinities {
  bool negative = false, positive = false;
  bool any() const { return negative || positive; }
  Infinities operator|(const Infinities &other) const {
    return {negative || other.negative, positive || other.positive};
  }
};

/// Infinities of all values of a graph, in regions and outside. An elementwise op hands on what it
/// makes of infinite operands among finite ones: exp(-inf) is 0, and ends it. x - max(x) along any
/// axes is never +inf.
class InfinityAnalysis {
public:
  explicit InfinityAnalysis(mlir::func::FuncOp graph);
  Infinities of(mlir::Value value) const { return known.lookup(value); }

private:
  void add(mlir::Block &block);
  Infinities resultOf(mlir::Operation *op, unsigned number) const;
  Infinities elementwise(mlir::Operation *op) const;
  Infinities structural(mlir::Operation *op) const;
  /// Where a value comes from, across the border of a region.
  mlir::Value origin(mlir::Value value) const;
  bool isMaximumOf(mlir::Value maximum, mlir::Value value) const;

  llvm::DenseMap<mlir::Value, Infinities> known;
};

/// Notes on every region of a fused graph that its kernels test what they store, and which
/// infinities its results may hold.
void markStoreChecks(mlir::func::FuncOp graph);
/// Whether markStoreChecks() has been here.
bool checksStores(mlir::Operation *fused);
Infinities storedInfinities(mlir::Operation *fused, unsigned output);

} // namespace sinter::codegen
