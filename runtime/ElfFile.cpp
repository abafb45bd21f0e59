// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/ElfFile.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cstring>
#include <elf.h>

namespace sinter {

[[noreturn]] static void fail(const char *reason) {
  throw Error({.kind = ErrorKind::Device}, reason);
}

std::string_view ElfFile::slice(uint64_t offset, uint64_t size) const {
  if (offset > bytes.size() || size > bytes.size() - offset)
    fail("it is truncated or damaged");
  return bytes.substr(offset, size);
}

template <typename T> T ElfFile::read(uint64_t offset) const {
  T value;
  std::memcpy(&value, slice(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

#if defined(__aarch64__)
static constexpr auto hostMachine = EM_AARCH64;
#else
static constexpr auto hostMachine = EM_X86_64;
#endif

ElfFile::ElfFile(std::string_view bytes) : bytes(bytes) {
  if (!bytes.starts_with(std::string_view(ELFMAG, SELFMAG)))
    fail("it is not an ELF file");
  auto header = read<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != hostMachine)
    fail(header.e_machine == EM_AARCH64  ? "it is built for aarch64"
         : header.e_machine == EM_X86_64 ? "it is built for x86-64"
                                         : "it is not built for this machine");
  if (header.e_type != ET_DYN)
    fail("it is not a shared library");
  if ((header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)) ||
      (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)))
    fail("it is truncated or damaged");
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    auto segment = read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_LOAD)
      continue;
    slice(segment.p_offset, segment.p_filesz);
    segments.push_back({segment.p_vaddr, segment.p_offset, segment.p_filesz});
  }
  auto section = [&](uint64_t i) {
    if (i >= header.e_shnum)
      fail("it is truncated or damaged");
    return read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
  };
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr symbols = section(i);
    if (symbols.sh_type != SHT_DYNSYM)
      continue;
    Elf64_Shdr strings = section(symbols.sh_link);
    readSymbols(symbols.sh_offset, symbols.sh_size, slice(strings.sh_offset, strings.sh_size));
  }
}

void ElfFile::readSymbols(uint64_t symbolOffset, uint64_t symbolBytes, std::string_view names) {
  slice(symbolOffset, symbolBytes);
  for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbolBytes; at += sizeof(Elf64_Sym)) {
    auto symbol = read<Elf64_Sym>(symbolOffset + at);
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size())
      continue;
    std::string_view name = names.substr(symbol.st_name);
    if (size_t end = name.find('\0'); end != std::string_view::npos && end != 0)
      defined.push_back({name.substr(0, end), symbol.st_value, symbol.st_size});
  }
}

std::vector<std::string_view> ElfFile::symbols() const {
  std::vector<std::string_view> names;
  for (const Symbol &symbol : defined)
    names.push_back(symbol.name);
  return names;
}

std::optional<std::string_view> ElfFile::from(std::string_view name, uint64_t *size) const {
  auto symbol =
      std::find_if(defined.begin(), defined.end(), [&](const Symbol &s) { return s.name == name; });
  if (symbol == defined.end())
    return std::nullopt;
  if (size)
    *size = symbol->size;
  for (const Segment &segment : segments) {
    if (symbol->address < segment.address || symbol->address - segment.address >= segment.size)
      continue;
    uint64_t skip = symbol->address - segment.address;
    return slice(segment.offset + skip, segment.size - skip);
  }
  return std::nullopt;
}

std::optional<std::string_view> ElfFile::text(std::string_view name) const {
  std::optional<std::string_view> rest = from(name);
  size_t end = rest ? rest->find('\0') : std::string_view::npos;
  if (end == std::string_view::npos)
    return std::nullopt;
  return rest->substr(0, end);
}

std::optional<std::string_view> ElfFile::content(std::string_view name) const {
  uint64_t size = 0;
  std::optional<std::string_view> rest = from(name, &size);
  if (!rest || size > rest->size())
    return std::nullopt;
  return rest->substr(0, size);
}

} // namespace sinter
