// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ZeroQuotients.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace sinter::cpu {

namespace {

constexpr unsigned maxDepth = 8; ///< More than instruction selection looks through.

/// Where it is not known, true.
bool mayHaveZeros(const Constant &constant) {
  auto *type = dyn_cast<FixedVectorType>(constant.getType());
  if (!type)
    return true;
  for (unsigned lane = 0; lane < type->getNumElements(); ++lane) {
    const Constant *element = constant.getAggregateElement(lane);
    if (!element || element->isZeroValue() || isa<UndefValue>(element))
      return true;
  }
  return false;
}

/// Whether instruction selection may know of lanes that they are zero.
bool mayHaveZeros(const Value *value, unsigned depth = maxDepth) {
  if (auto *constant = dyn_cast<Constant>(value))
    return mayHaveZeros(*constant);
  if (depth-- == 0)
    return true;
  auto operand = [&](unsigned i) { return mayHaveZeros(cast<User>(value)->getOperand(i), depth); };
  if (auto *call = dyn_cast<IntrinsicInst>(value)) {
    switch (call->getIntrinsicID()) {
    case Intrinsic::masked_load:
    case Intrinsic::masked_gather:
      return isa<Constant>(call->getArgOperand(1)) && operand(2);
    default:
      return false;
    }
  }
  if (isa<ShuffleVectorInst, InsertElementInst>(value))
    return operand(0) || operand(1);
  if (auto *select = dyn_cast<SelectInst>(value))
    return isa<Constant>(select->getCondition()) ? operand(1) || operand(2)
                                                 : operand(1) && operand(2);
  if (auto *binary = dyn_cast<BinaryOperator>(value))
    return binary->getType()->isFPOrFPVectorTy() ? operand(0) && operand(1)
                                                 : operand(0) || operand(1);
  return isa<CastInst, UnaryOperator, FreezeInst>(value) && operand(0);
}

bool isQuotient(const Instruction &instruction) {
  auto *type = dyn_cast<FixedVectorType>(instruction.getType());
  if (!type || type->getNumElements() < 2)
    return false;
  const bool divides =
      instruction.getOpcode() == Instruction::FDiv || instruction.getOpcode() == Instruction::FRem;
  const Type *element = type->getElementType();
  return divides && (element->isFloatTy() || element->isDoubleTy());
}

/// Whether element 0 of `value` is element 1 of a register, whatever shuffles it has gone through.
bool beginsWithSecond(const Value *value) {
  auto *type = dyn_cast<FixedVectorType>(value->getType());
  if (!type || type->getNumElements() != 8 || !type->getElementType()->isDoubleTy())
    return false;
  int lane = 0;
  for (unsigned depth = 0; depth < maxDepth; ++depth) {
    if (auto *insert = dyn_cast<InsertElementInst>(value)) {
      auto *at = dyn_cast<ConstantInt>(insert->getOperand(2));
      if (at && at->equalsInt(static_cast<uint64_t>(lane)))
        return false;
      value = insert->getOperand(0);
      continue;
    }
    auto *shuffle = dyn_cast<ShuffleVectorInst>(value);
    if (!shuffle)
      return false;
    const int from = shuffle->getMaskValue(static_cast<unsigned>(lane));
    if (from < 0)
      return false;
    auto *source = cast<FixedVectorType>(shuffle->getOperand(0)->getType());
    const auto size = static_cast<int>(source->getNumElements());
    lane = from % size;
    if (lane == 1)
      return true;
    value = shuffle->getOperand(from < size ? 0 : 1);
  }
  return true;
}

/// Shuffles are looked through in turn; an element by itself and all of them come out right.
bool mayTakeFirst(const User *user) {
  return !isa<ShuffleVectorInst, InsertElementInst, ExtractElementInst, StoreInst>(user);
}

} // namespace

void hideTurnedDoubles(Module &module) {
  for (Function &function : module) {
    SmallVector<Instruction *> turned;
    for (Instruction &instruction : instructions(function))
      if (isa<ShuffleVectorInst, InsertElementInst>(instruction) &&
          beginsWithSecond(&instruction) && any_of(instruction.users(), mayTakeFirst))
        turned.push_back(&instruction);
    for (Instruction *shuffle : turned) {
      IRBuilder<> builder(shuffle->getNextNode());
      CallInst *hidden = builder.CreateArithmeticFence(shuffle, shuffle->getType());
      shuffle->replaceUsesWithIf(
          hidden, [&](Use &use) { return use.getUser() != hidden && mayTakeFirst(use.getUser()); });
    }
  }
}

void hideZeroQuotients(Module &module) {
  for (Function &function : module) {
    SmallVector<Instruction *> quotients;
    for (Instruction &instruction : instructions(function))
      if (isQuotient(instruction) && mayHaveZeros(instruction.getOperand(0)) &&
          mayHaveZeros(instruction.getOperand(1)))
        quotients.push_back(&instruction);
    for (Instruction *quotient : quotients) {
      IRBuilder<> builder(quotient->getNextNode());
      CallInst *hidden = builder.CreateArithmeticFence(quotient, quotient->getType());
      quotient->replaceUsesWithIf(hidden, [&](Use &use) { return use.getUser() != hidden; });
    }
  }
}

} // namespace sinter::cpu
