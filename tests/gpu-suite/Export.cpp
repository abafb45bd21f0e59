// SPDX-License-Identifier: Apache-2.0
// Writes the op table, and graphs as text, as cases that Runner.cpp tries on a GPU: for each a
// library of machine code, the inputs, and what the interpreter makes of them.
#include "examples/04-fashion-mnist/Network.h"
#include "tests/ops/Row.h"
#include "tests/ops/Values.h"

#include <sinter/sinter.h>

#include <fstream>
#include <iostream>
#include <set>

using namespace sinter;
namespace fs = std::filesystem;

namespace {

constexpr int64_t sampleN = 17;

struct Options {
  fs::path folder;
  std::string target = "cuda:sm_90a", filter;
  std::vector<fs::path> models;
  int64_t steps = 3; ///< Calls of a model, one after the other.
};

/// One line of the index: name, calls, tolerances.
class Suite {
public:
  explicit Suite(const Options &options)
      : options(options), index(options.folder / "index.txt", std::ios::app) {}

  /// Skips, with a word on it, what the GPU back end refuses.
  void add(const std::string &name, const Graph &graph, const ArrayMap &inputs, int64_t steps,
           double tolerance) {
    if (name.find(options.filter) == std::string::npos)
      return;
    const fs::path file = options.folder / name;
    try {
      compileToLibrary(graph, file.string() + ".so", {.target = Target::parse(options.target)},
                       {.name = "suite", .header = file.string() + ".h"});
    } catch (const Error &error) {
      if (error.code() != ErrorCode::Unsupported)
        throw;
      std::cerr << name << ": " << error.what() << "\n";
      return;
    }
    fs::remove(file.string() + ".h");
    Executable reference = compile(graph, {.engine = Engine::Interpreter});
    State state(graph, /*seed=*/1);
    ArrayMap wanted;
    for (int64_t i = 0; i < steps; ++i)
      wanted = reference.run(state, inputs);
    for (const std::string &variable : state.names())
      wanted.emplace("variable " + variable, state.get(variable));
    writeNpz(file.string() + ".in.npz", inputs);
    writeNpz(file.string() + ".out.npz", wanted);
    index << name << " " << steps << " " << tolerance << "\n";
    ++count;
  }
  int64_t count = 0;

private:
  const Options &options;
  std::ofstream index;
};

double toleranceOf(DType dtype) {
  if (!isFloat(dtype))
    return 0;
  return dtype == f64 ? 1e-12 : dtype == f32 ? 2e-5 : dtype == f16 ? 4e-3 : 3e-2;
}

/// All cases of a row in one graph, as the op table's own test has them.
void addRow(Suite &suite, const ops::Row &row, DType dtype) {
  Graph graph;
  ArrayMap inputs;
  RandomStream random(17 + sampleN, row.name);
  uint64_t next = 0;
  for (size_t c = 0; c < row.cases.size(); ++c) {
    const ops::Case &one = row.cases[c];
    ops::Tensors tensors;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      const DType type = ops::dtypeOf(row.inputs[k], dtype);
      const std::string name = "c" + std::to_string(c) + "_x" + std::to_string(k);
      tensors.push_back(graph.placeholder(name, type, one.shapes[k]));
      Array array(type, *one.shapes[k].evaluate({{"N", sampleN}}));
      for (int64_t i = 0; i < array.numElements(); ++i)
        ops::storeReal(array, static_cast<size_t>(i),
                       ops::draw(row.inputs[k], type, random, next++));
      inputs.emplace(name, std::move(array));
    }
    graph.output("c" + std::to_string(c), row.graph(graph, tensors));
  }
  // What a graph does not need is no input of it.
  Executable executable = compile(graph, {.engine = Engine::Interpreter});
  const std::vector<std::string> names = executable.inputNames();
  const std::set<std::string> needed(names.begin(), names.end());
  std::erase_if(inputs, [&](const auto &entry) { return !needed.contains(entry.first); });
  suite.add(row.name + "_" + std::string(name(dtype)), graph, inputs, 1,
            std::max(1.0, row.ulps / 4) * toleranceOf(dtype));
}

/// A graph as text with known sizes; integers are drawn from 0 and 1, which any index may be.
void addModel(Suite &suite, const fs::path &path, int64_t steps) {
  Graph graph = Graph::load(path);
  ArrayMap inputs;
  DType widest = f64;
  for (const Argument &argument : graph.arguments()) {
    if (isFloat(argument.dtype) && byteSize(argument.dtype) < byteSize(widest))
      widest = argument.dtype;
    if (argument.kind != ArgumentKind::Placeholder)
      continue;
    Array array(argument.dtype, *argument.shape.evaluate({{"N", sampleN}}));
    RandomStream random(1, argument.name);
    const ops::Input input = isFloat(argument.dtype) ? ops::In(-1, 1) : ops::Ints(0, 1);
    for (int64_t i = 0; i < array.numElements(); ++i)
      ops::storeReal(array, static_cast<size_t>(i),
                     ops::draw(input, argument.dtype, random, static_cast<uint64_t>(i)));
    inputs.emplace(argument.name, std::move(array));
  }
  // Several steps of an optimizer divide by small numbers.
  suite.add(path.stem().string(), graph, inputs, steps, 100 * toleranceOf(widest));
}

/// The training of example 04, whose images the runner reads.
void addTraining(const Options &options) {
  const examples::Network net;
  const Target target = Target::parse(options.target);
  auto write = [&](const char *name, const CompileOptions &what) {
    const fs::path header = options.folder / "fashion.h";
    compileToLibrary(net.graph, options.folder / name, what, {.name = "fashion", .header = header});
    fs::remove(header);
  };
  write("fashion_step.so", {.outputs = {net.loss}, .updates = net.updates, .target = target});
  write("fashion_evaluate.so", {.outputs = {net.correct}, .target = target});
}

int run(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--target="))
      options.target = word.substr(9);
    else if (word.starts_with("--filter="))
      options.filter = word.substr(9);
    else if (word.ends_with(".mlir"))
      options.models.emplace_back(word);
    else if (options.folder.empty() && !word.starts_with("-"))
      options.folder = word;
    else
      throw Error(
          {.code = ErrorCode::Usage},
          "usage: gpu-suite-export FOLDER [--target=cuda:ARCH] [--filter=WORD] [MODEL.mlir]...");
  }
  fs::create_directories(options.folder);
  Suite suite(options);
  for (const ops::Row &row : ops::table()) {
    // One dtype, and one of 16 bits where there is one.
    std::vector<DType> dtypes = {row.dtypes.front()};
    for (DType dtype : row.dtypes)
      if ((dtype == f16 || dtype == bf16) && dtypes.size() < 2 && dtype != dtypes[0])
        dtypes.push_back(dtype);
    for (DType dtype : dtypes)
      addRow(suite, row, dtype);
  }
  addTraining(options);
  for (const fs::path &model : options.models)
    addModel(suite, model, options.steps);
  std::cout << suite.count << " cases in " << options.folder.string() << "\n";
  return 0;
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
