// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ShuffleNetworks.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace sinter::cpu {

namespace {

constexpr unsigned levels = 2; ///< That are left together.

/// One that takes from two vectors of one register. Floats of 16 bits have none on most CPUs, and
/// LLVM refuses them as an operand of assembly.
bool isCrossing(const ShuffleVectorInst &shuffle, unsigned bytes) {
  return !isa<UndefValue>(shuffle.getOperand(1)) && !shuffle.changesLength() &&
         !shuffle.getType()->getScalarType()->is16bitFPTy() &&
         shuffle.getType()->getPrimitiveSizeInBits() == uint64_t{bytes} * 8;
}

void hide(ShuffleVectorInst &shuffle) {
  Type *type = shuffle.getType();
  auto *function = FunctionType::get(type, {type}, /*isVarArg=*/false);
  IRBuilder<> builder(shuffle.getNextNode());
  CallInst *hidden = builder.CreateCall(
      function, InlineAsm::get(function, "", "=v,0", /*hasSideEffects=*/false), {&shuffle});
  hidden->setDoesNotThrow();
  shuffle.replaceUsesWithIf(hidden, [&](Use &use) { return use.getUser() != hidden; });
}

} // namespace

void cutShuffleNetworks(Module &module, unsigned bytes) {
  for (Function &function : module) {
    SmallVector<ShuffleVectorInst *> shuffles;
    for (Instruction &instruction : instructions(function))
      if (auto *shuffle = dyn_cast<ShuffleVectorInst>(&instruction))
        if (isCrossing(*shuffle, bytes))
          shuffles.push_back(shuffle);
    DenseMap<Value *, unsigned> depths;
    for (ShuffleVectorInst *shuffle : shuffles) {
      unsigned depth = 1 + std::max(depths.lookup(shuffle->getOperand(0)),
                                    depths.lookup(shuffle->getOperand(1)));
      if (depth >= levels &&
          any_of(shuffle->users(), [](User *user) { return isa<ShuffleVectorInst>(user); })) {
        hide(*shuffle);
        depth = 0;
      }
      depths[shuffle] = depth;
    }
  }
}

} // namespace sinter::cpu
