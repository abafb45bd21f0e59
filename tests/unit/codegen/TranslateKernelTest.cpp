// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/TranslateKernel.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/ir/base/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

using namespace sinter;
using namespace sinter::cpu;

namespace {

class TranslateKernel : public testing::Test {
protected:
  TranslateKernel() { prepareContext(context); }

  /// A kernel with the pointers %p and %q, integers %i to %k, and what is loaded.
  mlir::OwningOpRef<mlir::ModuleOp> kernel(const std::string &body) {
    return parse("func.func @kernel(%p: !llvm.ptr, %q: !llvm.ptr, %i: i64, %j: i64, %k: i64) {\n"
                 "  %c0 = arith.constant 0 : i64\n  %c1 = arith.constant 1 : i64\n"
                 "  %x = llvm.load %p : !llvm.ptr -> f32\n"
                 "  %v = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>\n"
                 "  %n = llvm.load %p {alignment = 8 : i64} : !llvm.ptr -> vector<8xi32>\n" +
                 body + "\n  return\n}\n");
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      throw std::runtime_error("does not parse: " + text);
    return module;
  }

  std::string assembly(std::unique_ptr<llvm::Module> module) {
    return module ? ObjectCompiler(target).assembly(*module) : "unknown";
  }

  std::string translated(mlir::ModuleOp module) {
    llvm::LLVMContext llvmContext;
    return assembly(translateKernel(module, llvmContext));
  }

  /// As MLIR's own conversion has it.
  std::string converted(mlir::ModuleOp module) {
    llvm::LLVMContext llvmContext;
    if (!LlvmLowering(context, target).convert(module))
      throw std::runtime_error("does not convert");
    return assembly(translateToLlvm(module, llvmContext));
  }

  void expectAlike(const std::string &body) { expectAlike(kernel(body)); }
  void expectAlike(mlir::OwningOpRef<mlir::ModuleOp> module) {
    std::string ours = translated(*module), theirs = converted(*module);
    EXPECT_NE(ours, "unknown");
    EXPECT_EQ(ours, theirs);
  }

  mlir::MLIRContext context;
  TargetInfo target = TargetInfo::parse("cpu:x86-64-v4");
};

TEST_F(TranslateKernel, IntegersAreAsTheConversionHasThem) {
  for (const char *op : {"addi", "subi", "muli", "divsi", "divui", "remsi", "remui", "andi", "ori",
                         "xori", "shli", "shrui", "shrsi", "minsi", "maxsi", "minui", "maxui"}) {
    SCOPED_TRACE(op);
    expectAlike("%r = arith." + std::string(op) +
                " %i, %j : i64\nllvm.store %r, %q : i64, !llvm.ptr");
  }
  for (const char *predicate :
       {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"}) {
    SCOPED_TRACE(predicate);
    expectAlike("%r = arith.cmpi " + std::string(predicate) +
                ", %i, %j : i64\n%s = arith.select %r, %i, %k : i64\n"
                "llvm.store %s, %q : i64, !llvm.ptr");
  }
  for (const char *op : {"math.ctpop", "math.ctlz", "math.cttz", "math.absi"}) {
    SCOPED_TRACE(op);
    expectAlike("%r = " + std::string(op) + " %n : vector<8xi32>\n" +
                "llvm.store %r, %q : vector<8xi32>, !llvm.ptr");
  }
  expectAlike("%low, %high = arith.mului_extended %n, %n : vector<8xi32>\n"
              "%r = arith.xori %low, %high : vector<8xi32>\n"
              "llvm.store %r, %q : vector<8xi32>, !llvm.ptr");
}

TEST_F(TranslateKernel, FloatsAreAsTheConversionHasThem) {
  for (const char *op : {"arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.minimumf",
                         "arith.maximumf", "math.copysign"}) {
    SCOPED_TRACE(op);
    expectAlike("%b = vector.broadcast %x : f32 to vector<8xf32>\n%r = " + std::string(op) +
                " %v, %b : vector<8xf32>\nllvm.store %r, %q : vector<8xf32>, !llvm.ptr");
  }
  for (const char *op : {"arith.negf", "math.sqrt", "math.absf", "math.floor", "math.ceil",
                         "math.trunc", "math.roundeven"}) {
    SCOPED_TRACE(op);
    expectAlike("%r = " + std::string(op) +
                " %v : vector<8xf32>\nllvm.store %r, %q : vector<8xf32>, !llvm.ptr");
  }
  for (const char *predicate : {"false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq",
                                "ugt", "uge", "ult", "ule", "une", "uno", "true"}) {
    SCOPED_TRACE(predicate);
    expectAlike("%b = vector.broadcast %x : f32 to vector<8xf32>\n%r = arith.cmpf " +
                std::string(predicate) +
                ", %v, %b : vector<8xf32>\n"
                "%s = arith.select %r, %v, %b : vector<8xi1>, vector<8xf32>\n"
                "llvm.store %s, %q : vector<8xf32>, !llvm.ptr");
  }
  expectAlike("%r = math.fma %v, %v, %v : vector<8xf32>\n"
              "llvm.store %r, %q {alignment = 32 : i64, nontemporal} : vector<8xf32>, !llvm.ptr");
}

TEST_F(TranslateKernel, CastsAndConstantsAreAsTheConversionHasThem) {
  expectAlike(R"(
    %a = arith.sitofp %n : vector<8xi32> to vector<8xf32>
    %b = arith.uitofp %n : vector<8xi32> to vector<8xf32>
    %c = arith.fptosi %v : vector<8xf32> to vector<8xi32>
    %d = arith.fptoui %v : vector<8xf32> to vector<8xi32>
    %e = arith.extf %v : vector<8xf32> to vector<8xf64>
    %f = arith.truncf %e : vector<8xf64> to vector<8xf32>
    %g = arith.extsi %n : vector<8xi32> to vector<8xi64>
    %h = arith.extui %n : vector<8xi32> to vector<8xi64>
    %l = arith.muli %g, %h : vector<8xi64>
    %m = arith.trunci %l : vector<8xi64> to vector<8xi32>
    %o = arith.bitcast %v : vector<8xf32> to vector<8xi32>
    %s = vector.bitcast %n : vector<8xi32> to vector<16xi16>
    %t = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8]> : vector<8xi32>
    %u = arith.constant dense<2.5> : vector<8xf32>
    %w = arith.constant dense<[true, false, true, true, false, false, true, true]> : vector<8xi1>
    %x0 = arith.select %w, %a, %u : vector<8xi1>, vector<8xf32>
    %x1 = arith.addf %x0, %b : vector<8xf32>
    %x2 = arith.addf %x1, %f : vector<8xf32>
    %y0 = arith.addi %c, %d : vector<8xi32>
    %y1 = arith.addi %y0, %m : vector<8xi32>
    %y2 = arith.addi %y1, %o : vector<8xi32>
    %y3 = arith.addi %y2, %t : vector<8xi32>
    llvm.store %x2, %p {alignment = 4 : i64} : vector<8xf32>, !llvm.ptr
    llvm.store %y3, %q {alignment = 4 : i64} : vector<8xi32>, !llvm.ptr
    %z = llvm.getelementptr %q[%i, 3] : (!llvm.ptr, i64) -> !llvm.ptr, vector<16xi16>
    llvm.store %s, %z : vector<16xi16>, !llvm.ptr)");
}

TEST_F(TranslateKernel, VectorsAndMemoryAreAsTheConversionHasThem) {
  expectAlike(R"(
    %mask = arith.cmpi sgt, %n, %n : vector<8xi32>
    %none = arith.constant dense<0.0> : vector<8xf32>
    %a = llvm.intr.masked.load %q, %mask, %none {alignment = 4 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xf32>) -> vector<8xf32>
    %b = vector.shuffle %a, %v [0, 8, 1, 9, 2, 10, 3, 11] : vector<8xf32>, vector<8xf32>
    %c = vector.extract %b[2] : f32 from vector<8xf32>
    %e = arith.addf %c, %x : f32
    %f = vector.insert %e, %b[5] : f32 into vector<8xf32>
    %h = llvm.getelementptr %q[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    "llvm.intr.prefetch"(%h) <{cache = 1 : i32, hint = 3 : i32, rw = 0 : i32}> : (!llvm.ptr) -> ()
    llvm.intr.masked.store %f, %h, %mask {alignment = 4 : i32} : vector<8xf32>, vector<8xi1> into !llvm.ptr)");
}

TEST_F(TranslateKernel, ControlFlowIsAsTheConversionHasIt) {
  expectAlike(R"(
    %sum = scf.for %a = %c0 to %i step %c1 iter_args(%s = %x) -> (f32) : i64 {
      %in = scf.for %b = %a to %j step %c1 iter_args(%t = %s) -> (f32) : i64 {
        %u = arith.addf %t, %x : f32
        scf.yield %u : f32
      }
      %odd = arith.cmpi slt, %a, %k : i64
      %w:2 = scf.if %odd -> (f32, i64) {
        %y = llvm.load %q : !llvm.ptr -> f32
        scf.yield %y, %a : f32, i64
      } else {
        scf.yield %in, %j : f32, i64
      }
      scf.if %odd {
        llvm.store %w#1, %q : i64, !llvm.ptr
      }
      scf.yield %w#0 : f32
    }
    %end = scf.while (%a = %i) : (i64) -> (i64) {
      %more = arith.cmpi slt, %a, %k : i64
      scf.condition(%more) %a : i64
    } do {
    ^bb0(%a: i64):
      %b = arith.addi %a, %j : i64
      llvm.store %b, %p : i64, !llvm.ptr
      scf.yield %b : i64
    }
    %out = llvm.getelementptr %q[%end] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %sum, %out : f32, !llvm.ptr)");
  expectAlike(parse(R"(
    func.func @kernel(%p: !llvm.ptr, %i: i64) {
      %a = call @helper(%i) : (i64) -> i64
      call @other(%p, %a) : (!llvm.ptr, i64) -> ()
      return
    }
    func.func private @helper(%i: i64) -> i64 {
      %a = arith.muli %i, %i : i64
      return %a : i64
    }
    func.func private @other(%p: !llvm.ptr, %i: i64) {
      llvm.store %i, %p : i64, !llvm.ptr
      return
    })"));
}

// Quotients are written otherwise than the conversion has them: their values are compared.
TEST_F(TranslateKernel, QuotientsRoundTheirWay) {
  for (int64_t by : {1, 2, 3, 7, 16})
    for (int64_t value : {-33, -32, -17, -16, -7, -3, -1, 0, 1, 2, 3, 15, 16, 17, 33})
      for (bool up : {false, true}) {
        auto module =
            kernel("%a = arith.constant " + std::to_string(value) + " : i64\n%b = arith.constant " +
                   std::to_string(by) + " : i64\n%r = arith." + (up ? "ceildivsi" : "floordivsi") +
                   " %a, %b : i64\nllvm.store %r, %q : i64, !llvm.ptr");
        llvm::LLVMContext llvmContext;
        std::unique_ptr<llvm::Module> ours = translateKernel(*module, llvmContext);
        ASSERT_TRUE(ours);
        int64_t expected = value / by;
        if (value % by != 0 && (value > 0) == up)
          expected += up ? 1 : -1;
        std::string text = ObjectCompiler(target).ir(*ours);
        EXPECT_NE(text.find("store i64 " + std::to_string(expected) + ","), std::string::npos)
            << value << " by " << by << (up ? " up" : " down") << "\n"
            << text;
      }
}

// Masks are written otherwise, too: their lanes are those of 64 bits whatever the number.
TEST_F(TranslateKernel, MasksOfNumbersOfLanes) {
  constexpr int64_t lanes[] = {0, 1, 2, 3, 4, 5, -6, 2147483646};
  constexpr int64_t low = std::numeric_limits<int64_t>::min(),
                    high = std::numeric_limits<int64_t>::max();
  struct Predicate {
    const char *name;
    bool (*holds)(int64_t, int64_t);
  };
  for (auto [name, holds] : {Predicate{"slt", [](int64_t a, int64_t b) { return a < b; }},
                             Predicate{"sle", [](int64_t a, int64_t b) { return a <= b; }},
                             Predicate{"sgt", [](int64_t a, int64_t b) { return a > b; }},
                             Predicate{"sge", [](int64_t a, int64_t b) { return a >= b; }}})
    for (bool numberIsLeft : {false, true}) {
      auto module = kernel("%lanes = arith.constant dense<[0, 1, 2, 3, 4, 5, -6, 2147483646]> : "
                           "vector<8xi64>\n%n8 = vector.broadcast %i : i64 to vector<8xi64>\n"
                           "%m = arith.cmpi " +
                           std::string(name) + (numberIsLeft ? ", %n8, %lanes" : ", %lanes, %n8") +
                           " : vector<8xi64>\n%r = arith.extui %m : vector<8xi1> to vector<8xi8>\n"
                           "llvm.store %r, %q {alignment = 1 : i64} : vector<8xi8>, !llvm.ptr");
      llvm::LLVMContext llvmContext;
      std::unique_ptr<llvm::Module> ours = translateKernel(*module, llvmContext);
      ASSERT_TRUE(ours);
      Jit jit({ObjectCompiler(TargetInfo::parse("cpu:native")).object(*ours)});
      auto *run = reinterpret_cast<void (*)(const void *, void *, int64_t, int64_t, int64_t)>(
          jit.lookup("kernel"));
      alignas(64) const float in[16] = {};
      for (int64_t number :
           {low, low + 1, int64_t{-4294967294}, int64_t{-2147483649}, int64_t{-7}, int64_t{-6},
            int64_t{-1}, int64_t{0}, int64_t{3}, int64_t{8}, int64_t{2147483646},
            int64_t{2147483647}, int64_t{2147483648}, int64_t{4294967299}, high}) {
        uint8_t out[8];
        run(in, out, number, 0, 0);
        for (size_t lane = 0; lane < 8; ++lane)
          EXPECT_EQ(out[lane],
                    numberIsLeft ? holds(number, lanes[lane]) : holds(lanes[lane], number))
              << name << " " << number << " lane " << lane << (numberIsLeft ? ", left" : "");
      }
    }
  // Numbers of other comparisons stay as wide as they are.
  for (const char *compared : {"ult, %lanes, %n8", "eq, %n8, %lanes", "slt, %wide, %n8"}) {
    SCOPED_TRACE(compared);
    expectAlike("%lanes = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7]> : vector<8xi64>\n"
                "%wide = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 2147483647]> : vector<8xi64>\n"
                "%n8 = vector.broadcast %i : i64 to vector<8xi64>\n%m = arith.cmpi " +
                std::string(compared) +
                " : vector<8xi64>\n%r = arith.extui %m : vector<8xi1> to vector<8xi8>\n"
                "llvm.store %r, %q {alignment = 1 : i64} : vector<8xi8>, !llvm.ptr");
  }
}

TEST_F(TranslateKernel, WhatItDoesNotKnowIsLeftToTheConversion) {
  for (const char *body : {
           "%r = arith.addf %v, %v fastmath<nnan> : vector<8xf32>",
           "%r = arith.addi %i, %j overflow<nsw> : i64",
           "%r = arith.divui %i, %j exact : i64",
           "%r = arith.ceildivsi %i, %j : i64",
           "%r = arith.index_cast %i : i64 to index",
           "%r = math.exp %v : vector<8xf32>",
           "%r = vector.reduction <add>, %v : vector<8xf32> into f32",
           "%r = arith.constant dense<0.0> : vector<2x4xf32>",
           "%r = llvm.load volatile %p : !llvm.ptr -> f32",
           "%r = llvm.load %p atomic monotonic {alignment = 4 : i64} : !llvm.ptr -> f32",
           "llvm.store volatile %x, %p : f32, !llvm.ptr",
           "%r = llvm.getelementptr inbounds %q[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32",
           "%r = arith.addi %i, %j {known = 1 : i64} : i64",
           "scf.for %a = %c0 to %i step %c1 : i64 { %r = math.exp %v : vector<8xf32> }",
           "%b = arith.cmpi slt, %i, %j : i64\nscf.if %b { %r = math.exp %v : vector<8xf32> } "
           "else { llvm.store %x, %p : f32, !llvm.ptr }",
           "scf.while : () -> () { %b = arith.cmpi slt, %i, %j : i64\n%r = math.exp %v : "
           "vector<8xf32>\nscf.condition(%b) } do { scf.yield }",
       }) {
    SCOPED_TRACE(body);
    auto module = kernel(body);
    llvm::LLVMContext llvmContext;
    EXPECT_FALSE(translateKernel(*module, llvmContext));
    EXPECT_TRUE(mlir::succeeded(module->verify()));
  }
  for (const char *text : {
           "func.func private @f(%i: i64)",
           "func.func @f(%p: !llvm.ptr {llvm.noalias}) { return }",
           "func.func @f(%i: i64) -> (i64, i64) { return %i, %i : i64, i64 }",
           "func.func @f(%i: index) { return }",
           "llvm.mlir.global internal @g(1 : i64) : i64\nfunc.func @f() { return }",
       }) {
    SCOPED_TRACE(text);
    llvm::LLVMContext llvmContext;
    EXPECT_FALSE(translateKernel(*parse(text), llvmContext));
  }
}

} // namespace
