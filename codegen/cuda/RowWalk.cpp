// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/RowWalk.h"

#include "sinter/codegen/forms/gpu/RowValues.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

RowWalk::RowWalk(const KernelRequest &request)
    : RowThreads(request), holds(plan.schedule.hold > 0) {
  for (int64_t d = 0; d < analysis.domain.rank(); ++d)
    (analysis.isReduced(d) ? reducedDims : keptDims).push_back(analysis.domain[d]);
  rowSize = product(reducedDims);
  readPoint = [this](BlockArgument argument, const BufferRef &buffer) {
    return readElement(argument, buffer);
  };
  if (analysis.source)
    startFromSums();
}

void RowWalk::startFromSums() {
  elements->setOverride(
      analysis.source->getResult(0), [this](llvm::ArrayRef<LaneIndex> index) -> Element {
        if (llvm::equal(index, point,
                        [](const LaneIndex &a, const LaneIndex &b) { return a.base == b.base; }))
          return {sumAtPoint(), true};
        return pickedSum(index);
      });
}

Element RowWalk::pickedSum(llvm::ArrayRef<LaneIndex> index) {
  LaneIndex column =
      elements->math().linearize(index.drop_front(keptDims.size()), analysis.reducedShape());
  return {sumAtColumn(column.base), true};
}

bool RowWalk::guards() const {
  int64_t tile = schedule.unroll * rowThreads * width;
  auto length = rowSize.constant();
  return !length || (holds ? *length != tile : *length % tile != 0);
}

RowWalk::Values RowWalk::eachPack(ValueRange carried, Body body) {
  int64_t stride = rowThreads * width;
  auto tile = [&](Value base, ValueRange state) {
    return unrolled(schedule.unroll, "part", state, [&](Value part, ValueRange inner) -> Values {
      place = {};
      place.part = part;
      Value at = add(mul(part, constant(stride)), firstElement);
      place.at = base ? add(base, at) : at;
      if (!guards())
        return body(inner);
      named(place.at, "at");
      Value inside = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, place.at, size);
      auto branch = scf::IfOp::create(builder, loc, inner.getTypes(), inside,
                                      /*withElseRegion=*/!inner.empty());
      OpBuilder::InsertionGuard guard(builder);
      ElementEmitter::Scope scope(*elements);
      if (inner.empty()) {
        builder.setInsertionPointToStart(branch.thenBlock());
        body(inner);
        return {};
      }
      builder.setInsertionPointToEnd(branch.thenBlock());
      scf::YieldOp::create(builder, loc, body(inner));
      builder.setInsertionPointToEnd(branch.elseBlock());
      scf::YieldOp::create(builder, loc, inner);
      return Values(branch.getResults());
    });
  };
  if (holds)
    return tile(Value(), carried);
  return loop(zero, size, constant(schedule.unroll * stride), carried,
              [&](Value base, ValueRange state) {
                name(base, "tile");
                return tile(base, state);
              });
}

RowWalk::Values RowWalk::eachElement(ValueRange carried, Body body) {
  return unrolled(width, "k", carried, [&](Value k, ValueRange state) {
    place.k = k;
    place.element = add(place.at, k);
    place.held = add(mul(place.part, constant(width)), k);
    return body(state);
  });
}

RowWalk::Values RowWalk::walk(unsigned phase, ValueRange carried, Body body,
                              llvm::function_ref<void()> beforePack,
                              llvm::function_ref<void()> afterPack) {
  llvm::SmallVector<BlockArgument> inputs = readInPhase(fused, analysis, phase, plan.cached);
  return eachPack(carried, [&](ValueRange outer) {
    for (BlockArgument argument : inputs)
      loadAhead(argument);
    if (loadSums)
      loadSums();
    if (beforePack)
      beforePack();
    Values next = eachElement(outer, [&](ValueRange state) {
      goTo(place.element);
      return body(state);
    });
    setPoint({}, {});
    for (auto &[argument, pack] : packs)
      elements->clearOverride(argument);
    packs.clear();
    if (afterPack)
      afterPack();
    return next;
  });
}

/// Makes an element of the row the point that is computed.
void RowWalk::goTo(Value element) {
  inner = elements->math().delinearize(element, reducedDims);
  Index index;
  size_t nextKept = 0, nextReduced = 0;
  for (int64_t d = 0; d < analysis.domain.rank(); ++d)
    index.push_back(analysis.isReduced(d) ? inner[nextReduced++] : kept[nextKept++]);
  setPoint(index, add(start, element));
  for (auto &[argument, pack] : packs)
    if (isOfColumns(argument))
      elements->setOverride(argument, [this, argument = argument](llvm::ArrayRef<LaneIndex> index) {
        return followsRow(index, cast<BlockArgument>(argument))
                   ? Element{readElement(cast<BlockArgument>(argument), env.buffers[argument]),
                             true}
                   : Element();
      });
}

/// An element at the point, from where it is nearest.
Value RowWalk::readElement(BlockArgument argument, const BufferRef &buffer) {
  Memory &memory = elements->memory();
  if (auto own = heldArrays.find(argument); own != heldArrays.end())
    return memory.loadScalar(own->second, buffer.elementType, place.held);
  if (auto pack = packs.find(argument); pack != packs.end())
    return memory.loadScalar(pack->second, buffer.elementType, place.k);
  return memory.loadScalar(buffer.pointer, buffer.elementType, add(start, place.element));
}

/// An input that has an element per column: the same in all rows.
bool RowWalk::isOfColumns(Value argument) {
  Shape shape = ir::tensorType(argument).getShape();
  if (shape == analysis.domain)
    return false;
  auto withoutOnes = [](llvm::ArrayRef<DimExpr> dims) {
    return llvm::to_vector(
        llvm::make_filter_range(dims, [](const DimExpr &d) { return d.constant() != 1; }));
  };
  llvm::SmallVector<DimExpr> own(shape.begin(), shape.end());
  return rowSize.constant() != 1 && withoutOnes(own) == withoutOnes(reducedDims);
}

/// Whether an index of such an input is that of the point's column.
bool RowWalk::followsRow(llvm::ArrayRef<LaneIndex> index, BlockArgument argument) {
  Shape shape = ir::tensorType(argument).getShape();
  size_t next = 0;
  for (size_t d = 0; d < index.size(); ++d) {
    if (shape[static_cast<int64_t>(d)].constant() == 1)
      continue;
    while (reducedDims[next].constant() == 1)
      ++next;
    if (index[d].base != inner[next++].base)
      return false;
  }
  return true;
}

void RowWalk::loadAhead(BlockArgument argument) {
  const BufferRef &buffer = env.buffers[argument];
  bool ofColumns = isOfColumns(argument);
  if (width == 1 || heldArrays.contains(argument) ||
      (!ofColumns && buffer.shape != analysis.domain))
    return;
  Value pack = array(buffer.elementType, width, bufferNames[argument.getArgNumber()] + "_pack");
  Value from = ofColumns ? place.at : add(start, place.at);
  callTemplate("loadPack", std::to_string(width), {pack, address(buffer, from)}, Type());
  packs[argument] = pack;
}

} // namespace sinter::cuda
