// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/DimDegree.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Shape.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace sinter;

namespace sinter {
/// How GoogleTest prints a size.
static void PrintTo(const DimExpr &e, std::ostream *out) { *out << e.str(); }
} // namespace sinter

namespace {

const DimExpr N = dim("N"), M = dim("M"), K = dim("K");
constexpr int64_t smallest = std::numeric_limits<int64_t>::min();
constexpr int64_t largest = std::numeric_limits<int64_t>::max();

TEST(DimExprTest, PrintsItsNormalForm) {
  EXPECT_EQ(DimExpr().str(), "0");
  EXPECT_EQ(DimExpr(-7).str(), "-7");
  EXPECT_EQ((2 * N + M * N - 3 + N * N).str(), "M*N + N*N + 2*N - 3");
  EXPECT_EQ((DimExpr(0) - N).str(), "-N");
  EXPECT_EQ((3 - 2 * N).str(), "-2*N + 3");
  EXPECT_EQ(DimExpr(smallest).str(), "-9223372036854775808");
  EXPECT_EQ(floorDiv(N + 1, 4).str(), "floordiv(N + 1, 4)");
  EXPECT_EQ(ceilDiv(N, 64).str(), "ceildiv(N, 64)");
  EXPECT_EQ(max(N, M).str(), "max(M, N)");
  EXPECT_EQ(Shape({N, 784}).str(), "[N, 784]");
}

TEST(DimExprTest, EqualSizesHaveEqualForms) {
  EXPECT_EQ((N + M) * (N - M), N * N - M * M);
  EXPECT_EQ(N + N, 2 * N);
  EXPECT_EQ(N - N, DimExpr(0));
  EXPECT_EQ(floorDiv(N * 784, N), DimExpr(784));
  EXPECT_EQ(floorDiv(4 * N + M, 4), N + floorDiv(M, 4));
  EXPECT_EQ(floorDiv(floorDiv(N, 2), 3), floorDiv(N, 6));
  EXPECT_EQ(floorDiv(2 * N, 4), floorDiv(N, 2));
  EXPECT_EQ(floorDiv(N * M, N * K), floorDiv(M, K));
  EXPECT_EQ(ceilDiv(N, 8), floorDiv(N + 7, 8));
  EXPECT_EQ(ceilDiv(ceilDiv(N, 4), 16), ceilDiv(N, 64));
  EXPECT_EQ(floorDiv(N, -3), floorDiv(0 - N, 3));
  EXPECT_EQ(max(N, max(M, K)), max(max(K, N), M));
  EXPECT_EQ(max(N, 0), N);
  EXPECT_EQ(max(N, N + 1), N + 1);
  EXPECT_EQ(max(max(N, M), N * 2), max(M, 2 * N));
  EXPECT_NE(max(N, 1), N); // N may be 0.
  EXPECT_NE(max(N, N * M), N * M);
}

TEST(DimExprTest, AConvolutionStackStaysShort) {
  DimExpr size = N;
  for (int layer = 0; layer < 20; ++layer)
    size = floorDiv(size + 2 - 3, 2) + 1; // kernel 3, stride 2, padding 1
  EXPECT_EQ(size, ceilDiv(N, int64_t{1} << 20));
}

/// Numbers that occur often are kept, others are made: nobody can tell which.
TEST(DimExprTest, NumbersAreWhatTheySay) {
  std::vector<int64_t> numbers = {0, smallest, smallest + 1, largest, largest - 1};
  for (int shift = 0; shift < 63; ++shift)
    for (int64_t odd : {1, 3, 15, 61, 63, 65, 67, 127})
      if (odd <= largest >> shift)
        for (int64_t sign : {1, -1})
          numbers.push_back(sign * (odd << shift));
  for (int64_t number : numbers) {
    const DimExpr e = number, again = number;
    ASSERT_EQ(e.constant(), number);
    ASSERT_EQ(e.str(), std::to_string(number));
    ASSERT_EQ(e, again);
    ASSERT_EQ(e, (N + e) - N);
    ASSERT_EQ(DimExpr::parse(e.str()), e);
    ASSERT_EQ((N * e).str(), (e * N).str());
    ASSERT_EQ(e.evaluate({}), number);
    for (int64_t other : {int64_t{1}, int64_t{64}, int64_t{65}, int64_t{1} << 40, -(number / 2)}) {
      ASSERT_EQ(e == DimExpr(other), number == other);
      ASSERT_EQ((N + e) == (N + other), number == other);
      if (number > smallest / 4 && number < largest / 4)
        ASSERT_EQ((e + other).constant(), number + other);
    }
  }
  EXPECT_EQ(Shape({8, 0, largest}).numElements(), DimExpr(0));
  EXPECT_EQ(Shape({8, N, 3, M, 64}).numElements(), 1536 * N * M);
  EXPECT_EQ(Shape({}).numElements(), DimExpr(1));
  EXPECT_THROW(Shape({largest, 2, N}).numElements(), Error);
}

TEST(DimExprTest, KnowsConstantsAndSymbols) {
  EXPECT_EQ(DimExpr(5).constant(), 5);
  EXPECT_EQ(DimExpr().constant(), 0);
  EXPECT_FALSE((N + 1).constant());
  EXPECT_TRUE(N.isSymbol());
  EXPECT_FALSE((N + 1).isSymbol());
  EXPECT_FALSE((2 * N).isSymbol());
  EXPECT_FALSE((N * N).isSymbol());
  EXPECT_FALSE(DimExpr(3).isSymbol());
  EXPECT_FALSE(max(N, M).isSymbol());
  std::set<std::string> symbols;
  (floorDiv(N, K) * max(M, N) + 2).collectSymbols(symbols);
  EXPECT_EQ(symbols, (std::set<std::string>{"K", "M", "N"}));
}

TEST(DimExprTest, NamesAreChecked) {
  for (const char *good : {"N", "_", "$workers", "a1_$", "max", "floordiv"})
    EXPECT_TRUE(DimExpr::isValidName(good)) << good;
  for (const char *bad : {"", "1a", "a b", "a-b", "é", "a\n"}) {
    EXPECT_FALSE(DimExpr::isValidName(bad)) << bad;
    EXPECT_THROW(dim(bad), Error) << bad;
  }
  EXPECT_EQ(DimExpr::parse("max"), dim("max"));
}

TEST(DimExprTest, ExactDivision) {
  EXPECT_EQ((6 * N * M).dividedExactlyBy(2 * N), 3 * M);
  EXPECT_EQ((6 * N * M + 4 * N).dividedExactlyBy(2 * N), 3 * M + 2);
  EXPECT_EQ((N * N - 1).dividedExactlyBy(N + 1), N - 1);
  EXPECT_EQ(DimExpr(0).dividedExactlyBy(N), DimExpr(0));
  EXPECT_EQ((max(N, M) * K).dividedExactlyBy(max(M, N)), K);
  EXPECT_FALSE((N + 1).dividedExactlyBy(N));
  EXPECT_FALSE((3 * N).dividedExactlyBy(2));
  EXPECT_FALSE(N.dividedExactlyBy(0));
  EXPECT_FALSE(DimExpr(smallest).dividedExactlyBy(-1));
}

TEST(DimExprTest, ParseAcceptsMoreThanItPrints) {
  EXPECT_EQ(DimExpr::parse(" ( N+1 )*2 + -3 "), 2 * N - 1);
  EXPECT_EQ(DimExpr::parse("-(N - M)"), M - N);
  EXPECT_EQ(DimExpr::parse("-N * -2"), 2 * N);
  EXPECT_EQ(DimExpr::parse("-9223372036854775808"), DimExpr(smallest));
  EXPECT_EQ(DimExpr::parse("N - 9223372036854775808"), N + DimExpr(smallest));
  EXPECT_EQ(DimExpr::parse("max(3, floordiv(9, 2))"), DimExpr(4));
}

TEST(DimExprTest, ParseRefusesTheRest) {
  for (const char *bad : {"",
                          " ",
                          "+",
                          "-",
                          "N +",
                          "N N",
                          "2N",
                          "N 2",
                          "(N",
                          "N)",
                          "()",
                          "max(N)",
                          "max(N, M, K)",
                          "max N",
                          "min(N, M)",
                          "N/2",
                          "N**2",
                          "floordiv(N, 0)",
                          "ceildiv(0, 0)",
                          "1.5",
                          "0x10",
                          "9223372036854775808",
                          "9223372036854775807 + 1",
                          "4294967296*4294967296*N",
                          "-(-9223372036854775808)",
                          "N,",
                          "max(,)",
                          "max(N,",
                          "--N",
                          "N - -3",
                          "N\n",
                          "\xff"})
    EXPECT_FALSE(DimExpr::parse(bad)) << "'" << bad << "'";
  EXPECT_FALSE(DimExpr::parse(std::string_view("N\0", 2)));
}

TEST(DimExprTest, ParseIsBounded) {
  EXPECT_FALSE(DimExpr::parse(std::string(5000, ' ') + "N"));
  EXPECT_FALSE(DimExpr::parse(std::string(2000, '(') + "N" + std::string(2000, ')')));
  std::string nested;
  for (int i = 0; i < 500; ++i)
    nested += "max(";
  EXPECT_FALSE(DimExpr::parse(nested));
  std::string powers = "(a + b + c + d)";
  for (int i = 0; i < 100; ++i)
    powers += "*(a + b + c + d)";
  EXPECT_FALSE(DimExpr::parse(powers));
}

TEST(DimExprTest, ParseSurvivesAnyText) {
  const char *tokens[] = {"N", "M1",   "max", "floordiv", "ceildiv", "(", ")",
                          ",", "+",    "-",   "*",        "0",       "7", "9223372036854775807",
                          " ", "\xff", "$",   "/"};
  std::mt19937 random(1);
  int accepted = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    for (size_t length = random() % 12; length > 0; --length)
      text += tokens[random() % std::size(tokens)];
    std::optional<DimExpr> e = DimExpr::parse(text);
    if (!e)
      continue;
    ++accepted;
    ASSERT_EQ(DimExpr::parse(e->str()), e) << text;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(DimExprTest, Degrees) {
  EXPECT_EQ(degreeIn(7, "N"), 0);
  EXPECT_EQ(degreeIn(3 * N * M + M * M, "N"), 1);
  EXPECT_EQ(degreeIn(3 * N * M + M * M, "M"), 2);
  EXPECT_EQ(degreeIn(N * N * N - 3 * N * N + 3 * N, "N"), 3);
  EXPECT_EQ(degreeIn((N + 1) * (N - 1) - N * N + N, "N"), 1); // The squares cancel.
  EXPECT_EQ(degreeIn(N + ceilDiv(M, 2) * N + max(M, K), "N"), 1);
  EXPECT_EQ(degreeIn(N + ceilDiv(M, 2), "M"), std::nullopt);
  EXPECT_EQ(degreeIn(M + floorDiv(7, N), "N"), std::nullopt);
  EXPECT_EQ(degreeIn(max(N, M) * K, "N"), std::nullopt);
}

TEST(DimExprTest, OverflowAndGrowthAreLimits) {
  auto isLimit = [](auto fn) {
    try {
      fn();
    } catch (const Error &error) {
      return error.code() == ErrorCode::Limit && error.kind() == ErrorKind::User;
    }
    return false;
  };
  EXPECT_TRUE(isLimit([] { return DimExpr(largest) + 1; }));
  EXPECT_TRUE(isLimit([] { return DimExpr(largest) * 2 * N; }));
  EXPECT_TRUE(isLimit([] { return DimExpr(0) - DimExpr(smallest); }));
  EXPECT_TRUE(isLimit([] { return floorDiv(DimExpr(smallest), -1); }));
  EXPECT_TRUE(isLimit([] {
    DimExpr e = N;
    for (int i = 0; i < 10000; ++i)
      e = floorDiv(max(e + M, e * K), e + 1);
    return e;
  }));
  EXPECT_THROW(floorDiv(N, 0), Error);
  EXPECT_THROW(ceilDiv(DimExpr(0), 0), Error);
  EXPECT_EQ(max(DimExpr(largest), DimExpr(smallest)), DimExpr(largest));
}

TEST(DimExprTest, EvaluationIsChecked) {
  DimBinding binding = {{"N", 7}, {"M", 0}, {"K", int64_t{1} << 40}};
  EXPECT_EQ((2 * N + 1).evaluate(binding), 15);
  EXPECT_FALSE((N + dim("missing")).evaluate(binding));
  EXPECT_FALSE((K * K).evaluate(binding));
  EXPECT_EQ((K * K * M).evaluate(binding), 0);
  EXPECT_FALSE(floorDiv(N, M).evaluate(binding));
  DimBinding edge = {{"N", largest}, {"M", largest}, {"K", largest}};
  EXPECT_EQ((N + M - K).evaluate(edge), largest);
  EXPECT_FALSE((N + M).evaluate(edge));
  EXPECT_EQ(Shape({N, 4}).evaluate(binding), (std::vector<int64_t>{7, 4}));
  EXPECT_FALSE(Shape({M - 1}).evaluate(binding)) << "a size is not negative";
  EXPECT_EQ(Shape({N, 2, M}).numElements(), 2 * M * N);
}

TEST(DimExprTest, Substitution) {
  EXPECT_EQ((N * M + 1).substitute({{"N", M + 1}}), M * M + M + 1);
  EXPECT_EQ(floorDiv(N, M).substitute({{"N", 9}, {"M", 2}}), DimExpr(4));
  EXPECT_EQ(max(N, M).substitute({{"N", M}}), M);
}

//===--- Random expressions against plain arithmetic ---===//

using Wide = __int128;

/// An expression together with its value by definition; no value after a division by zero.
struct Sample {
  DimExpr expr;
  std::optional<Wide> value;
};

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {
    for (const char *name : {"A", "B", "C"})
      binding[name] = pick(0, 12);
  }
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  Sample make(int depth) {
    if (depth == 0 || pick(0, 5) == 0) {
      if (pick(0, 2) == 0) {
        int64_t value = pick(-6, 12);
        return {value, value};
      }
      auto symbol = std::next(binding.begin(), pick(0, 2));
      return {dim(symbol->first), symbol->second};
    }
    Sample a = make(depth - 1), b = make(depth - 1);
    bool defined = a.value && b.value;
    Wide x = a.value.value_or(0), y = b.value.value_or(0);
    auto value = [&](Wide result) { return defined ? std::optional(result) : std::nullopt; };
    switch (pick(0, 5)) {
    case 0:
      return {a.expr + b.expr, value(x + y)};
    case 1:
      return {a.expr - b.expr, value(x - y)};
    case 2:
      return {a.expr * b.expr, value(x * y)};
    case 3:
      return {max(a.expr, b.expr), value(std::max(x, y))};
    default:
      break;
    }
    // A divisor that folds to zero is refused when it is written.
    if (b.expr == DimExpr(0))
      return a;
    defined = defined && y != 0;
    if (!defined)
      y = 1;
    Wide floor = x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
    if (pick(0, 1) == 0)
      return {floorDiv(a.expr, b.expr), value(floor)};
    return {ceilDiv(a.expr, b.expr), value(floor + (x % y != 0 ? 1 : 0))};
  }
  DimBinding binding;

private:
  std::mt19937_64 random;
};

/// fold() into plain arithmetic.
DimExpr::Folder<int64_t> evaluator(const DimBinding &binding) {
  auto floorOf = [](int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); };
  DimExpr::Folder<int64_t> folder;
  folder.constant = [](int64_t value) { return value; };
  folder.symbol = [&binding](const std::string &name) { return binding.at(name); };
  folder.add = [](int64_t a, int64_t b) { return a + b; };
  folder.mul = [](int64_t a, int64_t b) { return a * b; };
  folder.floorDiv = floorOf;
  folder.ceilDiv = [floorOf](int64_t a, int64_t b) { return floorOf(a, b) + (a % b != 0); };
  folder.max = [](int64_t a, int64_t b) { return std::max(a, b); };
  return folder;
}

TEST(DimExprTest, RandomExpressionsKeepTheirValueAndText) {
  int defined = 0, tooLarge = 0;
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    Generator generator(seed);
    Sample sample;
    try {
      sample = generator.make(static_cast<int>(seed % 5));
    } catch (const Error &error) {
      ASSERT_TRUE(error.code() == ErrorCode::Limit ||
                  error.message().find("by zero") != std::string::npos)
          << error.what();
      ++tooLarge;
      continue;
    }
    std::string text = sample.expr.str();
    std::optional<DimExpr> again = DimExpr::parse(text);
    ASSERT_TRUE(again) << "seed " << seed << ": " << text;
    ASSERT_EQ(again->str(), text) << "seed " << seed;
    ASSERT_EQ(sample.expr.substitute({}), sample.expr) << "seed " << seed;
    std::optional<int64_t> got = sample.expr.evaluate(generator.binding);
    constexpr Wide safe = Wide{1} << 50;
    if (!sample.value || *sample.value > safe || *sample.value < -safe)
      continue;
    ++defined;
    // Intermediate products of a rewritten form may overflow only for values far beyond these.
    ASSERT_TRUE(got) << "seed " << seed << ": " << text;
    ASSERT_EQ(*got, static_cast<int64_t>(*sample.value)) << "seed " << seed << ": " << text;
    ASSERT_EQ(sample.expr.fold(evaluator(generator.binding)), *got) << text;
    // Symbols bound one by one give the same value.
    std::map<std::string, DimExpr, std::less<>> values;
    for (const auto &[name, value] : generator.binding)
      values[name] = value;
    ASSERT_EQ(sample.expr.substitute(values).constant(), got) << "seed " << seed << ": " << text;
  }
  EXPECT_GT(defined, 12000);
  EXPECT_LT(tooLarge, 400);
}

TEST(DimExprTest, RandomExpressionsObeyAlgebra) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Generator generator(seed + 1000000);
    try {
      DimExpr a = generator.make(2).expr, b = generator.make(2).expr, c = generator.make(2).expr;
      ASSERT_EQ(a + b, b + a);
      ASSERT_EQ(a * b, b * a);
      ASSERT_EQ((a + b) + c, a + (b + c));
      ASSERT_EQ((a * b) * c, a * (b * c));
      ASSERT_EQ((a + b) * c, a * c + b * c);
      ASSERT_EQ(a - b + b, a);
      ASSERT_EQ(max(a, b), max(b, a)) << a.str() << " and " << b.str();
      ASSERT_EQ(max(a, a), a);
      ASSERT_FALSE(a < a);
      ASSERT_EQ(a < b, !(b < a) && a != b);
      if (b != DimExpr(0)) {
        ASSERT_EQ((a * b).dividedExactlyBy(b), a) << a.str() << " times " << b.str();
        ASSERT_EQ(floorDiv(a * b, b), a) << a.str() << " times " << b.str();
        ASSERT_EQ(ceilDiv(a * b, b), a);
      }
      int64_t divisor = generator.pick(1, 9);
      ASSERT_EQ(floorDiv(a + divisor * b, divisor), floorDiv(a, divisor) + b)
          << a.str() << ", " << b.str() << " by " << divisor;
      ASSERT_EQ(ceilDiv(a, divisor), floorDiv(a + divisor - 1, divisor));
    } catch (const Error &error) {
      ASSERT_TRUE(error.code() == ErrorCode::Limit ||
                  error.message().find("by zero") != std::string::npos)
          << error.what();
    }
  }
}

} // namespace
