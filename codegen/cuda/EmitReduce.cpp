// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::KernelForm;

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

/// A block per row (per kept point); the threads of a block share out the reduced points and combine
/// what they found after each phase.
class ReduceEmitter : BlockEmitter {
public:
  explicit ReduceEmitter(const KernelRequest &request) : BlockEmitter(request) {}

  BlockKernel run() {
    const Shape &domain = analysis.domain;
    for (int64_t d = 0; d < domain.rank(); ++d)
      (analysis.isReduced(d) ? reducedDims : keptDims).push_back(domain[d]);
    thread = position("thread");
    threads = position("threads");
    loop(position("block"), sizes->get(product(keptDims)), position("blocks"), {},
         [&](Value row, ValueRange) {
           kept = elements->math().delinearize(row, keptDims);
           bool trailing = analysis.form == KernelForm::Row;
           start = trailing ? mul(row, sizes->get(product(reducedDims))) : Value();
           for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
             reducePhase(phase);
             computeKept(phase + 1);
           }
           writeOutputs();
           for (Value value : overridden)
             elements->clearOverride(value);
           return Values();
         });
    return finish();
  }

private:
  /// This thread's share of the reduced points: body(flat position among them, carried).
  Values walk(ValueRange carried, llvm::function_ref<Values(Value, Value, ValueRange)> body) {
    Values results =
        loop(thread, sizes->get(product(reducedDims)), threads, carried,
             [&](Value at, ValueRange state) {
               Index reduced = elements->math().delinearize(at, reducedDims), index;
               size_t nextKept = 0, nextReduced = 0;
               for (int64_t d = 0; d < analysis.domain.rank(); ++d)
                 index.push_back(analysis.isReduced(d) ? reduced[nextReduced++] : kept[nextKept++]);
               Value flat = start ? add(start, at) : Value();
               setPoint(index, flat);
               return body(at, flat, state);
             });
    setPoint({}, {});
    return results;
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    llvm::SmallVector<Reducer> reducers;
    Values carried;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase) {
        anchors.push_back(anchor);
        reducers.push_back(Reducer::of(builder, anchor, 1));
        llvm::append_range(carried, reducers.back().initial());
      }
    carried = walk(carried, [&](Value at, Value, ValueRange state) {
      Values next;
      size_t k = 0;
      for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
        Value element = elements->emit(anchor->getOperand(0), point).value;
        llvm::append_range(next,
                           reducer.step(state.slice(k, reducer.numStates()), element, at, {}));
        k += reducer.numStates();
      }
      return next;
    });
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
      Values state(ValueRange(carried).slice(k, reducer.numStates()));
      k += reducer.numStates();
      state.back() = combineThreads(anchor, state);
      Value result = anchor->getResult(0);
      give(result, reducer.finish(state, ir::tensorType(result).getElementType()));
    }
  }

  Value combineThreads(Operation *anchor, ValueRange state) {
    ir::Combiner combiner = cast<ir::IndexedOpInterface>(anchor).getIndexing().combiner;
    auto row = llvm::find_if(blockReductions,
                             [&](const BlockReduction &r) { return r.combiner == combiner; });
    Type type = ir::tensorType(anchor->getOperand(0)).getElementType();
    if (!row->compares || !type.isUnsignedInteger())
      type = state.front().getType();
    std::string name;
    llvm::raw_string_ostream(name) << row->function << "." << type;
    return call(name, state, state.back().getType());
  }

  /// A per-row value is one scalar, wherever it is read.
  void give(Value value, Value scalar) {
    elements->setOverride(value, [scalar](llvm::ArrayRef<LaneIndex>) {
      return Element{scalar, true};
    });
    overridden.push_back(value);
  }

  /// What follows from the reductions so far, computed by every thread for itself.
  void computeKept(unsigned ready) {
    for (Operation &op : fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op))
        continue;
      for (Value value : op.getResults())
        if (isKept(value) && analysis.ready.lookup(value) == ready)
          give(value, elements->emit(value, keptIndex(ir::tensorType(value).getShape())).value);
    }
  }

  void writeOutputs() {
    if (!llvm::all_of(outputValues, [&](Value value) { return isKept(value); }))
      walk({}, [&](Value, Value flat, ValueRange) {
        storeFull(flat);
        return Values();
      });
    if (!llvm::any_of(outputValues, [&](Value value) { return isKept(value); }))
      return;
    Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, thread, zero);
    auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    for (auto [value, buffer] : llvm::zip(outputValues, outputs))
      if (isKept(value)) {
        Index index = keptIndex(buffer.shape);
        store(buffer, index, {}, elements->emit(value, index).value);
      }
  }

  /// The row's index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
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

  Value thread, threads;
  Value start; ///< Row: the flat position of the row's first point.
  Index kept;  ///< The row's index.
  llvm::SmallVector<DimExpr> keptDims, reducedDims;
  llvm::SmallVector<Value> overridden;
};

} // namespace

KernelSource emitReduce(const KernelRequest &request) {
  BlockKernel kernel = ReduceEmitter(request).run();
  KernelSource source = printKernel(kernel, request, "rows, a block each");
  source.parts.emplace_back("Reduce");
  return source;
}

} // namespace sinter::cuda
