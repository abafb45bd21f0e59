// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/WinogradTransforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace sinter::cpu::convolution {

Value WinogradTransforms::constant(double value) {
  OpBuilder &builder = vectors.kernel.builder;
  return arith::ConstantOp::create(
      builder, vectors.kernel.loc,
      DenseElementsAttr::get(vectors.vectorType, builder.getFloatAttr(vectors.elementType, value)));
}
Value WinogradTransforms::subtract(Value a, Value b) {
  return arith::SubFOp::create(vectors.kernel.builder, vectors.kernel.loc, a, b);
}
Value WinogradTransforms::times(Value a, double factor) {
  return arith::MulFOp::create(vectors.kernel.builder, vectors.kernel.loc, a, constant(factor));
}
Value WinogradTransforms::timesPlus(Value a, double factor, Value b) {
  return vectors.multiplyAdd(a, constant(factor), b);
}

// -- The transforms -------------------------------------------------------------------------------

Values WinogradTransforms::weightLine(Value a, Value b, Value c) {
  Value sixth = times(add(a, c), -1.0 / 6), twelfth = times(a, 1.0 / 24);
  twelfth = timesPlus(c, 1.0 / 6, twelfth);
  return {times(a, 0.25),
          timesPlus(b, -1.0 / 6, sixth),
          timesPlus(b, 1.0 / 6, sixth),
          timesPlus(b, 1.0 / 12, twelfth),
          timesPlus(b, -1.0 / 12, twelfth),
          c};
}

Values WinogradTransforms::ofWeights(ValueRange taps) {
  llvm::SmallVector<Values> columns; // Three of six.
  for (size_t j = 0; j < 3; ++j)
    columns.push_back(weightLine(taps[j], taps[3 + j], taps[6 + j]));
  Values result;
  for (size_t i = 0; i < 6; ++i)
    llvm::append_range(result, weightLine(columns[0][i], columns[1][i], columns[2][i]));
  return result;
}

Values WinogradTransforms::ofInput(ValueRange d) {
  Value first = timesPlus(d[0], 4, timesPlus(d[2], -5, d[4]));
  Value last = timesPlus(d[1], 4, timesPlus(d[3], -5, d[5]));
  Value a = timesPlus(d[2], -4, d[4]), b = timesPlus(d[1], -4, d[3]);
  Value c = subtract(d[4], d[2]), e = subtract(d[3], d[1]);
  return {first, add(a, b), subtract(a, b), timesPlus(e, 2, c), timesPlus(e, -2, c), last};
}

Values WinogradTransforms::ofProducts(ValueRange m) {
  Value p = add(m[1], m[2]), q = subtract(m[1], m[2]), r = add(m[3], m[4]),
        s = subtract(m[3], m[4]);
  return {add(add(m[0], p), r), timesPlus(s, 2, q), timesPlus(r, 4, p),
          add(timesPlus(s, 8, q), m[5])};
}

// -- Rows of an image -----------------------------------------------------------------------------

Value WinogradTransforms::pick(Value a, Value b, llvm::function_ref<int64_t(int64_t)> lane) {
  llvm::SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < vectors.lanes; ++i)
    lanes.push_back(lane(i));
  return vector::ShuffleOp::create(vectors.kernel.builder, vectors.kernel.loc, a, b, lanes);
}

Values WinogradTransforms::spread(ValueRange row) {
  auto every = [&](Value a, Value b, int64_t first) {
    return pick(a, b, [=](int64_t i) { return 2 * i + first; });
  };
  Value even0 = every(row[0], row[1], 0), odd0 = every(row[0], row[1], 1),
        even1 = every(row[2], row[3], 0), odd1 = every(row[2], row[3], 1);
  Values tiles = {every(even0, even1, 0), every(odd0, odd1, 0), every(even0, even1, 1),
                  every(odd0, odd1, 1)};
  // The first two elements of the next tile.
  const int64_t lanes = vectors.lanes;
  for (int64_t k : {0, 1})
    tiles.push_back(pick(tiles[static_cast<size_t>(k)], row[4],
                         [=](int64_t i) { return i + 1 < lanes ? i + 1 : lanes + k; }));
  return tiles;
}

Values WinogradTransforms::join(ValueRange four) {
  auto interleave = [&](Value a, Value b, bool high) { return vectors.interleave(a, b, high); };
  Value evenLow = interleave(four[0], four[2], false),
        evenHigh = interleave(four[0], four[2], true), oddLow = interleave(four[1], four[3], false),
        oddHigh = interleave(four[1], four[3], true);
  return {interleave(evenLow, oddLow, false), interleave(evenLow, oddLow, true),
          interleave(evenHigh, oddHigh, false), interleave(evenHigh, oddHigh, true)};
}

Value WinogradTransforms::loadMasked(Value pointer, Value mask) {
  return LLVM::MaskedLoadOp::create(vectors.kernel.builder, vectors.kernel.loc, vectors.vectorType,
                                    pointer, mask, vectors.zero(),
                                    vectors.elementType.getIntOrFloatBitWidth() / 8);
}

} // namespace sinter::cpu::convolution
