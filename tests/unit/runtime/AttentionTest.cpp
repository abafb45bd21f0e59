// SPDX-License-Identifier: Apache-2.0
// Kernels of attention against the interpreter and against attention written out, over shapes that
// fill no block, on every target, with any number of threads.
#include "sinter/frontend/nn/Attention.h"
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"
#include "tests/Levels.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

enum class MaskKind { None, Keys, Matrix, Bias };

struct Setting {
  std::string name;
  int64_t batch = 1, heads = 2, keyHeads = 2, queries = 70, keys = 70, width = 16, valueWidth = 16;
  bool causal = false;
  int64_t offset = 0;
  MaskKind mask = MaskKind::None;
  DType dtype = f32;
  bool symbolic = false;
};

std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

ArrayMap inputsOf(const Setting &s) {
  uint32_t state = 12345;
  auto draw = [&](DType dtype, std::vector<int64_t> sizes) {
    Array array(dtype, sizes);
    for (int64_t i = 0; i < array.numElements(); ++i) {
      state = state * 1664525 + 1013904223;
      double x = static_cast<double>(state >> 8) / (1 << 23) - 1;
      dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_same_v<T, bool>)
          array.as<T>()[i] = x > -0.5;
        else
          array.as<T>()[i] = static_cast<T>(static_cast<float>(x));
      });
    }
    return array;
  };
  ArrayMap result = {{"q", draw(s.dtype, {s.batch, s.heads, s.queries, s.width})},
                        {"k", draw(s.dtype, {s.batch, s.keyHeads, s.keys, s.width})},
                        {"v", draw(s.dtype, {s.batch, s.keyHeads, s.keys, s.valueWidth})},
                        {"d", draw(s.dtype, {s.batch, s.heads, s.queries, s.valueWidth})}};
  if (s.mask == MaskKind::Keys)
    result.insert({"mask", draw(boolean, {s.batch, 1, 1, s.keys})});
  if (s.mask == MaskKind::Matrix)
    result.insert({"mask", draw(boolean, {s.queries, s.keys})});
  if (s.mask == MaskKind::Bias)
    result.insert({"mask", draw(s.dtype, {s.heads, s.queries, s.keys})});
  return result;
}

/// y and its gradients, also that of an added mask.
Graph graphOf(const Setting &s) {
  Graph g;
  DimExpr batch = s.symbolic ? dim("B") : DimExpr(s.batch),
          queries = s.symbolic ? dim("L") : DimExpr(s.queries),
          keys = s.symbolic ? dim("S") : DimExpr(s.keys);
  Tensor q = g.placeholder("q", s.dtype, {batch, s.heads, queries, s.width}),
         k = g.placeholder("k", s.dtype, {batch, s.keyHeads, keys, s.width}),
         v = g.placeholder("v", s.dtype, {batch, s.keyHeads, keys, s.valueWidth}),
         d = g.placeholder("d", s.dtype, {batch, s.heads, queries, s.valueWidth});
  AttentionOptions options{.causal = s.causal, .causalOffset = s.offset};
  std::vector<Tensor> xs = {q, k, v};
  if (s.mask == MaskKind::Keys)
    options.mask = g.placeholder("mask", boolean, {batch, 1, 1, keys});
  if (s.mask == MaskKind::Matrix)
    options.mask = g.placeholder("mask", boolean, {queries, keys});
  if (s.mask == MaskKind::Bias)
    xs.push_back(options.mask = g.placeholder("mask", s.dtype, {s.heads, queries, keys}));
  Tensor y = attention(q, k, v, options);
  g.output("y", y);
  std::vector<Tensor> grads = gradients(y, xs, {d});
  for (size_t i = 0; i < grads.size(); ++i)
    g.output("grad" + std::to_string(i), grads[i]);
  return g;
}

double at(const Array &array, int64_t i) {
  double result = 0;
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      result = static_cast<double>(static_cast<float>(array.as<T>()[i]));
  });
  return array.dtype() == f64 ? array.as<double>()[i] : result;
}

void expectNear(const ArrayMap &got, const ArrayMap &wanted, double tolerance) {
  for (const auto &[name, array] : wanted) {
    const Array &mine = got.at(name);
    ASSERT_EQ(mine.sizes(), array.sizes());
    int64_t bad = 0;
    for (int64_t i = 0; i < array.numElements(); ++i) {
      double a = at(mine, i), b = at(array, i);
      if (!(std::abs(a - b) <= tolerance * (1 + std::abs(b))) && ++bad <= 3)
        ADD_FAILURE() << name << "[" << i << "]: " << a << ", not " << b;
    }
    EXPECT_EQ(bad, 0) << name;
  }
}

bool sameBits(const ArrayMap &a, const ArrayMap &b) {
  for (const auto &[name, array] : a)
    if (std::memcmp(array.data(), b.at(name).data(),
                    static_cast<size_t>(array.numElements() * byteSize(array.dtype()))) != 0)
      return false;
  return true;
}

class AttentionTest : public testing::TestWithParam<Setting> {};

} // namespace

TEST_P(AttentionTest, AgreesWithTheInterpreterAndWithWhatItIsMadeOf) {
  const Setting &s = GetParam();
  Graph g = graphOf(s);
  ArrayMap inputs = inputsOf(s);
  double tolerance = s.dtype == f64 ? 1e-12 : s.dtype == f32 ? 2e-5 : s.dtype == f16 ? 4e-3 : 3e-2;
  ArrayMap wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs);
  bool attends = false;
  Executable compiled =
      compile(g, {.threads = 1, .onStage = [&](std::string_view stage, std::string_view text) {
                    attends |= stage == "fused" && text.find("attention_backward") != text.npos;
                  }});
  EXPECT_TRUE(attends) << "no kernel of attention was tested";
  ArrayMap once = compiled.run(inputs);
  expectNear(once, wanted, tolerance);
  for (int64_t threads : {2, 3, 7})
    EXPECT_TRUE(sameBits(compile(g, {.threads = threads}).run(inputs), once)) << threads;
  expectNear(compile(g, {.disabledPasses = {"attention"}}).run(inputs), wanted, tolerance);
  test::forEachLevel({"x86-64", "x86-64-v3", "x86-64-v4"}, [&](const char *level) {
    expectNear(compile(g, {.target = Target::cpu(level)}).run(inputs), wanted, tolerance);
  });
}

INSTANTIATE_TEST_SUITE_P(
    Settings, AttentionTest,
    testing::Values(
        Setting{.name = "plain", .queries = 130, .keys = 201, .width = 24, .valueWidth = 40},
        Setting{.name = "causal",
                .queries = 150,
                .keys = 150,
                .width = 64,
                .valueWidth = 64,
                .causal = true},
        Setting{.name = "later",
                .queries = 37,
                .keys = 230,
                .width = 32,
                .valueWidth = 48,
                .causal = true,
                .offset = 193},
        Setting{.name = "blind",
                .queries = 99,
                .keys = 50,
                .width = 7,
                .valueWidth = 5,
                .causal = true,
                .offset = -40},
        Setting{.name = "groups", .batch = 2, .heads = 6, .causal = true},
        Setting{.name = "oneHeadOfKeys",
                .batch = 2,
                .heads = 5,
                .keyHeads = 1,
                .width = 1,
                .valueWidth = 130},
        Setting{.name = "keyMask", .batch = 2, .keys = 33, .mask = MaskKind::Keys},
        Setting{.name = "matrixMask", .keys = 41, .causal = true, .mask = MaskKind::Matrix},
        Setting{.name = "bias", .queries = 45, .keys = 45, .mask = MaskKind::Bias},
        Setting{.name = "double",
                .keys = 90,
                .width = 20,
                .valueWidth = 9,
                .causal = true,
                .dtype = f64},
        Setting{.name = "half", .width = 20, .causal = true, .dtype = f16},
        Setting{.name = "brain", .keys = 200, .width = 32, .mask = MaskKind::Bias, .dtype = bf16},
        Setting{.name = "parts",
                .heads = 2,
                .keyHeads = 1,
                .queries = 100,
                .keys = 900,
                .width = 20,
                .causal = true,
                .offset = 800},
        Setting{.name = "symbolic",
                .batch = 2,
                .queries = 65,
                .keys = 97,
                .causal = true,
                .offset = 32,
                .symbolic = true},
        Setting{.name = "noKeys", .queries = 9, .keys = 0, .symbolic = true}),
    [](const testing::TestParamInfo<Setting> &info) { return info.param.name; });

TEST(AttentionRaiseTest, WhatIsWrittenOutIsTheSame) {
  Graph g;
  Tensor q = g.placeholder("q", f32, {2, 3, 40, 16}), k = g.placeholder("k", f32, {2, 3, 40, 16}),
         v = g.placeholder("v", f32, {2, 3, 40, 8}), bias = g.placeholder("bias", f32, {40, 40});
  Tensor scores = q.matmul(swapAxes(k, -1, -2)) * 0.25 + bias;
  Tensor y = softmax(scores, -1).matmul(v);
  g.output("y", y);
  std::vector<Tensor> grads = gradients(y.pow(2).sum(), {q, k, v});
  for (size_t i = 0; i < grads.size(); ++i)
    g.output("grad" + std::to_string(i), grads[i]);
  ArrayMap inputs;
  for (auto [name, sizes] : {std::pair<std::string, std::vector<int64_t>>("q", {2, 3, 40, 16}),
                             {"k", {2, 3, 40, 16}},
                             {"v", {2, 3, 40, 8}},
                             {"bias", {40, 40}}}) {
    Array array(f32, sizes);
    for (int64_t i = 0; i < array.numElements(); ++i)
      array.as<float>()[i] = 0.02f * static_cast<float>(i * 37 % 101 - 50);
    inputs.insert({name, array});
  }
  std::string fused;
  auto run = [&](std::vector<std::string> disabled) {
    fused.clear();
    return compile(g, {.disabledPasses = std::move(disabled),
                       .onStage =
                           [&](std::string_view stage, std::string_view text) {
                             if (stage == "fused")
                               fused = text;
                           }})
        .run(inputs);
  };
  ArrayMap raised = run({});
  EXPECT_NE(fused.find("sinter.attention_backward"), std::string::npos);
  ArrayMap plain = run({"attention"});
  EXPECT_EQ(fused.find("sinter.attention"), std::string::npos);
  expectNear(raised, plain, 2e-5);
}
