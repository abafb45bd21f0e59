// SPDX-License-Identifier: Apache-2.0
// Tries what Export.cpp has written on the GPU of this machine, or takes its time, with the device
// half of the runtime alone: no LLVM, no NVRTC.
#include "examples/04-fashion-mnist/Training.h"
#include "tests/gpu-suite/Bench.h"
#include "tools/fused-bench/Difference.h"
#include "tools/support/CommandLine.h"

#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Executable.h"
#include "sinter/runtime/LibraryLoader.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <stdexcept>

using namespace sinter;
using namespace sinter::suite;

namespace {

struct Options {
  std::string folder, filter;
  std::string images; ///< Fashion-MNIST; empty: no training.
  std::string json;
  int64_t runs = 0; ///< To take the time of; 0: the cases are compared instead.
  int64_t trainImages = -1;
  double accuracy = 88; ///< In percent; less is wrong.
  bool serve = false, small = false;
};

/// "" when alike: relative to the largest value of the array, so that sums that cancel are allowed
/// for.
std::string compare(const std::string &name, const Array &got, const Array &want, const Case &one) {
  if (got.sizes() != want.sizes() || got.dtype() != want.dtype())
    return name + " is " + got.str();
  if (one.comparison != Comparison::LargestValue) {
    const double error =
        tools::difference(got, want,
                          one.comparison == Comparison::Largest ? tools::DifferenceKind::Largest
                                                                : tools::DifferenceKind::Norm);
    return error <= one.tolerance ? "" : name + " differs by " + std::to_string(error);
  }
  const std::vector<double> a = got.toVector<double>(), b = want.toVector<double>();
  double largest = 1;
  for (double value : b)
    if (std::isfinite(value))
      largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ||
                      std::fabs(a[i] - b[i]) <= one.tolerance * largest;
    if (!same)
      return name + "[" + std::to_string(i) + "] is " + std::to_string(a[i]) + ", not " +
             std::to_string(b[i]);
  }
  return "";
}

/// As many as were packed.
Array firstRows(const Array &array, const Array &packed) {
  const bool hasMore =
      array.rank() > 0 && packed.rank() == array.rank() && packed.sizes()[0] < array.sizes()[0];
  return hasMore ? array.slice(0, 0, packed.sizes()[0]) : array;
}

/// What is wrong with a case.
std::string check(const Pack &pack, const Case &one, const std::shared_ptr<Device> &device) {
  Executable executable = loadLibrary(pack.file(one.name + ".so"), {.device = device});
  const ArrayMap inputs = readNpz(pack.file(one.name + ".in.npz"));
  const ArrayMap wanted = readNpz(pack.file(one.name + ".out.npz"));
  State state(executable.program().arguments, tools::stateSeed);
  BoundCall call = executable.bind(state, inputs);
  for (int64_t i = 0; i < one.steps; ++i)
    call();
  const std::vector<std::string> names = executable.outputNames();
  for (size_t i = 0; i < names.size(); ++i)
    if (std::string wrong = compare(names[i], call.outputs()[i], wanted.at(names[i]), one);
        !wrong.empty())
      return wrong;
  for (const std::string &variable : state.names()) {
    const Array &rows = wanted.at("variable " + variable);
    if (std::string wrong = compare(variable, firstRows(state.get(variable), rows), rows, one);
        !wrong.empty())
      return wrong;
  }
  return "";
}

/// Example 04 with the libraries of its step and of its evaluation.
bool train(const Options &options, const Pack &pack, const std::shared_ptr<Device> &device) {
  const Executable step = loadLibrary(pack.file("fashion_step.so"), {.device = device});
  const Executable evaluate = loadLibrary(pack.file("fashion_evaluate.so"), {.device = device});
  State state(step.program().arguments, /*seed=*/1);
  examples::Training training;
  if (options.trainImages >= 0)
    training.epochs = 1;
  const double accuracy = examples::train(
      step, evaluate, state, examples::readImages(options.images, "train", options.trainImages),
      examples::readImages(options.images, "t10k", options.trainImages), training);
  return accuracy >= options.accuracy;
}

int run(const Options &options) {
  const Pack pack = readPack(options.folder);
  std::shared_ptr<CudaDevice> device = CudaDevice::shared();
  const BenchOptions bench{
      .runs = options.runs, .filter = options.filter, .json = options.json, .small = options.small};
  if (options.serve) {
    serve(pack, device, bench, std::cin, std::cout);
    return 0;
  }
  std::cout << device->name() << ", " << device->target() << ", driver of CUDA "
            << device->driverVersion() / 1000 << "." << device->driverVersion() % 1000 / 10
            << std::endl;
  if (options.runs > 0) {
    measure(pack, device, bench);
    return 0;
  }
  int passed = 0, failed = 0;
  for (const Case &one : pack.cases) {
    if (one.name.find(options.filter) == std::string::npos)
      continue;
    std::string wrong;
    try {
      wrong = check(pack, one, device);
    } catch (const Error &error) {
      wrong = error.what();
    } catch (const std::out_of_range &) {
      wrong = "its expected results lack one";
    }
    (wrong.empty() ? passed : failed) += 1;
    if (!wrong.empty())
      std::cout << "WRONG " << one.name << ": " << wrong << std::endl;
  }
  if (!options.images.empty())
    (train(options, pack, device) ? passed : failed) += 1;
  std::cout << passed << " passed, " << failed << " failed\n";
  if (passed + failed == 0)
    throw Error("no case is called like '" + options.filter + "'");
  return failed ? static_cast<int>(ErrorCode::Mismatch) : 0;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Tries the cases of a pack on the GPU of this machine, or times its programs.",
               "gpu-suite-run");
  app.add_option("FOLDER", options.folder, "The pack's folder 'cases'")->required();
  app.add_option("--filter", options.filter, "Only cases whose name contains this");
  app.add_option("--fashion-mnist", options.images,
                 "Also train on the images of this folder, as example 04 does");
  app.add_option("--images", options.trainImages, "Train one epoch on that many images");
  app.add_option("--min-accuracy", options.accuracy, "In percent (88); less is wrong");
  app.add_option("--measure", options.runs,
                 "Time the programs of the benchmark instead, with that many samples, and cuBLASLt "
                 "beside them")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "With --measure: also write the figures to this file");
  app.add_flag("--small", options.small,
               "With --measure or --serve: the smaller instances, to try this out");
  app.add_flag("--serve", options.serve,
               "Take commands from standard input: cases, arguments CASE, prepare CASE, sample, "
               "save FILE, quit");
  return tools::runTool(app, argc, argv, [&] { return run(options); });
}
