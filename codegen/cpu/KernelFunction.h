// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ElementEmitter.h"
#include "sinter/codegen/KernelPlan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <memory>

namespace sinter::cpu {

using codegen::Element;
using codegen::ElementEmitter;
using codegen::Index;
using codegen::LaneIndex;

/// A kernel under construction: a module with one func.func that has the kernel ABI of Program.h.
class KernelFunction {
public:
  struct Options {
    std::vector<std::string> dims; ///< The program's named dims, in table order.
    std::function<int64_t(mlir::Operation *)> site;
    TargetInfo target;
  };
  /// Buffers come in the order: the region's inputs, its outputs, the plan's workspaces.
  KernelFunction(ir::FusedOp fused, const codegen::KernelPlan &plan, const Options &options);

  using Values = llvm::SmallVector<mlir::Value>;
  using LoopBody = llvm::function_ref<Values(mlir::Value iv, mlir::ValueRange carried)>;
  /// for (iv = low; iv < high; iv += step), carrying values; returns their last state.
  Values loop(mlir::Value low, mlir::Value high, mlir::Value step, mlir::ValueRange carried,
              LoopBody body);
  /// As loop(), where the number of iterations may be known: none or one iteration make no loop.
  Values loop(mlir::Value low, mlir::Value high, int64_t step, mlir::ValueRange carried,
              LoopBody body);

  /// Vectors of [low, high): `body(base, mask, slot, carried)` gets `unroll` slots of carried
  /// values in the main part and slot 0 in the masked rest. `carried` holds `unroll` groups of
  /// equal size; bodies return their group.
  using VectorBody =
      llvm::function_ref<Values(mlir::Value base, mlir::Value mask, mlir::ValueRange group)>;
  Values vectorLoop(mlir::Value low, mlir::Value high, int64_t lanes, int64_t unroll,
                    Values carried, VectorBody body);

  /// Stores a value of the region at `index`, whose last entry runs along the lanes.
  void store(ElementEmitter &emitter, const codegen::BufferRef &buffer,
             llvm::ArrayRef<LaneIndex> index, const Element &element, bool stream);
  /// Adds the return (and the fence that streaming stores need) and hands the module over.
  mlir::OwningOpRef<mlir::ModuleOp> finish();

  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  mlir::Value size(const DimExpr &expr) { return sizes->get(expr); }
  /// The address `bytes` behind a workspace's start.
  mlir::Value offsetBytes(mlir::Value pointer, mlir::Value bytes);
  /// This worker's slice of a workspace whose size the plan multiplied by the number of workers.
  mlir::Value workerScratch(size_t number);

  ir::FusedOp fused;
  const codegen::KernelPlan &plan;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::Value begin, end, worker;
  codegen::KernelEnvironment env;
  llvm::SmallVector<codegen::BufferRef> outputs; ///< In the order of the region's yields.
  llvm::SmallVector<mlir::Value> workspaces;
  const TargetInfo target;

private:
  std::unique_ptr<codegen::SizeTable> sizes;
};

/// Emits launch `stage` of a planned region.
mlir::OwningOpRef<mlir::ModuleOp> emitKernel(ir::FusedOp fused, const codegen::KernelPlan &plan,
                                             unsigned stage,
                                             const KernelFunction::Options &options);

/// One emitter per form; each fills `kernel` for launch `stage`.
void emitLoop(KernelFunction &kernel);
void emitRow(KernelFunction &kernel, unsigned stage);
void emitShortRows(KernelFunction &kernel);
void emitReduce(KernelFunction &kernel, unsigned stage);
void emitContractionKernel(KernelFunction &kernel, unsigned stage);
void emitScatter(KernelFunction &kernel);
void emitCumulative(KernelFunction &kernel, unsigned stage);
void emitSort(KernelFunction &kernel);
void emitAttention(KernelFunction &kernel, unsigned stage);
void emitConvolution(KernelFunction &kernel, unsigned stage);
void emitConvolutionWeight(KernelFunction &kernel, unsigned stage);
void emitWinograd(KernelFunction &kernel, unsigned stage);
void emitPairs(KernelFunction &kernel);
void emitSegmentedScatter(KernelFunction &kernel);

} // namespace sinter::cpu
