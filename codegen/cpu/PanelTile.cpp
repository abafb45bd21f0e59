// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/PanelTile.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu::convolution {

PanelTile::PanelTile(Vectors &vectors, const PanelPlan &plan)
    : vectors(vectors), kernel(vectors.kernel), math{vectors.kernel}, plan(plan),
      lanes(vectors.lanes) {}

PanelTile::Share::Share(int64_t all, int64_t tiles)
    : lines(ceilDivide(all, tiles)), shares(ceilDivide(all, lines)) {}

Value PanelTile::Share::begin(KernelFunction &kernel, Value tile) const {
  return kernel.mul(kernel.minimum(tile, kernel.constant(shares - 1)), kernel.constant(lines));
}

void PanelTile::leaveOut(Operands &operands, Value row) {
  const TapAxis &y = plan.tapsY;
  if (plan.unrollsTaps())
    operands.taps = kernel.constant(y.taps);
  if (!plan.skipsRows())
    return;
  // TapAxis::within() of the tile's rows.
  Value last = kernel.add(row, kernel.constant(plan.tileRows() - 1)), begin, end;
  if (y.spreads) {
    begin = kernel.add(row, kernel.constant(y.low - y.source + 1));
    end = kernel.add(last, kernel.constant(y.low + 1));
  } else {
    Value stride = kernel.constant(y.stride);
    begin = kernel.sub(kernel.constant(y.low), kernel.mul(last, stride));
    end = kernel.sub(kernel.constant(y.source + y.low), kernel.mul(row, stride));
  }
  auto tapAt = [&](Value distance) {
    distance = math.max(kernel.constant(0), distance);
    return kernel.minimum(math.ceilDiv(distance, kernel.constant(y.dilation)),
                          kernel.constant(y.taps));
  };
  begin = tapAt(begin);
  Value count = kernel.sub(math.max(begin, tapAt(end)), begin);
  const int64_t inRow = plan.tapsX.taps;
  operands.taps = plan.unrollsTaps() ? count : kernel.mul(count, kernel.constant(inRow));
  operands.weights =
      vectors.step(operands.weights, kernel.mul(begin, kernel.constant(inRow * plan.panel())));
  operands.slots =
      kernel.offsetBytes(operands.slots, kernel.mul(begin, kernel.constant(16 * inRow)));
}

void PanelTile::call(const Operands &operands, llvm::ArrayRef<Share> shares, Value number) {
  auto kind = [&](int64_t which) { callKind(operands, shares, which); };
  const int64_t last = plan.tileKinds() - 1;
  if (last == 0)
    return kind(0);
  auto behind = [&] {
    Value isBetween = math.less(number, kernel.constant(plan.tilesX() - 1));
    last == 1 ? kind(1)
              : ifThenElse(
                    kernel, isBetween, [&] { kind(1); }, [&] { kind(2); });
  };
  ifThenElse(
      kernel, math.less(number, kernel.constant(1)), [&] { kind(0); }, behind);
}

void PanelTile::callKind(const Operands &operands, llvm::ArrayRef<Share> shares, int64_t kind) {
  Values arguments{operands.weights, operands.taps,     operands.slots, operands.perChannel,
                   operands.source,  operands.channels, operands.sums};
  const size_t own = arguments.size();
  for (const Share &share : shares)
    arguments.push_back(share.from);
  static constexpr const char *names[] = {"kernel_tile", "kernel_tile_1", "kernel_tile_2"};
  vectors.call(names[kind], arguments, [&](ValueRange inner) {
    llvm::SmallVector<Share> within(shares);
    for (auto [share, from] : llvm::zip(within, inner.drop_front(own)))
      share.from = from;
    multiply({inner[0], inner[1], inner[2], inner[3], inner[4], inner[5], inner[6]}, within, kind);
  });
}

/// Of one tap, those positions of a line that it `reads` the source at.
Values PanelTile::multiplyTap(Value weights, Value source, ValueRange sums,
                              llvm::function_ref<bool(int64_t)> reads) {
  const int64_t count = plan.panel() / lanes, width = plan.tileColumns();
  const int64_t positions = width * plan.tileRows() * plan.tileImages();
  Values loaded, next(sums);
  for (int64_t v = 0; v < count; ++v)
    loaded.push_back(vectors.load(vectors.step(weights, v * lanes)));
  for (int64_t p = 0; p < positions; ++p) {
    if (!reads(p % width))
      continue;
    Value factor = vectors.loadSplat(
        vectors.step(source, p / width * plan.lineStep() + p % width * plan.columnStep()));
    for (int64_t v = 0; v < count; ++v) {
      Value &sum = next[static_cast<size_t>(p * count + v)];
      sum = vectors.multiplyAdd(factor, loaded[static_cast<size_t>(v)], sum);
    }
  }
  return next;
}

Values PanelTile::multiplyTaps(const Operands &operands, Value weights, Value source,
                               ValueRange sums, int64_t kind) {
  const int64_t together = plan.unrollsTaps() ? plan.tapsX.taps : 1,
                column = plan.columnOfKind(kind);
  return kernel.loop(kernel.constant(0), operands.taps, 1, sums, [&](Value t, ValueRange now) {
    Value slot = kernel.mul(t, kernel.constant(2 * together));
    Value a = vectors.step(weights, kernel.mul(t, kernel.constant(together * plan.panel())));
    Values next(now);
    // Sums leave no registers for what LLVM would hold in some: elements that neighbouring taps
    // read, too, whose places come from memory for that, and loads of the next tap, kept behind a
    // fence.
    for (int64_t k = 0; k < together; ++k) {
      if (k > 0)
        LLVM::FenceOp::create(kernel.builder, kernel.loc, LLVM::AtomicOrdering::acq_rel,
                              "singlethread");
      Value offset = vectors.loadWord(operands.slots, kernel.add(slot, kernel.constant(2 * k)));
      next = multiplyTap(
          vectors.step(a, k * plan.panel()), vectors.step(source, offset), next, [&](int64_t p) {
            return !plan.skipsColumns() || plan.tapsX.within(column + p, column + p).contains(k);
          });
    }
    return next;
  });
}

void PanelTile::multiply(const Operands &operands, llvm::ArrayRef<Share> shares, int64_t kind) {
  const int64_t size = plan.tileSize() / lanes;
  const auto total = static_cast<size_t>(size);
  Values carried;
  for (int64_t i = 0; i < size; ++i)
    carried.push_back(plan.visitsOnce() ? vectors.zero()
                                        : vectors.load(vectors.step(operands.sums, i * lanes)));
  carried.push_back(operands.weights);
  carried.push_back(operands.source);
  for (const Share &share : shares)
    carried.push_back(share.from);
  Values result =
      kernel.loop(kernel.constant(0), operands.channels, kernel.constant(1), carried,
                  [&](Value, ValueRange state) {
                    Value a = state[total], b = state[total + 1];
                    ValueRange ahead = state.drop_front(total + 2);
                    for (auto [share, from] : llvm::zip(shares, ahead))
                      for (int64_t i = 0; i < share.lines; ++i)
                        vectors.prefetch(vectors.step(from, i * lanes));
                    Values next = multiplyTaps(operands, a, b, state.take_front(total), kind);
                    next.push_back(vectors.step(
                        a, kernel.mul(operands.perChannel, kernel.constant(plan.panel()))));
                    next.push_back(vectors.step(b, plan.channelStep()));
                    for (auto [share, from] : llvm::zip(shares, ahead))
                      next.push_back(vectors.step(from, share.step));
                    return next;
                  });
  for (int64_t i = 0; i < size; ++i)
    vectors.store(vectors.step(operands.sums, i * lanes), result[static_cast<size_t>(i)]);
}

} // namespace sinter::cpu::convolution
