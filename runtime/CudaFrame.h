// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CudaProgram.h"

#include <deque>

namespace sinter {

/// A copy between pinned memory of the host and the GPU's.
struct CudaTransfer {
  void *host;
  driver::DevicePointer device;
  int64_t bytes;
  friend bool operator==(const CudaTransfer &, const CudaTransfer &) = default;
};

/// Memory, launches and graph of one call at a time, for one choice of sizes. Outlives calls, so
/// that the next one finds all of this ready.
class CudaFrame {
public:
  CudaFrame(const CudaProgram &owner, const CallBinding &binding);
  ~CudaFrame();
  CudaFrame(const CudaFrame &) = delete;
  CudaFrame &operator=(const CudaFrame &) = delete;

  /// The size table of the binding that it was made for.
  const std::vector<int64_t> &sizes() const { return key; }
  /// Where a placeholder or output lies on the GPU, and what stands for it in pinned memory.
  struct Place {
    driver::DevicePointer device = 0;
    void *staged = nullptr;
    int64_t bytes = 0;
    /// Copied together with the others that are small: prepare() need not be told.
    bool isSmall = false;
    std::shared_ptr<void> pinned = nullptr;
  };
  Place &argument(size_t number) { return arguments[number]; }
  Place &result(size_t number) { return results[number]; }

  /// Takes the addresses of variables (one per argument, 0 for placeholders) and the copies of what
  /// is not small, and makes the graph of it unless it is that of the last call.
  void prepare(const std::vector<driver::DevicePointer> &variables,
               const std::vector<CudaTransfer> &in, const std::vector<CudaTransfer> &out);
  /// Copies in, runs, copies out, and waits.
  SinterStatus run();
  /// One of Program::buffers as the last run left it; empty where no step uses it.
  std::vector<char> download(int buffer) const;
  /// Milliseconds of runs without the copies.
  std::vector<double> measure(int64_t count);

private:
  /// A launch, or a copy where there is no function.
  struct Step {
    const Launch *launch = nullptr;
    driver::Function function = nullptr;
    driver::LaunchConfig config;
    driver::LaunchAttribute cluster;
    std::vector<driver::DevicePointer> pointers;
    std::vector<driver::EncodedTensorMap> maps;
    std::vector<void *> parameters;
    driver::DevicePointer from = 0, to = 0;
    int64_t bytes = 0;
  };

  /// Whether a buffer of the workspace has a block of its own.
  bool isSeparate(size_t buffer) const;
  int64_t evaluate(const DimExpr &size, const char *what) const;
  void layOut(const CallBinding &binding);
  void locateBuffers(const std::vector<driver::DevicePointer> &variables);
  void buildSteps();
  void buildLaunch(const Launch &launch, int64_t blocks);
  driver::EncodedTensorMap encode(const Launch &launch, const TensorMap &map) const;
  void buildCopy(const Copy &copy);

  void enqueueIn();
  void enqueueStep(const Step &step);
  void enqueueSteps();
  void enqueueOut();
  /// What `enqueue` puts into the stream, as a graph; replaces `exec`.
  template <typename Fn> void capture(driver::GraphExec &exec, Fn &&enqueue);
  void check(driver::Result result, const std::string &doing) const;

  const CudaProgram &owner;
  CudaContext &gpu;
  std::vector<int64_t> key;
  std::vector<int64_t> table; ///< The same for kernels: at least one entry.
  DimBinding dims;
  int64_t arenaBytes = 0;
  driver::Stream stream = nullptr;
  driver::GraphExec exec = nullptr, stepsExec = nullptr;
  driver::Event start = nullptr, end = nullptr;

  std::shared_ptr<CudaMemory> arena, io;
  std::vector<std::shared_ptr<CudaMemory>> separate; ///< One per buffer where they are checked.
  std::shared_ptr<void> staging;
  std::vector<Place> arguments, results;
  driver::DevicePointer status = 0;
  SinterStatus *statusZero = nullptr, *statusRead = nullptr; ///< In pinned memory.
  CudaTransfer smallIn = {}, smallOut = {};

  struct Located {
    driver::DevicePointer address;
    int64_t bytes;
  };
  std::vector<Located> buffers;
  std::deque<Step> steps; ///< Whose parameters point into themselves.
  std::vector<driver::DevicePointer> variables;
  std::vector<CudaTransfer> in, out;
  bool prepared = false;
};

} // namespace sinter
