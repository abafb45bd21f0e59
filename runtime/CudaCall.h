// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CudaFrame.h"
#include "sinter/runtime/Residency.h"
#include "sinter/runtime/Strided.h"

#include <map>

namespace sinter {

/// A bound call on a GPU: brings the host's arrays to a frame and back.
class CudaCall : public DeviceCall {
public:
  CudaCall(std::shared_ptr<CudaProgram> program, CallBinding binding);
  ~CudaCall() override;

  SinterStatus run() override;
  std::vector<double> measure(int64_t count) override;
  const void *buffer(int number) const override;

private:
  /// An array that is copied to or from pinned memory by the host, strides and all.
  struct Staged {
    CopyPlan plan;
    void *user;
    void *pinned;
  };
  /// A large array in ordinary memory, copied part by part.
  struct Streamed {
    void *user;
    driver::DevicePointer device;
    int64_t bytes;
  };
  struct Direction {
    std::vector<Staged> staged;
    std::vector<Streamed> streamed;
    std::vector<CudaTransfer> transfers;
  };

  void place(const Array &array, CudaFrame::Place &place, Direction &direction);
  void attachVariables();

  std::shared_ptr<CudaProgram> program;
  CallBinding binding;
  std::unique_ptr<CudaFrame> frame;
  Direction in, out;
  mutable std::map<int, std::vector<char>> downloaded; ///< What buffer() gave since the last run.
  std::vector<Residency::Use> variables;
  std::vector<driver::DevicePointer> addresses; ///< Of variables; one per argument.
};

} // namespace sinter
