// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Jit.h"

#include "sinter/codegen/cpu/ElfObject.h"
#include "sinter/ir/base/Error.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace sinter::cpu {

namespace {

[[noreturn]] void fail(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, "object loader: " + message);
}

// roundeven is C23; libm has had it since glibc 2.25.
extern "C" {
double roundeven(double) noexcept;
float roundevenf(float) noexcept;
}

struct External {
  std::string_view name;
  void *address;
};

template <typename Result, typename... Arguments>
External external(std::string_view name, Result (*function)(Arguments...)) {
  return {name, reinterpret_cast<void *>(function)};
}

#define SINTER_LIBM_1(name)                                                                        \
  external(#name, static_cast<double (*)(double)>(::name)),                                        \
      external(#name "f", static_cast<float (*)(float)>(::name##f))
#define SINTER_LIBM_2(name)                                                                        \
  external(#name, static_cast<double (*)(double, double)>(::name)),                                \
      external(#name "f", static_cast<float (*)(float, float)>(::name##f))

/// What instruction selection falls back to when the CPU lacks an instruction.
const auto &externals() {
  static const std::array table = {
      external("memcpy", static_cast<void *(*)(void *, const void *, size_t)>(::memcpy)),
      external("memmove", static_cast<void *(*)(void *, const void *, size_t)>(::memmove)),
      external("memset", static_cast<void *(*)(void *, int, size_t)>(::memset)),
      SINTER_LIBM_1(floor),
      SINTER_LIBM_1(ceil),
      SINTER_LIBM_1(trunc),
      SINTER_LIBM_1(round),
      SINTER_LIBM_1(roundeven),
      SINTER_LIBM_1(rint),
      SINTER_LIBM_1(nearbyint),
      SINTER_LIBM_2(fmod),
      SINTER_LIBM_2(fmin),
      SINTER_LIBM_2(fmax),
      external("fma", static_cast<double (*)(double, double, double)>(::fma)),
      external("fmaf", static_cast<float (*)(float, float, float)>(::fmaf)),
      external("ldexp", static_cast<double (*)(double, int)>(::ldexp)),
      external("ldexpf", static_cast<float (*)(float, int)>(::ldexpf)),
  };
  return table;
}

#undef SINTER_LIBM_1
#undef SINTER_LIBM_2

void *findExternal(std::string_view name) {
  for (const External &entry : externals())
    if (entry.name == name)
      return entry.address;
  return nullptr;
}

constexpr size_t roundUp(size_t value, size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// Memory regions by protection, in address order.
enum Region { Text, Constants, Data, NumRegions };

/// One parsed object; section addresses are filled in by the layout.
struct Object : ElfObject {
  explicit Object(std::string_view bytes) : ElfObject(bytes), addresses(sections.size()) {
    if (header.e_machine != EM_X86_64)
      fail("not an x86-64 ELF object");
  }

  static bool isLoaded(const Elf64_Shdr &section) {
    // Unwind tables are of no use to code that cannot throw, and nobody would read them here.
    // Empty sections count: symbols of empty constants have an address too.
    return (section.sh_flags & SHF_ALLOC) && section.sh_type != SHT_X86_64_UNWIND;
  }
  static Region region(const Elf64_Shdr &section) {
    return section.sh_flags & SHF_EXECINSTR ? Text
           : section.sh_flags & SHF_WRITE   ? Data
                                            : Constants;
  }

  std::vector<char *> addresses;
};

/// Places sections, then resolves and relocates. Everything lies in one mapping, so that the 32-bit
/// displacements of the small code model reach.
class Linker {
public:
  explicit Linker(const std::vector<std::string_view> &bytes) {
    objects.reserve(bytes.size());
    for (std::string_view object : bytes)
      objects.emplace_back(object);
  }

  size_t layout() {
    size_t pointers = 0;
    for (const Object &object : objects)
      for (const Elf64_Shdr &section : object.sections) {
        if (section.sh_type == SHT_REL)
          fail("relocations without addends");
        if (section.sh_type == SHT_RELA)
          pointers += section.sh_size / sizeof(Elf64_Rela); // An upper bound of what needs a slot.
        if (!Object::isLoaded(section))
          continue;
        if (section.sh_addralign > 4096 || section.sh_size > maxBytes)
          fail("section too large");
        size_t &end = sizes[Object::region(section)];
        end = roundUp(end, std::max<size_t>(section.sh_addralign, 1)) + section.sh_size;
        if (end > maxBytes)
          fail("more than 1 GiB of code and constants");
      }
    trampolineOffset = roundUp(sizes[Text], trampolineSize);
    sizes[Text] = trampolineOffset + pointers * trampolineSize;
    slotOffset = roundUp(sizes[Constants], sizeof(void *));
    sizes[Constants] = slotOffset + pointers * sizeof(void *);
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_t total = 0;
    for (int region = 0; region < NumRegions; ++region) {
      starts[region] = total;
      total += sizes[region] = roundUp(sizes[region], page);
    }
    return total;
  }

  std::unordered_map<std::string, void *> link(char *memory) {
    base = memory;
    copySections();
    for (const Object &object : objects)
      define(object);
    for (const Object &object : objects)
      for (const Elf64_Shdr &section : object.sections)
        if (section.sh_type == SHT_RELA && Object::isLoaded(object.at(section.sh_info)))
          relocate(object, section);
    return std::move(globals);
  }

  void protect() const {
    const int protections[] = {PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE};
    for (int region = 0; region < NumRegions; ++region)
      if (sizes[region] && mprotect(base + starts[region], sizes[region], protections[region]))
        throw Error({.kind = ErrorKind::Device}, "the system refuses executable memory (mprotect)");
  }

private:
  static constexpr size_t maxBytes = size_t{1} << 30;
  static constexpr size_t trampolineSize = 8;
  /// Callers built with -fsanitize=function read the words before a function.
  static constexpr std::array<size_t, NumRegions> initialSizes = {64, 0, 0};

  void copySections() {
    std::array<size_t, NumRegions> cursor = initialSizes;
    for (Object &object : objects)
      for (size_t i = 0; i < object.sections.size(); ++i) {
        const Elf64_Shdr &section = object.sections[i];
        if (!Object::isLoaded(section))
          continue;
        Region region = Object::region(section);
        size_t offset = roundUp(cursor[region], std::max<size_t>(section.sh_addralign, 1));
        cursor[region] = offset + section.sh_size;
        object.addresses[i] = base + starts[region] + offset;
        if (section.sh_type != SHT_NOBITS)
          std::memcpy(object.addresses[i], object.contents(section).data(), section.sh_size);
      }
  }

  static char *addressIn(const Object &object, const Elf64_Sym &symbol) {
    object.at(symbol.st_shndx);
    char *address = object.addresses[symbol.st_shndx];
    if (!address || symbol.st_value > object.at(symbol.st_shndx).sh_size)
      fail("symbol outside of its section");
    return address + symbol.st_value;
  }

  void define(const Object &object) {
    for (const Elf64_Sym &symbol : object.symbols) {
      if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL || symbol.st_shndx == SHN_UNDEF)
        continue;
      if (symbol.st_shndx >= SHN_LORESERVE)
        fail("unsupported symbol '" + std::string(object.name(symbol)) + "'");
      if (!globals.emplace(object.name(symbol), addressIn(object, symbol)).second)
        fail("symbol '" + std::string(object.name(symbol)) + "' is defined twice");
    }
  }

  char *resolve(const Object &object, uint32_t index) {
    if (index >= object.symbols.size())
      fail("symbol number out of range");
    const Elf64_Sym &symbol = object.symbols[index];
    if (symbol.st_shndx != SHN_UNDEF)
      return addressIn(object, symbol);
    std::string name(object.name(symbol));
    if (auto found = globals.find(name); found != globals.end())
      return static_cast<char *>(found->second);
    if (void *address = findExternal(name))
      return static_cast<char *>(address);
    fail("generated code refers to unknown symbol '" + name + "'");
  }

  /// A pointer-sized cell holding `target`, reachable by 32-bit displacement.
  char *slotFor(char *target) {
    auto [entry, isNew] = slots.emplace(target, nullptr);
    if (isNew) {
      entry->second = base + starts[Constants] + slotOffset + (slots.size() - 1) * sizeof(void *);
      std::memcpy(entry->second, &target, sizeof(target));
    }
    return entry->second;
  }

  /// A jump through a slot, for call targets out of the reach of a 32-bit displacement.
  char *trampolineFor(char *target) {
    auto [entry, isNew] = trampolines.emplace(target, nullptr);
    if (isNew) {
      char *trampoline =
          base + starts[Text] + trampolineOffset + (trampolines.size() - 1) * trampolineSize;
      auto displacement = static_cast<int32_t>(slotFor(target) - (trampoline + 6));
      const char jump[] = {'\xff', '\x25'}; // jmp *displacement(%rip)
      std::memcpy(trampoline, jump, sizeof(jump));
      std::memcpy(trampoline + sizeof(jump), &displacement, sizeof(displacement));
      entry->second = trampoline;
    }
    return entry->second;
  }

  void relocate(const Object &object, const Elf64_Shdr &relocations) {
    char *section = object.addresses[relocations.sh_info];
    uint64_t size = object.at(relocations.sh_info).sh_size;
    for (const auto &entry : object.readAll<Elf64_Rela>(relocations.sh_offset,
                                                        relocations.sh_size / sizeof(Elf64_Rela))) {
      uint32_t type = ELF64_R_TYPE(entry.r_info);
      uint64_t width = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
      if (size < width || entry.r_offset > size - width)
        fail("relocation outside of its section");
      char *place = section + entry.r_offset;
      char *target = resolve(object, ELF64_R_SYM(entry.r_info));
      // Plain numbers: these are no pointers into one object.
      auto distanceTo = [&](const char *to) {
        return static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) -
                                    reinterpret_cast<uintptr_t>(place) +
                                    static_cast<uint64_t>(entry.r_addend));
      };
      switch (type) {
      case R_X86_64_64: {
        uint64_t value =
            reinterpret_cast<uintptr_t>(target) + static_cast<uint64_t>(entry.r_addend);
        std::memcpy(place, &value, sizeof(value));
        break;
      }
      case R_X86_64_PC64: {
        int64_t value = distanceTo(target);
        std::memcpy(place, &value, sizeof(value));
        break;
      }
      case R_X86_64_PLT32:
        if (!isNear(distanceTo(target)))
          target = trampolineFor(target);
        [[fallthrough]];
      case R_X86_64_PC32:
        write32(place, distanceTo(target));
        break;
      case R_X86_64_GOTPCREL:
      case R_X86_64_GOTPCRELX:
      case R_X86_64_REX_GOTPCRELX:
        write32(place, distanceTo(slotFor(target)));
        break;
      default:
        fail("unknown relocation type " + std::to_string(type));
      }
    }
  }

  static bool isNear(int64_t displacement) {
    return displacement == static_cast<int32_t>(displacement);
  }
  static void write32(char *place, int64_t displacement) {
    if (!isNear(displacement))
      fail("a 32-bit displacement does not reach");
    auto value = static_cast<int32_t>(displacement);
    std::memcpy(place, &value, sizeof(value));
  }

  std::vector<Object> objects;
  std::array<size_t, NumRegions> sizes = initialSizes, starts{};
  size_t trampolineOffset = 0, slotOffset = 0;
  char *base = nullptr;
  std::unordered_map<std::string, void *> globals;
  std::map<char *, char *> slots, trampolines;
};

} // namespace

Jit::Jit(const std::vector<std::string_view> &objects) {
  Linker linker(objects);
  mappedBytes = linker.layout();
  void *memory =
      mmap(nullptr, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw Error({.kind = ErrorKind::Device, .code = ErrorCode::Limit},
                "cannot map " + std::to_string(mappedBytes) + " bytes for generated code");
  base = static_cast<char *>(memory);
  try {
    symbols = linker.link(base);
    linker.protect();
  } catch (...) {
    munmap(base, mappedBytes);
    throw;
  }
}

Jit::~Jit() {
  if (base)
    munmap(base, mappedBytes);
}

void *Jit::lookup(std::string_view symbol) const {
  auto found = symbols.find(std::string(symbol));
  if (found == symbols.end())
    fail("no symbol '" + std::string(symbol) + "'");
  return found->second;
}

std::vector<std::string_view> Jit::resolvable() {
  std::vector<std::string_view> names;
  for (const External &entry : externals())
    names.push_back(entry.name);
  return names;
}

} // namespace sinter::cpu
