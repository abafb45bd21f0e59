// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramText.h"
#include "sinter/codegen/ProgramTextFields.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/TargetInfo.h"

#include <cstring>

namespace sinter {

namespace programtext {

namespace {

constexpr std::array<std::string_view, 4> bufferNames = {"argument", "result", "arena", "constant"};

// What the driver of any GPU refuses is refused here.
constexpr int64_t mostThreads = 1024, mostShared = 1 << 20, mostCluster = 16, mostMapDims = 5,
                  mostBox = 256, mostBytes = int64_t{1} << 40;

void write(Writer &out, const TensorMap &map) {
  out.number(map.buffer).word(name(map.dtype)).number(static_cast<int64_t>(map.sizes.size()));
  for (const DimExpr &size : map.sizes)
    out.quoted(size.str());
  for (const DimExpr &stride : map.strides)
    out.quoted(stride.str());
  for (int64_t elements : map.box)
    out.number(elements);
  out.number(map.swizzleBytes);
}

TensorMap readMap(Reader &reader) {
  TensorMap map;
  map.buffer = static_cast<int>(reader.number(0, INT32_MAX));
  map.dtype = reader.dtype();
  const int64_t rank = reader.number(1, mostMapDims);
  for (int64_t d = 0; d < rank; ++d)
    map.sizes.push_back(reader.expression());
  for (int64_t d = 1; d < rank; ++d)
    map.strides.push_back(reader.expression());
  for (int64_t d = 0; d < rank; ++d)
    map.box.push_back(reader.number(1, mostBox));
  map.swizzleBytes = reader.number(0, 128);
  if (map.swizzleBytes != 0 && map.swizzleBytes != 32 && map.swizzleBytes != 64 &&
      map.swizzleBytes != 128)
    reader.fail("no swizzle of a copy engine");
  return map;
}

Launch readLaunch(Reader &reader) {
  Launch launch;
  launch.kernel = static_cast<int>(reader.number(0, INT32_MAX));
  launch.stage = static_cast<int>(reader.number(0, INT32_MAX));
  for (int64_t count = reader.number(0, INT32_MAX); count > 0; --count)
    launch.buffers.push_back(static_cast<int>(reader.number(0, INT32_MAX)));
  for (DimExpr *size :
       {&launch.extent, &launch.grain, &launch.bytesMoved, &launch.flops, &launch.grid.blocks})
    *size = reader.expression();
  launch.grid.threads = reader.number(0, mostThreads);
  if (launch.grid.threads % 32 != 0)
    reader.fail("a block that is not of whole warps");
  launch.grid.sharedBytes = reader.number(0, mostShared);
  launch.grid.cluster = reader.number(1, mostCluster);
  for (int64_t count = reader.number(0, INT32_MAX); count > 0; --count)
    launch.grid.maps.push_back(readMap(reader));
  return launch;
}

/// Where the next image or constant starts.
size_t nextStart(size_t end) {
  constexpr auto alignment = static_cast<size_t>(bufferAlignment);
  return (end + alignment - 1) / alignment * alignment;
}

} // namespace

bool isForGpu(const Program &program) { return program.target.starts_with("cuda"); }

void writeSteps(Writer &out, const Program &program) {
  for (const std::string &image : program.images)
    out.keyword("image").number(static_cast<int64_t>(image.size())).end();
  for (const Array &constant : program.constants) {
    out.keyword("constant").word(name(constant.dtype())).number(constant.rank());
    for (int64_t size : constant.sizes())
      out.number(size);
    out.end();
  }
  for (const Buffer &buffer : program.buffers)
    out.keyword("buffer")
        .word(bufferNames[static_cast<size_t>(buffer.kind)])
        .number(buffer.index)
        .quoted(buffer.offset.str())
        .quoted(buffer.bytes.str())
        .quoted(buffer.name)
        .end();
  for (const Step &step : program.steps) {
    if (const auto *copy = std::get_if<Copy>(&step)) {
      out.keyword("copy").number(copy->from).number(copy->to).quoted(copy->bytes.str()).end();
      continue;
    }
    const auto &launch = std::get<Launch>(step);
    out.keyword("launch").number(launch.kernel).number(launch.stage);
    out.number(static_cast<int64_t>(launch.buffers.size()));
    for (int buffer : launch.buffers)
      out.number(buffer);
    for (const DimExpr *size :
         {&launch.extent, &launch.grain, &launch.bytesMoved, &launch.flops, &launch.grid.blocks})
      out.quoted(size->str());
    out.number(launch.grid.threads).number(launch.grid.sharedBytes).number(launch.grid.cluster);
    out.number(static_cast<int64_t>(launch.grid.maps.size()));
    for (const TensorMap &map : launch.grid.maps)
      write(out, map);
    out.end();
  }
}

bool readStepRecord(Program &program, DataSizes &data, Reader &reader, std::string_view keyword) {
  if (keyword == "image") {
    data.images.push_back(reader.number(1, mostBytes));
  } else if (keyword == "constant") {
    DataSizes::Constant constant{reader.dtype(), {}, 0};
    int64_t bytes = byteSize(constant.dtype);
    for (int64_t rank = reader.number(0, 64); rank > 0; --rank) {
      constant.sizes.push_back(reader.number(0, mostBytes));
      if (__builtin_mul_overflow(bytes, constant.sizes.back(), &bytes) || bytes > mostBytes)
        reader.fail("a constant that is too large");
    }
    constant.bytes = bytes;
    data.constants.push_back(std::move(constant));
  } else if (keyword == "buffer") {
    Buffer &buffer = program.buffers.emplace_back();
    buffer.kind = static_cast<Buffer::Kind>(reader.oneOf(bufferNames));
    buffer.index = static_cast<int>(reader.number(0, INT32_MAX));
    buffer.offset = reader.expression();
    buffer.bytes = reader.expression();
    buffer.name = reader.quoted();
  } else if (keyword == "copy") {
    Copy copy;
    copy.from = static_cast<int>(reader.number(0, INT32_MAX));
    copy.to = static_cast<int>(reader.number(0, INT32_MAX));
    copy.bytes = reader.expression();
    program.steps.emplace_back(std::move(copy));
  } else if (keyword == "launch") {
    program.steps.emplace_back(readLaunch(reader));
  } else {
    return false;
  }
  return true;
}

void checkSteps(const Program &program, const DataSizes &data, bool expected, size_t line,
                const std::function<void(const DimExpr &)> &requireBound) {
  auto requireSize = [&](const DimExpr &size) {
    requireBound(size);
    if (size.constant().value_or(0) < 0)
      malformed(line, "a negative size");
  };
  auto requireIndex = [&](int index, size_t count, const char *what) {
    if (index < 0 || static_cast<size_t>(index) >= count)
      malformed(line, std::string("a ") + what + " that does not exist");
  };
  if (!expected) {
    if (!program.steps.empty() || !program.buffers.empty() || !data.images.empty() ||
        !data.constants.empty())
      malformed(line, "steps in a program for a CPU");
    return;
  }
  const bool hasGrids = isForGpu(program);
  for (const Kernel &kernel : program.kernels) {
    if (hasGrids)
      requireIndex(kernel.image, data.images.size(), "image");
    if (kernel.symbol.empty() || kernel.symbol.find('\0') != std::string::npos)
      malformed(line, "a kernel without a name");
  }
  for (const Buffer &buffer : program.buffers) {
    requireSize(buffer.offset);
    requireSize(buffer.bytes);
    if (buffer.kind == Buffer::Kind::Argument)
      requireIndex(buffer.index, program.arguments.size(), "argument");
    else if (buffer.kind == Buffer::Kind::Result)
      requireIndex(buffer.index, program.results.size(), "result");
    else if (buffer.kind == Buffer::Kind::Constant)
      requireIndex(buffer.index, data.constants.size(), "constant");
  }
  for (const Step &step : program.steps) {
    if (const auto *copy = std::get_if<Copy>(&step)) {
      requireIndex(copy->from, program.buffers.size(), "buffer");
      requireIndex(copy->to, program.buffers.size(), "buffer");
      requireSize(copy->bytes);
      continue;
    }
    const auto &launch = std::get<Launch>(step);
    requireIndex(launch.kernel, program.kernels.size(), "kernel");
    for (int buffer : launch.buffers)
      requireIndex(buffer, program.buffers.size(), "buffer");
    for (const DimExpr *size :
         {&launch.extent, &launch.grain, &launch.bytesMoved, &launch.flops, &launch.grid.blocks})
      requireSize(*size);
    if (hasGrids && launch.grid.threads == 0)
      malformed(line, "a launch without threads");
    for (const TensorMap &map : launch.grid.maps) {
      requireIndex(map.buffer, launch.buffers.size(), "parameter");
      for (const DimExpr &size : map.sizes)
        requireSize(size);
      for (const DimExpr &stride : map.strides)
        requireSize(stride);
    }
  }
}

void readData(Program &program, const DataSizes &sizes, std::string_view data, size_t line) {
  size_t end = 0;
  auto next = [&](int64_t bytes) {
    const size_t start = nextStart(end);
    if (start > data.size() || static_cast<size_t>(bytes) > data.size() - start)
      malformed(line, "its images and constants are cut off");
    end = start + static_cast<size_t>(bytes);
    return data.substr(start, static_cast<size_t>(bytes));
  };
  for (int64_t bytes : sizes.images)
    program.images.emplace_back(next(bytes));
  for (const DataSizes::Constant &constant : sizes.constants) {
    std::string_view bytes = next(constant.bytes);
    Array &array = program.constants.emplace_back(constant.dtype, constant.sizes);
    if (!bytes.empty())
      std::memcpy(array.data(), bytes.data(), bytes.size());
  }
  if (end != data.size())
    malformed(line, "more data than it has images and constants");
}

std::string stepData(const Program &program) {
  std::string data;
  for (const std::string &image : program.images) {
    data.resize(nextStart(data.size()));
    data += image;
  }
  for (const Array &constant : program.constants) {
    data.resize(nextStart(data.size()));
    Array dense = constant.contiguous();
    data.append(static_cast<const char *>(dense.data()), static_cast<size_t>(dense.numBytes()));
  }
  return data;
}

} // namespace programtext

std::string programData(const Program &program) {
  return programtext::isForGpu(program) ? programtext::stepData(program) : "";
}

} // namespace sinter
