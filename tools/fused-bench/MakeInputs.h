// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/runtime/Device.h"
#include "sinter/runtime/NamedArrays.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sinter::tools {

/// Integer placeholders are below these (10 when not named).
using Ranges = std::map<std::string, int64_t>;

/// Of the variables of every case.
inline constexpr uint64_t stateSeed = 1;

/// Values for the placeholders of a program, in the device's memory: smooth ones of both signs
/// around 1 without repetition; integers in no order, below `ranges`.
std::vector<NamedArrays::Entry> makeInputs(Device &device, const Program &program,
                                           const Ranges &ranges);

} // namespace sinter::tools
