// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sinter::cpu {

/// Executable memory holding linked x86-64 ELF objects. Loading is a copy and a few relocations, so
/// dozens of kernel objects cost well under a millisecond. Code may call only what `resolvable()`
/// lists (C memory functions and libm), never anything else of the process. Memory is writable
/// while it is linked and never writable and executable at once. Immutable after construction, so
/// any number of threads may run the code; the destructor unmaps it.
class Jit {
public:
  /// Links the objects. Throws Error(Internal) on malformed objects, on unknown relocations, on
  /// undefined or doubly defined symbols, Error(Limit) when memory runs out.
  explicit Jit(const std::vector<std::string_view> &objects);
  ~Jit();
  Jit(const Jit &) = delete;
  Jit &operator=(const Jit &) = delete;

  /// The address of a defined global symbol; throws Error(Internal) when there is none.
  void *lookup(std::string_view symbol) const;
  template <typename Function> Function function(std::string_view symbol) const {
    return reinterpret_cast<Function>(lookup(symbol));
  }
  /// Bytes of mapped code and constants.
  size_t size() const { return mappedBytes; }

  /// The external functions that generated code may use.
  static std::vector<std::string_view> resolvable();

private:
  char *base = nullptr;
  size_t mappedBytes = 0;
  std::unordered_map<std::string, void *> symbols;
};

} // namespace sinter::cpu
