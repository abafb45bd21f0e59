// SPDX-License-Identifier: Apache-2.0
// Runs plans in two ways and reports where they differ, with the smallest graph that still does.
#pragma once

#include "sinter/runtime/Session.h"
#include "tests/fuzz/RandomGraph.h"

#include <string>
#include <vector>

namespace sinter::fuzz {

/// The dims at which a plan is run: one binding for static plans.
std::vector<DimBinding> bindings(bool symbolic);

/// One call. States are set from the inputs of their names; the answer holds their new values under
/// these names.
ArrayMap call(const Executable &executable, const Graph &graph, const ArrayMap &inputs,
              const DimBinding &dims);

/// What is compared with the interpreter.
using Options = CompileOptions;

/// Compiles all plans as parts of one graph, runs it at every binding, and compares each output
/// with the interpreter's. One line per plan that differs or fails to compile. Runs in this
/// process.
std::vector<std::string> differ(const std::vector<Plan> &plans, const Options &options);

/// The same for many batches, two at a time, each in a process of its own; a crash is a difference
/// as well. The first few failures come with the smallest graph that still shows them.
std::vector<std::string> differAll(const std::vector<std::vector<Plan>> &batches,
                                   const Options &options);

/// The smallest plan found that still fails in the same way, as text.
std::string minimize(Plan plan, const Options &options);

} // namespace sinter::fuzz
