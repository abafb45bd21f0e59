// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Memory.h"
#include "sinter/ir/base/TargetInfo.h"

namespace sinter::cpu {

/// The running state of a reduction in registers: one value per lane (argmax: value and index).
/// Lanes are combined at the end by a fixed tree, so the bits depend on the lane count only.
class Reducer {
public:
  using Values = llvm::SmallVector<mlir::Value, 2>;
  Reducer(mlir::OpBuilder &builder, mlir::Location loc, ir::Combiner combiner,
          mlir::Type elementType, int64_t lanes);
  static Reducer of(mlir::OpBuilder &builder, mlir::Operation *anchor, int64_t lanes);

  size_t numStates() const { return combiner == ir::Combiner::ArgMax ? 2 : 1; }
  /// Element types of the state: that of the value's register, and i64 for the index.
  llvm::SmallVector<mlir::Type, 2> stateTypes() const;
  /// The neutral state, in every lane.
  Values initial();
  /// The neutral value of one lane, as scalars.
  Values initialScalars();
  /// Takes in one element per lane where `mask` (null: everywhere) holds. `position` (vector of
  /// i64, argmax only) numbers the elements.
  Values step(mlir::ValueRange state, mlir::Value element, mlir::Value position, mlir::Value mask);
  /// Combines two states of equal width (vectors or scalars).
  Values merge(mlir::ValueRange a, mlir::ValueRange b);
  /// One scalar state from all lanes.
  Values horizontal(mlir::ValueRange state);
  /// The same reduction for a hot loop. Extremes of floats keep apart whether a NaN has come by:
  /// one instruction then finds the extreme, and steps do not wait for each other's comparisons.
  size_t numLoopStates() const { return numStates() + (tracksNan() ? 1 : 0); }
  Values loopInitial();
  Values loopStep(mlir::ValueRange state, mlir::Value element, mlir::Value position,
                  mlir::Value mask);
  /// The product that a sum of floats adds up, where the target multiplies and adds in one; else
  /// null.
  static mlir::Operation *productOf(mlir::Operation *anchor, const TargetInfo &target);
  /// Takes in a * b, rounded once with the sum.
  Values addProduct(mlir::ValueRange state, mlir::Value a, mlir::Value b, mlir::Value mask);
  /// The state that step() would have come to.
  Values closeLoop(mlir::ValueRange state);

  /// The result element from a scalar state (or from lane states).
  mlir::Value finish(mlir::ValueRange state, mlir::Type resultElementType);

private:
  mlir::TypedAttr neutral() const;
  mlir::Value combine(mlir::Value a, mlir::Value b);
  bool tracksNan() const;
  mlir::Value better(mlir::Value a, mlir::Value b);
  /// A comparison in the form in which the loop carries it: where vectors fill no mask register's
  /// worth of lanes, as integers as wide as the elements.
  mlir::Value asFlags(mlir::Value comparison);
  mlir::OpBuilder &builder;
  mlir::Location loc;
  ir::Combiner combiner;
  mlir::Type elementType;
  int64_t lanes;
};

} // namespace sinter::cpu
