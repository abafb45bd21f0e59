// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ZeroQuotients.h"

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

bool isTurnedNegation(const Instruction &instruction) {
  auto *type = dyn_cast<FixedVectorType>(instruction.getType());
  return type && type->getElementType()->isDoubleTy() &&
         instruction.getOpcode() == Instruction::FNeg &&
         isa<ShuffleVectorInst>(instruction.getOperand(0));
}

} // namespace

void hideTurnedNegations(Module &module) {
  for (Function &function : module) {
    SmallVector<Instruction *> negations;
    for (Instruction &instruction : instructions(function))
      if (isTurnedNegation(instruction))
        negations.push_back(&instruction);
    for (Instruction *negation : negations) {
      Value *operand = negation->getOperand(0);
      IRBuilder<> builder(negation);
      negation->setOperand(0, builder.CreateArithmeticFence(operand, operand->getType()));
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
