// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/KernelSource.h"

#include "sinter/codegen/Infinities.h"

using sinter::passes::KernelForm;

namespace sinter::cuda {

KernelSource emitKernel(const KernelRequest &request) {
  if (codegen::checksStores(request.fused) && request.stage + 1 == request.plan.stages.size())
    return emitCheck(request);
  switch (request.plan.analysis.form) {
  case KernelForm::Loop:
    return emitLoop(request);
  case KernelForm::Row:
    return emitRow(request);
  case KernelForm::Reduce:
    return emitReduce(request);
  case KernelForm::Contraction:
    return emitContraction(request);
  case KernelForm::Scatter:
    return emitScatter(request);
  case KernelForm::Cumulative:
    return emitCumulative(request);
  case KernelForm::Sort:
    return emitSort(request);
  case KernelForm::Convolution:
    return emitConvolution(request);
  case KernelForm::Attention:
    return emitAttention(request);
  case KernelForm::Pairs:
    return emitPairs(request);
  }
  llvm_unreachable("a kernel form without an emitter");
}

} // namespace sinter::cuda
