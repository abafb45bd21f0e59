// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sinter::tools {

/// The machine code of GpuProbes for "sm_90a" or another architecture. Throws Error(Device) where
/// there is no NVRTC.
std::string compileGpuProbes(const std::string &arch);

} // namespace sinter::tools
