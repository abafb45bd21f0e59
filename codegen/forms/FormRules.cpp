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
  }
  llvm_unreachable("a kernel form without rules");
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

} // namespace sinter::codegen
