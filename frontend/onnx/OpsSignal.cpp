// SPDX-License-Identifier: Apache-2.0
// Fourier transforms of known length; windows and filter banks are constants.
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

constexpr int64_t longestSignal = int64_t{1} << 18;
constexpr int64_t shortSignal = 8; ///< Not worth splitting.

double cosine(double x) { return std::cos(x); }
double sine(double x) { return std::sin(x); }

/// Real and imaginary parts; the latter undefined for a real signal.
struct Complex {
  Tensor real, imaginary;

  template <typename Fn> Complex map(Fn &&function) const {
    return {function(real), imaginary.defined() ? function(imaginary) : imaginary};
  }
};

Complex multiplied(const Complex &x, const Tensor &real, const Tensor &imaginary,
                   Tensor (*product)(const Tensor &a, const Tensor &b)) {
  Complex y{product(x.real, real), product(x.real, imaginary)};
  if (x.imaginary.defined()) {
    y.real = y.real - product(x.imaginary, imaginary);
    y.imaginary = y.imaginary + product(x.imaginary, real);
  }
  return y;
}

/// The transform along the last axis, without a factor: sums of x[n] exp(sign 2πi kn / N). A length
/// with small factors is split (mixed radix, decimation in frequency); a prime one is a product
/// with a matrix.
class Transform {
public:
  Transform(Node &node, DType dtype, int64_t sign) : node(node), dtype(dtype), sign(sign) {}

  Complex operator()(const Complex &x, int64_t length) const {
    int64_t radix = 2;
    while (radix < length && length % radix != 0)
      ++radix;
    if (length <= shortSignal || radix == length)
      return dense(x, length);
    int64_t rest = length / radix;
    std::vector<DimExpr> rows = x.real.shape().vector();
    rows.back() = radix;
    rows.push_back(rest);
    Complex y = x.map([&](const Tensor &part) { return part.reshape(Shape(rows)); });
    auto turned = [](const Tensor &part) { return part.swapAxes(-1, -2); };
    if (radix == 2)
      y = y.map([](const Tensor &part) {
        Tensor even = part.at(-2, 0), odd = part.at(-2, 1);
        return stack({even + odd, even - odd}, even.rank() - 1);
      });
    else
      y = dense(y.map(turned), radix).map(turned);
    y = multiplied(y, roots(length, radix, rest, cosine, 1), roots(length, radix, rest, sine, sign),
                   [](const Tensor &a, const Tensor &b) { return a * b; });
    return (*this)(y, rest).map(
        [&](const Tensor &part) { return turned(part).reshape(x.real.shape()); });
  }

private:
  Complex dense(const Complex &x, int64_t length) const {
    requireConstantSize(node, length, length);
    return multiplied(x, roots(length, length, length, cosine, 1),
                      roots(length, length, length, sine, sign),
                      [](const Tensor &a, const Tensor &b) { return matmul(a, b); });
  }

  /// factor * function(2π rc / period) at row r, column c.
  Tensor roots(int64_t period, int64_t rows, int64_t columns, double (*function)(double),
               int64_t factor) const {
    std::vector<double> values;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        values.push_back(static_cast<double>(factor) *
                         function(2 * std::numbers::pi * static_cast<double>(r * c % period) /
                                  static_cast<double>(period)));
    return constantOf(node, dtype, values, {rows, columns});
  }

  Node &node;
  DType dtype;
  int64_t sign;
};

void requireLength(Node &node, int64_t length) {
  if (length < 1)
    node.invalid("a transform of length " + std::to_string(length));
  if (length > longestSignal)
    node.unsupported("a transform of length " + std::to_string(length) +
                     " (limit: " + std::to_string(longestSignal) + ")");
}

/// The spectrum of a signal of `length` along the last axis, or only its bins up to half the
/// length. That of a real signal is exactly Hermitian.
Complex spectrum(Node &node, const Complex &x, int64_t length, bool onesided) {
  requireLength(node, length);
  Complex y = Transform(node, x.real.dtype(), -1)(x, length);
  if (x.imaginary.defined())
    return y;
  int64_t half = length / 2 + 1, mirrored = length - half;
  y = y.map([&](const Tensor &part) { return part.slice(-1, 0, half); });
  std::vector<double> isComplex(static_cast<size_t>(half), 1);
  isComplex[0] = 0;
  if (length % 2 == 0)
    isComplex.back() = 0;
  y.imaginary = where(constantOf(node, boolean, isComplex, {half}), y.imaginary, 0);
  if (onesided || mirrored == 0)
    return y;
  auto mirror = [&](const Tensor &part) { return part.slice(-1, 1, 1 + mirrored).flip(-1); };
  return {concat({y.real, mirror(y.real)}, -1), concat({y.imaginary, -mirror(y.imaginary)}, -1)};
}

/// The signal of a spectrum; a one-sided spectrum stands for a real signal.
Complex signalOf(Node &node, Complex x, int64_t length, bool onesided) {
  requireLength(node, length);
  if (onesided) {
    int64_t mirrored = length - (length / 2 + 1);
    auto mirror = [&](const Tensor &part) { return part.slice(-1, 1, 1 + mirrored).flip(-1); };
    if (mirrored > 0) {
      x.real = concat({x.real, mirror(x.real)}, -1);
      if (x.imaginary.defined())
        x.imaginary = concat({x.imaginary, -mirror(x.imaginary)}, -1);
    }
  }
  Complex y = Transform(node, x.real.dtype(), 1)(x, length).map(
      [&](const Tensor &part) { return part / static_cast<double>(length); });
  if (onesided)
    y.imaginary = {};
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
  bool inverse = node.flagAttribute("inverse", false);
  bool onesided = node.flagAttribute("onesided", false);
  if (onesided && !inverse && signal.imaginary.defined())
    node.invalid("a one-sided transform takes a real signal");
  int64_t given = node.staticSize(x.size(axis), "the signal's length");
  bool toReal = inverse && onesided;
  int64_t length = node.has(1) ? node.knownInt(1) : toReal ? 2 * (given - 1) : given;
  requireLength(node, length);

  DType compute = computeDType(x.dtype());
  int64_t last = x.rank() - 2; // of one part
  Complex prepared = signal.map([&](const Tensor &part) {
    return fitted(node, part.cast(compute).swapAxes(axis, last), toReal ? length / 2 + 1 : length);
  });
  Complex y = inverse ? signalOf(node, prepared, length, onesided)
                      : spectrum(node, prepared, length, onesided);
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
  int64_t frame = length;
  if (node.has(3))
    frame = node.knownInt(3);
  else if (window.defined())
    frame = node.staticSize(window.size(0), "the window's length");
  if (step < 1 || frame < 1 || frame > length)
    node.invalid("frames of " + std::to_string(frame) + " at a step of " + std::to_string(step) +
                 " in a signal of " + std::to_string(length));
  if (window.defined() && window.shape() != Shape{frame})
    node.unsupported("window " + window.str() + " for frames of " + std::to_string(frame));
  bool onesided = node.flagAttribute("onesided", true);
  if (onesided && x.imaginary.defined())
    node.invalid("a one-sided transform takes a real signal");

  int64_t frames = 1 + (length - frame) / step;
  requireConstantSize(node, frames, frame);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < frames; ++i)
    for (int64_t k = 0; k < frame; ++k)
      positions.push_back(i * step + k);
  Tensor index = indexConstant(node, positions, {frames, frame});
  DType compute = computeDType(signal.dtype());
  Complex framed = x.map([&](const Tensor &part) {
    Tensor all = part.cast(compute).gather(index, 1); // [batch, frames, frame]
    return window.defined() ? all * window.cast(compute) : all;
  });
  Complex y = spectrum(node, framed, frame, onesided);
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
