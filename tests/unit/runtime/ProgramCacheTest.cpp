// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramCache.h"

#include "sinter/codegen/ProgramText.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/runtime/sinter.h"
#include "tests/unit/base/TempFolder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

using namespace sinter;
using codegen::ObjectProgram;
using codegen::PipelineOptions;
using codegen::ProgramCache;

namespace {

/// Rows of a table, a layer, and a step of AdamW; the same lines at every call.
Graph training(double rate = 0.05) {
  Graph g;
  Tensor x = g.placeholder("x", i32, {dim("N")});
  Tensor table = g.constant(Array::from<float>({1, 2, 3, 4}));
  Tensor w = g.parameter("w", f32, {1, 3}, init::uniform(-0.5, 0.5));
  Tensor rows = gather(table, x, 0).reshape({-1, 1});
  Tensor loss = softmax(rows.matmul(w)).square().mean();
  g.output("loss", loss);
  g.update(optim::adamW({.learningRate = rate}).updates({w}, gradients(loss, {w})));
  return g;
}

class ProgramCacheTest : public testing::Test {
protected:
  CacheOptions cache() const { return {.enabled = true, .folder = folder / "cache"}; }

  /// As compile() asks for it.
  PipelineOptions options() const {
    PipelineOptions result;
    result.cache = cache();
    return result;
  }

  std::optional<ObjectProgram> load(const Graph &graph, const PipelineOptions &options) const {
    auto module = extract(graph, graph.outputs(), graph.updates());
    return ProgramCache(*module, options).load();
  }
  void store(const Graph &graph, const PipelineOptions &options, const ObjectProgram &program) {
    auto module = extract(graph, graph.outputs(), graph.updates());
    ProgramCache(*module, options).store(program);
  }
  Executable compiled(const Graph &graph) const { return compile(graph, {.cache = cache()}); }

  /// Two steps; the losses and the weights.
  static std::vector<float> trained(const Executable &step) {
    State state(step.program().arguments, 7);
    std::vector<float> values;
    for (int i = 0; i < 2; ++i)
      values.push_back(
          step(state, {{"x", Array::from<int32_t>({0, 3, 1, 2, 3})}}).at(0).as<float>()[0]);
    Array w = state.get("w");
    values.insert(values.end(), w.as<float>(), w.as<float>() + w.numElements());
    return values;
  }

  TempFolder folder;
};

std::string textOf(const Program &program) {
  CompleteProgramText complete = completeProgramText(program);
  return complete.text + complete.data;
}

} // namespace

TEST_F(ProgramCacheTest, WhatWasCompiledIsFoundWhole) {
  EXPECT_FALSE(load(training(), options()));
  Executable first = compiled(training());
  std::optional<ObjectProgram> found = load(training(), options());
  ASSERT_TRUE(found);
  EXPECT_EQ(textOf(found->program), textOf(first.program()));
  EXPECT_GE(first.program().steps.size(), 1u);
  EXPECT_EQ(found->objects.size(), first.program().kernels.size() + 1);
  Executable second = compiled(training());
  EXPECT_EQ(textOf(second.program()), textOf(first.program()));
  EXPECT_EQ(trained(second), trained(first));
}

TEST_F(ProgramCacheTest, ACachedProgramNamesTheUsersLines) {
  std::string messages[2];
  for (std::string &message : messages) {
    Executable step = compiled(training());
    State state(step.program().arguments, 7);
    try {
      step(state, {{"x", Array::from<int32_t>({0, 9})}});
    } catch (const Error &error) {
      message = error.what();
    }
  }
  EXPECT_NE(messages[0].find("ProgramCacheTest.cpp"), std::string::npos) << messages[0];
  EXPECT_EQ(messages[0], messages[1]);
}

TEST_F(ProgramCacheTest, GraphsThatDifferMiss) {
  compiled(training());
  EXPECT_TRUE(load(training(0.05), options()));
  EXPECT_FALSE(load(training(0.06), options()));
  // The same ops from other lines: errors have to name these.
  auto identity = [](std::source_location loc = std::source_location::current()) {
    Graph g;
    g.output("y", relu(g.placeholder("x", f32, {4}, loc), loc));
    return g;
  };
  compiled(identity());
  EXPECT_FALSE(load(identity(), options()));
  const auto here = std::source_location::current();
  compiled(identity(here));
  EXPECT_TRUE(load(identity(here), options()));
}

TEST_F(ProgramCacheTest, OptionsThatDifferMiss) {
  compiled(training());
  auto misses = [&](const char *what, auto change) {
    PipelineOptions other = options();
    change(other);
    EXPECT_FALSE(load(training(), other)) << what;
  };
  misses("name", [](PipelineOptions &o) { o.name = "other"; });
  misses("pass", [](PipelineOptions &o) { o.disabledPasses = {"fuse"}; });
  misses("rounding", [](PipelineOptions &o) { o.strictRounding = true; });
  misses("winograd", [](PipelineOptions &o) { o.winograd = true; });
  misses("level", [](PipelineOptions &o) { o.optLevel = 1; });
  misses("schedule", [](PipelineOptions &o) { o.schedule = "# none"; });
  misses("target", [](PipelineOptions &o) { o.target = TargetInfo::parse("cpu:x86-64"); });
  misses("width", [](PipelineOptions &o) { o.target.vectorBytes /= 2; });
  misses("cache sizes", [](PipelineOptions &o) { o.target.l2Bytes *= 2; });
  // What changes no program does not.
  PipelineOptions same = options();
  same.threads = 1;
  EXPECT_TRUE(load(training(), same));
}

TEST_F(ProgramCacheTest, WhoLooksAtStagesGetsThem) {
  compiled(training());
  std::optional<ObjectProgram> good = load(training(), options());
  ASSERT_TRUE(good);
  auto unused = [&](const char *what, auto change) {
    PipelineOptions other = options();
    change(other);
    EXPECT_FALSE(load(training(), other)) << what;
    store(training(0.07), other, *good);
    EXPECT_FALSE(load(training(0.07), options())) << what;
  };
  unused("dump", [](PipelineOptions &o) { o.dump = [](std::string_view, std::string_view) {}; });
  unused("observe",
         [](PipelineOptions &o) { o.observe = [](codegen::StageId, codegen::Compilation &) {}; });
  unused("configure", [](PipelineOptions &o) { o.configure = [](mlir::PassManager &) {}; });
  unused("check-nan", [](PipelineOptions &o) { o.checkNan = true; });
  unused("stop", [](PipelineOptions &o) { o.stopAfter = codegen::StageId::Kernels; });
  unused("gpu", [](PipelineOptions &o) { o.target = TargetInfo::parse("cuda:sm_90a"); });
  unused("off", [](PipelineOptions &o) { o.cache.enabled = false; });
  int stages = 0;
  compile(training(),
          {.cache = cache(), .onStage = [&](std::string_view, std::string_view) { ++stages; }});
  EXPECT_GE(stages, 5);
}

TEST_F(ProgramCacheTest, WhatDoesNotLinkIsCompiledAnew) {
  const std::vector<float> expected = trained(compile(training(), {.cache = {.enabled = false}}));
  ObjectProgram good = [&] {
    compiled(training());
    return *load(training(), options());
  }();
  auto survives = [&](const char *what, auto damage) {
    std::filesystem::remove_all(cache().folder);
    ObjectProgram bad = good;
    damage(bad);
    store(training(), options(), bad);
    EXPECT_EQ(trained(compiled(training())), expected) << what;
    std::optional<ObjectProgram> again = load(training(), options());
    ASSERT_TRUE(again) << what;
    EXPECT_EQ(again->objects, good.objects) << what;
  };
  survives("no object", [](ObjectProgram &p) { p.objects.clear(); });
  survives("a kernel is missing", [](ObjectProgram &p) { p.objects.erase(p.objects.begin()); });
  survives("no ELF", [](ObjectProgram &p) { p.objects.back() = "text"; });
  survives("cut off", [](ObjectProgram &p) { p.objects.back().resize(100); });
  survives("inconsistent", [](ObjectProgram &p) {
    p.program.steps.clear(), p.program.buffers.clear(), p.program.steps.push_back(Copy{5, 6, 4});
  });
}

TEST_F(ProgramCacheTest, DamagedEntriesAreCompiledAnew) {
  const std::vector<float> expected = trained(compiled(training()));
  size_t largest = 0;
  for (const auto &item : std::filesystem::directory_iterator(cache().folder))
    largest = std::max<size_t>(largest, item.file_size());
  for (size_t at = 0; at < largest; at += largest / 12) {
    for (const auto &item : std::filesystem::directory_iterator(cache().folder))
      if (at < item.file_size()) {
        std::fstream file(item.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(at));
        file.put('\xa5');
      }
    EXPECT_EQ(trained(compiled(training())), expected) << at;
  }
}

TEST_F(ProgramCacheTest, LargeConstantsStayOutside) {
  auto graph = [](int64_t elements) {
    Graph g;
    Array values(f32, {elements});
    for (int64_t i = 0; i < elements; ++i)
      values.as<float>()[i] = static_cast<float>(i % 1000);
    g.output("y", g.placeholder("x", f32, {elements}) + g.constant(values));
    return g;
  };
  for (auto [elements, isKept] : {std::pair<int64_t, bool>{100, true}, {100000, false}}) {
    for (int turn = 0; turn < 2; ++turn) {
      Array x(f32, {elements});
      x.fill(0.5);
      Array y = compiled(graph(elements))({{"x", x}}).at(0);
      for (int64_t i = 0; i < elements; ++i)
        ASSERT_EQ(y.as<float>()[i], 0.5f + static_cast<float>(i % 1000)) << i;
    }
    EXPECT_EQ(load(graph(elements), options()).has_value(), isKept) << elements;
  }
}
