// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Interface.h"

#include "sinter/codegen/cpu/Analyses.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cpu/ProgramTable.h"
#include "sinter/codegen/cpu/RunFunction.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"

#include <algorithm>

using namespace llvm;

namespace sinter::cpu {

namespace {

[[noreturn]] void failInternal(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, "interface: " + message);
}

std::unique_ptr<Module> supportModule(TargetInfo::Isa isa, LLVMContext &context) {
  std::string_view code = supportCode(isa);
  Expected<std::unique_ptr<Module>> module =
      parseBitcodeFile(MemoryBufferRef(StringRef(code), "support"), context);
  if (!module)
    failInternal("the support code does not parse: " + toString(module.takeError()));
  for (GlobalValue &value : (*module)->global_values())
    if (!value.isDeclaration() && !value.hasLocalLinkage())
      value.setLinkage(GlobalValue::InternalLinkage);
  return std::move(*module);
}

/// Exported functions: each hands its arguments on to one of the support code, behind the table of
/// the program.
class Exports {
public:
  Exports(Module &module, const InterfaceSymbols &symbols, GlobalVariable *table,
          const TableCounts &counts)
      : module(module), symbols(symbols), table(table), counts(counts),
        builder(module.getContext()) {}

  void always() {
    forward("sinterCheck", symbols.check);
    forward("sinterErrorText", symbols.errorText);
    call();
    arenaNeed();
    withoutTable("sinterThreadsBytes", symbols.threadsBytes);
    withoutTable("sinterThreadsStart", symbols.threadsStart);
    withoutTable("sinterThreadsStop", symbols.threadsStop);
  }
  void state() {
    forward("sinterStateBytes", symbols.stateBytes);
    forward("sinterStateInit", symbols.stateInit);
    forward("sinterStateLoad", symbols.stateLoad);
    forward("sinterStateSave", symbols.stateSave);
    forward("sinterStateTensor", symbols.stateTensor);
  }

private:
  Function *support(StringRef name) {
    Function *function = module.getFunction(name);
    if (!function)
      failInternal("the support code lacks " + name.str());
    return function;
  }

  /// Starts an exported function with the parameters of `callee` between the first `skip` and the
  /// last `drop` ones.
  Function *start(Function *callee, const std::string &name, unsigned skip, unsigned drop = 0) {
    ArrayRef<Type *> parameters = callee->getFunctionType()->params();
    auto *type = FunctionType::get(callee->getReturnType(),
                                   parameters.slice(skip, parameters.size() - skip - drop), false);
    auto *function = Function::Create(type, GlobalValue::ExternalLinkage, name, module);
    function->copyAttributesFrom(callee); // The CPU that it is for, above all.
    function->setAttributes(
        AttributeList::get(module.getContext(), AttributeList::FunctionIndex,
                           AttrBuilder(module.getContext(), callee->getAttributes().getFnAttrs())));
    function->setDSOLocal(false);
    builder.SetInsertPoint(BasicBlock::Create(module.getContext(), "entry", function));
    return function;
  }

  void finish(Function *callee, Function *function, ArrayRef<Value *> before,
              ArrayRef<Value *> after = {}) {
    SmallVector<Value *> arguments(before);
    for (llvm::Argument &argument : function->args())
      arguments.push_back(&argument);
    arguments.append(after.begin(), after.end());
    builder.CreateRet(builder.CreateCall(callee, arguments));
  }

  void forward(StringRef from, const std::string &name) {
    Function *callee = support(from), *function = start(callee, name, 1);
    finish(callee, function, {table});
  }
  void withoutTable(StringRef from, const std::string &name) {
    Function *callee = support(from), *function = start(callee, name, 0);
    finish(callee, function, {});
  }

  Value *words(int64_t count) {
    auto *type =
        ArrayType::get(builder.getInt64Ty(), static_cast<uint64_t>(std::max<int64_t>(count, 1)));
    AllocaInst *memory = builder.CreateAlloca(type);
    memory->setAlignment(Align(16));
    return memory;
  }

  /// The memory of a call lies on the stack: see Frame in support/Support.h.
  void call() {
    constexpr int64_t tensorWords = 5;
    Function *callee = support("sinterCall"), *function = start(callee, symbols.call, 1, 1);
    Value *fields[] = {words(counts.tableSize), words(counts.dims), words(counts.dims),
                       words(counts.args), words(counts.variables * tensorWords)};
    auto *type = ArrayType::get(builder.getPtrTy(), std::size(fields));
    Value *frame = builder.CreateAlloca(type);
    for (auto [i, field] : llvm::enumerate(fields))
      builder.CreateStore(field, builder.CreateConstInBoundsGEP2_64(type, frame, 0, i));
    finish(callee, function, {table}, {frame});
  }
  void arenaNeed() {
    Function *callee = support("sinterArenaBytes"),
             *function = start(callee, symbols.arenaNeed, 1, 1);
    finish(callee, function, {table}, {words(counts.tableSize)});
  }

  Module &module;
  const InterfaceSymbols &symbols;
  GlobalVariable *table;
  TableCounts counts;
  IRBuilder<> builder;
};

/// Leaves out what nothing exported needs.
void dropUnused(Module &module) {
  Analyses analyses;
  ModulePassManager passes;
  passes.addPass(GlobalDCEPass());
  passes.run(module, analyses.modules);
}

} // namespace

InterfaceSymbols::InterfaceSymbols(const std::string &name) {
  const std::string prefix = toIdentifier(name) + "_";
  check = prefix + "check";
  call = prefix + "call";
  arenaNeed = prefix + "arena_need";
  errorText = prefix + "error_text";
  stateBytes = prefix + "state_bytes";
  stateInit = prefix + "state_init";
  stateLoad = prefix + "state_load";
  stateSave = prefix + "state_save";
  stateTensor = prefix + "state_tensor";
  threadsBytes = prefix + "threads_bytes";
  threadsStart = prefix + "threads_start";
  threadsStop = prefix + "threads_stop";
  values = prefix + "values";
  version = prefix + "_version";
}

std::string interfaceObject(const std::string &name, const std::vector<InterfaceVersion> &versions,
                            const ArrayMap &values, TargetInfo::Isa isa) {
  if (versions.empty())
    failInternal("there is no program");
  LLVMContext context;
  std::unique_ptr<Module> module = supportModule(isa, context);
  module->setModuleIdentifier(name);
  module->setSourceFileName(name);
  InterfaceSymbols symbols(name);
  TableCounts counts;
  GlobalVariable *table = buildProgramTable(*module, name, versions, values, symbols, counts);
  Exports exports(*module, symbols, table, counts);
  exports.always();
  if (hasVariables(*versions.front().program))
    exports.state();
  dropUnused(*module);
  ObjectCompiler compiler(
      TargetInfo::parse(isa == TargetInfo::Isa::Aarch64 ? "cpu:aarch64" : "cpu:x86-64"),
      {.level = 2, .cleanUp = false});
  return compiler.object(*module);
}

} // namespace sinter::cpu
