// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/MathExpansion.h"

#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/OpDefinition.h"

using namespace mlir;

namespace sinter::cpu {

namespace {
/// When an op may stay as it is.
enum class Keep { Never, WithFma, Always };

struct Rule {
  StringLiteral name;
  Keep keep;
  Num (*expand)(ArrayRef<Num> operands);
};
} // namespace

template <Num function(Num)> static Num unary(ArrayRef<Num> operands) {
  return function(operands[0]);
}

static Num rsqrt(ArrayRef<Num> operands) {
  return 1.0 / operands[0].emitter->create<math::SqrtOp>(operands[0].value);
}

template <Num function(Num, Num)> static Num binary(ArrayRef<Num> operands) {
  return function(operands[0], operands[1]);
}

static Num multiplyAdd(ArrayRef<Num> operands) {
  return fma(operands[0], operands[1], operands[2]);
}

template <typename Op>
static constexpr Rule rule(Num (*expand)(ArrayRef<Num>), Keep keep = Keep::Never) {
  return {Op::getOperationName(), keep, expand};
}

static constexpr Rule rules[] = {
    rule<math::ExpOp>(unary<expandExp>),
    rule<math::ExpM1Op>(unary<expandExpm1>),
    rule<math::TanhOp>(unary<expandTanh>),
    rule<math::LogOp>(unary<expandLog>),
    rule<math::Log1pOp>(unary<expandLog1p>),
    rule<math::SinOp>(unary<expandSin>),
    rule<math::CosOp>(unary<expandCos>),
    rule<math::ErfOp>(unary<expandErf>),
    rule<math::RsqrtOp>(rsqrt),
    rule<math::PowFOp>(binary<expandPow>),
    rule<math::Exp2Op>(unary<expandExp2>),
    rule<math::Log2Op>(unary<expandLog2>),
    rule<math::Log10Op>(unary<expandLog10>),
    rule<math::TanOp>(unary<expandTan>),
    rule<math::AsinOp>(unary<expandAsin>),
    rule<math::AcosOp>(unary<expandAcos>),
    rule<math::AtanOp>(unary<expandAtan>),
    rule<math::Atan2Op>(binary<expandAtan2>),
    rule<math::SinhOp>(unary<expandSinh>),
    rule<math::CoshOp>(unary<expandCosh>),
    rule<math::AsinhOp>(unary<expandAsinh>),
    rule<math::AcoshOp>(unary<expandAcosh>),
    rule<math::AtanhOp>(unary<expandAtanh>),
    rule<math::CbrtOp>(unary<expandCbrt>),
    rule<arith::RemFOp>(binary<expandRemainder>),
    rule<math::RoundOp>(unary<expandRound>),
    rule<math::RoundEvenOp>(unary<expandRoundEven>, Keep::WithFma),
    rule<math::FloorOp>(unary<expandFloor>, Keep::WithFma),
    rule<math::CeilOp>(unary<expandCeil>, Keep::WithFma),
    rule<math::TruncOp>(unary<expandTrunc>, Keep::WithFma),
    rule<math::FmaOp>(multiplyAdd, Keep::WithFma),
    rule<math::SqrtOp>(nullptr, Keep::Always),
    rule<math::AbsFOp>(nullptr, Keep::Always),
    rule<math::CopySignOp>(nullptr, Keep::Always),
    rule<math::AbsIOp>(nullptr, Keep::Always),
    rule<math::CtPopOp>(nullptr, Keep::Always),
    rule<math::CountLeadingZerosOp>(nullptr, Keep::Always),
    rule<math::CountTrailingZerosOp>(nullptr, Keep::Always),
    rule<math::IsNaNOp>(nullptr, Keep::Always),
    rule<math::IsInfOp>(nullptr, Keep::Always),
    rule<math::IsFiniteOp>(nullptr, Keep::Always),
};

static const Rule *findRule(StringRef name) {
  const Rule *found = llvm::find_if(rules, [&](const Rule &rule) { return rule.name == name; });
  return found == std::end(rules) ? nullptr : found;
}

static bool isSupported(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    if (vector.getRank() != 1 || vector.isScalable())
      return false;
  Type element = elementType(type);
  return element.isF32() || element.isF64();
}

/// The entry block of the function, or whatever else values cannot cross, around `op`.
static Block *entryAround(Operation *op) {
  Block *block = op->getBlock();
  for (Operation *parent = block->getParentOp(); parent; parent = block->getParentOp()) {
    block = &block->getParent()->front();
    if (parent->hasTrait<OpTrait::IsIsolatedFromAbove>() || !parent->getBlock())
      break;
    block = parent->getBlock();
  }
  return block;
}

LogicalResult expandMath(Operation *root, const MathOptions &options) {
  SmallVector<std::pair<Operation *, const Rule *>> work;
  WalkResult walked = root->walk([&](Operation *op) {
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) && !isa<arith::RemFOp>(op))
      return WalkResult::advance();
    const Rule *rule = findRule(op->getName().getStringRef());
    if (!rule) {
      op->emitOpError("has no inlined expansion for the CPU");
      return WalkResult::interrupt();
    }
    if (rule->keep == Keep::Always || (rule->keep == Keep::WithFma && options.hasFma))
      return WalkResult::advance();
    if (op->getNumResults() != 1 || !isSupported(op->getResult(0).getType())) {
      op->emitOpError("is expanded on f32, f64 and one-dimensional vectors of them only");
      return WalkResult::interrupt();
    }
    work.emplace_back(op, rule);
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();

  DenseMap<Block *, MathCache> caches;
  OpBuilder builder(root->getContext());
  for (auto [op, rule] : work) {
    Block *entry = entryAround(op);
    builder.setInsertionPoint(op);
    MathEmitter emitter(builder, op->getLoc(), entry, caches[entry], options);
    SmallVector<Num> operands;
    for (Value operand : op->getOperands())
      operands.push_back(emitter.wrap(operand));
    op->getResult(0).replaceAllUsesWith(rule->expand(operands).value);
    op->erase();
  }
  return success();
}

} // namespace sinter::cpu
