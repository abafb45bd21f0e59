// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/sinter.h"
#include "tests/unit/runtime/AllocationCounter.h"
#include "tests/unit/runtime/HandProgram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <thread>
#include <unistd.h>

using namespace sinter;
using namespace sinter::test;

namespace {

constexpr Engine engines[] = {Engine::Compiled, Engine::Interpreter};

/// Two layers with a label pick, and Adam steps.
struct Model {
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 8});
  Tensor y = g.placeholder("y", i32, {dim("N")});
  Tensor w1 = g.parameter("w1", f32, {8, 16}, init::uniform(-0.5, 0.5));
  Tensor b1 = g.parameter("b1", f32, {16});
  Tensor w2 = g.parameter("w2", f32, {16, 3}, init::uniform(-0.5, 0.5));
  Tensor logits = (x.matmul(w1) + b1).relu().matmul(w2);
  Tensor loss = softmaxCrossEntropy(logits, y).mean();
  Updates step;

  Model() {
    std::vector<Tensor> parameters = {w1, b1, w2};
    step = optim::adam({.learningRate = 0.05}).updates(parameters, gradients(loss, parameters));
  }
};

Array features(int64_t n) {
  Array x(f32, {n, 8});
  for (int64_t i = 0; i < x.numElements(); ++i)
    x.as<float>()[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
  return x;
}
Array classes(int64_t n) {
  Array y(i32, {n});
  for (int64_t i = 0; i < n; ++i)
    y.as<int32_t>()[i] = static_cast<int32_t>(i % 3);
  return y;
}
bool sameBits(const Array &a, const Array &b) {
  return a.sizes() == b.sizes() && std::memcmp(a.data(), b.data(), a.numBytes()) == 0;
}

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "sinter-session-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST(SessionTest, ScalarAddition) {
  for (Engine engine : engines) {
    Graph g;
    Tensor a = g.placeholder("a", f32, {});
    Executable exe = compile(g, {.outputs = {a + 1}, .engine = engine});
    EXPECT_EQ(exe({{"a", Array::scalar(2.0f)}})[0].item(), 3);
  }
}

TEST(SessionTest, TrainingLowersTheLoss) {
  for (Engine engine : engines) {
    Model model;
    Executable train =
        compile(model.g, {.outputs = {model.loss}, .updates = model.step, .engine = engine});
    State state(model.g, 1);
    Array x = features(12), y = classes(12);
    double first = train(state, {{"x", x}, {"y", y}})[0].item(), last = first;
    for (int i = 0; i < 60; ++i)
      last = train(state, {{"x", x}, {"y", y}})[0].item();
    EXPECT_NEAR(first, std::log(3), 0.5);
    EXPECT_LT(last, 0.5 * first);
  }
}

TEST(SessionTest, EnginesAgree) {
  Model model;
  State compiledState(model.g, 1), interpretedState(model.g, 1);
  CompileOptions options{.outputs = {model.loss, model.logits}, .updates = model.step};
  Executable compiled = compile(model.g, options);
  options.engine = Engine::Interpreter;
  Executable interpreted = compile(model.g, options);
  for (int64_t n : {5, 1, 64}) {
    NamedArrays inputs = {{"x", features(n)}, {"y", classes(n)}};
    std::vector<Array> a = compiled(compiledState, inputs),
                       b = interpreted(interpretedState, inputs);
    EXPECT_NEAR(a[0].item(), b[0].item(), 1e-5);
    for (const std::string &name : compiledState.names()) {
      std::vector<double> left = compiledState.get(name).toVector<double>();
      std::vector<double> right = interpretedState.get(name).toVector<double>();
      for (size_t i = 0; i < left.size(); ++i)
        ASSERT_NEAR(left[i], right[i], 1e-4) << name << " " << i;
    }
  }
}

TEST(SessionTest, SameBitsForEveryNumberOfThreads) {
  Model model;
  std::vector<Array> expected;
  for (int64_t threads : {1, 2, 3, 7}) {
    State state(model.g, 1);
    Executable train =
        compile(model.g, {.outputs = {model.loss}, .updates = model.step, .threads = threads});
    std::vector<Array> values;
    for (int i = 0; i < 3; ++i)
      values.push_back(train(state, {{"x", features(500)}, {"y", classes(500)}})[0]);
    for (const std::string &name : state.names())
      values.push_back(state.get(name));
    if (expected.empty())
      expected = values;
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_TRUE(sameBits(values[i], expected[i])) << threads << " threads, value " << i;
  }
}

TEST(SessionTest, BoundTrainingStepAllocatesNothing) {
  Model model;
  State state(model.g, 1);
  BoundCall step = compile(model.g, {.outputs = {model.loss}, .updates = model.step})
                       .bind(state, {{"x", features(64)}, {"y", classes(64)}});
  step();
  int64_t before = allocationCount();
  for (int i = 0; i < 20; ++i)
    step();
  EXPECT_EQ(allocationCount(), before);
}

TEST(SessionTest, TheArenaIsUsedToItsPlannedEnd) {
  auto device =
      std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = 1}, .poison = true});
  Model model; // Of several workers one may find nothing to do, and leave its scratch untouched.
  State state(model.g, 1);
  BoundCall step =
      compile(model.g, {.outputs = {model.loss}, .updates = model.step, .device = device})
          .bind(state, {{"x", features(64)}, {"y", classes(64)}});
  step();
  EXPECT_TRUE(std::isfinite(step.outputs()[0].item()));
  EXPECT_FALSE(device->guardTouched(step.arena(), step.arenaBytes()));
  // The last buffer may end up to one alignment unit before the arena does.
  EXPECT_GT(device->highWaterMark(step.arena(), step.arenaBytes()),
            step.arenaBytes() - bufferAlignment);
}

TEST(SessionTest, TrainAndEvaluateShareAState) {
  Model model;
  State state(model.g, 1);
  Executable train = compile(model.g, {.outputs = {model.loss}, .updates = model.step});
  Executable evaluate = compile(model.g, {.outputs = {model.logits}});
  EXPECT_EQ(evaluate.inputNames(), (std::vector<std::string>{"x"}));
  Array before = evaluate(state, {{"x", features(4)}})[0];
  train(state, {{"x", features(4)}, {"y", classes(4)}});
  EXPECT_FALSE(sameBits(before, evaluate(state, {{"x", features(4)}})[0]));
}

TEST(SessionTest, BadLabelNamesTheUsersLine) {
  for (Engine engine : engines) {
    Model model;
    State state(model.g, 1);
    Executable train = compile(model.g, {.outputs = {model.loss}, .engine = engine});
    Array y = classes(4);
    y.as<int32_t>()[2] = 3;
    std::string text = errorOf([&] { train(state, {{"x", features(4)}, {"y", y}}); });
    EXPECT_NE(text.find("SessionTest.cpp"), std::string::npos) << text;
    EXPECT_NE(text.find(" 3 "), std::string::npos) << text;
  }
}

TEST(SessionTest, NamedOutputsAndRecordedUpdatesAreTheDefault) {
  Model model;
  model.g.output("loss", model.loss);
  model.g.update(model.step);
  Executable exe = compile(model.g);
  EXPECT_EQ(exe.outputNames(), (std::vector<std::string>{"loss"}));
  EXPECT_TRUE(exe.updatesState());
  State state(model.g);
  EXPECT_TRUE(exe.run(state, {{"x", features(2)}, {"y", classes(2)}}).contains("loss"));
}

TEST(SessionTest, TooSmallSizesAreRefused) {
  for (Engine engine : engines) {
    Graph g;
    Tensor a = g.placeholder("a", f32, {dim("N")});
    Tensor inner = a.slice(0, 2, dim("N") - DimExpr(2));
    Executable exe = compile(g, {.outputs = {inner.sum()}, .engine = engine});
    EXPECT_EQ(exe({{"a", Array(f32, {4})}})[0].item(), 0);
    std::string text = errorOf([&] { exe({{"a", Array(f32, {3})}}); });
    EXPECT_NE(text.find("slice: needs that the range [2, N - 2) lies within dim 0 of f32[N], which "
                        "does not hold for N = 3"),
              std::string::npos)
        << text;
  }
}

TEST(SessionTest, UpdatesReadTheOldValues) {
  for (Engine engine : engines) {
    Graph g;
    Tensor a = g.parameter("a", f32, {4}, init::constant(1));
    Tensor b = g.parameter("b", f32, {4}, init::constant(2));
    Executable swap = compile(g, {.outputs = {a}, .updates = {{a, b}, {b, a}}, .engine = engine});
    State state(g);
    EXPECT_EQ(swap(state, {})[0].at({0}), 1);
    EXPECT_EQ(state.get("a").at({3}), 2);
    EXPECT_EQ(state.get("b").at({3}), 1);
  }
}

TEST(SessionTest, ExecutableOutlivesItsGraph) {
  for (Engine engine : engines) {
    Executable exe = [&] {
      Graph g;
      Tensor a = g.placeholder("a", f32, {3});
      Tensor c = g.constant(Array::from(std::vector<float>{1, 2, 3}));
      return compile(g, {.outputs = {(a * c).sum()}, .engine = engine});
    }();
    EXPECT_EQ(exe({{"a", Array::from(std::vector<float>{1, 1, 2})}})[0].item(), 9);
  }
}

TEST(SessionTest, SeveralThreadsCallOneExecutable) {
  Model model;
  State state(model.g, 1);
  Executable evaluate = compile(model.g, {.outputs = {model.logits}});
  Array expected = evaluate(state, {{"x", features(33)}})[0];
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        EXPECT_TRUE(sameBits(expected, evaluate(state, {{"x", features(33)}})[0]));
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(SessionTest, LibrariesComputeTheSame) {
  TemporaryFolder folder;
  Model model;
  CompileOptions options{.outputs = {model.loss, model.logits}, .updates = model.step};
  compileToLibrary(model.g, folder.path / "libstep.so", options);
  EXPECT_TRUE(std::filesystem::exists(folder.path / "libstep.h"));
  Executable fresh = compile(model.g, options);
  Executable loaded = loadLibrary(folder.path / "libstep.so", {.program = "step"});
  // The library describes its variables well enough to draw them.
  State one(model.g, 1), two(loaded.program().arguments, 1);
  for (int i = 0; i < 3; ++i) {
    NamedArrays inputs = {{"x", features(20)}, {"y", classes(20)}};
    std::vector<Array> a = fresh(one, inputs), b = loaded(two, inputs);
    EXPECT_TRUE(sameBits(a[0], b[0]));
    EXPECT_TRUE(sameBits(a[1], b[1]));
  }
  for (const std::string &name : one.names())
    EXPECT_TRUE(sameBits(one.get(name), two.get(name))) << name;
}

TEST(SessionTest, LibrariesOfSeveralVersions) {
  TemporaryFolder folder;
  Model model;
  CompileOptions options{.outputs = {model.loss}, .updates = model.step};
  const std::vector<std::string> levels = {"x86-64", "x86-64-v3"};
  LibraryFile file{.name = "step"};
  for (const std::string &level : levels)
    file.versions.push_back(Target::cpu(level));
  compileToLibrary(model.g, folder.path / "libstep.so", options, file);
  Executable loaded = loadLibrary(folder.path / "libstep.so");
  options.target = Target::parse(loaded.program().target);
  std::string best = "cpu:x86-64";
  try {
    Target::cpu("x86-64-v3").info().requireRunnable();
    best = "cpu:x86-64-v3";
  } catch (const Error &) {
  }
  EXPECT_EQ(options.target.str(), best);
  State one(model.g, 1), two(model.g, 1);
  NamedArrays inputs = {{"x", features(20)}, {"y", classes(20)}};
  EXPECT_TRUE(sameBits(compile(model.g, options)(one, inputs)[0], loaded(two, inputs)[0]));
  for (const std::string &name : one.names())
    EXPECT_TRUE(sameBits(one.get(name), two.get(name))) << name;

  auto refusal = [&](std::vector<Target> versions, LibraryKind kind, ErrorKind error,
                     ErrorCode code) {
    LibraryFile bad{.kind = kind, .versions = std::move(versions)};
    return errorOf([&] { compileToLibrary(model.g, folder.path / "bad.so", options, bad); }, error,
                   code);
  };
  const Target gpu = Target::cuda("sm_90a"), v2 = Target::cpu("x86-64-v2");
  refusal({v2, v2}, LibraryKind::Shared, ErrorKind::User, ErrorCode::Usage);
  refusal({v2, Target::cpu("aarch64")}, LibraryKind::Shared, ErrorKind::User, ErrorCode::Usage);
  refusal({v2, gpu}, LibraryKind::Shared, ErrorKind::User, ErrorCode::Usage);
  refusal({gpu}, LibraryKind::Static, ErrorKind::Unsupported, ErrorCode::Unsupported);
  EXPECT_FALSE(std::filesystem::exists(folder.path / "bad.so"));
}

TEST(SessionTest, UnwritableLibrariesLeaveNothing) {
  TemporaryFolder folder;
  Model model;
  CompileOptions options{.outputs = {model.loss}};
  auto write = [&](const char *library, const char *header) {
    errorOf(
        [&] {
          compileToLibrary(model.g, folder.path / library, options,
                           {.header = *header ? folder.path / header : std::filesystem::path()});
        },
        ErrorKind::User, ErrorCode::FileAccess);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path));
  };
  write("missing/libstep.so", "");
  write("libstep.so", "missing/step.h");
}

TEST(SessionTest, LibrariesAreMadeWithoutStandardStreams) {
  TemporaryFolder folder;
  Model model;
  int kept[3];
  alarm(120); // Rather than to wait for a pipe that nobody closes.
  for (int stream : {0, 1, 2}) {
    kept[stream] = fcntl(stream, F_DUPFD_CLOEXEC, 100);
    close(stream);
  }
  std::string problem;
  try {
    compileToLibrary(model.g, folder.path / "libstep.so", {.outputs = {model.loss}});
  } catch (const Error &error) {
    problem = error.what();
  }
  for (int stream : {0, 1, 2}) {
    EXPECT_EQ(fcntl(stream, F_GETFD), -1) << stream;
    dup2(kept[stream], stream);
    close(kept[stream]);
  }
  alarm(0);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(loadLibrary(folder.path / "libstep.so").program().name, "step");
}

TEST(SessionTest, SeveralThreadsCompileOneGraph) {
  for (int repetition = 0; repetition < 3; ++repetition) {
    Model model;
    std::vector<std::thread> threads;
    std::vector<std::string> texts(8);
    for (size_t i = 0; i < texts.size(); ++i)
      threads.emplace_back([&, i] {
        CompileOptions options{.outputs = {model.loss}, .cache = {.enabled = false}};
        options.engine = i % 4 == 3 ? Engine::Interpreter : Engine::Compiled;
        State state(model.g, 1);
        texts[i] =
            compile(model.g, options)(state, {{"x", features(4)}, {"y", classes(4)}})[0].str();
      });
    for (std::thread &thread : threads)
      thread.join();
    for (size_t i = 0; i < texts.size(); ++i)
      EXPECT_EQ(texts[i], texts[i % 4 == 3 ? 3 : 0]) << i;
  }
}

TEST(SessionTest, WhatWasMovedFromIsAnError) {
  Model model;
  Executable executable = compile(model.g, {.outputs = {model.loss}});
  State state(model.g, 1);
  const NamedArrays inputs = {{"x", features(4)}, {"y", classes(4)}};
  BoundCall call = executable.bind(state, inputs);
  BoundCall calls = std::move(call);
  Executable other = std::move(executable);
  calls();
  auto says = [](const std::string &text) {
    EXPECT_NE(text.find("is empty: it was moved from"), text.npos) << text;
  };
  says(errorOf([&] { call(); }));
  says(errorOf([&] { call.outputs(); }));
  says(errorOf([&] { executable(state, inputs); }));
  says(errorOf([&] { executable.program(); }));
  says(errorOf([&] { executable.initialState(); }));
  State later = std::move(state);
  other(later, inputs);
  says(errorOf([&] { other(state, inputs); }));
  says(errorOf([&] { state.get("w1"); }));
  says(errorOf([&] { state.names(); }));
  says(errorOf([&] { state.assign({}); }));
}

TEST(SessionTest, RefusesBadRequests) {
  Model model, other;
  errorOf([&] { compile(Graph()); });
  for (int level : {-1, 4})
    errorOf([&] { compile(model.g, {.outputs = {model.loss}, .optLevel = level}); },
            ErrorKind::User, ErrorCode::Usage);
  for (const std::string &path : {std::string(), std::string("a\0.so", 5)})
    errorOf([&] { compileToLibrary(model.g, path, {.outputs = {model.loss}}); }, ErrorKind::User,
            ErrorCode::FileAccess);
  EXPECT_FALSE(std::filesystem::exists(".h")); // The header of a library without a name.
  errorOf([&] { compile(model.g, {.outputs = {other.loss}}); });
  std::string text =
      errorOf([&] { compile(model.g, {.outputs = {model.loss}, .disabledPasses = {"fusee"}}); },
              ErrorKind::User, ErrorCode::Usage);
  EXPECT_NE(text.find("did you mean"), std::string::npos);
  errorOf([&] { Target::cpu("z80"); }, ErrorKind::User, ErrorCode::Usage);
}

TEST(SessionTest, AGpuIsNotReplacedByTheCpu) {
  Graph g;
  Tensor a = g.placeholder("a", f32, {dim("N")});
  Tensor b = a + 1.0;
  auto refused = [&](const CompileOptions &options) {
    return errorOf([&] { compile(g, options); }, ErrorKind::Device, ErrorCode::Device);
  };
  setenv("SINTER_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
  int stages = 0;
  for (Target target : {Target::cuda(), Target::cuda("sm_90a")})
    EXPECT_NE(refused({.outputs = {b}, .target = target, .onStage = [&](auto, auto) { ++stages; }})
                  .find("there is no NVIDIA driver"),
              std::string::npos);
  EXPECT_EQ(stages, 0) << "it is looked for before anything is compiled";
  EXPECT_NE(refused({.outputs = {b}, .target = Target::cuda(), .device = CpuDevice::shared(1)})
                .find("the device 'cpu' cannot run 'cuda'"),
            std::string::npos);
  // The interpreter needs none.
  Executable exe =
      compile(g, {.outputs = {b}, .target = Target::cuda(), .engine = Engine::Interpreter});
  EXPECT_EQ(exe({{"a", Array::from<float>({1, 2})}})[0].toVector<float>(),
            (std::vector<float>{2, 3}));
  unsetenv("SINTER_CUDA_DRIVER");
}

TEST(SessionTest, StagesCanBeWatched) {
  std::vector<std::string> stages;
  Graph g;
  Tensor a = g.placeholder("a", f32, {dim("N")});
  compile(g, {.outputs = {gradient(a.tanh().sum(), a)},
              .onStage = [&](std::string_view stage, std::string_view text) {
                stages.emplace_back(stage);
                EXPECT_FALSE(text.empty());
              }});
  EXPECT_NE(std::find(stages.begin(), stages.end(), "fused"), stages.end());
}

} // namespace
