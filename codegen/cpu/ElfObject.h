// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// A relocatable ELF object for x86-64 or aarch64, every access checked. The bytes must outlive it. Throws
/// Error(Internal) where they are no such object.
struct ElfObject {
  explicit ElfObject(std::string_view bytes);

  template <typename T> T read(uint64_t offset) const {
    T value;
    std::memcpy(&value, slice(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <typename T> std::vector<T> readAll(uint64_t offset, uint64_t count) const {
    if (count > bytes.size() / sizeof(T))
      failTruncated();
    std::vector<T> values(count);
    if (count)
      std::memcpy(values.data(), slice(offset, count * sizeof(T)).data(), count * sizeof(T));
    return values;
  }
  std::string_view slice(uint64_t offset, uint64_t size) const;
  const Elf64_Shdr &at(size_t index) const;
  std::string_view contents(const Elf64_Shdr &section) const {
    return slice(section.sh_offset, section.sh_size);
  }
  std::string_view name(const Elf64_Sym &symbol) const;

  std::string_view bytes;
  Elf64_Ehdr header;
  std::vector<Elf64_Shdr> sections;
  std::vector<Elf64_Sym> symbols;
  std::string_view names;
  size_t symbolSection = 0;

private:
  [[noreturn]] static void failTruncated();
};

/// The object with its global symbol `from` called `to`. Throws Error(Internal) when it has none.
std::string renameSymbol(std::string_view object, std::string_view from, std::string_view to);

} // namespace sinter::cpu
