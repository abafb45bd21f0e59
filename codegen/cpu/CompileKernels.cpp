// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/CompileKernels.h"

#include "sinter/codegen/OnThreads.h"
#include "sinter/codegen/cpu/ElfObject.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/codegen/cpu/ObjectCache.h"
#include "sinter/codegen/cpu/TranslateKernel.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Trace.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <unordered_map>

using namespace mlir;

namespace sinter::cpu {

namespace {

class Stopwatch {
public:
  /// Milliseconds since construction or the last call.
  double lap() {
    auto now = std::chrono::steady_clock::now();
    double elapsed = std::chrono::duration<double, std::milli>(now - last).count();
    last = now;
    return elapsed;
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// The context's diagnostics while it lives, as text. Handlers may be called from any thread.
class DiagnosticText {
public:
  explicit DiagnosticText(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          std::lock_guard lock(mutex);
          if (!text.empty())
            text += '\n';
          text += diagnostic.str();
          return success();
        }) {}
  [[noreturn]] void raise(const std::string &what) {
    std::lock_guard lock(mutex);
    throw Error({.kind = ErrorKind::Internal}, what + (text.empty() ? "" : ": " + text));
  }

private:
  std::mutex mutex;
  std::string text;
  ScopedDiagnosticHandler handler;
};

func::FuncOp entryOf(ModuleOp module) {
  func::FuncOp entry;
  int entries = 0;
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal()) {
      entry = function;
      ++entries;
    }
  if (entries != 1)
    throw Error({.kind = ErrorKind::Internal}, "a kernel module needs exactly one public function");
  return entry;
}

/// What every kernel's function is called while it is compiled and in the cache.
constexpr const char *entryName = "sinter_kernel";

std::unique_ptr<llvm::Module> toLlvmIr(ModuleOp module, LlvmLowering &lowering,
                                       llvm::LLVMContext &context, CompileTimes &times,
                                       Trace *trace = nullptr) {
  Stopwatch watch;
  {
    Trace::Span span(trace, "compile", "lower");
    if (!lowering.expand(module))
      return nullptr;
  }
  times.lower += watch.lap();
  {
    Trace::Span span(trace, "compile", "translate");
    std::unique_ptr<llvm::Module> llvmModule = translateKernel(module, context);
    times.translate += watch.lap();
    if (llvmModule)
      return llvmModule;
  }
  {
    Trace::Span span(trace, "compile", "lower");
    if (!lowering.convert(module))
      return nullptr;
  }
  times.lower += watch.lap();
  Trace::Span span(trace, "compile", "translate");
  std::unique_ptr<llvm::Module> llvmModule = translateToLlvm(module, context);
  times.translate += watch.lap();
  return llvmModule;
}

void hide(llvm::Module &module) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration()) {
      if (function.getName() == entryName)
        function.setVisibility(llvm::GlobalValue::HiddenVisibility);
      else
        function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.setDSOLocal(true);
    }
}

/// Kernels by their structure. Most have no equal, which their hashes tell already.
class KnownKernels {
public:
  /// That of the first kernel equal to this one, or how many there were before.
  size_t numberOf(ModuleOp module, func::FuncOp entry, size_t hash) {
    auto [bucket, end] = byHash.equal_range(hash);
    Kernel kernel{module, entry, count, {}};
    for (; bucket != end; ++bucket)
      if (structureOf(kernel) == structureOf(bucket->second))
        return bucket->second.number;
    ++count;
    byHash.emplace(hash, std::move(kernel));
    return count - 1;
  }

private:
  struct Kernel {
    ModuleOp module;
    func::FuncOp entry;
    size_t number;
    std::vector<uintptr_t> structure; ///< Empty until somebody asks.
  };
  static const std::vector<uintptr_t> &structureOf(Kernel &kernel) {
    if (kernel.structure.empty())
      kernel.structure = cpu::structureOf(kernel.module, kernel.entry);
    return kernel.structure;
  }

  std::unordered_multimap<size_t, Kernel> byHash;
  size_t count = 0;
};

/// A cached object that the loader takes as well; one that it does not leaves the cache.
std::optional<std::string> cachedObject(ObjectCache &cache, const KernelKey &key,
                                        const TargetInfo &target) {
  std::optional<std::string> object = cache.load(key);
  if (!object)
    return std::nullopt;
  try {
    if (target.isa == TargetInfo::Isa::X86_64)
      Jit({*object}).lookup(entryName);
    else // Another machine's, which is linked and not loaded.
      renameSymbol(*object, entryName, entryName);
    return object;
  } catch (const Error &) {
    cache.drop(key);
    return std::nullopt;
  }
}

/// One thread's part of compileKernels().
class KernelCompiler {
public:
  KernelCompiler(const TargetInfo &target, const CompileKernelsOptions &options,
                 DiagnosticText &diagnostics)
      : target(target), options(options), diagnostics(diagnostics) {}

  /// The object of `module`, whose entry is called entryName.
  std::string object(ModuleOp module) {
    std::optional<KernelKey> key;
    if (options.cache && options.cache->isOpen()) {
      Trace::Span span(options.trace, "compile", "cache");
      Stopwatch watch;
      key = kernelKey(module, entryOf(module), target, options.object);
      std::optional<std::string> known =
          key ? cachedObject(*options.cache, *key, target) : std::nullopt;
      times.cache += watch.lap();
      if (known)
        return std::move(*known);
    }
    std::string object = compile(module);
    if (key)
      made.push_back({*key, object});
    return object;
  }

  CompileTimes times;
  size_t numCompiled = 0;
  std::vector<ObjectCache::Entry> made; ///< What the cache lacked.

private:
  std::string compile(ModuleOp module) {
    ++numCompiled;
    // A context per module: it would otherwise keep every constant and type of the ones before.
    llvm::LLVMContext llvmContext;
    if (!lowering)
      lowering.emplace(*module.getContext(), target);
    std::unique_ptr<llvm::Module> llvmModule =
        toLlvmIr(module, *lowering, llvmContext, times, options.trace);
    if (!llvmModule)
      diagnostics.raise("kernel does not lower to LLVM IR");
    Trace::Span span(options.trace, "compile", "machine code");
    Stopwatch watch;
    hide(*llvmModule);
    if (!compiler)
      compiler.emplace(target, options.object);
    std::string object = compiler->object(*llvmModule);
    times.codegen += watch.lap();
    return object;
  }

  const TargetInfo &target;
  const CompileKernelsOptions &options;
  DiagnosticText &diagnostics;
  std::optional<LlvmLowering> lowering; ///< Both cost time that hits need not spend.
  std::optional<ObjectCompiler> compiler;
};

} // namespace

CompiledKernels compileKernels(const std::vector<ModuleOp> &modules, const TargetInfo &target,
                               const CompileKernelsOptions &options) {
  CompiledKernels result;
  if (modules.empty())
    return result;
  Stopwatch wall, watch;
  MLIRContext *context = modules.front()->getContext();
  std::vector<size_t> hashes(modules.size());
  codegen::onThreads(
      modules.size(), codegen::threadsFor(modules.size(), options.threads, *context),
      [&](size_t i, size_t) { hashes[i] = structureHash(modules[i], entryOf(modules[i])); });
  std::vector<ModuleOp> unique;
  KnownKernels known;
  for (auto [module, hash] : llvm::zip(modules, hashes)) {
    size_t number = known.numberOf(module, entryOf(module), hash);
    if (number == unique.size()) {
      result.symbols.push_back(options.symbolPrefix + std::to_string(number));
      unique.push_back(module);
    }
    result.mapping.push_back(static_cast<int>(number));
  }
  for (ModuleOp module : unique)
    entryOf(module).setName(entryName);
  result.times.deduplicate = watch.lap();

  prepareContext(*context);
  DiagnosticText diagnostics(context);
  result.objects.resize(unique.size());

  // The longest kernels first, so that no thread is left alone with a long one at the end.
  std::vector<size_t> order(unique.size());
  std::vector<size_t> weight(unique.size());
  for (size_t i = 0; i < unique.size(); ++i) {
    order[i] = i;
    unique[i].walk([&](Operation *) { ++weight[i]; });
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::pair(weight[b], a) < std::pair(weight[a], b); });

  std::vector<std::optional<KernelCompiler>> compilers(
      codegen::threadsFor(unique.size(), options.threads, *context));
  codegen::onThreads(order.size(), compilers.size(), [&](size_t turn, size_t thread) {
    std::optional<KernelCompiler> &compiler = compilers[thread];
    if (!compiler) {
      if (options.trace)
        options.trace->thread("compile");
      compiler.emplace(target, options, diagnostics);
    }
    const size_t i = order[turn];
    Trace::Span span(options.trace, "compile", result.symbols[i]);
    result.objects[i] = renameSymbol(compiler->object(unique[i]), entryName, result.symbols[i]);
  });
  std::vector<ObjectCache::Entry> made;
  for (std::optional<KernelCompiler> &compiler : compilers) {
    if (!compiler)
      continue;
    result.times.lower += compiler->times.lower;
    result.times.translate += compiler->times.translate;
    result.times.codegen += compiler->times.codegen;
    result.times.cache += compiler->times.cache;
    result.numCompiled += compiler->numCompiled;
    std::move(compiler->made.begin(), compiler->made.end(), std::back_inserter(made));
  }
  if (!made.empty()) {
    watch.lap();
    options.cache->store(made);
    result.times.cache += watch.lap();
  }
  result.times.wall = wall.lap();
  return result;
}

std::string kernelText(ModuleOp module, const TargetInfo &target, KernelText form,
                       ObjectOptions options) {
  prepareContext(*module.getContext());
  DiagnosticText diagnostics(module.getContext());
  CompileTimes times;
  llvm::LLVMContext llvmContext;
  LlvmLowering lowering(*module.getContext(), target);
  std::unique_ptr<llvm::Module> llvmModule = toLlvmIr(module, lowering, llvmContext, times);
  if (!llvmModule)
    diagnostics.raise("kernel does not lower to LLVM IR");
  ObjectCompiler compiler(target, options);
  return form == KernelText::Llvm ? compiler.ir(*llvmModule) : compiler.assembly(*llvmModule);
}

} // namespace sinter::cpu
