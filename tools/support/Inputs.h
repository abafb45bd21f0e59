// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <string>
#include <utility>
#include <vector>

namespace sinter::tools {

/// NAME=@file.npy or NAME=2x2xf32=1,2,3,4 (one value fills the array). Throws Error(Usage) on text
/// of another form.
std::pair<std::string, Array> parseInput(const std::string &text);

} // namespace sinter::tools
