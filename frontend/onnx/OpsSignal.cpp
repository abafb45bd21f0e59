// SPDX-License-Identifier: Apache-2.0
// Fourier transforms are products with constant matrices, so sizes are limited; windows and filter
// banks are constants.
#include "sinter/frontend/onnx/OpsCommon.h"

#include <cmath>
#include <numbers>

namespace sinter::onnx {

namespace {

constexpr int64_t largestConstant = int64_t{1} << 24; ///< Elements.

void requireConstantSize(Node &node, int64_t rows, int64_t columns) {
  if (rows < 0 || columns < 0 || (columns > 0 && rows > largestConstant / columns))
    node.unsupported("a constant of " + std::to_string(rows) + " x " + std::to_string(columns) +
                     " elements (limit: " + std::to_string(largestConstant) + ")");
}

// -- Transforms -----------------------------------------------------------------------------------

/// Real and imaginary parts; the latter undefined for a real signal.
struct Complex {
  Tensor real, imaginary;
};

struct Transform {
  int64_t length = 0; ///< Of the whole signal, which `inputs` or `outputs` may be one side of.
  int64_t inputs = 0, outputs = 0;
  bool inverse = false;
  bool onesided = false;
};

/// The transform along the last axis, whose size is `inputs`.
Complex transformed(Node &node, const Complex &x, const Transform &t) {
  requireConstantSize(node, t.inputs, t.outputs);
  std::vector<double> cosines, sines;
  for (int64_t in = 0; in < t.inputs; ++in) {
    // One side of a spectrum stands for the other as well, but not at 0 and half the length.
    double weight = t.inverse ? 1.0 / static_cast<double>(t.length) : 1;
    if (t.inverse && t.onesided && in != 0 && 2 * in != t.length)
      weight *= 2;
    for (int64_t out = 0; out < t.outputs; ++out) {
      double angle = 2 * std::numbers::pi * static_cast<double>(in * out % t.length) /
                     static_cast<double>(t.length);
      cosines.push_back(weight * std::cos(angle));
      sines.push_back(weight * (t.inverse ? std::sin(angle) : -std::sin(angle)));
    }
  }
  DType dtype = x.real.dtype();
  Tensor cosine = constantOf(node, dtype, cosines, {t.inputs, t.outputs});
  Tensor sine = constantOf(node, dtype, sines, {t.inputs, t.outputs});
  Complex y{matmul(x.real, cosine), {}};
  if (x.imaginary.defined())
    y.real = y.real - matmul(x.imaginary, sine);
  if (t.inverse && t.onesided)
    return y;
  y.imaginary = matmul(x.real, sine);
  if (x.imaginary.defined())
    y.imaginary = y.imaginary + matmul(x.imaginary, cosine);
  return y;
}

/// x cut or filled with zeros to `size` along its last axis.
Tensor fitted(Node &node, const Tensor &x, int64_t size) {
  int64_t given = node.staticSize(x.size(-1), "the signal's length");
  if (given > size)
    return x.slice(-1, 0, size);
  if (given == size)
    return x;
  std::vector<DimExpr> low(static_cast<size_t>(x.rank()), DimExpr(0)), high = low;
  high.back() = size - given;
  return x.pad(Shape(low), Shape(high));
}

/// Splits the last axis, of size 1 (real) or 2 (complex).
Complex parts(Node &node, const Tensor &x) {
  requireRank(node, x, 2, "a signal");
  if (x.size(-1) == DimExpr(1))
    return {x.at(-1, 0), {}};
  if (x.size(-1) != DimExpr(2))
    node.invalid("the last size of " + x.str() + " must be 1 (real) or 2 (complex)");
  return {x.at(-1, 0), x.at(-1, 1)};
}

void importDFT(Node &node) {
  Tensor x = floatInput(node, 0);
  Complex signal = parts(node, x);
  int64_t axis = 0;
  if (node.opset() < 20)
    axis = node.intAttribute("axis", 1);
  else
    axis = node.has(2) ? node.knownInt(2) : -2;
  axis = node.axis(axis, x.rank());
  if (axis == x.rank() - 1)
    node.invalid("the last axis holds real and imaginary parts");
  Transform t;
  t.inverse = node.flagAttribute("inverse", false);
  t.onesided = node.flagAttribute("onesided", false);
  if (t.onesided && !t.inverse && signal.imaginary.defined())
    node.invalid("a one-sided transform takes a real signal");
  int64_t given = node.staticSize(x.size(axis), "the signal's length");
  bool toReal = t.inverse && t.onesided;
  t.length = node.has(1) ? node.knownInt(1) : toReal ? 2 * (given - 1) : given;
  if (t.length < 1)
    node.invalid("a transform of length " + std::to_string(t.length));
  t.inputs = toReal ? t.length / 2 + 1 : t.length;
  t.outputs = t.onesided && !t.inverse ? t.length / 2 + 1 : t.length;
  requireConstantSize(node, t.inputs, t.outputs);

  DType compute = computeDType(x.dtype());
  int64_t last = x.rank() - 2; // of one part
  auto prepared = [&](const Tensor &part) {
    return part.defined() ? fitted(node, part.cast(compute).swapAxes(axis, last), t.inputs) : part;
  };
  Complex y = transformed(node, {prepared(signal.real), prepared(signal.imaginary)}, t);
  Tensor real = y.real.swapAxes(axis, last);
  Tensor result = y.imaginary.defined()
                      ? stack({real, y.imaginary.swapAxes(axis, last)}, x.rank() - 1)
                      : real.expandDims(x.rank() - 1);
  node.output(0, result.cast(x.dtype()));
}

void importSTFT(Node &node) {
  Tensor signal = floatInput(node, 0);
  if (signal.rank() != 3)
    node.invalid("the signal is [batch, length, 1 or 2], not " + signal.str());
  Complex x = parts(node, signal);
  int64_t length = node.staticSize(signal.size(1), "the signal's length");
  int64_t step = node.knownInt(1);
  Tensor window = node.optionalInput(2);
  Transform t;
  if (node.has(3))
    t.length = node.knownInt(3);
  else if (window.defined())
    t.length = node.staticSize(window.size(0), "the window's length");
  else
    t.length = length;
  if (step < 1 || t.length < 1 || t.length > length)
    node.invalid("frames of " + std::to_string(t.length) + " at a step of " + std::to_string(step) +
                 " in a signal of " + std::to_string(length));
  if (window.defined() && window.shape() != Shape{t.length})
    node.unsupported("window " + window.str() + " for frames of " + std::to_string(t.length));
  t.onesided = node.flagAttribute("onesided", true);
  if (t.onesided && x.imaginary.defined())
    node.invalid("a one-sided transform takes a real signal");
  t.inputs = t.length;
  t.outputs = t.onesided ? t.length / 2 + 1 : t.length;

  int64_t frames = 1 + (length - t.length) / step;
  requireConstantSize(node, frames, t.length);
  std::vector<int64_t> positions;
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t i = 0; i < t.length; ++i)
      positions.push_back(frame * step + i);
  Tensor index = indexConstant(node, positions, {frames, t.length});
  DType compute = computeDType(signal.dtype());
  auto framed = [&](const Tensor &part) {
    if (!part.defined())
      return part;
    Tensor all = part.cast(compute).transpose().gatherRows(index).transpose({2, 0, 1});
    return window.defined() ? all * window.cast(compute) : all;
  };
  Complex y = transformed(node, {framed(x.real), framed(x.imaginary)}, t);
  node.output(0, stack({y.real, y.imaginary}, 3).cast(signal.dtype()));
}

// -- Constants ------------------------------------------------------------------------------------

/// A window a - b cos(2πi/N) + c cos(4πi/N); N is the size, or one less when symmetric.
void cosineWindow(Node &node, double a, double b, double c) {
  int64_t size = node.knownInt(0);
  requireConstantSize(node, size, 1);
  bool periodic = node.flagAttribute("periodic", true);
  DType dtype = node.dtypeAttribute("output_datatype", f32);
  double period = static_cast<double>(periodic ? size : size - 1);
  std::vector<double> values;
  for (int64_t i = 0; i < size; ++i) {
    // One point of a symmetric window has no period; it is the peak's neighbour 0/0 otherwise.
    double angle = period == 0 ? 0 : 2 * std::numbers::pi * static_cast<double>(i) / period;
    values.push_back(a - b * std::cos(angle) + c * std::cos(2 * angle));
  }
  node.output(0, constantOf(node, dtype, values, {size}));
}

void importHannWindow(Node &node) { cosineWindow(node, 0.5, 0.5, 0); }
void importHammingWindow(Node &node) { cosineWindow(node, 25.0 / 46, 21.0 / 46, 0); }
void importBlackmanWindow(Node &node) { cosineWindow(node, 0.42, 0.5, 0.08); }

void importMelWeightMatrix(Node &node) {
  int64_t bins = node.knownInt(0), length = node.knownInt(1), rate = node.knownInt(2);
  double low = node.knownFloat(3), high = node.knownFloat(4);
  DType dtype = node.dtypeAttribute("output_datatype", f32);
  int64_t rows = length / 2 + 1;
  if (bins < 1 || length < 1 || rate < 1)
    node.invalid("numbers of bins, samples and samples per second must be positive");
  requireConstantSize(node, rows, bins);

  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  double step = (mel(high) - mel(low)) / static_cast<double>(bins + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bins + 2; ++i) {
    double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step + mel(low)) / 2595) - 1);
    double edge = std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
    if (!(edge >= 0 && edge < static_cast<double>(rows)))
      node.invalid("the band from " + std::to_string(low) + " to " + std::to_string(high) +
                   " Hz leaves the spectrum");
    edges.push_back(static_cast<int64_t>(edge));
  }
  std::vector<double> weights(static_cast<size_t>(rows * bins));
  for (int64_t i = 0; i < bins; ++i) {
    auto at = [&](int64_t row) -> double & { return weights[static_cast<size_t>(row * bins + i)]; };
    int64_t left = edges[static_cast<size_t>(i)], centre = edges[static_cast<size_t>(i) + 1],
            right = edges[static_cast<size_t>(i) + 2];
    if (left == centre)
      at(centre) = 1;
    for (int64_t row = left; left < centre && row <= centre; ++row)
      at(row) = static_cast<double>(row - left) / static_cast<double>(centre - left);
    for (int64_t row = centre; row < right; ++row)
      at(row) = static_cast<double>(right - row) / static_cast<double>(right - centre);
  }
  node.output(0, constantOf(node, dtype, weights, {rows, bins}));
}

constexpr OpHandler handlers[] = {
    {"BlackmanWindow", 17, importBlackmanWindow},   {"DFT", 17, importDFT},
    {"HammingWindow", 17, importHammingWindow},     {"HannWindow", 17, importHannWindow},
    {"MelWeightMatrix", 17, importMelWeightMatrix}, {"STFT", 17, importSTFT},
};

} // namespace

std::span<const OpHandler> signalHandlers() { return handlers; }

} // namespace sinter::onnx
