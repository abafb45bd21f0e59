// SPDX-License-Identifier: Apache-2.0
// The public interface of Sinter in one header.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/frontend/Optim.h"
#include "sinter/frontend/Training.h"
#include "sinter/frontend/onnx/Onnx.h"
#include "sinter/ir/base/Array.h"
#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Shape.h"
#include "sinter/runtime/BoundCall.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Executable.h"
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/runtime/NamedArrays.h"
#include "sinter/runtime/Session.h"
#include "sinter/runtime/State.h"
#include "sinter/runtime/Target.h"
