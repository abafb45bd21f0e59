// SPDX-License-Identifier: Apache-2.0
// Printed kernels run on the host, under a shim that gives blocks, threads, barriers and shuffles
// their meaning, and are compared with the interpreter.
#include "sinter/codegen/Interpreter.h"
#include "sinter/codegen/cuda/PrintCuda.h"

#include "sinter/ir/Dialect.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <regex>
#include <unistd.h>

using namespace sinter;
using namespace sinter::codegen;

namespace {

class CudaHostRun : public ::testing::Test {
protected:
  void SetUp() override {
    mlir::DialectRegistry registry;
    ir::registerAll(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    folder = std::filesystem::temp_directory_path() / ("sinter-cuda-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override {
    if (library)
      dlclose(library);
    std::filesystem::remove_all(folder);
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &file) {
    return mlir::parseSourceFile<mlir::ModuleOp>(std::string(SINTER_TEST_CUDA_FOLDER) + "/" + file,
                                                 &context);
  }

  using Run = void (*)(int, void **);
  Run build(const std::string &text) {
    std::ofstream out(folder / "kernels.cpp");
    out << "#include \"" SINTER_TEST_CUDA_SHIM "\"\n" << text;
    out << "extern \"C\" void run(int launch, void **arguments) {\n  int number = 0;\n";
    std::regex head("__launch_bounds__\\([0-9]+\\)\\s+(\\w+)\\(");
    for (auto it = std::sregex_iterator(text.begin(), text.end(), head);
         it != std::sregex_iterator(); ++it)
      out << "  if (launch == number++) shimLaunch(" << (*it)[1] << ", arguments);\n";
    out << "}\n";
    out.close();
    std::string file = (folder / "kernels").string();
    std::string command = SINTER_TEST_CXX
                          " -std=c++20 -O1 -ffp-contract=off -w -shared -fPIC -pthread -o '" +
                          file + ".so' '" + file + ".cpp'";
    if (std::system(command.c_str()) != 0 || !(library = dlopen((file + ".so").c_str(), RTLD_NOW)))
      return nullptr;
    return reinterpret_cast<Run>(dlsym(library, "run"));
  }

  /// The results of a graph, computed by its printed kernels; `status` gets the status slot.
  std::vector<Array> run(const std::string &file, std::vector<Array> arguments,
                         const DimBinding &dims, int64_t (&status)[4]) {
    auto module = parse(file);
    PipelineOptions options;
    options.target = TargetInfo::parse("cuda");
    options.stopAfter = StageId::Kernels;
    Compilation compilation = runPipeline(*module, options);
    Run kernels = build(cuda::printProgram(compilation));
    if (!kernels)
      throw std::runtime_error("the printed kernels do not compile on the host");
    const Program &program = compilation.program();
    std::vector<int64_t> table = evaluateTable(program, dims, 1);
    std::vector<Array> results;
    for (const Result &result : program.results)
      results.emplace_back(result.dtype, *result.shape.evaluate(dims));
    DimBinding all = dims;
    all[workersSymbol] = 1;
    std::vector<char> arena(static_cast<size_t>(*program.arenaBytes.evaluate(all)) + 64);
    int launch = 0;
    for (const Step &step : program.steps) {
      std::vector<void *> pointers;
      for (int number : std::get<Launch>(step).buffers) {
        const Buffer &buffer = program.buffers[static_cast<size_t>(number)];
        auto index = static_cast<size_t>(buffer.index);
        pointers.push_back(buffer.kind == Buffer::Kind::Argument ? arguments[index].data()
                           : buffer.kind == Buffer::Kind::Result ? results[index].data()
                           : buffer.kind == Buffer::Kind::Constant
                               ? program.constants[index].data()
                               : static_cast<void *>(arena.data() + *buffer.offset.evaluate(all)));
      }
      pointers.push_back(table.data());
      pointers.push_back(status);
      kernels(launch++, pointers.data());
    }
    return results;
  }

  void compare(const std::string &file, const std::vector<Array> &arguments,
               const DimBinding &dims) {
    int64_t status[4] = {};
    std::vector<Array> results = run(file, arguments, dims, status);
    EXPECT_EQ(status[0], 0);
    auto module = parse(file);
    std::vector<Array> expected =
        interpret(module->lookupSymbol<mlir::func::FuncOp>("main"), arguments, dims);
    ASSERT_EQ(results.size(), expected.size());
    for (size_t r = 0; r < results.size(); ++r) {
      ASSERT_EQ(results[r].numElements(), expected[r].numElements());
      for (int64_t i = 0; i < results[r].numElements(); ++i)
        if (results[r].dtype() == f32)
          ASSERT_NEAR(results[r].as<float>()[i], expected[r].as<float>()[i],
                      1e-5 * std::max(1.0f, std::abs(expected[r].as<float>()[i])))
              << "result " << r << ", element " << i;
      if (results[r].dtype() != f32) {
        size_t bytes = static_cast<size_t>(results[r].numElements() * byteSize(results[r].dtype()));
        EXPECT_EQ(std::memcmp(results[r].data(), expected[r].data(), bytes), 0) << "result " << r;
      }
    }
  }

  mlir::MLIRContext context;
  std::filesystem::path folder;
  void *library = nullptr;
};

Array numbers(int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * columns; ++i)
    values.push_back(static_cast<float>((i * 7919) % 1013) / 500.0f - 1.0f);
  return Array::from(values, {rows, columns});
}

TEST_F(CudaHostRun, Elementwise) {
  compare("CudaElementwise.mlir", {numbers(5, 64), numbers(5, 64)}, {{"N", 5}});
}
TEST_F(CudaHostRun, NarrowFloatsAndBits) {
  std::vector<uint64_t> counters;
  for (uint64_t i = 0; i < 320; ++i)
    counters.push_back(i * 0x9e3779b97f4a7c15);
  compare("CudaMath.mlir", {numbers(5, 64).cast(f16), Array::from(counters, {5, 64})}, {{"N", 5}});
}
TEST_F(CudaHostRun, Softmax) { compare("CudaSoftmax.mlir", {numbers(3, 1000)}, {{"N", 3}}); }
TEST_F(CudaHostRun, LayerNorm) {
  std::vector<float> gain(768, 1.5f);
  compare("CudaLayerNorm.mlir", {numbers(3, 768), Array::from(gain, {768})}, {{"N", 3}});
}
TEST_F(CudaHostRun, Reductions) {
  std::vector<int32_t> integers(5 * 30, 2'000'000'000); // The sum wraps.
  compare("CudaReduce.mlir", {numbers(5, 30), Array::from(integers, {5, 30})}, {{"N", 5}});
}
TEST_F(CudaHostRun, UnsignedIntegers) {
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < 3 * 70; ++i)
    words.push_back(0x5fffffffu + i * 0x01234567u); // On both sides of the sign bit.
  Array all = Array::from(words, {3, 70});
  compare("CudaUnsigned.mlir", {all.cast(u8), all, all.cast(u16)}, {{"N", 3}});
}
TEST_F(CudaHostRun, GatherReportsABadIndex) {
  std::vector<double> rows(1600, 4.0);
  int64_t status[4] = {};
  std::vector<Array> results =
      run("CudaGather.mlir",
          {Array::from(rows, {100, 16}), Array::from(std::vector<int32_t>{3, 100, 99}, {3})},
          {{"N", 3}}, status);
  EXPECT_EQ(status[0], static_cast<int64_t>(StatusCode::IndexOutOfRange));
  EXPECT_EQ(status[2], 100);
  EXPECT_EQ(status[3], 100);
  EXPECT_EQ(results[0].as<double>()[0], 2.0);
  EXPECT_EQ(results[0].as<double>()[16], 0.0);
}

} // namespace
