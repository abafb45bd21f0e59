// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace sinter::cuda {

/// Moves what is the same for all elements of a pack in front of the loop over them, and makes one
/// access of the loads of neighbours: those whose offset is the loop's variable plus something that
/// is seen to be a multiple of `width`. They go through arrays that `array` makes (storage type,
/// for a buffer), and `load` fills in (array, address of the first neighbour), at the builder's
/// insertion point.
struct PackLoads {
  mlir::scf::ForOp elements; ///< From 0 to `width`.
  int64_t width = 1;
  mlir::Location indexLocation;
  llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Type, mlir::Value from)> array;
  llvm::function_ref<void(mlir::OpBuilder &, mlir::Value array, mlir::Value address)> load;
  void run();

private:
  bool isOutside(mlir::Value value) const;
  void hoist();
  void pack(mlir::LLVM::LoadOp load);
};

/// A number that divides the value whatever its operands are, as far as is seen: 1 if nothing is,
/// 0 of the constant 0.
int64_t divisorOf(mlir::Value value);

} // namespace sinter::cuda
