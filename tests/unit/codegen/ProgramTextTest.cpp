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

Program gpuSample() {
  Program program = sample();
  program.target = "cuda:sm_90a";
  DimExpr n = DimExpr::symbol("N");
  program.images = {"first image", std::string(100, '\x7f')};
  program.constants = {Array::from<float>({1, 2, 3}), Array::scalar<int64_t>(-5)};
  program.kernels[0].image = 1;
  program.kernels.push_back({"k1", "loop", {"add"}, {}, 0});
  program.buffers = {{Buffer::Kind::Argument, 2, 0, 8, "m"},
                     {Buffer::Kind::Result, 0, 0, 4, "loss"},
                     {Buffer::Kind::Arena, 0, 64 * n, 4 * n, "sum \"a\""},
                     {Buffer::Kind::Constant, 1, 0, 8, "five"}};
  Launch launch{0, {2, 3}, n, 1, 8 * n, 2 * n, 1, {ceilDiv(n, 64), 256, 4096, 2, {}}};
  launch.grid.maps = {{1, f16, {n, 64}, {2 * n}, {64, 8}, 128}};
  program.steps = {launch, Copy{2, 1, 4}, Launch{1, {0, 1}, 1, 1, 0, 0, 0, {1, 32, 0, 1, {}}}};
  return program;
}

} // namespace

TEST(ProgramTextTest, StepsOfAGpuRoundTrip) {
  const Program original = gpuSample();
  const std::string text = programText(original), data = programData(original);
  const Program parsed = parseProgram(text, data);
  EXPECT_EQ(programText(parsed), text);
  EXPECT_EQ(programData(parsed), data);
  EXPECT_EQ(parsed.images, original.images);
  ASSERT_EQ(parsed.constants.size(), 2u);
  EXPECT_EQ(parsed.constants[0].toVector<float>(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(parsed.constants[1].item<int64_t>(), -5);
  EXPECT_EQ(parsed.kernels[0].image, 1);
  ASSERT_EQ(parsed.steps.size(), 3u);
  const auto &launch = std::get<Launch>(parsed.steps[0]);
  EXPECT_EQ(launch.stage, 1);
  EXPECT_EQ(launch.buffers, (std::vector<int>{2, 3}));
  EXPECT_EQ(launch.grid.blocks, std::get<Launch>(original.steps[0]).grid.blocks);
  EXPECT_EQ(launch.grid.sharedBytes, 4096);
  EXPECT_EQ(launch.grid.cluster, 2);
  ASSERT_EQ(launch.grid.maps.size(), 1u);
  EXPECT_EQ(launch.grid.maps[0].dtype, f16);
  EXPECT_EQ(launch.grid.maps[0].box, (std::vector<int64_t>{64, 8}));
  EXPECT_EQ(launch.grid.maps[0].strides, (std::vector<DimExpr>{2 * DimExpr::symbol("N")}));
  EXPECT_EQ(std::get<Copy>(parsed.steps[1]).to, 1);
  EXPECT_EQ(parsed.buffers[2].name, "sum \"a\"");
}

TEST(ProgramTextTest, BrokenProgramsOfAGpuAreDiagnostics) {
  const Program program = gpuSample();
  const std::string good = programText(program), data = programData(program);
  auto expectError = [](std::string_view text, std::string_view data) {
    try {
      parseProgram(text, data);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Diagnostics) << error.what();
    }
  };
  EXPECT_NO_THROW(parseProgram(good, data));
  for (size_t length = 0; length < good.size(); ++length)
    expectError(std::string_view(good).substr(0, length), data);
  for (size_t length = 0; length < data.size(); ++length)
    expectError(good, std::string_view(data).substr(0, length));
  expectError(good, data + "x");
  auto breaks = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    expectError(text, data);
  };
  breaks("image 100", "image 1000000000000");
  breaks("image 100", "image -1");
  breaks("constant f32 1 3", "constant f32 1 1000000000000");
  breaks("constant f32 1 3", "constant f32 3 4294967296 4294967296 4294967296");
  breaks("buffer argument 2", "buffer argument 3");
  breaks("buffer constant 1", "buffer constant 2");
  breaks("buffer arena 0 \"64*N\"", "buffer arena 0 \"-64\"");
  breaks("buffer arena 0 \"64*N\"", "buffer arena 0 \"64*M\"");
  breaks("launch 0 1 2 2 3", "launch 2 1 2 2 3");
  breaks("launch 0 1 2 2 3", "launch 0 1 2 2 4");
  breaks("launch 0 1 2 2 3", "launch 0 1 9 2 3");
  breaks(" 256 4096 2 ", " 255 4096 2 ");
  breaks(" 256 4096 2 ", " 0 4096 2 ");
  breaks(" 256 4096 2 ", " 256 4096 0 ");
  breaks(" 256 4096 2 1 1 f16 2", " 256 4096 2 1 2 f16 2"); // Of a third parameter.
  breaks(" 64 8 128\n", " 64 8 127\n");
  breaks(" 64 8 128\n", " 64 257 128\n");
  breaks("copy 2 1", "copy 2 7");
  breaks("target \"cuda:sm_90a\"", "target \"cpu:x86-64\"");
}

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

TEST(ProgramTextTest, CompleteTextHasStepsForAnyTarget) {
  Program original = gpuSample();
  original.target = "cpu:x86-64-v3";
  original.images.clear();
  for (Kernel &kernel : original.kernels)
    kernel.image = -1;
  std::get<Launch>(original.steps[0]).grid = {};
  std::get<Launch>(original.steps[2]).grid = {};
  const CompleteProgramText complete = completeProgramText(original);
  const Program parsed = parseCompleteProgram(complete.text, complete.data);
  EXPECT_EQ(completeProgramText(parsed).text, complete.text);
  EXPECT_EQ(completeProgramText(parsed).data, complete.data);
  ASSERT_EQ(parsed.steps.size(), 3u);
  EXPECT_EQ(std::get<Launch>(parsed.steps[0]).grid.threads, 0);
  EXPECT_EQ(parsed.constants[0].as<float>()[2], 3);
  // Elsewhere a program for a CPU has no steps.
  EXPECT_THROW(parseProgram(complete.text, complete.data), Error);
  EXPECT_THROW(parseCompleteProgram(complete.text, complete.data + " "), Error);
  std::string text = complete.text;
  text.replace(text.find("copy 2 1"), 8, "copy 2 9");
  EXPECT_THROW(parseCompleteProgram(text, complete.data), Error);
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
  expectError(replaced("sinter-program 3", "sinter-program 2"));
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
