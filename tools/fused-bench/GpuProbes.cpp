// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/GpuProbes.h"

#include "sinter/ir/base/TargetInfo.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {
namespace {

constexpr int64_t threads = 256, blocksPerProcessor = 8;
constexpr int64_t chains = 8;                         ///< Independent sums of a thread.
constexpr int64_t groupRows = 64, groupColumns = 256; ///< Of a warpgroup's product.

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

GpuProbes::GpuProbes(std::shared_ptr<CudaDevice> onDevice, const std::string &image,
                     const GpuProbeSizes &sizes)
    : device(std::move(onDevice)) {
  const std::string target = device->target();
  const bool hasGroups = probesUseWarpgroups(TargetInfo::parse(target).arch);
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
