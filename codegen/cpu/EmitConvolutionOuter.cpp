// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/cpu/RowsAhead.h"
#include "sinter/codegen/forms/PanelPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu::convolution {

OuterProducts::OuterProducts(KernelFunction &kernel, const ConvolutionLayout &layout,
                             const ConvolutionPlan &plan)
    : kernel(kernel), layout(layout), plan(plan), op(layout.op),
      vectors(kernel, op.getType().getElementType()), math{kernel},
      mr(kernel.plan.schedule.tiles.mr), nr(kernel.plan.schedule.tiles.nr) {}

void OuterProducts::fillTable(Patch &patch, Value table) {
  const int64_t together = plan.tapsPerTile();
  for (int64_t k = 0; k < layout.taps(); k += together)
    vectors.storeWord(
        table, kernel.constant(k / together),
        patch.offset(*layout.y.tap(k / layout.x.taps, 0), *layout.x.tap(k % layout.x.taps, 0)));
}

void OuterProducts::transposeSquare(Value from, Value fromStep, Value to, Value toStep) {
  OpBuilder &builder = kernel.builder;
  if (!transposer) {
    OpBuilder::InsertionGuard guard(builder);
    auto caller = builder.getInsertionBlock()->getParent()->getParentOfType<func::FuncOp>();
    builder.setInsertionPointAfter(caller);
    Type types[] = {from.getType(), fromStep.getType(), to.getType(), toStep.getType()};
    transposer = func::FuncOp::create(builder, kernel.loc, "kernel_transpose",
                                      builder.getFunctionType(types, {}));
    transposer.setPrivate();
    Block *entry = transposer.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    auto row = [&](unsigned pointer, int64_t i) {
      return vectors.step(entry->getArgument(pointer),
                          kernel.mul(entry->getArgument(pointer + 1), kernel.constant(i)));
    };
    // A few columns at a time: little code, and half of the shuffles are loads.
    kernel.loop(kernel.constant(0), kernel.constant(vectors.lanes),
                kernel.constant(vectors.perPiece()), {}, [&](Value k, ValueRange) {
                  Values columns =
                      vectors.columns([&](int64_t i) { return vectors.step(row(0, i), k); });
                  Value target =
                      vectors.step(entry->getArgument(2), kernel.mul(entry->getArgument(3), k));
                  for (auto [i, column] : llvm::enumerate(columns))
                    vectors.store(
                        vectors.step(target, kernel.mul(entry->getArgument(3),
                                                        kernel.constant(static_cast<int64_t>(i)))),
                        column);
                  return Values();
                });
    func::ReturnOp::create(builder, kernel.loc);
  }
  func::CallOp::create(builder, kernel.loc, transposer, ValueRange{from, fromStep, to, toStep});
}

/// Asks for what of y is read after that at `index`: channels lie too far apart to be prefetched.
void OuterProducts::askFor(ElementEmitter &emitter, const Index &index) {
  constexpr int64_t ahead = 64; // Elements of a channel; squares of 16 rows are read meanwhile.
  auto buffer = kernel.env.buffers.find(op.getRhs());
  auto width = layout.x.positions().constant();
  if (buffer == kernel.env.buffers.end() || !width)
    return;
  const int64_t rows = (ahead + *width - 1) / *width;
  Value offset = emitter.math().linearize(index, buffer->second.shape).base;
  prefetch(kernel, buffer->second, kernel.add(offset, kernel.constant(rows * *width)), 1);
}

void OuterProducts::fillColumns(const PatchPart &part, Value pointer, Value square) {
  const int64_t lanes = vectors.lanes;
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, lanes);
  Value none = kernel.constant(0), columns = kernel.size(layout.x.positions());
  Value last = kernel.sub(part.channels, kernel.constant(1)), width = kernel.constant(lanes);
  Value firstChannel = kernel.add(part.channel, part.first);
  Value tileSize = kernel.mul(kernel.size(plan.rowSize()), kernel.constant(nr));
  kernel.loop(none, part.channels, kernel.constant(lanes), {}, [&](Value m, ValueRange) {
    Arithmetic math{kernel};
    Value target =
        vectors.step(vectors.step(pointer, kernel.mul(math.div(m, nr), tileSize)), math.rem(m, nr));
    kernel.loop(none, part.rows, 1, {}, [&](Value r, ValueRange) {
      Value to = vectors.step(target, kernel.mul(kernel.mul(r, columns), kernel.constant(nr)));
      Index at{{part.batch, 0, {}}, {}};
      for (Value position : part.leading)
        at.push_back({position, 0, {}});
      if (layout.hasY)
        at.push_back({kernel.add(part.row, r), 0, {}});
      at.push_back({});
      // What is behind a row is overwritten by the next one.
      kernel.vectorLoop(none, columns, lanes, 1, {}, [&](Value x, Value mask, ValueRange) {
        const int64_t together = std::min<int64_t>(4, lanes);
        kernel.loop(none, width, kernel.constant(together), {}, [&](Value k, ValueRange) {
          for (int64_t i = 0; i < together; ++i) {
            // Channels that there are not are the last one again.
            Value number = kernel.add(k, kernel.constant(i));
            Value channel = kernel.minimum(kernel.add(m, number), last);
            ElementEmitter::Scope scope(emitter);
            emitter.setMask(mask);
            at[1] = {kernel.add(firstChannel, channel), 0, {}};
            at.back() = {x, 1, {}};
            askFor(emitter, at);
            vectors.store(vectors.step(square, kernel.mul(number, width)),
                          emitter.memory().asVector(emitter.emit(op.getRhs(), at)));
          }
          return Values();
        });
        transposeSquare(square, width, vectors.step(to, kernel.mul(x, kernel.constant(nr))),
                        kernel.constant(nr));
        return Values();
      });
      return Values();
    });
    return Values();
  });
}

OuterProducts::Rows OuterProducts::rowsOf(Value group, const OuterBlock &block) {
  const ConvolutionAxis &y = layout.y;
  const int64_t together = plan.tapsPerTile();
  const TapAxis taps(y);
  if (y.taps == 1 || together > layout.x.taps || !taps.isKnown)
    return {kernel.constant(0), block.rows};
  // Position q reads row q * stride + k * dilation - low.
  Value tap = kernel.mul(math.div(kernel.mul(group, kernel.constant(together)), layout.x.taps),
                         kernel.constant(y.dilation));
  Value none = kernel.constant(0), stride = kernel.constant(y.stride);
  Value before = kernel.sub(kernel.constant(taps.low), tap);
  auto inBlock = [&](Value position) {
    return kernel.minimum(math.max(none, kernel.sub(position, block.row)), block.rows);
  };
  Value begin = inBlock(math.ceilDiv(math.max(none, before), stride));
  Value behind = kernel.add(kernel.constant(taps.source), before);
  Value end = inBlock(math.ceilDiv(math.max(none, behind), stride));
  return {begin, kernel.sub(math.max(begin, end), begin)};
}

void OuterProducts::multiplyBlock(const OuterBlock &block) {
  const int64_t together = plan.tapsPerTile(), perTile = plan.channelsPerTile();
  Value none = kernel.constant(0);
  Value channelSize = kernel.size(layout.channelSize(plan.blockRows(), vectors.lanes));
  Value tileSize = kernel.mul(kernel.size(plan.rowSize()), kernel.constant(nr));
  Value sumsRow = kernel.constant(plan.rowsPerBlock());
  kernel.loop(none, block.rowChannels, kernel.constant(nr), {}, [&](Value m, ValueRange) {
    Arithmetic math{kernel};
    Value columns = vectors.step(block.columns, kernel.mul(math.div(m, nr), tileSize));
    kernel.loop(none, block.channels, kernel.constant(perTile), {}, [&](Value q, ValueRange) {
      Value planes = vectors.step(block.patch, kernel.mul(q, channelSize));
      Value firstSum = kernel.mul(q, kernel.constant(layout.taps()));
      kernel.loop(none, kernel.constant(layout.taps() / together), 1, {}, [&](Value g, ValueRange) {
        Value weight = kernel.add(firstSum, kernel.mul(g, kernel.constant(together)));
        const Rows rows = rowsOf(g, block);
        Value from = kernel.mul(rows.begin,
                                kernel.mul(kernel.size(layout.x.positions()), kernel.constant(nr)));
        Value plane = vectors.step(planes, vectors.loadWord(block.table, g));
        Value arguments[] = {
            vectors.step(columns, from),
            vectors.step(plane, kernel.mul(rows.begin, kernel.size(layout.pitch()))),
            vectors.step(block.sums, kernel.add(kernel.mul(weight, sumsRow), m)), rows.count,
            block.images};
        vectors.call("kernel_tile", arguments, [&](ValueRange inner) { multiply(inner); });
        return Values();
      });
      return Values();
    });
    return Values();
  });
}

void OuterProducts::multiply(ValueRange arguments) {
  const int64_t together = plan.tapsPerTile(), count = nr / vectors.lanes;
  const auto total = static_cast<size_t>(mr * count);
  Value none = kernel.constant(0), one = kernel.constant(1);
  // All are known, and values of the calling function are out of reach.
  auto fixed = [&](Value value) { return kernel.constant(*known(value)); };
  auto size = [&](const DimExpr &expr) { return kernel.constant(*expr.constant()); };
  Value pitch = size(layout.pitch()), width = size(layout.x.positions());
  Value channelSize = size(layout.channelSize(plan.blockRows(), vectors.lanes));
  // Taps of a tile lie at the same distances whatever the tile's first one is.
  Patch patch(kernel, layout, op.getLhs(), {}, plan.blockRows());
  Values offsets;
  for (int64_t i = 0; i < mr; ++i) {
    const int64_t k = i % together;
    Value tap = patch.offset(*layout.y.tap(k / layout.x.taps, 0),
                             *layout.x.tap(k % layout.x.taps, 0)),
          first = patch.offset(*layout.y.tap(0, 0), *layout.x.tap(0, 0));
    Value channel = kernel.mul(channelSize, kernel.constant(i / together));
    offsets.push_back(fixed(kernel.add(channel, kernel.sub(fixed(tap), fixed(first)))));
  }
  // One loop over rows and columns: the sums of a tile are many values to carry through each.
  Value positions = kernel.mul(arguments[3], width),
        gap = kernel.add(kernel.sub(pitch, width), one);
  auto image = [&](Value columns, Value patch, ValueRange start) {
    Values state(start);
    llvm::append_range(state, Values{columns, patch, none});
    return kernel.loop(none, positions, one, state, [&](Value, ValueRange old) {
      Value a = old[total], b = old[total + 1], column = kernel.add(old[total + 2], one);
      Values loaded, next;
      for (int64_t v = 0; v < count; ++v)
        loaded.push_back(vectors.load(vectors.step(a, v * vectors.lanes)));
      for (int64_t i = 0; i < mr; ++i) {
        Value factor = vectors.loadSplat(vectors.step(b, offsets[static_cast<size_t>(i)]));
        for (int64_t v = 0; v < count; ++v)
          next.push_back(vectors.multiplyAdd(factor, loaded[static_cast<size_t>(v)],
                                             old[static_cast<size_t>(i * count + v)]));
      }
      Value isLast = arith::CmpIOp::create(kernel.builder, kernel.loc, arith::CmpIPredicate::eq,
                                           column, width);
      auto select = [&](Value yes, Value no) -> Value {
        return arith::SelectOp::create(kernel.builder, kernel.loc, isLast, yes, no);
      };
      next.push_back(vectors.step(a, nr));
      next.push_back(vectors.step(b, select(gap, one)));
      next.push_back(select(none, column));
      return next;
    });
  };
  Values result(total, vectors.zero());
  if (plan.images() == 1) {
    result = image(arguments[0], arguments[1], result);
  } else {
    result = kernel.loop(none, arguments[4], one, result, [&](Value i, ValueRange state) {
      Values sums = image(vectors.step(arguments[0], kernel.mul(i, size(plan.rowsSize()))),
                          vectors.step(arguments[1], kernel.mul(i, size(plan.patchSize()))), state);
      sums.resize(total);
      return sums;
    });
  }
  // Those of other blocks are added at the end, which keeps chains of additions short.
  for (int64_t i = 0; i < mr; ++i) {
    const int64_t weight = i / together * layout.taps() + i % together;
    for (int64_t v = 0; v < count; ++v) {
      Value to = vectors.step(arguments[2], weight * plan.rowsPerBlock() + v * vectors.lanes);
      vectors.store(to, vectors.add(vectors.load(to), result[static_cast<size_t>(i * count + v)]));
    }
  }
}

void OuterProducts::stage(Value sums, Value m, Value e, Value staging) {
  Value rows = kernel.constant(plan.rowsPerBlock());
  transposeSquare(vectors.step(sums, kernel.add(kernel.mul(e, rows), m)), rows, staging,
                  kernel.constant(vectors.lanes));
}

} // namespace sinter::cpu::convolution
