// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/Nvrtc.h"
#include "sinter/codegen/cuda/PrintCuda.h"

#include <filesystem>
#include <string>
#include <vector>

namespace sinter {
class Trace;
}
namespace sinter::cpu {
class ObjectCache;
}

namespace sinter::cuda {

struct CompileCudaOptions {
  std::string arch;            ///< "sm_90a"
  std::filesystem::path nvrtc; ///< Empty: where findNvrtc() finds it.
  bool lineInfo = false;       ///< Machine code says which of the user's lines it comes from.
  bool reproducible = false;   ///< PipelineOptions::reproducible
  int threads = 0;             ///< 0: one per hardware thread.
  cpu::ObjectCache *cache = nullptr;
  /// Collects what every thread compiled when; may be null.
  Trace *trace = nullptr;
};

/// Milliseconds per phase; `compile` is summed over threads.
struct CompileCudaTimes {
  double cache = 0; ///< Looking up and storing.
  double load = 0;  ///< Loading NVRTC; 0 when all is cached.
  double compile = 0;
  double wall = 0;
};

struct CompiledCuda {
  std::vector<std::string> images; ///< Cubins of several kernels each.
  std::vector<int> imageOf;        ///< For each kernel.
  size_t numCompiled = 0;          ///< Kernels; the others came out of the cache.
  size_t numPrograms = 0;          ///< That they were compiled as.
  CompileCudaTimes times;
};

/// Kernels as machine code. Those that the cache lacks are compiled as programs of several kernels,
/// in parallel. Throws Error: Device where there is no NVRTC, Unsupported for an architecture that
/// it cannot compile for, Internal where a text does not compile, with the file in which that is
/// left.
CompiledCuda compileKernels(const Program &program, const std::vector<CudaKernel> &kernels,
                            const CompileCudaOptions &options);

/// All kernels as one program.
std::string compileTogether(const Program &program, const std::vector<CudaKernel> &kernels,
                            NvrtcResult result, const CompileCudaOptions &options);

/// Throws Error: Usage without an architecture, Unsupported for one older than the kernels need.
void requireArch(const TargetInfo &target);

} // namespace sinter::cuda
