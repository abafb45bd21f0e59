// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace sinter::hostgpu {

/// The line of a kernel's text that an address of its code comes from, as far as it can be found
/// out.
std::string placeInText(const std::string &image, uintptr_t offset);

} // namespace sinter::hostgpu
