// SPDX-License-Identifier: Apache-2.0
// What tables of values do not show of look-ups, scatters, sorts and running reductions: NaN, ties,
// duplicates, zeros, bad indices, memory, threads; by both engines.
#include "sinter/ir/base/Philox.h"
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

namespace sinter::ops {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class IndexTest : public testing::TestWithParam<Engine> {
protected:
  using Build = std::function<Tensor(const std::vector<Tensor> &)>;

  /// `build` on one placeholder per array.
  Array run(const std::vector<Array> &arrays, const Build &build, int64_t threads = 0) {
    Graph graph;
    ArrayMap inputs;
    std::vector<Tensor> tensors;
    for (const Array &array : arrays) {
      std::string name = "x" + std::to_string(tensors.size());
      tensors.push_back(graph.placeholder(name, array.dtype(), Shape(array.sizes())));
      inputs[name] = array;
    }
    graph.output("y", build(tensors));
    return compile(graph, {.engine = GetParam(), .threads = threads}).run(inputs).at("y");
  }

  /// The gradient of the sum of build(x...) in the float operand `which`; of higher order that of
  /// the sum of the one before.
  std::vector<double> gradientOf(const std::vector<Array> &arrays, const Build &build,
                                 size_t which = 0, int order = 1) {
    return run(arrays,
               [&](auto &x) {
                 Tensor y = build(x);
                 for (int i = 0; i < order; ++i)
                   y = gradient(sum(y), x[which]);
                 return y;
               })
        .template toVector<double>();
  }
  std::vector<double> gradientOf(const std::vector<double> &x, const Build &build, int order = 1) {
    return gradientOf({Array::from(x)}, build, 0, order);
  }

  static void expectValues(const std::vector<double> &got, const std::vector<double> &want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      if (std::isnan(want[i]))
        EXPECT_TRUE(std::isnan(got[i])) << "element " << i << " is " << got[i];
      else
        EXPECT_DOUBLE_EQ(got[i], want[i]) << "element " << i;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, IndexTest, testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const auto &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

// -- Order ----------------------------------------------------------------------------------------

TEST_P(IndexTest, NanIsTheLargestAndZerosAreEqual) {
  for (DType dtype : {f16, bf16, f32, f64}) {
    Array x = Array::from<double>({nan, 1, -inf, -nan, inf, 0.0, -0.0}).cast(dtype);
    auto order = [&](bool descending) {
      return run({x}, [=](auto &t) { return argsort(t[0], 0, descending); })
          .template toVector<int64_t>();
    };
    EXPECT_EQ(order(false), (std::vector<int64_t>{2, 5, 6, 1, 4, 0, 3})) << name(dtype);
    EXPECT_EQ(order(true), (std::vector<int64_t>{0, 3, 4, 1, 5, 6, 2})) << name(dtype);
  }
}

TEST_P(IndexTest, ExtremeIntegersSortByTheirSign) {
  auto order = [&](const Array &x) {
    return run({x}, [](auto &t) { return argsort(t[0], 0); }).template toVector<int64_t>();
  };
  using S = std::numeric_limits<int64_t>;
  EXPECT_EQ(order(Array::from<int64_t>({S::max(), 0, S::min(), -1})),
            (std::vector<int64_t>{2, 3, 1, 0}));
  EXPECT_EQ(order(Array::from<uint64_t>({~uint64_t{0}, 0, uint64_t{1} << 63, 1})),
            (std::vector<int64_t>{1, 3, 2, 0}));
  EXPECT_EQ(order(Array::from<int8_t>({127, 0, -128, -1})), (std::vector<int64_t>{2, 3, 1, 0}));
  EXPECT_EQ(order(Array::from<uint8_t>({255, 0, 128, 1})), (std::vector<int64_t>{1, 3, 2, 0}));
  EXPECT_EQ(order(Array::from<bool>({true, false, true, false})),
            (std::vector<int64_t>{1, 3, 0, 2}));
}

/// Rows on both sides of the length from which digits are sorted instead of runs merged.
TEST_P(IndexTest, RowsOfAllLengthsAreSortedStably) {
  RandomStream random(3, "sort");
  for (DType dtype : {i8, i16, f32, f64, u64})
    for (int64_t size : {2, 3, 31, 255, 256, 257, 1023, 1024, 1500}) {
      std::vector<double> values;
      for (int64_t i = 0; i < size; ++i)
        values.push_back(static_cast<double>(random.below(static_cast<uint64_t>(i), 60)) -
                         (dtype == u64 ? 0 : 30));
      Array x = Array::from(values).cast(dtype);
      for (bool descending : {false, true}) {
        std::vector<int64_t> want(values.size());
        std::iota(want.begin(), want.end(), 0);
        std::sort(want.begin(), want.end(), [&](int64_t a, int64_t b) {
          double x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
          return x == y ? a < b : descending ? x > y : x < y;
        });
        EXPECT_EQ(run({x}, [=](auto &t) { return argsort(t[0], 0, descending); })
                      .template toVector<int64_t>(),
                  want)
            << name(dtype) << " " << size;
      }
    }
}

TEST_P(IndexTest, TopKGivesValuesAndIndices) {
  Array x = Array::from<double>({3, 9, 1, 9, nan, 5}, {2, 3});
  auto best = [&](bool largest, bool wantsIndices) {
    return run({x},
               [=](auto &t) {
                 TopK found = topK(t[0], 2, 1, largest);
                 return wantsIndices ? found.indices.cast(f64) : found.values;
               })
        .template toVector<double>();
  };
  expectValues(best(true, false), {9, 3, nan, 9});
  expectValues(best(true, true), {1, 0, 1, 0});
  expectValues(best(false, false), {1, 3, 5, 9});
  expectValues(best(false, true), {2, 0, 2, 0});
}

// -- Running reductions ---------------------------------------------------------------------------

TEST_P(IndexTest, RunsKeepNanAndStartFromTheNeutralElement) {
  auto of = [&](std::vector<double> x, const Build &build) {
    return run({Array::from(x)}, build).template toVector<double>();
  };
  expectValues(of({1, nan, 5, 2}, [](auto &t) { return cummax(t[0]); }), {1, nan, nan, nan});
  expectValues(of({3, 1, nan, 2}, [](auto &t) { return cummin(t[0], 0, {.reverse = true}); }),
               {nan, nan, nan, 2});
  expectValues(of({1, 5, 2}, [](auto &t) { return cummax(t[0], 0, {.exclusive = true}); }),
               {-inf, 1, 5});
  expectValues(of({2, 5, 3}, [](auto &t) { return cumprod(t[0], 0, {.exclusive = true}); }),
               {1, 2, 10});
  expectValues(of({inf, 1, -inf, 1}, [](auto &t) { return cumsum(t[0]); }), {inf, inf, nan, nan});
  Array x = Array::from<int32_t>({4, 7});
  EXPECT_EQ(
      run({x}, [](auto &t) { return cummin(t[0], 0, {.exclusive = true}); }).toVector<int32_t>(),
      (std::vector<int32_t>{std::numeric_limits<int32_t>::max(), 4}));
}

/// Rows so long that they are cut into chunks, on any number of threads.
TEST_P(IndexTest, LongRowsRunOnAcrossChunks) {
  constexpr int64_t count = 300007;
  RandomStream random(7, "cumulative");
  std::vector<int64_t> x(count);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<int64_t>(random.below(i, 2001)) - 1000;
  Array input = Array::from(x);
  for (bool exclusive : {false, true})
    for (bool reverse : {false, true}) {
      CumulativeOptions options{.exclusive = exclusive, .reverse = reverse};
      std::vector<int64_t> sums(x.size()), minima(x.size());
      int64_t sum = 0, minimum = std::numeric_limits<int64_t>::max();
      for (size_t i = 0; i < x.size(); ++i) {
        size_t at = reverse ? x.size() - 1 - i : i;
        int64_t nextSum = sum + x[at], nextMinimum = std::min(minimum, x[at]);
        sums[at] = exclusive ? sum : nextSum;
        minima[at] = exclusive ? minimum : nextMinimum;
        sum = nextSum;
        minimum = nextMinimum;
      }
      for (int64_t threads : {1, 4}) {
        EXPECT_EQ(run(
                      {input}, [=](auto &t) { return cumsum(t[0], 0, options); }, threads)
                      .template toVector<int64_t>(),
                  sums);
        EXPECT_EQ(run(
                      {input}, [=](auto &t) { return cummin(t[0] * 1, 0, options); }, threads)
                      .template toVector<int64_t>(),
                  minima);
      }
    }
  Array floats = input.cast(f32);
  auto on = [&](int64_t threads) {
    return run(
        {floats}, [](auto &t) { return cumsum(t[0] * 0.1); }, threads);
  };
  Array one = on(1);
  for (int64_t threads : {2, 5})
    EXPECT_EQ(std::memcmp(one.data(), on(threads).data(), static_cast<size_t>(one.numBytes())), 0);
}

/// cumprod(x)[i] depends on all x[k <= i]: compared with sums of products written out.
TEST_P(IndexTest, RunningProductsHaveDerivativesAtZeros) {
  for (bool exclusive : {false, true})
    for (bool reverse : {false, true})
      for (std::vector<double> x :
           {std::vector<double>{2, 3, 4}, {2, 0, 3, 5}, {2, 0, 3, 0, 7}, {0, 0, 0, 2}, {0, 3, 0}}) {
        size_t count = x.size();
        auto members = [&](size_t i) { // The elements whose product is y[i].
          std::vector<size_t> result;
          for (size_t k = 0; k < count; ++k)
            if ((reverse ? k > i : k < i) || (!exclusive && k == i))
              result.push_back(k);
          return result;
        };
        // The product of the members of y[i] without some, 0 where one of those is no member.
        auto without = [&](size_t i, std::vector<size_t> some) {
          std::vector<size_t> all = members(i);
          double product = 1;
          for (size_t k : some)
            if (std::find(all.begin(), all.end(), k) == all.end())
              return 0.0;
          for (size_t k : all)
            if (std::find(some.begin(), some.end(), k) == some.end())
              product *= x[k];
          return product;
        };
        std::vector<double> first(count, 0), second(count, 0);
        for (size_t i = 0; i < count; ++i)
          for (size_t k = 0; k < count; ++k) {
            first[k] += without(i, {k});
            for (size_t l = 0; l < count; ++l)
              second[k] += l == k ? 0 : without(i, {k, l});
          }
        Build build = [=](auto &t) {
          return cumprod(t[0], 0, {.exclusive = exclusive, .reverse = reverse});
        };
        SCOPED_TRACE(testing::PrintToString(x) + (exclusive ? " exclusive" : "") +
                     (reverse ? " reverse" : ""));
        expectValues(gradientOf(x, build), first);
        expectValues(gradientOf(x, build, 2), second);
      }
}

TEST_P(IndexTest, TheFirstOfEqualsGetsTheGradientOfARunningExtremum) {
  auto maxima = [](CumulativeOptions options) {
    return Build([=](auto &t) { return cummax(t[0], 0, options); });
  };
  expectValues(gradientOf({1, 3, 3, 2}, maxima({})), {1, 3, 0, 0});
  expectValues(gradientOf({1, 3, 3, 2}, maxima({.reverse = true})), {0, 0, 3, 1});
  expectValues(gradientOf({1, 3, 3, 2}, maxima({.exclusive = true})), {1, 2, 0, 0});
  expectValues(gradientOf({1, 3, 3, 2}, maxima({.exclusive = true, .reverse = true})),
               {0, 0, 2, 1});
  expectValues(gradientOf({1, nan, 2, nan}, maxima({})), {1, 3, 0, 0});
  expectValues(gradientOf({-inf, -inf}, maxima({})), {2, 0});
  expectValues(gradientOf(std::vector<double>{}, maxima({})), {});
  expectValues(gradientOf({2, 1, 1, 3}, [](auto &t) { return cummin(t[0]); }), {1, 3, 0, 0});
}

// -- Scatter --------------------------------------------------------------------------------------

struct Scattered {
  ScatterMode mode;
  std::vector<double> x;
  std::vector<int32_t> indices;
  std::vector<double> updates, y, dx, dUpdates;
};

TEST_P(IndexTest, DuplicatesTiesAndZerosInScatters) {
  for (const Scattered &s : std::vector<Scattered>{
           {ScatterMode::Set, {1, 2, 3}, {1, 1}, {5, 6}, {1, 6, 3}, {1, 0, 1}, {0, 1}},
           {ScatterMode::Add, {1, 2, 3}, {1, 1}, {5, 6}, {1, 13, 3}, {1, 1, 1}, {1, 1}},
           {ScatterMode::Mul, {2, 3}, {0, 0}, {5, 4}, {40, 3}, {20, 1}, {8, 10}},
           {ScatterMode::Mul, {2, 3}, {0, 0}, {0, 4}, {0, 3}, {0, 1}, {8, 0}},
           {ScatterMode::Mul, {2, 3}, {0, 0}, {0, 0}, {0, 3}, {0, 1}, {0, 0}},
           {ScatterMode::Mul, {0, 3}, {0, 0}, {5, 4}, {0, 3}, {20, 1}, {0, 0}},
           {ScatterMode::Max, {3, 1}, {0, 0, 1}, {3, 1, 2}, {3, 2}, {.5, 0}, {.5, 0, 1}},
           {ScatterMode::Min, {3, 1}, {0, 0, 1}, {3, 1, 2}, {1, 1}, {0, 1}, {0, 1, 0}},
           {ScatterMode::Max, {nan, 1}, {0, 1}, {3, nan}, {nan, nan}, {}, {}},
           {ScatterMode::Set, {1, 2}, {}, {}, {1, 2}, {1, 1}, {}}}) {
    std::vector<Array> arrays = {Array::from(s.x), Array::from(s.indices), Array::from(s.updates)};
    Build build = [&](auto &t) { return scatter(t[0], t[1], t[2], 0, s.mode); };
    SCOPED_TRACE(testing::PrintToString(s.y));
    expectValues(run(arrays, build).template toVector<double>(), s.y);
    if (s.dx.empty())
      continue;
    expectValues(gradientOf(arrays, build, 0), s.dx);
    expectValues(gradientOf(arrays, build, 2), s.dUpdates);
  }
}

/// So many updates that the threads share the places; rows that all columns have in common, and
/// rows of their own.
TEST_P(IndexTest, ScattersDoNotDependOnTheNumberOfThreads) {
  constexpr int64_t places = 50, count = 1000, columns = 300;
  RandomStream random(5, "scatter");
  Array x(f32, {places, columns}), updates(f32, {count, columns});
  random.fillUniform(x, -1, 1, 0);
  random.fillUniform(updates, -1, 1, 20000);
  for (bool common : {true, false}) {
    Array indices(i32, {count, common ? 1 : columns});
    for (int64_t i = 0; i < indices.numElements(); ++i)
      indices.as<int32_t>()[i] = static_cast<int32_t>(random.below(uint64_t(i), places));
    for (ScatterMode mode : {ScatterMode::Set, ScatterMode::Add}) {
      Array want = x.clone();
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          int32_t row = indices.as<int32_t>()[common ? i : i * columns + j];
          float &to = want.as<float>()[row * columns + j],
                update = updates.as<float>()[i * columns + j];
          to = mode == ScatterMode::Set ? update : to + update;
        }
      for (int64_t threads : {1, 2, 3, 7}) {
        Array got = run(
            {x, indices, updates}, [=](auto &t) { return scatterAlong(t[0], t[1], t[2], 0, mode); },
            threads);
        EXPECT_EQ(std::memcmp(got.data(), want.data(), static_cast<size_t>(want.numBytes())), 0)
            << threads << " threads" << (common ? ", common rows" : "");
      }
    }
  }
}

/// A cache that grows by a row per step: only the row is written.
TEST_P(IndexTest, AnUpdateOfASliceHappensInPlace) {
  Graph graph;
  Tensor cache = graph.state("cache", f32, {64, 3});
  Tensor row = graph.placeholder("row", f32, {1, 3}), at = graph.placeholder("at", i32, {});
  Tensor next = dynamicUpdateSlice(cache, row, {at, graph.constant(Array::scalar<int64_t>(0))});
  graph.update({{cache, next}});
  graph.output("filled", sum(next));
  std::string planned;
  Executable executable = compile(
      graph, {.engine = GetParam(), .onStage = [&](std::string_view stage, std::string_view text) {
                if (stage == "planned")
                  planned = text;
              }});
  State state(graph);
  state.get("cache").fill(0.0);
  for (int32_t step = 0; step < 3; ++step)
    executable.run(state, {{"row", Array::from<float>({1, 2, float(step)}, {1, 3})},
                           {"at", Array::scalar<int32_t>(step)}});
  EXPECT_EQ(state.get("cache").at({2, 2}), 2);
  EXPECT_EQ(state.get("cache").at({1, 1}), 2);
  EXPECT_EQ(state.get("cache").at({3, 0}), 0);
  EXPECT_EQ(planned.find("copy"), std::string::npos) << planned;
}

// Rows of a table that no cache of a core holds are asked for before they are read.
TEST_P(IndexTest, RowsOfALargeTable) {
  constexpr int64_t rows = 3000, columns = 130, count = 1003;
  Array table(f32, {rows, columns}), indices(i32, {count});
  for (int64_t i = 0; i < table.numElements(); ++i)
    table.as<float>()[i] = static_cast<float>(i % 8191);
  for (int64_t i = 0; i < count; ++i)
    indices.as<int32_t>()[i] = static_cast<int32_t>(i * 7919 % rows) - (i % 3 == 0 ? rows : 0);
  for (int64_t threads : {1, 2, 3, 7}) {
    Array got = run(
        {table, indices},
        [&](auto &t) {
          Tensor at = where(t[1] < 0, t[1] + rows, t[1]);
          return embedding(t[0], at) + gather(t[0], at) * 2;
        },
        threads);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t c = 0; c < columns; ++c)
        ASSERT_EQ(got.as<float>()[i * columns + c],
                  3 * static_cast<float>((i * 7919 % rows * columns + c) % 8191))
            << i << ", " << c << ", " << threads << " threads";
  }
}

TEST_P(IndexTest, AnIndexOfALargeTableOutOfRange) {
  Array indices(i32, {40});
  indices.as<int32_t>()[39] = 1 << 30; // Asked for, but not read.
  EXPECT_THROW(
      run({Array(f32, {3000, 130}), indices}, [](auto &t) { return embedding(t[0], t[1]); }),
      Error);
}

// -- Indices out of range -------------------------------------------------------------------------

TEST_P(IndexTest, IndicesOutOfRangeAreReported) {
  struct Bad {
    const char *name;
    int64_t index, bound;
    Build build;
  };
  const Bad cases[] = {
      {"gather", 4, 4, [](auto &t) { return gather(t[0], t[1]); }},
      {"gather", -1, 4, [](auto &t) { return gather(t[0], t[1]); }},
      {"gather last", 3, 3, [](auto &t) { return gather(t[0], t[1], 1); }},
      {"takeAlong", 9, 4,
       [](auto &t) {
         return takeAlong(t[0], t[1].reshape({4, 1}), 0);
       }},
      {"gatherNd", 7, 4,
       [](auto &t) {
         return gatherNd(t[0], t[1].reshape({4, 1}));
       }},
      {"scatter", 5, 4, [](auto &t) { return scatter(t[0], t[1], t[0], 0, ScatterMode::Add); }},
      {"scatterAlong", -3, 3,
       [](auto &t) {
         return scatterAlong(t[0], t[1].reshape({4, 1}), t[0].slice(1, 0, 1), 1);
       }},
      {"scatterNd", 6, 4,
       [](auto &t) {
         return scatterNd(t[0], t[1].reshape({4, 1}), t[0]);
       }},
      {"chain", 4, 4, [](auto &t) { return exp(gather(t[0] * 2, t[1])).sum(); }},
  };
  for (const Bad &bad : cases) {
    Array indices = Array::from<int64_t>({0, 1, bad.index, 2});
    try {
      run({Array(f32, {4, 3}), indices}, bad.build);
      ADD_FAILURE() << bad.name << " takes " << bad.index;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::User);
      std::string text = error.what(), want = "index " + std::to_string(bad.index) +
                                              " is not in [0, " + std::to_string(bad.bound) + ")";
      EXPECT_NE(text.find(want), std::string::npos) << bad.name << ": " << text;
      EXPECT_NE(text.find("IndexTest.cpp"), std::string::npos) << bad.name << ": " << text;
    }
  }
}

} // namespace
} // namespace sinter::ops
