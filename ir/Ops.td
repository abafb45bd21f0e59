// SPDX-License-Identifier: Apache-2.0
// Every op of the dialect. Semantics on which the field disagrees are stated in Dialect.td.
#ifndef SINTER_IR_OPS_TD
#define SINTER_IR_OPS_TD

include "mlir/Interfaces/ControlFlowInterfaces.td"
include "sinter/ir/OpBase.td"
include "sinter/ir/ElementwiseOps.td"
include "sinter/ir/StructuralOps.td"

#endif
