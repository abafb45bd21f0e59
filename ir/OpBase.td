// SPDX-License-Identifier: Apache-2.0
// Base classes: what an op states once, and the C++ that follows from it.
#ifndef SINTER_IR_OPBASE_TD
#define SINTER_IR_OPBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "sinter/ir/Dialect.td"
include "sinter/ir/Interfaces.td"

class Sinter_TensorOf<string predicate, string what> : Type<
  And<[CPred<"::mlir::isa<::sinter::ir::TensorType>($_self)">,
       CPred<"(" # predicate # ")(::mlir::cast<::sinter::ir::TensorType>($_self).getElementType())">]>,
  what, "::sinter::ir::TensorType">;
def Sinter_AnyTensor : Sinter_TensorOf<"[](::mlir::Type) { return true; }", "tensor">;
def Sinter_FloatTensor : Sinter_TensorOf<"[](::mlir::Type t) { return ::mlir::isa<::mlir::FloatType>(t); }",
                                         "tensor of f16, bf16, f32 or f64">;
/// Indices.
def Sinter_IntTensor : Sinter_TensorOf<"[](::mlir::Type t) { return t.isSignlessInteger(32) || t.isSignlessInteger(64); }",
                                       "tensor of i32 or i64">;
def Sinter_IntegerTensor : Sinter_TensorOf<"[](::mlir::Type t) { return t.isIntOrIndex() && !t.isInteger(1); }",
                                           "tensor of integers">;
def Sinter_NumericTensor : Sinter_TensorOf<"[](::mlir::Type t) { return !t.isInteger(1); }",
                                           "tensor of numbers">;
def Sinter_BoolTensor : Sinter_TensorOf<"[](::mlir::Type t) { return t.isInteger(1); }", "tensor of bool">;

/// `frontend`: "function" (a free function and a method are generated from the definition),
/// "manual" (frontend/Structural.cpp gives it a friendlier signature), or "none".
class Sinter_Op<string mnemonic, list<Trait> traits = []> : Op<Sinter_Dialect, mnemonic, traits> {
  string frontend = "manual";
  /// Why there is no derivative; empty when there is one.
  string noDerivative = "";
}

// -- Elementwise ----------------------------------------------------------------------------------

/// Three C++ expressions define an elementwise op. Operands go by their ODS names.
///  scalar: over scalar::Expr (ScalarExpr.h); lowers to arith/math. `type` is the result's element type.
///  eval:   over double, uint64_t or int64_t, for the interpreter. The result is rounded to the dtype after.
///  vjp:    one per operand over tensor::Expr (TensorExpr.h): dy is the cotangent, y the result.
///          "" means that no gradient flows to that operand.
///  jvp:    one per operand, dy being its tangent, whose sum is the tangent of the result. An
///          elementwise op's Jacobian is diagonal, so these are the vjp unless dtypes differ.
class Sinter_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Sinter_Op<mnemonic, !listconcat(traits, [Pure,
        DeclareOpInterfaceMethods<Sinter_IndexedOpInterface>,
        DeclareOpInterfaceMethods<Sinter_ElementwiseOpInterface>,
        DeclareOpInterfaceMethods<Sinter_DifferentiableOpInterface>])> {
  let frontend = "function";
  string scalar = "";
  string eval = "";
  list<string> vjp = [];
  list<string> jvp = vjp;
  /// C++ names of the operands, in order.
  list<string> names = [];
  int cost = 1;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  string bindScalars = !interleave(!foreach(i, !range(!size(names)),
      "[[maybe_unused]] Expr " # names[i] # "(builder, loc, operands[" # i # "], operandElementType(*this, " # i # "));"), "\n  ");
  string bindDoubles = !interleave(!foreach(i, !range(!size(names)),
      "[[maybe_unused]] auto " # names[i] # " = as<T>(operands[" # i # "]);"), "\n    ");
  string bindTensors = !interleave(!foreach(i, !range(!size(names)),
      "[[maybe_unused]] Expr " # names[i] # "(builder, loc, (*this)->getOperand(" # i # "));"), "\n  ");
  string vjpLines = !interleave(!foreach(e, vjp,
      "grads.push_back(" # !if(!empty(e), "::mlir::Value()", "Expr(" # e # ").value()") # ");"), "\n  ");
  string jvpLines = !interleave(!foreach(i, !range(!size(jvp)),
      !if(!empty(jvp[i]), "", "if (tangents[" # i # "]) {\n    Expr dy(builder, loc, tangents[" # i # "]);\n    "
          # "Expr term(" # jvp[i] # ");\n    "
          # "if (term.value())\n      tangent = tangent ? (Expr(builder, loc, tangent) + term).value() : term.value();\n  }")),
      "\n  ");
  code elementwiseDefinition = [{
::sinter::ir::Indexing $cppClass::getIndexing() { return elementwiseIndexing(*this); }
int64_t $cppClass::getElementCost() { return }] # cost # [{; }
::mlir::Value $cppClass::emitScalar([[maybe_unused]] ::mlir::OpBuilder &builder,
    [[maybe_unused]] ::mlir::Location loc, [[maybe_unused]] ::mlir::ValueRange operands,
    [[maybe_unused]] int64_t lanes) {
  using namespace ::sinter::ir::scalar;
  [[maybe_unused]] ::mlir::Type type = resultElementType(*this);
  }] # bindScalars # [{
  return (}] # scalar # [{).value();
}
::sinter::ir::Scalar $cppClass::evaluate([[maybe_unused]] ::llvm::ArrayRef<::sinter::ir::Scalar> operands) {
  using namespace ::sinter::ir::eval;
  [[maybe_unused]] ::mlir::Type type = resultElementType(*this);
  return evaluateAs(operands, [&]([[maybe_unused]] auto tag) -> Scalar {
    using T [[maybe_unused]] = decltype(tag);
    }] # bindDoubles # [{
    return Scalar(}] # eval # [{);
  });
}
::llvm::SmallVector<::mlir::Value> $cppClass::buildVjp([[maybe_unused]] ::mlir::OpBuilder &builder,
    [[maybe_unused]] ::mlir::Location loc, [[maybe_unused]] ::mlir::ValueRange cotangents) {
  using namespace ::sinter::ir::tensor;
  ::llvm::SmallVector<::mlir::Value> grads;
  }] # bindTensors # [{
  [[maybe_unused]] Expr y(builder, loc, (*this)->getResult(0));
  [[maybe_unused]] Expr dy(builder, loc, cotangents[0]);
  }] # vjpLines # [{
  return grads;
}
::llvm::SmallVector<::mlir::Value> $cppClass::buildJvp([[maybe_unused]] ::mlir::OpBuilder &builder,
    [[maybe_unused]] ::mlir::Location loc, [[maybe_unused]] ::mlir::ValueRange tangents) {
  using namespace ::sinter::ir::tensor;
  ::mlir::Value tangent;
  }] # bindTensors # [{
  [[maybe_unused]] Expr y(builder, loc, (*this)->getResult(0));
  }] # jvpLines # [{
  return {tangent};
}
::llvm::StringRef $cppClass::getNonDifferentiableReason() { return "}] # noDerivative # [{"; }
}];
  let extraClassDefinition = elementwiseDefinition;
}

/// The result type follows from the operands by a function of ShapeRules.h. [elementwise_c1] the operands
/// have equal sizes and dtypes.
class Sinter_InferredElementwiseOp<string mnemonic, string inference>
    : Sinter_ElementwiseOp<mnemonic, [DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let extraClassDefinition = !strconcat([{
::llvm::LogicalResult $cppClass::inferReturnTypes(::mlir::MLIRContext *context,
    std::optional<::mlir::Location> loc, ::mlir::ValueRange operands, ::mlir::DictionaryAttr,
    ::mlir::OpaqueProperties, ::mlir::RegionRange, ::llvm::SmallVectorImpl<::mlir::Type> &types) {
  return }], inference, [{("sinter.}], mnemonic, [{", context, loc, operands, types);
}
}], elementwiseDefinition);
}

class Sinter_UnaryOp<string mnemonic, string scalarExpr, string evalExpr, string derivative,
                     Type type = Sinter_FloatTensor>
    : Sinter_InferredElementwiseOp<mnemonic, "inferSameType"> {
  let arguments = (ins type:$x);
  let results = (outs type:$result);
  let names = ["x"];
  let scalar = scalarExpr;
  let eval = evalExpr;
  let vjp = [derivative];
}

class Sinter_BinaryOp<string mnemonic, string scalarExpr, string evalExpr, string da, string db,
                      Type type = Sinter_NumericTensor>
    : Sinter_InferredElementwiseOp<mnemonic, "inferSameType"> {
  let arguments = (ins type:$a, type:$b);
  let results = (outs type:$result);
  let names = ["a", "b"];
  let scalar = scalarExpr;
  let eval = evalExpr;
  let vjp = [da, db];
}

class Sinter_CompareOp<string mnemonic, string scalarExpr, string evalExpr>
    : Sinter_InferredElementwiseOp<mnemonic, "inferCompare"> {
  let arguments = (ins Sinter_AnyTensor:$a, Sinter_AnyTensor:$b);
  let results = (outs Sinter_BoolTensor:$result);
  let names = ["a", "b"];
  let scalar = scalarExpr;
  let eval = evalExpr;
  let vjp = ["", ""];
  let noDerivative = "its result is boolean";
}

// -- Structural -----------------------------------------------------------------------------------

/// Ops with an index map of their own: C++ in Indexing.cpp, ShapeRules.cpp and GradientRules.cpp.
class Sinter_StructuralOp<string mnemonic, list<Trait> traits = []>
    : Sinter_Op<mnemonic, !listconcat(traits, [Pure,
        DeclareOpInterfaceMethods<Sinter_IndexedOpInterface>,
        DeclareOpInterfaceMethods<Sinter_DifferentiableOpInterface>])> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = [{
::llvm::StringRef $cppClass::getNonDifferentiableReason() { return "}] # noDerivative # [{"; }
}];
}

/// The result type follows from operands and attributes.
class Sinter_InferredOp<string mnemonic, list<Trait> traits = []>
    : Sinter_StructuralOp<mnemonic, !listconcat(traits,
        [DeclareOpInterfaceMethods<InferTypeOpInterface>])>;

/// The result type is part of the op; verify() checks it.
class Sinter_TypedOp<string mnemonic, list<Trait> traits = []>
    : Sinter_StructuralOp<mnemonic, traits> {
  let hasVerifier = 1;
}

#endif
