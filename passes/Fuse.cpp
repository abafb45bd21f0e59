// SPDX-License-Identifier: Apache-2.0
// Groups ops into kernels. Every op starts as a group. Two groups merge when a back end can make
// one kernel of both (KernelForm.h), nothing dear is computed more often, and no cycle arises;
// edges that carry more bytes go first.
//
// 1. Views, constants and cheap scalars get a copy per reader, so that they never tie readers
//    together.
// 2. Groups merge along edges, but reductions over leading dims absorb no producers yet: a producer
//    is worth more in a row kernel or an epilogue, where all that follows from it can join.
// 3. The rest merges along edges.
// 4. Reductions over the same ranges merge. What a kernel could compute from what it reads anyway
//    is not stored for it, and ops go where fewer bytes are stored (FuseRecompute.cpp).
// 5. Kernels of one form that read the same large tensor merge.
#include "sinter/passes/FuseRecompute.h"
#include "sinter/passes/FusionGroups.h"
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_FUSE
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr double worthSharing = 64 << 10; // Bytes of a common input that make siblings one kernel.
constexpr int64_t cheapScalar = 16; // Flops of a scalar that every kernel may compute for itself.

/// What no kernel has a form for: a reduction over no dims is its operand, and dead ops have no
/// output.
void dropIdleOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto indexed = dyn_cast<IndexedOpInterface>(op);
    if (!indexed || op.getNumOperands() != 1 || op.getResultTypes() != op.getOperandTypes())
      continue;
    Indexing indexing = indexed.getIndexing();
    if (anchorKind(indexing) != AnchorKind::Reduction || indexing.numReductions > 0)
      continue;
    op.replaceAllUsesWith(op.getOperands());
    op.erase();
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Gives every reader its own copy of what costs nothing, or next to nothing once per kernel.
void splitFreeProducers(Block &block) {
  llvm::DenseMap<Operation *, int64_t> scalarCost; // Of scalars that derive from constants.
  for (Operation &op : block) {
    if (op.getNumResults() != 1 || !isa<IndexedOpInterface>(op))
      continue;
    bool isGenerator = op.getNumOperands() == 0 && isFreeToRecompute(&op);
    if (!isGenerator && !isa<ElementwiseOpInterface>(op))
      continue;
    int64_t cost = isGenerator ? 0 : elementCost(&op);
    bool known = tensorType(op.getResult(0)).getRank() == 0;
    for (Value operand : op.getOperands()) {
      auto it = scalarCost.find(operand.getDefiningOp());
      known = known && it != scalarCost.end();
      cost += known ? it->second : 0;
    }
    if (known && cost <= cheapScalar)
      scalarCost[&op] = cost;
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    bool isFree =
        op.getNumResults() == 1 && !op.hasTrait<OpTrait::ConstantLike>() && isFreeToRecompute(&op);
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

bool mergeAlongEdges(FusionGroups &groups, FusionGroups::Accept accept) {
  struct Edge {
    double bytes;
    Value value;
    Operation *user;
  };
  std::vector<Edge> edges;
  for (size_t g : groups.live())
    for (Operation *op : groups[g])
      for (Value operand : op->getOperands())
        if (auto producer = groups.producerOf(operand); producer && *producer != g)
          edges.push_back({groups.bytesOf(operand), operand, op});
  auto precedes = [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); };
  llvm::sort(edges, [&](const Edge &a, const Edge &b) {
    if (a.bytes != b.bytes)
      return a.bytes > b.bytes;
    if (a.value != b.value && a.value.getDefiningOp() != b.value.getDefiningOp())
      return precedes(a.value.getDefiningOp(), b.value.getDefiningOp());
    return precedes(a.user, b.user);
  });
  bool changed = false;
  for (const Edge &edge : edges) {
    size_t producer = *groups.producerOf(edge.value), consumer = *groups.groupOf(edge.user);
    changed |= producer != consumer && groups.merge(producer, consumer, accept);
  }
  return changed;
}

/// Independent reductions over the same ranges become one kernel, whatever they read.
void mergeTwins(FusionGroups &groups) {
  std::vector<size_t> reductions;
  for (size_t g : groups.live())
    if (const KernelAnalysis *analysis = groups.analysisOf(g);
        analysis && analysis->form == KernelForm::Reduce)
      reductions.push_back(g);
  for (size_t i = 0; i < reductions.size(); ++i)
    for (size_t j = i + 1; j < reductions.size() && !groups[reductions[i]].empty(); ++j) {
      if (groups[reductions[j]].empty())
        continue;
      const KernelAnalysis *a = groups.analysisOf(reductions[i]),
                           *b = groups.analysisOf(reductions[j]);
      if (a->domain != b->domain || a->axes != b->axes)
        continue;
      Operation *member = groups[reductions[i]].front();
      auto isReduce = [](const KernelAnalysis &both) { return both.form == KernelForm::Reduce; };
      if (groups.merge(reductions[i], reductions[j], isReduce))
        reductions[i] = *groups.groupOf(member);
    }
}

/// Kernels that read the same large tensor become one, when one of them already has the form of
/// both.
void mergeSiblings(FusionGroups &groups) {
  auto formOf = [&](size_t group) -> std::optional<KernelForm> {
    const KernelAnalysis *analysis = groups.analysisOf(group);
    return analysis ? std::optional(analysis->form) : std::nullopt;
  };
  auto mergeReaders = [&](Value value) {
    if (groups.bytesOf(value) < worthSharing)
      return;
    llvm::SmallVector<Operation *> users;
    for (Operation *user : value.getUsers())
      if (groups.groupOf(user))
        users.push_back(user);
    llvm::sort(users, [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
    for (size_t i = 0; i < users.size(); ++i)
      for (size_t j = i + 1; j < users.size(); ++j) {
        size_t a = *groups.groupOf(users[i]), b = *groups.groupOf(users[j]);
        auto first = a == b ? std::nullopt : formOf(a), second = a == b ? std::nullopt : formOf(b);
        if (!first || !second || first == KernelForm::Contraction ||
            second == KernelForm::Contraction)
          continue;
        if (*first == *second || *first == KernelForm::Loop || *second == KernelForm::Loop) {
          KernelForm form = *first == KernelForm::Loop ? *second : *first;
          groups.merge(a, b, [&](const KernelAnalysis &both) { return both.form == form; });
        }
      }
  };
  Block &block = groups.getBlock();
  for (BlockArgument argument : block.getArguments())
    mergeReaders(argument);
  for (Operation &op : block)
    for (Value result : op.getResults())
      if (groups.groupOf(&op))
        mergeReaders(result);
}

struct FusePass : impl::FuseBase<FusePass> {
  using FuseBase::FuseBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    // Text may come in with its kernels made; what it leaves outside of them is told by the stage's
    // contract.
    bool isFused = func.walk([](FusedOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if (func.isExternal() || isFused)
      return;
    Block &block = func.getBody().front();
    dropIdleOps(block);
    if (!fusion) {
      FusionGroups groups(block);
      return buildKernels(func, groups);
    }
    splitFreeProducers(block);
    FusionGroups groups(block);
    auto noPrologue = [](const KernelAnalysis &both) { return both.form != KernelForm::Reduce; };
    auto anything = [](const KernelAnalysis &) { return true; };
    while (mergeAlongEdges(groups, noPrologue))
      ;
    while (mergeAlongEdges(groups, anything))
      ;
    mergeTwins(groups);
    bool moved = moveToConsumers(groups);
    if (recomputeInConsumers(groups) || moved)
      while (mergeAlongEdges(groups, anything))
        ;
    mergeSiblings(groups);
    buildKernels(func, groups);
  }
};

} // namespace
} // namespace sinter::passes
