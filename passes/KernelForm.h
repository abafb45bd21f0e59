// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/OpFacts.h"

#include "llvm/ADT/SmallVector.h"

#include <string>
#include <variant>

namespace sinter::passes {

/// The shapes of kernel that the back ends can build. Fusion merges ops as long as analyzeKernel()
/// accepts the result; the scheduler and both back ends read the same analysis.
enum class KernelForm : uint8_t {
  Loop,   ///< No reduction; all outputs have the domain's shape.
  Row,    ///< Reductions over the trailing axes of the domain, in phases, with row-local reuse.
  Reduce, ///< Independent reductions over the same axes; parallel over kept dims and chunks.
  Contraction, ///< One dot_general, and what follows it element by element, or as short rows.
  Scatter,     ///< One scatter with the producers of what it reads.
  Cumulative,  ///< Running reductions along one axis, and what goes along element by element.
  Sort,        ///< One argsort with its operand's producers, and what follows element by element.
  Attention,   ///< One attention or its gradient, and nothing else.
  Convolution, ///< One convolution, and what follows it element by element.
  Pairs, ///< Reductions of what is computed from pairs of points, with small reductions in place.
};
inline constexpr size_t numKernelForms = 10;
llvm::StringRef stringify(KernelForm form);

/// How a value that depends on an anchor (see AnchorKind) lies in the domain.
enum class Role : uint8_t {
  Full, ///< One element per point of the domain, at that point.
  Kept, ///< One element per point of the kept dims (size-1 dims in place of reduced ones allowed).
  Column, ///< One element per point of the reduced dims: what a kernel of rows adds up over rows.
};

struct KernelAnalysis {
  KernelForm form = KernelForm::Loop;
  /// Loop: the outputs' shape. Row, Reduce: the shape that is reduced. Pairs: the same, less the few
  /// last dims that an anchor's operand may have besides. Else that of the anchors' results.
  Shape domain;
  /// Row, Reduce, Pairs: the reduced axes, increasing. Cumulative, Sort: the one that they go along.
  /// Contraction: the dims of its right operand, where reductions over them or over the others follow.
  llvm::SmallVector<int64_t> axes;
  /// In program order; one unless they are reductions or running reductions. Pairs: without the small
  /// reductions that are computed in place, element by element.
  llvm::SmallVector<mlir::Operation *> anchors;
  /// Contraction: reductions of its rows, as the anchors of a Row. Else empty.
  llvm::SmallVector<mlir::Operation *> rows;
  /// Row: reductions over all other dims of the domain, which take in every row when it is written.
  llvm::SmallVector<mlir::Operation *> columns;
  /// Row behind a contraction: what gives its points their first value. Else null.
  mlir::Operation *source = nullptr;
  /// Row: which phase computes an anchor; a phase reads the results of earlier ones.
  llvm::DenseMap<mlir::Operation *, unsigned> phase;
  unsigned numPhases = 0;
  /// Values that depend on an anchor, and all outputs.
  llvm::DenseMap<mlir::Value, Role> roles;
  /// Number of phases that must be complete before a value can be computed; absent means 0.
  llvm::DenseMap<mlir::Value, unsigned> ready;

  Shape keptShape() const;
  /// The other dims of the domain.
  Shape reducedShape() const;
  bool isReduced(int64_t axis) const;
  bool reduces() const { return form == KernelForm::Row || form == KernelForm::Reduce; }
  /// Whether reductions follow a contraction in its kernel; a block of it then has whole rows.
  bool hasRowsBehind() const { return form == KernelForm::Contraction && !axes.empty(); }
  /// What follows the contraction, as a Row whose points start from the product.
  KernelAnalysis rowsBehind() const;
  /// Whole rows are the unit of parallel work of all forms with axes but Reduce; a handful of long
  /// ones leaves threads idle.
  bool hasFewLongRows() const;
  unsigned numRowDims() const {
    return static_cast<unsigned>(domain.rank() - static_cast<int64_t>(axes.size()));
  }
};

/// A reduction of floats over a few last elements, cheap enough to be computed wherever its result
/// is needed.
bool isSmallReduction(mlir::Operation *op);

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

} // namespace sinter::passes
