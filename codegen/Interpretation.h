// SPDX-License-Identifier: Apache-2.0
// Internal: what an op sees while it is interpreted.
#pragma once

#include "sinter/ir/Ops.h"
#include "sinter/ir/base/Array.h"

#include "llvm/ADT/DenseMap.h"

#include <functional>
#include <string>
#include <vector>

namespace sinter::codegen {

/// The values computed so far, and the sizes of this call.
class Interpretation {
public:
  explicit Interpretation(DimBinding dims) : dims(std::move(dims)) {}
  /// Other values under the same sizes: for a region that sees nothing from above.
  Interpretation nested() const { return Interpretation(dims); }

  /// A contiguous array.
  const Array &get(mlir::Value value) const;
  void set(mlir::Value value, Array array);
  void drop(mlir::Value value) { arrays.erase(value); }

  /// Runs the ops of a block whose arguments are set, and returns what its terminator returns.
  std::vector<Array> run(mlir::Block &block);
  /// Called after every op of run(), while its operands are still there.
  std::function<void(mlir::Operation *)> afterOp = nullptr;

  /// The value of a size; an impossible one is an error of `op`.
  int64_t size(mlir::Operation *op, const DimExpr &expression) const;
  std::vector<int64_t> sizes(mlir::Operation *op, ir::TensorType type) const;
  /// A zero-filled array for a value of this type.
  Array make(mlir::Operation *op, ir::TensorType type) const;

  /// Throws, with the op's name and its location in the user's source.
  [[noreturn]] static void fail(mlir::Operation *op, const std::string &message,
                                ErrorKind kind = ErrorKind::User);

private:
  void runElementwise(ir::ElementwiseOpInterface op);

  DimBinding dims;
  llvm::DenseMap<mlir::Value, Array> arrays;
};

} // namespace sinter::codegen

#include "sinter/codegen/Interpretable.h.inc"

namespace sinter::codegen {
/// Attaches the loops of InterpretOps.cpp to the ops. Safe to call again, from any thread.
void attachInterpretations(mlir::MLIRContext &context);
} // namespace sinter::codegen
