// SPDX-License-Identifier: Apache-2.0
// Writes the op table, graphs as text and small benchmark cases as cases that Runner.cpp tries on a
// GPU: for each a library of machine code, the inputs, and what the interpreter makes of them; and
// the benchmark cases at full size, which it times.
#include "examples/04-fashion-mnist/Network.h"
#include "tests/gpu-suite/Pack.h"
#include "tests/ops/Row.h"
#include "tests/ops/Values.h"
#include "tools/fused-bench/GpuProbeKernels.h"
#include "tools/fused-bench/Graphs.h"

#include <sinter/sinter.h>

#include <fstream>
#include <iostream>
#include <set>

using namespace sinter;
using namespace sinter::suite;
namespace fs = std::filesystem;

namespace {

constexpr int64_t sampleN = 17;

struct Options {
  fs::path folder;
  std::string target = "cuda:sm_90a", filter;
  std::vector<fs::path> models;
  int64_t steps = 3; ///< Calls of a model, one after the other.
};

/// The first rows of a large array: the moments of millions of parameters would fill the pack.
Array someRows(const Array &array) {
  constexpr int64_t enough = 1 << 15;
  if (array.rank() == 0 || array.numElements() <= enough)
    return array;
  const int64_t row = array.numElements() / array.sizes()[0];
  return array.slice(0, 0, std::max<int64_t>(1, enough / row)).contiguous();
}

/// What is written so far.
class Suite {
public:
  explicit Suite(const Options &options) : options(options), pack{.folder = options.folder} {}

  bool isWanted(const std::string &name) const {
    return name.find(options.filter) != std::string::npos;
  }

  /// NAME.so alone. false, with a word on it, for what the GPU back end refuses.
  bool addLibrary(const std::string &name, const Graph &graph) {
    const std::string file = pack.file(name).string();
    try {
      compileToLibrary(graph, file + ".so", {.target = Target::parse(options.target)},
                       {.name = "suite", .header = file + ".h"});
    } catch (const Error &error) {
      if (error.code() != ErrorCode::Unsupported)
        throw;
      std::cerr << name << ": " << error.what() << "\n";
      return false;
    }
    fs::remove(file + ".h");
    return true;
  }

  void add(const Case &one, const Graph &graph, const ArrayMap &inputs) {
    if (!isWanted(one.name) || !addLibrary(one.name, graph))
      return;
    Executable reference = compile(graph, {.engine = Engine::Interpreter});
    State state(graph, tools::stateSeed);
    ArrayMap wanted;
    for (int64_t i = 0; i < one.steps; ++i)
      wanted = reference.run(state, inputs);
    for (const std::string &variable : state.names())
      wanted.emplace("variable " + variable, someRows(state.get(variable)));
    writeNpz(pack.file(one.name + ".in.npz"), inputs);
    writeNpz(pack.file(one.name + ".out.npz"), wanted);
    pack.cases.push_back(one);
  }

private:
  const Options &options;

public:
  Pack pack;
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
  suite.add({.name = row.name + "_" + std::string(name(dtype)),
             .tolerance = std::max(1.0, row.ulps / 4) * toleranceOf(dtype)},
            graph, inputs);
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
  suite.add({.name = path.stem().string(), .steps = steps, .tolerance = 100 * toleranceOf(widest)},
            graph, inputs);
}

/// What cuBLASLt can do of a benchmark case, at full size and small.
struct LibraryCase {
  std::string_view name;
  std::vector<Product> full, small;
};
const LibraryCase libraryCases[] = {
    {"gemm_bf16_4096", {{4096, 4096, 4096}}, {{70, 136, 200}}},
    {"gemm_bf16_8192", {{8192, 8192, 8192}}, {{70, 136, 200}}},
    {"gemm_bf16_16x8192x8192", {{16, 8192, 8192}}, {{16, 128, 256}}},
    {"mlp_epilogue_8192x4096x16384",
     {{8192, 16384, 4096}, {8192, 4096, 16384}},
     {{20, 96, 64}, {20, 64, 96}}},
};

/// The kernels that must follow cuBLASLt's two products of mlpOf(), as programs.
void addRest(Suite &suite, BenchCase &one) {
  if (one.products.size() != 2)
    return;
  const auto [rows, hidden, width] = one.products[0];
  const tools::Model models[] = {tools::mlpGateOf(rows, hidden), tools::mlpJoinOf(rows, width)};
  for (const tools::Model &model : models) {
    one.rest.push_back(one.library + ".rest" + std::to_string(one.rest.size()));
    suite.addLibrary(one.rest.back(), model.graph);
  }
}

BenchCase benchOf(const std::string &name, const std::string &library, const tools::Model &model) {
  return {.name = name,
          .library = library,
          .flops = {model.flops, model.leastFlops, model.multipliesBf16},
          .ranges = model.ranges};
}

/// Small and compared with the interpreter; and at full size.
void addBench(Suite &suite, const tools::CaseRow &row) {
  const std::string name = row.name, smallName = "bench_" + name;
  if (!suite.isWanted(smallName))
    return;
  const tools::Model small = row.check.make(row.check.rows), full = row.make(row.rows);
  Executable described = compile(small.graph, {.engine = Engine::Interpreter});
  ArrayMap inputs;
  for (auto &[input, array] :
       tools::makeInputs(*CpuDevice::shared(), described.program(), small.ranges))
    inputs.emplace(input, array);
  suite.add({.name = smallName,
             .tolerance = row.check.tolerance,
             .comparison = row.check.error == tools::DifferenceKind::Norm ? Comparison::Norm
                                                                          : Comparison::Largest},
            small.graph, inputs);
  BenchCase smallBench = benchOf(name, smallName, small), bench = benchOf(name, name, full);
  for (const LibraryCase &known : libraryCases)
    if (known.name == name) {
      smallBench.products = known.small;
      bench.products = known.full;
    }
  addRest(suite, smallBench);
  suite.pack.smallBenches.push_back(smallBench);
  if (suite.addLibrary(bench.library, full.graph)) {
    addRest(suite, bench);
    suite.pack.benches.push_back(bench);
  }
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
  if (options.folder.empty())
    throw Error({.code = ErrorCode::Usage}, "no folder is named");
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
  for (const tools::CaseRow &row : tools::gpuCaseTable())
    addBench(suite, row);
  std::ofstream(suite.pack.file("probes.cubin"), std::ios::binary)
      << tools::compileGpuProbes(TargetInfo::parse(options.target).arch);
  writePack(suite.pack);
  std::cout << suite.pack.cases.size() << " cases and " << suite.pack.benches.size()
            << " programs to time in " << options.folder.string() << "\n";
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
