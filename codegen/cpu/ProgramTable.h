// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Interface.h"

namespace llvm {
class GlobalVariable;
class Module;
} // namespace llvm

namespace sinter::cpu {

/// How much memory a call needs for its own bookkeeping: the most of all versions.
struct TableCounts {
  int64_t tableSize = 0, dims = 0, args = 0, variables = 0;
};

/// The constants that support/ reads: struct Descriptor of support/Support.h, field by field. With
/// values also the exported NAME_values, for loaders: of each its name and a SinterTensor, then one
/// without a name.
llvm::GlobalVariable *buildProgramTable(llvm::Module &module, const std::string &name,
                                        const std::vector<InterfaceVersion> &versions,
                                        const ArrayMap &values, const InterfaceSymbols &symbols,
                                        TableCounts &counts);

} // namespace sinter::cpu
