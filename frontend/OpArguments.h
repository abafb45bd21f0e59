// SPDX-License-Identifier: Apache-2.0
// What operators take besides tensors, numbers, shapes and dtypes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The axes that an op works on: one, several, or all (the default). Negative ones count from the
/// last.
class Axes {
public:
  Axes() = default; ///< All axes.
  Axes(int axis) : values{axis}, everything(false) {}
  Axes(int64_t axis) : values{axis}, everything(false) {}
  Axes(std::initializer_list<int64_t> axes) : values(axes), everything(false) {}
  Axes(std::vector<int64_t> axes) : values(std::move(axes)), everything(false) {}

  bool all() const { return everything; }
  const std::vector<int64_t> &list() const { return values; }

private:
  std::vector<int64_t> values;
  bool everything = true;
};

/// Which dims dotGeneral() pairs; the lists of each pair have equal lengths.
struct DotDims {
  std::vector<int64_t> lhsBatch = {}, rhsBatch = {};
  std::vector<int64_t> lhsContract = {}, rhsContract = {};
};

/// What pad() puts around a tensor.
enum class PadMode {
  Constant, ///< Zeros.
  Reflect,  ///< c b | a b c | b a
  Edge,     ///< a a | a b c | c c
  Wrap,     ///< b c | a b c | a b
};

/// What becomes of the values of a loss.
enum class Reduction { None, Mean, Sum };

/// How scatter() and its like combine an update with what is there.
enum class ScatterMode { Set, Add, Mul, Max, Min };

/// What an element of a running reduction takes in besides the ones before it.
struct CumulativeOptions {
  bool exclusive = false; ///< Not the element itself: the first one is the neutral element.
  bool reverse = false;   ///< The elements behind it instead.
};

/// How gelu() is computed.
enum class Gelu { Erf, Tanh };

} // namespace sinter
#pragma GCC visibility pop
