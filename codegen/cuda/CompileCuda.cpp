// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/CompileCuda.h"

#include "sinter/codegen/OnThreads.h"
#include "sinter/codegen/cpu/ObjectCache.h"
#include "sinter/ir/base/Trace.h"

#include "llvm/Support/BLAKE3.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <thread>
#include <unistd.h>

namespace sinter::cuda {

namespace {

using Kernels = std::vector<const CudaKernel *>;

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// -- Text -----------------------------------------------------------------------------------------

/// As a person reads it.
std::string readableText(const Program &program, const Kernels &kernels) {
  std::string text = printPreamble(program, kernels);
  for (const CudaKernel *kernel : kernels)
    text += kernel->source.text;
  return text;
}

std::string compiledText(const Program &program, const Kernels &kernels, bool lineInfo) {
  if (!lineInfo)
    return withoutComments(readableText(program, kernels));
  std::string text = "#line 1 \"sinter-prelude.cuh\"\n" + printPreamble(program, kernels);
  for (const CudaKernel *kernel : kernels)
    text += withLineDirectives(kernel->source.text);
  return text;
}

/// Keeps a text that does not compile where it can be looked at.
std::string keep(const std::string &name, const std::string &text) {
  std::error_code problem;
  std::filesystem::path path = std::filesystem::temp_directory_path(problem);
  path /= "sinter-" + name + "-" + std::to_string(getpid()) + ".cu";
  try {
    writeFileAtomically(path, text);
  } catch (const Error &) {
    return {};
  }
  return path.string();
}

class Compiler {
public:
  Compiler(const Program &program, const CompileCudaOptions &options)
      : program(program), options(options), file(findNvrtc(options.nvrtc)) {}

  void load() {
    if (nvrtc)
      return;
    nvrtc = Nvrtc::load(file);
    nvrtc->requireArch(options.arch);
  }

  std::string compile(const Kernels &kernels, NvrtcResult result) const {
    NvrtcProgram wanted{program.name + ".cu", compiledText(program, kernels, options.lineInfo),
                        options.arch, result, options.lineInfo};
    try {
      return nvrtc->compile(wanted);
    } catch (const Nvrtc::Failure &failure) {
      fail(kernels, failure.log);
    }
  }

  /// Wherever the kernel comes from.
  cpu::KernelKey keyOf(const CudaKernel &kernel) const {
    return hash("sinter cuda 1", "", {&kernel});
  }
  /// Of these kernels as one program with its name.
  cpu::KernelKey keyOf(const Kernels &kernels) const {
    return hash("sinter cuda program 1", program.name + ".cu", kernels);
  }

private:
  cpu::KernelKey hash(const std::string &what, std::string name, const Kernels &kernels) const {
    NvrtcProgram wanted{std::move(name), compiledText(program, kernels, options.lineInfo),
                        options.arch, NvrtcResult::Cubin, options.lineInfo};
    std::string context = what + "\n" + wanted.name + "\n" + file.identity + "\n";
    for (const std::string &option : optionsOf(wanted))
      context += option + "\n";
    llvm::BLAKE3 hash;
    hash.update(context);
    hash.update(wanted.text);
    return hash.final();
  }

  [[noreturn]] void fail(const Kernels &kernels, std::string log) const {
    std::string text = readableText(program, kernels);
    if (options.lineInfo) // Whose lines are not those of the text that is kept.
      try {
        nvrtc->compile({program.name + ".cu", text, options.arch, NvrtcResult::Cubin, false});
      } catch (const Nvrtc::Failure &again) {
        log = again.log;
      }
    std::string path = keep(program.name, text);
    constexpr size_t longest = 4000;
    if (log.size() > longest)
      log = log.substr(0, log.rfind('\n', longest)) + "\n…";
    throw Error({.kind = ErrorKind::Internal,
                 .op = "nvrtc",
                 .hint = path.empty() ? "" : "the text that does not compile is in " + path},
                "NVRTC " + nvrtc->version() + " refuses the kernels for " + options.arch + ":\n" +
                    log);
  }

  const Program &program;
  const CompileCudaOptions &options;
  NvrtcFile file;
  std::shared_ptr<const Nvrtc> nvrtc;
};

// -- What the cache holds: the keys of an image's kernels, then the image -------------------------

constexpr uint32_t mostKernels = 4096;

std::string pack(const std::vector<cpu::KernelKey> &keys, const std::string &image) {
  const auto count = static_cast<uint32_t>(keys.size());
  std::string bytes(sizeof(count) + keys.size() * sizeof(cpu::KernelKey), '\0');
  std::memcpy(bytes.data(), &count, sizeof(count));
  std::memcpy(bytes.data() + sizeof(count), keys.data(), keys.size() * sizeof(cpu::KernelKey));
  return bytes + image;
}

/// nullopt for what pack() did not make.
std::optional<std::vector<cpu::KernelKey>> unpack(std::string &bytes) {
  uint32_t count = 0;
  if (bytes.size() < sizeof(count))
    return std::nullopt;
  std::memcpy(&count, bytes.data(), sizeof(count));
  if (count == 0 || count > mostKernels ||
      bytes.size() <= sizeof(count) + count * sizeof(cpu::KernelKey))
    return std::nullopt;
  std::vector<cpu::KernelKey> keys(count);
  std::memcpy(keys.data(), bytes.data() + sizeof(count), count * sizeof(cpu::KernelKey));
  bytes.erase(0, sizeof(count) + count * sizeof(cpu::KernelKey));
  return keys;
}

// -- Programs of several kernels ------------------------------------------------------------------

/// Shares kernels out to programs. One costs a compiler's start; long ones leave threads idle at
/// the end.
using Numbers = std::vector<size_t>;
std::vector<Numbers> shareOut(const std::vector<CudaKernel> &kernels, Numbers numbers,
                              size_t threads) {
  constexpr size_t fewest = 4, most = 32;
  const size_t count = numbers.size();
  size_t programs = std::clamp<size_t>((count + fewest - 1) / fewest, 1, threads);
  programs = std::max(programs, (count + most - 1) / most);
  std::vector<Numbers> result(programs);
  std::vector<size_t> filled(programs);
  auto weight = [&](size_t i) {
    constexpr size_t textOfPart = 4000; // Templates that a kernel instantiates.
    return kernels[i].source.text.size() + textOfPart * kernels[i].source.parts.size();
  };
  std::sort(numbers.begin(), numbers.end(),
            [&](size_t a, size_t b) { return std::pair(weight(b), a) < std::pair(weight(a), b); });
  for (size_t i : numbers) {
    auto least =
        static_cast<size_t>(std::min_element(filled.begin(), filled.end()) - filled.begin());
    result[least].push_back(i);
    filled[least] += weight(i);
  }
  for (Numbers &kernelsOf : result)
    std::sort(kernelsOf.begin(), kernelsOf.end());
  return result;
}

/// Kernels that NVRTC compiles together.
struct Job {
  Numbers kernels;
  std::vector<cpu::KernelKey> keys; ///< Under which the cache keeps the image; none: not at all.
  size_t image = 0;                 ///< Its number.
};

/// Takes what the cache knows of single kernels, in whatever company they were compiled.
std::vector<Job> jobsOfMissing(const Compiler &compiler, const std::vector<CudaKernel> &kernels,
                               cpu::ObjectCache *cache, size_t threads, CompiledCuda &result) {
  std::vector<cpu::KernelKey> keys(cache ? kernels.size() : 0);
  std::map<cpu::KernelKey, int> known;
  Numbers missing;
  for (size_t i = 0; i < kernels.size(); ++i) {
    if (cache) {
      keys[i] = compiler.keyOf(kernels[i]);
      if (!known.contains(keys[i]))
        if (std::optional<std::string> image = cache->load(keys[i])) {
          std::optional<std::vector<cpu::KernelKey>> held = unpack(*image);
          if (held && std::find(held->begin(), held->end(), keys[i]) != held->end()) {
            for (const cpu::KernelKey &key : *held)
              known.try_emplace(key, static_cast<int>(result.images.size()));
            result.images.push_back(std::move(*image));
          } else {
            cache->drop(keys[i]);
          }
        }
      if (auto found = known.find(keys[i]); found != known.end()) {
        result.imageOf[i] = found->second;
        continue;
      }
    }
    missing.push_back(i);
  }
  std::vector<Job> jobs;
  if (!missing.empty())
    for (Numbers &numbers : shareOut(kernels, missing, threads)) {
      Job job{.kernels = std::move(numbers), .keys = {}, .image = result.images.size()};
      if (cache)
        for (size_t i : job.kernels)
          job.keys.push_back(keys[i]);
      result.images.emplace_back();
      jobs.push_back(std::move(job));
    }
  return jobs;
}

/// The same programs on every machine; takes those that the cache knows.
std::vector<Job> jobsOfFixedPrograms(const Compiler &compiler,
                                     const std::vector<CudaKernel> &kernels,
                                     cpu::ObjectCache *cache, CompiledCuda &result) {
  constexpr size_t programs = 8; ///< At most, unless there are very many kernels.
  Numbers all(kernels.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::vector<Job> jobs;
  for (Numbers &numbers : shareOut(kernels, all, programs)) {
    Job job{.kernels = std::move(numbers), .keys = {}, .image = result.images.size()};
    result.images.emplace_back();
    if (cache) {
      Kernels together;
      for (size_t i : job.kernels)
        together.push_back(&kernels[i]);
      job.keys = {compiler.keyOf(together)};
      if (std::optional<std::string> image = cache->load(job.keys[0])) {
        if (std::optional<std::vector<cpu::KernelKey>> held = unpack(*image); held == job.keys) {
          for (size_t i : job.kernels)
            result.imageOf[i] = static_cast<int>(job.image);
          result.images[job.image] = std::move(*image);
          continue;
        }
        cache->drop(job.keys[0]);
      }
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

} // namespace

void requireArch(const TargetInfo &target) {
  if (target.arch.empty())
    throw Error({.code = ErrorCode::Usage, .hint = "name one, e.g. cuda:sm_90a"},
                "machine code for a GPU needs its architecture: there is no GPU here to take it "
                "from");
  constexpr int oldest = 80;
  if (std::atoi(target.arch.c_str() + 3) < oldest)
    throw Error({.kind = ErrorKind::Unsupported, .op = "compile"},
                "kernels need sm_80 or later, not " + target.arch);
}

CompiledCuda compileKernels(const Program &program, const std::vector<CudaKernel> &kernels,
                            const CompileCudaOptions &options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  CompiledCuda result;
  if (kernels.empty())
    return result;
  result.imageOf.assign(kernels.size(), -1);
  Compiler compiler(program, options);

  // -- What is known --
  Clock::time_point start = Clock::now();
  cpu::ObjectCache *cache = options.cache && options.cache->isOpen() ? options.cache : nullptr;
  const size_t threads = options.threads > 0 ? static_cast<size_t>(options.threads)
                                             : std::max(1u, std::thread::hardware_concurrency());
  std::vector<Job> jobs = options.reproducible
                              ? jobsOfFixedPrograms(compiler, kernels, cache, result)
                              : jobsOfMissing(compiler, kernels, cache, threads, result);
  result.times.cache = since(start);

  // -- What is not --
  if (!jobs.empty()) {
    start = Clock::now();
    {
      Trace::Span span(options.trace, "compile", "load NVRTC");
      compiler.load();
    }
    result.times.load = since(start);
    std::vector<double> times(std::min(threads, jobs.size()));
    codegen::onThreads(jobs.size(), times.size(), [&](size_t turn, size_t thread) {
      const Clock::time_point started = Clock::now();
      Trace::Span span(options.trace, "compile", "NVRTC");
      Kernels together;
      std::string symbols;
      for (size_t i : jobs[turn].kernels) {
        together.push_back(&kernels[i]);
        symbols += (symbols.empty() ? "" : ", ") + kernels[i].name;
      }
      span.argument("kernels", std::move(symbols));
      result.images[jobs[turn].image] = compiler.compile(together, NvrtcResult::Cubin);
      times[thread] += since(started);
    });
    for (double time : times)
      result.times.compile += time;

    start = Clock::now();
    std::vector<cpu::ObjectCache::Entry> made;
    for (const Job &job : jobs) {
      for (size_t i : job.kernels)
        result.imageOf[i] = static_cast<int>(job.image);
      result.numCompiled += job.kernels.size();
      if (!job.keys.empty())
        made.push_back({.key = job.keys.front(),
                        .object = pack(job.keys, result.images[job.image]),
                        .others = {job.keys.begin() + 1, job.keys.end()}});
    }
    if (cache)
      cache->store(made);
    result.times.cache += since(start);
    result.numPrograms = jobs.size();
  }
  result.times.wall = since(begin);
  return result;
}

std::string compileTogether(const Program &program, const std::vector<CudaKernel> &kernels,
                            NvrtcResult result, const CompileCudaOptions &options) {
  Compiler compiler(program, options);
  compiler.load();
  Kernels all;
  for (const CudaKernel &kernel : kernels)
    all.push_back(&kernel);
  return compiler.compile(all, result);
}

} // namespace sinter::cuda
