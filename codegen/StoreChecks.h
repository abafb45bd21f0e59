// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/BitVector.h"

namespace sinter::codegen {

/// Makes the kernel of a region that markStoreChecks() has seen test the floats that it stores to
/// the region's outputs. Elements that are stored together are stored if all are good; else the
/// kernel leaves memory as it is and reports StatusCode::NonFinite with the output's number
/// as site and the position of the first bad element as value; whoever launches it adds the rest.
/// Where an output overwrites an input, what made a bad element is thus still there.
///
/// The module is one of cpu::emitKernel(), before it is lowered. Returns the outputs that it
/// stores to.
llvm::BitVector addStoreChecks(mlir::ModuleOp kernel, ir::FusedOp fused);

} // namespace sinter::codegen
