// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: TensorProto and types of values.
#pragma once

#include "sinter/frontend/onnx/ExternalData.h"
#include "sinter/frontend/onnx/Onnx.h"

#include <optional>
#include <string>

namespace sinter::proto {
class TensorProto;
class TypeProto;
} // namespace sinter::proto

namespace sinter::onnx {

/// The DType of a TensorProto.DataType, or nullopt where Sinter has none.
std::optional<DType> toDType(int dataType);
/// "float8e4m3fn", "string", ...; "data type 99" for one that does not exist.
std::string dataTypeName(int dataType);
/// As toDType(); throws Error(Unsupported), or Error(Diagnostics) for a number that is no data
/// type.
DType requireDType(int dataType);

/// The elements of a tensor. Sizes are checked before anything is allocated, and the data must have
/// exactly the length that they say. `folder` null: no external data here.
Array toArray(const proto::TensorProto &tensor, const OnnxLimits &limits, ExternalFolder *folder);

} // namespace sinter::onnx
