// SPDX-License-Identifier: Apache-2.0
// The second launch of rows with columns: a block takes 32 columns, and each of its warps some of
// the units; the first warp combines what they found, in their order.
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/EmitRow.h"
#include "sinter/codegen/cuda/RowReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::Role;

namespace sinter::cuda {

namespace {

class ColumnEmitter : BlockEmitter {
public:
  ColumnEmitter(const KernelRequest &request, int64_t threads)
      : BlockEmitter(request), warps(threads / warp) {
    for (Operation *column : analysis.columns)
      columns.push_back(Reducer::of(builder, column, 1));
  }

  BlockKernel run() {
    Shape reduced = analysis.reducedShape();
    llvm::SmallVector<DimExpr> dims(reduced.begin(), reduced.end());
    Value size = sizes->get(product(dims)), width = constant(warp);
    Value units = sizes->get(plan.columnUnits);
    for (size_t number = 0; number < columns.size(); ++number)
      slots.push_back(array(slotType(columns[number].stateTypes()), warps * warp, "slots",
                            /*isShared=*/true));
    Value thread = position("thread");
    Value lane = arith::RemUIOp::create(builder, loc, thread, width);
    Value slice = arith::DivUIOp::create(builder, loc, thread, width);
    loop(mul(position("block"), width), size, mul(position("blocks"), width), {},
         [&](Value base, ValueRange) {
           Value column = add(base, lane);
           Value inside =
               arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, column, size);
           when(inside, [&] { addUnits(column, slice, units, size, thread); });
           callTemplate("__syncthreads", "", {}, Type());
           Value isFirst =
               arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, slice, zero);
           when(arith::AndIOp::create(builder, loc, inside, isFirst), [&] {
             combineSlices(lane);
             write(elements->math().delinearize(column, dims));
           });
           callTemplate("__syncthreads", "", {}, Type());
           return Values();
         });
    return finish();
  }

private:
  static constexpr int64_t warp = 32;

  Value constant(int64_t value) { return elements->math().constant(value); }
  Type stateType(size_t number) { return columns[number].stateTypes().front(); }

  void when(Value condition, llvm::function_ref<void()> body) {
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  /// A warp's units, every so manyth.
  void addUnits(Value column, Value slice, Value units, Value size, Value thread) {
    constexpr int64_t inFlight = 8;
    Values state;
    for (Reducer &reducer : columns)
      llvm::append_range(state, reducer.initial());
    state = loop(slice, units, constant(warps), state, [&](Value unit, ValueRange carried) {
      Operation *loop = cast<BlockArgument>(unit).getOwner()->getParentOp();
      loop->setAttr("hint", builder.getStringAttr("unit"));
      loop->setAttr("unroll", builder.getI64IntegerAttr(inFlight));
      Values next;
      Value at = add(mul(unit, size), column);
      for (auto [number, reducer] : llvm::enumerate(columns)) {
        Value partial = elements->memory().loadScalar(workspaces[number], stateType(number), at);
        llvm::append_range(next, reducer.merge(carried.slice(number, 1), partial));
      }
      return next;
    });
    for (auto [number, value] : llvm::enumerate(state))
      elements->memory().storeScalar(widened(value), slotElement(number), slots[number], thread);
  }

  Type slotElement(size_t number) { return slotType(columns[number].stateTypes()); }
  Value widened(Value value) {
    Type wanted = slotType(TypeRange(value.getType()));
    return wanted == value.getType() ? value
                                     : Value(arith::ExtSIOp::create(builder, loc, wanted, value));
  }
  Value narrowed(Value value, Type type) {
    return type == value.getType() ? value
                                   : Value(arith::TruncIOp::create(builder, loc, type, value));
  }

  void combineSlices(Value lane) {
    for (auto [number, reducer] : llvm::enumerate(columns)) {
      Values state;
      for (int64_t slice = 0; slice < warps; ++slice) {
        Value next = narrowed(elements->memory().loadScalar(slots[number], slotElement(number),
                                                            add(lane, constant(slice * warp))),
                              stateType(number));
        if (slice == 0)
          state = {next};
        else
          state = Values(reducer.merge(state, next));
      }
      Value result = analysis.columns[number]->getResult(0);
      Value total = reducer.finish(state, ir::tensorType(result).getElementType());
      elements->setOverride(result, [total](llvm::ArrayRef<LaneIndex>) {
        return Element{total, true};
      });
    }
  }

  void write(const Index &index) {
    Values values;
    for (Value value : outputValues)
      values.push_back(analysis.roles.lookup(value) == Role::Column
                           ? elements->emit(value, index).value
                           : Value());
    for (auto [value, buffer] : llvm::zip(values, outputs))
      if (value)
        store(buffer, index, {}, value);
    for (Operation *column : analysis.columns)
      elements->clearOverride(column->getResult(0));
  }

  int64_t warps;
  llvm::SmallVector<Reducer> columns;
  llvm::SmallVector<Value> slots;
};

} // namespace

KernelSource emitRowColumns(const KernelRequest &request) {
  BlockKernel kernel =
      ColumnEmitter(request, request.plan.stages[request.stage].grid.threads).run();
  return printKernel(kernel, request, "columns, 32 a block, whose partial sums are combined");
}

} // namespace sinter::cuda
