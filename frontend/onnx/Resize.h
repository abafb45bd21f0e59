// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: handlers of OpsResize.cpp, which the table in OpsVision.cpp lists.
#pragma once

#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

void importResize(Node &node);
void importUpsample(Node &node);

} // namespace sinter::onnx
