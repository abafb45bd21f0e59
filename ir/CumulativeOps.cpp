// SPDX-License-Identifier: Apache-2.0
// Running reductions and sorting: index maps and derivatives.
#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;
using tensor::Expr;

namespace {

template <typename OpTy> Indexing cumulativeIndexing(OpTy op) {
  Indexing indexing = overResult(op);
  indexing.combiner = OpTy::getCombiner();
  indexing.cumulative = {static_cast<unsigned>(op.getAxis()), op.getExclusive(), op.getReverse()};
  Access access;
  access.index = identity(op.getType());
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

/// Running reductions along the axis of `op`, forwards as the op goes, or backwards against it.
template <typename OpTy> struct Along {
  OpTy op;
  enum Direction { Forwards, Backwards };
  template <typename CumulativeOp> Expr run(Expr x, Direction direction = Forwards) {
    return x.build<CumulativeOp>(x.value(), op.getAxis(), op.getExclusive(),
                                 op.getReverse() != (direction == Backwards));
  }
  template <typename CumulativeOp> Expr inclusive(Expr x) {
    return x.build<CumulativeOp>(x.value(), op.getAxis(), false, op.getReverse());
  }
};

/// What the derivatives of a running product are made of. Around zeros their terms have the right
/// value without a division by zero, and the right derivative: `zeroSum` is the sum of the elements
/// so far that are zero, so it is 0 but changes with them.
struct RunningProduct {
  RunningProduct(CumprodOp op, Expr x)
      : along{op}, x(x), isZero(x == 0.0), zero(zeroLike(x)), safe(select(isZero, x.like(1), x)),
        product(along.run<CumprodOp>(safe)),
        count(along.run<CumsumOp>(select(isZero, x.like(1), zero))),
        zeroSum(along.run<CumsumOp>(select(isZero, x, zero))) {}
  /// One of three by how many of the elements so far are zero; 0 for more.
  Expr byZeros(Expr none, Expr one, Expr two) const {
    return select(count == 0.0, none, select(count == 1.0, one, select(count == 2.0, two, zero)));
  }
  Along<CumprodOp> along;
  Expr x, isZero, zero, safe, product, count, zeroSum;
};

/// The index along the axis of the element that each running extremum is, and whether there is one
/// (the first of an exclusive run has none).
template <typename OpTy> struct Source {
  Source(OpTy op, Expr x) : Source(op, x, Along<OpTy>{op}) {}
  Expr index, exists;

private:
  Source(OpTy op, Expr x, Along<OpTy> along) : index(x), exists(x) {
    auto axis = static_cast<int64_t>(op.getAxis());
    Type i64 = IntegerType::get(x.value().getContext(), 64);
    Expr position = x.build<IotaOp>(x.type().withElementType(i64), axis);
    // Number the elements in the order in which the run meets them.
    Expr number = op.getReverse() ? lastIndex(x, axis, position) - position : position;
    Expr before = x.build<OpTy>(x.value(), op.getAxis(), true, op.getReverse());
    Expr better = isMax(op) ? x > before : x < before;
    Expr isNew = better || (x != x && before == before) || number == 0.0;
    Expr found = along.template run<CummaxOp>(select(isNew, number, zeroLike(number)));
    exists = op.getExclusive() ? number > 0.0 : number == number;
    found = select(exists, found, zeroLike(found));
    index = op.getReverse() ? lastIndex(x, axis, position) - found : found;
  }
  static bool isMax(CummaxOp) { return true; }
  static bool isMax(CumminOp) { return false; }
  static Expr lastIndex(Expr x, int64_t axis, Expr like) {
    TensorType scalar =
        TensorType::get(like.value().getContext(), like.type().getElementType(), {});
    DimExpr last = x.type().getDim(axis) - DimExpr(1);
    return broadcast(x.build<DimValueOp>(scalar, last.str()), like.type(), {});
  }
};

SmallVector<int64_t> alongAxis(int64_t rank, uint64_t axis) {
  SmallVector<int64_t> dims = range(0, rank);
  dims[axis] = -1;
  return dims;
}

template <typename OpTy>
SmallVector<Value> extremumVjp(OpTy op, OpBuilder &builder, Location loc, Value cotangent) {
  Expr x(builder, loc, op.getX()), dy(builder, loc, cotangent);
  if (!isFloatTensor(op.getX()))
    return {Value()};
  Source<OpTy> source(op, x);
  Expr flowing = select(source.exists, dy, zeroLike(dy));
  return {ScatterOp::create(builder, loc, zeroLike(x).value(), flowing.value(),
                            source.index.value(), alongAxis(x.type().getRank(), op.getAxis()),
                            "add")};
}

template <typename OpTy>
SmallVector<Value> extremumJvp(OpTy op, OpBuilder &builder, Location loc, Value tangent) {
  if (!tangent)
    return {Value()};
  Expr x(builder, loc, op.getX()), t(builder, loc, tangent);
  Source<OpTy> source(op, x);
  Expr moved = t.build<GatherOp>(t.value(), source.index.value(),
                                 alongAxis(x.type().getRank(), op.getAxis()));
  return {select(source.exists, moved, zeroLike(t)).value()};
}

} // namespace

Indexing CumsumOp::getIndexing() { return cumulativeIndexing(*this); }
Indexing CumprodOp::getIndexing() { return cumulativeIndexing(*this); }
Indexing CummaxOp::getIndexing() { return cumulativeIndexing(*this); }
Indexing CumminOp::getIndexing() { return cumulativeIndexing(*this); }

Indexing ArgsortOp::getIndexing() {
  Indexing indexing = overResult(*this);
  indexing.combiner = Combiner::Sort;
  indexing.order = {static_cast<unsigned>(getAxis()), getDescending()};
  Access access;
  access.index = identity(getType());
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

SmallVector<Value> ArgsortOp::buildVjp(OpBuilder &, Location, ValueRange) { return {Value()}; }

SmallVector<Value> CumsumOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  Along<CumsumOp> along{*this};
  return {along.run<CumsumOp>(Expr(builder, loc, cotangents[0]), along.Backwards).value()};
}

SmallVector<Value> CumprodOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  Expr dy(builder, loc, cotangents[0]);
  RunningProduct run(*this, dy.with(getX()));
  auto collect = [&](Expr terms) { return run.along.run<CumsumOp>(terms, run.along.Backwards); };
  Expr whole = dy * run.product, withZero = whole * run.zeroSum;
  // An element that is zero is the only one, or one of two, wherever it matters.
  Expr only = collect(run.byZeros(run.zero, whole, run.zero));
  Expr ofTwo = collect(run.byZeros(run.zero, run.zero, withZero)) -
               run.x * collect(run.byZeros(run.zero, run.zero, whole));
  Expr before = run.along.inclusive<CumsumOp>(select(run.isZero, run.x.like(1), run.zero));
  Expr atZero = select(before == 1.0, only + ofTwo, select(before == 2.0, ofTwo, run.zero));
  Expr elsewhere = collect(run.byZeros(whole, withZero, run.zero)) / run.safe;
  return {select(run.isZero, atZero, elsewhere).value()};
}

static Value cumprodTangent(RunningProduct run, Expr t) {
  auto sum = [&](Expr terms) { return run.along.run<CumsumOp>(terms); };
  Expr elsewhere = sum(select(run.isZero, run.zero, t / run.safe));
  Expr atZeros = sum(select(run.isZero, t, run.zero));
  Expr squares = sum(select(run.isZero, t * run.x, run.zero));
  return (run.product * run.byZeros(elsewhere, atZeros + run.zeroSum * elsewhere,
                                    atZeros * run.zeroSum - squares))
      .value();
}

SmallVector<Value> CumprodOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  if (!tangents[0])
    return {Value()};
  Expr t(builder, loc, tangents[0]);
  return {cumprodTangent(RunningProduct(*this, t.with(getX())), t)};
}

SmallVector<Value> CummaxOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  return extremumVjp(*this, builder, loc, cotangents[0]);
}
SmallVector<Value> CumminOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  return extremumVjp(*this, builder, loc, cotangents[0]);
}
SmallVector<Value> CummaxOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  return extremumJvp(*this, builder, loc, tangents[0]);
}
SmallVector<Value> CumminOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  return extremumJvp(*this, builder, loc, tangents[0]);
}

} // namespace sinter::ir
