// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/MathExpansion.h"

#include "tools/ulp-sweep/MathKernel.h"
#include "tools/ulp-sweep/Oracle.h"

#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/ir/base/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace sinter;
using namespace sinter::tools;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// The levels of x86-64 this machine can run: without FMA, with AVX2, with AVX-512.
std::vector<TargetInfo> targets() {
  std::vector<TargetInfo> found;
  for (const char *name : {"cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4"})
    try {
      TargetInfo target = TargetInfo::parse(name);
      target.requireRunnable();
      found.push_back(target);
    } catch (const Error &) {
    }
  return found;
}

MathKernelOptions kernelOptions(const TargetInfo &target, bool single, int lanes = 0) {
  MathKernelOptions options;
  options.target = target;
  options.element = single ? "f32" : "f64";
  options.lanes = lanes ? lanes : target.vectorBytes / (single ? 4 : 8);
  return options;
}

template <typename T> constexpr bool isSingle = sizeof(T) == 4;

template <typename T>
std::vector<T> run(const std::string &body, const MathKernelOptions &options, std::vector<T> x,
                   std::vector<T> y = {}) {
  size_t count = x.size(), padded = (count + 63) / 64 * 64;
  x.resize(padded, T(1));
  y.resize(padded, T(1));
  std::vector<T> result(padded);
  MathKernel(body, options).run(x.data(), y.data(), result.data(), int64_t(padded));
  result.resize(count);
  return result;
}

/// Values where functions change their behaviour.
template <typename T> std::vector<T> specials() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {T(0),
                           Limits::denorm_min(),
                           3 * Limits::denorm_min(),
                           Limits::min(),
                           Limits::min() / 2,
                           Limits::epsilon(),
                           T(0.5),
                           T(0.70710677),
                           T(1),
                           1 + Limits::epsilon(),
                           1 - Limits::epsilon() / 2,
                           T(1.5),
                           T(2),
                           T(2.5),
                           T(3),
                           T(88.72283),
                           T(88.72284),
                           T(103.97),
                           T(709.782712893384),
                           T(745.2),
                           T(1e5),
                           T(100001),
                           T(16777215),
                           T(16777216),
                           T(1e22),
                           Limits::max(),
                           Limits::infinity(),
                           Limits::quiet_NaN()};
  for (size_t i = 0, n = values.size(); i < n; ++i)
    values.push_back(-values[i]);
  return values;
}

/// Every 8191st float, and the special ones.
std::vector<float> stridedFloats() {
  std::vector<float> values = specials<float>();
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 8191)
    values.push_back(std::bit_cast<float>(uint32_t(bits)));
  return values;
}

std::vector<double> sampledDoubles(const MathFunction &function, int count) {
  std::vector<double> values = specials<double>();
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> range(function.low, function.high), unit(-1, 1);
  for (int i = 0; i < count; ++i) {
    values.push_back(std::bit_cast<double>(random()));
    values.push_back(range(random));
    values.push_back(1.5 * unit(random));
    values.push_back(1 + std::ldexp(unit(random), -int(random() % 50)));
    values.push_back(std::ldexp(unit(random), -int(random() % 1100)));
    values.push_back(double(random() % 200000) * 1.5707963267948966);
  }
  return values;
}

TEST(MathExpansionTest, SingleFunctionsStayWithinTheirBound) {
  std::vector<float> x = stridedFloats();
  for (const MathFunction &function : mathFunctions()) {
    std::vector<double> want;
    for (float value : x)
      want.push_back(function.exact(value));
    for (const TargetInfo &target : targets()) {
      std::vector<float> got = run(function.body, kernelOptions(target, true), x);
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i)
        if (double error = ulpError(got[i], want[i]); error > worst)
          worst = error, at = x[i];
      EXPECT_LE(worst, function.singleBound)
          << function.name << " on " << target.str() << " at " << at;
    }
  }
}

double errorOf(const MathFunction &function, double got, double x) {
  long double want = function.wide(x);
  return function.cancelled ? ulpErrorBeside(got, want, function.cancelled(x))
                            : ulpError(got, want);
}

TEST(MathExpansionTest, DoubleFunctionsStayWithinTheirBound) {
  for (const TargetInfo &target : targets())
    for (const MathFunction &function : mathFunctions()) {
      std::vector<double> x = sampledDoubles(function, 8000);
      std::vector<double> got = run(function.body, kernelOptions(target, false), x);
      double worst = 0, at = 0;
      for (size_t i = 0; i < x.size(); ++i)
        if (double error = errorOf(function, got[i], x[i]); error > worst)
          worst = error, at = x[i];
      EXPECT_LE(worst, function.doubleBound)
          << function.name << " on " << target.str() << " at " << at;
    }
}

template <typename T> void expectSameBits(const MathFunction &function, const TargetInfo &target) {
  std::vector<T> x = specials<T>();
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    x.push_back(T(std::uniform_real_distribution<double>(function.low, function.high)(random)));
    uint64_t bits = random();
    T any;
    std::memcpy(&any, &bits, sizeof(T));
    x.push_back(any);
  }
  std::vector<T> scalar = run(function.body, kernelOptions(target, isSingle<T>, 1), x);
  for (int lanes : {2, 16, 64}) {
    std::vector<T> vector = run(function.body, kernelOptions(target, isSingle<T>, lanes), x);
    size_t different = 0;
    for (size_t i = 0; i < x.size(); ++i) // Which NaN is not specified.
      different += std::isnan(scalar[i]) ? !std::isnan(vector[i])
                                         : std::memcmp(&scalar[i], &vector[i], sizeof(T)) != 0;
    EXPECT_EQ(different, 0u) << function.name << " with " << lanes << " lanes on " << target.str();
  }
}

TEST(MathExpansionTest, LanesGetTheBitsOfTheScalar) {
  for (const TargetInfo &target : targets())
    for (const MathFunction &function : mathFunctions()) {
      expectSameBits<float>(function, target);
      expectSameBits<double>(function, target);
    }
}

template <typename T> void expectPairsWithinBound(const TargetInfo &target) {
  std::vector<T> x, y;
  for (T a : specials<T>())
    for (T b : specials<T>()) {
      x.push_back(a);
      y.push_back(b);
    }
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> unit(-1, 1);
  for (int i = 0; i < 20000; ++i) {
    x.push_back(T(std::exp(80 * unit(random)) * unit(random)));
    y.push_back(T(double(x.back()) * std::exp((i % 2 ? 1 : 40) * unit(random))));
  }
  for (const PairFunction &function : pairFunctions()) {
    std::vector<T> got = run(function.body, kernelOptions(target, isSingle<T>), x, y);
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      long double want = function.wide(x[i], y[i]);
      double error;
      if constexpr (isSingle<T>)
        error = ulpError(got[i], double(want));
      else
        error = function.cancelled ? ulpErrorBeside(got[i], want, function.cancelled(x[i], y[i]))
                                   : ulpError(got[i], want);
      if (error > worst)
        worst = error, at = i;
    }
    EXPECT_LE(worst, isSingle<T> ? function.singleBound : function.doubleBound)
        << function.name << "(" << x[at] << ", " << y[at] << ") = " << got[at] << " on "
        << target.str();
  }
}

TEST(MathExpansionTest, PairsStayWithinTheirBound) {
  for (const TargetInfo &target : targets()) {
    expectPairsWithinBound<float>(target);
    expectPairsWithinBound<double>(target);
  }
}

template <typename T> void expectPowSpecials(const TargetInfo &target) {
  std::vector<T> x, y;
  for (T a : specials<T>())
    for (T b : specials<T>()) {
      x.push_back(a);
      y.push_back(b);
    }
  std::vector<T> got =
      run(MathKernel::binary("math.powf"), kernelOptions(target, isSingle<T>), x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    auto want = std::pow((long double)x[i], (long double)y[i]);
    double error;
    if constexpr (isSingle<T>)
      error = ulpError(got[i], double(want));
    else
      error = ulpError(got[i], want);
    EXPECT_LE(error, 2) << "pow(" << x[i] << ", " << y[i] << ") = " << got[i] << " on "
                        << target.str();
  }
}

TEST(MathExpansionTest, PowFollowsTheStandardsSpecialCases) {
  for (const TargetInfo &target : targets()) {
    expectPowSpecials<float>(target);
    expectPowSpecials<double>(target);
  }
}

TEST(MathExpansionTest, PowStaysWithinItsBound) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> unit(-1, 1);
  std::vector<double> x, y;
  std::vector<float> xs, ys;
  for (int i = 0; i < 100000; ++i) {
    double a =
        i % 2 ? std::exp(80 * unit(random)) : 1 + std::ldexp(unit(random), -int(random() % 20));
    double b = unit(random) / std::log(a);
    x.push_back(a);
    y.push_back(740 * b);
    xs.push_back(float(a));
    ys.push_back(float(100 * b));
  }
  for (const TargetInfo &target : targets()) {
    std::string body = MathKernel::binary("math.powf");
    std::vector<double> got = run(body, kernelOptions(target, false), x, y);
    std::vector<float> gotSingle = run(body, kernelOptions(target, true), xs, ys);
    double worst = 0, worstSingle = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, ulpError(got[i], std::pow((long double)x[i], (long double)y[i])));
      worstSingle =
          std::max(worstSingle, ulpError(gotSingle[i], std::pow(double(xs[i]), double(ys[i]))));
    }
    EXPECT_LE(worst, powDoubleBound) << target.str();
    EXPECT_LE(worstSingle, powSingleBound) << target.str();
  }
}

TEST(MathExpansionTest, SpecialValuesOfUnaryFunctions) {
  struct Row {
    const char *op;
    float x, want;
  };
  const Row rows[] = {
      {"math.exp", -infinity, 0},
      {"math.exp", infinity, infinity},
      {"math.exp", 0, 1},
      {"math.exp", nan, nan},
      {"math.expm1", -0.0f, -0.0f},
      {"math.expm1", -infinity, -1},
      {"math.log", 0, -infinity},
      {"math.log", -0.0f, -infinity},
      {"math.log", -1, nan},
      {"math.log", 1, 0},
      {"math.log", infinity, infinity},
      {"math.log1p", -1, -infinity},
      {"math.log1p", -0.0f, -0.0f},
      {"math.log1p", -2, nan},
      {"math.sin", -0.0f, -0.0f},
      {"math.sin", infinity, nan},
      {"math.cos", 0, 1},
      {"math.cos", -infinity, nan},
      {"math.tanh", -0.0f, -0.0f},
      {"math.tanh", infinity, 1},
      {"math.tanh", -infinity, -1},
      {"math.erf", -0.0f, -0.0f},
      {"math.erf", infinity, 1},
      {"math.erf", -infinity, -1},
      {"math.rsqrt", 0, infinity},
      {"math.rsqrt", infinity, 0},
      {"math.rsqrt", -1, nan},
      {"math.floor", -0.5f, -1},
      {"math.ceil", -0.5f, -0.0f},
      {"math.round", 2.5f, 3},
      {"math.roundeven", 2.5f, 2},
      {"math.trunc", -0.5f, -0.0f},
  };
  for (const TargetInfo &target : targets())
    for (const Row &row : rows) {
      float got = run<float>(MathKernel::unary(row.op), kernelOptions(target, true), {row.x})[0];
      EXPECT_EQ(ulpError(got, double(row.want)), 0)
          << row.op << "(" << row.x << ") = " << got << " on " << target.str();
    }
}

TEST(MathExpansionTest, NoLibraryFunctionIsCalled) {
  std::vector<std::string> bodies = {MathKernel::binary("math.powf"),
                                     "%r = math.fma %x, %y, %x : TYPE\n"};
  for (const MathFunction &function : mathFunctions())
    bodies.push_back(function.body);
  for (const PairFunction &function : pairFunctions())
    bodies.push_back(function.body);
  for (const TargetInfo &target : targets())
    for (const std::string &body : bodies)
      for (bool single : {true, false})
        for (int lanes : {1, 16}) {
          std::string code = MathKernel::assembly(body, kernelOptions(target, single, lanes));
          EXPECT_EQ(code.find("\tcall"), std::string::npos) << body << " on " << target.str();
        }
}

TEST(MathExpansionTest, FmaStaysFusedWhereTheTargetHasIt) {
  for (const TargetInfo &target : targets()) {
    std::string body = MathKernel::unary("math.exp");
    std::string code = MathKernel::assembly(body, kernelOptions(target, true));
    EXPECT_EQ(code.find("vfmadd") != std::string::npos, target.hasFma) << target.str();
  }
}

TEST(MathExpansionTest, SinAndCosShareTheReduction) {
  mlir::MLIRContext context;
  cpu::prepareContext(context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
    func.func @f(%x: vector<8xf32>) -> (vector<8xf32>, vector<8xf32>) {
      %s = math.sin %x : vector<8xf32>
      %c = math.cos %x : vector<8xf32>
      return %s, %c : vector<8xf32>, vector<8xf32>
    })",
                                                        mlir::ParserConfig(&context));
  ASSERT_TRUE(succeeded(cpu::expandMath(*module, {.hasFma = true, .hasAvx512 = false})));
  int loops = 0; // One per reduction: large lanes.
  module->walk([&](mlir::Operation *op) { loops += op->getName().getStringRef() == "scf.for"; });
  EXPECT_EQ(loops, 1);
}

std::string expansionError(const std::string &text) {
  mlir::MLIRContext context;
  cpu::prepareContext(context);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    message = diagnostic.str();
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
  EXPECT_TRUE(module);
  EXPECT_TRUE(failed(cpu::expandMath(*module, {.hasFma = true, .hasAvx512 = false})));
  return message;
}

TEST(MathExpansionTest, RefusesWhatItCannotExpand) {
  EXPECT_NE(expansionError("func.func @f(%x: f32) -> f32 {\n"
                           "  %r = math.erfc %x : f32\n  return %r : f32\n}")
                .find("no inlined expansion"),
            std::string::npos);
  EXPECT_NE(expansionError("func.func @f(%x: f16) -> f16 {\n"
                           "  %r = math.exp %x : f16\n  return %r : f16\n}")
                .find("f32, f64"),
            std::string::npos);
}

} // namespace
