// SPDX-License-Identifier: Apache-2.0
// Reductions of a product's rows that are too long for a kernel of the product become reductions of
// tiles of them, which are not, and reductions over the tiles, which read next to nothing.
#include "sinter/passes/ContractionDims.h"
#include "sinter/passes/ContractionRows.h"
#include "sinter/passes/KernelForm.h"
#include "sinter/passes/Passes.h"

#include "sinter/ir/PickTile.h"
#include "sinter/ir/StructuralRules.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <set>

namespace sinter::passes {
#define GEN_PASS_DEF_SPLITROWS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;
using sinter::ir::tensor::Expr;

namespace sinter::passes {

using ir::TensorType;

namespace {

struct InProgramOrder {
  bool operator()(Operation *a, Operation *b) const { return a != b && a->isBeforeInBlock(b); }
};

/// A sum of exp(x - shift) along rows, where the shift follows from the same rows.
struct ShiftedSum {
  Value x;
  BroadcastOp shift;
  ReduceSumOp sum;
};

/// What follows a product, as far as tiles of its rows are enough for it.
class RowReaders {
public:
  explicit RowReaders(DotGeneralOp dot)
      : dot(dot), domain(tensorType(dot.getResult()).getDims()),
        last(static_cast<int64_t>(domain.size()) - 1) {}

  /// False when something needs whole rows: what reads the product once more after a reduction of
  /// its rows might as well reduce them itself.
  bool find() {
    ofProduct.insert(dot.getResult());
    add(dot.getResult());
    // What follows from the rows alone matters only as long as readers of the product come.
    while (!ofProductNext.empty()) {
      Operation *op = *readers.begin();
      readers.erase(readers.begin());
      const bool follows =
          llvm::any_of(op->getOperands(), [&](Value operand) { return ofRows.contains(operand); });
      if (!visit(op, ofProductNext.erase(op), follows))
        return false;
    }
    return !reductions.empty() || !shifted.empty();
  }

  /// Whether an op is none of those below.
  bool isOther(Operation *op) const { return !taken.contains(op); }
  /// Whether a value made of the product's elements is needed by another op; whether any is.
  bool leaves(Value value) const {
    return llvm::any_of(value.getUsers(), [&](Operation *user) { return isOther(user); });
  }
  RowReads reads() const {
    return {.isStored = llvm::any_of(ofProduct, [&](Value value) { return leaves(value); }),
            .hasArgmax = llvm::any_of(reductions, [](Operation *op) { return isa<ArgmaxOp>(op); })};
  }

  DotGeneralOp dot;
  Dims domain;
  int64_t last;
  llvm::SmallVector<Operation *> points;     ///< Element by element.
  llvm::SmallVector<Operation *> reductions; ///< Of rows.
  llvm::SmallVector<PickOp> picks;
  llvm::SmallVector<ShiftedSum> shifted;

private:
  void add(Value value) {
    for (Operation *user : value.getUsers()) {
      readers.insert(user);
      if (ofProduct.contains(value))
        ofProductNext.insert(user);
    }
  }

  bool visit(Operation *op, bool reads, bool follows) {
    auto give = [&](llvm::DenseSet<Value> &set) {
      for (Value result : op->getResults()) {
        set.insert(result);
        add(result);
      }
      return true;
    };
    if (!reads)
      return give(ofRows);
    auto take = [&](auto &list, auto reader) {
      list.push_back(reader);
      taken.insert(op);
      return give(ofRows);
    };
    if (op->hasTrait<OpTrait::IsTerminator>())
      return true;
    if (follows)
      return takeShifted(op);
    if (isa<ElementwiseOpInterface>(op) && op->getNumResults() == 1 &&
        tensorType(op->getResult(0)).getDims() == domain) {
      points.push_back(op);
      taken.insert(op);
      return give(ofProduct);
    }
    if (reducesRow(op))
      return take(reductions, op);
    if (auto pick = dyn_cast<PickOp>(op); pick && !ofProduct.contains(pick.getIndices()))
      return take(picks, pick);
    return true; // Reads the product from memory.
  }

  bool reducesRow(Operation *op) const {
    auto indexed = dyn_cast<IndexedOpInterface>(op);
    if (!indexed || op->getNumOperands() != 1)
      return false;
    const Indexing indexing = indexed.getIndexing();
    return anchorKind(indexing) == AnchorKind::Reduction && indexing.numReductions == 1 &&
           indexing.accesses.front().index.back().asDim() == indexing.numParallel();
  }

  /// Whether a shift is -inf only where all of its row of `x` is. Else one element that is -inf
  /// makes NaN of the row, which the sum of its tile does not show.
  bool isInfiniteAlone(Value shift, Value x, unsigned depth = 0) const {
    constexpr unsigned deepest = 4;
    Operation *op = shift.getDefiningOp();
    if (auto select = dyn_cast_or_null<SelectOp>(op); select && depth < deepest)
      return isInfiniteAlone(select.getA(), x, depth + 1) &&
             isInfiniteAlone(select.getB(), x, depth + 1);
    if (auto full = dyn_cast_or_null<FullOp>(op)) {
      auto value = dyn_cast<FloatAttr>(full.getValue());
      return value && value.getValue().isFinite();
    }
    auto largest = dyn_cast_or_null<ReduceMaxOp>(op);
    return largest && largest.getX() == x && reducesRow(largest);
  }

  bool takeShifted(Operation *op) {
    auto sub = dyn_cast<SubOp>(op);
    auto shift = sub ? sub.getB().getDefiningOp<BroadcastOp>() : BroadcastOp();
    if (!shift || !ofProduct.contains(sub.getA()) || !sub.getResult().hasOneUse())
      return false;
    if (shift.getDimensions() != llvm::ArrayRef(rules::range(0, last)) ||
        !isInfiniteAlone(shift.getX(), sub.getA()))
      return false;
    auto exp = dyn_cast<ExpOp>(*sub.getResult().getUsers().begin());
    auto sum = exp && exp.getResult().hasOneUse()
                   ? dyn_cast<ReduceSumOp>(*exp.getResult().getUsers().begin())
                   : ReduceSumOp();
    // In 16 bits the shift is rounded where it is stored, and what is in registers is not.
    Type element = sub.getType().getElementType();
    if (!sum || !reducesRow(sum) || !(element.isF32() || element.isF64()))
      return false;
    shifted.push_back({sub.getA(), shift, sum});
    taken.insert(op);
    ofRows.insert(sum.getResult());
    add(sum.getResult());
    return true;
  }

  llvm::DenseSet<Value> ofProduct, ofRows;
  llvm::DenseSet<Operation *> taken, ofProductNext;
  std::set<Operation *, InProgramOrder> readers; ///< Still to be looked at.
};

/// Makes the product of tiles and what follows it.
class TileBuilder : OpBuilder::Listener {
public:
  TileBuilder(RowReaders &found, int64_t width)
      : found(found), domain(found.domain), last(found.last), width(width),
        builder(found.dot.getContext(), this) {}

  /// False, and nothing has changed, when there is no kernel of it.
  bool run(bool forGpu) {
    makeProduct();
    for (Operation *op : found.points)
      copyAtPoints(op);
    for (Operation *op : found.reductions) {
      builder.setInsertionPoint(op);
      if (auto arg = dyn_cast<ArgmaxOp>(op))
        reduceArgmax(arg);
      else
        reduce(op);
    }
    for (PickOp pick : found.picks)
      pickFromTiles(pick);
    for (const ShiftedSum &sum : found.shifted)
      addShifted(sum);
    if (!isKernel(forGpu)) {
      for (Operation *op : llvm::reverse(made))
        op->erase();
      return false;
    }
    for (auto [old, next] : results)
      old.replaceAllUsesWith(next);
    for (auto [old, tiles] : product)
      if (found.leaves(old)) {
        builder.setInsertionPointAfterValue(tiles);
        Value whole = ReshapeOp::create(builder, tiles.getLoc(), old.getType(), tiles);
        old.replaceUsesWithIf(whole, [&](OpOperand &use) { return found.isOther(use.getOwner()); });
      }
    return true;
  }

private:
  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override {
    made.push_back(op);
  }

  // -- Types --------------------------------------------------------------------------------------

  /// With `axis` cut into tiles.
  TensorType cut(TensorType type, int64_t axis) const {
    llvm::SmallVector<Attribute> dims(type.getDims());
    auto whole = cast<IntegerAttr>(dims[static_cast<size_t>(axis)]);
    auto size = [&](int64_t value) { return IntegerAttr::get(whole.getType(), value); };
    dims[static_cast<size_t>(axis)] = size(whole.getInt() / width);
    dims.insert(dims.begin() + axis + 1, size(width));
    return TensorType::get(type.getContext(), type.getElementType(), dims);
  }
  /// Tiles of a row that each have one element.
  TensorType perTile(Type element) const {
    llvm::SmallVector<Attribute> dims(cut(tensorType(found.dot.getResult()), last).getDims());
    dims.pop_back();
    return TensorType::get(element.getContext(), element, dims);
  }
  static bool isNarrow(Type element) { return element.isF16() || element.isBF16(); }
  /// Partial results are kept in the type that whole ones are computed in.
  Value wide(Value value) {
    Type element = tensorType(value).getElementType();
    return isNarrow(element) ? inKernel(as(value, builder.getF32Type())) : value;
  }
  Value as(Value value, Type element) {
    if (tensorType(value).getElementType() == element)
      return value;
    return CastOp::create(builder, value.getLoc(), tensorType(value).withElementType(element),
                          value);
  }
  template <typename T> T inKernel(T value) {
    Operation *op;
    if constexpr (std::is_same_v<T, Value>)
      op = value.getDefiningOp();
    else
      op = value.value().getDefiningOp();
    kernel.insert(op);
    return value;
  }

  // -- The product --------------------------------------------------------------------------------

  void makeProduct() {
    DotGeneralOp dot = found.dot;
    builder.setInsertionPoint(dot);
    const int64_t axis =
        freeDims(tensorType(dot.getRhs()).getRank(), dot.getRhsBatch(), dot.getRhsContract())
            .front();
    auto moved = [&](llvm::ArrayRef<int64_t> dims) {
      return llvm::to_vector(llvm::map_range(dims, [&](int64_t d) { return d + (d > axis); }));
    };
    auto tiles = DotGeneralOp::create(builder, dot.getLoc(), cut(dot.getType(), last), dot.getLhs(),
                                      cutValue(dot.getRhs(), axis, 0), dot.getLhsBatch(),
                                      moved(dot.getRhsBatch()), dot.getLhsContract(),
                                      moved(dot.getRhsContract()));
    tiles->setDiscardableAttrs(dot->getDiscardableAttrDictionary());
    product[dot.getResult()] = inKernel(Value(tiles.getResult()));
  }

  void copyAtPoints(Operation *op) {
    builder.setInsertionPoint(op);
    IRMapping mapping;
    for (Value operand : op->getOperands()) {
      auto tiles = product.find(operand);
      mapping.map(operand, tiles != product.end() ? tiles->second : cutValue(operand, last, 0));
    }
    product[op->getResult(0)] = inKernel(copy(op, mapping, last));
  }
  Value copy(Operation *op, IRMapping &mapping, int64_t axis) {
    Value result = builder.clone(*op, mapping)->getResult(0);
    result.setType(cut(tensorType(result), axis));
    return result;
  }

  /// A value with one of its dims cut. Views and what is computed for the product alone are made
  /// again, since no kernel holds both sides of a reshape.
  Value cutValue(Value value, int64_t axis, unsigned depth) {
    constexpr unsigned deepest = 16;
    Operation *op = value.getDefiningOp();
    TensorType type = cut(tensorType(value), axis);
    if (auto broadcast = dyn_cast_or_null<BroadcastOp>(op))
      return cutBroadcast(broadcast, axis, type);
    if (auto constant = dyn_cast_or_null<ConstantOp>(op); constant && value.hasOneUse())
      if (ElementsAttr data = cutData(constant.getValue(), type))
        return ConstantOp::create(builder, value.getLoc(), type, data);
    if (isa_and_nonnull<ElementwiseOpInterface>(op) && op->getNumResults() == 1 &&
        (value.hasOneUse() || op->getNumOperands() == 0) && depth < deepest) {
      IRMapping mapping;
      for (Value operand : op->getOperands())
        mapping.map(operand, cutValue(operand, axis, depth + 1));
      return copy(op, mapping, axis);
    }
    return ReshapeOp::create(builder, value.getLoc(), type, value);
  }

  Value cutBroadcast(BroadcastOp op, int64_t axis, TensorType type) {
    Value x = op.getX();
    llvm::SmallVector<int64_t> dims;
    for (auto [d, along] : llvm::enumerate(op.getDimensions())) {
      dims.push_back(along + (along > axis));
      if (along != axis || isOne(op.getX().getType().getDims()[d]))
        continue;
      const auto at = static_cast<int64_t>(d);
      x = ReshapeOp::create(builder, op.getLoc(), cut(op.getX().getType(), at), x);
      dims.push_back(axis + 1);
    }
    return BroadcastOp::create(builder, op.getLoc(), type, x, dims);
  }

  static ElementsAttr cutData(ElementsAttr data, TensorType type) {
    auto shape = RankedTensorType::get(
        llvm::to_vector(llvm::map_range(
            type.getDims(), [](Attribute dim) { return cast<IntegerAttr>(dim).getInt(); })),
        data.getElementType());
    if (auto dense = dyn_cast<DenseElementsAttr>(data))
      return dense.reshape(shape);
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(data))
      return DenseResourceElementsAttr::get(shape, resource.getRawHandle());
    return {};
  }

  // -- What follows -------------------------------------------------------------------------------

  /// The same reduction of another tensor along its last dim.
  Value again(Operation *op, Value x) {
    TensorType type = tensorType(x);
    llvm::SmallVector<Attribute> dims(type.getDims().drop_back());
    const int64_t axis = type.getRank() - 1;
    Operation *copy = builder.clone(*op);
    copy->setOperand(0, x);
    if (isa<ArgmaxOp>(op))
      copy->setAttr("axis", builder.getI64IntegerAttr(axis));
    else
      copy->setAttr("axes", builder.getDenseI64ArrayAttr(axis));
    Type element =
        isa<ArgmaxOp>(op) ? tensorType(op->getResult(0)).getElementType() : type.getElementType();
    copy->getResult(0).setType(TensorType::get(type.getContext(), element, dims));
    return copy->getResult(0);
  }

  void give(Value old, Value next) {
    results.push_back({old, as(next, tensorType(old).getElementType())});
  }

  void reduce(Operation *op) {
    Value x = product.lookup(op->getOperand(0));
    give(op->getResult(0), again(op, isa<ReduceMaxOp>(op) ? largestOfTiles(x).stored
                                                          : store(again(op, wide(x))).stored));
  }
  llvm::SmallVector<int64_t> alongTile() const { return {last + 1}; }

  /// A partial result where it is made, and as what combines the tiles reads it.
  struct Partial {
    Value made, stored;
  };
  /// No kernel holds what lies on both sides of a view that regroups dims: what combines the tiles
  /// would otherwise join what makes them, element by element, and tear that apart.
  Partial store(Value value) {
    TensorType type = tensorType(value);
    partials.push_back(inKernel(value));
    Value flat = ReshapeOp::create(builder, value.getLoc(),
                                   type.withShape(Shape{type.getNumElements()}), value);
    return {value, ReshapeOp::create(builder, value.getLoc(), type, flat).getResult()};
  }

  /// The largest of each tile, in the type of sums.
  Partial largestOfTiles(Value x) {
    Partial &known = largest[x];
    if (!known.made) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointAfterValue(x);
      known = store(ReduceMaxOp::create(builder, x.getLoc(), wide(x), alongTile()).getResult());
    }
    return known;
  }

  /// The first tile with the largest of a row, and where it is in there. Only the first of equals
  /// counts, and a NaN is the largest, within tiles and among them.
  void reduceArgmax(ArgmaxOp op) {
    Location loc = op.getLoc();
    Value x = product.lookup(op.getX()), inside = store(again(op, x)).stored,
          tile = again(op, largestOfTiles(x).stored);
    Expr first(builder, loc, tile);
    Expr at = first.build<PickOp>(inside, tile);
    give(op.getResult(), (first * first.like(static_cast<double>(width)) + at).value());
  }

  void pickFromTiles(PickOp op) {
    builder.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value x = product.lookup(op.getX()), indices = op.getIndices();
    Value each = BroadcastOp::create(builder, loc, perTile(tensorType(indices).getElementType()),
                                     indices, rules::range(0, last));
    auto inside = PickOp::create(builder, loc, x, inKernel(each));
    inside->setAttr(pickInTilesAttr, builder.getUnitAttr());
    auto tile = PickOp::create(builder, loc, store(inside.getResult()).stored, indices);
    tile->setAttr(pickTileAttr, builder.getI64IntegerAttr(width));
    give(op.getResult(), tile.getResult());
  }

  /// Every tile subtracts its own largest element, and its sum is scaled by what that differs from
  /// the row's shift. Of infinite ones it subtracts nothing, so that its sum is what its elements
  /// make of it (0, inf or NaN) and the scale decides.
  void addShifted(ShiftedSum sum) {
    builder.setInsertionPoint(sum.sum);
    Location loc = sum.sum.getLoc();
    Value x = product.lookup(sum.x);
    const Partial largest = largestOfTiles(x);
    Expr most(builder, loc, largest.made), stored = most.with(largest.stored);
    Expr size = inKernel(most.build<AbsOp>(most.value()));
    Expr infinite = inKernel(most.like(std::numeric_limits<double>::infinity()));
    Expr zero = inKernel(most.like(0));
    Expr isFinite = inKernel(size < infinite);
    Expr own = inKernel(select(isFinite, most, zero));
    Expr spread =
        inKernel(most.build<BroadcastOp>(tensorType(x), own.value(), rules::range(0, last + 1)));
    Expr terms = inKernel(exp(inKernel(most.with(x) - spread)));
    Expr sums = most.with(
        store(ReduceSumOp::create(builder, loc, terms.value(), alongTile()).getResult()).stored);
    BroadcastOp shift = sum.shift;
    Expr shifts = stored.build<BroadcastOp>(stored.type(), shift.getX(), shift.getDimensions());
    Expr scale = exp(stored - shifts);
    give(sum.sum.getResult(),
         ReduceSumOp::create(builder, loc, (sums * scale).value(), llvm::SmallVector<int64_t>{last})
             .getResult());
  }

  bool isKernel(bool forGpu) {
    llvm::SmallVector<Operation *> ops(kernel.begin(), kernel.end());
    llvm::SmallVector<Value> outputs(partials);
    for (auto [old, tiles] : product)
      if (found.leaves(old))
        outputs.push_back(tiles);
    OpFacts facts;
    facts.forGpu = forGpu;
    auto answer = analyzeKernel(ops, outputs, facts);
    auto *analysis = std::get_if<KernelAnalysis>(&answer);
    return analysis && analysis->hasRowsBehind();
  }

  RowReaders &found;
  Dims domain;
  int64_t last, width;
  OpBuilder builder;
  llvm::MapVector<Value, Value>
      product; ///< The product and what is made of it at points, as tiles.
  llvm::DenseMap<Value, Partial> largest;
  llvm::SmallVector<Value> partials;
  llvm::SmallVector<std::pair<Value, Value>> results; ///< What is replaced, and by what.
  llvm::SmallVector<Operation *> made;
  std::set<Operation *, InProgramOrder> kernel; ///< What is to be one kernel.
};

struct SplitRowsPass : impl::SplitRowsBase<SplitRowsPass> {
  using SplitRowsBase::SplitRowsBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    OpFacts facts;
    facts.forGpu = gpu;
    llvm::SmallVector<DotGeneralOp> dots(func.getBody().front().getOps<DotGeneralOp>());
    bool changed = false;
    for (DotGeneralOp dot : dots) {
      if (!rowTile(dot, {}, facts))
        continue;
      RowReaders found(dot);
      if (!found.find())
        continue;
      if (auto width = rowTile(dot, found.reads(), facts))
        changed |= TileBuilder(found, *width).run(gpu);
    }
    if (changed)
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(func.getBody().front())))
        if (isOpTriviallyDead(&op))
          op.erase();
  }
};

} // namespace
} // namespace sinter::passes
