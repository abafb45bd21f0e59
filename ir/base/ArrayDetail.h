// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <limits>
#include <type_traits>

#pragma GCC visibility push(default)
namespace sinter {

/// The conversion behind at(), toVector() and cast(), defined for every value: to bool it is != 0;
/// from a float to an integer it rounds towards zero, saturates, and turns NaN into 0; between
/// integers it keeps the low bits.
template <typename To, typename From> To convertElement(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (isFloat16<From>) {
    return convertElement<To>(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // The limits are powers of two (or one less, which rounds up to one), so comparing is exact.
    constexpr auto low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr auto high = static_cast<From>(std::numeric_limits<To>::max());
    if (value != value)
      return 0;
    if (value <= low)
      return std::numeric_limits<To>::min();
    if (value >= high)
      return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// Reads an element; a bool may be stored as any nonzero byte in memory that we do not own.
template <typename Stored> Stored loadElement(const void *address) {
  if constexpr (std::is_same_v<Stored, bool>)
    return *static_cast<const uint8_t *>(address) != 0;
  else
    return *static_cast<const Stored *>(address);
}

template <typename T> Array Array::from(const std::vector<T> &values, std::vector<int64_t> sizes) {
  Array array(dtypeOf<T>(), std::move(sizes));
  if (array.numElements() != static_cast<int64_t>(values.size()))
    throw Error({.shapes = {Shape(array.dims)}},
                std::to_string(values.size()) + " values do not fill the array");
  auto *out = static_cast<T *>(array.origin);
  for (size_t i = 0; i < values.size(); ++i)
    out[i] = values[i];
  return array;
}

template <typename Fn> void Array::forEachElement(Fn &&fn) const {
  int64_t left = numElements();
  if (left == 0)
    return;
  int64_t width = byteSize(type);
  std::vector<int64_t> index(dims.size(), 0);
  const char *element = static_cast<const char *>(origin);
  while (true) {
    fn(static_cast<const void *>(element));
    if (--left == 0)
      return;
    // Odometer: the innermost axis that is not at its end advances, those inside it rewind.
    for (size_t axis = dims.size(); axis-- > 0;) {
      element += steps[axis] * width;
      if (++index[axis] < dims[axis])
        break;
      element -= steps[axis] * width * dims[axis];
      index[axis] = 0;
    }
  }
}

template <typename T> T Array::at(const std::vector<int64_t> &index) const {
  const void *element = elementAt(index);
  return dispatch(
      type, [&](auto zero) { return convertElement<T>(loadElement<decltype(zero)>(element)); });
}

template <typename T> T Array::item() const {
  if (numElements() != 1)
    throw Error({.op = "item", .shapes = {Shape(dims)}}, "the array must have exactly one element");
  return at<T>(std::vector<int64_t>(dims.size(), 0));
}

template <typename T> std::vector<T> Array::toVector() const {
  std::vector<T> values;
  values.reserve(static_cast<size_t>(numElements()));
  dispatch(type, [&](auto zero) {
    forEachElement([&](const void *element) {
      values.push_back(convertElement<T>(loadElement<decltype(zero)>(element)));
    });
  });
  return values;
}

} // namespace sinter
#pragma GCC visibility pop
