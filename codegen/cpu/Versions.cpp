// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Versions.h"

#include "sinter/codegen/ProgramText.h"
#include "sinter/ir/base/Error.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Module.h"

#include <algorithm>
#include <functional>
#include <map>

using namespace llvm;

namespace sinter::cpu {

namespace {

/// Which version to run, kept where every thread finds it.
class Selector {
public:
  Selector(Module &module, const std::vector<LibraryVersion> &versions)
      : module(module), builder(module.getContext()), i32(builder.getInt32Ty()),
        i64(builder.getInt64Ty()) {
    for (const LibraryVersion &version : versions)
      tests.push_back(version.target.cpuTests());
  }

  Function *build(const std::string &name) {
    function =
        Function::Create(FunctionType::get(i64, false), GlobalValue::ExternalLinkage, name, module);
    function->setDoesNotThrow();
    function->setVisibility(GlobalValue::HiddenVisibility);
    function->setDSOLocal(true);
    builder.SetInsertPoint(block("entry"));
    if (std::all_of(tests.begin(), tests.end(), [](const TargetInfo::CpuTests &test) {
          return test.words.empty() && test.savedStates == 0;
        })) {
      builder.CreateRet(builder.getInt64(tests.size() - 1));
      return function;
    }
    constexpr uint64_t unknown = uint64_t(-2);
    auto *known =
        new GlobalVariable(module, i64, /*isConstant=*/false, GlobalValue::InternalLinkage,
                           builder.getInt64(unknown), "version");
    known->setAlignment(Align(8));
    // Whoever comes first finds the same answer: an atomic word is all the order that it takes.
    LoadInst *before = builder.CreateAlignedLoad(i64, known, Align(8));
    before->setAtomic(AtomicOrdering::Monotonic);
    BasicBlock *look = block("look"), *found = block("found");
    builder.CreateCondBr(builder.CreateICmpEQ(before, builder.getInt64(unknown)), look, found);
    builder.SetInsertPoint(found);
    builder.CreateRet(before);

    builder.SetInsertPoint(look);
    Value *states = savedStates();
    Value *version = builder.getInt64(uint64_t(-1));
    for (size_t i = 0; i < tests.size(); ++i)
      version = builder.CreateSelect(holds(tests[i], states), builder.getInt64(i), version);
    StoreInst *store = builder.CreateAlignedStore(version, known, Align(8));
    store->setAtomic(AtomicOrdering::Monotonic);
    builder.CreateRet(version);
    return function;
  }

private:
  BasicBlock *block(const char *name) {
    return BasicBlock::Create(module.getContext(), name, function);
  }

  /// Word 0 to 3 of a leaf: eax, ebx, ecx, edx.
  Value *cpuid(uint32_t leaf, uint32_t subleaf, uint32_t word) {
    Value *&all = leaves[{leaf, subleaf}];
    if (!all) {
      auto *type = StructType::get(i32, i32, i32, i32);
      InlineAsm *code =
          InlineAsm::get(FunctionType::get(type, {i32, i32}, false), "cpuid",
                         "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}",
                         /*hasSideEffects=*/true);
      all = builder.CreateCall(code, {builder.getInt32(leaf), builder.getInt32(subleaf)});
    }
    return builder.CreateExtractValue(all, word);
  }

  /// XCR0, or 0 where the operating system has not enabled it.
  Value *savedStates() {
    constexpr uint32_t osxsave = 1u << 27;
    Value *enabled =
        builder.CreateICmpNE(builder.CreateAnd(cpuid(1, 0, 2), osxsave), builder.getInt32(0));
    BasicBlock *from = builder.GetInsertBlock(), *read = block("read"), *next = block("next");
    builder.CreateCondBr(enabled, read, next);
    builder.SetInsertPoint(read);
    InlineAsm *code = InlineAsm::get(FunctionType::get(StructType::get(i32, i32), {i32}, false),
                                     "xgetbv", "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}",
                                     /*hasSideEffects=*/true);
    Value *halves = builder.CreateCall(code, {builder.getInt32(0)});
    Value *low = builder.CreateZExt(builder.CreateExtractValue(halves, 0), i64);
    Value *high = builder.CreateZExt(builder.CreateExtractValue(halves, 1), i64);
    Value *word = builder.CreateOr(low, builder.CreateShl(high, 32));
    builder.CreateBr(next);
    builder.SetInsertPoint(next);
    PHINode *states = builder.CreatePHI(i64, 2);
    states->addIncoming(builder.getInt64(0), from);
    states->addIncoming(word, read);
    return states;
  }

  Value *holds(const TargetInfo::CpuTests &test, Value *states) {
    Value *needed = builder.getInt64(test.savedStates);
    Value *result = builder.CreateICmpEQ(builder.CreateAnd(states, needed), needed);
    for (const TargetInfo::CpuTest &word : test.words) {
      // A leaf that the CPU does not have would show another one's bits.
      Value *most = cpuid(word.leaf & 0x80000000, 0, 0);
      Value *isThere = builder.CreateICmpUGE(most, builder.getInt32(word.leaf));
      Value *bits = builder.CreateAnd(cpuid(word.leaf, word.subleaf, word.word), word.mask);
      Value *hasAll = builder.CreateICmpEQ(bits, builder.getInt32(word.mask));
      result = builder.CreateAnd(result, builder.CreateAnd(isThere, hasAll));
    }
    return result;
  }

  Module &module;
  IRBuilder<> builder;
  Type *i32, *i64;
  Function *function = nullptr;
  std::vector<TargetInfo::CpuTests> tests;
  std::map<std::pair<uint32_t, uint32_t>, Value *> leaves;
};

/// An exported function that calls the same function of the version that runs here.
struct Forwarded {
  std::string ProgramSymbols::*symbol;
  FunctionType *type;
  /// What is done where no version runs.
  std::function<void(IRBuilder<> &, Function *)> otherwise;
};

void forward(Module &module, const Forwarded &what, Function *selector, const std::string &name,
             size_t count) {
  LLVMContext &context = module.getContext();
  IRBuilder<> builder(context);
  Function *function = Function::Create(what.type, GlobalValue::ExternalLinkage,
                                        ProgramSymbols(name).*what.symbol, module);
  function->setDoesNotThrow();
  builder.SetInsertPoint(BasicBlock::Create(context, "entry", function));
  Value *version = builder.CreateCall(selector);
  BasicBlock *none = BasicBlock::Create(context, "none", function);
  SwitchInst *choice = builder.CreateSwitch(version, none, static_cast<unsigned>(count));
  SmallVector<Value *> arguments;
  for (llvm::Argument &argument : function->args())
    arguments.push_back(&argument);
  for (size_t i = 0; i < count; ++i) {
    BasicBlock *here = BasicBlock::Create(context, "version", function);
    choice->addCase(builder.getInt64(i), here);
    builder.SetInsertPoint(here);
    FunctionCallee callee = module.getOrInsertFunction(
        ProgramSymbols(versionName(name, i, count)).*what.symbol, what.type);
    auto *declared = cast<Function>(callee.getCallee());
    declared->setVisibility(GlobalValue::HiddenVisibility);
    declared->setDSOLocal(true);
    Value *result = builder.CreateCall(callee, arguments);
    if (what.type->getReturnType()->isVoidTy())
      builder.CreateRetVoid();
    else
      builder.CreateRet(result);
  }
  builder.SetInsertPoint(none);
  what.otherwise(builder, function);
}

} // namespace

std::string versionName(const std::string &name, size_t index, size_t count) {
  return count == 1 ? name : name + "__" + std::to_string(index);
}

TargetInfo commonTarget(TargetInfo::Isa isa) {
  return TargetInfo::parse(isa == TargetInfo::Isa::Aarch64 ? "cpu:aarch64" : "cpu:x86-64");
}

void requireVersions(const std::vector<TargetInfo> &targets) {
  constexpr size_t most = 16;
  auto fail = [](const std::string &message) {
    throw Error({.code = ErrorCode::Usage}, "versions of a library: " + message);
  };
  if (targets.empty() || targets.size() > most)
    fail("there may be 1 to " + std::to_string(most) + ", not " + std::to_string(targets.size()));
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].kind != TargetInfo::Kind::Cpu && targets.size() > 1)
      fail("'" + targets[i].str() + "' is no CPU, and a library of several versions is for CPUs");
    if (targets[i].isa != targets[0].isa)
      fail("'" + targets[0].str() + "' and '" + targets[i].str() +
           "' have different instruction sets");
    for (size_t j = 0; j < i; ++j)
      if (targets[j].exactStr() == targets[i].exactStr())
        fail("'" + targets[i].str() + "' is given twice");
  }
}

void addDispatch(Module &module, const std::vector<LibraryVersion> &versions) {
  const std::string &name = versions.front().program->name;
  const size_t count = versions.size();
  const ProgramSymbols symbols(name);
  Function *selector = Selector(module, versions).build(toIdentifier(name) + "__version");
  if (count == 1)
    return;
  IRBuilder<> builder(module.getContext());
  Type *pointer = builder.getPtrTy(), *i64 = builder.getInt64Ty();
  auto returns = [](int64_t value) {
    return [value](IRBuilder<> &builder, Function *) {
      builder.CreateRet(builder.getInt64(static_cast<uint64_t>(value)));
    };
  };
  const Forwarded functions[] = {
      {&ProgramSymbols::sizes, FunctionType::get(i64, {pointer, i64, pointer}, false), returns(1)},
      {&ProgramSymbols::arenaBytes, FunctionType::get(i64, {pointer}, false), returns(-1)},
      {&ProgramSymbols::run,
       FunctionType::get(builder.getVoidTy(), {pointer, pointer, pointer, pointer}, false),
       [](IRBuilder<> &builder, Function *run) {
         // SinterContext::status.code
         Value *code = builder.CreateConstInBoundsGEP1_64(builder.getPtrTy(), run->getArg(3), 2);
         builder.CreateStore(builder.getInt64(uint64_t(-1)), code);
         builder.CreateRetVoid();
       }},
  };
  for (const Forwarded &function : functions)
    forward(module, function, selector, name, count);

  Function *version = Function::Create(FunctionType::get(i64, false), GlobalValue::ExternalLinkage,
                                       symbols.version, module);
  version->setDoesNotThrow();
  builder.SetInsertPoint(BasicBlock::Create(module.getContext(), "entry", version));
  builder.CreateRet(builder.CreateCall(selector));

  std::string texts;
  for (const LibraryVersion &each : versions)
    (texts += programText(*each.program)) += '\0';
  auto *bytes = ConstantDataArray::getString(module.getContext(), texts, /*AddNull=*/false);
  auto *all = new GlobalVariable(module, bytes->getType(), true, GlobalValue::ExternalLinkage,
                                 bytes, symbols.programs);
  GlobalAlias::create(bytes->getType(), 0, GlobalValue::ExternalLinkage, symbols.program, all,
                      &module);
}

SharedConstants addConstants(Module &module, const std::vector<LibraryVersion> &versions) {
  SharedConstants result;
  std::map<std::string_view, std::string> known;
  for (const LibraryVersion &version : versions) {
    std::vector<std::string> &symbols = result.symbols.emplace_back();
    for (const Array &array : version.program->constants) {
      if (!array.isContiguous())
        throw Error({.kind = ErrorKind::Internal}, "a constant is not contiguous");
      std::string_view data(static_cast<const char *>(array.data()),
                            static_cast<size_t>(array.numBytes()));
      auto [place, isNew] = known.try_emplace(
          data, toIdentifier(version.program->name) + "__constant" + std::to_string(known.size()));
      symbols.push_back(place->second);
      if (!isNew)
        continue;
      Constant *bytes = ConstantDataArray::getRaw(StringRef(data.data(), data.size()), data.size(),
                                                  Type::getInt8Ty(module.getContext()));
      auto *global = new GlobalVariable(module, bytes->getType(), true,
                                        GlobalValue::ExternalLinkage, bytes, place->second);
      global->setVisibility(GlobalValue::HiddenVisibility);
      global->setDSOLocal(true);
      global->setAlignment(Align(bufferAlignment));
    }
  }
  return result;
}

} // namespace sinter::cpu
