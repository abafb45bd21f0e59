// SPDX-License-Identifier: Apache-2.0
// Internal to KnownValue: arithmetic on elements that are numbers or sizes.
#pragma once

#include "sinter/ir/Indexing.h"
#include "sinter/ir/KnownValue.h"

namespace sinter::ir {

/// Rounds to the dtype as storing does; integers wrap.
Scalar rounded(const Scalar &value, DType dtype);
/// A number where the size is a constant.
KnownValue::Element knownElement(const DimExpr &size);
/// nullopt for a float.
std::optional<DimExpr> asSize(const KnownValue::Element &value);
/// An elementwise op on operands of which at least one is an expression; nullopt where the result
/// is none.
std::optional<KnownValue::Element> evaluateOnSizes(mlir::Operation *op,
                                                   llvm::ArrayRef<KnownValue::Element> operands);
/// Sum, product, maximum or minimum of two elements.
std::optional<KnownValue::Element> combine(const KnownValue::Element &a,
                                           const KnownValue::Element &b, Combiner how);

} // namespace sinter::ir
