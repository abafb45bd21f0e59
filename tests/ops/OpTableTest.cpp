// SPDX-License-Identifier: Apache-2.0
// Every row of the op table, by both engines.
#include "tests/ops/Check.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sinter::ops {
namespace {

std::string join(const Failures &failures) {
  std::string text;
  for (const std::string &failure : failures)
    text += failure + "\n";
  return text;
}

class OpTable : public testing::TestWithParam<std::tuple<Engine, size_t>> {
protected:
  Engine engine() const { return std::get<0>(GetParam()); }
  const Row &row() const { return table()[std::get<1>(GetParam())]; }
};

TEST_P(OpTable, Forward) {
  Failures failures = checkForward(row(), engine());
  EXPECT_TRUE(failures.empty()) << join(failures);
}

TEST_P(OpTable, Gradient) {
  if (row().derivative == Derivative::None)
    return;
  Failures failures = checkGradient(row(), engine());
  EXPECT_TRUE(failures.empty()) << join(failures);
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

/// The levels below this machine's own. A few shapes are enough: what differs is the emitted
/// arithmetic.
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
    Failures failures = checkForward(row, Engine::Compiled, target);
    EXPECT_TRUE(failures.empty()) << join(failures);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, InstructionSets,
                         testing::Values("x86-64", "x86-64-v2", "x86-64-v3"), [](const auto &info) {
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
  EXPECT_FALSE(checkGradient(wrong, Engine::Interpreter).empty());
}

TEST(CheckTest, WrongSecondDerivativeIsCaught) {
  // The first derivative, 2x, is right; its own is not.
  Row wrong = OP(wrong, x * stopGradient(x) * 2 - stopGradient(x * x), x * x, In(0.5, 4)).smooth();
  Failures failures = checkGradient(wrong, Engine::Interpreter);
  ASSERT_FALSE(failures.empty());
  EXPECT_NE(failures.front().find("second derivative"), std::string::npos) << failures.front();
}

TEST(CheckTest, WrongShapeIsCaught) {
  Row wrong = structural(
      "wrong", {In(-4, 4)}, {{{{2, 3}}}}, [](Graph &, const Tensors &t) { return transpose(t[0]); },
      [](const std::vector<Ref> &x) { return x[0]; });
  EXPECT_FALSE(checkForward(wrong, Engine::Interpreter).empty());
}

} // namespace
} // namespace sinter::ops
