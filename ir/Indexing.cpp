// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/Indexing.h"

#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/PickTile.h"
#include "sinter/ir/ShapeRules.h"

using namespace mlir;

namespace sinter::ir {

// -- Index expressions ----------------------------------------------------------------------------

IndexExpr IndexExpr::make(Node node) {
  return IndexExpr(std::make_shared<const Node>(std::move(node)));
}

IndexExpr IndexExpr::dim(unsigned d) {
  auto fresh = [](unsigned number) {
    Node node;
    node.kind = Kind::Dim;
    node.dim = number;
    return make(std::move(node));
  };
  // Every op asks for the first few.
  static const std::vector<IndexExpr> first = [&] {
    std::vector<IndexExpr> dims;
    for (unsigned number = 0; number < 8; ++number)
      dims.push_back(fresh(number));
    return dims;
  }();
  return d < first.size() ? first[d] : fresh(d);
}

IndexExpr IndexExpr::constant(DimExpr value) {
  Node node;
  node.kind = Kind::Size;
  node.size = std::move(value);
  return make(std::move(node));
}

IndexExpr IndexExpr::load(unsigned operand, std::vector<IndexExpr> indices, DimExpr bound) {
  Node node;
  node.kind = Kind::Load;
  node.dim = operand;
  node.indices = std::move(indices);
  node.size = std::move(bound);
  return make(std::move(node));
}

bool IndexExpr::isZero() const { return kind() == Kind::Size && size() == DimExpr(0); }

std::optional<unsigned> IndexExpr::asDim() const {
  if (kind() == Kind::Dim)
    return dimOrOperand();
  return std::nullopt;
}

IndexExpr operator+(const IndexExpr &a, const IndexExpr &b) {
  if (a.isZero())
    return b;
  if (b.isZero())
    return a;
  if (a.kind() == IndexExpr::Kind::Size && b.kind() == IndexExpr::Kind::Size)
    return IndexExpr::constant(a.size() + b.size());
  IndexExpr::Node node;
  node.kind = IndexExpr::Kind::Add;
  node.lhs = a.node;
  node.rhs = b.node;
  return IndexExpr::make(std::move(node));
}

IndexExpr operator*(const IndexExpr &a, const DimExpr &b) {
  if (b == DimExpr(1))
    return a;
  if (a.isZero() || b == DimExpr(0))
    return IndexExpr::constant(0);
  if (a.kind() == IndexExpr::Kind::Size)
    return IndexExpr::constant(a.size() * b);
  IndexExpr::Node node;
  node.kind = IndexExpr::Kind::Mul;
  node.lhs = a.node;
  node.size = b;
  return IndexExpr::make(std::move(node));
}

IndexExpr floorDiv(const IndexExpr &a, const DimExpr &b) {
  if (b == DimExpr(1) || a.isZero())
    return a;
  IndexExpr::Node node;
  node.kind = IndexExpr::Kind::FloorDiv;
  node.lhs = a.node;
  node.size = b;
  return IndexExpr::make(std::move(node));
}

IndexExpr mod(const IndexExpr &a, const DimExpr &b) {
  if (b == DimExpr(1) || a.isZero())
    return IndexExpr::constant(0);
  IndexExpr::Node node;
  node.kind = IndexExpr::Kind::Mod;
  node.lhs = a.node;
  node.size = b;
  return IndexExpr::make(std::move(node));
}

// -- Helpers --------------------------------------------------------------------------------------

using namespace rules;

namespace {

/// Reduces `axes` of operand 0: the ranges are the kept dims, then the reduced ones.
Indexing reduction(TensorType x, ArrayRef<int64_t> axes, Combiner combiner) {
  Indexing indexing;
  indexing.combiner = combiner;
  indexing.numReductions = static_cast<unsigned>(axes.size());
  auto kept = static_cast<unsigned>(x.getRank()) - indexing.numReductions;
  Access access;
  unsigned nextKept = 0, nextReduced = kept;
  for (int64_t i = 0; i < x.getRank(); ++i)
    access.index.push_back(
        IndexExpr::dim(llvm::is_contained(axes, i) ? nextReduced++ : nextKept++));
  for (int64_t i = 0; i < x.getRank(); ++i)
    if (!llvm::is_contained(axes, i))
      indexing.ranges.push_back(x.getDim(i));
  for (int64_t axis : axes)
    indexing.ranges.push_back(x.getDim(axis));
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

} // namespace

Indexing elementwiseIndexing(Operation *op) {
  Indexing indexing = overResult(op);
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    Access access;
    access.operand = static_cast<unsigned>(i);
    access.index = identity(cast<TensorType>(operand.getType()));
    indexing.accesses.push_back(std::move(access));
  }
  return indexing;
}

// -- Creation -------------------------------------------------------------------------------------

Indexing IotaOp::getIndexing() {
  Indexing indexing = overResult(*this);
  indexing.generator = IndexExpr::dim(static_cast<unsigned>(getAxis()));
  return indexing;
}

Indexing DimValueOp::getIndexing() {
  Indexing indexing = overResult(*this);
  indexing.generator = IndexExpr::constant(*DimExpr::parse(std::string_view(getExpression())));
  return indexing;
}

// -- Shape ----------------------------------------------------------------------------------------

Indexing BroadcastOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType from = getX().getType(), to = getType();
  Access access;
  for (auto [i, d] : llvm::enumerate(getDimensions())) {
    bool repeats = from.getDims()[i] != to.getDims()[static_cast<size_t>(d)];
    access.index.push_back(repeats ? IndexExpr::constant(0)
                                   : IndexExpr::dim(static_cast<unsigned>(d)));
  }
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

namespace {

/// Dims in row-major order with equal numbers of elements on both sides, and no such smaller
/// prefix.
struct FactorGroup {
  SmallVector<int64_t> from, to;
};

/// Splits a reshape into groups that do not mix, so that dims it leaves alone stay plain. Dims of
/// size 1 belong to no group. What cannot be told apart ends in the last group.
SmallVector<FactorGroup> factor(TensorType from, TensorType to) {
  auto proper = [](TensorType type) {
    SmallVector<int64_t> dims;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.getDim(i) != DimExpr(1))
        dims.push_back(i);
    return dims;
  };
  SmallVector<int64_t> sources = proper(from), targets = proper(to);
  SmallVector<FactorGroup> groups;
  size_t i = 0, j = 0;
  auto close = [&](size_t sourceEnd, size_t targetEnd) {
    FactorGroup group;
    for (; i < sourceEnd; ++i)
      group.from.push_back(sources[i]);
    for (; j < targetEnd; ++j)
      group.to.push_back(targets[j]);
    groups.push_back(std::move(group));
  };
  auto findGroup = [&]() -> bool {
    for (size_t total = 2; total <= sources.size() - i + targets.size() - j; ++total)
      for (size_t p = 1; p < total; ++p) {
        size_t q = total - p;
        if (i + p > sources.size() || j + q > targets.size())
          continue;
        DimExpr before = 1, after = 1;
        for (size_t k = i; k < i + p; ++k)
          before *= from.getDim(sources[k]);
        for (size_t k = j; k < j + q; ++k)
          after *= to.getDim(targets[k]);
        if (before != after)
          continue;
        close(i + p, j + q);
        return true;
      }
    return false;
  };
  while (i < sources.size() && j < targets.size())
    if (!findGroup())
      break;
  if (i < sources.size() || j < targets.size())
    close(sources.size(), targets.size());
  return groups;
}

} // namespace

Indexing ReshapeOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType from = getX().getType(), to = getType();
  Access access;
  access.index.assign(static_cast<size_t>(from.getRank()), IndexExpr::constant(0));
  for (const FactorGroup &group : factor(from, to)) {
    // The position within the group, in row-major order.
    IndexExpr position = IndexExpr::constant(0);
    DimExpr stride = 1;
    for (int64_t d : llvm::reverse(group.to)) {
      position = IndexExpr::dim(static_cast<unsigned>(d)) * stride + position;
      stride *= to.getDim(d);
    }
    stride = 1;
    for (int64_t d : llvm::reverse(group.from)) {
      IndexExpr index = floorDiv(position, stride);
      if (d != group.from.front())
        index = mod(index, from.getDim(d));
      access.index[static_cast<size_t>(d)] = index;
      stride *= from.getDim(d);
    }
  }
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing TransposeOp::getIndexing() {
  Indexing indexing = overResult(*this);
  Access access;
  access.index = identity(getType());
  for (auto [i, d] : llvm::enumerate(getPermutation()))
    access.index[static_cast<size_t>(d)] = IndexExpr::dim(static_cast<unsigned>(i));
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing SliceOp::getIndexing() {
  Indexing indexing = overResult(*this);
  Access access;
  for (int64_t i = 0; i < getType().getRank(); ++i)
    access.index.push_back(IndexExpr::dim(static_cast<unsigned>(i)) * DimExpr(getStrides()[i]) +
                           IndexExpr::constant(*toDim(getStarts()[static_cast<unsigned>(i)])));
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing ConcatOp::getIndexing() {
  Indexing indexing = overResult(*this);
  auto axis = static_cast<size_t>(getAxis());
  DimExpr offset = 0;
  for (auto [k, input] : llvm::enumerate(getInputs())) {
    auto type = cast<TensorType>(input.getType());
    IndexExpr along = IndexExpr::dim(static_cast<unsigned>(axis));
    DimExpr end = offset + type.getDim(static_cast<int64_t>(axis));
    Access access;
    access.operand = static_cast<unsigned>(k);
    access.index = identity(type);
    access.index[axis] = along - offset;
    access.guards.push_back({along, offset, end});
    indexing.accesses.push_back(std::move(access));
    offset = end;
  }
  return indexing;
}

Indexing PadOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType x = getX().getType();
  Access access;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    IndexExpr along = IndexExpr::dim(static_cast<unsigned>(i));
    DimExpr low = *toDim(getLow()[static_cast<unsigned>(i)]);
    DimExpr high = *toDim(getHigh()[static_cast<unsigned>(i)]);
    DimExpr spread = getInterior() ? (*getInterior())[static_cast<size_t>(i)] + 1 : 1;
    IndexExpr inner = along - low;
    if (low != DimExpr(0) || high != DimExpr(0))
      access.guards.push_back({along, low, low + x.getDim(i) * spread});
    if (spread != DimExpr(1))
      access.guards.push_back({mod(inner, spread), 0, 1});
    access.index.push_back(floorDiv(inner, spread));
  }
  indexing.accesses.push_back(std::move(access));
  indexing.otherwise = getValue().convertToDouble();
  return indexing;
}

// -- Reductions -----------------------------------------------------------------------------------

Indexing ReduceSumOp::getIndexing() {
  return reduction(getX().getType(), getAxes(), getCombiner());
}
Indexing ReduceProdOp::getIndexing() {
  return reduction(getX().getType(), getAxes(), getCombiner());
}
Indexing ReduceMaxOp::getIndexing() {
  return reduction(getX().getType(), getAxes(), getCombiner());
}
Indexing ReduceMinOp::getIndexing() {
  return reduction(getX().getType(), getAxes(), getCombiner());
}
Indexing ArgmaxOp::getIndexing() {
  return reduction(getX().getType(), {static_cast<int64_t>(getAxis())}, Combiner::ArgMax);
}

// -- Contraction ----------------------------------------------------------------------------------

Indexing DotGeneralOp::getIndexing() {
  Indexing indexing = overResult(*this);
  indexing.combiner = Combiner::Contract;
  indexing.numReductions = static_cast<unsigned>(getLhsContract().size());
  TensorType lhs = getLhs().getType(), rhs = getRhs().getType();
  unsigned firstReduction = static_cast<unsigned>(indexing.ranges.size());
  for (int64_t d : getLhsContract())
    indexing.ranges.push_back(lhs.getDim(d));

  unsigned nextFree = static_cast<unsigned>(getLhsBatch().size());
  auto access = [&](unsigned operand, TensorType type, ArrayRef<int64_t> batch,
                    ArrayRef<int64_t> contract) {
    Access result;
    result.operand = operand;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      const auto *inBatch = llvm::find(batch, i);
      const auto *inContract = llvm::find(contract, i);
      unsigned range;
      if (inBatch != batch.end())
        range = static_cast<unsigned>(inBatch - batch.begin());
      else if (inContract != contract.end())
        range = firstReduction + static_cast<unsigned>(inContract - contract.begin());
      else
        range = nextFree++;
      result.index.push_back(IndexExpr::dim(range));
    }
    return result;
  };
  indexing.accesses.push_back(access(0, lhs, getLhsBatch(), getLhsContract()));
  indexing.accesses.push_back(access(1, rhs, getRhsBatch(), getRhsContract()));
  return indexing;
}

// -- Indexing -------------------------------------------------------------------------------------

Indexing GatherRowsOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType table = getTable().getType();
  int64_t indexRank = getIndices().getType().getRank();
  Access access;
  access.index.push_back(IndexExpr::load(1, consecutive(0, indexRank), table.getDim(0)));
  append(access.index, static_cast<unsigned>(indexRank), table.getRank() - 1);
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing ScatterAddRowsOp::getIndexing() {
  Indexing indexing;
  TensorType updates = getUpdates().getType();
  int64_t indexRank = getIndices().getType().getRank();
  indexing.ranges = dimsOf(updates);
  indexing.combiner = Combiner::ScatterAdd;
  Access access;
  access.operand = 1;
  access.index = identity(updates);
  indexing.accesses.push_back(std::move(access));
  indexing.scatter.push_back(IndexExpr::load(0, consecutive(0, indexRank), getType().getDim(0)));
  append(indexing.scatter, static_cast<unsigned>(indexRank), updates.getRank() - indexRank);
  return indexing;
}

PickTile PickTile::of(PickOp op) {
  TensorType x = op.getX().getType();
  const DimExpr last = x.getDim(x.getRank() - 1);
  if (auto width = op->getAttrOfType<IntegerAttr>(pickTileAttr); width && width.getInt() > 0)
    return {Part::Tile, last * DimExpr(width.getInt()), width.getInt()};
  if (op->hasAttr(pickInTilesAttr) && x.getRank() > 1)
    return {Part::Inside, x.getDim(x.getRank() - 2) * last, last};
  return {Part::All, last, last};
}

Indexing PickOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType x = getX().getType();
  const PickTile tile = PickTile::of(*this);
  IndexExpr number = IndexExpr::load(1, consecutive(0, x.getRank() - 1), tile.bound);
  if (tile.part == PickTile::Part::Tile)
    number = floorDiv(number, tile.width);
  else if (tile.part == PickTile::Part::Inside)
    number = mod(number, tile.width);
  Access access;
  append(access.index, 0, x.getRank() - 1);
  access.index.push_back(std::move(number));
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

} // namespace sinter::ir
