// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/MathExpansion.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"

#include <initializer_list>

namespace sinter::cpu {

class MathEmitter;

/// A scalar or vector SSA value with arithmetic operators, so that expansions read like formulas.
/// Floats and integers share the type; the operators pick the arith op from the element type.
struct Num {
  MathEmitter *emitter = nullptr;
  mlir::Value value;

  mlir::Type type() const { return value.getType(); }
};

/// Layout of an IEEE binary format.
struct FloatFormat {
  int width;
  int mantissaBits;
  int bias;
};

/// What the expansions of one function share.
struct MathCache {
  /// Constants, at the function's entry.
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants;
  /// sin and cos of one argument in one block share its reduction: rest and quadrant.
  llvm::DenseMap<std::pair<mlir::Value, mlir::Block *>, std::pair<mlir::Value, mlir::Value>>
      reductions;
};

/// Emits arith, math and vector ops for one expansion.
class MathEmitter {
public:
  MathEmitter(mlir::OpBuilder &builder, mlir::Location loc, mlir::Block *entry, MathCache &cache,
              const MathOptions &options)
      : builder(builder), loc(loc), entry(entry), cache(cache), options(options) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Block *entry;
  MathCache &cache;
  const MathOptions &options;

  Num wrap(mlir::Value value) { return {this, value}; }
  template <typename Op, typename... Args> Num create(Args &&...args) {
    return wrap(Op::create(builder, loc, std::forward<Args>(args)...));
  }
  /// A splat constant placed at the function's entry.
  Num constant(mlir::Type type, mlir::Attribute element);
};

/// Element type of a scalar or vector, and the same shape with another element type.
mlir::Type elementType(mlir::Type type);
mlir::Type withElement(mlir::Type type, mlir::Type element);
FloatFormat formatOf(Num x);
bool isSingle(Num x);

/// Splat constants shaped like `like`. integerLike makes integers as wide as `like`'s elements.
Num floatLike(Num like, double value);
Num integerLike(Num like, uint64_t value);

Num operator+(Num a, Num b);
Num operator-(Num a, Num b);
Num operator*(Num a, Num b);
Num operator/(Num a, Num b);
Num operator-(Num a);
Num operator+(Num a, double b);
Num operator-(Num a, double b);
Num operator*(Num a, double b);
Num operator+(double a, Num b);
Num operator-(double a, Num b);
Num operator*(double a, Num b);
Num operator/(double a, Num b);

/// Integers and masks; shifts are logical.
Num operator&(Num a, Num b);
Num operator|(Num a, Num b);
Num operator^(Num a, Num b);
Num operator<<(Num a, int count);
Num operator>>(Num a, int count);
Num shiftLeft(Num a, Num count);
Num shiftRight(Num a, Num count);
Num operator!(Num mask);

/// Ordered comparisons of floats (false on NaN, except notEqual); equality works on integers too.
Num operator<(Num a, Num b);
Num operator>(Num a, Num b);
Num operator<=(Num a, Num b);
Num operator>=(Num a, Num b);
Num operator<(Num a, double b);
Num operator>(Num a, double b);
Num operator<=(Num a, double b);
Num operator>=(Num a, double b);
Num operator==(Num a, Num b);
Num operator==(Num a, double b);
Num operator!=(Num a, Num b);
Num select(Num mask, Num a, Num b);

/// a * b + c: fused where the target has it, else rounded twice. fma with a constant multiplier or
/// addend takes doubles.
Num fma(Num a, Num b, Num c);
Num fma(Num a, double b, Num c);
Num fma(Num a, Num b, double c);
Num fma(Num a, double b, double c);
/// Horner's scheme: c[0] + x * (c[1] + x * ...).
Num poly(Num x, std::initializer_list<double> coefficients);

Num abs(Num x);
Num copysign(Num magnitude, Num sign);
/// min(x, bound) and max(x, bound) that keep a NaN x (one instruction each on x86).
Num atMost(Num x, double bound);
Num atLeast(Num x, double bound);

Num bitsOf(Num x);
Num floatOf(Num bits);
Num convert(Num x, mlir::Type element); ///< Float to float, between f32 and f64.
Num infinityLike(Num x);
Num nanLike(Num x);

/// round(x * scale) in two forms: `value` as a float, `bits` as an integer whose low bits (all but
/// the exponent's) hold the same in two's complement. |x * scale| must stay below 2^(mantissa-2).
struct Rounded {
  Num value;
  Num bits;
};
Rounded roundScaled(Num x, double scale);
Rounded roundPlain(Num x);
/// 2^(n + offset) as a float; the result must be a normal number.
Num powerOfTwo(const Rounded &n, int offset = 0);
/// p * 2^n, rounded once; p is a normal number near 1; exact overflow and gradual underflow.
Num scaleByPowerOfTwo(Num p, const Rounded &n);
/// Whether it is an instruction for values like x: any n then gives the right result, also where
/// `p` is NaN because n is infinite.
bool scalesByInstruction(Num x);

/// high + low, the sum of two floats that do not overlap: twice the precision.
struct Pair {
  Num high;
  Num low;
};
Pair twoSum(Num a, Num b);     ///< a + b exactly.
Pair fastTwoSum(Num a, Num b); ///< The same for |a| >= |b|.
Pair twoProduct(Num a, Num b); ///< a * b exactly, fused or by Dekker's splitting.
Pair multiply(Pair a, Pair b);

} // namespace sinter::cpu
