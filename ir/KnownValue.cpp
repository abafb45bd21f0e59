// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/KnownValue.h"

#include "sinter/ir/Indexing.h"
#include "sinter/ir/KnownElement.h"

#include "mlir/IR/DialectResourceBlobManager.h"

#include <algorithm>

using namespace mlir;

namespace sinter::ir {
namespace {

using Element = KnownValue::Element;
using Index = std::vector<int64_t>;

constexpr int64_t maxReads = int64_t{1} << 22;

// -- Structural ops -------------------------------------------------------------------------------

int64_t offsetOf(ArrayRef<int64_t> index, ArrayRef<int64_t> sizes) {
  int64_t offset = 0;
  for (size_t i = 0; i < sizes.size(); ++i)
    offset = offset * sizes[i] + index[i];
  return offset;
}

/// Calls fn(index) for every index below `sizes`, in row-major order, until it says false.
template <typename Fn> bool forEachIndex(ArrayRef<int64_t> sizes, Fn fn) {
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  Index index(sizes.size(), 0);
  for (int64_t n = 0; n < count; ++n) {
    if (!fn(index))
      return false;
    for (size_t i = sizes.size(); i-- > 0;) {
      if (++index[i] < sizes[i])
        break;
      index[i] = 0;
    }
  }
  return true;
}

/// One op whose operands are known, by its Indexing.
class Evaluation {
public:
  Evaluation(const Indexing &indexing, ArrayRef<const KnownValue *> operands, KnownValue &result,
             int64_t &readsLeft)
      : indexing(indexing), operands(operands), result(result), readsLeft(readsLeft) {}

  bool run() {
    int64_t work = 1;
    for (const DimExpr &range : indexing.ranges) {
      std::optional<int64_t> size = range.constant();
      if (!size || *size < 0 || __builtin_mul_overflow(work, std::max<int64_t>(*size, 1), &work) ||
          work > maxReads)
        return false;
      ranges.push_back(*size);
    }
    if (indexing.cumulative &&
        __builtin_mul_overflow(work, ranges[indexing.cumulative->axis], &work))
      return false;
    readsLeft -= work;
    if (readsLeft < 0)
      return false;
    if (indexing.cumulative)
      return cumulate();
    switch (indexing.combiner) {
    case Combiner::None:
      return forEachIndex(ranges, [&](const Index &at) { return append(view(at)); });
    case Combiner::Sum:
    case Combiner::Product:
    case Combiner::Max:
    case Combiner::Min:
    case Combiner::Contract:
      return reduce();
    default:
      return false;
    }
  }

private:
  bool append(std::optional<Element> value) {
    if (!value)
      return false;
    if (const auto *number = std::get_if<Scalar>(&*value))
      value = rounded(*number, result.dtype);
    result.elements.push_back(std::move(*value));
    return true;
  }

  std::optional<int64_t> evaluate(const IndexExpr &expr, const Index &at) const {
    using Kind = IndexExpr::Kind;
    if (expr.kind() == Kind::Dim)
      return at[expr.dimOrOperand()];
    if (expr.kind() == Kind::Load)
      return load(expr, at);
    std::optional<int64_t> size = expr.size().constant();
    if (expr.kind() == Kind::Size)
      return size;
    std::optional<int64_t> lhs = evaluate(expr.lhs(), at);
    if (expr.kind() == Kind::Add) {
      std::optional<int64_t> rhs = evaluate(expr.rhs(), at);
      return lhs && rhs ? std::optional(*lhs + *rhs) : std::nullopt;
    }
    if (!lhs || !size)
      return std::nullopt;
    if (expr.kind() == Kind::Mul)
      return *lhs * *size;
    if (*size <= 0 || *lhs < 0)
      return std::nullopt;
    return expr.kind() == Kind::FloorDiv ? *lhs / *size : *lhs % *size;
  }

  std::optional<int64_t> load(const IndexExpr &expr, const Index &at) const {
    std::optional<Element> value = read(expr.dimOrOperand(), expr.indices(), at);
    const Scalar *number = value ? std::get_if<Scalar>(&*value) : nullptr;
    std::optional<int64_t> bound = expr.size().constant();
    if (!number || !bound || number->i < 0 || number->i >= *bound)
      return std::nullopt;
    return number->i;
  }

  std::optional<Element> read(unsigned operand, ArrayRef<IndexExpr> indices,
                              const Index &at) const {
    const KnownValue &from = *operands[operand];
    Index index;
    for (auto [i, expr] : llvm::enumerate(indices)) {
      std::optional<int64_t> value = evaluate(expr, at);
      if (!value || *value < 0 || *value >= from.sizes[i])
        return std::nullopt;
      index.push_back(*value);
    }
    return from.elements[static_cast<size_t>(offsetOf(index, from.sizes))];
  }

  /// Whether all guards hold; nullopt when that is not known.
  std::optional<bool> applies(const Access &access, const Index &at) const {
    for (const Guard &guard : access.guards) {
      std::optional<int64_t> index = evaluate(guard.index, at), low = guard.low.constant(),
                             high = guard.high.constant();
      if (!index || !low || !high)
        return std::nullopt;
      if (*index < *low || *index >= *high)
        return false;
    }
    return true;
  }

  /// Combiner::None.
  std::optional<Element> view(const Index &at) const {
    for (const Access &access : indexing.accesses) {
      std::optional<bool> applicable = applies(access, at);
      if (!applicable)
        return std::nullopt;
      if (*applicable)
        return read(access.operand, access.index, at);
    }
    if (indexing.generator) {
      std::optional<int64_t> value = evaluate(*indexing.generator, at);
      return value ? std::optional<Element>(Scalar(*value)) : std::nullopt;
    }
    if (indexing.otherwise)
      return isFloat(result.dtype) ? Scalar(*indexing.otherwise)
                                   : Scalar(static_cast<int64_t>(*indexing.otherwise));
    return std::nullopt;
  }

  /// What an empty reduction gives; nothing for max and min, whose limits depend on the dtype.
  std::optional<Element> neutral(Combiner how) const {
    if (how != Combiner::Sum && how != Combiner::Product)
      return std::nullopt;
    int64_t value = how == Combiner::Product ? 1 : 0;
    return isFloat(result.dtype) ? Scalar(static_cast<double>(value)) : Scalar(value);
  }

  bool reduce() {
    auto outer = ArrayRef(ranges).take_front(indexing.numParallel());
    auto inner = ArrayRef(ranges).drop_front(indexing.numParallel());
    bool contracts = indexing.combiner == Combiner::Contract;
    Combiner how = contracts ? Combiner::Sum : indexing.combiner;
    return forEachIndex(outer, [&](const Index &at) {
      std::optional<Element> total;
      bool known = forEachIndex(inner, [&](const Index &deeper) {
        Index all = at;
        all.insert(all.end(), deeper.begin(), deeper.end());
        std::optional<Element> next = accessed(0, all);
        if (next && contracts) {
          std::optional<Element> other = accessed(1, all);
          next = other ? combine(*next, *other, Combiner::Product) : std::nullopt;
        }
        if (!next)
          return false;
        total = total ? combine(*total, *next, how) : next;
        return total.has_value();
      });
      return known && append(total ? total : neutral(how));
    });
  }

  std::optional<Element> accessed(size_t access, const Index &at) const {
    return read(indexing.accesses[access].operand, indexing.accesses[access].index, at);
  }

  bool cumulate() {
    const Cumulative &how = *indexing.cumulative;
    return forEachIndex(ranges, [&](const Index &at) {
      std::optional<Element> total;
      int64_t end = at[how.axis];
      int64_t count = how.reverse ? ranges[how.axis] - end : end + 1;
      for (int64_t i = how.exclusive ? 1 : 0; i < count; ++i) {
        Index from = at;
        from[how.axis] = how.reverse ? end + i : end - i;
        std::optional<Element> next = accessed(0, from);
        if (next && total)
          next = combine(*total, *next, indexing.combiner);
        if (!next)
          return false;
        total = next;
      }
      return append(total ? total : neutral(indexing.combiner));
    });
  }

  const Indexing &indexing;
  ArrayRef<const KnownValue *> operands;
  KnownValue &result;
  int64_t &readsLeft;
  Index ranges;
};

bool evaluateElementwise(ElementwiseOpInterface op, ArrayRef<const KnownValue *> operands,
                         size_t count, KnownValue &result) {
  SmallVector<Element> elements(operands.size());
  SmallVector<Scalar> scalars(operands.size());
  for (size_t i = 0; i < count; ++i) {
    bool numbers = true;
    for (size_t k = 0; k < operands.size(); ++k) {
      elements[k] = operands[k]->elements[i];
      if (const auto *number = std::get_if<Scalar>(&elements[k]))
        scalars[k] = *number;
      else
        numbers = false;
    }
    if (numbers) {
      result.elements.push_back(rounded(op.evaluate(scalars), result.dtype));
      continue;
    }
    std::optional<Element> value = evaluateOnSizes(op, elements);
    if (!value)
      return false;
    result.elements.push_back(std::move(*value));
  }
  return true;
}

} // namespace

// -- KnownValue -----------------------------------------------------------------------------------

std::optional<Array> KnownValue::array() const {
  Array result(dtype, sizes);
  bool numbers = true;
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < elements.size(); ++i) {
      const auto *number = std::get_if<Scalar>(&elements[i]);
      if (!number) {
        numbers = false;
        return;
      }
      result.as<T>()[i] =
          number->isFloat ? convertElement<T>(number->f) : convertElement<T>(number->i);
    }
  });
  return numbers ? std::optional(result) : std::nullopt;
}

std::optional<std::vector<DimExpr>> KnownValue::dims() const {
  std::vector<DimExpr> result;
  for (const Element &value : elements) {
    std::optional<DimExpr> size = asSize(value);
    if (!size)
      return std::nullopt;
    result.push_back(*size);
  }
  return result;
}

// -- KnownValues ----------------------------------------------------------------------------------

std::optional<Array> KnownValues::constantArray(Operation *op) {
  auto constant = dyn_cast<ConstantOp>(op);
  if (!constant)
    return std::nullopt;
  std::optional<std::vector<int64_t>> sizes = constant.getType().getShape().evaluate({});
  if (!sizes)
    return std::nullopt;
  Array result(constant.getType().getDType(), *sizes);
  auto *out = static_cast<char *>(result.data());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue())) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || static_cast<int64_t>(blob->getData().size()) != result.numBytes())
      return std::nullopt;
    llvm::copy(blob->getData(), out);
    return result;
  }
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!dense)
    return std::nullopt;
  if (result.dtype() == boolean) {
    for (bool flag : dense.getValues<bool>())
      *out++ = flag;
    return result;
  }
  ArrayRef<char> raw = dense.getRawData();
  int64_t width = byteSize(result.dtype());
  for (int64_t i = 0, count = result.numElements(); i < count; ++i)
    std::copy_n(raw.data() + (dense.isSplat() ? 0 : i * width), width, out + i * width);
  return result;
}

std::unique_ptr<KnownValue> KnownValues::evaluate(Operation *op) {
  if (op->getNumResults() != 1)
    return nullptr;
  auto type = dyn_cast<TensorType>(op->getResult(0).getType());
  std::optional<std::vector<int64_t>> sizes = type ? type.getShape().evaluate({}) : std::nullopt;
  if (!sizes)
    return nullptr;
  std::optional<int64_t> count = Shape(*sizes).numElements().constant();
  if (!count || *count > maxElements)
    return nullptr;
  auto result = std::make_unique<KnownValue>();
  result->dtype = type.getDType();
  result->sizes = *sizes;
  SmallVector<const KnownValue *> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(values.at(operand).get());
    if (!operands.back())
      return nullptr;
  }
  auto total = static_cast<size_t>(*count);
  readsLeft -= *count;
  if (readsLeft < 0)
    return nullptr;
  if (auto size = dyn_cast<DimValueOp>(op)) {
    std::optional<DimExpr> expression = DimExpr::parse(std::string_view(size.getExpression()));
    if (!expression || !isInteger(result->dtype))
      return nullptr;
    result->elements.push_back(knownElement(*expression));
    return result;
  }
  if (std::optional<Array> array = constantArray(op)) {
    dispatch(array->dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (T stored : ArrayRef(array->as<T>(), total))
        result->elements.push_back(rounded(isFloat(array->dtype())
                                               ? Scalar(convertElement<double>(stored))
                                               : Scalar(convertElement<int64_t>(stored)),
                                           array->dtype()));
    });
    return result;
  }
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return evaluateElementwise(elementwise, operands, total, *result) ? std::move(result) : nullptr;
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return nullptr;
  Indexing indexing = indexed.getIndexing();
  if (!Evaluation(indexing, operands, *result, readsLeft).run() || result->elements.size() != total)
    return nullptr;
  return result;
}

const KnownValue *KnownValues::find(Value value) {
  SmallVector<Value> pending{value};
  while (!pending.empty()) {
    Value next = pending.back();
    if (values.contains(next)) {
      pending.pop_back();
      continue;
    }
    Operation *op = next.getDefiningOp();
    // What is too large itself is not known, whatever it is made of.
    auto type = dyn_cast<TensorType>(next.getType());
    std::optional<int64_t> count = type ? type.getShape().numElements().constant() : std::nullopt;
    if (!op || !count || *count > maxElements) {
      values[next] = nullptr;
      pending.pop_back();
      continue;
    }
    size_t before = pending.size();
    bool unknown = false;
    for (Value operand : op->getOperands()) {
      auto found = values.find(operand);
      if (found == values.end())
        pending.push_back(operand);
      else
        unknown |= !found->second;
    }
    if (unknown)
      pending.truncate(before);
    else if (pending.size() != before)
      continue;
    std::unique_ptr<KnownValue> result = unknown ? nullptr : evaluate(op);
    values[next] = std::move(result);
    pending.pop_back();
  }
  return values[value].get();
}

std::vector<BlockArgument> KnownValues::argumentsOf(Value value) {
  llvm::DenseSet<Value> seen{value};
  SmallVector<Value> pending{value};
  std::vector<BlockArgument> arguments;
  while (!pending.empty()) {
    Value next = pending.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(next))
      arguments.push_back(argument);
    else
      for (Value operand : next.getDefiningOp()->getOperands())
        if (seen.insert(operand).second)
          pending.push_back(operand);
  }
  std::sort(arguments.begin(), arguments.end(),
            [](BlockArgument a, BlockArgument b) { return a.getArgNumber() < b.getArgNumber(); });
  return arguments;
}

} // namespace sinter::ir
