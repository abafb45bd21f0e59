// SPDX-License-Identifier: Apache-2.0
// What the interpreter asks of an op that is not elementwise.
#ifndef SINTER_CODEGEN_INTERPRETABLE_TD
#define SINTER_CODEGEN_INTERPRETABLE_TD

include "mlir/IR/OpBase.td"

def Sinter_InterpretableOpInterface : OpInterface<"InterpretableOpInterface"> {
  let cppNamespace = "::sinter::codegen";
  let description = "Ops that compute their results from their operands by a plain loop of their own.";
  let methods = [
    InterfaceMethod<"Reads the operands from `state` and sets every result there.",
      "void", "interpret", (ins "::sinter::codegen::Interpretation &":$state)>,
  ];
}

#endif
