// SPDX-License-Identifier: Apache-2.0
// Scatter form: see forms/gpu/ScatterStages.h for the launches. A place takes its updates in their
// order, whatever the grid.
#include "sinter/codegen/cpu/ScatterCombine.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/forms/gpu/ScatterStages.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

class ScatterEmitter : BlockEmitter {
public:
  explicit ScatterEmitter(const KernelRequest &request)
      : BlockEmitter(request), stage(request.stage), anchor(analysis.anchors.front()), way(anchor),
        layout(way.layout), indexing(cast<ir::IndexedOpInterface>(anchor).getIndexing()),
        result(analysis.domain), word(builder.getI32Type()) {
    for (unsigned d : layout.outer)
      outerSizes.push_back(result[d]);
    for (unsigned d : layout.indexed)
      indexedSizes.push_back(result[d]);
    for (unsigned d : layout.scanned)
      scannedSizes.push_back(indexing.ranges[d]);
    for (unsigned d = firstColumn(); d < result.rank(); ++d)
      columnSizes.push_back(result[d]);
  }

  BlockKernel run() {
    if (!way.sorted) {
      stage == 0 ? start() : scan();
      return finish();
    }
    switch (ScatterStages::Stage at = way.stage(stage); at.step) {
    case ScatterStages::Step::Keys:
      findKeys();
      break;
    case ScatterStages::Step::Count:
      command("sortCount", {keys(at.digit), space(ScatterSpaces::Counts), size(way.items),
                            shift(at.digit), constant(way.digits())});
      break;
    case ScatterStages::Step::Scan:
      command("sortScan", {space(ScatterSpaces::Counts), space(ScatterSpaces::Totals),
                           size(way.items), constant(way.digits())});
      break;
    case ScatterStages::Step::Place:
      command("sortPlace",
              {keys(at.digit), order(at.digit), space(ScatterSpaces::Counts),
               space(ScatterSpaces::Totals), keys(at.digit + 1), order(at.digit + 1),
               size(way.items), shift(at.digit), constant(way.digits()), flag(at.digit == 0)});
      break;
    case ScatterStages::Step::Starts:
      command("sortStarts",
              {keys(way.numDigits), space(ScatterSpaces::Starts), size(way.items), size(way.keys)});
      break;
    case ScatterStages::Step::Combine:
      combineKeys();
      break;
    }
    return finish();
  }

  /// What a launch's units are.
  llvm::StringRef units() const {
    if (!way.sorted)
      return stage == 0 ? "elements before the updates"
                        : "columns that scan the updates, a thread each";
    switch (way.stage(stage).step) {
    case ScatterStages::Step::Keys:
      return "updates whose place is looked up";
    case ScatterStages::Step::Count:
      return "updates whose digits are counted";
    case ScatterStages::Step::Scan:
      return "digits whose counts are summed";
    case ScatterStages::Step::Place:
      return "updates put in order of a digit";
    case ScatterStages::Step::Starts:
      return "places whose first update is found";
    case ScatterStages::Step::Combine:
      return "threads of places that combine their updates in order";
    }
    return {};
  }

private:
  unsigned firstColumn() const { return static_cast<unsigned>(result.rank()) - layout.numColumns; }
  Value constant(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }
  Value flag(bool value) { return arith::ConstantIntOp::create(builder, loc, value, 1); }
  Value size(const DimExpr &value) { return sizes->get(value); }
  Value shift(int digit) { return constant(int64_t{digit} * way.digitBits); }
  Value space(ScatterSpaces::Number number) { return workspaces[number]; }
  // Where keys and item numbers are before the launches of a digit.
  Value keys(int digit) {
    return space(digit % 2 == 0 ? ScatterSpaces::Keys : ScatterSpaces::OtherKeys);
  }
  Value order(int digit) {
    return space(digit % 2 == 0 ? ScatterSpaces::Order : ScatterSpaces::OtherOrder);
  }
  /// A function of the prelude that is all of the kernel.
  void command(llvm::StringRef name, llvm::ArrayRef<Value> arguments) {
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToEnd(module->getBody());
      llvm::SmallVector<Type> types(ValueRange(arguments).getTypes());
      func::FuncOp::create(builder, loc, name, builder.getFunctionType(types, {})).setPrivate();
    }
    func::CallOp::create(builder, loc, name, TypeRange(), arguments);
  }

  /// Units of work, a thread each.
  void eachUnit(const DimExpr &count, llvm::function_ref<void(Value)> body) {
    Value first = add(mul(position("block"), position("threads")), position("thread"));
    Value step = mul(position("blocks"), position("threads"));
    loop(first, size(count), step, {}, [&](Value unit, ValueRange) {
      body(unit);
      return Values();
    });
  }
  void inside(Value condition, llvm::function_ref<void()> body) {
    if (!condition)
      return body();
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  Index uniform(llvm::ArrayRef<LaneIndex> index) { return Index(index.begin(), index.end()); }
  Index split(Value flat, llvm::ArrayRef<DimExpr> dims) {
    return uniform(elements->math().delinearize(flat, dims));
  }
  /// The quotient in `flat`, and the rest.
  Value takeLast(Value &flat, const DimExpr &count) {
    if (count.constant() == 1)
      return zero;
    LaneIndex all = elements->math().uniform(flat);
    flat = elements->math().floorDiv(all, count).base;
    return elements->math().mod(all, count).base;
  }

  /// Where an element of the result is, from its parts.
  Index resultIndex(const Index &outer, const Index &indexed, Value column) {
    Index index(static_cast<size_t>(result.rank()), elements->math().uniform(zero));
    for (auto [d, i] : llvm::zip_equal(layout.outer, outer))
      index[d] = i;
    for (auto [d, i] : llvm::zip_equal(layout.indexed, indexed))
      index[d] = i;
    if (layout.numColumns > 0)
      llvm::copy(split(column, columnSizes), index.begin() + firstColumn());
    return index;
  }
  Index updateIndex(const Index &outer, Value number, Value column) {
    Index index(indexing.ranges.size(), elements->math().uniform(zero));
    for (auto [d, i] : llvm::zip_equal(layout.outerUpdates, outer))
      index[d] = i;
    for (auto [d, i] : llvm::zip_equal(layout.scanned, split(number, scannedSizes)))
      index[d] = i;
    if (layout.numColumns > 0)
      llvm::copy(split(column, columnSizes), index.end() - layout.numColumns);
    return index;
  }

  /// The looked-up dims of the place of an update; `valid` is null where there is no doubt.
  Index placeOf(const Index &update, Value &valid) {
    Index target = elements->positions(
        anchor, llvm::ArrayRef(indexing.scatter).take_front(firstColumn()), update, valid);
    Index indexed;
    for (unsigned d : layout.indexed)
      indexed.push_back(target[d]);
    return indexed;
  }

  Value emitUpdate(const Index &index) {
    return elements->emit(anchor->getOperand(indexing.accesses[0].operand), index).value;
  }
  /// What is there before the updates.
  Value emitOld(const Index &index) {
    if (indexing.accesses.size() > 1)
      return elements->emit(anchor->getOperand(indexing.accesses[1].operand), index).value;
    return arith::ConstantOp::create(builder, loc,
                                     builder.getZeroAttr(ir::registerType(out().elementType)));
  }
  /// Whether that has to be copied: the result may be in the memory of x. Null: always.
  Value mustCopy() {
    if (indexing.accesses.size() < 2)
      return {};
    auto it = env.buffers.find(anchor->getOperand(indexing.accesses[1].operand));
    if (it == env.buffers.end())
      return {};
    return call("isElsewhere", {it->second.pointer, out().pointer}, builder.getI1Type());
  }
  const BufferRef &out() const { return outputs.front(); }
  Value offsetOf(const Index &index) { return elements->math().linearize(index, result).base; }

  Value combinedOnce(Value old, Value update) {
    return cpu::combineUpdate(builder, anchor->getLoc(), indexing.mode, old, update,
                              out().elementType);
  }
  /// What a place holds after an update: rounded every time, as memory does.
  Value combined(Value old, Value update) {
    Type type = out().elementType, held = ir::registerType(type);
    Value next = combinedOnce(old, update);
    if (!isa<FloatType>(type) || held == type)
      return next;
    Value narrow = arith::TruncFOp::create(builder, anchor->getLoc(), type, next);
    return arith::ExtFOp::create(builder, anchor->getLoc(), held, narrow);
  }

  // -- Few updates --

  void start() {
    inside(mustCopy(), [&] {
      llvm::SmallVector<DimExpr> dims(result.begin(), result.end());
      eachUnit(result.numElements(), [&](Value element) {
        setPoint(split(element, dims), element);
        Value old = emitOld(point);
        elements->memory().storeScalar(old, out().elementType, out().pointer, element);
      });
    });
  }

  void scan() {
    eachUnit(layout.outerCount * layout.columns, [&](Value unit) {
      Value rest = unit, column = takeLast(rest, layout.columns);
      Index outer = split(rest, outerSizes);
      loop(zero, size(layout.updates), constant(1), {}, [&](Value number, ValueRange) {
        Index update = updateIndex(outer, number, column);
        Value valid;
        Index place = placeOf(update, valid);
        inside(valid, [&] {
          Value offset = offsetOf(resultIndex(outer, place, column)), next = emitUpdate(update);
          if (indexing.mode != ir::ScatterMode::Set) {
            Value old = elements->memory().loadScalar(out().pointer, out().elementType, offset);
            next = combinedOnce(old, next);
          }
          elements->memory().storeScalar(next, out().elementType, out().pointer, offset);
        });
        return Values();
      });
    });
  }

  // -- Many updates --

  void findKeys() {
    eachUnit(way.items, [&](Value item) {
      Value rest = item;
      Value column = layout.sameForAllColumns ? zero : takeLast(rest, layout.columns);
      Value number = rest;
      Index outer;
      if (!outerSizes.empty()) {
        number = takeLast(rest, layout.updates);
        outer = split(rest, outerSizes);
      }
      Value valid;
      Index place = placeOf(updateIndex(outer, number, column), valid);
      // Outer dims, looked-up dims, columns.
      Index parts = outer;
      parts.append(place);
      Shape shape(std::vector<DimExpr>(outerSizes.begin(), outerSizes.end()));
      for (const DimExpr &dim : indexedSizes)
        shape.push_back(dim);
      Value key = elements->math().linearize(parts, shape).base;
      if (!layout.sameForAllColumns)
        key = add(mul(key, size(layout.columns)), column);
      if (valid)
        key = arith::SelectOp::create(builder, loc, valid, key, size(way.keys));
      storeWord(key, space(ScatterSpaces::Keys), item);
    });
  }

  Value loadWord(Value pointer, Value at) {
    Value narrow = elements->memory().loadScalar(pointer, word, at);
    return arith::ExtUIOp::create(builder, loc, builder.getI64Type(), narrow);
  }
  void storeWord(Value value, Value pointer, Value at) {
    Value narrow = arith::TruncIOp::create(builder, loc, word, value);
    elements->memory().storeScalar(narrow, word, pointer, at);
  }

  void combineKeys() {
    Value copies = mustCopy();
    eachUnit(way.keys * way.columnBlocks() * DimExpr(way.lanes), [&](Value unit) {
      Value rest = unit, lane = takeLast(rest, way.lanes),
            block = takeLast(rest, way.columnBlocks());
      Value key = rest, first = loadWord(space(ScatterSpaces::Starts), key),
            last = loadWord(space(ScatterSpaces::Starts), add(key, constant(1)));
      Value needed;
      if (copies)
        needed = arith::OrIOp::create(
            builder, loc, copies,
            arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, first, last));
      inside(needed, [&] { combineKey(key, first, last, lane, block); });
    });
  }

  void combineKey(Value key, Value first, Value last, Value lane, Value block) {
    Value rest = key,
          ownColumn = layout.sameForAllColumns ? Value() : takeLast(rest, layout.columns);
    llvm::SmallVector<DimExpr> placeSizes = outerSizes;
    placeSizes.append(indexedSizes);
    Index parts = split(rest, placeSizes);
    Index outer(parts.begin(), parts.begin() + outerSizes.size()),
        place(parts.begin() + outerSizes.size(), parts.end());

    // Columns behind the last one repeat it and are not stored.
    Values columns, isColumn, state;
    llvm::SmallVector<Index> targets;
    for (int64_t i = 0; i < way.columnsPerThread; ++i) {
      Value column = ownColumn ? ownColumn : zero, is;
      if (!ownColumn && way.width.constant() != 1) {
        column = add(lane, add(mul(block, constant(way.lanes * way.columnsPerThread)),
                               constant(i * way.lanes)));
        if (!way.width.dividedExactlyBy(way.lanes * way.columnsPerThread)) {
          is = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, column,
                                     size(way.width));
          column = arith::MinSIOp::create(builder, loc, column, size(way.width - DimExpr(1)));
        }
      }
      columns.push_back(column);
      isColumn.push_back(is);
      targets.push_back(resultIndex(outer, place, column));
      state.push_back(emitOld(targets.back()));
    }
    Value from = first;
    if (indexing.mode == ir::ScatterMode::Set) // Only the last one counts.
      from = arith::MaxSIOp::create(builder, loc, first,
                                    arith::SubIOp::create(builder, loc, last, constant(1)));
    state = loop(from, last, constant(1), state, [&](Value at, ValueRange old) {
      constexpr int64_t updatesInFlight = 4;
      overlap(at, updatesInFlight);
      Value number = loadWord(order(way.numDigits), at);
      if (!layout.sameForAllColumns)
        takeLast(number, layout.columns);
      if (!outerSizes.empty())
        number = elements->math().mod(elements->math().uniform(number), layout.updates).base;
      Values next;
      for (auto [column, value] : llvm::zip_equal(columns, old))
        next.push_back(combined(value, emitUpdate(updateIndex(outer, number, column))));
      return next;
    });
    for (auto [value, target, is] : llvm::zip_equal(state, targets, isColumn))
      inside(is, [&, value = value, target = target] {
        elements->memory().storeScalar(value, out().elementType, out().pointer, offsetOf(target));
      });
  }

  unsigned stage;
  Operation *anchor;
  ScatterStages way;
  const ScatterLayout &layout;
  ir::Indexing indexing;
  const Shape &result;
  Type word;
  llvm::SmallVector<DimExpr> outerSizes, indexedSizes, scannedSizes, columnSizes;
};

} // namespace

KernelSource emitScatter(const KernelRequest &request) {
  ScatterEmitter emitter(request);
  llvm::StringRef units = emitter.units();
  BlockKernel kernel = emitter.run();
  KernelSource source = printKernel(kernel, request, units);
  source.parts.push_back("Scatter");
  return source;
}

} // namespace sinter::cuda
