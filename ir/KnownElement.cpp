// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/KnownElement.h"

using namespace mlir;

namespace sinter::ir {

using Element = KnownValue::Element;

Scalar rounded(const Scalar &value, DType dtype) {
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    T stored = value.isFloat ? convertElement<T>(value.f) : convertElement<T>(value.i);
    if (isFloat(dtype))
      return Scalar(convertElement<double>(stored));
    if (isUnsigned(dtype))
      return Scalar(convertElement<uint64_t>(stored));
    return Scalar(convertElement<int64_t>(stored));
  });
}

Element knownElement(const DimExpr &size) {
  if (std::optional<int64_t> constant = size.constant())
    return Scalar(*constant);
  return size;
}

std::optional<DimExpr> asSize(const Element &value) {
  if (const auto *size = std::get_if<DimExpr>(&value))
    return *size;
  const Scalar &number = std::get<Scalar>(value);
  if (number.isFloat)
    return std::nullopt;
  return DimExpr(number.i);
}

namespace {

/// True when no binding makes it negative.
bool isNonNegative(const DimExpr &size) {
  DimExpr::Folder<bool> folder;
  folder.constant = [](int64_t value) { return value >= 0; };
  folder.symbol = [](const std::string &) { return true; };
  folder.add = folder.mul = folder.floorDiv =
      folder.ceilDiv = [](bool a, bool b) { return a && b; };
  folder.max = [](bool a, bool b) { return a || b; };
  return size.fold(folder);
}

/// Whether a < b (Less) or a == b, where it is the same for all bindings.
enum class Relation { Less, Equal };
std::optional<bool> compare(Relation relation, const DimExpr &a, const DimExpr &b) {
  DimExpr difference = b - a;
  if (std::optional<int64_t> constant = difference.constant())
    return relation == Relation::Less ? *constant > 0 : *constant == 0;
  if (isNonNegative(difference - 1)) // a < b
    return relation == Relation::Less;
  if (relation == Relation::Less ? isNonNegative(a - b) : isNonNegative(a - b - 1))
    return false;
  return std::nullopt;
}

std::optional<Element> truth(std::optional<bool> value) {
  if (!value)
    return std::nullopt;
  return Scalar(static_cast<int64_t>(*value));
}

template <typename T> Scalar combineNumbers(T a, T b, Combiner how) {
  constexpr bool isInt = std::is_integral_v<T>;
  using Wide = std::conditional_t<isInt, uint64_t, T>;
  switch (how) {
  case Combiner::Sum:
    return Scalar(static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b)));
  case Combiner::Product:
    return Scalar(static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b)));
  case Combiner::Max:
    return Scalar(a != a ? a : b != b ? b : std::max(a, b));
  default:
    return Scalar(a != a ? a : b != b ? b : std::min(a, b));
  }
}

} // namespace

std::optional<Element> evaluateOnSizes(Operation *op, ArrayRef<Element> operands) {
  StringRef name = op->getName().stripDialect();
  if (name == "select") {
    const auto *condition = std::get_if<Scalar>(&operands[0]);
    if (!condition)
      return std::nullopt;
    return condition->i != 0 ? operands[1] : operands[2];
  }
  SmallVector<DimExpr> sizes;
  for (const Element &operand : operands) {
    std::optional<DimExpr> size = asSize(operand);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  if (name == "cast") { // A narrow integer may not hold it.
    DType dtype = tensorType(op->getResult(0)).getDType();
    return isInteger(dtype) && byteSize(dtype) >= 4 ? std::optional(operands[0]) : std::nullopt;
  }
  if (name == "neg")
    return knownElement(0 - sizes[0]);
  if (name == "abs" && isNonNegative(sizes[0]))
    return operands[0];
  if (sizes.size() != 2)
    return std::nullopt;
  const DimExpr &a = sizes[0], &b = sizes[1];
  if (name == "add")
    return knownElement(a + b);
  if (name == "sub")
    return knownElement(a - b);
  if (name == "mul")
    return knownElement(a * b);
  if (name == "max")
    return knownElement(max(a, b));
  if (name == "min") // Sizes have no min; -max(-a, -b) is one.
    return knownElement(0 - max(0 - a, 0 - b));
  if (name == "div" && isNonNegative(a) && b.constant().value_or(0) > 0)
    return knownElement(floorDiv(a, b));
  if (name == "less")
    return truth(compare(Relation::Less, a, b));
  if (name == "greater")
    return truth(compare(Relation::Less, b, a));
  if (name == "equal")
    return truth(compare(Relation::Equal, a, b));
  auto negated = [](std::optional<bool> value) {
    return value ? std::optional(!*value) : std::nullopt;
  };
  if (name == "not_equal")
    return truth(negated(compare(Relation::Equal, a, b)));
  if (name == "less_equal")
    return truth(negated(compare(Relation::Less, b, a)));
  if (name == "greater_equal")
    return truth(negated(compare(Relation::Less, a, b)));
  return std::nullopt;
}

std::optional<Element> combine(const Element &a, const Element &b, Combiner how) {
  const auto *x = std::get_if<Scalar>(&a), *y = std::get_if<Scalar>(&b);
  if (!x || !y) {
    std::optional<DimExpr> m = asSize(a), n = asSize(b);
    if (!m || !n)
      return std::nullopt;
    switch (how) {
    case Combiner::Sum:
      return knownElement(*m + *n);
    case Combiner::Product:
      return knownElement(*m * *n);
    case Combiner::Max:
      return knownElement(max(*m, *n));
    default:
      return knownElement(0 - max(0 - *m, 0 - *n));
    }
  }
  if (x->isFloat)
    return combineNumbers(x->f, y->f, how);
  if (x->isUnsigned)
    return combineNumbers(x->as<uint64_t>(), y->as<uint64_t>(), how);
  return combineNumbers(x->i, y->i, how);
}

} // namespace sinter::ir
