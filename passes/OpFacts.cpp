// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/OpFacts.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

AnchorKind anchorKind(const Indexing &indexing) {
  if (indexing.cumulative)
    return AnchorKind::Cumulative;
  switch (indexing.combiner) {
  case Combiner::None:
    return AnchorKind::None;
  case Combiner::Sum:
  case Combiner::Product:
  case Combiner::Max:
  case Combiner::Min:
  case Combiner::ArgMax:
    return AnchorKind::Reduction;
  case Combiner::Contract:
    return AnchorKind::Contraction;
  case Combiner::ScatterAdd:
  case Combiner::Scatter:
    return AnchorKind::Scatter;
  case Combiner::Sort:
    return AnchorKind::Sort;
  case Combiner::Attention:
    return AnchorKind::Attention;
  case Combiner::Convolve:
    return AnchorKind::Convolution;
  }
  llvm_unreachable("a combiner without a kind of anchor");
}

int64_t elementCost(Operation *op) {
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return elementwise.getElementCost();
  return 1;
}

bool isOne(Attribute dim) {
  auto size = dyn_cast<IntegerAttr>(dim);
  return size && size.getInt() == 1;
}

bool equalUpToOnes(Dims a, Dims b) {
  auto isProper = [](Attribute dim) { return !isOne(dim); };
  return llvm::equal(llvm::make_filter_range(a, isProper), llvm::make_filter_range(b, isProper));
}

bool isRegrouping(Operation *op) {
  return isa<ReshapeOp>(op) && !equalUpToOnes(tensorType(op->getOperand(0)).getDims(),
                                              tensorType(op->getResult(0)).getDims());
}

/// Made of one iteration index and constants: an address that needs no division and no load.
static bool isPlain(const IndexExpr &index) {
  switch (index.kind()) {
  case IndexExpr::Kind::Dim:
  case IndexExpr::Kind::Size:
    return true;
  case IndexExpr::Kind::Add:
    return isPlain(index.lhs()) && isPlain(index.rhs());
  case IndexExpr::Kind::Mul:
    return isPlain(index.lhs());
  default:
    return false;
  }
}

/// Views and generators; a gather or a permuted read is real work.
static bool isFree(const Indexing &indexing) {
  if (indexing.combiner != Combiner::None || indexing.accesses.size() > 1)
    return false;
  for (const Access &access : indexing.accesses) {
    if (!access.guards.empty())
      return false;
    unsigned next = 0;
    for (const IndexExpr &index : access.index) {
      if (!isPlain(index))
        return false;
      if (auto d = index.asDim()) {
        if (*d < next)
          return false;
        next = *d + 1;
      }
    }
  }
  return true;
}

bool isFreeToRecompute(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed || isRegrouping(op))
    return false;
  if (isa<ElementwiseOpInterface>(op))
    return op->getNumOperands() == 0;
  return isFree(indexed.getIndexing());
}

const OpFacts::Entry &OpFacts::operator[](Operation *op) {
  Entry *&entry = entries[op];
  if (entry)
    return *entry;
  entry = &storage.emplace_back();
  entry->op = op;
  entry->number = static_cast<unsigned>(storage.size() - 1);
  entry->makers.resize(op->getNumOperands());
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return *entry;
  entry->indexing = LazyIndexing(indexed);
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op)) {
    entry->elementwise = true;
    entry->freeToRecompute = op->getNumOperands() == 0;
    entry->cost = elementwise.getElementCost();
    return *entry;
  }
  const Indexing &indexing = *entry->indexing;
  entry->anchor = anchorKind(indexing);
  entry->regroups = isRegrouping(op);
  entry->freeToRecompute = !entry->regroups && isFree(indexing);
  entry->cost = 1;
  return *entry;
}

const OpFacts::Entry *OpFacts::makerOf(const Entry &entry, unsigned operand) {
  Entry::Maker &known = entry.makers[operand];
  Value value = entry.op->getOperand(operand);
  // Another op may have come to lie where a forgotten one was.
  if (known.operand != value || (known.entry && !known.entry->op)) {
    Operation *maker = value.getDefiningOp();
    known = {value, maker ? &(*this)[maker] : nullptr};
  }
  return known.entry;
}

void OpFacts::forget(Operation *op) {
  if (auto it = entries.find(op); it != entries.end()) {
    it->second->op = nullptr;
    entries.erase(it);
  }
}

const Shape &OpFacts::shapeOf(Value value) {
  auto [it, fresh] = shapes.try_emplace(value.getType());
  if (fresh)
    it->second = tensorType(value).getShape();
  return it->second;
}

} // namespace sinter::passes
