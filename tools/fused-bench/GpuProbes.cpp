// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuProbes.h"

#include "sinter/codegen/cuda/Nvrtc.h"
#include "sinter/codegen/cuda/Prelude.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/Environment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sinter::tools {
namespace {

constexpr int64_t threads = 256, blocksPerProcessor = 8;
constexpr int64_t chains = 8;                         ///< Independent sums of a thread.
constexpr int64_t groupRows = 64, groupColumns = 256; ///< Of a warpgroup's product.

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

/// A program of one kernel: what it reads, if anything, and what it writes.
struct Elements {
  int64_t read, written; ///< f32 elements.
};

Program programOf(const std::string &target, const std::string &image, const std::string &kernel,
                  Elements shape, int64_t size, int64_t blocks) {
  Program program;
  program.name = kernel;
  program.target = target;
  program.images = {image};
  program.table = {DimExpr(size)};
  Kernel entry;
  entry.symbol = kernel;
  entry.form = "loop";
  entry.image = 0;
  program.kernels = {entry};
  Launch launch;
  auto add = [&](Buffer::Kind kind, int64_t elements) {
    Buffer buffer;
    buffer.kind = kind;
    buffer.bytes = elements * 4;
    buffer.name = kernel;
    launch.buffers.push_back(static_cast<int>(program.buffers.size()));
    program.buffers.push_back(buffer);
  };
  if (shape.read > 0) {
    program.arguments.push_back({.name = "from", .dtype = f32, .shape = {shape.read}});
    add(Buffer::Kind::Argument, shape.read);
  }
  program.results.push_back({.name = "to", .dtype = f32, .shape = {shape.written}});
  add(Buffer::Kind::Result, shape.written);
  launch.extent = blocks * threads;
  launch.grain = 1;
  launch.grid.blocks = blocks;
  launch.grid.threads = threads;
  program.steps.push_back(launch);
  program.arenaBytes = 0;
  return program;
}

} // namespace

GpuProbes::GpuProbes(std::shared_ptr<CudaDevice> onDevice, const GpuProbeSizes &sizes)
    : device(std::move(onDevice)) {
  const std::string target = device->target(), arch = TargetInfo::parse(target).arch;
  const bool hasGroups = arch == "sm_90a";
  std::set<std::string> parts = {"Instructions"};
  if (hasGroups)
    parts = {"GemmProducts"};
  auto nvrtc = cuda::Nvrtc::load(cuda::findNvrtc(environmentPath("SINTER_NVRTC").value_or("")));
  std::string image =
      nvrtc->compile({.name = "probes",
                      .text = "struct Sizes {\n  long long at[1];\n};\n" +
                              cuda::preludeText(parts) + text + (hasGroups ? groupText : warpText),
                      .arch = arch});
  const int64_t elements = sizes.bytes / 4, blocks = device->workers() * blocksPerProcessor,
                groupBlocks = device->workers() * (hasGroups ? 1 : blocksPerProcessor);
  const auto bytes = static_cast<double>(sizes.bytes);
  auto program = [&](const char *kernel, Elements shape, int64_t size, int64_t count) {
    return programOf(target, image, kernel, shape, size, count);
  };
  copies.push_back(
      make(program("probe_copy", {elements, elements}, sizes.bytes, 4 * blocks), 2 * bytes));
  Program engine = program("probe_copy", {elements, elements}, sizes.bytes, blocks);
  engine.steps = {Copy{0, 1, sizes.bytes}};
  copies.push_back(make(engine, 2 * bytes));
  reads.push_back(
      make(program("probe_read", {elements, blocks * threads}, sizes.bytes, blocks), bytes));
  const auto rounds = static_cast<double>(sizes.rounds);
  multiplyAdds.push_back(make(program("probe_fma", {0, blocks * threads}, sizes.rounds, blocks),
                              2 * rounds * static_cast<double>(blocks * threads * chains)));
  // Products of one warp or warpgroup per round.
  double perRound = hasGroups ? 2.0 * 4 * groupRows * groupColumns * 16 * (threads / 128)
                              : 2.0 * chains * 16 * 8 * 16 * (threads / 32);
  products.push_back(
      make(program("probe_products", {0, groupBlocks * threads}, sizes.rounds, groupBlocks),
           rounds * perRound * static_cast<double>(groupBlocks)));
}

GpuProbes::Probe GpuProbes::make(const Program &program, double work) {
  Executable executable({.program = std::make_shared<Program>(program)}, device);
  std::vector<NamedArrays::Entry> inputs;
  for (const Argument &argument : program.arguments) {
    if (arrays.empty()) {
      int64_t count = argument.shape.numElements().constant().value_or(0);
      std::shared_ptr<void> block = device->allocate(count * 4);
      arrays.push_back(Array::wrap(block.get(), f32, {count}, {}, block));
      std::fill_n(arrays.back().as<float>(), count, 1.0f);
    }
    inputs.emplace_back(argument.name, arrays.back());
  }
  BoundCall call = executable.bind(NamedArrays(inputs));
  call();
  return {std::move(executable), std::move(call), work};
}

/// Work per second.
double GpuProbes::best(Probe &probe) {
  constexpr int64_t runs = 5;
  std::vector<double> times = probe.call.measure(runs);
  double least = times.empty() ? 0 : *std::min_element(times.begin(), times.end());
  return probe.work / (std::max(least, 1e-6) * 1e-3);
}

double GpuProbes::copyBytesPerSecond() { return std::max(best(copies[0]), best(copies[1])); }
double GpuProbes::readBytesPerSecond() { return std::max(best(reads[0]), copyBytesPerSecond()); }
double GpuProbes::flopsPerSecond(bool bf16) { return best((bf16 ? products : multiplyAdds)[0]); }

double GpuProbes::transferSeconds(const Traffic &traffic) {
  auto both = static_cast<double>(2 * std::min(traffic.read, traffic.written)),
       rest = static_cast<double>(std::abs(traffic.read - traffic.written));
  double copy = copyBytesPerSecond();
  double others = traffic.read > traffic.written ? readBytesPerSecond() : copy;
  return both / copy + rest / others;
}

} // namespace sinter::tools
