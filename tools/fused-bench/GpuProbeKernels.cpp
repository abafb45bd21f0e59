// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuProbeKernels.h"

#include "tools/fused-bench/GpuProbes.h"

#include "sinter/codegen/cuda/Nvrtc.h"
#include "sinter/codegen/cuda/Prelude.h"
#include "sinter/runtime/Environment.h"

namespace sinter::tools {
namespace {

// Sums are stored only if they are what they never are, so that nothing is left out.
constexpr const char *text = R"cuda(
extern "C" __global__ void __launch_bounds__(256) probe_copy(const float4 *from, float4 *to, __grid_constant__ const Sizes sizes, long long *status) {
  const long long count = sizes.at[0] / 16, step = (long long)gridDim.x * 256;
  long long i = (long long)blockIdx.x * 256 + threadIdx.x;
  for (; i + 3 * step < count; i += 4 * step) {
    const float4 a = from[i], b = from[i + step], c = from[i + 2 * step], d = from[i + 3 * step];
    to[i] = a;
    to[i + step] = b;
    to[i + 2 * step] = c;
    to[i + 3 * step] = d;
  }
  for (; i < count; i += step)
    to[i] = from[i];
}
extern "C" __global__ void __launch_bounds__(256) probe_read(const float4 *from, float *to, __grid_constant__ const Sizes sizes, long long *status) {
  const long long count = sizes.at[0] / 16, step = (long long)gridDim.x * 256;
  float sum = 0;
#pragma unroll 4
  for (long long i = (long long)blockIdx.x * 256 + threadIdx.x; i < count; i += step) {
    const float4 a = from[i];
    sum += a.x + a.y + (a.z + a.w);
  }
  to[blockIdx.x * 256 + threadIdx.x] = sum;
}
extern "C" __global__ void __launch_bounds__(256) probe_fma(float *to, __grid_constant__ const Sizes sizes, long long *status) {
  float sum[8];
  for (int c = 0; c < 8; ++c)
    sum[c] = threadIdx.x + c;
  const float a = 1.0f - threadIdx.x * 1e-6f, b = 1e-3f;
  for (long long round = 0; round < sizes.at[0]; ++round)
#pragma unroll
    for (int c = 0; c < 8; ++c)
      sum[c] = fmaf(sum[c], a, b);
  float all = 0;
  for (int c = 0; c < 8; ++c)
    all += sum[c];
  to[blockIdx.x * 256 + threadIdx.x] = all;
}
)cuda";

/// A warp's products of 16 x 8 x 16, from registers.
constexpr const char *warpText = R"cuda(
extern "C" __global__ void __launch_bounds__(256) probe_products(float *to, __grid_constant__ const Sizes sizes, long long *status) {
  float sum[8][4] = {};
  unsigned int a[4], b[2];
  for (int i = 0; i < 4; ++i)
    a[i] = 0x3f803c00u + threadIdx.x * 37u % 64u + i;
  for (int i = 0; i < 2; ++i)
    b[i] = 0x3c003f80u + threadIdx.x * 29u % 64u + i;
  for (long long round = 0; round < sizes.at[0]; ++round)
#pragma unroll
    for (int c = 0; c < 8; ++c)
      multiplyAdd(sum[c], a, b[0], b[1], Brain());
  float all = 0;
  for (int c = 0; c < 8; ++c)
    all += sum[c][0] + sum[c][1] + sum[c][2] + sum[c][3];
  to[blockIdx.x * 256 + threadIdx.x] = all;
}
)cuda";

/// A warpgroup's products of 64 x 256 x 16, from shared memory.
constexpr const char *groupText = R"cuda(
extern "C" __global__ void __launch_bounds__(256) probe_products(float *to, __grid_constant__ const Sizes sizes, long long *status) {
  __shared__ __align__(1024) unsigned short a[2][64 * 64];
  __shared__ __align__(1024) unsigned short b[64 * 256];
  const int group = threadIdx.x / 128;
  for (int i = threadIdx.x; i < 2 * 64 * 64; i += 256)
    a[i / 4096][i % 4096] = (unsigned short)(0x3c00u + i * 37u % 256u);
  for (int i = threadIdx.x; i < 64 * 256; i += 256)
    b[i] = (unsigned short)(0xbc00u + i * 29u % 256u);
  fenceProxy();
  __syncthreads();
  float sum[128];
  for (int i = 0; i < 128; ++i)
    sum[i] = 0;
  for (long long round = 0; round < sizes.at[0]; ++round) {
    fenceProducts();
#pragma unroll
    for (int k = 0; k < 4; ++k)
      multiplyGroup<0, 0>(sum, matrixDescriptor(&a[group][k * 16], 16, 1024), matrixDescriptor(&b[k * 16], 16, 1024), 0, Brain());
    commitProducts();
    waitProducts<0>();
  }
  float all = 0;
  for (int i = 0; i < 128; ++i)
    all += sum[i];
  to[blockIdx.x * 256 + threadIdx.x] = all;
}
)cuda";

} // namespace

std::string compileGpuProbes(const std::string &arch) {
  const bool hasGroups = probesUseWarpgroups(arch);
  auto nvrtc = cuda::Nvrtc::load(cuda::findNvrtc(environmentPath("SINTER_NVRTC").value_or("")));
  return nvrtc->compile({.name = "probes",
                         .text = "struct Sizes {\n  long long at[1];\n};\n" +
                                 cuda::preludeText({hasGroups ? "GemmProducts" : "Instructions"}) +
                                 text + (hasGroups ? groupText : warpText),
                         .arch = arch});
}

} // namespace sinter::tools
