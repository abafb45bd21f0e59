// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Schedule.h"

#include "sinter/codegen/Program.h"

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
    entries.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value))));
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
  for (KernelForm candidate : {KernelForm::Loop, KernelForm::Row, KernelForm::Reduce, KernelForm::Contraction,
                               KernelForm::Scatter})
    if (passes::stringify(candidate) == form.getValue()) {
      schedule.form = candidate;
      ok = true;
    }
  forEachField(schedule, [&](llvm::StringRef name, auto &field) {
    auto number = attribute.getAs<IntegerAttr>(name);
    ok &= number != nullptr;
    if (number)
      field = static_cast<std::decay_t<decltype(field)>>(number.getInt());
  });
  if (!ok || schedule.lanes < 1 || schedule.lanes > 64 || schedule.unroll < 1 || schedule.unroll > 16 ||
      schedule.grain < 1 || schedule.block < 0 || schedule.threads < 0 || schedule.threads > 1024 ||
      schedule.threads % 32 != 0)
    return std::nullopt;
  return schedule;
}

// -- Choosing -------------------------------------------------------------------------------------

namespace {

constexpr int64_t unknownSize = 1024;     // What a symbolic size is taken for when work is estimated.
constexpr int64_t chunkNanoseconds = 8000; // Less work than this is not worth handing to a thread.
constexpr int64_t gpuThreads = 256;       // Per block.
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

int64_t chooseLanes(FusedOp fused, const TargetInfo &target, const DimExpr &inner) {
  bool wide = true;
  auto look = [&](Value value) {
    Type type = tensorType(value).getElementType();
    wide &= type.isInteger(1) || type.getIntOrFloatBitWidth() == 64;
  };
  for (Operation &op : bodyOf(fused).without_terminator())
    for (Value value : op.getOperands())
      look(value);
  for (Value value : yields(fused))
    look(value);
  int64_t lanes = target.kind == TargetInfo::Kind::Cuda ? 1 : target.vectorBytes / (wide ? 8 : 4);
  if (auto size = inner.constant())
    while (lanes > 1 && lanes / 2 >= *size)
      lanes /= 2;
  return lanes;
}

int64_t grainFor(double nanoseconds) {
  return std::clamp<int64_t>(static_cast<int64_t>(chunkNanoseconds / std::max(nanoseconds, 0.5)), 1, 1 << 20);
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

bool shouldStream(FusedOp fused, const TargetInfo &target, const DimExpr &inner, const Shape &domain, int64_t lanes) {
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

/// Element strides of each dim of a row-major tensor.
llvm::SmallVector<DimExpr> rowMajorStrides(const Shape &shape) {
  llvm::SmallVector<DimExpr> strides(static_cast<size_t>(shape.rank()), DimExpr(1));
  for (int64_t d = shape.rank() - 2; d >= 0; --d)
    strides[static_cast<size_t>(d)] = strides[static_cast<size_t>(d + 1)] * shape[d + 1];
  return strides;
}

/// One size and stride for a group of dims, or false when their elements are not evenly spaced.
bool flatten(const Shape &shape, llvm::ArrayRef<int64_t> dims, DimExpr &size, DimExpr &stride) {
  llvm::SmallVector<DimExpr> strides = rowMajorStrides(shape);
  size = 1;
  stride = 1;
  bool first = true;
  for (int64_t d : llvm::reverse(dims)) {
    if (shape[d].constant() == 1)
      continue;
    if (first)
      stride = strides[static_cast<size_t>(d)];
    else if (strides[static_cast<size_t>(d)] != size * stride)
      return false;
    first = false;
    size *= shape[d];
  }
  return true;
}

cpu::ContractionShape tileShape(const ContractionLayout &layout, DType dtype, FusedOp fused) {
  cpu::ContractionShape shape;
  shape.dtype = dtype;
  shape.storeOps = 0;
  for (Operation &op : bodyOf(fused).without_terminator())
    shape.storeOps += isa<ElementwiseOpInterface>(op) ? elementCost(&op) : 0;
  shape.batch = layout.batch;
  shape.m = layout.m;
  shape.n = layout.n;
  shape.k = layout.k;
  shape.aStrideM = layout.lhsM.constant();
  shape.aStrideK = layout.lhsK.constant();
  shape.bStrideK = layout.rhsK.constant();
  shape.bStrideN = layout.rhsN.constant();
  return shape;
}

int64_t roundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

} // namespace

std::optional<ContractionLayout> contractionLayout(DotGeneralOp dot) {
  ContractionLayout layout;
  Shape lhs = tensorType(dot.getLhs()).getShape(), rhs = tensorType(dot.getRhs()).getShape();
  auto freeDims = [](const Shape &shape, llvm::ArrayRef<int64_t> batch, llvm::ArrayRef<int64_t> contract) {
    llvm::SmallVector<int64_t> dims;
    for (int64_t d = 0; d < shape.rank(); ++d)
      if (!llvm::is_contained(batch, d) && !llvm::is_contained(contract, d))
        dims.push_back(d);
    return dims;
  };
  llvm::SmallVector<int64_t> lhsFree = freeDims(lhs, dot.getLhsBatch(), dot.getLhsContract());
  llvm::SmallVector<int64_t> rhsFree = freeDims(rhs, dot.getRhsBatch(), dot.getRhsContract());
  DimExpr kOther;
  if (!flatten(lhs, lhsFree, layout.m, layout.lhsM) || !flatten(lhs, dot.getLhsContract(), layout.k, layout.lhsK) ||
      !flatten(rhs, dot.getRhsContract(), kOther, layout.rhsK) || !flatten(rhs, rhsFree, layout.n, layout.rhsN))
    return std::nullopt;
  llvm::SmallVector<DimExpr> lhsStrides = rowMajorStrides(lhs), rhsStrides = rowMajorStrides(rhs);
  for (auto [l, r] : llvm::zip(dot.getLhsBatch(), dot.getRhsBatch())) {
    layout.batchDims.push_back(lhs[l]);
    layout.batch *= lhs[l];
    layout.lhsBatch.push_back(lhsStrides[static_cast<size_t>(l)]);
    layout.rhsBatch.push_back(rhsStrides[static_cast<size_t>(r)]);
  }
  for (int64_t d : lhsFree)
    layout.mDims.push_back(lhs[d]);
  for (int64_t d : rhsFree)
    layout.nDims.push_back(rhs[d]);
  return layout;
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
  bool hasGpuForm = analysis.form == KernelForm::Loop || analysis.form == KernelForm::Row ||
                    analysis.form == KernelForm::Reduce;
  if (target.kind == TargetInfo::Kind::Cuda && hasGpuForm) {
    schedule.block = 1;
    schedule.threads = gpuThreads;
    return schedule;
  }
  switch (analysis.form) {
  case KernelForm::Loop: {
    schedule.lanes = chooseLanes(fused, target, inner);
    schedule.unroll = limitUnroll(cost <= 8 ? 4 : cost <= 24 ? 2 : 1);
    schedule.block = std::min<int64_t>(4096, roundUp(std::max<int64_t>(inner.constant().value_or(4096), 1), schedule.lanes));
    double points = static_cast<double>(std::min(schedule.block, inner.constant().value_or(unknownSize)));
    schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
    schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes);
    break;
  }
  case KernelForm::Row: {
    schedule.lanes = chooseLanes(fused, target, inner);
    schedule.unroll = limitUnroll(cost <= 40 ? 2 : 1);
    DimExpr row = 1;
    for (int64_t axis : analysis.axes)
      row *= domain[axis];
    schedule.grain = grainFor(pointsTime(fused, static_cast<double>(row.constant().value_or(unknownSize)), schedule.lanes));
    schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes) && domain.rank() > 1;
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
    schedule.block = roundUp(schedule.block, analysis.isReduced(domain.rank() - 1) && first == domain.rank() - 1
                                                 ? schedule.lanes * schedule.unroll
                                                 : schedule.unroll);
    int64_t points = std::min(schedule.block, domain[first].constant().value_or(unknownSize)) * perPoint;
    schedule.grain = grainFor(pointsTime(fused, static_cast<double>(points), schedule.lanes));
    break;
  }
  case KernelForm::Contraction: {
    auto dot = cast<DotGeneralOp>(analysis.anchors.front());
    auto layout = contractionLayout(dot);
    if (!layout)
      return dot.emitError("its dims cannot be flattened");
    auto shape = tileShape(*layout, tensorType(dot.getLhs()).getDType(), fused);
    schedule.tiles = cpu::chooseTiles(target, shape);
    schedule.lanes = schedule.tiles.lanes;
    schedule.grain = std::max<int64_t>(1, cpu::contractionGrain(schedule.tiles, shape).constant().value_or(1));
    break;
  }
  case KernelForm::Scatter: {
    DimExpr columns = 1;
    for (int64_t d = 1; d < domain.rank(); ++d)
      columns *= domain[d];
    schedule.lanes = chooseLanes(fused, target, columns);
    schedule.block = schedule.lanes * 4;
    break;
  }
  }
  return schedule;
}

// -- Planning -------------------------------------------------------------------------------------

namespace {

/// Values of a row that are worth keeping between phases: needed in a later phase than the first, and dearer to
/// compute again than to read back from L1.
llvm::SmallVector<Value> chooseCached(FusedOp fused, const KernelAnalysis &analysis) {
  constexpr int64_t worthKeeping = 8;
  auto isPointwise = [&](Value value) { // Computed per element inside the region.
    Operation *op = value.getDefiningOp();
    if (!op || llvm::is_contained(analysis.anchors, op))
      return false;
    auto it = analysis.roles.find(value);
    return it == analysis.roles.end() || it->second == Role::Full;
  };
  std::function<int64_t(Value)> cost = [&](Value value) -> int64_t {
    if (!isPointwise(value))
      return 0;
    int64_t sum = elementCost(value.getDefiningOp());
    for (Value operand : value.getDefiningOp()->getOperands())
      sum += cost(operand);
    return sum;
  };
  llvm::SmallVector<Value> cached;
  llvm::DenseSet<Value> computed; // In the phases so far.
  for (unsigned phase = 0; phase <= analysis.numPhases; ++phase) {
    llvm::SmallVector<Value> work;
    if (phase < analysis.numPhases) {
      for (Operation *anchor : analysis.anchors)
        if (analysis.phase.lookup(anchor) == phase)
          work.push_back(anchor->getOperand(0));
    } else {
      for (Value value : yields(fused))
        if (analysis.roles.lookup(value) == Role::Full)
          work.push_back(value);
    }
    llvm::DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!isPointwise(value) || !seen.insert(value).second || llvm::is_contained(cached, value))
        continue;
      bool sameShape = tensorType(value).getShape() == analysis.domain;
      if (computed.contains(value) && sameShape && cost(value) >= worthKeeping) {
        cached.push_back(value);
        continue;
      }
      llvm::append_range(work, value.getDefiningOp()->getOperands());
    }
    // A value counts as computed in the phase where it first can be, which is where the emitter stores it.
    for (Value value : seen)
      if (analysis.ready.lookup(value) == phase)
        computed.insert(value);
  }
  return cached;
}

} // namespace

FailureOr<KernelPlan> planKernel(FusedOp fused) {
  auto schedule = Schedule::fromAttribute(fused.getScheduleAttr());
  if (!schedule)
    return fused.emitError("has no valid schedule");
  auto answer = analyzeKernel(fused);
  if (auto *reason = std::get_if<std::string>(&answer))
    return fused.emitError("cannot be planned: ") << *reason;
  KernelPlan plan{std::move(std::get<KernelAnalysis>(answer)), *schedule, {}, {}, 0, 0, {}};
  const KernelAnalysis &analysis = plan.analysis;
  if (schedule->form != analysis.form)
    return fused.emitError("its schedule is for another form");
  const Shape &domain = analysis.domain;
  DimExpr workers = DimExpr::symbol(workersSymbol);
  auto aligned = [](const DimExpr &bytes) { return ceilDiv(bytes, bufferAlignment) * bufferAlignment; };

  for (Value value : bodyOf(fused).getArguments())
    plan.bytesMoved += bytesOf(value);
  for (Value value : yields(fused))
    plan.bytesMoved += bytesOf(value);
  for (Operation &op : bodyOf(fused).without_terminator()) {
    auto indexed = dyn_cast<IndexedOpInterface>(&op);
    DimExpr points = elementCost(&op);
    for (const DimExpr &range : indexed.getIndexing().ranges)
      points *= range;
    plan.flops += indexed.getIndexing().combiner == Combiner::Contract ? points * 2 : points;
  }

  switch (analysis.form) {
  case KernelForm::Loop: {
    DimExpr extent = 1;
    for (int64_t d = 0; d < domain.rank(); ++d)
      extent *= d + 1 == domain.rank() ? ceilDiv(domain[d], std::max<int64_t>(schedule->block, 1)) : domain[d];
    plan.stages.push_back({extent, schedule->grain});
    break;
  }
  case KernelForm::Row: {
    DimExpr row = 1;
    for (int64_t axis : analysis.axes)
      row *= domain[axis];
    plan.stages.push_back({analysis.keptShape().numElements(), schedule->grain});
    if (schedule->threads == 0) // A GPU's threads compute again rather than share scratch.
      plan.cached = chooseCached(fused, analysis);
    for (Value value : plan.cached)
      plan.workspaces.push_back(aligned(row * byteSize(tensorType(value).getDType())) * workers);
    break;
  }
  case KernelForm::Reduce: {
    if (schedule->threads > 0) { // A block per kept point needs no partial results in memory.
      plan.stages.push_back({analysis.keptShape().numElements(), 1});
      break;
    }
    int64_t first = analysis.axes.front();
    DimExpr chunks = ceilDiv(domain[first], std::max<int64_t>(schedule->block, 1));
    DimExpr before = 1, kept = analysis.keptShape().numElements();
    for (int64_t d = 0; d < first; ++d)
      before *= domain[d];
    plan.stages.push_back({before * chunks, schedule->grain});
    plan.stages.push_back({ceilDiv(kept, schedule->lanes), 64});
    for (Operation *anchor : analysis.anchors) {
      int64_t width = byteSize(tensorType(anchor->getOperand(0)).getDType());
      plan.workspaces.push_back(aligned(chunks * kept * width));
      if (cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::ArgMax)
        plan.workspaces.push_back(aligned(chunks * kept * 8));
    }
    break;
  }
  case KernelForm::Contraction: {
    auto layout = contractionLayout(cast<DotGeneralOp>(analysis.anchors.front()));
    if (!layout)
      return fused.emitError("the dims of its contraction cannot be flattened");
    auto shape = tileShape(*layout, tensorType(analysis.anchors.front()->getOperand(0)).getDType(), fused);
    plan.stages.push_back({cpu::contractionExtent(schedule->tiles, layout->batch, layout->m, layout->n),
                           cpu::contractionGrain(schedule->tiles, shape)});
    plan.workspaces.push_back(DimExpr(cpu::contractionScratchBytes(schedule->tiles)) * workers);
    break;
  }
  case KernelForm::Scatter: {
    DimExpr columns = 1;
    for (int64_t d = 1; d < domain.rank(); ++d)
      columns *= domain[d];
    plan.stages.push_back({ceilDiv(columns, std::max<int64_t>(schedule->block, 1)), 1});
    break;
  }
  }
  return plan;
}

namespace {

/// Reduce form: the second launch writes a kept output from kept inputs, all read before it writes. The first launch
/// is over by then, so what it reads does not matter.
bool mayShareKept(const KernelAnalysis &analysis, Value source) {
  Shape shape = tensorType(source).getShape();
  if (shape != analysis.keptShape())
    return false;
  // A value that moved elements of the input must not reach a kept output but through a reduction.
  llvm::SmallVector<std::pair<Value, bool>> work{{source, false}};
  llvm::DenseSet<std::pair<Value, unsigned>> seen;
  while (!work.empty()) {
    auto [value, moved] = work.pop_back_val();
    if (!seen.insert({value, moved}).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (llvm::is_contained(analysis.anchors, user))
        continue;
      if (isa<YieldOp>(user)) {
        if (moved && analysis.roles.lookup(value) == Role::Kept)
          return false;
        continue;
      }
      bool moves = moved || !isa<ElementwiseOpInterface>(user);
      for (Value result : user->getResults())
        work.push_back({result, moves});
    }
  }
  return true;
}

} // namespace

bool mayShareBuffer(FusedOp fused, unsigned input, unsigned output) {
  auto answer = analyzeKernel(fused);
  auto *analysis = std::get_if<KernelAnalysis>(&answer);
  if (!analysis || analysis->form == KernelForm::Scatter)
    return false;
  Value source = bodyOf(fused).getArgument(input);
  Value result = yields(fused)[output];
  if (analysis->form == KernelForm::Reduce)
    return analysis->roles.lookup(result) == Role::Kept && analysis->roles.contains(result) &&
           byteSize(tensorType(source).getDType()) == byteSize(tensorType(result).getDType()) &&
           mayShareKept(*analysis, source);
  auto roleIt = analysis->roles.find(result);
  if (roleIt == analysis->roles.end() || roleIt->second != Role::Full)
    return false;
  auto sourceType = tensorType(source), resultType = tensorType(result);
  if (sourceType.getShape() != analysis->domain || byteSize(sourceType.getDType()) != byteSize(resultType.getDType()))
    return false;
  // Follow the input forward: it must only be read at the point that is being written. Every path goes through
  // elementwise ops of the domain's shape, or ends in a reduction that has run before the row is written.
  llvm::SmallVector<Value> work{source};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (isa<YieldOp>(user))
        continue;
      if (llvm::is_contained(analysis->anchors, user)) {
        if (analysis->form != KernelForm::Row)
          return false;
        continue;
      }
      if (!isa<ElementwiseOpInterface>(user))
        return false;
      llvm::append_range(work, user->getResults());
    }
  }
  return true;
}

} // namespace sinter::codegen
