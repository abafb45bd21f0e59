// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/LoopTile.h"

#include "sinter/codegen/forms/Region.h"

#include <map>
#include <numeric>
#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

constexpr int64_t unknown = -2, one = -1;
using Dims =
    llvm::SmallVector<int64_t>; ///< Per index of a value: a dim of the domain, or the above.

/// From the outputs to the inputs: which dim of the domain is which index of a value.
class Reads {
public:
  Reads(FusedOp fused, int64_t rank) {
    Dims same(static_cast<size_t>(rank));
    std::iota(same.begin(), same.end(), 0);
    for (Value value : yields(fused))
      visit(value, same);
  }
  std::map<unsigned, std::vector<Dims>> inputs;

private:
  void visit(Value value, const Dims &dims) {
    if (!seen.insert({value.getAsOpaquePointer(), std::vector<int64_t>(dims.begin(), dims.end())})
             .second)
      return;
    if (auto input = dyn_cast<BlockArgument>(value)) {
      inputs[input.getArgNumber()].push_back(dims);
      return;
    }
    Operation *op = value.getDefiningOp();
    if (isa<ElementwiseOpInterface>(op)) {
      for (Value operand : op->getOperands())
        visit(operand, dims);
      return;
    }
    Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
    std::set<unsigned> read;
    for (const Access &access : indexing.accesses) {
      Dims inner;
      for (const IndexExpr &index : access.index)
        inner.push_back(access.guards.empty() ? dimOf(index, dims) : unknown);
      read.insert(access.operand);
      visit(op->getOperand(access.operand), inner);
    }
    for (auto [number, operand] : llvm::enumerate(op->getOperands()))
      if (!read.count(static_cast<unsigned>(number))) // Indices of others.
        visit(operand, Dims(static_cast<size_t>(tensorType(operand).getShape().rank()), unknown));
  }

  static int64_t dimOf(const IndexExpr &index, const Dims &dims) {
    if (index.isZero())
      return one;
    auto dim = index.asDim();
    return dim && *dim < dims.size() ? dims[*dim] : unknown;
  }

  std::set<std::pair<const void *, std::vector<int64_t>>> seen;
};

bool isLong(const DimExpr &size) {
  return size.constant().value_or(LoopTile::size) >= LoopTile::size / 2;
}

} // namespace

std::optional<LoopTile> LoopTile::find(FusedOp fused, const passes::KernelAnalysis &analysis) {
  const Shape &domain = analysis.domain;
  const int64_t last = domain.rank() - 1;
  if (last < 1 || !isLong(domain[last]))
    return std::nullopt;
  constexpr size_t mostInputs = 4; // Of a block's shared memory.
  LoopTile tile;
  Reads reads(fused, domain.rank());
  for (const auto &[argument, all] : reads.inputs) {
    // The domain's own order is no reason against it.
    llvm::SmallVector<Dims> others;
    for (const Dims &dims : all)
      if (!llvm::equal(dims, llvm::seq<int64_t>(0, domain.rank())))
        others.push_back(dims);
    if (others.size() != 1 || others.front().empty())
      continue;
    const Dims &dims = others.front();
    const int64_t fast = dims.back();
    if (fast < 0 || fast == last || !isLong(domain[fast]) || llvm::is_contained(dims, unknown) ||
        llvm::count(dims, last) != 1 || llvm::count(dims, fast) != 1)
      continue;
    if (!tile.inputs.empty() && (fast != tile.fast || tile.inputs.size() == mostInputs))
      continue;
    tile.fast = fast;
    tile.inputs.push_back({argument, dims});
  }
  if (tile.inputs.empty())
    return std::nullopt;
  return tile;
}

llvm::SmallVector<DimExpr> LoopTile::units(const Shape &domain) const {
  llvm::SmallVector<DimExpr> units;
  for (int64_t d = 0; d + 1 < domain.rank(); ++d)
    if (d != fast)
      units.push_back(domain[d]);
  units.push_back(ceilDiv(domain[fast], size));
  units.push_back(ceilDiv(domain[domain.rank() - 1], size));
  return units;
}

} // namespace sinter::codegen
