// SPDX-License-Identifier: Apache-2.0
// Convolutions that read x where it lies (DirectPlan). Every vector of the result is one chain of
// multiply-adds in registers, and what follows is applied to it there.
#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/forms/DirectConvolution.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <deque>
#include <numeric>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

using namespace convolution;

namespace {

/// Lanes that count; `all` is a vector without a mask.
using Lanes = uint64_t;

class DirectEmitter {
public:
  explicit DirectEmitter(KernelFunction &kernel)
      : kernel(kernel), op(cast<ir::ConvolutionOp>(kernel.plan.analysis.anchors.front())),
        layout(op), plan(layout, kernel.plan.schedule.lanes),
        vectors(kernel, op.getType().getElementType()), math{kernel},
        source(kernel.env.buffers.lookup(op.getLhs()).pointer),
        weights(kernel.env.buffers.lookup(op.getRhs()).pointer), lanes(plan.lanes),
        mr(kernel.plan.schedule.tiles.mr), nr(kernel.plan.schedule.tiles.nr) {}

  void run() {
    const Schedule &schedule = kernel.plan.schedule;
    // Units that follow each other are a thread's: of large planes a part of all channels.
    const DimExpr strips(ceilDivide(plan.outputs, schedule.tiles.mBlock));
    llvm::SmallVector<DimExpr> dims{layout.batch};
    if (plan.pointwise) {
      llvm::append_values(dims, layout.groups,
                          DimExpr(ceilDivide(plan.positions(), schedule.block)), strips);
      if (!plan.sharesPositions())
        std::swap(dims[2], dims[3]);
    } else {
      llvm::append_values(dims, DimExpr(ceilDivide(plan.height, schedule.tiles.nBlock)),
                          layout.groups, strips);
    }
    IndexMath indices(kernel.builder, kernel.loc, *kernel.env.sizes, 1);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      llvm::SmallVector<LaneIndex> at = indices.delinearize(unit, dims);
      batch = at[0].base;
      group = at[plan.pointwise ? 1 : 2].base;
      if (!plan.pointwise)
        windowsUnit(at[1].base, at[3].base);
      else if (plan.sharesPositions())
        pointwiseUnit(at[2].base, at[3].base);
      else
        pointwiseUnit(at[3].base, at[2].base);
      return Values();
    });
  }

private:
  // -- Vectors of fewer lanes, and of some --------------------------------------------------------

  VectorType vectorOf(int64_t width) { return VectorType::get({width}, vectors.elementType); }

  static Lanes firstLanes(int64_t count) { return (Lanes{1} << count) - 1; }

  Value maskOf(Lanes mask, int64_t width) {
    llvm::SmallVector<bool> bits;
    for (int64_t i = 0; i < width; ++i)
      bits.push_back((mask >> i & 1) != 0);
    auto type = VectorType::get({width}, kernel.builder.getI1Type());
    return arith::ConstantOp::create(kernel.builder, kernel.loc,
                                     DenseElementsAttr::get(type, ArrayRef<bool>(bits)));
  }

  Value zero(int64_t width) {
    return arith::ConstantOp::create(kernel.builder, kernel.loc,
                                     kernel.builder.getZeroAttr(vectorOf(width)));
  }

  Value load(Value pointer, Lanes mask, int64_t width) {
    auto bytes = static_cast<unsigned>(kernel.plan.schedule.tiles.elementBytes);
    if (mask == firstLanes(width))
      return LLVM::LoadOp::create(kernel.builder, kernel.loc, vectorOf(width), pointer, bytes);
    return LLVM::MaskedLoadOp::create(kernel.builder, kernel.loc, vectorOf(width), pointer,
                                      maskOf(mask, width), zero(width), bytes);
  }

  /// The first lanes of a splat.
  Value narrow(Value vector, int64_t width) {
    if (width == lanes)
      return vector;
    llvm::SmallVector<int64_t> picked(static_cast<size_t>(width), 0);
    for (auto [i, lane] : llvm::enumerate(picked))
      lane = static_cast<int64_t>(i);
    return vector::ShuffleOp::create(kernel.builder, kernel.loc, vector, vector, picked);
  }

  /// Stores what follows from the sums at positions [first, first + count) of `channel`, which
  /// counts over all groups.
  void store(Value sums, Value channel, Value first, int64_t count) {
    const int64_t width = cast<VectorType>(sums.getType()).getNumElements();
    ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, width);
    Index index{{batch, 0, {}}, {channel, 0, {}}};
    if (layout.hasY)
      index.push_back({kernel.constant(0), 0, {}});
    index.push_back({first, 1, {}});
    storeResults(emitter, kernel, op.getResult(), index, sums,
                 count == width ? Value() : maskOf(firstLanes(count), width));
  }

  // -- Windows of one element ---------------------------------------------------------------------

  void pointwiseUnit(Value block, Value rowBlock) {
    const Schedule &schedule = kernel.plan.schedule;
    const int64_t positions = plan.positions(), whole = positions / nr * nr;
    Value image = kernel.add(kernel.mul(batch, kernel.constant(plan.groups)), group);
    image = kernel.mul(image, kernel.constant(plan.inputs * positions));
    Value first = kernel.mul(block, kernel.constant(schedule.block));
    Value end = kernel.add(first, kernel.constant(schedule.block));
    Value channel = kernel.mul(rowBlock, kernel.constant(schedule.tiles.mBlock));
    Value channelEnd = kernel.minimum(kernel.add(channel, kernel.constant(schedule.tiles.mBlock)),
                                      kernel.constant(plan.outputs));
    kernel.loop(first, kernel.minimum(end, kernel.constant(whole)), kernel.constant(nr), {},
                [&](Value column, ValueRange) {
                  strips(image, column, nr, channel, channelEnd);
                  return Values();
                });
    if (whole < positions)
      ifThenElse(kernel, math.less(kernel.constant(whole), end), [&] {
        strips(image, kernel.constant(whole), positions - whole, channel, channelEnd);
      });
  }

  void strips(Value image, Value column, int64_t columns, Value channel, Value end) {
    Value from = vectors.step(source, kernel.add(image, column));
    const int64_t whole = plan.outputs / mr * mr;
    kernel.loop(channel, kernel.minimum(end, kernel.constant(whole)), kernel.constant(mr), {},
                [&](Value strip, ValueRange) {
                  tile(from, column, columns, strip, mr);
                  return Values();
                });
    if (whole < plan.outputs)
      ifThenElse(kernel, math.less(kernel.constant(whole), end), [&] {
        tile(from, column, columns, kernel.constant(whole), plan.outputs - whole);
      });
  }

  /// `rows` channels from `strip` on by `columns` positions.
  void tile(Value from, Value column, int64_t columns, Value strip, int64_t rows) {
    struct Part {
      int64_t at, width, count;
    };
    llvm::SmallVector<Part> parts;
    for (int64_t at = 0; at < columns; at += lanes) {
      const int64_t count = std::min(lanes, columns - at);
      int64_t width = lanes;
      while (width > 4 && width / 2 >= count)
        width /= 2;
      parts.push_back({at, width, count});
    }
    Value channel = kernel.add(kernel.mul(group, kernel.constant(plan.outputs)), strip);
    Value factors = vectors.step(weights, kernel.mul(channel, kernel.constant(plan.inputs)));
    Values carried;
    for (int64_t i = 0; i < rows; ++i)
      for (const Part &part : parts)
        carried.push_back(zero(part.width));
    const size_t total = carried.size();
    carried.push_back(factors);
    carried.push_back(from);
    Values sums = kernel.loop(
        kernel.constant(0), kernel.constant(plan.inputs), 1, carried, [&](Value, ValueRange state) {
          Value a = state[total], b = state[total + 1];
          Values columnsOfB, next;
          for (const Part &part : parts)
            columnsOfB.push_back(
                load(vectors.step(b, part.at), firstLanes(part.count), part.width));
          for (int64_t i = 0; i < rows; ++i) {
            Value factor = vectors.loadSplat(vectors.step(a, i * plan.inputs));
            for (auto [part, elements] : llvm::zip(parts, columnsOfB))
              next.push_back(
                  vectors.multiplyAdd(narrow(factor, part.width), elements, state[next.size()]));
          }
          next.push_back(vectors.step(a, 1));
          next.push_back(vectors.step(b, plan.positions()));
          return next;
        });
    for (int64_t i = 0; i < rows; ++i)
      for (auto [number, part] : llvm::enumerate(parts))
        store(sums[static_cast<size_t>(i) * parts.size() + number],
              kernel.add(channel, kernel.constant(i)), kernel.add(column, kernel.constant(part.at)),
              part.count);
  }

  // -- Windows over one channel, or a few -----------------------------------------------------

  /// The rows of a part, of `mr` outputs.
  void windowsUnit(Value part, Value strip) {
    const Schedule &schedule = kernel.plan.schedule;
    const bool isWhole = schedule.tiles.nBlock >= plan.height;
    Value low =
        isWhole ? kernel.constant(0) : kernel.mul(part, kernel.constant(schedule.tiles.nBlock));
    Value high = kernel.minimum(kernel.add(low, kernel.constant(schedule.tiles.nBlock)),
                                kernel.constant(plan.height));
    channel = kernel.add(kernel.mul(group, kernel.constant(plan.outputs)),
                         kernel.mul(strip, kernel.constant(mr)));
    const int64_t planeSize = plan.sourceHeight * plan.sourceWidth,
                  windowSize = plan.inputs * plan.tapsY * plan.tapsX;
    Value image = kernel.add(kernel.mul(batch, kernel.constant(plan.groups)), group);
    Value planes =
        vectors.step(source, kernel.mul(image, kernel.constant(plan.inputs * planeSize)));
    factors = vectors.step(weights, kernel.mul(channel, kernel.constant(windowSize)));
    taps.clear();
    if (plan.inputs == 1)
      for (int64_t k = 0; k < windowSize; ++k)
        taps.push_back(vectors.loadSplat(vectors.step(factors, k)));
    auto startOf = [&](Value row) {
      return kernel.sub(kernel.mul(row, kernel.constant(plan.strideY)), kernel.constant(plan.lowY));
    };
    auto pointerTo = [&](Value sourceRow) {
      return vectors.step(planes, kernel.mul(sourceRow, kernel.constant(plan.sourceWidth)));
    };
    if (plan.inputs > 1) {
      kernel.loop(low, high, kernel.constant(1), {}, [&](Value row, ValueRange) {
        Value start = startOf(row);
        tilesOf(row, start, pointerTo(start));
        return Values();
      });
      return;
    }
    auto emitRows = [&](Value row, int64_t like, int64_t count) {
      recent.clear();
      base = pointerTo(startOf(row));
      rowsOf(row, like, count);
    };
    // Rows that are computed together belong to one part. Those within the source are a loop.
    const int64_t rows = schedule.block;
    for (int64_t row = 0; row < plan.height;) {
      int64_t last = row;
      while (plan.isInner(last, rows))
        last += rows;
      if (last - row <= rows) { // One group, or one at the border.
        ifThenElse(kernel, math.less(kernel.sub(kernel.constant(row), low), kernel.sub(high, low)),
                   [&] { emitRows(kernel.constant(row), row, std::min(rows, plan.height - row)); });
        row += rows;
        continue;
      }
      kernel.loop(math.max(low, kernel.constant(row)), kernel.minimum(high, kernel.constant(last)),
                  kernel.constant(rows), {}, [&](Value at, ValueRange) {
                    emitRows(at, row, rows);
                    return Values();
                  });
      row = last;
    }
  }

  /// A row of positions of `mr` outputs over several channels. The first tap reads row `start` of
  /// the source, at `first`, were it there.
  void tilesOf(Value row, Value start, Value first) {
    // Rows of the window that are in the source.
    const int64_t windowSize = plan.tapsY * plan.tapsX;
    Value dilation = kernel.constant(plan.dilationY), none = kernel.constant(0);
    Value low = math.max(none, math.ceilDiv(kernel.sub(none, start), dilation));
    Value high = kernel.minimum(
        kernel.constant(plan.tapsY),
        math.ceilDiv(kernel.sub(kernel.constant(plan.sourceHeight), start), dilation));
    const int64_t rowStep = plan.dilationY * plan.sourceWidth;
    first = vectors.step(first, kernel.mul(low, kernel.constant(rowStep)));
    Value firstFactor = vectors.step(factors, kernel.mul(low, kernel.constant(plan.tapsX)));
    Value result = kernel.mul(row, kernel.constant(plan.width));
    for (int64_t x = 0; x < plan.width; x += nr) {
      const int64_t count = ceilDivide(std::min(nr, plan.width - x), lanes);
      auto sizeOf = [&](int64_t v) { return std::min(lanes, plan.width - x - v * lanes); };
      Values carried(static_cast<size_t>(mr * count), zero(lanes));
      const size_t total = carried.size();
      carried.push_back(first);
      carried.push_back(firstFactor);
      Values sums =
          kernel.loop(none, kernel.constant(plan.inputs), 1, carried, [&](Value, ValueRange state) {
            Values next =
                kernel.loop(low, high, kernel.constant(1), state, [&](Value, ValueRange ofRow) {
                  base = ofRow[total];
                  return multiplyRow(x, count, ofRow[total + 1], rowStep, ofRow, sizeOf);
                });
            next.truncate(total);
            next.push_back(vectors.step(state[total], plan.sourceHeight * plan.sourceWidth));
            next.push_back(vectors.step(state[total + 1], windowSize));
            return next;
          });
      for (int64_t i = 0; i < mr; ++i)
        for (int64_t v = 0; v < count; ++v)
          store(sums[static_cast<size_t>(i * count + v)], kernel.add(channel, kernel.constant(i)),
                kernel.add(result, kernel.constant(x + v * lanes)), sizeOf(v));
    }
  }

  /// Adds what a row of the window makes of `count` vectors at position `x` to the sums, which the
  /// pointers to the source and the window's factors follow.
  Values multiplyRow(int64_t x, int64_t count, Value window, int64_t rowStep, ValueRange state,
                     llvm::function_ref<int64_t(int64_t)> sizeOf) {
    const int64_t windowSize = plan.inputs * plan.tapsY * plan.tapsX;
    Values next(state.drop_back(2));
    recent.clear();
    for (int64_t kx = 0; kx < plan.tapsX; ++kx) {
      Values elements;
      for (int64_t v = 0; v < count; ++v)
        elements.push_back(elementsOf(x + v * lanes, sizeOf(v), 0, kx, insideRow));
      if (llvm::none_of(elements, [](Value value) { return bool(value); }))
        continue;
      for (int64_t i = 0; i < mr; ++i) {
        Value factor = vectors.loadSplat(vectors.step(window, i * windowSize + kx));
        for (int64_t v = 0; v < count; ++v)
          if (Value element = elements[static_cast<size_t>(v)]) {
            Value &sum = next[static_cast<size_t>(i * count + v)];
            sum = vectors.multiplyAdd(factor, element, sum);
          }
      }
    }
    next.push_back(vectors.step(base, rowStep));
    next.push_back(vectors.step(window, plan.tapsX));
    return next;
  }

  /// `count` rows from `row` on; as to borders they are like those from `like` on.
  void rowsOf(Value row, int64_t like, int64_t count) {
    Value result = kernel.mul(row, kernel.constant(plan.width));
    auto vectorAt = [&](int64_t at, int64_t size) {
      store(sumsOf(at, size, like), channel, kernel.add(result, kernel.constant(at)), size);
    };
    if (!plan.isFlat()) {
      for (int64_t x = 0; x < plan.width; x += lanes)
        for (int64_t r = 0; r < count; ++r)
          vectorAt(r * plan.width + x, std::min(lanes, plan.width - x));
      return;
    }
    // Down columns of vectors that begin at the same place of a row, so that rows of the source are
    // used again.
    const int64_t size = count * plan.width, step = std::lcm(plan.width, lanes);
    for (int64_t first = 0; first < std::min(step, size); first += lanes)
      for (int64_t at = first; at < size; at += step)
        vectorAt(at, std::min(lanes, size - at));
  }

  /// The sums at positions [at, at + size) of a group of rows.
  Value sumsOf(int64_t at, int64_t size, int64_t like) {
    Value sum = zero(lanes);
    for (int64_t ky = 0; ky < plan.tapsY; ++ky)
      for (int64_t kx = 0; kx < plan.tapsX; ++kx) {
        if (Value elements = elementsOf(at, size, ky, kx, like))
          sum = vectors.multiplyAdd(taps[static_cast<size_t>(ky * plan.tapsX + kx)], elements, sum);
      }
    return sum;
  }

  /// Like a row whose windows are within the source: which it is told to be.
  static constexpr int64_t insideRow = -1;

  bool isRow(int64_t row, int64_t ky, int64_t like) const {
    if (like == insideRow)
      return true;
    const int64_t y = (like + row) * plan.strideY - plan.lowY + ky * plan.dilationY;
    return y >= 0 && y < plan.sourceHeight;
  }

  /// What a tap reads at a vector of positions; null where that is padding everywhere.
  Value elementsOf(int64_t at, int64_t size, int64_t ky, int64_t kx, int64_t like) {
    return plan.strideX == 1 ? contiguous(at, size, ky, kx, like)
                             : everySecond(at, size, ky, kx, like);
  }

  Value contiguous(int64_t at, int64_t size, int64_t ky, int64_t kx, int64_t like) {
    const int64_t shift = kx * plan.dilationX - plan.lowX;
    Lanes mask = 0;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t row = (at + i) / plan.width, x = (at + i) % plan.width + shift;
      if (isRow(row, ky, like) && x >= 0 && x < plan.sourceWidth)
        mask |= Lanes{1} << i;
    }
    const int64_t row = at / plan.width, x = at % plan.width + shift;
    return loadAt((row * plan.strideY + ky * plan.dilationY) * plan.sourceWidth + x, mask);
  }

  Value everySecond(int64_t at, int64_t size, int64_t ky, int64_t kx, int64_t like) {
    const int64_t row = at / plan.width, x = at % plan.width;
    if (!isRow(row, ky, like))
      return {};
    // Odd taps are the other lanes of what the even ones before them read.
    const int64_t shift = kx * plan.dilationX, odd = shift % 2;
    const int64_t start = 2 * x + shift - odd - plan.lowX;
    const int64_t line = (row * plan.strideY + ky * plan.dilationY) * plan.sourceWidth;
    Value halves[2];
    for (int64_t half = 0; half < 2; ++half) {
      Lanes mask = 0;
      for (int64_t i = 0; i < lanes; ++i) {
        const int64_t lane = half * lanes + i;
        if (lane < 2 * size && start + lane >= 0 && start + lane < plan.sourceWidth)
          mask |= Lanes{1} << i;
      }
      halves[half] = loadAt(line + start + half * lanes, mask);
    }
    if (!halves[0] && !halves[1])
      return {};
    for (Value &half : halves)
      if (!half)
        half = zero(lanes);
    llvm::SmallVector<int64_t> picked;
    for (int64_t i = 0; i < lanes; ++i)
      picked.push_back(2 * i + odd);
    return vector::ShuffleOp::create(kernel.builder, kernel.loc, halves[0], halves[1], picked);
  }

  /// Elements from `offset` on behind the group's start; what was read lately is not read again.
  Value loadAt(int64_t offset, Lanes mask) {
    if (mask == 0)
      return {};
    for (const Loaded &known : recent)
      if (known.offset == offset && known.mask == mask)
        return known.value;
    constexpr size_t held = 12;
    if (recent.size() == held)
      recent.pop_front();
    recent.push_back({offset, mask, load(vectors.step(base, offset), mask, lanes)});
    return recent.back().value;
  }

  struct Loaded {
    int64_t offset;
    Lanes mask;
    Value value;
  };

  KernelFunction &kernel;
  ir::ConvolutionOp op;
  const ConvolutionLayout layout;
  const DirectPlan plan;
  Vectors vectors;
  Arithmetic math;
  Value source, weights;
  const int64_t lanes, mr, nr;
  // Of the unit.
  Value batch, group, channel;
  Value factors;
  Values taps; ///< Of windows over one channel.
  // Of a group of rows.
  Value base; ///< What the first tap reads, were there no padding.
  std::deque<Loaded> recent;
};

} // namespace

void emitDirectConvolution(KernelFunction &kernel) { DirectEmitter(kernel).run(); }

} // namespace sinter::cpu
