// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/TargetInfo.h"

#include <algorithm>
#include <array>
#include <fstream>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sinter {
namespace {

/// The registers of CPUID; default: all zero, as a CPU without the leaf answers.
struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Leaf cpuid([[maybe_unused]] unsigned leaf, [[maybe_unused]] unsigned subleaf = 0) {
  Leaf result;
#if defined(__x86_64__)
  if (!__get_cpuid_count(leaf, subleaf, &result.a, &result.b, &result.c, &result.d))
    return Leaf{};
#endif
  return result;
}

/// Which register states the operating system saves (XCR0).
uint64_t savedStates() {
#if defined(__x86_64__)
  constexpr unsigned osxsave = 1u << 27;
  if (!(cpuid(1).c & osxsave))
    return 0;
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
#else
  return 0;
#endif
}

enum class Register { C1, B7, C7, D7, A71, CExt };

/// Leaf, subleaf and word of a Register.
constexpr TargetInfo::CpuTest places[] = {
    {.leaf = 1, .word = 2}, {.leaf = 7, .word = 1},    {.leaf = 7, .word = 2},
    {.leaf = 7, .word = 3}, {.leaf = 7, .subleaf = 1}, {.leaf = 0x80000001, .word = 2},
};
constexpr uint64_t sse = 0, ymm = 0x6, zmm = 0xe6;

/// An instruction set extension: LLVM's name, where CPUID reports it, what the system must save,
/// and the first x86-64 level that includes it (0: none).
struct Feature {
  const char *name;
  Register where;
  int bit;
  uint64_t states;
  int level;
};
constexpr Feature features[] = {
    {"sse3", Register::C1, 0, sse, 2},          {"ssse3", Register::C1, 9, sse, 2},
    {"cx16", Register::C1, 13, sse, 2},         {"sse4.1", Register::C1, 19, sse, 2},
    {"sse4.2", Register::C1, 20, sse, 2},       {"popcnt", Register::C1, 23, sse, 2},
    {"sahf", Register::CExt, 0, sse, 2},        {"movbe", Register::C1, 22, sse, 3},
    {"fma", Register::C1, 12, ymm, 3},          {"f16c", Register::C1, 29, ymm, 3},
    {"avx", Register::C1, 28, ymm, 3},          {"bmi", Register::B7, 3, sse, 3},
    {"avx2", Register::B7, 5, ymm, 3},          {"bmi2", Register::B7, 8, sse, 3},
    {"lzcnt", Register::CExt, 5, sse, 3},       {"avx512f", Register::B7, 16, zmm, 4},
    {"avx512dq", Register::B7, 17, zmm, 4},     {"avx512cd", Register::B7, 28, zmm, 4},
    {"avx512bw", Register::B7, 30, zmm, 4},     {"avx512vl", Register::B7, 31, zmm, 4},
    {"avx512ifma", Register::B7, 21, zmm, 0},   {"avx512vbmi", Register::C7, 1, zmm, 0},
    {"avx512vbmi2", Register::C7, 6, zmm, 0},   {"avx512vnni", Register::C7, 11, zmm, 0},
    {"avx512bitalg", Register::C7, 12, zmm, 0}, {"avx512vpopcntdq", Register::C7, 14, zmm, 0},
    {"gfni", Register::C7, 8, sse, 0},          {"vaes", Register::C7, 9, ymm, 0},
    {"vpclmulqdq", Register::C7, 10, ymm, 0},   {"avx512fp16", Register::D7, 23, zmm, 0},
    {"avx512bf16", Register::A71, 5, zmm, 0},   {"avxvnni", Register::A71, 4, ymm, 0},
};

/// What this machine offers.
class Cpu {
public:
  Cpu() {
    // Behind a hypervisor every CPUID is a trap: once per place.
    std::array<unsigned, std::size(places)> values;
    for (size_t i = 0; i < values.size(); ++i) {
      Leaf leaf = cpuid(places[i].leaf, places[i].subleaf);
      const unsigned words[] = {leaf.a, leaf.b, leaf.c, leaf.d};
      values[i] = words[places[i].word];
    }
    uint64_t states = savedStates();
    for (size_t i = 0; i < std::size(features); ++i) {
      unsigned value = values[static_cast<size_t>(features[i].where)];
      present[i] =
          (value >> features[i].bit & 1) && (states & features[i].states) == features[i].states;
    }
    Leaf one = cpuid(1);
    family = one.a >> 8 & 0xf;
    model = one.a >> 4 & 0xf;
    if (family == 0xf || family == 6)
      model |= one.a >> 12 & 0xf0;
    if (family == 0xf)
      family += one.a >> 20 & 0xff;
    constexpr unsigned amdSignature = 0x68747541, intelSignature = 0x756e6547; // "Auth", "Genu"
    vendor = cpuid(0).b;
    isAmd = vendor == amdSignature;
    isIntel = vendor == intelSignature;
  }

  bool has(std::string_view name) const {
    for (size_t i = 0; i < std::size(features); ++i)
      if (name == features[i].name)
        return present[i];
    return false;
  }
  bool hasLevel(int level) const {
#if !defined(__x86_64__)
    return false;
#endif
    for (size_t i = 0; i < std::size(features); ++i)
      if (features[i].level != 0 && features[i].level <= level && !present[i])
        return false;
    return true;
  }
  std::string featureString() const {
    std::string text;
    for (size_t i = 0; i < std::size(features); ++i)
      text += std::string(text.empty() ? "" : ",") + (present[i] ? '+' : '-') + features[i].name;
    return text;
  }

  /// LLVM's name of the CPU when it is one we know and, behind a hypervisor, still as capable as
  /// its level; else its level.
  std::string name() const {
    auto within = [&](unsigned low, unsigned high) { return model >= low && model <= high; };
    if (isAmd && hasLevel(3)) {
      if (family == 0x17)
        return within(0x30, 0x3f) || model == 0x47 || within(0x60, 0x7f) || within(0x84, 0x87) ||
                       within(0x90, 0xaf)
                   ? "znver2"
                   : "znver1";
      if (family == 0x19 && hasLevel(4) &&
          (within(0x10, 0x1f) || within(0x60, 0x7f) || within(0xa0, 0xaf)))
        return "znver4";
      if (family == 0x19)
        return "znver3";
      if (family == 0x1a && hasLevel(4))
        return "znver5";
    }
    if (isIntel && family == 6) {
      if (std::string known = intelName(); !known.empty())
        return known;
    }
    return levelName();
  }

private:
  std::string intelName() const {
    if (hasLevel(4)) {
      switch (model) {
      case 0x55:
        return has("avx512bf16")   ? "cooperlake"
               : has("avx512vnni") ? "cascadelake"
                                   : "skylake-avx512";
      case 0x6a:
      case 0x6c:
        return "icelake-server";
      case 0x7d:
      case 0x7e:
        return "icelake-client";
      case 0x8c:
      case 0x8d:
        return "tigerlake";
      case 0xa7:
        return "rocketlake";
      case 0x8f:
        return "sapphirerapids";
      case 0xcf:
        return "emeraldrapids";
      case 0xad:
        return "graniterapids";
      default:
        return "";
      }
    }
    if (!hasLevel(3))
      return "";
    switch (model) {
    case 0x3c:
    case 0x3f:
    case 0x45:
    case 0x46:
      return "haswell";
    case 0x3d:
    case 0x47:
    case 0x4f:
    case 0x56:
      return "broadwell";
    case 0x4e:
    case 0x5e:
    case 0x8e:
    case 0x9e:
    case 0xa5:
    case 0xa6:
      return "skylake";
    case 0x97:
    case 0x9a:
    case 0xbe:
      return "alderlake";
    case 0xb7:
    case 0xba:
    case 0xbf:
      return "raptorlake";
    default:
      return "";
    }
  }
  std::string levelName() const {
    for (int level = 4; level >= 2; --level)
      if (hasLevel(level))
        return "x86-64-v" + std::to_string(level);
    return "x86-64";
  }

  std::array<bool, std::size(features)> present = {};
  unsigned family = 0, model = 0, vendor = 0;
  bool isAmd = false, isIntel = false;
};

/// "32K", "1M" of sysfs; `otherwise` when it is not there.
int64_t cacheBytes(int level, int64_t otherwise) {
  for (int index = 0; index < 8; ++index) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    int found = 0;
    int64_t size = 0;
    std::string type, unit;
    std::ifstream(folder + "level") >> found;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> size >> unit;
    if (found == level && type != "Instruction" && size > 0 && size < (1 << 20))
      return size << (unit == "K" ? 10 : unit == "M" ? 20 : 0);
  }
  return otherwise;
}

void setVectors(TargetInfo &info, bool avx512, bool avx2, bool fma) {
  info.vectorBytes = avx512 ? 64 : avx2 ? 32 : 16;
  info.vectorRegisters = avx512 ? 32 : 16;
  info.hasFma = fma;
}

constexpr const char *aarch64 = "aarch64";
constexpr const char *levels[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
constexpr const char *gpus[] = {"sm_75",   "sm_80",  "sm_86",  "sm_87",   "sm_89",
                                "sm_90",   "sm_90a", "sm_100", "sm_100a", "sm_103",
                                "sm_103a", "sm_120", "sm_120a"};

/// 1 to 4, or 0 when `arch` is no level.
int levelOf(std::string_view arch) {
  for (int i = 0; i < 4; ++i)
    if (arch == levels[i])
      return i + 1;
  return 0;
}

[[noreturn]] void unknownTarget(std::string_view text) {
  std::vector<std::string> all = {"cpu", "cpu:native", "cuda"};
  for (const char *level : levels)
    all.push_back(std::string("cpu:") + level);
  all.push_back(std::string("cpu:") + aarch64);
  for (const char *gpu : gpus)
    all.push_back(std::string("cuda:") + gpu);
  std::string known;
  for (const std::string &target : all)
    known += (known.empty() ? "" : ", ") + target;
  throw Error({.code = ErrorCode::Usage, .hint = "targets: " + known},
              "unknown target '" + std::string(text) + "'" + didYouMean(text, all));
}

/// Code for any 64-bit Arm CPU: NEON, fused multiply-add and f16 conversions are in all of them.
TargetInfo genericArm() {
  TargetInfo info;
  info.isa = TargetInfo::Isa::Aarch64;
  info.arch = aarch64;
  info.vectorBytes = 16;
  info.vectorRegisters = 32;
  info.hasFma = info.hasF16c = true;
  return info;
}

#if defined(__aarch64__)
constexpr TargetInfo::Isa hostIsa = TargetInfo::Isa::Aarch64;
#else
constexpr TargetInfo::Isa hostIsa = TargetInfo::Isa::X86_64;
#endif

/// Calls visit(name) for every "+name" of a feature string.
template <typename Visit> void forEachRequired(std::string_view features, Visit visit) {
  while (!features.empty()) {
    size_t comma = std::min(features.find(','), features.size());
    std::string_view feature = features.substr(0, comma);
    features.remove_prefix(std::min(comma + 1, features.size()));
    if (feature.starts_with('+'))
      visit(feature.substr(1));
  }
}

} // namespace

TargetInfo TargetInfo::host() {
  if (hostIsa == Isa::Aarch64)
    return genericArm();
  Cpu cpu;
  TargetInfo info;
  info.arch = cpu.name();
  info.features = cpu.featureString();
  setVectors(info, cpu.hasLevel(4), cpu.has("avx2"), cpu.has("fma"));
  info.hasF16c = cpu.has("f16c");
  info.l1Bytes = cacheBytes(1, info.l1Bytes);
  info.l2Bytes = cacheBytes(2, info.l2Bytes);
  return info;
}

TargetInfo TargetInfo::parse(std::string_view text) {
  if (text == "cpu" || text == "cpu:native")
    return host();
  TargetInfo info;
  if (text.starts_with("cpu:")) {
    info.arch = text.substr(4, text.find(',') - 4);
    if (size_t comma = text.find(','); comma != std::string_view::npos) {
      info.features = text.substr(comma + 1);
      auto has = [&](std::string_view name) {
        return ("," + info.features + ",").find("," + std::string(name) + ",") != std::string::npos;
      };
      if (info.arch == aarch64 || info.arch.empty()) // Its features are those of every such CPU.
        unknownTarget(text);
      const int level = levelOf(info.arch);
      setVectors(info, level >= 4 || (has("+avx512f") && has("+avx512dq")),
                 level >= 3 || has("+avx2"), level >= 3 || has("+fma"));
      info.hasF16c = level >= 3 || has("+f16c");
      return info;
    }
    if (info.arch == aarch64)
      return genericArm();
    int level = levelOf(info.arch);
    if (level == 0)
      unknownTarget(text);
    setVectors(info, level >= 4, level >= 3, level >= 3);
    info.hasF16c = level >= 3;
    return info;
  }
  info.kind = Kind::Cuda;
  if (text == "cuda")
    return info;
  if (!text.starts_with("cuda:"))
    unknownTarget(text);
  info.arch = text.substr(5);
  if (std::find(std::begin(gpus), std::end(gpus), info.arch) == std::end(gpus))
    unknownTarget(text);
  return info;
}

void TargetInfo::requireRunnable() const {
  if (kind == Kind::Cuda)
    throw Error({.kind = ErrorKind::Device, .hint = "a CudaDevice runs it"},
                "the CPU cannot run '" + str() + "'");
  if (isa != hostIsa)
    throw Error({.kind = ErrorKind::Device, .hint = "such code is for another machine"},
                "this machine cannot run '" + str() + "': it has another instruction set");
  if (isa == Isa::Aarch64)
    return;
  Cpu cpu;
  auto require = [&](bool available, const std::string &what) {
    if (!available)
      throw Error({.kind = ErrorKind::Device, .hint = "this machine is " + cpu.name()},
                  "this machine cannot run '" + str() + "': it lacks " + what);
  };
  if (int level = levelOf(arch); level != 0) {
    for (const Feature &feature : sinter::features)
      if (feature.level != 0 && feature.level <= level)
        require(cpu.has(feature.name), feature.name);
    require(cpu.hasLevel(level), arch);
  }
  forEachRequired(features,
                  [&](std::string_view name) { require(cpu.has(name), std::string(name)); });
}

TargetInfo::CpuTests TargetInfo::cpuTests() const {
  CpuTests tests;
  if (kind != Kind::Cpu || isa != Isa::X86_64)
    return tests;
  auto need = [&](const Feature &feature) {
    tests.savedStates |= feature.states;
    const CpuTest &place = places[static_cast<size_t>(feature.where)];
    auto found = std::find_if(tests.words.begin(), tests.words.end(), [&](const CpuTest &test) {
      return test.leaf == place.leaf && test.subleaf == place.subleaf && test.word == place.word;
    });
    if (found == tests.words.end())
      found = tests.words.insert(tests.words.end(), place);
    found->mask |= 1u << feature.bit;
  };
  const int level = levelOf(arch);
  for (const Feature &feature : sinter::features)
    if (feature.level != 0 && feature.level <= level)
      need(feature);
  forEachRequired(features, [&](std::string_view name) {
    for (const Feature &feature : sinter::features)
      if (name == feature.name)
        need(feature);
  });
  return tests;
}

std::vector<TargetInfo> TargetInfo::parseList(std::string_view text) {
  std::vector<TargetInfo> targets;
  while (true) {
    // What follows a comma is another target, or a feature of this one.
    size_t end = text.find(',');
    while (end + 1 < text.size() && end != text.npos &&
           (text[end + 1] == '+' || text[end + 1] == '-'))
      end = text.find(',', end + 1);
    targets.push_back(parse(text.substr(0, end)));
    if (end == text.npos)
      return targets;
    text.remove_prefix(end + 1);
  }
}

std::string TargetInfo::exactStr() const {
  if (kind == Kind::Cuda || features.empty())
    return str();
  return "cpu:" + arch + "," + features;
}

std::string TargetInfo::str() const {
  if (kind == Kind::Cuda)
    return arch.empty() ? "cuda" : "cuda:" + arch;
  const bool isNamed = features.empty() && (levelOf(arch) != 0 || isa == Isa::Aarch64);
  return isNamed ? "cpu:" + arch : "cpu:native";
}

} // namespace sinter
