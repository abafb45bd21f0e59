// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/gpu-suite/Bench.h"

#include "sinter/runtime/LibraryLoader.h"

namespace sinter::suite {

/// A packed program, ready to be called.
struct Loaded {
  Executable executable;
  std::vector<NamedArrays::Entry> inputs;
  State state;
  BoundCall call;

  Loaded(const Pack &pack, const std::string &library, const tools::Ranges &ranges,
         const std::shared_ptr<CudaDevice> &device)
      : executable(loadLibrary(pack.file(library + ".so"), {.device = device})),
        inputs(tools::makeInputs(*device, executable.program(), ranges)),
        state(executable.program().arguments, tools::stateSeed),
        call(executable.bind(state, NamedArrays(inputs))) {
    call();
  }
};

/// The cases that `options` name. Throws Error(User) where there is none.
std::vector<BenchCase> chosen(const Pack &pack, const BenchOptions &options);

} // namespace sinter::suite
