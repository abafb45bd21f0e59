// SPDX-License-Identifier: Apache-2.0
// The dialect and its one type.
#ifndef SINTER_IR_DIALECT_TD
#define SINTER_IR_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Sinter_Dialect : Dialect {
  let name = "sinter";
  let cppNamespace = "::sinter::ir";
  let summary = "Symbolic tensor graphs: the ops a user writes, and fused regions of them.";
  let description = [{
    Values are immutable tensors. A graph is one `func.func`; its arguments are placeholders,
    parameters and optimizer state, its results are outputs and updates tied to arguments
    (`sinter.name`, `sinter.kind`, `sinter.updates`). Semantics on which the field disagrees:

    - Elementwise operands have equal shapes; broadcasting is an op of its own.
    - Integer arithmetic wraps. x / 0 is 0; INT_MIN / -1 is INT_MIN. Integer division truncates.
    - Casting float to integer truncates, saturates at the limits (negative numbers become 0 of an unsigned
      dtype), and maps NaN to 0; integers wrap into each other; to bool is x != 0.
    - f16 and bf16 are stored, f32 is computed: an op rounds its result to nearest even, once. Ops of one
      fused kernel hand f32 on to each other and round what the kernel stores; a cast to f16 or bf16 always
      rounds, once also from f64. A sum or product is accumulated in f32 (floats) or wraps (integers) at every
      width, a contraction of narrow integers is one of i32; a scatter rounds with every update that it combines.
      Compiling with strict rounding rounds after every op.
    - max, min, reduce_max, reduce_min and argmax propagate NaN (argmax: the first NaN wins, then the
      first of equals). Their gradient is shared equally among ties.
    - Empty reductions give the neutral element: 0, 1, -inf/lowest, +inf/highest.
    - round goes to even. sign(±0) is ±0. The gradients of abs and relu at 0 are 0.
    - An index out of range is reported at run time with the op's location; nothing is read or
      written there. Negative indices are out of range.
    - pow follows IEEE 754 (pow(x, 0) is 1); its gradient in the exponent is 0 where the base is 0.
      Integer powers wrap; a negative exponent gives 0 unless the base is ±1.
    - rem has the sign of the dividend, mod and floor_div round down, towards the sign of the divisor.
      Of integers x rem 0 and x mod 0 are x, x floor_div 0 is 0; of floats they are what IEEE 754 division gives.
    - Shifts by a negative count, or by the width and more, shift every bit out: 0, or the sign's copies.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

def Sinter_TensorType : TypeDef<Sinter_Dialect, "Tensor"> {
  let mnemonic = "tensor";
  let summary = "A tensor: an element type and sizes, each a number or an expression over named dims.";
  let description = [{
    `!sinter.tensor<f32[N, 784]>`, `!sinter.tensor<i64[]>`, `!sinter.tensor<f32["2*N + 1", 4]>`.
    Element types are f16, bf16, f32, f64, i8 to i64, ui8 to ui64 (the dtypes u8 to u64) and i1 (bool).
    A size is an IntegerAttr (i64) or a StringAttr with the canonical text of a DimExpr, so equal
    types have equal sizes as expressions.
  }];
  let parameters = (ins "::mlir::Type":$elementType,
                        ArrayRefParameter<"::mlir::Attribute">:$dims);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let skipDefaultBuilders = 0;
  let extraClassDeclaration = [{
    static TensorType get(::mlir::MLIRContext *context, ::sinter::DType dtype, const ::sinter::Shape &shape);
    /// Same sizes, another element type.
    TensorType withElementType(::mlir::Type elementType) const;
    TensorType withShape(const ::sinter::Shape &shape) const;
    int64_t getRank() const { return static_cast<int64_t>(getDims().size()); }
    ::sinter::DimExpr getDim(int64_t i) const;
    ::sinter::Shape getShape() const;
    ::sinter::DType getDType() const;
    bool isStatic() const;
    ::sinter::DimExpr getNumElements() const { return getShape().numElements(); }
  }];
}

#endif
