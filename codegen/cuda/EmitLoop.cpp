// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/PackEmitter.h"
#include "sinter/codegen/forms/gpu/Grids.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

/// Packs of the domain, stepping by the grid.
class LoopEmitter : PackEmitter {
public:
  explicit LoopEmitter(const KernelRequest &request)
      : PackEmitter(request, request.plan.schedule.lanes),
        dims(analysis.domain.begin(), analysis.domain.end()),
        packs(Packs::of(product(dims), width)), inRow(packs.even && dividesRow(last())),
        carries(!inRow && last().constant().value_or(0) >= width) {}

  BlockKernel run() {
    const int64_t threads = plan.schedule.threads, perBlock = threads * unroll;
    std::optional<int64_t> blocks;
    if (auto known = packs.units.constant())
      blocks = (*known + perBlock - 1) / perBlock;
    Value first =
        named(add(mul(position("block", blocks), number(perBlock)), position("thread")), "first");
    Value step = named(mul(position("blocks", blocks), number(perBlock)), "step");
    Value units = sizes->get(packs.units);
    Pack pack;
    pack.place = [&](Value unit) { return placeOf(unit); };
    if (carries)
      pack.index = [&](const Place &place, Value ahead) { return moved(place.start, ahead); };
    else if (!inRow)
      pack.index = [&](const Place &place, Value ahead) {
        return elements->math().delinearize(add(place.flat, ahead), dims);
      };
    llvm::SmallVector<Value> arrays;
    pack.before = [&] {
      arrays.clear();
      for (auto [i, buffer] : llvm::enumerate(outputs))
        arrays.push_back(packArray(buffer.elementType, 1, outputName(i)));
    };
    pack.element = [&](const Place &, Value e, Value, ValueRange) {
      Values values;
      for (Value value : outputValues)
        values.push_back(elements->emit(value, point).value);
      for (auto [value, buffer, array] : llvm::zip(values, outputs, arrays))
        elements->memory().storeScalar(value, buffer.elementType, array, e);
      return Values();
    };
    pack.after = [&](const Place &place) {
      for (auto [buffer, array] : llvm::zip(outputs, arrays))
        move("storePack",
             elements->memory().address(buffer.pointer, buffer.elementType, place.flat), array,
             place);
    };
    loop(
        first, units, step, {},
        [&](Value unit, ValueRange) {
          if (width > 1 || unroll > 1)
            return round(unit, threads, units, {}, pack);
          setPoint(elements->math().delinearize(unit, dims), unit);
          storeFull(unit);
          return Values();
        },
        width > 1 ? "pack" : "at");
    return finish();
  }

private:
  /// Units behind the whole packs are single elements.
  Place placeOf(Value unit) {
    Place place;
    place.flat = mul(unit, number(width));
    if (!packs.even) {
      Value wholePacks = sizes->get(packs.whole);
      place.whole =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, unit, wholePacks);
      Value rest = add(unit, mul(wholePacks, number(width - 1)));
      place.flat = arith::SelectOp::create(builder, loc, place.whole, place.flat, rest);
    }
    if (inRow || carries)
      place.start = elements->math().delinearize(place.flat, dims);
    return place;
  }

  /// The index of an element less than a row ahead: no divisions.
  Index moved(Index index, Value ahead) {
    for (size_t d = dims.size(); d-- > 0;) {
      Value at = add(index[d].base, ahead), size = sizes->get(dims[d]);
      index[d].base = at;
      if (d == 0)
        break;
      Value isOver = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, at, size);
      Value behind = arith::SubIOp::create(builder, loc, at, size);
      index[d].base = arith::SelectOp::create(builder, loc, isOver, behind, at);
      ahead = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), isOver);
    }
    return index;
  }

  DimExpr last() const { return dims.empty() ? DimExpr(1) : dims.back(); }

  const llvm::SmallVector<DimExpr> dims;
  const Packs packs;
  const bool inRow;   ///< Only the last index varies inside of a pack.
  const bool carries; ///< A pack goes beyond the end of a row once at most.
};

} // namespace

KernelSource emitLoop(const KernelRequest &request) {
  if (request.plan.schedule.block > 1)
    return emitTiles(request);
  BlockKernel kernel = LoopEmitter(request).run();
  const Schedule &schedule = request.plan.schedule;
  KernelSource source =
      printKernel(kernel, request,
                  schedule.lanes == 1 && schedule.unroll == 1
                      ? "elements, a thread each"
                      : "packs of " + std::to_string(schedule.lanes) + ", " +
                            std::to_string(schedule.unroll) + " at once in a thread");
  source.parts.push_back("Packs");
  return source;
}

} // namespace sinter::cuda
