// SPDX-License-Identifier: Apache-2.0
// What passes and back ends may ask of an op.
#ifndef SINTER_IR_INTERFACES_TD
#define SINTER_IR_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Sinter_IndexedOpInterface : OpInterface<"IndexedOpInterface"> {
  let cppNamespace = "::sinter::ir";
  let description = "How the elements of the results depend on the elements of the operands.";
  let methods = [
    InterfaceMethod<"Iteration ranges, index maps, guards and combiner (see Indexing.h).",
      "::sinter::ir::Indexing", "getIndexing">,
  ];
}

def Sinter_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::sinter::ir";
  let description = "Ops computed element by element from operands of equal shape (possibly none).";
  let methods = [
    InterfaceMethod<[{Emits one element in arith/math; `operands` are scalars, or vectors of equal length.
                      Booleans are i1. `lanes` is 0 for scalars, else the length.}],
      "::mlir::Value", "emitScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$operands, "int64_t":$lanes)>,
    InterfaceMethod<"One element, for the interpreter; independent of emitScalar.",
      "::sinter::ir::Scalar", "evaluate", (ins "::llvm::ArrayRef<::sinter::ir::Scalar>":$operands)>,
    InterfaceMethod<"Rough cost of an element in flops, for the cost model.",
      "int64_t", "getElementCost">,
  ];
}

def Sinter_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::sinter::ir";
  let description = "Derivatives in reverse and in forward mode.";
  let methods = [
    InterfaceMethod<[{The cotangents of the operands from those of the results (null: zero). A null entry
                      in the answer means that no gradient flows to that operand. The ops are built at the
                      builder's insertion point with the location `loc`.}],
      "::llvm::SmallVector<::mlir::Value>", "buildVjp",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$cotangents)>,
    InterfaceMethod<[{The tangents of the results from those of the operands (null: zero); the transpose of
                      buildVjp. A null entry in the answer is a zero tangent.}],
      "::llvm::SmallVector<::mlir::Value>", "buildJvp",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$tangents)>,
    InterfaceMethod<"Empty when differentiable, else why not (e.g. \"its result is an index\").",
      "::llvm::StringRef", "getNonDifferentiableReason">,
  ];
}

def Sinter_SizeConditionsOpInterface : OpInterface<"SizeConditionsOpInterface"> {
  let cppNamespace = "::sinter::ir";
  let description = "Ops whose sizes may turn out wrong when the named dims get their values.";
  let methods = [
    InterfaceMethod<"What the op needs and its rules could not prove; checked at every call.",
      "::llvm::SmallVector<::sinter::ir::SizeCondition>", "getSizeConditions">,
  ];
}

#endif
