// SPDX-License-Identifier: Apache-2.0
// Random graphs, compiled against interpreted. SINTER_SEED=<n> repeats the graphs of a printed
// fresh seed; SINTER_GRAPHS=<n> tries another number of them.
#include "sinter/codegen/Pipeline.h"
#include "tests/fuzz/Differ.h"
#include "tests/fuzz/Isolated.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>

namespace sinter::fuzz {
namespace {

constexpr uint64_t fixedSeed = 20'000;
constexpr size_t batchSize = 16;

uint64_t numberFrom(const char *variable, uint64_t otherwise) {
  const char *text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Graph i of a run: a third has symbolic sizes, a quarter has gradients.
Plan planAt(uint64_t seed, uint64_t i) {
  return generate(seed + i, {.symbolic = i % 3 == 2, .gradients = i % 4 == 3});
}

/// Plans that may share a graph: all symbolic or none.
std::vector<std::vector<Plan>> batches(uint64_t seed, size_t count) {
  std::vector<std::vector<Plan>> result;
  std::vector<Plan> open[2];
  for (size_t i = 0; i < count; ++i) {
    Plan plan = planAt(seed, i);
    std::vector<Plan> &batch = open[plan.symbolic];
    batch.push_back(std::move(plan));
    if (batch.size() == batchSize)
      result.push_back(std::exchange(batch, {}));
  }
  for (std::vector<Plan> &rest : open)
    if (!rest.empty())
      result.push_back(std::move(rest));
  return result;
}

void check(uint64_t seed, size_t count, const Options &options) {
  for (const std::string &report : differAll(batches(seed, count), options))
    ADD_FAILURE() << report;
}

TEST(RandomGraphTest, FixedSeeds) { check(fixedSeed, numberFrom("SINTER_GRAPHS", 1300), {}); }

TEST(RandomGraphTest, FreshSeeds) {
  auto now = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  uint64_t seed = numberFrom("SINTER_SEED", now / 1'000'000 % 1'000'000'000 * 10'000);
  std::cout << "SINTER_SEED=" << seed << std::endl;
  check(seed, numberFrom("SINTER_GRAPHS", 800), {});
}

TEST(RandomGraphTest, EveryOpIsMetOften) {
  // What the fixed seeds build, as the op names of its text.
  std::map<std::string, int> counts;
  size_t numSymbolic = 0, numGraphs = 1300;
  for (const std::vector<Plan> &plans : batches(fixedSeed, numGraphs)) {
    Graph graph;
    for (size_t p = 0; p < plans.size(); ++p) {
      build(plans[p], graph, "g" + std::to_string(p) + "_");
      numSymbolic += plans[p].symbolic;
      EXPECT_GE(plans[p].numOps, 5) << "seed " << plans[p].seed;
      EXPECT_LE(plans[p].numOps, 66) << "seed " << plans[p].seed;
    }
    std::string text = graph.str();
    for (size_t at = text.find("= sinter."); at != std::string::npos;
         at = text.find("= sinter.", at + 1)) {
      size_t end = text.find_first_of(" (\n", at + 9);
      ++counts[text.substr(at + 9, end - at - 9)];
    }
  }
  EXPECT_GE(numSymbolic, numGraphs / 3);
  for (const char *op : {"neg",
                         "abs",
                         "sign",
                         "exp",
                         "expm1",
                         "log",
                         "log1p",
                         "sqrt",
                         "rsqrt",
                         "sin",
                         "cos",
                         "tanh",
                         "sigmoid",
                         "erf",
                         "relu",
                         "floor",
                         "ceil",
                         "round",
                         "stop_gradient",
                         "not",
                         "add",
                         "sub",
                         "mul",
                         "div",
                         "pow",
                         "max",
                         "min",
                         "and",
                         "or",
                         "equal",
                         "not_equal",
                         "less",
                         "less_equal",
                         "greater",
                         "greater_equal",
                         "select",
                         "cast",
                         "full",
                         "constant",
                         "iota",
                         "dim_value",
                         "broadcast",
                         "reshape",
                         "transpose",
                         "slice",
                         "concat",
                         "pad",
                         "reduce_sum",
                         "reduce_prod",
                         "reduce_max",
                         "reduce_min",
                         "argmax",
                         "dot_general",
                         "gather_rows",
                         "scatter_add_rows",
                         "pick",
                         "window_read",
                         "window_write",
                         "convolution",
                         "gradients"})
    EXPECT_GE(counts[op], 20) << op;
}

class DisabledPassTest : public testing::TestWithParam<std::string> {};

TEST_P(DisabledPassTest, GivesTheSameResults) {
  check(fixedSeed, numberFrom("SINTER_GRAPHS", 48), {.disabledPasses = {GetParam()}});
}

INSTANTIATE_TEST_SUITE_P(EachPass, DisabledPassTest, testing::ValuesIn(codegen::passNames()),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

/// A ctest each, so that a level which this machine lacks shows as skipped.
class InstructionSets : public testing::TestWithParam<const char *> {};

TEST_P(InstructionSets, GiveTheSameResults) {
  Target target = Target::cpu(GetParam());
  try {
    target.info().requireRunnable();
  } catch (const Error &error) {
    GTEST_SKIP() << error.what();
  }
  check(fixedSeed + 500, numberFrom("SINTER_GRAPHS", 24), {.target = target});
}

INSTANTIATE_TEST_SUITE_P(Levels, InstructionSets,
                         testing::Values("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Bit for bit, at sizes that are split among threads; and against the interpreter. Returns what
/// differs.
std::string compareThreads(uint64_t seed) {
  Graph graph;
  ArrayMap inputs;
  std::map<std::string, Info> infos;
  const DimBinding dims = {{"N", 20'011}, {"M", 20'011}};
  for (uint64_t i = 0; i < 8; ++i) {
    Plan plan = generate(
        seed + i, {.symbolic = true, .maxOps = 20, .maxDim = 20'011, .maxElements = 400'000});
    std::string prefix = "g" + std::to_string(i) + "_";
    build(plan, graph, prefix);
    drawInputs(plan, dims, prefix, inputs);
    for (int step : plan.outputs)
      infos[prefix + "o" + std::to_string(step)] = plan.steps[static_cast<size_t>(step)].info;
    for (auto [target, value] : plan.updates)
      infos[prefix + "i" + std::to_string(target)] = plan.steps[static_cast<size_t>(value)].info;
  }
  std::string text;
  ArrayMap first = call(compile(graph, {.threads = 1}), graph, inputs, dims);
  ArrayMap want = call(compile(graph, {.engine = Engine::Interpreter}), graph, inputs, dims);
  for (const auto &[name, info] : infos)
    if (std::string wrong = compare(info, first.at(name), want.at(name)); !wrong.empty())
      text += name + " differs from the interpreter: " + wrong + "\n";
  for (int64_t threads : {2, 3, 7})
    for (const auto &[name, array] :
         call(compile(graph, {.threads = threads}), graph, inputs, dims))
      if (std::memcmp(array.data(), first.at(name).data(), static_cast<size_t>(array.numBytes())) !=
          0)
        text += name + " differs on " + std::to_string(threads) + " threads\n";
  return text;
}

TEST(RandomGraphTest, ThreadsDoNotChangeBits) {
  for (uint64_t batch = 0; batch < 4; ++batch)
    EXPECT_EQ(Isolated([&] { return compareThreads(fixedSeed + 100 * batch); }).wait().text, "")
        << batch;
}

/// Tests of what kernels store change no bit, and see every NaN that reaches a result. Returns what
/// is wrong.
std::string compareChecked(uint64_t seed) {
  Graph graph;
  ArrayMap inputs;
  const DimBinding dims = {{"N", 33}, {"M", 6}};
  for (uint64_t i = 0; i < 8; ++i) {
    Plan plan = generate(seed + i, {.symbolic = true, .gradients = i % 2 == 1});
    std::string prefix = "g" + std::to_string(i) + "_";
    build(plan, graph, prefix);
    drawInputs(plan, dims, prefix, inputs);
  }
  CompileOptions options;
  options.checkNan = true;
  Executable plain = compile(graph), checked = compile(graph, options);
  std::string text;
  ArrayMap want = call(plain, graph, inputs, dims);
  for (const auto &[name, array] : call(checked, graph, inputs, dims))
    if (std::memcmp(array.data(), want.at(name).data(), static_cast<size_t>(array.numBytes())) != 0)
      text += name + " has other bits\n";
  for (auto &[name, array] : inputs) {
    if (!isFloat(array.dtype()) || array.numElements() == 0)
      continue;
    const Array kept = array;
    array = array.clone();
    array.reshape({-1}).slice(0, array.numElements() / 2, array.numElements() / 2 + 1).fill(NAN);
    std::string reached;
    for (const auto &[result, values] : call(plain, graph, inputs, dims))
      if (isFloat(values.dtype()))
        for (double value : values.toVector<double>())
          if (std::isnan(value) && result != name)
            reached = result;
    std::string said;
    try {
      call(checked, graph, inputs, dims);
    } catch (const Error &error) {
      said = error.what();
      if (error.kind() != ErrorKind::User || said.find("NaN") == std::string::npos)
        text += "a NaN in " + name + ": " + said + "\n";
    }
    if (!reached.empty() && said.empty())
      text += "a NaN in " + name + " reached " + reached + " unnoticed\n";
    array = kept;
  }
  return text;
}

TEST(RandomGraphTest, ChecksSeeNansAndChangeNothing) {
  for (uint64_t batch = 0; batch < 4; ++batch)
    EXPECT_EQ(Isolated([&] { return compareChecked(fixedSeed + 100 * batch); }).wait().text, "")
        << batch;
}

// -- The check can fail ---------------------------------------------------------------------------

TEST(RandomGraphTest, WrongValuesAreCaught) {
  Info info;
  Array a = Array::from<float>({1, 2}), b = Array::from<float>({1, 2.5f});
  EXPECT_EQ(compare(info, a, a), "");
  EXPECT_NE(compare(info, a, b), "");
  EXPECT_NE(compare(info, a, Array::from<float>({1, 2}, {2, 1})), "");
}

TEST(RandomGraphTest, CrashesAreAnswers) {
  EXPECT_EQ(Isolated([] { return std::string(100'000, 'x'); }).wait().text.size(), 100'000u);
  EXPECT_FALSE(Isolated([] { return std::string("fine"); }).wait().crashed);
  EXPECT_TRUE(Isolated([]() -> std::string { std::abort(); }).wait().crashed);
  EXPECT_EQ(Isolated([]() -> std::string { throw Error("no"); }).wait().text.substr(0, 5), "threw");
}

} // namespace
} // namespace sinter::fuzz
