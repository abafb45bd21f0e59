// SPDX-License-Identifier: Apache-2.0
// Schedules of a GPU's kernels, changed as text: every field of every form gets other values, of
// which each is refused with its line, or reads back, runs and gives the interpreter's results.
// SINTER_HOST_GPU_ALL=1 runs every tile that attention may have.
#include "tests/cuda/Schedules.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>

using namespace sinter;
using namespace sinter::scheduletest;

namespace {

struct Form {
  std::string name; ///< As schedules call it.
  std::function<Graph()> graph;
};
std::ostream &operator<<(std::ostream &stream, const Form &form) { return stream << form.name; }

Tensor input(Graph &g, const std::string &name, const Shape &shape, DType dtype = f32) {
  return g.placeholder(name, dtype, shape);
}
Graph with(const std::function<Tensor(Graph &)> &build) {
  Graph g;
  g.output("y", build(g));
  return g;
}
Graph product(DType dtype, int64_t m, int64_t n, int64_t k) {
  return with([=](Graph &g) {
    return input(g, "a", {m, k}, dtype).matmul(input(g, "b", {k, n}, dtype));
  });
}

const Form forms[] = {
    {"loop", [] { return with([](Graph &g) {
                    return tanh(input(g, "x", {90, 100}) * 2.0f);
                  }); }},
    {"row", [] { return with([](Graph &g) {
                   return softmax(input(g, "x", {40, 200}));
                 }); }},
    {"reduce", [] { return with([](Graph &g) {
                      return input(g, "x", {40, 200}).sum();
                    }); }},
    {"cumulative", [] { return with([](Graph &g) {
                          return input(g, "x", {7, 900}).cumsum(1);
                        }); }},
    {"sort", [] { return with([](Graph &g) {
                    return input(g, "x", {7, 90}).argsort(1);
                  }); }},
    {"scatter",
     [] {
       return with([](Graph &g) {
         return scatter(input(g, "x", {30, 40}), input(g, "i", {9}, i32), input(g, "u", {9, 40}), 0,
                        ScatterMode::Add);
       });
     }},
    {"contraction", [] { return product(f32, 60, 70, 90); }},
    {"contraction", [] { return product(f16, 64, 64, 64); }},
    {"contraction", [] { return product(f16, 24, 16, 4096); }},
    {"contraction", [] { return product(f32, 1, 96, 200); }},
    {"convolution",
     [] {
       return with([](Graph &g) {
         return conv(input(g, "x", {2, 8, 9, 9}), input(g, "w", {16, 8, 3, 3}));
       });
     }},
    {"attention", [] { return attentionOf(f32, 24, true); }},
    {"attention", [] { return attentionOf(f16, 64, false); }},
};

ArrayMap inputsOf(const Executable &executable) {
  ArrayMap inputs;
  uint32_t state = 5;
  for (const auto &argument : executable.program().arguments) {
    Array array(f32, *argument.shape.evaluate({}));
    for (int64_t i = 0; i < array.numElements(); ++i) {
      state = state * 1664525 + 1013904223;
      array.as<float>()[i] = isFloat(argument.dtype)
                                 ? static_cast<float>(state >> 8) / (1 << 23) - 1
                                 : static_cast<float>(state >> 28);
    }
    inputs.insert({argument.name, array.cast(argument.dtype)});
  }
  return inputs;
}

/// "" or the first difference.
std::string difference(const ArrayMap &got, const ArrayMap &wanted) {
  for (const auto &[name, array] : wanted) {
    const double tolerance = array.dtype() == f16 || array.dtype() == bf16 ? 8e-3 : 1e-4;
    Array mine = got.at(name).cast(f64), other = array.cast(f64);
    for (int64_t i = 0; i < other.numElements(); ++i) {
      const double a = mine.as<double>()[i], b = other.as<double>()[i];
      if (!(std::abs(a - b) <= tolerance * (1 + std::abs(b))))
        return name + "[" + std::to_string(i) + "]: " + std::to_string(a) + ", not " +
               std::to_string(b) + "\n";
    }
  }
  return "";
}

/// Runs the graph as each of the texts says.
void expectRuns(const Graph &g, const std::vector<std::string> &texts) {
  setenv("SINTER_HOST_GPU_OPTIMISE", "0", /*overwrite=*/0);
  ArrayMap inputs, wanted;
  for (const std::string &text : texts) {
    Executable mine = compile(g, {.target = Target::cuda(), .schedule = text});
    if (inputs.empty()) {
      inputs = inputsOf(mine);
      wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs);
    }
    EXPECT_EQ(difference(mine.run(inputs), wanted), "") << text;
  }
}

bool triesAll() { return std::getenv("SINTER_HOST_GPU_ALL") != nullptr; }

class CudaSchedule : public testing::TestWithParam<Form> {};

TEST_P(CudaSchedule, EveryValueIsRefusedOrRuns) {
  const Graph g = GetParam().graph();
  const CompileOptions options{.target = Target::cuda()};
  const std::string text = scheduleText(g, options);
  const std::vector<Entry> entries = entriesOf(text);
  ASSERT_TRUE(std::any_of(entries.begin(), entries.end(), [&](const Entry &entry) {
    return entry.form == GetParam().name;
  })) << text;
  CompileOptions read = options;
  read.schedule = text;
  EXPECT_EQ(scheduleText(g, read), text);
  std::vector<std::string> accepted;
  size_t refused = 0;
  for (const Entry &entry : entries)
    for (const Field &field : entry.fields) {
      const std::string own = std::to_string(field.value);
      std::vector<std::string> values = {"0",
                                         "1",
                                         "2",
                                         "3",
                                         "16",
                                         "48",
                                         "128",
                                         "1025",
                                         "1048576",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "-1",
                                         "x"};
      for (int64_t near : {field.value - 1, field.value + 1, 2 * field.value, field.value / 2})
        values.push_back(std::to_string(near));
      std::sort(values.begin(), values.end());
      values.erase(std::unique(values.begin(), values.end()), values.end());
      for (const std::string &value : values) {
        if (value == own)
          continue;
        SCOPED_TRACE(entry.form + " " + field.name + " " + value + " instead of " + own);
        read.schedule = changed(text, {{field, value}});
        try {
          EXPECT_EQ(scheduleText(g, read), read.schedule);
          accepted.push_back(read.schedule);
        } catch (const Error &error) {
          ++refused;
          EXPECT_EQ(error.kind(), ErrorKind::User) << error.what();
          EXPECT_EQ(error.location().file, "schedule") << error.what();
          const bool isOwn = error.location().line == field.line;
          // Of tiles that do not fit together, one is named.
          EXPECT_TRUE(isOwn || entry.form == "attention") << error.what();
          if (isOwn)
            EXPECT_TRUE(error.message().find("'" + field.name + "'") != std::string::npos ||
                        error.message().find("'" + value + "'") != std::string::npos)
                << error.what();
        }
      }
    }
  EXPECT_GT(refused, 20u);
  // Else a field that may be changed now is not in the manual.
  EXPECT_EQ(accepted.empty(), GetParam().name != "attention");
  if (!triesAll() && accepted.size() > 3)
    accepted.resize(3);
  if (!accepted.empty())
    expectRuns(g, accepted);
}

INSTANTIATE_TEST_SUITE_P(Forms, CudaSchedule, testing::ValuesIn(forms), [](const auto &info) {
  return info.param.name + std::to_string(info.index);
});

struct Sweep {
  DType dtype;
  int64_t width;
  bool causal;
};
std::ostream &operator<<(std::ostream &stream, const Sweep &sweep) {
  return stream << name(sweep.dtype) << "_" << sweep.width;
}

class CudaTiles : public testing::TestWithParam<Sweep> {};

TEST_P(CudaTiles, OfAttentionGiveItsResults) {
  const auto [dtype, width, causal] = GetParam();
  const Graph g = attentionOf(dtype, width, causal);
  const std::vector<std::string> texts =
      retilings(g, Target::cuda("sm_90"), byteSize(dtype) == 2, triesAll() ? 1 << 20 : 4);
  EXPECT_GE(texts.size(), 4u);
  std::printf("%zu schedules\n", texts.size());
  expectRuns(g, texts);
}

INSTANTIATE_TEST_SUITE_P(Sweeps, CudaTiles,
                         testing::Values(Sweep{f32, 20, true}, Sweep{f32, 64, false},
                                         Sweep{f64, 16, true}, Sweep{f16, 40, true},
                                         Sweep{f16, 128, false}, Sweep{bf16, 64, true}),
                         [](const auto &info) {
                           std::stringstream text;
                           text << info.param;
                           return text.str();
                         });

} // namespace
