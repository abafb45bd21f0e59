// SPDX-License-Identifier: Apache-2.0
// The cases of ONNX's node tests, and how each ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sinter::onnxsuite {

/// Core: every size is a number, no subgraphs, no domain that is a preview, only tensors of f32,
/// i32, i64 and bool. Wide: f64, f16, bf16, u8 and i8 as well. Other: the rest.
enum class Class : uint8_t { Core, Wide, Other };

/// A folder with model.onnx and test_data_set_*; or a whole network: a file NAME.onnx beside
/// NAME_output_0.pb, whose inputs are 0, 1/n, 2/n, … for n elements.
struct Case {
  std::string name;
  std::filesystem::path model;
  Class kind = Class::Other;
  std::string op; ///< Of the only node, with its domain; "(several nodes)" otherwise.
};

/// All cases in `root`, by name; only those whose name contains `filter`.
std::vector<Case> findCases(const std::filesystem::path &root, const std::string &filter);

/// `count` of them, evenly spread.
std::vector<Case> sampleOf(const std::vector<Case> &cases, size_t count);

/// Unsupported: an error of that kind. Crash: the process died, took too long, or met an internal
/// error. Wrong: another result, or a valid model that is refused as invalid.
enum class Status : uint8_t { Pass, Wrong, Unsupported, Crash };
inline constexpr const char *statusNames[] = {"pass", "wrong", "unsupported", "crash"};

struct Outcome {
  Status status = Status::Crash;
  std::string message = {}; ///< Why it did not pass.
  double compileMs = -1;    ///< Import and compilation; negative when it did not get there.
  std::string fixedInputs = {};
};

struct RunOptions {
  bool interpreter = false;
  double rtol = 1e-3, atol = 1e-7;
  int seconds = 60;
  int64_t memoryBytes = int64_t{6} << 30;
  int processes = 0; ///< 0: one per core.
};

/// Runs one case in this process.
Outcome runCase(const Case &which, const RunOptions &options);

/// Runs each case in a process of its own, several at a time.
std::vector<Outcome> runCases(const std::vector<Case> &cases, const RunOptions &options);

// -- What is expected -----------------------------------------------------------------------------

/// Name of a case → why it fails. Lines "name: reason"; # begins a comment.
std::map<std::string, std::string> readExpectedFailures(const std::filesystem::path &file);

// -- Reports --------------------------------------------------------------------------------------

struct Report {
  const std::vector<Case> &cases;
  const std::vector<Outcome> &outcomes;
  const std::map<std::string, std::string> &expected;

  std::string json() const;
  /// Rates, then operators with failures, then every case that did not pass.
  std::string text() const;
  /// Complaints: wrong answers and crashes that are not expected, and expected failures that pass.
  std::vector<std::string> problems() const;
};

} // namespace sinter::onnxsuite
