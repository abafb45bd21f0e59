// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace llvm {
class Module;
}

namespace sinter::cpu {

/// Transpositions are networks of shuffles, each of which is one instruction already. LLVM's
/// instruction selection for x86 tries to make one of every few levels, all over again for each
/// result, and finds nothing: up to half of a kernel's compile time. After every second level an
/// empty instruction hides what was shuffled. For vectors of `bytes`, those of one register.
void cutShuffleNetworks(llvm::Module &module, unsigned bytes);

} // namespace sinter::cpu
