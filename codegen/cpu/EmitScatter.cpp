// SPDX-License-Identifier: Apache-2.0
// Scatter form: a unit is a block of columns of the result at one point of the other dims that
// updates pass through, or a range of places of it. It starts from x, or from zero, and takes every
// update in order, so duplicates combine in the same order on any number of threads.
#include "sinter/codegen/ScatterLayout.h"
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/ScatterCombine.h"
#include "sinter/ir/ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

namespace {

class ScatterEmitter {
public:
  explicit ScatterEmitter(KernelFunction &kernel)
      : kernel(kernel), builder(kernel.builder), loc(kernel.loc),
        anchor(kernel.plan.analysis.anchors.front()),
        indexing(cast<ir::IndexedOpInterface>(anchor).getIndexing()), layout(scatterLayout(anchor)),
        result(kernel.plan.analysis.domain), out(kernel.outputs.front()),
        lanes(kernel.plan.schedule.lanes), updateLanes(layout.numColumns > 0 ? lanes : 1),
        places(builder, loc, kernel.env, lanes), updates(builder, loc, kernel.env, updateLanes) {}

  void run() {
    DimExpr blocks = ceilDiv(layout.columns, kernel.plan.schedule.block);
    DimExpr parts = layout.parts(kernel.plan.schedule.block);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      IndexMath &math = updates.math();
      LaneIndex at = math.uniform(unit);
      if (!parts.isConstant()) {
        DimExpr places = result[layout.indexed.front()];
        Value size = kernel.size(ceilDiv(places, parts)), all = kernel.size(places);
        from = kernel.minimum(kernel.mul(math.mod(at, parts).base, size), all);
        to = kernel.minimum(kernel.add(from, size), all);
        at = math.floorDiv(at, parts);
      }
      Value block = blocks.constant() == 1 ? kernel.constant(0) : math.mod(at, blocks).base;
      llvm::SmallVector<DimExpr> sizes;
      for (unsigned d : layout.outer)
        sizes.push_back(result[d]);
      outer = math.delinearize(math.floorDiv(at, blocks).base, sizes);
      low = kernel.mul(block, kernel.constant(kernel.plan.schedule.block));
      high = kernel.minimum(kernel.add(low, kernel.constant(kernel.plan.schedule.block)),
                            kernel.size(layout.columns));
      if (Value old = memoryOfOld()) {
        Value same = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne, old, out.pointer);
        inside(same, [&] { start(); });
      } else {
        start();
      }
      scan();
      return KernelFunction::Values();
    });
  }

private:
  unsigned firstColumn() const { return static_cast<unsigned>(result.rank()) - layout.numColumns; }

  /// Where x lies, when it may be the memory of the result: the update then happens in place.
  Value memoryOfOld() {
    if (indexing.accesses.size() < 2)
      return {};
    auto it = kernel.env.buffers.find(anchor->getOperand(indexing.accesses[1].operand));
    return it == kernel.env.buffers.end() ? Value() : it->second.pointer;
  }

  template <typename Fn> void inside(Value condition, Fn body) {
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  /// The result before the updates, at every place of this unit.
  void start() {
    Index index(static_cast<size_t>(result.rank()));
    for (auto [d, i] : llvm::zip_equal(layout.outer, outer))
      index[d] = i;
    startDim(0, index);
  }

  void startDim(size_t number, Index &index) {
    bool last = number + 1 == layout.indexed.size();
    if (number < layout.indexed.size()) {
      unsigned d = layout.indexed[number];
      bool isCut = from && number == 0;
      Value first = isCut ? from : kernel.constant(0), end = isCut ? to : kernel.size(result[d]);
      if (last && d + 1 == static_cast<unsigned>(result.rank())) {
        kernel.vectorLoop(first, end, lanes, 1, {}, [&](Value base, Value mask, ValueRange) {
          index[d] = {base, lanes == 1 ? 0 : 1, {}};
          startAt(index, places.math().linearize(index, result).base, mask);
          return KernelFunction::Values();
        });
        return;
      }
      kernel.loop(first, end, 1, {}, [&](Value iv, ValueRange) {
        index[d] = {iv, 0, {}};
        startDim(number + 1, index);
        return KernelFunction::Values();
      });
      return;
    }
    if (layout.numColumns == 0) // The last dim is one of the outer ones: a lone element.
      return startAt(index, places.math().linearize(index, result).base,
                     places.memory().tailMask(kernel.constant(1)));
    Value line = lead(places, index);
    kernel.vectorLoop(low, high, lanes, 1, {}, [&](Value column, Value mask, ValueRange) {
      splitColumns(places, column, index, firstColumn(),
                   [&](size_t k) { return result[static_cast<int64_t>(firstColumn() + k)]; });
      startAt(index, kernel.add(line, column), mask);
      return KernelFunction::Values();
    });
  }

  /// The number of elements before the columns of a place that is the same for all lanes.
  Value lead(ElementEmitter &emitter, const Index &index) {
    Shape dims(std::vector<DimExpr>(result.begin(), result.begin() + firstColumn()));
    LaneIndex place =
        emitter.math().linearize(llvm::ArrayRef(index).take_front(firstColumn()), dims);
    return kernel.mul(place.base, kernel.size(layout.columns));
  }

  void startAt(Index &index, Value offset, Value mask) {
    ElementEmitter::Scope scope(places);
    places.setMask(mask);
    Element element;
    if (indexing.accesses.size() > 1) {
      element = places.emit(anchor->getOperand(indexing.accesses[1].operand), index);
    } else {
      Type type = ir::registerType(out.elementType);
      element = {arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type)), true};
    }
    places.memory().storeVector(places.memory().asVector(element), out.elementType, out.pointer,
                                offset, mask, false);
    places.setMask({});
  }

  /// The indices of the last dims from the flat one that runs along the lanes.
  template <typename SizeOf>
  void splitColumns(ElementEmitter &emitter, Value column, Index &index, size_t first,
                    SizeOf sizeOf) {
    LaneIndex rest{
        column, &emitter == &places ? (lanes == 1 ? 0 : 1) : (updateLanes == 1 ? 0 : 1), {}};
    for (size_t k = layout.numColumns; k-- > 0;) {
      index[first + k] = k == 0 ? rest : emitter.math().mod(rest, sizeOf(k));
      if (k > 0)
        rest = emitter.math().floorDiv(rest, sizeOf(k));
    }
  }

  /// Takes the updates in order.
  void scan() {
    llvm::SmallVector<DimExpr> sizes;
    for (unsigned d : layout.scanned)
      sizes.push_back(indexing.ranges[d]);
    Value zero = kernel.constant(0);
    kernel.loop(zero, kernel.size(layout.updates), 1, {}, [&](Value number, ValueRange) {
      ElementEmitter::Scope scope(updates);
      Index index(indexing.ranges.size(), updates.math().uniform(zero));
      for (auto [d, i] : llvm::zip_equal(layout.outerUpdates, outer))
        index[d] = i;
      for (auto [d, i] : llvm::zip_equal(layout.scanned, updates.math().delinearize(number, sizes)))
        index[d] = i;
      if (!layout.sameForAllColumns) {
        eachColumn(index, [&](Value column, Value mask) {
          placed(index, mask,
                 [&](const Index &target, Value valid) { combine(index, target, column, valid); });
        });
      } else {
        placed(index, {}, [&](const Index &target, Value) {
          eachColumn(index,
                     [&](Value column, Value mask) { combine(index, target, column, mask); });
        });
      }
      return KernelFunction::Values();
    });
  }

  void eachColumn(Index &index, llvm::function_ref<void(Value column, Value mask)> body) {
    if (layout.numColumns == 0)
      return body({}, {});
    kernel.vectorLoop(low, high, updateLanes, 1, {}, [&](Value column, Value mask, ValueRange) {
      ElementEmitter::Scope scope(updates);
      size_t first = index.size() - layout.numColumns;
      splitColumns(updates, column, index, first,
                   [&](size_t k) { return indexing.ranges[first + k]; });
      updates.setMask(mask);
      body(column, mask);
      updates.setMask({});
      return KernelFunction::Values();
    });
  }

  /// Looks the target up; `body` runs where it is in range, under a narrower mask.
  void placed(const Index &index, Value mask,
              llvm::function_ref<void(const Index &target, Value mask)> body) {
    Value valid;
    Index target = updates.positions(
        anchor, llvm::ArrayRef(indexing.scatter).take_front(firstColumn()), index, valid);
    if (!valid)
      return body(target, mask);
    if (from)
      valid = arith::AndIOp::create(builder, loc, valid, isInRange(target, valid));
    if (!isa<VectorType>(valid.getType())) {
      inside(valid, [&] {
        ElementEmitter::Scope scope(updates);
        body(target, mask);
      });
      return;
    }
    if (mask)
      valid = arith::AndIOp::create(builder, loc, valid, mask);
    body(target, valid);
  }

  /// Whether the place belongs to this unit, in the shape of `valid`.
  Value isInRange(const Index &target, Value valid) {
    bool isVector = isa<VectorType>(valid.getType());
    const LaneIndex &place = target[layout.indexed.front()];
    auto shaped = [&](Value value) { return isVector ? updates.memory().splat(value) : value; };
    Value at = isVector ? updates.math().asVector(place) : place.base;
    auto compare = [&](arith::CmpIPredicate predicate, Value bound) {
      return arith::CmpIOp::create(builder, loc, predicate, at, shaped(bound));
    };
    return arith::AndIOp::create(builder, loc, compare(arith::CmpIPredicate::sge, from),
                                 compare(arith::CmpIPredicate::slt, to));
  }

  void combine(const Index &index, const Index &target, Value column, Value mask) {
    IndexMath &math = updates.math();
    Memory &memory = updates.memory();
    updates.setMask(mask);
    Value added =
        memory.asVector(updates.emit(anchor->getOperand(indexing.accesses[0].operand), index));
    Shape lead(std::vector<DimExpr>(result.begin(), result.begin() + firstColumn()));
    LaneIndex offset = math.linearize(target, lead);
    if (layout.numColumns > 0)
      offset = math.add(math.mul(offset, layout.columns),
                        LaneIndex{column, updateLanes == 1 ? 0 : 1, {}});
    bool together = !offset.vector; // One element per lane, side by side.
    Value next = added;
    if (indexing.mode != ir::ScatterMode::Set) {
      Value old = together ? memory.loadVector(out.pointer, out.elementType, offset.base, mask)
                           : memory.gather(out.pointer, out.elementType, offset.vector, mask);
      next = combineUpdate(builder, loc, indexing.mode, old, added, out.elementType);
    }
    if (together)
      memory.storeVector(next, out.elementType, out.pointer, offset.base, mask, false);
    else
      memory.scatter(next, out.elementType, out.pointer, offset.vector, mask);
    updates.setMask({});
  }

  KernelFunction &kernel;
  OpBuilder &builder;
  Location loc;
  Operation *anchor;
  ir::Indexing indexing;
  ScatterLayout layout;
  const Shape &result;
  const BufferRef &out;
  int64_t lanes, updateLanes;
  ElementEmitter places, updates; ///< Emit what the result starts from, and the updates.
  llvm::SmallVector<LaneIndex> outer;
  Value low, high; ///< Columns of the unit.
  Value from, to;  ///< Its range of the first looked-up dim; null: all.
};

} // namespace

Value combineUpdate(OpBuilder &builder, Location loc, ir::ScatterMode mode, Value old, Value added,
                    Type elementType) {
  using ir::scalar::Expr;
  Expr a(builder, loc, old, elementType), b(builder, loc, added, elementType);
  switch (mode) {
  case ir::ScatterMode::Set:
    return added;
  case ir::ScatterMode::Add:
    return (a + b).value();
  case ir::ScatterMode::Mul:
    return (a * b).value();
  case ir::ScatterMode::Max:
    return ir::scalar::maximum(a, b).value();
  case ir::ScatterMode::Min:
    return ir::scalar::minimum(a, b).value();
  }
  llvm_unreachable("a mode that is not emitted");
}

void emitScatter(KernelFunction &kernel) {
  Operation *anchor = kernel.plan.analysis.anchors.front();
  if (scatterLayout(anchor).isSegmented(kernel.outputs.front().elementType))
    emitSegmentedScatter(kernel);
  else
    ScatterEmitter(kernel).run();
}

} // namespace sinter::cpu
