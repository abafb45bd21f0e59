// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx/ExportCases.h"

#include "tests/ops/Values.h"

#include "sinter/runtime/Session.h"

#include <algorithm>
#include <set>

namespace sinter::onnxtest {

static double toleranceOf(DType dtype) {
  if (!isFloat(dtype))
    return 0;
  return dtype == f64 ? 1e-11 : dtype == f32 ? 2e-5 : dtype == f16 ? 4e-3 : 3e-2;
}

ExportCase exportCase(const ops::Row &row, DType dtype) {
  constexpr int64_t n = 17;
  ExportCase result;
  RandomStream random(17 + n, row.name);
  uint64_t next = 0;
  for (size_t c = 0; c < row.cases.size(); ++c) {
    const ops::Case &one = row.cases[c];
    ops::Tensors tensors;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      const DType type = ops::dtypeOf(row.inputs[k], dtype);
      const std::string name = "c" + std::to_string(c) + "_x" + std::to_string(k);
      tensors.push_back(result.graph.placeholder(name, type, one.shapes[k]));
      Array array(type, *one.shapes[k].evaluate({{"N", n}}));
      for (int64_t i = 0; i < array.numElements(); ++i)
        ops::storeReal(array, static_cast<size_t>(i),
                       ops::draw(row.inputs[k], type, random, next++));
      result.inputs.emplace(name, std::move(array));
    }
    result.graph.output("c" + std::to_string(c), row.graph(result.graph, tensors));
  }
  // What a graph does not need is no input of it.
  Executable executable = compile(result.graph, {.engine = Engine::Interpreter});
  const std::vector<std::string> names = executable.inputNames();
  const std::set<std::string> needed(names.begin(), names.end());
  std::erase_if(result.inputs, [&](const auto &entry) { return !needed.contains(entry.first); });
  result.tolerance = std::max(1.0, row.ulps / 4) * toleranceOf(dtype);
  return result;
}

std::vector<DType> exportDTypes(const ops::Row &row) {
  std::vector<DType> dtypes = {row.dtypes.front()};
  auto addFirst = [&](auto wanted) {
    auto found = std::find_if(row.dtypes.begin(), row.dtypes.end(), wanted);
    if (found != row.dtypes.end() &&
        std::find(dtypes.begin(), dtypes.end(), *found) == dtypes.end())
      dtypes.push_back(*found);
  };
  addFirst([](DType dtype) { return dtype == f16; });
  addFirst([](DType dtype) { return dtype == bf16; });
  addFirst([](DType dtype) { return dtype == i32; });
  addFirst([](DType dtype) { return dtype == u8; });
  return dtypes;
}

bool hasNoOnnxForm(const std::string &op, DType dtype) {
  static const std::set<std::string> never = {"gradients", "jvp",         "random_bits", "bitcast",
                                              "erfinv",    "lgamma",      "digamma",     "trigamma",
                                              "atan2",     "window_write"};
  // Padding by a named size, and running combinations along one.
  static const std::set<std::string> sometimes = {"convolution", "cumprod", "cummax", "cummin"};
  static const std::set<std::string> ofIntegers = {"pow", "shift_right", "convolution"};
  return never.contains(op) || sometimes.contains(op) ||
         (!isFloat(dtype) && ofIntegers.contains(op));
}

} // namespace sinter::onnxtest
