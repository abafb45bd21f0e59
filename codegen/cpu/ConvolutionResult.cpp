// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ConvolutionResult.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <map>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu::convolution {

ResultEmitter::ResultEmitter(KernelFunction &kernel)
    : kernel(kernel), op(cast<ir::ConvolutionOp>(kernel.plan.analysis.anchors.front())), layout(op),
      spreads(op.makesX()), source(spreads ? op.getRhs() : op.getLhs()),
      weights(spreads ? op.getLhs() : op.getRhs()),
      vectors(kernel, op.getType().getElementType()), math{kernel} {}

void ResultEmitter::fillTable(Patch &patch, Value table) {
  auto write = [&](int64_t at, Value value) {
    vectors.storeWord(table, kernel.constant(at), value);
  };
  // A tap counts in one phase of those that there may be many of; where there is only one, in it.
  struct Counted {
    int64_t number;
    ConvolutionAxis::Tap y, x;
  };
  std::map<int64_t, llvm::SmallVector<Counted>> phases;
  const ConvolutionAxis &axisY = layout.y, &axisX = layout.x;
  for (int64_t ky = 0; ky < axisY.taps; ++ky)
    for (int64_t kx = 0; kx < axisX.taps; ++kx) {
      int64_t phaseY = axisY.phaseOf(ky), phaseX = axisX.phaseOf(kx);
      phases[phaseY * axisX.numPhases() + phaseX].push_back(
          {ky * axisX.taps + kx, *axisY.tap(ky, phaseY), *axisX.tap(kx, phaseX)});
    }
  if (static_cast<int64_t>(phases.size()) < layout.phases())
    kernel.loop(kernel.constant(0), kernel.constant(2 * layout.phases()), 1, {},
                [&](Value at, ValueRange) {
                  vectors.storeWord(table, at, kernel.constant(0));
                  return Values();
                });
  int64_t next = 2 * layout.phases();
  for (const auto &[phase, taps] : phases) {
    write(2 * phase, kernel.constant(next));
    write(2 * phase + 1, kernel.constant(static_cast<int64_t>(taps.size())));
    for (const Counted &tap : taps) {
      write(next++, kernel.constant(tap.number));
      write(next++, patch.offset(tap.y, tap.x));
    }
  }
}

void ResultEmitter::storePhase(const Sums &sums, Value phase, Value low, Value high) {
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  Value phaseY = math.div(phase, x.numPhases()), phaseX = math.rem(phase, x.numPhases());
  Value none = kernel.constant(0);
  // Positions whose places are in the result.
  Value step = kernel.constant(x.numPhases());
  Value offset = kernel.add(kernel.size(x.resultOffset()), phaseX);
  Value first = none, last = kernel.size(x.positions());
  if (spreads) {
    first = math.max(none, math.ceilDiv(kernel.sub(none, offset), step));
    last = kernel.minimum(last, math.ceilDiv(kernel.sub(kernel.size(x.result), offset), step));
  }
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, vectors.lanes);
  Value group0 = kernel.mul(group, kernel.size(resultRows()));
  kernel.loop(low, high, kernel.constant(1), {}, [&](Value c, ValueRange) {
    Value rowSums =
        vectors.step(sums.pointer, kernel.mul(kernel.sub(c, sums.channel), sums.stride));
    Index index{{batch, 0, {}}, {kernel.add(group0, c), 0, {}}};
    for (Value position : leading)
      index.push_back({position, 0, {}});
    kernel.loop(none, rows, 1, {}, [&](Value r, ValueRange) {
      Value place = kernel.add(kernel.mul(kernel.add(row, r), kernel.constant(y.numPhases())),
                               kernel.add(kernel.size(y.resultOffset()), phaseY));
      Value isRow = spreads ? math.less(place, kernel.size(y.result))
                            : Value(arith::ConstantIntOp::create(kernel.builder, kernel.loc, 1, 1));
      ifThenElse(kernel, isRow, [&] {
        Value from = vectors.step(rowSums, kernel.mul(r, kernel.size(layout.pitch())));
        Index at = index;
        if (layout.hasY)
          at.push_back({place, 0, {}});
        at.push_back({});
        if (joinsPhases())
          return joinedRow(emitter, at, from, vectors.step(from, sums.areaSize), offset);
        kernel.vectorLoop(first, last, vectors.lanes, 1, {}, [&](Value q, Value mask, ValueRange) {
          at.back() = {kernel.add(kernel.mul(q, step), offset), x.numPhases(), {}};
          storeResults(emitter, kernel, op.getResult(), at, vectors.load(vectors.step(from, q)),
                       mask);
          return Values();
        });
      });
      return Values();
    });
    return Values();
  });
}

/// A row of the result of which both phases are there; it starts at `offset`.
void ResultEmitter::joinedRow(ElementEmitter &emitter, Index at, Value from, Value other,
                              Value offset) {
  const int64_t lanes = vectors.lanes;
  Value size = kernel.size(layout.x.result);
  kernel.loop(kernel.constant(0), kernel.size(layout.x.positions()), lanes, {},
              [&](Value q, ValueRange) {
                Value even = vectors.load(vectors.step(from, q));
                Value odd = vectors.load(vectors.step(other, q));
                for (bool high : {false, true}) {
                  Value place = kernel.add(kernel.mul(q, kernel.constant(2)),
                                           kernel.add(offset, kernel.constant(high ? lanes : 0)));
                  at.back() = {place, 1, {}};
                  storeResults(emitter, kernel, op.getResult(), at,
                               vectors.interleave(even, odd, high), vectors.inRange(place, size));
                }
                return Values();
              });
}

void ResultEmitter::askForLine(const TileLine &line) {
  // The last position: earlier ones lie before it or in what another tile asks for.
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  Value place = kernel.add(kernel.add(row, line.row), kernel.size(y.resultOffset()));
  Value last = kernel.add(kernel.add(line.column, kernel.size(x.resultOffset())),
                          kernel.constant(line.positions - 1));
  Value channel = kernel.add(kernel.mul(group, kernel.size(resultRows())), line.channel);
  IndexMath indices(kernel.builder, kernel.loc, *kernel.env.sizes, 1);
  kernel.loop(kernel.constant(0), kernel.constant(line.channels), kernel.constant(1), {},
              [&](Value c, ValueRange) {
                Index at{{batch, 0, {}}, {kernel.add(channel, c), 0, {}}};
                if (layout.hasY)
                  at.push_back({place, 0, {}});
                at.push_back({last, 0, {}});
                Memory memory(kernel.builder, kernel.loc, 1);
                for (const BufferRef &buffer : kernel.outputs)
                  LLVM::Prefetch::create(kernel.builder, kernel.loc,
                                         memory.address(buffer.pointer, buffer.elementType,
                                                        indices.linearize(at, buffer.shape).base),
                                         /*rw=*/1, /*hint=*/3, /*cache=*/1);
                return Values();
              });
}

void ResultEmitter::storeLine(const TileLine &line) {
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  const int64_t lanes = vectors.lanes, perPiece = vectors.perPiece();
  Value none = kernel.constant(0), one = kernel.constant(1);
  Value place = kernel.add(kernel.add(row, line.row), kernel.size(y.resultOffset()));
  Value start = kernel.add(line.column, kernel.size(x.resultOffset()));
  // Positions of the line whose results are stored.
  Value first = kernel.sub(line.firstColumn, line.column), last = kernel.constant(line.positions);
  if (spreads) {
    first = math.max(first, kernel.sub(none, start));
    last = kernel.minimum(last, kernel.sub(kernel.size(x.result), start));
  }
  Value count = math.max(none, kernel.sub(last, first));
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, lanes);
  Value channel = kernel.add(kernel.mul(group, kernel.size(resultRows())), line.channel);
  auto store = [&] {
    for (int64_t p = 0; p < line.positions; p += lanes) {
      kernel.loop(none, kernel.constant(line.channels), kernel.constant(perPiece), {},
                  [&](Value c, ValueRange) {
                    // Lanes behind the last position are that one again.
                    Values columns = vectors.columns([&](int64_t i) {
                      const int64_t position = std::min(p + i, line.positions - 1);
                      return vectors.step(vectors.step(line.sums, position * line.channels), c);
                    });
                    Value to = vectors.step(line.staging, kernel.mul(c, kernel.constant(lanes)));
                    for (auto [i, column] : llvm::enumerate(columns))
                      vectors.store(vectors.step(to, static_cast<int64_t>(i) * lanes), column);
                    return Values();
                  });
      Value mask = vectors.inRange(kernel.sub(kernel.constant(p), first), count);
      kernel.loop(none, kernel.constant(line.channels), one, {}, [&](Value c, ValueRange) {
        Index at{{batch, 0, {}}, {kernel.add(channel, c), 0, {}}};
        if (layout.hasY)
          at.push_back({place, 0, {}});
        at.push_back({kernel.add(start, kernel.constant(p)), 1, {}});
        auto storeChannel = [&] {
          Value sums =
              vectors.load(vectors.step(line.staging, kernel.mul(c, kernel.constant(lanes))));
          storeResults(emitter, kernel, op.getResult(), at, sums, mask);
        };
        if (line.hasAllChannels) {
          storeChannel();
        } else {
          Value number = kernel.sub(kernel.add(line.channel, c), line.low);
          ifThenElse(kernel, math.less(number, kernel.sub(line.high, line.low)), storeChannel);
        }
        return Values();
      });
    }
  };
  if (spreads)
    ifThenElse(kernel, math.less(place, kernel.size(y.result)), store);
  else
    store();
}

} // namespace sinter::cpu::convolution
