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
/// One element in the interpreter: a float (narrower ones are exact in it), an integer, or an
/// unsigned integer, whose bits `i` holds (bool is the integer 0 or 1).
struct Scalar {
  bool isFloat = true, isUnsigned = false;
  double f = 0;
  int64_t i = 0;
  Scalar() = default;
  Scalar(double value) : f(value) {}
  Scalar(int64_t value) : isFloat(false), i(value) {}
  Scalar(uint64_t value) : isFloat(false), isUnsigned(true), i(static_cast<int64_t>(value)) {}
  /// As an arithmetic type; integers keep their low bits.
  template <typename T> T as() const {
    return isFloat      ? static_cast<T>(f)
           : isUnsigned ? static_cast<T>(static_cast<uint64_t>(i))
                        : static_cast<T>(i);
  }
};

/// `value` must not be negative once the named dims have values; `what` says what it means.
struct SizeCondition {
  DimExpr value;
  std::string what;
};
} // namespace sinter::ir

#include "sinter/ir/Interfaces.h.inc"

#define GET_OP_CLASSES
#include "sinter/ir/Ops.h.inc"

namespace sinter::ir {
/// The tensor type of a value of this dialect.
inline TensorType tensorType(mlir::Value value) { return mlir::cast<TensorType>(value.getType()); }
} // namespace sinter::ir
