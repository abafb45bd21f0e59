// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/RunFunction.h"

#include "sinter/codegen/ProgramText.h"
#include "sinter/codegen/cpu/SizeEmitter.h"
#include "sinter/ir/base/Error.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>

using namespace llvm;

namespace sinter::cpu {

namespace {

[[noreturn]] void fail(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, "program: " + message);
}

template <typename T> const T &at(const std::vector<T> &values, int64_t index, const char *what) {
  if (index < 0 || static_cast<size_t>(index) >= values.size())
    fail(std::string(what) + " " + std::to_string(index) + " does not exist");
  return values[static_cast<size_t>(index)];
}

class RunBuilder {
public:
  RunBuilder(const Program &program, LLVMContext &context, RunFunctionOptions options)
      : program(program), options(std::move(options)),
        symbols(this->options.symbolName.empty() ? program.name : this->options.symbolName),
        module(std::make_unique<Module>(program.name, context)), builder(context),
        pointer(builder.getPtrTy()), i64(builder.getInt64Ty()) {
    module->setSourceFileName(program.name);
    statusType = StructType::get(context, {i64, i64, i64, i64});
    contextType = StructType::get(context, {pointer, pointer, statusType});
    kernelType =
        FunctionType::get(builder.getVoidTy(), {pointer, pointer, pointer, i64, i64, i64}, false);
    parallelForType = FunctionType::get(
        builder.getVoidTy(), {pointer, pointer, pointer, pointer, pointer, i64, i64}, false);
  }

  std::unique_ptr<Module> build() {
    launchHelper = buildLaunchHelper();
    buildRun();
    if (options.exportInterface) {
      buildSizesFunction(*module, program, symbols.sizes);
      buildArenaBytesFunction(*module, program, symbols.arenaBytes);
      if (options.symbolName.empty()) {
        auto *text = ConstantDataArray::getString(module->getContext(), programText(program));
        new GlobalVariable(*module, text->getType(), true, GlobalValue::ExternalLinkage, text,
                           symbols.program);
      }
    }
    if (!options.symbolName.empty())
      for (Function &function : *module)
        if (!function.isDeclaration() && !function.hasLocalLinkage()) {
          function.setVisibility(GlobalValue::HiddenVisibility);
          function.setDSOLocal(true);
        }
    return std::move(module);
  }

private:
  Function *function(FunctionType *type, const std::string &name,
                     GlobalValue::LinkageTypes linkage) {
    Function *result = Function::Create(type, linkage, name, *module);
    result->setDoesNotThrow();
    builder.SetInsertPoint(BasicBlock::Create(module->getContext(), "entry", result));
    return result;
  }

  Value *statusOf(Value *ctx) { return builder.CreateStructGEP(contextType, ctx, 2); }

  Value *hasFailed(Value *ctx) {
    return builder.CreateICmpNE(builder.CreateLoad(i64, statusOf(ctx)), builder.getInt64(0));
  }

  /// bool launch(kernel, buffers, table, ctx, extent, grain): one step; true after an error.
  Function *buildLaunchHelper() {
    Function *launch =
        function(FunctionType::get(builder.getInt1Ty(),
                                   {pointer, pointer, pointer, pointer, i64, i64}, false),
                 "launch", GlobalValue::InternalLinkage);
    launch->addFnAttr(Attribute::NoInline);
    Value *kernel = launch->getArg(0), *buffers = launch->getArg(1), *table = launch->getArg(2);
    Value *ctx = launch->getArg(3), *extent = launch->getArg(4), *grain = launch->getArg(5);
    auto block = [&](const char *name) {
      return BasicBlock::Create(module->getContext(), name, launch);
    };
    BasicBlock *nonEmpty = block("nonEmpty"), *serial = block("serial"),
               *parallel = block("parallel"), *done = block("done");

    builder.CreateCondBr(builder.CreateICmpSGT(extent, builder.getInt64(0)), nonEmpty, done);
    builder.SetInsertPoint(nonEmpty);
    Value *parallelFor = builder.CreateLoad(pointer, builder.CreateStructGEP(contextType, ctx, 0));
    Value *isSerial =
        builder.CreateOr(builder.CreateICmpSLE(extent, grain), builder.CreateIsNull(parallelFor));
    builder.CreateCondBr(isSerial, serial, parallel);
    builder.SetInsertPoint(serial);
    builder.CreateCall(
        kernelType, kernel,
        {buffers, table, statusOf(ctx), builder.getInt64(0), extent, builder.getInt64(0)});
    builder.CreateBr(done);
    builder.SetInsertPoint(parallel);
    Value *pool = builder.CreateLoad(pointer, builder.CreateStructGEP(contextType, ctx, 1));
    builder.CreateCall(parallelForType, parallelFor,
                       {pool, kernel, buffers, table, statusOf(ctx), extent, grain});
    builder.CreateBr(done);
    builder.SetInsertPoint(done);
    builder.CreateRet(hasFailed(ctx));
    return launch;
  }

  void buildRun() {
    run = function(
        FunctionType::get(builder.getVoidTy(), {pointer, pointer, pointer, pointer}, false),
        symbols.run, GlobalValue::ExternalLinkage);
    args = run->getArg(0);
    table = run->getArg(1);
    arena = run->getArg(2);
    ctx = run->getArg(3);
    sizes.emplace(builder, program, table);
    size_t numPointers = 1;
    for (const Step &step : program.steps)
      if (auto *launch = std::get_if<Launch>(&step))
        numPointers = std::max(numPointers, launch->buffers.size());
    buffers = builder.CreateAlloca(ArrayType::get(pointer, numPointers));
    builder.CreateStore(Constant::getNullValue(statusType), statusOf(ctx));
    exit = BasicBlock::Create(module->getContext(), "exit", run);
    for (const Step &step : program.steps) {
      std::visit([&](const auto &value) { emit(value); }, step);
      ++number;
    }
    builder.CreateBr(exit);
    builder.SetInsertPoint(exit);
    builder.CreateRetVoid();
    // Blocks are created in step order; keep the exit last.
    exit->moveAfter(&run->back());
  }

  void emit(const Launch &launch) {
    const Kernel &kernel = at(program.kernels, launch.kernel, "kernel");
    FunctionCallee callee = module->getOrInsertFunction(kernel.symbol, kernelType);
    if (auto *declared = dyn_cast<Function>(callee.getCallee())) {
      declared->setVisibility(GlobalValue::HiddenVisibility);
      declared->setDSOLocal(true);
    }
    for (size_t i = 0; i < launch.buffers.size(); ++i)
      builder.CreateStore(addressOf(launch.buffers[i]),
                          builder.CreateConstInBoundsGEP1_64(pointer, buffers, i));
    Value *failed =
        builder.CreateCall(launchHelper, {callee.getCallee(), buffers, table, ctx,
                                          sizes->value(launch.extent), sizes->value(launch.grain)});
    BasicBlock *next = BasicBlock::Create(module->getContext(), "step", run);
    auto firstSite = options.firstSites.find(number);
    BasicBlock *bad = firstSite == options.firstSites.end()
                          ? exit
                          : BasicBlock::Create(module->getContext(), "bad", run);
    builder.CreateCondBr(failed, bad, next);
    if (bad != exit) {
      builder.SetInsertPoint(bad);
      completeReport(firstSite->second);
      builder.CreateBr(exit);
    }
    builder.SetInsertPoint(next);
  }

  /// What a kernel that several launches share cannot know of a NaN: its site, and its step.
  void completeReport(int64_t firstSite) {
    Value *status = statusOf(ctx);
    auto field = [&](unsigned at) { return builder.CreateStructGEP(statusType, status, at); };
    Value *isNonFinite =
        builder.CreateICmpEQ(builder.CreateLoad(i64, field(0)),
                             builder.getInt64(static_cast<uint64_t>(StatusCode::NonFinite)));
    Value *site = builder.CreateLoad(i64, field(1)), *bound = builder.CreateLoad(i64, field(3));
    Value *own = builder.CreateAdd(site, builder.getInt64(static_cast<uint64_t>(firstSite)));
    builder.CreateStore(builder.CreateSelect(isNonFinite, own, site), field(1));
    builder.CreateStore(builder.CreateSelect(isNonFinite, builder.getInt64(number), bound),
                        field(3));
  }

  void emit(const Copy &copy) {
    Value *from = addressOf(copy.from), *to = addressOf(copy.to);
    builder.CreateMemCpy(to, Align(bufferAlignment), from, Align(bufferAlignment),
                         sizes->value(copy.bytes));
  }

  Value *addressOf(int number) {
    const Buffer &buffer = at(program.buffers, number, "buffer");
    switch (buffer.kind) {
    case Buffer::Kind::Argument:
      at(program.arguments, buffer.index, "argument");
      return argument(buffer.index);
    case Buffer::Kind::Result:
      at(program.results, buffer.index, "result");
      return argument(buffer.index + static_cast<int>(program.arguments.size()));
    case Buffer::Kind::Arena:
      return builder.CreateGEP(builder.getInt8Ty(), arena, sizes->value(buffer.offset));
    case Buffer::Kind::Constant:
      return constant(buffer.index);
    }
    fail("unknown kind of buffer");
  }

  Value *argument(int index) {
    return builder.CreateLoad(
        pointer, builder.CreateConstInBoundsGEP1_64(pointer, args, static_cast<uint64_t>(index)));
  }

  Value *constant(int index) {
    const Array &array = at(program.constants, index, "constant");
    if (!array.isContiguous())
      fail("constant " + std::to_string(index) + " is not contiguous");
    if (!options.embedConstants)
      return ConstantExpr::getIntToPtr(builder.getInt64(reinterpret_cast<uintptr_t>(array.data())),
                                       pointer);
    if (!options.constantSymbols.empty()) {
      auto *global = cast<GlobalVariable>(module->getOrInsertGlobal(
          at(options.constantSymbols, index, "constant's symbol"), builder.getInt8Ty()));
      global->setVisibility(GlobalValue::HiddenVisibility);
      global->setDSOLocal(true);
      return global;
    }
    std::string name = "constant" + std::to_string(index);
    if (GlobalVariable *known = module->getGlobalVariable(name, /*AllowInternal=*/true))
      return known;
    auto size = static_cast<uint64_t>(array.numBytes());
    Constant *bytes = ConstantDataArray::getRaw(
        StringRef(static_cast<const char *>(array.data()), size), size, builder.getInt8Ty());
    auto *global = new GlobalVariable(*module, bytes->getType(), true, GlobalValue::InternalLinkage,
                                      bytes, name);
    global->setAlignment(Align(bufferAlignment));
    return global;
  }

  const Program &program;
  RunFunctionOptions options;
  ProgramSymbols symbols;
  std::unique_ptr<Module> module;
  IRBuilder<> builder;
  PointerType *pointer;
  IntegerType *i64;
  StructType *statusType = nullptr, *contextType = nullptr;
  FunctionType *kernelType = nullptr, *parallelForType = nullptr;
  Function *launchHelper = nullptr, *run = nullptr;
  Value *args = nullptr, *table = nullptr, *arena = nullptr, *ctx = nullptr, *buffers = nullptr;
  BasicBlock *exit = nullptr;
  size_t number = 0; ///< Of the step.
  std::optional<SizeEmitter> sizes;
};

} // namespace

ProgramSymbols::ProgramSymbols(const std::string &name)
    : run(toIdentifier(name) + "_run"), sizes(toIdentifier(name) + "_sizes"),
      arenaBytes(toIdentifier(name) + "_arena_bytes"), program(toIdentifier(name) + "_program"),
      data(toIdentifier(name) + "_data"), version(toIdentifier(name) + "_version"),
      programs(toIdentifier(name) + "_programs") {}

std::string toIdentifier(std::string_view name) {
  constexpr size_t longest = 200, kept = 160;
  std::string result;
  for (char c : name)
    result += isAlnum(c) ? c : '_';
  if (result.empty() || result.front() == '_')
    result.insert(0, "sinter");
  else if (isDigit(result.front()))
    result.insert(0, "sinter_");
  if (result.size() > longest)
    result =
        result.substr(0, kept) + "_" + utohexstr(xxh3_64bits(StringRef(name)), /*LowerCase=*/true);
  return result;
}

std::unique_ptr<Module> buildRunModule(const Program &program, LLVMContext &context,
                                       RunFunctionOptions options) {
  return RunBuilder(program, context, std::move(options)).build();
}

} // namespace sinter::cpu
