// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ElfObject.h"

#include "sinter/ir/base/Error.h"

namespace sinter::cpu {

namespace {

[[noreturn]] void fail(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, "object loader: " + message);
}

template <typename T> void patch(std::string &bytes, uint64_t offset, const T &value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

} // namespace

ElfObject::ElfObject(std::string_view bytes) : bytes(bytes), header(read<Elf64_Ehdr>(0)) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_type != ET_REL ||
      (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64) ||
      header.e_shentsize != sizeof(Elf64_Shdr))
    fail("not an ELF object for x86-64 or aarch64");
  sections = readAll<Elf64_Shdr>(header.e_shoff, header.e_shnum);
  for (size_t i = 0; i < sections.size(); ++i)
    if (sections[i].sh_type == SHT_SYMTAB) {
      symbols = readAll<Elf64_Sym>(sections[i].sh_offset, sections[i].sh_size / sizeof(Elf64_Sym));
      names = contents(at(sections[i].sh_link));
      symbolSection = i;
    }
}

std::string_view ElfObject::slice(uint64_t offset, uint64_t size) const {
  if (offset > bytes.size() || size > bytes.size() - offset)
    failTruncated();
  return bytes.substr(offset, size);
}

const Elf64_Shdr &ElfObject::at(size_t index) const {
  if (index >= sections.size())
    fail("section number out of range");
  return sections[index];
}

std::string_view ElfObject::name(const Elf64_Sym &symbol) const {
  if (symbol.st_name >= names.size())
    fail("symbol name out of range");
  std::string_view rest = names.substr(symbol.st_name);
  return rest.substr(0, rest.find('\0'));
}

void ElfObject::failTruncated() { fail("truncated object"); }

std::string renameSymbol(std::string_view object, std::string_view from, std::string_view to) {
  ElfObject elf(object);
  size_t number = 0;
  while (number < elf.symbols.size() && (ELF64_ST_BIND(elf.symbols[number].st_info) != STB_GLOBAL ||
                                         elf.name(elf.symbols[number]) != from))
    ++number;
  if (number == elf.symbols.size())
    fail("no symbol '" + std::string(from) + "'");
  // A longer copy of the string table at the end: what else refers to it finds the same places.
  Elf64_Shdr table = elf.at(elf.sections[elf.symbolSection].sh_link);
  const uint64_t tableHeader =
      elf.header.e_shoff + elf.sections[elf.symbolSection].sh_link * sizeof(Elf64_Shdr);
  const uint64_t symbolPlace =
      elf.sections[elf.symbolSection].sh_offset + number * sizeof(Elf64_Sym);
  Elf64_Sym symbol = elf.symbols[number];
  symbol.st_name = static_cast<Elf64_Word>(elf.names.size());

  std::string result(object);
  table.sh_offset = result.size();
  result.append(elf.names).append(to).push_back('\0');
  table.sh_size = result.size() - table.sh_offset;
  patch(result, tableHeader, table);
  patch(result, symbolPlace, symbol);
  return result;
}

} // namespace sinter::cpu
