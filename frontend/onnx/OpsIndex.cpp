// SPDX-License-Identifier: Apache-2.0
// Elements at positions that are data, order and running reductions.
#include "sinter/frontend/onnx/Helpers.h"
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

static void importWhere(Node &node) {
  Tensor condition = node.input(0), a = node.input(1), b = node.input(2);
  if (a.dtype() == boolean)
    return node.output(0, (condition && a) || (!condition && b));
  node.output(0, where(condition, a, b));
}

// -- Indices --------------------------------------------------------------------------------------

/// Negative indices count from the end of `size`.
static Tensor counted(Node &node, const Tensor &indices, const DimExpr &size) {
  if (!isInteger(indices.dtype()))
    node.invalid("the indices are " + indices.str());
  return where(indices < 0, indices + sizeValue(node, indices.dtype(), size), indices);
}

static Tensor indexInput(Node &node, size_t i) {
  Tensor indices = node.input(i);
  if (indices.dtype() != i32 && indices.dtype() != i64)
    node.invalid("the indices must be int32 or int64, not " + indices.str());
  return indices;
}

/// Positions of a tensor of the shape of `indices` in which `axis` is replaced by them: one
/// coordinate per axis, along a new last one.
static Tensor coordinates(Node &node, const Tensor &indices, int64_t axis) {
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < indices.rank(); ++i)
    parts.push_back(i == axis ? indices : node.graph().iota(indices.dtype(), indices.shape(), i));
  return stack(parts, indices.rank());
}

static bool sameBesides(const Tensor &a, const Tensor &b, int64_t axis) {
  for (int64_t i = 0; i < a.rank(); ++i)
    if (i != axis && a.size(i) != b.size(i))
      return false;
  return true;
}

// -- Gather ---------------------------------------------------------------------------------------

static void importGather(Node &node) {
  Tensor x = node.input(0);
  requireRank(node, x, 1, "the data");
  int64_t axis = node.axis(node.intAttribute("axis", 0), x.rank());
  node.output(0, gather(x, counted(node, indexInput(node, 1), x.size(axis)), axis));
}

static void importGatherElements(Node &node) {
  Tensor x = node.input(0), indices = indexInput(node, 1);
  requireRank(node, x, 1, "the data");
  if (indices.rank() != x.rank())
    node.invalid("data and indices differ in rank: " + x.str() + " and " + indices.str());
  int64_t axis = node.axis(node.intAttribute("axis", 0), x.rank());
  indices = counted(node, indices, x.size(axis));
  node.output(0, sameBesides(x, indices, axis) ? takeAlong(x, indices, axis)
                                               : gatherNd(x, coordinates(node, indices, axis)));
}

/// Indices into several axes of x at once: the last axis of `indices` has one per axis from
/// `first`.
static Tensor countedNd(Node &node, const Tensor &x, const Tensor &indices, int64_t first) {
  if (indices.rank() < 1)
    node.invalid("the indices are a scalar");
  int64_t depth = node.staticSize(indices.size(-1), "the last axis of the indices");
  if (depth < 0 || first + depth > x.rank())
    node.invalid("indices " + indices.str() + " reach deeper than the data " + x.str());
  std::vector<Tensor> sizes;
  for (int64_t i = 0; i < depth; ++i)
    sizes.push_back(sizeValue(node, indices.dtype(), x.size(first + i)).reshape({1}));
  if (sizes.empty())
    return indices;
  Tensor wrapped = indices + (sizes.size() == 1 ? sizes[0] : concat(sizes, 0));
  return where(indices < 0, wrapped, indices);
}

static void importGatherND(Node &node) {
  Tensor x = node.input(0), indices = indexInput(node, 1);
  int64_t batch = node.opset() >= 12 ? node.intAttribute("batch_dims", 0) : 0;
  if (batch < 0 || batch >= std::min(x.rank(), indices.rank()))
    if (batch != 0)
      node.invalid("batch_dims " + std::to_string(batch));
  node.output(0, gatherNd(x, countedNd(node, x, indices, batch), batch));
}

// -- Scatter --------------------------------------------------------------------------------------

static ScatterMode scatterMode(Node &node) {
  static constexpr std::string_view names[] = {"none", "add", "mul", "max", "min"};
  static constexpr ScatterMode modes[] = {ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul,
                                          ScatterMode::Max, ScatterMode::Min};
  return modes[node.choiceAttribute("reduction", names, "none")];
}

static void importScatterElements(Node &node) {
  Tensor x = node.input(0), indices = indexInput(node, 1), updates = node.input(2);
  requireRank(node, x, 1, "the data");
  if (indices.rank() != x.rank() || indices.shape() != updates.shape())
    node.invalid("indices " + indices.str() + " and updates " + updates.str() + " for " + x.str());
  int64_t axis = node.axis(node.intAttribute("axis", 0), x.rank());
  ScatterMode mode = scatterMode(node);
  indices = counted(node, indices, x.size(axis));
  node.output(0, sameBesides(x, indices, axis)
                     ? scatterAlong(x, indices, updates, axis, mode)
                     : scatterNd(x, coordinates(node, indices, axis), updates, mode));
}

static void importScatterND(Node &node) {
  Tensor x = node.input(0), indices = indexInput(node, 1), updates = node.input(2);
  node.output(0, scatterNd(x, countedNd(node, x, indices, 0), updates, scatterMode(node)));
}

/// Writes `update` into a cache from a position on that each batch has of its own.
static void importTensorScatter(Node &node) {
  Tensor cache = node.input(0), update = node.input(1);
  static constexpr std::string_view modes[] = {"linear", "circular"};
  bool circular = node.choiceAttribute("mode", modes, "linear") == 1;
  requireRank(node, cache, 2, "the cache");
  int64_t axis = node.axis(node.intAttribute("axis", -2), cache.rank());
  if (axis == 0 || update.rank() != cache.rank())
    node.invalid("axis " + std::to_string(axis) + " of " + cache.str());
  std::vector<DimExpr> alongTime(static_cast<size_t>(cache.rank()), DimExpr(1)),
      alongBatch = alongTime;
  alongTime[static_cast<size_t>(axis)] = update.size(axis);
  alongBatch[0] = update.size(0);
  Tensor positions = node.graph().iota(i64, Shape(alongTime), axis);
  if (node.has(2))
    positions = positions + node.input(2).cast(i64).reshape(Shape(alongBatch));
  if (circular)
    positions = mod(positions, sizeValue(node, i64, cache.size(axis)));
  positions = positions.broadcastTo(update.shape());
  node.output(0, scatterAlong(cache, positions, update, axis));
}

static void importReverseSequence(Node &node) {
  Tensor x = node.input(0), lengths = node.input(1).cast(i64);
  requireRank(node, x, 2, "the input");
  int64_t time = node.axis(node.intAttribute("time_axis", 0), x.rank());
  int64_t batch = node.axis(node.intAttribute("batch_axis", 1), x.rank());
  if (time == batch)
    node.invalid("time_axis and batch_axis are the same");
  std::vector<DimExpr> sizes(static_cast<size_t>(x.rank()), DimExpr(1));
  sizes[static_cast<size_t>(time)] = x.size(time);
  Tensor at = node.graph().iota(i64, Shape(sizes), time);
  Tensor length = alongAxis(lengths, batch, x.rank());
  node.output(0, takeAlong(x, where(at < length, length - 1 - at, at), time));
}

// -- Order and running reductions -----------------------------------------------------------------

static void importTopK(Node &node) {
  Tensor x = node.input(0);
  requireRank(node, x, 1, "the input");
  int64_t axis = node.axis(node.intAttribute("axis", -1), x.rank());
  bool largest = node.opset() < 11 || node.flagAttribute("largest", true);
  node.ignoreAttribute("sorted"); // Sorted is one of the orders that 0 allows.
  std::vector<DimExpr> given;
  if (node.opset() >= 10)
    given = node.knownDims(1);
  else
    given.push_back(node.intAttribute("k"));
  if (given.size() != 1)
    node.invalid("k has " + std::to_string(given.size()) + " elements");
  const DimExpr &k = given[0];
  if (std::optional<int64_t> count = k.constant();
      count && (*count < 0 || x.size(axis).constant().value_or(*count) < *count))
    node.invalid("k is " + k.str() + " for " + x.str());
  TopK found = topK(x, k, axis, largest);
  node.output(0, found.values);
  node.output(1, found.indices);
}

template <auto function> static void importCumulative(Node &node) {
  Tensor x = node.input(0);
  requireRank(node, x, 1, "the input");
  int64_t axis = node.axis(node.knownInt(1), x.rank());
  CumulativeOptions options;
  options.exclusive = node.flagAttribute("exclusive", false);
  options.reverse = node.flagAttribute("reverse", false);
  node.output(0, function(x, axis, options, std::source_location::current()));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> indexHandlers() {
  static constexpr OpHandler table[] = {
      {"CumProd", 26, importCumulative<sinter::cumprod>},
      {"CumSum", 11, importCumulative<sinter::cumsum>},
      {"Gather", 1, importGather},
      {"GatherElements", 11, importGatherElements},
      {"GatherND", 11, importGatherND},
      {"ReverseSequence", 10, importReverseSequence},
      {"Scatter", 9, importScatterElements},
      {"ScatterElements", 11, importScatterElements},
      {"ScatterND", 11, importScatterND},
      {"TensorScatter", 24, importTensorScatter},
      {"TopK", 1, importTopK},
      {"Where", 9, importWhere},
  };
  return table;
}

} // namespace sinter::onnx
