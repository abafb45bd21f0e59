// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/PackLoads.h"
#include "sinter/codegen/forms/gpu/Grids.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

/// Packs of neighbours, stepping by the grid. A thread reads what lies like the domain for all its
/// packs first, so that many bytes are under way; then each pack is computed and stored.
class LoopEmitter : BlockEmitter {
public:
  explicit LoopEmitter(const KernelRequest &request)
      : BlockEmitter(request), dims(analysis.domain.begin(), analysis.domain.end()),
        width(plan.schedule.lanes), unroll(plan.schedule.unroll), threads(plan.schedule.threads),
        packs(Packs::of(product(dims), width)) {}

  BlockKernel run() {
    const int64_t perBlock = threads * unroll;
    std::optional<int64_t> blocks;
    if (auto known = packs.units.constant())
      blocks = (*known + perBlock - 1) / perBlock;
    Value first = add(mul(position("block", blocks), number(perBlock)), position("thread"));
    Value step = mul(position("blocks", blocks), number(perBlock));
    units = sizes->get(packs.units);
    loop(first, units, step, {}, [&](Value unit, ValueRange) {
      if (width == 1 && unroll == 1) {
        setPoint(elements->math().delinearize(unit, dims), unit);
        storeFull(unit);
      } else if (unroll == 1)
        emitPack(unit, {});
      else
        emitPacks(unit);
      return Values();
    });
    return finish();
  }

private:
  Value number(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }

  /// A pack's first element. Units behind the whole packs are single elements.
  struct Place {
    Value at;
    Value whole; ///< Null: always.
  };
  Place placeOf(Value unit) {
    if (packs.even)
      return {mul(unit, number(width)), {}};
    Value wholePacks = sizes->get(packs.whole);
    Value whole =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, unit, wholePacks);
    Value rest = add(unit, mul(wholePacks, number(width - 1)));
    return {arith::SelectOp::create(builder, loc, whole, mul(unit, number(width)), rest), whole};
  }

  /// body(number of the pack, its unit) for those that there are.
  void eachPack(Value first, llvm::function_ref<void(Value, Value)> body) {
    unrolled(unroll, "k", {}, [&](Value k, ValueRange) {
      Value unit = add(first, mul(k, number(threads)));
      Value isThere = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, unit, units);
      auto branch = scf::IfOp::create(builder, loc, isThere, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(builder);
      ElementEmitter::Scope scope(*elements);
      builder.setInsertionPointToStart(branch.thenBlock());
      body(k, unit);
      return Values();
    });
  }

  void emitPacks(Value first) {
    markArrays();
    OpBuilder::InsertPoint loads;
    Place loadPlace;
    eachPack(first, [&](Value k, Value unit) {
      loadPlace = placeOf(unit);
      loadOffset = mul(k, number(width));
      loads = builder.saveInsertionPoint();
    });
    eachPack(first, [&](Value k, Value unit) { emitPack(unit, k); });
    fillArrays(loads, loadPlace);
  }

  /// Arrays of inputs are made here.
  void markArrays() { arraysBehind = number(0).getDefiningOp(); }

  /// The array that holds an input's packs of the domain's positions.
  Value arrayOf(BlockArgument input, const BufferRef &buffer) {
    Value &found = arrays[input.getArgNumber()];
    if (!found) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointAfter(arraysBehind);
      found = packArray(buffer.elementType, unroll, nameOf(input.getArgNumber()));
      arraysBehind = found.getDefiningOp();
    }
    return found;
  }

  void fillArrays(OpBuilder::InsertPoint point, const Place &place) {
    OpBuilder::InsertionGuard guard(builder);
    builder.restoreInsertionPoint(point);
    for (auto [input, array] : arrays) {
      const BufferRef &buffer =
          env.buffers[fused.getBody().front().getArgument(static_cast<unsigned>(input))];
      Value to = loadOffset ? elements->memory().address(array, buffer.elementType, loadOffset)
                            : array;
      move("loadPack", to, elements->memory().address(buffer.pointer, buffer.elementType, place.at),
           place);
    }
    arrays.clear();
  }

  void move(llvm::StringRef function, Value to, Value from, const Place &place) {
    Values arguments{to, from};
    if (place.whole)
      arguments.push_back(place.whole);
    callTemplate(function, std::to_string(width), arguments, {});
  }

  std::string nameOf(size_t buffer) const { return bufferNames[buffer]; }

  Value packArray(Type elementType, int64_t count, llvm::StringRef name) {
    return array(elementType, count * width, (name + "_pack").str());
  }

  DimExpr lastSize() const { return dims.empty() ? DimExpr(1) : dims.back(); }

  /// The pack of a unit; `k` (may be null) is its number among those that are read together.
  void emitPack(Value unit, Value k) {
    Place place = placeOf(unit);
    // Where rows are whole packs, only the last index varies inside of one.
    bool inRow = packs.even && lastSize().dividedExactlyBy(width).has_value();
    Index start;
    if (inRow && !dims.empty())
      start = elements->math().delinearize(place.at, dims);
    if (!k)
      markArrays();
    llvm::SmallVector<Value> results;
    for (auto [i, buffer] : llvm::enumerate(outputs))
      results.push_back(packArray(buffer.elementType, 1,
                                  nameOf(fused.getBody().front().getNumArguments() + i)));
    Value base = k ? mul(k, number(width)) : Value();
    unrolled(width, "e", {}, [&](Value e, ValueRange) {
      Value ahead = place.whole ? Value(arith::SelectOp::create(builder, loc, place.whole, e, zero)) : e;
      Value flat = add(place.at, ahead);
      Index index = start;
      if (!inRow)
        index = elements->math().delinearize(flat, dims);
      else if (!dims.empty())
        index.back().base = add(index.back().base, ahead);
      Value inArray = base ? add(base, e) : e;
      readPoint = [&, inArray](BlockArgument input, const BufferRef &buffer) {
        return elements->memory().loadScalar(arrayOf(input, buffer), buffer.elementType, inArray);
      };
      setPoint(index, flat);
      Values values;
      for (Value value : outputValues)
        values.push_back(elements->emit(value, point).value);
      for (auto [value, buffer, array] : llvm::zip(values, outputs, results))
        elements->memory().storeScalar(value, buffer.elementType, array, e);
      readPoint = nullptr;
      return Values();
    });
    auto all = cast<scf::ForOp>(*std::prev(builder.getInsertionPoint()));
    if (!k) {
      loadOffset = {};
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPoint(all);
      fillArrays(builder.saveInsertionPoint(), place);
    }
    packOtherLoads(all);
    for (auto [buffer, array] : llvm::zip(outputs, results))
      move("storePack", elements->memory().address(buffer.pointer, buffer.elementType, place.at),
           array, place);
  }

  void packOtherLoads(scf::ForOp all) {
    OpBuilder::InsertionGuard guard(builder);
    auto makeArray = [&](OpBuilder &at, Type type) {
      builder.restoreInsertionPoint(at.saveInsertionPoint());
      return array(type, width, "pack");
    };
    auto load = [&](OpBuilder &at, Value to, Value from) {
      builder.restoreInsertionPoint(at.saveInsertionPoint());
      callTemplate("loadPack", std::to_string(width), {to, from}, {});
    };
    PackLoads{all, packs.even ? width : 1, loc, makeArray, load}.run();
  }

  llvm::SmallVector<DimExpr> dims;
  const int64_t width, unroll, threads;
  const Packs packs;
  Value units;
  /// By input: see arrayOf(). They are filled once it is known which there are.
  std::map<size_t, Value> arrays;
  Operation *arraysBehind = nullptr;
  Value loadOffset; ///< Of the pack that is read, in its array.
};

} // namespace

KernelSource emitLoop(const KernelRequest &request) {
  BlockKernel kernel = LoopEmitter(request).run();
  std::string units = "packs of " + std::to_string(request.plan.schedule.lanes) + ", " +
                      std::to_string(request.plan.schedule.unroll) + " at once in a thread";
  KernelSource source = printKernel(kernel, request, request.plan.schedule.lanes == 1 ? "elements, a thread each" : units);
  source.parts.push_back("Packs");
  return source;
}

} // namespace sinter::cuda
