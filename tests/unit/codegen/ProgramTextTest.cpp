// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramText.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace sinter;

namespace {

Program sample() {
  Program program;
  program.name = "train \"step\"\n\\\x01";
  program.target = "cpu:x86-64-v3";
  DimExpr n = DimExpr::symbol("N");
  program.dims = {"N", workersSymbol};
  program.table = {2 * n + 1, ceilDiv(n, 64) * DimExpr::symbol(workersSymbol)};
  program.arenaBytes = max(64 * ceilDiv(n, 16), 128);
  program.arguments = {
      {"x", ArgumentKind::Placeholder, boolean, Shape{n, 28, 28}, {}, {"a b.cpp", 12, 3}},
      {"w", ArgumentKind::Parameter, f32, Shape{784, 10}, {InitSpec::Kind::Uniform, -0.1, 0.1}, {}},
      {"m", ArgumentKind::State, f64, Shape{}, {InitSpec::Kind::Normal, 1e-310, INFINITY}, {}}};
  program.results = {{"loss", f32, Shape{}, -1, {"a b.cpp", 14, 1}},
                     {"", f32, Shape{784, 10}, 1, {}},
                     {"", f32, Shape{}, -1, {}},
                     {"", f64, Shape{}, -1, {}}};
  program.kernels = {{"k0", "row", {"exp", "reduce"}, {{"a.cpp", 1, 2}, {}}}};
  program.sites = {{"gather", "index", {"a.cpp", 7, 9}}, {"", "", {}}};
  program.nodes = 17;
  return program;
}

} // namespace

TEST(ProgramTextTest, RoundTrips) {
  std::string text = programText(sample());
  Program parsed = parseProgramText(text);
  EXPECT_EQ(programText(parsed), text);
  Program original = sample();
  EXPECT_EQ(parsed.name, original.name);
  EXPECT_EQ(parsed.dims, original.dims);
  EXPECT_EQ(parsed.table, original.table);
  EXPECT_EQ(parsed.arenaBytes, original.arenaBytes);
  EXPECT_EQ(parsed.arguments[0].shape, original.arguments[0].shape);
  EXPECT_EQ(parsed.arguments[0].location, original.arguments[0].location);
  EXPECT_EQ(parsed.arguments[1].init.a, -0.1);
  EXPECT_EQ(parsed.arguments[2].init.a, 1e-310);
  EXPECT_EQ(parsed.arguments[2].init.b, INFINITY);
  EXPECT_EQ(parsed.results[1].updates, 1);
  EXPECT_EQ(parsed.kernels[0].ops, original.kernels[0].ops);
  EXPECT_EQ(parsed.sites[0].location.line, 7u);
  EXPECT_EQ(parsed.nodes, 17);
  EXPECT_EQ(programText(parseProgramText(programText(Program{}))), programText(Program{}));
}

TEST(ProgramTextTest, MalformedTextIsADiagnostic) {
  std::string good = programText(sample());
  auto expectError = [](std::string_view text) {
    try {
      parseProgramText(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Diagnostics);
    }
  };
  for (size_t length = 0; length < good.size(); ++length)
    expectError(std::string_view(good).substr(0, length));
  auto replaced = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  expectError(replaced("sinter-program 2", "sinter-program 1"));
  expectError(replaced("dim \"N\"", "dim \"M\""));        // N is used but not declared.
  expectError(replaced("dim \"N\"", "dim \"$workers\"")); // Twice.
  expectError(replaced("\"w\" parameter", "\"x\" parameter"));
  expectError(replaced("\"w\" parameter", "\"w\" decoration"));
  expectError(replaced(" 1 \"\" 0 0\nresult", " 9 \"\" 0 0\nresult")); // Updates argument 9.
  expectError(replaced(" 1 \"\" 0 0\nresult", " 0 \"\" 0 0\nresult")); // Another shape.
  expectError(replaced("bool 3", "bool 9999999999999999999"));
  expectError(replaced("bool 3", "bool 60"));
  expectError(replaced("\"784\"", "\"-784\""));
  expectError(replaced("nodes 17", "nodes -17"));
  expectError(good + "more\n");
}

TEST(ProgramTextTest, AnyWrongByteIsHarmless) {
  std::string good = programText(sample());
  for (size_t at = 0; at < good.size(); ++at)
    for (char c : {'\0', '"', ' ', '\n', '9', '\xff'}) {
      std::string bad = good;
      bad[at] = c;
      try {
        parseProgramText(bad);
      } catch (const Error &) {
        continue;
      }
    }
}
