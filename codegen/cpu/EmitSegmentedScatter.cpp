// SPDX-License-Identifier: Apache-2.0
// Scatter form where whole rows go into a large result: a unit is a range of places. It counts the
// updates of each place, puts their numbers in order of places (a stable counting sort), and then
// adds up one place after the other in registers, so that every row of the result is written once,
// in order. A place takes its updates in their order, so the bits are those of a plain scan.
#include "sinter/codegen/Program.h"
#include "sinter/codegen/ScatterLayout.h"
#include "sinter/codegen/cpu/RowsAhead.h"
#include "sinter/codegen/cpu/ScatterCombine.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

namespace {

constexpr int64_t vectorsAtOnce = 16; ///< Of a row, that are added up in registers together.
constexpr int64_t rowsAhead = 16;     ///< Updates whose rows are asked for early.

class SegmentedScatter {
public:
  explicit SegmentedScatter(KernelFunction &kernel)
      : kernel(kernel), builder(kernel.builder), loc(kernel.loc),
        anchor(kernel.plan.analysis.anchors.front()),
        indexing(cast<ir::IndexedOpInterface>(anchor).getIndexing()), layout(scatterLayout(anchor)),
        result(kernel.plan.analysis.domain), out(kernel.outputs.front()),
        lanes(kernel.plan.schedule.lanes), updates(builder, loc, kernel.env, lanes),
        word(builder.getI32Type()) {
    for (unsigned d : layout.scanned)
      scannedSizes.push_back(indexing.ranges[d]);
    int64_t whole = *layout.columns.constant() / lanes;
    together = std::min(vectorsAtOnce, std::max<int64_t>(whole, 1));
  }

  void run() {
    starts = kernel.workerScratch(0);
    order = kernel.workerScratch(1);
    Value parts = kernel.size(DimExpr::symbol(workersSymbol)), all = kernel.size(layout.places);
    Value size = builder.createOrFold<arith::CeilDivSIOp>(loc, all, parts);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      from = kernel.minimum(kernel.mul(unit, size), all);
      to = kernel.minimum(kernel.add(from, size), all);
      count();
      place();
      combineAll();
      return KernelFunction::Values();
    });
  }

private:
  Value zero() { return kernel.constant(0); }
  Value loadWord(Value pointer, Value at) {
    Value narrow = scalars().loadScalar(pointer, word, at);
    return arith::ExtUIOp::create(builder, loc, builder.getI64Type(), narrow);
  }
  void storeWord(Value value, Value pointer, Value at) {
    scalars().storeScalar(arith::TruncIOp::create(builder, loc, word, value), word, pointer, at);
  }
  Memory scalars() { return Memory(builder, loc, 1); }

  template <typename Fn> void inside(Value condition, Fn body) {
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  Index updateIndex(Value number) {
    Index index(indexing.ranges.size(), updates.math().uniform(zero()));
    for (auto [d, i] :
         llvm::zip_equal(layout.scanned, updates.math().delinearize(number, scannedSizes)))
      index[d] = i;
    return index;
  }

  /// Calls body(number, place behind `from`) for every update, in order: those that are not of this
  /// unit go to one place behind its last, since branches that nothing foretells cost more.
  void eachUpdate(llvm::function_ref<void(Value, Value)> body) {
    kernel.loop(zero(), kernel.size(layout.updates), 1, {}, [&](Value number, ValueRange) {
      ElementEmitter::Scope scope(updates);
      Value valid;
      Index target = updates.positions(anchor, indexing.scatter[layout.indexed.front()],
                                       updateIndex(number), valid);
      // Unsigned: a place before `from` is above every bound.
      Value places = kernel.sub(to, from);
      Value at =
          arith::MinUIOp::create(builder, loc, kernel.sub(target.front().base, from), places);
      if (valid)
        at = arith::SelectOp::create(builder, loc, valid, at, places);
      body(number, at);
      return KernelFunction::Values();
    });
  }

  /// starts[p] becomes the number of updates of the places before p, `mine` that of all of them.
  void count() {
    Value places = kernel.sub(to, from);
    kernel.vectorLoop(
        zero(), kernel.add(places, kernel.constant(1)), lanes, 1, {},
        [&](Value iv, Value mask, ValueRange) {
          Value none = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(word));
          updates.memory().storeVector(updates.memory().splat(none), word, starts, iv, mask, false);
          return KernelFunction::Values();
        });
    eachUpdate([&](Value, Value at) {
      storeWord(kernel.add(loadWord(starts, at), kernel.constant(1)), starts, at);
    });
    mine = kernel
               .loop(zero(), places, 1, zero(),
                     [&](Value at, ValueRange sum) {
                       Value here = loadWord(starts, at);
                       storeWord(sum.front(), starts, at);
                       return KernelFunction::Values{kernel.add(sum.front(), here)};
                     })
               .front();
    storeWord(mine, starts, places);
  }

  /// Puts the updates' numbers in order, those of other units last; starts[p] then is where the
  /// next place begins.
  void place() {
    eachUpdate([&](Value number, Value at) {
      Value slot = loadWord(starts, at);
      storeWord(number, order, slot);
      storeWord(kernel.add(slot, kernel.constant(1)), starts, at);
    });
  }

  void combineAll() {
    Value isNew;
    if (Value old = memoryOfOld())
      isNew = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne, old, out.pointer);
    kernel.loop(zero(), kernel.sub(to, from), 1, zero(), [&](Value at, ValueRange carried) {
      Value first = carried.front(), last = loadWord(starts, at);
      Value row = kernel.add(from, at);
      if (!isNew) {
        combineRow(row, first, last);
      } else {
        // In place, rows without updates stay as they are.
        Value some = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, first, last);
        inside(arith::OrIOp::create(builder, loc, isNew, some),
               [&] { combineRow(row, first, last); });
      }
      return KernelFunction::Values{last};
    });
  }

  Value memoryOfOld() {
    if (indexing.accesses.size() < 2)
      return {};
    auto it = kernel.env.buffers.find(anchor->getOperand(indexing.accesses[1].operand));
    return it == kernel.env.buffers.end() ? Value() : it->second.pointer;
  }

  void combineRow(Value row, Value first, Value last) {
    int64_t width = lanes * together;
    Value columns = kernel.size(layout.columns);
    Value middle = kernel.constant(*layout.columns.constant() / width * width);
    Value line = kernel.mul(row, columns);
    auto vectors = [&](Value column, int64_t number, Value mask) {
      ElementEmitter::Scope scope(updates);
      updates.setMask(mask);
      KernelFunction::Values state;
      for (int64_t k = 0; k < number; ++k)
        state.push_back(start(row, kernel.add(column, kernel.constant(k * lanes))));
      state = kernel.loop(first, last, 1, state, [&](Value slot, ValueRange sums) {
        ElementEmitter::Scope inner(updates);
        askFor(slot, column, number);
        Index index = updateIndex(loadWord(order, slot));
        KernelFunction::Values next;
        for (int64_t k = 0; k < number; ++k) {
          setColumns(index, kernel.add(column, kernel.constant(k * lanes)),
                     index.size() - layout.numColumns,
                     [&](size_t d) { return indexing.ranges[d]; });
          Value added = updates.memory().asVector(
              updates.emit(anchor->getOperand(indexing.accesses[0].operand), index));
          next.push_back(combineUpdate(builder, loc, indexing.mode, sums[static_cast<size_t>(k)],
                                       added, out.elementType));
        }
        return next;
      });
      for (auto [k, value] : llvm::enumerate(state))
        updates.memory().storeVector(
            value, out.elementType, out.pointer,
            kernel.add(line, kernel.add(column, kernel.constant(static_cast<int64_t>(k) * lanes))),
            mask, kernel.plan.schedule.streamStores);
      updates.setMask({});
    };
    kernel.loop(zero(), middle, width, {}, [&](Value column, ValueRange) {
      vectors(column, together, {});
      return KernelFunction::Values();
    });
    kernel.loop(middle, columns, lanes, {}, [&](Value column, ValueRange) {
      vectors(column, 1, updates.memory().tailMask(kernel.sub(columns, column)));
      return KernelFunction::Values();
    });
  }

  /// Asks for the row of a later update, which no prefetcher could guess.
  void askFor(Value slot, Value column, int64_t number) {
    Value source = anchor->getOperand(indexing.accesses[0].operand);
    auto it = kernel.env.buffers.find(source);
    if (it == kernel.env.buffers.end())
      return;
    Value ahead = kernel.minimum(kernel.add(slot, kernel.constant(rowsAhead)),
                                 kernel.sub(mine, kernel.constant(1)));
    Index index = updateIndex(loadWord(order, ahead));
    setColumns(index, column, index.size() - layout.numColumns,
               [&](size_t d) { return indexing.ranges[d]; });
    LaneIndex offset = updates.math().linearize(index, it->second.shape);
    if (offset.vector)
      return;
    prefetch(kernel, it->second, offset.base,
             number * lanes * byteSize(*ir::toDType(it->second.elementType)));
  }

  /// The indices of the last dims from the flat one that runs along the lanes.
  template <typename SizeOf>
  void setColumns(Index &index, Value column, size_t first, SizeOf sizeOf) {
    LaneIndex rest{column, lanes == 1 ? 0 : 1, {}};
    for (size_t k = layout.numColumns; k-- > 0;) {
      index[first + k] = k == 0 ? rest : updates.math().mod(rest, sizeOf(first + k));
      if (k > 0)
        rest = updates.math().floorDiv(rest, sizeOf(first + k));
    }
  }

  /// A vector of the result before the updates.
  Value start(Value row, Value column) {
    if (indexing.accesses.size() < 2) {
      Type type = ir::registerType(out.elementType);
      return updates.memory().splat(
          arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type)));
    }
    Index index(static_cast<size_t>(result.rank()));
    index[layout.indexed.front()] = updates.math().uniform(row);
    setColumns(index, column, index.size() - layout.numColumns,
               [&](size_t d) { return result[static_cast<int64_t>(d)]; });
    return updates.memory().asVector(
        updates.emit(anchor->getOperand(indexing.accesses[1].operand), index));
  }

  KernelFunction &kernel;
  OpBuilder &builder;
  Location loc;
  Operation *anchor;
  ir::Indexing indexing;
  ScatterLayout layout;
  const Shape &result;
  const BufferRef &out;
  int64_t lanes, together;
  ElementEmitter updates;
  Type word;
  llvm::SmallVector<DimExpr> scannedSizes;
  Value starts, order;
  Value from, to; ///< The unit's places.
  Value mine;     ///< The number of its updates.
};

} // namespace

void emitSegmentedScatter(KernelFunction &kernel) { SegmentedScatter(kernel).run(); }

} // namespace sinter::cpu
