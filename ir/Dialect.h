// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Shape.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/Types.h"

#include "sinter/ir/Dialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "sinter/ir/Types.h.inc"

namespace sinter::ir {

/// Everything a context needs to hold Sinter graphs and kernels: this dialect, func, arith, math,
/// scf, cf, vector, llvm. One place, so that tools, tests and the library agree.
void registerAll(mlir::DialectRegistry &registry);

/// f32 ↔ FloatType, u8 ↔ ui8 etc.; std::nullopt for element types that Sinter does not have.
mlir::Type toElementType(mlir::MLIRContext *context, DType dtype);
std::optional<DType> toDType(mlir::Type elementType);
/// What an element is in a register of a kernel: f16 and bf16 are f32, integers have no sign.
mlir::Type registerType(mlir::Type elementType);
/// The number in an attribute of an element type (f16 and bf16: f32), as the register holds it.
mlir::TypedAttr registerAttribute(mlir::TypedAttr element);
/// `number` as an element; integers wrap.
mlir::TypedAttr elementAttribute(mlir::Type elementType, double number);

/// A size as an attribute (i64 or canonical text), and back. toDim() accepts only what
/// toAttribute() makes.
mlir::Attribute toAttribute(mlir::MLIRContext *context, const DimExpr &dim);
std::optional<DimExpr> toDim(mlir::Attribute attribute);
mlir::ArrayAttr toAttribute(mlir::MLIRContext *context, const Shape &shape);

/// The user's location behind an MLIR location (NameLoc, FusedLoc and CallSiteLoc are looked
/// through).
SourceLoc toSourceLoc(mlir::Location loc);

/// Names of the attributes on graph arguments and results.
inline constexpr llvm::StringLiteral nameAttr = "sinter.name";
inline constexpr llvm::StringLiteral kindAttr = "sinter.kind"; // placeholder | parameter | state
inline constexpr llvm::StringLiteral initAttr = "sinter.init"; // {kind, a, b}
inline constexpr llvm::StringLiteral updatesAttr =
    "sinter.updates"; // name of the argument it replaces

} // namespace sinter::ir
