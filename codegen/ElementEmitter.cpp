// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ElementEmitter.h"

#include "sinter/codegen/Program.h"
#include "sinter/ir/ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

ElementEmitter::ElementEmitter(OpBuilder &builder, Location loc, KernelEnvironment &env,
                               int64_t lanes)
    : builder(builder), loc(loc), env(env), lanes(lanes), mem(builder, loc, lanes),
      indices(builder, loc, *env.sizes, lanes) {}

const Indexing &ElementEmitter::indexingOf(Operation *op) {
  auto it = indexings.find(op);
  if (it == indexings.end())
    it = indexings.emplace(op, cast<IndexedOpInterface>(op).getIndexing()).first;
  return it->second;
}

static bool sameIndex(llvm::ArrayRef<LaneIndex> a, llvm::ArrayRef<LaneIndex> b) {
  return llvm::equal(a, b, [](const LaneIndex &x, const LaneIndex &y) {
    return x.base == y.base && x.step == y.step && x.vector == y.vector;
  });
}

Element ElementEmitter::emit(Value tensor, llvm::ArrayRef<LaneIndex> index) {
  for (const Cached &entry : llvm::reverse(cache))
    if (entry.tensor == tensor && entry.mask == mask && sameIndex(entry.index, index))
      return entry.element;
  Element element = compute(tensor, index);
  cache.push_back({tensor, Index(index.begin(), index.end()), mask, element});
  return element;
}

Element ElementEmitter::compute(Value tensor, llvm::ArrayRef<LaneIndex> index) {
  if (auto it = overrides.find(tensor); it != overrides.end())
    if (Element element = it->second(index))
      return element;
  if (auto it = env.buffers.find(tensor); it != env.buffers.end())
    return load(it->second, index);
  Operation *op = tensor.getDefiningOp();
  if (isa<ElementwiseOpInterface>(op))
    return elementwise(op, index);
  return structural(op, indexingOf(op), index);
}

Element ElementEmitter::elementwise(Operation *op, llvm::ArrayRef<LaneIndex> index) {
  llvm::SmallVector<Element> operands;
  bool uniform = true;
  for (Value operand : op->getOperands()) {
    operands.push_back(emit(operand, index));
    uniform &= operands.back().uniform;
  }
  llvm::SmallVector<Value> values;
  for (const Element &operand : operands)
    values.push_back(uniform ? operand.value : mem.asVector(operand));
  int64_t width = uniform || lanes == 1 ? 0 : lanes;
  return {cast<ElementwiseOpInterface>(op).emitScalar(builder, op->getLoc(), values, width),
          uniform};
}

// -- Structural ops -------------------------------------------------------------------------------

Element ElementEmitter::structural(Operation *op, const Indexing &indexing,
                                   llvm::ArrayRef<LaneIndex> index) {
  if (indexing.numReductions > 0)
    return reduceInPlace(op, indexing, index);
  return choose(op, indexing, 0, index);
}

static scalar::Expr combined(Combiner combiner, scalar::Expr a, scalar::Expr b) {
  switch (combiner) {
  case Combiner::Sum:
    return a + b;
  case Combiner::Product:
    return a * b;
  case Combiner::Max:
    return scalar::maximum(a, b);
  case Combiner::Min:
    return scalar::minimum(a, b);
  default:
    llvm_unreachable("a reduction that is not computed in place");
  }
}

Element ElementEmitter::reduceInPlace(Operation *op, const Indexing &indexing,
                                      llvm::ArrayRef<LaneIndex> index) {
  Type elementType = tensorType(op->getResult(0)).getElementType();
  llvm::ArrayRef<DimExpr> ranges =
      llvm::ArrayRef(indexing.ranges).drop_front(indexing.numParallel());
  int64_t points = 1;
  for (const DimExpr &range : ranges)
    points *= *range.constant();
  llvm::SmallVector<Element> elements;
  for (int64_t point = 0; point < points; ++point) {
    // Numbers of the size table are one value each, so that elements met again are found.
    Index at(index.begin(), index.end());
    int64_t rest = point, behind = points;
    for (const DimExpr &range : ranges) {
      behind /= *range.constant();
      at.push_back(indices.uniform(DimExpr(rest / behind)));
      rest %= behind;
    }
    elements.push_back(read(op, indexing.accesses.front(), at));
  }
  // Neighbours first: the additions then wait for each other less.
  while (elements.size() > 1) {
    llvm::SmallVector<Element> next;
    for (size_t i = 0; i + 1 < elements.size(); i += 2) {
      bool uniform = elements[i].uniform && elements[i + 1].uniform;
      auto operand = [&](const Element &e) {
        return scalar::Expr(builder, op->getLoc(), uniform ? e.value : mem.asVector(e),
                            elementType);
      };
      next.push_back(
          {combined(indexing.combiner, operand(elements[i]), operand(elements[i + 1])).value(),
           uniform});
    }
    if (elements.size() % 2 == 1)
      next.push_back(elements.back());
    elements = std::move(next);
  }
  return elements.front();
}

Element ElementEmitter::choose(Operation *op, const Indexing &indexing, size_t k,
                               llvm::ArrayRef<LaneIndex> index) {
  if (k == indexing.accesses.size())
    return fallback(op, indexing, index);
  const Access &access = indexing.accesses[k];
  Value inside = inRange(op, access, index);
  if (!inside)
    return read(op, access, index);
  if (matchPattern(inside, m_Zero()))
    return choose(op, indexing, k + 1, index);
  Type elementType = tensorType(op->getResult(0)).getElementType();
  return guarded(
      elementType, inside, [&] { return read(op, access, index); },
      [&] { return choose(op, indexing, k + 1, index); });
}

/// `then` is emitted so that it only touches memory where `condition` (i1 or one bit per lane)
/// holds.
Element ElementEmitter::guarded(Type elementType, Value condition,
                                llvm::function_ref<Element()> then,
                                llvm::function_ref<Element()> otherwise) {
  if (!isa<VectorType>(condition.getType())) {
    Type type = mem.vectorType(registerType(elementType));
    auto branch =
        scf::IfOp::create(builder, loc, TypeRange{type}, condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard insertion(builder);
    for (auto [block, make] :
         {std::pair(branch.thenBlock(), then), std::pair(branch.elseBlock(), otherwise)}) {
      Scope scope(*this);
      builder.setInsertionPointToEnd(block);
      Value value = mem.asVector(make());
      scf::YieldOp::create(builder, loc, value);
    }
    return {branch.getResult(0), lanes == 1};
  }
  Value outer = mask;
  bool outerMasks = masksUniform;
  mask = outer ? Value(arith::AndIOp::create(builder, loc, outer, condition)) : condition;
  masksUniform = true;
  Value taken = mem.asVector(then());
  mask = outer;
  masksUniform = outerMasks;
  Value other = mem.asVector(otherwise());
  return {arith::SelectOp::create(builder, loc, condition, taken, other), false};
}

Element ElementEmitter::fallback(Operation *op, const Indexing &indexing,
                                 llvm::ArrayRef<LaneIndex> index) {
  Type elementType = tensorType(op->getResult(0)).getElementType();
  Type type = registerType(elementType);
  if (!indexing.generator) {
    TypedAttr value = elementAttribute(elementType, indexing.otherwise.value_or(0.0));
    return {arith::ConstantOp::create(builder, loc, registerAttribute(value)), true};
  }
  LaneIndex number = evaluate(op, *indexing.generator, index);
  bool uniform = number.isUniform() || lanes == 1;
  Value value = uniform ? number.base : indices.asVector(number);
  Type target = uniform ? type : mem.vectorType(type);
  if (isa<FloatType>(type))
    return {arith::SIToFPOp::create(builder, loc, target, value), uniform};
  if (type.getIntOrFloatBitWidth() < 64)
    return {arith::TruncIOp::create(builder, loc, target, value), uniform};
  return {value, uniform};
}

Value ElementEmitter::inRange(Operation *op, const Access &access,
                              llvm::ArrayRef<LaneIndex> index) {
  Value all;
  for (const Guard &guard : access.guards) {
    Value inside = indices.inRange(evaluate(op, guard.index, index), guard.low, guard.high);
    if (!inside)
      continue;
    if (matchPattern(inside, m_Zero()))
      return inside;
    if (!all) {
      all = inside;
      continue;
    }
    bool vectorAll = isa<VectorType>(all.getType()),
         vectorInside = isa<VectorType>(inside.getType());
    if (vectorAll != vectorInside)
      (vectorAll ? inside : all) = mem.splat(vectorAll ? inside : all);
    all = arith::AndIOp::create(builder, loc, all, inside);
  }
  return all;
}

Index ElementEmitter::positions(Operation *op, llvm::ArrayRef<IndexExpr> exprs,
                                llvm::ArrayRef<LaneIndex> index, Value &valid) {
  valid = {};
  Value *outer = std::exchange(lookUpValid, &valid);
  Index at;
  for (const IndexExpr &expr : exprs)
    at.push_back(evaluate(op, expr, index));
  lookUpValid = outer;
  return at;
}

Element ElementEmitter::read(Operation *op, const Access &access, llvm::ArrayRef<LaneIndex> index) {
  Value valid;
  Index at = positions(op, access.index, index, valid);
  Value source = op->getOperand(access.operand);
  if (!valid)
    return emit(source, at);
  Type elementType = tensorType(op->getResult(0)).getElementType();
  return guarded(
      elementType, valid, [&] { return emit(source, at); },
      [&]() -> Element {
        TypedAttr zero = builder.getZeroAttr(registerType(elementType));
        return {arith::ConstantOp::create(builder, loc, zero), true};
      });
}

// -- Indices --------------------------------------------------------------------------------------

LaneIndex ElementEmitter::evaluate(Operation *op, const IndexExpr &expr,
                                   llvm::ArrayRef<LaneIndex> index) {
  switch (expr.kind()) {
  case IndexExpr::Kind::Dim:
    return index[expr.dimOrOperand()];
  case IndexExpr::Kind::Size:
    return indices.uniform(expr.size());
  case IndexExpr::Kind::Add:
    return indices.add(evaluate(op, expr.lhs(), index), evaluate(op, expr.rhs(), index));
  case IndexExpr::Kind::Mul:
    return indices.mul(evaluate(op, expr.lhs(), index), expr.size());
  case IndexExpr::Kind::FloorDiv:
    return indices.floorDiv(evaluate(op, expr.lhs(), index), expr.size());
  case IndexExpr::Kind::Mod:
    return indices.mod(evaluate(op, expr.lhs(), index), expr.size());
  case IndexExpr::Kind::Load:
    break;
  }
  return lookUp(op, expr, index, *lookUpValid);
}

LaneIndex ElementEmitter::lookUp(Operation *op, const IndexExpr &expr,
                                 llvm::ArrayRef<LaneIndex> index, Value &valid) {
  Index at;
  for (const IndexExpr &inner : expr.indices())
    at.push_back(evaluate(op, inner, index));
  Element element = emit(op->getOperand(expr.dimOrOperand()), at);
  bool uniform = element.uniform || lanes == 1;
  Type i64 = uniform ? Type(builder.getI64Type()) : mem.vectorType(builder.getI64Type());
  Value value = element.value;
  if (value.getType() != i64)
    value = arith::ExtSIOp::create(builder, loc, i64, value);
  Value bound = env.sizes->get(expr.size());
  Value limit = uniform ? bound : mem.splat(bound);
  // Unsigned: a negative index is above every bound.
  Value good = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, value, limit);
  Value bad = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, value, limit);
  if (!uniform && mask)
    bad = arith::AndIOp::create(builder, loc, bad, mask);
  if (uniform && masksUniform && mask) {
    Value any = vector::ReductionOp::create(builder, loc, vector::CombiningKind::OR, mask);
    bad = arith::AndIOp::create(builder, loc, bad, any);
  }
  report(op, bad, value, bound);
  if (valid && isa<VectorType>(valid.getType()) != isa<VectorType>(good.getType()))
    (uniform ? good : valid) = mem.splat(uniform ? good : valid);
  valid = valid ? Value(arith::AndIOp::create(builder, loc, valid, good)) : good;
  if (uniform)
    return {value, 0, {}};
  return {{}, 0, value};
}

void ElementEmitter::report(Operation *op, Value bad, Value value, Value bound) {
  Value any = bad, worst = value;
  if (isa<VectorType>(bad.getType())) {
    any = vector::ReductionOp::create(builder, loc, vector::CombiningKind::OR, bad);
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(value.getType()));
    Value offending = arith::SelectOp::create(builder, loc, bad, value, zero);
    worst = vector::ReductionOp::create(builder, loc, vector::CombiningKind::MAXUI, offending);
  }
  auto branch = scf::IfOp::create(builder, loc, any, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard insertion(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  Value none = indices.constant(0);
  Value code = indices.constant(static_cast<int64_t>(StatusCode::IndexOutOfRange));
  Value exchange = LLVM::AtomicCmpXchgOp::create(builder, loc, env.status, none, code,
                                                 LLVM::AtomicOrdering::monotonic,
                                                 LLVM::AtomicOrdering::monotonic);
  Value first = LLVM::ExtractValueOp::create(builder, loc, exchange, llvm::ArrayRef<int64_t>{1});
  auto write = scf::IfOp::create(builder, loc, first, /*withElseRegion=*/false);
  builder.setInsertionPointToStart(write.thenBlock());
  Type word = builder.getI64Type();
  mem.storeScalar(indices.constant(env.site(op)), word, env.status, indices.constant(1));
  mem.storeScalar(worst, word, env.status, indices.constant(2));
  mem.storeScalar(bound, word, env.status, indices.constant(3));
}

/// Every step-th element from `offset` on, out of whole vectors: cheaper than a gather of them.
/// Reads nothing behind the last one, and nothing outside of `mask` (null: everywhere).
static Value loadStrided(OpBuilder &builder, Location loc, Memory &memory, const BufferRef &buffer,
                         const LaneIndex &offset, int64_t lanes, Value mask) {
  int64_t step = offset.step;
  // Masks are dear to shuffle: bools move as the bytes that they are in memory.
  bool isBool = buffer.elementType.isInteger(1);
  Type elementType = isBool ? Type(builder.getI8Type()) : buffer.elementType;
  auto maskType = VectorType::get({lanes}, builder.getI1Type());
  Value never;
  if (mask)
    never = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(maskType, false));
  Value result;
  for (int64_t part = 0; part < step; ++part) {
    // Lane `lane` wants element lane * step, which may be in this part.
    llvm::SmallVector<int64_t> picked, wanted(static_cast<size_t>(lanes), lanes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      bool isHere = lane * step / lanes == part;
      picked.push_back(isHere ? lanes + lane * step % lanes : lane);
      if (isHere)
        wanted[static_cast<size_t>(lane * step % lanes)] = lane;
    }
    Value here;
    if (mask) {
      here = vector::ShuffleOp::create(builder, loc, mask, never, wanted);
    } else if (part + 1 == step) {
      llvm::SmallVector<bool> needed;
      for (int64_t lane = 0; lane < lanes; ++lane)
        needed.push_back(lane <= lanes - step);
      here = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(maskType, needed));
    }
    Value ahead = arith::ConstantIntOp::create(builder, loc, part * lanes, 64);
    Value at = builder.createOrFold<arith::AddIOp>(loc, offset.base, ahead);
    Value whole = memory.loadVector(buffer.pointer, elementType, at, here);
    result = vector::ShuffleOp::create(builder, loc, result ? result : whole, whole, picked);
  }
  if (!isBool)
    return result;
  Value none = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(result.getType()));
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, result, none);
}

Element ElementEmitter::load(const BufferRef &buffer, llvm::ArrayRef<LaneIndex> index) {
  LaneIndex offset = indices.linearize(index, buffer.shape);
  if (lanes == 1)
    return {mem.loadScalar(buffer.pointer, buffer.elementType, offset.base), true};
  if (offset.isUniform()) {
    if (!masksUniform)
      return {mem.loadScalar(buffer.pointer, buffer.elementType, offset.base), true};
    return {mem.gather(buffer.pointer, buffer.elementType, indices.asVector(offset), mask), false};
  }
  if (!offset.vector && offset.step == 1)
    return {mem.loadVector(buffer.pointer, buffer.elementType, offset.base, mask), false};
  constexpr int64_t widestStep = 4;
  if (!offset.vector && offset.step > 1 && offset.step <= std::min(widestStep, lanes))
    return {loadStrided(builder, loc, mem, buffer, offset, lanes, mask), false};
  return {mem.gather(buffer.pointer, buffer.elementType, indices.asVector(offset), mask), false};
}

} // namespace sinter::codegen
