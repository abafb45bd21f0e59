// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/gpu-suite/Pack.h"

#include <iosfwd>
#include <memory>

namespace sinter::suite {

struct BenchOptions {
  int64_t runs = 15;               ///< Samples per case, and pairs per peer.
  std::string filter = {};         ///< Of the cases' names.
  std::filesystem::path json = {}; ///< Also written there.
  bool small = false;              ///< The smaller instances: to try this out, not for figures.
};

/// Times the packed programs between probes, and cuBLASLt beside those that it can do, in pairs of
/// samples that stand next to each other. Throws Error(User) where no case is called so, and
/// Error(Mismatch) after all figures are written where a peer's results are others.
void measure(const Pack &pack, const std::shared_ptr<CudaDevice> &device,
             const BenchOptions &options);

/// Takes commands, a line each, from another process that has a peer: `cases`, `arguments CASE`,
/// `prepare CASE`, `sample`, `save FILE`, `quit`; answers a line each, which begins with "error"
/// where something went wrong.
void serve(const Pack &pack, const std::shared_ptr<CudaDevice> &device, const BenchOptions &options,
           std::istream &in, std::ostream &out);

} // namespace sinter::suite
