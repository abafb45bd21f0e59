// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DimDegree.h"

#include <algorithm>

namespace sinter {

std::optional<int> degreeIn(const DimExpr &size, std::string_view symbol) {
  using Degree = std::optional<int>;
  auto known = [](Degree a, Degree b) { return a == 0 && b == 0 ? Degree(0) : std::nullopt; };
  return size.fold<Degree>({
      .constant = [](int64_t) { return Degree(0); },
      .symbol = [&](const std::string &name) { return Degree(name == symbol ? 1 : 0); },
      .add = [](Degree a, Degree b) { return a && b ? std::max(a, b) : std::nullopt; },
      .mul = [](Degree a, Degree b) { return a && b ? Degree(*a + *b) : std::nullopt; },
      .floorDiv = known,
      .ceilDiv = known,
      .max = known,
  });
}

} // namespace sinter
