// SPDX-License-Identifier: Apache-2.0
// Internal: what the shape rules of all ops share.
#pragma once

#include "sinter/ir/ShapeRules.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

namespace sinter::ir::rules {

using namespace mlir;

/// Where the diagnostics of one inference go.
struct Reporter {
  StringRef op;
  std::optional<Location> loc;

  LogicalResult fail(const Twine &message, StringRef label) const {
    return emitOptionalError(loc, "'", op, "' op ", message, " [", label, "]");
  }

  /// The result type; fails on sizes that no tensor can have.
  LogicalResult setResult(MLIRContext *context, Type elementType, const Shape &shape,
                          SmallVectorImpl<Type> &types) const {
    SmallVector<Attribute> dims = llvm::to_vector(toAttribute(context, shape).getValue());
    Location where = loc.value_or(UnknownLoc::get(context));
    bool silent = !loc;
    auto report = [&]() -> InFlightDiagnostic {
      if (silent)
        return {};
      return emitError(where) << "'" << op << "' op has a result of impossible shape "
                              << shape.str() << ": ";
    };
    if (failed(TensorType::verify(report, elementType, dims)))
      return failure();
    types.push_back(TensorType::get(context, elementType, dims));
    return success();
  }

  /// Runs `body`, whose size arithmetic throws when it overflows.
  template <typename Fn> LogicalResult guarded(Fn body) const {
    try {
      return body();
    } catch (const Error &error) {
      return emitOptionalError(loc, "'", op, "' op ", error.message());
    }
  }
};

inline std::string text(int64_t value) { return std::to_string(value); }

/// "dims 0 and 2 differ", "ranks 2 and 3 differ" or "dtypes f32 and i32 differ".
inline std::string difference(TensorType a, TensorType b) {
  if (a.getRank() != b.getRank())
    return "ranks " + text(a.getRank()) + " and " + text(b.getRank()) + " differ";
  std::string dims;
  int count = 0;
  for (int64_t i = 0; i < a.getRank(); ++i)
    if (a.getDims()[i] != b.getDims()[i]) {
      dims += (count++ ? ", " : "") + text(i);
    }
  if (count)
    return std::string(count == 1 ? "dim " : "dims ") + dims +
           (count == 1 ? " differs" : " differ");
  return "dtypes " + std::string(name(a.getDType())) + " and " + std::string(name(b.getDType())) +
         " differ";
}

inline TensorType typeOf(Value value) { return cast<TensorType>(value.getType()); }

inline LogicalResult requireEqualTypes(const Reporter &report, ValueRange operands) {
  for (Value other : operands.drop_front()) {
    TensorType a = typeOf(operands[0]), b = typeOf(other);
    if (a == b)
      continue;
    std::string hint =
        a.getDims() != b.getDims() ? "; broadcast is an explicit op" : "; cast one of them";
    return report.fail("operands " + str(a) + " and " + str(b) + " disagree: " + difference(a, b) +
                           hint,
                       "elementwise_c1");
  }
  return success();
}

/// The sizes in an attribute of `rank` entries.
inline std::optional<SmallVector<DimExpr>> sizesOf(ArrayAttr attribute, int64_t rank) {
  SmallVector<DimExpr> sizes;
  for (Attribute entry : attribute) {
    std::optional<DimExpr> size = toDim(entry);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  if (static_cast<int64_t>(sizes.size()) != rank)
    return std::nullopt;
  return sizes;
}

inline bool isNegative(const DimExpr &value) { return value.constant().value_or(0) < 0; }

/// Distinct and below `rank`.
inline bool areDistinctDims(ArrayRef<int64_t> dims, int64_t rank, llvm::SmallBitVector &seen) {
  for (int64_t d : dims) {
    if (d < 0 || d >= rank || seen.test(static_cast<unsigned>(d)))
      return false;
    seen.set(static_cast<unsigned>(d));
  }
  return true;
}

inline bool areIncreasingDims(ArrayRef<int64_t> dims, int64_t rank) {
  int64_t previous = -1;
  for (int64_t d : dims) {
    if (d <= previous || d >= rank)
      return false;
    previous = d;
  }
  return true;
}

inline std::string list(ArrayRef<int64_t> values) {
  std::string result = "[";
  for (auto [i, value] : llvm::enumerate(values))
    result += (i ? ", " : "") + text(value);
  return result + "]";
}

} // namespace sinter::ir::rules
