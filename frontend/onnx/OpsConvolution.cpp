// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Convolution.h"

#include "sinter/frontend/nn/Windows.h"
#include "sinter/frontend/onnx/OpsCommon.h"
#include "sinter/frontend/onnx/Quantization.h"
#include "sinter/frontend/onnx/Sampling.h"
#include "sinter/frontend/onnx/SpatialAttributes.h"

namespace sinter::onnx {

namespace {

/// The spatial sizes of weights [a, b, k...].
std::vector<int64_t> kernelOf(Node &node, const Tensor &weight, int64_t axes) {
  if (weight.rank() != axes + 2)
    node.invalid("weights " + weight.str() + " over " + std::to_string(axes) + " spatial axes");
  std::vector<int64_t> kernel;
  for (int64_t i = 0; i < axes; ++i)
    kernel.push_back(node.staticSize(weight.size(i + 2), "a kernel's size"));
  return kernel;
}

/// The convolution of x with weight as the node's attributes say.
Tensor convolve(Node &node, const Tensor &x, const Tensor &weight, const Tensor &bias) {
  int64_t axes = spatialAxes(node, x);
  SpatialAttributes a(node, axes, kernelOf(node, weight, axes));
  ConvOptions options;
  options.strides = a.strides;
  options.padding = a.padding();
  options.dilations = a.dilations;
  options.groups = node.intAttribute("group", 1);
  return bias.defined() ? conv(x, weight, bias, options) : conv(x, weight, options);
}

void importConv(Node &node) {
  node.output(0, convolve(node, node.input(0), node.input(1), node.optionalInput(2)));
}

void importConvInteger(Node &node) {
  Tensor x = centred(node, node.input(0), 2, 0), weight = centred(node, node.input(1), 3, 0);
  node.output(0, convolve(node, x, weight, {}));
}

void importQLinearConv(Node &node) {
  Tensor x = centred(node, node.input(0), 2, 0), weight = centred(node, node.input(3), 5, 0);
  Tensor sum = convolve(node, x, weight, node.optionalInput(8));
  auto scale = [&](size_t i) {
    Tensor value = node.input(i).cast(f32);
    bool one = value.shape().numElements() == DimExpr(1);
    return one ? value.reshape({}) : alongAxis(value, 1, sum.rank());
  };
  Tensor factor = scale(1) * scale(4) / scale(6);
  Tensor zero = node.input(7).cast(f32).reshape({});
  node.output(0, saturated(node, round(sum.cast(f32) * factor) + zero, node.inputDType(7)));
}

void importConvTranspose(Node &node) {
  Tensor x = node.input(0), weight = node.input(1);
  int64_t axes = spatialAxes(node, x);
  SpatialAttributes a(node, axes, kernelOf(node, weight, axes));
  size_t n = static_cast<size_t>(axes);
  std::vector<int64_t> extra = node.intsAttribute("output_padding", std::vector<int64_t>(n, 0));
  std::vector<int64_t> sizes = node.intsAttribute("output_shape", std::vector<int64_t>{});
  if (sizes.size() == n + 2)
    sizes.erase(sizes.begin(), sizes.begin() + 2);
  if (extra.size() != n || (!sizes.empty() && sizes.size() != n))
    node.invalid("output_padding and output_shape have one entry per spatial axis");
  for (int64_t value : extra)
    if (value < 0 || value > INT32_MAX)
      node.invalid("an output_padding of " + std::to_string(value));
  bool same =
      a.autoPad == SpatialAttributes::SameUpper || a.autoPad == SpatialAttributes::SameLower;
  for (size_t i = 0; i < n && (same || !sizes.empty()); ++i) {
    // What is too much is cut off both ends; what is missing is added at the end. The size wanted
    // is the one given, otherwise at most the input's times the stride.
    int64_t total = a.extent(i) - a.strides[i] + extra[i];
    if (!sizes.empty()) {
      int64_t input = node.staticSize(x.size(static_cast<int64_t>(i) + 2), "a spatial size");
      DimExpr excess = DimExpr(a.strides[i]) * DimExpr(input) + DimExpr(total) - DimExpr(sizes[i]);
      total = node.staticSize(excess, "a spatial size");
    }
    if (total < 0) {
      if (!sizes.empty())
        extra[i] -= total;
      total = 0;
    }
    a.low[i] = a.autoPad == SpatialAttributes::SameUpper ? total / 2 : total - total / 2;
    a.high[i] = total - a.low[i];
  }
  ConvTransposeOptions options;
  options.strides = a.strides;
  options.padding = Padding(a.low, a.high);
  options.outputPadding = extra;
  options.dilations = a.dilations;
  options.groups = node.intAttribute("group", 1);
  node.output(0, node.has(2) ? convTranspose(x, weight, node.input(2), options)
                             : convTranspose(x, weight, options));
}

void importCausalConvWithState(Node &node) {
  static constexpr std::string_view activations[] = {"none", "silu", "swish"};
  size_t activation = node.choiceAttribute("activation", activations, "none");
  Tensor x = floatInput(node, 0), weight = node.input(1);
  if (x.rank() != 3 || weight.rank() != 3)
    node.invalid("input and weight must have rank 3");
  int64_t past = node.staticSize(weight.size(2), "the kernel's size") - 1;
  Tensor before =
      node.has(3) ? node.input(3) : node.graph().zeros(x.dtype(), {x.size(0), x.size(1), past});
  Tensor all = concat({before, x}, 2);
  ConvOptions options;
  options.groups = node.staticSize(x.size(1), "the number of channels");
  Tensor y = node.has(2) ? conv(all, weight, node.input(2), options) : conv(all, weight, options);
  node.output(0, activation == 0 ? y : silu(y.cast(computeDType(y.dtype()))).cast(y.dtype()));
  if (node.wants(1))
    node.output(1, all.slice(2, x.size(2), x.size(2) + past));
}

void importCol2Im(Node &node) {
  Tensor x = node.input(0);
  if (x.rank() != 3)
    node.invalid("the input is [N, C * block, L], not " + x.str());
  std::vector<int64_t> image = node.knownInts(1), block = node.knownInts(2);
  int64_t axes = static_cast<int64_t>(block.size());
  if (image.size() != block.size())
    node.invalid("image_shape and block_shape differ in length");
  SpatialAttributes a(node, axes, block);
  // [N, C, block..., places...] with the places first, as overlapAdd() wants it.
  std::vector<DimExpr> split{x.size(0)};
  std::vector<int64_t> order{0, 1}, starts(2, 0);
  std::vector<DimExpr> sizes, places;
  DimExpr elements = 1;
  for (size_t i = 0; i < block.size(); ++i) {
    DimExpr size = DimExpr(image[i]) + DimExpr(a.low[i] + a.high[i]);
    int64_t padded = node.staticSize(size, "the padded image");
    if (image[i] < 1 || block[i] < 1 || padded < a.extent(i))
      node.invalid("a block does not fit into the image");
    sizes.push_back(size);
    places.push_back((padded - a.extent(i)) / a.strides[i] + 1);
    elements *= DimExpr(block[i]);
  }
  std::optional<DimExpr> channels = x.size(1).dividedExactlyBy(elements);
  if (!channels)
    node.invalid("block_shape does not divide the channels of " + x.str());
  split.push_back(*channels);
  split.insert(split.end(), block.begin(), block.end());
  split.insert(split.end(), places.begin(), places.end());
  for (int64_t i = 0; i < axes; ++i)
    order.push_back(2 + axes + i);
  for (int64_t i = 0; i < axes; ++i)
    order.push_back(2 + i);
  Tensor y = overlapAdd(x.reshape(Shape(split)).transpose(order), Shape(sizes),
                        {.strides = a.strides, .dilations = a.dilations});
  for (size_t i = 0; i < block.size(); ++i)
    y = y.slice(static_cast<int64_t>(i) + 2, a.low[i], a.low[i] + image[i]);
  node.output(0, y);
}

/// Every element of a window is read at its own offset, between the elements of x.
void importDeformConv(Node &node) {
  Tensor x = floatInput(node, 0), weight = node.input(1), offset = node.input(2);
  int64_t axes = spatialAxes(node, x);
  size_t n = static_cast<size_t>(axes);
  if (axes > 6)
    node.unsupported("this many spatial axes");
  SpatialAttributes a(node, axes, kernelOf(node, weight, axes));
  int64_t groups = node.intAttribute("group", 1);
  int64_t offsetGroups = node.intAttribute("offset_group", 1);
  int64_t channels = node.staticSize(x.size(1), "the number of channels");
  int64_t filters = node.staticSize(weight.size(0), "the number of filters");
  if (groups < 1 || offsetGroups < 1 || channels % groups != 0 || filters % groups != 0 ||
      channels % offsetGroups != 0 || offset.rank() != x.rank())
    node.invalid("groups do not divide the channels");
  if (weight.size(1) != DimExpr(channels / groups))
    node.invalid("weights " + weight.str() + " for " + x.str());

  // Positions are [N, offset groups, 1, k..., o...]; the axis of 1 stands for a group's channels.
  DType compute = computeDType(x.dtype());
  std::vector<DimExpr> window(a.kernel.begin(), a.kernel.end());
  DimExpr places = 1;
  for (int64_t i = 0; i < axes; ++i)
    window.push_back(offset.size(i + 2));
  for (const DimExpr &size : window)
    places *= size;
  auto shaped = [&](std::vector<DimExpr> leading) {
    leading.insert(leading.end(), window.begin(), window.end());
    return Shape(leading);
  };
  // The components of an offset come between the kernel's axes and the places.
  std::vector<DimExpr> split = shaped({x.size(0), offsetGroups, 1}).vector();
  split.insert(split.begin() + 3 + axes, DimExpr(axes));
  Tensor offsets = offset.cast(compute).reshape(Shape(split));
  std::vector<int64_t> sizes;
  std::vector<std::vector<Tap>> taps;
  for (size_t i = 0; i < n; ++i) {
    int64_t axis = static_cast<int64_t>(i), rank = 3 + 2 * axes;
    sizes.push_back(node.staticSize(x.size(axis + 2), "a spatial size"));
    auto steps = [&](int64_t dim, int64_t step) {
      Tensor count = node.graph().arange(compute, window[static_cast<size_t>(dim)]);
      return alongAxis(count * static_cast<double>(step), 3 + dim, rank);
    };
    Tensor position = steps(axis, a.dilations[i]) + steps(axes + axis, a.strides[i]) -
                      static_cast<double>(a.low[i]) + offsets.at(3 + axes, axis);
    taps.push_back(linearTaps(position, sizes.back()));
  }
  int64_t perGroup = channels / offsetGroups;
  DimExpr pixelCount = 1;
  for (int64_t size : sizes)
    pixelCount *= DimExpr(size);
  Tensor pixels = x.cast(compute).reshape({x.size(0), offsetGroups, perGroup, pixelCount});
  Reader read = [&](const Tensor &place) {
    return pixels.takeAlong(place.reshape({x.size(0), offsetGroups, 1, places}), 3)
        .reshape(shaped({x.size(0), offsetGroups, perGroup}));
  };
  Tensor columns = weightedSum(corners(read, sizes, taps));
  if (node.has(4))
    columns = columns * node.input(4).cast(compute).reshape(shaped({x.size(0), offsetGroups, 1}));

  // [N, groups, C / groups, k..., o...] x [groups, M / groups, C / groups, k...]
  std::vector<DimExpr> filterShape = weight.shape().vector();
  filterShape[0] = filters / groups;
  filterShape.insert(filterShape.begin(), DimExpr(groups));
  DotDims dims{.lhsBatch = {1},
               .rhsBatch = {0},
               .lhsContract = axisRange(2, 3 + axes),
               .rhsContract = axisRange(2, 3 + axes)};
  Tensor y = columns.reshape(shaped({x.size(0), groups, channels / groups}))
                 .dotGeneral(weight.cast(compute).reshape(Shape(filterShape)), dims);
  // [groups, N, o..., M / groups]
  std::vector<int64_t> order{1, 0, 2 + axes};
  std::vector<DimExpr> whole{x.size(0), filters};
  for (int64_t i = 0; i < axes; ++i)
    order.push_back(2 + i);
  whole.insert(whole.end(), window.begin() + axes, window.end());
  y = y.transpose(order).reshape(Shape(whole));
  if (node.has(3))
    y = y + alongAxis(node.input(3).cast(compute), 1, y.rank());
  node.output(0, y.cast(x.dtype()));
}

constexpr OpHandler handlers[] = {
    {"CausalConvWithState", 27, importCausalConvWithState},
    {"Col2Im", 18, importCol2Im},
    {"Conv", 1, importConv},
    {"ConvInteger", 10, importConvInteger},
    {"ConvTranspose", 1, importConvTranspose},
    {"DeformConv", 19, importDeformConv},
    {"QLinearConv", 10, importQLinearConv},
};

} // namespace

std::span<const OpHandler> convolutionHandlers() { return handlers; }

} // namespace sinter::onnx
