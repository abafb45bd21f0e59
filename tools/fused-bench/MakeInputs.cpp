// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/MakeInputs.h"

#include "sinter/ir/base/Float16.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {
namespace {

template <typename T> void fillSmoothly(T *values, int64_t count, size_t number) {
  double step = 0.37 + 0.11 * static_cast<double>(number);
  // A rotation is much cheaper than a sine per element.
  double c = std::cos(step), s = std::sin(step), x = 1, y = 0;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<T>(static_cast<float>(x + 0.25 * y));
    double turned = x * c - y * s;
    y = x * s + y * c;
    x = turned;
  }
}

void fillBelow(int32_t *values, int64_t count, int64_t range) {
  for (int64_t i = 0; i < count; ++i) {
    auto bits = static_cast<uint64_t>(i + 1) * 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 32)) * 0xd6e8feb86659fd93;
    values[i] = static_cast<int32_t>((bits >> 32) % static_cast<uint64_t>(range));
  }
}

Array fill(Array array, size_t number, int64_t range) {
  int64_t count = array.numElements();
  if (array.dtype() == i32)
    fillBelow(array.as<int32_t>(), count, range);
  else if (array.dtype() == bf16)
    fillSmoothly(array.as<BFloat16>(), count, number);
  else
    fillSmoothly(array.as<float>(), count, number);
  return array;
}

/// In the device's memory, as large arrays of a program would be.
Array allocate(Device &device, const Argument &argument) {
  std::vector<int64_t> sizes = argument.shape.evaluate({}).value();
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  std::shared_ptr<void> block = device.allocate(count * byteSize(argument.dtype));
  return Array::wrap(block.get(), argument.dtype, sizes, {}, block);
}

} // namespace

std::vector<NamedArrays::Entry> makeInputs(Device &device, const Program &program,
                                           const Ranges &ranges) {
  constexpr int64_t defaultRange = 10;
  std::vector<NamedArrays::Entry> inputs;
  for (const Argument &argument : program.arguments) {
    if (argument.kind != ArgumentKind::Placeholder)
      continue;
    auto range = ranges.find(argument.name);
    inputs.emplace_back(argument.name, fill(allocate(device, argument), inputs.size(),
                                            range == ranges.end() ? defaultRange : range->second));
  }
  return inputs;
}

} // namespace sinter::tools
