// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/Passes.h"

namespace sinter::passes {

#define GEN_PASS_REGISTRATION
#include "sinter/passes/Passes.h.inc"

void registerPasses() { registerSinterPasses(); }

} // namespace sinter::passes
