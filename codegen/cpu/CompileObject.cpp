// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/CompileObject.h"

#include "sinter/codegen/cpu/Analyses.h"
#include "sinter/codegen/cpu/CodegenPasses.h"
#include "sinter/codegen/cpu/ShuffleNetworks.h"
#include "sinter/codegen/cpu/ZeroQuotients.h"
#include "sinter/ir/base/Error.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Config/Targets.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CodeGen.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/SROA.h"

#include <mutex>
#include <optional>

using namespace llvm;

namespace sinter::cpu {

namespace {

/// A back end of LLVM, and what its CPUs are called there.
struct BackEnd {
  const char *name;
  const char *triple;
  void (*initialize)(); ///< Null: this build of LLVM lacks it.
};

#if LLVM_HAS_AARCH64_TARGET
void initializeAarch64() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
}
#else
constexpr void (*initializeAarch64)() = nullptr;
#endif

void initializeX86() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser(); // Inline assembly: what CPU this is, how to wait.
}

/// By TargetInfo::Isa.
constexpr BackEnd backEnds[] = {
    {"x86-64", "x86_64-unknown-linux-gnu", initializeX86},
    {"aarch64", "aarch64-unknown-linux-gnu", initializeAarch64},
};

/// Only the one that is asked for: initialising every target of libLLVM costs milliseconds and
/// memory.
const Target &llvmTarget(const BackEnd &backEnd) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  const Target *target = nullptr;
  if (backEnd.initialize) {
    backEnd.initialize(); // Harmless when repeated.
    std::string ignored;
    target = TargetRegistry::lookupTarget(Triple(backEnd.triple), ignored);
  }
  if (!target)
    throw Error({.kind = ErrorKind::Unsupported,
                 .hint = "it comes with LLVM's packages, unless they were built without it"},
                std::string("this build of LLVM has no back end for ") + backEnd.name);
  return *target;
}

/// LLVM's name of the CPU. It would only warn, on standard error, about names it does not know.
StringRef cpuName(const Target &target, const Triple &triple, const TargetInfo &info) {
  StringRef cpu =
      info.isa == TargetInfo::Isa::Aarch64 ? StringRef("generic") : StringRef(info.arch);
  std::unique_ptr<MCSubtargetInfo> known(target.createMCSubtargetInfo(triple, "", ""));
  auto refuse = [&](StringRef what, const std::string &name) {
    throw Error({.code = ErrorCode::Usage}, "LLVM knows no " + what.str() + " '" + name + "' for " +
                                                triple.getArchName().str());
  };
  if (!known->isCPUStringValid(cpu))
    refuse("CPU", cpu.str());
  SmallVector<StringRef> features;
  StringRef(info.features).split(features, ',', -1, /*KeepEmpty=*/false);
  for (StringRef feature : features) {
    StringRef name = feature.drop_front();
    if ((feature[0] != '+' && feature[0] != '-') ||
        llvm::none_of(known->getAllProcessorFeatures(),
                      [&](const SubtargetFeatureKV &entry) { return name == entry.Key; }))
      refuse("feature", feature.str());
  }
  return cpu;
}

CodeGenOptLevel codegenLevel(int level) {
  return CodeGenOpt::getLevel(level).value_or(CodeGenOptLevel::Default);
}

/// The only lane that a constant mask selects, if it is one.
std::optional<unsigned> singleLane(Value *mask) {
  auto *constant = dyn_cast<Constant>(mask);
  auto *type = dyn_cast<FixedVectorType>(mask->getType());
  if (!constant || !type)
    return std::nullopt;
  std::optional<unsigned> lane;
  for (unsigned i = 0; i < type->getNumElements(); ++i) {
    auto *bit = dyn_cast_or_null<ConstantInt>(constant->getAggregateElement(i));
    if (!bit || (bit->isOne() && lane))
      return std::nullopt;
    if (bit->isOne())
      lane = i;
  }
  return lane;
}

/// Masked stores of one known lane become plain stores. LLVM 22 does so as well, but when it has
/// merged a truncation into the store it writes the element before the truncation: too many bytes.
void storeSingleLanes(Module &module) {
  for (Function &function : module)
    for (Instruction &instruction : make_early_inc_range(instructions(function))) {
      auto *store = dyn_cast<IntrinsicInst>(&instruction);
      if (!store || store->getIntrinsicID() != Intrinsic::masked_store)
        continue;
      std::optional<unsigned> lane = singleLane(store->getArgOperand(2));
      if (!lane)
        continue;
      IRBuilder<> builder(store);
      Value *element = builder.CreateExtractElement(store->getArgOperand(0), *lane);
      Value *address =
          builder.CreateConstGEP1_32(element->getType(), store->getArgOperand(1), *lane);
      builder.CreateAlignedStore(
          element, address,
          commonAlignment(store->getParamAlign(1).valueOrOne(),
                          *lane * module.getDataLayout().getTypeStoreSize(element->getType())));
      store->eraseFromParent();
    }
}

} // namespace

ObjectCompiler::ObjectCompiler(const TargetInfo &target, ObjectOptions options)
    : options(options), vectorBytes(static_cast<unsigned>(target.vectorBytes)) {
  if (target.kind != TargetInfo::Kind::Cpu)
    throw Error({.kind = ErrorKind::Internal}, "not a CPU target: " + target.str());
  const BackEnd &backEnd = backEnds[static_cast<size_t>(target.isa)];
  const Target &llvmBackEnd = llvmTarget(backEnd);
  Triple triple(backEnd.triple);
  TargetOptions targetOptions;
  targetOptions.AllowFPOpFusion = FPOpFusion::Strict;
  targetOptions.MCOptions.AsmVerbose = true;
  machine.reset(llvmBackEnd.createTargetMachine(triple, cpuName(llvmBackEnd, triple, target),
                                                target.features, targetOptions, Reloc::PIC_,
                                                CodeModel::Small, codegenLevel(options.level)));
  if (!machine)
    throw Error({.kind = ErrorKind::Device}, "LLVM has no CPU '" + target.arch + "'");
}

ObjectCompiler::~ObjectCompiler() = default;

void ObjectCompiler::prepare(Module &module) {
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  const std::string vectorWidth = std::to_string(vectorBytes * 8);
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(Attribute::NoUnwind);
    function.addFnAttr("prefer-vector-width", vectorWidth);
  }
  std::string problem;
  raw_string_ostream stream(problem);
  if (verifyModule(module, &stream))
    throw Error({.kind = ErrorKind::Internal}, "generated LLVM IR does not verify: " + problem);
  if (options.cleanUp)
    cleanUp(module);
  storeSingleLanes(module);
  hideZeroQuotients(module);
  hideTurnedDoubles(module);
  if (vectorBytes >= 64) // Smaller networks are searched soon enough.
    cutShuffleNetworks(module, vectorBytes);
}

void ObjectCompiler::cleanUp(Module &module) {
  Analyses analyses(machine.get());
  FunctionPassManager passes;
  passes.addPass(SROAPass(SROAOptions::ModifyCFG));
  passes.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(createFunctionToLoopPassAdaptor(LICMPass(LICMOptions()), /*UseMemorySSA=*/true));
  for (Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, analyses.functions);
}

/// A pipeline of LLVM's that writes into `bytes`.
struct ObjectCompiler::Emitter {
  Emitter(TargetMachine &machine, ObjectOptions options, CodeGenFileType type)
      : saves(options.cleanUp && options.level <= 2), stream(bytes) {
    KernelPasses kernelPasses(passes, /*thorough=*/options.level > 2);
    legacy::PassManagerBase &all = passes;
    if (machine.addPassesToEmitFile(options.cleanUp ? kernelPasses : all, stream, nullptr, type,
                                    /*DisableVerify=*/true))
      throw Error({.kind = ErrorKind::Internal}, "LLVM cannot write object code for this target");
  }

  std::string emit(Module &module) {
    bytes.clear();
    std::optional<CarrierGate> gate;
    if (saves)
      gate.emplace(module);
    passes.run(module);
    return std::string(bytes.begin(), bytes.end());
  }

  const bool saves; ///< Time on functions that need no more.
  SmallVector<char, 0> bytes;
  raw_svector_ostream stream;
  legacy::PassManager passes;
};

std::string ObjectCompiler::object(Module &module) {
  prepare(module);
  if (!emitter)
    emitter = std::make_unique<Emitter>(*machine, options, CodeGenFileType::ObjectFile);
  return emitter->emit(module);
}

std::string ObjectCompiler::assembly(Module &module) {
  prepare(module);
  return Emitter(*machine, options, CodeGenFileType::AssemblyFile).emit(module);
}

std::string ObjectCompiler::ir(Module &module) {
  prepare(module);
  std::string text;
  raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

} // namespace sinter::cpu
