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

/// Ops in program order.
using FusionGroup = llvm::SmallVector<const OpFacts::Entry *>;

/// Whether two groups may be one kernel, and what that is worth.
struct Judgement {
  std::optional<KernelSketch> sketch; ///< None: they stay apart.
  FusionGroup ops;
  llvm::SmallVector<mlir::Value> inputs, outputs;
  FusionGroup makers; ///< Of the outputs.
  KernelCost cost;
  double savedNs = 0;
  std::string reason; ///< Why they stay apart, when that was asked for.
};

/// What grouping took, so that a test can tell that it grows with the graph and no faster.
struct FusionWork {
  size_t ops = 0;      ///< In groups at first.
  size_t pairs = 0;    ///< Judged.
  size_t analyses = 0; ///< Of sets of ops, and
  size_t visits = 0;   ///< of ops in these.
  size_t steps = 0;    ///< From group to group, in search of other ways between two.
};

/// The ops of a block in groups that will become kernels, in an order in which they can run.
///
/// A group's number is never used again after it has changed, so what was found out about a pair of
/// groups stays true. Only questions are asked here of whether two groups may and should be one
/// (FusionJudge.cpp, FusionProfit.cpp); what is tried when is Fuse.cpp's.
class FusionGroups {
public:
  using Entry = OpFacts::Entry;
  using Group = FusionGroup;

  /// Every op that can be part of a kernel becomes a group; with `joinChains`, ops that have one
  /// reader join it where that is right for every kernel that they may become part of.
  FusionGroups(mlir::Block &block, OpFacts &facts, bool joinChains);

  mlir::Block &getBlock() const { return block; }
  OpFacts &getFacts() { return facts; }
  FusionCosts &getCosts() { return costs; }
  FusionWork getWork() const;
  /// The groups that are not empty, in program order of their first ops.
  std::vector<size_t> live() const;
  size_t size() const { return states.size(); } ///< Numbers given so far.
  bool isLive(size_t group) const { return !states[group].ops.empty(); }
  const Group &operator[](size_t group) const { return states[group].ops; }
  std::optional<size_t> groupOf(const Entry *entry) const;
  std::optional<size_t> groupOf(mlir::Operation *op) const { return groupOf(facts.find(op)); }
  std::optional<size_t> producerOf(mlir::Value value) const {
    return groupOf(value.getDefiningOp());
  }
  /// Values that a group makes and others need, and values that it needs from others.
  llvm::ArrayRef<mlir::Value> outputsOf(size_t group) const { return states[group].outputs; }
  llvm::ArrayRef<mlir::Value> inputsOf(size_t group) const { return states[group].inputs; }
  /// The other groups that read what a group makes, or make what it reads; each once.
  llvm::SmallVector<size_t> readersOf(size_t group);
  llvm::SmallVector<size_t> producersFor(size_t group);
  /// Whether a value that no anchor makes is read by `to` and by nothing else.
  bool makesOnlyFor(size_t from, size_t to);
  /// Program order; copies come right behind their originals.
  bool precedes(const Entry *a, const Entry *b) const { return orderOf(*a) < orderOf(*b); }
  uint64_t orderOf(const Entry &entry) const { return members[entry.number].order; }
  uint64_t orderOf(size_t group) const { return orderOf(*states[group].ops.front()); }

  /// The same of any ops in program order.
  llvm::SmallVector<mlir::Value> outputsOf(llvm::ArrayRef<const Entry *> ops);
  llvm::SmallVector<mlir::Value> inputsOf(llvm::ArrayRef<const Entry *> ops);
  /// Bytes that a kernel of these ops reads and writes.
  double bytesMoved(llvm::ArrayRef<const Entry *> ops);
  /// Whether a back end can make one kernel of these ops.
  bool isKernel(llvm::ArrayRef<const Entry *> ops);

  /// Null when the group cannot be a kernel.
  const KernelSketch *sketchOf(size_t group);
  const KernelCost &costOf(size_t group);
  /// Bytes that are not moved when the two are one kernel.
  double savedBytes(size_t producer, size_t consumer);

  /// `explain`: also say why not. Both groups must be live.
  Judgement judge(size_t a, size_t b, bool explain = false);
  using Accept = llvm::function_ref<bool(const KernelSketch &)>;
  /// Merges two groups when judge() finds that they may and should be one and `accept` agrees;
  /// the new group's number. Pairs that were refused once are not looked at again.
  std::optional<size_t> merge(size_t a, size_t b, Accept accept);

  /// A copy of an op behind it; it belongs to no group yet.
  const Entry *copy(const Entry *entry, mlir::IRMapping &mapping);
  void eraseCopy(const Entry *entry);
  /// What some ops read is read from elsewhere now.
  void usesHaveChanged() { ++version; }
  /// Replaces the ops of a group; it gets a new number.
  size_t replace(size_t group, Group ops);
  /// Forgets ops of a group that have no users, and erases them, and what only they needed.
  size_t eraseDead(size_t group);

private:
  struct Member {
    size_t group = 0;
    uint64_t order = 0; ///< 0: it can be in no group.
  };
  struct State {
    Group ops;
    llvm::SmallVector<mlir::Value> inputs, outputs;
    Group makers;                                      ///< Of the outputs.
    std::array<unsigned, numAnchorKinds> anchors = {}; ///< How many of each AnchorKind.
    const Entry *alone = nullptr;     ///< The anchor that bears no other beside it, if any.
    const Entry *reduction = nullptr; ///< The first one, if any.
    unsigned moving = 0;              ///< Ops that ask for their operands at other points.
    bool regroups = false;
    bool isKnown = false; ///< Whether the next two are.
    std::optional<KernelSketch> sketch;
    KernelCost cost;
    size_t position = 0; ///< In `sequence`.
  };
  /// Who reads a value, once per use.
  struct Readers {
    unsigned version = 0;
    bool isReturned = false; ///< Or read by something else that is in no group.
    llvm::SmallVector<const Entry *, 2> entries;
  };

  void addOps(mlir::Block &block, bool joinChains);
  bool joinsReader(const Entry &op, const Entry &reader);
  size_t add(State state, size_t position);
  State stateOf(Group ops);
  const Readers &readersOf(mlir::Value value, const Entry &maker) {
    if (maker.number < readers.size() && maker.op->getNumResults() == 1)
      if (const Readers &known = readers[maker.number]; known.version == version)
        return known;
    return findReaders(value, maker);
  }
  const Readers &findReaders(mlir::Value value, const Entry &maker);
  /// Calls back with the groups that read what a group makes, itself included.
  template <typename Callback> void forEachReader(size_t group, Callback callback) {
    const State &state = states[group];
    for (size_t i = 0; i < state.outputs.size(); ++i)
      for (const Entry *reader : readersOf(state.outputs[i], *state.makers[i]).entries)
        callback(members[reader->number].group);
  }
  bool isReadOutside(mlir::Value value, const Entry &maker, size_t a, size_t b);
  /// Marks ops for isMarked(), until the next call.
  void mark(llvm::ArrayRef<const Entry *> ops);
  bool isMarked(const Entry *entry) const {
    return entry && entry->number < marked.size() && marked[entry->number] == markRound;
  }
  void learn(size_t group);

  // FusionJudge.cpp
  void uniteValues(Judgement &both, size_t a, size_t b);
  void uniteOps(Judgement &both, size_t a, size_t b) const;
  /// Whether `from` reaches `to` other than directly. Gives up with true after many steps.
  bool reachesIndirectly(size_t from, size_t to);
  /// Groups between two positions that `from` reaches.
  llvm::DenseSet<size_t> reachedBefore(size_t from, size_t to);
  /// Makes room for the two as one: what that one's position is to be.
  size_t makeRoom(size_t a, size_t b);
  const char *obstacle(size_t a, size_t b) const;
  bool cannotMatch(const Judgement &both, size_t a, size_t b);

  // FusionProfit.cpp
  std::optional<std::string> unprofitable(const Judgement &both, size_t a, size_t b, bool explain);
  bool repeatsTooMuch(llvm::ArrayRef<const Entry *> ops);
  size_t viewOf(const Entry &entry);

  static constexpr size_t none = ~size_t{0};

  mlir::Block &block;
  OpFacts &facts;
  FusionCosts costs;
  KernelAnalyzer analyzer; ///< Of the last judgement, or of a group or set.
  std::deque<State> states;
  std::vector<size_t> sequence; ///< Groups so that producers come first; merged ones leave `none`.
  std::vector<Member> members;  ///< By Entry::number.
  std::vector<Readers> readers; ///< Of the first result, by Entry::number.
  llvm::DenseMap<mlir::Value, Readers> moreReaders; ///< Of other results.
  unsigned version = 1;                             ///< Of what reads what.
  /// Of repeatsTooMuch(): where an op is computed, and what stands for it as a view.
  struct Place {
    llvm::SmallVector<size_t, 6> positions;
    unsigned version = 0;
    size_t view = 0;
  };
  std::vector<Place> places;    ///< By Entry::number.
  std::vector<unsigned> marked; ///< By Entry::number.
  unsigned markRound = 0;
  std::vector<unsigned> reached; ///< By group: the search that came there last.
  unsigned search = 0;
  std::vector<std::pair<size_t, size_t>> ahead; ///< Of a search: a heap.
  llvm::DenseSet<std::pair<size_t, size_t>> refused;
  uint64_t copies = 0;
  FusionWork work;
};

/// An op that reads neighbours in a row from different rows: slow unless done once.
bool permutesElements(const OpFacts::Entry &entry);

/// Notes on the function why what lies in different groups does (FusionReport.h).
void explainEdges(mlir::func::FuncOp func, FusionGroups &groups);

/// Makes a `sinter.fused` of every group. Kernels that update an argument of the graph wait for its
/// other readers, so that the update can happen in place.
void buildKernels(mlir::func::FuncOp func, FusionGroups &groups);

} // namespace sinter::passes
