// SPDX-License-Identifier: Apache-2.0
// What Export.cpp writes and Runner.cpp reads: a folder of libraries, inputs and expected results,
// with lists of them.
#pragma once

#include "tools/fused-bench/GpuTiming.h"
#include "tools/fused-bench/MakeInputs.h"

#include <filesystem>
#include <string>
#include <vector>

namespace sinter::suite {

/// How results are compared: the tolerance is relative to the largest value of an array, so that
/// sums which cancel are allowed for; or as DifferenceKind says.
enum class Comparison { LargestValue, Largest, Norm };

/// NAME.so, NAME.in.npz, NAME.out.npz.
struct Case {
  std::string name;
  int64_t steps = 1; ///< Calls, one after the other.
  double tolerance = 0;
  Comparison comparison = Comparison::LargestValue;
};

/// C = A * B of bf16, row by row.
struct Product {
  int64_t rows = 0, columns = 0, inner = 0;
};

/// A program to time, and what cuBLASLt needs to do the same.
struct BenchCase {
  std::string name;
  std::string library; ///< Of the program, without ".so".
  tools::GpuFlops flops = {};
  tools::Ranges ranges = {};
  std::vector<Product> products = {}; ///< Empty: cuBLASLt cannot do it.
  std::vector<std::string> rest = {}; ///< Libraries of the kernels that products leave.
};

struct Pack {
  std::filesystem::path folder;
  std::vector<Case> cases = {};
  std::vector<BenchCase> benches = {}, smallBenches = {};

  std::filesystem::path file(const std::string &name) const { return folder / name; }
};

/// Throws Error(FileAccess) unless every file is there as it was written.
Pack readPack(const std::filesystem::path &folder);
/// With the sums of all files of its folder.
void writePack(const Pack &pack);

} // namespace sinter::suite
