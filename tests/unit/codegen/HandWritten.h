// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/codegen/cpu/CompileKernels.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <string>
#include <vector>

namespace sinter::test {

/// Kernels written by hand, so that the tests of what comes after kernel generation need nothing of
/// what comes before it.
class HandWritten {
public:
  HandWritten() { cpu::prepareContext(context); }

  /// out[i] = in[i] * factor + offset[0] for the f32 elements of units of 64, N = table[0].
  mlir::ModuleOp affine(float factor, const std::string &name = "affine") {
    return parse("func.func @" + name +
                 R"((%buffers: !llvm.ptr, %table: !llvm.ptr, %status: !llvm.ptr,
                                %begin: i64, %end: i64, %worker: i64) {
      %p1 = llvm.getelementptr %buffers[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %p2 = llvm.getelementptr %buffers[2] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %in = llvm.load %buffers : !llvm.ptr -> !llvm.ptr
      %offset = llvm.load %p1 : !llvm.ptr -> !llvm.ptr
      %out = llvm.load %p2 : !llvm.ptr -> !llvm.ptr
      %n = llvm.load %table : !llvm.ptr -> i64
      %unit = arith.constant 64 : i64
      %lo = arith.muli %begin, %unit : i64
      %all = arith.muli %end, %unit : i64
      %hi = arith.minsi %all, %n : i64
      %step = arith.constant 16 : i64
      %factor = arith.constant dense<)" +
                 std::to_string(factor) + R"(> : vector<16xf32>
      %zero = arith.constant dense<0.0> : vector<16xf32>
      %b = llvm.load %offset : !llvm.ptr -> f32
      %bs = vector.broadcast %b : f32 to vector<16xf32>
      scf.for %i = %lo to %hi step %step : i64 {
        %left = arith.subi %hi, %i : i64
        %lanes = arith.index_cast %left : i64 to index
        %mask = vector.create_mask %lanes : vector<16xi1>
        %pi = llvm.getelementptr %in[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
        %po = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
        %v = llvm.intr.masked.load %pi, %mask, %zero {alignment = 4 : i32}
            : (!llvm.ptr, vector<16xi1>, vector<16xf32>) -> vector<16xf32>
        %m = arith.mulf %v, %factor : vector<16xf32>
        %s = arith.addf %m, %bs : vector<16xf32>
        llvm.intr.masked.store %s, %po, %mask {alignment = 4 : i32}
            : vector<16xf32>, vector<16xi1> into !llvm.ptr
      }
      return
    })");
  }

  /// Reports an index error with value = the worker and bound = the units it was asked for.
  mlir::ModuleOp failing() {
    return parse(R"(func.func @failing(%buffers: !llvm.ptr, %table: !llvm.ptr, %status: !llvm.ptr,
                                       %begin: i64, %end: i64, %worker: i64) {
      %code = arith.constant 1 : i64
      %site = arith.constant 7 : i64
      %count = arith.subi %end, %begin : i64
      %p1 = llvm.getelementptr %status[1] : (!llvm.ptr) -> !llvm.ptr, i64
      %p2 = llvm.getelementptr %status[2] : (!llvm.ptr) -> !llvm.ptr, i64
      %p3 = llvm.getelementptr %status[3] : (!llvm.ptr) -> !llvm.ptr, i64
      llvm.store %code, %status : i64, !llvm.ptr
      llvm.store %site, %p1 : i64, !llvm.ptr
      llvm.store %worker, %p2 : i64, !llvm.ptr
      llvm.store %count, %p3 : i64, !llvm.ptr
      return
    })");
  }

  mlir::ModuleOp parse(const std::string &text) {
    modules.push_back(mlir::parseSourceString<mlir::ModuleOp>(text, &context));
    return *modules.back();
  }

  /// y = (x * 2 + 0.5) * 3 + 0.5 with an intermediate in the arena; z is a copy of x.
  static Program program(const std::string &name) {
    Program program;
    program.name = name;
    program.target = TargetInfo::host().str();
    DimExpr n = DimExpr::symbol("N"), units = ceilDiv(n, 64);
    program.dims = {"N"};
    program.table = {units, 4 * n};
    program.arguments = {{"x", ArgumentKind::Placeholder, f32, Shape{n}, {}, {"user.cpp", 3, 7}}};
    program.results = {{"y", f32, Shape{n}, -1, {}}, {"z", f32, Shape{n}, -1, {}}};
    program.constants = {Array::scalar(0.5f)};
    program.buffers = {{Buffer::Kind::Argument, 0, 0, 4 * n, "x"},
                       {Buffer::Kind::Constant, 0, 0, 4, "half"},
                       {Buffer::Kind::Arena, 0, 64, 4 * n, "t"},
                       {Buffer::Kind::Result, 0, 0, 4 * n, "y"},
                       {Buffer::Kind::Result, 1, 0, 4 * n, "z"}};
    program.kernels.resize(2);
    program.steps = {Launch{0, {0, 1, 2}, units, 4, 0, 0, 0, {}},
                     Launch{1, {2, 1, 3}, units, 4, 0, 0, 0, {}}, Copy{0, 4, 4 * n}};
    program.sites = {{"gather", "index", {"user.cpp", 9, 1}}};
    program.arenaBytes = 64 + 64 * ceilDiv(4 * n, 64);
    return program;
  }

  /// The kernels of program(), which gets their symbols.
  cpu::CompiledKernels compile(Program &program, const TargetInfo &target) {
    cpu::CompileKernelsOptions options;
    options.symbolPrefix = program.name + "_kernel";
    cpu::CompiledKernels kernels = cpu::compileKernels({affine(2), affine(3)}, target, options);
    for (size_t i = 0; i < program.kernels.size(); ++i)
      program.kernels[i].symbol = kernels.symbols[static_cast<size_t>(kernels.mapping[i])];
    return kernels;
  }

  mlir::MLIRContext context;

private:
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
};

inline std::vector<std::string_view> views(const std::vector<std::string> &strings) {
  return {strings.begin(), strings.end()};
}

} // namespace sinter::test
