// SPDX-License-Identifier: Apache-2.0
// Kernels of attention for a GPU, run on the host, against the interpreter: forward and backward,
// over sizes that fill no tile. Threads that run in another order, and more processors, give the
// same bits.
#include "sinter/frontend/nn/Attention.h"
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"
#include "tests/fuzz/Isolated.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

enum class MaskKind { None, Keys, Matrix, Bias };

struct Setting {
  std::string name;
  DType dtype = f32;
  int64_t heads = 2, keyHeads = 2, queries = 70, keys = 70, width = 16, valueWidth = 16;
  bool causal = false;
  int64_t offset = 0;
  MaskKind mask = MaskKind::None;
  bool symbolic = false;
};

std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

constexpr int64_t batch = 2;

ArrayMap inputsOf(const Setting &s) {
  uint32_t state = 12345;
  auto draw = [&](DType dtype, std::vector<int64_t> sizes) {
    Array array(f32, sizes);
    for (int64_t i = 0; i < array.numElements(); ++i) {
      state = state * 1664525 + 1013904223;
      array.as<float>()[i] = static_cast<float>(state >> 8) / (1 << 23) - 1;
      if (dtype == boolean)
        array.as<float>()[i] = array.as<float>()[i] > -0.5f;
    }
    return array.cast(dtype);
  };
  ArrayMap result = {{"q", draw(s.dtype, {batch, s.heads, s.queries, s.width})},
                     {"k", draw(s.dtype, {batch, s.keyHeads, s.keys, s.width})},
                     {"v", draw(s.dtype, {batch, s.keyHeads, s.keys, s.valueWidth})},
                     {"d", draw(s.dtype, {batch, s.heads, s.queries, s.valueWidth})}};
  if (s.mask == MaskKind::Keys)
    result.insert({"mask", draw(boolean, {batch, 1, 1, s.keys})});
  if (s.mask == MaskKind::Matrix)
    result.insert({"mask", draw(boolean, {s.queries, s.keys})});
  if (s.mask == MaskKind::Bias)
    result.insert({"mask", draw(s.dtype, {s.heads, s.queries, s.keys})});
  return result;
}

Graph graphOf(const Setting &s) {
  Graph g;
  DimExpr size = s.symbolic ? dim("B") : DimExpr(batch),
          queries = s.symbolic ? dim("L") : DimExpr(s.queries),
          keys = s.symbolic ? dim("S") : DimExpr(s.keys);
  Tensor q = g.placeholder("q", s.dtype, {size, s.heads, queries, s.width}),
         k = g.placeholder("k", s.dtype, {size, s.keyHeads, keys, s.width}),
         v = g.placeholder("v", s.dtype, {size, s.keyHeads, keys, s.valueWidth}),
         d = g.placeholder("d", s.dtype, {size, s.heads, queries, s.valueWidth});
  AttentionOptions options{.causal = s.causal, .causalOffset = s.offset};
  if (s.mask == MaskKind::Keys)
    options.mask = g.placeholder("mask", boolean, {size, 1, 1, keys});
  if (s.mask == MaskKind::Matrix)
    options.mask = g.placeholder("mask", boolean, {queries, keys});
  if (s.mask == MaskKind::Bias)
    options.mask = g.placeholder("mask", s.dtype, {s.heads, queries, keys});
  Tensor y = attention(q, k, v, options);
  g.output("y", y);
  std::vector<Tensor> grads = gradients(y, {q, k, v}, {d});
  for (size_t i = 0; i < grads.size(); ++i)
    g.output("grad" + std::to_string(i), grads[i]);
  return g;
}

/// "" or the first few differences.
std::string differences(const ArrayMap &got, const ArrayMap &wanted, double tolerance) {
  std::string text;
  for (const auto &[name, array] : wanted) {
    Array mine = got.at(name).cast(f64), other = array.cast(f64);
    int64_t bad = 0;
    for (int64_t i = 0; i < other.numElements(); ++i) {
      double a = mine.as<double>()[i], b = other.as<double>()[i];
      if (!(std::abs(a - b) <= tolerance * (1 + std::abs(b))) && ++bad <= 3)
        text += name + "[" + std::to_string(i) + "]: " + std::to_string(a) + ", not " +
                std::to_string(b) + "\n";
    }
  }
  return text;
}

/// Every bit of the results, for comparison between processes.
std::string bitsOf(const ArrayMap &results) {
  std::string bits;
  for (const auto &[name, array] : results)
    bits += name + std::string(static_cast<const char *>(array.data()),
                               static_cast<size_t>(array.numElements() * byteSize(array.dtype())));
  return std::to_string(std::hash<std::string>()(bits));
}

class CudaAttention : public testing::TestWithParam<Setting> {};

TEST_P(CudaAttention, AgreesWithTheInterpreter) {
  const Setting &s = GetParam();
  const double tolerance = s.dtype == f64   ? 1e-12
                           : s.dtype == f32 ? 2e-5
                           : s.dtype == f16 ? 6e-3
                                            : 4e-2;
  auto answer = fuzz::Isolated([&] {
                  Graph g = graphOf(s);
                  ArrayMap inputs = inputsOf(s);
                  ArrayMap wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs);
                  std::string fused;
                  Executable compiled =
                      compile(g, {.target = Target::cuda(),
                                  .onStage = [&](std::string_view stage, std::string_view text) {
                                    if (stage == "fused")
                                      fused = text;
                                  }});
                  if (fused.find("sinter.attention_backward") == std::string::npos)
                    return std::string("no kernel of attention was tested");
                  return differences(compiled.run(inputs), wanted, tolerance);
                }).wait();
  EXPECT_FALSE(answer.crashed);
  EXPECT_EQ(answer.text, "");
}

INSTANTIATE_TEST_SUITE_P(
    Settings, CudaAttention,
    testing::Values(
        Setting{.name = "plain", .queries = 67, .keys = 101, .width = 24, .valueWidth = 40},
        Setting{.name = "wide", .queries = 20, .keys = 35, .width = 256, .valueWidth = 256},
        Setting{.name = "narrow", .width = 1, .valueWidth = 5, .causal = true, .offset = -40},
        Setting{.name = "groups", .heads = 6, .causal = true, .symbolic = true},
        Setting{.name = "double",
                .dtype = f64,
                .keys = 50,
                .width = 7,
                .valueWidth = 33,
                .mask = MaskKind::Matrix},
        Setting{.name = "half",
                .dtype = f16,
                .queries = 140,
                .keys = 150,
                .width = 64,
                .valueWidth = 64,
                .causal = true,
                .offset = 10},
        Setting{.name = "halfOdd",
                .dtype = f16,
                .heads = 4,
                .keyHeads = 1,
                .width = 20,
                .valueWidth = 9,
                .mask = MaskKind::Keys,
                .symbolic = true},
        Setting{.name = "halfWide",
                .dtype = f16,
                .queries = 20,
                .keys = 70,
                .width = 256,
                .valueWidth = 192},
        Setting{.name = "brain",
                .dtype = bf16,
                .queries = 33,
                .keys = 90,
                .width = 128,
                .valueWidth = 128,
                .mask = MaskKind::Bias},
        Setting{.name = "noKeys", .queries = 9, .keys = 0, .symbolic = true}),
    [](const testing::TestParamInfo<Setting> &info) { return info.param.name; });

TEST(CudaAttentionOrder, BitsDoNotDependOnIt) {
  for (DType dtype : {f32, f16}) {
    Setting s{.name = "order",
              .dtype = dtype,
              .heads = 4,
              .queries = 70,
              .keys = 80,
              .width = 24,
              .causal = true};
    auto run = [&](const char *seed, const char *processors) {
      return fuzz::Isolated([&] {
               setenv("SINTER_HOST_GPU_SEED", seed, 1);
               setenv("SINTER_HOST_GPU_PROCESSORS", processors, 1);
               return bitsOf(compile(graphOf(s), {.target = Target::cuda()}).run(inputsOf(s)));
             })
          .wait();
    };
    auto first = run("0", "3");
    EXPECT_FALSE(first.crashed) << first.text;
    for (auto [seed, processors] : {std::pair("7", "1"), std::pair("8", "40")}) {
      auto other = run(seed, processors);
      EXPECT_FALSE(other.crashed) << other.text;
      EXPECT_EQ(other.text, first.text);
    }
  }
}

/// A layer of a transformer with its embedding and loss, trained: the loss of some steps.
Graph transformer(DType products) {
  constexpr int64_t sequences = 2, positions = 20, width = 32, heads = 4, vocabulary = 50;
  Graph g;
  std::vector<Tensor> parameters;
  auto weight = [&](const std::string &name, const Shape &shape) {
    parameters.push_back(g.parameter(name, f32, shape, init::normal(0, 0.2)));
    return parameters.back();
  };
  auto project = [&](const Tensor &x, const std::string &name, int64_t in, int64_t out) {
    return x.cast(products).matmul(weight(name, {in, out}).cast(products));
  };
  Tensor tokens = g.placeholder("tokens", i32, {sequences, positions}),
         labels = g.placeholder("labels", i32, {sequences, positions});
  Tensor x = embedding(weight("embedding", {vocabulary, width}), tokens) +
             weight("positions", {positions, width});
  Tensor h = layerNorm(x, weight("gamma", {width}), weight("beta", {width}));
  std::vector<Tensor> parts;
  for (const Tensor &part : split(project(h, "qkv", width, 3 * width), 3, -1))
    parts.push_back(part.reshape({sequences, positions, heads, -1}).transpose({0, 2, 1, 3}));
  Tensor y = attention(parts[0], parts[1], parts[2], {.causal = true});
  y = y.transpose({0, 2, 1, 3}).reshape({sequences, positions, width});
  x = x + project(y, "projection", width, width).cast(f32);
  h = project(gelu(project(x, "up", width, 4 * width)), "down", 4 * width, width).cast(f32) + x;
  Tensor logits = project(h, "out", width, vocabulary).cast(f32);
  Tensor loss = softmaxCrossEntropy(logits, labels).mean();
  g.output("loss", loss);
  g.update(optim::sgd({.learningRate = 0.5}).updates(parameters, gradients(loss, parameters)));
  return g;
}

TEST(CudaTransformer, TrainsAsTheInterpreterDoes) {
  for (DType products : {f32, bf16}) {
    auto answer = fuzz::Isolated([&] {
                    Graph g = transformer(products);
                    std::vector<int32_t> tokens, labels;
                    for (int32_t i = 0; i < 40; ++i) {
                      tokens.push_back(i * 37 % 50);
                      labels.push_back(i * 11 % 50);
                    }
                    ArrayMap inputs = {{"tokens", Array::from(tokens, {2, 20})},
                                       {"labels", Array::from(labels, {2, 20})}};
                    auto losses = [&](const CompileOptions &options) {
                      Executable step = compile(g, options);
                      State state(g, /*seed=*/3);
                      std::vector<float> all;
                      for (int i = 0; i < 4; ++i)
                        all.push_back(step.run(state, inputs).at("loss").as<float>()[0]);
                      return all;
                    };
                    std::vector<float> wanted = losses({.engine = Engine::Interpreter}),
                                       got = losses({.target = Target::cuda()});
                    std::string text;
                    if (!(wanted.back() < 0.9f * wanted.front()))
                      text += "nothing was learnt\n";
                    for (size_t i = 0; i < got.size(); ++i)
                      if (!(std::abs(got[i] - wanted[i]) <= (products == f32 ? 1e-4f : 2e-2f)))
                        text +=
                            std::to_string(got[i]) + ", not " + std::to_string(wanted[i]) + "\n";
                    return text;
                  }).wait();
    EXPECT_FALSE(answer.crashed);
    EXPECT_EQ(answer.text, "");
  }
}

} // namespace
