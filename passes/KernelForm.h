// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace sinter::passes {

/// The shapes of kernel that the back ends can build. Fusion merges ops as long as analyzeKernel()
/// accepts the result; the scheduler and both back ends read the same analysis.
enum class KernelForm : uint8_t {
  Loop,   ///< No reduction; all outputs have the domain's shape.
  Row,    ///< Reductions over the trailing axes of the domain, in phases, with row-local reuse.
  Reduce, ///< Independent reductions over the same axes; parallel over kept dims and chunks.
  Contraction, ///< One dot_general, and what follows it element by element.
  Scatter,     ///< One scatter_add_rows with its inputs' producers.
};
llvm::StringRef stringify(KernelForm form);

/// How a value that depends on an anchor (a reduction, contraction or scatter) lies in the domain.
enum class Role : uint8_t {
  Full, ///< One element per point of the domain, at that point.
  Kept, ///< One element per point of the kept dims (size-1 dims in place of reduced ones allowed).
};

struct KernelAnalysis {
  KernelForm form = KernelForm::Loop;
  /// Loop: the outputs' shape. Row, Reduce: the shape that is reduced. Contraction, Scatter: the
  /// anchor's result.
  Shape domain;
  /// Row, Reduce: the reduced axes, increasing.
  llvm::SmallVector<int64_t> axes;
  /// Reductions in program order, or the one contraction or scatter.
  llvm::SmallVector<mlir::Operation *> anchors;
  /// Row: which phase computes an anchor; a phase reads the results of earlier ones.
  llvm::DenseMap<mlir::Operation *, unsigned> phase;
  unsigned numPhases = 0;
  /// Values that depend on an anchor, and all outputs.
  llvm::DenseMap<mlir::Value, Role> roles;
  /// Number of phases that must be complete before a value can be computed; absent means 0.
  llvm::DenseMap<mlir::Value, unsigned> ready;

  Shape keptShape() const;
  bool isReduced(int64_t axis) const;
  /// Whole rows are the unit of parallel work of a Row; a handful of long ones leaves threads idle.
  bool hasFewLongRows() const;
  unsigned numRowDims() const {
    return static_cast<unsigned>(domain.rank() - static_cast<int64_t>(axes.size()));
  }
};

/// What analyses ask of each op, found out once.
class OpFacts {
public:
  struct Entry {
    /// Empty for ops that cannot be part of a kernel.
    std::optional<ir::Indexing> indexing;
    bool elementwise = false;
    bool freeToRecompute = false;
    int64_t cost = 0;
  };
  const Entry &operator[](mlir::Operation *op);
  /// Before the op is erased.
  void forget(mlir::Operation *op) { entries.erase(op); }

private:
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<Entry>> entries;
};

/// The form of a set of ops (in program order) of which `outputs` are needed outside, or the reason
/// why no back end could make one kernel of them. `facts` may be shared by analyses of the same
/// ops.
std::variant<KernelAnalysis, std::string> analyzeKernel(llvm::ArrayRef<mlir::Operation *> ops,
                                                        llvm::ArrayRef<mlir::Value> outputs,
                                                        OpFacts &facts);
std::variant<KernelAnalysis, std::string> analyzeKernel(llvm::ArrayRef<mlir::Operation *> ops,
                                                        llvm::ArrayRef<mlir::Value> outputs);
/// The analysis of a fused region; fails only when the region was not made by the fusion pass.
std::variant<KernelAnalysis, std::string> analyzeKernel(ir::FusedOp fused);

/// Rough flops per element of the op's result (reductions and contractions: per iteration point).
int64_t elementCost(mlir::Operation *op);
/// A view of its operand under other sizes that is more than adding or dropping sizes of 1. It
/// needs no kernel: the planner gives it its operand's buffer.
bool isRegrouping(mlir::Operation *op);
/// Ops that only rename or make up elements: broadcast, slice, full, iota, … Their elements cost
/// nothing to compute again in every kernel that reads them.
bool isFreeToRecompute(mlir::Operation *op);

} // namespace sinter::passes
