// SPDX-License-Identifier: Apache-2.0
// Which values a gradient flows through: for the autodiff pass, and for whoever must know
// beforehand.
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace sinter::ir {

/// How ys depend on xs in one block, up to its end or to `end`. Gradients flow through float
/// tensors and ops that have a derivative (which may be zero), and never through stop_gradient. A
/// boolean that chooses between float tensors is no cut: the derivative in it is zero wherever
/// there is one.
class Activity {
public:
  Activity(mlir::Block &block, mlir::ValueRange ys, mlir::ValueRange xs,
           mlir::Operation *end = nullptr);

  /// True when `op` computes something from xs.
  bool dependsOnXs(mlir::Operation *op) const;
  /// True when `value` is one of xs or computed from them.
  bool isActive(mlir::Value value) const { return dependents.contains(value); }
  /// True when a gradient of ys flows to `value` (it may still be zero).
  bool reaches(mlir::Value value) const { return differentiable.contains(value); }
  /// The op that cuts `x` off: ys depend on x, but only through ops without a derivative. Null when
  /// a gradient reaches x, or when ys do not depend on it.
  mlir::Operation *findCut(mlir::Value x) const;
  /// An op without a derivative that makes a float tensor on the way from xs to ys, or null.
  mlir::Operation *findObstacle() const { return obstacle; }

private:
  llvm::DenseSet<mlir::Value> dependents;
  llvm::DenseSet<mlir::Value> differentiable;
  llvm::DenseMap<mlir::Value, mlir::Operation *> cut;
  mlir::Operation *obstacle = nullptr;
};

/// Why `op` has no derivative; empty when it has one (gradients ops expand to ops that have).
std::string nonDifferentiableReason(mlir::Operation *op);

} // namespace sinter::ir
