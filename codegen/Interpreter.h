// SPDX-License-Identifier: Apache-2.0
// The reference interpreter: the oracle of every test, and an engine of its own. Plain loops
// written from the ops' definitions, which share nothing with code generation (not even
// Indexing.h).
//
// f32, f16 and bf16 values are rounded after each op; sums, products and contractions accumulate in
// a wider float (f64, and long double for f64) and are rounded once, in row-major order.
// scatter_add_rows adds in the order of the updates, in its dtype, because the op says so.
#pragma once

#include "sinter/ir/base/Array.h"
#include "sinter/ir/base/DimExpr.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OperationSupport.h"

#include <functional>
#include <vector>

namespace sinter::codegen {

class Interpretation;

/// The results of `graph` (outputs and updates, in its order) for one array per argument, of any
/// strides. Takes the IR of every stage from autodiff on; it reads no attribute that scheduling
/// adds.
///
/// Named dims follow from the arguments' sizes; `known` gives those that do not. Throws Error(User)
/// on arrays that do not fit the arguments and on what a kernel would report (an index out of
/// range: with the op and the user's line), Error(Internal) on an op that has no interpretation.
/// Nothing is shared between calls, so several threads may interpret the same graph.
/// `afterOp` is called after every op, while its operands are still there.
std::vector<Array>
interpret(mlir::func::FuncOp graph, const std::vector<Array> &arguments,
          const DimBinding &known = {},
          const std::function<void(mlir::Operation *, const Interpretation &)> &afterOp = nullptr);

/// Whether the interpreter knows what the op computes.
bool isInterpretable(mlir::MLIRContext &context, mlir::OperationName op);

} // namespace sinter::codegen
