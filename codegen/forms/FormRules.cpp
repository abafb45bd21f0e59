// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"

#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelForm;
using sinter::passes::Role;

namespace sinter::codegen {

const FormRules &formRules(KernelForm form) {
  switch (form) {
  case KernelForm::Loop:
    return loopRules;
  case KernelForm::Row:
    return rowRules;
  case KernelForm::Reduce:
    return reduceRules;
  case KernelForm::Contraction:
    return contractionRules;
  case KernelForm::Scatter:
    return scatterRules;
  case KernelForm::Cumulative:
    return cumulativeRules;
  case KernelForm::Sort:
    return sortRules;
  case KernelForm::Convolution:
    return convolutionRules;
  case KernelForm::Attention:
    return attentionRules;
  case KernelForm::Pairs:
    return pairsRules;
  }
  llvm_unreachable("a kernel form without rules");
}

const FormRules *gpuFormRules(KernelForm form) {
  switch (form) {
  case KernelForm::Contraction:
    return &gpuContractionRules;
  case KernelForm::Loop:
    return &gpuLoopRules;
  case KernelForm::Row:
    return &gpuRowRules;
  case KernelForm::Reduce:
    return &gpuReduceRules;
  case KernelForm::Scatter:
    return &gpuScatterRules;
  case KernelForm::Cumulative:
    return &gpuCumulativeRules;
  case KernelForm::Sort:
    return &gpuSortRules;
  case KernelForm::Convolution:
    return &gpuConvolutionRules;
  case KernelForm::Attention:
    return &gpuAttentionRules;
  case KernelForm::Pairs:
    return &gpuPairsRules;
  }
  return nullptr;
}

bool mayShareElements(const passes::KernelAnalysis &analysis, Value source, Value result,
                      AnchorRead anchors) {
  auto role = analysis.roles.find(result);
  if (role == analysis.roles.end() || role->second != Role::Full)
    return false;
  auto sourceType = tensorType(source), resultType = tensorType(result);
  if (sourceType.getShape() != analysis.domain ||
      byteSize(sourceType.getDType()) != byteSize(resultType.getDType()))
    return false;
  // Follow the input forward: every path goes through elementwise ops of the domain's shape.
  llvm::SmallVector<Value> work{source};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (isa<YieldOp>(user))
        continue;
      bool isAnchor = llvm::is_contained(analysis.anchors, user);
      if (isAnchor && anchors == AnchorRead::Over)
        continue;
      if (isAnchor ? anchors == AnchorRead::Conflict : !isa<ElementwiseOpInterface>(user))
        return false;
      llvm::append_range(work, user->getResults());
    }
  }
  return true;
}

bool mayShareLater(const passes::KernelAnalysis &analysis, Value source, Value result,
                   const Shape &shape) {
  auto role = analysis.roles.find(result);
  auto sourceType = tensorType(source), resultType = tensorType(result);
  if (role == analysis.roles.end() || sourceType.getShape() != shape ||
      byteSize(sourceType.getDType()) != byteSize(resultType.getDType()))
    return false;
  // A value that moved elements of the input must not reach such an output but through a reduction.
  auto isReduction = [&](Operation *op) {
    return llvm::is_contained(analysis.anchors, op) || llvm::is_contained(analysis.columns, op);
  };
  llvm::SmallVector<std::pair<Value, bool>> work{{source, false}};
  llvm::DenseSet<std::pair<Value, unsigned>> seen;
  while (!work.empty()) {
    auto [value, moved] = work.pop_back_val();
    if (!seen.insert({value, moved}).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (isReduction(user))
        continue;
      if (isa<YieldOp>(user)) {
        auto written = analysis.roles.find(value);
        if (moved && written != analysis.roles.end() && written->second == role->second)
          return false;
        continue;
      }
      bool moves = moved || !isa<ElementwiseOpInterface>(user);
      for (Value next : user->getResults())
        work.push_back({next, moves});
    }
  }
  return true;
}

} // namespace sinter::codegen
