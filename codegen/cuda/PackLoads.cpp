// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PackLoads.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <numeric>
#include <optional>

using namespace mlir;

namespace sinter::cuda {

static std::optional<int64_t> constantOf(Value value) {
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number)) && number.getSignificantBits() <= 64)
    return number.getSExtValue();
  return std::nullopt;
}

int64_t divisorOf(Value value) {
  if (auto number = constantOf(value))
    return std::abs(*number);
  Operation *op = value.getDefiningOp();
  auto of = [&](unsigned i) { return divisorOf(op->getOperand(i)); };
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
    return std::gcd(of(0), of(1));
  if (isa_and_nonnull<arith::MulIOp>(op)) {
    constexpr int64_t most = int64_t{1} << 20; // What is asked for is less.
    return std::gcd(of(0), most) * std::gcd(of(1), most);
  }
  // a % b = a - b * something.
  if (isa_and_nonnull<arith::RemUIOp, arith::RemSIOp>(op))
    return std::gcd(of(0), of(1));
  if (isa_and_nonnull<arith::SelectOp>(op))
    return std::gcd(of(1), of(2));
  return 1;
}

bool PackLoads::isOutside(Value value) const {
  return !elements->isAncestor(value.getParentBlock()->getParentOp());
}

/// Everything but what varies, and what writes: the order of reads does not matter.
void PackLoads::hoist() {
  for (Operation &op : llvm::make_early_inc_range(elements.getBody()->without_terminator())) {
    bool isRead = isa<LLVM::LoadOp>(op), isReport = isa<scf::IfOp>(op);
    if (!isRead && !isReport && !isMemoryEffectFree(&op))
      continue;
    // Branches that compute nothing report errors, once or several times alike.
    bool same = llvm::all_of(op.getOperands(), [&](Value v) { return isOutside(v); });
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        same &= isOutside(operand) ||
                op.isProperAncestor(operand.getParentBlock()->getParentOp()) ||
                operand.getParentBlock()->getParentOp() == &op;
    });
    if (same)
      op.moveBefore(elements);
  }
}

namespace {

/// An offset as the loop's variable times `factor` plus a rest.
struct Linear {
  Operation *loop;
  Value variable;

  bool isOutside(Value value) const {
    return !loop->isAncestor(value.getParentBlock()->getParentOp());
  }
  std::optional<int64_t> factor(Value value) const {
    if (value == variable)
      return 1;
    if (isOutside(value) || constantOf(value))
      return 0;
    Operation *op = value.getDefiningOp();
    if (!op || !isMemoryEffectFree(op) || op->getNumRegions() > 0)
      return std::nullopt;
    llvm::SmallVector<int64_t> factors;
    for (Value operand : op->getOperands()) {
      auto known = factor(operand);
      if (!known)
        return std::nullopt;
      factors.push_back(*known);
    }
    if (llvm::all_of(factors, [](int64_t f) { return f == 0; }))
      return 0;
    if (isa<arith::AddIOp>(op))
      return factors[0] + factors[1];
    if (isa<arith::SubIOp>(op))
      return factors[0] - factors[1];
    if (isa<arith::MulIOp>(op))
      for (unsigned side : {0u, 1u})
        if (auto number = constantOf(op->getOperand(side)))
          return factors[1 - side] * *number;
    return std::nullopt;
  }
  /// The rest, computed at the builder's insertion point.
  Value rest(OpBuilder &builder, Location loc, Value value, IRMapping &made) const {
    if (value == variable)
      return arith::ConstantIntOp::create(builder, loc, 0, 64);
    if (isOutside(value))
      return value;
    if (Value found = made.lookupOrNull(value))
      return found;
    Operation *op = value.getDefiningOp();
    llvm::SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(rest(builder, loc, operand, made));
    Value result;
    if (isa<arith::AddIOp>(op))
      result = builder.createOrFold<arith::AddIOp>(loc, operands[0], operands[1]);
    else if (isa<arith::MulIOp>(op))
      result = builder.createOrFold<arith::MulIOp>(loc, operands[0], operands[1]);
    else {
      Operation *copy = builder.clone(*op);
      copy->setOperands(operands);
      result = copy->getResult(0);
    }
    made.map(value, result);
    return result;
  }
};

} // namespace

void PackLoads::pack(LLVM::LoadOp op) {
  auto address = op.getAddr().getDefiningOp<LLVM::GEPOp>();
  if (!address || address.getDynamicIndices().size() != 1 || !isOutside(address.getBase()) ||
      address.getBase().getDefiningOp<LLVM::AllocaOp>())
    return;
  Linear linear{elements, elements.getInductionVar()};
  Value offset = address.getDynamicIndices().front();
  if (linear.factor(offset) != 1)
    return;
  // Where only some packs are read, all elements of one are.
  llvm::SmallVector<std::pair<scf::IfOp, bool>> guards;
  Operation *inner = op;
  for (Operation *outer = op->getParentOp(); outer != elements; outer = outer->getParentOp()) {
    auto branch = dyn_cast<scf::IfOp>(outer);
    if (!branch || !isOutside(branch.getCondition()))
      return;
    guards.emplace_back(branch, inner->getBlock() == branch.thenBlock());
    inner = outer;
  }
  OpBuilder builder(elements);
  IRMapping made;
  Value first = linear.rest(builder, indexLocation, offset, made);
  if (divisorOf(first) % width != 0)
    return;
  Value copy = array(builder, op.getType(), address.getBase());
  for (auto [branch, taken] : llvm::reverse(guards)) {
    Value condition = branch.getCondition();
    if (!taken) {
      Value yes = arith::ConstantIntOp::create(builder, indexLocation, 1, 1);
      condition = arith::XOrIOp::create(builder, indexLocation, condition, yes);
    }
    auto guard = scf::IfOp::create(builder, indexLocation, condition, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(guard.thenBlock());
  }
  Type pointer = address.getType();
  load(builder, copy,
       LLVM::GEPOp::create(builder, indexLocation, pointer, op.getType(), address.getBase(),
                           ValueRange{first}));
  builder.setInsertionPoint(op);
  Value element = LLVM::GEPOp::create(builder, indexLocation, pointer, op.getType(), copy,
                                      ValueRange{elements.getInductionVar()});
  op.getAddrMutable().assign(element);
  if (address->use_empty())
    address->erase();
}

void PackLoads::run() {
  hoist();
  if (width == 1)
    return;
  llvm::SmallVector<LLVM::LoadOp> loads;
  elements.getBody()->walk([&](LLVM::LoadOp op) { loads.push_back(op); });
  for (LLVM::LoadOp op : loads)
    pack(op);
}

} // namespace sinter::cuda
