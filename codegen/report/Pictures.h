// SPDX-License-Identifier: Apache-2.0
// Pictures of a report, as SVG for a page that has the style of PageStyle.h. Empty where there is
// nothing to show.
#pragma once

#include "sinter/codegen/report/Report.h"

namespace sinter::codegen::report {

/// Boxes link to "#k<number>" of their kernel.
std::string graphPicture(const Graph &graph, const std::vector<KernelEntry> &kernels);
/// The arena over the steps, and below it the bytes in use.
std::string arenaPicture(const ArenaPlan &plan);
/// Arithmetic over intensity, with the roofs where they are known.
std::string rooflinePicture(const Report &report);
/// The compilation, thread by thread.
std::string timelinePicture(const Report &report);

/// "f-row": the style of a kernel form.
std::string formClass(const std::string &form);
/// The time of a kernel: measured, or at best under the roofs; negative where neither is known.
double secondsOf(const Report &report, const KernelEntry &kernel);
/// The time below which the roofs do not let it go; negative where they are not known.
double bestSecondsOf(const Roofs &roofs, const KernelEntry &kernel);

} // namespace sinter::codegen::report
