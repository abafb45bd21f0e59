// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Indexing.h"

#include "mlir/IR/Builders.h"

namespace sinter::cpu {

/// What a place holds after an update, from registers; `elementType` is the tensor's.
mlir::Value combineUpdate(mlir::OpBuilder &builder, mlir::Location loc, ir::ScatterMode mode,
                          mlir::Value old, mlir::Value added, mlir::Type elementType);

} // namespace sinter::cpu
