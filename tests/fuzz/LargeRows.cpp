// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/LargeRows.h"

#include "sinter/sinter.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

namespace sinter::fuzz {

namespace {

class Draw {
public:
  Draw(uint64_t seed, std::string_view stream) : random(seed, stream) {}
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(random.below(counter++, static_cast<uint64_t>(bound)));
  }
  bool oneIn(int64_t n) { return below(n) == 0; }
  template <typename T, size_t n> T of(const T (&choices)[n]) {
    return choices[static_cast<size_t>(below(n))];
  }

private:
  RandomStream random;
  uint64_t counter = 0;
};

/// Multiples of `unit` from -steps to steps; integers of that range.
Array drawn(DType dtype, std::vector<int64_t> sizes, uint64_t seed, const std::string &name,
            int64_t steps, double unit) {
  Array array(dtype, std::move(sizes));
  RandomStream random(seed, name);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    T *to = array.as<T>();
    for (int64_t i = 0, n = array.numElements(); i < n; ++i) {
      const double value = static_cast<double>(random.below(static_cast<uint64_t>(i),
                                                            static_cast<uint64_t>(2 * steps + 1))) -
                           static_cast<double>(steps);
      if constexpr (isFloatElement<T>)
        to[i] = static_cast<T>(static_cast<float>(value * unit));
      else
        to[i] = static_cast<T>(value);
    }
  });
  return array;
}

void set(Array &array, int64_t begin, int64_t end, float value) {
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = begin; i < end; ++i)
        array.as<T>()[i] = static_cast<T>(value);
  });
}

// -- Rows of a product ----------------------------------------------------------------------------

class LongRows {
public:
  explicit LongRows(uint64_t seed) : draw(seed, "long rows"), seed(seed) {}

  LargeGraph make() {
    chooseSizes();
    Tensor y = product();
    for (int64_t i = draw.below(4); i > 0; --i)
      y = point(y);
    for (int64_t i = 1 + draw.below(3); i > 0; --i)
      read(y);
    return std::move(made);
  }

private:
  void chooseSizes() {
    constexpr DType floats[] = {f32, f32, f32, f64, f16, bf16, i32};
    dtype = draw.of(floats);
    constexpr int64_t widths[] = {64, 96, 128, 160, 192, 224, 256, 32, 31};
    const int64_t width = draw.of(widths);
    columns = (16384 + draw.below(20000)) / width * width;
    const int64_t elements = dtype == f64 ? 2 << 20 : 4 << 20;
    rows = std::max<int64_t>(70, elements / columns + draw.below(40) - 4);
    depth = 4 + draw.below(9);
    batch = draw.oneIn(4) ? 2 : 0;
    if (batch)
      rows = (rows + 1) / 2;
    isNamed = draw.oneIn(3);
    made.productRank = batch ? 3 : 2;
  }

  Tensor input(const std::string &name, DType type, std::vector<int64_t> sizes, int rowAxis = -1,
               int64_t steps = 4, double unit = 0.25) {
    Shape shape;
    for (size_t i = 0; i < sizes.size(); ++i)
      shape.push_back(isNamed && static_cast<int>(i) == rowAxis ? dim("M") : DimExpr(sizes[i]));
    made.inputs.insert({name, drawn(type, sizes, seed, name, steps, unit)});
    return made.graph.placeholder(name, type, shape);
  }
  /// An input for each row, or each of its elements.
  std::vector<int64_t> frame(bool hasRows, bool hasColumns) const {
    std::vector<int64_t> sizes;
    if (batch && hasRows)
      sizes.push_back(batch);
    if (hasRows)
      sizes.push_back(rows);
    if (hasColumns)
      sizes.push_back(hasRows || hasColumns ? columns : 1);
    return sizes;
  }
  int rowAxis() const { return batch ? 1 : 0; }
  std::string fresh(const std::string &stem) { return stem + std::to_string(number++); }

  Tensor product() {
    const bool isLeftTransposed = draw.oneIn(3), isRightTransposed = draw.oneIn(2);
    const int64_t first = batch ? 1 : 0;
    std::vector<int64_t> left =
                             isLeftTransposed ? std::vector{depth, rows} : std::vector{rows, depth},
                         right = isRightTransposed ? std::vector{columns, depth}
                                                   : std::vector{depth, columns};
    DotDims dims{.lhsContract = {first + !isLeftTransposed},
                 .rhsContract = {first + isRightTransposed}};
    if (batch) {
      left.insert(left.begin(), batch);
      right.insert(right.begin(), batch);
      dims.lhsBatch = dims.rhsBatch = {0};
    }
    Tensor a = input("a", dtype, left, static_cast<int>(first + isLeftTransposed)),
           b = input("b", dtype, right);
    spoil("a"), spoil("b");
    operands = {a, b};
    return dotGeneral(a, b, dims);
  }

  /// Some rows, tiles and elements are not finite.
  void spoil(const std::string &name) {
    if (!isFloat(dtype) || !draw.oneIn(3))
      return;
    Array &array = made.inputs.at(name);
    constexpr float values[] = {INFINITY, -INFINITY, NAN, -INFINITY};
    const int64_t size = array.numElements(), lengths[] = {1, 64, 256, columns};
    for (int64_t i = 1 + draw.below(3); i > 0; --i) {
      const int64_t at = draw.below(size);
      set(array, at, std::min(size, at + draw.of(lengths)), draw.of(values));
    }
  }

  Tensor biased(const Tensor &y, bool isInfinite = false) {
    const std::string name = fresh("bias");
    Tensor bias = input(name, dtype, frame(false, true));
    spoil(name);
    if (const int64_t at = draw.below(columns); isInfinite)
      set(made.inputs.at(name), at, at + 1, -INFINITY);
    return y + bias;
  }
  /// One op that is exact on what the inputs hold.
  Tensor point(const Tensor &y) {
    switch (draw.below(7)) {
    case 0:
      return biased(y);
    case 1: {
      const std::string name = fresh("shift");
      Tensor shift = input(name, dtype, frame(true, false), rowAxis());
      spoil(name);
      return y - expandDims(shift, -1);
    }
    case 2: {
      const std::string name = fresh("more");
      Tensor more = input(name, dtype, frame(true, true), rowAxis());
      spoil(name);
      return y + more;
    }
    case 3:
      return relu(y);
    case 4:
      return -y;
    case 5: { // A mask, as attention and padded vocabularies have it.
      const bool isWhole = draw.oneIn(2);
      Tensor mask = input(fresh("mask"), boolean, frame(isWhole, true), isWhole ? rowAxis() : -1);
      return isFloat(dtype) ? where(mask, y, draw.oneIn(2) ? -INFINITY : -2.0) : where(mask, y, -7);
    }
    default:
      return where(y > 1, y, 0);
    }
  }

  void output(const std::string &stem, const Tensor &value, Closeness close = {}) {
    const std::string name = fresh(stem);
    made.graph.output(name, value);
    made.outputs[name] = close;
  }
  /// Of what has gone through an exponential.
  Closeness curved() const {
    const double digits = dtype == f32 ? 1e-4 : dtype == f64 ? 1e-10 : dtype == f16 ? 0.05 : 0.25;
    return {digits, digits};
  }
  Closeness rounded() const {
    const double digits = dtype == f32 ? 1e-6 : dtype == f64 ? 1e-14 : dtype == f16 ? 2e-3 : 2e-2;
    return {digits, digits};
  }
  Tensor labels() {
    return input(fresh("label"), draw.oneIn(2) ? i32 : i64, frame(true, false), rowAxis(), 0);
  }
  /// Labels of the last input, which are 0 so far. One may be out of range.
  void drawLabels() {
    Array &array = made.inputs.at("label" + std::to_string(number - 1));
    auto put = [&](int64_t i, int64_t value) {
      if (array.dtype() == i32)
        array.as<int32_t>()[i] = static_cast<int32_t>(value);
      else
        array.as<int64_t>()[i] = value;
    };
    for (int64_t i = 0; i < array.numElements(); ++i)
      put(i, draw.below(columns));
    if (made.isBad || !draw.oneIn(6))
      return;
    made.isBad = true;
    const int64_t bad[] = {columns, -1, columns * 2, INT32_MIN, INT32_MAX, INT64_MAX, INT64_MIN};
    const int64_t kinds = array.dtype() == i32 ? 5 : 7;
    put(draw.below(array.numElements()), bad[draw.below(kinds)]);
  }

  void read(const Tensor &y) {
    const bool isReal = isFloat(dtype);
    // Labels and shifts are where tiles take most care.
    constexpr int64_t kinds[] = {0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 8, 8, 9, 9, 10, 11};
    switch (kinds[draw.below(isReal ? static_cast<int64_t>(std::size(kinds)) : 8)]) {
    case 0:
      return output("max", max(y, {-1}));
    case 1:
      return output("min", min(y, {-1}, /*keepDims=*/true));
    case 2: {
      Tensor at = labels();
      drawLabels();
      return output("picked", pick(y, at));
    }
    case 3:
      return output("sum", sum(y, {-1}), isReal ? rounded() : Closeness{});
    case 4:
      if (draw.oneIn(3))
        return output("y", y);
      return output("largest", max(isReal ? abs(y) : -y, {-1}));
    case 5:
      return draw.oneIn(3) ? output("which", argmax(y, -1)) : output("max", max(-y, {-1}));
    case 6:
      return output("lse", logsumexp(y, {-1}), curved());
    case 7:
      return output("raw", sum(exp(y - max(y, {-1}, true)), {-1}), curved());
    case 8: { // A shift that is not the largest.
      const Tensor x = draw.oneIn(2) ? y : biased(y, /*isInfinite=*/true);
      const Tensor shift = draw.oneIn(2)   ? min(x, {-1}, true)
                           : draw.oneIn(2) ? maximum(max(x, {-1}, true), 1)
                                           : max(-x, {-1}, true);
      return output("shifted", sum(exp(x - shift), {-1}), curved());
    }
    case 9: {
      Tensor at = labels();
      drawLabels();
      Tensor loss = softmaxCrossEntropy(y, at);
      output("loss", loss, curved());
      if (draw.oneIn(4) && dtype != f16 && dtype != bf16 && made.inputs.at("a").numElements() > 0)
        output("grad", gradient(sum(loss), operands[static_cast<size_t>(draw.below(2))]),
               {1e-3, 1e-3});
      return;
    }
    case 10:
      return output("mean", mean(y, {-1}), rounded());
    default:
      return output("squares", sum(y * y, {-1}), {rounded().relative * 100, 1e-3});
    }
  }

  Draw draw;
  uint64_t seed;
  LargeGraph made;
  DType dtype = f32;
  int64_t rows = 0, columns = 0, depth = 0, batch = 0;
  bool isNamed = false;
  int number = 0;
  std::vector<Tensor> operands;
};

// -- Rows of tables -------------------------------------------------------------------------------

class LookUps {
public:
  explicit LookUps(uint64_t seed) : draw(seed, "look-ups"), seed(seed) {}

  LargeGraph make() {
    constexpr DType types[] = {f32, f32, f64, f16, i32, u8};
    dtype = draw.of(types);
    // More than a megabyte in most cases, and rows both long and short.
    constexpr int64_t lengths[] = {64, 65, 128, 96, 300, 512, 7, 1030};
    length = draw.of(lengths);
    // Beyond 8 MB, and with many updates, what is added is ordered by rows first.
    isHuge = draw.oneIn(6);
    const int64_t bytes = (isHuge ? 8 << 20 : 1 << 19) + draw.below(5 << 19);
    rows = std::max<int64_t>(2, bytes / byteSize(dtype) / length);
    const bool isDeep = draw.oneIn(4);
    Shape shape = {rows, length};
    if (isDeep)
      shape = {rows, 3, length};
    Tensor table = input("table", dtype, shape);
    for (int64_t i = 1 + draw.below(2); i > 0; --i)
      lookUp(table, isDeep);
    return std::move(made);
  }

private:
  Tensor input(const std::string &name, DType type, const Shape &shape,
               std::vector<int64_t> sizes = {}, int64_t steps = 4) {
    if (sizes.empty())
      for (const DimExpr &size : shape)
        sizes.push_back(*size.constant());
    made.inputs.insert({name, drawn(type, sizes, seed, name, steps, 0.25)});
    return made.graph.placeholder(name, type, shape);
  }
  std::string fresh(const std::string &stem) { return stem + std::to_string(number++); }

  /// Indices of rows, some of them computed from what is given. One may be out of range.
  Tensor indices(bool isNamed, int64_t count) {
    constexpr DType types[] = {i32, i64, i32, i64, i16, u32, u16};
    DType type = draw.of(types);
    const int64_t most = type == i16 ? INT16_MAX : type == u16 ? UINT16_MAX : INT32_MAX;
    const std::string name = fresh("index");
    Tensor given = input(name, type, {isNamed ? dim("M") : DimExpr(count)}, {count}, 0);
    Array &array = made.inputs.at(name);
    const int64_t range = std::min(rows, most);
    const bool isNegated = draw.oneIn(4) && !isUnsigned(type);
    auto put = [&](int64_t i, int64_t value) {
      dispatch(type, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>)
          array.as<T>()[i] = static_cast<T>(isNegated ? 0 - static_cast<uint64_t>(value) : value);
      });
    };
    for (int64_t i = 0; i < count; ++i)
      put(i, draw.below(range));
    if (count > 0 && !made.isBad && draw.oneIn(3)) {
      const int64_t bad[] = {rows,
                             -1,
                             std::numeric_limits<int32_t>::min(),
                             std::numeric_limits<int64_t>::max(),
                             std::numeric_limits<int64_t>::min() + 1,
                             rows + 1};
      const int64_t value = draw.of(bad);
      const bool holds =
          type == i64 ||
          (type == i32 && value == static_cast<int32_t>(value) && value != INT32_MIN) ||
          (type == u32 && value >= 0 && value <= UINT32_MAX);
      if (holds) {
        put(draw.oneIn(2) ? count - 1 : draw.below(count), value);
        made.isBad = true;
      }
    }
    if (type != i32 && (type != i64 || draw.oneIn(3)))
      given = cast(given, i64);
    if (isNegated)
      return -given;
    return draw.oneIn(3) ? where(given >= 1, given, given * 1) : given;
  }

  void lookUp(const Tensor &table, bool isDeep) {
    const bool isNamed = draw.oneIn(3) && !hasNamed && !isHuge;
    hasNamed |= isNamed;
    constexpr int64_t counts[] = {1, 2, 17, 64, 100, 333, 1000, 0};
    const int64_t count = isHuge ? 1024 + draw.below(2000) : draw.of(counts);
    Tensor at = indices(isNamed, count);
    Tensor rowsFound = gather(table, at, 0);
    if (draw.oneIn(3))
      rowsFound = rowsFound + rowsFound;
    if (draw.oneIn(4) && !isDeep && !isNamed && count > 0)
      rowsFound = rowsFound - input(fresh("more"), dtype, {count, length});
    switch (draw.below(4)) {
    case 0:
      if (isFloat(dtype) && dtype != f16) {
        // Added to in the order of the indices: exact, whatever the order.
        output("grad", gradient(sum(rowsFound * rowsFound), table));
        return;
      }
      [[fallthrough]];
    case 1:
      output("sums", sum(rowsFound, {-1}));
      return;
    default:
      output("rows", rowsFound);
    }
  }
  void output(const std::string &stem, const Tensor &value) {
    const std::string name = fresh(stem);
    made.graph.output(name, value);
    made.outputs[name] = {};
  }

  Draw draw;
  uint64_t seed;
  LargeGraph made;
  DType dtype = f32;
  int64_t rows = 0, length = 0;
  bool hasNamed = false, isHuge = false;
  int number = 0;
};

} // namespace

LargeGraph longRows(uint64_t seed) { return LongRows(seed).make(); }
LargeGraph lookUps(uint64_t seed) { return LookUps(seed).make(); }

} // namespace sinter::fuzz
