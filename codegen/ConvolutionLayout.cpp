// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ConvolutionLayout.h"

#include <algorithm>
#include <numeric>

using namespace sinter::ir;

namespace sinter::codegen {

int64_t ConvolutionAxis::classes() const { return stride / std::gcd(stride, dilation); }

int64_t ConvolutionAxis::lead() const {
  auto known = low.constant();
  return spreads && known ? ((-*known % stride) + stride) % stride : 0;
}

std::optional<ConvolutionAxis::Tap> ConvolutionAxis::tap(int64_t k, int64_t phase) const {
  if (!spreads && isApart())
    return Tap{k, 0};
  if (!spreads)
    return Tap{k % classes(), k / classes() * (dilation / std::gcd(stride, dilation))};
  if (phaseOf(k) != phase)
    return std::nullopt;
  if (isApart())
    return Tap{k, 0};
  return Tap{0, reach() - steps(k)};
}

bool ConvolutionAxis::isApart() const {
  constexpr int64_t somePositions = 256, shortGap = 8;
  int64_t distance = spreads ? dilation / stride : dilation / std::gcd(stride, dilation);
  return taps > 1 && distance >= std::max(shortGap, positions().constant().value_or(somePositions));
}

int64_t ConvolutionAxis::reach() const {
  if (isApart())
    return 0;
  if (spreads)
    return steps(taps - 1);
  return (taps - 1) / classes() * (dilation / std::gcd(stride, dilation));
}

DimExpr ConvolutionAxis::positions() const {
  if (!spreads)
    return result;
  DimExpr step(stride);
  DimExpr begin = low + DimExpr(lead());
  return floorDiv(begin + result - DimExpr(1), step) - floorDiv(begin, step) + DimExpr(1);
}

DimExpr ConvolutionAxis::sourceOffset(int64_t plane) const {
  if (spreads)
    return floorDiv(low + DimExpr(lead()), DimExpr(stride)) - DimExpr(reach() + steps(plane));
  return DimExpr(plane * dilation) - low;
}

DimExpr ConvolutionAxis::resultOffset() const {
  if (!spreads)
    return 0;
  DimExpr begin = low + DimExpr(lead());
  return floorDiv(begin, DimExpr(stride)) * DimExpr(stride) - begin;
}

ConvolutionLayout::ConvolutionLayout(ConvolutionOp op) : op(op) {
  TensorType xType = op.getXType(), wType = op.getWType(), yType = op.getYType();
  ofWeight = op.makesW();
  batch = xType.getDim(0);
  groups = op.getGroups();
  inputs = wType.getDim(1);
  outputs = *wType.getDim(0).dividedExactlyBy(groups);
  int64_t rank = xType.getRank();
  llvm::SmallVector<ConvolutionAxis> axes;
  for (int64_t i = 2; i < rank; ++i) {
    auto at = static_cast<size_t>(i - 2);
    ConvolutionAxis axis;
    axis.spreads = op.makesX();
    axis.source = axis.spreads ? yType.getDim(i) : xType.getDim(i);
    axis.result = axis.spreads ? xType.getDim(i) : yType.getDim(i);
    axis.taps = *wType.getDim(i).constant();
    axis.stride = op.getStrides()[at];
    axis.dilation = op.getDilations()[at];
    axis.low = *toDim(op.getLow()[static_cast<unsigned>(at)]);
    // A longer stride than all places has the same terms: those of element 0 of y.
    if (auto places = (axis.result + axis.low).constant(); axis.spreads && places)
      axis.stride = std::min(axis.stride, std::max<int64_t>(1, *places));
    axes.push_back(axis);
  }
  x = axes.pop_back_val();
  hasY = !axes.empty();
  if (hasY) {
    y = axes.pop_back_val();
  } else {
    y.source = y.result = 1;
    y.spreads = x.spreads;
  }
  leading = std::move(axes);
}

int64_t ConvolutionLayout::leadingTaps() const {
  int64_t count = 1;
  for (const ConvolutionAxis &axis : leading)
    count *= axis.taps;
  return count;
}

DimExpr ConvolutionLayout::depth() const {
  DimExpr channels = x.spreads ? outputs : inputs;
  return channels * DimExpr(leadingTaps());
}

DimExpr ConvolutionLayout::pitch() const {
  DimExpr width = x.positions() + DimExpr(x.reach());
  if (x.sourceStep() != 1 || x.numPlanes() != 1)
    return width;
  // Element i of a row that is at least the pitch is also an element of the next row, and must be
  // one of its leading zeros.
  auto known = width.constant(), zeros = (DimExpr(0) - x.sourceOffset(0)).constant(),
       size = x.source.constant();
  if (!known || !zeros || !size || *zeros <= 0)
    return width;
  return std::min(*known, std::max(*known - *zeros, *size + *zeros));
}

DimExpr ConvolutionLayout::planeSize(const DimExpr &rows) const {
  return (rows + DimExpr(y.reach())) * pitch() + x.positions() + DimExpr(x.reach()) - pitch();
}

DimExpr ConvolutionLayout::channelSize(const DimExpr &rows, int64_t lanes) const {
  DimExpr planes = planeSize(rows) * DimExpr(y.numPlanes() * x.numPlanes());
  if (auto known = planes.constant())
    return spacedSize(*known, lanes);
  return planes + DimExpr(2 * lanes);
}

int64_t ConvolutionLayout::spacedSize(int64_t planes, int64_t lanes) {
  // Zeros follow the last plane, for vectors that run over its end. An odd number of vectors:
  // channels do not fall into the same sets of a cache.
  return ((planes + 3 * lanes - 1) / lanes | 1) * lanes;
}

DimExpr ConvolutionLayout::span(const DimExpr &rows) const {
  return (rows - DimExpr(1)) * pitch() + x.positions();
}

} // namespace sinter::codegen
