// SPDX-License-Identifier: Apache-2.0
// What a graph with named sizes needs of their values is checked when it is called: by both
// engines, with the op's name and the user's line.
#include "sinter/runtime/sinter.h"

#include <gtest/gtest.h>

using namespace sinter;

namespace {

constexpr Engine engines[] = {Engine::Compiled, Engine::Interpreter};

/// The error of a call with x of the given sizes; an empty op when there is none.
struct Outcome {
  std::string op, message;
  unsigned line = 0;
};

Outcome call(const Executable &run, const std::vector<int64_t> &sizes) {
  try {
    run({{"x", Array(f32, sizes)}});
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::Diagnostics);
    return {error.op(), error.message(), error.location().line};
  }
  return {};
}

TEST(SizeConditionTest, ReshapeWithAnUnknownSizeMustDivide) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {dim("N"), 4});
    unsigned line = __LINE__ + 1;
    Tensor y = x.reshape({-1, 8});
    EXPECT_EQ(y.shape().rank(), 2);
    Executable run = compile(g, {.outputs = {y * 2}, .engine = engine});
    EXPECT_EQ(run({{"x", Array(f32, {6, 4})}})[0].sizes(), (std::vector<int64_t>{3, 8}));
    Outcome odd = call(run, {5, 4});
    EXPECT_EQ(odd.op, "reshape");
    EXPECT_EQ(odd.line, line);
    EXPECT_NE(odd.message.find("N"), std::string::npos) << odd.message;
  }
}

TEST(SizeConditionTest, ReshapeByANamedSizeMustDivide) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {dim("N"), dim("M")});
    Executable run = compile(g, {.outputs = {x.reshape({2, dim("M"), -1})}, .engine = engine});
    EXPECT_EQ(run({{"x", Array(f32, {6, 4})}})[0].sizes(), (std::vector<int64_t>{2, 4, 3}));
    EXPECT_EQ(call(run, {3, 5}).op, "reshape");
  }
}

TEST(SizeConditionTest, SliceMustLieWithin) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {dim("N")});
    Tensor head = x.slice(0, 0, 10), rest = x.slice(0, 10, dim("N"));
    Executable run = compile(g, {.outputs = {head, rest}, .engine = engine});
    EXPECT_EQ(run({{"x", Array(f32, {12})}})[1].sizes(), (std::vector<int64_t>{2}));
    EXPECT_EQ(run({{"x", Array(f32, {10})}})[1].sizes(), (std::vector<int64_t>{0}));
    EXPECT_EQ(call(run, {9}).op, "slice");
    EXPECT_EQ(call(run, {0}).op, "slice");
  }
}

TEST(SizeConditionTest, GradientsKeepTheConditions) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {dim("N"), 4});
    Tensor loss = (x.reshape({-1, 8}).slice(0, 0, 2) * 3).sum();
    Executable run = compile(g, {.outputs = gradients(loss, {x}), .engine = engine});
    Array gradient = run({{"x", Array(f32, {6, 4})}})[0];
    for (int64_t i = 0; i < 24; ++i)
      EXPECT_EQ(gradient.as<float>()[i], i < 16 ? 3 : 0);
    EXPECT_EQ(call(run, {5, 4}).op, "reshape");
    EXPECT_EQ(call(run, {2, 4}).op, "slice");
  }
}

TEST(SizeConditionTest, WhatNeverHoldsIsRefusedAtOnce) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 4});
  EXPECT_THROW(x.slice(0, 0, dim("N") + 1), Error);
  EXPECT_THROW(x.reshape({dim("N"), 5}), Error);
  EXPECT_THROW(x.slice(1, 0, 5), Error);
}

} // namespace
