// SPDX-License-Identifier: Apache-2.0
// What the layers in frontend/nn take besides tensors. Lists have one entry per spatial axis; a
// single entry serves them all.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The steps of windows: default 1.
struct WindowOptions {
  std::vector<int64_t> strides = {};   ///< Between the starts of neighbouring windows.
  std::vector<int64_t> dilations = {}; ///< Between neighbouring elements of a window.
};

/// What surrounds the input before windows are laid over it.
class Padding {
public:
  enum class Kind : uint8_t { Explicit, Same, SameLower };

  Padding() = default; ///< None.
  Padding(int amount) : low{amount}, high{amount} {}
  Padding(int64_t amount) : low{amount}, high{amount} {}
  /// As many elements before as after each axis.
  Padding(std::initializer_list<int64_t> both) : low(both), high(both) {}
  Padding(std::vector<int64_t> both) : low(both), high(std::move(both)) {}
  /// Padding({1, 0}, {2, 1}): before and after each axis.
  Padding(std::vector<int64_t> low, std::vector<int64_t> high)
      : low(std::move(low)), high(std::move(high)) {}
  /// As much as makes ceil(size / stride) windows; of an odd number the larger half is at the end.
  static Padding same() { return Padding(Kind::Same); }
  /// The same with the larger half at the beginning.
  static Padding sameLower() { return Padding(Kind::SameLower); }

  Kind kind() const { return which; }
  const std::vector<int64_t> &lows() const { return low; }
  const std::vector<int64_t> &highs() const { return high; }

private:
  explicit Padding(Kind kind) : which(kind) {}
  Kind which = Kind::Explicit;
  std::vector<int64_t> low, high;
};

struct ConvOptions {
  std::vector<int64_t> strides = {};
  Padding padding = {};
  std::vector<int64_t> dilations = {};
  int64_t groups = 1;
};

struct ConvTransposeOptions {
  std::vector<int64_t> strides = {};
  /// What is cut off the result; same: as much as leaves size * stride elements.
  Padding padding = {};
  /// Added at the end of each axis of the result.
  std::vector<int64_t> outputPadding = {};
  std::vector<int64_t> dilations = {};
  int64_t groups = 1;
};

struct PoolOptions {
  std::vector<int64_t> strides = {}; ///< Default: the window's sizes.
  Padding padding = {};
  std::vector<int64_t> dilations = {};
  /// Also windows that reach over the end, if they start before it.
  bool ceilMode = false;
  /// avgPool() divides by the whole window, padding included.
  bool countIncludePad = false;
};

struct BatchNormOptions {
  double epsilon = 1e-5;
  /// The new running value is momentum * running + (1 - momentum) * batch.
  double momentum = 0.9;
  /// Running variances take the batch's times n / (n - 1).
  bool unbiased = false;
};

struct LocalResponseOptions {
  int64_t size = 5; ///< Number of neighbouring channels.
  double alpha = 1e-4, beta = 0.75, bias = 1;
};

enum class ResizeMode : uint8_t { Nearest, Linear, Cubic };
/// Where element i of the result lies among the elements of x (scale = result's size / x's size).
enum class Coordinates : uint8_t {
  HalfPixel,          ///< (i + 0.5) / scale - 0.5
  HalfPixelSymmetric, ///< The same, centred when the size is rounded.
  TorchHalfPixel,     ///< The same, but 0 for a result of size 1.
  AlignCorners,       ///< i * (size - 1) / (result's size - 1)
  Asymmetric,         ///< i / scale
  Crop,               ///< From `cropStarts` to `cropEnds`, in units of size - 1.
};
/// Which neighbour ResizeMode::Nearest takes.
enum class Nearest : uint8_t { RoundPreferFloor, RoundPreferCeil, Floor, Ceil };

struct ResizeOptions {
  ResizeMode mode = ResizeMode::Nearest;
  Coordinates coordinates = Coordinates::HalfPixel;
  Nearest nearest = Nearest::RoundPreferFloor;
  double cubicCoefficient = -0.75;
  /// Weights outside of x are 0 and the rest is scaled up, instead of repeating the edge.
  bool excludeOutside = false;
  /// Shrinking averages over all elements it covers (linear and cubic).
  bool antialias = false;
  /// The factors themselves when the sizes are rounded products; default: the quotients of sizes.
  std::vector<double> scales = {};
  /// Coordinates::Crop: one entry per resized axis; elements outside of x become `extrapolation`.
  std::vector<double> cropStarts = {}, cropEnds = {};
  double extrapolation = 0;
};

} // namespace sinter
#pragma GCC visibility pop
