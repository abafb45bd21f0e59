// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace llvm {
class Module;
}

namespace sinter::cpu {

/// LLVM 22's instruction selection takes a quotient of two zeros for zero (in
/// TargetLowering::SimplifyDemandedVectorElts), and leaves out the select that would have put a
/// zero in place of the NaN. Quotients of vectors with such lanes are hidden from it; that costs
/// no instruction.
void hideZeroQuotients(llvm::Module &module);

/// LLVM 22 takes element 0 of a negated shuffle of eight doubles in one register from the wrong
/// place: that of the shuffle's operand. Such shuffles are hidden from their negation.
void hideTurnedNegations(llvm::Module &module);

} // namespace sinter::cpu
