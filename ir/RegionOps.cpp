// SPDX-License-Identifier: Apache-2.0
// Text form and verifiers of the ops that stand for whole computations.
#include "sinter/ir/Ops.h"
#include "sinter/ir/ShapeRules.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace sinter::ir {

LogicalResult GradientsOp::verify() {
  for (auto [label, values] : {std::pair("y", getYs()), std::pair("x", getXs())})
    for (Value value : values)
      if (!isFloat(tensorType(value).getDType()))
        return emitOpError() << label << " is " << str(tensorType(value))
                             << ", not a float tensor [gradients_c3]";
  if (getYs().getTypes() != getCotangents().getTypes())
    return emitOpError() << "needs one cotangent per y, of its type [gradients_c1]";
  if (getXs().getTypes() != getGrads().getTypes())
    return emitOpError() << "needs one result per x, of its type [gradients_c2]";
  return success();
}

LogicalResult JvpOp::verify() {
  for (auto [label, values] : {std::pair("y", getYs()), std::pair("x", getXs())})
    for (Value value : values)
      if (!isFloat(tensorType(value).getDType()))
        return emitOpError() << label << " is " << str(tensorType(value))
                             << ", not a float tensor [jvp_c3]";
  if (getXs().getTypes() != getTangents().getTypes())
    return emitOpError() << "needs one tangent per x, of its type [jvp_c1]";
  if (getYs().getTypes() != (*this)->getResultTypes())
    return emitOpError() << "needs one result per y, of its type [jvp_c2]";
  return success();
}

/// Null where text ends a region in another way.
static YieldOp yieldOf(Block &block) {
  return block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
}

LogicalResult WithGradientOp::verify() {
  Block &block = getBackward().front();
  if (block.getNumArguments() != 1 || block.getArgument(0).getType() != getY().getType())
    return emitOpError() << "needs one block argument of the type of y [with_gradient_c1]";
  YieldOp yield = yieldOf(block);
  if (!yield || yield.getValues().getTypes() != getXs().getTypes())
    return emitOpError() << "needs one yielded value per x, of its type [with_gradient_c2]";
  return success();
}

SmallVector<Value> WithGradientOp::buildVjp(OpBuilder &builder, Location, ValueRange cotangents) {
  IRMapping mapping;
  mapping.map(getBackward().getArgument(0), cotangents[0]);
  for (Operation &op : getBackward().front().without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> grads(1);
  for (Value value : getBackward().front().getTerminator()->getOperands())
    grads.push_back(mapping.lookupOrDefault(value));
  return grads;
}

/// Equal dtypes and numbers of elements.
static bool holdsSameElements(TensorType a, TensorType b) {
  if (a == b)
    return true;
  if (a.getElementType() != b.getElementType())
    return false;
  try {
    return a.getNumElements() == b.getNumElements();
  } catch (const Error &) {
    return false;
  }
}

LogicalResult FusedOp::verify() {
  Block &block = getBody().front();
  YieldOp yield = yieldOf(block);
  if (!yield)
    return emitOpError() << "does not end with sinter.yield";
  if (block.getNumArguments() != getInputs().size())
    return emitOpError() << "has " << getInputs().size() << " operands and "
                         << block.getNumArguments() << " block arguments [fused_c1]";
  if (yield.getValues().size() != getOutputs().size())
    return emitOpError() << "has " << getOutputs().size() << " results and yields "
                         << yield.getValues().size() << " values [fused_c1]";
  auto check = [&](Value outside, Value inside, StringRef what) -> LogicalResult {
    auto outer = dyn_cast<TensorType>(outside.getType());
    auto inner = dyn_cast<TensorType>(inside.getType());
    if (outer && inner && holdsSameElements(outer, inner))
      return success();
    return emitOpError() << what << " of type " << outside.getType() << " is seen inside as "
                         << inside.getType() << " [fused_c2]";
  };
  for (auto [operand, argument] : llvm::zip_equal(getInputs(), block.getArguments()))
    if (failed(check(operand, argument, "operand")))
      return failure();
  for (auto [result, value] : llvm::zip_equal(getOutputs(), yield.getValues()))
    if (failed(check(result, value, "result")))
      return failure();
  return success();
}

// sinter.fused "name" (%a = %x : !sinter.tensor<f32[N]>, %b = %y : T as T') -> (T'')
//   attributes {schedule = {…}} { … }
void FusedOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  if (std::optional<StringRef> name = getName()) {
    printer.printString(*name);
    printer << ' ';
  }
  printer << '(';
  llvm::interleaveComma(llvm::zip_equal(getInputs(), getBody().getArguments()), printer,
                        [&](auto pair) {
                          auto [operand, argument] = pair;
                          printer << argument << " = " << operand << " : " << operand.getType();
                          if (argument.getType() != operand.getType())
                            printer << " as " << argument.getType();
                        });
  printer << ") -> (";
  llvm::interleaveComma(getOutputs().getTypes(), printer);
  printer << ')';
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getNameAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

ParseResult FusedOp::parse(OpAsmParser &parser, OperationState &state) {
  std::string name;
  if (succeeded(parser.parseOptionalString(&name)))
    state.addAttribute(getNameAttrName(state.name), parser.getBuilder().getStringAttr(name));

  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> operandTypes, resultTypes;
  SMLoc where = parser.getCurrentLocation();
  auto parseBinding = [&]() -> ParseResult {
    OpAsmParser::Argument &argument = arguments.emplace_back();
    if (parser.parseArgument(argument) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) ||
        parser.parseColonType(operandTypes.emplace_back()))
      return failure();
    argument.type = operandTypes.back();
    if (succeeded(parser.parseOptionalKeyword("as")))
      return parser.parseType(argument.type);
    return success();
  };
  auto parseResultType = [&] { return parser.parseType(resultTypes.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseBinding) ||
      parser.parseArrow() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseResultType) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.resolveOperands(operands, operandTypes, where, state.operands))
    return failure();
  state.addTypes(resultTypes);
  Region *body = state.addRegion();
  // The region is isolated: names inside may repeat names outside.
  if (parser.parseRegion(*body, arguments, /*enableNameShadowing=*/true))
    return failure();
  ensureTerminator(*body, parser.getBuilder(), state.location);
  return success();
}

} // namespace sinter::ir
