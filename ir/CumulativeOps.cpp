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

/// The product behind an element is the product of the non-zero elements before it if none is zero;
/// with one zero it still changes with that one.
struct RunningProduct {
  RunningProduct(CumprodOp op, Expr x)
      : along{op}, isZero(x == 0.0), zero(zeroLike(x)), safe(select(isZero, x.like(1), x)),
        product(along.run<CumprodOp>(safe)),
        zeros(along.run<CumsumOp>(select(isZero, x.like(1), zero))),
        isFirstZero(isZero && along.inclusive<CumsumOp>(select(isZero, x.like(1), zero)) == 1.0) {}
  Along<CumprodOp> along;
  Expr isZero, zero, safe, product, zeros, isFirstZero;
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
  auto collect = [&](double zeros) {
    Expr terms = select(run.zeros == zeros, dy * run.product, run.zero);
    return run.along.run<CumsumOp>(terms, run.along.Backwards);
  };
  Expr atZero = select(run.isFirstZero, collect(1), run.zero);
  return {select(run.isZero, atZero, collect(0) / run.safe).value()};
}

static Value cumprodTangent(RunningProduct run, Expr t) {
  Expr elsewhere = run.along.run<CumsumOp>(select(run.isZero, run.zero, t / run.safe));
  Expr atZero = run.along.run<CumsumOp>(select(run.isFirstZero, t, run.zero));
  Expr sum = select(run.zeros == 0.0, elsewhere, select(run.zeros == 1.0, atZero, run.zero));
  return (run.product * sum).value();
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
