// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Pipeline.h"

#include <string>

namespace sinter::cuda {

/// The kernels of a program as CUDA C++ text, for a compilation with a Cuda target that has reached
/// StageId::Planned. The text includes nothing: NVRTC compiles it as it is.
std::string printProgram(const codegen::Compilation &compilation);

/// What the text must be compiled with: products and sums are rounded one by one, as on the CPU.
inline constexpr const char *compileOptions[] = {"--std=c++17", "--fmad=false"};

} // namespace sinter::cuda
