// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Export.h"

#include "sinter/frontend/onnx/Exporter.h"
#include "sinter/ir/AttentionFormulas.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace sinter {

std::string exportOnnx(const Graph &graph, const OnnxExportOptions &options) {
  // The graph's named outputs, not its updates: what only those need is left out.
  mlir::OwningOpRef<mlir::ModuleOp> module =
      extract(graph, options.outputs.empty() ? graph.outputs() : options.outputs, {});
  // Attention is the matrix products and the softmax that it stands for.
  llvm::SmallVector<mlir::Operation *> composed;
  module->walk([&](ir::AttentionOp op) { composed.push_back(op); });
  for (mlir::Operation *op : composed)
    ir::expandAttention(op);
  proto::ModelProto model;
  model.set_ir_version(9);
  model.set_producer_name("Sinter");
  proto::OperatorSetIdProto &opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(20);
  model.mutable_graph()->set_name(options.name);
  std::vector<Argument> arguments = graph.arguments();
  onnx::Exporter(*module->getOps<mlir::func::FuncOp>().begin(), arguments, options,
                 *model.mutable_graph())
      .run();
  if (model.ByteSizeLong() > static_cast<size_t>(INT32_MAX))
    throw Error({.code = ErrorCode::Limit, .op = "exportOnnx"},
                "the model is larger than the 2 GiB that one file can hold");
  // Equal graphs give equal bytes.
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    model.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void exportOnnx(const Graph &graph, const std::filesystem::path &path,
                const OnnxExportOptions &options) {
  writeFileAtomically(path, exportOnnx(graph, options));
}

} // namespace sinter
