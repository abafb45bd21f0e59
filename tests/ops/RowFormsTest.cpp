// SPDX-License-Identifier: Apache-2.0
// Kernels of rows that take several rows at once, multiply by a row's reciprocal, or ask for the
// next row: against plain loops, on every level of x86-64, the same bits on any number of threads.
#include "sinter/frontend/Composite.h"
#include "sinter/frontend/Indexing.h"
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"
#include "tests/ops/Numbers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace sinter::ops {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

void expectSameBits(const ArrayMap &a, const ArrayMap &b, const std::string &what) {
  for (const auto &[name, array] : a)
    EXPECT_EQ(std::memcmp(array.data(), b.at(name).data(), static_cast<size_t>(array.numBytes())),
              0)
        << what << " " << name;
}

/// Runs on every level; `body` gets what one thread computed.
template <typename Body>
void onEveryLevel(const Graph &graph, const NamedArrays &inputs, Body body,
                  CompileOptions options = {}) {
  test::forEachLevel({"native", "x86-64-v3", "x86-64"}, [&](const char *level) {
    ArrayMap first;
    for (int64_t threads : {1, 2, 3, 7}) {
      options.target = Target::cpu(level);
      options.threads = threads;
      Executable executable = compile(graph, options);
      for (const Kernel &kernel : executable.program().kernels)
        EXPECT_EQ(kernel.form, "row") << level;
      ArrayMap got = executable.run(inputs);
      if (threads > 1)
        expectSameBits(first, got, std::string(level) + " on " + std::to_string(threads));
      else
        first = got;
    }
    body(first);
  });
}

void expectNear(double got, double wanted, double scale, const std::string &what) {
  if (std::isnan(wanted) || std::isinf(wanted))
    EXPECT_TRUE(std::isnan(wanted) ? std::isnan(got) : got == wanted) << what << ": " << got;
  else
    EXPECT_NEAR(got, wanted, 2e-6 * scale) << what;
}

// -- Several rows at once -------------------------------------------------------------------------

struct Pairs {
  int64_t batch, lines, rows, width;
};

class RowTilesTest : public testing::TestWithParam<Pairs> {};
// Tiles of four by four, of parts of that, of one; rows of whole vectors and with a rest.
INSTANTIATE_TEST_SUITE_P(Sizes, RowTilesTest,
                         testing::Values(Pairs{1, 32, 32, 128}, Pairs{1, 32, 36, 100},
                                         Pairs{3, 12, 15, 67}, Pairs{1, 22, 26, 40},
                                         Pairs{2, 7, 128, 65}, Pairs{1, 128, 7, 65},
                                         Pairs{1, 11, 13, 64}, Pairs{1, 2, 2, 300},
                                         Pairs{1, 1, 300, 33}));

TEST_P(RowTilesTest, ReductionsOverPairsOfRows) {
  const auto [batch, lines, rows, width] = GetParam();
  Graph g;
  Tensor x = g.placeholder("x", f32, {batch, lines, width});
  Tensor y = g.placeholder("y", f32, {batch, rows, width});
  Tensor difference = x.reshape({batch, lines, 1, width}) - y.reshape({batch, 1, rows, width});
  g.output("distance", sqrt((difference * difference).sum({3})));
  Array xs = numbers({batch, lines, width}, 1), ys = numbers({batch, rows, width}, 2);
  xs.as<float>()[5] = nan;
  ys.as<float>()[width + 3] = inf;

  Graph h;
  Tensor u = h.placeholder("x", f32, {batch, lines, width});
  Tensor v = h.placeholder("y", f32, {batch, rows, width});
  Tensor apart = u.reshape({batch, lines, 1, width}) - v.reshape({batch, 1, rows, width});
  h.output("most", apart.max({3}));
  h.output("sum", apart.sum({3}));

  std::vector<double> distance, most, sum;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < lines; ++i)
      for (int64_t j = 0; j < rows; ++j) {
        double squares = 0, largest = -inf, total = 0;
        for (int64_t k = 0; k < width; ++k) {
          const double d = static_cast<double>(xs.as<float>()[(b * lines + i) * width + k]) -
                           static_cast<double>(ys.as<float>()[(b * rows + j) * width + k]);
          squares += d * d;
          largest = d > largest || std::isnan(d) ? d : largest;
          total += d;
        }
        distance.push_back(std::sqrt(squares));
        most.push_back(largest);
        sum.push_back(total);
      }
  auto compare = [&](const Array &got, const std::vector<double> &wanted, const char *what) {
    ASSERT_EQ(static_cast<size_t>(got.numElements()), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      expectNear(got.as<float>()[i], wanted[i], static_cast<double>(width),
                 std::string(what) + " at " + std::to_string(i));
  };
  onEveryLevel(g, {{"x", xs}, {"y", ys}},
               [&](const ArrayMap &got) { compare(got.at("distance"), distance, "distance"); });
  onEveryLevel(h, {{"x", xs}, {"y", ys}}, [&](const ArrayMap &got) {
    compare(got.at("most"), most, "most");
    compare(got.at("sum"), sum, "sum");
  });
}

TEST(RowTilesTest, WhichIsTheNearest) {
  constexpr int64_t lines = 24, rows = 40, width = 50;
  Graph g;
  Tensor x = g.placeholder("x", f32, {lines, width}), y = g.placeholder("y", f32, {rows, width});
  g.output("where", argmax(x.reshape({lines, 1, width}) - y.reshape({1, rows, width}), 2));
  Array xs = numbers({lines, width}, 1), ys = numbers({rows, width}, 2);
  onEveryLevel(g, {{"x", xs}, {"y", ys}}, [&](const ArrayMap &got) {
    const Array &where = got.at("where");
    for (int64_t i = 0; i < lines; ++i)
      for (int64_t j = 0; j < rows; ++j) {
        const float *a = xs.as<float>() + i * width, *b = ys.as<float>() + j * width;
        int64_t best = 0;
        for (int64_t k = 1; k < width; ++k)
          best = a[k] - b[k] > a[best] - b[best] ? k : best;
        ASSERT_EQ(where.toVector<double>()[static_cast<size_t>(i * rows + j)], best);
      }
  });
}

/// Numbers that end where no page follows. They are a multiple of 64 bytes.
Array atTheEndOfAPage(std::vector<int64_t> sizes, unsigned seed) {
  const Array values = numbers(sizes, seed);
  const auto bytes = static_cast<size_t>(values.numBytes()),
             page = static_cast<size_t>(sysconf(_SC_PAGESIZE)),
             used = (bytes + page - 1) / page * page;
  void *pages =
      mmap(nullptr, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    throw std::bad_alloc();
  auto *begin = static_cast<char *>(pages);
  std::shared_ptr<void> owner(begin, [=](void *all) { munmap(all, used + page); });
  EXPECT_EQ(mprotect(begin + used, page, PROT_NONE), 0);
  std::memcpy(begin + used - bytes, values.data(), bytes);
  return Array::wrap(begin + used - bytes, f32, std::move(sizes), {}, owner);
}

TEST(RowTilesTest, NothingIsReadBehindTheLastRow) {
  constexpr int64_t lines = 16, rows = 24, width = 34; // No whole vectors of any length.
  Graph g;
  Tensor x = g.placeholder("x", f32, {lines, width}), y = g.placeholder("y", f32, {rows, width});
  Tensor apart = abs(x.reshape({lines, 1, width}) - y.reshape({1, rows, width}));
  g.output("most", apart.max({2}));
  Array xs = atTheEndOfAPage({lines, width}, 1), ys = atTheEndOfAPage({rows, width}, 2);
  onEveryLevel(g, {{"x", xs}, {"y", ys}}, [&](const ArrayMap &got) {
    for (int64_t i = 0; i < lines; ++i)
      for (int64_t j = 0; j < rows; ++j) {
        float most = 0;
        for (int64_t k = 0; k < width; ++k)
          most = std::max(most,
                          std::fabs(xs.as<float>()[i * width + k] - ys.as<float>()[j * width + k]));
        ASSERT_EQ(got.at("most").as<float>()[i * rows + j], most) << i << " " << j;
      }
  });
}

// -- A row's reciprocal ---------------------------------------------------------------------------

/// x / divisor, as a kernel of rows: the divisor is a sum of zeros and itself.
template <typename T>
void checkQuotients(DType dtype, int digits, double far, const CompileOptions &options = {}) {
  constexpr int64_t width = 640;
  using Limits = std::numeric_limits<T>;
  const T big = static_cast<T>(far);
  std::vector<T> divisors = {1,
                             2,
                             T(0.5),
                             -3,
                             T(1) / 3,
                             0,
                             Limits::infinity(),
                             -Limits::infinity(),
                             Limits::quiet_NaN(),
                             Limits::max(),
                             -Limits::max(),
                             Limits::min(),
                             Limits::denorm_min(),
                             Limits::min() / 8,
                             -Limits::min() / 3,
                             big,
                             1 / big,
                             -big * 3,
                             T(1) + Limits::epsilon(),
                             T(2) - Limits::epsilon()};
  std::vector<T> dividends = {0,
                              T(-0.0),
                              Limits::infinity(),
                              -Limits::infinity(),
                              Limits::quiet_NaN(),
                              Limits::max(),
                              -Limits::max(),
                              Limits::min(),
                              -Limits::denorm_min(),
                              Limits::min() * 5 / 3,
                              big,
                              1 / big,
                              1};
  Array noise = numbers({width}, 7), more = numbers({40}, 8);
  for (int64_t i = 0; i < more.numElements(); ++i)
    divisors.push_back(static_cast<T>(more.as<float>()[i]) * static_cast<T>(1.1));
  while (dividends.size() < width)
    dividends.push_back(static_cast<T>(noise.as<float>()[dividends.size()]) / static_cast<T>(1.3));
  const auto rows = static_cast<int64_t>(divisors.size());
  std::vector<T> xs, ds(static_cast<size_t>(rows * width), T(0));
  for (int64_t i = 0; i < rows; ++i) {
    xs.insert(xs.end(), dividends.begin(), dividends.end());
    ds[static_cast<size_t>(i * width)] = divisors[static_cast<size_t>(i)];
  }
  Graph g;
  Tensor x = g.placeholder("x", dtype, {rows, width}), d = g.placeholder("d", dtype, {rows, width});
  g.output("y", x / d.sum({1}, true));
  NamedArrays inputs = {{"x", Array::from(xs, {rows, width})},
                        {"d", Array::from(ds, {rows, width})}};
  auto check = [&](const ArrayMap &got) {
    const T *y = got.at("y").as<T>();
    int64_t exact = 0, ordinary = 0;
    for (int64_t i = 0; i < rows * width; ++i) {
      const T a = xs[static_cast<size_t>(i)], b = divisors[static_cast<size_t>(i / width)];
      const T wanted = a / b;
      const std::string what = std::to_string(a) + " / " + std::to_string(b);
      if (std::isnan(wanted) || std::isinf(wanted) || wanted == 0) {
        ASSERT_TRUE(std::isnan(wanted) ? std::isnan(y[i]) : y[i] == wanted) << what << ": " << y[i];
        ASSERT_TRUE(std::isnan(wanted) || std::signbit(y[i]) == std::signbit(wanted)) << what;
        continue;
      }
      if (options.strictRounding) {
        ASSERT_EQ(y[i], wanted) << what;
      }
      const long double quotient = static_cast<long double>(a) / static_cast<long double>(b);
      const bool normal = std::fabs(wanted) >= Limits::min() && std::fabs(a) >= 1 / big;
      const T ulp = std::fabs(wanted) < Limits::min()
                        ? Limits::denorm_min()
                        : std::ldexp(T(1), std::ilogb(wanted) - digits + 1);
      const long double error = std::fabs(static_cast<long double>(y[i]) - quotient) / ulp;
      ASSERT_LE(error, normal ? 0.50001L : 1.0L) << what << ": " << y[i] << ", not " << wanted;
      ordinary += normal;
      exact += normal && y[i] == wanted;
    }
    EXPECT_GT(ordinary, 20000);
    EXPECT_GE(exact, ordinary - ordinary / 1000); // Others lie in the middle of two numbers.
  };
  onEveryLevel(g, inputs, check, options);
}

TEST(RowQuotientsTest, AreThoseOfADivision) { checkQuotients<float>(f32, 24, 0x1p100); }
TEST(RowQuotientsTest, AreThoseOfADivisionInF64) { checkQuotients<double>(f64, 53, 0x1p900); }

TEST(StrictRoundingTest, DividesByTheNumberItself) {
  checkQuotients<float>(f32, 24, 0x1p100, {.strictRounding = true});
}

// (1 + 2^-12)^2 is rounded down to 1 + 2^-11, which the other half of the row takes away. Where the
// product is not rounded, 2^-24 is left of it.
TEST(StrictRoundingTest, AddsUpRoundedProducts) {
  constexpr int64_t rows = 64, width = 2048;
  std::vector<float> factors(rows * width, -1);
  std::vector<float> others(rows * width, 1 + 0x1p-11f);
  for (size_t i = 0; i < factors.size(); ++i)
    if (i % width >= width / 2)
      factors[i] = others[i] = 1 + 0x1p-12f;
  Graph g;
  Tensor x = g.placeholder("x", f32, {rows, width}), y = g.placeholder("y", f32, {rows, width});
  g.output("sum", (x * y).sum({1}));
  NamedArrays inputs = {{"x", Array::from(factors, {rows, width})},
                        {"y", Array::from(others, {rows, width})}};
  auto sums = [&](bool strict) {
    return compile(g, {.strictRounding = strict}).run(inputs).at("sum").toVector<double>();
  };
  for (double sum : sums(true))
    ASSERT_EQ(sum, 0);
  if (Target::cpu().info().hasFma) {
    for (double sum : sums(false))
      ASSERT_GT(sum, 0); // Else this test says nothing.
  }
}

// -- Results that bypass the cache ----------------------------------------------------------------

// Large results are written one after the other: where one of them would replace the state that all
// are computed from, the next one still reads the old state.
TEST(RowResultsTest, LargeOnesOfOneRowDoNotOverwriteIt) {
  constexpr int64_t rows = 2100, width = 1024;
  const Array xs = numbers({rows, width}, 5);
  for (bool isFirst : {true, false}) {
    Graph g;
    Tensor x = g.state("x", f32, {rows, width});
    Tensor first = x / sqrt((x * x).sum({1}, true)), second = x * x.max({1}, true);
    g.update(x, isFirst ? first : second);
    g.output("other", isFirst ? second : first);
    for (int64_t threads : {1, 3}) {
      Executable executable = compile(g, {.threads = threads});
      ASSERT_EQ(executable.program().kernels.size(), 1u); // Else this test says nothing.
      EXPECT_EQ(executable.program().kernels.front().form, "row");
      State state(g, 0);
      state.set("x", xs.clone());
      const Array other = executable.run(state, {}).at("other"), updated = state.get("x");
      const float *unit = (isFirst ? updated : other).as<float>();
      const float *scaled = (isFirst ? other : updated).as<float>();
      for (int64_t i = 0; i < rows; ++i) {
        const float *row = xs.as<float>() + i * width;
        const float most = *std::max_element(row, row + width);
        double squares = 0;
        for (int64_t k = 0; k < width; ++k)
          squares += std::pow(static_cast<double>(row[k]), 2);
        for (int64_t k = 0; k < width; ++k) {
          ASSERT_NEAR(unit[i * width + k], row[k] / std::sqrt(squares), 1e-6) << i << " " << k;
          ASSERT_EQ(scaled[i * width + k], row[k] * most) << i << " " << k;
        }
      }
    }
  }
}

// -- The next row ---------------------------------------------------------------------------------

// Large enough to be asked for ahead; what is asked for behind the last row does not exist.
TEST(RowsAheadTest, NormsOfManyRows) {
  constexpr int64_t rows = 700, width = 500;
  Graph g;
  Tensor x = g.placeholder("x", f32, {rows, width});
  g.output("y", x / sqrt((x * x).sum({1}, true)));
  Array xs = numbers({rows, width}, 3);
  onEveryLevel(g, {{"x", xs}}, [&](const ArrayMap &got) {
    for (int64_t i = 0; i < rows; ++i) {
      double squares = 0;
      for (int64_t k = 0; k < width; ++k)
        squares += std::pow(static_cast<double>(xs.as<float>()[i * width + k]), 2);
      for (int64_t k = 0; k < width; ++k)
        ASSERT_NEAR(got.at("y").as<float>()[i * width + k],
                    xs.as<float>()[i * width + k] / std::sqrt(squares), 1e-6);
    }
  });
}

} // namespace
} // namespace sinter::ops
