// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Random.h"

#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/Elementwise.h"
#include "sinter/frontend/Functions.h"

#include <cmath>
#include <limits>
#include <utility>

namespace sinter {

namespace {

// The counters of a key: numbers are drawn from those below 2^63, keys are made of those above.
constexpr uint64_t keyCounters = uint64_t{1} << 62;
constexpr uint64_t foldRegion = 2 * keyCounters;
constexpr uint64_t splitRegion = 3 * keyCounters;

Tensor constantU64(const Graph &graph, uint64_t value) {
  return Graph(graph).constant(Array::from<uint64_t>({value}).reshape({}));
}

/// A function that draws with a key.
struct Draw : CompositeCall {
  Draw(const Tensor &key, const char *name, std::source_location loc)
      : CompositeCall(key, name, loc), key(key) {
    requireKey(key);
  }

  void requireKey(const Tensor &tensor) const {
    if (tensor.dtype() != u64 || tensor.rank() != 0)
      graph.fail(call, "a key is a scalar of u64, not " + tensor.str(), {tensor.shape()},
                 "randomKey(graph, seed) makes one");
  }
  void requireFloatType(DType wanted) const {
    if (!isFloat(wanted))
      fail("draws floats, not " + std::string(name(wanted)), {}, "randomInt() draws integers");
  }

  Tensor word(uint64_t value) const { return constantU64(handle(), value); }
  Tensor bitsAt(const Tensor &counter) const {
    return elementwise("sinter.random_bits", call.name, {key, counter}, call.loc);
  }
  /// Each element's position in row-major order, as u64.
  Tensor positions(const Shape &shape) const {
    Graph g = handle();
    Tensor sum;
    DimExpr stride = 1;
    for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
      Tensor along = g.iota(u64, shape, axis) * sizeOperand(stride, u64);
      sum = sum.defined() ? sum + along : along;
      stride *= shape[axis];
    }
    return sum.defined() ? sum : word(0);
  }
  Tensor words(const Shape &shape) const { return bitsAt(positions(shape)); }
  /// 64 bits per element.
  Tensor wideWords(const Shape &shape) const { return wide(positions(shape) * 2); }
  /// The words of a counter and of the next as one of u64.
  Tensor wide(const Tensor &counter) const {
    return bitOr(shiftLeft(bitsAt(counter + 1).cast(u64), 32), bitsAt(counter).cast(u64));
  }
  /// Bits with a mantissa's length: `count` of them per element, below 2^count, in f32 or f64.
  Tensor wholes(const Shape &shape, int count) const {
    return count > 32 ? shiftRight(wideWords(shape), 64 - count).cast(f64)
                      : shiftRight(words(shape), 32 - count).cast(f32);
  }

  const Tensor &key;
};

int digits(DType dtype) { return dtype == f64 ? 53 : dtype == f32 ? 24 : dtype == f16 ? 11 : 8; }

/// The largest number of `dtype` below `high`.
double below(double high, DType dtype) {
  int exponent;
  double mantissa = std::frexp(high, &exponent);
  // Below a power of two numbers are closer.
  double unit = std::ldexp(1.0, exponent - digits(dtype) - (mantissa == 0.5 ? 1 : 0));
  return (std::ceil(high / unit) - 1) * unit;
}

} // namespace

Tensor randomKey(const Graph &graph, uint64_t seed, std::source_location loc) {
  return Graph(graph).constant(Array::from<uint64_t>({seed}).reshape({}), loc);
}

Tensor foldIn(const Tensor &key, const Operand &data, std::source_location loc) {
  Draw draw(key, "foldIn", loc);
  Tensor number;
  if (data.isTensor()) {
    number = data.tensor();
    draw.graph.value(number, draw.call);
    if (!isInteger(number.dtype()) || number.rank() != 0)
      draw.fail("folds an integer scalar into a key, not " + number.str(), {number.shape()});
    number = number.cast(u64);
  } else {
    const auto *integer = std::get_if<int64_t>(&data.number());
    if (!integer)
      draw.fail("folds an integer into a key", {});
    number = draw.word(static_cast<uint64_t>(*integer));
  }
  Tensor counter = bitAnd(shiftLeft(number, 1), draw.word(keyCounters - 1));
  return draw.wide(bitOr(counter, draw.word(foldRegion)));
}

std::vector<Tensor> splitKey(const Tensor &key, int64_t count, std::source_location loc) {
  Draw draw(key, "splitKey", loc);
  if (count < 1 || count > 1 << 20)
    draw.fail("splits a key into 1 to 2^20, not " + std::to_string(count), {});
  std::vector<Tensor> keys;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i)
    keys.push_back(draw.wide(draw.word(splitRegion + 2 * i)));
  return keys;
}

// -- Drawing --------------------------------------------------------------------------------------

Tensor randomBits(const Tensor &key, const Shape &shape, std::source_location loc) {
  return Draw(key, "randomBits", loc).words(shape);
}

Tensor randomUniform(const Tensor &key, const Shape &shape, double low, double high, DType dtype,
                     std::source_location loc) {
  Draw draw(key, "randomUniform", loc);
  draw.requireFloatType(dtype);
  if (!(low < high) || !std::isfinite(high - low))
    draw.fail("the bounds must be finite and in order", {});
  // In f32 or f64, rounded once at the end: the same bits from every engine.
  int count = digits(dtype);
  Tensor unit = draw.wholes(shape, count) * std::ldexp(1.0, -count);
  if (low == 0 && high == 1)
    return unit.cast(dtype);
  // Rounding may reach the excluded end.
  return minimum(unit * (high - low) + low, below(high, dtype)).cast(dtype);
}

Tensor randomNormal(const Tensor &key, const Shape &shape, double mean, double deviation,
                    DType dtype, std::source_location loc) {
  Draw draw(key, "randomNormal", loc);
  draw.requireFloatType(dtype);
  if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation < 0)
    draw.fail("the mean must be finite and the deviation finite, at least 0", {});
  // Odd multiples of 2^-count between -1 and 1: never an end, never 0.
  int count = dtype == f64 ? 52 : 23;
  Tensor unit = (draw.wholes(shape, count) * 2 + 1) * std::ldexp(1.0, -count) - 1;
  Tensor normal = erfinv(unit) * (std::sqrt(2.0) * deviation);
  return (mean == 0 ? normal : normal + mean).cast(dtype);
}

/// The words below this number are as many as the probability says; 2^32 is not a word.
static uint64_t threshold(const Draw &draw, double probability, const char *what) {
  if (!(probability >= 0 && probability <= 1))
    draw.fail(std::string(what) + " is " + std::to_string(probability) + ", not within [0, 1]", {});
  return static_cast<uint64_t>(std::llround(probability * 0x1p32));
}

/// Whether a word is below the threshold.
static Tensor isBelow(const Tensor &words, uint64_t threshold) {
  return threshold >> 32 != 0 ? words >= 0 : words < static_cast<int64_t>(threshold);
}

Tensor bernoulli(const Tensor &key, const Operand &probability, const Shape &shape,
                 std::source_location loc) {
  Draw draw(key, "bernoulli", loc);
  if (!probability.isTensor()) {
    double number =
        std::visit([](auto value) { return static_cast<double>(value); }, probability.number());
    return isBelow(draw.words(shape), threshold(draw, number, "the probability"));
  }
  Tensor p = probability.tensor();
  draw.graph.value(p, draw.call);
  if (!isFloat(p.dtype()))
    draw.fail("a probability is a float, not " + p.str(), {p.shape()});
  int count = p.dtype() == f64 ? 53 : 24;
  return draw.wholes(shape, count) * std::ldexp(1.0, -count) <
         p.cast(count == 53 ? f64 : f32).broadcastTo(shape);
}

Tensor randomInt(const Tensor &key, const Shape &shape, int64_t low, int64_t high, DType dtype,
                 std::source_location loc) {
  Draw draw(key, "randomInt", loc);
  if (!isInteger(dtype))
    draw.fail("draws integers, not " + std::string(name(dtype)), {});
  bool fits = dispatch(dtype, [&](auto zero) {
    using Limits = std::numeric_limits<decltype(zero)>;
    return std::cmp_greater_equal(low, static_cast<int64_t>(Limits::lowest())) &&
           (sizeof(zero) == 8 || high - 1 <= static_cast<int64_t>(Limits::max()));
  });
  if (low >= high || !fits)
    draw.fail("the bounds " + std::to_string(low) + " and " + std::to_string(high) +
                  " must be in order and fit " + std::string(name(dtype)),
              {});
  // The high half of the product of 64 bits with the range.
  uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  Tensor even = draw.positions(shape) * 2;
  Tensor first = draw.bitsAt(even + 1).cast(u64), second = draw.bitsAt(even).cast(u64);
  Tensor rangeLow = draw.word(range & 0xffffffff);
  Tensor middle = first * rangeLow + shiftRight(second * rangeLow, 32);
  Tensor value = shiftRight(middle, 32);
  if (range >> 32 != 0) {
    Tensor rangeHigh = draw.word(range >> 32);
    Tensor carry = second * rangeHigh + bitAnd(middle, draw.word(0xffffffff));
    value = first * rangeHigh + value + shiftRight(carry, 32);
  }
  return (value + draw.word(static_cast<uint64_t>(low))).cast(dtype);
}

Tensor dropout(const Tensor &x, double rate, const Tensor &key, std::source_location loc) {
  Draw draw(key, "dropout", loc);
  if (!isFloat(x.dtype(loc)))
    draw.fail("needs floats, not " + x.str(), {x.shape()}, "convert it first: .cast(f32)");
  uint64_t dropped = threshold(draw, rate, "the rate");
  if (dropped == 0)
    return x;
  Tensor isKept = !isBelow(draw.words(x.shape()), dropped);
  // At rate 1 nothing is left to scale.
  return where(isKept, dropped >> 32 != 0 ? x : x * (1 / (1 - rate)), 0);
}

} // namespace sinter
