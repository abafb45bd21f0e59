// SPDX-License-Identifier: Apache-2.0
// Convolution form where the result is y or x and lanes run along its channels: a tile multiplies
// vectors of weights by single elements of the source, which lies in padded planes. Its sums are
// turned, positions innermost, before what follows is applied to them.
#include "sinter/codegen/cpu/ConvolutionResult.h"
#include "sinter/codegen/forms/PanelPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu::convolution {

namespace {

class PanelEmitter : ResultEmitter {
public:
  explicit PanelEmitter(KernelFunction &kernel)
      : ResultEmitter(kernel), plan(layout, kernel.plan.schedule), lanes(vectors.lanes) {}

  void run() {
    table = kernel.workerScratch(0);
    patches = kernel.offsetBytes(table, number(plan.tableBytes()));
    panel = vectors.step(patches, plan.images() * plan.patchSize());
    area = vectors.step(panel, plan.panelSize());
    sums = vectors.step(area, plan.areas() * plan.areaSize());
    Patch patch(kernel, layout, source, patches, plan.blockRows());
    fillTable(patch, table);
    IndexMath indices(kernel.builder, kernel.loc, *kernel.env.sizes, 1);
    llvm::SmallVector<DimExpr> dims{ceilDiv(layout.batch, DimExpr(plan.images())), plan.groups,
                                    plan.blocks(), plan.rowBlocks()};
    kernel.loop(kernel.begin, kernel.end, number(1), {}, [&](Value unit, ValueRange) {
      llvm::SmallVector<LaneIndex> at = indices.delinearize(unit, dims);
      group = at[1].base;
      firstImage = kernel.mul(at[0].base, number(plan.images()));
      numImages =
          kernel.minimum(number(plan.images()), kernel.sub(kernel.size(layout.batch), firstImage));
      row = kernel.mul(at[2].base, number(plan.blockRows()));
      rows = kernel.minimum(number(plan.blockRows()), kernel.sub(number(plan.height), row));
      // The units of a block of positions follow each other.
      Value first = kernel.builder.createOrFold<arith::CmpIOp>(kernel.loc, arith::CmpIPredicate::eq,
                                                               unit, kernel.begin);
      Value fresh = kernel.builder.createOrFold<arith::OrIOp>(kernel.loc, first,
                                                              math.less(at[3].base, number(1)));
      ifThenElse(kernel, fresh, [&] { fillPatches(); });
      Value low = kernel.mul(at[3].base, number(plan.rowsPerBlock()));
      Value high = kernel.minimum(kernel.add(low, number(plan.rowsPerBlock())), number(plan.rows));
      kernel.loop(low, high, number(plan.panel()), {}, [&](Value strip, ValueRange) {
        stripOf(strip, high);
        return Values();
      });
      return Values();
    });
  }

private:
  Value number(int64_t value) { return kernel.constant(value); }
  void forEach(Value count, int64_t step, llvm::function_ref<void(Value)> body) {
    kernel.loop(number(0), count, step, {}, [&](Value at, ValueRange) {
      body(at);
      return Values();
    });
  }
  Value patchOf(Value image) {
    return vectors.step(patches, kernel.mul(image, number(plan.patchSize())));
  }
  /// Of the images that share tiles, numbered from the first ones on.
  Value areaOf(Value images) {
    return vectors.step(area, kernel.mul(images, number(plan.areaSize())));
  }

  void fillPatches() {
    forEach(numImages, 1, [&](Value image) {
      Patch patch(kernel, layout, source, patchOf(image), plan.blockRows());
      patch.fill({kernel.add(firstImage, image),
                  kernel.mul(group, number(plan.depth)),
                  {},
                  row,
                  rows,
                  number(0),
                  number(plan.depth)});
    });
  }

  /// The channels [strip, strip + panel) of the result, those below `end`, at all positions.
  void stripOf(Value strip, Value end) {
    // The last strip is moved up to end at the last channel: it computes some again, and stores
    // only its own.
    Value channel = kernel.minimum(strip, number(plan.rows - plan.panel()));
    const bool visitsOnce = plan.depthBlock() >= plan.depth;
    if (!visitsOnce)
      vectors.clear(area, number(0), number(plan.areas() * plan.areaSize()));
    forEach(number(plan.depth), plan.depthBlock(), [&](Value first) {
      Value count =
          kernel.minimum(number(plan.depthBlock()), kernel.sub(number(plan.depth), first));
      Value a = panel;
      if (plan.packs())
        pack(channel, first, count);
      else
        a = panelAt(strip, first);
      Value tiled =
          math.div(kernel.add(numImages, number(plan.tileImages() - 1)), plan.tileImages());
      forEach(tiled, 1, [&](Value images) {
        Value image = kernel.mul(images, number(plan.tileImages()));
        Value b = vectors.step(patchOf(image), kernel.mul(first, number(plan.channelSize)));
        tilesOf(a, b, areaOf(images), count);
      });
    });
    Value stop = kernel.minimum(end, kernel.add(channel, number(plan.panel())));
    forEach(numImages, 1, [&](Value image) {
      batch = kernel.add(firstImage, image);
      Value inTile =
          kernel.mul(math.rem(image, plan.tileImages()), number(plan.tileColumns() * plan.panel()));
      turn(vectors.step(areaOf(math.div(image, plan.tileImages())), inTile), sums);
      storePhase({sums, channel, number(plan.sumsStride()), {}}, number(0), strip, stop);
    });
  }

  // -- Weights ------------------------------------------------------------------------------------

  /// Where weights that lie in panels do so.
  Value panelAt(Value strip, Value first) {
    Value row = kernel.add(kernel.mul(group, number(plan.rows)), strip);
    Value at =
        kernel.add(kernel.mul(row, number(plan.depth)), kernel.mul(first, number(plan.panel())));
    return vectors.step(kernel.env.buffers.lookup(weights).pointer,
                        kernel.mul(at, number(plan.taps)));
  }

  /// Brings the weights of `count` channels of the source, from `first` on, into the panel.
  void pack(Value channel, Value first, Value count) {
    const int64_t taps = plan.taps, perChannel = (spreads ? plan.rows : plan.depth) * taps;
    const int64_t rowStride = spreads ? taps : perChannel,
                  depthStride = spreads ? perChannel : taps;
    Value start = kernel.mul(group, number(plan.rows * plan.depth * taps));
    start = kernel.add(start, kernel.add(kernel.mul(channel, number(rowStride)),
                                         kernel.mul(first, number(depthStride))));
    Value from = vectors.step(kernel.env.buffers.lookup(weights).pointer, start);
    // What lies side by side: all of them, or the taps of one channel of the source.
    Value stretches = spreads ? count : number(1);
    Value length = spreads ? number(taps) : kernel.mul(count, number(taps));
    forEach(stretches, 1, [&](Value s) {
      Value source = vectors.step(from, kernel.mul(s, number(depthStride)));
      Value target = vectors.step(panel, kernel.mul(s, number(taps * plan.panel())));
      forEach(number(plan.panel()), lanes, [&](Value m) {
        Value rowsOf = vectors.step(source, kernel.mul(m, number(rowStride)));
        Value to = vectors.step(target, m);
        kernel.vectorLoop(number(0), length, lanes, 1, {}, [&](Value at, Value mask, ValueRange) {
          Memory memory(kernel.builder, kernel.loc, lanes);
          Values square;
          for (int64_t i = 0; i < lanes; ++i)
            square.push_back(memory.loadVector(rowsOf, vectors.elementType,
                                               kernel.add(at, number(i * rowStride)), mask));
          transpose(square);
          Value out = vectors.step(to, kernel.mul(at, number(plan.panel())));
          for (auto [i, vector] : llvm::enumerate(square))
            vectors.store(vectors.step(out, static_cast<int64_t>(i) * plan.panel()), vector);
          return Values();
        });
      });
    });
  }

  // -- Products -----------------------------------------------------------------------------------

  void tilesOf(Value a, Value b, Value target, Value channels) {
    Value lines = math.div(kernel.add(rows, number(plan.tileRows() - 1)), plan.tileRows());
    forEach(lines, 1, [&](Value ty) {
      Value y = kernel.minimum(kernel.mul(ty, number(plan.tileRows())),
                               number(plan.blockRows() - plan.tileRows()));
      Value line = vectors.step(b, kernel.mul(y, number(plan.pitch)));
      forEach(number(plan.tilesX()), 1, [&](Value tx) {
        Value tile = kernel.add(kernel.mul(ty, number(plan.tilesX())), tx);
        Value arguments[] = {a, vectors.step(line, columnOf(tx)),
                             vectors.step(target, kernel.mul(tile, number(plan.tileSize()))),
                             kernel.offsetBytes(table, number(24)), // Of the taps' offsets.
                             channels};
        vectors.call("kernel_tile", arguments, [&](ValueRange inner) { multiply(inner); });
      });
    });
  }

  /// Of a tile's first position. The last tile of a row is moved up to end with it.
  Value columnOf(Value tx) {
    return kernel.minimum(kernel.mul(tx, number(plan.tileColumns())),
                          number(plan.width - plan.tileColumns()));
  }

  /// The sums of a tile over a block of channels, added to `target` unless they are all.
  void multiply(ValueRange arguments) {
    Value a = arguments[0], b = arguments[1], target = arguments[2], slots = arguments[3],
          channels = arguments[4];
    const int64_t count = plan.panel() / lanes, columns = plan.tileColumns();
    const int64_t positions = columns * plan.tileRows() * plan.tileImages();
    const int64_t lineStride = plan.tileImages() > 1 ? plan.patchSize() : plan.pitch;
    const bool visitsOnce = plan.depthBlock() >= plan.depth;
    Values carried;
    for (int64_t i = 0; i < positions * count; ++i)
      carried.push_back(visitsOnce ? vectors.zero()
                                   : vectors.load(vectors.step(target, i * lanes)));
    const size_t total = carried.size();
    auto step = [&](Value a, Value b, ValueRange old) {
      Values loaded, next;
      for (int64_t v = 0; v < count; ++v)
        loaded.push_back(vectors.load(vectors.step(a, v * lanes)));
      for (int64_t p = 0; p < positions; ++p) {
        Value factor = vectors.loadSplat(vectors.step(b, p / columns * lineStride + p % columns));
        for (int64_t v = 0; v < count; ++v)
          next.push_back(vectors.multiplyAdd(factor, loaded[static_cast<size_t>(v)],
                                             old[static_cast<size_t>(p * count + v)]));
      }
      return next;
    };
    carried.push_back(a);
    carried.push_back(b);
    Values result =
        kernel.loop(number(0), channels, number(1), carried, [&](Value, ValueRange state) {
          Value a = state[total], b = state[total + 1];
          Values next =
              kernel.loop(number(0), number(plan.taps), 1, state.take_front(total),
                          [&](Value t, ValueRange now) {
                            Value offset = vectors.loadWord(slots, kernel.mul(t, number(2)));
                            return step(vectors.step(a, kernel.mul(t, number(plan.panel()))),
                                        vectors.step(b, offset), now);
                          });
          next.push_back(vectors.step(a, plan.taps * plan.panel()));
          next.push_back(vectors.step(b, plan.channelSize));
          return next;
        });
    for (size_t i = 0; i < total; ++i)
      vectors.store(vectors.step(target, static_cast<int64_t>(i) * lanes), result[i]);
  }

  // -- Sums ---------------------------------------------------------------------------------------

  /// Of an image: from tiles to rows of positions, channel by channel.
  void turn(Value from, Value to) {
    const int64_t columns = plan.tileColumns(), tileRows = plan.tileRows(), size = plan.panel();
    forEach(rows, 1, [&](Value r) {
      Value ty = math.div(r, tileRows);
      Value y =
          kernel.minimum(kernel.mul(ty, number(tileRows)), number(plan.blockRows() - tileRows));
      Value line = vectors.step(to, kernel.mul(r, number(plan.pitch)));
      Value inTile = kernel.mul(kernel.sub(r, y), number(columns * size));
      // What runs over the end of a tile is written again by the next one, or the next row.
      forEach(number(plan.tilesX()), 1, [&](Value tx) {
        Value tile = kernel.add(kernel.mul(ty, number(plan.tilesX())), tx);
        Value at = kernel.add(kernel.mul(tile, number(plan.tileSize())), inTile);
        Value source = vectors.step(from, at), target = vectors.step(line, columnOf(tx));
        forEach(number(size), lanes, [&](Value m) {
          for (int64_t p = 0; p < columns; p += lanes) {
            Values square;
            for (int64_t i = 0; i < lanes; ++i)
              square.push_back(p + i < columns ? vectors.load(vectors.step(vectors.step(source, m),
                                                                           (p + i) * size))
                                               : vectors.zero());
            transpose(square);
            Value out = vectors.step(target, kernel.mul(m, number(plan.sumsStride())));
            for (int64_t i = 0; i < lanes; ++i)
              vectors.store(vectors.step(out, i * plan.sumsStride() + p),
                            square[static_cast<size_t>(i)]);
          }
        });
      });
    });
  }

  /// A square of vectors, by shuffling the two halves of it into each other again and again.
  void transpose(Values &square) {
    for (int64_t done = 1; done < lanes; done *= 2) {
      Values next;
      for (int64_t i = 0; i < lanes / 2; ++i)
        for (bool high : {false, true})
          next.push_back(vectors.interleave(square[static_cast<size_t>(i)],
                                            square[static_cast<size_t>(i + lanes / 2)], high));
      square = next;
    }
  }

  const PanelPlan plan;
  const int64_t lanes;
  Value table, patches, panel, area, sums;
  // Of the unit.
  Value firstImage, numImages;
};

} // namespace

void emitConvolutionPanels(KernelFunction &kernel) { PanelEmitter(kernel).run(); }

} // namespace sinter::cpu::convolution
