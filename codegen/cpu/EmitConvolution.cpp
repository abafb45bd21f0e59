// SPDX-License-Identifier: Apache-2.0
// Convolution form where the result is y or x: the source is copied once into padded planes, so
// that a tap of all positions of a block is one stretch of memory, which the loop over taps and
// channels multiplies by the weights as they lie. What follows is applied to the sums while they
// are in the first-level cache.
#include "sinter/codegen/cpu/ConvolutionResult.h"
#include "sinter/codegen/forms/ConvolutionPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

using namespace convolution;

namespace {

/// What one call of the tile's function gets.
struct Tile {
  Value a, b, target, table, taps, channels, rowStride, channelStride, planeStride, targetStride,
      rows; ///< Channels of the result.
};

class Emitter : ResultEmitter {
public:
  explicit Emitter(KernelFunction &kernel)
      : ResultEmitter(kernel), plan(layout, kernel.plan.schedule),
        mr(kernel.plan.schedule.tiles.mr), nr(kernel.plan.schedule.tiles.nr) {}

  void run() {
    Value scratch = kernel.workerScratch(0);
    table = scratch;
    patchPointer = kernel.offsetBytes(scratch, kernel.size(plan.patchOffset()));
    sums = kernel.offsetBytes(scratch, kernel.size(plan.sumsOffset()));
    Patch patch(kernel, layout, source, patchPointer, plan.blockRows());
    planeStride = patch.channelSize();
    fillTable(patch, table);
    const DimExpr blocks = ceilDiv(layout.y.positions(), plan.blockRows());
    llvm::SmallVector<DimExpr> dims{layout.batch, layout.groups};
    for (const ConvolutionAxis &axis : layout.leading)
      dims.push_back(axis.result);
    dims.push_back(blocks);
    dims.push_back(plan.rowBlocks());
    IndexMath indices(kernel.builder, kernel.loc, *kernel.env.sizes, 1);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      llvm::SmallVector<LaneIndex> at = indices.delinearize(unit, dims);
      batch = at[0].base;
      group = at[1].base;
      leading.clear();
      for (size_t i = 2; i + 2 < at.size(); ++i)
        leading.push_back(at[i].base);
      Value block = at[at.size() - 2].base, rowBlock = at.back().base;
      row = kernel.mul(block, kernel.size(plan.blockRows()));
      rows = kernel.minimum(kernel.size(plan.blockRows()),
                            kernel.sub(kernel.size(layout.y.positions()), row));
      // The units of a block follow each other.
      Value first = kernel.builder.createOrFold<arith::CmpIOp>(kernel.loc, arith::CmpIPredicate::eq,
                                                               unit, kernel.begin);
      Value fresh = kernel.builder.createOrFold<arith::OrIOp>(
          kernel.loc, first, math.less(rowBlock, kernel.constant(1)));
      ifThenElse(kernel, fresh, [&] {
        const DimExpr &channels = spreads ? layout.outputs : layout.inputs;
        patch.fill({batch, kernel.mul(group, kernel.size(channels)), leading, row, rows,
                    kernel.constant(0), kernel.size(layout.depth())});
      });
      Value wanted = kernel.mul(rowBlock, kernel.constant(plan.rowsPerBlock()));
      Value end = kernel.minimum(kernel.add(wanted, kernel.constant(plan.rowsPerBlock())),
                                 kernel.size(plan.resultRows()));
      kernel.loop(wanted, end, kernel.constant(mr), {}, [&](Value strip, ValueRange) {
        stripOf(strip, end);
        return Values();
      });
      return Values();
    });
  }

private:
  /// The channels [strip, strip + mr) of the result at all positions of the block.
  void stripOf(Value strip, Value end) {
    // The last strip is moved up to end at the last channel: it computes some again, and stores
    // only its own.
    Value resultRows = kernel.size(plan.resultRows());
    Value last = kernel.sub(resultRows, kernel.constant(mr));
    Value channel = math.max(kernel.constant(0), kernel.minimum(strip, last));
    const DimExpr taps(layout.taps() * layout.leadingTaps());
    const DimExpr perOutput = layout.inputs * taps;
    Tile tile;
    tile.rowStride = kernel.size(spreads ? taps : perOutput);
    tile.channelStride = kernel.size(spreads ? perOutput : DimExpr(layout.taps()));
    tile.planeStride = planeStride;
    tile.channels = kernel.size(spreads ? layout.outputs : layout.depth());
    tile.targetStride = kernel.size(plan.stripSize());
    tile.rows = resultRows;
    Value firstOutput = kernel.mul(group, kernel.size(layout.outputs));
    Value a = vectors.step(
        kernel.env.buffers.lookup(weights).pointer,
        kernel.add(kernel.mul(spreads ? firstOutput : kernel.add(firstOutput, channel),
                              kernel.size(perOutput)),
                   spreads ? kernel.mul(channel, tile.rowStride) : kernel.constant(0)));
    tile.a = a;
    Value span =
        kernel.add(kernel.mul(kernel.sub(rows, kernel.constant(1)), kernel.size(layout.pitch())),
                   kernel.size(layout.x.positions()));
    const int64_t together = plan.joinsPhases() ? 2 : 1;
    Value none = kernel.constant(0);
    kernel.loop(none, kernel.constant(layout.phases() / together), 1, {},
                [&](Value number, ValueRange) {
                  Value first = kernel.mul(number, kernel.constant(together));
                  kernel.loop(none, kernel.constant(together), 1, {}, [&](Value other, ValueRange) {
                    tilesOf(tile, kernel.add(first, other), span,
                            vectors.step(sums, kernel.mul(other, areaSize())));
                    return Values();
                  });
                  Value stop = kernel.minimum(end, kernel.add(channel, kernel.constant(mr)));
                  storePhase({sums, channel, kernel.size(plan.stripSize()), areaSize()}, first,
                             strip, stop);
                  return Values();
                });
  }

  /// Elements of the sums of one phase.
  Value areaSize() { return kernel.size(plan.stripSize() * DimExpr(mr)); }

  void tilesOf(Tile tile, Value phase, Value span, Value area) {
    if (layout.phases() == 1) {
      tile.table = kernel.offsetBytes(table, kernel.constant(16));
      tile.taps = kernel.constant(layout.taps());
    } else {
      Value slot = kernel.mul(phase, kernel.constant(2));
      Value begin = vectors.loadWord(table, slot);
      tile.table = kernel.offsetBytes(table, kernel.mul(begin, kernel.constant(8)));
      tile.taps = vectors.loadWord(table, kernel.add(slot, kernel.constant(1)));
    }
    kernel.loop(kernel.constant(0), span, kernel.constant(nr), {}, [&](Value column, ValueRange) {
      Tile here = tile;
      here.b = vectors.step(patchPointer, column);
      here.target = vectors.step(area, column);
      callTile(here);
      return Values();
    });
  }

  void callTile(const Tile &tile) {
    Value arguments[] = {
        tile.a,        tile.b,         tile.target,        tile.table,       tile.taps,
        tile.channels, tile.rowStride, tile.channelStride, tile.planeStride, tile.targetStride,
        tile.rows};
    auto call = [&](const char *name, bool hasAll) {
      vectors.call(name, arguments, [&](ValueRange inner) {
        multiply({inner[0], inner[1], inner[2], inner[3], inner[4], inner[5], inner[6], inner[7],
                  inner[8], inner[9], inner[10]},
                 hasAll);
      });
    };
    // A result whose channels are not known may have fewer than a tile.
    ifThenElse(
        kernel, math.less(tile.rows, kernel.constant(mr)), [&] { call("kernel_few", false); },
        [&] { call("kernel_tile", true); });
  }

  /// mr x nr sums in registers, over all channels and taps. Unless the result `hasAll` mr channels,
  /// those that it has not are its last one again.
  void multiply(const Tile &tile, bool hasAll) {
    Values rowOffsets;
    for (int64_t i = 0; i < mr; ++i) {
      Value row = kernel.constant(i);
      if (!hasAll)
        row = kernel.minimum(row, kernel.sub(tile.rows, kernel.constant(1)));
      rowOffsets.push_back(kernel.mul(tile.rowStride, row));
    }
    const int64_t count = nr / vectors.lanes;
    auto total = static_cast<size_t>(mr * count);
    Values carried(total, vectors.zero());
    carried.push_back(tile.a);
    carried.push_back(tile.b);
    Value none = kernel.constant(0);
    // Without a table where there is one tap, which is the first.
    const bool oneTap = layout.taps() == 1 && layout.phases() == 1;
    auto step = [&](Value a, Value b, ValueRange old) {
      Values next;
      Values columns;
      for (int64_t v = 0; v < count; ++v)
        columns.push_back(vectors.load(vectors.step(b, v * vectors.lanes)));
      for (int64_t i = 0; i < mr; ++i) {
        Value factor = vectors.loadSplat(vectors.step(a, rowOffsets[static_cast<size_t>(i)]));
        for (int64_t v = 0; v < count; ++v)
          next.push_back(vectors.multiplyAdd(factor, columns[static_cast<size_t>(v)],
                                             old[static_cast<size_t>(i * count + v)]));
      }
      return next;
    };
    auto taps = [&](Value a, Value b, ValueRange old) {
      if (oneTap)
        return step(a, b, old);
      return kernel.loop(none, tile.taps, 1, old, [&](Value t, ValueRange state) {
        Value slot = kernel.mul(t, kernel.constant(2));
        Value atA = vectors.loadWord(tile.table, slot);
        Value atB = vectors.loadWord(tile.table, kernel.add(slot, kernel.constant(1)));
        return step(vectors.step(a, atA), vectors.step(b, atB), state);
      });
    };
    // Where x is the result, taps of the leading axes lie apart from the channels.
    const int64_t inner = spreads ? layout.leadingTaps() : 1;
    Values result = kernel.loop(none, tile.channels, 1, carried, [&](Value, ValueRange state) {
      Value a = state[total], b = state[total + 1];
      Values next(state.take_front(total));
      next.push_back(b);
      next = kernel.loop(none, kernel.constant(inner), 1, next, [&](Value k, ValueRange now) {
        Value at = vectors.step(a, kernel.mul(k, kernel.constant(layout.taps())));
        Values after = taps(at, now[total], now.take_front(total));
        after.push_back(vectors.step(now[total], tile.planeStride));
        return after;
      });
      next.insert(next.begin() + static_cast<int64_t>(total), vectors.step(a, tile.channelStride));
      return next;
    });
    for (int64_t i = 0; i < mr; ++i)
      for (int64_t v = 0; v < count; ++v)
        vectors.store(
            vectors.step(tile.target, kernel.add(kernel.mul(tile.targetStride, kernel.constant(i)),
                                                 kernel.constant(v * vectors.lanes))),
            result[static_cast<size_t>(i * count + v)]);
  }

  const ConvolutionPlan plan;
  const int64_t mr, nr;
  Value table, patchPointer, sums, planeStride;
};

} // namespace

void emitConvolution(KernelFunction &kernel, unsigned stage) {
  if (kernel.plan.schedule.winograd != 0)
    return emitWinograd(kernel, stage);
  if (cast<ir::ConvolutionOp>(kernel.plan.analysis.anchors.front()).makesW())
    return emitConvolutionWeight(kernel, stage);
  if (kernel.plan.schedule.block > 0)
    return emitDirectConvolution(kernel);
  if (kernel.plan.schedule.tiles.panel != 0)
    return emitConvolutionPanels(kernel);
  Emitter(kernel).run();
}

} // namespace sinter::cpu
