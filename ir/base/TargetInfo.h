// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// What code is generated for.
struct TargetInfo {
  enum class Kind { Cpu, Cuda };
  /// The instruction set of a CPU.
  enum class Isa : uint8_t { X86_64, Aarch64 };

  Kind kind = Kind::Cpu;
  Isa isa = Isa::X86_64;
  /// LLVM CPU name ("znver4", "x86-64-v3", "x86-64") or GPU architecture ("sm_90a").
  std::string arch;
  /// LLVM feature string ("+avx512f,…"); empty for named levels.
  std::string features;
  /// Widest vector register to use, in bytes: 64 AVX-512, 32 AVX2, 16 baseline.
  int vectorBytes = 16;
  /// Architectural vector registers of that width.
  int vectorRegisters = 16;
  bool hasFma = false;
  bool hasF16c = false; ///< Conversions between f16 and f32.
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 1 << 20;

  /// This machine, from CPUID and sysfs.
  static TargetInfo host();
  /// "cpu", "cpu:native", "cpu:x86-64", "cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4",
  /// "cpu:aarch64" (NEON), "cuda", "cuda:sm_80|sm_90|sm_90a|sm_100…". Throws Error(Usage) with a
  /// 'did you mean'.
  static TargetInfo parse(std::string_view text);
  /// One or several targets with commas between them.
  static std::vector<TargetInfo> parseList(std::string_view text);
  /// Throws Error(Device) when this machine cannot run code for the target.
  void requireRunnable() const;
  /// The text form that parse() accepts: "cpu:native" for this machine.
  std::string str() const;
  /// As str(), but this machine is spelled out ("cpu:znver4,+avx512f,…"), so that another one that
  /// reads the text can tell whether it can run the code. parse() accepts it.
  std::string exactStr() const;

  /// A word of CPUID (x86) of which code for the target needs some bits.
  struct CpuTest {
    uint32_t leaf = 0, subleaf = 0;
    uint32_t word = 0; ///< 0 to 3: eax, ebx, ecx, edx.
    uint32_t mask = 0;
  };
  /// What a machine has to offer before code for the target may run there.
  struct CpuTests {
    std::vector<CpuTest> words;
    uint64_t savedStates = 0; ///< Bits of XCR0: registers that the operating system must save.
  };
  CpuTests cpuTests() const;
};

} // namespace sinter
#pragma GCC visibility pop
