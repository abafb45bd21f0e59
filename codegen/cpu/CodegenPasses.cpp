// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/CodegenPasses.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Pass.h"

namespace sinter::cpu {

namespace {

/// Passes for what kernels never have: exceptions, garbage collection, coroutines, calls, stack
/// protectors, thread-local variables, tiles of AMX, instrumentation, debug values, hardening.
constexpr llvm::StringLiteral idle[] = {
    "Analyze Machine Code For Garbage Collection",
    "Argument Stack Rebase",
    "Check CFA info and insert CFI instructions if needed",
    "Contiguously Lay Out Funclets",
    "Exception handling preparation",
    "Expand indirectbr instructions",
    "Expand memcmp() to load/stores",
    "Fixup Statepoint Caller Saved",
    "Implement the 'patchable-function' attribute",
    "Insert KCFI indirect call checks",
    "Insert XRay ops",
    "Insert fentry calls",
    "Insert stack protectors",
    "Instrument function entry/exit with calls to e.g. mcount() (post inlining)",
    "Interleaved Access Pass",
    "Live DEBUG_VALUE analysis",
    "Local Dynamic TLS Access Clean-up",
    "Lower AMX intrinsics",
    "Lower AMX type for load/store",
    "Lower Garbage Collection Instructions",
    "Machine Sanitizer Binary Metadata",
    "Merge contiguous icmps into a memcmp",
    "Merge disjoint stack slots",
    "ObjC ARC contraction",
    "Partially inline calls to library functions",
    "Prepare callbr",
    "Pseudo Probe Inserter",
    "Register Allocation Pass Scoring",
    "Remove Loads Into Fake Uses",
    "Remove Redundant DEBUG_VALUE analysis",
    "Replace intrinsics with calls to vector library",
    "Safe Stack instrumentation pass",
    "Shadow Stack GC Lowering",
    "Stack Frame Layout Analysis",
    "StackMap Liveness Analysis",
    "Tile Register Configure",
    "Tile Register Pre-configure",
    "X86 Atom pad short functions",
    "X86 Indirect Branch Tracking",
    "X86 Indirect Thunks",
    "X86 Load Value Injection (LVI) Load Hardening",
    "X86 Load Value Injection (LVI) Ret-Hardening",
    "X86 Lower Tile Copy",
    "X86 PIC Global Base Reg Initialization",
    "X86 Partial Reduction",
    "X86 Return Thunks",
    "X86 Speculative Execution Side Effect Suppression",
    "X86 Suppress APX features for relocation",
    "X86 insert wait instruction",
    "X86 speculative load hardening",
};

/// Optimisations whose time is not won back: kernels are loops of vectors whose addresses are
/// written as they should be, on CPUs that order instructions themselves.
constexpr llvm::StringLiteral dear[] = {
    "Canonicalize Freeze Instructions in Loops", // Prepares for the next.
    "Constant Hoisting",
    "Early If-Conversion",
    "Early Tail Duplication",
    "Live Range Shrink",
    "Loop Strength Reduction",
    "Machine InstCombiner",
    "Machine Late Instructions Cleanup Pass",
    "Optimize machine instruction PHIs",
    "Post RA top-down list latency scheduler",
    "PostRA Machine Sink",
    "Shrink Wrapping analysis",
    "Tail Duplication",
    "X86 Avoid Store Forwarding Blocks",
    "X86 Domain Reassignment Pass",
    "X86 LEA Fixup",
    "X86 LEA Optimize",
    "X86 cmov Conversion",
};

/// Without "x86-isel", instructions are selected one by one by LLVM's fast selector, in a third of
/// the time. "early-machinelicm" and "machine-cse" mostly lengthen what lives in registers, which
/// then takes the register allocator long to split.
constexpr llvm::StringLiteral forInnerLoops[] = {
    "block-placement",   "branch-folder", "codegenprepare", "early-machinelicm",  "machine-cse",
    "machine-scheduler", "machine-sink",  "machinelicm",    "x86-fixup-bw-insts", "x86-isel"};

/// Whether it calls functions of the module and does little arithmetic itself.
bool isCarrier(const llvm::Function &function) {
  size_t arithmetic = 0, all = 0;
  bool calls = false;
  for (const llvm::Instruction &instruction : llvm::instructions(function)) {
    ++all;
    const auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    const llvm::Function *callee = call ? call->getCalledFunction() : nullptr;
    calls |= callee && !callee->isDeclaration();
    // Inline assembly is no arithmetic: it hides vectors from LLVM.
    arithmetic += instruction.getType()->isFPOrFPVectorTy() &&
                  (instruction.isBinaryOp() || instruction.isUnaryOp() || instruction.isCast() ||
                   (callee && callee->isIntrinsic() && !instruction.mayReadOrWriteMemory()));
  }
  constexpr size_t atMost = 16; // One in as many.
  return calls && arithmetic * atMost <= all;
}

} // namespace

llvm::ArrayRef<llvm::StringLiteral> idlePasses() { return idle; }
llvm::ArrayRef<llvm::StringLiteral> dearPasses() { return dear; }
llvm::ArrayRef<llvm::StringLiteral> innerLoopPasses() { return forInnerLoops; }

void KernelPasses::add(llvm::Pass *pass) {
  llvm::StringRef name = pass->getPassName();
  if (llvm::is_contained(idle, name) || (!thorough && llvm::is_contained(dear, name)))
    delete pass;
  else
    passes.add(pass);
}

CarrierGate::CarrierGate(llvm::Module &module)
    : context(module.getContext()), before(context.getOptPassGate()) {
  for (const llvm::Function &function : module)
    if (!function.isDeclaration() && isCarrier(function))
      carriers.insert(("function (" + function.getName() + ")").str());
  context.setOptPassGate(*this);
}

CarrierGate::~CarrierGate() { context.setOptPassGate(before); }

bool CarrierGate::shouldRunPass(llvm::StringRef pass, llvm::StringRef unit) const {
  return !llvm::is_contained(forInnerLoops, pass) || !carriers.contains(unit);
}

} // namespace sinter::cpu
