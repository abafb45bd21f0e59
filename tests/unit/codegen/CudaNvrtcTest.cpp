// SPDX-License-Identifier: Apache-2.0
// Printed kernels are compiled by NVRTC, which needs no GPU. Without NVRTC the tests skip and say
// so.
#include "sinter/codegen/cuda/Nvrtc.h"
#include "sinter/codegen/cuda/PrintCuda.h"

#include "sinter/ir/Dialect.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>

using namespace sinter;
using namespace sinter::codegen;

namespace {

/// NVRTC's interface, declared here: its header may not be installed.
struct Nvrtc {
  using Handle = struct NvrtcProgram *;
  int (*create)(Handle *, const char *, const char *, int, const char *const *,
                const char *const *) = nullptr;
  int (*compile)(Handle, int, const char *const *) = nullptr;
  int (*logSize)(Handle, size_t *) = nullptr;
  int (*log)(Handle, char *) = nullptr;
  int (*cubinSize)(Handle, size_t *) = nullptr;
  int (*destroy)(Handle *) = nullptr;

  /// Looks on the loader's path, then in the toolkit's folders.
  bool load() {
    std::vector<std::string> folders{""};
    for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
      if (const char *home = std::getenv(variable))
        folders.push_back(std::string(home) + "/lib64/");
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator("/usr/local", ignored))
      if (entry.path().filename().string().rfind("cuda", 0) == 0)
        folders.push_back(entry.path().string() + "/lib64/");
    void *library = nullptr;
    for (const char *name : {"libnvrtc.so.13", "libnvrtc.so.12"})
      for (const std::string &folder : folders)
        if (!library)
          library = dlopen((folder + name).c_str(), RTLD_NOW);
    return library && find(library, "nvrtcCreateProgram", create) &&
           find(library, "nvrtcCompileProgram", compile) &&
           find(library, "nvrtcGetProgramLogSize", logSize) &&
           find(library, "nvrtcGetProgramLog", log) &&
           find(library, "nvrtcGetCUBINSize", cubinSize) &&
           find(library, "nvrtcDestroyProgram", destroy);
  }

  /// "" or what went wrong.
  std::string check(const std::string &text, const std::string &arch) const {
    Handle program = nullptr;
    if (create(&program, text.c_str(), "kernels.cu", 0, nullptr, nullptr) != 0)
      return "no program";
    std::string option = "--gpu-architecture=" + arch;
    std::vector<const char *> options(std::begin(cuda::compileOptions),
                                      std::end(cuda::compileOptions));
    options.push_back(option.c_str());
    int answer = compile(program, static_cast<int>(options.size()), options.data());
    size_t size = 0;
    logSize(program, &size);
    std::string messages(size, '\0');
    log(program, messages.data());
    size_t bytes = 0;
    if (answer == 0 && (cubinSize(program, &bytes) != 0 || bytes == 0))
      messages = "no machine code", answer = 1;
    destroy(&program);
    return answer == 0 ? "" : messages + "\n" + text;
  }

private:
  template <typename Function>
  static bool find(void *library, const char *name, Function &function) {
    return (function = reinterpret_cast<Function>(dlsym(library, name))) != nullptr;
  }
};

std::string print(mlir::OwningOpRef<mlir::ModuleOp> module, bool fusion) {
  PipelineOptions options;
  options.target = TargetInfo::parse("cuda");
  options.stopAfter = StageId::Kernels;
  if (!fusion)
    options.disabledPasses = {"fuse"};
  return cuda::printProgram(runPipeline(*module, options));
}

class CudaNvrtc : public ::testing::Test {
protected:
  void SetUp() override {
    if (!nvrtc.load())
      GTEST_SKIP() << "NVRTC was not found: printed CUDA kernels are NOT compiled by this run";
    mlir::DialectRegistry registry;
    ir::registerAll(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// With and without fusion and for several architectures, or once.
  void check(const std::function<mlir::OwningOpRef<mlir::ModuleOp>()> &parse, bool once = false) {
    for (bool fusion : once ? std::vector<bool>{true} : std::vector<bool>{true, false}) {
      auto module = parse();
      ASSERT_TRUE(module);
      std::string text = print(std::move(module), fusion);
      std::vector<const char *> architectures{"sm_90a"};
      if (fusion && !once)
        architectures = {"sm_80", "sm_90a", "sm_100"};
      for (const char *arch : architectures)
        if (std::string problem = nvrtc.check(text, arch); !problem.empty())
          ADD_FAILURE() << arch << ": " << problem;
    }
  }
  void checkText(const std::string &text, bool once = false) {
    SCOPED_TRACE(text);
    check([&] { return mlir::parseSourceString<mlir::ModuleOp>(text, &context); }, once);
  }

  Nvrtc nvrtc;
  mlir::MLIRContext context;
};

/// One graph of many outputs: each row is the text of an op on %a, %b (of type) or %p (bool), and
/// its result's dtype.
std::string graphOf(const std::string &dtype,
                    const std::vector<std::pair<std::string, std::string>> &rows) {
  auto tensor = [](const std::string &element) { return "!sinter.tensor<" + element + "[N, 3]>"; };
  std::string types, values, body;
  for (auto &[text, result] : rows) {
    std::string name = "%r" + std::to_string(types.size()), to = tensor(result);
    body += "  " + name + " = " + text + " -> " + to + "\n";
    values += (values.empty() ? "" : ", ") + name;
    types += (types.empty() ? "" : ", ") + to;
  }
  std::string t = tensor(dtype);
  return "func.func @main(%a: " + t + " {sinter.name = \"a\"}, %b: " + t +
         " {sinter.name = \"b\"}, %p: " + tensor("i1") + " {sinter.name = \"p\"}) -> (" + types +
         ") {\n" + body + "  return " + values + " : " + types + "\n}\n";
}

std::vector<std::pair<std::string, std::string>> rowsFor(const std::string &dtype) {
  std::string t = "!sinter.tensor<" + dtype + "[N, 3]>", p = "!sinter.tensor<i1[N, 3]>";
  bool isFloat = dtype.find('f') != std::string::npos;
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char *op : {"neg", "abs", "sign", "is_nan", "is_inf", "is_finite"})
    rows.emplace_back("sinter." + std::string(op) + " %a : (" + t + ")",
                      op[0] == 'i' ? "i1" : dtype);
  if (isFloat)
    for (const char *op :
         {"exp",     "expm1", "log",    "log1p",  "sqrt",    "rsqrt",   "sin",   "cos",  "tanh",
          "sigmoid", "erf",   "relu",   "floor",  "ceil",    "round",   "trunc", "exp2", "log2",
          "log10",   "cbrt",  "tan",    "asin",   "acos",    "atan",    "sinh",  "cosh", "asinh",
          "acosh",   "atanh", "erfinv", "lgamma", "digamma", "trigamma"})
      rows.emplace_back("sinter." + std::string(op) + " %a : (" + t + ")", dtype);
  auto binary = [&](const char *op) {
    rows.emplace_back("sinter." + std::string(op) + " %a, %b : (" + t + ", " + t + ")", dtype);
  };
  for (const char *op :
       {"add", "sub", "mul", "div", "max", "min", "pow", "rem", "mod", "floor_div"})
    binary(op);
  if (isFloat)
    for (const char *op : {"atan2", "hypot", "logaddexp"})
      binary(op);
  else
    for (const char *op : {"bit_and", "bit_or", "bit_xor", "shift_left", "shift_right"})
      binary(op);
  if (dtype == "ui64")
    rows.emplace_back("sinter.random_bits %a, %b : (" + t + ", " + t + ")", "ui32");
  for (const char *op : {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
    rows.emplace_back("sinter." + std::string(op) + " %a, %b : (" + t + ", " + t + ")", "i1");
  rows.emplace_back("sinter.select %p, %a, %b : (" + p + ", " + t + ", " + t + ")", dtype);
  for (const char *to : {"f32", "f64", "f16", "bf16", "i8", "ui16", "i32", "i64", "ui64", "i1"}) {
    if (dtype != to)
      rows.emplace_back("sinter.cast %a : (" + t + ")", to);
    if (dtype == "f32" && std::string(to) != "i1")
      rows.emplace_back("sinter.cast %p : (" + p + ")", to);
  }
  for (const char *op : {"and", "or", "xor"})
    rows.emplace_back("sinter." + std::string(op) + " %p, %p : (" + p + ", " + p + ")", "i1");
  rows.emplace_back("sinter.not %p : (" + p + ")", "i1");
  return rows;
}

TEST_F(CudaNvrtc, ElementwiseOps) {
  for (const char *dtype : {"f32", "i64"})
    checkText(graphOf(dtype, rowsFor(dtype)));
  for (const char *dtype : {"f64", "f16", "bf16", "i8", "i32", "ui16", "ui64"})
    checkText(graphOf(dtype, rowsFor(dtype)), /*once=*/true);
}

TEST_F(CudaNvrtc, Reductions) {
  for (std::string dtype : {"f32", "f64", "i32", "i64"})
    for (std::string axis : {"0", "1"}) {
      std::string t = "!sinter.tensor<" + dtype + "[N, 3]>", size = axis == "0" ? "3" : "N", types,
                  values, body;
      auto add = [&](const std::string &op, const std::string &attribute,
                     const std::string &element) {
        std::string to = "!sinter.tensor<" + element + "[" + size + "]>",
                    name = "%r" + std::to_string(types.size());
        body +=
            "  " + name + " = sinter." + op + " %a " + attribute + " : (" + t + ") -> " + to + "\n";
        values += (values.empty() ? "" : ", ") + name;
        types += (types.empty() ? "" : ", ") + to;
      };
      for (const char *op : {"reduce_sum", "reduce_prod", "reduce_max", "reduce_min"})
        add(op, "{axes = array<i64: " + axis + ">}", dtype);
      // An empty axis has no largest element, and N may be 0.
      if (axis == "1")
        add("argmax", "{axis = 1 : i64}", "i64");
      checkText("func.func @main(%a: " + t + " {sinter.name = \"a\"}) -> (" + types + ") {\n" +
                body + "  return " + values + " : " + types + "\n}\n");
    }
}

TEST_F(CudaNvrtc, TextTests) {
  int found = 0;
  for (const auto &entry : std::filesystem::directory_iterator(SINTER_TEST_CUDA_FOLDER)) {
    std::string name = entry.path().filename().string();
    // Kernels of these forms are refused.
    bool isRefused =
        name == "CudaContraction.mlir" || name == "CudaSort.mlir" || name == "CudaCumulative.mlir";
    if (name.rfind("Cuda", 0) != 0 || isRefused)
      continue;
    SCOPED_TRACE(name);
    ++found;
    check([&] { return mlir::parseSourceFile<mlir::ModuleOp>(entry.path().string(), &context); });
  }
  EXPECT_GE(found, 5);
}

} // namespace
