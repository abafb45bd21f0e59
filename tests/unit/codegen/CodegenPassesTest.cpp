// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/CodegenPasses.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cpu/ShuffleNetworks.h"
#include "sinter/codegen/cpu/ZeroQuotients.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Pass.h"
#include "llvm/PassRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"

#include <gtest/gtest.h>

using namespace sinter;
using namespace sinter::cpu;

namespace {

/// Lets everything through and notes its name.
class Recorder : public llvm::legacy::PassManagerBase {
public:
  void add(llvm::Pass *pass) override {
    names.insert(pass->getPassName());
    passes.add(pass);
  }
  llvm::StringSet<> names;

private:
  llvm::legacy::PassManager passes;
};

struct Pipeline {
  Pipeline() {
    ObjectCompiler initialisesTheBackEnd(TargetInfo::parse("cpu:x86-64-v4"));
    llvm::Triple triple("x86_64-unknown-linux-gnu");
    std::string problem;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, problem);
    machine.reset(target->createTargetMachine(triple, "x86-64-v4", "", llvm::TargetOptions(),
                                              llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                              llvm::CodeGenOptLevel::Default));
  }

  llvm::StringSet<> namesOf(
      llvm::function_ref<llvm::legacy::PassManagerBase &(llvm::legacy::PassManagerBase &)> before) {
    Recorder recorder;
    llvm::SmallVector<char> bytes;
    llvm::raw_svector_ostream stream(bytes);
    EXPECT_FALSE(machine->addPassesToEmitFile(before(recorder), stream, nullptr,
                                              llvm::CodeGenFileType::ObjectFile, true));
    return recorder.names;
  }

  std::unique_ptr<llvm::TargetMachine> machine;
};

// A newer LLVM may call a pass otherwise, and then it would run again.
TEST(CodegenPasses, AllNamesAreOfLlvmsPipeline) {
  llvm::StringSet<> names = Pipeline().namesOf([](auto &all) -> auto & { return all; });
  for (auto passes : {idlePasses(), dearPasses()})
    for (llvm::StringRef name : passes)
      EXPECT_TRUE(names.contains(name)) << name.str();
}

TEST(CodegenPasses, OnlyThoseStayOut) {
  Pipeline pipeline;
  llvm::StringSet<> all = pipeline.namesOf([](auto &recorder) -> auto & { return recorder; });
  for (bool thorough : {false, true}) {
    std::unique_ptr<KernelPasses> filter;
    llvm::StringSet<> rest =
        pipeline.namesOf([&](auto &recorder) -> llvm::legacy::PassManagerBase & {
          return *(filter = std::make_unique<KernelPasses>(recorder, thorough));
        });
    for (const auto &name : all) {
      bool out = llvm::is_contained(idlePasses(), name.getKey()) ||
                 (!thorough && llvm::is_contained(dearPasses(), name.getKey()));
      EXPECT_EQ(rest.contains(name.getKey()), !out) << name.getKey().str();
    }
    EXPECT_TRUE(rest.contains("X86 DAG->DAG Instruction Selection"));
  }
}

/// A kernel that calls `callee`, after `sums` additions, and a tile.
std::string kernelAndTile(const std::string &callee, int sums) {
  std::string text = "declare void @elsewhere(ptr)\n"
                     "define void @tile(ptr %p) {\n  ret void\n}\n"
                     "define void @kernel(ptr %p) {\n  %s0 = load float, ptr %p\n";
  for (int i = 1; i <= sums; ++i)
    text += "  %s" + std::to_string(i) + " = fadd float %s" + std::to_string(i - 1) + ", 1.0\n";
  for (int i = 0; i < 16; ++i)
    text += "  %a" + std::to_string(i) + " = getelementptr float, ptr %p, i64 " +
            std::to_string(i) + "\n  store i32 0, ptr %a" + std::to_string(i) + "\n";
  return text + "  store float %s" + std::to_string(sums) + ", ptr %p\n  call void @" + callee +
         "(ptr %p)\n  ret void\n}\n";
}

/// Whether the gate of such a module lets `pass` run on `unit`.
bool runs(const std::string &text, const std::string &pass, const std::string &unit) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  auto module = llvm::parseAssemblyString(text, problem, context);
  if (!module)
    throw std::runtime_error(problem.getMessage().str());
  bool result = true;
  {
    CarrierGate gate(*module);
    EXPECT_EQ(&context.getOptPassGate(), &gate);
    result = !gate.isEnabled() || gate.shouldRunPass(pass, unit);
  }
  EXPECT_FALSE(context.getOptPassGate().isEnabled());
  return result;
}

TEST(CarrierGate, KeepsInnerLoopPassesFromWhatCallsTiles) {
  for (llvm::StringRef pass : innerLoopPasses()) {
    EXPECT_FALSE(runs(kernelAndTile("tile", 0), pass.str(), "function (kernel)"));
    EXPECT_FALSE(runs(kernelAndTile("tile", 2), pass.str(), "function (kernel)"));
    EXPECT_TRUE(runs(kernelAndTile("tile", 0), pass.str(), "function (tile)"));
    EXPECT_TRUE(runs(kernelAndTile("tile", 3), pass.str(), "function (kernel)")); // Computes.
    EXPECT_TRUE(runs(kernelAndTile("elsewhere", 0), pass.str(), "function (kernel)"));
  }
  EXPECT_TRUE(runs(kernelAndTile("tile", 0), "twoaddressinstruction", "function (kernel)"));
}

// LLVM asks the gate about them by these names.
TEST(CarrierGate, NamesAreLlvms) {
  Pipeline pipeline; // Registers them.
  pipeline.namesOf([](auto &all) -> auto & { return all; });
  for (llvm::StringRef pass : innerLoopPasses())
    EXPECT_NE(llvm::PassRegistry::getPassRegistry()->getPassInfo(pass), nullptr) << pass.str();
}

/// How many values are hidden in `levels` levels of shuffles of `lanes` elements.
size_t hiddenAfter(int levels, unsigned bytes, int lanes = 16,
                   const std::string &element = "float") {
  const std::string count = std::to_string(lanes), type = "<" + count + " x " + element + ">";
  std::string text = "define " + type + " @f(" + type + " %v0, " + type + " %w0) {\n";
  std::string mask;
  for (int lane = 0; lane < lanes; ++lane)
    mask += (lane ? ", i32 " : "i32 ") + std::to_string(lane % 2 ? lanes + lane : lane);
  for (int level = 1; level <= levels; ++level) {
    std::string before = std::to_string(level - 1), now = std::to_string(level);
    for (auto [a, b] : {std::pair("v", "w"), std::pair("w", "v")})
      text += std::string("  %") + a + now + " = shufflevector " + type + " %" + a + before + ", " +
              type + " %" + b + before + ", <" + count + " x i32> <" + mask + ">\n";
  }
  std::string last = std::to_string(levels);
  text += "  %sum = fadd " + type + " %v" + last + ", %w" + last + "\n  ret " + type + " %sum\n}\n";
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  auto module = llvm::parseAssemblyString(text, problem, context);
  if (!module)
    throw std::runtime_error(problem.getMessage().str());
  cutShuffleNetworks(*module, bytes);
  EXPECT_FALSE(llvm::verifyModule(*module, &llvm::errs()));
  std::string after;
  llvm::raw_string_ostream stream(after);
  module->print(stream, nullptr);
  return llvm::StringRef(after).count("asm \"\"");
}

TEST(ShuffleNetworks, EverySecondLevelIsHidden) {
  EXPECT_EQ(hiddenAfter(2, 64), 0U);
  EXPECT_EQ(hiddenAfter(3, 64), 2U);
  EXPECT_EQ(hiddenAfter(4, 64), 2U);
  EXPECT_EQ(hiddenAfter(5, 64), 4U);
}

TEST(ShuffleNetworks, OtherVectorsAreLeftAsTheyAre) {
  EXPECT_EQ(hiddenAfter(5, 32), 0U);
  EXPECT_EQ(hiddenAfter(5, 64, 8, "double"), 4U);
  EXPECT_EQ(hiddenAfter(5, 64, 32, "half"), 0U); // No register of most CPUs holds them.
  EXPECT_EQ(hiddenAfter(5, 64, 32, "bfloat"), 0U);
}

/// Whether the quotient of x and y, which `operands` defines from loads and constants, is hidden.
bool isHidden(const std::string &operands) {
  std::string text = R"(
declare <2 x float> @llvm.masked.load.v2f32.p0(ptr, <2 x i1>, <2 x float>)
define <2 x float> @f(ptr %p, ptr %q, <2 x i1> %m) {
)" + operands + R"(
  %quotient = fdiv <2 x float> %x, %y
  %result = select <2 x i1> <i1 false, i1 true>, <2 x float> %quotient, <2 x float> zeroinitializer
  ret <2 x float> %result
}
)";
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  auto module = llvm::parseAssemblyString(text, problem, context);
  if (!module)
    throw std::runtime_error(problem.getMessage().str());
  hideZeroQuotients(*module);
  EXPECT_FALSE(llvm::verifyModule(*module, &llvm::errs()));
  std::string after;
  llvm::raw_string_ostream stream(after);
  module->print(stream, nullptr);
  return llvm::StringRef(after).contains(
             "%result = select <2 x i1> <i1 false, i1 true>, <2 x float> %quotient") == false;
}

std::string part(const std::string &name, const std::string &from, const std::string &mask,
                 const std::string &other = "zeroinitializer") {
  return "  %" + name + " = call <2 x float> @llvm.masked.load.v2f32.p0(ptr align 4 %" + from +
         ", <2 x i1> " + mask + ", <2 x float> " + other + ")\n";
}

TEST(ZeroQuotients, AreHiddenWhereBothMayBeZero) {
  const std::string second = "<i1 false, i1 true>";
  EXPECT_TRUE(isHidden(part("x", "p", second) + part("y", "q", second)));
  EXPECT_TRUE(isHidden(
      part("x", "p", second) + part("z", "q", second) +
      "  %y = shufflevector <2 x float> %z, <2 x float> poison, <2 x i32> <i32 1, i32 0>\n"));
  EXPECT_FALSE(isHidden(part("x", "p", "%m") + part("y", "q", "%m")));
  EXPECT_FALSE(isHidden(part("x", "p", second) + part("y", "q", second, "splat (float 1.0)")));
  EXPECT_FALSE(isHidden(part("x", "p", second) + "  %y = load <2 x float>, ptr %q\n"));
}

/// Whether a user of %x, which `lines` define, no longer sees how.
bool hidesTurned(const std::string &lines, const std::string &user) {
  const std::string text = "define <8 x double> @f(<8 x double> %a, <8 x double> %b, ptr %p) {\n" +
                           lines + user + "  ret <8 x double> %a\n}\n";
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  auto module = llvm::parseAssemblyString(text, problem, context);
  if (!module)
    throw std::runtime_error(problem.getMessage().str());
  hideTurnedDoubles(*module);
  EXPECT_FALSE(llvm::verifyModule(*module, &llvm::errs()));
  std::string after;
  llvm::raw_string_ostream stream(after);
  module->print(stream, nullptr);
  return llvm::StringRef(after).contains("arithmetic.fence.v8f64(<8 x double> %x)");
}

TEST(TurnedDoubles, AreHidden) {
  auto shuffle = [](const std::string &to, const std::string &from, const std::string &first) {
    return "  %" + to + " = shufflevector <8 x double> %" + from +
           ", <8 x double> %b, <8 x i32> <i32 " + first +
           ", i32 3, i32 4, i32 5, i32 6, i32 7, i32 7, i32 8>\n";
  };
  const std::string negation = "  %r = fneg <8 x double> %x\n",
                    sum = "  %r = fadd <8 x double> %x, %a\n",
                    store = "  store <8 x double> %x, ptr %p\n";
  EXPECT_TRUE(hidesTurned(shuffle("x", "a", "1"), negation));
  EXPECT_TRUE(hidesTurned(shuffle("x", "a", "9"), negation));
  EXPECT_TRUE(hidesTurned(shuffle("x", "a", "1"), sum));
  EXPECT_FALSE(hidesTurned(shuffle("x", "a", "1"), store));
  EXPECT_FALSE(hidesTurned(shuffle("x", "a", "2"), negation));
  EXPECT_FALSE(hidesTurned("  %x = fadd <8 x double> %a, %b\n", negation));
  // Through other shuffles and elements that are put in.
  EXPECT_TRUE(hidesTurned(shuffle("y", "a", "1") + shuffle("x", "y", "0"), negation));
  EXPECT_TRUE(hidesTurned(shuffle("y", "a", "1") +
                              "  %x = insertelement <8 x double> %y, double 5.0, i32 7\n",
                          negation));
  EXPECT_FALSE(hidesTurned(shuffle("y", "a", "1") +
                               "  %x = insertelement <8 x double> %y, double 5.0, i32 0\n",
                           negation));
}

} // namespace
