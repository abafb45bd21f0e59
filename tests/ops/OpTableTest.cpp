// SPDX-License-Identifier: Apache-2.0
// Every row of the op table, by both engines.
#include "tests/ops/Check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace sinter::ops {
namespace {

std::string join(const Failures &failures) {
  std::string text;
  for (const std::string &failure : failures)
    text += failure + "\n";
  return text;
}

/// Runs one row in the dtypes given. Those that pass become properties of the test, from which
/// docs/coverage.md is made.
class OpTable : public testing::TestWithParam<std::tuple<Engine, size_t>> {
protected:
  Engine engine() const { return std::get<0>(GetParam()); }
  const Row &row() const { return table()[std::get<1>(GetParam())]; }

  void expectPasses(const std::vector<DType> &dtypes, const std::vector<std::string> &columns,
                    const std::function<Failures(DType)> &check) {
    std::string passed;
    for (DType dtype : dtypes) {
      Failures failures = check(dtype);
      EXPECT_TRUE(failures.empty()) << join(failures);
      if (failures.empty())
        passed += std::string(passed.empty() ? "" : " ") + std::string(name(dtype));
    }
    RecordProperty("op", row().op);
    RecordProperty("row", row().name);
    RecordProperty("cases", static_cast<int>(row().cases.size() * dtypes.size()));
    for (const std::string &column : columns)
      RecordProperty(column, passed);
  }
};

TEST_P(OpTable, Forward) {
  expectPasses(row().dtypes, {engine() == Engine::Compiled ? "cpu" : "interpreter"},
               [&](DType dtype) { return checkForward(row(), dtype, engine()); });
}

TEST_P(OpTable, Derivatives) {
  if (row().derivative == Derivative::None)
    return;
  expectPasses(derivativeDTypes(row()), {"gradient", "jvp"},
               [&](DType dtype) { return checkDerivatives(row(), dtype, engine()); });
  if (row().derivative == Derivative::Second && !HasFailure())
    RecordProperty("second", "f64");
}

std::string paramName(const testing::TestParamInfo<std::tuple<Engine, size_t>> &info) {
  std::string engine = std::get<0>(info.param) == Engine::Compiled ? "compiled_" : "interpreter_";
  return engine + table()[std::get<1>(info.param)].name;
}

INSTANTIATE_TEST_SUITE_P(Rows, OpTable,
                         testing::Combine(testing::Values(Engine::Interpreter, Engine::Compiled),
                                          testing::Range(size_t{0}, table().size())),
                         paramName);

// -- Other instruction sets
// ------------------------------------------------------------------------

/// The levels, a ctest each, so that one which this machine lacks shows as skipped. A few shapes
/// are enough: what differs is the emitted arithmetic.
class InstructionSets : public testing::TestWithParam<const char *> {};

TEST_P(InstructionSets, AllRowsForward) {
  Target target = Target::cpu(GetParam());
  try {
    target.info().requireRunnable();
  } catch (const Error &error) {
    GTEST_SKIP() << error.what();
  }
  for (Row row : table()) {
    if (row.cases.size() > 4)
      row.cases.erase(row.cases.begin(), row.cases.end() - 4);
    // Narrow dtypes differ by level in the conversions of f16, which the first level lacks.
    if (target.info().hasF16c)
      std::erase_if(row.dtypes, isNarrow);
    Failures failures = checkForward(row, Engine::Compiled, target);
    EXPECT_TRUE(failures.empty()) << join(failures);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, InstructionSets,
                         testing::Values("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// -- The checks can fail --------------------------------------------------------------------------

TEST(CheckTest, WrongOracleIsCaught) {
  Row wrong = OP(sin, sin(x), std::sin(x) * (1 + Real(1e-5)), In(-4, 4));
  EXPECT_FALSE(checkForward(wrong, Engine::Interpreter).empty());
}

TEST(CheckTest, WrongDerivativeIsCaught) {
  // The derivative of x * stopGradient(x) is stated to be x, but the function is x squared.
  Row wrong = OP(wrong, x * stopGradient(x), x * x, In(0.5, 4)).once();
  EXPECT_TRUE(checkForward(wrong, Engine::Interpreter).empty());
  Failures failures = checkDerivatives(wrong, f64, Engine::Interpreter);
  ASSERT_FALSE(failures.empty());
  EXPECT_NE(failures.front().find("jvp against differences"), std::string::npos)
      << failures.front();
}

TEST(CheckTest, WrongSecondDerivativeIsCaught) {
  // The first derivative, 2x, is right; its own is not.
  Row wrong = OP(wrong, x * stopGradient(x) * 2 - stopGradient(x * x), x * x, In(0.5, 4)).smooth();
  Failures failures = checkDerivatives(wrong, f64, Engine::Interpreter);
  ASSERT_FALSE(failures.empty());
  EXPECT_NE(failures.front().find("second derivative"), std::string::npos) << failures.front();
}

TEST(CheckTest, WrongForwardModeIsCaught) {
  Row row = OP2(mul, a * b, a * b, In(0.5, 4), In(0.5, 4)).smooth();
  EXPECT_TRUE(checkDerivatives(row, f32, Engine::Interpreter).empty());
  auto forgetsOne = [](const Tensors &ys, const Tensors &xs, Tensors vs) {
    vs[1] = vs[1] * 0;
    return jvp(ys, xs, vs);
  };
  for (DType dtype : {f16, f32, f64}) { // In f16 and f32 only the adjoint identity notices.
    Failures failures = checkDerivatives(row, dtype, Engine::Interpreter, forgetsOne);
    ASSERT_FALSE(failures.empty()) << name(dtype);
    EXPECT_NE(failures.front().find("<Jv, u>"), std::string::npos) << failures.front();
  }
}

TEST(CheckTest, WrongMixedDerivativeIsCaught) {
  Row row = OP(cube, x * x * x, x * x * x, In(0.5, 4)).smooth();
  EXPECT_TRUE(checkDerivatives(row, f64, Engine::Interpreter).empty());
  auto onlyOnce = [](const Tensors &ys, const Tensors &xs, const Tensors &vs) {
    Tensors tangents = jvp(ys, xs, vs);
    return Tensors{tangents[0] + stopGradient(tangents[0]) * 0.5 - tangents[0] * 0.5};
  };
  Failures failures = checkDerivatives(row, f64, Engine::Interpreter, onlyOnce);
  ASSERT_FALSE(failures.empty());
  EXPECT_NE(failures.front().find("gradients of jvp"), std::string::npos) << failures.front();
}

TEST(CheckTest, WrongShapeIsCaught) {
  Row wrong = structural(
      "wrong", {In(-4, 4)}, {{{{2, 3}}}}, [](Graph &, const Tensors &t) { return transpose(t[0]); },
      [](const std::vector<Ref> &x) { return x[0]; });
  EXPECT_FALSE(checkForward(wrong, Engine::Interpreter).empty());
}

} // namespace
} // namespace sinter::ops
