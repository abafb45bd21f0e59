// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/StoreChecks.h"

#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"

#include <limits>
#include <optional>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

/// A store to an output of the region.
struct Store {
  Operation *op = nullptr;
  Value value, address, mask; ///< `address`: one pointer, or one per lane.
  unsigned output = 0;
};

class Checker {
public:
  Checker(ModuleOp module, FusedOp fused)
      : module(module), fused(fused), builder(module.getContext()), loc(module.getLoc()),
        i64(builder.getI64Type()) {
    for (auto function : module.getOps<func::FuncOp>())
      if (function.isPublic())
        entry = function;
    Block &body = fused.getBody().front();
    firstOutput = body.getNumArguments();
    outputs = body.getTerminator()->getOperands();
    seen.resize(static_cast<unsigned>(outputs.size()));
  }

  llvm::BitVector run() {
    llvm::SmallVector<llvm::SmallVector<Store>> groups;
    entry.walk([&](Block *block) { collect(*block, groups); });
    for (llvm::ArrayRef<Store> group : groups)
      guard(group);
    return seen;
  }

private:
  /// Groups of stores that may all be done where the last one is. The outputs of an element are
  /// stored together and stay together; more elements of an unrolled loop join them, so that one
  /// branch is for all.
  void collect(Block &block, llvm::SmallVector<llvm::SmallVector<Store>> &groups) {
    constexpr size_t most = 8; // They keep registers busy.
    llvm::SmallVector<Store> group, element;
    auto closeElement = [&] {
      if (group.size() + element.size() > most)
        closeGroup(group, groups);
      group.append(element);
      element.clear();
    };
    for (Operation &op : block) {
      if (std::optional<Store> store = storeOf(&op)) {
        seen.set(store->output);
        element.push_back(*store);
      } else if (op.getNumRegions() > 0 || !isMemoryEffectFree(&op)) {
        closeElement();
        if (!isApart(&op))
          closeGroup(group, groups);
      }
    }
    closeElement();
    closeGroup(group, groups);
  }

  void closeGroup(llvm::SmallVector<Store> &group,
                  llvm::SmallVector<llvm::SmallVector<Store>> &groups) const {
    if (llvm::any_of(group, [&](const Store &store) { return isFloat(store.output); }))
      groups.push_back(std::move(group));
    group.clear();
  }

  /// Whether an op touches nothing that the stores before it write. An input that an output
  /// overwrites is read at the element that is written, and this one comes after.
  bool isApart(Operation *op) {
    if (op->getNumRegions() > 0)
      return !op->walk([&](Operation *inner) {
                  return inner->getNumRegions() > 0 || isMemoryEffectFree(inner) || isApart(inner)
                             ? WalkResult::advance()
                             : WalkResult::interrupt();
                }).wasInterrupted() &&
             isa<scf::IfOp, scf::ForOp>(op);
    if (isMemoryEffectFree(op))
      return true;
    Value pointer;
    if (auto load = dyn_cast<LLVM::LoadOp>(op))
      pointer = load.getAddr();
    else if (auto masked = dyn_cast<LLVM::MaskedLoadOp>(op))
      pointer = masked.getData();
    else if (auto gather = dyn_cast<LLVM::masked_gather>(op))
      pointer = gather.getPtrs();
    if (!pointer || outputBehind(pointer))
      return false;
    Value base = baseOf(pointer);
    return base == entry.getArgument(1) || slotOf(base);
  }

  Type elementTypeOf(unsigned output) const { return tensorType(outputs[output]).getElementType(); }
  bool isFloat(unsigned output) const { return isa<FloatType>(elementTypeOf(output)); }

  std::optional<Store> storeOf(Operation *op) {
    Store store;
    store.op = op;
    if (auto plain = dyn_cast<LLVM::StoreOp>(op)) {
      store.value = plain.getValue();
      store.address = plain.getAddr();
    } else if (auto masked = dyn_cast<LLVM::MaskedStoreOp>(op)) {
      store.value = masked.getValue();
      store.address = masked.getData();
      store.mask = masked.getMask();
    } else if (auto scatter = dyn_cast<LLVM::masked_scatter>(op)) {
      store.value = scatter.getValue();
      store.address = scatter.getPtrs();
      store.mask = scatter.getMask();
    } else {
      return std::nullopt;
    }
    std::optional<unsigned> output = outputBehind(store.address);
    if (!output)
      return std::nullopt;
    store.output = *output;
    return store;
  }

  /// The value from which a pointer was stepped.
  static Value baseOf(Value pointer) {
    for (;;) {
      if (auto step = pointer.getDefiningOp<LLVM::GEPOp>()) {
        pointer = step.getBase();
      } else if (auto argument = dyn_cast<BlockArgument>(pointer)) {
        auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
        if (!loop || argument.getArgNumber() == 0)
          return pointer;
        pointer = loop.getInitArgs()[argument.getArgNumber() - 1];
      } else if (auto loop = pointer.getDefiningOp<scf::ForOp>()) {
        pointer = loop.getInitArgs()[cast<OpResult>(pointer).getResultNumber()];
      } else {
        return pointer;
      }
    }
  }

  /// Which of the launch's buffers a pointer is the start of.
  std::optional<int64_t> slotOf(Value start) {
    auto load = start.getDefiningOp<LLVM::LoadOp>();
    auto slot = load ? load.getAddr().getDefiningOp<LLVM::GEPOp>() : LLVM::GEPOp();
    if (!slot || slot.getBase() != entry.getArgument(0) || !slot.getDynamicIndices().empty())
      return std::nullopt;
    return slot.getRawConstantIndices().front();
  }

  std::optional<unsigned> outputBehind(Value pointer) {
    std::optional<int64_t> slot = slotOf(baseOf(pointer));
    int64_t number = slot ? *slot - static_cast<int64_t>(firstOutput) : -1;
    if (number < 0 || number >= static_cast<int64_t>(outputs.size()))
      return std::nullopt;
    return static_cast<unsigned>(number);
  }

  // -- Tests --------------------------------------------------------------------------------------

  Value constantLike(Type type, TypedAttr element) {
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(
          builder, loc, DenseElementsAttr::get(vector, ArrayRef<Attribute>(element)));
    return arith::ConstantOp::create(builder, loc, element);
  }
  Value number(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }

  /// One bit per lane: not what the output may hold.
  Value isBad(const Store &store) {
    Infinities allowed = storedInfinities(fused, store.output);
    Value bad = isa<FloatType>(getElementTypeOrSelf(store.value.getType()))
                    ? isInfiniteOrNan(store.value, allowed)
                    : isBadHalf(store.value, elementTypeOf(store.output), allowed);
    if (store.mask)
      bad = arith::AndIOp::create(builder, loc, bad, store.mask);
    return bad;
  }

  Value isInfiniteOrNan(Value value, const Infinities &allowed) {
    Type type = value.getType();
    auto real = cast<FloatType>(getElementTypeOrSelf(type));
    auto infinity = [&](bool negative) {
      return constantLike(
          type,
          builder.getFloatAttr(real, llvm::APFloat::getInf(real.getFloatSemantics(), negative)));
    };
    auto compare = [&](arith::CmpFPredicate predicate, Value a, Value b) -> Value {
      return arith::CmpFOp::create(builder, loc, predicate, a, b);
    };
    if (allowed.negative && allowed.positive)
      return compare(arith::CmpFPredicate::UNO, value, value);
    if (allowed.negative)
      return compare(arith::CmpFPredicate::UGE, value, infinity(false));
    if (allowed.positive)
      return compare(arith::CmpFPredicate::ULE, value, infinity(true));
    return compare(arith::CmpFPredicate::UGE, math::AbsFOp::create(builder, loc, value),
                   infinity(false));
  }

  /// 16-bit floats are stored as integers.
  Value isBadHalf(Value bits, Type elementType, const Infinities &allowed) {
    assert(getElementTypeOrSelf(bits.getType()).isInteger(16) && "a store of unknown values");
    const int64_t infinity = elementType.isF16() ? 0x7c00 : 0x7f80, sign = 0x8000;
    auto constant = [&](int64_t value) {
      return constantLike(bits.getType(),
                          builder.getIntegerAttr(builder.getI16Type(),
                                                 llvm::APInt(16, static_cast<uint64_t>(value))));
    };
    auto compare = [&](arith::CmpIPredicate predicate, Value a, int64_t b) -> Value {
      return arith::CmpIOp::create(builder, loc, predicate, a, constant(b));
    };
    auto masked = [&](int64_t mask) -> Value {
      return arith::AndIOp::create(builder, loc, bits, constant(mask));
    };
    if (!allowed.any())
      return compare(arith::CmpIPredicate::eq, masked(infinity), infinity);
    Value bad = compare(arith::CmpIPredicate::ugt, masked(sign - 1), infinity);
    if (!allowed.positive)
      bad = arith::OrIOp::create(builder, loc, bad,
                                 compare(arith::CmpIPredicate::eq, bits, infinity));
    if (!allowed.negative)
      bad = arith::OrIOp::create(builder, loc, bad,
                                 compare(arith::CmpIPredicate::eq, bits, sign | infinity));
    return bad;
  }

  Value anyOf(Value flags) {
    return isa<VectorType>(flags.getType())
               ? Value(vector::ReductionOp::create(builder, loc, vector::CombiningKind::OR, flags))
               : flags;
  }

  // -- Groups -------------------------------------------------------------------------------------

  void guard(llvm::ArrayRef<Store> group) {
    builder.setInsertionPoint(group.back().op);
    auto suspicion = scf::IfOp::create(builder, loc, mayBeBad(group), /*withElseRegion=*/true);
    builder.setInsertionPointToStart(suspicion.thenBlock());
    llvm::SmallVector<std::pair<const Store *, Value>> tests;
    Value any;
    for (const Store &store : group) {
      if (!isFloat(store.output))
        continue;
      tests.push_back({&store, isBad(store)});
      Value here = anyOf(tests.back().second);
      any = any ? Value(arith::OrIOp::create(builder, loc, any, here)) : here;
    }
    auto branch = scf::IfOp::create(builder, loc, any, /*withElseRegion=*/true);
    builder.setInsertionPointToStart(branch.elseBlock());
    for (const Store &store : group)
      builder.clone(*store.op);
    for (const Store &store : group)
      store.op->moveBefore(suspicion.elseBlock()->getTerminator());
    builder.setInsertionPointToStart(branch.thenBlock());
    report(tests);
  }

  /// True where any element is bad, and seldom else: a sum is finite only where all its terms are,
  /// and costs one addition a term.
  Value mayBeBad(llvm::ArrayRef<Store> group) {
    llvm::MapVector<Type, llvm::SmallVector<Value>> sums;
    llvm::SmallVector<Value> flags;
    for (const Store &store : group) {
      if (!isFloat(store.output))
        continue;
      Type type = store.value.getType();
      if (storedInfinities(fused, store.output).any() ||
          !isa<FloatType>(getElementTypeOrSelf(type))) {
        flags.push_back(isBad(store));
        continue;
      }
      Value term = store.value;
      if (store.mask)
        term = arith::SelectOp::create(
            builder, loc, store.mask, term,
            arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type)));
      sums[type].push_back(term);
    }
    for (auto &[type, terms] : sums) {
      // Pairs first: additions then wait for each other less.
      while (terms.size() > 1) {
        llvm::SmallVector<Value> next;
        for (size_t i = 0; i + 1 < terms.size(); i += 2)
          next.push_back(arith::AddFOp::create(builder, loc, terms[i], terms[i + 1]));
        if (terms.size() % 2 == 1)
          next.push_back(terms.back());
        terms = std::move(next);
      }
      flags.push_back(isInfiniteOrNan(terms.front(), {}));
    }
    llvm::MapVector<Type, Value> together;
    for (Value flag : flags) {
      Value &all = together[flag.getType()];
      all = all ? Value(arith::OrIOp::create(builder, loc, all, flag)) : flag;
    }
    Value any;
    for (auto &[type, flag] : together) {
      Value here = anyOf(flag);
      any = any ? Value(arith::OrIOp::create(builder, loc, any, here)) : here;
    }
    return any;
  }

  void report(llvm::ArrayRef<std::pair<const Store *, Value>> tests) {
    Value site, position;
    for (auto &[store, bad] : llvm::reverse(tests)) {
      Value ownSite = number(store->output), own = positionOf(*store, bad);
      if (site) {
        Value isHere = anyOf(bad);
        ownSite = arith::SelectOp::create(builder, loc, isHere, ownSite, site);
        own = arith::SelectOp::create(builder, loc, isHere, own, position);
      }
      site = ownSite;
      position = own;
    }
    func::CallOp::create(builder, loc, reporter(),
                         ValueRange{entry.getArgument(2), site, position});
  }

  /// The first bad element's number in its buffer.
  Value positionOf(const Store &store, Value bad) {
    unsigned width = std::max(1u, elementTypeOf(store.output).getIntOrFloatBitWidth() / 8);
    auto address = [&](Value pointer) {
      Type type = i64;
      if (auto vector = dyn_cast<VectorType>(pointer.getType()))
        type = VectorType::get(vector.getShape(), i64);
      return LLVM::PtrToIntOp::create(builder, loc, type, pointer);
    };
    Value start = address(baseOf(store.address)), at = address(store.address);
    if (auto vector = dyn_cast<VectorType>(bad.getType())) {
      auto type = VectorType::get(vector.getShape(), i64);
      if (!isa<VectorType>(at.getType())) {
        llvm::SmallVector<int64_t> steps;
        for (int64_t lane = 0; lane < vector.getNumElements(); ++lane)
          steps.push_back(lane * width);
        at = arith::AddIOp::create(
            builder, loc, vector::BroadcastOp::create(builder, loc, type, at),
            arith::ConstantOp::create(builder, loc, DenseIntElementsAttr::get(type, steps)));
      }
      Value last =
          constantLike(type, builder.getI64IntegerAttr(std::numeric_limits<int64_t>::max()));
      at = vector::ReductionOp::create(builder, loc, vector::CombiningKind::MINUI,
                                       arith::SelectOp::create(builder, loc, bad, at, last));
    }
    Value bytes = arith::SubIOp::create(builder, loc, at, start);
    return arith::DivUIOp::create(builder, loc, bytes, number(width));
  }

  /// Keeps the first report of a call. Apart and cold, so that the loops around stay small.
  func::FuncOp reporter() {
    constexpr const char *name = "report_non_finite";
    if (auto known = module.lookupSymbol<func::FuncOp>(name))
      return known;
    OpBuilder::InsertionGuard restore(builder);
    builder.setInsertionPointToEnd(module.getBody());
    Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
    auto function =
        func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer, i64, i64}, {}));
    function.setPrivate();
    function->setAttr("passthrough", builder.getStrArrayAttr({"cold", "noinline"}));
    builder.setInsertionPointToStart(function.addEntryBlock());
    Value status = function.getArgument(0);
    Value exchange = LLVM::AtomicCmpXchgOp::create(
        builder, loc, status, number(0), number(static_cast<int64_t>(StatusCode::NonFinite)),
        LLVM::AtomicOrdering::monotonic, LLVM::AtomicOrdering::monotonic);
    Value first = LLVM::ExtractValueOp::create(builder, loc, exchange, llvm::ArrayRef<int64_t>{1});
    auto branch = scf::IfOp::create(builder, loc, first, /*withElseRegion=*/false);
    func::ReturnOp::create(builder, loc);
    builder.setInsertionPointToStart(branch.thenBlock());
    for (int field : {1, 2}) {
      Value at = LLVM::GEPOp::create(builder, loc, pointer, i64, status,
                                     llvm::ArrayRef<LLVM::GEPArg>{field});
      LLVM::StoreOp::create(builder, loc, function.getArgument(static_cast<unsigned>(field)), at,
                            8);
    }
    return function;
  }

  ModuleOp module;
  FusedOp fused;
  OpBuilder builder;
  Location loc;
  Type i64;
  func::FuncOp entry;
  size_t firstOutput = 0;
  ValueRange outputs;
  llvm::BitVector seen;
};

} // namespace

llvm::BitVector addStoreChecks(ModuleOp kernel, FusedOp fused) {
  return Checker(kernel, fused).run();
}

} // namespace sinter::codegen
