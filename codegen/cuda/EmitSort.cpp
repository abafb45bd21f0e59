// SPDX-License-Identifier: Apache-2.0
// Sort form: see forms/gpu/SortStages.h for the launches. Elements become keys, unsigned numbers
// that order as they do; equal ones keep the order of their numbers.
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/forms/gpu/SortStages.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

class SortEmitter : BlockEmitter {
public:
  explicit SortEmitter(const KernelRequest &request)
      : BlockEmitter(request), anchor(analysis.anchors.front()), way(anchor, plan.schedule),
        stage(way.stages[request.stage]), word(builder.getI32Type()), i64(builder.getI64Type()),
        keyType(builder.getIntegerType(static_cast<unsigned>(way.keyBits))) {
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      if (d != way.axis)
        outerDims.push_back(analysis.domain[d]);
    length = sizes->get(way.length);
  }

  BlockKernel run() {
    switch (stage.step) {
    case SortStages::Step::Short:
      sortShortRows();
      break;
    case SortStages::Step::Keys:
      findKeys();
      break;
    case SortStages::Step::Count:
      callTemplate("sortCount", "",
                   {keys(stage.digit), space(SortSpaces::Counts), items(), constant(stage.shift),
                    constant(stage.digits)},
                   Type());
      break;
    case SortStages::Step::Scan:
      callTemplate(
          "sortScan", "",
          {space(SortSpaces::Counts), space(SortSpaces::Totals), items(), constant(stage.digits)},
          Type());
      break;
    case SortStages::Step::Place:
      callTemplate("sortPlace", "",
                   {keys(stage.digit), order(stage.digit), space(SortSpaces::Counts),
                    space(SortSpaces::Totals), keys(stage.digit + 1), order(stage.digit + 1),
                    items(), constant(stage.shift), constant(stage.digits),
                    arith::ConstantIntOp::create(builder, loc, stage.digit == 0, 1)},
                   Type());
      break;
    case SortStages::Step::Write:
      writeItems();
      break;
    }
    return finish();
  }

  /// What a launch's units are.
  std::string units() const {
    switch (stage.step) {
    case SortStages::Step::Short:
      return "rows, " + std::to_string(way.rowsPerBlock()) + " a block, sorted in shared memory";
    case SortStages::Step::Keys:
      return stage.part == SortStages::rowPart ? "elements whose row is their key"
                                               : "elements that get keys";
    case SortStages::Step::Count:
      return "elements whose digits are counted";
    case SortStages::Step::Scan:
      return "digits whose counts are summed";
    case SortStages::Step::Place:
      return "elements put in order of a digit";
    case SortStages::Step::Write:
      return "elements in order";
    }
    return {};
  }

private:
  Value constant(int64_t value) { return elements->math().constant(value); }
  Value items() { return sizes->get(way.items()); }
  Value space(SortSpaces::Number number) { return workspaces[number]; }
  // Where keys and numbers are before the launches of a digit.
  Value keys(int digit) { return space(digit % 2 == 0 ? SortSpaces::Keys : SortSpaces::OtherKeys); }
  Value order(int digit) {
    return space(digit % 2 == 0 ? SortSpaces::Order : SortSpaces::OtherOrder);
  }

  Value number(int64_t value, Type type) {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, value));
  }
  template <typename OpTy> Value make(Value a, Value b) {
    return builder.createOrFold<OpTy>(loc, a, b);
  }
  Value resized(Value value, Type type) {
    unsigned from = value.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
    if (from == to)
      return value;
    return from < to ? Value(arith::ExtUIOp::create(builder, loc, type, value))
                     : Value(arith::TruncIOp::create(builder, loc, type, value));
  }
  static void name(Value index, llvm::StringRef hint) {
    Operation *loop = cast<BlockArgument>(index).getOwner()->getParentOp();
    loop->setAttr("hint", StringAttr::get(loop->getContext(), hint));
  }

  // -- Elements -----------------------------------------------------------------------------------

  Index indexOf(Value row, Value place) {
    Index index;
    for (const LaneIndex &i : elements->math().delinearize(row, outerDims))
      index.push_back(i);
    index.insert(index.begin() + way.axis, LaneIndex{place, 0, {}});
    return index;
  }

  /// An unsigned number that orders as an element does; NaN is the largest, both zeros are one.
  Value keyAt(Value row, Value place) {
    Value element = elements->emit(anchor->getOperand(0), indexOf(row, place)).value;
    Type type = element.getType(), given = ir::tensorType(anchor->getOperand(0)).getElementType();
    Location at = anchor->getLoc();
    auto bits = type.getIntOrFloatBitWidth();
    Type integer = builder.getIntegerType(bits);
    auto constantBits = [&](const llvm::APInt &value) -> Value {
      return arith::ConstantOp::create(builder, at, builder.getIntegerAttr(integer, value));
    };
    Value top = constantBits(llvm::APInt::getSignMask(bits)),
          all = constantBits(llvm::APInt::getAllOnes(bits));
    Value key = element;
    if (auto floatType = dyn_cast<FloatType>(type)) {
      Value none = arith::ConstantOp::create(builder, at, builder.getFloatAttr(floatType, 0.0));
      Value plain = arith::AddFOp::create(builder, at, element, none); // -0 + 0 = 0
      Value raw = arith::BitcastOp::create(builder, at, integer, plain);
      Value isNegative = arith::CmpIOp::create(builder, at, arith::CmpIPredicate::slt, raw,
                                               constantBits(llvm::APInt::getZero(bits)));
      Value flips = arith::SelectOp::create(builder, at, isNegative, all, top);
      Value isNan = arith::CmpFOp::create(builder, at, arith::CmpFPredicate::UNO, element, element);
      key = arith::SelectOp::create(builder, at, isNan, all,
                                    arith::XOrIOp::create(builder, at, raw, flips));
    } else if (bits > 1 && !given.isUnsignedInteger()) {
      key = arith::XOrIOp::create(builder, at, key, top);
    }
    if (way.descending)
      key = arith::XOrIOp::create(builder, at, key, all);
    return resized(key, keyType);
  }

  /// Writes what follows from the order: element `place` of the sorted row is the one at `source`.
  void write(Value row, Value place, Value source) {
    elements->setOverride(anchor->getResult(0), [source](llvm::ArrayRef<LaneIndex>) {
      return Element{source, true};
    });
    Index index = indexOf(row, place);
    Values values;
    for (Value value : outputValues)
      values.push_back(elements->emit(value, index).value);
    for (auto [value, buffer] : llvm::zip(values, outputs))
      store(buffer, index, {}, value);
    elements->clearOverride(anchor->getResult(0));
  }

  // -- Rows in shared memory ----------------------------------------------------------------------

  void sortShortRows() {
    Value run = constant(way.run), perBlock = constant(way.rowsPerBlock()),
          rows = sizes->get(way.rows);
    Value thread = position("thread");
    Value keyArray = array(keyType, way.shared, "keys", /*isShared=*/true);
    Value numbers = array(word, way.shared, "numbers", /*isShared=*/true);
    Memory &memory = elements->memory();
    // Each place of the tile that holds an element: body(slot, row, place).
    auto eachPlace = [&](Value firstRow,
                         llvm::function_ref<void(Value, Value, Value, Value)> body) {
      loop(thread, constant(way.shared), constant(SortStages::threads), {},
           [&](Value slot, ValueRange) {
             name(slot, "slot");
             Value row = way.rowsPerBlock() == 1 ? firstRow
                                                 : add(firstRow, make<arith::DivUIOp>(slot, run));
             Value place = way.rowsPerBlock() == 1 ? slot : make<arith::RemUIOp>(slot, run);
             Value isRow =
                 arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, row, rows);
             Value isPlace =
                 arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, place, length);
             body(slot, row, place, arith::AndIOp::create(builder, loc, isRow, isPlace));
             return Values();
           });
    };
    loop(mul(position("block"), perBlock), rows, mul(position("blocks"), perBlock), {},
         [&](Value firstRow, ValueRange) {
           name(firstRow, "row");
           eachPlace(firstRow, [&](Value slot, Value row, Value place, Value inside) {
             auto branch = scf::IfOp::create(builder, loc, TypeRange{keyType}, inside, true);
             OpBuilder::InsertionGuard guard(builder);
             {
               ElementEmitter::Scope scope(*elements);
               builder.setInsertionPointToEnd(branch.thenBlock());
               scf::YieldOp::create(builder, loc, keyAt(row, place));
             }
             builder.setInsertionPointToEnd(branch.elseBlock());
             scf::YieldOp::create(builder, loc, number(-1, keyType));
             builder.setInsertionPointAfter(branch);
             memory.storeScalar(branch.getResult(0), keyType, keyArray, slot);
             memory.storeScalar(resized(place, word), word, numbers, slot);
           });
           callTemplate("sortRuns", std::to_string(way.shared) + ", " + std::to_string(way.run),
                        {keyArray, numbers}, Type());
           eachPlace(firstRow, [&](Value slot, Value row, Value place, Value inside) {
             auto branch = scf::IfOp::create(builder, loc, inside, /*withElseRegion=*/false);
             OpBuilder::InsertionGuard guard(builder);
             ElementEmitter::Scope scope(*elements);
             builder.setInsertionPointToStart(branch.thenBlock());
             write(row, place, resized(memory.loadScalar(numbers, word, slot), i64));
           });
           callTemplate("__syncthreads", "", {}, Type()); // The tile has been read.
           return Values();
         });
  }

  // -- Digit by digit -----------------------------------------------------------------------------

  void eachItem(llvm::function_ref<void(Value)> body) {
    Value first = add(mul(position("block"), position("threads")), position("thread"));
    loop(first, items(), mul(position("blocks"), position("threads")), {},
         [&](Value item, ValueRange) {
           name(item, "item");
           body(item);
           return Values();
         });
  }
  Value loadWord(Value pointer, Value at) {
    return resized(elements->memory().loadScalar(pointer, word, at), i64);
  }

  void findKeys() {
    eachItem([&](Value item) {
      Value from = stage.digit == 0 ? item : loadWord(order(stage.digit), item);
      Value row = make<arith::DivUIOp>(from, length), key = row;
      if (stage.part != SortStages::rowPart)
        key = keyAt(row, make<arith::RemUIOp>(from, length));
      if (stage.part == 1)
        key = make<arith::ShRUIOp>(key, number(32, keyType));
      elements->memory().storeScalar(resized(key, word), word, keys(stage.digit), item);
    });
  }

  void writeItems() {
    eachItem([&](Value item) {
      Value row = make<arith::DivUIOp>(item, length), place = make<arith::RemUIOp>(item, length);
      Value source = loadWord(order(stage.digit), item);
      write(row, place, builder.createOrFold<arith::SubIOp>(loc, source, mul(row, length)));
    });
  }

  Operation *anchor;
  SortStages way;
  SortStages::Stage stage;
  Type word, i64, keyType;
  llvm::SmallVector<DimExpr> outerDims;
  Value length;
};

} // namespace

KernelSource emitSort(const KernelRequest &request) {
  SortEmitter emitter(request);
  BlockKernel kernel = emitter.run();
  KernelSource source = printKernel(kernel, request, emitter.units());
  source.parts.emplace_back(request.plan.schedule.block > 0 ? "Sort" : "Scatter");
  return source;
}

} // namespace sinter::cuda
