// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/KernelSource.h"

#include <string>
#include <vector>

namespace sinter::codegen {
struct Compilation;
}

namespace sinter::cuda {

/// A kernel of a program. Equal launches share it.
struct CudaKernel {
  std::string name; ///< Of the __global__ function; its own in the program.
  KernelSource source;
};

/// Emits the kernels of a compilation for a GPU that has reached StageId::Planned, once for equal
/// launches; the program's launches and kernels name them from then on.
void emitKernels(codegen::Compilation &compilation);

/// All kernels as CUDA C++ text, of a compilation that has reached StageId::Kernels. It includes
/// nothing: NVRTC compiles it as it is.
std::string printProgram(const codegen::Compilation &compilation);

/// What comes before the text of kernels: sizes of the table that they get, and the parts of the
/// prelude they need.
std::string printPreamble(const Program &program, const std::vector<const CudaKernel *> &kernels);

/// Text of the same lines without comments: what the compiler makes does not depend on those.
std::string withoutComments(std::string_view text);
/// Printed kernels with `#line` before every line that a comment `… at FILE:LINE:COLUMN` is about:
/// tools that show lines then show those of the user's source.
std::string withLineDirectives(std::string_view text);

} // namespace sinter::cuda
