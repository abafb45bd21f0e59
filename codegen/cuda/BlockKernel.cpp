// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/BlockKernel.h"

#include "sinter/codegen/cpu/Reducer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::KernelForm;
using sinter::passes::Role;

namespace sinter::cuda {

namespace {

using Values = llvm::SmallVector<Value>;

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

class Emitter {
public:
  Emitter(ir::FusedOp fused, const KernelPlan &plan, const BlockKernelOptions &options)
      : fused(fused), analysis(plan.analysis), module(ModuleOp::create(fused.getLoc())),
        builder(fused.getContext()), loc(NameLoc::get(builder.getStringAttr("index"))) {
    builder.setInsertionPointToStart(module->getBody());
    Block &body = fused.getBody().front();
    outputValues = body.getTerminator()->getOperands();
    Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
    llvm::SmallVector<Type> types(body.getNumArguments() + outputValues.size() + 2, pointer);
    function =
        func::FuncOp::create(builder, fused.getLoc(), "kernel", builder.getFunctionType(types, {}));
    Block *entry = function.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    unsigned number = 0;
    for (BlockArgument arg : body.getArguments()) {
      auto tensor = ir::tensorType(arg);
      env.buffers[arg] = {entry->getArgument(number++), tensor.getElementType(), tensor.getShape()};
    }
    for (Value value : outputValues) {
      auto tensor = ir::tensorType(value);
      outputs.push_back({entry->getArgument(number++), tensor.getElementType(), tensor.getShape()});
    }
    Value table = entry->getArgument(number++);
    env.status = entry->getArgument(number);
    env.site = options.site;
    // Sizes come before everything else; this op marks the place.
    zero = arith::ConstantIntOp::create(builder, loc, 0, 64);
    sizes = std::make_unique<SizeTable>(table, options.dims, zero.getDefiningOp());
    env.sizes = sizes.get();
    elements = std::make_unique<ElementEmitter>(builder, loc, env, 1);
  }

  BlockKernel run() {
    if (analysis.form == KernelForm::Loop)
      emitLoop();
    else
      emitRows();
    func::ReturnOp::create(builder, fused.getLoc());
    return {std::move(module), function, loc};
  }

private:
  // -- Small parts
  // ----------------------------------------------------------------------------------

  Value call(const std::string &name, ValueRange arguments, Type result) {
    if (!module->lookupSymbol(name)) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToEnd(module->getBody());
      auto type = builder.getFunctionType(arguments.getTypes(), result);
      func::FuncOp::create(builder, loc, name, type).setPrivate();
    }
    return func::CallOp::create(builder, loc, name, result, arguments).getResult(0);
  }
  Value position(const char *what) { return call(what, {}, builder.getI64Type()); }

  Value add(Value a, Value b) { return builder.createOrFold<arith::AddIOp>(loc, a, b); }
  Value mul(Value a, Value b) { return builder.createOrFold<arith::MulIOp>(loc, a, b); }

  Values loop(Value low, Value high, Value step, ValueRange carried,
              llvm::function_ref<Values(Value, ValueRange)> body) {
    auto op = scf::ForOp::create(builder, loc, low, high, step, carried);
    OpBuilder::InsertionGuard guard(builder);
    if (carried.empty())
      op.getBody()->getTerminator()->erase();
    builder.setInsertionPointToEnd(op.getBody());
    ElementEmitter::Scope scope(*elements);
    Values results = body(op.getInductionVar(), op.getRegionIterArgs());
    scf::YieldOp::create(builder, loc, results);
    return Values(op.getResults());
  }

  DimExpr product(llvm::ArrayRef<DimExpr> dims) {
    DimExpr count = 1;
    for (const DimExpr &size : dims)
      count *= size;
    return count;
  }

  /// While a point of the domain is being computed, inputs of the domain's shape are read at its
  /// flat position.
  void setPoint(Index index, Value flat) {
    point = std::move(index);
    for (BlockArgument arg : fused.getBody().front().getArguments()) {
      const BufferRef &buffer = env.buffers[arg];
      elements->clearOverride(arg);
      if (buffer.shape != analysis.domain || !flat)
        continue;
      elements->setOverride(arg, [this, buffer, flat](llvm::ArrayRef<LaneIndex> index) -> Element {
        bool same = llvm::equal(
            index, point, [](const LaneIndex &a, const LaneIndex &b) { return a.base == b.base; });
        return same ? Element{elements->memory().loadScalar(buffer.pointer, buffer.elementType,
                                                            flat),
                              true}
                    : Element();
      });
    }
  }

  void store(const BufferRef &buffer, llvm::ArrayRef<LaneIndex> index, Value flat, Value value) {
    Value offset = flat && buffer.shape == analysis.domain
                       ? flat
                       : elements->math().linearize(index, buffer.shape).base;
    elements->memory().storeScalar(value, buffer.elementType, buffer.pointer, offset);
  }

  /// All reads come before the first write: an output may share the buffer of an input.
  void storeFull(Value flat) {
    Values values;
    for (Value value : outputValues)
      values.push_back(isKept(value) ? Value() : elements->emit(value, point).value);
    for (auto [value, buffer] : llvm::zip(values, outputs))
      if (value)
        store(buffer, point, flat, value);
  }

  bool isKept(Value value) const {
    auto role = analysis.roles.find(value);
    return role != analysis.roles.end() && role->second == Role::Kept;
  }

  // -- Loop
  // -----------------------------------------------------------------------------------------

  void emitLoop() {
    Value first = add(mul(position("block"), position("threads")), position("thread"));
    Value step = mul(position("blocks"), position("threads"));
    llvm::SmallVector<DimExpr> dims(analysis.domain.begin(), analysis.domain.end());
    loop(first, sizes->get(product(dims)), step, {}, [&](Value element, ValueRange) {
      setPoint(elements->math().delinearize(element, dims), element);
      storeFull(element);
      return Values();
    });
  }

  // -- Row and Reduce
  // -------------------------------------------------------------------------------

  void emitRows() {
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
  }

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

  ir::FusedOp fused;
  const passes::KernelAnalysis &analysis;
  OwningOpRef<ModuleOp> module;
  OpBuilder builder;
  Location loc;
  func::FuncOp function;
  ValueRange outputValues;
  llvm::SmallVector<BufferRef> outputs;
  KernelEnvironment env;
  std::unique_ptr<SizeTable> sizes;
  std::unique_ptr<ElementEmitter> elements;
  Value zero, thread, threads;
  Value start; ///< Row: the flat position of the row's first point.
  Index point; ///< The point of the domain that is being computed.
  Index kept;  ///< The row's index.
  llvm::SmallVector<DimExpr> keptDims, reducedDims;
  llvm::SmallVector<Value> overridden;
};

} // namespace

BlockKernel emitBlockKernel(ir::FusedOp fused, const KernelPlan &plan,
                            const BlockKernelOptions &options) {
  return Emitter(fused, plan, options).run();
}

} // namespace sinter::cuda
