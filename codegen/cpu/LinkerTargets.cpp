// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/LinkerTargets.h"

#include "llvm/Plugins/PassPlugin.h"

// What the copy of lld that is linked here calls for targets that nothing makes code for: see
// cmake/SinterLLVM.cmake.

#define SINTER_LEFT_OUT(name)                                                                      \
  extern "C" __attribute__((visibility("hidden"))) void name();                                    \
  void name() {}
#include "sinter/codegen/OtherTargets.inc"
#undef SINTER_LEFT_OUT

// An extension of link-time optimisation that packages of LLVM may name, but have no library of.
// Only bitcode would lead there, and no object here holds any. Weak: a program may have the real
// one.
__attribute__((visibility("hidden"), weak)) llvm::PassPluginLibraryInfo getPollyPluginInfo();
llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "none", "0", [](llvm::PassBuilder &) {}, nullptr};
}

namespace sinter::cpu {

void leaveOutOtherTargets() {}

} // namespace sinter::cpu
