// SPDX-License-Identifier: Apache-2.0
// Contraction form: the generated matmul, with everything that follows it applied to the sums in
// registers.
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/codegen/cpu/KernelFunction.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

void emitContractionKernel(KernelFunction &kernel) {
  auto dot = cast<ir::DotGeneralOp>(kernel.plan.analysis.anchors.front());
  const ContractionLayout layout = *contractionLayout(dot);
  const ContractionTiles &tiles = kernel.plan.schedule.tiles;
  BufferRef lhs = kernel.env.buffers.lookup(dot.getLhs()),
            rhs = kernel.env.buffers.lookup(dot.getRhs());
  IndexMath math(kernel.builder, kernel.loc, *kernel.env.sizes, 1);

  ContractionSpec spec;
  spec.elementType = lhs.elementType;
  spec.batch = kernel.size(layout.batch);
  spec.m = kernel.size(layout.m);
  spec.n = kernel.size(layout.n);
  spec.k = kernel.size(layout.k);
  spec.a = lhs.pointer;
  spec.aStrideM = kernel.size(layout.lhsM);
  spec.aStrideK = kernel.size(layout.lhsK);
  spec.b = rhs.pointer;
  spec.bStrideK = kernel.size(layout.rhsK);
  spec.bStrideN = kernel.size(layout.rhsN);
  // The emitter passes its own builder along, which may stand elsewhere.
  auto at = [&kernel](OpBuilder &builder) {
    kernel.builder.restoreInsertionPoint(builder.saveInsertionPoint());
  };
  if (!layout.batchDims.empty())
    spec.batchOffsets = [&, at](OpBuilder &builder, Location,
                                Value batch) -> std::pair<Value, Value> {
      at(builder);
      LaneIndex a = math.uniform(kernel.constant(0)), b = a;
      for (auto [i, index] : llvm::enumerate(math.delinearize(batch, layout.batchDims))) {
        a = math.add(a, math.mul(index, layout.lhsBatch[i]));
        b = math.add(b, math.mul(index, layout.rhsBatch[i]));
      }
      builder.restoreInsertionPoint(kernel.builder.saveInsertionPoint());
      return {a.base, b.base};
    };
  spec.store = [&, at](OpBuilder &builder, Location loc, Value b, Value m, Value n, Value sums,
                       Value mask) {
    at(builder);
    auto vector = dyn_cast<VectorType>(sums.getType());
    int64_t lanes = vector ? vector.getNumElements() : 1;
    ElementEmitter emitter(kernel.builder, loc, kernel.env, lanes);
    emitter.setOverride(dot.getResult(), [&](llvm::ArrayRef<LaneIndex>) {
      return Element{sums, lanes == 1};
    });
    emitter.setMask(mask);
    Index index;
    for (auto [dims, flat] : {std::pair(&layout.batchDims, b), std::pair(&layout.mDims, m)})
      if (!dims->empty())
        llvm::append_range(index, emitter.math().delinearize(flat, *dims));
    LaneIndex rest{n, lanes == 1 ? 0 : 1, {}};
    size_t first = index.size();
    index.resize(first + layout.nDims.size());
    for (size_t d = layout.nDims.size(); d-- > 0;) {
      index[first + d] = d == 0 ? rest : emitter.math().mod(rest, layout.nDims[d]);
      rest = emitter.math().floorDiv(rest, layout.nDims[d]);
    }
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    llvm::SmallVector<Element> elements;
    for (Value value : values)
      elements.push_back(emitter.emit(value, index));
    // Results are contiguous along the flattened columns.
    Value row = kernel.add(kernel.mul(kernel.add(kernel.mul(b, spec.m), m), spec.n), n);
    for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
      emitter.memory().storeVector(emitter.memory().asVector(element), buffer.elementType,
                                   buffer.pointer, row, mask, false);
    builder.restoreInsertionPoint(kernel.builder.saveInsertionPoint());
  };
  Value scratch = kernel.offsetBytes(
      kernel.workspaces.front(),
      kernel.mul(kernel.worker, kernel.constant(contractionScratchBytes(tiles))));
  // Size values must exist at the entry before loops are opened around the insertion point.
  emitContraction(kernel.builder, kernel.loc, spec, tiles, kernel.begin, kernel.end, scratch);
}

} // namespace sinter::cpu
