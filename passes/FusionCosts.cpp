// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FusionCosts.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static double sizeOf(const DimExpr &dim, int64_t assumedSize) {
  if (auto size = dim.constant())
    return static_cast<double>(*size);
  std::set<std::string> symbols;
  dim.collectSymbols(symbols);
  DimBinding binding;
  for (const std::string &symbol : symbols)
    binding[symbol] = assumedSize;
  return static_cast<double>(dim.evaluate(binding).value_or(assumedSize));
}

const FusionCosts::Sizes &FusionCosts::sizesOf(Type type) {
  Sizes &known = sizes[type];
  if (known.elements >= 0)
    return known;
  auto tensor = cast<ir::TensorType>(type);
  known.elements = 1;
  for (Attribute dim : tensor.getDims()) {
    auto size = dyn_cast<IntegerAttr>(dim);
    known.elements *=
        size ? static_cast<double>(size.getInt()) : sizeOf(*toDim(dim), machine.assumedSize);
  }
  known.bytes = known.elements * static_cast<double>(byteSize(tensor.getDType()));
  return known;
}

double FusionCosts::memoryNs(double bytes) const {
  double bandwidth = bytes <= machine.nearBytes  ? machine.nearBytesPerNs
                     : bytes <= machine.midBytes ? machine.midBytesPerNs
                                                 : machine.farBytesPerNs;
  return bytes / bandwidth;
}

double FusionCosts::bytesOf(llvm::ArrayRef<Value> values) {
  double total = 0;
  for (Value value : values)
    total += bytesOf(value);
  return total;
}

double FusionCosts::memoryNs(llvm::ArrayRef<Value> inputs, llvm::ArrayRef<Value> outputs) {
  double ns = 0;
  size_t streams = 0;
  for (Value input : inputs) {
    ns += memoryNs(bytesOf(input));
    streams += bytesOf(input) > machine.nearBytes;
  }
  for (Value output : outputs)
    ns += memoryNs(bytesOf(output));
  if (streams > machine.maxStreams)
    ns *= 1 + machine.streamPenalty * static_cast<double>(streams - machine.maxStreams);
  return ns;
}

double FusionCosts::pointsOf(const KernelAnalysis &analysis) {
  double points = 1;
  for (const DimExpr &dim : analysis.domain)
    points *= sizeOf(dim, machine.assumedSize);
  if (analysis.form != KernelForm::Scatter)
    return points;
  // A scatter asks once for each of its updates.
  Operation *scatter = analysis.anchors.front();
  unsigned updates = facts[scatter].indexing->accesses.front().operand;
  return std::min(points, elementsOf(scatter->getOperand(updates)));
}

double FusionCosts::rowsOf(const KernelAnalysis &analysis) {
  double rows = 1;
  for (int64_t d = 0; d < analysis.domain.rank(); ++d)
    if (!analysis.isReduced(d))
      rows *= sizeOf(analysis.domain[d], machine.assumedSize);
  return rows;
}

double FusionCosts::evaluationsOf(Operation *op, const KernelAnalysis &analysis, double points) {
  double elements = elementsOf(op->getResult(0));
  // Scalars are computed once; per-row values once per row.
  if (elements <= 1 || elements >= points || analysis.roles.contains(op->getResult(0)))
    return std::min(elements, std::max(points, 1.0));
  if (facts[op].cost <= machine.cheapToRepeat)
    return elements + (points - elements) / machine.repeatedLanes;
  return points;
}

double FusionCosts::anchorNs(Operation *anchor) {
  const OpFacts::Entry &entry = facts[anchor];
  const Indexing &indexing = *entry.indexing;
  double points = 1;
  if (!indexing.scatter.empty())
    points = elementsOf(anchor->getOperand(indexing.accesses.front().operand));
  else
    for (const DimExpr &range : indexing.ranges)
      points *= sizeOf(range, machine.assumedSize);
  return points /
         (indexing.combiner == Combiner::Contract ? machine.madsPerNs : machine.flopsPerNs);
}

/// The most values that are waiting for their last reader at once, in program order.
size_t FusionCosts::maxLive(llvm::ArrayRef<Operation *> ops) {
  llvm::DenseMap<Operation *, unsigned> lastReader;
  for (auto [i, op] : llvm::enumerate(ops))
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        lastReader[producer] = static_cast<unsigned>(i);
  llvm::SmallVector<size_t> ends(ops.size() + 1, 0);
  size_t live = 0, most = 0;
  for (auto [i, op] : llvm::enumerate(ops)) {
    live -= ends[i];
    if (facts[op].freeToRecompute || elementsOf(op->getResult(0)) <= 1)
      continue;
    auto last = lastReader.find(op);
    if (last == lastReader.end() || last->second <= i)
      continue;
    ++ends[last->second];
    most = std::max(most, ++live);
  }
  return most;
}

KernelCost FusionCosts::costOf(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> inputs,
                               llvm::ArrayRef<Value> outputs, const KernelAnalysis &analysis) {
  KernelCost cost;
  cost.launchNs = machine.launchNs;
  cost.bytes = bytesOf(inputs) + bytesOf(outputs);
  cost.memoryNs = memoryNs(inputs, outputs);
  const bool hasRows = analysis.reduces() || analysis.hasRowsBehind();
  double points = pointsOf(analysis), rows = hasRows ? rowsOf(analysis) : points;
  double flops = 0;
  // What only per-row values need is computed once per row, what a contraction packs about once.
  bool hasPlaces = rows < points || analysis.form == KernelForm::Contraction;
  llvm::SmallDenseMap<Operation *, double, 32> pointsFor;
  for (Operation *op : llvm::reverse(ops)) {
    const OpFacts::Entry &entry = facts[op];
    bool isAnchor = entry.anchor != AnchorKind::None;
    double own = points;
    if (hasPlaces) {
      auto role = analysis.roles.find(op->getResult(0));
      if (!isAnchor)
        own = role == analysis.roles.end() ? pointsFor.lookup(op)
              : role->second == Role::Kept ? rows
                                           : std::max(points, pointsFor.lookup(op));
      for (Value operand : op->getOperands())
        if (Operation *producer = operand.getDefiningOp()) {
          double &wanted = pointsFor[producer];
          bool isPacked = entry.anchor == AnchorKind::Contraction;
          wanted = std::max(wanted, isPacked ? elementsOf(operand) : own);
        }
    }
    if (entry.anchor != AnchorKind::None)
      cost.computeNs += anchorNs(op);
    else if (!entry.freeToRecompute)
      flops += static_cast<double>(entry.cost) * evaluationsOf(op, analysis, own);
  }
  if (ops.size() > machine.maxLive)
    if (size_t live = maxLive(ops); live > machine.maxLive)
      flops += static_cast<double>(live - machine.maxLive) * machine.spillFlops * points;
  cost.computeNs += flops / machine.flopsPerNs;
  return cost;
}

} // namespace sinter::passes
