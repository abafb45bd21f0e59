// SPDX-License-Identifier: Apache-2.0
// Large rows, compiled against interpreted, also on several instruction sets, and with the same
// bits on any number of threads. SINTER_SEED=<n> repeats a printed seed; SINTER_GRAPHS=<n> tries
// another number of graphs.
#include "tests/fuzz/LargeRows.h"
#include "sinter/runtime/Session.h"
#include "tests/fuzz/Isolated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <regex>

namespace sinter::fuzz {
namespace {

uint64_t numberFrom(const char *variable, uint64_t otherwise) {
  const char *text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string compare(const Closeness &close, const Array &got, const Array &want) {
  if (got.dtype() != want.dtype() || got.sizes() != want.sizes())
    return "another shape or dtype";
  return dispatch(got.dtype(), [&](auto zero) -> std::string {
    using T = decltype(zero);
    for (int64_t i = 0, n = got.numElements(); i < n; ++i) {
      const auto a = static_cast<double>(got.as<T>()[i]), b = static_cast<double>(want.as<T>()[i]);
      const bool same = std::isnan(b) ? std::isnan(a)
                        : std::isfinite(b)
                            ? std::fabs(a - b) <= close.relative * std::fabs(b) + close.absolute
                            : a == b;
      if (!same)
        return "element " + std::to_string(i) + " of " + std::to_string(n) + ": got " +
               std::to_string(a) + ", want " + std::to_string(b);
    }
    return "";
  });
}

/// Of a look-up and its derivative in one kernel, which have one line, either may speak first.
std::string withoutOp(const std::string &message) {
  static const std::regex op("error: [a-z_]+: index");
  return std::regex_replace(message, op, "error: index");
}

struct Answer {
  ArrayMap results;
  std::string error;
  std::string fused;
};

Answer answerOf(const LargeGraph &made, CompileOptions options) {
  Answer answer;
  if (options.engine == Engine::Compiled)
    options.onStage = [&](std::string_view stage, std::string_view text) {
      if (stage == "fused")
        answer.fused = text;
    };
  try {
    answer.results = compile(made.graph, options).run(made.inputs);
  } catch (const Error &error) {
    answer.error = error.what();
  }
  return answer;
}

/// Whether a product has one dim more than the graph gave it.
bool isCut(const LargeGraph &made, const std::string &fused) {
  static const std::regex products(
      R"(sinter\.dot_general [^\n]* -> !sinter\.tensor<\w+\[([^\]]*)\]>)");
  for (std::sregex_iterator at(fused.begin(), fused.end(), products), end; at != end; ++at) {
    const std::string dims = (*at)[1];
    if (std::count(dims.begin(), dims.end(), ',') == static_cast<long>(made.productRank))
      return true;
  }
  return false;
}

struct Counts {
  int cut = 0, bad = 0;
};

/// What is wrong with one graph; "" when nothing is, or what is said of the graph behind '+'.
std::string check(LargeGraph (*make)(uint64_t), uint64_t seed) {
  const LargeGraph made = make(seed);
  const Answer want = answerOf(made, {.engine = Engine::Interpreter});
  constexpr const char *levels[] = {"native", "x86-64-v3", "x86-64"};
  CompileOptions options{.target = Target::cpu(levels[seed % 4 % 3])};
  const Answer got = answerOf(made, options);
  if (withoutOp(got.error) != withoutOp(want.error))
    return "said '" + got.error + "', not '" + want.error + "'\n" + made.graph.str();
  if (made.isBad && got.error.empty())
    return "an index out of range was not noticed\n" + made.graph.str();
  for (const auto &[name, close] : made.outputs)
    if (got.error.empty())
      if (std::string wrong = compare(close, got.results.at(name), want.results.at(name));
          !wrong.empty())
        return name + ": " + wrong + "\n" + made.graph.str();
  options.threads = seed % 2 ? 1 : 3;
  for (const auto &[name, array] : answerOf(made, options).results)
    if (std::memcmp(array.data(), got.results.at(name).data(),
                    static_cast<size_t>(array.numBytes())) != 0)
      return name + " has other bits on other threads\n" + made.graph.str();
  return std::string("+") + (isCut(made, got.fused) ? "cut " : "") + (made.isBad ? "bad" : "");
}

Counts checkAll(LargeGraph (*make)(uint64_t), uint64_t seed, uint64_t count) {
  Counts counts;
  for (uint64_t i = 0; i < count; ++i) {
    const Outcome outcome = Isolated([&] { return check(make, seed + i); }).wait();
    const bool isFine = !outcome.crashed && outcome.text.starts_with("+");
    EXPECT_TRUE(isFine) << "seed " << seed + i << ": " << outcome.text;
    counts.cut += isFine && outcome.text.find("cut") != std::string::npos;
    counts.bad += isFine && outcome.text.find("bad") != std::string::npos;
  }
  return counts;
}

uint64_t freshSeed() {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  const uint64_t seed =
      numberFrom("SINTER_SEED", static_cast<uint64_t>(now) / 1'000'000 % 1'000'000'000 * 10'000);
  std::cout << "SINTER_SEED=" << seed << std::endl;
  return seed;
}

TEST(LargeRowsTest, WrongValuesAreCaught) {
  const Array want = Array::from<float>({1, INFINITY, NAN});
  EXPECT_EQ(compare({}, want, want), "");
  for (const Array &got :
       {Array::from<float>({1.5, INFINITY, NAN}), Array::from<float>({1, -INFINITY, NAN}),
        Array::from<float>({1, INFINITY, 0}), Array::from<float>({1, NAN, NAN})})
    EXPECT_NE(compare({0.1, 0.1}, got, want), "");
  EXPECT_EQ(compare({0.1, 0}, Array::from<float>({1.05f, INFINITY, NAN}), want), "");
}

TEST(LargeRowsTest, OfProducts) {
  constexpr uint64_t count = 14;
  EXPECT_GE(checkAll(longRows, 100, count).cut, 4) << "too few had rows that are cut";
}

TEST(LargeRowsTest, OfProductsWithFreshSeeds) {
  checkAll(longRows, freshSeed(), numberFrom("SINTER_GRAPHS", 4));
}

TEST(LargeRowsTest, OfTables) {
  constexpr uint64_t count = 40;
  EXPECT_GE(checkAll(lookUps, 100, count).bad, 6) << "too few had a bad index";
}

TEST(LargeRowsTest, OfTablesWithFreshSeeds) {
  checkAll(lookUps, freshSeed(), numberFrom("SINTER_GRAPHS", 24));
}

} // namespace
} // namespace sinter::fuzz
