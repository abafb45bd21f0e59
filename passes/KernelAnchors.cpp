// SPDX-License-Identifier: Apache-2.0
// What a kernel is built around: its anchors decide form, domain and axes.
#include "sinter/passes/KernelAnalyzer.h"

#include "sinter/passes/AttentionForm.h"
#include "sinter/passes/ContractionPrologue.h"
#include "sinter/passes/ContractionRows.h"

#include "llvm/ADT/STLExtras.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static Dims dimsOf(Value value) { return tensorType(value).getDims(); }

/// Elements over which a reduction is computed in place.
static constexpr int64_t maxInPlace = 16;

/// Whether `dims` are `lead` and then constant ones of at most this many elements.
static bool extendsByFew(Dims dims, Dims lead) {
  if (dims.size() < lead.size() || dims.take_front(lead.size()) != lead)
    return false;
  int64_t rest = 1;
  for (Attribute dim : dims.drop_front(lead.size())) {
    auto size = dyn_cast<IntegerAttr>(dim);
    if (!size || size.getInt() > maxInPlace)
      return false;
    rest *= size.getInt();
  }
  return rest <= maxInPlace;
}

/// With a number in place of named sizes.
static double roughSize(Attribute dim) {
  constexpr int64_t assumedSize = 1024;
  if (auto size = dyn_cast<IntegerAttr>(dim))
    return static_cast<double>(size.getInt());
  const DimExpr named = *toDim(dim);
  std::set<std::string> symbols;
  named.collectSymbols(symbols);
  DimBinding binding;
  for (const std::string &symbol : symbols)
    binding[symbol] = assumedSize;
  return static_cast<double>(named.evaluate(binding).value_or(assumedSize));
}

static double roughSize(Dims dims) {
  double count = 1;
  for (Attribute dim : dims)
    count *= roughSize(dim);
  return count;
}

bool isSmallReduction(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed || op->getNumOperands() != 1 ||
      !isa<FloatType>(tensorType(op->getOperand(0)).getElementType()))
    return false;
  Dims operand = dimsOf(op->getOperand(0)), kept = dimsOf(op->getResult(0));
  if (kept.empty() || operand.size() <= kept.size() || !extendsByFew(operand, kept))
    return false;
  Indexing indexing = indexed.getIndexing();
  bool combines = indexing.combiner == Combiner::Sum || indexing.combiner == Combiner::Product ||
                  indexing.combiner == Combiner::Max || indexing.combiner == Combiner::Min;
  return combines && !indexing.cumulative && indexing.numReductions > 0 &&
         operand.size() == kept.size() + indexing.numReductions &&
         llvm::all_of(llvm::enumerate(indexing.accesses.front().index),
                      [](auto entry) { return entry.value().asDim() == entry.index(); });
}

KernelAnalyzer::Reason KernelAnalyzer::chooseForm() {
  AnchorKind kind = AnchorKind::None;
  for (const Entry *entry : ops) {
    if (!entry->indexing)
      return "it cannot be part of a kernel";
    if (entry->regroups)
      return "a view that regroups dims stays outside of kernels";
    if (entry->anchor == AnchorKind::None)
      continue;
    if (kind == AnchorKind::Contraction && entry->anchor == AnchorKind::Reduction) {
      result.rows.push_back(entry);
      continue;
    }
    if (kind == AnchorKind::Reduction && entry->anchor == AnchorKind::Contraction)
      return "a contraction reads what a reduction comes to";
    if (kind != AnchorKind::None && (kind != entry->anchor || standsAlone(kind)))
      return "a kernel holds one contraction, scatter or sort, or reductions of one kind";
    kind = entry->anchor;
    result.anchors.push_back(entry);
  }
  if (kind == AnchorKind::None) {
    result.form = KernelForm::Loop;
    if (outputs.empty())
      return "it has no output";
    setDomain(outputs.front());
    return nullptr;
  }
  for (const Entry *entry : ops)
    at(*entry).isInside = true;
  const Entry &first = *result.anchors.front();
  switch (kind) {
  case AnchorKind::None:
    break;
  case AnchorKind::Reduction:
    if (KernelSketch::Ops small = smallReductions(); !small.empty()) {
      KernelSketch::Ops anchors = result.anchors;
      if (!choosePairs(small))
        return nullptr;
      result = KernelSketch(); // They may still be phases of rows.
      result.anchors = std::move(anchors);
    }
    chooseReduction();
    return nullptr;
  case AnchorKind::Cumulative:
    return chooseCumulative();
  case AnchorKind::Contraction:
    result.form = KernelForm::Contraction;
    if (Reason reason = keep(refusesPrologue(
            cast<DotGeneralOp>(first.op), [&](Operation *op) { return isInside(facts.find(op)); },
            facts)))
      return reason;
    if (!result.rows.empty())
      return chooseRowsBehind();
    break;
  case AnchorKind::Convolution:
    result.form = KernelForm::Convolution;
    for (unsigned i = 0; i < first.op->getNumOperands(); ++i)
      if (isInside(facts.makerOf(first, i)))
        return "a convolution reads its operands from memory";
    break;
  case AnchorKind::Scatter:
    result.form = KernelForm::Scatter;
    break;
  case AnchorKind::Attention:
    if (ops.size() != 1 || !hasAttentionKernel(first.op))
      return "attention is a kernel of its own, for some shapes";
    result.form = KernelForm::Attention;
    break;
  case AnchorKind::Sort:
    result.form = KernelForm::Sort;
    result.axes = {first.indexing->order->axis};
    break;
  }
  setDomain(first.op->getResult(0));
  return nullptr;
}

/// Reductions behind a contraction: of whole rows, or of the columns.
KernelAnalyzer::Reason KernelAnalyzer::chooseRowsBehind() {
  const Entry &contraction = *result.anchors.front();
  auto dot = cast<DotGeneralOp>(contraction.op);
  setDomain(dot.getResult());
  const unsigned rowDims = rowDimsBehind(dot);
  auto [refused, isNew] = rowsRefused.try_emplace({contraction.number, rowDims});
  if (isNew)
    refused->second = keep(refusesRows(dot, rowDims, facts));
  if (refused->second)
    return refused->second;
  auto rank = static_cast<int64_t>(result.domain.size()),
       first = rank - static_cast<int64_t>(rowDims);
  for (int64_t d = first; d < rank; ++d)
    result.axes.push_back(d);
  llvm::append_range(kept, result.domain.take_front(static_cast<size_t>(first)));
  takeColumns(result.rows);
  if (rowDims < numRowDims(dot) && !result.columns.empty())
    return "columns of a product are not added up beside tiles of its rows";
  // Partial results of a few rows each are not much less than the product, which is near.
  constexpr int64_t shortRow = 64;
  DimExpr row = 1;
  for (int64_t axis : result.axes)
    row *= *toDim(result.domain[static_cast<size_t>(axis)]);
  const bool isShort = row.constant().value_or(0) <= shortRow;
  if (!facts.forGpu && !result.columns.empty() && (result.rows.empty() || !isShort))
    return "columns of a product are added up faster from memory";
  return nullptr;
}

/// Of the last dims that a contraction's right operand gives, those that are reduced: fewer than
/// all where rows are cut into tiles.
unsigned KernelAnalyzer::rowDimsBehind(DotGeneralOp dot) {
  const unsigned all = numRowDims(dot);
  for (const Entry *row : result.rows) {
    const size_t reduced = reducedAxes(row).size();
    if (dimsOf(row->op->getOperand(0)) == result.domain && reducesLast(row) && reduced < all)
      return static_cast<unsigned>(reduced);
  }
  return all;
}

/// Reductions over the rows become columns.
void KernelAnalyzer::takeColumns(KernelSketch::Ops &reductions) {
  llvm::erase_if(reductions, [&](const Entry *reduction) {
    bool isColumn = reducesOthers(reduction);
    if (isColumn)
      result.columns.push_back(reduction);
    return isColumn;
  });
}

void KernelAnalyzer::chooseReduction() {
  const Entry *first = result.anchors.front();
  for (const Entry *reduction : result.anchors)
    if (reducesLast(reduction)) {
      first = reduction;
      break;
    }
  setDomain(first->op->getOperand(0));
  result.axes = reducedAxes(first);
  result.form = KernelForm::Row;
  auto rank = static_cast<int64_t>(result.domain.size());
  for (auto [i, axis] : llvm::enumerate(result.axes))
    if (axis != rank - static_cast<int64_t>(result.axes.size() - i))
      result.form = KernelForm::Reduce;
  for (int64_t d = 0; d < rank; ++d)
    if (!result.isReduced(d))
      kept.push_back(result.domain[static_cast<size_t>(d)]);
  if (result.form != KernelForm::Row)
    return;
  takeColumns(result.anchors);
  if (result.columns.empty() && result.hasFewLongRows() && !dependentReductions())
    result.form = KernelForm::Reduce;
}

/// Whether a reduction goes over the last dims of its operand.
bool KernelAnalyzer::reducesLast(const Entry *reduction) const {
  auto axes = reducedAxes(reduction);
  auto rank = static_cast<int64_t>(dimsOf(reduction->op->getOperand(0)).size());
  return !axes.empty() && axes.front() == rank - static_cast<int64_t>(axes.size());
}

/// Row: whether a reduction goes over exactly the dims that are kept.
bool KernelAnalyzer::reducesOthers(const Entry *reduction) const {
  constexpr double cached = 1 << 15; // Elements of partial results that stay near.
  double row = 1;
  for (int64_t axis : result.axes)
    row *= roughSize(result.domain[static_cast<size_t>(axis)]);
  if (row > cached)
    return false;
  auto axes = reducedAxes(reduction);
  return dimsOf(reduction->op->getOperand(0)) == result.domain && axes.size() == kept.size() &&
         !axes.empty() && axes.back() < result.axes.front() &&
         reduction->indexing->combiner != Combiner::ArgMax;
}

/// Reductions over a few last elements whose results go into reductions that are not.
KernelSketch::Ops KernelAnalyzer::smallReductions() {
  KernelSketch::Ops small;
  if (result.anchors.size() < 2)
    return small;
  for (const Entry *anchor : result.anchors)
    if (isSmallReduction(anchor->op))
      small.push_back(anchor);
  if (small.empty() || small.size() == result.anchors.size())
    return {};
  for (const Entry *entry : llvm::reverse(ops)) {
    const bool isLarge =
        entry->anchor == AnchorKind::Reduction && !llvm::is_contained(small, entry);
    if (!isLarge && !at(*entry).isTainted)
      continue;
    for (unsigned i = 0; i < entry->op->getNumOperands(); ++i)
      if (const Entry *maker = facts.makerOf(*entry, i); isInside(maker))
        at(*maker).isTainted = true;
  }
  llvm::erase_if(small, [&](const Entry *anchor) { return !at(*anchor).isTainted; });
  for (const Entry *entry : ops)
    at(*entry).isTainted = false;
  return small;
}

/// A point of the domain is a pair: what is reduced is made of values that have one of the two
/// only, so that any dim can lie along the lanes.
KernelAnalyzer::Reason KernelAnalyzer::choosePairs(llvm::ArrayRef<const Entry *> small) {
  llvm::erase_if(result.anchors,
                 [&](const Entry *anchor) { return llvm::is_contained(small, anchor); });
  setDomain(small.front()->op->getResult(0));
  const Dims domain = result.domain;
  result.form = KernelForm::Pairs;
  result.axes = reducedAxes(result.anchors.front());
  for (const Entry *anchor : small)
    if (dimsOf(anchor->op->getResult(0)) != domain)
      return "its small reductions have different shapes";
  auto rank = static_cast<int64_t>(domain.size());
  for (const Entry *anchor : result.anchors)
    if (!extendsByFew(dimsOf(anchor->op->getOperand(0)), domain) ||
        reducedAxes(anchor) != result.axes || result.axes.back() >= rank)
      return "its reductions run over different ranges";
  const Shape &shape = facts.shapeOf(result.shaped);
  Shape keptSizes;
  for (int64_t d = 0; d < rank; ++d)
    if (!result.isReduced(d))
      keptSizes.push_back(shape[d]);
  constexpr int64_t fewLanes = 8, fewPoints = 256, muchWork = 1 << 16;
  if (keptSizes.rank() == 0 ||
      keptSizes[keptSizes.rank() - 1].constant().value_or(fewLanes) < fewLanes)
    return "too few of its points lie side by side";
  if (keptSizes.numElements().constant().value_or(fewPoints) < fewPoints &&
      shape.numElements().constant().value_or(0) > muchWork)
    return "its points are too few for threads to share";
  constexpr double muchReuse = 8; // Else the lanes read neighbours in other rows too often.
  const double pairs = roughSize(domain);
  for (const Entry *entry : ops)
    for (auto [i, operand] : llvm::enumerate(entry->op->getOperands()))
      if (!isInside(facts.makerOf(*entry, static_cast<unsigned>(i))) &&
          roughSize(dimsOf(operand)) * muchReuse > pairs)
        return "it reads a value per pair from memory";
  return nullptr;
}

/// All of them advance together: a later one may take in what an earlier one has come to.
KernelAnalyzer::Reason KernelAnalyzer::chooseCumulative() {
  setDomain(result.anchors.front()->op->getResult(0));
  const Cumulative &first = *result.anchors.front()->indexing->cumulative;
  for (const Entry *anchor : result.anchors) {
    const Cumulative &other = *anchor->indexing->cumulative;
    if (dimsOf(anchor->op->getResult(0)) != result.domain || other.axis != first.axis ||
        other.reverse != first.reverse)
      return "its running reductions go over different ranges";
  }
  result.form = KernelForm::Cumulative;
  result.axes = {first.axis};
  return nullptr;
}

void KernelAnalyzer::setDomain(Value value) {
  result.shaped = value;
  result.domain = dimsOf(value);
}

llvm::SmallVector<int64_t, 4> KernelAnalyzer::reducedAxes(const Entry *reduction) const {
  const Indexing &indexing = *reduction->indexing;
  llvm::SmallVector<int64_t, 4> axes;
  for (auto [axis, index] : llvm::enumerate(indexing.accesses.front().index))
    if (auto d = index.asDim(); d && *d >= indexing.numParallel())
      axes.push_back(static_cast<int64_t>(axis));
  return axes;
}

/// Whether a reduction, or an output of the domain's shape, needs the result of another reduction.
bool KernelAnalyzer::dependentReductions() {
  const bool isSpread = !equalUpToOnes(result.domain, kept);
  bool found = false;
  for (const Entry *entry : ops) {
    bool dependent = false;
    for (unsigned i = 0; i < entry->op->getNumOperands() && !dependent; ++i) {
      const Mark *maker = markOfMaker(*entry, i);
      dependent = maker && maker->isTainted;
    }
    const bool isAnchor = llvm::is_contained(result.anchors, entry);
    if (dependent && isAnchor) {
      found = true;
      break;
    }
    if (!dependent && !isAnchor)
      continue;
    at(*entry).isTainted = true;
    for (Value value : entry->op->getResults())
      found |= !isAnchor && isSpread && dimsOf(value) == result.domain;
    if (found)
      break;
  }
  return found;
}

} // namespace sinter::passes
