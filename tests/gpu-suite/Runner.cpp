// SPDX-License-Identifier: Apache-2.0
// Tries the cases that Export.cpp has written on the GPU of this machine, with the device half of
// the runtime alone: no LLVM, no NVRTC.
#include "examples/04-fashion-mnist/Training.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Executable.h"
#include "sinter/runtime/LibraryLoader.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace sinter;
namespace fs = std::filesystem;

namespace {

struct Options {
  fs::path folder;
  std::string filter;
  int64_t measure = 0; ///< Runs to take the time of.
  fs::path images;     ///< Fashion-MNIST; empty: no training.
  int64_t trainImages = -1, testImages = -1;
  double accuracy = 88; ///< In percent; less is wrong.
};

struct Case {
  std::string name;
  int64_t steps = 1;
  double tolerance = 0;
};

/// "" when alike: relative to the largest value of the array, so that sums that cancel are allowed
/// for.
std::string compare(const std::string &name, const Array &got, const Array &want,
                    double tolerance) {
  if (got.sizes() != want.sizes() || got.dtype() != want.dtype())
    return name + " is " + got.str();
  const std::vector<double> a = got.toVector<double>(), b = want.toVector<double>();
  double largest = 1;
  for (double value : b)
    if (std::isfinite(value))
      largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ||
                      std::fabs(a[i] - b[i]) <= tolerance * largest;
    if (!same)
      return name + "[" + std::to_string(i) + "] is " + std::to_string(a[i]) + ", not " +
             std::to_string(b[i]);
  }
  return "";
}

/// What is wrong with a case; `median` of the milliseconds it takes where that is asked for.
std::string check(const Options &options, const Case &one, const std::shared_ptr<Device> &device,
                  double &median) {
  const fs::path file = options.folder / one.name;
  Executable executable = loadLibrary(file.string() + ".so", {.device = device});
  const ArrayMap inputs = readNpz(file.string() + ".in.npz");
  const ArrayMap wanted = readNpz(file.string() + ".out.npz");
  State state(executable.program().arguments, /*seed=*/1);
  BoundCall call = executable.bind(state, inputs);
  for (int64_t i = 0; i < one.steps; ++i)
    call();
  const std::vector<std::string> names = executable.outputNames();
  for (size_t i = 0; i < names.size(); ++i)
    if (std::string wrong =
            compare(names[i], call.outputs()[i], wanted.at(names[i]), one.tolerance);
        !wrong.empty())
      return wrong;
  for (const std::string &variable : state.names())
    if (std::string wrong = compare(variable, state.get(variable),
                                    wanted.at("variable " + variable), one.tolerance);
        !wrong.empty())
      return wrong;
  if (options.measure > 0) {
    std::vector<double> times = call.measure(options.measure);
    std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2),
                     times.end());
    median = times[times.size() / 2];
  }
  return "";
}

/// Example 04 with the libraries of its step and of its evaluation.
bool train(const Options &options, const std::shared_ptr<Device> &device) {
  const Executable step = loadLibrary(options.folder / "fashion_step.so", {.device = device});
  const Executable evaluate =
      loadLibrary(options.folder / "fashion_evaluate.so", {.device = device});
  State state(step.program().arguments, /*seed=*/1);
  examples::Training training;
  if (options.trainImages >= 0)
    training.epochs = 1;
  const double accuracy = examples::train(
      step, evaluate, state, examples::readImages(options.images, "train", options.trainImages),
      examples::readImages(options.images, "t10k", options.testImages), training);
  return accuracy >= options.accuracy;
}

int run(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--filter="))
      options.filter = word.substr(9);
    else if (word.starts_with("--measure="))
      options.measure = std::strtoll(word.c_str() + 10, nullptr, 10);
    else if (word.starts_with("--fashion-mnist="))
      options.images = word.substr(16);
    else if (word.starts_with("--images="))
      options.testImages = options.trainImages = std::strtoll(word.c_str() + 9, nullptr, 10);
    else if (word.starts_with("--min-accuracy="))
      options.accuracy = std::strtod(word.c_str() + 15, nullptr);
    else if (options.folder.empty() && !word.starts_with("-"))
      options.folder = word;
    else
      throw Error(
          {.code = ErrorCode::Usage},
          "usage: gpu-suite-run FOLDER [--filter=WORD] [--measure=RUNS] [--fashion-mnist=FOLDER "
          "[--images=COUNT] [--min-accuracy=PERCENT]]");
  }
  std::ifstream index(options.folder / "index.txt");
  if (!index)
    throw Error({.code = ErrorCode::FileAccess},
                "cannot read '" + (options.folder / "index.txt").string() + "'");
  std::shared_ptr<CudaDevice> device = CudaDevice::shared();
  std::cout << device->name() << ", " << device->target() << ", driver of CUDA "
            << device->driverVersion() / 1000 << "." << device->driverVersion() % 1000 / 10 << "\n";
  int passed = 0, failed = 0;
  for (std::string line; std::getline(index, line);) {
    Case one;
    if (!(std::istringstream(line) >> one.name >> one.steps >> one.tolerance))
      throw Error("the index has the line '" + line + "'");
    if (one.name.find(options.filter) == std::string::npos)
      continue;
    double median = -1;
    std::string wrong;
    try {
      wrong = check(options, one, device, median);
    } catch (const Error &error) {
      wrong = error.what();
    }
    (wrong.empty() ? passed : failed) += 1;
    if (!wrong.empty())
      std::cout << "WRONG " << one.name << ": " << wrong << "\n";
    else if (median >= 0)
      std::printf("%10.4f ms  %s\n", median, one.name.c_str());
  }
  if (!options.images.empty())
    (train(options, device) ? passed : failed) += 1;
  std::cout << passed << " passed, " << failed << " failed\n";
  if (passed + failed == 0)
    throw Error("no case is called like '" + options.filter + "'");
  return failed ? static_cast<int>(ErrorCode::Mismatch) : 0;
}

} // namespace

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const Error &error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.code());
  }
}
