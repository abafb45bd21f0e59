// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Jit.h"

#include "HandWritten.h"

#include "sinter/codegen/cpu/Library.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace sinter;
using namespace sinter::cpu;
using sinter::test::HandWritten;
using sinter::test::views;

namespace {

struct alignas(64) Line {
  float values[16];
};

/// Aligned float storage.
struct Floats {
  explicit Floats(int64_t n) : lines(static_cast<size_t>(n) / 16 + 2) {}
  float *data() { return lines.data()->values; }
  std::vector<Line> lines;
};

std::vector<TargetInfo> runnableTargets() {
  std::vector<TargetInfo> targets;
  for (const char *name : {"cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4", "cpu:native"}) {
    TargetInfo target = TargetInfo::parse(name);
    try {
      target.requireRunnable();
      targets.push_back(target);
    } catch (const Error &) {
      continue; // This machine lacks it.
    }
  }
  return targets;
}

struct Loaded {
  explicit Loaded(Program program, const TargetInfo &target = TargetInfo::host())
      : program(std::move(program)) {
    HandWritten hand;
    objects = hand.compile(this->program, target).objects;
    objects.push_back(runObject(this->program, target, /*embedConstants=*/false,
                                /*exportInterface=*/false));
    jit = std::make_unique<Jit>(views(objects));
    run = jit->function<SinterRun>(this->program.name + "_run");
  }

  /// Runs with n elements and checks both results bit for bit.
  void check(int64_t n, SinterContext context = {}) {
    std::vector<int64_t> table = evaluateTable(program, {{"N", n}}, 1);
    Floats x(n), y(n), z(n), arena(n + 64);
    for (int64_t i = 0; i < n; ++i)
      x.data()[i] = 0.25f * static_cast<float>(i);
    y.data()[n] = z.data()[n] = -1; // Canary.
    void *args[] = {x.data(), y.data(), z.data()};
    run(args, table.data(), arena.data(), &context);
    EXPECT_EQ(context.status.code, 0);
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(y.data()[i], (x.data()[i] * 2 + 0.5f) * 3 + 0.5f);
      EXPECT_EQ(z.data()[i], x.data()[i]);
    }
    EXPECT_EQ(y.data()[n], -1);
    EXPECT_EQ(z.data()[n], -1);
  }

  Program program;
  std::vector<std::string> objects;
  std::unique_ptr<Jit> jit;
  SinterRun run = nullptr;
};

} // namespace

TEST(JitTest, RunsOnEveryTargetAndSize) {
  for (const TargetInfo &target : runnableTargets()) {
    SCOPED_TRACE(target.str());
    Loaded loaded(HandWritten::program("p"), target);
    for (int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 1000})
      loaded.check(n);
  }
}

TEST(JitTest, LargeExtentsGoThroughParallelFor) {
  Loaded loaded(HandWritten::program("p"));
  std::vector<std::pair<int64_t, int64_t>> calls;
  SinterContext context{};
  context.pool = &calls;
  context.parallelFor = [](void *pool, SinterKernel kernel, void *const *buffers,
                           const int64_t *table, SinterStatus *status, int64_t extent,
                           int64_t grain) {
    static_cast<decltype(calls) *>(pool)->push_back({extent, grain});
    for (int64_t begin = 0; begin < extent; begin += grain)
      kernel(buffers, table, status, begin, std::min(begin + grain, extent), 0);
  };
  loaded.check(4 * 64, context); // One grain: on the calling thread.
  EXPECT_TRUE(calls.empty());
  loaded.check(4 * 64 + 1, context);
  EXPECT_EQ(calls, (std::vector<std::pair<int64_t, int64_t>>{{5, 4}, {5, 4}}));
}

TEST(JitTest, StopsAfterTheFirstError) {
  HandWritten hand;
  CompiledKernels kernels = compileKernels({hand.affine(2), hand.failing()}, TargetInfo::host());
  Program program = HandWritten::program("p");
  program.kernels.resize(2);
  for (size_t i = 0; i < 2; ++i)
    program.kernels[i].symbol = kernels.symbols[i];
  kernels.objects.push_back(runObject(program, TargetInfo::host(), false, false));
  Jit jit(views(kernels.objects));
  Floats x(64), y(64), z(64), arena(256);
  x.data()[0] = 5;
  void *args[] = {x.data(), y.data(), z.data()};
  std::vector<int64_t> table = evaluateTable(program, {{"N", 64}}, 1);
  SinterContext context{};
  context.status.code = 99; // Cleared on entry.
  jit.function<SinterRun>("p_run")(args, table.data(), arena.data(), &context);
  EXPECT_EQ(context.status.code, 1);
  EXPECT_EQ(context.status.site, 7);
  EXPECT_EQ(context.status.value, 0);
  EXPECT_EQ(context.status.bound, 1);
  EXPECT_EQ(arena.data()[16], 10.5f); // The step before ran,
  EXPECT_EQ(z.data()[0], 0);          // the one after did not.
}

TEST(JitTest, EqualKernelsCompileOnce) {
  HandWritten hand;
  CompiledKernels kernels =
      compileKernels({hand.affine(2, "a"), hand.affine(3, "b"), hand.affine(2, "c"), hand.failing(),
                      hand.affine(3, "a")},
                     TargetInfo::host());
  EXPECT_EQ(kernels.mapping, (std::vector<int>{0, 1, 0, 2, 1}));
  EXPECT_EQ(kernels.symbols, (std::vector<std::string>{"kernel0", "kernel1", "kernel2"}));
  EXPECT_EQ(kernels.objects.size(), 3u);
}

TEST(JitTest, ObjectsDoNotDependOnThreads) {
  std::vector<std::vector<std::string>> objects;
  for (int threads : {1, 2, 3}) {
    HandWritten hand;
    std::vector<mlir::ModuleOp> modules;
    for (int i = 0; i < 8; ++i)
      modules.push_back(hand.affine(static_cast<float>(i)));
    CompileKernelsOptions options;
    options.threads = threads;
    objects.push_back(compileKernels(modules, TargetInfo::host(), options).objects);
  }
  EXPECT_EQ(objects[0], objects[1]);
  EXPECT_EQ(objects[0], objects[2]);
}

TEST(JitTest, LoweringFailureIsAnError) {
  HandWritten hand;
  auto module = hand.parse(R"(func.func private @elsewhere(i64) -> i64
    func.func @k(%b: !llvm.ptr, %t: !llvm.ptr, %s: !llvm.ptr, %x: i64, %y: i64, %w: i64) {
      %r = func.call @elsewhere(%x) : (i64) -> i64
      return
    })");
  CompiledKernels kernels = compileKernels({module}, TargetInfo::host());
  EXPECT_THROW(Jit jit(views(kernels.objects)), Error); // An unknown external function.
  auto empty = hand.parse("module {}");
  EXPECT_THROW(compileKernels({empty}, TargetInfo::host()), Error);
}

TEST(JitTest, RejectsMalformedObjects) {
  HandWritten hand;
  std::string good = compileKernels({hand.affine(2)}, TargetInfo::host()).objects[0];
  EXPECT_NO_THROW(Jit jit({good}));
  EXPECT_THROW(Jit jit({good, good}), Error); // Doubly defined.
  EXPECT_THROW(Jit jit({std::string_view("ELF?")}), Error);
  for (size_t length = 0; length < good.size(); length += 13)
    EXPECT_THROW(Jit jit({std::string_view(good).substr(0, length)}), Error);
  for (size_t at = 0; at < good.size(); ++at) { // Any byte wrong: an error or not, never a crash.
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0xff);
    try {
      Jit jit({bad});
    } catch (const Error &) {
      continue;
    }
  }
  EXPECT_THROW(Jit({good}).lookup("nobody"), Error);
}

TEST(JitTest, CallsIntoLibm) {
  HandWritten hand;
  // No SSE4.1 and no FMA: instruction selection calls libm.
  auto module = hand.parse(R"(
    func.func @k(%b: !llvm.ptr, %t: !llvm.ptr, %s: !llvm.ptr, %x: i64, %y: i64, %w: i64) {
      %v = llvm.load %b : !llvm.ptr -> f64
      %f = llvm.intr.floor(%v) : (f64) -> f64
      %r = llvm.intr.fma(%f, %v, %v) : (f64, f64, f64) -> f64
      llvm.store %r, %b : f64, !llvm.ptr
      return
    })");
  CompiledKernels kernels = compileKernels({module}, TargetInfo::parse("cpu:x86-64"));
  Jit jit(views(kernels.objects));
  double value = 2.75;
  jit.function<SinterKernel>("kernel0")(reinterpret_cast<void **>(&value), nullptr, nullptr, 0, 1,
                                        0);
  EXPECT_EQ(value, std::fma(2.0, 2.75, 2.75));
}
