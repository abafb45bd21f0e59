// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: bytes of unknown origin become messages.
#pragma once

#include "sinter/frontend/onnx/Onnx.h"

#include <string>
#include <string_view>

namespace sinter::proto {
class ModelProto;
}

namespace sinter::onnx {

/// Throws Error(Limit) or Error(Diagnostics) unless `bytes` is a sequence of well-formed fields of
/// a ModelProto within the limits. It walks without recursion and allocates nothing per field, so
/// that it can run before protobuf, whose messages take far more memory than their bytes.
void scanModel(std::string_view bytes, const OnnxLimits &limits, const std::string &file);

/// Scans and decodes; `file` is for errors.
proto::ModelProto decodeModel(std::string_view bytes, const OnnxLimits &limits,
                              const std::string &file);
/// The model in a file.
proto::ModelProto readModel(const std::filesystem::path &path, const OnnxLimits &limits);

} // namespace sinter::onnx
