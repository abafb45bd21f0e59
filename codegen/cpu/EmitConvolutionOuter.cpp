// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ConvolutionEmit.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu::convolution {

OuterProducts::OuterProducts(KernelFunction &kernel, const ConvolutionLayout &layout,
                             const ConvolutionPlan &plan)
    : kernel(kernel), layout(layout), plan(plan), op(layout.op),
      vectors(kernel, op.getType().getElementType()), mr(kernel.plan.schedule.tiles.mr),
      nr(kernel.plan.schedule.tiles.nr) {}

void OuterProducts::fillTable(Patch &patch, Value table) {
  const int64_t together = plan.tapsPerTile();
  for (int64_t k = 0; k < layout.taps(); k += together)
    vectors.storeWord(
        table, kernel.constant(k / together),
        patch.offset(*layout.y.tap(k / layout.x.taps, 0), *layout.x.tap(k % layout.x.taps, 0)));
}

void OuterProducts::transpose(Values &rows) {
  const int64_t lanes = vectors.lanes;
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    llvm::SmallVector<int64_t> upper, lower;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const bool second = (lane & half) != 0;
      upper.push_back(second ? lanes + lane - half : lane);
      lower.push_back(second ? lanes + lane : lane + half);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if ((i & half) != 0)
        continue;
      Value &a = rows[static_cast<size_t>(i)], &b = rows[static_cast<size_t>(i + half)];
      Value first = vector::ShuffleOp::create(kernel.builder, kernel.loc, a, b, upper);
      b = vector::ShuffleOp::create(kernel.builder, kernel.loc, a, b, lower);
      a = first;
    }
  }
}

void OuterProducts::fillColumns(const PatchPart &part, Value pointer) {
  const int64_t lanes = vectors.lanes;
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, lanes);
  Value none = kernel.constant(0), columns = kernel.size(layout.x.positions());
  Value last = kernel.sub(part.channels, kernel.constant(1));
  Value tileSize = kernel.mul(kernel.size(plan.rowSize()), kernel.constant(nr));
  kernel.loop(none, part.channels, kernel.constant(lanes), {}, [&](Value m, ValueRange) {
    Arithmetic math{kernel};
    Value target =
        vectors.step(vectors.step(pointer, kernel.mul(math.div(m, nr), tileSize)), math.rem(m, nr));
    // Channels that there are not are the last one again.
    Values channels;
    for (int64_t i = 0; i < lanes; ++i)
      channels.push_back(kernel.add(kernel.add(part.channel, part.first),
                                    kernel.minimum(kernel.add(m, kernel.constant(i)), last)));
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
        Values loaded;
        for (Value channel : channels) {
          ElementEmitter::Scope scope(emitter);
          emitter.setMask(mask);
          at[1] = {channel, 0, {}};
          at.back() = {x, 1, {}};
          loaded.push_back(emitter.memory().asVector(emitter.emit(op.getRhs(), at)));
        }
        transpose(loaded);
        Value first = vectors.step(to, kernel.mul(x, kernel.constant(nr)));
        for (auto [i, vector] : llvm::enumerate(loaded))
          vectors.store(vectors.step(first, static_cast<int64_t>(i) * nr), vector);
        return Values();
      });
      return Values();
    });
    return Values();
  });
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
        Value arguments[] = {columns, vectors.step(planes, vectors.loadWord(block.table, g)),
                             vectors.step(block.sums, kernel.add(kernel.mul(weight, sumsRow), m)),
                             block.rows, block.images};
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
  auto image = [&](Value columns, Value patch, ValueRange start) {
    Values state(start);
    state.push_back(columns);
    state.push_back(patch);
    return kernel.loop(none, arguments[3], one, state, [&](Value, ValueRange row) {
      Values after = kernel.loop(none, width, one, row, [&](Value, ValueRange old) {
        Value a = old[total], b = old[total + 1];
        Values loaded, next;
        for (int64_t v = 0; v < count; ++v)
          loaded.push_back(vectors.load(vectors.step(a, v * vectors.lanes)));
        for (int64_t i = 0; i < mr; ++i) {
          Value factor = vectors.loadSplat(vectors.step(b, offsets[static_cast<size_t>(i)]));
          for (int64_t v = 0; v < count; ++v)
            next.push_back(vectors.multiplyAdd(factor, loaded[static_cast<size_t>(v)],
                                               old[static_cast<size_t>(i * count + v)]));
        }
        next.push_back(vectors.step(a, nr));
        next.push_back(vectors.step(b, one));
        return next;
      });
      after.back() = vectors.step(row.back(), pitch);
      return after;
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
  Values loaded;
  Value from =
      vectors.step(sums, kernel.add(kernel.mul(e, kernel.constant(plan.rowsPerBlock())), m));
  for (int64_t i = 0; i < vectors.lanes; ++i)
    loaded.push_back(vectors.load(vectors.step(from, i * plan.rowsPerBlock())));
  transpose(loaded);
  for (auto [i, vector] : llvm::enumerate(loaded))
    vectors.store(vectors.step(staging, static_cast<int64_t>(i) * vectors.lanes), vector);
}

} // namespace sinter::cpu::convolution
