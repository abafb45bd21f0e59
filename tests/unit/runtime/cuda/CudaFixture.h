// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/runtime/HandProgram.h"
#include "tests/unit/runtime/cuda/RecordingDriver.h"

#include "sinter/runtime/CudaDevice.h"

#include <dlfcn.h>

namespace sinter::test {

/// A device on the recording driver, and a program whose kernels are functions of this test:
///     y = x * c[0] + w; w' = y + w;  x, y: f32[N], w: parameter f32[N], c: constant f32[4]
/// with two launches, one of no blocks, and a copy that ends the update.
class CudaFixture : public ::testing::Test {
protected:
  CudaFixture() {
    void *library = dlopen(SINTER_TEST_RECORDING_DRIVER, RTLD_NOW | RTLD_LOCAL);
    EXPECT_TRUE(library) << dlerror();
    recording = reinterpret_cast<Recording *(*)()>(dlsym(library, "recording"))();
    *recording = Recording();
    addKernels();
  }
  ~CudaFixture() override {
    device.reset();
    EXPECT_EQ(recording->problems, std::vector<std::string>());
    for (const auto &[kind, count] : recording->live)
      EXPECT_EQ(count, 0) << kind;
    EXPECT_EQ(recording->allocated, 0u);
  }

  CudaDeviceOptions options(bool check = false) const {
    return {.ordinal = 0, .driver = SINTER_TEST_RECORDING_DRIVER, .check = check};
  }
  std::shared_ptr<CudaDevice> open(bool check = false) {
    return device = std::make_shared<CudaDevice>(options(check));
  }
  Executable load(std::shared_ptr<Program> program) {
    if (!device)
      open();
    return Executable({.program = std::move(program)}, device);
  }

  static std::shared_ptr<Program> addProgram(bool updates = true) {
    DimExpr n = dim("N"), bytes = ceilDiv(n * DimExpr(4), 64) * DimExpr(64);
    auto program = std::make_shared<Program>();
    program->target = "cuda:sm_90a";
    program->arguments = {
        {.name = "x", .shape = {n}, .location = {"model.cpp", 10, 3}},
        {.name = "w",
         .kind = ArgumentKind::Parameter,
         .shape = {n},
         .init = {InitSpec::Kind::Constant, 2, 0},
         .location = {"model.cpp", 11, 3}},
    };
    program->results = {{.name = "y", .shape = {n}, .location = {"model.cpp", 20, 3}}};
    if (updates)
      program->results.push_back({.shape = {n}, .updates = 1, .location = {"model.cpp", 21, 3}});
    program->constants = {Array::from<float>({3, 0, 0, 0})};
    program->images = {"image"};
    program->dims = {"N"};
    program->table = {bytes};
    program->arenaBytes = bytes + bytes;
    using Kind = Buffer::Kind;
    program->buffers = {{Kind::Argument, 0, 0, n * DimExpr(4), "x"},
                        {Kind::Argument, 1, 0, n * DimExpr(4), "w"},
                        {Kind::Constant, 0, 0, 16, "c"},
                        {Kind::Arena, 0, 0, n * DimExpr(4), "scaled"},
                        {Kind::Result, 0, 0, n * DimExpr(4), "y"},
                        {Kind::Arena, 0, bytes, n * DimExpr(4), "next"}};
    SourceLoc line("model.cpp", 15, 7);
    program->kernels = {{"scale", "loop", {"mul"}, {line}, 0}, {"add", "loop", {"add"}, {line}, 0}};
    auto launch = [&](int kernel, std::vector<int> buffers, const DimExpr &blocks) {
      Launch result;
      result.kernel = kernel;
      result.buffers = std::move(buffers);
      result.extent = n;
      result.grain = 1;
      result.grid.blocks = blocks;
      result.grid.threads = 64;
      return result;
    };
    Launch scale = launch(0, {0, 2, 3}, ceilDiv(n, 64)), add = launch(1, {3, 1, 4}, 2);
    add.grid.sharedBytes = 100000;
    add.grid.cluster = 2;
    program->steps = {scale, launch(0, {0, 2, 3}, n - n), add};
    if (updates) {
      program->steps.push_back(launch(1, {4, 1, 5}, 2));
      program->steps.push_back(Copy{5, 1, n * DimExpr(4)});
    }
    program->sites = {{"gather", "index", line}};
    return program;
  }

  /// What the kernels read, as parameters.
  struct Parameters {
    const float *a, *b;
    float *out;
    const int64_t *table;
    SinterStatus *status;
    explicit Parameters(void *const *values)
        : a(at<float>(values[0])), b(at<float>(values[1])), out(at<float>(values[2])),
          table(static_cast<const int64_t *>(values[3])), status(at<SinterStatus>(values[4])) {}
    template <typename T> static T *at(void *value) {
      return reinterpret_cast<T *>(*static_cast<driver::DevicePointer *>(value));
    }
  };

  void addKernels() {
    // Three buffers, a table of two entries, the status.
    const std::vector<size_t> sizes = {8, 8, 8, 16, 8};
    recording->kernels["scale"] = {sizes, [](const driver::LaunchConfig &, void *const *values) {
                                     Parameters p(values);
                                     for (int64_t i = 0; i < p.table[0]; ++i)
                                       p.out[i] = p.a[i] * p.b[0];
                                   }};
    recording->kernels["add"] = {sizes, [](const driver::LaunchConfig &, void *const *values) {
                                   Parameters p(values);
                                   for (int64_t i = 0; i < p.table[0]; ++i) {
                                     p.out[i] = p.a[i] + p.b[i];
                                     if (p.out[i] > 1e6f && p.status->code == 0)
                                       *p.status = {1, 0, 7, 5};
                                   }
                                 }};
  }

  static Array ramp(int64_t n, float first = 1) {
    Array array(f32, {n});
    for (int64_t i = 0; i < n; ++i)
      array.as<float>()[i] = first + static_cast<float>(i % 16);
    return array;
  }
  static State stateOf(const Executable &executable, int64_t n) {
    return State(executable.program().arguments, 0, {{"N", n}});
  }
  static std::vector<float> values(const Array &array) { return array.toVector<float>(); }
  /// Copies into and out of the GPU's memory so far.
  size_t copies() const { return recording->lines("in ").size() + recording->lines("out ").size(); }

  Recording *recording = nullptr;
  std::shared_ptr<CudaDevice> device;
};

} // namespace sinter::test
