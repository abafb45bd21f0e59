// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/ModelFile.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <limits>

namespace sinter::onnx {
namespace {

// -- Which fields are messages --------------------------------------------------------------------

constexpr int64_t maxMessage = std::numeric_limits<int32_t>::max(); ///< Of protobuf.

/// The kinds of messages whose fields are looked at; what a Leaf holds takes little more memory
/// than its bytes.
enum class Kind : uint8_t {
  Model,
  Graph,
  Node,
  Attribute,
  Function,
  Training,
  Tensor,
  SparseTensor,
  ValueInfo,
  Type,
  TensorType,
  Sequence, ///< Or an optional.
  Map,
  Shape,
  Annotation,
  Device,
  Sharding,
  ShardedDim,
  Leaf,
};

struct Child {
  Kind parent;
  uint32_t field;
  Kind kind;
};

constexpr Child children[] = {
    {Kind::Model, 7, Kind::Graph},
    {Kind::Model, 20, Kind::Training},
    {Kind::Model, 25, Kind::Function},
    {Kind::Training, 1, Kind::Graph},
    {Kind::Training, 2, Kind::Graph},
    {Kind::Graph, 1, Kind::Node},
    {Kind::Graph, 5, Kind::Tensor},
    {Kind::Graph, 11, Kind::ValueInfo},
    {Kind::Graph, 12, Kind::ValueInfo},
    {Kind::Graph, 13, Kind::ValueInfo},
    {Kind::Graph, 14, Kind::Annotation},
    {Kind::Graph, 15, Kind::SparseTensor},
    {Kind::Node, 5, Kind::Attribute},
    {Kind::Node, 10, Kind::Device},
    {Kind::Attribute, 5, Kind::Tensor},
    {Kind::Attribute, 6, Kind::Graph},
    {Kind::Attribute, 10, Kind::Tensor},
    {Kind::Attribute, 11, Kind::Graph},
    {Kind::Attribute, 14, Kind::Type},
    {Kind::Attribute, 15, Kind::Type},
    {Kind::Attribute, 22, Kind::SparseTensor},
    {Kind::Attribute, 23, Kind::SparseTensor},
    {Kind::Function, 7, Kind::Node},
    {Kind::Function, 11, Kind::Attribute},
    {Kind::Function, 12, Kind::ValueInfo},
    {Kind::SparseTensor, 1, Kind::Tensor},
    {Kind::SparseTensor, 2, Kind::Tensor},
    {Kind::ValueInfo, 2, Kind::Type},
    {Kind::Type, 1, Kind::TensorType},
    {Kind::Type, 4, Kind::Sequence},
    {Kind::Type, 5, Kind::Map},
    {Kind::Type, 8, Kind::TensorType},
    {Kind::Type, 9, Kind::Sequence},
    {Kind::TensorType, 2, Kind::Shape},
    {Kind::Sequence, 1, Kind::Type},
    {Kind::Map, 2, Kind::Type},
    {Kind::Device, 2, Kind::Sharding},
    {Kind::Sharding, 4, Kind::ShardedDim},
};

Kind childOf(Kind parent, uint32_t field) {
  for (const Child &child : children)
    if (child.parent == parent && child.field == field)
      return child.kind;
  return Kind::Leaf;
}

// -- The walk -------------------------------------------------------------------------------------

class Scanner {
public:
  Scanner(std::string_view bytes, const OnnxLimits &limits, const std::string &file)
      : bytes(bytes), limits(limits), file(file) {}

  void run() {
    ends.push_back({bytes.size(), Kind::Model});
    while (!ends.empty()) {
      if (at == ends.back().end)
        ends.pop_back();
      else
        field();
    }
  }

private:
  struct Open {
    size_t end;
    Kind kind;
  };

  [[noreturn]] void malformed(const std::string &why) const {
    throw Error({.code = ErrorCode::Diagnostics}, file + ": not an ONNX model, or damaged: " + why +
                                                      " at byte " + std::to_string(at));
  }
  [[noreturn]] void exceeded(const std::string &what, int64_t limit) const {
    throw Error({.code = ErrorCode::Limit},
                file + ": " + what + " more than " + std::to_string(limit));
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == ends.back().end)
        malformed("a number is cut short");
      auto byte = static_cast<uint8_t>(bytes[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80)
        return value;
    }
    malformed("a number is too long");
  }

  void skip(uint64_t count) {
    if (count > ends.back().end - at)
      malformed("a field of " + std::to_string(count) + " bytes is cut short");
    at += count;
  }

  void field() {
    if (++fields > limits.fields)
      exceeded("its messages have", limits.fields);
    uint64_t tag = varint();
    auto number = static_cast<uint32_t>(tag >> 3);
    if (number == 0 || tag >> 32 != 0)
      malformed("no field has number 0");
    switch (tag & 7) {
    case 0:
      varint();
      return;
    case 1:
      skip(8);
      return;
    case 5:
      skip(4);
      return;
    case 2:
      lengthDelimited(number);
      return;
    default:
      malformed("an unknown kind of field");
    }
  }

  void lengthDelimited(uint32_t number) {
    uint64_t length = varint();
    Kind parent = ends.back().kind, kind = childOf(parent, number);
    if (kind == Kind::Node && ++nodes > limits.nodes)
      exceeded("it has", limits.nodes);
    size_t start = at;
    skip(length);
    if (kind == Kind::Leaf)
      return;
    if (static_cast<int64_t>(ends.size()) >= limits.messageDepth)
      exceeded("its messages nest", limits.messageDepth);
    at = start;
    ends.push_back({start + static_cast<size_t>(length), kind});
  }

  std::string_view bytes;
  const OnnxLimits &limits;
  const std::string &file;
  size_t at = 0;
  int64_t fields = 0, nodes = 0;
  std::vector<Open> ends;
};

} // namespace

void scanModel(std::string_view bytes, const OnnxLimits &limits, const std::string &file) {
  Scanner(bytes, limits, file).run();
}

proto::ModelProto decodeModel(std::string_view bytes, const OnnxLimits &limits,
                              const std::string &file) {
  if (static_cast<int64_t>(bytes.size()) > std::min<int64_t>(limits.fileBytes, maxMessage))
    throw Error({.code = ErrorCode::Limit}, file + ": larger than the limit");
  scanModel(bytes, limits, file);
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t *>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  // The scan saw the messages that nest; leaves add a few levels.
  stream.SetRecursionLimit(static_cast<int>(limits.messageDepth) + 16);
  proto::ModelProto model;
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    throw Error({.code = ErrorCode::Diagnostics}, file + ": not an ONNX model, or damaged");
  return model;
}

proto::ModelProto readModel(const std::filesystem::path &path, const OnnxLimits &limits) {
  return decodeModel(readFile(path, limits.fileBytes), limits, path.string());
}

} // namespace sinter::onnx
