// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/FusionCosts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <array>
#include <deque>
#include <vector>

namespace mlir {
class IRMapping;
}

namespace sinter::passes {

/// Whether two groups may be one kernel, and what that is worth.
struct Judgement {
  std::optional<KernelAnalysis> analysis; ///< None: they stay apart.
  llvm::SmallVector<mlir::Operation *> ops;
  llvm::SmallVector<mlir::Value> inputs, outputs;
  KernelCost cost;
  double savedNs = 0;
  std::string reason; ///< Why they stay apart, when that was asked for.
};

/// The ops of a block in groups that will become kernels, in an order in which they can run.
///
/// A group's number is never used again after it has changed, so what was found out about a pair of
/// groups stays true. Only questions are asked here of whether two groups may and should be one;
/// what is tried when is Fuse.cpp's.
class FusionGroups {
public:
  using Group = llvm::SmallVector<mlir::Operation *>; ///< In program order.

  /// Every op that can be part of a kernel becomes a group; with `joinChains`, ops that have one
  /// reader join it where that is right for every kernel that they may become part of.
  FusionGroups(mlir::Block &block, OpFacts &facts, bool joinChains);

  mlir::Block &getBlock() const { return block; }
  OpFacts &getFacts() { return facts; }
  FusionCosts &getCosts() { return costs; }
  /// The groups that are not empty, in program order of their first ops.
  std::vector<size_t> live() const;
  size_t size() const { return states.size(); } ///< Numbers given so far.
  bool isLive(size_t group) const { return !states[group].ops.empty(); }
  const Group &operator[](size_t group) const { return states[group].ops; }
  std::optional<size_t> groupOf(mlir::Operation *op) const;
  std::optional<size_t> producerOf(mlir::Value value) const {
    return groupOf(value.getDefiningOp());
  }
  /// Values that a group makes and others need, and values that it needs from others.
  llvm::ArrayRef<mlir::Value> outputsOf(size_t group) const { return states[group].outputs; }
  llvm::ArrayRef<mlir::Value> inputsOf(size_t group) const { return states[group].inputs; }
  /// The other groups that read what a group makes, or make what it reads; in program order.
  llvm::SmallVector<size_t> readersOf(size_t group) const;
  llvm::SmallVector<size_t> producersFor(size_t group) const;
  /// Program order; copies come right behind their originals.
  bool precedes(mlir::Operation *a, mlir::Operation *b) const { return orderOf(a) < orderOf(b); }
  uint64_t orderOf(mlir::Operation *op) const;
  uint64_t orderOf(size_t group) const { return orderOf(states[group].ops.front()); }

  /// The same of any ops in program order.
  llvm::SmallVector<mlir::Value> outputsOf(llvm::ArrayRef<mlir::Operation *> ops) const;
  llvm::SmallVector<mlir::Value> inputsOf(llvm::ArrayRef<mlir::Operation *> ops) const;
  /// Bytes that a kernel of these ops reads and writes.
  double bytesMoved(llvm::ArrayRef<mlir::Operation *> ops);
  /// Whether a back end can make one kernel of these ops.
  bool isKernel(llvm::ArrayRef<mlir::Operation *> ops);

  /// Null when the group cannot be a kernel.
  const KernelAnalysis *analysisOf(size_t group);
  const KernelCost &costOf(size_t group);
  /// Bytes that are not moved when the two are one kernel.
  double savedBytes(size_t producer, size_t consumer);

  /// `explain`: also say why not. Both groups must be live.
  Judgement judge(size_t a, size_t b, bool explain = false);
  using Accept = llvm::function_ref<bool(const KernelAnalysis &)>;
  /// Merges two groups when judge() finds that they may and should be one and `accept` agrees;
  /// the new group's number. Pairs that were refused once are not looked at again.
  std::optional<size_t> merge(size_t a, size_t b, Accept accept);

  /// A copy of an op behind it; it belongs to no group yet.
  mlir::Operation *copy(mlir::Operation *op, mlir::IRMapping &mapping);
  void eraseCopy(mlir::Operation *op);
  /// Replaces the ops of a group; it gets a new number.
  size_t replace(size_t group, Group ops);
  /// Forgets ops of a group that have no users, and erases them, and what only they needed.
  size_t eraseDead(size_t group);

private:
  struct Member {
    size_t group = 0;
    uint64_t order = 0;
  };
  struct State {
    Group ops;
    llvm::SmallVector<mlir::Value> inputs, outputs;
    std::array<unsigned, numAnchorKinds> anchors = {}; ///< How many of each AnchorKind.
    unsigned moving = 0; ///< Ops that ask for their operands at other points.
    bool regroups = false;
    std::optional<KernelAnalysis> analysis;
    std::optional<KernelCost> cost;
    bool analyzed = false;
    size_t position = 0; ///< In `sequence`.
  };

  void addOps(mlir::Block &block, bool joinChains);
  bool joinsReader(mlir::Operation *op, mlir::Operation *reader);
  size_t add(State state, size_t position);
  State stateOf(Group ops) const;
  bool isOutside(mlir::Operation *user, size_t a, size_t b) const;
  void unite(Judgement &both, size_t a, size_t b) const;
  /// Whether `from` reaches `to` other than directly. Gives up with true after many steps.
  bool reachesIndirectly(size_t from, size_t to) const;
  /// Groups between two positions that `from` reaches.
  llvm::DenseSet<size_t> reachedBefore(size_t from, size_t to) const;
  const char *obstacle(size_t a, size_t b) const;
  std::optional<std::string> unprofitable(const Judgement &both, size_t a, size_t b, bool explain);
  bool repeatsTooMuch(llvm::ArrayRef<mlir::Operation *> ops, const KernelAnalysis &analysis);

  mlir::Block &block;
  OpFacts &facts;
  FusionCosts costs;
  std::deque<State> states;
  std::vector<size_t> sequence; ///< Groups so that producers come first; merged ones leave `none`.
  llvm::DenseMap<mlir::Operation *, Member> members;
  llvm::DenseSet<std::pair<size_t, size_t>> refused;
  uint64_t copies = 0;
};

/// An op that reads neighbours in a row from different rows: slow unless done once.
bool permutesElements(const OpFacts::Entry &entry);

/// Notes on the function why what lies in different groups does (FusionReport.h).
void explainEdges(mlir::func::FuncOp func, FusionGroups &groups);

/// Makes a `sinter.fused` of every group. Kernels that update an argument of the graph wait for its
/// other readers, so that the update can happen in place.
void buildKernels(mlir::func::FuncOp func, FusionGroups &groups);

} // namespace sinter::passes
