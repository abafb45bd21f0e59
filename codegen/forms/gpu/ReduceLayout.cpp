// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/ReduceLayout.h"

using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

namespace {

bool lastIsReduced(const KernelAnalysis &analysis) {
  return analysis.isReduced(analysis.domain.rank() - 1);
}

/// The last dims that are all reduced, or all kept: how many they are.
int64_t runLength(const KernelAnalysis &analysis) {
  const bool reduced = lastIsReduced(analysis);
  int64_t length = 0;
  while (length < analysis.domain.rank() &&
         analysis.isReduced(analysis.domain.rank() - 1 - length) == reduced)
    ++length;
  return length;
}

/// Their points: neighbours in memory.
DimExpr runOf(const KernelAnalysis &analysis) {
  DimExpr run = 1;
  for (int64_t d = analysis.domain.rank() - runLength(analysis); d < analysis.domain.rank(); ++d)
    run *= analysis.domain[d];
  return run;
}

/// Whether a size is a sum. Products of sums are kept multiplied out, which makes formulas over
/// them long.
bool hasSums(const DimExpr &size) {
  const auto either = [](bool a, bool b) { return a || b; };
  return size.fold<bool>({.constant = [](int64_t) { return false; },
                          .symbol = [](const std::string &) { return false; },
                          .add = [](bool, bool) { return true; },
                          .mul = either,
                          .floorDiv = either,
                          .ceilDiv = either,
                          .max = either});
}

int64_t powerOfTwoFrom(int64_t value, int64_t most) {
  int64_t power = 1;
  while (power < value && power < most)
    power *= 2;
  return power;
}

} // namespace

int64_t reducePackWidth(const KernelAnalysis &analysis, int64_t most) {
  DimExpr run = runOf(analysis);
  // One row after another may have packs with a rest.
  if (lastIsReduced(analysis) && analysis.keptShape().numElements().constant() == 1)
    return most;
  while (most > 1 && !run.dividedExactlyBy(most))
    most /= 2;
  return most;
}

int64_t ReduceLayout::combineAcross(const DimExpr &kept) {
  return powerOfTwoFrom(kept.constant().value_or(32), 32);
}

ReduceLayout ReduceLayout::of(const KernelAnalysis &analysis, const Schedule &schedule) {
  ReduceLayout layout;
  layout.kept = analysis.keptShape().numElements();
  layout.reduced = analysis.reducedShape().numElements();
  layout.columns = !lastIsReduced(analysis);
  if (!layout.columns) {
    layout.packs = Packs::of(layout.reduced, schedule.lanes);
    // Enough blocks for any device, and a round of loads in each.
    constexpr int64_t blocks = 8192;
    layout.chunk = schedule.threads * schedule.unroll;
    if (!hasSums(layout.kept)) // Else rows are cut however many there are.
      layout.chunk = max(layout.chunk, ceilDiv(layout.packs.units * layout.kept, blocks));
    layout.chunks = max(1, ceilDiv(layout.packs.units, layout.chunk));
    return layout;
  }
  layout.inner = runOf(analysis);
  constexpr int64_t warp = 32;
  const DimExpr packs = ceilDiv(layout.inner, schedule.lanes);
  layout.across = powerOfTwoFrom(packs.constant().value_or(warp), warp);
  layout.down = schedule.threads / layout.across;
  layout.tiles = ceilDiv(layout.inner, schedule.lanes * layout.across);
  layout.columnTiles = layout.tiles;
  for (int64_t d = 0; d < analysis.domain.rank() - runLength(analysis); ++d)
    if (!analysis.isReduced(d))
      layout.columnTiles *= analysis.domain[d];
  constexpr int64_t blocks = 4096, mostChunks = 1024, rounds = 16;
  layout.chunk = max(DimExpr(rounds * layout.down), ceilDiv(layout.reduced, mostChunks));
  if (!hasSums(layout.kept)) // Else chunks do not depend on how many columns there are.
    layout.chunk = max(layout.chunk, ceilDiv(layout.reduced * layout.columnTiles, blocks));
  layout.chunks = max(1, ceilDiv(layout.reduced, layout.chunk));
  return layout;
}

} // namespace sinter::codegen
