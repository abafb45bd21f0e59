// SPDX-License-Identifier: Apache-2.0
// The three products of a convolution: rules, index maps and derivatives. The sum over all terms
// x * w * y is linear in each of the three, so a derivative of one product is another one.
#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/ShapeReport.h"
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;

// -- Rules ----------------------------------------------------------------------------------------

LogicalResult ConvolutionOp::verify() {
  Reporter report{getOperationName(), getLoc()};
  if (!makesX() && !makesW() && !makesY())
    return report.fail("part '" + getPart() + "' is not x, w or y", "convolution_c1");
  TensorType x = getXType(), w = getWType(), y = getYType();
  std::string all = str(x) + ", " + str(w) + " and " + str(y);
  int64_t rank = x.getRank(), n = rank - 2;
  if (n < 1 || w.getRank() != rank || y.getRank() != rank)
    return report.fail(all + " need equal ranks of at least 3", "convolution_c2");
  if (x.getElementType() != w.getElementType() || x.getElementType() != y.getElementType())
    return report.fail(all + " differ in dtype", "convolution_c2");
  auto isCount = [&](size_t count) { return static_cast<int64_t>(count) == n; };
  auto isBad = [](int64_t step) { return step <= 0 || step > maxWindowStep; };
  if (!isCount(getStrides().size()) || !isCount(getDilations().size()) ||
      !isCount(getLow().size()) || llvm::any_of(getStrides(), isBad) ||
      llvm::any_of(getDilations(), isBad))
    return report.fail("strides " + list(getStrides()) + ", dilations " + list(getDilations()) +
                           " or paddings do not fit " + all,
                       "convolution_c2");
  for (Attribute entry : getLow())
    if (auto low = toDim(entry); !low || isNegative(*low))
      return report.fail("a padding is no size", "convolution_c2");
  for (int64_t i = 2; i < rank; ++i)
    if (auto size = w.getDim(i).constant(); !size || *size <= 0)
      return report.fail("dim " + text(i) + " of the window " + str(w) + " is no positive number",
                         "convolution_c3");
  return report.guarded([&]() -> LogicalResult {
    DimExpr groups(getGroups());
    if (getGroups() <= 0 || x.getDims()[0] != y.getDims()[0] || w.getDims()[0] != y.getDims()[1] ||
        w.getDim(1) * groups != x.getDim(1) || !w.getDim(0).dividedExactlyBy(groups))
      return report.fail("batch or channels of " + all + " do not agree in " + text(getGroups()) +
                             " groups",
                         "convolution_c4");
    return success();
  });
}

SmallVector<SizeCondition> ConvolutionOp::getSizeConditions() {
  SmallVector<SizeCondition> conditions;
  if (!makesY())
    return conditions;
  TensorType x = getXType(), w = getWType(), y = getYType();
  for (int64_t i = 2; i < y.getRank(); ++i)
    if (DimExpr room = y.getDim(i) - DimExpr(1); !provablyNonNegative(room))
      conditions.push_back({room, "a window of " + w.getDim(i).str() + " elements fits the size " +
                                      x.getDim(i).str()});
  return conditions;
}

Indexing ConvolutionOp::getIndexing() {
  Indexing indexing = overResult(*this);
  indexing.combiner = Combiner::Convolve;
  TensorType x = getXType(), w = getWType(), y = getYType();
  int64_t n = x.getRank() - 2;
  DimExpr inputs = w.getDim(1), outputs = *w.getDim(0).dividedExactlyBy(DimExpr(getGroups()));
  auto reduceOver = [&](const DimExpr &size) {
    indexing.ranges.push_back(size);
    ++indexing.numReductions;
    return IndexExpr::dim(static_cast<unsigned>(indexing.ranges.size()) - 1);
  };
  // Batch, channels of x and of y (both within all groups), and of the group.
  IndexExpr zero = IndexExpr::constant(0), b = zero, xChannel = zero, yChannel = zero, c = zero;
  SmallVector<IndexExpr> p, k, o;
  auto spatial = [&](SmallVector<IndexExpr> &index) { append(index, 2, n); };
  auto reduced = [&](SmallVector<IndexExpr> &index, TensorType type) {
    for (int64_t i = 0; i < n; ++i)
      index.push_back(reduceOver(type.getDim(2 + i)));
  };
  const bool grouped = getGroups() > 1;
  auto inGroupOf = [&](const IndexExpr &channel, const DimExpr &from, const DimExpr &to,
                       const IndexExpr &inner) {
    return grouped ? floorDiv(channel, from) * to + inner : inner;
  };
  if (makesW()) {
    yChannel = IndexExpr::dim(0);
    c = IndexExpr::dim(1);
    spatial(k);
    b = reduceOver(x.getDim(0));
    reduced(o, y);
    xChannel = inGroupOf(yChannel, outputs, inputs, c);
  } else if (makesY()) {
    b = IndexExpr::dim(0);
    yChannel = IndexExpr::dim(1);
    spatial(o);
    c = reduceOver(inputs);
    reduced(k, w);
    xChannel = inGroupOf(yChannel, outputs, inputs, c);
  } else {
    b = IndexExpr::dim(0);
    xChannel = IndexExpr::dim(1);
    spatial(p);
    IndexExpr m = reduceOver(outputs);
    reduced(k, w);
    yChannel = inGroupOf(xChannel, inputs, outputs, m);
    c = grouped ? mod(xChannel, inputs) : xChannel;
  }
  Access ofX, ofW, ofY;
  ofX.index = {b, xChannel};
  ofW.index = {yChannel, c};
  ofY.index = {b, yChannel};
  llvm::append_range(ofW.index, k);
  for (int64_t i = 0; i < n; ++i) {
    auto at = static_cast<size_t>(i);
    DimExpr stride(getStrides()[at]), low = *toDim(getLow()[static_cast<unsigned>(i)]);
    IndexExpr offset = k[at] * DimExpr(getDilations()[at]);
    if (!makesX()) {
      IndexExpr place = o[at] * stride + offset - low;
      ofX.guards.push_back({place, 0, x.getDim(2 + i)});
      ofX.index.push_back(place);
      ofY.index.push_back(o[at]);
      continue;
    }
    IndexExpr place = p[at] + k[at] * DimExpr(-getDilations()[at]) + IndexExpr::constant(low);
    ofY.guards.push_back({place, 0, y.getDim(2 + i) * stride});
    if (stride != DimExpr(1))
      ofY.guards.push_back({mod(place, stride), 0, 1});
    ofY.index.push_back(stride == DimExpr(1) ? place : floorDiv(place, stride));
  }
  indexing.accesses.push_back(makesX() ? ofW : ofX);
  indexing.accesses.push_back(makesY() ? ofW : ofY);
  indexing.accesses[1].operand = 1;
  return indexing;
}

// -- Derivatives ----------------------------------------------------------------------------------

SmallVector<Value> ConvolutionOp::buildVjp(OpBuilder &builder, Location loc,
                                           ValueRange cotangents) {
  Value d = cotangents[0];
  auto product = [&](Value wanted, Value a, Value b, StringRef part) -> Value {
    return ConvolutionOp::create(builder, loc, tensorType(wanted), a, b, part, getLow(),
                                 getStrides(), getDilations(), getGroups());
  };
  Value lhs = getLhs(), rhs = getRhs();
  if (makesY()) // Of x and w.
    return {product(lhs, rhs, d, "x"), product(rhs, lhs, d, "w")};
  if (makesX()) // Of w and y.
    return {product(lhs, d, rhs, "w"), product(rhs, d, lhs, "y")};
  return {product(lhs, d, rhs, "x"), product(rhs, lhs, d, "y")}; // Of x and y.
}

SmallVector<Value> ConvolutionOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  Value sum;
  for (unsigned i : {0u, 1u}) {
    if (!tangents[i])
      continue;
    Operation *copy = builder.clone(*getOperation());
    copy->setLoc(loc);
    copy->setOperand(i, tangents[i]);
    Value term = copy->getResult(0);
    sum = sum ? (Expr(builder, loc, sum) + Expr(builder, loc, term)).value() : term;
  }
  return {sum};
}

} // namespace sinter::ir
