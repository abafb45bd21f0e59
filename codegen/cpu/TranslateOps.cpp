// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/KernelTranslation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/Metadata.h"

#include <cstdint>
#include <optional>

using namespace mlir;
using llvm::CmpInst;
using llvm::Instruction;

namespace sinter::cpu {

namespace {

using Translation = KernelTranslation;

// -- Arithmetic -----------------------------------------------------------------------------------

/// Whether an op asks for what this file does not pass on.
template <typename Op> bool hasFlags(Op op) {
  if constexpr (requires { op.getFastmath(); })
    if (std::optional(op.getFastmath()).value_or(arith::FastMathFlags::none) !=
        arith::FastMathFlags::none)
      return true;
  if constexpr (requires { op.getOverflowFlags(); })
    if (op.getOverflowFlags() != arith::IntegerOverflowFlags::none)
      return true;
  if constexpr (requires { op.getIsExact(); })
    if (op.getIsExact())
      return true;
  if constexpr (requires { op.getRoundingmode(); })
    if (op.getRoundingmode())
      return true;
  return false;
}

template <typename Op, Instruction::BinaryOps code>
llvm::Value *translateBinary(Translation &t, Op op) {
  return hasFlags(op) ? nullptr : t.builder.CreateBinOp(code, t.operand(op, 0), t.operand(op, 1));
}

template <typename Op, Instruction::CastOps code>
llvm::Value *translateCast(Translation &t, Op op) {
  llvm::Type *type = t.type(op.getType());
  return hasFlags(op) || !type ? nullptr : t.builder.CreateCast(code, t.operand(op, 0), type);
}

/// An intrinsic of all operands that is named after the result's type. `tail` are bits behind them.
template <typename Op, llvm::Intrinsic::ID id, bool... tail>
llvm::Value *translateIntrinsic(Translation &t, Op op) {
  llvm::Type *type = t.type(op.getType());
  if (hasFlags(op) || !type)
    return nullptr;
  SmallVector<llvm::Value *> operands = t.all(op->getOperands());
  (operands.push_back(t.builder.getInt1(tail)), ...);
  return t.builder.CreateIntrinsic(id, {type}, operands);
}

template <typename Op, Instruction::BinaryOps code> void addBinary(TranslationTable &table) {
  addValue<Op, translateBinary<Op, code>>(table);
}

template <typename Op, Instruction::CastOps code> void addCast(TranslationTable &table) {
  addValue<Op, translateCast<Op, code>>(table);
}

template <typename Op, llvm::Intrinsic::ID id, bool... tail>
void addIntrinsic(TranslationTable &table) {
  addValue<Op, translateIntrinsic<Op, id, tail...>>(table);
}

CmpInst::Predicate predicateOf(arith::CmpIPredicate predicate) {
  constexpr CmpInst::Predicate all[] = {CmpInst::ICMP_EQ,  CmpInst::ICMP_NE,  CmpInst::ICMP_SLT,
                                        CmpInst::ICMP_SLE, CmpInst::ICMP_SGT, CmpInst::ICMP_SGE,
                                        CmpInst::ICMP_ULT, CmpInst::ICMP_ULE, CmpInst::ICMP_UGT,
                                        CmpInst::ICMP_UGE};
  return all[static_cast<size_t>(predicate)];
}

CmpInst::Predicate predicateOf(arith::CmpFPredicate predicate) {
  constexpr CmpInst::Predicate all[] = {
      CmpInst::FCMP_FALSE, CmpInst::FCMP_OEQ, CmpInst::FCMP_OGT, CmpInst::FCMP_OGE,
      CmpInst::FCMP_OLT,   CmpInst::FCMP_OLE, CmpInst::FCMP_ONE, CmpInst::FCMP_ORD,
      CmpInst::FCMP_UEQ,   CmpInst::FCMP_UGT, CmpInst::FCMP_UGE, CmpInst::FCMP_ULT,
      CmpInst::FCMP_ULE,   CmpInst::FCMP_UNE, CmpInst::FCMP_UNO, CmpInst::FCMP_TRUE};
  return all[static_cast<size_t>(predicate)];
}

llvm::Constant *constantOf(llvm::Type *type, Attribute attribute) {
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return llvm::ConstantInt::get(type, integer.getValue());
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return llvm::ConstantFP::get(type, number.getValue());
  return nullptr;
}

llvm::Value *translateConstant(Translation &t, arith::ConstantOp op) {
  llvm::Type *type = t.type(op.getType());
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!type || !elements)
    return type ? constantOf(type, op.getValue()) : nullptr;
  llvm::Type *element = type->getScalarType();
  if (elements.isSplat()) {
    llvm::Constant *each = constantOf(element, elements.getSplatValue<Attribute>());
    auto *vector = llvm::cast<llvm::VectorType>(type);
    return each ? llvm::ConstantVector::getSplat(vector->getElementCount(), each) : nullptr;
  }
  SmallVector<llvm::Constant *> values;
  for (Attribute value : elements.getValues<Attribute>())
    values.push_back(constantOf(element, value));
  return llvm::is_contained(values, nullptr) ? nullptr : llvm::ConstantVector::get(values);
}

/// The elements of a constant as vector elements of 32 bits; null where one does not fit, or is the
/// first or last of them.
llvm::Constant *narrowed(Translation &t, Value value) {
  DenseIntElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)))
    return nullptr;
  SmallVector<uint32_t> numbers;
  for (const APInt &element : elements.getValues<APInt>()) {
    const int64_t number = element.getSExtValue();
    if (number <= INT32_MIN || number >= INT32_MAX)
      return nullptr;
    numbers.push_back(static_cast<uint32_t>(number));
  }
  return llvm::ConstantDataVector::get(t.module.getContext(), numbers);
}

/// Which lanes of a constant are below a number, or beyond it: with 32 bits a lane these are
/// masks of one register, where 64 bits take LLVM ten times as long. Null: not that.
llvm::Value *translateMask(Translation &t, arith::CmpIOp op) {
  using enum arith::CmpIPredicate;
  auto type = dyn_cast<VectorType>(op.getLhs().getType());
  if (!type || !type.getElementType().isInteger(64) ||
      !llvm::is_contained({slt, sle, sgt, sge}, op.getPredicate()))
    return nullptr;
  const bool numberIsLeft = op.getLhs().getDefiningOp<vector::BroadcastOp>() != nullptr;
  auto number = (numberIsLeft ? op.getLhs() : op.getRhs()).getDefiningOp<vector::BroadcastOp>();
  if (!number || isa<VectorType>(number.getSourceType()))
    return nullptr;
  llvm::Constant *lanes = narrowed(t, numberIsLeft ? op.getRhs() : op.getLhs());
  if (!lanes)
    return nullptr;
  llvm::IRBuilder<> &b = t.builder;
  llvm::Value *bound =
      b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, t[number.getSource()], b.getInt64(INT32_MAX));
  bound = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, bound, b.getInt64(INT32_MIN));
  llvm::Value *splat = b.CreateVectorSplat(static_cast<unsigned>(type.getDimSize(0)),
                                           b.CreateTrunc(bound, b.getInt32Ty()));
  return b.CreateICmp(predicateOf(op.getPredicate()), numberIsLeft ? splat : lanes,
                      numberIsLeft ? lanes : splat);
}

llvm::Value *translateCompare(Translation &t, arith::CmpIOp op) {
  if (llvm::Value *mask = translateMask(t, op))
    return mask;
  return t.builder.CreateICmp(predicateOf(op.getPredicate()), t[op.getLhs()], t[op.getRhs()]);
}

llvm::Value *translateCompareFloats(Translation &t, arith::CmpFOp op) {
  return hasFlags(op)
             ? nullptr
             : t.builder.CreateFCmp(predicateOf(op.getPredicate()), t[op.getLhs()], t[op.getRhs()]);
}

llvm::Value *translateSelect(Translation &t, arith::SelectOp op) {
  return t.builder.CreateSelect(t[op.getCondition()], t[op.getTrueValue()], t[op.getFalseValue()]);
}

llvm::Value *translateNegation(Translation &t, arith::NegFOp op) {
  return hasFlags(op) ? nullptr : t.builder.CreateFNeg(t[op.getOperand()]);
}

/// Quotients by what is known to be positive, towards one of the infinities.
template <typename Op, CmpInst::Predicate beyond>
llvm::Value *translateQuotient(Translation &t, Op op) {
  llvm::Value *value = t[op.getLhs()];
  auto *by = llvm::dyn_cast<llvm::ConstantInt>(t[op.getRhs()]);
  if (!by || !by->getValue().isStrictlyPositive())
    return nullptr;
  llvm::IRBuilder<> &b = t.builder;
  llvm::Value *quotient = b.CreateSDiv(value, by);
  llvm::Value *more = b.CreateICmp(beyond, value, b.CreateMul(quotient, by));
  return beyond == CmpInst::ICMP_SGT ? b.CreateAdd(quotient, b.CreateZExt(more, value->getType()))
                                     : b.CreateAdd(quotient, b.CreateSExt(more, value->getType()));
}

bool translateWideProduct(Translation &t, Operation *op) {
  llvm::IRBuilder<> &b = t.builder;
  llvm::Value *a = t.operand(op, 0), *c = t.operand(op, 1);
  llvm::Type *type = a->getType();
  const unsigned bits = type->getScalarSizeInBits();
  llvm::Type *wide = type->getWithNewBitWidth(2 * bits);
  llvm::Value *product = b.CreateMul(b.CreateZExt(a, wide), b.CreateZExt(c, wide));
  t.set(op->getResult(0), b.CreateTrunc(product, type));
  t.set(op->getResult(1),
        b.CreateTrunc(b.CreateLShr(product, llvm::ConstantInt::get(wide, bits)), type));
  return true;
}

// -- Vectors --------------------------------------------------------------------------------------

llvm::Value *translateBroadcast(Translation &t, vector::BroadcastOp op) {
  auto *type = llvm::dyn_cast_or_null<llvm::FixedVectorType>(t.type(op.getType()));
  if (!type || isa<VectorType>(op.getSourceType()))
    return nullptr;
  return t.builder.CreateVectorSplat(type->getNumElements(), t[op.getSource()]);
}

llvm::Value *translateShuffle(Translation &t, vector::ShuffleOp op) {
  if (!t.type(op.getType()) || op.getV1VectorType().getRank() != 1)
    return nullptr;
  SmallVector<int> mask(op.getMask().begin(), op.getMask().end());
  return t.builder.CreateShuffleVector(t[op.getV1()], t[op.getV2()], mask);
}

/// Null where it is not one number that is known.
llvm::Value *positionOf(Translation &t, ArrayRef<int64_t> position) {
  return position.size() == 1 && position.front() >= 0
             ? t.builder.getInt64(static_cast<uint64_t>(position.front()))
             : nullptr;
}

llvm::Value *translateExtract(Translation &t, vector::ExtractOp op) {
  llvm::Value *position = positionOf(t, op.getStaticPosition());
  if (!position || isa<VectorType>(op.getType()))
    return nullptr;
  return t.builder.CreateExtractElement(t[op.getSource()], position);
}

llvm::Value *translateInsert(Translation &t, vector::InsertOp op) {
  llvm::Value *position = positionOf(t, op.getStaticPosition());
  if (!position || isa<VectorType>(op.getValueToStoreType()))
    return nullptr;
  return t.builder.CreateInsertElement(t[op.getDest()], t[op.getValueToStore()], position);
}

// -- Memory ---------------------------------------------------------------------------------------

llvm::Value *translateAddress(Translation &t, LLVM::GEPOp op) {
  llvm::Type *element = t.type(op.getElemType());
  if (!element || op.getNoWrapFlags() != LLVM::GEPNoWrapFlags::none)
    return nullptr;
  SmallVector<llvm::Value *> indices;
  auto dynamic = op.getDynamicIndices().begin();
  for (int32_t index : op.getRawConstantIndices())
    indices.push_back(index == LLVM::GEPOp::kDynamicIndex ? t[*dynamic++]
                                                          : t.builder.getInt32(index));
  return t.builder.CreateGEP(element, t[op.getBase()], indices);
}

/// Whether an access is a plain one, that may at most pass by the caches.
template <typename Op> bool isPlain(Op op) {
  return !op.getVolatile_() && op.getOrdering() == LLVM::AtomicOrdering::not_atomic &&
         !op.getSyncscope() && !op.getInvariantGroup() && !op.getAliasScopesAttr() &&
         !op.getNoaliasScopesAttr() && !op.getTbaaAttr() && !op.getAccessGroupsAttr();
}

template <typename Op> void finishAccess(Translation &t, Op op, llvm::Instruction *access) {
  if (!op.getNontemporal())
    return;
  llvm::LLVMContext &context = t.module.getContext();
  access->setMetadata(
      llvm::LLVMContext::MD_nontemporal,
      llvm::MDNode::get(context, llvm::ConstantAsMetadata::get(t.builder.getInt32(1))));
}

llvm::MaybeAlign alignmentOf(std::optional<uint64_t> alignment) {
  return llvm::MaybeAlign(alignment.value_or(0));
}

llvm::Value *translateLoad(Translation &t, LLVM::LoadOp op) {
  llvm::Type *type = t.type(op.getType());
  if (!type || !isPlain(op) || op.getInvariant() || op.getDereferenceable())
    return nullptr;
  auto *load = t.builder.CreateAlignedLoad(type, t[op.getAddr()], alignmentOf(op.getAlignment()));
  finishAccess(t, op, load);
  return load;
}

bool translateStore(Translation &t, Operation *op) {
  auto store = cast<LLVM::StoreOp>(op);
  if (!isPlain(store))
    return false;
  finishAccess(t, store,
               t.builder.CreateAlignedStore(t[store.getValue()], t[store.getAddr()],
                                            alignmentOf(store.getAlignment())));
  return true;
}

llvm::Value *translateMaskedLoad(Translation &t, LLVM::MaskedLoadOp op) {
  llvm::Type *type = t.type(op.getType());
  if (!type || op.getNontemporal() || op->getNumOperands() > 3)
    return nullptr;
  return t.builder.CreateMaskedLoad(type, t[op.getData()], llvm::Align(op.getAlignment()),
                                    t[op.getMask()],
                                    op->getNumOperands() == 3 ? t.operand(op, 2) : nullptr);
}

bool translateMaskedStore(Translation &t, Operation *op) {
  auto store = cast<LLVM::MaskedStoreOp>(op);
  t.builder.CreateMaskedStore(t[store.getValue()], t[store.getData()],
                              llvm::Align(store.getAlignment()), t[store.getMask()]);
  return true;
}

bool translatePrefetch(Translation &t, Operation *op) {
  auto prefetch = cast<LLVM::Prefetch>(op);
  llvm::Value *address = t[prefetch.getAddr()];
  t.builder.CreateIntrinsic(llvm::Intrinsic::prefetch, {address->getType()},
                            {address, t.builder.getInt32(prefetch.getRw()),
                             t.builder.getInt32(prefetch.getHint()),
                             t.builder.getInt32(prefetch.getCache())});
  return true;
}

/// Those that keep LLVM from moving loads, and add no code.
bool translateFence(Translation &t, Operation *op) {
  auto fence = cast<LLVM::FenceOp>(op);
  if (fence.getOrdering() != LLVM::AtomicOrdering::acq_rel ||
      fence.getSyncscope() != "singlethread")
    return false;
  t.builder.CreateFence(llvm::AtomicOrdering::AcquireRelease, llvm::SyncScope::SingleThread);
  return true;
}

} // namespace

void addArithmetic(TranslationTable &table) {
  addValue<arith::ConstantOp, translateConstant>(table);
  addValue<arith::CmpIOp, translateCompare>(table);
  addValue<arith::CmpFOp, translateCompareFloats>(table);
  addValue<arith::SelectOp, translateSelect>(table);
  addValue<arith::NegFOp, translateNegation>(table);
  addValue<arith::CeilDivSIOp, translateQuotient<arith::CeilDivSIOp, CmpInst::ICMP_SGT>>(table);
  addValue<arith::FloorDivSIOp, translateQuotient<arith::FloorDivSIOp, CmpInst::ICMP_SLT>>(table);
  addRow<arith::MulUIExtendedOp>(table, translateWideProduct);

  addBinary<arith::AddIOp, Instruction::Add>(table);
  addBinary<arith::SubIOp, Instruction::Sub>(table);
  addBinary<arith::MulIOp, Instruction::Mul>(table);
  addBinary<arith::DivSIOp, Instruction::SDiv>(table);
  addBinary<arith::DivUIOp, Instruction::UDiv>(table);
  addBinary<arith::RemSIOp, Instruction::SRem>(table);
  addBinary<arith::RemUIOp, Instruction::URem>(table);
  addBinary<arith::AndIOp, Instruction::And>(table);
  addBinary<arith::OrIOp, Instruction::Or>(table);
  addBinary<arith::XOrIOp, Instruction::Xor>(table);
  addBinary<arith::ShLIOp, Instruction::Shl>(table);
  addBinary<arith::ShRUIOp, Instruction::LShr>(table);
  addBinary<arith::ShRSIOp, Instruction::AShr>(table);
  addBinary<arith::AddFOp, Instruction::FAdd>(table);
  addBinary<arith::SubFOp, Instruction::FSub>(table);
  addBinary<arith::MulFOp, Instruction::FMul>(table);
  addBinary<arith::DivFOp, Instruction::FDiv>(table);

  addCast<arith::ExtSIOp, Instruction::SExt>(table);
  addCast<arith::ExtUIOp, Instruction::ZExt>(table);
  addCast<arith::TruncIOp, Instruction::Trunc>(table);
  addCast<arith::ExtFOp, Instruction::FPExt>(table);
  addCast<arith::TruncFOp, Instruction::FPTrunc>(table);
  addCast<arith::SIToFPOp, Instruction::SIToFP>(table);
  addCast<arith::UIToFPOp, Instruction::UIToFP>(table);
  addCast<arith::FPToSIOp, Instruction::FPToSI>(table);
  addCast<arith::FPToUIOp, Instruction::FPToUI>(table);
  addCast<arith::BitcastOp, Instruction::BitCast>(table);

  addIntrinsic<arith::MinSIOp, llvm::Intrinsic::smin>(table);
  addIntrinsic<arith::MaxSIOp, llvm::Intrinsic::smax>(table);
  addIntrinsic<arith::MinUIOp, llvm::Intrinsic::umin>(table);
  addIntrinsic<arith::MaxUIOp, llvm::Intrinsic::umax>(table);
  addIntrinsic<arith::MinimumFOp, llvm::Intrinsic::minimum>(table);
  addIntrinsic<arith::MaximumFOp, llvm::Intrinsic::maximum>(table);
  addIntrinsic<math::FmaOp, llvm::Intrinsic::fma>(table);
  addIntrinsic<math::SqrtOp, llvm::Intrinsic::sqrt>(table);
  addIntrinsic<math::AbsFOp, llvm::Intrinsic::fabs>(table);
  addIntrinsic<math::CopySignOp, llvm::Intrinsic::copysign>(table);
  addIntrinsic<math::FloorOp, llvm::Intrinsic::floor>(table);
  addIntrinsic<math::CeilOp, llvm::Intrinsic::ceil>(table);
  addIntrinsic<math::TruncOp, llvm::Intrinsic::trunc>(table);
  addIntrinsic<math::RoundEvenOp, llvm::Intrinsic::roundeven>(table);
  addIntrinsic<math::CtPopOp, llvm::Intrinsic::ctpop>(table);
  addIntrinsic<math::CountLeadingZerosOp, llvm::Intrinsic::ctlz, false>(table);
  addIntrinsic<math::CountTrailingZerosOp, llvm::Intrinsic::cttz, false>(table);
  addIntrinsic<math::AbsIOp, llvm::Intrinsic::abs, false>(table);
}

void addVectorsAndMemory(TranslationTable &table) {
  addValue<vector::BroadcastOp, translateBroadcast>(table);
  addValue<vector::ShuffleOp, translateShuffle>(table);
  addValue<vector::ExtractOp, translateExtract>(table);
  addValue<vector::InsertOp, translateInsert>(table);
  addCast<vector::BitCastOp, Instruction::BitCast>(table);
  addValue<LLVM::GEPOp, translateAddress>(table);
  addValue<LLVM::LoadOp, translateLoad>(table);
  addRow<LLVM::StoreOp>(table, translateStore);
  addValue<LLVM::MaskedLoadOp, translateMaskedLoad>(table);
  addRow<LLVM::MaskedStoreOp>(table, translateMaskedStore);
  addRow<LLVM::Prefetch>(table, translatePrefetch);
  addRow<LLVM::FenceOp>(table, translateFence);
}

} // namespace sinter::cpu
