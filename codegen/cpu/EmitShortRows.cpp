// SPDX-License-Identifier: Apache-2.0
// Row form where rows are short, as the windows of pooling are: lanes run along the last kept dim,
// and each walks a row of its own. Units are blocks of that dim. What is stored for every element
// of a row is put in order in registers: neighbours in memory are of one lane.
//
// Where windows are written back with a stride, lanes take every stride-th element, one phase after
// the other: which window an element belongs to is then the same for all lanes.
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cpu {

namespace {

class ShortRowEmitter {
public:
  explicit ShortRowEmitter(KernelFunction &kernel)
      : kernel(kernel), analysis(kernel.plan.analysis), schedule(kernel.plan.schedule),
        vectors(kernel.builder, kernel.loc, kernel.env, schedule.lanes) {
    unsigned rows = analysis.numRowDims();
    for (const DimExpr &size : analysis.domain)
      (outer.size() < rows ? outer : inner).push_back(size);
    phases = choosePhases();
  }

  void run() {
    const DimExpr last = outer.back(), blocks = ceilDiv(last, schedule.block);
    llvm::ArrayRef<DimExpr> before = llvm::ArrayRef(outer).drop_back();
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      IndexMath &math = vectors.math();
      LaneIndex at = math.uniform(unit);
      rowIndex.clear();
      for (const LaneIndex &i : math.delinearize(math.floorDiv(at, blocks).base, before))
        rowIndex.push_back(i);
      Value block = blocks.constant() == 1 ? kernel.constant(0) : math.mod(at, blocks).base;
      Value low = kernel.mul(block, kernel.constant(schedule.block));
      Value high =
          kernel.minimum(kernel.add(low, kernel.constant(schedule.block)), kernel.size(last));
      rowIndex.push_back({});
      if (phases > 1) {
        eachPhase(low, high);
        return KernelFunction::Values();
      }
      kernel.vectorLoop(low, high, schedule.lanes, 1, {}, [&](Value base, Value mask, ValueRange) {
        ElementEmitter::Scope inner(vectors);
        rowIndex.back() = {base, schedule.lanes == 1 ? 0 : 1, {}};
        vectors.setMask(mask);
        storeAll(elementsOfRows(), mask);
        vectors.setMask({});
        return KernelFunction::Values();
      });
      return KernelFunction::Values();
    });
  }

private:
  /// Per output, the elements of each lane: one, or one for every element of its row.
  using Elements = llvm::SmallVector<llvm::SmallVector<Value>>;

  Elements elementsOfRows() {
    for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
      reducePhase(phase);
      computeKept(phase + 1);
    }
    Elements elements;
    for (auto [value, buffer] : llvm::zip(yields(), kernel.outputs)) {
      auto &own = elements.emplace_back();
      if (isFull(value))
        eachElement(0, rowIndex, [&](llvm::ArrayRef<LaneIndex> index) {
          own.push_back(vectors.memory().asVector(vectors.emit(value, index)));
        });
      else
        own.push_back(vectors.memory().asVector(vectors.emit(value, keptIndex(buffer.shape))));
    }
    for (Value value : overridden)
      vectors.clearOverride(value);
    overridden.clear();
    return elements;
  }

  mlir::ValueRange yields() {
    return kernel.fused.getBody().front().getTerminator()->getOperands();
  }

  bool isFull(Value value) const { return analysis.roles.lookup(value) == Role::Full; }

  void eachElement(size_t d, Index index, llvm::function_ref<void(llvm::ArrayRef<LaneIndex>)> fn) {
    if (d == inner.size())
      return fn(index);
    index.push_back({});
    for (int64_t i = 0; i < *inner[d].constant(); ++i) {
      index.back() = {kernel.constant(i), 0, {}};
      eachElement(d + 1, index, fn);
    }
  }

  /// All reads have come before, as in the other forms.
  void storeAll(const Elements &elements, Value mask) {
    for (auto [value, own, buffer] : llvm::zip(yields(), elements, kernel.outputs)) {
      Index index = rowIndex;
      if (isFull(value)) {
        for (size_t d = 0; d < inner.size(); ++d)
          index.push_back({kernel.constant(0), 0, {}});
      } else {
        index = keptIndex(buffer.shape);
      }
      storeInOrder(own, buffer, vectors.math().linearize(index, buffer.shape).base, mask);
    }
  }

  /// Stores lane 0 of all values, then lane 1 of all, and so on, from `offset` on.
  void storeInOrder(llvm::ArrayRef<Value> values, const BufferRef &buffer, Value offset,
                    Value mask) {
    Memory &memory = vectors.memory();
    int64_t lanes = schedule.lanes, count = static_cast<int64_t>(values.size());
    if (count == 1)
      return memory.storeVector(values.front(), buffer.elementType, buffer.pointer, offset, mask,
                                false);
    OpBuilder &builder = kernel.builder;
    Type elementType = buffer.elementType;
    llvm::SmallVector<Value> parts(values);
    if (elementType.isInteger(1) && lanes > 1) { // Masks are dear to shuffle.
      elementType = builder.getI8Type();
      for (Value &part : parts)
        part = arith::ExtUIOp::create(builder, kernel.loc, VectorType::get({lanes}, elementType),
                                      part);
    }
    for (int64_t number = 0; number < count; ++number) {
      if (lanes == 1) {
        memory.storeScalar(parts[static_cast<size_t>(number)], elementType, buffer.pointer,
                           kernel.add(offset, kernel.constant(number)));
        continue;
      }
      // Element `k` of this vector is that of lane k / count in value k % count.
      Value result = parts.front();
      llvm::SmallVector<int64_t> lane(static_cast<size_t>(lanes));
      for (int64_t part = 0; part < count; ++part) {
        llvm::SmallVector<int64_t> picked;
        for (int64_t k = 0; k < lanes; ++k) {
          int64_t element = number * lanes + k, from = element / count;
          bool here = element % count == part;
          picked.push_back(here ? (part == 0 ? from : lanes + from) : part == 0 ? 0 : k);
        }
        result = vector::ShuffleOp::create(builder, kernel.loc, result,
                                           parts[static_cast<size_t>(part)], picked);
      }
      Value here;
      if (mask) {
        llvm::SmallVector<int64_t> picked;
        for (int64_t k = 0; k < lanes; ++k)
          picked.push_back((number * lanes + k) / count);
        here = vector::ShuffleOp::create(builder, kernel.loc, mask, mask, picked);
      }
      memory.storeVector(result, elementType, buffer.pointer,
                         kernel.add(offset, kernel.constant(number * lanes)), here, false);
    }
  }

  // -- Phases -------------------------------------------------------------------------------------

  /// The stride with which all windows are written back along the last kept dim; 1 where that is of
  /// no use.
  int64_t choosePhases() const {
    constexpr int64_t most = 4;
    unsigned last = static_cast<unsigned>(outer.size()) - 1;
    int64_t stride = 1;
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      auto write = dyn_cast<ir::WindowWriteOp>(&op);
      if (!write)
        continue;
      // Its spatial dims come before as many of windows.
      auto strides = write.getStrides();
      unsigned rank = static_cast<unsigned>(ir::tensorType(write.getResult()).getRank());
      unsigned behind = rank - static_cast<unsigned>(strides.size());
      if (behind - 1 != last || (stride > 1 && strides.back() != stride))
        return 1;
      stride = strides.back();
    }
    auto size = outer.back().constant();
    bool fits =
        size && *size % stride == 0 && (schedule.block % stride == 0 || schedule.block >= *size);
    bool full = llvm::any_of(kernel.fused.getBody().front().getTerminator()->getOperands(),
                             [&](Value value) { return isFull(value); });
    return stride <= most && fits && !full && schedule.lanes > 1 ? stride : 1;
  }

  void eachPhase(Value low, Value high) {
    Value stride = kernel.constant(phases);
    auto divided = [&](Value value) {
      return kernel.builder.createOrFold<arith::DivUIOp>(kernel.loc, value, stride);
    };
    kernel.vectorLoop(
        divided(low), divided(high), schedule.lanes, 1, {},
        [&](Value base, Value mask, ValueRange) {
          vectors.setMask(mask);
          Value start = arith::MulIOp::create(kernel.builder, kernel.loc, base, stride);
          Elements all;
          for (int64_t phase = 0; phase < phases; ++phase) {
            ElementEmitter::Scope scope(vectors);
            Value at = start;
            if (phase > 0)
              at = arith::AddIOp::create(kernel.builder, kernel.loc, start, kernel.constant(phase));
            int64_t largest = *outer.back().constant() - phases + phase;
            rowIndex.back() = {at, phases, {}, std::pair(phase, largest)};
            Elements elements = elementsOfRows();
            all.resize(elements.size());
            for (auto [own, more] : llvm::zip_equal(all, elements))
              own.append(more.begin(), more.end());
          }
          rowIndex.back() = {start, phases, {}};
          storeAll(all, mask);
          vectors.setMask({});
          return KernelFunction::Values();
        });
  }

  // -- Rows ---------------------------------------------------------------------------------------

  /// A per-row value is the same wherever its row is read.
  void give(Value value, const Element &element) {
    vectors.setOverride(value, [element](llvm::ArrayRef<LaneIndex>) { return element; });
    overridden.push_back(value);
  }

  void computeKept(unsigned ready) {
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op))
        continue;
      for (Value value : op.getResults())
        if (analysis.roles.contains(value) && analysis.roles.lookup(value) == Role::Kept &&
            analysis.ready.lookup(value) == ready)
          give(value, vectors.emit(value, keptIndex(ir::tensorType(value).getShape())));
    }
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    llvm::SmallVector<Reducer> reducers;
    KernelFunction::Values state;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase) {
        anchors.push_back(anchor);
        reducers.push_back(Reducer::of(kernel.builder, anchor, schedule.lanes));
        llvm::append_range(state, reducers.back().initial());
      }
    Index index = rowIndex;
    state =
        walk(0, kernel.constant(0), index, std::move(state),
             [&](llvm::ArrayRef<LaneIndex> at, Value position, ValueRange carried) {
               KernelFunction::Values next;
               size_t first = 0;
               for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
                 Value element = vectors.memory().asVector(vectors.emit(anchor->getOperand(0), at));
                 Value positions;
                 if (reducer.numStates() > 1)
                   positions = schedule.lanes == 1
                                   ? position
                                   : vectors.math().asVector(vectors.math().uniform(position));
                 llvm::append_range(next, reducer.step(carried.slice(first, reducer.numStates()),
                                                       element, positions, vectors.getMask()));
                 first += reducer.numStates();
               }
               return next;
             });
    size_t first = 0;
    for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
      Value result = anchor->getResult(0);
      Value lanes = reducer.finish(ValueRange(state).slice(first, reducer.numStates()),
                                   ir::tensorType(result).getElementType());
      give(result, {lanes, schedule.lanes == 1});
      first += reducer.numStates();
    }
  }

  using Body = llvm::function_ref<KernelFunction::Values(llvm::ArrayRef<LaneIndex>, Value position,
                                                         ValueRange)>;
  /// Visits every element of the rows; the innermost dim without a loop.
  KernelFunction::Values walk(size_t d, Value flat, Index &index, KernelFunction::Values carried,
                              Body body) {
    if (d == inner.size())
      return body(index, flat, carried);
    int64_t size = *inner[d].constant();
    Value start = kernel.mul(flat, kernel.constant(size));
    auto visit = [&](Value iv, ValueRange state) {
      index.push_back({iv, 0, {}});
      auto next = walk(d + 1, kernel.add(start, iv), index, KernelFunction::Values(state), body);
      index.pop_back();
      return next;
    };
    if (d + 1 == inner.size() || size <= fewSteps) {
      for (int64_t i = 0; i < size; ++i)
        carried = visit(kernel.constant(i), carried);
      return carried;
    }
    return kernel.loop(kernel.constant(0), kernel.constant(size), 1, carried,
                       [&](Value iv, ValueRange state) {
                         ElementEmitter::Scope scope(vectors);
                         return visit(iv, state);
                       });
  }

  /// The rows' index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
    return Index(vectors.math().ofRow(shape, outer, rowIndex));
  }

  static constexpr int64_t fewSteps = 4;
  KernelFunction &kernel;
  const passes::KernelAnalysis &analysis;
  const Schedule &schedule;
  ElementEmitter vectors;
  llvm::SmallVector<DimExpr> outer, inner;
  int64_t phases = 1;
  Index rowIndex;
  llvm::SmallVector<Value> overridden;
};

} // namespace

void emitShortRows(KernelFunction &kernel) { ShortRowEmitter(kernel).run(); }

} // namespace sinter::cpu
