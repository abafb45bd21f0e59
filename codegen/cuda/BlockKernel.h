// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ElementEmitter.h"
#include "sinter/codegen/KernelPlan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <string>
#include <vector>

namespace sinter::cuda {

/// A fused region as scalar IR for one thread of a block. The function's arguments are the region's
/// inputs, its outputs, the size table and the status slot.
///
/// Loop: a thread per element, stepping by the grid. Row and Reduce: a block per row (per kept
/// point); the threads of a block share out the reduced points and combine what they found after
/// each phase.
struct BlockKernel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  /// Ops at this location compute indices.
  mlir::Location indexLocation;
};

struct BlockKernelOptions {
  std::vector<std::string> dims; ///< The program's named dims, in table order.
  std::function<int64_t(mlir::Operation *)> site;
};

/// Functions of the prelude are called by names like `blockSum.f32`: the part behind the dot tells
/// types apart. It is unsigned (`blockMax.ui8`) where the function compares unsigned integers.
BlockKernel emitBlockKernel(ir::FusedOp fused, const codegen::KernelPlan &plan,
                            const BlockKernelOptions &options);

} // namespace sinter::cuda
