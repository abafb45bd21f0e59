// SPDX-License-Identifier: Apache-2.0
// The half of Sinter that loads and runs what has been compiled, in one header: libsinter_runtime.so.
#pragma once

#include "sinter/ir/base/Array.h"
#include "sinter/ir/base/Error.h"
#include "sinter/runtime/BoundCall.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Executable.h"
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/runtime/NamedArrays.h"
#include "sinter/runtime/State.h"
