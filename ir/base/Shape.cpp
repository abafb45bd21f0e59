// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Shape.h"

#include "sinter/ir/base/CheckedMath.h"

namespace sinter {

bool Shape::isStatic() const {
  for (const DimExpr &size : dims)
    if (!size.isConstant())
      return false;
  return true;
}

DimExpr Shape::numElements() const {
  DimExpr product = 1;
  int64_t numbers = 1; // The product of the sizes that are: one expression for all of them.
  for (const DimExpr &size : dims) {
    const std::optional<int64_t> number = size.constant();
    const std::optional<int64_t> next = number ? checkedMul(numbers, *number) : std::nullopt;
    if (next)
      numbers = *next;
    else
      product *= size;
  }
  return product * numbers;
}

std::optional<std::vector<int64_t>> Shape::evaluate(const DimBinding &binding) const {
  std::vector<int64_t> sizes;
  sizes.reserve(dims.size());
  for (const DimExpr &size : dims) {
    std::optional<int64_t> value = size.evaluate(binding);
    if (!value || *value < 0)
      return std::nullopt;
    sizes.push_back(*value);
  }
  return sizes;
}

std::string Shape::str() const {
  std::string text = "[";
  for (const DimExpr &size : dims) {
    if (text.size() > 1)
      text += ", ";
    text += size.str();
  }
  return text + "]";
}

DimExpr dim(std::string name) { return DimExpr::symbol(std::move(name)); }

} // namespace sinter
