// SPDX-License-Identifier: Apache-2.0
// Winograd's F(4x4, 3x3): a tile of 4 x 4 results takes 36 products of transforms instead of 144.
// The first launch transforms the weights; a unit of the second transforms rows of tiles,
// multiplies each of the 36 elements as a matrix, and transforms back into the epilogue.
#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/cpu/WinogradTransforms.h"
#include "sinter/codegen/forms/WinogradPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

using namespace convolution;

namespace {

constexpr int64_t numElements = WinogradPlan::elements, side = WinogradPlan::side,
                  results = WinogradPlan::results;

class WinogradEmitter {
public:
  explicit WinogradEmitter(KernelFunction &kernel)
      : kernel(kernel), op(cast<ir::ConvolutionOp>(kernel.plan.analysis.anchors.front())),
        layout(op), plan(layout, kernel.plan.schedule), spreads(op.makesX()),
        source(spreads ? op.getRhs() : op.getLhs()), weights(spreads ? op.getLhs() : op.getRhs()),
        vectors(kernel, op.getType().getElementType()), math{kernel}, transforms(vectors),
        mr(kernel.plan.schedule.tiles.mr), nr(kernel.plan.schedule.tiles.nr), lanes(vectors.lanes) {
  }

  /// Units are channels of the result.
  void transformWeights() {
    ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, lanes);
    Value target = kernel.workspaces[0], none = kernel.constant(0);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value row, ValueRange) {
      kernel.vectorLoop(
          none, number(plan.depth), lanes, 1, {}, [&](Value channel, Value mask, ValueRange) {
            ElementEmitter::Scope scope(emitter);
            emitter.setMask(mask);
            Values taps;
            for (int64_t k = 0; k < 9; ++k)
              taps.push_back(weight(emitter, row, channel, k / 3, k % 3));
            Value at = kernel.add(kernel.mul(row, number(plan.depthPitch())), channel);
            for (auto [i, value] : llvm::enumerate(transforms.ofWeights(taps)))
              vectors.store(vectors.step(target, kernel.add(at, number(static_cast<int64_t>(i) *
                                                                       plan.weightSize()))),
                            value);
            return Values();
          });
      return Values();
    });
  }

  void run() {
    Value scratch = kernel.workerScratch(1);
    input = scratch;
    products = vectors.step(scratch, plan.inputSize());
    staging = vectors.step(products, plan.productsSize());
    Value none = kernel.constant(0), one = kernel.constant(1);
    kernel.loop(kernel.begin, kernel.end, one, {}, [&](Value unit, ValueRange) {
      const int64_t rowBlocks = plan.rowBlocks();
      Value block = math.div(unit, rowBlocks), rowBlock = math.rem(unit, rowBlocks);
      firstLine = kernel.mul(block, number(plan.linesPerBlock()));
      numLines = kernel.minimum(number(plan.linesPerBlock()),
                                kernel.sub(kernel.size(plan.lines()), firstLine));
      Value isFirst = kernel.builder.createOrFold<arith::CmpIOp>(
          kernel.loc, arith::CmpIPredicate::eq, unit, kernel.begin);
      Value fresh =
          kernel.builder.createOrFold<arith::OrIOp>(kernel.loc, isFirst, math.less(rowBlock, one));
      ifThenElse(kernel, fresh, [&] {
        kernel.loop(none, number(plan.depth), one, {}, [&](Value channel, ValueRange) {
          eachVector(
              [&](Value line, Value tile, Value at) { transformInput(channel, line, tile, at); });
          return Values();
        });
      });
      Value low = kernel.mul(rowBlock, number(plan.rowsPerBlock()));
      Value high = kernel.minimum(kernel.add(low, number(plan.rowsPerBlock())), number(plan.rows));
      kernel.loop(low, high, number(mr), {}, [&](Value strip, ValueRange) {
        Value channel = kernel.minimum(strip, number(plan.rows - mr));
        multiplyStrip(channel);
        Value end = kernel.minimum(high, kernel.add(channel, number(mr)));
        kernel.loop(strip, end, one, {}, [&](Value row, ValueRange) {
          Value from = vectors.step(products,
                                    kernel.mul(kernel.sub(row, channel), number(plan.tilePitch())));
          eachVector([&](Value line, Value tile, Value at) {
            transformResult(vectors.step(from, at), row, line, tile);
          });
          return Values();
        });
        return Values();
      });
      return Values();
    });
  }

private:
  Value number(int64_t value) { return kernel.constant(value); }

  /// `lanes` input channels of one tap of the weights of a channel of the result.
  Value weight(ElementEmitter &emitter, Value row, Value channel, int64_t ky, int64_t kx) {
    LaneIndex r{row, 0, {}}, c{channel, 1, {}};
    // Where x is the result, taps count backwards.
    LaneIndex y{number(spreads ? 2 - ky : ky), 0, {}}, x{number(spreads ? 2 - kx : kx), 0, {}};
    Index index = spreads ? Index{c, r, y, x} : Index{r, c, y, x};
    return emitter.memory().asVector(emitter.emit(weights, index));
  }

  /// Calls body(line, first tile, its number in the block) for each vector of tiles in a line.
  void eachVector(llvm::function_ref<void(Value, Value, Value)> body) {
    kernel.loop(number(0), numLines, 1, {}, [&](Value l, ValueRange) {
      kernel.loop(number(0), number(plan.tilesX), lanes, {}, [&](Value tile, ValueRange) {
        Value at = kernel.add(kernel.mul(l, number(plan.tilesX)), tile);
        body(kernel.add(firstLine, l), tile, at);
        return Values();
      });
      return Values();
    });
  }

  /// Lanes past the end of the line are overwritten by the next one.
  void transformInput(Value channel, Value line, Value tile, Value at) {
    Value batch = math.div(line, plan.tilesY), lineY = math.rem(line, plan.tilesY);
    Value firstRow = kernel.add(kernel.mul(lineY, number(results)), number(plan.startY));
    Value firstColumn = kernel.add(kernel.mul(tile, number(results)), number(plan.startX));
    Value plane = kernel.add(kernel.mul(batch, number(plan.depth)), channel);
    Value sourcePointer = kernel.env.buffers.lookup(source).pointer;
    Values masks;
    for (int64_t k = 0; k <= results; ++k)
      masks.push_back(
          vectors.inRange(kernel.add(firstColumn, number(k * lanes)), number(plan.sourceX)));
    kernel.loop(number(0), number(side), 1, {}, [&](Value i, ValueRange) {
      Value row = kernel.add(firstRow, i);
      Value target = vectors.step(staging, kernel.mul(i, number(side * lanes)));
      ifThenElse(
          kernel, math.less(row, number(plan.sourceY)),
          [&] {
            Value offset = kernel.mul(kernel.add(kernel.mul(plane, number(plan.sourceY)), row),
                                      number(plan.sourceX));
            Value from = vectors.step(sourcePointer, kernel.add(offset, firstColumn));
            Values loaded;
            for (int64_t k = 0; k <= results; ++k)
              loaded.push_back(transforms.loadMasked(vectors.step(from, k * lanes),
                                                     masks[static_cast<size_t>(k)]));
            Values row = transforms.ofInput(transforms.spread(loaded));
            for (int64_t j = 0; j < side; ++j)
              vectors.store(vectors.step(target, j * lanes), row[static_cast<size_t>(j)]);
          },
          [&] {
            for (int64_t j = 0; j < side; ++j)
              vectors.store(vectors.step(target, j * lanes), vectors.zero());
          });
      return Values();
    });
    Value to = vectors.step(input, kernel.add(kernel.mul(channel, number(plan.tilePitch())), at));
    kernel.loop(number(0), number(side), 1, {}, [&](Value j, ValueRange) {
      Value from = vectors.step(staging, kernel.mul(j, number(lanes)));
      Values column;
      for (int64_t i = 0; i < side; ++i)
        column.push_back(vectors.load(vectors.step(from, i * side * lanes)));
      column = transforms.ofInput(column);
      Value first = vectors.step(to, kernel.mul(j, number(plan.inputElement())));
      for (int64_t i = 0; i < side; ++i)
        vectors.store(vectors.step(first, i * side * plan.inputElement()),
                      column[static_cast<size_t>(i)]);
      return Values();
    });
  }

  void multiplyStrip(Value channel) {
    Value tiles = kernel.mul(numLines, number(plan.tilesX));
    kernel.loop(number(0), number(numElements), 1, {}, [&](Value e, ValueRange) {
      Value a = vectors.step(kernel.workspaces[0],
                             kernel.add(kernel.mul(e, number(plan.weightSize())),
                                        kernel.mul(channel, number(plan.depthPitch()))));
      Value b = vectors.step(input, kernel.mul(e, number(plan.inputElement())));
      Value target = vectors.step(products, kernel.mul(e, number(mr * plan.tilePitch())));
      kernel.loop(number(0), tiles, number(nr), {}, [&](Value tile, ValueRange) {
        Value arguments[] = {a, vectors.step(b, tile), vectors.step(target, tile)};
        vectors.call("kernel_tile", arguments, [&](ValueRange inner) { multiply(inner); });
        return Values();
      });
      return Values();
    });
  }

  void multiply(ValueRange arguments) {
    const int64_t count = nr / lanes;
    auto total = static_cast<size_t>(mr * count);
    Values carried(total, vectors.zero());
    carried.push_back(arguments[0]);
    carried.push_back(arguments[1]);
    Values sums = kernel.loop(
        number(0), number(plan.depth), number(1), carried, [&](Value, ValueRange state) {
          Value a = state[total], b = state[total + 1];
          Values columns, next;
          for (int64_t v = 0; v < count; ++v)
            columns.push_back(vectors.load(vectors.step(b, v * lanes)));
          for (int64_t i = 0; i < mr; ++i) {
            Value factor = vectors.loadSplat(vectors.step(a, i * plan.depthPitch()));
            for (int64_t v = 0; v < count; ++v)
              next.push_back(vectors.multiplyAdd(factor, columns[static_cast<size_t>(v)],
                                                 state[static_cast<size_t>(i * count + v)]));
          }
          next.push_back(vectors.step(a, 1));
          next.push_back(vectors.step(b, plan.tilePitch()));
          return next;
        });
    for (int64_t i = 0; i < mr; ++i)
      for (int64_t v = 0; v < count; ++v)
        vectors.store(vectors.step(arguments[2], i * plan.tilePitch() + v * lanes),
                      sums[static_cast<size_t>(i * count + v)]);
  }

  void transformResult(Value from, Value row, Value line, Value tile) {
    Values columns; // Of 4 x 6.
    for (int64_t j = 0; j < side; ++j) {
      Values column;
      for (int64_t i = 0; i < side; ++i)
        column.push_back(vectors.load(vectors.step(from, (i * side + j) * mr * plan.tilePitch())));
      llvm::append_range(columns, transforms.ofProducts(column));
    }
    for (int64_t i = 0; i < results; ++i) {
      Values line;
      for (int64_t j = 0; j < side; ++j)
        line.push_back(columns[static_cast<size_t>(j * results + i)]);
      for (auto [k, value] : llvm::enumerate(transforms.join(transforms.ofProducts(line))))
        vectors.store(vectors.step(staging, (i * results + static_cast<int64_t>(k)) * lanes),
                      value);
    }
    Value batch = math.div(line, plan.tilesY), lineY = math.rem(line, plan.tilesY);
    Value firstRow = kernel.mul(lineY, number(results)), first = kernel.mul(tile, number(results));
    Value numRows = kernel.minimum(number(results), kernel.sub(number(plan.resultY), firstRow));
    Value last = kernel.minimum(number(plan.resultX), kernel.add(first, number(results * lanes)));
    ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, lanes);
    kernel.loop(number(0), numRows, number(1), {}, [&](Value i, ValueRange) {
      Value staged = vectors.step(staging, kernel.mul(i, number(results * lanes)));
      Index at{{batch, 0, {}}, {row, 0, {}}, {kernel.add(firstRow, i), 0, {}}, {}};
      kernel.vectorLoop(first, last, lanes, 1, {}, [&](Value x, Value mask, ValueRange) {
        at.back() = {x, 1, {}};
        Value loaded = vectors.load(vectors.step(staged, kernel.sub(x, first)));
        storeResults(emitter, kernel, op.getResult(), at, loaded, mask);
        return Values();
      });
      return Values();
    });
  }

  KernelFunction &kernel;
  ir::ConvolutionOp op;
  const ConvolutionLayout layout;
  const WinogradPlan plan;
  const bool spreads;
  Value source, weights;
  Vectors vectors;
  Arithmetic math;
  WinogradTransforms transforms;
  const int64_t mr, nr, lanes;
  Value input, products, staging;
  // Of the unit.
  Value firstLine, numLines;
};

} // namespace

void emitWinograd(KernelFunction &kernel, unsigned stage) {
  WinogradEmitter emitter(kernel);
  if (stage == 0)
    emitter.transformWeights();
  else
    emitter.run();
}

} // namespace sinter::cpu
