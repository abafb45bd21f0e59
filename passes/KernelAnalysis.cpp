// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/KernelForm.h"

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

bool KernelAnalysis::hasFewLongRows() const {
  constexpr int64_t fewRows = 16, longRow = 4096;
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
  return count(false).value_or(fewRows) < fewRows && count(true).value_or(longRow) >= longRow;
}

} // namespace sinter::passes
