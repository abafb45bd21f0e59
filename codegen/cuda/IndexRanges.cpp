// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/IndexRanges.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <optional>

using namespace mlir;

namespace sinter::cuda {

namespace {

struct Range {
  int64_t low, high;
};
using MaybeRange = std::optional<Range>;

bool fits(const Range &range) {
  return range.low >= std::numeric_limits<int32_t>::min() &&
         range.high <= std::numeric_limits<int32_t>::max();
}

/// Walks a kernel in order, so that operands are known before what is made of them.
class Ranges {
public:
  explicit Ranges(Location indexLocation) : indexLocation(indexLocation) {}
  llvm::DenseSet<Value> narrow;

  void block(Block &block) {
    for (Operation &op : block) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        induction(loop);
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          this->block(inner);
      if (op.getNumResults() != 1)
        continue;
      if (MaybeRange range = of(&op))
        set(op.getResult(0), *range, op.getLoc() == indexLocation);
    }
  }

private:
  void set(Value value, Range range, bool isIndex) {
    known[value] = range;
    if (isIndex && value.getType().isInteger(64) && fits(range))
      narrow.insert(value);
  }

  MaybeRange get(Value value) const {
    APInt number;
    if (matchPattern(value, m_ConstantInt(&number)) && number.getBitWidth() <= 64)
      return Range{number.getSExtValue(), number.getSExtValue()};
    auto found = known.find(value);
    if (found != known.end())
      return found->second;
    if (auto type = dyn_cast<IntegerType>(value.getType()); type && type.getWidth() <= 32)
      return Range{llvm::minIntN(type.getWidth()), llvm::maxIntN(type.getWidth())};
    return std::nullopt;
  }

  void induction(scf::ForOp loop) {
    MaybeRange low = get(loop.getLowerBound()), high = get(loop.getUpperBound()),
               step = get(loop.getStep());
    if (!low || !high || !step)
      return;
    // The variable goes beyond the bound before the loop ends.
    int64_t beyond = 0;
    if (llvm::AddOverflow(high->high, step->high, beyond) || !fits({low->low, beyond}))
      return;
    set(loop.getInductionVar(), {low->low, std::max(low->low, high->high - 1)}, true);
  }

  MaybeRange of(Operation *op) const {
    if (auto most = op->getAttrOfType<IntegerAttr>(mostAttribute))
      return Range{0, most.getInt()};
    if (auto branch = dyn_cast<scf::IfOp>(op))
      return branch.elseBlock() ? hull(get(branch.thenYield().getOperand(0)),
                                       get(branch.elseYield().getOperand(0)))
                                : std::nullopt;
    if (isa<arith::SelectOp>(op))
      return hull(get(op->getOperand(1)), get(op->getOperand(2)));
    llvm::SmallVector<Range> in;
    for (Value operand : op->getOperands()) {
      MaybeRange range = get(operand);
      if (!range && isa<arith::RemUIOp>(op) && in.empty())
        range = Range{0, std::numeric_limits<int64_t>::max()};
      if (!range)
        return std::nullopt;
      in.push_back(*range);
    }
    if (isa<arith::ExtSIOp>(op))
      return in[0];
    if (isa<arith::ExtUIOp>(op) && op->getOperand(0).getType().isInteger(1))
      return Range{0, 1};
    if (isa<arith::AddIOp>(op))
      return corners(in,
                     [](int64_t a, int64_t b, int64_t &r) { return llvm::AddOverflow(a, b, r); });
    if (isa<arith::SubIOp>(op))
      return corners(in,
                     [](int64_t a, int64_t b, int64_t &r) { return llvm::SubOverflow(a, b, r); });
    if (isa<arith::MulIOp>(op))
      return corners(in,
                     [](int64_t a, int64_t b, int64_t &r) { return llvm::MulOverflow(a, b, r); });
    if (isa<arith::MaxSIOp>(op))
      return Range{std::max(in[0].low, in[1].low), std::max(in[0].high, in[1].high)};
    if (isa<arith::MinSIOp>(op))
      return Range{std::min(in[0].low, in[1].low), std::min(in[0].high, in[1].high)};
    if (in.size() != 2 || in[0].low < 0 || in[1].low <= 0)
      return std::nullopt;
    if (isa<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp>(op))
      return Range{in[0].low / in[1].high, in[0].high / in[1].low};
    if (isa<arith::RemUIOp, arith::RemSIOp>(op))
      return Range{0, std::min(in[0].high, in[1].high - 1)};
    return std::nullopt;
  }

  static MaybeRange hull(const MaybeRange &a, const MaybeRange &b) {
    if (!a || !b)
      return std::nullopt;
    return Range{std::min(a->low, b->low), std::max(a->high, b->high)};
  }

  static MaybeRange corners(llvm::ArrayRef<Range> in,
                            llvm::function_ref<bool(int64_t, int64_t, int64_t &)> compute) {
    std::optional<Range> all;
    for (int64_t a : {in[0].low, in[0].high})
      for (int64_t b : {in[1].low, in[1].high}) {
        int64_t result = 0;
        if (compute(a, b, result))
          return std::nullopt;
        all = all ? Range{std::min(all->low, result), std::max(all->high, result)}
                  : Range{result, result};
      }
    return all;
  }

  Location indexLocation;
  llvm::DenseMap<Value, Range> known;
};

} // namespace

llvm::DenseSet<Value> narrowIndices(func::FuncOp kernel, Location indexLocation) {
  Ranges ranges(indexLocation);
  for (Block &block : kernel.getBody())
    ranges.block(block);
  return std::move(ranges.narrow);
}

} // namespace sinter::cuda
