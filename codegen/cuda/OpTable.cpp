// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/OpTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace sinter::cuda {

namespace {

constexpr OpRow rows[] = {
    {"arith.addf", "$0 + $1"},
    {"arith.subf", "$0 - $1"},
    {"arith.mulf", "$0 * $1"},
    {"arith.divf", "$0 / $1"},
    {"arith.negf", "-$0"},
    // Signed overflow wraps in the IR and is undefined in C++.
    {"arith.addi", "wrapAdd<$t>($0, $1)", "$0 + $1"},
    {"arith.subi", "wrapSub<$t>($0, $1)", "$0 - $1"},
    {"arith.muli", "wrapMul<$t>($0, $1)", "$0 * $1"},
    {"arith.divsi", "$0 / $1"},
    {"arith.remsi", "$0 % $1"},
    {"arith.divui", "($t)(($u)$0 / ($u)$1)", "quotient($0, $1)"},
    {"arith.remui", "($t)(($u)$0 % ($u)$1)", "modulo($0, $1)"},
    {"arith.ceildivsi", "ceilDiv($0, $1)"},
    {"arith.floordivsi", "-ceilDiv(-($0), $1)"},
    {"arith.maxsi", "larger<$t>($0, $1)"},
    {"arith.minsi", "smaller<$t>($0, $1)"},
    {"arith.maxui", "($t)larger<$u>($0, $1)"},
    {"arith.minui", "($t)smaller<$u>($0, $1)"},
    {"arith.shli", "($t)(($u)$0 << $1)"},
    {"arith.shrsi", "($t)($0 >> $1)"},
    {"arith.shrui", "($t)(($u)$0 >> $1)"},
    {"arith.andi", "($t)($0 & $1)"},
    {"arith.ori", "($t)($0 | $1)"},
    {"arith.xori", "($t)($0 ^ $1)"},
    {"arith.andi.i1", "$0 && $1"},
    {"arith.ori.i1", "$0 || $1"},
    {"arith.xori.i1", "$0 != $1"},
    {"arith.select", "$0 ? $1 : $2"},
    {"arith.extf", "($t)$0"},
    {"arith.truncf", "($t)$0"},
    {"arith.extsi", "($t)$0"},
    {"arith.extui", "($t)($u)$0", "($t)$0"},
    {"arith.trunci", "($t)$0"},
    {"arith.sitofp", "($t)$0"},
    {"arith.uitofp", "($t)($u)$0"},
    {"arith.fptosi", "($t)$0"},
    {"arith.fptoui", "($t)(unsigned long long)$0"},
    {"arith.bitcast", "bitCast<$t>($0)"},
    {"arith.remf", "fmod$f($0, $1)"},
    // C's comparisons are false for NaN, except !=.
    {"arith.cmpf.oeq", "$0 == $1"},
    {"arith.cmpf.ogt", "$0 > $1"},
    {"arith.cmpf.oge", "$0 >= $1"},
    {"arith.cmpf.olt", "$0 < $1"},
    {"arith.cmpf.ole", "$0 <= $1"},
    {"arith.cmpf.one", "$0 < $1 || $0 > $1"},
    {"arith.cmpf.ord", "$0 == $0 && $1 == $1"},
    {"arith.cmpf.ueq", "!($0 < $1 || $0 > $1)"},
    {"arith.cmpf.ugt", "!($0 <= $1)"},
    {"arith.cmpf.uge", "!($0 < $1)"},
    {"arith.cmpf.ult", "!($0 >= $1)"},
    {"arith.cmpf.ule", "!($0 > $1)"},
    {"arith.cmpf.une", "$0 != $1"},
    {"arith.cmpf.ord.same", "$0 == $0"},
    {"arith.cmpf.uno.same", "$0 != $0"},
    {"arith.cmpf.uno", "$0 != $0 || $1 != $1"},
    {"arith.cmpi.eq", "$0 == $1"},
    {"arith.cmpi.ne", "$0 != $1"},
    {"arith.cmpi.slt", "$0 < $1"},
    {"arith.cmpi.sle", "$0 <= $1"},
    {"arith.cmpi.sgt", "$0 > $1"},
    {"arith.cmpi.sge", "$0 >= $1"},
    {"arith.cmpi.ult", "($u)$0 < ($u)$1"},
    {"arith.cmpi.ule", "($u)$0 <= ($u)$1"},
    {"arith.cmpi.ugt", "($u)$0 > ($u)$1"},
    {"arith.cmpi.uge", "($u)$0 >= ($u)$1"},
    {"math.absf", "fabs$f($0)"},
    {"math.exp", "exp$f($0)"},
    {"math.expm1", "expm1$f($0)"},
    {"math.log", "log$f($0)"},
    {"math.log1p", "log1p$f($0)"},
    {"math.sqrt", "sqrt$f($0)"},
    {"math.rsqrt", "rsqrt$f($0)"},
    {"math.sin", "sin$f($0)"},
    {"math.cos", "cos$f($0)"},
    {"math.tanh", "tanh$f($0)"},
    {"math.erf", "erf$f($0)"},
    {"math.floor", "floor$f($0)"},
    {"math.ceil", "ceil$f($0)"},
    {"math.roundeven", "rint$f($0)"},
    {"math.powf", "pow$f($0, $1)"},
    {"math.trunc", "trunc$f($0)"},
    {"math.fma", "fma$f($0, $1, $2)"},
    {"math.copysign", "copysign$f($0, $1)"},
    {"math.exp2", "exp2$f($0)"},
    {"math.log2", "log2$f($0)"},
    {"math.log10", "log10$f($0)"},
    {"math.cbrt", "cbrt$f($0)"},
    {"math.tan", "tan$f($0)"},
    {"math.asin", "asin$f($0)"},
    {"math.acos", "acos$f($0)"},
    {"math.atan", "atan$f($0)"},
    {"math.atan2", "atan2$f($0, $1)"},
    {"math.sinh", "sinh$f($0)"},
    {"math.cosh", "cosh$f($0)"},
    {"math.asinh", "asinh$f($0)"},
    {"math.acosh", "acosh$f($0)"},
    {"math.atanh", "atanh$f($0)"},
    {"llvm.getelementptr", "$0[$1]"},
    {"llvm.load", "$0", {}, false},
    {"llvm.store", "$1 = $0", {}, false},
    // Only its success flag is used, so the pair that the op gives is that flag.
    {"llvm.cmpxchg", "compareExchange($0, $1, $2)", {}, false},
    {"llvm.extractvalue", "$0"},
};

const llvm::StringMap<const OpRow *> &index() {
  static const llvm::StringMap<const OpRow *> map = [] {
    llvm::StringMap<const OpRow *> made;
    for (const OpRow &row : rows)
      made[llvm::StringRef(row.name.data(), row.name.size())] = &row;
    return made;
  }();
  return map;
}

} // namespace

const OpRow *findRow(Operation *op) {
  std::string key = op->getName().getStringRef().str();
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    key += "." + arith::stringifyCmpFPredicate(compare.getPredicate()).str();
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    key += "." + arith::stringifyCmpIPredicate(compare.getPredicate()).str();
  // A row for a special case comes before the general one.
  if (op->getNumResults() == 1 && op->getResult(0).getType().isInteger(1))
    if (const OpRow *row = index().lookup(key + ".i1"))
      return row;
  if (op->getNumOperands() == 2 && op->getOperand(0) == op->getOperand(1))
    if (const OpRow *row = index().lookup(key + ".same"))
      return row;
  return index().lookup(key);
}

} // namespace sinter::cuda
