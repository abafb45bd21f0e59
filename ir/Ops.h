// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Dialect.h"
#include "sinter/ir/Indexing.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace sinter::ir {
/// One element in the interpreter: a float (f32 values are exact in it) or an integer (bool is 0 or
/// 1).
struct Scalar {
  bool isFloat = true;
  double f = 0;
  int64_t i = 0;
  Scalar() = default;
  Scalar(double value) : isFloat(true), f(value) {}
  Scalar(int64_t value) : isFloat(false), i(value) {}
};
} // namespace sinter::ir

#include "sinter/ir/Interfaces.h.inc"

#define GET_OP_CLASSES
#include "sinter/ir/Ops.h.inc"

namespace sinter::ir {
/// The tensor type of a value of this dialect.
inline TensorType tensorType(mlir::Value value) { return mlir::cast<TensorType>(value.getType()); }
} // namespace sinter::ir
