// SPDX-License-Identifier: Apache-2.0
// What can go wrong on a GPU, each with its own message and the exit code of devices.
#include "tests/unit/runtime/cuda/CudaFixture.h"

namespace sinter::test {
namespace {

template <typename Fn> std::string deviceError(Fn &&call) {
  return errorOf(std::forward<Fn>(call), ErrorKind::Device, ErrorCode::Device);
}

void expectHas(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(CudaDriverTest, NoDriver) {
  std::string text = deviceError([] { CudaDriver::load("/nowhere/libcuda.so.1"); });
  expectHas(text, "there is no NVIDIA driver");
  expectHas(text, "/nowhere/libcuda.so.1");
  expectHas(text, "--target=cpu");
}

TEST(CudaDriverTest, OldDriver) {
  expectHas(deviceError([] { CudaDriver::load(SINTER_TEST_OLD_DRIVER); }),
            "the NVIDIA driver is too old: '" SINTER_TEST_OLD_DRIVER "' is of CUDA 11.8");
  expectHas(deviceError([] { CudaDriver::load(SINTER_TEST_PARTIAL_DRIVER); }), "lacks cuInit");
}

TEST_F(CudaFixture, NoDevice) {
  recording->init = driver::Result::NoDevice;
  expectHas(deviceError([&] { open(); }), "there is no GPU that the NVIDIA driver can use");
  recording->init = driver::Result::Success;
  recording->devices = 0;
  expectHas(deviceError([&] { open(); }), "there is no GPU that the NVIDIA driver can use");
  recording->devices = 2;
  CudaDeviceOptions third = options();
  third.ordinal = 2;
  expectHas(deviceError([&] { CudaDevice give(third); }), "there is no GPU number 2, only 0 to 1");
  recording->init = driver::Result::StubLibrary;
  expectHas(deviceError([&] { open(); }), "is a stub");
  recording->init = driver::Result::SystemDriverMismatch;
  expectHas(deviceError([&] { open(); }), "does not fit its kernel module");
  recording->init = driver::Result::Unknown;
  expectHas(deviceError([&] { open(); }), "does not start: CUDA_ERROR_OTHER (999)");
}

TEST_F(CudaFixture, WrongArchitecture) {
  recording->minor = 0;
  recording->major = 8;
  expectHas(deviceError([&] { load(addProgram()); }),
            "code for sm_90a does not run on 'Recorder', which has compute capability 8.0");
  EXPECT_EQ(device->target(), "cuda:sm_80");
  auto program = addProgram();
  program->target = "cuda:sm_80";
  EXPECT_NO_THROW(load(program));
  program->target = "cuda:sm_86";
  expectHas(deviceError([&] { load(program); }), "code for sm_86 does not run");

  auto archOf = [&](int major, int minor) {
    recording->major = major;
    recording->minor = minor;
    return open()->target();
  };
  EXPECT_EQ(archOf(8, 6), "cuda:sm_86");
  EXPECT_EQ(archOf(9, 0), "cuda:sm_90a");
  EXPECT_EQ(archOf(10, 0), "cuda:sm_100");
  EXPECT_EQ(archOf(12, 1), "cuda:sm_120");
  expectHas(deviceError([&] { archOf(7, 5); }), "makes no code for 'Recorder'");
  expectHas(deviceError([&] { archOf(13, 0); }), "compute capability 13.0");
  // Code for a generation alone does not run on a later one.
  archOf(9, 1);
  expectHas(deviceError([&] { load(addProgram()); }), "code for sm_90a does not run");
}

TEST_F(CudaFixture, ProgramsForOtherDevices) {
  auto program = addProgram();
  expectHas(deviceError([&] { Executable({.program = program}, CpuDevice::shared(1)); }),
            "the CPU cannot run a program for 'cuda:sm_90a'");
  program->target = "cpu:x86-64";
  expectHas(deviceError([&] { load(program); }),
            "the GPU 'Recorder' cannot run a program for 'cpu");
}

TEST_F(CudaFixture, CodeThatTheDriverRefuses) {
  open();
  recording->load = driver::Result::NoBinaryForGpu;
  expectHas(deviceError([&] { load(addProgram()); }), "is for another GPU than 'Recorder'");
  recording->load = driver::Result::UnsupportedPtxVersion;
  expectHas(deviceError([&] { load(addProgram()); }),
            "the driver, which is of CUDA 13.0, does not take the code of 'main'");
  recording->load = driver::Result::Success;
  auto program = addProgram();
  program->images[0] = "no code";
  expectHas(deviceError([&] { load(program); }), "does not take the code of 'main'");
  program = addProgram();
  program->kernels[1].symbol = "subtract";
  expectHas(deviceError([&] { load(program); }), "damaged: its code lacks 'subtract'");
  recording->sharedBytes = 65536;
  expectHas(deviceError([&] { load(addProgram()); }),
            "kernel 'add' (add at model.cpp:15:7) needs 100000 bytes of shared memory; 'Recorder' "
            "gives a block 65536");
}

TEST_F(CudaFixture, DamagedPrograms) {
  auto refuse = [&](const std::string &what, auto &&change) {
    auto program = addProgram();
    change(*program);
    expectHas(deviceError([&] {
                Executable step = load(program);
                State state = stateOf(step, 6);
                step(state, {{"x", ramp(6)}});
              }),
              "damaged: " + what);
  };
  auto first = [](Program &p) -> Launch & { return std::get<Launch>(p.steps[0]); };
  refuse("a buffer of no argument", [](Program &p) { p.buffers[0].index = 2; });
  refuse("a buffer of no result", [](Program &p) { p.buffers[4].index = -1; });
  refuse("a buffer of no constant", [](Program &p) { p.constants.clear(); });
  refuse("a kernel without code", [](Program &p) { p.kernels[0].image = 1; });
  refuse("a copy of no buffer", [](Program &p) { std::get<Copy>(p.steps.back()).from = 6; });
  refuse("a launch of no kernel", [&](Program &p) { first(p).kernel = 2; });
  refuse("a launch with no buffer", [&](Program &p) { first(p).buffers[1] = 9; });
  refuse("a launch that no GPU can run", [&](Program &p) { first(p).grid.threads = 2048; });
  refuse("a launch that no GPU can run", [&](Program &p) { first(p).grid.cluster = 32; });
  refuse("a tensor map of the wrong form", [&](Program &p) { first(p).grid.maps.resize(1); });
  refuse("a grid of 3 blocks in clusters of 2", [&](Program &p) {
    first(p).grid.blocks = 3;
    first(p).grid.cluster = 2;
  });
  refuse("a buffer does not lie within the workspace",
         [](Program &p) { p.buffers[5].offset = DimExpr(128); });
  refuse("a buffer does not lie within the workspace",
         [](Program &p) { p.buffers[5].offset = DimExpr(4); });
  refuse("a buffer is larger than its array", [](Program &p) { p.buffers[0].bytes = 28; });
  refuse("a copy exceeds its buffers",
         [](Program &p) { std::get<Copy>(p.steps.back()).bytes = 28; });
}

TEST_F(CudaFixture, OutOfMemory) {
  recording->memory = 1 << 20;
  Executable step = load(addProgram(false));
  State small = stateOf(step, 40000), large = stateOf(step, 400'000);
  std::string text = deviceError([&] { step(large, {{"x", ramp(400'000)}}); });
  expectHas(text, "out of memory on the GPU: the variable 'w' takes 1600000 bytes");
  expectHas(text, "of 1048576 are free");
  // 160 kB each for w, x, y and twice that for the workspace; a call of other sizes takes the place
  // of what the first one has left.
  EXPECT_NO_THROW(step(small, {{"x", ramp(40000)}}));
  State other = stateOf(step, 39000);
  EXPECT_NO_THROW(step(other, {{"x", ramp(39000)}}));
  EXPECT_LE(recording->mostAllocated, size_t{1} << 20);
}

TEST_F(CudaFixture, ErrorsOfKernelsAreTheUsers) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  Array x = ramp(6, 1e6);
  BoundCall call = step.bind(state, {{"x", x}});
  std::string text = errorOf([&] { call(); });
  EXPECT_EQ(text, "model.cpp:15:7: error: gather: index 7 is not in [0, 5)");
  // The next call starts with a clean slate.
  x.fill(1);
  state.set("w", ramp(6));
  EXPECT_NO_THROW(call());
}

TEST_F(CudaFixture, AFaultEndsTheContext) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  BoundCall call = step.bind(state, {{"x", ramp(6)}});
  call();
  recording->faulty = "add";
  std::string text = deviceError([&] { call(); });
  expectHas(text, "one of the 3 kernels of 'main' failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)");
  expectHas(text, "SINTER_CUDA_CHECK=1");
  for (int i = 0; i < 2; ++i)
    expectHas(
        deviceError([&] { call(); }),
        "the GPU cannot be used any more in this process, because earlier one of the 3 kernels");
  expectHas(deviceError([&] { step(state, {{"x", ramp(6)}}); }), "cannot be used any more");
  expectHas(deviceError([&] { state.get("w"); }), "cannot be used any more");
  expectHas(deviceError([&] { load(addProgram()); }), "cannot be used any more");
  // What is given anew is not lost.
  state.set("w", ramp(6));
  EXPECT_EQ(values(state.get("w"))[0], 1);
}

TEST_F(CudaFixture, ACheckedFaultNamesItsKernel) {
  open(/*check=*/true);
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  recording->faulty = "add";
  expectHas(deviceError([&] {
              step(state, {{"x", ramp(6)}});
            }),
            "kernel 'add' (add at model.cpp:15:7) failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)");
}

TEST_F(CudaFixture, ALaunchThatTheDriverRefuses) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  recording->refused = "add";
  expectHas(
      deviceError([&] {
        step(state, {{"x", ramp(6)}});
      }),
      "the driver cannot launch kernel 'add' (add at model.cpp:15:7) with 2 blocks of 64 threads "
      "and 100000 bytes of shared memory: CUDA_ERROR_OTHER (1)");
  recording->refused.clear();
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 5) << "it is no fault";
}

TEST_F(CudaFixture, AContextThatCannotBeTaken) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  BoundCall call = step.bind(state, {{"x", ramp(6)}});
  call();
  recording->push = driver::Result{1};
  expectHas(deviceError([&] { call(); }), "the driver cannot take its context: CUDA_ERROR_OTHER");
  expectHas(deviceError([&] { load(addProgram()); }), "the driver cannot take its context");
  recording->push = driver::Result::Success;
  EXPECT_NO_THROW(call());
}

} // namespace
} // namespace sinter::test
