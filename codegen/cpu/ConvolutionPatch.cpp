// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/cpu/RowsAhead.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace sinter::cpu::convolution {

using Predicate = arith::CmpIPredicate;

std::optional<int64_t> known(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

// -- Vectors --------------------------------------------------------------------------------------

static unsigned byteWidth(Type type) { return type.getIntOrFloatBitWidth() / 8; }

Vectors::Vectors(KernelFunction &kernel, Type elementType)
    : kernel(kernel), elementType(elementType),
      vectorType(VectorType::get({kernel.plan.schedule.lanes}, elementType)),
      lanes(kernel.plan.schedule.lanes) {}

Value Vectors::step(Value pointer, Value elements) {
  if (known(elements) == 0)
    return pointer;
  return LLVM::GEPOp::create(kernel.builder, kernel.loc, pointer.getType(), elementType, pointer,
                             ValueRange{elements});
}

Value Vectors::load(Value pointer) {
  return LLVM::LoadOp::create(kernel.builder, kernel.loc, vectorType, pointer,
                              byteWidth(elementType));
}

void Vectors::store(Value pointer, Value vector) {
  LLVM::StoreOp::create(kernel.builder, kernel.loc, vector, pointer, byteWidth(elementType));
}

Value Vectors::loadSplat(Value pointer) {
  Value scalar = LLVM::LoadOp::create(kernel.builder, kernel.loc, elementType, pointer,
                                      byteWidth(elementType));
  return vector::BroadcastOp::create(kernel.builder, kernel.loc, vectorType, scalar);
}

void Vectors::prefetch(Value pointer) {
  LLVM::Prefetch::create(kernel.builder, kernel.loc, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

Value Vectors::zero() {
  return arith::ConstantOp::create(kernel.builder, kernel.loc,
                                   kernel.builder.getZeroAttr(vectorType));
}

Value Vectors::multiplyAdd(Value a, Value b, Value c) {
  OpBuilder &builder = kernel.builder;
  if (!isa<FloatType>(elementType))
    return arith::AddIOp::create(builder, kernel.loc,
                                 arith::MulIOp::create(builder, kernel.loc, a, b), c);
  if (kernel.plan.schedule.tiles.fma)
    return math::FmaOp::create(builder, kernel.loc, a, b, c);
  return arith::AddFOp::create(builder, kernel.loc,
                               arith::MulFOp::create(builder, kernel.loc, a, b), c);
}

Value Vectors::add(Value a, Value b) {
  if (isa<FloatType>(elementType))
    return arith::AddFOp::create(kernel.builder, kernel.loc, a, b);
  return arith::AddIOp::create(kernel.builder, kernel.loc, a, b);
}

Value Vectors::interleave(Value a, Value b, bool high) {
  llvm::SmallVector<int64_t> picked;
  for (int64_t i = 0; i < lanes; ++i)
    picked.push_back((high ? lanes / 2 : 0) + i / 2 + (i % 2 == 0 ? 0 : lanes));
  return vector::ShuffleOp::create(kernel.builder, kernel.loc, a, b, picked);
}

Values Vectors::columns(llvm::function_ref<Value(int64_t)> row) {
  OpBuilder &builder = kernel.builder;
  auto piece = VectorType::get({perPiece()}, elementType);
  return transposeSquares(
      builder, kernel.loc,
      joinPieces(builder, kernel.loc, perPiece(), lanes, [&](int64_t i) -> Value {
        return LLVM::LoadOp::create(builder, kernel.loc, piece, row(i), byteWidth(elementType));
      }));
}

Value Vectors::inRange(Value first, Value size) {
  OpBuilder &builder = kernel.builder;
  // Below 0 is above every size without a sign.
  auto type = VectorType::get({lanes}, builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(static_cast<size_t>(lanes));
  for (auto [i, number] : llvm::enumerate(numbers))
    number = static_cast<int32_t>(i);
  Value steps = arith::ConstantOp::create(builder, kernel.loc,
                                          DenseElementsAttr::get(type, ArrayRef(numbers)));
  auto splat = [&](Value number) -> Value {
    Value narrow = arith::TruncIOp::create(builder, kernel.loc, builder.getI32Type(), number);
    return vector::BroadcastOp::create(builder, kernel.loc, type, narrow);
  };
  return arith::CmpIOp::create(builder, kernel.loc, Predicate::ult,
                               arith::AddIOp::create(builder, kernel.loc, splat(first), steps),
                               splat(size));
}

Value Vectors::loadWord(Value pointer, Value index) {
  Type word = kernel.builder.getI64Type();
  Value at = LLVM::GEPOp::create(kernel.builder, kernel.loc, pointer.getType(), word, pointer,
                                 ValueRange{index});
  return LLVM::LoadOp::create(kernel.builder, kernel.loc, word, at, 8);
}

void Vectors::storeWord(Value pointer, Value index, Value word) {
  Value at = LLVM::GEPOp::create(kernel.builder, kernel.loc, pointer.getType(), word.getType(),
                                 pointer, ValueRange{index});
  LLVM::StoreOp::create(kernel.builder, kernel.loc, word, at, 8);
}

void Vectors::clear(Value pointer, Value low, Value high) {
  kernel.loop(low, high, lanes, {}, [&](Value at, ValueRange) {
    store(step(pointer, at), zero());
    return Values();
  });
}

void Vectors::call(const std::string &name, ValueRange arguments,
                   llvm::function_ref<void(ValueRange)> body) {
  OpBuilder &builder = kernel.builder;
  Values passed;
  llvm::SmallVector<Type> types;
  for (Value argument : arguments)
    if (!known(argument)) {
      passed.push_back(argument);
      types.push_back(argument.getType());
    }
  func::FuncOp function;
  {
    OpBuilder::InsertionGuard guard(builder);
    auto kernelFunction = builder.getInsertionBlock()->getParentOp();
    while (!isa<func::FuncOp>(kernelFunction))
      kernelFunction = kernelFunction->getParentOp();
    builder.setInsertionPointAfter(kernelFunction);
    function = func::FuncOp::create(builder, kernel.loc, name, builder.getFunctionType(types, {}));
    function.setPrivate();
    Block *entry = function.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    Values inner;
    unsigned next = 0;
    for (Value argument : arguments) {
      auto value = known(argument);
      inner.push_back(value ? kernel.constant(*value) : Value(entry->getArgument(next++)));
    }
    body(inner);
    func::ReturnOp::create(builder, kernel.loc);
  }
  func::CallOp::create(builder, kernel.loc, function, passed);
}

// -- Arithmetic -----------------------------------------------------------------------------------

Value Arithmetic::div(Value a, int64_t b) {
  return b == 1 ? a
                : kernel.builder.createOrFold<arith::DivUIOp>(kernel.loc, a, kernel.constant(b));
}
Value Arithmetic::rem(Value a, int64_t b) {
  return b == 1 ? kernel.constant(0)
                : kernel.builder.createOrFold<arith::RemUIOp>(kernel.loc, a, kernel.constant(b));
}
Value Arithmetic::ceilDiv(Value a, Value b) const {
  return kernel.builder.createOrFold<arith::CeilDivSIOp>(kernel.loc, a, b);
}
Value Arithmetic::max(Value a, Value b) {
  return kernel.builder.createOrFold<arith::MaxSIOp>(kernel.loc, a, b);
}
Value Arithmetic::less(Value a, Value b) {
  return kernel.builder.createOrFold<arith::CmpIOp>(kernel.loc, Predicate::ult, a, b);
}
Value Arithmetic::both(Value a, Value b) {
  return kernel.builder.createOrFold<arith::AndIOp>(kernel.loc, a, b);
}

void ifThenElse(KernelFunction &kernel, Value condition, llvm::function_ref<void()> yes,
                llvm::function_ref<void()> no) {
  if (auto value = known(condition)) {
    if (*value != 0)
      yes();
    else if (no)
      no();
    return;
  }
  auto branch = scf::IfOp::create(kernel.builder, kernel.loc, condition,
                                  /*withElseRegion=*/static_cast<bool>(no));
  OpBuilder::InsertionGuard guard(kernel.builder);
  kernel.builder.setInsertionPointToStart(branch.thenBlock());
  yes();
  if (no) {
    kernel.builder.setInsertionPointToStart(branch.elseBlock());
    no();
  }
}

void storeResults(ElementEmitter &emitter, KernelFunction &kernel, Value result, const Index &index,
                  Value sums, Value mask) {
  ElementEmitter::Scope scope(emitter);
  emitter.setMask(mask);
  const bool isScalar = !isa<VectorType>(sums.getType());
  emitter.setOverride(result, [&](llvm::ArrayRef<LaneIndex>) { return Element{sums, isScalar}; });
  llvm::SmallVector<Element> elements; // All are read before the first is written.
  for (Value value : kernel.fused.getBody().front().getTerminator()->getOperands())
    elements.push_back(emitter.emit(value, index));
  for (auto [element, buffer] : llvm::zip(elements, kernel.outputs)) {
    LaneIndex to = emitter.math().linearize(index, buffer.shape);
    Value vector = emitter.memory().asVector(element);
    if (isScalar || to.step == 1)
      emitter.memory().storeVector(vector, buffer.elementType, buffer.pointer, to.base, mask,
                                   false);
    else
      emitter.memory().scatter(vector, buffer.elementType, buffer.pointer,
                               emitter.math().asVector(to), mask);
  }
}

// -- The patch ------------------------------------------------------------------------------------

Patch::Patch(KernelFunction &kernel, const ConvolutionLayout &layout, Value source, Value pointer,
             const DimExpr &blockRows)
    : kernel(kernel), layout(layout), source(source), pointer(pointer), blockRows(blockRows),
      vectors(kernel, ir::tensorType(source).getElementType()), math{kernel} {}

Value Patch::channelSize() { return kernel.size(layout.channelSize(blockRows, vectors.lanes)); }

Value Patch::offset(const ConvolutionAxis::Tap &y, const ConvolutionAxis::Tap &x) {
  DimExpr offset = DimExpr(y.plane * layout.x.numPlanes() + x.plane) * layout.planeSize(blockRows) +
                   DimExpr(y.shift) * layout.pitch() + DimExpr(x.shift);
  return kernel.size(offset);
}

/// Where a tap of a leading axis reads; `valid` is narrowed to where that is in the source.
Value Patch::leadingIndex(const ConvolutionAxis &axis, Value position, Value tap, Value &valid) {
  Value offset = kernel.mul(tap, kernel.constant(axis.dilation)), low = kernel.size(axis.low), at;
  if (axis.spreads) {
    Value place = kernel.sub(kernel.add(position, low), offset);
    at = math.div(place, axis.stride); // Negative ones end above every size.
    Value rest = math.rem(place, axis.stride);
    valid = math.both(valid, math.less(rest, kernel.constant(1)));
    valid = math.both(valid, math.less(place, kernel.mul(kernel.size(axis.source),
                                                         kernel.constant(axis.stride))));
  } else {
    at = kernel.sub(kernel.add(kernel.mul(position, kernel.constant(axis.stride)), offset), low);
    valid = math.both(valid, math.less(at, kernel.size(axis.source)));
  }
  return at;
}

/// Element of the source at element 0 of a plane.
Value Patch::startOf(const ConvolutionAxis &axis, Value plane) {
  Value first = kernel.size(axis.sourceOffset(0)),
        distance = kernel.mul(plane, kernel.constant(axis.dilation));
  if (!axis.spreads)
    return kernel.add(first, distance);
  return kernel.sub(first,
                    math.div(kernel.add(distance, kernel.constant(axis.lead())), axis.stride));
}

Patch::Columns Patch::columnsOf(Value plane) {
  const ConvolutionAxis &x = layout.x;
  Value none = kernel.constant(0), step = kernel.constant(x.sourceStep());
  Columns columns;
  columns.pitch = kernel.size(layout.pitch());
  columns.start = startOf(x, plane);
  Value first = math.max(none, math.ceilDiv(kernel.sub(none, columns.start), step));
  columns.first = math.min(first, columns.pitch);
  Value last = math.ceilDiv(kernel.sub(kernel.size(x.source), columns.start), step);
  columns.last = math.max(columns.first, math.min(columns.pitch, last));
  return columns;
}

/// Every second element of a row from `index` on, `left` of them or more, as contiguous loads; null
/// where the source does not lie in memory as it is computed with, or at other distances.
Value Patch::everySecond(ElementEmitter &emitter, const Index &index, Value left, Value mask) {
  auto buffer = kernel.env.buffers.find(source);
  if (index.back().step != 2 || buffer == kernel.env.buffers.end() ||
      buffer->second.elementType != vectors.elementType || !vectors.elementType.isF32())
    return {};
  // The last element that is wanted is the last one that is read.
  const int64_t lanes = vectors.lanes;
  Index first = index;
  first.back().step = 1;
  Value offset = emitter.math().linearize(first, buffer->second.shape).base;
  Value lowMask, highMask;
  if (mask) {
    Value reach = kernel.sub(kernel.mul(left, kernel.constant(2)), kernel.constant(1));
    lowMask = emitter.memory().tailMask(kernel.minimum(reach, kernel.constant(lanes)));
    highMask = emitter.memory().tailMask(
        math.max(kernel.constant(0), kernel.sub(reach, kernel.constant(lanes - 1))));
  }
  auto load = [&](int64_t behind, Value which) {
    return emitter.memory().loadVector(buffer->second.pointer, buffer->second.elementType,
                                       kernel.add(offset, kernel.constant(behind)), which);
  };
  Value low = load(0, lowMask), high = load(lanes - 1, highMask);
  llvm::SmallVector<int64_t> picked;
  for (int64_t i = 0; i < lanes; ++i)
    picked.push_back(i < lanes / 2 ? 2 * i : 2 * i + 1);
  return vector::ShuffleOp::create(kernel.builder, kernel.loc, low, high, picked);
}

/// Asks for what a later channel has at `index`: rows of a block lie apart from those of the next
/// channel, which no prefetcher guesses.
void Patch::askFor(ElementEmitter &emitter, const Index &index) {
  constexpr int64_t farAhead = 8192; // Bytes; as long as memory takes to answer.
  auto buffer = kernel.env.buffers.find(source);
  if (buffer == kernel.env.buffers.end() || layout.x.sourceStep() != 1 || !layout.leading.empty())
    return;
  const int64_t bytes = buffer->second.elementType.getIntOrFloatBitWidth() / 8;
  auto plane = (layout.y.source * layout.x.source).constant(),
       part = (blockRows * layout.x.source).constant();
  if (!plane || !part || *part <= 0)
    return;
  const int64_t channels = (farAhead + *part * bytes - 1) / (*part * bytes);
  Value offset = emitter.math().linearize(index, buffer->second.shape).base;
  prefetch(kernel, buffer->second, kernel.add(offset, kernel.constant(channels * *plane)), 1);
}

void Patch::fillRow(ElementEmitter &emitter, Index index, Value sourceRow, Value isRow,
                    const Columns &columns, Value target) {
  const int64_t step = layout.x.sourceStep();
  Value none = kernel.constant(0), width = kernel.constant(vectors.lanes);
  ifThenElse(
      kernel, isRow,
      [&] {
        vectors.clear(target, none, columns.first);
        if (layout.hasY)
          index.push_back({sourceRow, 0, {}});
        index.push_back({});
        kernel.vectorLoop(columns.first, columns.last, vectors.lanes, 1, {},
                          [&](Value at, Value mask, ValueRange) {
                            ElementEmitter::Scope scope(emitter);
                            emitter.setMask(mask);
                            Value from =
                                kernel.add(kernel.mul(at, kernel.constant(step)), columns.start);
                            index.back() = {from, step, {}};
                            askFor(emitter, index);
                            Value elements =
                                everySecond(emitter, index, kernel.sub(columns.last, at), mask);
                            if (!elements)
                              elements = emitter.memory().asVector(emitter.emit(source, index));
                            vectors.store(vectors.step(target, at), elements);
                            return Values();
                          });
        // The last vector has zeros behind the source's end.
        Value count = kernel.sub(columns.last, columns.first);
        Value whole = kernel.mul(math.ceilDiv(count, width), width);
        vectors.clear(target, kernel.add(columns.first, whole), columns.pitch);
      },
      [&] { vectors.clear(target, none, columns.pitch); });
}

void Patch::fill(const PatchPart &part) {
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, vectors.lanes);
  const int64_t leadingTaps = layout.leadingTaps();
  Value planeSize = kernel.size(layout.planeSize(blockRows)), pitch = kernel.size(layout.pitch());
  Value one = kernel.constant(1), none = kernel.constant(0), channelSize = this->channelSize();
  Value rows = kernel.add(part.rows, kernel.constant(y.reach()));
  Value tail = kernel.size(layout.x.positions() + DimExpr(layout.x.reach()) - layout.pitch());
  kernel.loop(none, part.channels, one, {}, [&](Value q, ValueRange) {
    Value number = kernel.add(part.first, q);
    Value channel = math.div(number, leadingTaps), tap = math.rem(number, leadingTaps);
    Value valid = arith::ConstantIntOp::create(kernel.builder, kernel.loc, 1, 1);
    llvm::SmallVector<LaneIndex> leading(layout.leading.size());
    for (size_t i = layout.leading.size(); i-- > 0;) {
      const ConvolutionAxis &axis = layout.leading[i];
      leading[i] = {leadingIndex(axis, part.leading[i], math.rem(tap, axis.taps), valid), 0, {}};
      tap = math.div(tap, axis.taps);
    }
    Index index{{part.batch, 0, {}}, {kernel.add(part.channel, channel), 0, {}}};
    llvm::append_range(index, leading);
    Value planes = vectors.step(pointer, kernel.mul(q, channelSize));
    kernel.loop(none, kernel.constant(y.numPlanes()), 1, {}, [&](Value planeY, ValueRange) {
      Value startY = startOf(y, planeY);
      kernel.loop(none, kernel.constant(x.numPlanes()), 1, {}, [&](Value planeX, ValueRange) {
        Value number = kernel.add(kernel.mul(planeY, kernel.constant(x.numPlanes())), planeX);
        Value plane = vectors.step(planes, kernel.mul(planeSize, number));
        Columns columns = columnsOf(planeX);
        kernel.loop(none, rows, one, {}, [&](Value r, ValueRange) {
          Value place = kernel.mul(kernel.add(part.row, r), kernel.constant(y.sourceStep()));
          Value from = kernel.add(place, startY);
          Value isRow = math.both(valid, math.less(from, kernel.size(y.source)));
          fillRow(emitter, index, from, isRow, columns, vectors.step(plane, kernel.mul(r, pitch)));
          return Values();
        });
        // The next plane follows, or the zeros behind the last one.
        vectors.clear(vectors.step(plane, kernel.mul(rows, pitch)), none,
                      kernel.add(tail, kernel.constant(vectors.lanes)));
        return Values();
      });
      return Values();
    });
    return Values();
  });
}

} // namespace sinter::cpu::convolution
