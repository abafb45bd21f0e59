// SPDX-License-Identifier: Apache-2.0
// The pretended GPU does what one does, and every check of it can fail.
#include "tests/cuda/Bench.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

namespace sinter::test {
namespace {

using driver::DevicePointer;
using driver::Result;

class MachineTest : public testing::Test {
protected:
  /// Runs `body` as a kernel on one buffer of floats that are written, and one that is not; what
  /// the machine says about it, or "".
  std::string say(const std::string &body, const Bench::Shape &shape = {},
                  const std::string &before = "") {
    std::string text = before +
                       "\nextern \"C\" __global__ void __launch_bounds__(1024) kernel(float *in, "
                       "float *out, int n) {\n" +
                       body + "\n}\n";
    driver::Function function = bench.kernel(text);
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 1.0f);
    in = bench.upload(values);
    out = bench.allocate(count * sizeof(float));
    testing::internal::CaptureStderr();
    Result result = bench.launch(function, shape, in, out, static_cast<int>(count));
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(result == Result::Success, said.empty()) << said;
    bench.forget();
    return said;
  }
  /// Whether the machine objects, and says `wanted`.
  void expectCaught(const char *wanted, const std::string &body, const Bench::Shape &shape = {},
                    const std::string &before = "") {
    std::string said = say(body, shape, before);
    EXPECT_NE(said.find(wanted), std::string::npos) << "said: " << said << "\nof:\n" << body;
  }
  void expectFine(const std::string &body, const Bench::Shape &shape = {},
                  const std::string &before = "") {
    EXPECT_EQ(say(body, shape, before), "") << body;
  }
  float result(size_t i) { return bench.download<float>(out + i * sizeof(float), 1)[0]; }

  static constexpr size_t count = 1000;
  Bench bench;
  DevicePointer in = 0, out = 0;
};

TEST_F(MachineTest, GridsAndBlocks) {
  expectFine("for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * "
             "blockDim.x)\n  out[i] = 2 * in[i];",
             {3, 64});
  for (size_t i : {0, 500, 999})
    EXPECT_EQ(result(i), 2.0f * static_cast<float>(i + 1));
}

TEST_F(MachineTest, SharedMemoryAndBarriers) {
  const std::string before = "__shared__ float row[64];\n",
                    body = "row[threadIdx.x] = in[threadIdx.x]; __syncthreads(); out[threadIdx.x] "
                           "= row[63 - threadIdx.x];";
  expectFine("__shared__ float row[64];\n" + body, {1, 64});
  EXPECT_EQ(result(0), 64);
  expectFine("extern __shared__ __align__(16) float row[];\n" + body, {1, 64, 256});
  EXPECT_EQ(result(63), 1);
}

TEST_F(MachineTest, AMissingBarrierIsCaught) {
  expectCaught("never written",
               "__shared__ float row[64]; row[threadIdx.x] = in[threadIdx.x]; out[threadIdx.x] = "
               "row[63 - threadIdx.x];",
               {1, 64});
  // The order hides it from the values, not from the clocks.
  expectCaught("race",
               "__shared__ float row[1]; if (threadIdx.x == 0) row[0] = 1; __syncthreads(); "
               "out[threadIdx.x] = row[0]; if (threadIdx.x == 0) row[0] = 2;",
               {1, 64});
}

TEST_F(MachineTest, RacesAreCaught) {
  expectCaught("race", "out[0] = threadIdx.x;");
  expectCaught("race", "if (threadIdx.x == 0) out[0] = 1;", {2, 32}); // Two blocks.
  expectCaught("race", "in[threadIdx.x] = in[threadIdx.x + 1];");
  expectFine(
      "if (threadIdx.x == 0) out[0] = 1; __syncthreads(); if (threadIdx.x == 1) out[0] = 2;");
  expectFine("out[threadIdx.x] = 0; atomicAdd(&out[threadIdx.x], 1.0f);");
  expectFine("atomicAdd((int *)in, 1);", {2, 64});
  expectCaught("race", "atomicAdd((int *)in, 1); if (threadIdx.x == 3) out[0] = in[0];");
  expectFine("((unsigned char *)out)[threadIdx.x] = 1;"); // Neighbours in a word.
}

TEST_F(MachineTest, BarriersOfWarpsOrderTheirLanes) {
  const std::string begin = "__shared__ float row[64]; row[threadIdx.x] = in[threadIdx.x];",
                    end = "out[threadIdx.x] = row[threadIdx.x ^ 1];";
  expectFine(begin + "__syncwarp();" + end, {1, 64});
  expectCaught("race",
               begin + "__syncthreads(); row[threadIdx.x] = 1; __syncwarp(); out[threadIdx.x] = "
                       "row[threadIdx.x ^ 32];",
               {1, 64});
  expectCaught("race",
               begin + "float x = __shfl_sync(0xffffffffu, in[0], 0); " + end + " out[0] += x;",
               {1, 32});
}

TEST_F(MachineTest, DivergenceIsCaught) {
  expectCaught("wait for ever", "if (threadIdx.x < 16) __syncthreads(); out[threadIdx.x] = 1;");
  expectCaught("wait for ever", "if (threadIdx.x == 5) return; __syncthreads();");
  expectCaught("divergent barrier",
               "if (threadIdx.x < 16) { out[threadIdx.x] = 1; __syncthreads(); } else { "
               "__syncthreads(); out[threadIdx.x] = 2; }");
  expectCaught("has ended",
               "if (threadIdx.x == 5) return; for (int i = 0; i < n; ++i) out[threadIdx.x] = i; "
               "__syncthreads(); out[threadIdx.x] = __shfl_down_sync(0xffffffffu, in[0], 1);",
               {1, 32},
               "#undef __syncthreads\n#define __syncthreads() shimNamedBarrier(1, 32, 0)\n");
}

TEST_F(MachineTest, Shuffles) {
  expectFine("out[threadIdx.x] = __shfl_down_sync(0xffffffffu, in[threadIdx.x], 4);", {1, 64});
  EXPECT_EQ(result(0), 5);
  EXPECT_EQ(result(30), 31);
  EXPECT_EQ(result(63), 64);
  expectFine("out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, in[threadIdx.x], 3, 8) + "
             "__ballot_sync(0xffffffffu, threadIdx.x & 1) % 4;");
  EXPECT_EQ(result(9), 11 + 2);
  expectFine("if (threadIdx.x < 8) out[threadIdx.x] = __shfl_up_sync(0xffu, in[threadIdx.x], 1);");
  EXPECT_EQ(result(7), 7);
  expectCaught("lacks the caller's lane", "__syncwarp(0xfu);");
  expectCaught("different operations",
               "if (threadIdx.x < 16) __shfl_sync(0xffffffffu, in[0], 0); else __syncwarp();");
}

TEST_F(MachineTest, BoundsAreChecked) {
  expectCaught("out of bounds", "out[threadIdx.x] = in[n - 31 + threadIdx.x];");
  expectCaught("out of bounds", "out[(int)threadIdx.x - 1] = 1;");
  expectCaught("out of bounds", "((unsigned char *)out)[4 * n] = 1;");
  expectCaught(
      "out of bounds",
      "__shared__ int row[4]; row[threadIdx.x] = 1; __syncthreads(); out[threadIdx.x] = row[0];",
      {1, 8});
  expectCaught("out of bounds", "extern __shared__ int row[]; row[threadIdx.x] = 1;", {1, 32, 124});
  expectCaught("no device memory", "*(int *)64 = 1;");
}

TEST_F(MachineTest, UnwrittenMemoryIsCaught) {
  expectCaught("never written", "in[threadIdx.x] = out[threadIdx.x];");
  expectCaught("never written", "out[threadIdx.x] += 1;");
  // Blocks do not find what others left in shared memory.
  expectCaught("never written",
               "__shared__ int row[32]; if (blockIdx.x == 0) row[threadIdx.x] = 1; out[blockIdx.x "
               "* 32 + threadIdx.x] = row[threadIdx.x];",
               {2, 32});
}

TEST_F(MachineTest, AlignmentIsChecked) {
  expectFine("*(float4 *)(out + 4 * threadIdx.x) = *(const float4 *)(in + 4 * threadIdx.x);");
  expectCaught("misaligned",
               "*(float4 *)(out + threadIdx.x + 1) = *(const float4 *)(in + 4 * threadIdx.x);",
               {1, 1});
  expectCaught("misaligned", "*(float4 *)out = *(const float4 *)(in + 1);", {1, 1});
  const char *pack = "struct alignas(16) Pack { float at[4]; };\n";
  expectFine("*(Pack *)out = *(const Pack *)(in + 4);", {1, 1}, pack);
  expectCaught("misaligned", "*(Pack *)out = *(const Pack *)(in + n % 7);", {1, 1}, pack);
}

TEST_F(MachineTest, Clusters) {
  expectFine("out[blockIdx.x * 32 + threadIdx.x] = in[blockIdx.x];", {4, 32, 0, 2});
  expectFine("__shared__ int row[32]; row[threadIdx.x] = blockIdx.x; __syncthreads(); "
             "out[blockIdx.x * 32 + threadIdx.x] = row[31 - threadIdx.x];",
             {4, 32, 0, 4});
  EXPECT_EQ(result(96), 3);
}

TEST_F(MachineTest, LaunchesAreChecked) {
  driver::Function function = bench.kernel(
      "extern \"C\" __global__ void __launch_bounds__(64) kernel(float *out, int n) {}");
  DevicePointer buffer = bench.allocate(64);
  struct Case {
    const char *wanted;
    Bench::Shape shape;
  };
  for (const Case &one :
       {Case{"launch_bounds", {1, 128}}, Case{"a grid of 0", {0, 32}},
        Case{"a cluster of 3", {4, 32, 0, 3}}, Case{"a cluster of 16", {16, 32, 0, 16}},
        Case{"dynamic shared memory", {1, 32, 64}}}) {
    testing::internal::CaptureStderr();
    EXPECT_NE(bench.launch(function, one.shape, buffer, 1), Result::Success);
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find(one.wanted), std::string::npos) << said;
  }
  testing::internal::CaptureStderr();
  float host = 0;
  EXPECT_NE(bench.launch(function, {}, &host, 1), Result::Success); // A pointer of the host.
  EXPECT_NE(bench.launch(function, {}, buffer), Result::Success);   // A parameter is missing.
  testing::internal::GetCapturedStderr();
}

TEST_F(MachineTest, OnlyItsOwnMachineCodeIsLoaded) {
  driver::Module module = nullptr;
  const char junk[256] = "no machine code";
  EXPECT_EQ(bench.cuda.moduleLoadData(&module, junk), Result::InvalidImage);
  std::string old = bench.image("extern \"C\" __global__ void kernel(int n) {}", "sm_80"),
              other = bench.image("extern \"C\" __global__ void kernel(int n) {}", "sm_100a");
  EXPECT_EQ(bench.cuda.moduleLoadData(&module, other.data()), Result::NoBinaryForGpu);
  EXPECT_EQ(bench.cuda.moduleLoadData(&module, old.data()),
            Result::NoBinaryForGpu); // Another major version.
  EXPECT_THROW(bench.image("extern \"C\" __global__ void kernel(int n) { nonsense }"),
               std::runtime_error);
}

} // namespace
} // namespace sinter::test
