// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockKernel.h"

#include <map>
#include <string>

namespace sinter::cuda {

/// A buffer parameter of the printed kernel.
struct BufferParameter {
  std::string name;
  mlir::Type elementType;
  bool written = false;
};

struct KernelText {
  std::string name;
  std::vector<BufferParameter> buffers; ///< Then follow the size table and the status slot.
  std::vector<std::string> dims;        ///< Names of the table's first entries.
  /// By location: the name of what an op there computes, and what to say before its statements.
  struct Origin {
    std::string name, comment;
  };
  std::map<const void *, Origin> origins;
  int64_t threads = 256; ///< Per block.
};

/// Turns any text into an identifier of C++.
std::string toName(llvm::StringRef text);
std::string printKernel(BlockKernel &kernel, const KernelText &text);

} // namespace sinter::cuda
