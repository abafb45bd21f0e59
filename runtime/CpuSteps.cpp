// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CpuSteps.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cstring>

namespace sinter {

struct CpuSteps::Step {
  std::string name;
  Trace::Arguments arguments;
  SinterKernel kernel = nullptr; ///< Null: a copy of buffers[0] to buffers[1].
  std::vector<void *> buffers;
  int64_t extent = 0, grain = 0; ///< Of a copy: bytes, and unused.
};

/// What one worker did of a launch.
struct alignas(64) CpuSteps::Worker {
  int thread = 0;
  int64_t begin = 0, end = 0, busy = 0;
  int64_t chunks = 0, units = 0;
};

namespace {

/// What a launch's stand-in gets in place of the buffers.
struct TracedLaunch {
  SinterKernel kernel;
  void *const *buffers;
  Trace *trace;
  void *workers;
};

int64_t valueOf(const DimExpr &size, const DimBinding &dims) {
  std::optional<int64_t> value = size.evaluate(dims);
  if (!value)
    throw Error({.kind = ErrorKind::Internal, .op = "trace"},
                "the size " + size.str() + " has no value");
  return *value;
}

std::string joined(const std::vector<std::string> &words, size_t most) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (text.size() + words[i].size() > most && i > 0)
      return text + ", … (" + std::to_string(words.size()) + ")";
    text += (i ? ", " : "") + words[i];
  }
  return text;
}

std::string linesOf(const Kernel &kernel) {
  std::vector<std::string> lines;
  for (const SourceLoc &location : kernel.locations)
    if (location.known())
      lines.push_back(location.str());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return joined(lines, 500);
}

} // namespace

void *addressOf(int number, const Program &program, const DimBinding &dims,
                const std::vector<void *> &pointers, void *arena) {
  const Buffer &buffer = program.buffers.at(static_cast<size_t>(number));
  const auto index = static_cast<size_t>(buffer.index);
  switch (buffer.kind) {
  case Buffer::Kind::Argument:
    return pointers.at(index);
  case Buffer::Kind::Result:
    return pointers.at(program.arguments.size() + index);
  case Buffer::Kind::Constant:
    return program.constants.at(index).data();
  case Buffer::Kind::Arena:
    break;
  }
  return static_cast<char *>(arena) + valueOf(buffer.offset, dims);
}

CpuSteps::CpuSteps(const ProgramCode &code, const CallBinding &binding,
                   const std::vector<void *> &pointers, void *arena, int64_t workerCount)
    : trace(code.trace), table(binding.table), workers(static_cast<size_t>(workerCount)) {
  const Program &program = *code.program;
  auto addressOf = [&](int buffer) {
    return sinter::addressOf(buffer, program, binding.dims, pointers, arena);
  };
  for (size_t number = 0; number < program.steps.size(); ++number) {
    Step step;
    step.arguments.emplace_back("step", static_cast<int64_t>(number));
    if (auto *copy = std::get_if<Copy>(&program.steps[number])) {
      step.name = "copy";
      step.buffers = {addressOf(copy->from), addressOf(copy->to)};
      step.extent = valueOf(copy->bytes, binding.dims);
      step.arguments.emplace_back("bytes moved", 2 * step.extent);
      steps.push_back(std::move(step));
      continue;
    }
    const Launch &launch = std::get<Launch>(program.steps[number]);
    const auto index = static_cast<size_t>(launch.kernel);
    const Kernel &kernel = program.kernels.at(index);
    step.name = joined(kernel.ops, 48);
    step.kernel = code.kernels.at(index);
    for (int buffer : launch.buffers)
      step.buffers.push_back(addressOf(buffer));
    step.extent = valueOf(launch.extent, binding.dims);
    step.grain = valueOf(launch.grain, binding.dims);
    step.arguments.emplace_back("kernel", kernel.symbol);
    step.arguments.emplace_back("form", kernel.form);
    step.arguments.emplace_back("units", step.extent);
    step.arguments.emplace_back("bytes moved", valueOf(launch.bytesMoved, binding.dims));
    step.arguments.emplace_back("flops", valueOf(launch.flops, binding.dims));
    if (std::string lines = linesOf(kernel); !lines.empty())
      step.arguments.emplace_back("lines", std::move(lines));
    steps.push_back(std::move(step));
  }
}

CpuSteps::~CpuSteps() = default;

SinterStatus CpuSteps::run(ThreadPool &pool) {
  SinterStatus status{};
  for (const Step &step : steps) {
    if (step.extent <= 0)
      continue;
    const int64_t begin = trace->now();
    if (step.kernel)
      launch(step, pool, status);
    else
      std::memcpy(step.buffers[1], step.buffers[0], static_cast<size_t>(step.extent));
    trace->add({.category = "run",
                .name = step.name,
                .thread = trace->thread(),
                .begin = begin,
                .length = trace->now() - begin,
                .arguments = step.arguments});
    if (status.code != static_cast<int64_t>(StatusCode::Ok))
      break;
  }
  return status;
}

void CpuSteps::launch(const Step &step, ThreadPool &pool, SinterStatus &status) {
  std::fill(workers.begin(), workers.end(), Worker());
  TracedLaunch traced{step.kernel, step.buffers.data(), trace.get(), workers.data()};
  void *handle = &traced;
  auto chunk = [](void *const *buffers, const int64_t *sizes, SinterStatus *result, int64_t from,
                  int64_t to, int64_t number) {
    const auto &launch = *static_cast<const TracedLaunch *>(buffers[0]);
    Worker &worker = static_cast<Worker *>(launch.workers)[number];
    const int64_t begin = launch.trace->now();
    launch.kernel(launch.buffers, sizes, result, from, to, number);
    worker.end = launch.trace->now();
    if (worker.chunks++ == 0) {
      worker.begin = begin;
      worker.thread = launch.trace->thread("worker " + std::to_string(number));
    }
    worker.busy += worker.end - begin;
    worker.units += to - from;
  };
  pool.parallelFor(chunk, &handle, table.data(), &status, step.extent, step.grain);
  // Also where one thread was quick enough to take everything: that is worth seeing.
  const bool isShared = workers.size() > 1 && step.extent > step.grain;
  for (const Worker &worker : workers)
    if (worker.chunks > 0 && isShared)
      trace->add({.category = "run",
                  .name = "part",
                  .thread = worker.thread,
                  .begin = worker.begin,
                  .length = worker.end - worker.begin,
                  .arguments = {{"kernel", step.name},
                                {"chunks", worker.chunks},
                                {"units", worker.units},
                                {"busy us", static_cast<double>(worker.busy) / 1e3}}});
}

} // namespace sinter
