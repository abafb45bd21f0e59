// SPDX-License-Identifier: Apache-2.0
// A hundred mistakes of every kind live beside the functions they test; these are the ones that any call can make.
#include "Expect.h"

#include <limits>

using namespace sinter;

namespace {
const DimExpr n = dim("N");

class MistakesTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 3});
  Tensor d = g.placeholder("d", f64, {n, 3});
  Tensor i = g.placeholder("i", i32, {n, 3});
  Tensor m = g.placeholder("m", boolean, {n, 3});
};
} // namespace

TEST_F(MistakesTest, EmptyTensors) {
  Tensor empty;
  EXPECT_FALSE(empty.defined());
  EXPECT_EQ(empty.str(), "<empty>");
  EXPECT_MISTAKE("add", "operand 0 is an empty Tensor", empty + x);
  EXPECT_MISTAKE("add", "operand 1 is an empty Tensor", x + empty);
  EXPECT_MISTAKE("exp", "default-constructed", empty.exp());
  EXPECT_MISTAKE("shape", "empty Tensor", empty.shape());
  EXPECT_MISTAKE("matmul", "empty Tensor", x.matmul(empty));
  EXPECT_MISTAKE("softmax", "empty Tensor", empty.softmax());
  EXPECT_MISTAKE("sum", "empty Tensor", empty.sum());
  EXPECT_MISTAKE("concat", "operand 1 is an empty Tensor", concat({x, empty}));
  EXPECT_MISTAKE("output", "empty Tensor", g.output("y", empty));
  EXPECT_MISTAKE("update", "empty Tensor", g.update(empty, x));
  EXPECT_MISTAKE("select", "empty Tensor", where(m, empty, x));
  EXPECT_MISTAKE("layerNorm", "empty Tensor", layerNorm(x, empty, empty));
}

TEST_F(MistakesTest, TensorsOfAnotherGraph) {
  Graph other;
  Tensor y = other.placeholder("y", f32, {n, 3});
  EXPECT_MISTAKE("mul", "different graphs", x * y);
  EXPECT_MISTAKE("matmul", "different graphs", x.matmul(y));
  EXPECT_MISTAKE("select", "different graphs", where(m, x, y));
  EXPECT_MISTAKE("concat", "different graphs", concat({x, y}));
  EXPECT_MISTAKE("stack", "different graphs", stack({x, y}));
  EXPECT_MISTAKE("output", "different graphs", g.output("y", y));
  EXPECT_MISTAKE("pick", "different graphs", x.pick(y));
  EXPECT_MISTAKE("gatherRows", "different graphs", x.gatherRows(y));
  EXPECT_MISTAKE("mse", "different graphs", mse(x, y));
  EXPECT_MISTAKE("linear", "different graphs", x.linear(y, y));
  EXPECT_MISTAKE("layerNorm", "different graphs", layerNorm(x, y, y));
  EXPECT_MISTAKE("full", "different graphs", g.full(f32, {}, y));
}

TEST_F(MistakesTest, DtypesDoNotMix) {
  EXPECT_MISTAKE("add", "dtypes f32 and f64 do not mix", x + d);
  // The hint is what loses least.
  EXPECT_MISTAKE("add", ".cast(f64)", x + d);
  EXPECT_MISTAKE("mul", ".cast(f32)", i * x);
  EXPECT_MISTAKE("maximum", ".cast(i32)", maximum(m, i));
  EXPECT_MISTAKE("less", "dtypes f32 and i32 do not mix", x < i);
  EXPECT_MISTAKE("maximum", "dtypes i32 and bool do not mix", maximum(i, m));
  EXPECT_MISTAKE("pow", "dtypes f64 and f32 do not mix", d.pow(x));
}

TEST_F(MistakesTest, NumbersThatDoNotFit) {
  EXPECT_MISTAKE("add", "the number 1.5 does not fit dtype i32", i + 1.5);
  EXPECT_MISTAKE("mul", "the number 2.0 does not fit dtype i32", 2.0 * i);
  EXPECT_MISTAKE("add", "use i64", i + 3000000000);
  EXPECT_MISTAKE("add", "use f64", x + 1e300);
  EXPECT_MISTAKE("add", "write 0 or 1", x + true);
  EXPECT_MISTAKE("logicalAnd", "write true or false", m && 1);
  EXPECT_MISTAKE("full", "does not fit dtype i64", g.full(i64, {}, std::numeric_limits<uint64_t>::max()));
  EXPECT_MISTAKE("full", "does not fit dtype bool", g.full(boolean, {}, 0.0));
  EXPECT_MISTAKE("add", "at least one tensor", add(1, 2));
  EXPECT_EQ((x + std::numeric_limits<double>::infinity()).dtype(), f32);
}

TEST_F(MistakesTest, DtypesOfOps) {
  EXPECT_MISTAKE("sin", "operand 0 must be f16, bf16, f32 or f64, but got i32[N, 3]", sin(i));
  EXPECT_MISTAKE("sqrt", ".cast(f32)", sqrt(m));
  EXPECT_MISTAKE("add", "must be numbers", m + m);
  EXPECT_MISTAKE("neg", "must be numbers", -m);
  EXPECT_MISTAKE("logicalAnd", "must be bool", x && x);
  EXPECT_MISTAKE("logicalNot", "notEqual(x, 0)", !x);
  EXPECT_MISTAKE("pow", "must be numbers", m.pow(m));
}

TEST_F(MistakesTest, Names) {
  EXPECT_MISTAKE("placeholder", "already has a placeholder 'x'", g.placeholder("x", f32, {}));
  EXPECT_MISTAKE("parameter", "MistakesTest.cpp:", g.parameter("x", f32, {}));
  EXPECT_MISTAKE("state", "invalid name ''", g.state("", f32, {}));
  EXPECT_MISTAKE("placeholder", "invalid name 'a b'", g.placeholder("a b", f32, {}));
  EXPECT_MISTAKE("placeholder", "invalid name", g.placeholder(std::string(300, 'a'), f32, {}));
  EXPECT_MISTAKE("placeholder", "invalid name", g.placeholder(std::string_view("a\0b", 3), f32, {}));
  EXPECT_MISTAKE("output", "invalid name", g.output("ü", x));
  g.output("y", x);
  EXPECT_MISTAKE("output", "already has an output 'y'", g.output("y", d));
  EXPECT_THROW(dim("1N"), Error);
}

TEST_F(MistakesTest, Sizes) {
  DimExpr huge = int64_t{1} << 40;
  EXPECT_MISTAKE("placeholder", "a size is negative", g.placeholder("a", f32, {-1}));
  EXPECT_MISTAKE("placeholder", "too large", g.placeholder("a", f32, {huge, huge}));
  EXPECT_MISTAKE("parameter", "too large", g.parameter("a", f32, {huge, huge, huge}));
  EXPECT_MISTAKE("full", "too large", g.full(f32, {huge, huge}, 0));
  EXPECT_MISTAKE("broadcastTo", "too large", g.zeros(f32, {1, 1}).broadcastTo({huge, huge}));
  Tensor wide = g.placeholder("wide", f32, {huge, 1});
  EXPECT_MISTAKE("add", "too large", wide + wide.transpose());
  EXPECT_MISTAKE("matmul", "", wide.matmul(wide.transpose()));
  EXPECT_MISTAKE("pad", "", wide.pad({int64_t{1} << 62, 0}, {int64_t{1} << 62, 0}));
  EXPECT_MISTAKE("iota", "axis 1 is out of range for rank 1", g.iota(f32, {3}, 1));
  EXPECT_MISTAKE("iota", "", g.iota(boolean, {3}));
  EXPECT_MISTAKE("dimValue", "", g.dimValue(boolean, n));
  EXPECT_MISTAKE("size", "axis 2 is out of range", x.size(2));
  Shape deep(std::vector<int64_t>(17, 1));
  EXPECT_MISTAKE("placeholder", "rank", g.placeholder("a", f32, deep));
  EXPECT_EQ(g.placeholder("none", f32, {0, huge}).shape(), (Shape{0, huge}));
}

TEST_F(MistakesTest, BothShapesAreNamed) {
  std::optional<Error> error = errorOf([&] { x + g.placeholder("v", f32, {4}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->shapes(), (std::vector<Shape>{{n, 3}, {4}}));
  EXPECT_NE(std::string(error->what()).find("; shapes [N, 3] and [4]"), std::string::npos);
}

TEST_F(MistakesTest, InsideAChainTheLineIsTheCalls) {
  std::optional<Error> error = errorOf([&] {
    x.exp()
        .log()
        .reshape({7, 7})
        .sum();
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->op(), "reshape");
  EXPECT_EQ(error->location().file, __FILE__);
  EXPECT_GT(error->location().line, static_cast<unsigned>(__LINE__ - 10));
  EXPECT_LT(error->location().line, static_cast<unsigned>(__LINE__ - 4));
}
