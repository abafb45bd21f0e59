// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies, barriers in shared memory, tensor cores and clusters of the pretended GPU:
// what they compute, and that using them wrongly is caught.
#include "tests/cuda/Bench.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sinter::test {
namespace {

using driver::DevicePointer;
using driver::EncodedTensorMap;
using driver::Result;

const char *const types = R"(
struct Half { unsigned short bits; };
struct Brain {
  unsigned short bits;
  explicit Brain(float x) : bits((unsigned)__float_as_int(x) >> 16) {}
  Brain() = default;
};
struct alignas(64) TensorMap { unsigned long long words[16]; };
)";

class AsyncTest : public testing::Test {
protected:
  std::string say(const std::string &body, const Bench::Shape &shape = {},
                  const EncodedTensorMap &map = {}) {
    driver::Function function = bench.kernel(
        types +
        ("extern \"C\" __global__ void __launch_bounds__(256) kernel(float *in, float *out, const "
         "__grid_constant__ TensorMap map, int n) {\n" +
         body + "\n}\n"));
    out = bench.allocate(count * sizeof(float));
    testing::internal::CaptureStderr();
    Result result = bench.launch(function, shape, in, out, map, static_cast<int>(count));
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(result == Result::Success, said.empty()) << said;
    bench.forget();
    return said;
  }
  void expectCaught(const char *wanted, const std::string &body, const Bench::Shape &shape = {},
                    const EncodedTensorMap &map = {}) {
    std::string said = say(body, shape, map);
    EXPECT_NE(said.find(wanted), std::string::npos) << "said: " << said << "\nof:\n" << body;
  }
  std::vector<float> results(size_t number) { return bench.download<float>(out, number); }

  /// A tensor of 20 rows of 40 floats, in boxes of 8 rows of 32.
  EncodedTensorMap mapOf(driver::TensorMapSwizzle swizzle) {
    alignas(128) EncodedTensorMap map;
    const uint64_t sizes[] = {40, 20}, strides[] = {160};
    const uint32_t box[] = {32, 8}, steps[] = {1, 1};
    bench.check(bench.cuda.tensorMapEncodeTiled(&map, driver::TensorMapType::Float32, 2,
                                                reinterpret_cast<void *>(in), sizes, strides, box,
                                                steps, {}, swizzle, {}, {}));
    return map;
  }

  static constexpr size_t count = 8192;
  std::vector<float> values = [] {
    std::vector<float> made(count);
    std::iota(made.begin(), made.end(), 1.0f);
    return made;
  }();
  Bench bench;
  DevicePointer in = bench.upload(values), out = 0;
};

TEST_F(AsyncTest, CopiesComeWhenTheyAreWaitedFor) {
  const std::string
      begin = "__shared__ __align__(16) float row[128]; copyAsync16(row + 4 * threadIdx.x, in + 4 "
              "* threadIdx.x, threadIdx.x == 3 ? 4 : 16); commitAsync();",
      end = "__syncthreads(); for (int i = threadIdx.x; i < 128; i += 32) out[i] = row[i];";
  EXPECT_EQ(say(begin + "waitAsync<0>();" + end), "");
  EXPECT_EQ(results(16)[12], 13);
  EXPECT_EQ(results(16)[13], 0); // Only the first four bytes were there.
  expectCaught("not brought yet", begin + end);
  expectCaught("not brought yet", begin + "commitAsync(); waitAsync<2>();" + end);
  expectCaught("race",
               begin + "waitAsync<0>(); out[threadIdx.x] = row[threadIdx.x];"); // No barrier.
  expectCaught("misaligned",
               "__shared__ __align__(16) float row[128]; copyAsync16(row, in + 1, 16);");
  expectCaught("out of bounds",
               "__shared__ __align__(16) float row[128]; copyAsync16(row, in + n, 16);");
}

TEST_F(AsyncTest, FragmentsOfAWarp) {
  // a(i, k) = i + k, b(k, j) = k - j, both exact in 8 bits of mantissa and in tf32.
  const std::string body = R"(
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
  float c[4] = {1, 1, 1, 1}, d[4] = {0, 0, 0, 0};
  auto two = [](float x, float y) { return packPair(x, y, Brain()); };
  unsigned a[4] = {two(g + 2 * t, g + 2 * t + 1), two(g + 8 + 2 * t, g + 8 + 2 * t + 1), two(g + 2 * t + 8, g + 2 * t + 9), two(g + 8 + 2 * t + 8, g + 8 + 2 * t + 9)};
  multiplyAdd(c, a, two(2 * t - g, 2 * t + 1 - g), two(2 * t + 8 - g, 2 * t + 9 - g), Brain());
  unsigned e[4] = {roundTf32(g + t), roundTf32(g + 8 + t), roundTf32(g + t + 4), roundTf32(g + 8 + t + 4)};
  multiplyAdd(d, e, roundTf32(t - g), roundTf32(t + 4 - g), float());
  for (int i = 0; i < 4; ++i) {
    out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];
    out[128 + (g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
  })";
  EXPECT_EQ(say(body), "");
  std::vector<float> got = results(256);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      float wide = 1, narrow = 0;
      for (int k = 0; k < 16; ++k)
        wide += static_cast<float>((i + k) * (k - j));
      for (int k = 0; k < 8; ++k)
        narrow += static_cast<float>((i + k) * (k - j));
      EXPECT_EQ(got[static_cast<size_t>(i * 8 + j)], wide) << i << ", " << j;
      EXPECT_EQ(got[static_cast<size_t>(128 + i * 8 + j)], narrow) << i << ", " << j;
    }
}

TEST_F(AsyncTest, MatricesOfAWarp) {
  const std::string begin = "__shared__ __align__(16) unsigned short m[256]; for (int i = "
                            "threadIdx.x; i < 256; i += 32) m[i] = i; ",
                    end =
                        "unsigned r[4]; loadMatrices(r, m + 8 * threadIdx.x); for (int i = 0; i < "
                        "4; ++i) out[4 * threadIdx.x + i] = (r[i] & 0xffff) + 1000 * (r[i] >> 16);";
  EXPECT_EQ(say(begin + "__syncwarp();" + end), "");
  EXPECT_EQ(results(128)[4 * 5 + 2],
            2 * 64 + 1 * 8 + 2 + 1000.0f * (2 * 64 + 1 * 8 + 3)); // Lane 5: row 1, columns 2 and 3.
  EXPECT_NE(say(begin + end), "");
  expectCaught("misaligned",
               begin + "__syncwarp(); unsigned r[4]; loadMatrices(r, m + 4); out[0] = r[0];");
}

const std::string barrier =
    "extern __shared__ __align__(1024) float box[]; __shared__ Barrier full; if (threadIdx.x == 0) "
    "{ initBarrier(&full, 1); fenceBarriers(); } __syncthreads();";

TEST_F(AsyncTest, BoxesComeByBarriers) {
  const Bench::Shape shape{1, 64, 1024};
  const std::string copy = "if (threadIdx.x == 0) { arriveExpecting(&full, 1024); copyBox(box, "
                           "&map, &full, 16, 13); }",
                    wait = "waitBarrier(&full, 0);",
                    store = "for (int i = threadIdx.x; i < 256; i += 64) out[i] = box[i];";
  EncodedTensorMap plain = mapOf(driver::TensorMapSwizzle::None),
                   swizzled = mapOf(driver::TensorMapSwizzle::Bytes128);
  EXPECT_EQ(say(barrier + copy + wait + store, shape, plain), "");
  std::vector<float> got = results(256);
  for (size_t row = 0; row < 8; ++row)
    for (size_t column = 0; column < 32; ++column) {
      bool inside = row + 13 < 20 && column + 16 < 40;
      EXPECT_EQ(got[row * 32 + column], inside ? values[(row + 13) * 40 + column + 16] : 0.0f);
    }
  EXPECT_EQ(say(barrier + copy + wait + store, shape, swizzled), "");
  got = results(256);
  for (size_t column = 0; column < 24; ++column) // Chunks of 16 bytes are permuted by the row.
    EXPECT_EQ(got[3 * 32 + ((column / 4) ^ 3) * 4 + column % 4], values[16 * 40 + column + 16]);

  expectCaught("not brought yet", barrier + copy + "__syncthreads();" + store, shape, plain);
  expectCaught("wait for ever",
               barrier +
                   "if (threadIdx.x == 0) { arriveExpecting(&full, 1028); copyBox(box, &map, "
                   "&full, 16, 13); }" +
                   wait + store,
               shape, plain);
  expectCaught("fenceBarriers",
               "extern __shared__ __align__(1024) float box[]; __shared__ Barrier full; if "
               "(threadIdx.x == 0) initBarrier(&full, 1); __syncthreads();" +
                   copy + wait,
               shape, plain);
  expectCaught("on its way", barrier + copy, shape, plain);
  expectCaught("host GPU", barrier + copy + wait + store + copy, shape,
               plain); // Others may still read it.
  expectCaught("misaligned",
               barrier +
                   "if (threadIdx.x == 0) { arriveExpecting(&full, 1024); copyBox(box + 32, &map, "
                   "&full, 16, 13); }" +
                   wait,
               shape, swizzled);
  expectCaught("no tensor map", barrier + copy + wait, shape);
  // Arrivals of threads order what they did.
  EXPECT_EQ(say("__shared__ Barrier done; __shared__ int x; if (threadIdx.x == 0) { "
                "initBarrier(&done, 32); fenceBarriers(); } __syncthreads(); if (threadIdx.x == "
                "40) x = 5; __syncwarp(); if (threadIdx.x >= 32) arriveBarrier(&done); else { "
                "waitBarrier(&done, 0); out[threadIdx.x] = x; }",
                {1, 64}),
            "");
}

TEST_F(AsyncTest, ProductsOfAWarpgroup) {
  // a (64 x 16) and b (16 x 64) by rows along k, in swizzled rows of 128 bytes; the rest of a row
  // is not read.
  const std::string begin = R"(
  extern __shared__ __align__(1024) unsigned char tiles[];
  auto put = [&](int tile, int row, int k, float x) {
    unsigned at = tile * 8192 + row * 128 + k * 2;
    *(unsigned short *)(tiles + (at ^ (at >> 7 & 7) << 4)) = Brain(x).bits;
  };
  for (int i = threadIdx.x; i < 1024; i += 128) {
    put(0, i / 16, i % 16, i / 16 % 7 + i % 16);
    put(1, i / 16, i % 16, i % 16 - i / 16 % 5);
  }
  float sum[32];
)";
  const std::string
      sync = "__syncthreads();",
      fence = "fenceProxy();", end = R"(
  multiplyGroup<0, 0>(sum, matrixDescriptor(tiles, 16, 1024), matrixDescriptor(tiles + 8192, 16, 1024), 1, Brain());
  multiplyGroup<0, 0>(sum, matrixDescriptor(tiles, 16, 1024), matrixDescriptor(tiles + 8192, 16, 1024), 0, Brain());
  commitProducts();)",
      store = "for (int i = 0; i < 32; ++i) out[(threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + i "
              "% 4 / 2 * 8) * 64 + i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2] = sum[i];";
  const Bench::Shape shape{1, 128, 16384};
  EXPECT_EQ(say(begin + fence + sync + end + "waitProducts<0>();" + store, shape), "");
  std::vector<float> got = results(4096);
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 64; ++j) {
      float want = 0;
      for (int k = 0; k < 16; ++k)
        want += static_cast<float>(2 * (i % 7 + k) * (k - j % 5));
      ASSERT_EQ(got[static_cast<size_t>(i * 64 + j)], want) << i << ", " << j;
    }
  expectCaught("fenceProxy", begin + sync + end + "waitProducts<0>();" + store, shape);
  expectCaught("in flight", begin + fence + sync + end + store, shape);
  EXPECT_EQ(say(begin + fence + sync + end + store + "waitProducts<0>();", shape), "");
  EXPECT_NE(results(1)[0], results(1)[0]); // Sums are NaN until they are waited for.
}

TEST_F(AsyncTest, BlocksOfAClusterShareMemory) {
  const std::string begin = "__shared__ unsigned word[32]; storeToPeer(&word[threadIdx.x], 1 - "
                            "clusterRank(), 100 * clusterRank() + threadIdx.x);",
                    meet = "clusterArrive(); clusterWait();",
                    end = "out[32 * blockIdx.x + threadIdx.x] = word[threadIdx.x];";
  // Nobody may store before its peer runs.
  EXPECT_EQ(say(meet + begin + meet + end, {2, 32, 0, 2}), "");
  EXPECT_EQ(results(64)[3], 103);
  EXPECT_EQ(results(64)[35], 3);
  EXPECT_NE(say(meet + begin + end, {2, 32, 0, 2}), "");
  expectCaught("no such block", "__shared__ unsigned word; storeToPeer(&word, 2, 1);",
               {2, 32, 0, 2});
  expectCaught("wait for ever", "if (clusterRank() == 0) { clusterArrive(); clusterWait(); }",
               {2, 32, 0, 2});
}

} // namespace
} // namespace sinter::test
