// SPDX-License-Identifier: Apache-2.0
// Ops on bits, in both languages of Ops.td.
#include "sinter/ir/Eval.h"
#include "sinter/ir/ScalarExpr.h"
#include "sinter/ir/base/Philox.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"

#include <array>
#include <bit>

using namespace mlir;

namespace sinter::ir::scalar {

namespace {

/// Arithmetic on the 64-bit registers that hold 32-bit words.
struct Words {
  Expr like;
  Expr constant(uint64_t value) const {
    Type type = like.value().getType();
    auto word = IntegerAttr::get(getElementTypeOrSelf(type), static_cast<int64_t>(value));
    if (auto vector = dyn_cast<VectorType>(type))
      return like.emit<arith::ConstantOp>(DenseElementsAttr::get(vector, Attribute(word)));
    return like.emit<arith::ConstantOp>(word);
  }
  Expr low(Expr x) const {
    return like.emit<arith::AndIOp>(x.value(), constant(0xffffffff).value());
  }
  Expr high(Expr x) const { return like.emit<arith::ShRUIOp>(x.value(), constant(32).value()); }
  Expr times(Expr x, uint64_t factor) const {
    return like.emit<arith::MulIOp>(x.value(), constant(factor).value());
  }
  Expr plus(Expr x, uint64_t step) const {
    return low(like.emit<arith::AddIOp>(x.value(), constant(step).value()));
  }
  Expr xorOf(Expr a, Expr b, Expr c) const {
    Expr ab = like.emit<arith::XOrIOp>(a.value(), b.value());
    return like.emit<arith::XOrIOp>(ab.value(), c.value());
  }
};

} // namespace

Expr randomBits(Expr key, Expr counter) {
  Words words{key};
  Expr zero = words.constant(0);
  std::array<Expr, 4> block = {words.low(counter), words.high(counter), zero, zero};
  Expr keyLow = words.low(key), keyHigh = words.high(key);
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      keyLow = words.plus(keyLow, 0x9E3779B9);
      keyHigh = words.plus(keyHigh, 0xBB67AE85);
    }
    Expr first = words.times(block[0], 0xD2511F53), second = words.times(block[2], 0xCD9E8D57);
    block = {words.xorOf(words.high(second), block[1], keyLow), words.low(second),
             words.xorOf(words.high(first), block[3], keyHigh), words.low(first)};
  }
  Type word = IntegerType::get(key.value().getContext(), 32);
  return key.emit<arith::TruncIOp>(key.typeWith(word), block[0].value());
}

} // namespace sinter::ir::scalar

namespace sinter::ir::eval {

Scalar randomBits(const Scalar &key, const Scalar &counter) {
  auto low = [](int64_t x) { return static_cast<uint32_t>(static_cast<uint64_t>(x)); };
  auto high = [](int64_t x) { return static_cast<uint32_t>(static_cast<uint64_t>(x) >> 32); };
  return Scalar(
      int64_t{philox4x32({low(counter.i), high(counter.i), 0, 0}, {low(key.i), high(key.i)})[0]});
}

} // namespace sinter::ir::eval
