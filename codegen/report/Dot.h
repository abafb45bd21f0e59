// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace sinter::codegen::report {

/// A fused graph as text for Graphviz: a cluster per kernel with its ops, edges with their types.
std::string dotText(mlir::func::FuncOp graph);

} // namespace sinter::codegen::report
