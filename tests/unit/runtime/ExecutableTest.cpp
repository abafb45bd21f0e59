// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/HandProgram.h"

#include <thread>

using namespace sinter;
using namespace sinter::test;

namespace {

State rowsState(int64_t m = 2) { return State(rowsProgram(false)->arguments, 1, {{"M", m}}); }

Array rows(int64_t n, int64_t m = 2) {
  std::vector<float> values(static_cast<size_t>(n * m));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  return Array::from(values, {n, m});
}
Array labels(int64_t n) { return Array(i32, {n}); }

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}
#define EXPECT_CONTAINS(text, part) EXPECT_PRED2(contains, text, part)

TEST(ExecutableTest, RunsAndReturnsOutputsInOrder) {
  for (const Executable &exe : {rowsExecutable(false), rowsInterpreter(false)}) {
    State state = rowsState();
    std::vector<Array> outputs = exe(state, {{"x", rows(3)}, {"label", labels(3)}});
    ASSERT_EQ(outputs.size(), 2u);
    EXPECT_EQ(outputs[0].toVector<float>(), (std::vector<float>{3, 11, 19}));
    EXPECT_EQ(outputs[1].item<int64_t>(), 3);
    ArrayMap map = exe.run(state, {{"x", rows(3)}, {"label", labels(3)}});
    EXPECT_EQ(map.at("count").item<int64_t>(), 3);
  }
}

TEST(ExecutableTest, OneExecutableServesEverySize) {
  Executable exe = rowsExecutable(false);
  State state = rowsState(5);
  for (int64_t n : {7, 1, 100, 7, 0, 3, 9, 10, 11, 12, 13, 14, 7})
    EXPECT_EQ(exe(state, {{"x", rows(n, 5)}, {"label", labels(n)}})[1].item<int64_t>(), n);
}

TEST(ExecutableTest, EmptyBatchWorks) {
  for (const Executable &exe : {rowsExecutable(true), rowsInterpreter(true)}) {
    State state = rowsState();
    std::vector<Array> outputs = exe(state, {{"x", rows(0)}, {"label", labels(0)}});
    EXPECT_EQ(outputs[0].sizes(), (std::vector<int64_t>{0}));
    EXPECT_EQ(outputs[1].item<int64_t>(), 0);
  }
}

TEST(ExecutableTest, UpdatesTheStateInPlace) {
  for (const Executable &exe : {rowsExecutable(true), rowsInterpreter(true)}) {
    EXPECT_TRUE(exe.updatesState());
    State state = rowsState();
    const void *before = state.get("w").data();
    exe(state, {{"x", rows(3)}, {"label", labels(3)}});
    EXPECT_EQ(state.get("w").toVector<float>(), (std::vector<float>{35, 35}));
    EXPECT_EQ(state.get("w").data(), before);
  }
}

TEST(ExecutableTest, TakesStridedAndMisalignedArrays) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  Array transposed = Array::from(std::vector<float>{0, 2, 4, 1, 3, 5}, {2, 3}).transpose();
  Array misaligned = rows(4).slice(0, 1, 4); // 8 bytes behind an aligned address
  Array everySecond = Array(i32, {6}).slice(0, 0, 6, 2);
  EXPECT_EQ(exe(state, {{"x", transposed}, {"label", everySecond}})[0].toVector<float>(),
            (std::vector<float>{3, 11, 19}));
  EXPECT_EQ(exe(state, {{"x", misaligned}, {"label", everySecond}})[0].toVector<float>(),
            (std::vector<float>{11, 19, 27}));
}

TEST(ExecutableTest, BoundCallFollowsTheInputsAndFillsTheOutputs) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  Array x = rows(3), wide(f32, {3, 2});
  Array y = wide.slice(1, 1, 2).reshape({3}); // may be a copy
  y = wide.select(1, 1);                      // strided
  BoundCall call = exe.bind(state, {{"x", x}, {"label", labels(3)}}, {{"y", y}});
  call();
  EXPECT_EQ(wide.toVector<float>(), (std::vector<float>{0, 3, 0, 11, 0, 19}));
  x.fill(1);
  state.set("w", Array::from(std::vector<float>{10, 20}));
  call();
  EXPECT_EQ(wide.toVector<float>(), (std::vector<float>{0, 31, 0, 31, 0, 31}));
  EXPECT_EQ(call.outputs()[1].item<int64_t>(), 3);
}

TEST(ExecutableTest, BoundCallOutlivesWhatItWasBoundFrom) {
  auto bind = [] {
    State state = rowsState();
    return rowsExecutable(true).bind(state, {{"x", rows(2)}, {"label", labels(2)}});
  };
  BoundCall call = bind();
  call();
  EXPECT_EQ(call.outputs()[0].toVector<float>(), (std::vector<float>{3, 11}));
}

TEST(ExecutableTest, RefusesWrongNames) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  Array x = rows(3), l = labels(3);
  std::string text = errorOf([&] { exe(state, {{"x", x}, {"lable", l}}); });
  EXPECT_CONTAINS(text, "'lable'");
  EXPECT_CONTAINS(text, "did you mean 'label'?");
  EXPECT_CONTAINS(errorOf([&] { exe(state, {{"x", x}}); }), "input 'label' is missing");
  EXPECT_CONTAINS(errorOf([&] { exe(state, {{"x", x}}); }), "model.cpp:11:3");
  EXPECT_CONTAINS(errorOf([&] {
                    exe(state, {{"x", x}, {"x", x}, {"label", l}});
                  }),
                  "input 'x' is given twice");
  EXPECT_CONTAINS(errorOf([&] { exe(state, {{"w", x}}); }), "belongs to the State");
  EXPECT_CONTAINS(errorOf([&] { exe({{"x", x}, {"label", l}}); }), "needs a State");
  State empty;
  EXPECT_CONTAINS(errorOf([&] { exe(empty, {{"x", x}, {"label", l}}); }), "has no parameter 'w'");
  NamedArrays inputs = {{"x", x}, {"label", l}};
  Array y(f32, {3});
  EXPECT_CONTAINS(errorOf([&] { exe.bind(state, inputs, {{"z", y}}); }), "no output 'z'");
  EXPECT_CONTAINS(errorOf([&] {
                    exe.bind(state, inputs, {{"y", y}, {"y", y}});
                  }),
                  "output 'y' is given twice");
}

TEST(ExecutableTest, RefusesWrongTypesAndSizes) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  auto error = [&](Array x, Array label) {
    return errorOf([&] { exe(state, {{"x", x}, {"label", label}}); });
  };
  EXPECT_CONTAINS(error(rows(3).cast(f64), labels(3)), "input 'x' is f64, not f32");
  EXPECT_CONTAINS(error(rows(3).reshape({6}), labels(3)), "rank 1 ([6]), not 2 ([N, M])");
  std::string text = error(rows(3), labels(4));
  EXPECT_CONTAINS(text, "dimension 'N' is 3 in input 'x' (axis 0) but 4 in input 'label' (axis 0)");
  EXPECT_CONTAINS(text, "model.cpp:11:3");
  EXPECT_CONTAINS(error(rows(3, 5), labels(3)),
                  "dimension 'M' is 5 in input 'x' (axis 1) but 2 in parameter 'w' (axis 0)");
  EXPECT_CONTAINS(
      errorOf([&] {
        exe.bind(state, {{"x", rows(3)}, {"label", labels(3)}}, {{"y", Array(f32, {4})}});
      }),
      "4 in output 'y' (axis 0)");
}

TEST(ExecutableTest, InfersDimensionsThroughCompositeSizes) {
  auto program = std::make_shared<Program>();
  DimExpr n = dim("N");
  program->arguments = {{.name = "a", .shape = {n * DimExpr(2) + DimExpr(1)}}};
  program->results = {{.name = "b", .shape = {n}}, {.name = "c", .shape = {n - DimExpr(2)}}};
  Executable exe({.program = program,
                  .interpreter = [](const std::vector<Array> &arguments,
                                    const DimBinding &) -> std::vector<Array> {
                    int64_t n = arguments[0].sizes()[0] / 2;
                    return {Array(f32, {n}), Array(f32, {n - 2})};
                  }},
                 CpuDevice::shared(2));
  EXPECT_EQ(exe({{"a", Array(f32, {9})}})[1].sizes(), (std::vector<int64_t>{2}));
  EXPECT_CONTAINS(errorOf([&] { exe({{"a", Array(f32, {8})}}); }), "has size 8 in axis 0, not");
  EXPECT_CONTAINS(errorOf([&] { exe({{"a", Array(f32, {3})}}); }), "N = 1");
}

TEST(ExecutableTest, WhatIsNotLinearWaitsForOtherSizes) {
  auto program = std::make_shared<Program>();
  DimExpr n = dim("N");
  program->arguments = {{.name = "half", .shape = {ceilDiv(n, 2)}},
                        {.name = "most", .shape = {max(n, 3 * n - 4)}},
                        {.name = "square", .shape = {n * n - 4 * n + DimExpr(4)}},
                        {.name = "cube", .shape = {n * n * n - 3 * n * n + 3 * n}},
                        {.name = "twice", .shape = {n * DimExpr(2)}}};
  program->results = {{.name = "b", .shape = {n}}};
  int64_t found = -1;
  Executable exe({.program = program,
                  .interpreter = [&](const std::vector<Array> &,
                                     const DimBinding &dims) -> std::vector<Array> {
                    found = dims.at("N");
                    return {Array(f32, {found})};
                  }},
                 CpuDevice::shared(2));
  auto call = [&](int64_t half, int64_t most, int64_t square, int64_t cube, int64_t twice) {
    found = -1;
    exe({{"half", Array(f32, {half})},
         {"most", Array(f32, {most})},
         {"square", Array(f32, {square})},
         {"cube", Array(f32, {cube})},
         {"twice", Array(f32, {twice})}});
    return found;
  };
  EXPECT_EQ(call(3, 11, 9, 65, 10), 5);
  EXPECT_EQ(call(1, 2, 0, 2, 4), 2); // Of half alone N could be 1 as well.
  EXPECT_EQ(call(2, 5, 1, 9, 6), 3); // Of square, too; and 0, 1 and 2 of cube lie on a line.
  EXPECT_CONTAINS(errorOf([&] { call(4, 11, 9, 65, 10); }),
                  "'half' has size 4 in axis 0, not ceildiv(N, 2) = 3");
  EXPECT_CONTAINS(errorOf([&] { call(3, 11, 9, 64, 10); }), "'cube' has size 64 in axis 0, not");
  EXPECT_CONTAINS(errorOf([&] { call(3, 11, 9, 65, 9); }), "'twice' has size 9 in axis 0, not");
}

TEST(ExecutableTest, RefusesADimensionThatNothingDetermines) {
  auto program = std::make_shared<Program>();
  program->results = {{.name = "b", .shape = {dim("N")}}};
  Executable exe(
      {.program = program,
       .interpreter = [](const std::vector<Array> &, const DimBinding &dims) -> std::vector<Array> {
         return {Array(f32, {dims.at("N")})};
       }},
      CpuDevice::shared(2));
  EXPECT_CONTAINS(errorOf([&] { exe({}); }), "dimension 'N'");
  exe.bind({}, {{"b", Array(f32, {5})}})();
}

TEST(ExecutableTest, RefusesSharedMemory) {
  Executable exe = rowsExecutable(true);
  State state = rowsState();
  Array x = rows(3), l = labels(3);
  auto error = [&](Array input, NamedArrays outputs) {
    return errorOf([&] { exe.bind(state, {{"x", input}, {"label", l}}, outputs); });
  };
  EXPECT_CONTAINS(error(x, {{"y", x.reshape({6}).slice(0, 3, 6)}}),
                  "output 'y', which the call writes, shares memory with input 'x'");
  EXPECT_CONTAINS(error(x, {{"y", state.get("table")}}), "parameter 'table'");
  Array w = state.get("w");
  Array view = Array::wrap(w.data(), f32, {3, 2}, {0, 1});
  EXPECT_CONTAINS(error(view, {}), "parameter 'w', which the call writes, shares memory");
  // Interleaved columns of one matrix share addresses but no element.
  Array matrix(f32, {3, 3});
  exe.bind(state, {{"x", matrix.slice(1, 0, 2)}, {"label", l}}, {{"y", matrix.select(1, 2)}})();
  EXPECT_CONTAINS(error(matrix.slice(1, 0, 2), {{"y", matrix.select(1, 1)}}), "shares memory");
}

TEST(ExecutableTest, ReportsWhatAKernelFound) {
  Executable exe = rowsExecutable(true);
  State state = rowsState();
  Array l = Array::from(std::vector<int32_t>{0, 1, 7, 0});
  try {
    exe(state, {{"x", rows(4)}, {"label", l}});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    EXPECT_EQ(error.op(), "gather");
    EXPECT_EQ(error.location().line, 15u);
    EXPECT_CONTAINS(error.message(), "index 7 is not in [0, 3)");
  }
  // The State is usable again.
  exe(state, {{"x", rows(1)}, {"label", labels(1)}});
}

TEST(ExecutableTest, ServesSeveralThreadsAtOnce) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  std::vector<std::thread> threads;
  for (int64_t t = 1; t <= 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        Array y = exe(state, {{"x", rows(t * 8)}, {"label", labels(t * 8)}})[0];
        ASSERT_EQ(y.at({t * 8 - 1}), 2 * (2 * (t * 16 - 1) - 1) + 1);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(ExecutableTest, OutputsStayValidAfterLaterCalls) {
  Executable exe = rowsExecutable(false);
  State state = rowsState();
  Array first = exe(state, {{"x", rows(3)}, {"label", labels(3)}})[0];
  Array second = exe(state, {{"x", Array(f32, {3, 2})}, {"label", labels(3)}})[0];
  EXPECT_EQ(first.toVector<float>(), (std::vector<float>{3, 11, 19}));
  EXPECT_NE(first.data(), second.data());
}

TEST(ExecutableTest, PoisonedArenaShowsTheHighWaterMark) {
  auto device =
      std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = 2}, .poison = true});
  Executable exe = rowsExecutable(false, device);
  State state = rowsState();
  BoundCall call = exe.bind(state, {{"x", rows(32)}, {"label", labels(32)}});
  EXPECT_EQ(call.arenaBytes(), 128);
  EXPECT_EQ(device->highWaterMark(call.arena(), call.arenaBytes()), 0);
  call();
  EXPECT_EQ(device->highWaterMark(call.arena(), call.arenaBytes()), 128);
  EXPECT_FALSE(device->guardTouched(call.arena(), call.arenaBytes()));
}

TEST(ExecutableTest, RefusesAForeignTarget) {
  auto program = rowsProgram(false);
  program->target = "cuda:sm_90a";
  errorOf([&] { Executable({.program = program, .entry = [](auto...) {}}, CpuDevice::shared(2)); },
          ErrorKind::Device, ErrorCode::Device);
}

} // namespace
