// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Memory.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace sinter::codegen {

static Type sameShape(Type like, Type element) {
  if (auto vector = dyn_cast<VectorType>(like))
    return vector.clone(element);
  return element;
}
static unsigned byteWidth(Type type) { return std::max(1u, type.getIntOrFloatBitWidth() / 8); }

Type Memory::storageType(Type elementType) const {
  if (elementType.isInteger(1))
    return builder.getI8Type();
  // The 16-bit floats are moved as integers, which every target can.
  if (elementType.isF16() || elementType.isBF16())
    return builder.getI16Type();
  return ir::registerType(elementType);
}

Type Memory::vectorType(Type type) const {
  return lanes == 1 ? type : VectorType::get({lanes}, type);
}

Value Memory::fromStorage(Value value, Type elementType) {
  if (elementType.isInteger(1)) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(value.getType()));
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, value, zero);
  }
  Type held = ir::registerType(elementType);
  if (!isa<FloatType>(elementType) || held == elementType)
    return value;
  Value narrow =
      arith::BitcastOp::create(builder, loc, sameShape(value.getType(), elementType), value);
  return arith::ExtFOp::create(builder, loc, sameShape(value.getType(), held), narrow);
}

Value Memory::toStorage(Value value, Type elementType) {
  Type stored = sameShape(value.getType(), storageType(elementType));
  if (elementType.isInteger(1))
    return arith::ExtUIOp::create(builder, loc, stored, value);
  if (!isa<FloatType>(elementType) || ir::registerType(elementType) == elementType)
    return value;
  Value narrow =
      arith::TruncFOp::create(builder, loc, sameShape(value.getType(), elementType), value);
  return arith::BitcastOp::create(builder, loc, stored, narrow);
}

Value Memory::address(Value pointer, Type elementType, Value offset) {
  Type result = LLVM::LLVMPointerType::get(builder.getContext());
  if (auto vector = dyn_cast<VectorType>(offset.getType()))
    result = VectorType::get(vector.getShape(), result);
  return LLVM::GEPOp::create(builder, loc, result, storageType(elementType), pointer,
                             ValueRange{offset});
}

Value Memory::loadScalar(Value pointer, Type elementType, Value offset) {
  Type type = storageType(elementType);
  Value value = LLVM::LoadOp::create(builder, loc, type, address(pointer, elementType, offset),
                                     byteWidth(type));
  return fromStorage(value, elementType);
}

void Memory::storeScalar(Value value, Type elementType, Value pointer, Value offset) {
  Value stored = toStorage(value, elementType);
  LLVM::StoreOp::create(builder, loc, stored, address(pointer, elementType, offset),
                        byteWidth(stored.getType()));
}

Value Memory::allTrue() {
  auto type = VectorType::get({lanes}, builder.getI1Type());
  return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, true));
}

Value Memory::loadVector(Value pointer, Type elementType, Value offset, Value mask) {
  if (lanes == 1)
    return loadScalar(pointer, elementType, offset);
  Type element = storageType(elementType);
  auto type = VectorType::get({lanes}, element);
  Value at = address(pointer, elementType, offset);
  Value value;
  if (mask) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
    value = LLVM::MaskedLoadOp::create(builder, loc, type, at, mask, zero, byteWidth(element));
  } else {
    value = LLVM::LoadOp::create(builder, loc, type, at, byteWidth(element));
  }
  return fromStorage(value, elementType);
}

Value Memory::gather(Value pointer, Type elementType, Value offsets, Value mask) {
  Type element = storageType(elementType);
  unsigned width = byteWidth(element);
  auto type = VectorType::get({lanes}, element);
  auto constant = [&](Type of, int64_t number) -> Value {
    auto vector = VectorType::get({lanes}, of);
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::get(vector, builder.getIntegerAttr(of, number)));
  };
  auto load = [&](VectorType of, Value at, unsigned alignment) -> Value {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(of));
    return LLVM::masked_gather::create(builder, loc, of, at, mask ? mask : allTrue(),
                                       ValueRange{zero}, alignment);
  };
  if (width >= 4)
    return fromStorage(load(type, address(pointer, elementType, offsets), width), elementType);
  // There are no gathers of less than 4 bytes. The aligned word around an element lies in its page,
  // and buffers start at multiples of 64 bytes.
  Type word = builder.getI32Type(), i64 = builder.getI64Type();
  auto words = VectorType::get({lanes}, word);
  int64_t perWord = 4 / width;
  Value number = arith::ShRUIOp::create(builder, loc, offsets, constant(i64, perWord == 4 ? 2 : 1));
  Value whole = load(words, address(pointer, word, number), 4);
  Value part = arith::AndIOp::create(builder, loc, offsets, constant(i64, perWord - 1));
  Value shift =
      arith::ShLIOp::create(builder, loc, arith::TruncIOp::create(builder, loc, words, part),
                            constant(word, width == 1 ? 3 : 4));
  Value moved = arith::ShRUIOp::create(builder, loc, whole, shift);
  return fromStorage(arith::TruncIOp::create(builder, loc, type, moved), elementType);
}

void Memory::storeVector(Value value, Type elementType, Value pointer, Value offset, Value mask,
                         bool stream) {
  if (lanes == 1)
    return storeScalar(value, elementType, pointer, offset);
  Value stored = toStorage(value, elementType);
  unsigned width = byteWidth(storageType(elementType));
  Value at = address(pointer, elementType, offset);
  if (mask)
    LLVM::MaskedStoreOp::create(builder, loc, stored, at, mask, width);
  else
    LLVM::StoreOp::create(builder, loc, stored, at,
                          stream ? width * static_cast<unsigned>(lanes) : width,
                          /*isVolatile=*/false, stream);
}

void Memory::scatter(Value value, Type elementType, Value pointer, Value offsets, Value mask) {
  Value stored = toStorage(value, elementType);
  LLVM::masked_scatter::create(builder, loc, stored, address(pointer, elementType, offsets),
                               mask ? mask : allTrue(), byteWidth(storageType(elementType)));
}

Value Memory::splat(Value scalar) {
  if (lanes == 1)
    return scalar;
  auto type = VectorType::get({lanes}, scalar.getType());
  // Scalar lowerings look for constants, e.g. as an operand of max.
  if (TypedAttr constant; matchPattern(scalar, m_Constant(&constant)))
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(type, ArrayRef<Attribute>(constant)));
  return vector::BroadcastOp::create(builder, loc, type, scalar);
}

Value Memory::tailMask(Value count) {
  if (lanes == 1)
    return {};
  auto type = VectorType::get({lanes}, builder.getI64Type());
  llvm::SmallVector<int64_t> numbers;
  for (int64_t lane = 0; lane < lanes; ++lane)
    numbers.push_back(lane);
  Value lane = arith::ConstantOp::create(builder, loc, DenseIntElementsAttr::get(type, numbers));
  Value limit = vector::BroadcastOp::create(builder, loc, type, count);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, lane, limit);
}

} // namespace sinter::codegen
