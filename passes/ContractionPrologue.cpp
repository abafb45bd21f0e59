// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/ContractionPrologue.h"

#include "sinter/passes/ContractionDims.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

namespace {

constexpr int64_t mostFlops = 16;    // Per element: packing is to stay cheap next to multiplying.
constexpr int64_t mostColumns = 512; // With a computed A: it is computed for each block of them.

/// An exact conversion of what a load gives to what products are made of.
bool isWidening(DType from, DType to) {
  return byteSize(from) < 4 && from != boolean && sumDType(to) == to && byteSize(to) == 4 &&
         (isFloat(to) || isInteger(from));
}

/// The ops of the kernel that make an operand.
llvm::SetVector<Operation *> producersOf(Value operand,
                                         llvm::function_ref<bool(Operation *)> isInside) {
  llvm::SetVector<Operation *> producers;
  llvm::SmallVector<Value> work{operand};
  while (!work.empty())
    if (Operation *op = work.pop_back_val().getDefiningOp();
        op && isInside(op) && producers.insert(op))
      llvm::append_range(work, op->getOperands());
  return producers;
}

/// Elements are read in their order in memory, or one for many.
bool keepsLines(const OpFacts::Entry &entry) {
  if (entry.elementwise)
    return true;
  if (!entry.freeToRecompute)
    return false;
  auto last = static_cast<unsigned>(entry.indexing->ranges.size()) - 1;
  for (const Access &access : entry.indexing->accesses) {
    if (!access.guards.empty())
      return false;
    for (auto [i, index] : llvm::enumerate(access.index))
      if (index.asDim() == last && i + 1 != access.index.size())
        return false;
  }
  return true;
}

} // namespace

ContractionOperand contractionOperand(Value operand,
                                      llvm::function_ref<bool(Operation *)> isInside) {
  auto isMemory = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return !op || !isInside(op);
  };
  DType dtype = tensorType(operand).getDType();
  if (isMemory(operand))
    return {operand, dtype};
  if (auto cast = operand.getDefiningOp<CastOp>(); cast && isMemory(cast.getOperand()))
    if (DType from = tensorType(cast.getOperand()).getDType(); isWidening(from, dtype))
      return {cast.getOperand(), from};
  return {{}, dtype};
}

std::optional<std::string>
refusesPrologue(DotGeneralOp dot, llvm::function_ref<bool(Operation *)> isInside, OpFacts &facts) {
  if (llvm::none_of(dot->getOperands(), [&](Value operand) {
        Operation *op = operand.getDefiningOp();
        return op && isInside(op);
      }))
    return std::nullopt;
  ContractionOperand a = contractionOperand(dot.getLhs(), isInside),
                     b = contractionOperand(dot.getRhs(), isInside);
  for (auto [operand, isLeft] : {std::pair(dot.getLhs(), true), std::pair(dot.getRhs(), false)}) {
    llvm::SetVector<Operation *> producers = producersOf(operand, isInside);
    if (producers.empty())
      continue;
    int64_t flops = 0;
    for (Operation *op : producers) {
      const OpFacts::Entry &entry = facts[op];
      if (entry.anchor != AnchorKind::None || op->getNumResults() != 1 || !keepsLines(entry))
        return "an operand of a contraction would be read across its rows";
      flops += entry.elementwise ? entry.cost : 0;
    }
    if (flops > mostFlops)
      return "an operand of a contraction would be computed more than once, at some cost";
    const bool pairs = a.memory && b.memory && a.dtype == b.dtype; // Converted while multiplied.
    Shape shape = tensorType(operand).getShape();
    int64_t last = shape.rank() - 1;
    auto batch = isLeft ? dot.getLhsBatch() : dot.getRhsBatch();
    auto contract = isLeft ? dot.getLhsContract() : dot.getRhsContract();
    const bool computed = !(isLeft ? a : b).memory;
    const bool isNarrow = byteSize(tensorType(operand).getDType()) < 4;
    if (computed && isNarrow && !facts.forGpu)
      return "narrow operands of a contraction are multiplied as they lie in memory";
    if (computed && (last < 0 || llvm::is_contained(batch, last) ||
                     (!facts.forGpu && !isLeft && llvm::is_contained(contract, last))))
      return "an operand of a contraction would be read across its rows";
    if (pairs || (!isLeft && !(computed && isNarrow)))
      continue;
    // Of the other operand: so often blocks of this one are computed.
    DimExpr columns = 1;
    Value otherOperand = isLeft ? dot.getRhs() : dot.getLhs();
    Shape other = tensorType(otherOperand).getShape();
    for (int64_t d : freeDims(other.rank(), isLeft ? dot.getRhsBatch() : dot.getLhsBatch(),
                              isLeft ? dot.getRhsContract() : dot.getLhsContract()))
      columns *= other[d];
    if (columns.constant().value_or(mostColumns + 1) > mostColumns)
      return std::string(
          isLeft ? "the left operand of a contraction would be computed for each block of columns"
                 : "the right operand of a contraction would be computed for each block of rows");
  }
  return std::nullopt;
}

} // namespace sinter::passes
