// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/Region.h"

#include "sinter/codegen/Program.h"
#include "sinter/ir/base/CheckedMath.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::elementCost;

namespace sinter::codegen {

namespace {

constexpr int64_t chunkNanoseconds = 8000; // Less work than this is not worth handing to a thread.
constexpr int64_t streamBytes = 16 << 20;  // Larger results would only evict what is still needed.

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

} // namespace

DimExpr bytesOf(Value tensor) {
  auto type = tensorType(tensor);
  const int64_t width = byteSize(type.getDType());
  int64_t bytes = width; // Known sizes are multiplied as numbers.
  for (Attribute dim : type.getDims()) {
    auto size = dyn_cast<IntegerAttr>(dim);
    auto next = size ? checkedMul(bytes, size.getInt()) : std::nullopt;
    if (!next)
      return type.getNumElements() * width;
    bytes = *next;
  }
  return bytes;
}

int64_t registerBytes(Value tensor) {
  return byteSize(*toDType(registerType(tensorType(tensor).getElementType())));
}

DimExpr alignedBytes(const DimExpr &bytes) {
  return ceilDiv(bytes, bufferAlignment) * bufferAlignment;
}

int64_t regionCost(FusedOp fused) {
  int64_t cost = 1;
  for (Operation &op : bodyOf(fused).without_terminator())
    cost += elementCost(&op);
  return cost;
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

int64_t limitUnroll(int64_t wanted, const DimExpr &inner, int64_t lanes) {
  while (wanted > 1 && inner.constant() && lanes * wanted > *inner.constant())
    wanted /= 2;
  return wanted;
}

} // namespace sinter::codegen
