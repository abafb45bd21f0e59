// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DimExpr.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <optional>
#include <vector>

namespace sinter::ir {

/// An integer expression over the iteration indices of an op.
class IndexExpr {
public:
  enum class Kind : uint8_t {
    Dim,      ///< Iteration index `dim`.
    Size,     ///< The value of `size`.
    Add,      ///< lhs + rhs.
    Mul,      ///< lhs * size.
    FloorDiv, ///< lhs / size (lhs >= 0).
    Mod,      ///< lhs % size (lhs >= 0).
    Load,     ///< Operand number `dim` (an integer tensor) at `indices`; must lie in [0, size).
  };
  static IndexExpr dim(unsigned d);
  static IndexExpr constant(DimExpr value);
  static IndexExpr load(unsigned operand, std::vector<IndexExpr> indices, DimExpr bound);
  friend IndexExpr operator+(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator*(const IndexExpr &a, const DimExpr &b);
  friend IndexExpr floorDiv(const IndexExpr &a, const DimExpr &b);
  friend IndexExpr mod(const IndexExpr &a, const DimExpr &b);

  Kind kind() const { return node->kind; }
  unsigned dimOrOperand() const { return node->dim; }
  const DimExpr &size() const { return node->size; }
  IndexExpr lhs() const { return IndexExpr(node->lhs); }
  IndexExpr rhs() const { return IndexExpr(node->rhs); }
  llvm::ArrayRef<IndexExpr> indices() const { return node->indices; }
  /// The iteration index this is, when it is just one.
  std::optional<unsigned> asDim() const;
  /// True when the value is the constant 0.
  bool isZero() const;

private:
  struct Node {
    Kind kind = Kind::Dim;
    unsigned dim = 0;
    DimExpr size;
    std::shared_ptr<const Node> lhs, rhs;
    std::vector<IndexExpr> indices;
  };
  explicit IndexExpr(std::shared_ptr<const Node> node) : node(std::move(node)) {}
  static IndexExpr make(Node node);
  std::shared_ptr<const Node> node;
};

/// low <= index < high.
struct Guard {
  IndexExpr index;
  DimExpr low, high;
};

/// One read of an operand: at `index`, where all guards hold.
struct Access {
  unsigned operand = 0;
  llvm::SmallVector<IndexExpr> index; ///< One per dimension of the operand.
  llvm::SmallVector<Guard> guards;
};

/// How the reads of one result element are combined.
enum class Combiner : uint8_t {
  None, ///< No reduction: the result is the elementwise value, or the one access that applies.
  Sum,
  Product,
  Max,
  Min,
  ArgMax,     ///< Index of the largest along the single reduction range.
  Contract,   ///< Sum over the reduction ranges of access 0 times access 1.
  Convolve,   ///< The same where an index is made of several ranges; terms out of range are 0.
  ScatterAdd, ///< Adds access 0 at a position given by data: see `scatter`.
  Scatter,    ///< Combines access 0 into access 1 at a position given by data: see `scatter`.
  Sort,       ///< The order of access 0 along one range: see `order`.
  Attention,  ///< Softmax of a contraction, contracted again: see the op. There are several results.
};

/// How Combiner::Scatter combines an update with what is there.
enum class ScatterMode : uint8_t { Set, Add, Mul, Max, Min };

/// With Combiner Sum, Product, Max or Min: an element combines access 0 over the indices along `axis`
/// up to its own (see the ops' definitions). There is no reduction range.
struct Cumulative {
  unsigned axis = 0;
  bool exclusive = false, reverse = false;
};

/// With Combiner::Sort: element i of a row of `axis` is the index of its i-th smallest (largest).
struct Order {
  unsigned axis = 0;
  bool descending = false;
};

/// What a structural op is. ranges = the result's dimensions, then `numReductions` reduction ranges
/// (ScatterAdd, Scatter: the dimensions of the updates; access 1 of Scatter is over the result's).
///
/// With Combiner::None and an op that is not elementwise, an element is: the first access whose
/// guards hold; else `generator` (an index as a number); else `otherwise`.
struct Indexing {
  llvm::SmallVector<DimExpr> ranges;
  unsigned numReductions = 0;
  llvm::SmallVector<Access> accesses;
  Combiner combiner = Combiner::None;
  std::optional<IndexExpr> generator;
  std::optional<double> otherwise;
  /// ScatterAdd, Scatter: where in the result each update goes, one per dimension of the result.
  llvm::SmallVector<IndexExpr> scatter;
  ScatterMode mode = ScatterMode::Add;
  std::optional<Cumulative> cumulative;
  std::optional<Order> order;

  unsigned numParallel() const { return static_cast<unsigned>(ranges.size()) - numReductions; }
};

} // namespace sinter::ir
