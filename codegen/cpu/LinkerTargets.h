// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter::cpu {

/// Does nothing, but whoever calls it links what takes the place of LLVM's other targets, which lld
/// would draw in and initialise.
void leaveOutOtherTargets();

} // namespace sinter::cpu
