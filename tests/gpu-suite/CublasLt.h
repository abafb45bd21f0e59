// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/gpu-suite/Pack.h"

#include <memory>
#include <string>

namespace sinter::suite {

/// NVIDIA's library of matrix products, opened at run time, on the GPU that Sinter uses.
class CublasLt {
public:
  /// Opens $SINTER_CUBLASLT, or else libcublasLt.so.13 or .12 of the loader's search and the
  /// toolkit's folder. Throws Error(Device) where it cannot be used.
  CublasLt();
  ~CublasLt();

  /// "cuBLASLt 13.0.2".
  std::string version() const;

  /// Finds the fastest of the algorithms that the library recommends, and compares some elements of
  /// its result with sums in f64. Throws Error(Mismatch).
  class Prepared {
  public:
    Prepared(CublasLt &library, const Product &product);
    Prepared(Prepared &&) noexcept;
    ~Prepared();
    /// Milliseconds: the median of a few runs by the device's events.
    double sample();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl;
  };

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace sinter::suite
