// SPDX-License-Identifier: Apache-2.0
// The fake driver objects to what a correct program never does, and does work in the order of
// streams, no earlier than it is waited for.
#include "tests/cuda/Bench.h"

#include <gtest/gtest.h>

#include <functional>

namespace sinter::test {
namespace {

using driver::DevicePointer;
using driver::Result;

class DriverTest : public testing::Test {
protected:
  /// What the driver says of a call that must fail, or "".
  std::string say(const std::function<Result()> &call) {
    testing::internal::CaptureStderr();
    Result result = call();
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(result == Result::Success, said.empty()) << said;
    bench.forget();
    return said;
  }
  void expectCaught(const char *wanted, const std::function<Result()> &call) {
    std::string said = say(call);
    EXPECT_NE(said.find(wanted), std::string::npos) << "said: " << said;
  }

  Bench bench;
  driver::EntryPoints &cuda = bench.cuda;
};

TEST_F(DriverTest, AllocationsEndOnce) {
  DevicePointer pointer = 0;
  bench.check(cuda.memAlloc(&pointer, 100));
  bench.check(cuda.memFree(pointer));
  expectCaught("freed before", [&] { return cuda.memFree(pointer); });
  expectCaught("no allocation", [&] { return cuda.memFree(pointer + 64); });
  expectCaught("freed memory", [&] { return cuda.memset(pointer, 0, 4, bench.stream); });
  expectCaught("not pinned", [&] { return cuda.memFreeHost(&pointer); });
  DevicePointer other = bench.allocate(100);
  EXPECT_NE(pointer, other); // So that stale pointers show.
  expectCaught("allocation of 100", [&] { return cuda.memset(other, 0, 101, bench.stream); });
}

TEST_F(DriverTest, HandlesAreAlive) {
  driver::Stream stream = nullptr;
  bench.check(cuda.streamCreate(&stream, 0));
  bench.check(cuda.streamDestroy(stream));
  expectCaught("not alive", [&] { return cuda.streamSynchronize(stream); });
  expectCaught("not alive", [&] { return cuda.streamDestroy(stream); });
  expectCaught("not alive", [&] { return cuda.graphDestroy(nullptr); });
  expectCaught("not alive", [&] { return cuda.moduleUnload(nullptr); });
  driver::Context context = nullptr;
  bench.check(cuda.contextPop(&context));
  expectCaught("no context", [&] { return cuda.streamSynchronize(bench.stream); });
  bench.check(cuda.contextPush(context));
}

TEST_F(DriverTest, LeaksAreReported) {
  expectCaught("1 pinned allocations", [&] {
    void *memory = nullptr;
    bench.check(cuda.memHostAlloc(&memory, 64, 0));
    // The bench has retained the context too, and its stream lives.
    Result result = cuda.primaryContextRelease(0);
    bench.check(cuda.memFreeHost(memory));
    driver::Context context = nullptr;
    bench.check(cuda.primaryContextRetain(&context, 0));
    return result;
  });
}

TEST_F(DriverTest, WorkWaitsUntilItIsWaitedFor) {
  float *pinned = nullptr;
  bench.check(cuda.memHostAlloc(reinterpret_cast<void **>(&pinned), 64, driver::hostAllocPortable));
  DevicePointer memory = bench.allocate(64);
  pinned[0] = 1;
  bench.check(cuda.memcpyToDevice(memory, pinned, 4, bench.stream));
  pinned[0] = 2; // Too early: the copy has not been waited for.
  bench.check(cuda.memcpyToHost(pinned + 1, memory, 4, bench.stream));
  EXPECT_NE(pinned[1], 2);
  bench.check(cuda.streamSynchronize(bench.stream));
  EXPECT_EQ(pinned[1], 2);
  bench.check(cuda.memcpyToDevice(memory, pinned, 4, bench.stream));
  expectCaught("pinned no more", [&] {
    bench.check(cuda.memFreeHost(pinned)); // Waits, as the real one does.
    float *other = nullptr;
    bench.check(cuda.memHostAlloc(reinterpret_cast<void **>(&other), 64, 0));
    bench.check(cuda.streamBeginCapture(bench.stream, driver::CaptureMode::ThreadLocal));
    bench.check(cuda.memcpyToDevice(memory, other, 4, bench.stream));
    driver::Graph graph = nullptr;
    bench.check(cuda.streamEndCapture(bench.stream, &graph));
    driver::GraphExec exec = nullptr;
    bench.check(cuda.graphInstantiate(&exec, graph, 0));
    bench.check(cuda.graphDestroy(graph));
    bench.check(cuda.memFreeHost(other));
    bench.check(cuda.graphLaunch(exec, bench.stream));
    Result result = cuda.streamSynchronize(bench.stream);
    bench.forget();
    bench.check(cuda.graphExecDestroy(exec));
    return result;
  });
  expectCaught("never written", [&] {
    return bench.cuda.memcpyToHost(&pinned, bench.allocate(8), 8, bench.stream);
  });
}

TEST_F(DriverTest, GraphsAreRecordedAndReplayed) {
  driver::Function function = bench.kernel(
      "extern \"C\" __global__ void kernel(int *x, int n) { if (threadIdx.x == 0) x[0] += n; }");
  DevicePointer x = bench.upload(std::vector<int>{1});
  bench.check(cuda.streamSynchronize(bench.stream));
  bench.check(cuda.streamBeginCapture(bench.stream, driver::CaptureMode::ThreadLocal));
  {
    int n = 5; // Parameters are read when the launch is recorded.
    void *parameters[] = {&x, &n};
    driver::LaunchConfig config;
    config.blockX = 32;
    config.stream = bench.stream;
    bench.check(cuda.launchKernel(&config, function, parameters, nullptr));
    n = 7;
  }
  expectCaught("captured", [&] { return cuda.streamSynchronize(bench.stream); });
  expectCaught("captured", [&] {
    DevicePointer pointer = 0;
    return cuda.memAlloc(&pointer, 4);
  });
  int host = 0;
  expectCaught("not pinned", [&] { return cuda.memcpyToDevice(x, &host, 4, bench.stream); });
  driver::Graph graph = nullptr;
  bench.check(cuda.streamEndCapture(bench.stream, &graph));
  EXPECT_EQ(bench.download<int>(x, 1)[0], 1); // Recorded, not run.
  driver::GraphExec exec = nullptr;
  bench.check(cuda.graphInstantiate(&exec, graph, 0));
  for (int i = 0; i < 3; ++i)
    bench.check(cuda.graphLaunch(exec, bench.stream));
  EXPECT_EQ(bench.download<int>(x, 1)[0], 16);
  bench.check(cuda.graphExecDestroy(exec));
  bench.check(cuda.graphDestroy(graph));
  expectCaught("not alive", [&] { return cuda.graphLaunch(exec, bench.stream); });
}

TEST_F(DriverTest, TensorMapsAreChecked) {
  DevicePointer memory = bench.allocate(4096);
  struct Case {
    const char *wanted;
    uint64_t offset, size, stride;
    uint32_t box;
    driver::TensorMapSwizzle swizzle;
  };
  using driver::TensorMapSwizzle;
  alignas(128) driver::EncodedTensorMap map;
  for (const Case &one : {Case{"", 0, 64, 256, 32, TensorMapSwizzle::Bytes128},
                          Case{"aligned to 16", 4, 64, 256, 32, TensorMapSwizzle::None},
                          Case{"stride", 0, 64, 260, 32, TensorMapSwizzle::None},
                          Case{"box", 0, 64, 256, 300, TensorMapSwizzle::None},
                          Case{"rows of 256 bytes", 0, 64, 256, 64, TensorMapSwizzle::Bytes128},
                          Case{"size 0", 0, 0, 256, 32, TensorMapSwizzle::None}}) {
    const uint64_t sizes[] = {one.size, 4}, strides[] = {one.stride};
    const uint32_t box[] = {one.box, 2}, steps[] = {1, 1};
    std::string said = say([&] {
      return cuda.tensorMapEncodeTiled(&map, driver::TensorMapType::Float32, 2,
                                       reinterpret_cast<void *>(memory + one.offset), sizes,
                                       strides, box, steps, {}, one.swizzle, {}, {});
    });
    EXPECT_NE(said.find(one.wanted), std::string::npos) << said;
    EXPECT_EQ(said.empty(), *one.wanted == 0) << said;
  }
}

} // namespace
} // namespace sinter::test
