// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The named arrays of a call, as written: unlike a map it keeps a name that was given twice, so
/// that the call can refuse it.
class NamedArrays {
public:
  using Entry = std::pair<std::string, Array>;

  NamedArrays() = default;
  NamedArrays(std::initializer_list<Entry> entries) : entries(entries) {}
  NamedArrays(const ArrayMap &map) : entries(map.begin(), map.end()) {}
  NamedArrays(std::vector<Entry> entries) : entries(std::move(entries)) {}

  auto begin() const { return entries.begin(); }
  auto end() const { return entries.end(); }
  size_t size() const { return entries.size(); }
  bool empty() const { return entries.empty(); }

private:
  std::vector<Entry> entries;
};

} // namespace sinter
#pragma GCC visibility pop
