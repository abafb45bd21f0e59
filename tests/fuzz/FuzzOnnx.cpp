// SPDX-License-Identifier: Apache-2.0
// libFuzzer: bytes as an ONNX model. Anything but a graph or an Error is a finding.
#include "sinter/frontend/onnx/Importer.h"
#include "sinter/frontend/onnx/ModelFile.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace sinter;
  // Small limits, so that a run shows what is slow for its size.
  OnnxOptions options;
  options.limits.nodes = 2000;
  options.limits.fields = 100'000;
  options.limits.externalBytes = 0;
  try {
    std::string_view bytes(reinterpret_cast<const char *>(data), size);
    proto::ModelProto model = onnx::decodeModel(bytes, options.limits, "fuzzed");
    onnx::importModel(model, "/nonexistent/model.onnx", options);
  } catch (const Error &error) {
    if (error.code() == ErrorCode::Internal)
      __builtin_trap();
  }
  return 0;
}
