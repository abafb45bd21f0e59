// SPDX-License-Identifier: Apache-2.0
// Groups ops into kernels. Two groups merge when a back end can make one kernel of both
// (KernelForm.h), the kernel takes less time than the two (FusionCosts.h), and no cycle arises.
//
// 1. Views, constants and cheap scalars get a copy per reader, so that they never tie readers
//    together. What has one reader and belongs with it in any case joins it.
// 2. Groups merge along edges: a queue of the pairs, those that save most bytes first. Reductions
//    over leading dims absorb no producers yet: a producer is worth more in a row kernel or an
//    epilogue, where all that follows from it can join.
// 3. The rest merges along edges.
// 4. Reductions over the same ranges merge. What a kernel could compute from what it reads anyway
//    is not stored for it, and ops go where fewer bytes are stored (FuseRecompute.cpp).
// 5. Kernels of one form that read the same large tensor merge (FuseSiblings.cpp).
#include "sinter/passes/Fuse.h"

#include "sinter/passes/ContractionPrologue.h"
#include "sinter/passes/FuseRecompute.h"
#include "sinter/passes/FuseSiblings.h"
#include "sinter/passes/Passes.h"

#include <queue>

namespace sinter::passes {
#define GEN_PASS_DEF_FUSE
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr int64_t cheapScalar = 16; // Flops of a scalar that every kernel may compute for itself.

/// What no kernel has a form for: a reduction over no dims is its operand, and dead ops have no
/// output.
void dropIdleOps(Block &block, OpFacts &facts) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    bool isDead = isOpTriviallyDead(&op);
    if (!isDead) {
      if (op.getNumOperands() != 1 || op.getResultTypes() != op.getOperandTypes() ||
          facts[&op].anchor != AnchorKind::Reduction || facts[&op].indexing->numReductions > 0)
        continue;
      op.replaceAllUsesWith(op.getOperands());
    }
    facts.forget(&op);
    op.erase();
  }
}

/// Gives every reader its own copy of what costs nothing, or next to nothing once per kernel.
void splitFreeProducers(Block &block, OpFacts &facts) {
  llvm::DenseMap<Operation *, int64_t> scalarCost; // Of scalars that derive from constants.
  for (Operation &op : block) {
    if (op.getNumResults() != 1 || tensorType(op.getResult(0)).getRank() != 0)
      continue;
    const OpFacts::Entry &entry = facts[&op];
    bool isGenerator = op.getNumOperands() == 0 && entry.freeToRecompute;
    if (!isGenerator && !entry.elementwise)
      continue;
    int64_t cost = isGenerator ? 0 : entry.cost;
    bool known = true;
    for (Value operand : op.getOperands()) {
      auto it = scalarCost.find(operand.getDefiningOp());
      known = known && it != scalarCost.end();
      cost += known ? it->second : 0;
    }
    if (known && cost <= cheapScalar)
      scalarCost[&op] = cost;
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (op.getNumResults() != 1 || op.hasOneUse())
      continue;
    bool isFree = facts[&op].freeToRecompute && !op.hasTrait<OpTrait::ConstantLike>();
    if (!isFree && !scalarCost.contains(&op))
      continue;
    llvm::SmallVector<OpOperand *> uses;
    for (OpOperand &use : op.getResult(0).getUses())
      uses.push_back(&use);
    for (OpOperand *use : llvm::drop_begin(uses, uses.empty() ? 0 : 1)) {
      OpBuilder builder(&op);
      use->set(builder.clone(op)->getResult(0));
    }
  }
}

/// A group, and one that reads what it makes.
struct Edge {
  size_t producer, consumer;
};

std::vector<Edge> allEdges(FusionGroups &groups) {
  std::vector<Edge> edges;
  for (size_t g : groups.live())
    for (size_t reader : groups.readersOf(g))
      edges.push_back({g, reader});
  return edges;
}

/// Edges of the groups that were made after so many.
std::vector<Edge> edgesSince(size_t count, FusionGroups &groups) {
  std::vector<Edge> edges;
  for (size_t g = count; g < groups.size(); ++g) {
    if (!groups.isLive(g))
      continue;
    for (size_t reader : groups.readersOf(g))
      edges.push_back({g, reader});
    for (size_t producer : groups.producersFor(g))
      if (producer < count)
        edges.push_back({producer, g});
  }
  return edges;
}

/// Merges neighbours for as long as any two may merge, those first that save most: those of
/// `edges`, and what they become with its neighbours. Returns the edges that `accept` alone
/// refused; any other is not worth asking for again.
std::vector<Edge> mergeAlongEdges(FusionGroups &groups, llvm::ArrayRef<Edge> edges,
                                  FusionGroups::Accept accept) {
  struct Pair {
    double bytes;
    uint64_t producerOrder, consumerOrder;
    size_t producer, consumer;
    bool operator<(const Pair &other) const { // The largest is the most urgent.
      if (bytes != other.bytes)
        return bytes < other.bytes;
      return std::pair(producerOrder, consumerOrder) >
             std::pair(other.producerOrder, other.consumerOrder);
    }
  };
  std::priority_queue<Pair> queue;
  auto push = [&](size_t producer, size_t consumer) {
    queue.push({groups.savedBytes(producer, consumer), groups.orderOf(producer),
                groups.orderOf(consumer), producer, consumer});
  };
  for (auto [producer, consumer] : edges)
    push(producer, consumer);
  std::vector<Edge> left;
  while (!queue.empty()) {
    Pair pair = queue.top();
    queue.pop();
    if (!groups.isLive(pair.producer) || !groups.isLive(pair.consumer))
      continue;
    bool isAccepted = true;
    auto merged = groups.merge(pair.producer, pair.consumer,
                               [&](const KernelSketch &both) { return isAccepted = accept(both); });
    if (!merged) {
      if (!isAccepted)
        left.push_back({pair.producer, pair.consumer});
      continue;
    }
    for (size_t reader : groups.readersOf(*merged))
      push(*merged, reader);
    for (size_t producer : groups.producersFor(*merged))
      push(producer, *merged);
  }
  llvm::erase_if(left, [&](const Edge &edge) {
    return !groups.isLive(edge.producer) || !groups.isLive(edge.consumer);
  });
  return left;
}

} // namespace

FusionWork fuseOps(func::FuncOp func, const FusionChoices &choices) {
  Block &block = func.getBody().front();
  OpFacts facts;
  facts.forGpu = choices.gpu;
  dropIdleOps(block, facts);
  if (choices.fusion)
    splitFreeProducers(block, facts);
  FusionGroups groups(block, facts, /*joinChains=*/choices.fusion);
  if (choices.fusion) {
    auto noPrologue = [](const KernelSketch &both) { return both.form != KernelForm::Reduce; };
    auto anything = [](const KernelSketch &) { return true; };
    std::vector<Edge> left = mergeAlongEdges(groups, allEdges(groups), noPrologue);
    mergeAlongEdges(groups, left, anything);
    const size_t known = groups.size();
    mergeTwins(groups);
    bool moved = moveToConsumers(groups);
    if (recomputeInConsumers(groups) || moved)
      mergeAlongEdges(groups, edgesSince(known, groups), anything);
    mergeSiblings(groups);
    if (choices.explain)
      explainEdges(func, groups);
  }
  FusionWork work = groups.getWork();
  buildKernels(func, groups);
  return work;
}

namespace {

struct FusePass : impl::FuseBase<FusePass> {
  using FuseBase::FuseBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    // Text may come in with its kernels made; what it leaves outside of them is told by the stage's
    // contract.
    bool isFused = func.walk([](FusedOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if (!func.isExternal() && !isFused)
      fuseOps(func, {.gpu = gpu, .fusion = fusion, .explain = explain});
    if (gpu)
      func.walk([](FusedOp fused) {
        fused->setDiscardableAttr(forGpuAttr, UnitAttr::get(fused.getContext()));
      });
  }
};

} // namespace
} // namespace sinter::passes
