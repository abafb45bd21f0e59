// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Structural.h"

#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/MixedDTypes.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace sinter {

namespace {

/// One operand with its graph and shape, ready for checks.
struct Subject {
  Subject(const Tensor &tensor, const char *name, std::source_location loc)
      : call{name, loc}, graph(GraphImpl::of(tensor, call)), value(GraphImpl::rawValue(tensor)),
        type(ir::tensorType(value)), shape(type.getShape()) {}

  [[noreturn]] void fail(const std::string &message, const std::string &hint = "") const {
    graph.fail(call, message, {shape}, hint);
  }
  /// A non-negative axis below `rank` (that of the operand unless given).
  int64_t axis(int64_t axis, std::optional<int64_t> rank = std::nullopt) const {
    int64_t limit = rank.value_or(shape.rank());
    if (axis < -limit || axis >= limit)
      fail("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(limit));
    return axis < 0 ? axis + limit : axis;
  }
  /// Sorted, distinct axes.
  SmallVector<int64_t> axes(const Axes &axes) const {
    SmallVector<int64_t> result;
    if (axes.all()) {
      result.resize(static_cast<size_t>(shape.rank()));
      std::iota(result.begin(), result.end(), int64_t{0});
      return result;
    }
    for (int64_t entry : axes.list())
      result.push_back(axis(entry));
    std::sort(result.begin(), result.end());
    auto twice = std::adjacent_find(result.begin(), result.end());
    if (twice != result.end())
      fail("axis " + std::to_string(*twice) + " is given twice");
    return result;
  }
  Tensor make(StringRef op, ArrayRef<NamedAttribute> attributes, ir::TensorType type = {}) const {
    return graph.tensor(graph.create(call, op, value, attributes, type));
  }
  Tensor reshaped(const Shape &to) const { return graph.tensor(graph.reshape(call, value, to)); }

  Call call;
  GraphImpl &graph;
  Value value;
  ir::TensorType type;
  Shape shape;
};

} // namespace

Value GraphImpl::reshape(const Call &call, Value x, const Shape &shape) {
  ir::TensorType from = ir::tensorType(x);
  if (from.getShape() == shape)
    return x;
  return create(call, "sinter.reshape", x, {}, type(call, from.getDType(), shape));
}

Tensor cast(const Tensor &x, DType dtype, std::source_location loc) {
  Subject s(x, "cast", loc);
  if (s.type.getDType() == dtype)
    return x;
  return s.make("sinter.cast", {}, s.graph.type(s.call, dtype, s.shape));
}

Tensor bitcast(const Tensor &x, DType dtype, std::source_location loc) {
  Subject s(x, "bitcast", loc);
  return s.make("sinter.bitcast", {}, s.graph.type(s.call, dtype, s.shape));
}

// -- Sizes ----------------------------------------------------------------------------------------

Tensor broadcastTo(const Tensor &x, const Shape &shape, std::source_location loc) {
  Subject s(x, "broadcastTo", loc);
  s.graph.type(s.call, s.type.getDType(), shape);
  return s.graph.tensor(s.graph.broadcast(s.call, s.value, shape));
}

Tensor reshape(const Tensor &x, const Shape &shape, std::source_location loc) {
  Subject s(x, "reshape", loc);
  Shape result = shape;
  std::optional<int64_t> open;
  DimExpr known = 1;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] == DimExpr(-1)) {
      if (open)
        s.graph.fail(s.call, "only one size may be -1", {s.shape, shape});
      open = i;
    }
  }
  if (open) {
    try {
      for (int64_t i = 0; i < shape.rank(); ++i)
        if (i != *open)
          known *= shape[i];
    } catch (const Error &error) {
      s.graph.fail(s.call, error.message(), {s.shape, shape});
    }
    DimExpr all = s.type.getNumElements();
    std::optional<DimExpr> size = known == DimExpr(0) ? std::nullopt : all.dividedExactlyBy(known);
    if (!size && !(all.isConstant() && known.isConstant()))
      size = floorDiv(all, known); // Whether it divides is checked at the call.
    if (!size)
      s.graph.fail(s.call, all.str() + " elements do not divide into rows of " + known.str(),
                   {s.shape, shape});
    result[*open] = *size;
  }
  return s.reshaped(result);
}

Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation,
                 std::source_location loc) {
  Subject s(x, "transpose", loc);
  if (static_cast<int64_t>(permutation.size()) != s.shape.rank())
    s.fail("the permutation has " + std::to_string(permutation.size()) +
           " entries, the tensor rank " + std::to_string(s.shape.rank()));
  SmallVector<int64_t> order;
  for (int64_t entry : permutation)
    order.push_back(s.axis(entry));
  return s.make("sinter.transpose", s.graph.named("permutation", ArrayRef<int64_t>(order)));
}

Tensor transpose(const Tensor &x, std::source_location loc) {
  Subject s(x, "transpose", loc);
  std::vector<int64_t> order(static_cast<size_t>(s.shape.rank()));
  std::iota(order.rbegin(), order.rend(), int64_t{0});
  return transpose(x, order, loc);
}

Tensor swapAxes(const Tensor &x, int64_t a, int64_t b, std::source_location loc) {
  Subject s(x, "swapAxes", loc);
  std::vector<int64_t> order(static_cast<size_t>(s.shape.rank()));
  std::iota(order.begin(), order.end(), int64_t{0});
  int64_t first = s.axis(a), second = s.axis(b);
  std::swap(order[static_cast<size_t>(first)], order[static_cast<size_t>(second)]);
  return transpose(x, order, loc);
}

Tensor expandDims(const Tensor &x, int64_t axis, std::source_location loc) {
  Subject s(x, "expandDims", loc);
  std::vector<DimExpr> sizes = s.shape.vector();
  sizes.insert(sizes.begin() + s.axis(axis, s.shape.rank() + 1), DimExpr(1));
  return s.reshaped(Shape(std::move(sizes)));
}

Tensor squeeze(const Tensor &x, const Axes &axes, std::source_location loc) {
  Subject s(x, "squeeze", loc);
  SmallVector<int64_t> dropped = s.axes(axes);
  Shape result;
  for (int64_t i = 0; i < s.shape.rank(); ++i) {
    bool listed = llvm::is_contained(dropped, i), isOne = s.shape[i] == DimExpr(1);
    if (listed && !isOne && !axes.all())
      s.fail("axis " + std::to_string(i) + " has size " + s.shape[i].str() + ", not 1");
    if (!listed || !isOne)
      result.push_back(s.shape[i]);
  }
  return s.reshaped(result);
}

Tensor flatten(const Tensor &x, int64_t firstAxis, std::source_location loc) {
  Subject s(x, "flatten", loc);
  if (s.shape.rank() == 0)
    return s.reshaped(Shape{1});
  int64_t first = s.axis(firstAxis);
  Shape result;
  DimExpr rest = 1;
  for (int64_t i = 0; i < s.shape.rank(); ++i) {
    if (i < first)
      result.push_back(s.shape[i]);
    else
      rest *= s.shape[i];
  }
  result.push_back(rest);
  return s.reshaped(result);
}

/// Negative constants count from the end.
static DimExpr fromEnd(const DimExpr &position, const DimExpr &size) {
  return position.constant().value_or(0) < 0 ? size + position : position;
}

static Tensor sliceOp(const Subject &s, const Shape &starts, const Shape &limits,
                      const std::vector<int64_t> &steps) {
  MLIRContext *context = &s.graph.mlirContext();
  return s.make("sinter.slice", {s.graph.named("starts", ir::toAttribute(context, starts)),
                                 s.graph.named("limits", ir::toAttribute(context, limits)),
                                 s.graph.named("strides", ArrayRef<int64_t>(steps))});
}

/// Slices one axis and keeps the others whole.
static Tensor sliceAxis(const Subject &s, int64_t axis, const DimExpr &start, const DimExpr &limit,
                        int64_t step) {
  Shape starts, limits = s.shape;
  for (int64_t i = 0; i < s.shape.rank(); ++i)
    starts.push_back(0);
  starts[axis] = fromEnd(start, s.shape[axis]);
  limits[axis] = fromEnd(limit, s.shape[axis]);
  std::vector<int64_t> steps(static_cast<size_t>(s.shape.rank()), 1);
  steps[static_cast<size_t>(axis)] = step;
  return sliceOp(s, starts, limits, steps);
}

Tensor slice(const Tensor &x, int64_t axis, const DimExpr &start, const DimExpr &limit,
             int64_t step, std::source_location loc) {
  Subject s(x, "slice", loc);
  return sliceAxis(s, s.axis(axis), start, limit, step);
}

Tensor slices(const Tensor &x, const Shape &starts, const Shape &limits,
              const std::vector<int64_t> &steps, std::source_location loc) {
  Subject s(x, "slices", loc);
  size_t rank = static_cast<size_t>(s.shape.rank());
  if (starts.vector().size() != rank || limits.vector().size() != rank ||
      (!steps.empty() && steps.size() != rank))
    s.fail("needs one start, limit and step per axis");
  Shape from = starts, to = limits;
  for (int64_t i = 0; i < s.shape.rank(); ++i) {
    from[i] = fromEnd(starts[i], s.shape[i]);
    to[i] = fromEnd(limits[i], s.shape[i]);
  }
  return sliceOp(s, from, to, steps.empty() ? std::vector<int64_t>(rank, 1) : steps);
}

Tensor at(const Tensor &x, int64_t axis, const DimExpr &index, std::source_location loc) {
  Subject s(x, "at", loc);
  int64_t which = s.axis(axis);
  DimExpr position = fromEnd(index, s.shape[which]);
  Tensor row = sliceAxis(s, which, position, position + 1, 1);
  std::vector<DimExpr> sizes = s.shape.vector();
  sizes.erase(sizes.begin() + which);
  return Subject(row, "at", loc).reshaped(Shape(std::move(sizes)));
}

Tensor pad(const Tensor &x, const Shape &low, const Shape &high, double value,
           std::source_location loc) {
  Subject s(x, "pad", loc);
  MLIRContext *context = &s.graph.mlirContext();
  return s.make("sinter.pad",
                {s.graph.named("low", ir::toAttribute(context, low)),
                 s.graph.named("high", ir::toAttribute(context, high)),
                 s.graph.named("value", FloatAttr::get(Float64Type::get(context), value))});
}

static NamedAttribute axisAttribute(GraphImpl &graph, int64_t axis) {
  return graph.named("axis", IntegerAttr::get(IntegerType::get(&graph.mlirContext(), 64), axis));
}

static Tensor concatAs(const Call &call, const std::vector<Tensor> &tensors, int64_t axis) {
  GraphImpl &graph = GraphImpl::of(tensors, call);
  SmallVector<Value> values;
  for (const Tensor &tensor : tensors)
    values.push_back(graph.value(tensor, call));
  int64_t rank = ir::tensorType(values.front()).getRank();
  return graph.tensor(graph.create(call, "sinter.concat", values,
                                   axisAttribute(graph, axis < 0 ? axis + rank : axis)));
}

Tensor concat(const std::vector<Tensor> &tensors, int64_t axis, std::source_location loc) {
  return concatAs({"concat", loc}, tensors, axis);
}

Tensor stack(const std::vector<Tensor> &tensors, int64_t axis, std::source_location loc) {
  Call call{"stack", loc};
  GraphImpl &graph = GraphImpl::of(tensors, call);
  Subject first(tensors.front(), "stack", loc);
  int64_t where = first.axis(axis, first.shape.rank() + 1);
  std::vector<Tensor> rows;
  for (const Tensor &tensor : tensors) {
    Shape shape = tensor.shape(loc);
    if (shape != first.shape)
      graph.fail(call, "the tensors have different shapes", {first.shape, shape});
    std::vector<DimExpr> sizes = shape.vector();
    sizes.insert(sizes.begin() + where, DimExpr(1));
    rows.push_back(Subject(tensor, "stack", loc).reshaped(Shape(std::move(sizes))));
  }
  return concatAs(call, rows, where);
}

std::vector<Tensor> split(const Tensor &x, const Shape &sizes, int64_t axis,
                          std::source_location loc) {
  Subject s(x, "split", loc);
  int64_t which = s.axis(axis);
  DimExpr total = 0;
  for (const DimExpr &size : sizes)
    total += size;
  if (total != s.shape[which])
    s.fail("the parts add up to " + total.str() + ", axis " + std::to_string(which) + " has size " +
           s.shape[which].str());
  std::vector<Tensor> parts;
  DimExpr start = 0;
  for (const DimExpr &size : sizes) {
    parts.push_back(sliceAxis(s, which, start, start + size, 1));
    start += size;
  }
  return parts;
}

std::vector<Tensor> split(const Tensor &x, int64_t parts, int64_t axis, std::source_location loc) {
  Subject s(x, "split", loc);
  const DimExpr &size = s.shape[s.axis(axis)];
  std::optional<DimExpr> part = parts > 0 ? size.dividedExactlyBy(DimExpr(parts)) : std::nullopt;
  if (!part)
    s.fail("size " + size.str() + " does not divide into " + std::to_string(parts) + " parts");
  return split(x, Shape(std::vector<DimExpr>(static_cast<size_t>(parts), *part)), axis, loc);
}

// -- Reductions -----------------------------------------------------------------------------------

static Tensor reduce(const char *op, const Subject &s, const Axes &axes, bool keepDims) {
  SmallVector<int64_t> reduced = s.axes(axes);
  Tensor result = s.make(op, s.graph.named("axes", ArrayRef<int64_t>(reduced)));
  if (!keepDims)
    return result;
  Shape kept = s.shape;
  for (int64_t axis : reduced)
    kept[axis] = 1;
  return Subject(result, s.call.name, s.call.loc).reshaped(kept);
}

Tensor sum(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  return reduce("sinter.reduce_sum", Subject(x, "sum", loc), axes, keepDims);
}
Tensor prod(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  return reduce("sinter.reduce_prod", Subject(x, "prod", loc), axes, keepDims);
}
Tensor max(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  return reduce("sinter.reduce_max", Subject(x, "max", loc), axes, keepDims);
}
Tensor min(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  return reduce("sinter.reduce_min", Subject(x, "min", loc), axes, keepDims);
}

Tensor argmax(const Tensor &x, int64_t axis, bool keepDims, std::source_location loc) {
  Subject s(x, "argmax", loc);
  int64_t which = s.axis(axis);
  Tensor result = s.make("sinter.argmax", axisAttribute(s.graph, which));
  if (!keepDims)
    return result;
  Shape kept = s.shape;
  kept[which] = 1;
  return Subject(result, "argmax", loc).reshaped(kept);
}

// -- Contraction ----------------------------------------------------------------------------------

static Value dotOp(GraphImpl &graph, const Call &call, Value lhs, Value rhs,
                   ArrayRef<int64_t> lhsBatch, ArrayRef<int64_t> rhsBatch,
                   ArrayRef<int64_t> lhsContract, ArrayRef<int64_t> rhsContract) {
  return graph.create(call, "sinter.dot_general", {lhs, rhs},
                      {graph.named("lhsBatch", lhsBatch), graph.named("rhsBatch", rhsBatch),
                       graph.named("lhsContract", lhsContract),
                       graph.named("rhsContract", rhsContract)});
}

Tensor dotGeneral(const Tensor &lhs, const Tensor &rhs, const DotDims &dims,
                  std::source_location loc) {
  Subject left(lhs, "dotGeneral", loc), right(rhs, "dotGeneral", loc);
  left.graph.value(rhs, left.call);
  auto normalised = [](const Subject &s, const std::vector<int64_t> &axes) {
    SmallVector<int64_t> result;
    for (int64_t axis : axes)
      result.push_back(s.axis(axis));
    return result;
  };
  return left.graph.tensor(dotOp(left.graph, left.call, left.value, right.value,
                                 normalised(left, dims.lhsBatch), normalised(right, dims.rhsBatch),
                                 normalised(left, dims.lhsContract),
                                 normalised(right, dims.rhsContract)));
}

static void checkMatmul(const Subject &a, const Subject &b) {
  std::vector<Shape> shapes = {a.shape, b.shape};
  if (a.shape.rank() == 0 || b.shape.rank() == 0)
    a.graph.fail(a.call, "a scalar has no matrix product", shapes, "multiply with *");
  if (a.type.getDType() != b.type.getDType()) {
    const MixedDTypes mixed(a.type.getDType(), b.type.getDType());
    a.graph.fail(a.call, mixed.message, shapes, mixed.hint);
  }
  DimExpr inner = a.shape[a.shape.rank() - 1];
  DimExpr other = b.shape[std::max<int64_t>(b.shape.rank() - 2, 0)];
  if (inner == other)
    return;
  std::string hint;
  if (b.shape.rank() >= 2 && inner == b.shape[b.shape.rank() - 1])
    hint = "transpose the second operand: swapAxes(-1, -2)";
  else if (a.shape.rank() >= 2 && other == a.shape[a.shape.rank() - 2])
    hint = "transpose the first operand: swapAxes(-1, -2)";
  a.graph.fail(a.call, "inner sizes " + inner.str() + " and " + other.str() + " differ", shapes,
               hint);
}

/// The leading axes of both, broadcast.
static Shape matmulBatch(const Subject &a, const Subject &b) {
  Shape batch;
  int64_t rank = std::max(a.shape.rank(), b.shape.rank()) - 2;
  for (int64_t i = 0; i < rank; ++i) {
    auto size = [&](const Shape &shape) {
      int64_t at = i - (rank - (shape.rank() - 2));
      return at < 0 ? DimExpr(1) : shape[at];
    };
    DimExpr x = size(a.shape), y = size(b.shape);
    if (x != y && x != DimExpr(1) && y != DimExpr(1))
      a.graph.fail(a.call, "batch sizes " + x.str() + " and " + y.str() + " do not broadcast",
                   {a.shape, b.shape});
    batch.push_back(x == DimExpr(1) ? y : x);
  }
  return batch;
}

Tensor matmul(const Tensor &x, const Tensor &y, std::source_location loc) {
  Subject a(x, "matmul", loc);
  a.graph.value(y, a.call);
  Subject b(y, "matmul", loc);
  checkMatmul(a, b);
  int64_t rankA = a.shape.rank(), rankB = b.shape.rank();
  int64_t contractA = rankA - 1, contractB = std::max<int64_t>(rankB - 2, 0);
  // Without batches on the right the left's are free dims, in the right place already; so are the
  // right's when the left is a vector.
  if (rankB <= 2 || rankA == 1)
    return a.graph.tensor(dotOp(a.graph, a.call, a.value, b.value, {}, {}, contractA, contractB));
  Shape batch = matmulBatch(a, b);
  auto expanded = [&](const Subject &s) {
    Shape shape = batch;
    shape.push_back(s.shape[s.shape.rank() - 2]);
    shape.push_back(s.shape[s.shape.rank() - 1]);
    return s.graph.broadcast(s.call, s.value, shape);
  };
  SmallVector<int64_t> dims(static_cast<size_t>(batch.rank()));
  std::iota(dims.begin(), dims.end(), int64_t{0});
  Value left = expanded(a), right = expanded(b);
  return a.graph.tensor(
      dotOp(a.graph, a.call, left, right, dims, dims, batch.rank() + 1, batch.rank()));
}

// -- Indexing -------------------------------------------------------------------------------------

Tensor gatherRows(const Tensor &table, const Tensor &indices, std::source_location loc) {
  Subject s(table, "gatherRows", loc);
  Value index = s.graph.value(indices, s.call);
  return s.graph.tensor(s.graph.create(s.call, "sinter.gather_rows", {s.value, index}));
}

Tensor scatterAddRows(const Tensor &indices, const Tensor &updates, const DimExpr &rows,
                      std::source_location loc) {
  Subject s(updates, "scatterAddRows", loc);
  Value index = s.graph.value(indices, s.call);
  Shape indexShape = ir::tensorType(index).getShape();
  if (indexShape.rank() > s.shape.rank())
    s.graph.fail(s.call, "the indices have a higher rank than the updates", {indexShape, s.shape});
  Shape result{rows};
  for (int64_t i = indexShape.rank(); i < s.shape.rank(); ++i)
    result.push_back(s.shape[i]);
  return s.graph.tensor(s.graph.create(s.call, "sinter.scatter_add_rows", {index, s.value}, {},
                                       s.graph.type(s.call, s.type.getDType(), result)));
}

Tensor pick(const Tensor &x, const Tensor &indices, std::source_location loc) {
  Subject s(x, "pick", loc);
  Value index = s.graph.value(indices, s.call);
  return s.graph.tensor(s.graph.create(s.call, "sinter.pick", {s.value, index}));
}

// -- Creation -------------------------------------------------------------------------------------

Tensor fullLike(const Tensor &x, const Operand &value, const Shape &shape,
                std::source_location loc) {
  Subject s(x, "fullLike", loc);
  if (!value.isTensor())
    return s.graph.tensor(s.graph.full(s.call, value.number(), s.type.getDType(), shape));
  s.graph.value(value.tensor(), s.call);
  return broadcastTo(cast(value.tensor(), s.type.getDType(), loc), shape, loc);
}

/// A number in x's shape and dtype (bool included).
static Tensor filled(const Subject &s, int64_t number) {
  bool isBool = s.type.getDType() == boolean;
  Operand::Number value = isBool ? Operand::Number(number != 0) : Operand::Number(number);
  return s.graph.tensor(s.graph.full(s.call, value, s.type.getDType(), s.shape));
}

Tensor zerosLike(const Tensor &x, std::source_location loc) {
  return filled(Subject(x, "zerosLike", loc), 0);
}
Tensor onesLike(const Tensor &x, std::source_location loc) {
  return filled(Subject(x, "onesLike", loc), 1);
}

} // namespace sinter
