// SPDX-License-Identifier: Apache-2.0
// Internal: compiling a graph with a look at the pipeline.
#pragma once

#include "sinter/codegen/Pipeline.h"
#include "sinter/runtime/Session.h"

#include <functional>

namespace sinter {

using ConfigurePipeline = std::function<void(codegen::PipelineOptions &)>;

/// compile(); `configure` changes the pipeline's options before it runs, and may be null.
Executable compileWith(const Graph &graph, const CompileOptions &options,
                       const ConfigurePipeline &configure, std::source_location loc);
/// The pipeline alone, for a target that need not be here.
void runPipelineOf(const Graph &graph, const CompileOptions &options,
                   const ConfigurePipeline &configure, std::source_location loc);

} // namespace sinter
