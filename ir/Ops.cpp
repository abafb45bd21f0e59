// SPDX-License-Identifier: Apache-2.0
// The generated definitions: elementwise ops are complete with them.
#include "sinter/ir/Ops.h"

#include "sinter/ir/Eval.h"
#include "sinter/ir/ScalarExpr.h"
#include "sinter/ir/ShapeRules.h"
#include "sinter/ir/TensorExpr.h"

#include "sinter/ir/Interfaces.cpp.inc"

#define GET_OP_CLASSES
#include "sinter/ir/Ops.cpp.inc"
