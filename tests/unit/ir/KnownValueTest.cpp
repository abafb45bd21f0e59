// SPDX-License-Identifier: Apache-2.0
// What is known of constants is what the interpreter computes; what is known of sizes is right for
// sizes of every binding.
#include "sinter/ir/KnownValue.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/sinter.h"

#include <gtest/gtest.h>

namespace sinter {
namespace {

Tensor numbers(Graph &graph, DType dtype, const std::vector<int64_t> &sizes, double first = -3) {
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(first + static_cast<double>(i * 7 % 11) * 0.75);
  return graph.constant(Array::from(values, sizes).cast(dtype));
}

void expectSameAsInterpreter(Graph &graph, const std::string &name, const Tensor &value) {
  ir::KnownValues known;
  const ir::KnownValue *found = known.find(GraphImpl::rawValue(value));
  ASSERT_NE(found, nullptr) << name;
  std::optional<Array> array = found->array();
  ASSERT_TRUE(array) << name;
  graph.output(name, value);
  Array wanted =
      compile(graph, {.outputs = {value}, .engine = Engine::Interpreter})(NamedArrays{})[0];
  EXPECT_EQ(array->dtype(), wanted.dtype()) << name;
  EXPECT_EQ(array->sizes(), wanted.sizes()) << name;
  EXPECT_EQ(array->toVector<double>(), wanted.toVector<double>()) << name;
}

TEST(KnownValue, AgreesWithTheInterpreter) {
  for (DType dtype : {f32, f64, i32, i64, f16, bf16, u8, i8, i16, u32}) {
    Graph graph;
    Tensor x = numbers(graph, dtype, {3, 4}), y = numbers(graph, dtype, {3, 4}, 1);
    Tensor indices = graph.constant(Array::from(std::vector<int64_t>{2, 0, 1, 2}));
    std::vector<std::pair<std::string, Tensor>> values = {
        {"add", x + y},
        {"mul", x * y},
        {"sub", x - y},
        {"div", x / y},
        {"maximum", x.maximum(y)},
        {"less", x < y},
        {"where", where(x < y, x, y)},
        {"cast", x.cast(i8)},
        {"transpose", x.transpose()},
        {"reshape", x.reshape({2, 6})},
        {"broadcast", x.reshape({3, 1, 4}).broadcastTo({3, 2, 4})},
        {"slice", x.slice(1, 0, 4, 2)},
        {"concat", concat({x, y, x}, 1)},
        {"pad", x.pad({1, 0}, {0, 2}, 2)},
        {"sum", x.sum(0)},
        {"prod", x.prod({0, 1})},
        {"max", x.max(1)},
        {"min", x.min(1, true)},
        {"matmul", x.matmul(y.transpose())},
        {"gather", gather(x, indices, 0)},
        {"takeAlong", takeAlong(x, graph.zeros(i64, {3, 4}), 1)},
        {"cumsum", cumsum(x, 1)},
        {"cumprod", cumprod(x, 0, {.exclusive = true, .reverse = true})},
        {"iota", graph.iota(dtype, {3, 4}, 1)},
        {"empty", x.slice(0, 1, 1).sum(0)},
    };
    for (const auto &[name, value] : values)
      expectSameAsInterpreter(graph, name, value);
  }
}

TEST(KnownValue, TheUpperHalfOfU64IsNotNegative) {
  Graph graph;
  Tensor x = graph.constant(Array::from<uint64_t>({uint64_t{1} << 63, 6, 0, UINT64_MAX}, {2, 2}));
  Tensor y = graph.constant(Array::from<uint64_t>({3, uint64_t{1} << 63, 1, 2}, {2, 2}));
  std::vector<std::pair<std::string, Tensor>> values = {
      {"div", x / y},    {"maximum", x.maximum(y)}, {"less", x < y},
      {"max", x.max(0)}, {"min", x.min(1)},         {"cast", x.cast(f64)},
      {"sum", x.sum(0)}, {"rem", rem(x, y)},        {"cummax", cummax(x)},
  };
  for (const auto &[name, value] : values)
    expectSameAsInterpreter(graph, name, value);
}

/// The known size of an i64 scalar.
std::optional<DimExpr> sizeOf(const Tensor &value) {
  ir::KnownValues known;
  const ir::KnownValue *found = known.find(GraphImpl::rawValue(value));
  if (!found || !found->dims())
    return std::nullopt;
  return found->dims()->front();
}

TEST(KnownValue, SizesAreExpressions) {
  Graph graph;
  DimExpr n = dim("N"), m = dim("M");
  Tensor a = graph.dimValue(i64, n), b = graph.dimValue(i64, m);
  EXPECT_EQ(sizeOf(a + b), n + m);
  EXPECT_EQ(sizeOf(a * 3 - b), 3 * n - m);
  EXPECT_EQ(sizeOf(a / 4), floorDiv(n, 4));
  EXPECT_EQ(sizeOf((a + 3) / 4), floorDiv(n + 3, 4));
  EXPECT_EQ(sizeOf(a.maximum(b)), max(n, m));
  EXPECT_EQ(sizeOf(a.minimum(b))->evaluate({{"N", 5}, {"M", 3}}), 3);
  EXPECT_EQ(sizeOf(concat({a.reshape({1}), b.reshape({1})}).prod()), n * m);
  EXPECT_EQ(sizeOf(where(a < 0, b, a)), n);
  EXPECT_EQ(sizeOf(where(a.equal(-1), b, a + 1)), n + 1);
  EXPECT_EQ(sizeOf(where(a + 1 > 0, b, a)), m);
  EXPECT_EQ(sizeOf(a.cast(i32).cast(i64)), n);
  // Which one it is depends on the binding; a size as a float is no expression.
  EXPECT_EQ(sizeOf(where(a < b, a, b)), std::nullopt);
  EXPECT_EQ(sizeOf((a - b) / 2), std::nullopt);
  EXPECT_EQ(sizeOf(a.cast(f32).cast(i64)), std::nullopt);
}

TEST(KnownValue, WhatIsNotKnown) {
  Graph graph;
  Tensor x = graph.placeholder("x", i64, {2}), y = graph.placeholder("y", i64, {2});
  ir::KnownValues known;
  EXPECT_EQ(known.find(GraphImpl::rawValue(x)), nullptr);
  Tensor z = concat({y + 1, x * y, graph.ones(i64, {2})});
  EXPECT_EQ(known.find(GraphImpl::rawValue(z)), nullptr);
  std::vector<mlir::BlockArgument> arguments = ir::KnownValues::argumentsOf(GraphImpl::rawValue(z));
  ASSERT_EQ(arguments.size(), 2u);
  EXPECT_EQ(arguments[0].getArgNumber(), 0u);
  EXPECT_TRUE(ir::KnownValues::argumentsOf(GraphImpl::rawValue(graph.ones(i64, {2}))).empty());
  Tensor large = graph.iota(i64, {1 << 17});
  EXPECT_EQ(known.find(GraphImpl::rawValue(large)), nullptr);
  EXPECT_EQ(known.find(GraphImpl::rawValue(graph.iota(i64, {dim("N")}))), nullptr);
}

TEST(KnownValue, LongChainsNeedNoStack) {
  Graph graph;
  Tensor x = graph.scalar(i64, 0);
  for (int i = 0; i < 20000; ++i)
    x = x + 1;
  EXPECT_EQ(sizeOf(x), DimExpr(20000));
}

} // namespace
} // namespace sinter
