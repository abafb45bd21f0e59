// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/LaneIndex.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace sinter::codegen {

SizeTable::SizeTable(Value table, llvm::ArrayRef<std::string> dims, Operation *entry)
    : table(table), dims(dims.begin(), dims.end()), entry(entry) {}

Value SizeTable::get(const DimExpr &size) {
  std::string key = size.str();
  if (auto it = values.find(key); it != values.end())
    return it->second;
  OpBuilder builder(entry->getContext());
  builder.setInsertionPointAfter(entry);
  Location loc = entry->getLoc();
  auto binary = [&](auto tag) {
    return
        [&](Value a, Value b) -> Value { return builder.createOrFold<decltype(tag)>(loc, a, b); };
  };
  DimExpr::Folder<Value> folder;
  folder.constant = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(builder, loc, value, 64);
  };
  folder.symbol = [&](const std::string &name) -> Value {
    auto it = std::find(dims.begin(), dims.end(), name);
    Type i64 = builder.getI64Type();
    Value offset = arith::ConstantIntOp::create(builder, loc, it - dims.begin(), 64);
    Value slot = LLVM::GEPOp::create(builder, loc, LLVM::LLVMPointerType::get(builder.getContext()),
                                     i64, table, ValueRange{offset});
    return LLVM::LoadOp::create(builder, loc, i64, slot, 8);
  };
  folder.add = binary(arith::AddIOp());
  folder.mul = binary(arith::MulIOp());
  folder.floorDiv = binary(arith::FloorDivSIOp());
  folder.ceilDiv = binary(arith::CeilDivSIOp());
  folder.max = binary(arith::MaxSIOp());
  Value value = size.fold<Value>(folder);
  entry = builder.getInsertionPoint() == entry->getBlock()->begin()
              ? entry
              : &*std::prev(builder.getInsertionPoint());
  return values[key] = value;
}

Value IndexMath::constant(int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 64);
}

llvm::SmallVector<LaneIndex> IndexMath::ofRow(const Shape &shape, llvm::ArrayRef<DimExpr> dims,
                                              llvm::ArrayRef<LaneIndex> row) {
  llvm::SmallVector<LaneIndex> index;
  size_t next = 0;
  for (const DimExpr &size : shape) {
    if (size.constant() == 1) {
      index.push_back(uniform(constant(0)));
      continue;
    }
    while (dims[next].constant() == 1)
      ++next;
    index.push_back(row[next++]);
  }
  return index;
}

Value IndexMath::asVector(const LaneIndex &index) {
  if (index.vector)
    return index.vector;
  auto type = VectorType::get({lanes}, builder.getI64Type());
  Value base = vector::BroadcastOp::create(builder, loc, type, index.base);
  if (index.step == 0)
    return base;
  llvm::SmallVector<int64_t> offsets;
  for (int64_t lane = 0; lane < lanes; ++lane)
    offsets.push_back(lane * index.step);
  Value steps = arith::ConstantOp::create(builder, loc, DenseIntElementsAttr::get(type, offsets));
  return arith::AddIOp::create(builder, loc, base, steps);
}

/// What is known of an index; constants are known.
static std::optional<std::pair<int64_t, int64_t>> rangeOf(const LaneIndex &index) {
  APInt number;
  if (index.isUniform() && index.base && matchPattern(index.base, m_ConstantInt(&number)))
    return std::pair(number.getSExtValue(), number.getSExtValue());
  return index.range;
}

LaneIndex IndexMath::add(const LaneIndex &a, const LaneIndex &b) {
  if (a.vector || b.vector)
    return {{}, 0, builder.createOrFold<arith::AddIOp>(loc, asVector(a), asVector(b))};
  LaneIndex sum{builder.createOrFold<arith::AddIOp>(loc, a.base, b.base), a.step + b.step, {}};
  if (a.step != 0 || b.step != 0)
    if (auto first = rangeOf(a), second = rangeOf(b); first && second)
      sum.range = {first->first + second->first, first->second + second->second};
  return sum;
}

LaneIndex IndexMath::mul(const LaneIndex &a, const DimExpr &b) {
  if (b.constant() == 1)
    return a;
  Value factor = sizes.get(b);
  if (!a.vector && (a.step == 0 || b.isConstant()))
    return {builder.createOrFold<arith::MulIOp>(loc, a.base, factor),
            a.step * b.constant().value_or(0),
            {}};
  return {{}, 0, builder.createOrFold<arith::MulIOp>(loc, asVector(a), asVector(uniform(factor)))};
}

/// The quotient and the rest of a value that is seen to be a multiple of `divisor` plus a constant.
static std::optional<std::pair<Value, int64_t>> splitMultiple(OpBuilder &builder, Location loc,
                                                              Value value, int64_t divisor) {
  APInt number;
  auto plus = [&](Value quotient, int64_t rest) -> std::pair<Value, int64_t> {
    int64_t whole = llvm::divideFloorSigned(rest, divisor);
    Value more = arith::ConstantIntOp::create(builder, loc, whole, 64);
    return {builder.createOrFold<arith::AddIOp>(loc, quotient, more), rest - whole * divisor};
  };
  if (matchPattern(value, m_ConstantInt(&number)))
    return plus(arith::ConstantIntOp::create(builder, loc, 0, 64), number.getSExtValue());
  if (auto product = value.getDefiningOp<arith::MulIOp>())
    if (matchPattern(product.getRhs(), m_ConstantInt(&number)) && number.getSExtValue() == divisor)
      return std::pair(product.getLhs(), int64_t{0});
  if (auto sum = value.getDefiningOp<arith::AddIOp>())
    if (matchPattern(sum.getRhs(), m_ConstantInt(&number)))
      if (auto inner = splitMultiple(builder, loc, sum.getLhs(), divisor))
        return plus(inner->first, inner->second + number.getSExtValue());
  return std::nullopt;
}

LaneIndex IndexMath::floorDiv(const LaneIndex &a, const DimExpr &b) {
  if (b.constant() == 1)
    return a;
  if (auto number = b.constant();
      number && *number > 0 && !a.vector && a.step > 0 && a.step % *number == 0)
    if (auto parts = splitMultiple(builder, loc, a.base, *number))
      return {parts->first, a.step / *number, {}};
  Value divisor = sizes.get(b);
  if (a.isUniform() || lanes == 1)
    return {builder.createOrFold<arith::DivUIOp>(loc, a.base, divisor), 0, {}};
  return {
      {}, 0, builder.createOrFold<arith::DivUIOp>(loc, asVector(a), asVector(uniform(divisor)))};
}

LaneIndex IndexMath::mod(const LaneIndex &a, const DimExpr &b) {
  if (b.constant() == 1)
    return uniform(constant(0));
  if (auto number = b.constant();
      number && *number > 0 && !a.vector && a.step > 0 && a.step % *number == 0)
    if (auto parts = splitMultiple(builder, loc, a.base, *number))
      return uniform(constant(parts->second));
  Value divisor = sizes.get(b);
  if (a.isUniform() || lanes == 1)
    return {builder.createOrFold<arith::RemUIOp>(loc, a.base, divisor), 0, {}};
  return {
      {}, 0, builder.createOrFold<arith::RemUIOp>(loc, asVector(a), asVector(uniform(divisor)))};
}

LaneIndex IndexMath::linearize(llvm::ArrayRef<LaneIndex> index, const Shape &shape) {
  if (index.empty())
    return uniform(constant(0));
  LaneIndex offset = index.back();
  DimExpr stride = shape[shape.rank() - 1];
  for (int64_t i = shape.rank() - 2; i >= 0; --i) {
    offset = add(mul(index[static_cast<size_t>(i)], stride), offset);
    stride = stride * shape[i];
  }
  return offset;
}

llvm::SmallVector<LaneIndex> IndexMath::delinearize(Value offset, llvm::ArrayRef<DimExpr> dims) {
  llvm::SmallVector<LaneIndex> index(dims.size());
  LaneIndex rest = uniform(offset);
  for (size_t i = dims.size(); i-- > 0;) {
    index[i] = i == 0 ? rest : mod(rest, dims[i]);
    rest = floorDiv(rest, dims[i]);
  }
  return index;
}

Value IndexMath::inRange(const LaneIndex &index, const DimExpr &low, const DimExpr &high) {
  auto known = rangeOf(index), lowest = rangeOf(uniform(low)), highest = rangeOf(uniform(high));
  if (!index.isUniform() && known && lowest && highest && known->first >= lowest->first &&
      known->second < highest->first)
    return {};
  // A uniform constant index decides at compile time.
  bool scalar = index.isUniform() || lanes == 1;
  auto limit = [&](const DimExpr &size) {
    Value value = sizes.get(size);
    return scalar ? value : asVector(uniform(value));
  };
  Value at = scalar ? index.base : asVector(index);
  // Unsigned, a negative index is above every bound.
  bool fromZero = low.constant() == 0;
  Value inside = builder.createOrFold<arith::CmpIOp>(
      loc, fromZero ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt, at, limit(high));
  if (!fromZero) {
    Value above =
        builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::sge, at, limit(low));
    inside = builder.createOrFold<arith::AndIOp>(loc, above, inside);
  }
  return matchPattern(inside, m_One()) ? Value() : inside;
}

} // namespace sinter::codegen
