// SPDX-License-Identifier: Apache-2.0
// Why kernels are not one: what --stats tells.
#pragma once

#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/Error.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace sinter::passes {

/// A value that one kernel stores for another.
struct UnfusedEdge {
  std::string producer, consumer; ///< Names of ops.
  SourceLoc from, to;             ///< Their lines.
  DimExpr bytes; ///< Stored by the one and read by the other; each is counted once.
  std::string reason;
  mlir::LocationAttr fromLocation, toLocation; ///< Null where none was noted.
};

/// What the fusion pass noted on a graph when it ran with `explain`.
std::vector<UnfusedEdge> unfusedEdges(mlir::func::FuncOp graph);

} // namespace sinter::passes
