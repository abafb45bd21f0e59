// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/TensorData.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"
#include "sinter/ir/base/CheckedMath.h"

#include <charconv>
#include <cstring>

namespace sinter::onnx {
namespace {

struct TypeName {
  int dataType;
  std::string_view onnx; ///< As ONNX writes it, in lower case.
  std::string_view ours; ///< As parseDType() reads it; empty: Sinter has no such dtype.
};

using proto::TensorProto;

constexpr TypeName typeNames[] = {
    {TensorProto::FLOAT, "float", "f32"},
    {TensorProto::UINT8, "uint8", "u8"},
    {TensorProto::INT8, "int8", "i8"},
    {TensorProto::UINT16, "uint16", "u16"},
    {TensorProto::INT16, "int16", "i16"},
    {TensorProto::INT32, "int32", "i32"},
    {TensorProto::INT64, "int64", "i64"},
    {TensorProto::STRING, "string", ""},
    {TensorProto::BOOL, "bool", "bool"},
    {TensorProto::FLOAT16, "float16", "f16"},
    {TensorProto::DOUBLE, "double", "f64"},
    {TensorProto::UINT32, "uint32", "u32"},
    {TensorProto::UINT64, "uint64", "u64"},
    {TensorProto::COMPLEX64, "complex64", ""},
    {TensorProto::COMPLEX128, "complex128", ""},
    {TensorProto::BFLOAT16, "bfloat16", "bf16"},
    {TensorProto::FLOAT8E4M3FN, "float8e4m3fn", ""},
    {TensorProto::FLOAT8E4M3FNUZ, "float8e4m3fnuz", ""},
    {TensorProto::FLOAT8E5M2, "float8e5m2", ""},
    {TensorProto::FLOAT8E5M2FNUZ, "float8e5m2fnuz", ""},
    {TensorProto::UINT4, "uint4", ""},
    {TensorProto::INT4, "int4", ""},
    {TensorProto::FLOAT4E2M1, "float4e2m1", ""},
    {TensorProto::FLOAT8E8M0, "float8e8m0", ""},
    {TensorProto::UINT2, "uint2", ""},
    {TensorProto::INT2, "int2", ""},
};

const TypeName *find(int dataType) {
  for (const TypeName &entry : typeNames)
    if (entry.dataType == dataType)
      return &entry;
  return nullptr;
}

std::string shown(const TensorProto &tensor) {
  return tensor.name().empty() ? "a tensor" : "tensor '" + tensor.name().substr(0, 100) + "'";
}

[[noreturn]] void invalid(const TensorProto &tensor, const std::string &why) {
  throw Error({.code = ErrorCode::Diagnostics}, shown(tensor) + ": " + why);
}

/// The sizes, whose product is in `elements`.
std::vector<int64_t> checkedSizes(const TensorProto &tensor, const OnnxLimits &limits,
                                  int64_t &elements) {
  auto exceeded = [&](const std::string &what, int64_t limit) {
    throw Error({.code = ErrorCode::Limit},
                shown(tensor) + ": " + what + " exceeds the limit " + std::to_string(limit));
  };
  if (tensor.dims_size() > limits.rank)
    exceeded("rank " + std::to_string(tensor.dims_size()), limits.rank);
  std::vector<int64_t> sizes(tensor.dims().begin(), tensor.dims().end());
  elements = 1;
  bool empty = false;
  for (int64_t size : sizes) {
    if (size < 0)
      invalid(tensor, "size " + std::to_string(size) + " is negative");
    empty |= size == 0;
    if (size == 0)
      continue;
    // A size of 0 does not excuse the others: their product must stay a number.
    std::optional<int64_t> product = checkedMul(elements, size);
    if (!product || *product > limits.elements)
      exceeded("the number of its elements", limits.elements);
    elements = *product;
  }
  if (empty)
    elements = 0;
  return sizes;
}

/// Copies the low `width` bytes of each number (little-endian, as raw data is).
template <typename Field> void copyLowBytes(const Field &numbers, char *out, size_t width) {
  for (auto number : numbers) {
    std::memcpy(out, &number, width);
    out += width;
  }
}

/// Which typed field holds a data type is fixed by the format; typedCount() values are copied.
void copyTyped(const TensorProto &tensor, const Array &array) {
  auto *out = static_cast<char *>(array.data());
  auto width = static_cast<size_t>(byteSize(array.dtype()));
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
    return copyLowBytes(tensor.float_data(), out, width);
  case TensorProto::DOUBLE:
    return copyLowBytes(tensor.double_data(), out, width);
  case TensorProto::INT64:
    return copyLowBytes(tensor.int64_data(), out, width);
  case TensorProto::UINT32:
  case TensorProto::UINT64:
    return copyLowBytes(tensor.uint64_data(), out, width);
  default:
    return copyLowBytes(tensor.int32_data(), out, width);
  }
}

int64_t typedCount(const TensorProto &tensor) {
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
    return tensor.float_data_size();
  case TensorProto::DOUBLE:
    return tensor.double_data_size();
  case TensorProto::INT64:
    return tensor.int64_data_size();
  case TensorProto::UINT32:
  case TensorProto::UINT64:
    return tensor.uint64_data_size();
  default:
    return tensor.int32_data_size();
  }
}

struct ExternalEntry {
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

ExternalEntry externalEntry(const TensorProto &tensor) {
  ExternalEntry entry;
  auto number = [&](const std::string &text) {
    int64_t value = 0;
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || value < 0)
      invalid(tensor, "external data: '" + text.substr(0, 40) + "' is not a number of bytes");
    return value;
  };
  for (const proto::StringStringEntryProto &pair : tensor.external_data()) {
    if (pair.key() == "location")
      entry.location = pair.value();
    else if (pair.key() == "offset")
      entry.offset = number(pair.value());
    else if (pair.key() == "length")
      entry.length = number(pair.value());
  }
  return entry;
}

/// A boolean is 0 or 1 wherever it comes from.
void normalizeBooleans(const Array &array) {
  if (array.dtype() != boolean)
    return;
  auto *bytes = static_cast<uint8_t *>(array.data());
  for (int64_t i = 0, count = array.numElements(); i < count; ++i)
    bytes[i] = bytes[i] != 0;
}

} // namespace

std::optional<DType> toDType(int dataType) {
  const TypeName *entry = find(dataType);
  return entry ? parseDType(entry->ours) : std::nullopt;
}

std::string dataTypeName(int dataType) {
  const TypeName *entry = find(dataType);
  return entry ? std::string(entry->onnx) : "data type " + std::to_string(dataType);
}

DType requireDType(int dataType) {
  if (std::optional<DType> dtype = toDType(dataType))
    return *dtype;
  if (!find(dataType))
    throw Error({.code = ErrorCode::Diagnostics}, dataType == 0
                                                      ? std::string("the element type is not given")
                                                      : "there is no " + dataTypeName(dataType));
  throw Error({.kind = ErrorKind::Unsupported}, "elements of type " + dataTypeName(dataType));
}

Array toArray(const TensorProto &tensor, const OnnxLimits &limits, ExternalFolder *folder) {
  int64_t elements = 0;
  std::vector<int64_t> sizes = checkedSizes(tensor, limits, elements);
  DType dtype = boolean;
  try {
    dtype = requireDType(tensor.data_type());
  } catch (const Error &error) {
    throw Error({.kind = error.kind(), .code = error.code()},
                shown(tensor) + ": " + error.message());
  }
  if (tensor.has_segment())
    throw Error({.kind = ErrorKind::Unsupported}, shown(tensor) + ": data in segments");
  std::optional<int64_t> bytes = checkedMul(elements, byteSize(dtype));
  if (!bytes)
    invalid(tensor, "its size overflows");
  bool raw = tensor.has_raw_data();
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    if (raw || typedCount(tensor) != 0)
      invalid(tensor, "has data here and in a file");
    if (!folder)
      invalid(tensor, "external data is not allowed here");
    ExternalEntry entry = externalEntry(tensor);
    folder->check(entry.location, entry.offset, entry.length, *bytes);
    Array array(dtype, std::move(sizes));
    folder->read(entry.location, entry.offset, array.data(), *bytes);
    normalizeBooleans(array);
    return array;
  }
  if (raw && typedCount(tensor) != 0)
    invalid(tensor, "has raw and typed data");
  int64_t have = raw ? static_cast<int64_t>(tensor.raw_data().size()) : typedCount(tensor);
  int64_t want = raw ? *bytes : elements;
  if (have != want)
    invalid(tensor, "holds " + std::to_string(have) + (raw ? " bytes" : " values") +
                        ", its sizes " + "say " + std::to_string(want));
  Array array(dtype, std::move(sizes));
  if (raw)
    std::memcpy(array.data(), tensor.raw_data().data(), static_cast<size_t>(*bytes));
  else
    copyTyped(tensor, array);
  normalizeBooleans(array);
  return array;
}

} // namespace sinter::onnx
