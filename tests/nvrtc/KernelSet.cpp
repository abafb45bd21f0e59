// SPDX-License-Identifier: Apache-2.0
#include "tests/nvrtc/KernelSet.h"

#include "sinter/codegen/Pipeline.h"
#include "sinter/frontend/GraphImpl.h"

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
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

/// What kernels may keep on the stack, by the row they are made for (with a dtype: in that alone)
/// and on any architecture: they were looked at one by one, and none touches it in an innermost
/// loop. All others, whatever their family, keep nothing.
struct StackLimit {
  std::string_view row;
  int64_t bytes;
};
constexpr StackLimit stackLimits[] = {
    // Places computed from indices in several dims, or triangles that are walked.
    {"scatterNdAdd", 16},
    {"scatterNdMax", 16},
    {"solve", 8},
    {"triangularSolve", 8},
    // Double precision, of which two blocks fit.
    {"einsumMatmul f64", 8},
    // One to three registers, stored once before a loop: ptxas would rather have more blocks.
    {"atan2 f32 gradient", 16},
    {"conv2dGroups f32 gradient", 8},
    {"gpt_mini_bf16_train_step", 8},
    {"gpt_mini_train_step", 16},
    {"gruBoth f32 gradient", 8},
    {"maxOuter f32 gradient", 8},
    {"rmsNorm f32 gradient", 16},
    {"tiny_train_step", 8},
};
/// The library's sine, cosine and tangent reduce large arguments by a table on the stack.
constexpr int64_t stackOfLibrary = 48;

bool calls(const std::string &text, std::string_view function) {
  for (size_t at = 0; (at = text.find(function, at)) != std::string::npos; ++at)
    if (at == 0 || !std::isalpha(static_cast<unsigned char>(text[at - 1]))) // Not asinf().
      return true;
  return false;
}

int64_t mostStack(const std::string &text, std::string_view where) {
  for (const char *function : {"sinf(", "cosf(", "tanf(", "sin(", "cos(", "tan("})
    if (calls(text, function))
      return stackOfLibrary;
  for (const StackLimit &limit : stackLimits)
    if (where.starts_with(limit.row) &&
        (where[limit.row.size()] == ' ' || where[limit.row.size()] == ','))
      return limit.bytes;
  return 0;
}

/// Of this thread alone, so that others do not count.
double threadMilliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

} // namespace

bool isExhaustive() { return std::getenv("SINTER_NVRTC_ALL") != nullptr; }

void KernelSet::add(const std::string &where, const Graph &graph, const std::string &schedule) {
  auto module = extract(graph, graph.outputs(), graph.updates());
  codegen::PipelineOptions options;
  options.target = TargetInfo::parse("cuda:" + arch);
  options.stopAfter = codegen::StageId::Kernels;
  options.schedule = schedule;
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
    const std::string text = textOf(entries);
    if (const char *folder = std::getenv("SINTER_NVRTC_TEXTS"))
      std::ofstream(std::filesystem::path(folder) /
                    (arch + "-" + entries.front()->form + "-" +
                     std::to_string(std::hash<std::string>()(text)) + ".cu"))
          << text;
    const double start = threadMilliseconds();
    const std::string image = nvrtc.compile({"kernels.cu", cuda::withoutComments(text), arch});
    const double elapsed = threadMilliseconds() - start;
    std::map<std::string, cuda::KernelResources> resources;
    for (cuda::KernelResources &kernel : cuda::readCubin(image))
      resources[kernel.name] = kernel;
    std::lock_guard lock(mutex);
    report.milliseconds += elapsed;
    report.families[entries.front()->form].milliseconds += elapsed;
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
      const int64_t most = mostStack(entry->kernel.source.text, entry->where);
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
