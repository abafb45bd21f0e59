// SPDX-License-Identifier: Apache-2.0
// Attention and its gradient: types, index maps and derivatives.
#include "sinter/ir/AttentionFormulas.h"
#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/ShapeReport.h"
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;
using Values = SmallVector<Value>;

// -- Types ----------------------------------------------------------------------------------------

namespace {

/// What both ops ask of q, k, v and the mask.
struct AttentionTypes {
  template <typename Adaptor>
  AttentionTypes(MLIRContext *context, Adaptor op)
      : q(typeOf(op.getQ())), k(typeOf(op.getK())), v(typeOf(op.getV())),
        sums(registerType(q.getElementType())), context(context),
        mask(op.getMask() ? typeOf(op.getMask()) : TensorType()),
        causal(op.getCausal() ? *op.getCausal() : ArrayAttr()) {}

  LogicalResult verify(const Reporter &report) const {
    std::string all = str(q) + ", " + str(k) + " and " + str(v);
    int64_t rank = q.getRank();
    Type element = q.getElementType();
    if (rank < 2 || k.getRank() != rank || v.getRank() != rank || k.getElementType() != element ||
        v.getElementType() != element)
      return report.fail(all + " differ in rank or dtype, or are no matrices", "attention_c1");
    for (int64_t d = 0; d < rank - 2; ++d)
      if (k.getDims()[d] != v.getDims()[d] ||
          (k.getDims()[d] != q.getDims()[d] && k.getDim(d) != DimExpr(1)))
        return report.fail("dim " + text(d) + " of " + all + " does not go together",
                           "attention_c2");
    if (q.getDim(rank - 1) != k.getDim(rank - 1) || k.getDim(rank - 2) != v.getDim(rank - 2))
      return report.fail("widths or numbers of keys differ in " + all, "attention_c3");
    if (mask) {
      Type of = mask.getElementType();
      bool fits = mask.getRank() == rank && (of.isInteger(1) || of == element || of == sums);
      for (int64_t d = 0; fits && d < rank; ++d)
        fits = mask.getDim(d) == DimExpr(1) ||
               mask.getDim(d) == (d + 1 == rank ? k.getDim(rank - 2) : q.getDim(d));
      if (!fits)
        return report.fail("the mask " + str(mask) + " does not go with " + all, "attention_c4");
    }
    if (causal && !sizesOf(causal, 1))
      return report.fail("'causal' does not hold one size", "attention_c5");
    return success();
  }

  TensorType output() const {
    SmallVector<Attribute> dims(q.getDims());
    dims.back() = v.getDims().back();
    return TensorType::get(context, q.getElementType(), dims);
  }
  TensorType perRow() const { return TensorType::get(context, sums, q.getDims().drop_back()); }

  TensorType q, k, v;
  Type sums;
  MLIRContext *context;
  TensorType mask;
  ArrayAttr causal;
};

} // namespace

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                            ValueRange operands, DictionaryAttr attributes,
                                            OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  AttentionTypes op(context, Adaptor(operands, attributes, properties, regions));
  Reporter report{getOperationName(), loc};
  if (failed(op.verify(report)))
    return failure();
  Type element = op.q.getElementType();
  return success(succeeded(report.setResult(context, element, op.output().getShape(), types)) &&
                 succeeded(report.setResult(context, op.sums, op.perRow().getShape(), types)));
}

LogicalResult AttentionBackwardOp::inferReturnTypes(MLIRContext *context,
                                                    std::optional<Location> loc,
                                                    ValueRange operands, DictionaryAttr attributes,
                                                    OpaqueProperties properties,
                                                    RegionRange regions,
                                                    SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attributes, properties, regions);
  AttentionTypes op(context, adaptor);
  Reporter report{getOperationName(), loc};
  if (failed(op.verify(report)))
    return failure();
  if (typeOf(adaptor.getDout()) != op.output())
    return report.fail("dout is " + str(typeOf(adaptor.getDout())) + ", not " + str(op.output()),
                       "attention_backward_c1");
  if (typeOf(adaptor.getLse()) != op.perRow() || typeOf(adaptor.getDelta()) != op.perRow())
    return report.fail("lse or delta is not " + str(op.perRow()), "attention_backward_c2");
  llvm::append_values(types, Type(op.q), Type(op.k), Type(op.v));
  return success();
}

// -- Index maps -----------------------------------------------------------------------------------

namespace {

/// Ranges are the leading dims, the queries, `width`, then the keys and `inner`.
struct Ranges {
  unsigned queries, width, keys, inner;

  Access access(unsigned operand, Value value, TensorType q, ArrayRef<unsigned> last) const {
    TensorType type = tensorType(value);
    Access result;
    result.operand = operand;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      int64_t fromLast = d - (type.getRank() - static_cast<int64_t>(last.size()));
      unsigned range =
          fromLast < 0 ? static_cast<unsigned>(d) : last[static_cast<size_t>(fromLast)];
      bool repeats = type.getDim(d) == DimExpr(1) && (fromLast >= 0 || q.getDim(d) != DimExpr(1));
      result.index.push_back(repeats ? IndexExpr::constant(0) : IndexExpr::dim(range));
    }
    return result;
  }
};

template <typename OpTy> Indexing attentionIndexing(OpTy op, DimExpr inner) {
  Indexing indexing;
  indexing.ranges = dimsOf(tensorType(op->getResult(0)));
  indexing.combiner = Combiner::Attention;
  indexing.numReductions = 2;
  TensorType k = op.getK().getType();
  indexing.ranges.push_back(k.getDim(k.getRank() - 2));
  indexing.ranges.push_back(std::move(inner));
  return indexing;
}

Ranges rangesOf(TensorType q) {
  auto rank = static_cast<unsigned>(q.getRank());
  return {rank - 2, rank - 1, rank, rank + 1};
}

} // namespace

Indexing AttentionOp::getIndexing() {
  TensorType q = getQ().getType();
  Indexing indexing = attentionIndexing(*this, q.getDim(q.getRank() - 1));
  Ranges r = rangesOf(q);
  indexing.accesses.push_back(r.access(0, getQ(), q, {r.queries, r.inner}));
  indexing.accesses.push_back(r.access(1, getK(), q, {r.keys, r.inner}));
  indexing.accesses.push_back(r.access(2, getV(), q, {r.keys, r.width}));
  if (getMask())
    indexing.accesses.push_back(r.access(3, getMask(), q, {r.queries, r.keys}));
  return indexing;
}

Indexing AttentionBackwardOp::getIndexing() {
  TensorType q = getQ().getType(), v = getV().getType();
  Indexing indexing = attentionIndexing(*this, v.getDim(v.getRank() - 1));
  Ranges r = rangesOf(q);
  indexing.accesses.push_back(r.access(0, getQ(), q, {r.queries, r.width}));
  indexing.accesses.push_back(r.access(1, getK(), q, {r.keys, r.width}));
  indexing.accesses.push_back(r.access(2, getV(), q, {r.keys, r.inner}));
  indexing.accesses.push_back(r.access(3, getLse(), q, {r.queries}));
  indexing.accesses.push_back(r.access(4, getDelta(), q, {r.queries}));
  indexing.accesses.push_back(r.access(5, getDout(), q, {r.queries, r.inner}));
  if (getMask())
    indexing.accesses.push_back(r.access(6, getMask(), q, {r.queries, r.keys}));
  return indexing;
}

// -- Derivatives ----------------------------------------------------------------------------------

Values AttentionOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  AttentionFormulas f(*this, builder, loc);
  Value dout = cotangents[0], dlse = cotangents[1];
  Expr lse(builder, loc, getLse());
  Value delta;
  if (dout)
    delta = f.rowSums(f.wide(dout) * f.wide(getResult())).value();
  else
    dout = zeroLike(Expr(builder, loc, getResult())).value();
  if (dlse)
    delta = (delta ? lse.with(delta) - lse.with(dlse) : -lse.with(dlse)).value();
  auto backward = AttentionBackwardOp::create(builder, loc, getQ(), getK(), getV(), getLse(), delta,
                                              dout, getMask(), getScaleAttr(), getCausalAttr());
  Values result(backward->getResults());
  if (!getMask())
    return result;
  result.push_back({});
  if (isFloatTensor(getMask())) { // Dead unless somebody asks for it.
    Expr ds =
        f.weights(getLse()) * (f.timesTransposed(f.wide(dout), f.v) - f.alongRows(lse.with(delta)));
    result.back() = f.maskGradient(ds);
  }
  return result;
}

Values AttentionOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  AttentionFormulas f(*this, builder, loc);
  Value dmask = getMask() ? tangents[3] : Value();
  Value out, dlse;
  if (tangents[0] || tangents[1] || dmask) {
    Expr p = f.weights(getLse());
    Expr ds = f.scoresTangent(tangents[0], tangents[1], dmask);
    Expr sums = f.rowSums(p * ds);
    out = f.times(p * (ds - f.alongRows(sums)), f.v).value();
    dlse = sums.value();
  }
  if (tangents[2]) {
    Expr term = f.times(f.weights(getLse()), f.wide(tangents[2]));
    out = out ? (term.with(out) + term).value() : term.value();
  }
  return {f.narrow(Expr(builder, loc, out)), dlse};
}

/// With s the scores, dp = dout . v and ds = p * (dp - delta), the results are dq = scale ds . k,
/// dk = scale ds . q and dv = p . dout.
Values AttentionBackwardOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  AttentionFormulas f(*this, builder, loc);
  auto given = [&](Value cotangent, Value result) {
    return cotangent ? f.wide(cotangent) : f.wide(zeroLike(Expr(builder, loc, result)).value());
  };
  Expr a = given(cotangents[0], getDq()), b = given(cotangents[1], getDk()),
       c = given(cotangents[2], getDv());
  Expr dout = f.wide(getDout());
  Expr p = f.weights(getLse());
  Expr rest = f.timesTransposed(dout, f.v) - f.alongRows(Expr(builder, loc, getDelta()));
  Expr ds = p * rest;
  Expr ofDs = (f.timesTransposed(a, f.k) + f.timesTransposed(f.q, b)) * f.scale;
  Expr ofDp = ofDs * p;
  Expr ofScores = (ofDs * rest + f.timesTransposed(dout, c)) * p;
  Values result = {
      f.narrow((f.times(ds, b) + f.times(ofScores, f.k)) * f.scale),
      f.narrow((f.timesAcross(ds, a) + f.timesAcross(ofScores, f.q)) * f.scale),
      f.narrow(f.timesAcross(ofDp, dout)),
      (-f.rowSums(ofScores)).value(),
      (-f.rowSums(ofDp)).value(),
      f.narrow(f.times(p, c) + f.times(ofDp, f.v)),
  };
  if (getMask())
    result.push_back(f.maskGradient(ofScores));
  return result;
}

Values AttentionBackwardOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  AttentionFormulas f(*this, builder, loc);
  Expr dout = f.wide(getDout());
  Expr p = f.weights(getLse());
  Expr rest = f.timesTransposed(dout, f.v) - f.alongRows(Expr(builder, loc, getDelta()));
  Expr zero = zeroLike(p);
  auto sum = [&](std::initializer_list<Value> terms) {
    Expr total(builder, loc, Value());
    for (Value term : terms)
      if (term)
        total = total.value() ? total + total.with(term) : total.with(term);
    return total;
  };
  Value dmask = getMask() ? tangents[6] : Value();
  // Of scores - lse, then of p, of dp - delta, of ds.
  Expr moved =
      sum({f.scoresTangent(tangents[0], tangents[1], dmask).value(),
           tangents[3] ? (-f.alongRows(Expr(builder, loc, tangents[3]))).value() : Value()});
  Expr movedP = moved.value() ? p * moved : zero;
  Expr movedRest =
      sum({tangents[5] ? f.timesTransposed(f.wide(tangents[5]), f.v).value() : Value(),
           tangents[2] ? f.timesTransposed(dout, f.wide(tangents[2])).value() : Value(),
           tangents[4] ? (-f.alongRows(Expr(builder, loc, tangents[4]))).value() : Value()});
  Expr ds = p * rest, movedDs = movedP * rest;
  if (movedRest.value())
    movedDs = movedDs + p * movedRest;
  Expr dq = f.times(movedDs, f.k), dk = f.timesAcross(movedDs, f.q),
       dv = f.timesAcross(movedP, dout);
  if (tangents[1])
    dq = dq + f.times(ds, f.wide(tangents[1]));
  if (tangents[0])
    dk = dk + f.timesAcross(ds, f.wide(tangents[0]));
  if (tangents[5])
    dv = dv + f.timesAcross(p, f.wide(tangents[5]));
  return {f.narrow(dq * f.scale), f.narrow(dk * f.scale), f.narrow(dv)};
}

} // namespace sinter::ir
