// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/RowsAhead.h"

#include "sinter/codegen/ScatterLayout.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::ir::IndexExpr;

namespace sinter::cpu {

void prefetch(KernelFunction &kernel, const BufferRef &buffer, Value offset, int64_t bytes) {
  Memory memory(kernel.builder, kernel.loc, 1);
  Value at = memory.address(buffer.pointer, buffer.elementType, offset);
  for (int64_t line = 0; line < bytes; line += 64)
    LLVM::Prefetch::create(kernel.builder, kernel.loc,
                           kernel.offsetBytes(at, kernel.constant(line)), /*rw=*/0,
                           /*hint=*/2, /*cache=*/1);
}

/// Whether a looked-up index is cheap to evaluate twice: elementwise from what is in memory.
static bool isCheap(Value value, const KernelFunction &kernel, int64_t depth = 0) {
  constexpr int64_t deepest = 4;
  Operation *op = value.getDefiningOp();
  return kernel.env.buffers.contains(value) ||
         (op && depth < deepest && isa<ir::ElementwiseOpInterface, ir::BroadcastOp>(op) &&
          llvm::all_of(op->getOperands(),
                       [&](Value operand) { return isCheap(operand, kernel, depth + 1); }));
}

/// Whether `expr` looks an index up, and is the same for all places of the dim `last`.
static bool looksUp(const IndexExpr &expr, unsigned last, Operation *op,
                    const KernelFunction &kernel) {
  if (expr.kind() != IndexExpr::Kind::Load)
    return false;
  Value looked = op->getOperand(expr.dimOrOperand());
  for (auto [at, inner] : llvm::enumerate(expr.indices())) {
    auto dim = inner.asDim();
    if (!inner.isZero() && (!dim || (*dim == last && variesAlong(looked, unsigned(at)))))
      return false;
  }
  return isCheap(looked, kernel);
}

RowsAhead::RowsAhead(KernelFunction &kernel, int64_t elements)
    : kernel(kernel), emitter(kernel.builder, kernel.loc, kernel.env, 1) {
  constexpr int64_t bytesAhead = 16 << 10, fewest = 2, most = 16;
  for (Value value : kernel.fused.getBody().front().getTerminator()->getOperands())
    collect(value, elements);
  int64_t bytes = 0;
  for (const LookUp &lookUp : lookUps)
    bytes += lookUp.bytes;
  if (bytes > 0)
    numUnits = std::clamp(bytesAhead / bytes, fewest, most);
}

/// Through ops whose operands have the index of their result.
void RowsAhead::collect(Value value, int64_t elements) {
  constexpr int64_t cachedBytes = 1 << 20, shortRow = 256, longRow = 1 << 10;
  Operation *op = value.getDefiningOp();
  if (kernel.env.buffers.contains(value) || !op ||
      llvm::any_of(lookUps, [&](const LookUp &known) { return known.op == op; }))
    return;
  if (isa<ir::ElementwiseOpInterface>(op)) {
    for (Value operand : op->getOperands())
      collect(operand, elements);
    return;
  }
  auto indexed = dyn_cast<ir::IndexedOpInterface>(op);
  if (!indexed)
    return;
  ir::Indexing indexing = indexed.getIndexing();
  if (indexing.numReductions > 0 || indexing.accesses.size() != 1 || indexing.ranges.empty())
    return;
  const ir::Access &access = indexing.accesses.front();
  Value source = op->getOperand(access.operand);
  auto last = static_cast<unsigned>(indexing.ranges.size() - 1);
  ir::TensorType type = ir::tensorType(source);
  const int64_t bytes = elements * byteSize(type.getDType());
  auto all = (type.getNumElements() * DimExpr(byteSize(type.getDType()))).constant();
  if (!kernel.env.buffers.contains(source) || !access.guards.empty() || access.index.empty() ||
      access.index.back().asDim() != last || bytes < shortRow || (all && *all < cachedBytes))
    return;
  bool looks = false;
  for (const IndexExpr &expr : llvm::ArrayRef(access.index).drop_back()) {
    const bool here = looksUp(expr, last, op, kernel);
    if (!here && !expr.asDim() && !expr.isZero())
      return;
    looks |= here;
  }
  if (looks)
    lookUps.push_back({op, access, std::min(bytes, longRow)});
}

LaneIndex RowsAhead::evaluate(Operation *op, const IndexExpr &expr,
                              llvm::ArrayRef<LaneIndex> index) {
  if (auto dim = expr.asDim())
    return index[*dim];
  if (expr.kind() != IndexExpr::Kind::Load)
    return emitter.math().uniform(kernel.constant(0));
  Index at;
  for (const IndexExpr &inner : expr.indices())
    at.push_back(evaluate(op, inner, index));
  Value row = emitter.emit(op->getOperand(expr.dimOrOperand()), at).value;
  if (Type word = kernel.builder.getI64Type(); row.getType() != word)
    row = arith::ExtSIOp::create(kernel.builder, kernel.loc, word, row);
  return emitter.math().uniform(row);
}

void RowsAhead::askFor(llvm::ArrayRef<LaneIndex> index) {
  ElementEmitter::Scope scope(emitter);
  for (const LookUp &lookUp : lookUps) {
    Index at;
    for (const IndexExpr &expr : lookUp.access.index)
      at.push_back(evaluate(lookUp.op, expr, index));
    const BufferRef &source =
        kernel.env.buffers.find(lookUp.op->getOperand(lookUp.access.operand))->second;
    prefetch(kernel, source, emitter.math().linearize(at, source.shape).base, lookUp.bytes);
  }
}

} // namespace sinter::cpu
