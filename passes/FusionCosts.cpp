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

double FusionCosts::sizeOf(Attribute dim) const {
  auto size = dyn_cast<IntegerAttr>(dim);
  return size ? static_cast<double>(size.getInt())
              : passes::sizeOf(*toDim(dim), machine.assumedSize);
}

const FusionCosts::Sizes &FusionCosts::computeSizes(Type type) {
  Sizes &known = sizes[type];
  if (known.elements < 0) {
    auto tensor = cast<ir::TensorType>(type);
    known.elements = 1;
    for (Attribute dim : tensor.getDims())
      known.elements *= sizeOf(dim);
    known.bytes = known.elements * static_cast<double>(byteSize(tensor.getDType()));
  }
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

double FusionCosts::pointsOf(const KernelSketch &sketch) {
  double points = 1;
  for (Attribute dim : sketch.domain)
    points *= sizeOf(dim);
  if (sketch.form != KernelForm::Scatter)
    return points;
  // A scatter asks once for each of its updates.
  const OpFacts::Entry &scatter = *sketch.anchors.front();
  unsigned updates = scatter.indexing->accesses.front().operand;
  return std::min(points, elementsOf(scatter.op->getOperand(updates)));
}

double FusionCosts::evaluationsOf(const OpFacts::Entry &entry, const KernelAnalyzer &kernel,
                                  double points) {
  double elements = elementsOf(entry);
  // Scalars are computed once; per-row values once per row.
  if (elements <= 1 || elements >= points || kernel.roleOf(entry))
    return std::min(elements, std::max(points, 1.0));
  if (entry.cost <= machine.cheapToRepeat)
    return elements + (points - elements) / machine.repeatedLanes;
  return points;
}

double FusionCosts::anchorNs(const OpFacts::Entry &anchor) {
  const Indexing &indexing = *anchor.indexing;
  double points = 1;
  if (!indexing.scatter.empty())
    points = elementsOf(anchor.op->getOperand(indexing.accesses.front().operand));
  else
    for (const DimExpr &range : indexing.ranges)
      points *= passes::sizeOf(range, machine.assumedSize);
  return points /
         (indexing.combiner == Combiner::Contract ? machine.madsPerNs : machine.flopsPerNs);
}

/// The most values that are waiting for their last reader at once, in program order.
size_t FusionCosts::maxLive(KernelAnalyzer::Ops ops) {
  ++round;
  for (auto [i, entry] : llvm::enumerate(ops)) // The last reader's number.
    for (unsigned operand = 0; operand < entry->op->getNumOperands(); ++operand)
      if (const OpFacts::Entry *maker = facts.makerOf(*entry, operand))
        wantedAt(*maker) = static_cast<double>(i);
  llvm::SmallVector<size_t> ends(ops.size() + 1, 0);
  size_t live = 0, most = 0;
  for (auto [i, entry] : llvm::enumerate(ops)) {
    live -= ends[i];
    if (entry->freeToRecompute || elementsOf(*entry) <= 1)
      continue;
    auto last = static_cast<size_t>(wantedAt(*entry));
    if (last <= i)
      continue;
    ++ends[last];
    most = std::max(most, ++live);
  }
  return most;
}

KernelCost FusionCosts::costOf(KernelAnalyzer::Ops ops, llvm::ArrayRef<Value> inputs,
                               llvm::ArrayRef<Value> outputs, const KernelAnalyzer &kernel) {
  const KernelSketch &sketch = kernel.sketch();
  KernelCost cost;
  cost.launchNs = machine.launchNs;
  cost.bytes = bytesOf(inputs) + bytesOf(outputs);
  cost.memoryNs = memoryNs(inputs, outputs);
  const double points = pointsOf(sketch);
  double rows = points;
  if (sketch.reduces() || sketch.hasRowsBehind()) {
    rows = 1;
    for (auto [d, dim] : llvm::enumerate(sketch.domain))
      if (!sketch.isReduced(static_cast<int64_t>(d)))
        rows *= sizeOf(dim);
  }
  double flops = 0;
  // What only per-row values need is computed once per row, what a contraction packs about once.
  const bool hasPlaces = rows < points || sketch.form == KernelForm::Contraction;
  ++round;
  for (const OpFacts::Entry *entry : llvm::reverse(ops)) {
    const bool isAnchor = entry->anchor != AnchorKind::None;
    double own = points;
    if (hasPlaces) {
      if (!isAnchor) {
        const std::optional<Role> role = kernel.roleOf(*entry);
        const double wanted = wantedAt(*entry);
        own = !role ? wanted : *role == Role::Kept ? rows : std::max(points, wanted);
      }
      for (unsigned operand = 0; operand < entry->op->getNumOperands(); ++operand)
        if (const OpFacts::Entry *maker = facts.makerOf(*entry, operand)) {
          const bool isPacked = entry->anchor == AnchorKind::Contraction;
          double &wanted = wantedAt(*maker);
          wanted = std::max(wanted, isPacked ? elementsOf(entry->op->getOperand(operand)) : own);
        }
    }
    if (isAnchor)
      cost.computeNs += anchorNs(*entry);
    else if (!entry->freeToRecompute)
      flops += static_cast<double>(entry->cost) * evaluationsOf(*entry, kernel, own);
  }
  if (ops.size() > machine.maxLive)
    if (size_t live = maxLive(ops); live > machine.maxLive)
      flops += static_cast<double>(live - machine.maxLive) * machine.spillFlops * points;
  cost.computeNs += flops / machine.flopsPerNs;
  return cost;
}

} // namespace sinter::passes
