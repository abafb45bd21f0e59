// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/KernelForm.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/DenseSet.h"

#include <array>
#include <functional>
#include <vector>

namespace sinter::passes {

/// The ops of a block in groups that will become kernels, in an order in which they can run.
///
/// A group's number is never used again after it has changed, so what was found out about a pair of
/// groups stays true. Only questions are asked here of whether two groups may and should be one;
/// what is tried when is Fuse.cpp's.
class FusionGroups {
public:
  using Group = llvm::SmallVector<mlir::Operation *>; ///< In program order.

  /// Every op that can be part of a kernel becomes a group.
  explicit FusionGroups(mlir::Block &block);

  mlir::Block &getBlock() const { return block; }
  OpFacts &getFacts() { return facts; }
  /// The groups that are not empty, in program order of their first ops.
  std::vector<size_t> live() const;
  const Group &operator[](size_t group) const { return groups[group]; }
  std::optional<size_t> groupOf(mlir::Operation *op) const;
  std::optional<size_t> producerOf(mlir::Value value) const {
    return groupOf(value.getDefiningOp());
  }

  /// Values that a set of ops makes and others need, and values that it needs from others.
  static llvm::SmallVector<mlir::Value> outputsOf(llvm::ArrayRef<mlir::Operation *> ops);
  static llvm::SmallVector<mlir::Value> inputsOf(llvm::ArrayRef<mlir::Operation *> ops);
  /// Bytes and elements of a value, where symbolic sizes count as a fixed number.
  double bytesOf(mlir::Value value);
  double elementsOf(mlir::Value value);

  /// Bytes that a kernel of these ops reads and writes.
  double bytesMoved(llvm::ArrayRef<mlir::Operation *> ops);
  /// Whether a back end can make one kernel of these ops.
  bool isKernel(llvm::ArrayRef<mlir::Operation *> ops);
  /// Null when the group cannot be a kernel.
  const KernelAnalysis *analysisOf(size_t group);

  /// Merges two groups when a kernel can be made of them, `accept` agrees, it pays, and no cycle
  /// arises.
  using Accept = llvm::function_ref<bool(const KernelAnalysis &)>;
  bool merge(size_t a, size_t b, Accept accept);

  /// Replaces the ops of a group; it gets a new number.
  size_t replace(size_t group, Group ops);
  /// Forgets ops that have no users, and erases them.
  size_t eraseDead(size_t group);

private:
  size_t add(Group ops, size_t position);
  /// Whether `from` reaches `to` other than directly; fills `reached` with the groups between them
  /// that it reaches.
  bool reachesIndirectly(size_t from, size_t to, llvm::DenseSet<size_t> &reached) const;
  bool mayBeOneKernel(size_t a, size_t b);
  bool isWorthIt(const Group &ops, size_t producer, const KernelAnalysis &analysis);
  bool repeatsTooMuch(const Group &ops, const KernelAnalysis &analysis);

  struct State {
    std::array<unsigned, numAnchorKinds> anchors = {}; ///< How many of each AnchorKind.
    std::optional<KernelAnalysis> analysis;
    bool analyzed = false;
  };

  mlir::Block &block;
  OpFacts facts;
  std::vector<Group> groups;
  std::vector<State> states;
  std::vector<size_t> position; ///< Of each group, in `sequence`.
  std::vector<size_t>
      sequence; ///< Groups so that producers come first; merged ones leave holes of `none`.
  llvm::DenseMap<mlir::Operation *, size_t> numbers;
  llvm::DenseMap<mlir::Value, double> bytes;
  llvm::DenseSet<std::pair<size_t, size_t>> refused;
};

/// An op that reads neighbours in a row from different rows: slow unless done once.
bool permutesElements(const OpFacts::Entry &entry);

/// Makes a `sinter.fused` of every group and removes the original ops. Kernels that update an
/// argument of the graph wait for its other readers, so that the update can happen in place.
void buildKernels(mlir::func::FuncOp func, FusionGroups &groups);

} // namespace sinter::passes
