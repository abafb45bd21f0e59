// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/KernelFunction.h"

#include "sinter/codegen/Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

KernelFunction::KernelFunction(ir::FusedOp fused, const KernelPlan &plan, const Options &options)
    : fused(fused), plan(plan), module(ModuleOp::create(fused.getLoc())),
      builder(fused.getContext()), loc(fused.getLoc()), target(options.target) {
  builder.setInsertionPointToStart(module->getBody());
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  Type i64 = builder.getI64Type();
  auto type = builder.getFunctionType({pointer, pointer, pointer, i64, i64, i64}, {});
  auto func = func::FuncOp::create(builder, loc, "kernel", type);
  Block *entry = func.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  Value buffers = entry->getArgument(0), table = entry->getArgument(1);
  env.status = entry->getArgument(2);
  begin = entry->getArgument(3);
  end = entry->getArgument(4);
  worker = entry->getArgument(5);
  env.site = options.site;

  Memory memory(builder, loc, 1);
  int64_t number = 0;
  Value last;
  auto next = [&] {
    Value slot = LLVM::GEPOp::create(builder, loc, pointer, pointer, buffers,
                                     llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(number++)});
    return last = LLVM::LoadOp::create(builder, loc, pointer, slot, 8);
  };
  Block &body = fused.getBody().front();
  for (BlockArgument arg : body.getArguments()) {
    auto tensor = ir::tensorType(arg);
    env.buffers[arg] = {next(), tensor.getElementType(), tensor.getShape()};
  }
  for (Value value : body.getTerminator()->getOperands()) {
    auto tensor = ir::tensorType(value);
    outputs.push_back({next(), tensor.getElementType(), tensor.getShape()});
  }
  for (size_t i = 0; i < plan.workspaces.size(); ++i)
    workspaces.push_back(next());
  sizes = std::make_unique<SizeTable>(table, options.dims, last.getDefiningOp());
  env.sizes = sizes.get();
}

Value KernelFunction::constant(int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 64);
}
Value KernelFunction::add(Value a, Value b) {
  return builder.createOrFold<arith::AddIOp>(loc, a, b);
}
Value KernelFunction::sub(Value a, Value b) {
  return builder.createOrFold<arith::SubIOp>(loc, a, b);
}
Value KernelFunction::mul(Value a, Value b) {
  return builder.createOrFold<arith::MulIOp>(loc, a, b);
}
Value KernelFunction::minimum(Value a, Value b) {
  return builder.createOrFold<arith::MinSIOp>(loc, a, b);
}

Value KernelFunction::offsetBytes(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), builder.getI8Type(), pointer,
                             ValueRange{bytes});
}

Value KernelFunction::workerScratch(size_t number) {
  DimExpr slice = *plan.workspaces[number].dividedExactlyBy(DimExpr::symbol(workersSymbol));
  return offsetBytes(workspaces[number], mul(worker, size(slice)));
}

KernelFunction::Values KernelFunction::loop(Value low, Value high, Value step, ValueRange carried,
                                            LoopBody body) {
  auto op = scf::ForOp::create(builder, loc, low, high, step, carried);
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    op.getBody()->getTerminator()->erase();
  builder.setInsertionPointToEnd(op.getBody());
  Values results = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(builder, loc, results);
  return Values(op.getResults());
}

KernelFunction::Values KernelFunction::loop(Value low, Value high, int64_t step, ValueRange carried,
                                            LoopBody body) {
  llvm::APInt from, to;
  if (matchPattern(low, m_ConstantInt(&from)) && matchPattern(high, m_ConstantInt(&to))) {
    int64_t trips = to.getSExtValue() - from.getSExtValue();
    if (trips <= 0)
      return Values(carried);
    if (trips <= step)
      return body(low, carried);
  }
  return loop(low, high, constant(step), carried, body);
}

KernelFunction::Values KernelFunction::vectorLoop(Value low, Value high, int64_t lanes,
                                                  int64_t unroll, Values carried, VectorBody body) {
  size_t group = carried.size() / static_cast<size_t>(unroll);
  int64_t width = lanes * unroll;
  Value count = sub(high, low);
  Value mainCount = builder.createOrFold<arith::MulIOp>(
      loc, builder.createOrFold<arith::DivUIOp>(loc, count, constant(width)), constant(width));
  Value mainEnd = add(low, mainCount);
  carried = loop(low, mainEnd, width, carried, [&](Value iv, ValueRange state) {
    Values next;
    for (int64_t slot = 0; slot < unroll; ++slot) {
      Value base = add(iv, constant(slot * lanes));
      Values out = body(base, {}, state.slice(static_cast<size_t>(slot) * group, group));
      next.append(out.begin(), out.end());
    }
    return next;
  });
  // What is left, one masked vector at a time, into the first slot.
  Memory memory(builder, loc, lanes);
  Values rest = loop(
      mainEnd, high, lanes, ValueRange(carried).take_front(group),
      [&](Value iv, ValueRange state) { return body(iv, memory.tailMask(sub(high, iv)), state); });
  std::copy(rest.begin(), rest.end(), carried.begin());
  return carried;
}

void KernelFunction::store(ElementEmitter &emitter, const BufferRef &buffer,
                           llvm::ArrayRef<LaneIndex> index, const Element &element, bool stream) {
  LaneIndex offset = emitter.math().linearize(index, buffer.shape);
  emitter.memory().storeVector(emitter.memory().asVector(element), buffer.elementType,
                               buffer.pointer, offset.base, emitter.getMask(), stream);
}

OwningOpRef<ModuleOp> KernelFunction::finish() {
  if (plan.schedule.streamStores)
    LLVM::FenceOp::create(builder, loc, LLVM::AtomicOrdering::seq_cst, "");
  func::ReturnOp::create(builder, loc);
  return std::move(module);
}

OwningOpRef<ModuleOp> emitKernel(ir::FusedOp fused, const KernelPlan &plan, unsigned stage,
                                 const KernelFunction::Options &options) {
  KernelFunction kernel(fused, plan, options);
  switch (plan.analysis.form) {
  case passes::KernelForm::Loop:
    emitLoop(kernel);
    break;
  case passes::KernelForm::Row:
    emitRow(kernel, stage);
    break;
  case passes::KernelForm::Reduce:
    emitReduce(kernel, stage);
    break;
  case passes::KernelForm::Contraction:
    emitContractionKernel(kernel, stage);
    break;
  case passes::KernelForm::Scatter:
    emitScatter(kernel);
    break;
  case passes::KernelForm::Cumulative:
    emitCumulative(kernel, stage);
    break;
  case passes::KernelForm::Sort:
    emitSort(kernel);
    break;
  case passes::KernelForm::Attention:
    emitAttention(kernel, stage);
    break;
  case passes::KernelForm::Convolution:
    emitConvolution(kernel, stage);
    break;
  case passes::KernelForm::Pairs:
    emitPairs(kernel);
    break;
  }
  return kernel.finish();
}

} // namespace sinter::cpu
