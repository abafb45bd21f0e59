// SPDX-License-Identifier: Apache-2.0
// What the analyses of kernels ask of single ops.
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/DenseMap.h"

#include <deque>
#include <memory>

namespace sinter::passes {

/// What an op needs the kernel around it to be; a kernel is built around anchors of one kind.
enum class AnchorKind : uint8_t {
  None, ///< Computed element by element wherever it is needed.
  Reduction,
  Cumulative,
  Contraction,
  Scatter,
  Sort,
  Attention,
  Convolution,
};
inline constexpr size_t numAnchorKinds = 8;
AnchorKind anchorKind(const ir::Indexing &indexing);
/// Only one anchor of this kind fits into a kernel.
inline bool standsAlone(AnchorKind kind) { return kind >= AnchorKind::Contraction; }

/// The indexing of an op, asked for when it is first needed: most ops are elementwise, and what is
/// asked of them does not depend on it.
class LazyIndexing {
public:
  LazyIndexing() = default;
  explicit LazyIndexing(ir::IndexedOpInterface op) : op(op) {}
  /// False for ops that cannot be part of a kernel.
  explicit operator bool() const { return static_cast<bool>(op); }
  const ir::Indexing &operator*() const {
    if (!known)
      known =
          std::make_unique<ir::Indexing>(const_cast<ir::IndexedOpInterface &>(op).getIndexing());
    return *known;
  }
  const ir::Indexing *operator->() const { return &**this; }

private:
  ir::IndexedOpInterface op;
  mutable std::unique_ptr<ir::Indexing> known;
};

/// What analyses ask of each op, found out once.
class OpFacts {
public:
  struct Entry {
    mlir::Operation *op = nullptr; ///< Null when it was forgotten.
    unsigned number = 0;           ///< Counts up from 0, for tables of entries.
    LazyIndexing indexing;
    AnchorKind anchor = AnchorKind::None;
    bool elementwise = false;
    bool freeToRecompute = false;
    bool regroups = false; ///< isRegrouping().
    int64_t cost = 0;

  private:
    friend class OpFacts;
    struct Maker {
      mlir::Value operand;
      const Entry *entry = nullptr;
    };
    mutable llvm::SmallVector<Maker, 2> makers;
  };
  /// Whether kernels are for thread blocks, which neither reduce pairs nor add up columns of rows.
  bool forGpu = false;
  /// Entries stay where they are.
  const Entry &operator[](mlir::Operation *op);
  /// Null for ops that were not asked for yet.
  const Entry *find(mlir::Operation *op) const { return entries.lookup(op); }
  /// The op that makes an operand, as it is now; null for arguments.
  const Entry *makerOf(const Entry &entry, unsigned operand);
  /// How many entries there have been.
  size_t size() const { return storage.size(); }
  /// Before the op is erased.
  void forget(mlir::Operation *op);
  /// The value's sizes, converted once per type.
  const Shape &shapeOf(mlir::Value value);

private:
  std::deque<Entry> storage; // Forgotten ones stay, so that no pointer to them dangles.
  llvm::DenseMap<mlir::Operation *, Entry *> entries;
  llvm::DenseMap<mlir::Type, Shape> shapes;
};

/// Rough flops per element of the op's result (reductions and contractions: per iteration point).
int64_t elementCost(mlir::Operation *op);
/// A view of its operand under other sizes that is more than adding or dropping sizes of 1. It
/// needs no kernel: the planner gives it its operand's buffer.
bool isRegrouping(mlir::Operation *op);
/// Ops that only rename or make up elements: broadcast, slice, full, iota, … Their elements cost
/// nothing to compute again in every kernel that reads them.
bool isFreeToRecompute(mlir::Operation *op);

/// Sizes as attributes, which are equal exactly when the sizes are.
using Dims = llvm::ArrayRef<mlir::Attribute>;
bool isOne(mlir::Attribute dim);
/// Equal after dropping dims of constant size 1.
bool equalUpToOnes(Dims a, Dims b);

} // namespace sinter::passes
