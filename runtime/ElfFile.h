// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter {

/// The exported symbols of a shared library, read from its bytes without loading it. Every offset
/// in the file is checked, so that any file may be given.
class ElfFile {
public:
  /// Keeps a view of `bytes`. Throws Error(Device) when this is not a complete x86-64
  /// shared library.
  explicit ElfFile(std::string_view bytes);

  /// Names of the defined dynamic symbols.
  std::vector<std::string_view> symbols() const;
  /// The zero-terminated text that a symbol names; nullopt when it is not defined or not terminated
  /// within its segment.
  std::optional<std::string_view> text(std::string_view symbol) const;
  /// The bytes that a symbol names, by its size; nullopt when it is not defined or does not lie
  /// within a segment of the file.
  std::optional<std::string_view> content(std::string_view symbol) const;

private:
  struct Segment {
    uint64_t address, offset, size;
  };
  struct Symbol {
    std::string_view name;
    uint64_t address, size;
  };
  template <typename T> T read(uint64_t offset) const;
  std::string_view slice(uint64_t offset, uint64_t size) const;
  /// What lies in the file from a symbol to the end of its segment.
  std::optional<std::string_view> from(std::string_view symbol, uint64_t *size = nullptr) const;
  void readSymbols(uint64_t symbolOffset, uint64_t symbolBytes, std::string_view names);

  std::string_view bytes;
  std::vector<Segment> segments;
  std::vector<Symbol> defined;
};

} // namespace sinter
