// SPDX-License-Identifier: Apache-2.0
// Scatter form: a unit is a block of columns of the result. It starts from zero and takes every
// update in order, so duplicates add up in the same order on any number of threads.
#include "sinter/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

void emitScatter(KernelFunction &kernel) {
  Operation *anchor = kernel.plan.analysis.anchors.front();
  ir::Indexing indexing = cast<ir::IndexedOpInterface>(anchor).getIndexing();
  const Schedule &schedule = kernel.plan.schedule;
  const Shape &result = kernel.plan.analysis.domain;
  llvm::SmallVector<DimExpr> columns(result.begin() + 1, result.end());
  llvm::SmallVector<DimExpr> updates(indexing.ranges.begin(),
                                     indexing.ranges.end() - static_cast<long>(columns.size()));
  DimExpr numColumns = 1, numUpdates = 1;
  for (const DimExpr &size : columns)
    numColumns *= size;
  for (const DimExpr &size : updates)
    numUpdates *= size;

  OpBuilder &builder = kernel.builder;
  Location loc = kernel.loc;
  ElementEmitter emitter(builder, loc, kernel.env, schedule.lanes);
  Memory &memory = emitter.memory();
  const BufferRef &out = kernel.outputs.front();
  Value width = kernel.size(numColumns);
  kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
    Value low = kernel.mul(unit, kernel.constant(schedule.block));
    Value high = kernel.minimum(kernel.add(low, kernel.constant(schedule.block)), width);
    Value zero = arith::ConstantOp::create(builder, loc,
                                           builder.getZeroAttr(ir::registerType(out.elementType)));
    Value zeros = memory.splat(zero);
    kernel.loop(kernel.constant(0), kernel.size(result[0]), 1, {}, [&](Value row, ValueRange) {
      Value base = kernel.mul(row, width);
      kernel.vectorLoop(low, high, schedule.lanes, 1, {},
                        [&](Value column, Value mask, ValueRange) {
                          memory.storeVector(zeros, out.elementType, out.pointer,
                                             kernel.add(base, column), mask, false);
                          return KernelFunction::Values();
                        });
      return KernelFunction::Values();
    });
    kernel.loop(kernel.constant(0), kernel.size(numUpdates), 1, {}, [&](Value update, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      Index index = emitter.math().delinearize(update, updates);
      Index whole = index;
      whole.append(columns.size(), emitter.math().uniform(kernel.constant(0)));
      Value valid;
      Index target =
          emitter.positions(anchor, llvm::ArrayRef(indexing.scatter).take_front(1), whole, valid);
      auto branch = scf::IfOp::create(builder, loc, valid, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(branch.thenBlock());
      Value base = kernel.mul(target.front().base, width);
      kernel.vectorLoop(
          low, high, schedule.lanes, 1, {}, [&](Value column, Value mask, ValueRange) {
            ElementEmitter::Scope inner(emitter);
            Index at = index;
            LaneIndex rest{column, schedule.lanes == 1 ? 0 : 1, {}};
            at.resize(index.size() + columns.size());
            for (size_t d = columns.size(); d-- > 0;) {
              at[index.size() + d] = d == 0 ? rest : emitter.math().mod(rest, columns[d]);
              rest = emitter.math().floorDiv(rest, columns[d]);
            }
            emitter.setMask(mask);
            Value offset = kernel.add(base, column);
            Value added = memory.asVector(
                emitter.emit(anchor->getOperand(indexing.accesses.front().operand), at));
            Value old = memory.loadVector(out.pointer, out.elementType, offset, mask);
            Value sum = isa<FloatType>(out.elementType)
                            ? Value(arith::AddFOp::create(builder, loc, old, added))
                            : Value(arith::AddIOp::create(builder, loc, old, added));
            memory.storeVector(sum, out.elementType, out.pointer, offset, mask, false);
            emitter.setMask({});
            return KernelFunction::Values();
          });
      return KernelFunction::Values();
    });
    return KernelFunction::Values();
  });
}

} // namespace sinter::cpu
