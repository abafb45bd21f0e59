// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/ConvolutionEmit.h"

namespace sinter::cpu::convolution {

/// The transforms of F(4x4, 3x3) on vectors of tiles (of channels, for the weights), and how such
/// vectors are taken from rows of an image and joined to them: lane i of vector j is element
/// 4 * i + j of a row.
class WinogradTransforms {
public:
  explicit WinogradTransforms(Vectors &vectors) : vectors(vectors) {}

  Values ofWeights(ValueRange taps); ///< 3 x 3 to 6 x 6.
  Values ofInput(ValueRange six);    ///< One dim: 6 to 6.
  Values ofProducts(ValueRange six); ///< One dim: 6 to 4.
  /// Elements of a row, as five vectors that follow each other, to the six elements of tiles.
  Values spread(ValueRange row);
  /// Four elements of tiles to four vectors of a row.
  Values join(ValueRange four);
  Value loadMasked(Value pointer, Value mask);

private:
  Value add(Value a, Value b) { return vectors.add(a, b); }
  Value subtract(Value a, Value b);
  Value times(Value a, double factor);
  /// a * factor + b.
  Value timesPlus(Value a, double factor, Value b);
  Value constant(double value);
  Value pick(Value a, Value b, llvm::function_ref<int64_t(int64_t)> lane);
  Values weightLine(Value a, Value b, Value c);

  Vectors &vectors;
};

} // namespace sinter::cpu::convolution
