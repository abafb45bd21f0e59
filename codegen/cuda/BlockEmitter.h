// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ElementEmitter.h"
#include "sinter/codegen/KernelPlan.h"
#include "sinter/codegen/cuda/KernelSource.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace sinter::cuda {

/// A kernel as scalar IR for one thread of a block. The function's arguments are the buffers of the
/// launch, the size table and the status slot.
struct BlockKernel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  /// Ops at this location compute indices.
  mlir::Location indexLocation;
};

/// What emitters of one form share: the function around the kernel, positions in the grid, loops,
/// and the elements of the region's values.
class BlockEmitter {
protected:
  using Values = llvm::SmallVector<mlir::Value>;

  explicit BlockEmitter(const KernelRequest &request);
  /// Closes the function.
  BlockKernel finish();

  /// Functions of the prelude are called by names like `blockSum.f32`: the part behind the dot
  /// tells types apart. It is unsigned (`blockMax.ui8`) where the function compares unsigned
  /// integers.
  mlir::Value call(const std::string &name, mlir::ValueRange arguments, mlir::Type result);
  /// `thread`, `threads`, `block` or `blocks`, as i64. `most`: no more than that, where it is
  /// known.
  mlir::Value position(llvm::StringRef what, std::optional<int64_t> most = std::nullopt);
  /// Gives the variable that holds a value its name.
  mlir::Value named(mlir::Value value, llvm::StringRef hint);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  /// for (i = low; i < high; i += step), with carried values: body(i, carried). `hint` names i.
  /// The compiler does not unroll it: bodies hold several accesses as they are, and what it would
  /// make of a loop that need not end evenly takes most of its time.
  Values loop(mlir::Value low, mlir::Value high, mlir::Value step, mlir::ValueRange carried,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body,
              llvm::StringRef hint = "");
  /// Called in the body of loop(): `count` iterations wait for memory together.
  void overlap(mlir::Value index, int64_t count);
  /// loop() from 0 to a small `count`, written out by the compiler; `hint` names the index.
  Values unrolled(int64_t count, llvm::StringRef hint, mlir::ValueRange carried,
                  llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  /// An array of this thread, or one that the block shares; 16-byte aligned.
  mlir::Value array(mlir::Type elementType, int64_t count, llvm::StringRef hint,
                    bool isShared = false);
  /// A template of the prelude with its arguments. `result` may be null; `hint` names it.
  mlir::Value callTemplate(llvm::StringRef function, const std::string &templateArguments,
                           mlir::ValueRange arguments, mlir::Type result,
                           llvm::StringRef hint = "");
  static DimExpr product(llvm::ArrayRef<DimExpr> dims);

  /// While a point of the domain is being computed, inputs of the domain's shape are read at its
  /// flat position, or as readPoint says.
  void setPoint(codegen::Index index, mlir::Value flat);
  void store(const codegen::BufferRef &buffer, llvm::ArrayRef<codegen::LaneIndex> index,
             mlir::Value flat, mlir::Value value);
  bool isKept(mlir::Value value) const;
  /// Stores the outputs that have the domain's shape, at the point. All reads come before the first
  /// write: an output may share the buffer of an input.
  void storeFull(mlir::Value flat);

  ir::FusedOp fused;
  std::vector<std::string> bufferNames; ///< Of inputs, then outputs.
  /// Gives an input's element at the point; unset: from memory.
  std::function<mlir::Value(mlir::BlockArgument, const codegen::BufferRef &)> readPoint;
  const codegen::KernelPlan &plan;
  const int64_t blockThreads; ///< Of this launch.
  const passes::KernelAnalysis &analysis;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::func::FuncOp function;
  mlir::ValueRange outputValues;
  llvm::SmallVector<codegen::BufferRef> outputs;
  /// Scratch buffers of the plan, as pointers.
  llvm::SmallVector<mlir::Value> workspaces;
  codegen::KernelEnvironment env;
  std::unique_ptr<codegen::SizeTable> sizes;
  std::unique_ptr<codegen::ElementEmitter> elements;
  mlir::Value zero;
  codegen::Index point; ///< The point of the domain that is being computed.
};

} // namespace sinter::cuda
