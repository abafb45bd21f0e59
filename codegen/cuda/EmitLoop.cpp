// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

/// A thread per element, stepping by the grid.
class LoopEmitter : BlockEmitter {
public:
  explicit LoopEmitter(const KernelRequest &request) : BlockEmitter(request) {}

  BlockKernel run() {
    Value first = add(mul(position("block"), position("threads")), position("thread"));
    Value step = mul(position("blocks"), position("threads"));
    llvm::SmallVector<DimExpr> dims(analysis.domain.begin(), analysis.domain.end());
    loop(first, sizes->get(product(dims)), step, {}, [&](Value element, ValueRange) {
      setPoint(elements->math().delinearize(element, dims), element);
      storeFull(element);
      return Values();
    });
    return finish();
  }
};

} // namespace

KernelSource emitLoop(const KernelRequest &request) {
  BlockKernel kernel = LoopEmitter(request).run();
  return printKernel(kernel, request, "elements, a thread each");
}

} // namespace sinter::cuda
