// SPDX-License-Identifier: Apache-2.0
// First and second derivatives of every rule, through the autodiff pass and the interpreter,
// against central differences in f64; and the values at the points where a convention decides.
#include "sinter/codegen/Interpreter.h"
#include "sinter/ir/Dialect.h"
#include "sinter/passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

using namespace mlir;
using namespace sinter;

namespace {

std::string tensor(const std::string &type) { return "!sinter.tensor<" + type + ">"; }

double weight(int64_t i) { return std::sin(static_cast<double>(i) * 1.7 + 0.6); }

/// "dense<[0.31, …]> : tensor<nxf64>": the same irregular numbers each time.
std::string weights(int64_t count) {
  std::ostringstream text;
  text.precision(17);
  text << "dense<[";
  for (int64_t i = 0; i < count; ++i)
    text << (i ? ", " : "") << weight(i);
  text << "]> : tensor<" << count << "xf64>";
  return text.str();
}

class GradientRulesTest : public ::testing::Test {
protected:
  GradientRulesTest() {
    DialectRegistry registry;
    ir::registerAll(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  OwningOpRef<ModuleOp> expand(const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << text;
      return module;
    }
    PassManager manager(&context);
    manager.addNestedPass<func::FuncOp>(passes::createAutodiff());
    EXPECT_TRUE(succeeded(manager.run(*module))) << text;
    return module;
  }

  static std::vector<Array> run(ModuleOp module, const std::vector<Array> &arguments) {
    return codegen::interpret(cast<func::FuncOp>(module.getBody()->front()), arguments);
  }

  /// A function of x (f64[n]) that computes s = sum(c · y), g = ds/dx, t = sum(d · g), h = dt/dx,
  /// and the derivatives of s and t along d in forward mode, where `body` makes %y : f64[m] from
  /// %x.
  std::string twice(const std::string &body, int64_t n, int64_t m) {
    std::string x = tensor("f64[" + std::to_string(n) + "]"),
                y = tensor("f64[" + std::to_string(m) + "]");
    std::string s = tensor("f64[]");
    std::string text = "func.func @f(%x: " + x + ") -> (" + s + ", " + x + ", " + s + ", " + x +
                       ", " + s + ", " + s + ") {\n" + body;
    text += "\n  %one = sinter.full 1.0 : f64 : " + s;
    text += "\n  %c = sinter.constant " + weights(m) + " : " + y;
    text += "\n  %cy = sinter.mul %c, %y : (" + y + ", " + y + ") -> " + y;
    text += "\n  %s = sinter.reduce_sum %cy {axes = array<i64: 0>} : (" + y + ") -> " + s;
    text +=
        "\n  %g = sinter.gradients %s wrt %x seed %one : (" + s + ", " + x + ", " + s + ") -> " + x;
    text += "\n  %d = sinter.constant " + weights(n) + " : " + x;
    text += "\n  %dg = sinter.mul %d, %g : (" + x + ", " + x + ") -> " + x;
    text += "\n  %t = sinter.reduce_sum %dg {axes = array<i64: 0>} : (" + x + ") -> " + s;
    text +=
        "\n  %h = sinter.gradients %t wrt %x seed %one : (" + s + ", " + x + ", " + s + ") -> " + x;
    for (const char *line : {"\n  %p = sinter.jvp %s", "\n  %q = sinter.jvp %t"})
      text += line + (" wrt %x along %d : (" + s + ", " + x + ", " + x + ") -> ") + s;
    text += "\n  return %s, %g, %t, %h, %p, %q : " + s + ", " + x + ", " + s + ", " + x + ", " + s +
            ", " + s + "\n}";
    return text;
  }

  void check(const std::string &name, const std::string &body, const std::vector<double> &x,
             int64_t m) {
    SCOPED_TRACE(name);
    auto n = static_cast<int64_t>(x.size());
    OwningOpRef<ModuleOp> module = expand(twice(body, n, m));
    if (!module)
      return;
    std::vector<Array> at = run(*module, {Array::from(x)});
    std::vector<double> g = at[1].toVector<double>(), h = at[3].toVector<double>();
    EXPECT_NEAR(at[4].item(), at[2].item(), 1e-9 * (1 + std::fabs(at[2].item())))
        << "forward mode against the gradient";
    double along = 0;
    for (int64_t i = 0; i < n; ++i)
      along += h[static_cast<size_t>(i)] * weight(i);
    EXPECT_NEAR(at[5].item(), along, 1e-9 * (1 + std::fabs(along)))
        << "forward mode of the gradient";
    constexpr double step = 1e-5;
    for (int64_t i = 0; i < n; ++i) {
      std::vector<double> up = x, down = x;
      up[static_cast<size_t>(i)] += step;
      down[static_cast<size_t>(i)] -= step;
      std::vector<Array> above = run(*module, {Array::from(up)}),
                         below = run(*module, {Array::from(down)});
      auto slope = [&](size_t result) {
        return (above[result].item() - below[result].item()) / (2 * step);
      };
      auto expectNear = [&](double actual, double expected, const char *what) {
        EXPECT_NEAR(actual, expected, 1e-6 * (1 + std::fabs(expected)))
            << what << " in x[" << i << "]";
      };
      expectNear(g[static_cast<size_t>(i)], slope(0), "first derivative");
      expectNear(h[static_cast<size_t>(i)], slope(2), "second derivative");
    }
  }

  /// The gradient of sum(y) in the arguments, for a `body` that makes %y : `result` from %a and %b
  /// (f64[n]).
  std::vector<std::vector<double>> gradients(const std::string &body, const std::string &result,
                                             const std::vector<double> &a,
                                             const std::vector<double> &b) {
    std::string x = tensor("f64[" + std::to_string(a.size()) + "]"), y = tensor(result);
    OwningOpRef<ModuleOp> module = expand(
        "func.func @f(%a: " + x + ", %b: " + x + ") -> (" + x + ", " + x + ") {\n" + body +
        "\n  %one = sinter.full 1.0 : f64 : " + y +
        "\n  %g:2 = sinter.gradients %y wrt %a, %b seed %one : (" + y + ", " + x + ", " + x + ", " +
        y + ") -> (" + x + ", " + x + ")\n  return %g#0, %g#1 : " + x + ", " + x + "\n}");
    if (!module)
      return {{}, {}};
    std::vector<Array> result2 = run(*module, {Array::from(a), Array::from(b)});
    return {result2[0].toVector<double>(), result2[1].toVector<double>()};
  }

  MLIRContext context;
};

/// One op over f64[n] tensors.
std::string elementwise(const std::string &op, int64_t n, int operands = 1) {
  std::string type = tensor("f64[" + std::to_string(n) + "]");
  std::string list = operands == 1 ? "%x" : "%x, %w";
  std::string types = operands == 1 ? type : type + ", " + type;
  // w is another function of x, so that both derivatives and the mixed ones count.
  std::string other = operands == 1 ? ""
                                    : "  %two = sinter.full 2.5 : f64 : " + type +
                                          "\n  %w0 = sinter.sin %x : (" + type + ") -> " + type +
                                          "\n  %w = sinter.add %w0, %two : (" + type + ", " + type +
                                          ") -> " + type + "\n";
  return other + "  %y = sinter." + op + " " + list + " : (" + types + ") -> " + type;
}

TEST_F(GradientRulesTest, Unary) {
  std::vector<double> any{-1.7, -0.4, 0.3, 1.9}, positive{0.2, 0.9, 1.6, 3.1};
  for (const char *op : {"neg", "abs", "sign", "exp", "expm1", "sin", "cos", "tanh", "sigmoid",
                         "erf", "relu", "floor", "ceil", "round"})
    check(op, elementwise(op, 4), any, 4);
  for (const char *op : {"log", "log1p", "sqrt", "rsqrt"})
    check(op, elementwise(op, 4), positive, 4);
}

TEST_F(GradientRulesTest, Binary) {
  std::vector<double> positive{0.2, 0.9, 1.6, 4.1};
  for (const char *op : {"add", "sub", "mul", "div", "pow", "max", "min"})
    check(op, elementwise(op, 4, 2), positive, 4);
}

TEST_F(GradientRulesTest, PowerOfConstants) {
  std::string type = tensor("f64[4]");
  for (const char *exponent : {"0.0", "1.0", "2.0", "3.0", "-2.0", "0.5"}) {
    std::string body = "  %e = sinter.full " + std::string(exponent) + " : f64 : " + type +
                       "\n  %y = sinter.pow %x, %e : (" + type + ", " + type + ") -> " + type;
    check(std::string("x^") + exponent, body, {0.3, 1.0, 2.2, 5.0}, 4);
  }
  // Whole exponents: negative bases and 0 are regular points.
  for (const char *exponent : {"0.0", "1.0", "2.0", "3.0", "4.0"}) {
    std::string body = "  %e = sinter.full " + std::string(exponent) + " : f64 : " + type +
                       "\n  %y = sinter.pow %x, %e : (" + type + ", " + type + ") -> " + type;
    check(std::string("x^") + exponent + " around 0", body, {-1.5, 0.0, -0.0, 0.7}, 4);
  }
}

TEST_F(GradientRulesTest, PowerAtZeroBaseAndExponent) {
  std::string type = tensor("f64[3]");
  auto g = gradients("  %y = sinter.pow %a, %b : (" + type + ", " + type + ") -> " + type, "f64[3]",
                     {0, 0, 3}, {0, 2, 0});
  EXPECT_EQ(g[0], (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(g[1][0], 0);
  EXPECT_EQ(g[1][1], 0);
  EXPECT_NEAR(g[1][2], std::log(3.0), 1e-15);
}

TEST_F(GradientRulesTest, TiesShareAndNaNTakesAll) {
  double nan = std::numeric_limits<double>::quiet_NaN();
  std::string type = tensor("f64[5]");
  std::vector<double> a{1, 2, 2, nan, 1}, b{2, 1, 2, 1, nan};
  auto larger = gradients("  %y = sinter.max %a, %b : (" + type + ", " + type + ") -> " + type,
                          "f64[5]", a, b);
  EXPECT_EQ(larger[0], (std::vector<double>{0, 1, 0.5, 1, 0}));
  EXPECT_EQ(larger[1], (std::vector<double>{1, 0, 0.5, 0, 1}));
  auto smaller = gradients("  %y = sinter.min %a, %b : (" + type + ", " + type + ") -> " + type,
                           "f64[5]", a, b);
  EXPECT_EQ(smaller[0], (std::vector<double>{1, 0, 0.5, 1, 0}));
  EXPECT_EQ(smaller[1], (std::vector<double>{0, 1, 0.5, 0, 1}));
}

TEST_F(GradientRulesTest, ReducedExtremaShareTies) {
  auto g = gradients("  %y = sinter.reduce_max %a {axes = array<i64: 0>} : (" + tensor("f64[4]") +
                         ") -> " + tensor("f64[]"),
                     "f64[]", {3, 1, 3, 2}, {0, 0, 0, 0});
  EXPECT_EQ(g[0], (std::vector<double>{0.5, 0, 0.5, 0}));
  double nan = std::numeric_limits<double>::quiet_NaN();
  g = gradients("  %y = sinter.reduce_min %a {axes = array<i64: 0>} : (" + tensor("f64[4]") +
                    ") -> " + tensor("f64[]"),
                "f64[]", {3, nan, 3, -2}, {0, 0, 0, 0});
  EXPECT_EQ(g[0], (std::vector<double>{0, 1, 0, 0}));
}

TEST_F(GradientRulesTest, ConventionsAtKinks) {
  std::string type = tensor("f64[2]");
  for (const char *op : {"abs", "relu"}) {
    auto g = gradients(std::string("  %y = sinter.") + op + " %a : (" + type + ") -> " + type,
                       "f64[2]", {0, -0.0}, {0, 0});
    EXPECT_EQ(g[0], (std::vector<double>{0, 0})) << op;
  }
}

TEST_F(GradientRulesTest, SelectKeepsTheOtherBranchOut) {
  std::string type = tensor("f64[2]"), flags = tensor("i1[2]");
  auto g =
      gradients("  %z = sinter.full 0.0 : f64 : " + type + "\n  %p = sinter.greater %a, %z : (" +
                    type + ", " + type + ") -> " + flags + "\n  %l = sinter.log %a : (" + type +
                    ") -> " + type + "\n  %y = sinter.select %p, %l, %b : (" + flags + ", " + type +
                    ", " + type + ") -> " + type,
                "f64[2]", {2, -1}, {5, 5});
  EXPECT_EQ(g[0], (std::vector<double>{0.5, 0}));
  EXPECT_EQ(g[1], (std::vector<double>{0, 1}));
}

/// Structural ops are linear or piecewise so; a square in front makes their second derivative
/// count.
class StructuralGradients : public GradientRulesTest {
protected:
  void checkStructural(const std::string &op, const std::string &inner, const std::string &outer,
                       int64_t n, int64_t m, const std::string &before = "",
                       const std::string &more = "") {
    std::string flat = tensor("f64[" + std::to_string(n) + "]"),
                from = tensor("f64[" + inner + "]");
    std::string to = tensor("f64[" + outer + "]"),
                result = tensor("f64[" + std::to_string(m) + "]");
    std::string name = op.substr(0, op.find(' '));
    bool isScatter = name == "scatter_add_rows";
    std::string types = isScatter ? more + ", " + from : from + (more.empty() ? "" : ", " + more);
    std::string body = before + "  %xx = sinter.mul %x, %x : (" + flat + ", " + flat + ") -> " +
                       flat + "\n  %z = sinter.reshape %xx : (" + flat + ") -> " + from +
                       "\n  %o = sinter." + op + " : (" + types + ") -> " + to +
                       "\n  %y = sinter.reshape %o : (" + to + ") -> " + result;
    std::vector<double> x;
    for (int64_t i = 0; i < n; ++i)
      x.push_back(std::cos(static_cast<double>(i) * 2.1) + static_cast<double>(i) * 0.01);
    check(op, body, x, m);
  }
};

TEST_F(StructuralGradients, Shape) {
  checkStructural("broadcast %z {dimensions = array<i64: 1, 2>}", "3, 1", "2, 3, 4", 3, 24);
  checkStructural("reshape %z", "2, 3", "3, 2", 6, 6);
  checkStructural("transpose %z {permutation = array<i64: 2, 0, 1>}", "2, 3, 2", "2, 2, 3", 12, 12);
  checkStructural("slice %z {starts = [1, 0], limits = [3, 2], strides = array<i64: 1, 1>}", "3, 2",
                  "2, 2", 6, 4);
  for (int limit : {5, 6, 7}) // The last stride is cut short, or not.
    checkStructural("slice %z {starts = [1], limits = [" + std::to_string(limit) +
                        "], strides = array<i64: 3>}",
                    "7", "2", 7, 2);
  checkStructural("concat %z, %z {axis = 1 : i64}", "2, 3", "2, 6", 6, 12, "", tensor("f64[2, 3]"));
  checkStructural("pad %z {low = [1, 0], high = [0, 2], value = 3.0}", "2, 2", "3, 4", 4, 12);
  checkStructural("pad %z {low = [1], high = [2], value = 0.0, interior = array<i64: 2>}", "3",
                  "12", 3, 12);
  checkStructural("pad %z {low = [0], high = [-1], value = 0.0, interior = array<i64: 1>}", "3",
                  "5", 3, 5);
}

TEST_F(StructuralGradients, Reductions) {
  for (const char *op : {"reduce_sum", "reduce_prod", "reduce_max", "reduce_min"}) {
    checkStructural(std::string(op) + " %z {axes = array<i64: 0, 2>}", "2, 3, 2", "3", 12, 3);
    checkStructural(std::string(op) + " %z {axes = array<i64: 1>}", "2, 3", "2", 6, 2);
    checkStructural(std::string(op) + " %z {axes = array<i64>}", "2", "2", 2, 2);
  }
}

TEST_F(GradientRulesTest, ProductsWithZeros) {
  std::string body = "  %z = sinter.reshape %x : (" + tensor("f64[16]") + ") -> " +
                     tensor("f64[4, 4]") +
                     "\n  %y = sinter.reduce_prod %z {axes = array<i64: 1>} : (" +
                     tensor("f64[4, 4]") + ") -> " + tensor("f64[4]");
  check("0, 1, 2 and 3 zeros", body, {1, 2, 3, 4, 0, 2, -3, 4, 0, 2, 0, 5, 0, 0, 7, -0.0}, 4);
}

TEST_F(StructuralGradients, Contraction) {
  // z[b, i, k] · z[j, k, b] with dims in unusual places: batch b, contract k.
  std::string same = tensor("f64[2, 2, 2]");
  checkStructural("dot_general %z, %z {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 2>, "
                  "lhsContract = array<i64: 2>, "
                  "rhsContract = array<i64: 1>}",
                  "2, 2, 2", "2, 2, 2", 8, 8, "", same);
  // Two contracting dims, crossed.
  checkStructural("dot_general %z, %z {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = "
                  "array<i64: 2, 0>, "
                  "rhsContract = array<i64: 0, 1>}",
                  "2, 2, 2", "2, 2", 8, 4, "", same);
  // Outer product and full contraction.
  checkStructural(
      "dot_general %z, %z {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64>, "
      "rhsContract = array<i64>}",
      "3", "3, 3", 3, 9, "", tensor("f64[3]"));
  checkStructural("dot_general %z, %z {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = "
                  "array<i64: 0, 1>, "
                  "rhsContract = array<i64: 0, 1>}",
                  "2, 3", "", 6, 1, "", tensor("f64[2, 3]"));
}

TEST_F(StructuralGradients, Indexing) {
  std::string indices =
      "  %i = sinter.constant dense<[2, 0, 2]> : tensor<3xi64> : " + tensor("i64[3]") + "\n";
  checkStructural("gather_rows %z, %i", "3, 2", "3, 2", 6, 6, indices, tensor("i64[3]"));
  checkStructural("scatter_add_rows %i, %z", "3, 2", "4, 2", 6, 8, indices, tensor("i64[3]"));
  checkStructural("pick %z, %i", "3, 3", "3", 9, 3, indices, tensor("i64[3]"));
}

TEST_F(GradientRulesTest, CastsCarryTheGradientInTheOperandsType) {
  std::string x = tensor("f64[2]"), narrow = tensor("f32[2]");
  auto g = gradients("  %n = sinter.cast %a : (" + x + ") -> " + narrow +
                         "\n  %e = sinter.exp %n : (" + narrow + ") -> " + narrow +
                         "\n  %y = sinter.cast %e : (" + narrow + ") -> " + x,
                     "f64[2]", {0, 1}, {0, 0});
  EXPECT_EQ(g[0][0], 1);
  EXPECT_EQ(g[0][1], static_cast<double>(static_cast<float>(std::exp(1.0))));
}

} // namespace
