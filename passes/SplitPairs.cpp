// SPDX-License-Identifier: Apache-2.0
// Values of pairs of points are computed again in every reduction over them, instead of once and
// stored: a tensor of all pairs is far larger than what it is made of.
#include "sinter/passes/KernelForm.h"
#include "sinter/passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace sinter::passes {
#define GEN_PASS_DEF_SPLITPAIRS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr size_t maxSlice = 48, maxReaders = 8;

/// What is computed for each pair of a small reduction's result, and the reductions that need it.
class PairValues {
public:
  explicit PairValues(Operation *small)
      : pair(tensorType(small->getResult(0)).getDims()), anchors(), escapes(false) {
    follow(small->getResult(0));
  }

  /// Gives every reduction its own copy of what it needs per pair, if kernels can be made of them.
  void split() {
    if (escapes || anchors.size() < 2 || anchors.size() > maxReaders)
      return;
    llvm::SmallVector<llvm::SetVector<Operation *>> slices;
    for (Operation *anchor : anchors) {
      llvm::SetVector<Operation *> &slice = slices.emplace_back();
      collect(anchor->getOperand(0), slice);
      llvm::SmallVector<Operation *> ops(slice.begin(), slice.end());
      ops.push_back(anchor);
      auto answer = analyzeKernel(ops, anchor->getResult(0));
      auto *analysis = std::get_if<KernelAnalysis>(&answer);
      if (ops.size() > maxSlice || !analysis || analysis->form != KernelForm::Pairs)
        return;
    }
    for (auto [anchor, slice] : llvm::zip_equal(anchors, slices)) {
      OpBuilder builder(anchor);
      IRMapping mapping;
      for (Operation *op : slice)
        builder.clone(*op, mapping);
      anchor->setOperand(0, mapping.lookup(anchor->getOperand(0)));
    }
  }

private:
  bool isOfPairs(Value value) const {
    Dims dims = tensorType(value).getDims();
    return dims.size() >= pair.size() && dims.take_front(pair.size()) == Dims(pair);
  }

  /// Finds the reductions that `value` goes into by way of values of pairs.
  void follow(Value value) {
    for (Operation *user : value.getUsers()) {
      if (!seen.insert(user).second)
        continue;
      auto indexed = dyn_cast<IndexedOpInterface>(user);
      if (!indexed || user->getNumResults() != 1) {
        escapes = true;
        return;
      }
      AnchorKind kind = anchorKind(indexed.getIndexing());
      if (kind == AnchorKind::Reduction && !isOfPairs(user->getResult(0)))
        anchors.push_back(user);
      else if ((kind == AnchorKind::None || isSmallReduction(user)) &&
               isOfPairs(user->getResult(0)))
        follow(user->getResult(0));
      else
        escapes = true;
      if (escapes)
        return;
    }
  }

  /// The ops behind `value` that compute values of pairs, producers first.
  void collect(Value value, llvm::SetVector<Operation *> &slice) const {
    Operation *op = value.getDefiningOp();
    if (!op || !isOfPairs(value) || slice.contains(op) || slice.size() > maxSlice ||
        !isa<IndexedOpInterface>(op))
      return;
    for (Value operand : op->getOperands())
      collect(operand, slice);
    slice.insert(op);
  }

  Dims pair;
  llvm::SmallVector<Operation *> anchors;
  llvm::DenseSet<Operation *> seen;
  bool escapes;
};

struct SplitPairsPass : impl::SplitPairsBase<SplitPairsPass> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    llvm::SmallVector<Operation *> small;
    for (Operation &op : func.getBody().front())
      if (isSmallReduction(&op) && tensorType(op.getResult(0)).getRank() > 1)
        small.push_back(&op);
    for (Operation *op : small)
      PairValues(op).split();
    if (!small.empty())
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(func.getBody().front())))
        if (isOpTriviallyDead(&op))
          op.erase();
  }
};

} // namespace
} // namespace sinter::passes
