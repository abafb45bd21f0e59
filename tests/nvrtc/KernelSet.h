// SPDX-License-Identifier: Apache-2.0
// The kernels of many graphs, each text once, compiled by NVRTC as programs of several.
#pragma once

#include "sinter/codegen/cuda/CompileCuda.h"
#include "sinter/codegen/cuda/Cubin.h"
#include "sinter/frontend/Graph.h"

#include <map>
#include <string>
#include <vector>

namespace sinter::nvrtctest {

class KernelSet {
public:
  explicit KernelSet(std::string arch) : arch(std::move(arch)) {}

  /// Adds the kernels of a graph's outputs and updates. `where` says in failures whose they are.
  /// `schedule`: CompileOptions::schedule.
  void add(const std::string &where, const Graph &graph, const std::string &schedule = {});

  size_t size() const { return kernels.size(); }
  /// Graphs that the GPU has no kernels for, with the reason.
  const std::vector<std::string> &refused() const { return unsupported; }

  struct Report {
    std::vector<std::string> failures; ///< Kernels that do not compile, or spill.
    /// By form: kernels, the most registers, the most bytes of code; milliseconds of one core.
    struct Family {
      size_t kernels = 0;
      int64_t registers = 0, codeBytes = 0;
      double milliseconds = 0;
    };
    std::map<std::string, Family> families;
    size_t programs = 0;
    double milliseconds = 0; ///< Of compiling, summed over threads.
  };
  /// With SINTER_NVRTC_TEXTS=FOLDER also leaves every program's text there, for
  /// scripts/nvrtc-times.
  Report compile(const cuda::Nvrtc &nvrtc, int threads) const;

private:
  struct Entry {
    cuda::CudaKernel kernel;
    std::string form, where;
  };
  std::string textOf(const std::vector<const Entry *> &entries) const;

  std::string arch;
  std::map<std::string, size_t> known; ///< By text without names and comments.
  std::vector<Entry> kernels;
  std::vector<std::string> unsupported;
};

/// SINTER_NVRTC_ALL=1: every case of every row. It takes some 15 minutes.
bool isExhaustive();

} // namespace sinter::nvrtctest
