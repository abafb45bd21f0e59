// SPDX-License-Identifier: Apache-2.0
// The same elements in another shape or order, and sizes as values.
#include "sinter/frontend/onnx/Node.h"

#include <algorithm>
#include <numeric>

namespace sinter::onnx {

// -- Shapes ---------------------------------------------------------------------------------------

static void importIdentity(Node &node) { node.output(0, node.input(0)); }

static void importReshape(Node &node) {
  Tensor x = node.input(0);
  std::vector<DimExpr> sizes;
  if (node.opset() < 5) {
    node.ignoreAttribute("consumed_inputs");
    for (int64_t size : node.intsAttribute("shape", std::vector<int64_t>{}))
      sizes.emplace_back(size);
  } else {
    sizes = node.knownDims(1);
  }
  bool zeroCounts = node.flagAttribute("allowzero", false);
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::optional<int64_t> size = sizes[i].constant();
    if (size == 0 && !zeroCounts) {
      if (static_cast<int64_t>(i) >= x.rank())
        node.invalid("size " + std::to_string(i) + " of the new shape is 0, but the input is " +
                     x.str());
      sizes[i] = x.size(static_cast<int64_t>(i));
    } else if (size && *size < -1) {
      node.invalid("size " + std::to_string(*size) + " in the new shape");
    }
  }
  node.output(0, x.reshape(Shape(std::move(sizes))));
}

static void importTranspose(Node &node) {
  Tensor x = node.input(0);
  if (!node.hasAttribute("perm"))
    return node.output(0, x.transpose());
  node.output(0, x.transpose(node.intsAttribute("perm")));
}

/// Axes are an attribute before version 13, then an input. nullopt: not given.
static std::optional<std::vector<int64_t>> axesOf(Node &node) {
  if (node.opset() >= 13)
    return node.has(1) ? std::optional(node.knownInts(1)) : std::nullopt;
  return node.hasAttribute("axes") ? std::optional(node.intsAttribute("axes")) : std::nullopt;
}

static void importSqueeze(Node &node) {
  Tensor x = node.input(0);
  std::optional<std::vector<int64_t>> given = axesOf(node);
  std::vector<int64_t> axes;
  if (given)
    axes = node.axes(*given, x.rank());
  else
    for (int64_t i = 0; i < x.rank(); ++i)
      if (x.size(i).constant() == 1)
        axes.push_back(i);
  std::vector<DimExpr> sizes;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end())
      sizes.push_back(x.size(i));
    else if (x.size(i).constant() != 1)
      node.invalid("axis " + std::to_string(i) + " of " + x.str() + " does not have size 1");
  }
  node.output(0, x.reshape(Shape(std::move(sizes))));
}

static void importUnsqueeze(Node &node) {
  Tensor x = node.input(0);
  std::optional<std::vector<int64_t>> given = axesOf(node);
  if (!given)
    node.invalid("its axes are missing");
  int64_t rank = x.rank() + static_cast<int64_t>(given->size());
  std::vector<int64_t> axes = node.axes(*given, rank);
  std::vector<DimExpr> sizes;
  for (int64_t i = 0, from = 0; i < rank; ++i)
    sizes.push_back(std::find(axes.begin(), axes.end(), i) != axes.end() ? DimExpr(1)
                                                                         : x.size(from++));
  node.output(0, x.reshape(Shape(std::move(sizes))));
}

static DimExpr product(const Shape &shape, int64_t first, int64_t last) {
  DimExpr result = 1;
  for (int64_t i = first; i < last; ++i)
    result *= shape[i];
  return result;
}

static void importFlatten(Node &node) {
  Tensor x = node.input(0);
  int64_t axis = node.intAttribute("axis", 1);
  if (axis < -x.rank() || axis > x.rank())
    node.invalid("axis " + std::to_string(axis) + " is out of range for " + x.str());
  if (axis < 0)
    axis += x.rank();
  node.output(0, x.reshape({product(x.shape(), 0, axis), product(x.shape(), axis, x.rank())}));
}

// -- Sizes as values ------------------------------------------------------------------------------

static Tensor sizesAsVector(Node &node, const Shape &sizes) {
  if (std::optional<std::vector<int64_t>> numbers = sizes.evaluate({}))
    return node.graph().constant(Array::from(*numbers));
  std::vector<Tensor> parts;
  for (const DimExpr &size : sizes)
    parts.push_back(node.graph().dimValue(i64, size).reshape({1}));
  return concat(parts, 0);
}

static void importShape(Node &node) {
  Tensor x = node.input(0);
  auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + x.rank() : at, 0, x.rank());
  };
  int64_t start = clamped(node.intAttribute("start", 0));
  int64_t end = clamped(node.intAttribute("end", x.rank()));
  Shape sizes;
  for (int64_t i = start; i < end; ++i)
    sizes.push_back(x.size(i));
  node.output(0, sizesAsVector(node, sizes));
}

static void importSize(Node &node) {
  DimExpr count = node.input(0).shape().numElements();
  node.output(0, count.isConstant() ? node.graph().scalar(i64, *count.constant())
                                    : node.graph().dimValue(i64, count));
}

// -- Blocks ---------------------------------------------------------------------------------------

static DimExpr exactQuotient(Node &node, const DimExpr &size, int64_t divisor) {
  if (std::optional<DimExpr> quotient = size.dividedExactlyBy(divisor))
    return *quotient;
  if (!size.isConstant())
    node.unsupported("size " + size.str() + ", which must divide by " + std::to_string(divisor));
  node.invalid("size " + size.str() + " is no multiple of " + std::to_string(divisor));
}

static int64_t blockSize(Node &node, const Tensor &x) {
  int64_t block = node.intAttribute("blocksize");
  if (block < 1 || block > 1 << 16)
    node.invalid("blocksize " + std::to_string(block));
  if (x.rank() != 4)
    node.invalid("the input must have rank 4, not " + x.str());
  return block;
}

static void importDepthToSpace(Node &node) {
  Tensor x = node.input(0);
  int64_t b = blockSize(node, x);
  static constexpr std::string_view modes[] = {"DCR", "CRD"};
  bool depthFirst = node.choiceAttribute("mode", modes, "DCR") == 0;
  DimExpr n = x.size(0), c = exactQuotient(node, x.size(1), b * b), h = x.size(2), w = x.size(3);
  Tensor parts = depthFirst ? x.reshape({n, b, b, c, h, w}).transpose({0, 3, 4, 1, 5, 2})
                            : x.reshape({n, c, b, b, h, w}).transpose({0, 1, 4, 2, 5, 3});
  node.output(0, parts.reshape({n, c, h * b, w * b}));
}

static void importSpaceToDepth(Node &node) {
  Tensor x = node.input(0);
  int64_t b = blockSize(node, x);
  static constexpr std::string_view modes[] = {"DCR", "CRD"};
  bool depthFirst = node.choiceAttribute("mode", modes, "DCR") == 0;
  DimExpr n = x.size(0), c = x.size(1), h = exactQuotient(node, x.size(2), b),
          w = exactQuotient(node, x.size(3), b);
  Tensor parts = x.reshape({n, c, h, b, w, b});
  parts = depthFirst ? parts.transpose({0, 3, 5, 1, 2, 4}) : parts.transpose({0, 1, 3, 5, 2, 4});
  node.output(0, parts.reshape({n, c * (b * b), h, w}));
}

// -- Optional values ------------------------------------------------------------------------------

static void importOptional(Node &node) {
  node.ignoreAttribute("type");
  node.output(0, node.optionalInput(0));
}

static void importOptionalHasElement(Node &node) {
  node.output(0, node.graph().scalar(boolean, node.optionalInput(0).defined()));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> shapeHandlers() {
  static constexpr OpHandler table[] = {
      {"DepthToSpace", 1, importDepthToSpace},
      {"Flatten", 1, importFlatten},
      {"Identity", 1, importIdentity},
      {"Optional", 15, importOptional},
      {"OptionalGetElement", 15, importIdentity},
      {"OptionalHasElement", 15, importOptionalHasElement},
      {"Reshape", 1, importReshape},
      {"Shape", 1, importShape},
      {"Size", 1, importSize},
      {"SpaceToDepth", 1, importSpaceToDepth},
      {"Squeeze", 1, importSqueeze},
      {"Transpose", 1, importTranspose},
      {"Unsqueeze", 1, importUnsqueeze},
  };
  return table;
}

} // namespace sinter::onnx
