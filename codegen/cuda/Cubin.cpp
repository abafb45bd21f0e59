// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/Cubin.h"

#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <map>

namespace sinter::cuda {

namespace {

constexpr uint16_t machineCuda = 190;

// Records of a section .nv.info: a format, an attribute, then a value of 16 bits or the length of
// what follows.
constexpr uint8_t formatSized = 4;
constexpr uint8_t attributeRegisters = 0x2f, attributeFrame = 0x11;

// Instructions are 16 bytes; the low 12 bits tell which.
constexpr uint64_t instructionBytes = 16, opcodeMask = 0xfff;
constexpr uint64_t loadLocal = 0x983, storeLocal = 0x387;

/// From sm_90 on a kernel's own shared memory lies behind what the system keeps for itself.
constexpr int64_t systemShared = 1024;

class Elf {
public:
  explicit Elf(std::string_view bytes) : bytes(bytes) {
    header = read<Elf64_Ehdr>(0);
    if (header.e_shentsize != sizeof(Elf64_Shdr))
      fail();
    for (uint64_t i = 0; i < header.e_shnum; ++i)
      sections.push_back(read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)));
  }

  template <typename T> T read(uint64_t offset) const {
    T value;
    std::memcpy(&value, slice(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view slice(uint64_t offset, uint64_t size) const {
    if (offset > bytes.size() || size > bytes.size() - offset)
      fail();
    return bytes.substr(offset, size);
  }
  const Elf64_Shdr &at(size_t index) const {
    if (index >= sections.size())
      fail();
    return sections[index];
  }
  std::string_view contents(const Elf64_Shdr &section) const {
    return section.sh_type == SHT_NOBITS ? std::string_view()
                                         : slice(section.sh_offset, section.sh_size);
  }
  std::string_view text(const Elf64_Shdr &strings, uint64_t offset) const {
    std::string_view all = contents(strings);
    size_t end = offset < all.size() ? all.find('\0', offset) : std::string_view::npos;
    if (end == std::string_view::npos)
      fail();
    return all.substr(offset, end - offset);
  }
  std::string_view name(const Elf64_Shdr &section) const {
    return text(at(header.e_shstrndx), section.sh_name);
  }
  [[noreturn]] static void fail() {
    throw Error({.kind = ErrorKind::Internal, .op = "cubin"}, "a damaged cubin");
  }

  std::string_view bytes;
  Elf64_Ehdr header;
  std::vector<Elf64_Shdr> sections;
};

template <typename T> T readAt(std::string_view bytes, size_t offset) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset)
    Elf::fail();
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Calls use(attribute, symbol, value) for the records that give a number for a symbol.
template <typename Use> void forEachRecord(std::string_view records, Use use) {
  for (size_t at = 0; at < records.size();) {
    const auto format = readAt<uint8_t>(records, at), attribute = readAt<uint8_t>(records, at + 1);
    const auto size = readAt<uint16_t>(records, at + 2);
    at += 4;
    if (format != formatSized)
      continue;
    if (size > records.size() - at)
      Elf::fail();
    if (size == 8)
      use(attribute, readAt<uint32_t>(records, at), readAt<uint32_t>(records, at + 4));
    at += size;
  }
}

/// What a multiprocessor has. Limits are those of the programming guide's table of compute
/// capabilities.
struct Limits {
  int arch;
  int64_t warps, blocks, sharedBytes;
};
constexpr Limits limitsTable[] = {
    {80, 64, 32, 164 << 10},  {86, 48, 16, 100 << 10},  {87, 48, 16, 164 << 10},
    {89, 48, 24, 100 << 10},  {90, 64, 32, 228 << 10},  {100, 64, 32, 228 << 10},
    {103, 64, 32, 228 << 10}, {120, 48, 24, 100 << 10},
};
constexpr int64_t registersOfAll = 65536, registerUnit = 256, sharedUnit = 128, warpThreads = 32,
                  warpUnit = 4;

int64_t roundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

} // namespace

std::vector<KernelResources> readCubin(std::string_view image) {
  if (image.size() < sizeof(Elf64_Ehdr) || std::memcmp(image.data(), ELFMAG, SELFMAG) != 0 ||
      readAt<Elf64_Ehdr>(image, 0).e_machine != machineCuda)
    return {};
  Elf elf(image);
  std::map<std::string, KernelResources, std::less<>> kernels;
  constexpr std::string_view infoPrefix = ".nv.info.", codePrefix = ".text.",
                             sharedPrefix = ".nv.shared.";
  for (const Elf64_Shdr &section : elf.sections)
    if (std::string_view name = elf.name(section); name.starts_with(infoPrefix))
      kernels[std::string(name.substr(infoPrefix.size()))] = {};
  const Elf64_Shdr *symbols = nullptr;
  for (const Elf64_Shdr &section : elf.sections) {
    if (section.sh_type == SHT_SYMTAB)
      symbols = &section;
    const std::string_view name = elf.name(section);
    if (name.starts_with(codePrefix)) {
      auto kernel = kernels.find(name.substr(codePrefix.size()));
      if (kernel == kernels.end())
        continue;
      const std::string_view code = elf.contents(section);
      kernel->second.codeBytes = static_cast<int64_t>(code.size());
      for (size_t at = 0; at + instructionBytes <= code.size(); at += instructionBytes) {
        const uint64_t opcode = readAt<uint64_t>(code, at) & opcodeMask;
        kernel->second.localLoads += opcode == loadLocal;
        kernel->second.localStores += opcode == storeLocal;
      }
    } else if (name.starts_with(sharedPrefix)) {
      if (auto kernel = kernels.find(name.substr(sharedPrefix.size())); kernel != kernels.end())
        kernel->second.sharedBytes = static_cast<int64_t>(section.sh_size);
    }
  }
  bool reserves = false; // sm_90 and later.
  for (const Elf64_Shdr &section : elf.sections) {
    const std::string_view name = elf.name(section);
    reserves |= name == ".nv.shared.reserved.0";
    if (name != ".nv.info")
      continue;
    forEachRecord(elf.contents(section), [&](uint8_t attribute, uint32_t symbol, uint32_t value) {
      if (!symbols || (attribute != attributeRegisters && attribute != attributeFrame))
        return;
      const auto entry =
          readAt<Elf64_Sym>(elf.contents(*symbols), symbol * uint64_t{sizeof(Elf64_Sym)});
      // The number is that of the function, or of the section that holds it.
      std::string_view function = elf.text(elf.at(symbols->sh_link), entry.st_name);
      if (function.starts_with(codePrefix))
        function.remove_prefix(codePrefix.size());
      auto kernel = kernels.find(function);
      if (kernel == kernels.end())
        return;
      (attribute == attributeRegisters ? kernel->second.registers : kernel->second.stackBytes) =
          value;
    });
  }
  std::vector<KernelResources> result;
  for (auto &[name, kernel] : kernels) {
    kernel.name = name;
    if (reserves)
      kernel.sharedBytes = std::max<int64_t>(0, kernel.sharedBytes - systemShared);
    result.push_back(std::move(kernel));
  }
  return result;
}

Occupancy occupancyOf(std::string_view arch, const KernelResources &kernel, int64_t threads,
                      int64_t dynamicBytes) {
  const int number = arch.starts_with("sm_") ? std::atoi(std::string(arch.substr(3)).c_str()) : 0;
  const Limits *limits = std::end(limitsTable) - 1;
  for (const Limits &row : limitsTable)
    if (row.arch == number)
      limits = &row;
  Occupancy result;
  result.maxWarps = limits->warps;
  const int64_t warps = std::max<int64_t>(1, (threads + warpThreads - 1) / warpThreads);
  const int64_t perWarp =
      roundUp(std::max<int64_t>(1, kernel.registers) * warpThreads, registerUnit);
  const int64_t fitting = registersOfAll / perWarp / warpUnit * warpUnit;
  const int64_t shared = roundUp(kernel.sharedBytes + dynamicBytes + systemShared, sharedUnit);
  const std::pair<int64_t, std::string_view> all[] = {
      {limits->warps / warps, "warps"},
      {limits->blocks, "blocks"},
      {fitting / warps, "registers"},
      {limits->sharedBytes / shared, "shared memory"}};
  const auto &least = *std::min_element(std::begin(all), std::end(all),
                                        [](auto &a, auto &b) { return a.first < b.first; });
  result.blocks = least.first;
  result.limit = least.second;
  result.warps = result.blocks * warps;
  return result;
}

} // namespace sinter::cuda
