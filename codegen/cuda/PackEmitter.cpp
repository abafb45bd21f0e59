// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PackEmitter.h"

#include "sinter/codegen/cuda/PackLoads.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

Value PackEmitter::number(int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 64);
}

void PackEmitter::move(llvm::StringRef function, Value to, Value from, const Place &place) {
  Values arguments{to, from};
  if (place.whole)
    arguments.push_back(place.whole);
  callTemplate(function, std::to_string(width), arguments, {});
}

/// body(number of the pack, its unit, carried) for those that there are.
PackEmitter::Values
PackEmitter::eachPack(Value first, int64_t stride, Value limit, ValueRange carried,
                      llvm::function_ref<Values(Value, Value, ValueRange)> body) {
  return unrolled(unroll, "k", carried, [&](Value k, ValueRange state) {
    Value unit = named(add(first, mul(k, number(stride))), "mine");
    Value isThere = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, unit, limit);
    auto branch = scf::IfOp::create(builder, loc, state.getTypes(), isThere,
                                    /*withElseRegion=*/!state.empty());
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    if (!state.empty()) {
      builder.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(builder, loc, state);
    }
    builder.setInsertionPointToStart(branch.thenBlock());
    Values next = body(k, unit, state);
    if (!state.empty())
      scf::YieldOp::create(builder, loc, next);
    return Values(branch.getResults());
  });
}

PackEmitter::Values PackEmitter::round(Value first, int64_t stride, Value limit, ValueRange carried,
                                       const Pack &pack) {
  markArrays();
  if (unroll == 1)
    return onePack(first, {}, carried, pack);
  OpBuilder::InsertPoint loads;
  Place place;
  Value offset;
  eachPack(first, stride, limit, {}, [&](Value k, Value unit, ValueRange) {
    place = pack.place(unit);
    offset = mul(k, number(width));
    loads = builder.saveInsertionPoint();
    return Values();
  });
  Values results =
      eachPack(first, stride, limit, carried, [&](Value k, Value unit, ValueRange state) {
        return onePack(unit, k, state, pack);
      });
  fillArrays(loads, place, offset);
  return results;
}

/// Arrays of inputs are made here: a constant is not printed.
void PackEmitter::markArrays() { arraysBehind = number(0).getDefiningOp(); }

Value PackEmitter::arrayOf(BlockArgument input, const BufferRef &buffer) {
  Value &found = arrays[input.getArgNumber()];
  if (!found) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(arraysBehind);
    found = packArray(buffer.elementType, unroll, bufferNames[input.getArgNumber()]);
    arraysBehind = found.getDefiningOp();
  }
  return found;
}

void PackEmitter::fillArrays(OpBuilder::InsertPoint at, const Place &place, Value offset) {
  OpBuilder::InsertionGuard guard(builder);
  builder.restoreInsertionPoint(at);
  Memory &memory = elements->memory();
  for (auto [input, array] : arrays) {
    const BufferRef &buffer = env.buffers[fused.getBody().front().getArgument(input)];
    move("loadPack", offset ? memory.address(array, buffer.elementType, offset) : array,
         memory.address(buffer.pointer, buffer.elementType, place.flat), place);
  }
  arrays.clear();
}

PackEmitter::Values PackEmitter::onePack(Value unit, Value k, ValueRange carried,
                                         const Pack &pack) {
  Place place = pack.place(unit);
  named(place.flat, "at");
  if (pack.before)
    pack.before();
  const bool direct = !k && width == 1; // Nothing is gained by an array.
  Value base = k ? mul(k, number(width)) : Value();
  Operation *mark = number(0).getDefiningOp();
  Values results = unrolled(width, "e", carried, [&](Value e, ValueRange state) {
    Value ahead =
        place.whole ? Value(arith::SelectOp::create(builder, loc, place.whole, e, zero)) : e;
    Index index = pack.index ? pack.index(place, ahead) : place.start;
    if (!pack.index && !index.empty())
      index.back().base = add(index.back().base, ahead);
    Value inArray = base ? add(base, e) : e;
    if (!direct)
      readPoint = [&, inArray](BlockArgument input, const BufferRef &buffer) {
        return elements->memory().loadScalar(arrayOf(input, buffer), buffer.elementType, inArray);
      };
    setPoint(index, add(place.flat, ahead));
    Values next = pack.element(place, e, ahead, state);
    readPoint = nullptr;
    return next;
  });
  // Unless the only element was computed in place, the loop over all of them stands here.
  auto all =
      width > 1 ? dyn_cast<scf::ForOp>(*std::prev(builder.getInsertionPoint())) : scf::ForOp();
  if (!k) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(all ? all->getPrevNode() : mark);
    fillArrays(builder.saveInsertionPoint(), place, {});
  }
  if (all)
    packOtherLoads(all, place);
  if (pack.after)
    pack.after(place);
  return results;
}

void PackEmitter::packOtherLoads(Operation *all, const Place &place) {
  OpBuilder::InsertionGuard guard(builder);
  auto makeArray = [&](OpBuilder &at, Type type, Value from) {
    builder.restoreInsertionPoint(at.saveInsertionPoint());
    auto argument = dyn_cast<BlockArgument>(from);
    return packArray(type, 1, argument ? bufferNames[argument.getArgNumber()] : "its");
  };
  auto load = [&](OpBuilder &at, Value to, Value from) {
    builder.restoreInsertionPoint(at.saveInsertionPoint());
    callTemplate("loadPack", std::to_string(width), {to, from}, {});
  };
  PackLoads{cast<scf::ForOp>(all), place.whole ? 1 : width, loc, makeArray, load}.run();
}

} // namespace sinter::cuda
