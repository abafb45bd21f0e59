// SPDX-License-Identifier: Apache-2.0
// Sort form: a unit is one row. Its elements become words of key and index (SortPlan.h), which are
// sorted in the worker's scratch: long rows digit by digit, from the last (LSD radix sort), short
// ones by counting for each word the smaller ones, or by merging runs where words are wider than a
// lane.
#include "sinter/codegen/SortPlan.h"
#include "sinter/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

namespace {

class SortEmitter {
public:
  explicit SortEmitter(KernelFunction &kernel)
      : kernel(kernel), builder(kernel.builder), loc(kernel.loc),
        anchor(kernel.plan.analysis.anchors.front()),
        order(*cast<ir::IndexedOpInterface>(anchor).getIndexing().order), sort(sortPlan(anchor)),
        emitter(builder, loc, kernel.env, 1), i64(builder.getI64Type()),
        keyType(builder.getIntegerType(static_cast<unsigned>(sort.keyBits))),
        wordType(builder.getIntegerType(static_cast<unsigned>(2 * sort.keyBits))) {}

  void run() {
    const Shape &domain = kernel.plan.analysis.domain;
    llvm::SmallVector<DimExpr> outer;
    for (int64_t d = 0; d < domain.rank(); ++d)
      if (d != order.axis)
        outer.push_back(domain[d]);
    size = kernel.size(sort.size);
    words = kernel.workerScratch(0);
    counters = kernel.workerScratch(1);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      Index index;
      for (const LaneIndex &i : emitter.math().delinearize(unit, outer))
        index.push_back(i);
      index.insert(index.begin() + order.axis, LaneIndex());
      fill(index);
      write(index, sorted());
      return KernelFunction::Values();
    });
  }

private:
  // -- Words --

  Value number(int64_t value, Type type) {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, value));
  }
  template <typename OpTy> Value make(Value a, Value b) {
    return builder.createOrFold<OpTy>(loc, a, b);
  }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(builder, loc, predicate, a, b);
  }
  Value choose(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }
  Value address(Value base, Type type, Value at) {
    return LLVM::GEPOp::create(builder, loc, base.getType(), type, base, ValueRange{at});
  }
  Value load(Value base, Type type, Value at) {
    return LLVM::LoadOp::create(builder, loc, type, address(base, type, at),
                                type.getIntOrFloatBitWidth() / 8);
  }
  void store(Value value, Value base, Value at) {
    Type type = value.getType();
    LLVM::StoreOp::create(builder, loc, value, address(base, type, at),
                          type.getIntOrFloatBitWidth() / 8);
  }
  Value resized(Value value, Type type) {
    unsigned from = value.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
    if (from == to)
      return value;
    return from < to ? Value(arith::ExtUIOp::create(builder, loc, type, value))
                     : Value(arith::TruncIOp::create(builder, loc, type, value));
  }

  /// An unsigned number that orders as `element` does; NaN is the largest, both zeros are one.
  Value keyOf(Value element) {
    Type tensorElement = ir::tensorType(anchor->getOperand(0)).getElementType();
    Type type = element.getType();
    Value key;
    if (auto floatType = dyn_cast<FloatType>(type)) {
      unsigned bits = floatType.getWidth();
      Type word = builder.getIntegerType(bits);
      Value zero = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(floatType, 0.0));
      Value plain = arith::AddFOp::create(builder, loc, element, zero); // -0 + 0 = 0
      Value raw = arith::BitcastOp::create(builder, loc, word, plain);
      Value sign = make<arith::ShRSIOp>(raw, number(bits - 1, word));
      Value top = arith::ConstantOp::create(
          builder, loc, builder.getIntegerAttr(word, llvm::APInt::getSignMask(bits)));
      key = make<arith::XOrIOp>(raw, make<arith::OrIOp>(sign, top));
      Value isNan =
          arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, element, element);
      key = choose(isNan, number(-1, word), key);
    } else {
      key = element;
      bool isSigned = type.getIntOrFloatBitWidth() > 1 && !tensorElement.isUnsignedInteger();
      if (isSigned) {
        auto top = llvm::APInt::getSignMask(type.getIntOrFloatBitWidth());
        key = make<arith::XOrIOp>(
            key, arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, top)));
      }
    }
    if (order.descending)
      key = make<arith::XOrIOp>(key, number(-1, key.getType()));
    return resized(key, keyType);
  }

  void fill(Index index) {
    kernel.loop(kernel.constant(0), size, 1, {}, [&](Value i, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      index[order.axis] = {i, 0, {}};
      Value key = keyOf(emitter.emit(anchor->getOperand(0), index).value);
      Value upper = make<arith::ShLIOp>(resized(key, wordType), number(sort.keyBits, wordType));
      store(make<arith::OrIOp>(upper, resized(i, wordType)), words, i);
      return KernelFunction::Values();
    });
  }

  /// Writes what follows from the order; the words lie from `first` on.
  void write(Index index, Value first) {
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    kernel.loop(kernel.constant(0), size, 1, {}, [&](Value i, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      index[order.axis] = {i, 0, {}};
      Value word = load(words, wordType, kernel.add(first, i));
      Value position = resized(resized(word, keyType), i64);
      emitter.setOverride(anchor->getResult(0), [position](llvm::ArrayRef<LaneIndex>) {
        return Element{position, true};
      });
      for (auto [value, buffer] : llvm::zip(values, kernel.outputs))
        kernel.store(emitter, buffer, index, emitter.emit(value, index), false);
      emitter.clearOverride(anchor->getResult(0));
      return KernelFunction::Values();
    });
  }

  // -- Sorting --

  /// Sorts the words [0, size), with as many behind them to move to; returns where the first lies.
  Value sorted() {
    if (auto count = sort.size.constant())
      return *count >= sort.radixFrom ? byDigits() : ofShortRow();
    Value isLong = compare(arith::CmpIPredicate::sge, size, kernel.constant(sort.radixFrom));
    auto branch = scf::IfOp::create(builder, loc, TypeRange{i64}, isLong, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(branch.thenBlock());
    scf::YieldOp::create(builder, loc, byDigits());
    builder.setInsertionPointToEnd(branch.elseBlock());
    scf::YieldOp::create(builder, loc, ofShortRow());
    return branch.getResult(0);
  }

  Value ofShortRow() { return sort.keyBits == 32 ? byRanks() : byMerging(); }

  /// The place of a word is the number of smaller ones; a vector of them is counted at once.
  Value byRanks() {
    int64_t lanes = std::max<int64_t>(2, kernel.target.vectorBytes / sort.wordBytes());
    Memory memory(builder, loc, lanes);
    Value zero = kernel.constant(0), one = kernel.constant(1);
    kernel.loop(zero, size, lanes, {}, [&](Value i, ValueRange) {
      // Behind a row that ends within the vector lie words of the other half, which do not count.
      Value some = memory.loadVector(words, wordType, i, {});
      KernelFunction::Values counts = {memory.splat(zero)};
      counts = kernel.loop(zero, size, one, counts, [&](Value k, ValueRange sum) {
        Value other = memory.splat(load(words, wordType, k));
        Value isSmaller = compare(arith::CmpIPredicate::ult, other, some);
        Value count = arith::ExtUIOp::create(builder, loc, some.getType(), isSmaller);
        return KernelFunction::Values{make<arith::AddIOp>(sum[0], count)};
      });
      Value places = make<arith::AddIOp>(counts[0], memory.splat(size));
      memory.scatter(some, wordType, words, places, memory.tailMask(kernel.sub(size, i)));
      return KernelFunction::Values();
    });
    return size;
  }

  /// Merges runs of length 1, 2, 4, … pairwise from one half of the words to the other.
  Value byMerging() {
    Value one = kernel.constant(1), zero = kernel.constant(0);
    // The number of rounds is that of the bits of size - 1; none for a row of up to one.
    Value highest = builder.createOrFold<arith::MaxSIOp>(loc, kernel.sub(size, one), zero);
    Value leading = LLVM::CountLeadingZerosOp::create(builder, loc, i64, highest,
                                                      /*is_zero_poison=*/false);
    Value rounds = kernel.sub(kernel.constant(64), leading);
    kernel.loop(zero, rounds, one, {}, [&](Value round, ValueRange) {
      Value odd = make<arith::AndIOp>(round, one);
      Value from = kernel.mul(odd, size), to = kernel.sub(size, from);
      Value width = make<arith::ShLIOp>(one, round);
      kernel.loop(zero, size, kernel.add(width, width), {}, [&](Value low, ValueRange) {
        Value middle = kernel.minimum(kernel.add(low, width), size);
        Value high = kernel.minimum(kernel.add(middle, width), size);
        merge(from, to, low, middle, high);
        return KernelFunction::Values();
      });
      return KernelFunction::Values();
    });
    return kernel.mul(make<arith::AndIOp>(rounds, one), size);
  }

  /// Without branches: each turn moves one word, from the run whose first is smaller.
  void merge(Value from, Value to, Value low, Value middle, Value high) {
    Value end = kernel.sub(size, kernel.constant(1));
    KernelFunction::Values start = {low, middle};
    kernel.loop(low, high, kernel.constant(1), start, [&](Value k, ValueRange at) {
      Value left = at[0], right = at[1];
      Value a = load(words, wordType, kernel.add(from, kernel.minimum(left, end)));
      Value b = load(words, wordType, kernel.add(from, kernel.minimum(right, end)));
      Value hasLeft = compare(arith::CmpIPredicate::slt, left, middle);
      Value noRight = compare(arith::CmpIPredicate::sge, right, high);
      Value smaller = compare(arith::CmpIPredicate::ult, a, b);
      Value takeLeft = make<arith::AndIOp>(hasLeft, make<arith::OrIOp>(noRight, smaller));
      store(choose(takeLeft, a, b), words, kernel.add(to, k));
      Value step = resized(takeLeft, i64);
      return KernelFunction::Values{kernel.add(left, step),
                                    kernel.add(right, kernel.sub(kernel.constant(1), step))};
    });
  }

  Value digitOf(Value word, int64_t digit) {
    Value shifted = make<arith::ShRUIOp>(word, number(sort.keyBits + 8 * digit, wordType));
    return make<arith::AndIOp>(resized(shifted, i64), kernel.constant(SortPlan::radix - 1));
  }

  /// Counts every digit, then moves the words once per digit, each to its place in the new order.
  Value byDigits() {
    Value zero = kernel.constant(0), one = kernel.constant(1);
    kernel.loop(zero, kernel.constant(sort.digits * SortPlan::radix), one, {},
                [&](Value k, ValueRange) {
                  store(zero, counters, k);
                  return KernelFunction::Values();
                });
    kernel.loop(zero, size, one, {}, [&](Value i, ValueRange) {
      Value word = load(words, wordType, i);
      for (int64_t digit = 0; digit < sort.digits; ++digit) {
        Value at = counterOf(word, digit);
        store(kernel.add(load(counters, i64, at), one), counters, at);
      }
      return KernelFunction::Values();
    });
    Value from = zero;
    for (int64_t digit = 0; digit < sort.digits; ++digit) {
      Value to = kernel.sub(size, from);
      Value base = kernel.constant(digit * SortPlan::radix);
      KernelFunction::Values start = {to};
      kernel.loop(zero, kernel.constant(SortPlan::radix), one, start,
                  [&](Value k, ValueRange next) {
                    Value at = kernel.add(base, k);
                    Value count = load(counters, i64, at);
                    store(next[0], counters, at);
                    return KernelFunction::Values{kernel.add(next[0], count)};
                  });
      kernel.loop(zero, size, one, {}, [&](Value i, ValueRange) {
        Value word = load(words, wordType, kernel.add(from, i));
        Value at = counterOf(word, digit);
        Value place = load(counters, i64, at);
        store(kernel.add(place, one), counters, at);
        store(word, words, place);
        return KernelFunction::Values();
      });
      from = to;
    }
    return from;
  }

  Value counterOf(Value word, int64_t digit) {
    return kernel.add(digitOf(word, digit), kernel.constant(digit * SortPlan::radix));
  }

  KernelFunction &kernel;
  OpBuilder &builder;
  Location loc;
  Operation *anchor;
  ir::Order order;
  SortPlan sort;
  ElementEmitter emitter;
  Type i64, keyType, wordType;
  Value size, words, counters;
};

} // namespace

void emitSort(KernelFunction &kernel) { SortEmitter(kernel).run(); }

} // namespace sinter::cpu
