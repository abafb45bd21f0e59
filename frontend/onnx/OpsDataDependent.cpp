// SPDX-License-Identifier: Apache-2.0
// Operators whose result has a size that depends on data. They are evaluated at import, on values
// that are known then. (NonMaxSuppression is in OpsVision.cpp.)
#include "sinter/frontend/onnx/Helpers.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

namespace sinter::onnx {

// -- Compress, NonZero ----------------------------------------------------------------------------

static void importCompress(Node &node) {
  Tensor x = node.input(0);
  std::vector<int64_t> condition = node.known(1).toVector<int64_t>();
  bool flat = !node.hasAttribute("axis");
  if (flat)
    x = x.flatten();
  int64_t axis = flat ? 0 : node.axis(node.intAttribute("axis"), x.rank());
  int64_t size = node.staticSize(x.size(axis), "the axis that is compressed");
  std::vector<int64_t> positions;
  for (size_t i = 0; i < condition.size(); ++i)
    if (condition[i] != 0)
      positions.push_back(static_cast<int64_t>(i));
  if (!positions.empty() && positions.back() >= size)
    node.invalid("the condition is longer than the axis");
  node.output(0, takePositions(node, x, axis, positions));
}

static void importNonZero(Node &node) {
  Array x = node.known(0);
  std::vector<double> values = x.toVector<double>();
  std::vector<int64_t> found;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0)
      found.push_back(static_cast<int64_t>(i));
  auto count = static_cast<int64_t>(found.size());
  std::vector<int64_t> coordinates(static_cast<size_t>(x.rank() * count));
  for (int64_t k = 0; k < count; ++k)
    for (int64_t axis = x.rank(), at = found[static_cast<size_t>(k)]; axis-- > 0;) {
      int64_t size = x.sizes()[static_cast<size_t>(axis)];
      coordinates[static_cast<size_t>(axis * count + k)] = at % size;
      at /= size;
    }
  node.output(0, indexConstant(node, coordinates, {x.rank(), count}));
}

// -- Unique ---------------------------------------------------------------------------------------

/// Numbers whose order and equality are those of the elements, exactly: NaNs are one value behind
/// all others, as in NumPy, and -0 is 0.
static std::vector<int64_t> orderedKeys(const Array &x) {
  if (x.dtype() == u64) {
    std::vector<int64_t> keys;
    for (uint64_t value : x.toVector<uint64_t>())
      keys.push_back(static_cast<int64_t>(value ^ (uint64_t{1} << 63)));
    return keys;
  }
  if (!isFloat(x.dtype()))
    return x.toVector<int64_t>();
  std::vector<int64_t> keys;
  for (double value : x.toVector<double>()) {
    if (value != value) {
      keys.push_back(std::numeric_limits<int64_t>::max());
      continue;
    }
    auto bits = std::bit_cast<int64_t>(value == 0 ? 0.0 : value);
    keys.push_back(bits < 0 ? std::numeric_limits<int64_t>::min() - bits : bits);
  }
  return keys;
}

/// The distinct rows: where each occurs first, which one every row is, how often they occur.
struct Distinct {
  std::vector<int64_t> first, inverse, counts;
};

static Distinct findDistinct(const std::vector<std::vector<int64_t>> &rows, bool sorted) {
  std::map<std::vector<int64_t>, int64_t> seen;
  Distinct found;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto [place, added] = seen.emplace(rows[i], static_cast<int64_t>(found.first.size()));
    if (added) {
      found.first.push_back(static_cast<int64_t>(i));
      found.counts.push_back(0);
    }
    ++found.counts[static_cast<size_t>(place->second)];
    found.inverse.push_back(place->second);
  }
  if (!sorted)
    return found;
  Distinct ordered;
  std::vector<int64_t> rank(found.first.size());
  for (const auto &[row, id] : seen) { // A map is in order.
    rank[static_cast<size_t>(id)] = static_cast<int64_t>(ordered.first.size());
    ordered.first.push_back(found.first[static_cast<size_t>(id)]);
    ordered.counts.push_back(found.counts[static_cast<size_t>(id)]);
  }
  for (int64_t id : found.inverse)
    ordered.inverse.push_back(rank[static_cast<size_t>(id)]);
  return ordered;
}

static void importUnique(Node &node) {
  Array x = node.known(0);
  bool sorted = node.flagAttribute("sorted", true);
  bool flat = !node.hasAttribute("axis");
  int64_t axis = flat ? 0 : node.axis(node.intAttribute("axis"), x.rank());
  Array slices = flat ? x.reshape({x.numElements()}) : x;
  std::vector<std::vector<int64_t>> rows;
  for (int64_t i = 0; i < slices.sizes()[static_cast<size_t>(axis)]; ++i)
    rows.push_back(orderedKeys(slices.select(axis, i)));
  Distinct found = findDistinct(rows, sorted);
  auto count = static_cast<int64_t>(found.first.size());
  Tensor values = node.graph().constant(slices.contiguous());
  node.output(0, takePositions(node, values, axis, found.first));
  node.output(1, indexConstant(node, found.first, {count}));
  node.output(2, indexConstant(node, found.inverse, {static_cast<int64_t>(found.inverse.size())}));
  node.output(3, indexConstant(node, found.counts, {count}));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> dataDependentHandlers() {
  static constexpr OpHandler table[] = {
      {"Compress", 9, importCompress},
      {"NonZero", 9, importNonZero},
      {"Unique", 11, importUnique},
  };
  return table;
}

} // namespace sinter::onnx
