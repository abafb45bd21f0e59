// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/KernelPlan.h"

#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/Program.h"
#include "sinter/codegen/ScatterLayout.h"
#include "sinter/codegen/SortPlan.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::analyzeKernel;
using sinter::passes::elementCost;
using sinter::passes::KernelAnalysis;
using sinter::passes::KernelForm;
using sinter::passes::Role;

namespace sinter::codegen {

namespace {

Block &bodyOf(FusedOp fused) { return fused.getBody().front(); }
ValueRange yields(FusedOp fused) { return bodyOf(fused).getTerminator()->getOperands(); }

DimExpr bytesOf(Value tensor) {
  auto type = tensorType(tensor);
  return type.getNumElements() * byteSize(type.getDType());
}

/// Of an element in a register, and in scratch that keeps registers.
int64_t registerBytes(Value tensor) {
  return byteSize(*toDType(registerType(tensorType(tensor).getElementType())));
}

/// Values of a row that are worth keeping between phases: needed in a later phase than the first,
/// and dearer to compute again than to read back from L1.
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
    // A value counts as computed in the phase where it first can be, which is where the emitter
    // stores it.
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
  KernelPlan plan{std::move(std::get<KernelAnalysis>(answer)), *schedule, {}, {}, 0, 0, {}, {}};
  const KernelAnalysis &analysis = plan.analysis;
  if (schedule->form != analysis.form)
    return fused.emitError("its schedule is for another form");
  const Shape &domain = analysis.domain;
  DimExpr workers = DimExpr::symbol(workersSymbol);
  auto aligned = [](const DimExpr &bytes) {
    return ceilDiv(bytes, bufferAlignment) * bufferAlignment;
  };

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
      extent *= d + 1 == domain.rank() ? ceilDiv(domain[d], std::max<int64_t>(schedule->block, 1))
                                       : domain[d];
    plan.stages.push_back({extent, schedule->grain});
    break;
  }
  case KernelForm::Row: {
    DimExpr row = 1;
    for (int64_t axis : analysis.axes)
      row *= domain[axis];
    if (schedule->threads == 0 && schedule->block > 0) {
      Shape kept = analysis.keptShape();
      DimExpr extent = ceilDiv(kept[kept.rank() - 1], schedule->block);
      for (int64_t d = 0; d + 1 < kept.rank(); ++d)
        extent *= kept[d];
      plan.stages.push_back({extent, schedule->grain});
      break;
    }
    plan.stages.push_back({analysis.keptShape().numElements(), schedule->grain});
    if (schedule->threads == 0) // A GPU's threads compute again rather than share scratch.
      plan.cached = chooseCached(fused, analysis);
    for (Value value : plan.cached)
      plan.workspaces.push_back(aligned(row * registerBytes(value)) * workers);
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
      plan.workspaces.push_back(aligned(chunks * kept * registerBytes(anchor->getOperand(0))));
      if (cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::ArgMax)
        plan.workspaces.push_back(aligned(chunks * kept * 8));
    }
    break;
  }
  case KernelForm::Contraction: {
    auto dot = cast<DotGeneralOp>(analysis.anchors.front());
    auto layout = contractionLayout(dot);
    if (!layout)
      return fused.emitError("the dims of its contraction cannot be flattened");
    auto shape = tileShape(*layout, fused, dot);
    plan.stages.push_back(
        {cpu::contractionExtent(schedule->tiles, layout->batch, layout->m, layout->n),
         cpu::contractionGrain(schedule->tiles, shape)});
    plan.workspaces.push_back(DimExpr(cpu::contractionScratchBytes(schedule->tiles)) * workers);
    break;
  }
  case KernelForm::Scatter: {
    ScatterLayout layout = scatterLayout(analysis.anchors.front());
    int64_t block = std::max<int64_t>(schedule->block, 1);
    DimExpr parts = layout.parts(block);
    plan.stages.push_back({layout.outerCount * ceilDiv(layout.columns, block) * parts,
                           parts.isConstant() ? schedule->grain : 1});
    break;
  }
  case KernelForm::Cumulative: {
    int64_t last = domain.rank() - 1, block = schedule->block;
    bool alongInner = analysis.isReduced(last);
    if (!alongInner && block == 0)
      return fused.emitError("its schedule has no block");
    DimExpr extent = 1;
    for (int64_t d = 0; d < last; ++d)
      extent *= analysis.isReduced(d) ? DimExpr(1) : domain[d];
    if (block > 0)
      extent *= ceilDiv(domain[last], block);
    plan.stages.push_back({extent, schedule->grain});
    if (alongInner && block > 0) // The totals of chunks, then what runs on from them.
      plan.stages.push_back({extent, schedule->grain});
    for (Operation *anchor : analysis.anchors) {
      int64_t width = registerBytes(anchor->getResult(0));
      if (!alongInner)
        plan.workspaces.push_back(aligned(DimExpr(block * width)) * workers);
      else if (block > 0)
        plan.workspaces.push_back(aligned(extent * width));
    }
    break;
  }
  case KernelForm::Sort: {
    SortPlan sort = sortPlan(analysis.anchors.front());
    if (!sort.size.isConstant() && sort.keyBits == 32) // The index of an element is as wide.
      plan.nonNegative.push_back(DimExpr(int64_t{1} << 32) - sort.size);
    plan.stages.push_back({analysis.keptShape().numElements(), schedule->grain});
    plan.workspaces.push_back(aligned(sort.wordsBytes()) * workers);
    plan.workspaces.push_back(aligned(DimExpr(sort.counterBytes())) * workers);
    break;
  }
  }
  return plan;
}

namespace {

/// Reduce form: the second launch writes a kept output from kept inputs, all read before it writes.
/// The first launch is over by then, so what it reads does not matter.
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
  if (!analysis || analysis->form == KernelForm::Sort)
    return false;
  Value source = bodyOf(fused).getArgument(input);
  Value result = yields(fused)[output];
  if (analysis->form == KernelForm::Scatter) {
    // Only what the updates are combined into: then nothing is copied.
    Operation *scatter = analysis->anchors.front();
    Indexing indexing = cast<IndexedOpInterface>(scatter).getIndexing();
    return indexing.accesses.size() > 1 && source.hasOneUse() &&
           scatter->getOperand(indexing.accesses[1].operand) == source;
  }
  if (analysis->form == KernelForm::Reduce)
    return analysis->roles.lookup(result) == Role::Kept && analysis->roles.contains(result) &&
           byteSize(tensorType(source).getDType()) == byteSize(tensorType(result).getDType()) &&
           mayShareKept(*analysis, source);
  auto roleIt = analysis->roles.find(result);
  if (roleIt == analysis->roles.end() || roleIt->second != Role::Full)
    return false;
  auto sourceType = tensorType(source), resultType = tensorType(result);
  if (sourceType.getShape() != analysis->domain ||
      byteSize(sourceType.getDType()) != byteSize(resultType.getDType()))
    return false;
  // Follow the input forward: it must only be read at the point that is being written. Every path
  // goes through elementwise ops of the domain's shape, or ends in a reduction that has run before
  // the row is written.
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
        if (analysis->form == KernelForm::Row)
          continue;
        if (analysis->form != KernelForm::Cumulative)
          return false;
        // What has come before is in the state, not in the input.
        llvm::append_range(work, user->getResults());
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
