// SPDX-License-Identifier: Apache-2.0
// Values of a graph that follow from constants and named sizes alone: what importers of models need
// where a size, or the form of the graph, depends on a tensor.
#pragma once

#include "sinter/ir/Ops.h"
#include "sinter/ir/base/Array.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace sinter::ir {

/// The elements of a tensor, in row-major order. An expression stands only where the element is an
/// integer that is no constant.
struct KnownValue {
  using Element = std::variant<Scalar, DimExpr>;

  DType dtype = DType::I64;
  std::vector<int64_t> sizes;
  std::vector<Element> elements;

  /// The elements as numbers; nullopt when one is an expression.
  std::optional<Array> array() const;
  /// The elements as sizes; nullopt when one is a float.
  std::optional<std::vector<DimExpr>> dims() const;
};

/// Evaluates values of one block, each at most once, without recursion over the graph: elementwise
/// ops by ElementwiseOpInterface::evaluate, the others by getIndexing(). What is larger than
/// `maxElements`, or needs too many reads, counts as unknown.
class KnownValues {
public:
  explicit KnownValues(int64_t maxElements = int64_t{1} << 16) : maxElements(maxElements) {}

  /// Null when the value is not known. The pointer stays valid as long as this object.
  const KnownValue *find(mlir::Value value);
  /// The arguments of the block that `value` is computed from, in their order.
  static std::vector<mlir::BlockArgument> argumentsOf(mlir::Value value);
  /// The elements of a constant of any size.
  static std::optional<Array> constantArray(mlir::Operation *op);

private:
  std::unique_ptr<KnownValue> evaluate(mlir::Operation *op);

  int64_t maxElements;
  int64_t readsLeft = int64_t{1} << 28; ///< A graph made to be slow becomes unknown.
  llvm::DenseMap<mlir::Value, std::unique_ptr<KnownValue>> values; ///< Null: not known.
};

} // namespace sinter::ir
