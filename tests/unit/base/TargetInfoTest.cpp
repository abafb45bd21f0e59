// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/TargetInfo.h"

#include <gtest/gtest.h>

using namespace sinter;

namespace {

TEST(TargetInfoTest, TextRoundTrips) {
  for (const char *text : {"cpu:native", "cpu:x86-64", "cpu:x86-64-v2", "cpu:x86-64-v3",
                           "cpu:x86-64-v4", "cpu:aarch64", "cuda", "cuda:sm_80", "cuda:sm_90a", "cuda:sm_100"})
    EXPECT_EQ(TargetInfo::parse(text).str(), text);
  EXPECT_EQ(TargetInfo::parse("cpu").str(), "cpu:native");
}

TEST(TargetInfoTest, LevelsHaveTheirVectors) {
  TargetInfo base = TargetInfo::parse("cpu:x86-64"), v3 = TargetInfo::parse("cpu:x86-64-v3"),
             v4 = TargetInfo::parse("cpu:x86-64-v4");
  EXPECT_EQ(base.vectorBytes, 16);
  EXPECT_FALSE(base.hasFma);
  EXPECT_EQ(v3.vectorBytes, 32);
  EXPECT_EQ(v3.vectorRegisters, 16);
  EXPECT_TRUE(v3.hasFma);
  EXPECT_EQ(v4.vectorBytes, 64);
  EXPECT_EQ(v4.vectorRegisters, 32);
  EXPECT_EQ(v4.arch, "x86-64-v4");
  EXPECT_EQ(v4.features, "");
  EXPECT_EQ(TargetInfo::parse("cuda:sm_90a").kind, TargetInfo::Kind::Cuda);
}

TEST(TargetInfoTest, UnknownTargetsAreUsageErrors) {
  for (const char *text : {"", "cpu:", "cpu:x86-64-v5", "cpu:aarch64,+sve", "cpu:,+avx", "gpu", "cuda:", "cuda:sm_1", "cpu:nativ"}) {
    try {
      TargetInfo::parse(text);
      ADD_FAILURE() << text;
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Usage) << text;
    }
  }
  try {
    TargetInfo::parse("cpu:nativ");
  } catch (const Error &error) {
    EXPECT_NE(error.message().find("did you mean 'cpu:native'?"), std::string::npos);
  }
}

TEST(TargetInfoTest, ListsAreCutBetweenTargets) {
  auto texts = [](std::string_view list) {
    std::vector<std::string> result;
    for (const TargetInfo &target : TargetInfo::parseList(list))
      result.push_back(target.exactStr());
    return result;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts("cpu:x86-64"), Texts{"cpu:x86-64"});
  EXPECT_EQ(texts("cpu:x86-64-v2,cpu:x86-64-v3"), (Texts{"cpu:x86-64-v2", "cpu:x86-64-v3"}));
  EXPECT_EQ(texts("cpu:x86-64,+avx,-fma,cpu:aarch64"), (Texts{"cpu:x86-64,+avx,-fma", "cpu:aarch64"}));
  for (const char *text : {"", ",", "cpu:x86-64,", ",cpu:x86-64", "cpu:x86-64,,cpu:aarch64", "cpu:x86-64 cpu:aarch64"})
    EXPECT_THROW(TargetInfo::parseList(text), Error) << text;
}

TEST(TargetInfoTest, AnotherInstructionSetIsNotRunnable) {
#if defined(__x86_64__)
  TargetInfo arm = TargetInfo::parse("cpu:aarch64");
  EXPECT_EQ(arm.isa, TargetInfo::Isa::Aarch64);
  EXPECT_EQ(arm.vectorBytes, 16);
  EXPECT_EQ(arm.vectorRegisters, 32);
  EXPECT_TRUE(arm.hasFma);
  try {
    arm.requireRunnable();
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::Device);
    EXPECT_NE(error.message().find("another instruction set"), std::string::npos);
  }
#endif
}

// What generated code asks of CPUID is what requireRunnable() asks.
TEST(TargetInfoTest, CpuTestsNameEveryBit) {
  EXPECT_TRUE(TargetInfo::parse("cpu:x86-64").cpuTests().words.empty());
  EXPECT_TRUE(TargetInfo::parse("cpu:aarch64").cpuTests().words.empty());
  auto bits = [](const TargetInfo &target) {
    int count = 0;
    for (const TargetInfo::CpuTest &test : target.cpuTests().words)
      count += __builtin_popcount(test.mask);
    return count;
  };
  EXPECT_EQ(bits(TargetInfo::parse("cpu:x86-64-v2")), 7);
  EXPECT_EQ(bits(TargetInfo::parse("cpu:x86-64-v3")), 7 + 8);
  EXPECT_EQ(bits(TargetInfo::parse("cpu:x86-64-v4")), 7 + 8 + 5);
  EXPECT_EQ(bits(TargetInfo::parse("cpu:x86-64-v2,+avx,-fma")), 7 + 1);
  EXPECT_EQ(TargetInfo::parse("cpu:x86-64-v2").cpuTests().savedStates, 0u);
  EXPECT_EQ(TargetInfo::parse("cpu:x86-64-v3").cpuTests().savedStates, 0x6u);
  EXPECT_EQ(TargetInfo::parse("cpu:x86-64-v4").cpuTests().savedStates, 0xe6u);
}

TEST(TargetInfoTest, TheHostRunsItself) {
  TargetInfo host = TargetInfo::host();
  EXPECT_EQ(host.kind, TargetInfo::Kind::Cpu);
  EXPECT_FALSE(host.arch.empty());
  EXPECT_FALSE(host.features.empty());
  EXPECT_GE(host.vectorBytes, 16);
  EXPECT_GE(host.l1Bytes, 4 << 10);
  EXPECT_GE(host.l2Bytes, host.l1Bytes);
  EXPECT_NO_THROW(host.requireRunnable());
  EXPECT_NO_THROW(TargetInfo::parse("cpu:x86-64").requireRunnable());
#if defined(__x86_64__)
  EXPECT_EQ(host.features.find("+avx2") != std::string::npos, !!__builtin_cpu_supports("avx2"));
  EXPECT_EQ(host.features.find("+avx512f") != std::string::npos,
            !!__builtin_cpu_supports("avx512f"));
  EXPECT_EQ(host.hasFma, !!__builtin_cpu_supports("fma"));
#endif
}

TEST(TargetInfoTest, ExactTextSpellsThisMachineOut) {
  TargetInfo host = TargetInfo::host();
  EXPECT_EQ(host.exactStr().substr(0, 5 + host.arch.size()), "cpu:" + host.arch + ",");
  TargetInfo again = TargetInfo::parse(host.exactStr());
  EXPECT_EQ(again.features, host.features);
  EXPECT_EQ(again.vectorBytes, host.vectorBytes);
  EXPECT_EQ(again.hasFma, host.hasFma);
  EXPECT_NO_THROW(again.requireRunnable());
  EXPECT_EQ(TargetInfo::parse("cpu:x86-64-v3").exactStr(), "cpu:x86-64-v3");
  EXPECT_THROW(TargetInfo::parse(host.exactStr() + ",+avx1024").requireRunnable(), Error);
}

TEST(TargetInfoTest, MissingMachinesAreDeviceErrors) {
  auto isDevice = [](const TargetInfo &info) {
    try {
      info.requireRunnable();
    } catch (const Error &error) {
      return error.kind() == ErrorKind::Device && error.code() == ErrorCode::Device;
    }
    return false;
  };
  EXPECT_TRUE(isDevice(TargetInfo::parse("cuda:sm_90")));
  TargetInfo future = TargetInfo::host();
  future.features += ",+avx1024";
  EXPECT_TRUE(isDevice(future));
}

} // namespace
