// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/TranslateKernel.h"

#include "sinter/codegen/cpu/KernelTranslation.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace sinter::cpu {

namespace {

const TranslationTable &translations() {
  static const TranslationTable table = [] {
    TranslationTable rows;
    addArithmetic(rows);
    addVectorsAndMemory(rows);
    addControlFlow(rows);
    return rows;
  }();
  return table;
}

/// Values that come from several blocks, or in turn from a loop's body.
SmallVector<llvm::Value *> joined(KernelTranslation &t, ValueRange like, unsigned sources) {
  SmallVector<llvm::Value *> phis;
  for (Value value : like)
    phis.push_back(t.builder.CreatePHI(t.type(value.getType()), sources));
  return phis;
}

void join(ArrayRef<llvm::Value *> phis, ArrayRef<llvm::Value *> values, llvm::BasicBlock *from) {
  for (auto [phi, value] : llvm::zip_equal(phis, values))
    llvm::cast<llvm::PHINode>(phi)->addIncoming(value, from);
}

bool knowsTypes(KernelTranslation &t, TypeRange types) {
  return llvm::all_of(types, [&](Type type) { return t.type(type) != nullptr; });
}

bool translateFor(KernelTranslation &t, Operation *op) {
  auto loop = cast<scf::ForOp>(op);
  if (!knowsTypes(t, loop->getResultTypes()))
    return false;
  llvm::IRBuilder<> &b = t.builder;
  llvm::Value *first = t[loop.getLowerBound()], *end = t[loop.getUpperBound()],
              *step = t[loop.getStep()];
  SmallVector<llvm::Value *> inits = t.all(loop.getInitArgs());

  llvm::BasicBlock *before = b.GetInsertBlock(), *body = t.looseBlock(), *after = t.looseBlock();
  llvm::BasicBlock *header = t.startBlock();
  llvm::PHINode *index = b.CreatePHI(first->getType(), 2);
  SmallVector<llvm::Value *> carried = joined(t, loop.getRegionIterArgs(), 2);
  index->addIncoming(first, before);
  join(carried, inits, before);
  b.CreateCondBr(
      b.CreateICmp(loop.getUnsignedCmp() ? llvm::CmpInst::ICMP_ULT : llvm::CmpInst::ICMP_SLT, index,
                   end),
      body, after);
  t.set(loop.getInductionVar(), index);
  t.set(loop.getRegionIterArgs(), carried);
  t.set(loop.getResults(), carried);

  t.startBlock(body);
  if (!t.translate(*loop.getBody())) {
    t.startBlock(after); // So that the function owns all of its blocks.
    return false;
  }
  index->addIncoming(b.CreateAdd(index, step), b.GetInsertBlock());
  join(carried, t.all(loop.getBody()->getTerminator()->getOperands()), b.GetInsertBlock());
  b.CreateBr(header);
  t.startBlock(after);
  return true;
}

bool translateIf(KernelTranslation &t, Operation *op) {
  auto branch = cast<scf::IfOp>(op);
  if (!knowsTypes(t, branch->getResultTypes()))
    return false;
  llvm::IRBuilder<> &b = t.builder;
  const bool hasElse = branch.elseBlock() != nullptr;
  llvm::BasicBlock *yes = t.looseBlock(), *after = t.looseBlock(),
                   *no = hasElse ? t.looseBlock() : after;
  b.CreateCondBr(t[branch.getCondition()], yes, no);
  struct Way {
    llvm::BasicBlock *end;
    SmallVector<llvm::Value *> values;
  };
  SmallVector<Way, 2> ways;
  auto follow = [&](llvm::BasicBlock *start, Block &block) {
    t.startBlock(start);
    if (!t.translate(block))
      return false;
    ways.push_back({b.GetInsertBlock(), t.all(block.getTerminator()->getOperands())});
    b.CreateBr(after);
    return true;
  };
  if (!follow(yes, *branch.thenBlock()) || (hasElse && !follow(no, *branch.elseBlock()))) {
    t.startBlock(after);
    if (hasElse && !no->getParent())
      t.startBlock(no);
    return false;
  }
  t.startBlock(after);
  SmallVector<llvm::Value *> results = joined(t, branch.getResults(), 2);
  for (const Way &way : ways)
    join(results, way.values, way.end);
  t.set(branch.getResults(), results);
  return true;
}

bool translateWhile(KernelTranslation &t, Operation *op) {
  auto loop = cast<scf::WhileOp>(op);
  if (!knowsTypes(t, ValueRange(loop.getBeforeArguments()).getTypes()) ||
      !knowsTypes(t, loop->getResultTypes()))
    return false;
  llvm::IRBuilder<> &b = t.builder;
  SmallVector<llvm::Value *> inits = t.all(loop.getInits());
  llvm::BasicBlock *before = b.GetInsertBlock(), *body = t.looseBlock(), *after = t.looseBlock();
  llvm::BasicBlock *header = t.startBlock();
  SmallVector<llvm::Value *> carried = joined(t, loop.getBeforeArguments(), 2);
  join(carried, inits, before);
  t.set(loop.getBeforeArguments(), carried);
  bool known = t.translate(*loop.getBeforeBody());
  if (known) {
    scf::ConditionOp condition = loop.getConditionOp();
    b.CreateCondBr(t[condition.getCondition()], body, after);
    SmallVector<llvm::Value *> passed = t.all(condition.getArgs());
    t.set(loop.getAfterArguments(), passed);
    t.set(loop.getResults(), passed);
  }
  t.startBlock(body);
  known = known && t.translate(*loop.getAfterBody());
  if (known) {
    join(carried, t.all(loop.getYieldOp().getResults()), b.GetInsertBlock());
    b.CreateBr(header);
  }
  t.startBlock(after);
  return known;
}

bool translateCall(KernelTranslation &t, Operation *op) {
  auto call = cast<func::CallOp>(op);
  llvm::Function *callee = t.module.getFunction(call.getCallee());
  if (!callee || call->getNumResults() > 1)
    return false;
  llvm::Value *result = t.builder.CreateCall(callee, t.all(call.getOperands()));
  if (call->getNumResults() == 1)
    t.set(call->getResult(0), result);
  return true;
}

bool translateReturn(KernelTranslation &t, Operation *op) {
  if (op->getNumOperands() == 0)
    t.builder.CreateRetVoid();
  else
    t.builder.CreateRet(t.operand(op, 0));
  return true;
}

/// Its users read the operands of a terminator themselves.
bool translateYield(KernelTranslation &, Operation *) { return true; }

/// Null where something of the signature is unknown.
llvm::Function *declare(KernelTranslation &t, func::FuncOp function) {
  if (function.isExternal() || !function.getBody().hasOneBlock() || function.getNumResults() > 1 ||
      function.getArgAttrsAttr() || function.getResAttrsAttr() || function.getNoInline() ||
      !function->getDiscardableAttrs().empty())
    return nullptr;
  SmallVector<llvm::Type *> inputs;
  for (Type type : function.getArgumentTypes())
    inputs.push_back(t.type(type));
  llvm::Type *result = function.getNumResults() == 0 ? t.builder.getVoidTy()
                                                     : t.type(function.getResultTypes().front());
  if (!result || llvm::is_contained(inputs, nullptr))
    return nullptr;
  return llvm::Function::Create(llvm::FunctionType::get(result, inputs, false),
                                llvm::GlobalValue::ExternalLinkage,
                                llvm::StringRef(function.getName()), t.module);
}

} // namespace

void addControlFlow(TranslationTable &table) {
  addRow<scf::ForOp>(table, translateFor);
  addRow<scf::IfOp>(table, translateIf);
  addRow<scf::WhileOp>(table, translateWhile);
  addRow<scf::YieldOp>(table, translateYield);
  addRow<scf::ConditionOp>(table, translateYield);
  addRow<func::CallOp>(table, translateCall);
  addRow<func::ReturnOp>(table, translateReturn);
}

llvm::Type *KernelTranslation::type(Type type) const {
  llvm::LLVMContext &context = module.getContext();
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.isSignless() ? llvm::Type::getIntNTy(context, integer.getWidth()) : nullptr;
  if (auto vector = dyn_cast<VectorType>(type)) {
    llvm::Type *element = this->type(vector.getElementType());
    return element && vector.getRank() == 1 && !vector.isScalable()
               ? llvm::FixedVectorType::get(element, static_cast<unsigned>(vector.getDimSize(0)))
               : nullptr;
  }
  if (auto pointer = dyn_cast<LLVM::LLVMPointerType>(type))
    return llvm::PointerType::get(context, pointer.getAddressSpace());
  if (type.isF32())
    return llvm::Type::getFloatTy(context);
  if (type.isF64())
    return llvm::Type::getDoubleTy(context);
  if (type.isF16())
    return llvm::Type::getHalfTy(context);
  if (type.isBF16())
    return llvm::Type::getBFloatTy(context);
  return nullptr;
}

llvm::BasicBlock *KernelTranslation::startBlock(llvm::BasicBlock *block) {
  llvm::BasicBlock *current = builder.GetInsertBlock();
  if (!block) {
    block = looseBlock();
    builder.CreateBr(block);
  }
  block->insertInto(current->getParent());
  builder.SetInsertPoint(block);
  return block;
}

bool KernelTranslation::translate(Block &block) {
  for (Operation &op : block) {
    auto row = translations().find(op.getName().getTypeID());
    if (row == translations().end() || !op.getDiscardableAttrDictionary().empty() ||
        !row->second(*this, &op))
      return false;
  }
  return true;
}

std::unique_ptr<llvm::Module> translateKernel(ModuleOp module, llvm::LLVMContext &context) {
  auto translated = std::make_unique<llvm::Module>("kernel", context);
  KernelTranslation t(*translated);
  SmallVector<std::pair<func::FuncOp, llvm::Function *>> functions;
  for (Operation &op : *module.getBody()) {
    auto function = dyn_cast<func::FuncOp>(op);
    llvm::Function *declared = function ? declare(t, function) : nullptr;
    if (!declared)
      return nullptr;
    functions.emplace_back(function, declared);
  }
  for (auto [function, declared] : functions) {
    t.values.clear();
    for (auto [argument, to] : llvm::zip_equal(function.getArguments(), declared->args()))
      t.set(argument, &to);
    t.builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", declared));
    if (!t.translate(function.getBody().front()))
      return nullptr;
  }
  return translated;
}

} // namespace sinter::cpu
