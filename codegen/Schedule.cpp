// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Schedule.h"

#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/ScatterLayout.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::analyzeKernel;
using sinter::passes::elementCost;
using sinter::passes::KernelAnalysis;
using sinter::passes::KernelForm;
using sinter::passes::Role;

namespace sinter::codegen {

// -- The attribute --------------------------------------------------------------------------------

/// Calls fn(name, field) for every number of the schedule, so that both directions agree.
template <typename S, typename Fn> static void forEachField(S &s, Fn fn) {
  fn("lanes", s.lanes);
  fn("unroll", s.unroll);
  fn("block", s.block);
  fn("grain", s.grain);
  fn("threads", s.threads);
  fn("streamStores", s.streamStores);
  if (s.form != KernelForm::Contraction)
    return;
  auto &t = s.tiles;
  fn("tileForm", t.form);
  fn("packB", t.packB);
  fn("packA", t.packA);
  fn("fma", t.fma);
  fn("tileLanes", t.lanes);
  fn("mr", t.mr);
  fn("nr", t.nr);
  fn("kc", t.kc);
  fn("kUnroll", t.kUnroll);
  fn("mBlock", t.mBlock);
  fn("nBlock", t.nBlock);
  fn("groupUnits", t.groupUnits);
  fn("packStrips", t.packStrips);
  fn("prefetchB", t.prefetchB);
  fn("directStore", t.directStore);
  fn("elementBytes", t.elementBytes);
}

DictionaryAttr Schedule::toAttribute(MLIRContext *context) const {
  Builder builder(context);
  llvm::SmallVector<NamedAttribute> entries;
  entries.push_back(builder.getNamedAttr("form", builder.getStringAttr(passes::stringify(form))));
  forEachField(*this, [&](llvm::StringRef name, auto value) {
    entries.push_back(
        builder.getNamedAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value))));
  });
  return builder.getDictionaryAttr(entries);
}

std::optional<Schedule> Schedule::fromAttribute(DictionaryAttr attribute) {
  if (!attribute)
    return std::nullopt;
  auto form = attribute.getAs<StringAttr>("form");
  if (!form)
    return std::nullopt;
  Schedule schedule;
  bool ok = false;
  for (size_t number = 0; number < passes::numKernelForms; ++number)
    if (auto candidate = static_cast<KernelForm>(number);
        passes::stringify(candidate) == form.getValue()) {
      schedule.form = candidate;
      ok = true;
    }
  forEachField(schedule, [&](llvm::StringRef name, auto &field) {
    auto number = attribute.getAs<IntegerAttr>(name);
    ok &= number != nullptr;
    if (number)
      field = static_cast<std::decay_t<decltype(field)>>(number.getInt());
  });
  if (!ok || schedule.lanes < 1 || schedule.lanes > 64 || schedule.unroll < 1 ||
      schedule.unroll > 16 || schedule.grain < 1 || schedule.block < 0 || schedule.threads < 0 ||
      schedule.threads > 1024 || schedule.threads % 32 != 0)
    return std::nullopt;
  return schedule;
}

// -- Choosing -------------------------------------------------------------------------------------

namespace {

constexpr int64_t unknownSize = 1024; // What a symbolic size is taken for when work is estimated.
constexpr int64_t chunkNanoseconds = 8000; // Less work than this is not worth handing to a thread.
constexpr int64_t gpuThreads = 256;        // Per block.
constexpr int64_t streamBytes = 16 << 20;  // Larger results would only evict what is still needed.

Block &bodyOf(FusedOp fused) { return fused.getBody().front(); }
ValueRange yields(FusedOp fused) { return bodyOf(fused).getTerminator()->getOperands(); }

DimExpr bytesOf(Value tensor) {
  auto type = tensorType(tensor);
  return type.getNumElements() * byteSize(type.getDType());
}

/// Flops per point of the domain, roughly.
int64_t regionCost(FusedOp fused) {
  int64_t cost = 1;
  for (Operation &op : bodyOf(fused).without_terminator())
    cost += elementCost(&op);
  return cost;
}

/// Neither reads at computed indices nor gives an index.
bool isPointwise(Operation *op) {
  if (isa<ElementwiseOpInterface>(op))
    return true;
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return false;
  Indexing indexing = indexed.getIndexing();
  return passes::anchorKind(indexing) == passes::AnchorKind::Reduction &&
         indexing.combiner != Combiner::ArgMax;
}

/// Bytes of a lane. Where wide and narrow values meet, wide ones take several registers.
int64_t laneBytes(FusedOp fused) {
  bool pointwise = true; // Indices of other ops take 8 bytes a lane.
  int64_t narrowest = 8, widest = 1;
  auto look = [&](Value value) {
    Type type = registerType(tensorType(value).getElementType());
    if (type.isInteger(1))
      return;
    auto bytes = static_cast<int64_t>(type.getIntOrFloatBitWidth() / 8);
    narrowest = std::min(narrowest, bytes);
    widest = std::max(widest, bytes);
  };
  for (Operation &op : bodyOf(fused).without_terminator()) {
    pointwise &= isPointwise(&op);
    for (Value value : op.getOperands())
      look(value);
  }
  for (Value value : yields(fused))
    look(value);
  if (narrowest == 8) // 64-bit numbers, or nothing but bools.
    return 8;
  return pointwise && widest < 4 ? widest : 4;
}

int64_t chooseLanes(FusedOp fused, const TargetInfo &target, const DimExpr &inner) {
  bool isGpu = target.kind == TargetInfo::Kind::Cuda;
  int64_t lanes = isGpu ? 1 : target.vectorBytes / laneBytes(fused);
  if (auto size = inner.constant())
    while (lanes > 1 && lanes / 2 >= *size)
      lanes /= 2;
  return lanes;
}

int64_t grainFor(double nanoseconds) {
  return std::clamp<int64_t>(static_cast<int64_t>(chunkNanoseconds / std::max(nanoseconds, 0.5)), 1,
                             1 << 20);
}

/// Time of `points` of the domain on one thread.
double pointsTime(FusedOp fused, double points, int64_t lanes) {
  double bytes = 0;
  for (Value value : yields(fused))
    bytes += static_cast<double>(byteSize(tensorType(value).getDType()));
  for (Value value : bodyOf(fused).getArguments())
    bytes += static_cast<double>(byteSize(tensorType(value).getDType()));
  double compute = static_cast<double>(regionCost(fused)) / static_cast<double>(lanes) / 3.0;
  return points * std::max(compute, bytes / 25.0);
}

bool shouldStream(FusedOp fused, const TargetInfo &target, const DimExpr &inner,
                  const Shape &domain, int64_t lanes) {
  if (target.kind == TargetInfo::Kind::Cuda || lanes == 1)
    return false;
  int64_t total = 0;
  for (Value value : yields(fused)) {
    auto bytes = bytesOf(value).constant();
    if (!bytes)
      return false;
    total += *bytes;
  }
  // Streaming stores must be aligned to the vector: rows start at a multiple of the lanes.
  return total >= streamBytes && (domain.rank() == 1 || inner.constant().value_or(1) % lanes == 0);
}

/// Rows of a few elements, of which nothing but what they are reduced to is stored: lanes that
/// share a row would mostly be idle.
bool hasShortRows(FusedOp fused, const KernelAnalysis &analysis) {
  constexpr int64_t shortRow = 128, shortLine = 8, longEnough = 8;
  Shape kept = analysis.keptShape();
  int64_t row = 1, line = 1;
  for (int64_t axis : analysis.axes) {
    line = analysis.domain[axis].constant().value_or(shortRow + 1);
    row = std::min(row * line, shortRow + 1);
  }
  return kept.rank() > 0 && kept[kept.rank() - 1].constant().value_or(longEnough) >= longEnough &&
         row <= shortRow && line <= shortLine && llvm::all_of(yields(fused), [&](Value value) {
           return analysis.roles.lookup(value) == Role::Kept;
         });
}

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

} // namespace

bool hasGpuForm(KernelForm form) {
  return form == KernelForm::Loop || form == KernelForm::Row || form == KernelForm::Reduce;
}

FailureOr<Schedule> chooseSchedule(FusedOp fused, const TargetInfo &target) {
  auto answer = analyzeKernel(fused);
  if (auto *reason = std::get_if<std::string>(&answer))
    return fused.emitError("cannot be scheduled: ") << *reason;
  const KernelAnalysis &analysis = std::get<KernelAnalysis>(answer);
  const Shape &domain = analysis.domain;
  Schedule schedule;
  schedule.form = analysis.form;
  DimExpr inner = domain.rank() ? domain[domain.rank() - 1] : DimExpr(1);
  int64_t cost = regionCost(fused);
  auto limitUnroll = [&](int64_t wanted) {
    while (wanted > 1 && inner.constant() && schedule.lanes * wanted > *inner.constant())
      wanted /= 2;
    return wanted;
  };
  if (target.kind == TargetInfo::Kind::Cuda && hasGpuForm(analysis.form)) {
    schedule.block = 1;
    schedule.threads = gpuThreads;
    return schedule;
  }
  switch (analysis.form) {
  case KernelForm::Loop: {
    schedule.lanes = chooseLanes(fused, target, inner);
    schedule.unroll = limitUnroll(cost <= 8 ? 4 : cost <= 24 ? 2 : 1);
    schedule.block = std::min<int64_t>(
        4096, roundUp(std::max<int64_t>(inner.constant().value_or(4096), 1), schedule.lanes));
    double points =
        static_cast<double>(std::min(schedule.block, inner.constant().value_or(unknownSize)));
    schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
    schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes);
    break;
  }
  case KernelForm::Row: {
    if (hasShortRows(fused, analysis)) {
      Shape kept = analysis.keptShape();
      const DimExpr &last = kept[kept.rank() - 1];
      schedule.lanes = chooseLanes(fused, target, last);
      schedule.block = std::min<int64_t>(
          1024, roundUp(std::max<int64_t>(last.constant().value_or(1024), 1), schedule.lanes));
      double points =
          static_cast<double>(std::min(schedule.block, last.constant().value_or(unknownSize)));
      for (int64_t axis : analysis.axes)
        points *= static_cast<double>(*domain[axis].constant());
      schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
      break;
    }
    schedule.lanes = chooseLanes(fused, target, inner);
    schedule.unroll = limitUnroll(cost <= 40 ? 2 : 1);
    DimExpr row = 1;
    for (int64_t axis : analysis.axes)
      row *= domain[axis];
    schedule.grain = grainFor(pointsTime(
        fused, static_cast<double>(row.constant().value_or(unknownSize)), schedule.lanes));
    schedule.streamStores =
        shouldStream(fused, target, inner, domain, schedule.lanes) && domain.rank() > 1;
    break;
  }
  case KernelForm::Reduce: {
    schedule.lanes = chooseLanes(fused, target, inner);
    schedule.unroll = 4;
    int64_t first = analysis.axes.front();
    DimExpr before = 1, behind = 1;
    for (int64_t d = 0; d < domain.rank(); ++d)
      (d < first ? before : behind) *= d == first ? DimExpr(1) : domain[d];
    int64_t perPoint = std::max<int64_t>(behind.constant().value_or(unknownSize), 1);
    schedule.block = std::max<int64_t>(64, 16384 / perPoint);
    if (auto size = domain[first].constant())
      schedule.block = std::max(schedule.block, (*size + 63) / 64);
    if (before.constant().value_or(1) >= 64)
      schedule.block = std::max<int64_t>(domain[first].constant().value_or(int64_t{1} << 30), 1);
    schedule.block =
        roundUp(schedule.block, analysis.isReduced(domain.rank() - 1) && first == domain.rank() - 1
                                    ? schedule.lanes * schedule.unroll
                                    : schedule.unroll);
    int64_t points =
        std::min(schedule.block, domain[first].constant().value_or(unknownSize)) * perPoint;
    schedule.grain = grainFor(pointsTime(fused, static_cast<double>(points), schedule.lanes));
    break;
  }
  case KernelForm::Contraction: {
    auto dot = cast<DotGeneralOp>(analysis.anchors.front());
    auto layout = contractionLayout(dot);
    if (!layout)
      return dot.emitError("its dims cannot be flattened");
    auto shape = tileShape(*layout, fused, dot);
    schedule.tiles = cpu::chooseTiles(target, shape);
    schedule.lanes = schedule.tiles.lanes;
    schedule.grain =
        std::max<int64_t>(1, cpu::contractionGrain(schedule.tiles, shape).constant().value_or(1));
    break;
  }
  case KernelForm::Scatter: {
    ScatterLayout layout = scatterLayout(analysis.anchors.front());
    schedule.lanes = chooseLanes(fused, target, layout.numColumns > 0 ? layout.columns : inner);
    schedule.block = schedule.lanes * 16;
    DimExpr columns = std::min(layout.columns.constant().value_or(unknownSize), schedule.block);
    DimExpr perUnit = (layout.updates + layout.places) * columns;
    schedule.grain = grainFor(static_cast<double>(perUnit.constant().value_or(unknownSize)));
    break;
  }
  case KernelForm::Cumulative: {
    constexpr int64_t blockColumns = 2048; // Shorter ones leave a page before prefetching pays.
    schedule.lanes = chooseLanes(fused, target, inner);
    // A long row in chunks is read twice: for their totals, then for what runs on from those.
    constexpr int64_t longRow = 1 << 18, chunk = 1 << 15, maxChunks = 64;
    bool alongInner = analysis.axes.front() == domain.rank() - 1;
    int64_t length = domain[analysis.axes.front()].constant().value_or(unknownSize);
    double points = static_cast<double>(length);
    if (!alongInner) {
      schedule.block =
          std::max<int64_t>(1, std::min(blockColumns, inner.constant().value_or(blockColumns)));
      points *= static_cast<double>(schedule.block);
    } else if (analysis.hasFewLongRows() && length >= longRow && analysis.anchors.size() == 1) {
      schedule.block = std::max(chunk, roundUp((length + maxChunks - 1) / maxChunks, chunk));
      points = static_cast<double>(schedule.block);
    }
    schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
    schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes) &&
                            inner.constant().value_or(1) % schedule.lanes == 0;
    break;
  }
  case KernelForm::Sort: {
    double length =
        static_cast<double>(domain[analysis.axes.front()].constant().value_or(unknownSize));
    schedule.grain = grainFor(length * (10 + static_cast<double>(cost) / 3));
    break;
  }
  }
  return schedule;
}

} // namespace sinter::codegen
