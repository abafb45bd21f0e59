// SPDX-License-Identifier: Apache-2.0
// Which values a derivative flows through: for the autodiff pass, and for whoever must know
// beforehand.
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace sinter::ir {

enum class DerivativeMode { Reverse, Forward };

/// How ys depend on xs. Derivatives flow through float tensors and ops that have one (which may be
/// zero), never through stop_gradient, and through with_gradient only to the operands that its
/// region is for. A boolean that chooses between float tensors is no cut: the derivative in it is
/// zero wherever there is one.
class Activity {
public:
  /// `blocks` hold ys, each block after those that it captures values from. Ops from `end` on do
  /// not count.
  Activity(llvm::ArrayRef<mlir::Block *> blocks, mlir::ValueRange ys, mlir::ValueRange xs,
           DerivativeMode mode, mlir::Operation *end = nullptr);

  /// True when `value` is one of xs, or computed from them by ops that carry derivatives.
  bool isActive(mlir::Value value) const { return active.contains(value); }
  /// True when a derivative can flow from an operand of `op` to its results.
  bool isActive(mlir::Operation *op) const;
  /// True when ys have a derivative in `value` (it may still be zero).
  bool reaches(mlir::Value value) const { return differentiable.contains(value); }
  /// The op that cuts `x` off: ys depend on x, but only through ops without a derivative. Null when
  /// a derivative reaches x, or when ys do not depend on it.
  mlir::Operation *findCut(mlir::Value x) const;
  /// An op without a derivative that makes a float tensor on the way from xs to ys, or null.
  mlir::Operation *findObstacle() const { return obstacle; }

private:
  /// Marks what depends on xs; gives the ops that do, in order.
  llvm::SmallVector<mlir::Operation *> markDependents(llvm::ArrayRef<mlir::Block *> blocks,
                                                      mlir::Operation *end);
  void visit(mlir::Operation *op, DerivativeMode mode);

  llvm::DenseSet<mlir::Value> dependents; ///< Through any op.
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseSet<mlir::Value> differentiable;
  llvm::DenseSet<mlir::Value> direct; ///< Those not behind a nested gradients or jvp op.
  llvm::DenseMap<mlir::Value, mlir::Operation *> cut;
  mlir::Operation *obstacle = nullptr;
};

/// Why `op` has no derivative; empty when it has one (gradients and jvp expand to ops that have).
std::string nonDifferentiableReason(mlir::Operation *op, DerivativeMode mode);

} // namespace sinter::ir
