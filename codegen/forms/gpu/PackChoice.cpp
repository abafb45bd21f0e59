// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/PackChoice.h"

#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

/// Reads elsewhere than at the point, or under conditions: each element then has indices of its
/// own.
bool readsElsewhere(Operation &op) {
  if (isa<ElementwiseOpInterface>(op))
    return false;
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return false;
  Indexing indexing = indexed.getIndexing();
  if (indexing.accesses.size() > 1)
    return true;
  for (const Access &access : indexing.accesses) {
    if (!access.guards.empty())
      return true;
    for (const IndexExpr &index : access.index)
      if (!index.asDim() && !index.isZero())
        return true;
  }
  return false;
}

} // namespace

PackChoice PackChoice::of(FusedOp fused, const passes::KernelAnalysis &analysis, int64_t most) {
  constexpr int64_t accessBytes = 16, wordBytes = 4;
  constexpr int64_t mostCost = 512, mostElements = 32, mostElsewhere = 4, inFlight = 64;
  int64_t widest = 1, narrowest = 8, inputs = 0, cost = regionCost(fused);
  auto look = [&](Value value) {
    if (tensorType(value).getShape() != analysis.domain)
      return false;
    const int64_t bytes = byteSize(tensorType(value).getDType());
    widest = std::max(widest, bytes);
    narrowest = std::min(narrowest, bytes);
    return true;
  };
  for (Value value : bodyOf(fused).getArguments())
    inputs += look(value);
  for (Value value : yields(fused))
    look(value);
  bool elsewhere = false;
  for (Operation &op : bodyOf(fused).without_terminator()) {
    elsewhere |= readsElsewhere(op);
    for (Value value : op.getResults())
      if (tensorType(value).getElementType().isF64()) // Twice the registers, and longer functions.
        cost = std::max(cost, 2 * regionCost(fused));
  }
  PackChoice choice;
  // The widest elements fill an access; the narrowest at least a word.
  choice.lanes = std::min(most, std::max(accessBytes / widest, wordBytes / narrowest));
  if (elsewhere)
    choice.lanes = std::min(choice.lanes, mostElsewhere);
  while (choice.lanes > 1 && choice.lanes * cost > mostCost)
    choice.lanes /= 2;
  // Several loads are under way at once where inputs are few.
  while (inputs > 0 && !elsewhere && choice.unroll < 4) {
    const int64_t more = choice.unroll * 2 * choice.lanes;
    if (more * cost > mostCost || more > mostElements || more * inputs * widest > inFlight)
      break;
    choice.unroll *= 2;
  }
  return choice;
}

} // namespace sinter::codegen
