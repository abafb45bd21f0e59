// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ConvolutionResult.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

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

} // namespace sinter::cpu::convolution
