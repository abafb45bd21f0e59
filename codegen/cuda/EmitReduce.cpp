// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/PackEmitter.h"
#include "sinter/codegen/forms/gpu/ReduceLayout.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::Role;

namespace sinter::cuda {

namespace {

/// The prelude's function that combines the states of a block's threads.
struct BlockReduction {
  ir::Combiner combiner;
  llvm::StringRef function;
  bool compares = false; ///< Then the sign of integers matters.
};
constexpr BlockReduction blockReductions[] = {
    {ir::Combiner::Sum, "blockSum"},
    {ir::Combiner::Product, "blockProduct"},
    {ir::Combiner::Max, "blockMax", true},
    {ir::Combiner::Min, "blockMin", true},
    {ir::Combiner::ArgMax, "blockArgMax", true},
};

/// Both launches of a ReduceLayout: the reduction of chunks, and that of what chunks came to.
class ReduceEmitter : PackEmitter {
public:
  explicit ReduceEmitter(const KernelRequest &request)
      : PackEmitter(request, request.plan.schedule.lanes),
        layout(ReduceLayout::of(analysis, plan.schedule)), threads(plan.schedule.threads) {
    const Shape &domain = analysis.domain;
    int64_t innerFrom = domain.rank();
    while (innerFrom > 0 && !analysis.isReduced(innerFrom - 1))
      --innerFrom;
    for (int64_t d = 0; d < domain.rank(); ++d) {
      (analysis.isReduced(d) ? reducedDims : keptDims).push_back(domain[d]);
      if (!analysis.isReduced(d))
        (d < innerFrom ? outerDims : innerDims).push_back(domain[d]);
    }
    inRow = dividesRow(domain[domain.rank() - 1]);
    for (Operation *anchor : analysis.anchors)
      reducers.push_back(Reducer::of(builder, anchor, 1));
    for (auto [i, value] : llvm::enumerate(outputValues))
      if (!isKept(value))
        free.push_back(i);
    chunks = sizes->get(layout.chunks);
    thread = position("thread");
  }

  BlockKernel run(unsigned stage) {
    DimExpr units = plan.stages[stage].extent;
    std::optional<int64_t> most = units.constant();
    loop(
        position("block", most), sizes->get(units), position("blocks", most), {},
        [&](Value unit, ValueRange) {
          if (layout.columns)
            stage == 0 ? columns(unit) : combineColumns(unit);
          else
            stage == 0 ? rows(unit) : combineRows(unit);
          return Values();
        },
        "unit");
    return finish();
  }

private:
  // -- Rows ---------------------------------------------------------------------------------------

  void rows(Value unit) {
    auto [keptPoint, chunk] = split(unit);
    Index kept = elements->math().delinearize(keptPoint, keptDims);
    Value length = sizes->get(layout.chunk);
    Value from = named(mul(chunk, length), "from"),
          to = named(least(add(from, length), sizes->get(layout.packs.units)), "to");
    const bool trailing = analysis.axes.front() ==
                          analysis.domain.rank() - static_cast<int64_t>(analysis.axes.size());
    Value start = trailing ? mul(keptPoint, sizes->get(layout.reduced)) : Value();
    auto indexAt = [&](Value number) {
      return merged(kept, elements->math().delinearize(number, reducedDims));
    };
    Pack pack = reducingPack();
    pack.place = [&](Value at) {
      Place place;
      place.number = mul(at, number(width));
      if (!layout.packs.even) {
        Value wholePacks = sizes->get(layout.packs.whole);
        place.whole =
            arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, at, wholePacks);
        Value rest = add(at, mul(wholePacks, number(width - 1)));
        place.number = arith::SelectOp::create(builder, loc, place.whole, place.number, rest);
      }
      if (inRow || !trailing)
        place.start = indexAt(place.number);
      place.flat = trailing ? add(start, place.number)
                            : elements->math().linearize(place.start, analysis.domain).base;
      return place;
    };
    if (!inRow || !layout.packs.even)
      pack.index = [&](const Place &place, Value ahead) {
        return indexAt(add(place.number, ahead));
      };
    pack.element = [&](const Place &place, Value e, Value ahead, ValueRange state) {
      // A single element counts once.
      Value counts;
      if (place.whole) {
        Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, e, zero);
        counts = arith::OrIOp::create(builder, loc, place.whole, isFirst);
      }
      storeFree(e);
      return step(state, add(place.number, ahead), counts);
    };
    Values state = loop(
        add(from, thread), to, number(threads * unroll), initial(),
        [&](Value at, ValueRange carried) { return round(at, threads, to, carried, pack); },
        "pack");
    state = acrossBlock(state);
    when(equal(thread, zero), [&] { leave(state, kept, add(mul(keptPoint, chunks), chunk)); });
  }

  /// A block combines the chunks of a kept point.
  void combineRows(Value keptPoint) {
    Value start = mul(keptPoint, chunks);
    Values state = loop(
        thread, chunks, number(threads), initial(),
        [&](Value chunk, ValueRange carried) {
          overlap(chunk, partialsInFlight);
          return merge(carried, partial(add(start, chunk)));
        },
        "chunk");
    state = acrossBlock(state);
    when(equal(thread, zero),
         [&] { write(state, elements->math().delinearize(keptPoint, keptDims)); });
  }

  Values acrossBlock(ValueRange state) {
    Values all;
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(analysis.anchors, reducers)) {
      ValueRange mine = state.slice(k, reducer.numStates());
      k += reducer.numStates();
      ir::Combiner combiner = cast<ir::IndexedOpInterface>(anchor).getIndexing().combiner;
      // Of the largest the index is found along with it, and a chunk keeps both.
      if (combiner == ir::Combiner::ArgMax)
        all.push_back(callBlock(ir::Combiner::Max, anchor, mine.take_front()));
      all.push_back(callBlock(combiner, anchor, mine));
    }
    return all;
  }

  Value callBlock(ir::Combiner combiner, Operation *anchor, ValueRange state) {
    auto row = llvm::find_if(blockReductions,
                             [&](const BlockReduction &r) { return r.combiner == combiner; });
    std::string arguments = std::to_string(threads / 32); // Warps.
    if (row->compares && ir::tensorType(anchor->getOperand(0)).getElementType().isUnsignedInteger())
      arguments += ", " + cppTypeName(state.front().getType(), /*isUnsigned=*/true);
    return callTemplate(row->function, arguments, state, state.back().getType());
  }

  // -- Columns ------------------------------------------------------------------------------------

  void columns(Value unit) {
    Index place =
        elements->math().delinearize(unit, {product(outerDims), layout.chunks, layout.tiles});
    Value outer = place[0].base, chunk = place[1].base, tile = place[2].base;
    Value across = number(layout.across), inner = sizes->get(layout.inner);
    Value column = arith::RemUIOp::create(builder, loc, thread, across),
          row = arith::DivUIOp::create(builder, loc, thread, across);
    Value firstColumn = mul(tile, number(layout.across * width));
    Value at = named(add(firstColumn, mul(column, number(width))), "column");
    Index outerIndex = elements->math().delinearize(outer, outerDims);
    Index innerIndex = elements->math().delinearize(at, innerDims);
    Value length = sizes->get(layout.chunk);
    Value from = named(mul(chunk, length), "from"),
          to = named(least(add(from, length), sizes->get(layout.reduced)), "to");

    Values sums = initialArrays();
    Pack pack = reducingPack();
    auto indexAt = [&](Value number, const Index &columns) {
      Index kept = outerIndex;
      kept.append(columns);
      return merged(kept, elements->math().delinearize(number, reducedDims));
    };
    pack.place = [&](Value number) {
      Place place;
      place.number = number;
      place.start = indexAt(number, innerIndex);
      place.flat = elements->math().linearize(place.start, analysis.domain).base;
      return place;
    };
    if (!inRow)
      pack.index = [&](const Place &place, Value ahead) {
        return indexAt(place.number, elements->math().delinearize(add(at, ahead), innerDims));
      };
    pack.element = [&](const Place &place, Value e, Value, ValueRange) {
      storeFree(e);
      Values next = step(loadStates(sums, e), place.number, {});
      storeStates(sums, e, next);
      return Values();
    };
    when(below(at, inner), [&] {
      loop(
          add(from, row), to, number(layout.down * unroll), {},
          [&](Value first, ValueRange) { return round(first, layout.down, to, {}, pack); }, "row");
    });
    Values shared = sharedStates(layout.across * width * layout.down);
    barrier(); // What is there has been read.
    unrolled(width, "e", {}, [&](Value e, ValueRange) {
      Value slot = add(mul(thread, number(width)), e);
      storeStates(shared, slot, loadStates(sums, e));
      return Values();
    });
    barrier();
    Value mine = add(firstColumn, thread);
    Value isMine = arith::AndIOp::create(builder, loc, below(thread, number(layout.across * width)),
                                         below(mine, inner));
    when(isMine, [&] {
      Values state = downBlock(shared, layout.across * width, layout.down);
      Index kept = outerIndex;
      kept.append(elements->math().delinearize(mine, innerDims));
      Value keptPoint = add(mul(outer, inner), mine);
      leave(state, kept, add(mul(chunk, sizes->get(layout.kept)), keptPoint));
    });
  }

  /// Threads side by side have kept points, and those below each other share their chunks.
  void combineColumns(Value tile) {
    const int64_t wide = ReduceLayout::combineAcross(layout.kept), down = threads / wide;
    Value across = number(wide), count = sizes->get(layout.kept);
    Value column = arith::RemUIOp::create(builder, loc, thread, across),
          row = arith::DivUIOp::create(builder, loc, thread, across);
    Value keptPoint = add(mul(tile, across), column);
    Value isThere = below(keptPoint, count);
    Values state = loop(
        row, chunks, number(down), initial(),
        [&](Value chunk, ValueRange carried) {
          overlap(chunk, partialsInFlight);
          auto branch = scf::IfOp::create(builder, loc, carried.getTypes(), isThere,
                                          /*withElseRegion=*/true);
          OpBuilder::InsertionGuard guard(builder);
          builder.setInsertionPointToStart(branch.elseBlock());
          scf::YieldOp::create(builder, loc, carried);
          builder.setInsertionPointToStart(branch.thenBlock());
          scf::YieldOp::create(builder, loc,
                               merge(carried, partial(add(mul(chunk, count), keptPoint))));
          return Values(branch.getResults());
        },
        "chunk");
    Values shared = sharedStates(threads);
    barrier(); // What is there has been read.
    storeStates(shared, thread, state);
    barrier();
    Value isMine = arith::AndIOp::create(builder, loc, below(thread, across), isThere);
    when(isMine, [&] {
      write(downBlock(shared, wide, down), elements->math().delinearize(keptPoint, keptDims));
    });
  }

  /// This thread's column of states that lie in rows of `wide`.
  Values downBlock(ValueRange shared, int64_t wide, int64_t down) {
    return loop(
        number(1), number(down), number(1), loadStates(shared, thread),
        [&](Value row, ValueRange carried) {
          overlap(row, partialsInFlight);
          Value slot = add(mul(row, number(wide)), thread);
          return merge(carried, loadStates(shared, slot));
        },
        "line");
  }

  Values initialArrays() {
    Values arrays;
    size_t k = 0;
    Values neutral = initial();
    for (Type type : stateTypes())
      arrays.push_back(array(type, width, "mine_" + std::to_string(k++)));
    unrolled(width, "e", {}, [&](Value e, ValueRange) {
      storeStates(arrays, e, neutral);
      return Values();
    });
    return arrays;
  }

  /// Arrays that the block shares, one a state.
  Values sharedStates(int64_t count) {
    Values arrays;
    size_t k = 0;
    for (Type type : stateTypes())
      arrays.push_back(array(type, count, "all_" + std::to_string(k++), /*isShared=*/true));
    return arrays;
  }

  // -- States -------------------------------------------------------------------------------------

  llvm::SmallVector<Type> stateTypes() {
    llvm::SmallVector<Type> types;
    for (Reducer &reducer : reducers)
      llvm::append_range(types, reducer.stateTypes());
    return types;
  }
  Values initial() {
    Values state;
    for (Reducer &reducer : reducers)
      llvm::append_range(state, reducer.initial());
    return state;
  }
  Values step(ValueRange state, Value position, Value counts) {
    Values next;
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(analysis.anchors, reducers)) {
      Value element = elements->emit(anchor->getOperand(0), point).value;
      llvm::append_range(
          next, reducer.step(state.slice(k, reducer.numStates()), element, position, counts));
      k += reducer.numStates();
    }
    return next;
  }
  Values merge(ValueRange a, ValueRange b) {
    Values next;
    size_t k = 0;
    for (Reducer &reducer : reducers) {
      llvm::append_range(
          next, reducer.merge(a.slice(k, reducer.numStates()), b.slice(k, reducer.numStates())));
      k += reducer.numStates();
    }
    return next;
  }
  Values loadStates(ValueRange arrays, Value at) {
    Values state;
    for (auto [type, array] : llvm::zip(stateTypes(), arrays))
      state.push_back(elements->memory().loadScalar(array, type, at));
    return state;
  }
  void storeStates(ValueRange arrays, Value at, ValueRange state) {
    for (auto [type, array, value] : llvm::zip(stateTypes(), arrays, state))
      elements->memory().storeScalar(value, type, array, at);
  }
  Values partial(Value at) { return loadStates(workspaces, at); }

  /// What a chunk came to: the result, if there are no others.
  void leave(ValueRange state, const Index &kept, Value at) {
    if (layout.chunks.constant() == 1)
      return write(state, kept);
    if (layout.chunks.constant())
      return storeStates(workspaces, at, state);
    when(equal(chunks, number(1)), [&] { write(state, kept); });
    when(below(number(1), chunks), [&] { storeStates(workspaces, at, state); });
  }

  /// The outputs of a kept point.
  void write(ValueRange state, const Index &kept) {
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(analysis.anchors, reducers)) {
      Value result = anchor->getResult(0);
      Value scalar = reducer.finish(state.slice(k, reducer.numStates()),
                                    ir::tensorType(result).getElementType());
      k += reducer.numStates();
      elements->setOverride(result, [scalar](llvm::ArrayRef<LaneIndex>) {
        return Element{scalar, true};
      });
    }
    Values values;
    for (auto [value, buffer] : llvm::zip(outputValues, outputs))
      values.push_back(isKept(value) ? elements->emit(value, spread(kept, buffer.shape)).value
                                     : Value());
    for (auto [value, buffer] : llvm::zip(values, outputs))
      if (value)
        store(buffer, spread(kept, buffer.shape), {}, value);
    for (Operation *anchor : analysis.anchors)
      elements->clearOverride(anchor->getResult(0));
  }

  // -- Outputs of the domain's shape, which do not depend on the reductions -----------------------

  Pack reducingPack() {
    Pack pack;
    if (free.empty())
      return pack;
    pack.before = [this] {
      freeArrays.clear();
      for (size_t i : free)
        freeArrays.push_back(packArray(outputs[i].elementType, 1, outputName(i)));
    };
    pack.after = [this](const Place &place) {
      for (auto [i, array] : llvm::zip(free, freeArrays))
        move("storePack",
             elements->memory().address(outputs[i].pointer, outputs[i].elementType, place.flat),
             array, place);
    };
    return pack;
  }
  void storeFree(Value e) {
    for (auto [i, array] : llvm::zip(free, freeArrays))
      elements->memory().storeScalar(elements->emit(outputValues[i], point).value,
                                     outputs[i].elementType, array, e);
  }

  // -- Indices ------------------------------------------------------------------------------------

  /// The kept point and the chunk of a block.
  std::pair<Value, Value> split(Value unit) {
    if (layout.chunks.constant() == 1)
      return {unit, zero};
    if (layout.kept.constant() == 1)
      return {zero, unit};
    return {arith::DivUIOp::create(builder, loc, unit, chunks),
            arith::RemUIOp::create(builder, loc, unit, chunks)};
  }
  Index merged(const Index &kept, const Index &reduced) {
    Index index;
    size_t nextKept = 0, nextReduced = 0;
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      index.push_back(analysis.isReduced(d) ? reduced[nextReduced++] : kept[nextKept++]);
    return index;
  }
  /// A kept point's index in a value that may have size-1 dims besides.
  Index spread(const Index &kept, const Shape &shape) {
    Index index;
    size_t next = 0;
    for (const DimExpr &size : shape) {
      if (size.constant() == 1) {
        index.push_back({zero, 0, {}});
        continue;
      }
      while (keptDims[next].constant() == 1)
        ++next;
      index.push_back(kept[next++]);
    }
    return index;
  }
  Value least(Value a, Value b) { return arith::MinSIOp::create(builder, loc, a, b); }
  Value below(Value a, Value b) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, b);
  }
  Value equal(Value a, Value b) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
  }
  void when(Value condition, llvm::function_ref<void()> body) {
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }
  void barrier() { callTemplate("__syncthreads", "", {}, Type()); }

  const ReduceLayout layout;
  const int64_t threads;
  static constexpr int64_t partialsInFlight = 4;
  bool inRow = false; ///< Only the last index varies inside of a pack.
  llvm::SmallVector<DimExpr> keptDims, reducedDims, outerDims, innerDims;
  llvm::SmallVector<Reducer> reducers;
  llvm::SmallVector<size_t> free; ///< Outputs of the domain's shape.
  llvm::SmallVector<Value> freeArrays;
  Value chunks, thread;
};

} // namespace

KernelSource emitReduce(const KernelRequest &request) {
  ReduceLayout layout = ReduceLayout::of(request.plan.analysis, request.plan.schedule);
  BlockKernel kernel = ReduceEmitter(request).run(request.stage);
  const char *units = request.stage == 1 ? "points, whose chunks a block combines"
                      : layout.columns   ? "blocks of columns and rows"
                                         : "chunks of rows, a block each";
  KernelSource source = printKernel(kernel, request, units);
  source.parts = {"Packs", "Reduce"};
  return source;
}

} // namespace sinter::cuda
