// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/RowReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"

using namespace mlir;
using sinter::cpu::Reducer;

namespace sinter::cuda {

std::string mergeName(ir::Combiner combiner, Type elementType) {
  struct Row {
    ir::Combiner combiner;
    const char *name;
    bool compares; ///< Then the sign of integers matters.
  };
  static constexpr Row rows[] = {
      {ir::Combiner::Sum, "Sum", false},      {ir::Combiner::Product, "Product", false},
      {ir::Combiner::Max, "Max", true},       {ir::Combiner::Min, "Min", true},
      {ir::Combiner::ArgMax, "ArgMax", true},
  };
  const Row *row = llvm::find_if(rows, [&](const Row &r) { return r.combiner == combiner; });
  if (!row->compares || !elementType.isUnsignedInteger())
    return row->name;
  const char *word = "long long";
  for (auto [bits, narrow] :
       {std::pair(8u, "char"), std::pair(16u, "short"), std::pair(32u, "int")})
    if (elementType.getIntOrFloatBitWidth() == bits)
      word = narrow;
  return "As<unsigned " + std::string(word) + ", " + row->name + ">";
}

std::string mergeName(Operation *anchor) {
  return mergeName(cast<ir::IndexedOpInterface>(anchor).getIndexing().combiner,
                   ir::tensorType(anchor->getOperand(0)).getElementType());
}

Type slotType(TypeRange state) {
  if (state.size() > 1)
    return LLVM::LLVMStructType::getLiteral(state.front().getContext(), llvm::to_vector(state));
  Type type = state.front();
  bool isNarrow = isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 32;
  return isNarrow ? Type(IntegerType::get(type.getContext(), 32)) : type;
}

RowThreads::RowThreads(const KernelRequest &request)
    : BlockEmitter(request), schedule(plan.schedule), width(schedule.lanes),
      rowThreads(schedule.rowThreads) {}

void RowThreads::name(Value index, llvm::StringRef hint) {
  Operation *loop = cast<BlockArgument>(index).getOwner()->getParentOp();
  loop->setAttr("hint", StringAttr::get(loop->getContext(), hint));
}

Value RowThreads::named(Value value, llvm::StringRef hint) {
  if (Operation *op = value.getDefiningOp(); op && !op->hasAttr("hint"))
    op->setAttr("hint", StringAttr::get(op->getContext(), hint));
  return value;
}

void RowThreads::placeThread() {
  Value thread = position("thread"), block = position("block"), blocks = position("blocks");
  if (rowThreads < schedule.threads) {
    Value sharing = constant(rowThreads), perBlock = constant(schedule.threads / rowThreads);
    lane = rowThreads == 1 ? zero : Value(arith::RemUIOp::create(builder, loc, thread, sharing));
    firstUnit =
        add(mul(block, perBlock), builder.createOrFold<arith::DivUIOp>(loc, thread, sharing));
    unitStep = mul(blocks, perBlock);
  } else if (schedule.cluster == 1) {
    lane = thread;
    firstUnit = block;
    unitStep = blocks;
  } else {
    Value rank = position("clusterRank"), count = constant(schedule.cluster);
    lane = add(mul(rank, constant(schedule.threads)), thread);
    firstUnit = builder.createOrFold<arith::DivUIOp>(loc, block, count);
    unitStep = builder.createOrFold<arith::DivUIOp>(loc, blocks, count);
    barrier(); // All blocks of the cluster are there.
  }
  firstElement = rowThreads == 1 ? zero : named(mul(lane, constant(width)), "first");
  if (rowThreads <= warp)
    return;
  for (Operation *anchor : analysis.anchors) {
    Reducer reducer = Reducer::of(builder, anchor, 1);
    slots[anchor] = array(slotType(TypeRange(reducer.stateTypes())), rowThreads / warp, "slots",
                          /*isShared=*/true);
  }
}

void RowThreads::barrier() {
  if (schedule.cluster == 1) {
    callTemplate("__syncthreads", "", {}, Type());
    return;
  }
  callTemplate("clusterArrive", "", {}, Type());
  callTemplate("clusterWait", "", {}, Type());
}

RowThreads::Values RowThreads::combined(llvm::ArrayRef<Operation *> anchors,
                                        llvm::MutableArrayRef<Reducer> reducers,
                                        ValueRange states) {
  Values results;
  auto finish = [&](Operation *anchor, Reducer &reducer, Values state) {
    Type type = ir::tensorType(anchor->getResult(0)).getElementType();
    results.push_back(reducer.finish(state, type));
  };
  auto mergeOf = [&](Operation *anchor) { // Behind a contraction `Sum` is the type of its sums.
    std::string name = mergeName(anchor);
    return analysis.source && name == "Sum" ? "::Sum" : name;
  };
  auto resultName = [](Operation *anchor) {
    return "row_" + anchor->getName().stripDialect().str();
  };
  size_t k = 0;
  for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
    Values state(states.slice(k, reducer.numStates()));
    k += reducer.numStates();
    bool isIndex = state.size() > 1;
    std::string merge = mergeOf(anchor);
    if (rowThreads > 1 && rowThreads <= warp) {
      state.back() = callTemplate(isIndex ? "indexAcrossLanes" : "acrossLanes",
                                  std::to_string(rowThreads) + ", " + merge, state,
                                  state.back().getType(), resultName(anchor));
    } else if (rowThreads > warp) {
      Values arguments{slots[anchor]};
      llvm::append_range(arguments, state);
      std::string function = isIndex ? "leaveIndexed" : "leave";
      if (schedule.cluster > 1)
        callTemplate(function + "ToAll", std::to_string(schedule.cluster) + ", " + merge, arguments,
                     Type());
      else
        callTemplate(function, merge, arguments, Type());
      continue;
    }
    finish(anchor, reducer, state);
  }
  if (rowThreads <= warp)
    return results;
  barrier();
  for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
    Values state(reducer.numStates());
    state.back() = callTemplate(state.size() > 1 ? "takeIndex" : "take",
                                std::to_string(rowThreads / warp) + ", " + mergeOf(anchor),
                                {slots[anchor]}, reducer.stateTypes().back(), resultName(anchor));
    finish(anchor, reducer, state);
  }
  return results;
}

} // namespace sinter::cuda
