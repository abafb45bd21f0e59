// SPDX-License-Identifier: Apache-2.0
// What tells the kernel forms apart for the scheduler and the planner: one entry per form.
#pragma once

#include "sinter/codegen/KernelPlan.h"

namespace sinter::codegen {

/// A region under its analysis, while its schedule is being chosen.
struct ScheduledRegion {
  ir::FusedOp fused;
  const passes::KernelAnalysis &analysis;
  const TargetInfo &target;

  /// Size of the innermost dim of the domain.
  DimExpr inner() const {
    const Shape &domain = analysis.domain;
    return domain.rank() ? domain[domain.rank() - 1] : DimExpr(1);
  }
};

struct FormRules {
  /// Fills in the schedule; its form is set.
  mlir::LogicalResult (*choose)(const ScheduledRegion &region, Schedule &schedule);
  /// Fills in launches and workspaces of a plan whose analysis and schedule are set.
  mlir::LogicalResult (*plan)(ir::FusedOp fused, KernelPlan &plan);
  /// mayShareBuffer() of a region of this form.
  bool (*mayShareBuffer)(const passes::KernelAnalysis &analysis, mlir::Value source,
                         mlir::Value result);
};
const FormRules &formRules(passes::KernelForm form);
/// The same for thread blocks of a GPU (gpu/): every launch gets a Grid. Null where no kernel of a
/// GPU has this form.
const FormRules *gpuFormRules(passes::KernelForm form);

extern const FormRules loopRules, rowRules, reduceRules, contractionRules, scatterRules,
    cumulativeRules, sortRules, pairsRules, convolutionRules, attentionRules;
extern const FormRules gpuContractionRules, gpuAttentionRules, gpuLoopRules, gpuRowRules,
    gpuReduceRules, gpuScatterRules, gpuConvolutionRules, gpuCumulativeRules, gpuSortRules,
    gpuPairsRules;

/// What a read of an input by an anchor means for writing an output over it.
enum class AnchorRead : uint8_t {
  Over,     ///< It has happened before the first element is written.
  Followed, ///< It happens at the point that is written; what the anchor gives is looked at too.
  Conflict,
};
/// Whether an output of the domain's shape may overwrite an input of that shape: it is only read at
/// the point that is being written.
bool mayShareElements(const passes::KernelAnalysis &analysis, mlir::Value source,
                      mlir::Value result, AnchorRead anchors);

/// Whether an output of the last launch, of shape `shape`, may overwrite an input of that shape:
/// every element is read where it is written, or in an earlier launch.
bool mayShareLater(const passes::KernelAnalysis &analysis, mlir::Value source, mlir::Value result,
                   const Shape &shape);

} // namespace sinter::codegen
