// SPDX-License-Identifier: Apache-2.0
// Pairs form: a warp per kept point. Its lanes share out the points that are reduced, compute the
// values of each pair where they need them, and combine what they found in one order.
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/RowReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;

namespace sinter::cuda {

namespace {

constexpr int64_t warp = 32;

class PairsEmitter : BlockEmitter {
public:
  explicit PairsEmitter(const KernelRequest &request) : BlockEmitter(request) {
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      (analysis.isReduced(d) ? reducedDims : keptDims).push_back(analysis.domain[d]);
    for (Operation *anchor : analysis.anchors)
      for (const Index &place : placesOf(ir::tensorType(anchor->getOperand(0)).getShape(),
                                         static_cast<size_t>(analysis.domain.rank())))
        reductions.push_back({anchor, place, Reducer::of(builder, anchor, 1)});
  }

  BlockKernel run() {
    IndexMath &math = elements->math();
    Value warps = constant(plan.schedule.threads / warp), thread = position("thread");
    LaneIndex at = math.uniform(thread);
    lane = math.mod(at, DimExpr(warp)).base;
    Value first = add(mul(position("block"), warps), math.floorDiv(at, DimExpr(warp)).base);
    loop(first, sizes->get(product(keptDims)), mul(position("blocks"), warps), {},
         [&](Value number, ValueRange) {
           Index kept(math.delinearize(number, keptDims));
           finishPoint(kept, combineLanes(walk(kept)));
           return Values();
         });
    return finish();
  }

private:
  /// One of an anchor's reductions: `place` is its index in the dims of the operand behind the
  /// domain's.
  struct Reduction {
    Operation *anchor;
    Index place;
    Reducer reducer;
  };

  Value constant(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }

  /// The indices in the dims of `shape` behind the first `lead`, which are few.
  llvm::SmallVector<Index> placesOf(const Shape &shape, size_t lead) {
    llvm::SmallVector<Index> places(1);
    for (auto d = static_cast<int64_t>(lead); d < shape.rank(); ++d) {
      llvm::SmallVector<Index> longer;
      for (const Index &place : places)
        for (int64_t i = 0; i < *shape[d].constant(); ++i) {
          longer.push_back(place);
          longer.back().push_back(elements->math().uniform(DimExpr(i)));
        }
      places = std::move(longer);
    }
    return places;
  }

  /// This lane's share of the pairs of a kept point.
  Values walk(const Index &kept) {
    Values states;
    for (Reduction &reduction : reductions)
      llvm::append_range(states, reduction.reducer.initial());
    return loop(lane, sizes->get(product(reducedDims)), constant(warp), states,
                [&](Value number, ValueRange carried) {
                  constexpr int64_t pairsInFlight = 4;
                  overlap(number, pairsInFlight);
                  Index reduced(elements->math().delinearize(number, reducedDims)), pair;
                  size_t nextKept = 0, nextReduced = 0;
                  for (int64_t d = 0; d < analysis.domain.rank(); ++d)
                    pair.push_back(analysis.isReduced(d) ? reduced[nextReduced++]
                                                         : kept[nextKept++]);
                  Values next;
                  size_t k = 0;
                  for (Reduction &reduction : reductions) {
                    Index index = pair;
                    llvm::append_range(index, reduction.place);
                    Value element = elements->emit(reduction.anchor->getOperand(0), index).value;
                    size_t count = reduction.reducer.numStates();
                    llvm::append_range(
                        next, reduction.reducer.step(carried.slice(k, count), element, number, {}));
                    k += count;
                  }
                  return next;
                });
  }

  /// The results of the reductions, from the lanes' states.
  Values combineLanes(ValueRange states) {
    Values results;
    size_t k = 0;
    for (Reduction &reduction : reductions) {
      Values state(states.slice(k, reduction.reducer.numStates()));
      k += state.size();
      state.back() = callTemplate(state.size() > 1 ? "indexAcrossLanes" : "acrossLanes",
                                  std::to_string(warp) + ", " + mergeName(reduction.anchor), state,
                                  state.back().getType(), "point");
      results.push_back(reduction.reducer.finish(
          state, ir::tensorType(reduction.anchor->getResult(0)).getElementType()));
    }
    return results;
  }

  /// Computes what follows from the results, and stores it.
  void finishPoint(const Index &kept, const Values &results) {
    for (Operation *anchor : analysis.anchors)
      elements->setOverride(anchor->getResult(0), [&, anchor](llvm::ArrayRef<LaneIndex> index) {
        for (auto [reduction, result] : llvm::zip_equal(reductions, results))
          if (reduction.anchor == anchor &&
              llvm::equal(reduction.place, index.drop_front(keptDims.size()),
                          [](const LaneIndex &a, const LaneIndex &b) { return a.base == b.base; }))
            return Element{result, true};
        return Element();
      });
    Value isFirst = builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, lane, zero);
    auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(builder);
      ElementEmitter::Scope scope(*elements);
      builder.setInsertionPointToStart(branch.thenBlock());
      for (auto [value, buffer] : llvm::zip(outputValues, outputs))
        for (const Index &place : placesOf(buffer.shape, keptDims.size())) {
          Index index = kept;
          llvm::append_range(index, place);
          store(buffer, index, {}, elements->emit(value, index).value);
        }
    }
    for (Operation *anchor : analysis.anchors)
      elements->clearOverride(anchor->getResult(0));
  }

  Value lane;
  llvm::SmallVector<DimExpr> keptDims, reducedDims;
  llvm::SmallVector<Reduction> reductions;
};

} // namespace

KernelSource emitPairs(const KernelRequest &request) {
  BlockKernel kernel = PairsEmitter(request).run();
  KernelSource source = printKernel(kernel, request, "points, a warp each");
  source.parts.push_back("Rows");
  return source;
}

} // namespace sinter::cuda
