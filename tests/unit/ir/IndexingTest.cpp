// SPDX-License-Identifier: Apache-2.0
// Every structural op: its index maps, evaluated on small tensors, against a loop written by hand.
#include "sinter/ir/Ops.h"
#include "sinter/ir/ShapeRules.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace mlir;
using namespace sinter;
using namespace sinter::ir;

namespace {

using Sizes = std::vector<int64_t>;

struct Data {
  Sizes sizes;
  std::vector<double> values;

  explicit Data(Sizes sizes, double fill = 0) : sizes(std::move(sizes)) {
    int64_t count = 1;
    for (int64_t size : this->sizes)
      count *= size;
    values.assign(static_cast<size_t>(count), fill);
  }
  size_t offset(const Sizes &index) const {
    EXPECT_EQ(index.size(), sizes.size());
    int64_t result = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_GE(index[i], 0);
      EXPECT_LT(index[i], sizes[i]);
      result = result * sizes[i] + index[i];
    }
    return static_cast<size_t>(result);
  }
  double &operator()(const Sizes &index) { return values[offset(index)]; }
  double operator()(const Sizes &index) const { return values[offset(index)]; }
};

/// Distinct values that no formula produces by accident.
Data numbered(Sizes sizes) {
  Data data(std::move(sizes));
  for (size_t i = 0; i < data.values.size(); ++i)
    data.values[i] = static_cast<double>((i * 7 + 3) % 101) - 40;
  return data;
}

template <typename Fn> void forEach(const Sizes &sizes, Fn fn) {
  Sizes index(sizes.size(), 0);
  for (int64_t size : sizes)
    if (size == 0)
      return;
  while (true) {
    fn(index);
    size_t i = sizes.size();
    while (i > 0 && ++index[i - 1] == sizes[i - 1])
      index[--i] = 0;
    if (i == 0)
      return;
  }
}

/// A data-driven index lay outside its bound.
struct OutOfRange {};

/// Evaluates an Indexing as its header describes it.
class Evaluator {
public:
  Evaluator(const Indexing &indexing, const std::vector<Data> &operands, const DimBinding &binding)
      : indexing(indexing), operands(operands), binding(binding) {}

  Data run(Sizes resultSizes) {
    Sizes ranges;
    for (const DimExpr &range : indexing.ranges)
      ranges.push_back(size(range));
    Data result(std::move(resultSizes));
    if (indexing.combiner == Combiner::ScatterAdd) {
      forEach(ranges, [&](const Sizes &at) {
        try {
          result(values(indexing.scatter, at)) += read(indexing.accesses[0], at);
        } catch (OutOfRange) {
        }
      });
      return result;
    }
    Sizes parallel(ranges.begin(), ranges.begin() + indexing.numParallel());
    Sizes reduced(ranges.begin() + indexing.numParallel(), ranges.end());
    EXPECT_EQ(parallel, result.sizes);
    forEach(parallel, [&](const Sizes &outer) { result(outer) = element(outer, reduced); });
    return result;
  }

private:
  double element(const Sizes &outer, const Sizes &reduced) {
    double best = 0;
    int64_t position = 0;
    std::optional<double> sum;
    forEach(reduced, [&](const Sizes &inner) {
      Sizes at = outer;
      at.insert(at.end(), inner.begin(), inner.end());
      double value = indexing.combiner == Combiner::Contract
                         ? read(indexing.accesses[0], at) * read(indexing.accesses[1], at)
                         : single(at);
      if (indexing.combiner == Combiner::ArgMax) {
        if (position == 0 || value > best)
          sum = static_cast<double>(position), best = value;
        ++position;
        return;
      }
      sum = sum ? combine(*sum, value) : value;
    });
    return sum.value_or(indexing.combiner == Combiner::Product ? 1 : 0);
  }

  double combine(double a, double b) const {
    switch (indexing.combiner) {
    case Combiner::Product:
      return a * b;
    case Combiner::Max:
      return std::max(a, b);
    case Combiner::Min:
      return std::min(a, b);
    default:
      return a + b;
    }
  }

  double single(const Sizes &at) {
    for (const Access &access : indexing.accesses)
      if (holds(access, at))
        return read(access, at);
    if (indexing.generator)
      return static_cast<double>(value(*indexing.generator, at));
    EXPECT_TRUE(indexing.otherwise.has_value());
    return indexing.otherwise.value_or(NAN);
  }

  bool holds(const Access &access, const Sizes &at) {
    for (const Guard &guard : access.guards) {
      int64_t index = value(guard.index, at);
      if (index < size(guard.low) || index >= size(guard.high))
        return false;
    }
    return true;
  }

  double read(const Access &access, const Sizes &at) {
    try {
      return operands[access.operand](values(access.index, at));
    } catch (OutOfRange) {
      return 0;
    }
  }

  Sizes values(ArrayRef<IndexExpr> exprs, const Sizes &at) {
    Sizes result;
    for (const IndexExpr &expr : exprs)
      result.push_back(value(expr, at));
    return result;
  }

  int64_t size(const DimExpr &expr) {
    std::optional<int64_t> result = expr.evaluate(binding);
    EXPECT_TRUE(result.has_value()) << expr.str();
    return result.value_or(0);
  }

  int64_t value(const IndexExpr &expr, const Sizes &at) {
    switch (expr.kind()) {
    case IndexExpr::Kind::Dim:
      return at[expr.dimOrOperand()];
    case IndexExpr::Kind::Size:
      return size(expr.size());
    case IndexExpr::Kind::Add:
      return value(expr.lhs(), at) + value(expr.rhs(), at);
    case IndexExpr::Kind::Mul:
      return value(expr.lhs(), at) * size(expr.size());
    case IndexExpr::Kind::FloorDiv:
      return value(expr.lhs(), at) / size(expr.size());
    case IndexExpr::Kind::Mod:
      return value(expr.lhs(), at) % size(expr.size());
    case IndexExpr::Kind::Load:
      break;
    }
    auto index = static_cast<int64_t>(operands[expr.dimOrOperand()](values(expr.indices(), at)));
    if (index < 0 || index >= size(expr.size()))
      throw OutOfRange();
    return index;
  }

  const Indexing &indexing;
  const std::vector<Data> &operands;
  const DimBinding &binding;
};

class IndexingTest : public ::testing::Test {
protected:
  IndexingTest() {
    DialectRegistry registry;
    registerAll(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// `op` is the text of one op over %0, %1, …; types are written "f32[N]".
  Indexing indexingOf(const std::string &op, const std::vector<std::string> &types,
                      const std::string &result) {
    std::string arguments, list;
    for (size_t i = 0; i < types.size(); ++i) {
      std::string comma = i ? ", " : "";
      arguments += comma + "%" + std::to_string(i) + ": !sinter.tensor<" + types[i] + ">";
      list += comma + "!sinter.tensor<" + types[i] + ">";
    }
    bool generates = types.empty();
    std::string text = "func.func @f(" + arguments + ") {\n  %r = sinter." + op + " : " +
                       (generates ? "" : "(" + list + ") -> ") + "!sinter.tensor<" + result +
                       ">\n  return\n}";
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    std::optional<Indexing> found;
    if (module)
      module->walk([&](IndexedOpInterface indexed) {
        found = indexed.getIndexing();
        auto type = tensorType(indexed->getResult(0));
        resultSizes = *type.getShape().evaluate(binding);
      });
    return found.value_or(Indexing());
  }

  /// Evaluates the op and compares with `expected(index)`.
  template <typename Fn>
  void check(const std::string &op, const std::vector<std::string> &types,
             const std::string &result, const std::vector<Data> &operands, Fn expected) {
    Indexing indexing = indexingOf(op, types, result);
    ASSERT_TRUE(module);
    Data actual = Evaluator(indexing, operands, binding).run(resultSizes);
    forEach(resultSizes, [&](const Sizes &index) {
      EXPECT_EQ(actual(index), expected(index)) << op << " at " << ::testing::PrintToString(index);
    });
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  DimBinding binding{{"N", 4}, {"M", 3}};
  Sizes resultSizes;
};

TEST_F(IndexingTest, ElementwiseReadsItsOwnIndex) {
  Data a = numbered({4, 2}), b = numbered({4, 2});
  Indexing indexing = indexingOf("add %0, %1", {"f32[N, 2]", "f32[N, 2]"}, "f32[N, 2]");
  ASSERT_EQ(indexing.accesses.size(), 2u);
  for (const Access &access : indexing.accesses)
    for (unsigned d = 0; d < 2; ++d)
      EXPECT_EQ(access.index[d].asDim(), d);
  EXPECT_EQ(indexing.combiner, Combiner::None);
  EXPECT_EQ(indexing.numParallel(), 2u);
}

TEST_F(IndexingTest, Iota) {
  check("iota {axis = 1 : i64}", {}, "i64[2, N]", {},
        [](const Sizes &i) { return static_cast<double>(i[1]); });
}

TEST_F(IndexingTest, DimValue) {
  check("dim_value {expression = \"2*N + M\"}", {}, "f32[]", {},
        [](const Sizes &) { return 11.0; });
}

TEST_F(IndexingTest, BroadcastNewDimsAndOnes) {
  Data x = numbered({4, 1});
  check("broadcast %0 {dimensions = array<i64: 1, 2>}", {"f32[N, 1]"}, "f32[2, N, M]", {x},
        [&](const Sizes &i) {
          return x({i[1], 0});
        });
}

TEST_F(IndexingTest, TransposePermutes) {
  Data x = numbered({4, 2, 3});
  check("transpose %0 {permutation = array<i64: 2, 0, 1>}", {"f32[N, 2, M]"}, "f32[M, N, 2]", {x},
        [&](const Sizes &i) {
          return x({i[1], i[2], i[0]});
        });
}

TEST_F(IndexingTest, ReshapeKeepsRowMajorOrder) {
  const std::pair<std::string, std::string> cases[] = {
      {"f32[N, 6]", "f32[\"2*N\", 3]"},
      {"f32[N, M, 2]", "f32[\"M*N\", 2]"},
      {"f32[\"M*N\", 2]", "f32[N, M, 2]"},
      {"f32[N, 1, 6]", "f32[1, N, 2, 3]"},
      {"f32[N, 4, 6, M]", "f32[N, 24, M]"},
      {"f32[N, M]", "f32[M, N]"},
      {"f32[1, 1]", "f32[]"},
      {"f32[]", "f32[1, 1, 1]"},
      {"f32[4, 6, 5]", "f32[3, 8, 5]"},
      {"f32[N, 0]", "f32[0]"},
  };
  for (const auto &[from, to] : cases) {
    Indexing indexing = indexingOf("reshape %0", {from}, to);
    ASSERT_TRUE(module);
    auto func = cast<func::FuncOp>(module->getBody()->front());
    Data x = numbered(*tensorType(func.getArgument(0)).getShape().evaluate(binding));
    Data y = Evaluator(indexing, {x}, binding).run(resultSizes);
    EXPECT_EQ(x.values, y.values) << from << " to " << to;
  }
}

TEST_F(IndexingTest, ReshapeLeavesUnchangedDimsPlain) {
  Indexing indexing = indexingOf("reshape %0", {"f32[N, 4, 6, M]"}, "f32[N, 24, M]");
  const auto &index = indexing.accesses[0].index;
  EXPECT_EQ(index[0].asDim(), 0u);
  EXPECT_EQ(index[3].asDim(), 2u);
  EXPECT_FALSE(index[1].asDim());
}

TEST_F(IndexingTest, SliceWithStride) {
  Data x = numbered({4, 7});
  check("slice %0 {starts = [1, 1], limits = [\"N\", 7], strides = array<i64: 1, 3>}",
        {"f32[N, 7]"}, "f32[\"N - 1\", 2]", {x}, [&](const Sizes &i) {
          return x({i[0] + 1, i[1] * 3 + 1});
        });
}

TEST_F(IndexingTest, ConcatPicksTheOperand) {
  Data a = numbered({2, 4}), b = numbered({2, 3}), c = numbered({2, 1});
  check("concat %0, %1, %2 {axis = 1 : i64}", {"f32[2, N]", "f32[2, M]", "f32[2, 1]"},
        "f32[2, \"M + N + 1\"]", {a, b, c}, [&](const Sizes &i) {
          return i[1] < 4 ? a(i) : i[1] < 7 ? b({i[0], i[1] - 4}) : c({i[0], i[1] - 7});
        });
}

TEST_F(IndexingTest, PadSurrounds) {
  Data x = numbered({4, 2});
  check("pad %0 {low = [1, 0], high = [\"M\", 2], value = 9.0}", {"f32[N, 2]"},
        "f32[\"M + N + 1\", 4]", {x}, [&](const Sizes &i) {
          return i[0] >= 1 && i[0] < 5 && i[1] < 2 ? x({i[0] - 1, i[1]}) : 9.0;
        });
}

TEST_F(IndexingTest, PadSpreadsAndTakesBackTheLastInterior) {
  Data x = numbered({4});
  check("pad %0 {low = [2], high = [-1], value = 0.5, interior = array<i64: 2>}", {"f32[N]"},
        "f32[\"3*N + 1\"]", {x}, [&](const Sizes &i) {
          return i[0] >= 2 && (i[0] - 2) % 3 == 0 ? x({(i[0] - 2) / 3}) : 0.5;
        });
}

TEST_F(IndexingTest, Reductions) {
  Data x = numbered({4, 3, 2});
  auto over = [&](const Sizes &i, auto combine) {
    double result = x({0, i[0], 0});
    for (int64_t a = 0; a < 4; ++a)
      for (int64_t b = 0; b < 2; ++b)
        if (a + b > 0)
          result = combine(result, x({a, i[0], b}));
    return result;
  };
  auto run = [&](const std::string &name, auto combine) {
    check(name + " %0 {axes = array<i64: 0, 2>}", {"f64[N, M, 2]"}, "f64[M]", {x},
          [&](const Sizes &i) { return over(i, combine); });
  };
  run("reduce_sum", [](double a, double b) { return a + b; });
  run("reduce_prod", [](double a, double b) { return a * b; });
  run("reduce_max", [](double a, double b) { return std::max(a, b); });
  run("reduce_min", [](double a, double b) { return std::min(a, b); });
}

TEST_F(IndexingTest, ArgmaxAlongTheMiddle) {
  Data x = numbered({2, 4, 3});
  check("argmax %0 {axis = 1 : i64}", {"f32[2, N, M]"}, "i64[2, M]", {x}, [&](const Sizes &i) {
    int64_t best = 0;
    for (int64_t k = 1; k < 4; ++k)
      if (x({i[0], k, i[1]}) > x({i[0], best, i[1]}))
        best = k;
    return static_cast<double>(best);
  });
}

TEST_F(IndexingTest, DotGeneralWithBatchAndTwoContractions) {
  Data a = numbered({4, 2, 5, 3}), b = numbered({2, 3, 6, 4});
  // a[n, k, i, m], b[k, m, j, n]: batch n, contract (k, m).
  check("dot_general %0, %1 {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 3>, lhsContract = "
        "array<i64: 3, 1>, rhsContract = array<i64: 1, 0>}",
        {"f64[N, 2, 5, M]", "f64[2, M, 6, N]"}, "f64[N, 5, 6]", {a, b}, [&](const Sizes &i) {
          double sum = 0;
          for (int64_t m = 0; m < 3; ++m)
            for (int64_t k = 0; k < 2; ++k)
              sum += a({i[0], k, i[1], m}) * b({k, m, i[2], i[0]});
          return sum;
        });
}

TEST_F(IndexingTest, GatherRowsGivesZeroOutOfRange) {
  Data table = numbered({4, 2});
  Data indices({3});
  indices.values = {3, -1, 4};
  check("gather_rows %0, %1", {"f32[N, 2]", "i32[M]"}, "f32[M, 2]", {table, indices},
        [&](const Sizes &i) {
          return i[0] == 0 ? table({3, i[1]}) : 0.0;
        });
}

TEST_F(IndexingTest, ScatterAddRowsAddsDuplicates) {
  Data updates = numbered({4, 2});
  Data indices({4});
  indices.values = {2, 0, 2, 7};
  check("scatter_add_rows %0, %1", {"i64[N]", "f32[N, 2]"}, "f32[M, 2]", {indices, updates},
        [&](const Sizes &i) {
          return i[0] == 2   ? updates({0, i[1]}) + updates({2, i[1]})
                 : i[0] == 0 ? updates({1, i[1]})
                             : 0.0;
        });
}

TEST_F(IndexingTest, PickTakesOnePerRow) {
  Data x = numbered({4, 3});
  Data indices({4});
  indices.values = {2, 0, 1, 3};
  check("pick %0, %1", {"f32[N, M]", "i32[N]"}, "f32[N]", {x, indices}, [&](const Sizes &i) {
    double index = indices(i);
    return index < 3 ? x({i[0], static_cast<int64_t>(index)}) : 0.0;
  });
}

TEST(ShapeRulesTest, ProvesSizesNonNegative) {
  DimExpr n = dim("N"), m = dim("M");
  EXPECT_TRUE(provablyNonNegative(n * m + 3));
  EXPECT_TRUE(provablyNonNegative(ceilDiv(n, 2)));
  EXPECT_TRUE(provablyNonNegative(max(n - 3, 0)));
  EXPECT_TRUE(provablyNonNegative(n - ceilDiv(n, 2) * 2 + 1));
  EXPECT_FALSE(provablyNonNegative(n - ceilDiv(n, 2) * 2));
  EXPECT_FALSE(provablyNonNegative(n - 1));
  EXPECT_FALSE(provablyNonNegative(n - m));
  EXPECT_FALSE(provablyNonNegative(DimExpr(-1)));
}

} // namespace
