// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/CompileKernels.h"

#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/ir/base/Error.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

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

/// The exact structure of a module as a sequence of words: equal keys mean equal code. Attributes
/// and types are uniqued per context, so their addresses identify them. Locations are left out.
class StructuralKey {
public:
  static std::vector<uintptr_t> of(ModuleOp module, func::FuncOp entry) {
    StructuralKey key(entry);
    key.add(module.getBodyRegion());
    return std::move(key.words);
  }

private:
  explicit StructuralKey(func::FuncOp entry) : entry(entry) {}

  void add(const void *pointer) { words.push_back(reinterpret_cast<uintptr_t>(pointer)); }
  void number(Value value) { numbers.try_emplace(value, numbers.size()); }

  void add(Region &region) {
    words.push_back(region.getBlocks().size());
    // Branches and regions may refer to blocks and values that come later in the text.
    for (Block &block : region) {
      blocks.try_emplace(&block, blocks.size());
      words.push_back(block.getNumArguments());
      for (BlockArgument argument : block.getArguments()) {
        number(argument);
        add(argument.getType().getAsOpaquePointer());
      }
      for (Operation &op : block)
        for (Value result : op.getResults())
          number(result);
    }
    for (Block &block : region) {
      words.push_back(block.getOperations().size());
      for (Operation &op : block)
        add(op);
    }
  }

  void add(Operation &op) {
    add(op.getName().getAsOpaquePointer());
    if (&op == entry.getOperation())
      addWithoutName(op);
    else
      add(op.getAttrDictionary().getAsOpaquePointer());
    words.push_back(op.getNumOperands());
    for (Value operand : op.getOperands())
      words.push_back(numbers.lookup(operand));
    words.push_back(op.getNumResults());
    for (Type type : op.getResultTypes())
      add(type.getAsOpaquePointer());
    for (Block *successor : op.getSuccessors())
      words.push_back(blocks.lookup(successor));
    for (Region &region : op.getRegions())
      add(region);
  }

  void addWithoutName(Operation &op) {
    for (NamedAttribute attribute : op.getAttrDictionary())
      if (attribute.getName() != SymbolTable::getSymbolAttrName()) {
        add(attribute.getName().getAsOpaquePointer());
        add(attribute.getValue().getAsOpaquePointer());
      }
  }

  func::FuncOp entry;
  std::vector<uintptr_t> words;
  llvm::DenseMap<Value, size_t> numbers;
  llvm::DenseMap<Block *, size_t> blocks;
};

std::unique_ptr<llvm::Module> toLlvmIr(ModuleOp module, const TargetInfo &target,
                                       llvm::LLVMContext &context, CompileTimes &times) {
  Stopwatch watch;
  if (!lowerToLlvm(module, target))
    return nullptr;
  times.lower += watch.lap();
  std::unique_ptr<llvm::Module> llvmModule = translateToLlvm(module, context);
  times.translate += watch.lap();
  return llvmModule;
}

void hide(llvm::Module &module, const std::string &entry) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration()) {
      if (function.getName() == entry)
        function.setVisibility(llvm::GlobalValue::HiddenVisibility);
      else
        function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.setDSOLocal(true);
    }
}

} // namespace

CompiledKernels compileKernels(const std::vector<ModuleOp> &modules, const TargetInfo &target,
                               const CompileKernelsOptions &options) {
  CompiledKernels result;
  if (modules.empty())
    return result;
  Stopwatch wall, watch;
  std::vector<ModuleOp> unique;
  std::map<std::vector<uintptr_t>, int> known;
  for (ModuleOp module : modules) {
    func::FuncOp entry = entryOf(module);
    auto [found, isNew] =
        known.emplace(StructuralKey::of(module, entry), static_cast<int>(unique.size()));
    if (isNew) {
      result.symbols.push_back(options.symbolPrefix + std::to_string(unique.size()));
      entry.setName(result.symbols.back());
      unique.push_back(module);
    }
    result.mapping.push_back(found->second);
  }
  result.times.deduplicate = watch.lap();

  MLIRContext *context = modules.front()->getContext();
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

  size_t numThreads = options.threads > 0
                          ? static_cast<size_t>(options.threads)
                          : std::max<size_t>(std::thread::hardware_concurrency(), 1);
  numThreads = context->isMultithreadingEnabled() ? std::min(numThreads, unique.size()) : 1;

  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  auto work = [&] {
    CompileTimes times;
    try {
      ObjectCompiler compiler(target, options.object);
      for (size_t turn; (turn = next++) < order.size();) {
        size_t i = order[turn];
        // A context per module: it would otherwise keep every constant and type of the ones before.
        llvm::LLVMContext llvmContext;
        std::unique_ptr<llvm::Module> module = toLlvmIr(unique[i], target, llvmContext, times);
        if (!module)
          diagnostics.raise("kernel does not lower to LLVM IR");
        Stopwatch codegen;
        hide(*module, result.symbols[i]);
        result.objects[i] = compiler.object(*module);
        times.codegen += codegen.lap();
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!problem)
        problem = std::current_exception();
      next = order.size();
    }
    std::lock_guard lock(mutex);
    result.times.lower += times.lower;
    result.times.translate += times.translate;
    result.times.codegen += times.codegen;
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < numThreads; ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (problem)
    std::rethrow_exception(problem);
  result.times.wall = wall.lap();
  return result;
}

std::string kernelText(ModuleOp module, const TargetInfo &target, KernelText form,
                       ObjectOptions options) {
  prepareContext(*module.getContext());
  DiagnosticText diagnostics(module.getContext());
  CompileTimes times;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule = toLlvmIr(module, target, llvmContext, times);
  if (!llvmModule)
    diagnostics.raise("kernel does not lower to LLVM IR");
  ObjectCompiler compiler(target, options);
  return form == KernelText::Llvm ? compiler.ir(*llvmModule) : compiler.assembly(*llvmModule);
}

} // namespace sinter::cpu
