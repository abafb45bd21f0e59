// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Indexing.h"

#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/Functions.h"

#include <numeric>

using namespace mlir;

namespace sinter {

namespace {

std::vector<int64_t> numbers(int64_t first, int64_t count) {
  std::vector<int64_t> result(static_cast<size_t>(count));
  std::iota(result.begin(), result.end(), first);
  return result;
}

/// Where elements of x lie: what gather and scatter share (see their ops).
struct Places {
  Shape frame; ///< Of the result of a gather and of the updates of a scatter.
  std::vector<int64_t> dims;
  std::vector<Tensor> indices;
};

/// A function of this file, and its helpers.
struct IndexingCall : CompositeCall {
  using CompositeCall::CompositeCall;

  Value valueOf(const Tensor &tensor) const { return graph.value(tensor, call); }
  void requireIndices(const Tensor &indices) const {
    requireInteger(indices, "the indices");
    if (indices.dtype() != i32 && indices.dtype() != i64)
      fail("indices are i32 or i64, not " + std::string(name(indices.dtype())),
           {shape, indices.shape()}, ".cast(i64)");
  }
  /// Repeats x so that its dim i is dim dims[i] of `to`.
  Tensor spread(const Tensor &x, const Shape &to, ArrayRef<int64_t> dims) const {
    if (x.shape() == to)
      return x;
    return graph.tensor(graph.create(call, "sinter.broadcast", valueOf(x),
                                     graph.named("dimensions", dims),
                                     graph.type(call, x.dtype(), to)));
  }

  Tensor look(const Tensor &x, const Places &places) const {
    SmallVector<Value> operands = {valueOf(x)};
    for (const Tensor &index : places.indices)
      operands.push_back(valueOf(index));
    return graph.tensor(graph.create(call, "sinter.gather", operands,
                                     graph.named("dims", ArrayRef<int64_t>(places.dims))));
  }

  Tensor place(const Tensor &x, const Tensor &updates, const Places &places,
               ScatterMode mode) const {
    requireSameDType(updates, "the update");
    static constexpr StringLiteral names[] = {"set", "add", "mul", "max", "min"};
    SmallVector<Value> operands = {valueOf(x),
                                   graph.broadcast(call, valueOf(updates), places.frame)};
    for (const Tensor &index : places.indices)
      operands.push_back(valueOf(index));
    auto word = StringAttr::get(&graph.mlirContext(), names[static_cast<size_t>(mode)]);
    return graph.tensor(graph.create(call, "sinter.scatter", operands,
                                     {graph.named("dims", ArrayRef<int64_t>(places.dims)),
                                      graph.named("mode", Attribute(word))}));
  }

  Places alongOneAxis(const Tensor &indices, int64_t axis) const {
    requireRank(1);
    requireIndices(indices);
    axis = CompositeCall::axis(axis);
    Shape positions = indices.shape();
    Places places;
    for (int64_t i = 0; i < axis; ++i)
      places.frame.push_back(shape[i]);
    for (const DimExpr &size : positions)
      places.frame.push_back(size);
    for (int64_t i = axis + 1; i < shape.rank(); ++i)
      places.frame.push_back(shape[i]);
    for (int64_t i = 0; i < shape.rank(); ++i)
      places.dims.push_back(i < axis ? i : i == axis ? -1 : i - 1 + positions.rank());
    places.indices = {spread(indices, places.frame, numbers(axis, positions.rank()))};
    return places;
  }

  /// `x` is repeated where its size is 1 and that of the indices is not.
  Places elementPerIndex(Tensor &x, const Tensor &indices, int64_t axis, bool repeats) const {
    requireRank(1);
    requireIndices(indices);
    axis = CompositeCall::axis(axis);
    Shape positions = indices.shape(), source = shape;
    if (positions.rank() != shape.rank())
      fail("the indices have rank " + std::to_string(positions.rank()) + ", not " +
               std::to_string(shape.rank()),
           {shape, positions}, "gather() takes indices of any rank");
    Places places;
    for (int64_t i = 0; i < shape.rank(); ++i) {
      bool repeatsX = repeats && i != axis && source[i] == DimExpr(1);
      places.frame.push_back(i == axis || repeatsX ? positions[i] : source[i]);
      places.dims.push_back(i == axis ? -1 : i);
      if (repeatsX)
        source[i] = positions[i];
      if (i != axis && positions[i] != source[i] && positions[i] != DimExpr(1))
        fail("axis " + std::to_string(i) + " of the indices has size " + positions[i].str() +
                 ", not " + source[i].str(),
             {shape, positions});
    }
    x = spread(x, source, numbers(0, shape.rank()));
    places.indices = {graph.tensor(graph.broadcast(call, valueOf(indices), places.frame))};
    return places;
  }

  Places manyAxes(const Tensor &indices, int64_t batchAxes) const {
    requireIndices(indices);
    Shape positions = indices.shape();
    std::optional<int64_t> depth;
    if (positions.rank() >= 1)
      depth = positions[positions.rank() - 1].constant();
    if (!depth)
      fail("the last axis of the indices needs a fixed size", {shape, positions});
    if (batchAxes < 0 || batchAxes >= positions.rank() || batchAxes > shape.rank())
      fail(std::to_string(batchAxes) + " batch axes are too many", {shape, positions});
    if (*depth < 1 || *depth > shape.rank() - batchAxes)
      fail("positions of " + std::to_string(*depth) + " indices do not fit the axes",
           {shape, positions});
    for (int64_t i = 0; i < batchAxes; ++i)
      if (positions[i] != shape[i])
        fail("batch axis " + std::to_string(i) + " differs", {shape, positions});
    Places places;
    for (int64_t i = 0; i + 1 < positions.rank(); ++i)
      places.frame.push_back(positions[i]);
    int64_t rest = places.frame.rank();
    for (int64_t i = batchAxes + *depth; i < shape.rank(); ++i)
      places.frame.push_back(shape[i]);
    for (int64_t i = 0; i < shape.rank(); ++i)
      places.dims.push_back(i < batchAxes            ? i
                            : i < batchAxes + *depth ? -1
                                                     : rest + i - batchAxes - *depth);
    for (int64_t i = 0; i < *depth; ++i)
      places.indices.push_back(spread(at(indices, -1, i), places.frame, numbers(0, rest)));
    return places;
  }

  /// From `starts` on; axes that `sizes` covers whole start at 0 whatever their start is.
  Places block(const std::vector<Tensor> &starts, const Shape &sizes) const {
    if (static_cast<int64_t>(starts.size()) != shape.rank() || sizes.rank() != shape.rank())
      fail("needs a start and a size for each axis", {shape, sizes});
    Places places;
    places.frame = sizes;
    for (int64_t i = 0; i < shape.rank(); ++i) {
      const Tensor &given = starts[static_cast<size_t>(i)];
      requireIndices(given);
      if (given.rank() != 0)
        fail("start " + std::to_string(i) + " is no scalar", {shape, given.shape()});
      if (sizes[i] == shape[i]) {
        places.dims.push_back(i);
        continue;
      }
      DimExpr last = shape[i] - sizes[i];
      if (last.constant().value_or(0) < 0)
        fail("size " + sizes[i].str() + " of axis " + std::to_string(i) + " is larger than " +
                 shape[i].str(),
             {shape, sizes});
      Tensor start = minimum(maximum(cast(given, i64), 0), sizeOperand(last, i64));
      Tensor index = handle().iota(i64, sizes, i) + start;
      places.dims.push_back(-1);
      places.indices.push_back(index);
    }
    return places;
  }
};

/// A running reduction.
Tensor cumulative(const char *name, const Tensor &x, int64_t axis, const CumulativeOptions &options,
                  std::source_location loc) {
  IndexingCall c(x, name, loc);
  c.requireRank(1);
  Builder builder(&c.graph.mlirContext());
  SmallVector<NamedAttribute> attributes = {
      c.graph.named("axis", Attribute(builder.getI64IntegerAttr(c.axis(axis))))};
  if (options.exclusive)
    attributes.push_back(c.graph.named("exclusive", Attribute(builder.getUnitAttr())));
  if (options.reverse)
    attributes.push_back(c.graph.named("reverse", Attribute(builder.getUnitAttr())));
  return c.graph.tensor(
      c.graph.create(c.call, std::string("sinter.") + name, c.valueOf(x), attributes));
}

} // namespace

// -- Looking up -----------------------------------------------------------------------------------

Tensor gather(const Tensor &x, const Tensor &indices, int64_t axis, std::source_location loc) {
  IndexingCall c(x, "gather", loc);
  return c.look(x, c.alongOneAxis(indices, axis));
}

Tensor takeAlong(const Tensor &x, const Tensor &indices, int64_t axis, std::source_location loc) {
  IndexingCall c(x, "takeAlong", loc);
  Tensor source = x;
  Places places = c.elementPerIndex(source, indices, axis, /*repeats=*/true);
  return c.look(source, places);
}

Tensor gatherNd(const Tensor &x, const Tensor &indices, int64_t batchAxes,
                std::source_location loc) {
  IndexingCall c(x, "gatherNd", loc);
  return c.look(x, c.manyAxes(indices, batchAxes));
}

Tensor dynamicSlice(const Tensor &x, const std::vector<Tensor> &starts, const Shape &sizes,
                    std::source_location loc) {
  IndexingCall c(x, "dynamicSlice", loc);
  Places places = c.block(starts, sizes);
  return places.indices.empty() ? x : c.look(x, places);
}

// -- Placing --------------------------------------------------------------------------------------

Tensor scatter(const Tensor &x, const Tensor &indices, const Tensor &updates, int64_t axis,
               ScatterMode mode, std::source_location loc) {
  IndexingCall c(x, "scatter", loc);
  return c.place(x, updates, c.alongOneAxis(indices, axis), mode);
}

Tensor scatterAlong(const Tensor &x, const Tensor &indices, const Tensor &updates, int64_t axis,
                    ScatterMode mode, std::source_location loc) {
  IndexingCall c(x, "scatterAlong", loc);
  Tensor target = x;
  Places places = c.elementPerIndex(target, indices, axis, /*repeats=*/false);
  return c.place(target, updates, places, mode);
}

Tensor scatterNd(const Tensor &x, const Tensor &indices, const Tensor &updates, ScatterMode mode,
                 int64_t batchAxes, std::source_location loc) {
  IndexingCall c(x, "scatterNd", loc);
  return c.place(x, updates, c.manyAxes(indices, batchAxes), mode);
}

Tensor dynamicUpdateSlice(const Tensor &x, const Tensor &update, const std::vector<Tensor> &starts,
                          std::source_location loc) {
  IndexingCall c(x, "dynamicUpdateSlice", loc);
  c.requireSameDType(update, "the update");
  Places places = c.block(starts, update.shape());
  return places.indices.empty() ? update : c.place(x, update, places, ScatterMode::Set);
}

// -- Order ----------------------------------------------------------------------------------------

Tensor argsort(const Tensor &x, int64_t axis, bool descending, std::source_location loc) {
  IndexingCall c(x, "argsort", loc);
  c.requireRank(1);
  Builder builder(&c.graph.mlirContext());
  SmallVector<NamedAttribute> attributes = {
      c.graph.named("axis", Attribute(builder.getI64IntegerAttr(c.axis(axis))))};
  if (descending)
    attributes.push_back(c.graph.named("descending", Attribute(builder.getUnitAttr())));
  return c.graph.tensor(c.graph.create(c.call, "sinter.argsort", c.valueOf(x), attributes));
}

Tensor sort(const Tensor &x, int64_t axis, bool descending, std::source_location loc) {
  IndexingCall c(x, "sort", loc);
  return takeAlong(x, argsort(x, axis, descending), axis);
}

TopK topK(const Tensor &x, const DimExpr &k, int64_t axis, bool largest, std::source_location loc) {
  IndexingCall c(x, "topK", loc);
  Tensor order = argsort(x, axis, largest);
  Tensor indices = slice(order, axis, 0, k);
  return {takeAlong(x, indices, axis), indices};
}

Tensor argmin(const Tensor &x, int64_t axis, bool keepDims, std::source_location loc) {
  IndexingCall c(x, "argmin", loc);
  // -x, and -x - 1 for integers, which have no -x for every x.
  Tensor reversed = isFloat(x.dtype()) ? -x : zerosLike(x) - x - onesLike(x);
  return argmax(reversed, axis, keepDims);
}

// -- Running reductions ---------------------------------------------------------------------------

Tensor cumsum(const Tensor &x, int64_t axis, const CumulativeOptions &options,
              std::source_location loc) {
  return cumulative("cumsum", x, axis, options, loc);
}
Tensor cumprod(const Tensor &x, int64_t axis, const CumulativeOptions &options,
               std::source_location loc) {
  return cumulative("cumprod", x, axis, options, loc);
}
Tensor cummax(const Tensor &x, int64_t axis, const CumulativeOptions &options,
              std::source_location loc) {
  return cumulative("cummax", x, axis, options, loc);
}
Tensor cummin(const Tensor &x, int64_t axis, const CumulativeOptions &options,
              std::source_location loc) {
  return cumulative("cummin", x, axis, options, loc);
}

} // namespace sinter
