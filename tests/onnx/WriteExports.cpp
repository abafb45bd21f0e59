// SPDX-License-Identifier: Apache-2.0
// Writes the op table as ONNX models with inputs and what the interpreter makes of them, for
// scripts/onnx-export-check.
#include "tests/onnx/ExportCases.h"

#include "sinter/frontend/onnx/Export.h"
#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/runtime/Session.h"

#include <fstream>
#include <iostream>

using namespace sinter;

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: onnx-export-cases FOLDER\n";
    return 2;
  }
  try {
    std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    std::ofstream index(folder / "index.txt");
    auto graphs = onnxtest::exportNetworks();
    graphs.emplace_back("special_values", onnxtest::exportSpecialValues());
    for (const auto &[name, one] : graphs) {
      exportOnnx(one.graph, folder / (name + ".onnx"), {.values = one.values});
      writeNpz(folder / (name + ".in.npz"), one.inputs);
      State state(one.graph);
      state.assign(one.values);
      writeNpz(folder / (name + ".out.npz"), compile(one.graph).run(state, one.inputs));
      index << name << " exported " << one.tolerance << "\n";
    }
    for (const ops::Row &row : ops::table())
      for (DType dtype : onnxtest::exportDTypes(row)) {
        std::string file = row.name + "_" + std::string(name(dtype));
        onnxtest::ExportCase one = onnxtest::exportCase(row, dtype);
        try {
          exportOnnx(one.graph, folder / (file + ".onnx"));
        } catch (const Error &error) {
          if (error.code() != ErrorCode::Unsupported)
            throw;
          index << file << " unsupported " << error.op() << "\n";
          continue;
        }
        State none;
        writeNpz(folder / (file + ".in.npz"), one.inputs);
        writeNpz(folder / (file + ".out.npz"),
                 compile(one.graph, {.engine = Engine::Interpreter}).run(none, one.inputs));
        index << file << " exported " << one.tolerance << "\n";
      }
    return 0;
  } catch (const Error &error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.code());
  }
}
