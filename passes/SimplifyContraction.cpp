// SPDX-License-Identifier: Apache-2.0
// Transposes around contractions: a contraction can read and write dims in other orders at no cost.
#include "sinter/passes/ContractionDims.h"
#include "sinter/passes/SimplifyRules.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// One side of a contraction.
struct Side {
  Value value;
  llvm::SmallVector<int64_t> batch, contract;
};

Side lhsOf(DotGeneralOp op) {
  return {op.getLhs(), llvm::SmallVector<int64_t>(op.getLhsBatch()),
          llvm::SmallVector<int64_t>(op.getLhsContract())};
}
Side rhsOf(DotGeneralOp op) {
  return {op.getRhs(), llvm::SmallVector<int64_t>(op.getRhsBatch()),
          llvm::SmallVector<int64_t>(op.getRhsContract())};
}

Value build(PatternRewriter &rewriter, Location loc, Type type, const Side &lhs, const Side &rhs) {
  return DotGeneralOp::create(rewriter, loc, type, lhs.value, rhs.value, lhs.batch, rhs.batch,
                              lhs.contract, rhs.contract);
}

/// Reads the operand of a transpose instead, where the free dims keep their order and no copy
/// becomes necessary.
bool lookThroughTranspose(Side &side) {
  auto transpose = side.value.getDefiningOp<TransposeOp>();
  if (!transpose)
    return false;
  auto original = [&](llvm::ArrayRef<int64_t> dims) {
    llvm::SmallVector<int64_t> result;
    for (int64_t d : dims)
      result.push_back(transpose.getPermutation()[static_cast<size_t>(d)]);
    return result;
  };
  auto type = tensorType(transpose.getX());
  llvm::SmallVector<int64_t> free = original(freeDims(type.getRank(), side.batch, side.contract));
  llvm::SmallVector<int64_t> contract = original(side.contract);
  Shape shape = type.getShape();
  if (!llvm::is_sorted(free) || !evenlySpaced(shape, free) || !evenlySpaced(shape, contract))
    return false;
  side = {transpose.getX(), original(side.batch), contract};
  return true;
}

Value absorbOperandTransposes(DotGeneralOp op, PatternRewriter &rewriter) {
  Side lhs = lhsOf(op), rhs = rhsOf(op);
  bool left = lookThroughTranspose(lhs), right = lookThroughTranspose(rhs);
  return left || right ? build(rewriter, op.getLoc(), op.getType(), lhs, rhs) : Value();
}

/// transpose(a · b) with the free dims of both sides swapped is b · a; the products commute
/// exactly.
Value absorbResultTranspose(TransposeOp op, PatternRewriter &rewriter) {
  auto dot = op.getX().getDefiningOp<DotGeneralOp>();
  if (!dot || !dot.getResult().hasOneUse())
    return {};
  Side lhs = lhsOf(dot), rhs = rhsOf(dot);
  auto batch = static_cast<int64_t>(lhs.batch.size());
  auto lhsFree = static_cast<int64_t>(
      freeDims(tensorType(lhs.value).getRank(), lhs.batch, lhs.contract).size());
  int64_t rank = op.getType().getRank();
  llvm::SmallVector<int64_t> swapped(op.getPermutation().take_front(static_cast<size_t>(batch)));
  if (llvm::any_of(swapped, [&](int64_t d) { return d >= batch; }))
    return {};
  Side newLhs = rhs, newRhs = lhs;
  for (auto [i, d] : llvm::enumerate(swapped)) {
    newLhs.batch[i] = rhs.batch[static_cast<size_t>(d)];
    newRhs.batch[i] = lhs.batch[static_cast<size_t>(d)];
  }
  llvm::append_range(swapped, llvm::seq(batch + lhsFree, rank));
  llvm::append_range(swapped, llvm::seq(batch, batch + lhsFree));
  if (!llvm::equal(swapped, op.getPermutation()))
    return {};
  return build(rewriter, op.getLoc(), op.getType(), newLhs, newRhs);
}

} // namespace

void addContractionRules(RewritePatternSet &rules) {
  addRule(rules, absorbOperandTransposes);
  addRule(rules, absorbResultTranspose);
}

} // namespace sinter::passes
