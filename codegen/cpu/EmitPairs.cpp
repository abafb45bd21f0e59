// SPDX-License-Identifier: Apache-2.0
// Pairs form: lanes run along the last kept dim, and every lane reduces its own points, one point
// of the reduced dims after the other. What depends on the kept dims only is loaded before the
// loop, what depends on the reduced ones is the same for all lanes. Units are blocks of kept
// points.
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

namespace {

/// Partial sums are added to the whole one after so many points, which keeps rounding errors small.
constexpr int64_t pointsPerSum = 256;

class PairsEmitter {
public:
  explicit PairsEmitter(KernelFunction &kernel)
      : kernel(kernel), analysis(kernel.plan.analysis), schedule(kernel.plan.schedule),
        vectors(kernel.builder, kernel.loc, kernel.env, schedule.lanes) {
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      if (!analysis.isReduced(d))
        keptDims.push_back(static_cast<size_t>(d));
    for (Operation *anchor : analysis.anchors)
      for (const Index &place : placesOf(ir::tensorType(anchor->getOperand(0)).getShape()))
        reductions.push_back({anchor, place, Reducer::of(kernel.builder, anchor, schedule.lanes)});
  }

  void run() {
    const DimExpr last = domainDim(keptDims.back()), blocks = ceilDiv(last, schedule.block);
    llvm::SmallVector<DimExpr> before;
    for (size_t d : llvm::ArrayRef(keptDims).drop_back())
      before.push_back(domainDim(d));
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      IndexMath &math = vectors.math();
      LaneIndex at = math.uniform(unit);
      point.assign(static_cast<size_t>(analysis.domain.rank()), math.uniform(kernel.constant(0)));
      for (auto [d, i] : llvm::zip(
               keptDims,
               math.delinearize(before.empty() ? unit : math.floorDiv(at, blocks).base, before)))
        point[d] = i;
      Value block = before.empty()           ? unit
                    : blocks.constant() == 1 ? kernel.constant(0)
                                             : math.mod(at, blocks).base;
      Value low = kernel.mul(block, kernel.constant(schedule.block));
      Value high =
          kernel.minimum(kernel.add(low, kernel.constant(schedule.block)), kernel.size(last));
      kernel.vectorLoop(low, high, schedule.lanes, 1, {}, [&](Value base, Value mask, ValueRange) {
        ElementEmitter::Scope inner(vectors);
        point[keptDims.back()] = {base, schedule.lanes == 1 ? 0 : 1, {}};
        vectors.setMask(mask);
        emitPoints();
        vectors.setMask({});
        return KernelFunction::Values();
      });
      return KernelFunction::Values();
    });
  }

private:
  /// One of an anchor's reductions: `place` is its index in the dims of the operand behind the
  /// domain's.
  struct Reduction {
    Operation *anchor;
    Index place;
    Reducer reducer;
  };

  const DimExpr &domainDim(size_t d) const { return analysis.domain[static_cast<int64_t>(d)]; }

  /// The indices behind the domain's of a value of pairs (or the kept dims' of a result).
  llvm::SmallVector<Index> placesOf(const Shape &shape, size_t lead) {
    llvm::SmallVector<Index> places(1);
    for (size_t d = lead; d < static_cast<size_t>(shape.rank()); ++d) {
      llvm::SmallVector<Index> longer;
      for (const Index &place : places)
        for (int64_t i = 0; i < *shape[static_cast<int64_t>(d)].constant(); ++i) {
          longer.push_back(place);
          longer.back().push_back(vectors.math().uniform(DimExpr(i)));
        }
      places = std::move(longer);
    }
    return places;
  }
  llvm::SmallVector<Index> placesOf(const Shape &shape) {
    return placesOf(shape, static_cast<size_t>(analysis.domain.rank()));
  }

  static bool samePlace(llvm::ArrayRef<LaneIndex> a, llvm::ArrayRef<LaneIndex> b) {
    return llvm::equal(a, b,
                       [](const LaneIndex &x, const LaneIndex &y) { return x.base == y.base; });
  }

  static bool dependsOn(const ir::IndexExpr &expr, llvm::function_ref<bool(unsigned)> dims) {
    using Kind = ir::IndexExpr::Kind;
    switch (expr.kind()) {
    case Kind::Dim:
      return dims(expr.dimOrOperand());
    case Kind::Size:
      return false;
    case Kind::Add:
      return dependsOn(expr.lhs(), dims) || dependsOn(expr.rhs(), dims);
    case Kind::Mul:
    case Kind::FloorDiv:
    case Kind::Mod:
      return dependsOn(expr.lhs(), dims);
    case Kind::Load:
      return true;
    }
    llvm_unreachable("an index that is not known");
  }

  /// Emits what views bring to the pairs from the kept dims alone, so that the loops find it.
  void emitKept() {
    auto isReduced = [&](unsigned d) { return analysis.isReduced(d); };
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      Shape shape = ir::tensorType(op.getResult(0)).getShape();
      auto indexed = dyn_cast<ir::IndexedOpInterface>(&op);
      if (isa<ir::ElementwiseOpInterface>(op) || !indexed ||
          shape.rank() < analysis.domain.rank() ||
          Shape(std::vector<DimExpr>(shape.begin(), shape.begin() + analysis.domain.rank())) !=
              analysis.domain)
        continue;
      ir::Indexing indexing = indexed.getIndexing();
      if (indexing.accesses.size() != 1 || indexing.numReductions > 0 ||
          !indexing.accesses.front().guards.empty() ||
          llvm::any_of(indexing.accesses.front().index,
                       [&](const ir::IndexExpr &expr) { return dependsOn(expr, isReduced); }))
        continue;
      for (const Index &place : placesOf(shape)) {
        Index index = point;
        llvm::append_range(index, place);
        Value valid;
        Index at = vectors.positions(&op, indexing.accesses.front().index, index, valid);
        vectors.emit(op.getOperand(indexing.accesses.front().operand), at);
      }
    }
  }

  KernelFunction::Values initial() {
    KernelFunction::Values state;
    for (Reduction &reduction : reductions)
      llvm::append_range(state, reduction.reducer.initial());
    return state;
  }

  void emitPoints() {
    emitKept();
    KernelFunction::Values state = walk(0, kernel.constant(0), initial());
    size_t first = 0;
    llvm::SmallVector<Value> results;
    for (Reduction &reduction : reductions) {
      size_t count = reduction.reducer.numStates();
      results.push_back(reduction.reducer.finish(
          ValueRange(state).slice(first, count),
          ir::tensorType(reduction.anchor->getResult(0)).getElementType()));
      first += count;
    }
    for (Operation *anchor : analysis.anchors)
      vectors.setOverride(anchor->getResult(0), [&, anchor](llvm::ArrayRef<LaneIndex> index) {
        for (auto [reduction, result] : llvm::zip_equal(reductions, results))
          if (reduction.anchor == anchor &&
              samePlace(reduction.place, index.drop_front(keptDims.size())))
            return Element{result, schedule.lanes == 1};
        return Element();
      });
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    Index kept;
    for (size_t d : keptDims)
      kept.push_back(point[d]);
    for (auto [value, buffer] : llvm::zip(values, kernel.outputs))
      for (const Index &place : placesOf(buffer.shape, keptDims.size())) {
        Index index = kept;
        llvm::append_range(index, place);
        store(buffer, index, vectors.emit(value, index));
      }
    for (Operation *anchor : analysis.anchors)
      vectors.clearOverride(anchor->getResult(0));
  }

  void store(const BufferRef &buffer, llvm::ArrayRef<LaneIndex> index, const Element &element) {
    LaneIndex offset = vectors.math().linearize(index, buffer.shape);
    Memory &memory = vectors.memory();
    if (schedule.lanes == 1 || (!offset.vector && offset.step == 1))
      memory.storeVector(memory.asVector(element), buffer.elementType, buffer.pointer, offset.base,
                         vectors.getMask(), false);
    else
      memory.scatter(memory.asVector(element), buffer.elementType, buffer.pointer,
                     vectors.math().asVector(offset), vectors.getMask());
  }

  /// Walks the reduced dims from number `n` on; `flat` is the flat index of those before.
  KernelFunction::Values walk(size_t n, Value flat, KernelFunction::Values carried) {
    auto d = static_cast<size_t>(analysis.axes[n]);
    const DimExpr &dim = domainDim(d);
    Value zero = kernel.constant(0), size = kernel.size(dim), start = kernel.mul(flat, size);
    if (n + 1 < analysis.axes.size())
      return kernel.loop(zero, size, 1, carried, [&](Value iv, ValueRange state) {
        ElementEmitter::Scope scope(vectors);
        point[d] = vectors.math().uniform(iv);
        return walk(n + 1, kernel.add(start, iv), KernelFunction::Values(state));
      });
    auto points = [&](Value low, Value high, KernelFunction::Values from) {
      return kernel.loop(low, high, 1, from, [&](Value iv, ValueRange state) {
        ElementEmitter::Scope scope(vectors);
        point[d] = vectors.math().uniform(iv);
        return step(kernel.add(start, iv), state);
      });
    };
    if (dim.constant().value_or(pointsPerSum + 1) <= pointsPerSum)
      return points(zero, size, std::move(carried));
    return kernel.loop(zero, size, pointsPerSum, carried, [&](Value low, ValueRange state) {
      Value high = kernel.minimum(kernel.add(low, kernel.constant(pointsPerSum)), size);
      KernelFunction::Values sums = points(low, high, initial()), next;
      size_t first = 0;
      for (Reduction &reduction : reductions) {
        size_t count = reduction.reducer.numStates();
        llvm::append_range(next, reduction.reducer.merge(state.slice(first, count),
                                                         ValueRange(sums).slice(first, count)));
        first += count;
      }
      return next;
    });
  }

  KernelFunction::Values step(Value flat, ValueRange state) {
    KernelFunction::Values next;
    size_t first = 0;
    for (Reduction &reduction : reductions) {
      Index index = point;
      llvm::append_range(index, reduction.place);
      Value element =
          vectors.memory().asVector(vectors.emit(reduction.anchor->getOperand(0), index));
      size_t count = reduction.reducer.numStates();
      Value position;
      if (count > 1)
        position =
            schedule.lanes == 1 ? flat : vectors.math().asVector(vectors.math().uniform(flat));
      // Lanes behind the last point carry what nobody reads.
      llvm::append_range(next,
                         reduction.reducer.step(state.slice(first, count), element, position, {}));
      first += count;
    }
    return next;
  }

  KernelFunction &kernel;
  const passes::KernelAnalysis &analysis;
  const Schedule &schedule;
  ElementEmitter vectors;
  llvm::SmallVector<size_t> keptDims;
  llvm::SmallVector<Reduction> reductions;
  Index point; ///< Of the domain.
};

} // namespace

void emitPairs(KernelFunction &kernel) { PairsEmitter(kernel).run(); }

} // namespace sinter::cpu
