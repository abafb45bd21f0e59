// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/KernelSource.h"

namespace sinter::cuda {

/// Row with columns, the second launch: combines the partial results of all units in order.
KernelSource emitRowColumns(const KernelRequest &request);

} // namespace sinter::cuda
