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

/// Where nothing but element 0 of eight doubles counts, and a shuffle makes that of element 1 of a
/// register, LLVM 22 may take element 0 of that register (of a negation, of sums). Such shuffles
/// are hidden from what computes with them; that costs no instruction.
void hideTurnedDoubles(llvm::Module &module);

} // namespace sinter::cpu
