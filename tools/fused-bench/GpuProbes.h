// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/support/Probes.h"

#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Executable.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::tools {

/// How large probes are.
struct GpuProbeSizes {
  int64_t bytes = int64_t{1} << 30; ///< That are copied and read.
  int64_t rounds = 4096;            ///< Of independent multiply-adds, in every thread.
};

/// To try out that they work.
inline constexpr GpuProbeSizes smallGpuProbes = {.bytes = 1 << 16, .rounds = 2};

/// Whether bf16 products are probed by a warpgroup's instruction, which is of sm_90a alone.
inline bool probesUseWarpgroups(std::string_view arch) { return arch == "sm_90a"; }

/// What a GPU can do at best, right now: kernels written by hand, timed by the device's own events.
class GpuProbes {
public:
  /// `image` is compileGpuProbes()'s for that device.
  GpuProbes(std::shared_ptr<CudaDevice> device, const std::string &image,
            const GpuProbeSizes &sizes = {});

  /// Bytes per second, read and written counted: the best of a kernel and the copy engine.
  double copyBytesPerSecond();
  double readBytesPerSecond();
  /// Floating-point operations per second: multiply-adds of f32, or products of bf16 matrices on
  /// the units for them.
  double flopsPerSecond(bool bf16);
  double transferSeconds(const Traffic &traffic);

private:
  struct Probe {
    Executable executable;
    BoundCall call;
    double work; ///< Bytes or operations of a run.
  };
  Probe make(const Program &program, double work);
  static double best(Probe &probe);

  std::shared_ptr<CudaDevice> device;
  std::vector<Array> arrays;
  std::vector<Probe> copies, reads, products, multiplyAdds;
};

} // namespace sinter::tools
