// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/BlockEmitter.h"

#include "sinter/codegen/cuda/IndexRanges.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cuda {

BlockEmitter::BlockEmitter(const KernelRequest &request)
    : fused(request.fused), bufferNames(request.bufferNames), plan(request.plan),
      blockThreads(plan.stages[request.stage].grid.threads), analysis(plan.analysis),
      module(ModuleOp::create(fused->getLoc())), builder(fused.getContext()),
      loc(NameLoc::get(builder.getStringAttr("index"))) {
  builder.setInsertionPointToStart(module->getBody());
  Block &body = fused.getBody().front();
  outputValues = body.getTerminator()->getOperands();
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  llvm::SmallVector<Type> types(
      body.getNumArguments() + outputValues.size() + plan.workspaces.size() + 2, pointer);
  function =
      func::FuncOp::create(builder, fused.getLoc(), "kernel", builder.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  unsigned number = 0;
  for (BlockArgument arg : body.getArguments()) {
    auto tensor = ir::tensorType(arg);
    env.buffers[arg] = {entry->getArgument(number++), tensor.getElementType(), tensor.getShape()};
  }
  for (Value value : outputValues) {
    auto tensor = ir::tensorType(value);
    outputs.push_back({entry->getArgument(number++), tensor.getElementType(), tensor.getShape()});
  }
  for (size_t i = 0; i < plan.workspaces.size(); ++i)
    workspaces.push_back(entry->getArgument(number++));
  Value table = entry->getArgument(number++);
  env.status = entry->getArgument(number);
  env.site = request.site;
  // Sizes come before everything else; this op marks the place.
  zero = arith::ConstantIntOp::create(builder, loc, 0, 64);
  sizes = std::make_unique<SizeTable>(table, request.dims, zero.getDefiningOp());
  env.sizes = sizes.get();
  elements = std::make_unique<ElementEmitter>(builder, loc, env, 1);
}

BlockKernel BlockEmitter::finish() {
  func::ReturnOp::create(builder, fused.getLoc());
  return {std::move(module), function, loc};
}

Value BlockEmitter::call(const std::string &name, ValueRange arguments, Type result) {
  if (!module->lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module->getBody());
    auto type = builder.getFunctionType(arguments.getTypes(), result);
    func::FuncOp::create(builder, loc, name, type).setPrivate();
  }
  return func::CallOp::create(builder, loc, name, result, arguments).getResult(0);
}

Value BlockEmitter::position(llvm::StringRef what, std::optional<int64_t> most) {
  Value value = call(what.str(), {}, builder.getI64Type());
  if (what == "thread")
    most = blockThreads - 1;
  if (most)
    value.getDefiningOp()->setAttr(mostAttribute, builder.getI64IntegerAttr(*most));
  return value;
}

Value BlockEmitter::named(Value value, llvm::StringRef hint) {
  Operation *op = value.getDefiningOp();
  if (op && !matchPattern(value, m_Constant()))
    op->setAttr("hint", builder.getStringAttr(hint));
  return value;
}

Value BlockEmitter::add(Value a, Value b) { return builder.createOrFold<arith::AddIOp>(loc, a, b); }
Value BlockEmitter::mul(Value a, Value b) { return builder.createOrFold<arith::MulIOp>(loc, a, b); }

BlockEmitter::Values BlockEmitter::loop(Value low, Value high, Value step, ValueRange carried,
                                        llvm::function_ref<Values(Value, ValueRange)> body,
                                        llvm::StringRef hint) {
  auto op = scf::ForOp::create(builder, loc, low, high, step, carried);
  op->setAttr("unroll", builder.getI64IntegerAttr(1));
  if (!hint.empty())
    op->setAttr("hint", builder.getStringAttr(hint));
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    op.getBody()->getTerminator()->erase();
  builder.setInsertionPointToEnd(op.getBody());
  ElementEmitter::Scope scope(*elements);
  Values results = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(builder, loc, results);
  return Values(op.getResults());
}

void BlockEmitter::overlap(Value index, int64_t count) {
  cast<BlockArgument>(index).getOwner()->getParentOp()->setAttr("unroll",
                                                                builder.getI64IntegerAttr(count));
}

BlockEmitter::Values BlockEmitter::unrolled(int64_t count, llvm::StringRef hint, ValueRange carried,
                                            llvm::function_ref<Values(Value, ValueRange)> body) {
  if (count == 1) {
    ElementEmitter::Scope scope(*elements);
    return body(zero, carried);
  }
  Value one = elements->math().constant(1), high = elements->math().constant(count);
  auto op = scf::ForOp::create(builder, loc, zero, high, one, carried);
  op->setAttr("unroll", builder.getUnitAttr());
  op->setAttr("hint", builder.getStringAttr(hint));
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    op.getBody()->getTerminator()->erase();
  builder.setInsertionPointToEnd(op.getBody());
  ElementEmitter::Scope scope(*elements);
  Values results = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(builder, loc, results);
  return Values(op.getResults());
}

Value BlockEmitter::array(Type elementType, int64_t count, llvm::StringRef hint, bool isShared) {
  constexpr unsigned sharedSpace = 3;
  // What storage calls for is told by the type (codegen/Memory.h); signs are not.
  if (isa<IntegerType>(elementType))
    elementType = ir::registerType(elementType);
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext(), isShared ? sharedSpace : 0);
  auto made =
      LLVM::AllocaOp::create(builder, loc, pointer, elementType, elements->math().constant(count));
  made->setAttr("hint", builder.getStringAttr(hint));
  return made;
}

Value BlockEmitter::callTemplate(llvm::StringRef function, const std::string &templateArguments,
                                 ValueRange arguments, Type result, llvm::StringRef hint) {
  std::string name = function.str() + "." + templateArguments;
  llvm::raw_string_ostream stream(name);
  for (Type type : arguments.getTypes())
    stream << "." << type;
  TypeRange results = result ? TypeRange(result) : TypeRange();
  if (!module->lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module->getBody());
    auto type = builder.getFunctionType(arguments.getTypes(), results);
    func::FuncOp::create(builder, loc, name, type).setPrivate();
  }
  auto call = func::CallOp::create(builder, loc, name, results, arguments);
  if (!templateArguments.empty())
    call->setAttr("template", builder.getStringAttr(templateArguments));
  if (!hint.empty())
    call->setAttr("hint", builder.getStringAttr(hint));
  return result ? call.getResult(0) : Value();
}

DimExpr BlockEmitter::product(llvm::ArrayRef<DimExpr> dims) {
  DimExpr count = 1;
  for (const DimExpr &size : dims)
    count *= size;
  return count;
}

void BlockEmitter::setPoint(Index index, Value flat) {
  point = std::move(index);
  for (BlockArgument arg : fused.getBody().front().getArguments()) {
    const BufferRef &buffer = env.buffers[arg];
    elements->clearOverride(arg);
    if (buffer.shape != analysis.domain || !flat)
      continue;
    elements->setOverride(
        arg, [this, arg, buffer, flat](llvm::ArrayRef<LaneIndex> index) -> Element {
          bool same = llvm::equal(index, point, [](const LaneIndex &a, const LaneIndex &b) {
            return a.base == b.base;
          });
          if (!same)
            return {};
          return {readPoint
                      ? readPoint(arg, buffer)
                      : elements->memory().loadScalar(buffer.pointer, buffer.elementType, flat),
                  true};
        });
  }
}

void BlockEmitter::store(const BufferRef &buffer, llvm::ArrayRef<LaneIndex> index, Value flat,
                         Value value) {
  Value offset = flat && buffer.shape == analysis.domain
                     ? flat
                     : elements->math().linearize(index, buffer.shape).base;
  elements->memory().storeScalar(value, buffer.elementType, buffer.pointer, offset);
}

void BlockEmitter::storeFull(Value flat) {
  Values values;
  for (Value value : outputValues)
    values.push_back(isKept(value) ? Value() : elements->emit(value, point).value);
  for (auto [value, buffer] : llvm::zip(values, outputs))
    if (value)
      store(buffer, point, flat, value);
}

bool BlockEmitter::isKept(Value value) const {
  auto role = analysis.roles.find(value);
  return role != analysis.roles.end() && role->second == Role::Kept;
}

} // namespace sinter::cuda
