// SPDX-License-Identifier: Apache-2.0
// Contraction form: the generated matmul, with everything that follows it applied to the sums in
// registers, or to whole rows of them in scratch.
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/codegen/cpu/EmitRow.h"
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/passes/ContractionDims.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

/// Sums of integers are wider than what they are stored as.
static Value cutOff(OpBuilder &builder, Location loc, Value sums, Type element) {
  if (getElementTypeOrSelf(sums.getType()) == element)
    return sums;
  Type type = element;
  if (auto vector = dyn_cast<VectorType>(sums.getType()))
    type = vector.clone(element);
  return arith::TruncIOp::create(builder, loc, type, sums);
}

/// Indices along the dims of a group: uniform, or with lanes that run along the flat index.
static void appendGroup(Index &index, IndexMath &math, llvm::ArrayRef<DimExpr> dims,
                        LaneIndex flat) {
  size_t first = index.size();
  index.resize(first + dims.size());
  for (size_t d = dims.size(); d-- > 0;) {
    index[first + d] = d == 0 ? flat : math.mod(flat, dims[d]);
    flat = math.floorDiv(flat, dims[d]);
  }
}

void emitContractionKernel(KernelFunction &kernel, unsigned stage) {
  if (stage > 0)
    return emitColumnsBehind(kernel);
  auto dot = cast<ir::DotGeneralOp>(kernel.plan.analysis.anchors.front());
  const ContractionLayout layout = *contractionLayout(dot);
  const ContractionTiles &tiles = kernel.plan.schedule.tiles;
  IndexMath math(kernel.builder, kernel.loc, *kernel.env.sizes, 1);

  ContractionSpec spec;
  auto registerOf = [&](DType dtype) {
    return ir::registerType(ir::toElementType(kernel.builder.getContext(), dtype));
  };
  spec.elementType = registerOf(passes::sumDType(ir::tensorType(dot.getLhs()).getDType()));
  spec.batch = kernel.size(layout.batch);
  spec.m = kernel.size(layout.m);
  spec.n = kernel.size(layout.n);
  spec.k = kernel.size(layout.k);
  spec.aStrideM = kernel.size(layout.lhsM);
  spec.aStrideK = kernel.size(layout.lhsK);
  spec.bStrideK = kernel.size(layout.rhsK);
  spec.bStrideN = kernel.size(layout.rhsN);
  if (tiles.panel) {
    spec.bStrideK = kernel.constant(tiles.panel);
    spec.bStrideN = kernel.constant(1);
  }
  const passes::ContractionOperand a = memoryOf(kernel.fused, dot.getLhs()),
                                   b = memoryOf(kernel.fused, dot.getRhs());
  // Integers have no sign in kernels; 16-bit floats keep their type in memory.
  auto storedType = [&](DType dtype) {
    return isFloat(dtype) ? ir::toElementType(kernel.builder.getContext(), dtype)
                          : registerOf(dtype);
  };
  if (a.memory) {
    spec.a = kernel.env.buffers.lookup(a.memory).pointer;
    spec.aType = storedType(a.dtype);
    spec.aUnsigned = isUnsigned(a.dtype);
  }
  if (b.memory) {
    spec.b = kernel.env.buffers.lookup(b.memory).pointer;
    spec.bType = storedType(b.dtype);
    spec.bUnsigned = isUnsigned(b.dtype);
  }
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
  // Elements of a computed operand.
  auto compute = [&, at](OpBuilder &builder, Location loc, Value operand, Index index, Value mask) {
    at(builder);
    ElementEmitter emitter(kernel.builder, loc, kernel.env, tiles.lanes);
    emitter.setMask(mask);
    Value value = emitter.memory().asVector(emitter.emit(operand, index));
    DType dtype = ir::tensorType(operand).getDType();
    if (auto type = VectorType::get({tiles.lanes}, spec.elementType); value.getType() != type)
      value = isUnsigned(dtype) ? Value(arith::ExtUIOp::create(kernel.builder, loc, type, value))
                                : Value(arith::ExtSIOp::create(kernel.builder, loc, type, value));
    builder.restoreInsertionPoint(kernel.builder.saveInsertionPoint());
    return value;
  };
  auto operandIndex = [&, at](OpBuilder &builder, bool isLeft, Value batch, LaneIndex free,
                              LaneIndex contract) {
    at(builder);
    IndexMath lanes(kernel.builder, kernel.loc, *kernel.env.sizes, tiles.lanes);
    Index groups;
    llvm::append_range(groups, lanes.delinearize(batch, layout.batchDims));
    appendGroup(groups, lanes, isLeft ? layout.mDims : layout.nDims, free);
    appendGroup(groups, lanes, layout.kDims, contract);
    // From [batch, free, contract] to the operand's own order.
    llvm::SmallVector<int64_t> order = layout.operandOrder(dot, isLeft);
    Index index(groups.size());
    for (auto [i, d] : llvm::enumerate(order))
      index[static_cast<size_t>(d)] = groups[i];
    builder.restoreInsertionPoint(kernel.builder.saveInsertionPoint());
    return index;
  };
  if (!a.memory)
    spec.loadA = [&](OpBuilder &builder, Location loc, Value batch, Value m, Value k, Value mask) {
      const bool alongM = layout.lhsM.constant() == 1 && layout.lhsK.constant() != 1;
      Index index =
          operandIndex(builder, true, batch, {m, alongM ? 1 : 0, {}}, {k, alongM ? 0 : 1, {}});
      return compute(builder, loc, dot.getLhs(), index, mask);
    };
  if (!b.memory)
    spec.loadB = [&](OpBuilder &builder, Location loc, Value batch, Value k, Value n, Value mask) {
      Index index = operandIndex(builder, false, batch, {n, 1, {}}, {k, 0, {}});
      return compute(builder, loc, dot.getRhs(), index, mask);
    };
  spec.store = [&, at](OpBuilder &builder, Location loc, Value b, Value m, Value n, Value sums,
                       Value mask) {
    at(builder);
    auto vector = dyn_cast<VectorType>(sums.getType());
    int64_t lanes = vector ? vector.getNumElements() : 1;
    sums = cutOff(kernel.builder, loc, sums, registerOf(dot.getType().getDType()));
    ElementEmitter emitter(kernel.builder, loc, kernel.env, lanes);
    emitter.setOverride(dot.getResult(), [&](llvm::ArrayRef<LaneIndex>) {
      return Element{sums, lanes == 1};
    });
    emitter.setMask(mask);
    Index index;
    for (auto [dims, flat] : {std::pair(&layout.batchDims, b), std::pair(&layout.mDims, m)})
      if (!dims->empty())
        llvm::append_range(index, emitter.math().delinearize(flat, *dims));
    appendGroup(index, emitter.math(), layout.nDims, {n, lanes == 1 ? 0 : 1, {}});
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
  if (kernel.plan.analysis.hasRowsBehind())
    spec.storeRows = [&, at](OpBuilder &builder, Location, Value unit, Value b, Value m, Value n,
                             Value rows, Value sums, int64_t pitch) {
      at(builder);
      RowSums of{unit,
                 kernel.add(kernel.mul(b, spec.m), m),
                 kernel.constant(1),
                 rows,
                 sums,
                 pitch,
                 spec.elementType};
      if (auto width = rowTileBehind(kernel.plan.analysis, layout)) { // Tiles of a row follow it.
        of.step = kernel.constant(*layout.n.constant() / *width);
        of.first = kernel.add(
            kernel.mul(of.first, of.step),
            arith::DivUIOp::create(kernel.builder, kernel.loc, n, kernel.constant(*width)));
      }
      emitRowsBehind(kernel, of);
      builder.restoreInsertionPoint(kernel.builder.saveInsertionPoint());
    };
  Value scratch = kernel.offsetBytes(
      kernel.workspaces.back(),
      kernel.mul(kernel.worker, kernel.constant(contractionScratchBytes(tiles))));
  // Size values must exist at the entry before loops are opened around the insertion point.
  emitContraction(kernel.builder, kernel.loc, spec, tiles, kernel.begin, kernel.end, scratch);
}

} // namespace sinter::cpu
