// SPDX-License-Identifier: Apache-2.0
// What each op refuses: the error names the op, the shapes and the line of the call.
#include "tests/ops/Row.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sinter::ops {
namespace {

struct Mistake {
  std::string name;
  std::function<Tensor(Graph &)> make;
  std::vector<std::string> says; ///< Parts of the message.
};

Tensor in(Graph &graph, DType dtype, const Shape &shape) {
  return graph.placeholder("x" + std::to_string(graph.arguments().size()), dtype, shape);
}

/// Calls a row's graph on operands of the given kinds.
std::function<Tensor(Graph &)> rowOn(const Row &row,
                                     std::vector<std::pair<DType, Shape>> operands) {
  return [&row, operands](Graph &graph) {
    Tensors tensors;
    for (const auto &[dtype, shape] : operands)
      tensors.push_back(in(graph, dtype, shape));
    return row.graph(graph, tensors);
  };
}

/// Mistakes that follow from a row: a dtype it is not for, shapes that do not broadcast, dtypes
/// that differ.
std::vector<Mistake> mistakesOf(const Row &row) {
  std::vector<Mistake> mistakes;
  if (row.op.empty() || !row.element || row.inputs.size() > 2 || row.op == "cast" ||
      row.op == "stop_gradient")
    return mistakes;
  bool binary = row.inputs.size() == 2;
  auto operands = [&](DType a, DType b, const Shape &second) {
    std::vector<std::pair<DType, Shape>> list = {{a, {2, 3}}};
    if (binary)
      list.push_back({b, second});
    return list;
  };
  auto accepts = [&](DType dtype) {
    for (const Row &other : table()) // a row may be for some of its op's dtypes only
      if (other.op == row.op &&
          std::find(other.dtypes.begin(), other.dtypes.end(), dtype) != other.dtypes.end())
        return true;
    return false;
  };
  for (DType dtype : allDTypes)
    if (!accepts(dtype))
      mistakes.push_back({row.name + "_" + std::string(name(dtype)),
                          rowOn(row, operands(dtype, dtype, {2, 3})),
                          {std::string(name(dtype))}});
  if (!binary)
    return mistakes;
  DType dtype = row.dtypes.front();
  mistakes.push_back(
      {row.name + "_shapes", rowOn(row, operands(dtype, dtype, {4})), {"[2, 3]", "[4]"}});
  mistakes.push_back({row.name + "_symbol",
                      rowOn(row, {{dtype, Shape{dim("N")}}, {dtype, Shape{dim("M")}}}),
                      {"[N]", "[M]"}});
  DType other = dtype == f32 ? f64 : f32;
  mistakes.push_back({row.name + "_dtypes",
                      rowOn(row, operands(dtype, other, {2, 3})),
                      {std::string(name(dtype)), std::string(name(other))}});
  return mistakes;
}

std::vector<Mistake> structuralMistakes() {
  auto x = [](Graph &g) { return in(g, f32, {2, 3}); };
  return {
      {"broadcast",
       [=](Graph &g) {
         return broadcastTo(x(g), {2, 4});
       },
       {"[2, 3]", "[2, 4]"}},
      {"broadcastRank", [=](Graph &g) { return broadcastTo(x(g), {3}); }, {"[2, 3]", "[3]"}},
      {"reshape", [=](Graph &g) { return reshape(x(g), {7}); }, {"[2, 3]", "[7]"}},
      {"transpose",
       [=](Graph &g) {
         return transpose(x(g), {0, 0});
       },
       {"[2, 3]"}},
      {"transposeRank", [=](Graph &g) { return transpose(x(g), {0}); }, {"[2, 3]"}},
      {"sliceAxis", [=](Graph &g) { return slice(x(g), 2, 0, 1); }, {"axis 2", "[2, 3]"}},
      {"sliceLimit", [=](Graph &g) { return slice(x(g), 1, 0, 4); }, {"[2, 3]"}},
      {"sliceStep", [=](Graph &g) { return slice(x(g), 1, 0, 3, 0); }, {"[2, 3]"}},
      {"concatShapes",
       [=](Graph &g) {
         return concat({x(g), in(g, f32, {2, 4})}, 0);
       },
       {"[2, 3]", "[2, 4]"}},
      {"concatDtypes",
       [=](Graph &g) {
         return concat({x(g), in(g, f64, {2, 3})}, 0);
       },
       {"f32", "f64"}},
      {"padRank", [=](Graph &g) { return pad(x(g), {1}, {1}); }, {"[2, 3]"}},
      {"padNegative",
       [=](Graph &g) {
         return pad(x(g), {-1, 0}, {0, 0});
       },
       {"negative"}},
      {"sumAxis", [=](Graph &g) { return sum(x(g), 2); }, {"axis 2", "[2, 3]"}},
      {"sumTwice",
       [=](Graph &g) {
         return sum(x(g), {0, 0});
       },
       {"twice"}},
      {"sumBool", [=](Graph &g) { return sum(in(g, boolean, {2})); }, {"bool"}},
      {"argmaxEmpty",
       [=](Graph &g) {
         return argmax(in(g, f32, {2, 0}), 1);
       },
       {"[2, 0]"}},
      {"matmul",
       [=](Graph &g) {
         return x(g).matmul(in(g, f32, {4, 5}));
       },
       {"[2, 3]", "[4, 5]"}},
      {"matmulDtypes",
       [=](Graph &g) {
         return x(g).matmul(in(g, f64, {3, 5}));
       },
       {"f32", "f64"}},
      {"dotDims",
       [=](Graph &g) {
         return x(g).dotGeneral(x(g), {{}, {}, {1}, {0}});
       },
       {"[2, 3]"}},
      {"gatherFloat", [=](Graph &g) { return gatherRows(x(g), in(g, f32, {4})); }, {"f32"}},
      {"gatherScalar",
       [=](Graph &g) { return gatherRows(in(g, f32, {}), in(g, i32, {4})); },
       {"[]"}},
      {"pickShapes", [=](Graph &g) { return pick(x(g), in(g, i32, {3})); }, {"[2, 3]", "[3]"}},
      {"scatterShapes",
       [=](Graph &g) { return scatterAddRows(in(g, i32, {5}), x(g), 4); },
       {"[5]", "[2, 3]"}},
      {"gatherAxis", [=](Graph &g) { return gather(x(g), in(g, i32, {4}), 2); }, {"axis 2"}},
      {"gatherIndices", [=](Graph &g) { return gather(x(g), in(g, u8, {4})); }, {"u8", "i64"}},
      {"takeAlongRank", [=](Graph &g) { return takeAlong(x(g), in(g, i32, {4})); }, {"rank 1"}},
      {"takeAlongSizes",
       [=](Graph &g) { return takeAlong(x(g), in(g, i32, {3, 3})); },
       {"[2, 3]", "[3, 3]"}},
      {"gatherNdDepth",
       [=](Graph &g) { return gatherNd(x(g), in(g, i32, {4, 3})); },
       {"[2, 3]", "[4, 3]"}},
      {"gatherNdSymbol",
       [=](Graph &g) { return gatherNd(x(g), in(g, i32, {4, dim("N")})); },
       {"fixed size"}},
      {"scatterUpdates",
       [=](Graph &g) { return scatter(x(g), in(g, i32, {4}), in(g, f32, {5, 3})); },
       {"[5, 3]", "[4, 3]"}},
      {"scatterDtypes",
       [=](Graph &g) { return scatter(x(g), in(g, i32, {4}), in(g, f64, {4, 3})); },
       {"f32", "f64"}},
      {"scatterBool",
       [=](Graph &g) {
         return scatter(in(g, boolean, {2}), in(g, i32, {4}), in(g, boolean, {4}), 0,
                        ScatterMode::Add);
       },
       {"add", "bool"}},
      {"dynamicSliceStarts",
       [=](Graph &g) { return dynamicSlice(x(g), {in(g, i32, {})}, {1, 1}); },
       {"each axis"}},
      {"dynamicSliceSize",
       [=](Graph &g) {
         return dynamicSlice(x(g), {in(g, i32, {}), in(g, i32, {})}, {1, 4});
       },
       {"[2, 3]", "[1, 4]"}},
      {"argsortScalar", [=](Graph &g) { return argsort(in(g, f32, {})); }, {"rank"}},
      {"topKTooMany", [=](Graph &g) { return topK(x(g), 4).values; }, {"[2, 3]"}},
      {"cumsumAxis", [=](Graph &g) { return cumsum(x(g), 2); }, {"axis 2", "[2, 3]"}},
      {"cumsumBool", [=](Graph &g) { return cumsum(in(g, boolean, {2})); }, {"bool"}},
      {"whereCondition", [=](Graph &g) { return where(x(g), 1.0f, x(g)); }, {"bool"}},
      {"whereShapes",
       [=](Graph &g) { return where(in(g, boolean, {4}), x(g), 0); },
       {"[2, 3]", "[4]"}},
      {"iotaAxis",
       [=](Graph &g) {
         return g.iota(i32, {2, 3}, 2);
       },
       {"axis 2"}},
      {"fullFraction", [=](Graph &g) { return g.full(i32, {2}, 0.5); }, {"0.5"}},
      {"fractionForIntegers", [=](Graph &g) { return in(g, i64, {2}) + 0.5; }, {"0.5"}},
      {"tooManyElements",
       [=](Graph &g) {
         return g.zeros(f32, {int64_t{1} << 40, int64_t{1} << 40});
       },
       {"large"}},
      {"otherGraph",
       [=](Graph &g) {
         Graph other;
         return x(g) + x(other);
       },
       {"graph"}},
      {"noValue", [=](Graph &) { return Tensor() + Tensor(); }, {}},
  };
}

void expectMistake(const Mistake &mistake, const std::string &file) {
  Graph graph;
  try {
    mistake.make(graph);
    ADD_FAILURE() << mistake.name << " is accepted";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User) << mistake.name << ": " << error.what();
    EXPECT_FALSE(error.op().empty()) << mistake.name << ": " << error.what();
    EXPECT_NE(error.location().file.find(file), std::string::npos)
        << mistake.name << ": " << error.what();
    for (const std::string &part : mistake.says)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << mistake.name << " does not say " << part << ": " << error.what();
  }
}

TEST(OpErrorTest, ElementwiseOpsRefuseWhatTheyAreNotFor) {
  size_t count = 0;
  for (const Row &row : elementwiseRows())
    for (const Mistake &mistake : mistakesOf(row)) {
      expectMistake(mistake, "ElementwiseRows.cpp");
      ++count;
    }
  EXPECT_GE(count, 100u);
}

TEST(OpErrorTest, StructuralOpsRefuseWhatTheyAreNotFor) {
  for (const Mistake &mistake : structuralMistakes())
    expectMistake(mistake, "ErrorTest.cpp");
}

} // namespace
} // namespace sinter::ops
