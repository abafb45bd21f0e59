// SPDX-License-Identifier: Apache-2.0
// Convolution form where the result is y or x and lanes run along its channels: a tile multiplies
// vectors of weights by single elements of the source, which lies in padded planes. Its sums are
// turned, positions innermost, before what follows is applied to them: as soon as the tile is
// complete where that pays.
#include "sinter/codegen/cpu/ConvolutionResult.h"
#include "sinter/codegen/cpu/PanelTile.h"
#include "sinter/codegen/forms/Region.h"

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
      : ResultEmitter(kernel), plan(layout, kernel.plan.schedule), lanes(vectors.lanes),
        ofPhases(tapsOfPhases(layout)),
        sameTaps(
            llvm::all_equal(llvm::map_range(ofPhases, [](auto &taps) { return taps.size(); }))),
        registerTile(vectors, plan) {}

  void run() {
    table = kernel.workerScratch(0);
    patches = kernel.offsetBytes(table, number(plan.tableBytes()));
    panel = vectors.step(patches, plan.images() * plan.patchSize());
    area = vectors.step(panel, plan.panelSize());
    sums = vectors.step(area, plan.areas() * plan.areaSize());
    if (plan.readsSource()) {
      fillOffsets();
    } else {
      Patch patch(kernel, layout, source, patches, plan.blockRows());
      fillTable(patch, table);
    }
    fillSteps();
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
      if (asksForSource())
        nextSource =
            sourceOf(indices.delinearize(kernel.add(unit, number(plan.rowBlocks())), dims));
      rows = kernel.minimum(number(plan.blockRows()), kernel.sub(number(plan.height), row));
      // The units of a block of positions follow each other.
      Value first = kernel.builder.createOrFold<arith::CmpIOp>(kernel.loc, arith::CmpIPredicate::eq,
                                                               unit, kernel.begin);
      Value fresh = kernel.builder.createOrFold<arith::OrIOp>(kernel.loc, first,
                                                              math.less(at[3].base, number(1)));
      if (!plan.readsSource())
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
  /// What the block's first position of an image reads of channel `first`.
  Value sourceAt(Value image, Value first) {
    if (!plan.readsSource())
      return vectors.step(patchOf(image), kernel.mul(first, number(plan.channelSize)));
    Value plane = kernel.mul(kernel.add(firstImage, image), number(plan.groups));
    plane = kernel.mul(kernel.add(plane, group), number(plan.depth));
    Value at = kernel.mul(kernel.add(plane, first), number(plan.sourceSize()));
    return vectors.step(kernel.env.buffers.lookup(source).pointer,
                        kernel.add(at, kernel.mul(row, number(plan.rowStep()))));
  }
  /// Where taps read the source.
  void fillOffsets() {
    const TapAxis &y = plan.tapsY, &x = plan.tapsX;
    for (int64_t k = 0; k < plan.taps; ++k) {
      const int64_t inRow = x.start() + k % x.taps * x.tapStep(),
                    rowOf = y.start() + k / x.taps * y.tapStep();
      vectors.storeWord(table, number(2 * k + 3), number(rowOf * x.source + inRow));
    }
  }
  /// Of the images that share tiles, numbered from the first ones on, and of a phase of a step.
  Value areaOf(Value images, Value phase) {
    if (!plan.keepsSums())
      return this->area;
    Value area = kernel.add(kernel.mul(images, number(plan.together)), phase);
    return vectors.step(this->area, kernel.mul(area, number(plan.areaSize())));
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
    Value stop = kernel.minimum(end, kernel.add(channel, number(plan.panel())));
    if (plan.packs() && plan.visitsOnce())
      pack(channel, number(0), number(plan.depth));
    forEach(number(plan.steps()), 1, [&](Value step) {
      productsOf({strip, channel, stop}, step);
      if (plan.finishesTiles())
        return;
      forEach(numImages, 1, [&](Value image) {
        batch = kernel.add(firstImage, image);
        Value inTile = kernel.mul(math.rem(image, plan.tileImages()),
                                  number(plan.tileColumns() * plan.panel()));
        const int64_t sumsSize = plan.panel() * plan.sumsStride();
        forEach(number(plan.together), 1, [&](Value phase) {
          turn(vectors.step(areaOf(math.div(image, plan.tileImages()), phase), inTile),
               vectors.step(sums, kernel.mul(phase, number(sumsSize))));
        });
        storePhase({sums, channel, number(plan.sumsStride()), number(sumsSize)},
                   kernel.mul(step, number(plan.together)), strip, stop);
      });
    });
  }

  /// Channels [channel, channel + panel) of the result, of which [first, last) are stored.
  struct Strip {
    Value first, channel, last;
  };

  /// The sums of a step, in areas, or its results.
  void productsOf(const Strip &strip, Value step) {
    if (!plan.visitsOnce())
      vectors.clear(area, number(0), number(plan.areas() * plan.areaSize()));
    const Taps all = tapsOfStep(step);
    forEach(number(plan.depth), plan.depthBlock(), [&](Value first) {
      Value count =
          kernel.minimum(number(plan.depthBlock()), kernel.sub(number(plan.depth), first));
      if (plan.packs() && !plan.visitsOnce())
        pack(strip.channel, first, count);
      Value a =
          plan.packs()
              ? vectors.step(panel, kernel.mul(all.begin, number(plan.depthBlock() * plan.panel())))
              : panelAt(strip.first, first, all);
      Value tiled =
          math.div(kernel.add(numImages, number(plan.tileImages() - 1)), plan.tileImages());
      forEach(tiled, 1, [&](Value images) {
        Value image = kernel.mul(images, number(plan.tileImages()));
        Value b = sourceAt(image, first);
        forEach(number(plan.together), 1, [&](Value inStep) {
          Value phase = kernel.add(kernel.mul(step, number(plan.together)), inStep);
          const Taps taps = tapsOfPhase(phase, step, all);
          Value weights =
              vectors.step(a, kernel.mul(kernel.sub(taps.begin, all.begin), number(plan.panel())));
          Value isLast =
              math.less(kernel.sub(number(plan.depth - 1), first), number(plan.depthBlock()));
          Values source;
          if (asksForSource())
            source.push_back(vectors.step(
                nextSource,
                kernel.mul(kernel.add(kernel.mul(image, number(plan.groups * plan.depth)), first),
                           number(planeElements()))));
          tilesOf({.weights = weights,
                   .taps = taps.count,
                   .perChannel = all.count,
                   .next = vectors.step(
                       a, kernel.mul(kernel.mul(count, all.count), number(plan.panel()))),
                   .tilesBefore = kernel.mul(images, number(plan.tilesX() * plan.tilesY()))},
                  b, source, areaOf(images, inStep), slotsOf(phase), count,
                  [&](const Tile &tile, llvm::function_ref<void()> compute) {
                    auto lines = [&](bool areComplete) {
                      if (!plan.finishesTiles())
                        return;
                      auto each = [&] { linesOf(strip, image, tile, areComplete); };
                      plan.visitsOnce() ? each() : ifThenElse(kernel, isLast, each);
                    };
                    lines(false);
                    compute();
                    lines(true);
                  });
        });
      });
    });
  }

  // -- Phases -------------------------------------------------------------------------------------

  /// Taps of a phase or step, of all in order of phases.
  struct Taps {
    Value begin, count;
  };

  // Behind the taps' offsets in the table: [begin, count] of each step, then for every tap where
  // its vector lies in the panel, and how far that is from one channel to the next.
  int64_t stepsOffset() const { return 2 * (plan.phases + plan.taps); }
  int64_t placesOffset() const { return stepsOffset() + 2 * plan.steps(); }
  Value word(int64_t offset, Value pair, int64_t which) {
    return vectors.loadWord(table, kernel.add(kernel.mul(pair, number(2)), number(offset + which)));
  }

  void fillSteps() {
    if (plan.phases == 1)
      return;
    auto write = [&](int64_t at, int64_t first, int64_t second) {
      vectors.storeWord(table, number(at), number(first));
      vectors.storeWord(table, number(at + 1), number(second));
    };
    int64_t begin = 0;
    for (int64_t step = 0; step < plan.steps(); ++step) {
      llvm::SmallVector<int64_t> taps;
      for (int64_t k = 0; k < plan.together; ++k)
        llvm::append_range(taps, ofPhases[static_cast<size_t>(step * plan.together + k)]);
      const auto count = static_cast<int64_t>(taps.size());
      for (auto [rank, tap] : llvm::enumerate(taps))
        write(placesOffset() + 2 * tap, begin * plan.depthBlock() + static_cast<int64_t>(rank),
              count);
      write(stepsOffset() + 2 * step, begin, count);
      begin += count;
    }
    // What only fills a square goes behind the panel.
    for (int64_t tap = plan.taps; tap < roundUp(plan.taps, lanes); ++tap)
      write(placesOffset() + 2 * tap, plan.taps * plan.depthBlock(), 0);
  }

  Taps tapsOfStep(Value step) {
    if (!sameTaps)
      return {word(stepsOffset(), step, 0), word(stepsOffset(), step, 1)};
    Value count = number(plan.taps / plan.steps());
    return {kernel.mul(step, count), count};
  }

  Taps tapsOfPhase(Value phase, Value step, const Taps &ofStep) {
    if (sameTaps) {
      Value count = number(plan.taps / plan.phases);
      return {kernel.mul(phase, count), count};
    }
    // The first phase of a step begins with it; one without taps has no place in the table.
    Value count = vectors.loadWord(table, kernel.add(kernel.mul(phase, number(2)), number(1)));
    if (plan.together == 1)
      return {ofStep.begin, count};
    Value isFirst = math.less(phase, kernel.add(kernel.mul(step, number(2)), number(1)));
    Value last = kernel.sub(kernel.add(ofStep.begin, ofStep.count), count);
    return {arith::SelectOp::create(kernel.builder, kernel.loc, isFirst, ofStep.begin, last),
            count};
  }

  /// The first tap's offset into the patch; every second word is one.
  Value slotsOf(Value phase) {
    Value first =
        plan.phases == 1 ? number(2) : vectors.loadWord(table, kernel.mul(phase, number(2)));
    return kernel.offsetBytes(table, kernel.add(kernel.mul(first, number(8)), number(8)));
  }

  // -- Weights ------------------------------------------------------------------------------------

  /// Where weights that lie in panels do so.
  Value panelAt(Value strip, Value first, const Taps &step) {
    Value row = kernel.add(kernel.mul(group, number(plan.rows)), strip);
    Value at = kernel.mul(row, number(plan.depth * plan.taps));
    Value inStrip =
        kernel.add(kernel.mul(step.begin, number(plan.depth)), kernel.mul(first, step.count));
    return vectors.step(kernel.env.buffers.lookup(weights).pointer,
                        kernel.add(at, kernel.mul(inStrip, number(plan.panel()))));
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
      forEach(number(plan.panel()), lanes, [&](Value m) {
        Value rowsOf = vectors.step(source, kernel.mul(m, number(rowStride)));
        Value to = vectors.step(panel, m);
        kernel.vectorLoop(number(0), length, lanes, 1, {}, [&](Value at, Value mask, ValueRange) {
          Memory memory(kernel.builder, kernel.loc, lanes);
          Values square;
          for (int64_t i = 0; i < lanes; ++i)
            square.push_back(memory.loadVector(rowsOf, vectors.elementType,
                                               kernel.add(at, number(i * rowStride)), mask));
          for (auto [i, vector] : llvm::enumerate(vectors.transpose(square))) {
            Value tap = kernel.add(at, number(static_cast<int64_t>(i)));
            Value place = kernel.mul(placeOf(tap, s), number(plan.panel()));
            vectors.store(vectors.step(to, place), vector);
          }
          return Values();
        });
      });
    });
  }

  /// The vector of the panel where a tap's weights of a channel go.
  Value placeOf(Value tap, Value channel) {
    if (plan.phases == 1)
      return kernel.add(kernel.mul(channel, number(plan.taps)), tap);
    return kernel.add(word(placesOffset(), tap, 0),
                      kernel.mul(channel, word(placesOffset(), tap, 1)));
  }

  // -- Products -----------------------------------------------------------------------------------

  /// The weights of a phase.
  struct Factors {
    Value weights, taps, perChannel; ///< Taps of the phase, and from one channel to the next.
    Value next;                      ///< What follows the panel in memory.
    Value tilesBefore;               ///< That were computed with this panel.
  };

  /// Where the sums of a tile are, the number of its first line of tiles and its first position.
  struct Tile {
    Value sums, lines, x, row, column;
  };

  void tilesOf(const Factors &a, Value b, const Values &source, Value target, Value slots,
               Value channels,
               llvm::function_ref<void(const Tile &, llvm::function_ref<void()>)> complete) {
    Value lines = math.div(kernel.add(rows, number(plan.tileRows() - 1)), plan.tileRows());
    forEach(lines, 1, [&](Value ty) {
      Value y = kernel.minimum(kernel.mul(ty, number(plan.tileRows())),
                               number(plan.blockRows() - plan.tileRows()));
      Value line = vectors.step(b, kernel.mul(y, number(plan.rowStep())));
      PanelTile::Operands ofLine;
      ofLine.weights = a.weights;
      ofLine.taps = a.taps;
      ofLine.perChannel = a.perChannel;
      ofLine.slots = slots;
      ofLine.channels = channels;
      registerTile.leaveOut(ofLine, kernel.add(row, y));
      forEach(number(plan.tilesX()), 1, [&](Value tx) {
        Value tile = kernel.add(kernel.mul(ty, number(plan.tilesX())), tx);
        Value sums = plan.keepsSums()
                         ? vectors.step(target, kernel.mul(tile, number(plan.tileSize())))
                         : target;
        Value column = columnOf(tx);
        complete({sums, ty, tx, y, column}, [&] {
          PanelTile::Operands operands = ofLine;
          operands.source = vectors.step(line, kernel.mul(column, number(plan.columnStep())));
          operands.sums = sums;
          llvm::SmallVector<PanelTile::Share> shares;
          if (!plan.packs()) {
            const int64_t tiles = plan.tilesX() * plan.tilesY() * plan.images() / plan.tileImages();
            PanelTile::Share share(plan.mostTaps * plan.panel() / lanes, tiles);
            // Channel by channel, the share of a tile lies together.
            Value number = kernel.add(a.tilesBefore, tile);
            share.from =
                vectors.step(a.next, kernel.mul(share.begin(kernel, number),
                                                kernel.mul(channels, this->number(lanes))));
            share.step = share.lines * lanes;
            shares.push_back(share);
          }
          for (Value next : source) {
            PanelTile::Share share(ceilDivide(sourceRows() * *layout.x.source.constant(), lanes),
                                   plan.tilesX() * plan.tilesY());
            share.from = vectors.step(next, kernel.mul(share.begin(kernel, tile), number(lanes)));
            share.step = planeElements();
            shares.push_back(share);
          }
          registerTile.call(operands, shares, tx);
        });
      });
    });
  }

  /// Whether the patches that follow are parts of planes, which lie apart.
  bool asksForSource() const {
    auto buffer = kernel.env.buffers.find(source);
    return plan.blocks() > 1 && buffer != kernel.env.buffers.end() &&
           buffer->second.elementType == vectors.elementType && layout.y.source.isConstant() &&
           layout.x.source.isConstant();
  }
  int64_t planeElements() const {
    return *layout.y.source.constant() * *layout.x.source.constant();
  }
  /// Of a plane that a block reads.
  int64_t sourceRows() const {
    const ConvolutionAxis &y = layout.y;
    return std::min(*y.source.constant(),
                    (plan.blockRows() - 1) * y.sourceStep() + y.reach() * y.sourceStep() + 1);
  }
  /// What the unit at `at` reads first.
  Value sourceOf(llvm::ArrayRef<LaneIndex> at) {
    Value image = kernel.mul(at[0].base, number(plan.images()));
    Value plane = kernel.mul(kernel.add(kernel.mul(image, number(plan.groups)), at[1].base),
                             number(plan.depth));
    Value first =
        kernel.add(kernel.mul(at[2].base, number(plan.blockRows() * layout.y.sourceStep())),
                   kernel.size(layout.y.sourceOffset(0)));
    Value row = math.max(number(0), first);
    Value offset = kernel.add(kernel.mul(plane, number(planeElements())),
                              kernel.mul(row, kernel.size(layout.x.source)));
    return vectors.step(kernel.env.buffers.lookup(source).pointer, offset);
  }

  /// Of a tile's first position. The last tile of a row is moved up to end with it.
  Value columnOf(Value tx) {
    return kernel.minimum(kernel.mul(tx, number(plan.tileColumns())),
                          number(plan.width - plan.tileColumns()));
  }

  // -- Sums ---------------------------------------------------------------------------------------

  /// The lines of a tile that begins with `image`: asks for the memory of their results, or stores
  /// those where the sums `areComplete`.
  void linesOf(const Strip &strip, Value image, const Tile &tile, bool areComplete) {
    const int64_t columns = plan.tileColumns(), size = plan.panel();
    const bool ofImages = plan.tileImages() > 1;
    forEach(number(plan.tileRows() * plan.tileImages()), 1, [&](Value number) {
      Value at = kernel.add(image, ofImages ? number : this->number(0));
      Value r = kernel.add(tile.row, ofImages ? this->number(0) : number);
      batch = kernel.add(firstImage, at);
      TileLine line;
      line.sums = vectors.step(tile.sums, kernel.mul(number, this->number(columns * size)));
      line.positions = columns;
      line.channels = size;
      line.channel = strip.channel;
      line.low = strip.first;
      line.high = strip.last;
      line.hasAllChannels = plan.rows % size == 0 && plan.rowsPerBlock() % size == 0;
      line.row = r;
      line.column = tile.column;
      line.firstColumn = kernel.mul(tile.x, this->number(columns));
      line.staging = sums;
      auto each = [&] { areComplete ? storeLine(line) : askForLine(line); };
      if (plan.tileRows() == 1 && !ofImages)
        return each();
      // Rows before the tile's own belong to the one above; images behind the last are not there.
      Value own = this->number(0);
      if (!ofImages)
        own = kernel.mul(tile.lines, this->number(plan.tileRows()));
      Value isOwn = ofImages ? math.less(at, numImages)
                             : math.less(kernel.sub(r, own), kernel.sub(rows, own));
      ifThenElse(kernel, isOwn, each);
    });
  }

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
            Value out = vectors.step(target, kernel.mul(m, number(plan.sumsStride())));
            for (auto [i, vector] : llvm::enumerate(vectors.transpose(square)))
              vectors.store(vectors.step(out, static_cast<int64_t>(i) * plan.sumsStride() + p),
                            vector);
          }
        });
      });
    });
  }

  const PanelPlan plan;
  const int64_t lanes;
  const std::vector<llvm::SmallVector<int64_t>> ofPhases;
  const bool sameTaps; ///< Of all phases.
  PanelTile registerTile;
  Value table, patches, panel, area, sums;
  // Of the unit.
  Value firstImage, numImages;
  Value nextSource; ///< What the units read that follow this block of positions.
};

} // namespace

void emitConvolutionPanels(KernelFunction &kernel) { PanelEmitter(kernel).run(); }

} // namespace sinter::cpu::convolution
