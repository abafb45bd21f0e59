// SPDX-License-Identifier: Apache-2.0
#include "tests/nvrtc/KernelSet.h"

#include "sinter/codegen/Pipeline.h"
#include "sinter/frontend/GraphImpl.h"

#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <span>
#include <thread>

namespace sinter::nvrtctest {

namespace {

/// The text with another name for the kernel, with which all its names begin.
std::string renamed(const std::string &text, const std::string &from, const std::string &to) {
  std::string result;
  size_t last = 0;
  for (size_t at; (at = text.find(from, last)) != std::string::npos; last = at + from.size()) {
    const bool isStart =
        at == 0 || (!std::isalnum(static_cast<unsigned char>(text[at - 1])) && text[at - 1] != '_');
    result += text.substr(last, at - last) + (isStart ? to : from);
  }
  return result + text.substr(last);
}

/// More than any of the graphs has.
constexpr size_t mostSizes = 400;
constexpr size_t kernelsPerProgram = 24;

/// What kernels may keep on the stack, outside of their innermost loops.
struct StackLimit {
  std::string_view name;
  int64_t bytes;
};
/// By the row they are made for, whatever its dtype: for the architecture whose kernels were looked
/// at one by one. They gather elements, or walk a triangle.
constexpr std::string_view listedArch = "sm_80";
constexpr StackLimit rowLimits[] = {{"gatherNdBatch", 16},
                                    {"resizeCubicAligned", 24},
                                    {"resizeLinearAligned", 24},
                                    {"scatterNd", 16},
                                    {"triangularSolve", 8}};
/// By form, where not all kernels are listed: those that gather or compute in double precision.
constexpr StackLimit formLimits[] = {
    {"loop", 24}, {"row", 16}, {"reduce", 16}, {"contraction", 24}, {"convolution", 16}};
/// The library's sine, cosine and tangent reduce large arguments by a table on the stack.
constexpr int64_t stackOfLibrary = 48;

bool calls(const std::string &text, std::string_view function) {
  for (size_t at = 0; (at = text.find(function, at)) != std::string::npos; ++at)
    if (at == 0 || !std::isalpha(static_cast<unsigned char>(text[at - 1]))) // Not asinf().
      return true;
  return false;
}

int64_t mostStack(std::span<const StackLimit> limits, std::string_view name) {
  for (const StackLimit &limit : limits)
    if (name.starts_with(limit.name))
      return limit.bytes;
  return 0;
}

int64_t mostStack(const std::string &text, std::string_view form, std::string_view where,
                  bool isListed) {
  for (const char *function : {"sinf(", "cosf(", "tanf(", "sin(", "cos(", "tan("})
    if (calls(text, function))
      return stackOfLibrary;
  return isListed ? mostStack(rowLimits, where) : mostStack(formLimits, form);
}

} // namespace

bool isExhaustive() { return std::getenv("SINTER_NVRTC_ALL") != nullptr; }

void KernelSet::add(const std::string &where, const Graph &graph, bool fusion) {
  auto module = extract(graph, graph.outputs(), graph.updates());
  codegen::PipelineOptions options;
  options.target = TargetInfo::parse("cuda:" + arch);
  options.stopAfter = codegen::StageId::Kernels;
  if (!fusion)
    options.disabledPasses = {"fuse"};
  codegen::Compilation compilation;
  try {
    compilation = codegen::runPipeline(*module, options);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::Unsupported)
      throw;
    unsupported.push_back(where + ": " + error.message());
    return;
  }
  const Program &program = compilation.program();
  if (program.dims.size() + program.table.size() > mostSizes)
    throw Error(where + ": more sizes than the test makes room for");
  for (size_t i = 0; i < compilation.cudaKernels.size(); ++i) {
    cuda::CudaKernel kernel = std::move(compilation.cudaKernels[i]);
    std::string key = renamed(cuda::withoutComments(kernel.source.text), kernel.name, "K");
    if (!known.try_emplace(key, kernels.size()).second)
      continue;
    const std::string name = "k" + std::to_string(kernels.size());
    kernel.source.text = renamed(kernel.source.text, kernel.name, name);
    kernels.push_back(
        {{name, std::move(kernel.source)}, program.kernels[i].form, where + ", " + kernel.name});
  }
}

std::string KernelSet::textOf(const std::vector<const Entry *> &entries) const {
  Program sizes;
  sizes.table.resize(mostSizes);
  std::vector<const cuda::CudaKernel *> together;
  for (const Entry *entry : entries)
    together.push_back(&entry->kernel);
  std::string text = cuda::printPreamble(sizes, together);
  for (const cuda::CudaKernel *kernel : together)
    text += kernel->source.text;
  return text;
}

KernelSet::Report KernelSet::compile(const cuda::Nvrtc &nvrtc, int threads) const {
  // Kernels that share their parts share a program.
  std::map<std::pair<std::string, std::vector<std::string>>, std::vector<const Entry *>> groups;
  for (const Entry &entry : kernels)
    groups[{entry.form, entry.kernel.source.parts}].push_back(&entry);
  std::vector<std::vector<const Entry *>> programs;
  for (const auto &[parts, entries] : groups)
    for (size_t at = 0; at < entries.size(); at += kernelsPerProgram)
      programs.emplace_back(entries.begin() + static_cast<std::ptrdiff_t>(at),
                            entries.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                  at + kernelsPerProgram, entries.size())));
  Report report;
  report.programs = programs.size();
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  auto check = [&](const std::vector<const Entry *> &entries) {
    const auto start = std::chrono::steady_clock::now();
    const std::string image = nvrtc.compile({"kernels.cu", textOf(entries), arch});
    const double elapsed =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    std::map<std::string, cuda::KernelResources> resources;
    for (cuda::KernelResources &kernel : cuda::readCubin(image))
      resources[kernel.name] = kernel;
    std::lock_guard lock(mutex);
    report.milliseconds += elapsed;
    for (const Entry *entry : entries) {
      auto found = resources.find(entry->kernel.name);
      if (found == resources.end() || found->second.registers == 0) {
        report.failures.push_back(entry->where + ": is not in the machine code");
        continue;
      }
      const cuda::KernelResources &kernel = found->second;
      Report::Family &family = report.families[entry->form];
      ++family.kernels;
      family.registers = std::max(family.registers, kernel.registers);
      family.codeBytes = std::max(family.codeBytes, kernel.codeBytes);
      const int64_t most = mostStack(entry->kernel.source.text, entry->form, entry->where,
                                     arch == listedArch && !isExhaustive());
      const bool usesStack = kernel.stackBytes > 0 || kernel.localLoads + kernel.localStores > 0;
      if (usesStack && (most == 0 || kernel.stackBytes > most))
        report.failures.push_back(entry->where + " (" + entry->form + "): a stack of " +
                                  std::to_string(kernel.stackBytes) + " bytes, " +
                                  std::to_string(kernel.localStores) + " stores and " +
                                  std::to_string(kernel.localLoads) + " loads of it, " +
                                  std::to_string(kernel.registers) + " registers");
    }
  };
  std::exception_ptr problem;
  auto checkTogether = [&](const std::vector<const Entry *> &entries) {
    try {
      check(entries);
    } catch (const cuda::Nvrtc::Failure &) {
      for (const Entry *entry : entries) // One by one, to see whose fault it is.
        try {
          check({entry});
        } catch (const cuda::Nvrtc::Failure &failure) {
          std::lock_guard lock(mutex);
          report.failures.push_back(entry->where + " does not compile:\n" + failure.log +
                                    entry->kernel.source.text);
        }
    }
  };
  auto work = [&] {
    try {
      for (size_t turn; (turn = next++) < programs.size();)
        checkTogether(programs[turn]);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!problem)
        problem = std::current_exception();
      next = programs.size();
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  if (problem)
    std::rethrow_exception(problem);
  return report;
}

} // namespace sinter::nvrtctest
