// SPDX-License-Identifier: Apache-2.0
// Traces and reports through the public interface.
#include "sinter/sinter.h"

#include "../base/TempFolder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

using namespace sinter;

namespace {

struct Step {
  Graph graph;
  Tensor loss;
  Updates updates;
};

/// A step of training with every kind of buffer: inputs, parameters, state, constants,
/// intermediates.
Step trainingStep() {
  Step step;
  Graph &g = step.graph;
  Tensor x = g.placeholder("x", f32, {dim("N"), 64});
  Tensor y = g.placeholder("y", i32, {dim("N")});
  Tensor w = g.parameter("w", f32, {64, 10}, init::kaimingUniform());
  Tensor b = g.parameter("b", f32, {10}, init::zeros());
  step.loss = softmaxCrossEntropy(x.matmul(w) + b, y).mean();
  step.updates = optim::adamW({.learningRate = 1e-2}).updates({w, b}, gradients(step.loss, {w, b}));
  return step;
}

ArrayMap inputs(int64_t rows) {
  Array x(f32, {rows, 64});
  for (int64_t i = 0; i < x.numElements(); ++i)
    x.as<float>()[i] = static_cast<float>(i * 37 % 101) / 100;
  Array y(i32, {rows});
  for (int64_t i = 0; i < rows; ++i)
    y.as<int32_t>()[i] = static_cast<int32_t>(i % 10);
  return {{"x", x}, {"y", y}};
}

std::vector<float> weightsAfter(const Step &step, std::shared_ptr<Trace> trace, int64_t rows) {
  Executable train = compile(step.graph, {.outputs = {step.loss},
                                          .updates = step.updates,
                                          .threads = 2,
                                          .cache = {.enabled = false},
                                          .trace = std::move(trace)});
  State state(step.graph, 1);
  ArrayMap data = inputs(rows);
  BoundCall call = train.bind(state, {{"x", data.at("x")}, {"y", data.at("y")}});
  for (int i = 0; i < 3; ++i)
    call();
  return state.get("w").toVector<float>();
}

TEST(RunTrace, GivesTheSameBits) {
  Step step = trainingStep();
  for (int64_t rows : {1, 33, 4096}) {
    auto trace = std::make_shared<Trace>();
    std::vector<float> plain = weightsAfter(step, nullptr, rows);
    std::vector<float> traced = weightsAfter(step, trace, rows);
    ASSERT_EQ(plain.size(), traced.size());
    EXPECT_EQ(std::memcmp(plain.data(), traced.data(), plain.size() * sizeof(float)), 0);
    int calls = 0;
    for (const Trace::Event &event : trace->events())
      calls += event.category == "run" && event.name == "call";
    EXPECT_EQ(calls, 3);
  }
}

TEST(RunTrace, HasEveryLaunchOfEveryCall) {
  Step step = trainingStep();
  auto trace = std::make_shared<Trace>();
  Executable train = compile(step.graph, {.outputs = {step.loss},
                                          .updates = step.updates,
                                          .threads = 2,
                                          .cache = {.enabled = false},
                                          .trace = trace});
  State state(step.graph, 1);
  ArrayMap data = inputs(64);
  train(state, {{"x", data.at("x")}, {"y", data.at("y")}});
  std::map<int64_t, int> steps;
  int64_t begin = 0, end = 0;
  for (const Trace::Event &event : trace->events()) {
    if (event.category != "run")
      continue;
    if (event.name == "call") {
      begin = event.begin;
      end = event.begin + event.length;
    }
    for (const auto &[name, value] : event.arguments)
      if (name == "step") {
        ++steps[std::get<int64_t>(value)];
        EXPECT_GE(event.begin, begin);
        EXPECT_LE(event.begin + event.length, end);
      }
  }
  EXPECT_EQ(steps.size(), train.program().steps.size());
  for (auto [step, count] : steps)
    EXPECT_EQ(count, 1) << step;
}

TEST(RunTrace, AnErrorOfAKernelIsTheSameError) {
  Graph g;
  Tensor table = g.placeholder("table", f32, {10, 4});
  Tensor index = g.placeholder("index", i32, {3});
  Tensor y = gather(table, index, 0) * 2.0;
  auto trace = std::make_shared<Trace>();
  Executable run = compile(g, {.outputs = {y}, .trace = trace});
  Array bad = Array::from<int32_t>({1, 12, 3});
  try {
    run({{"table", Array(f32, {10, 4})}, {"index", bad}});
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("12"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(trace->events().empty());
}

TEST(RunTrace, ThreadsMayCallAtOnce) {
  Step step = trainingStep();
  auto trace = std::make_shared<Trace>();
  Executable run = compile(step.graph, {.outputs = {step.loss}, .threads = 2, .trace = trace});
  std::vector<std::thread> threads;
  std::vector<float> results(4);
  for (size_t i = 0; i < results.size(); ++i)
    threads.emplace_back([&, i] {
      State state(step.graph, 1);
      ArrayMap data = inputs(512);
      for (int j = 0; j < 5; ++j)
        results[i] = run(state, {{"x", data.at("x")}, {"y", data.at("y")}})[0].item<float>();
    });
  for (std::thread &thread : threads)
    thread.join();
  for (float result : results)
    EXPECT_EQ(result, results[0]);
  // On each thread events nest.
  std::map<int, std::vector<int64_t>> open;
  for (const Trace::Event &event : trace->events()) {
    std::vector<int64_t> &ends = open[event.thread];
    while (!ends.empty() && ends.back() <= event.begin)
      ends.pop_back();
    if (!ends.empty()) {
      EXPECT_LE(event.begin + event.length, ends.back()) << event.name;
    }
    ends.push_back(event.begin + event.length);
  }
}

TEST(Report, ShowsKernelsAndTheirLines) {
  TempFolder folder;
  Step step = trainingStep();
  writeReport(step.graph, folder / "step.html", {.outputs = {step.loss}, .updates = step.updates},
              {.title = "A <step>", .dims = {{"N", 128}}, .quoteSources = true});
  const std::string page = readFile(folder / "step.html");
  EXPECT_NE(page.find("<h1>A &lt;step&gt;</h1>"), std::string::npos);
  EXPECT_NE(page.find("N = 128"), std::string::npos);
  EXPECT_EQ(page.find("assumed"), std::string::npos);
  EXPECT_NE(page.find("ReportTest.cpp:"), std::string::npos);
  EXPECT_NE(page.find("softmaxCrossEntropy(x.matmul(w) + b, y).mean();"), std::string::npos);
  EXPECT_EQ(page.find("Share of time"), std::string::npos);
}

TEST(Report, MeasuresEveryKernel) {
  TempFolder folder;
  Step step = trainingStep();
  writeReport(step.graph, folder / "step.html",
              {.outputs = {step.loss}, .updates = step.updates, .threads = 1},
              {.runs = 3, .inputs = inputs(256), .flopsPerSecond = 1e12, .bytesPerSecond = 1e11});
  const std::string page = readFile(folder / "step.html");
  EXPECT_NE(page.find("N = 256"), std::string::npos);
  EXPECT_NE(page.find("median of 3, 1 thread"), std::string::npos);
  EXPECT_NE(page.find("Share of time"), std::string::npos);
  EXPECT_NE(page.find("of the bound"), std::string::npos);
}

TEST(Report, DoesNotChangeWhatIsCompiled) {
  TempFolder folder;
  Step step = trainingStep();
  CompileOptions options{.outputs = {step.loss}, .updates = step.updates};
  const std::string before = scheduleText(step.graph, options);
  const std::string graph = step.graph.str(Graph::Locations::Print);
  writeReport(step.graph, folder / "step.html", options);
  EXPECT_EQ(scheduleText(step.graph, options), before);
  EXPECT_EQ(step.graph.str(Graph::Locations::Print), graph);
}

TEST(Report, MistakesAreErrors) {
  TempFolder folder;
  Step step = trainingStep();
  CompileOptions options{.outputs = {step.loss}};
  EXPECT_EQ(codeOf([&] { writeReport(step.graph, folder / "no/x.html", options); }),
            ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeReport(step.graph, folder / "x.html", options, {.runs = -1}); }),
            ErrorCode::Diagnostics);
  // N is in no input that is given.
  EXPECT_EQ(codeOf([&] { writeReport(step.graph, folder / "x.html", options, {.runs = 1}); }),
            ErrorCode::Diagnostics);
  options.engine = Engine::Interpreter;
  EXPECT_EQ(codeOf([&] { writeReport(step.graph, folder / "x.html", options); }),
            ErrorCode::Diagnostics);
  EXPECT_EQ(folder.numEntries(), 0u);
}

} // namespace
