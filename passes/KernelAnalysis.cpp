// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/KernelAnalyzer.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace sinter::passes {

llvm::StringRef stringify(KernelForm form) {
  static constexpr llvm::StringLiteral names[numKernelForms] = {
      "loop",       "row",  "reduce",    "contraction", "scatter",
      "cumulative", "sort", "attention", "convolution", "pairs"};
  return names[static_cast<size_t>(form)];
}

bool KernelAnalysis::isReduced(int64_t axis) const { return llvm::is_contained(axes, axis); }

KernelAnalysis KernelAnalysis::rowsBehind() const {
  KernelAnalysis behind = *this;
  behind.form = KernelForm::Row;
  behind.source = anchors.front();
  behind.anchors = rows;
  behind.rows.clear();
  return behind;
}

Shape KernelAnalysis::keptShape() const {
  Shape kept;
  for (int64_t i = 0; i < domain.rank(); ++i)
    if (!isReduced(i))
      kept.push_back(domain[i]);
  return kept;
}

Shape KernelAnalysis::reducedShape() const {
  Shape reduced;
  for (int64_t axis : axes)
    reduced.push_back(domain[axis]);
  return reduced;
}

/// Of so many rows of this length, where that is known.
static bool areFewLongRows(std::optional<int64_t> rows, std::optional<int64_t> length) {
  constexpr int64_t fewRows = 16, longRow = 4096;
  return rows.value_or(fewRows) < fewRows && length.value_or(longRow) >= longRow;
}

bool KernelAnalysis::hasFewLongRows() const {
  auto count = [&](bool reduced) -> std::optional<int64_t> {
    int64_t product = 1;
    for (int64_t d = 0; d < domain.rank(); ++d) {
      if (isReduced(d) != reduced)
        continue;
      auto size = domain[d].constant();
      if (!size)
        return std::nullopt;
      product *= *size;
    }
    return product;
  };
  return areFewLongRows(count(false), count(true));
}

bool KernelSketch::hasFewLongRows() const {
  auto count = [&](bool reduced) -> std::optional<int64_t> {
    int64_t product = 1;
    for (auto [d, dim] : llvm::enumerate(domain)) {
      if (isReduced(static_cast<int64_t>(d)) != reduced)
        continue;
      auto size = dyn_cast<IntegerAttr>(dim);
      if (!size)
        return std::nullopt;
      product *= size.getInt();
    }
    return product;
  };
  return areFewLongRows(count(false), count(true));
}

} // namespace sinter::passes
