// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/SizeEmitter.h"

#include "sinter/ir/base/Error.h"

#include "llvm/IR/Function.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace sinter::cpu {

namespace {

[[noreturn]] void failUnknown(const std::string &symbol) {
  throw Error({.kind = ErrorKind::Internal},
              "a size refers to '" + symbol + "', which the program does not declare");
}

Value *entry(IRBuilder<> &builder, Value *table, uint64_t index) {
  return builder.CreateConstInBoundsGEP1_64(builder.getInt64Ty(), table, index);
}

/// Arithmetic of size expressions: operands and results are i64. With `overflow`, every operation
/// that has no result sets it and yields some value; no operation traps.
class Arithmetic {
public:
  Arithmetic(IRBuilder<> &builder, bool checked) : builder(builder) {
    if (checked)
      overflow = builder.getFalse();
  }

  Value *emit(const DimExpr &expression, std::function<Value *(const std::string &)> symbol) {
    DimExpr::Folder<Value *> folder;
    folder.constant = [this](int64_t value) { return constant(value); };
    folder.symbol = std::move(symbol);
    folder.add = [this](Value *a, Value *b) { return sum(a, b); };
    folder.mul = [this](Value *a, Value *b) { return product(a, b); };
    folder.floorDiv = [this](Value *a, Value *b) { return quotient(a, b, -1); };
    folder.ceilDiv = [this](Value *a, Value *b) { return quotient(a, b, 1); };
    folder.max = [this](Value *a, Value *b) {
      return builder.CreateSelect(builder.CreateICmpSGT(a, b), a, b);
    };
    return expression.fold(folder);
  }

  void failIf(Value *condition) {
    if (overflow)
      overflow = builder.CreateOr(overflow, condition);
  }
  Value *hasFailed() const { return overflow; }

private:
  Value *constant(int64_t value) { return builder.getInt64(static_cast<uint64_t>(value)); }

  Value *sum(Value *a, Value *b) {
    return overflow ? checked(Intrinsic::sadd_with_overflow, a, b) : builder.CreateNSWAdd(a, b);
  }
  Value *product(Value *a, Value *b) {
    return overflow ? checked(Intrinsic::smul_with_overflow, a, b) : builder.CreateNSWMul(a, b);
  }
  Value *checked(Intrinsic::ID operation, Value *a, Value *b) {
    Value *pair = builder.CreateBinaryIntrinsic(operation, a, b);
    failIf(builder.CreateExtractValue(pair, 1));
    return builder.CreateExtractValue(pair, 0);
  }

  /// Truncating division, corrected by `step` where the exact quotient lies on that side.
  Value *quotient(Value *a, Value *b, int64_t step) {
    Value *divisor = b;
    auto *known = dyn_cast<ConstantInt>(b);
    if (!known || known->getSExtValue() <= 0) {
      Value *isUndefined =
          builder.CreateOr(builder.CreateICmpEQ(b, constant(0)),
                           builder.CreateAnd(builder.CreateICmpEQ(a, constant(INT64_MIN)),
                                             builder.CreateICmpEQ(b, constant(-1))));
      failIf(isUndefined);
      divisor = builder.CreateSelect(isUndefined, constant(1), b);
    }
    Value *truncated = builder.CreateSDiv(a, divisor);
    Value *remainder = builder.CreateSub(a, builder.CreateMul(truncated, divisor));
    Value *isInexact = builder.CreateICmpNE(remainder, constant(0));
    Value *isNegative = builder.CreateICmpSLT(builder.CreateXor(a, divisor), constant(0));
    Value *needsStep =
        builder.CreateAnd(isInexact, step < 0 ? isNegative : builder.CreateNot(isNegative));
    return builder.CreateSelect(needsStep, builder.CreateAdd(truncated, constant(step)), truncated);
  }

  IRBuilder<> &builder;
  Value *overflow = nullptr;
};

Function *createFunction(Module &module, IRBuilder<> &builder, const std::string &name,
                         ArrayRef<Type *> parameters) {
  auto *type = FunctionType::get(builder.getInt64Ty(), parameters, false);
  Function *function = Function::Create(type, GlobalValue::ExternalLinkage, name, module);
  function->setDoesNotThrow();
  builder.SetInsertPoint(BasicBlock::Create(module.getContext(), "entry", function));
  return function;
}

} // namespace

SizeEmitter::SizeEmitter(IRBuilder<> &builder, const Program &program, Value *table)
    : builder(builder), table(table) {
  for (const std::string &dim : program.dims)
    entries.emplace(DimExpr::symbol(dim), entries.size());
  size_t index = program.dims.size();
  for (const DimExpr &expression : program.table)
    entries.emplace(expression, index++);
}

Value *SizeEmitter::value(const DimExpr &expression) {
  if (auto constant = expression.constant())
    return builder.getInt64(static_cast<uint64_t>(*constant));
  auto load = [this](size_t index) {
    return builder.CreateLoad(builder.getInt64Ty(), entry(builder, table, index));
  };
  if (auto found = entries.find(expression); found != entries.end())
    return load(found->second);
  return Arithmetic(builder, /*checked=*/false)
      .emit(expression, [&](const std::string &symbol) -> Value * {
        auto found = entries.find(DimExpr::symbol(symbol));
        if (found == entries.end())
          failUnknown(symbol);
        return load(found->second);
      });
}

void buildSizesFunction(Module &module, const Program &program, const std::string &name) {
  IRBuilder<> builder(module.getContext());
  Type *pointer = builder.getPtrTy(), *i64 = builder.getInt64Ty();
  Function *sizes = createFunction(module, builder, name, {pointer, i64, pointer});
  Value *dims = sizes->getArg(0), *workers = sizes->getArg(1), *table = sizes->getArg(2);
  Arithmetic arithmetic(builder, /*checked=*/true);
  arithmetic.failIf(builder.CreateICmpSLT(workers, builder.getInt64(1)));
  std::map<std::string, Value *> values = {{workersSymbol, workers}};
  uint64_t input = 0, output = 0;
  for (const std::string &dim : program.dims) {
    Value *&value = values[dim];
    if (!value) {
      value = builder.CreateLoad(i64, entry(builder, dims, input++));
      arithmetic.failIf(builder.CreateICmpSLT(value, builder.getInt64(0)));
    }
    builder.CreateStore(value, entry(builder, table, output++));
  }
  for (const DimExpr &expression : program.table) {
    Value *value = arithmetic.emit(expression, [&](const std::string &symbol) -> Value * {
      auto found = values.find(symbol);
      if (found == values.end())
        failUnknown(symbol);
      return found->second;
    });
    arithmetic.failIf(builder.CreateICmpSLT(value, builder.getInt64(0)));
    builder.CreateStore(value, entry(builder, table, output++));
  }
  builder.CreateRet(builder.CreateZExt(arithmetic.hasFailed(), i64));
}

void buildArenaBytesFunction(Module &module, const Program &program, const std::string &name) {
  IRBuilder<> builder(module.getContext());
  Function *arena = createFunction(module, builder, name, {builder.getPtrTy()});
  SizeEmitter entries(builder, program, arena->getArg(0));
  Arithmetic arithmetic(builder, /*checked=*/true);
  Value *bytes = arithmetic.emit(program.arenaBytes, [&](const std::string &symbol) {
    return entries.value(DimExpr::symbol(symbol));
  });
  builder.CreateRet(builder.CreateSelect(arithmetic.hasFailed(),
                                         builder.getInt64(static_cast<uint64_t>(-1)), bytes));
}

} // namespace sinter::cpu
