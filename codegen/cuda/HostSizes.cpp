// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/HostSizes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"

#include <map>

using namespace mlir;

namespace sinter::cuda {

namespace {

/// Whether every binding of the dims gives the size, and none a negative one: a call is refused
/// otherwise.
bool isAlwaysSize(const DimExpr &size) {
  struct Known {
    bool isGiven, isSize;
    std::optional<int64_t> number = std::nullopt;
  };
  DimExpr::Folder<Known> folder;
  folder.constant = [](int64_t value) { return Known{true, value >= 0, value}; };
  folder.symbol = [](const std::string &) { return Known{true, true}; };
  auto both = [](const Known &a, const Known &b) {
    return Known{a.isGiven && b.isGiven, a.isSize && b.isSize};
  };
  auto quotient = [](const Known &a, const Known &b) {
    const bool divides = b.number.value_or(0) > 0;
    return Known{a.isGiven && divides, a.isSize && divides};
  };
  folder.add = folder.mul = both;
  folder.max = [](const Known &a, const Known &b) {
    return Known{a.isGiven && b.isGiven, a.isSize || b.isSize};
  };
  folder.floorDiv = folder.ceilDiv = quotient;
  const Known known = size.fold<Known>(folder);
  return known.isGiven && known.isSize;
}

class Sizes {
public:
  Sizes(func::FuncOp function, const KernelRequest &request)
      : request(request), entry(function.getBody().front()),
        table(entry.getArgument(static_cast<unsigned>(request.bufferNames.size()))) {
    function.walk([&](Operation *op) { look(op); });
  }

  void handOver() {
    for (auto &[value, size] : known)
      if (!size.isSymbol() && isLookedAt(value))
        if (auto number = request.tableEntry(size, isAlwaysSize(size)))
          value.replaceUsesWithIf(load(*number), [&](OpOperand &use) {
            return use.getOwner()->getNumResults() != 1 || !find(use.getOwner()->getResult(0));
          });
    for (auto &[op, divisor] : divisions)
      if (isAlwaysSize(divisor)) {
        const auto inverse =
            expression([&] { return floorDiv(DimExpr(INT64_MAX), max(divisor, DimExpr(1))); });
        if (!inverse)
          continue;
        if (auto number = request.tableEntry(*inverse, true))
          op->setAttr(inverseAttribute, OpBuilder(op).getI64IntegerAttr(*number));
      }
  }

private:
  const DimExpr *find(Value value) const {
    auto found = numbers.find(value);
    return found == numbers.end() ? nullptr : &known[found->second].second;
  }
  std::optional<DimExpr> sizeOf(Value value) const {
    APInt number;
    if (matchPattern(value, m_ConstantInt(&number)) && number.getBitWidth() == 64)
      return DimExpr(number.getSExtValue());
    if (const DimExpr *size = find(value))
      return *size;
    return std::nullopt;
  }
  /// By something else than the next larger size.
  bool isLookedAt(Value value) const {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return user->getNumResults() != 1 || !find(user->getResult(0));
    });
  }

  /// The size that `make` gives; nullopt where an expression would grow beyond the limits, or has
  /// no value: the kernel computes it.
  static std::optional<DimExpr> expression(llvm::function_ref<DimExpr()> make) {
    try {
      return make();
    } catch (const Error &) {
      return std::nullopt;
    }
  }

  std::optional<DimExpr> made(Operation *op) const {
    if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
      auto address = load.getAddr().getDefiningOp<LLVM::GEPOp>();
      APInt number;
      if (address && address.getBase() == table && address.getDynamicIndices().size() == 1 &&
          matchPattern(address.getDynamicIndices().front(), m_ConstantInt(&number)) &&
          number.ult(request.dims.size()))
        return DimExpr::symbol(request.dims[number.getZExtValue()]);
      return std::nullopt;
    }
    if (op->getNumOperands() != 2 || op->getNumResults() != 1 ||
        !op->getResult(0).getType().isInteger(64))
      return std::nullopt;
    auto a = sizeOf(op->getOperand(0)), b = sizeOf(op->getOperand(1));
    if (!a || !b || (a->isConstant() && b->isConstant()))
      return std::nullopt;
    if (isa<arith::AddIOp>(op))
      return expression([&] { return *a + *b; });
    if (isa<arith::MulIOp>(op))
      return expression([&] { return *a * *b; });
    if (isa<arith::FloorDivSIOp>(op))
      return expression([&] { return floorDiv(*a, *b); });
    if (isa<arith::CeilDivSIOp>(op))
      return expression([&] { return ceilDiv(*a, *b); });
    if (isa<arith::MaxSIOp>(op))
      return expression([&] { return max(*a, *b); });
    return std::nullopt;
  }

  void look(Operation *op) {
    if (auto size = made(op)) {
      numbers[op->getResult(0)] = known.size();
      known.emplace_back(op->getResult(0), *size);
    }
    if (isa<arith::DivUIOp, arith::RemUIOp>(op) && op->getResult(0).getType().isInteger(64))
      if (const DimExpr *divisor = find(op->getOperand(1)))
        divisions.emplace_back(op, *divisor);
  }

  Value load(int64_t number) {
    Value &loaded = loads[number];
    if (loaded)
      return loaded;
    OpBuilder builder(&entry, entry.begin());
    Location loc = NameLoc::get(builder.getStringAttr("index"));
    Type i64 = builder.getI64Type();
    Value offset = arith::ConstantIntOp::create(builder, loc, number, 64);
    Value slot = LLVM::GEPOp::create(builder, loc, table.getType(), i64, table, ValueRange{offset});
    return loaded = LLVM::LoadOp::create(builder, loc, i64, slot, 8);
  }

  const KernelRequest &request;
  Block &entry;
  Value table;
  std::vector<std::pair<Value, DimExpr>> known;
  llvm::DenseMap<Value, size_t> numbers;
  std::vector<std::pair<Operation *, DimExpr>> divisions;
  std::map<int64_t, Value> loads;
};

} // namespace

void handOverSizes(ModuleOp module, const KernelRequest &request) {
  if (!request.tableEntry || request.dims.empty())
    return;
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (!function.isExternal())
      Sizes(function, request).handOver();
}

} // namespace sinter::cuda
