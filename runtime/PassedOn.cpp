// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/PassedOn.h"

#include "sinter/ir/base/Error.h"
#include "sinter/runtime/SizeInference.h"

#include <cmath>
#include <map>

namespace sinter {
namespace {

/// The flat position of what is no number; -1 for none.
int64_t findBad(const Array &array, bool mayBeInfinite) {
  const Array values = array.contiguous();
  return dispatch(values.dtype(), [&](auto zero) -> int64_t {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = 0, n = values.numElements(); i < n; ++i) {
        auto value = static_cast<double>(values.as<T>()[i]);
        if (mayBeInfinite ? std::isnan(value) : !std::isfinite(value))
          return i;
      }
    return -1;
  });
}

std::string indexText(int64_t position, const std::vector<int64_t> &sizes) {
  std::vector<int64_t> index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0; position /= sizes[d])
    index[d] = position % sizes[d];
  return Shape(index).str();
}

} // namespace

PassedOn::PassedOn(const Program &program) {
  // The buffers that hold what came in, and as what.
  std::map<int, int> given;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer &buffer = program.buffers[i];
    if (buffer.kind == Buffer::Kind::Argument)
      given[static_cast<int>(i)] = buffer.index;
    if (buffer.kind == Buffer::Kind::Constant)
      given[static_cast<int>(i)] = -1;
  }
  for (const Step &step : program.steps) {
    auto *copy = std::get_if<Copy>(&step);
    auto from = copy ? given.find(copy->from) : given.end();
    if (from == given.end())
      continue;
    const int argument = from->second;
    const Buffer &to = program.buffers[static_cast<size_t>(copy->to)];
    if (to.kind == Buffer::Kind::Arena)
      given[copy->to] = argument;
    for (size_t i = 0; i < program.results.size(); ++i)
      if ((to.kind == Buffer::Kind::Result && to.index == static_cast<int>(i)) ||
          (to.kind == Buffer::Kind::Argument && to.index == program.results[i].updates))
        entries.push_back({i, argument});
  }
}

void PassedOn::requireNumbers(const Program &program, const std::vector<Array> &arguments,
                              const std::vector<Array> &results) const {
  for (const Entry &entry : entries) {
    const Result &result = program.results[entry.result];
    const Argument *source =
        entry.argument < 0 ? nullptr : &program.arguments[static_cast<size_t>(entry.argument)];
    // A variable's new value may be on a device only; what it was set to is not.
    const bool isUpdate = result.updates >= 0;
    if (isUpdate && (!source || source->kind != ArgumentKind::Placeholder))
      continue;
    const Array &array =
        isUpdate ? arguments[static_cast<size_t>(entry.argument)] : results[entry.result];
    const int64_t at = findBad(array, /*mayBeInfinite=*/!source);
    if (at < 0)
      continue;
    const auto value = array.reshape({-1}).at({at});
    throw Error({.kind = ErrorKind::User,
                 .op = "call",
                 .location = source ? source->location : result.location},
                (source ? describe(*source) : "a constant") + " holds " +
                    (std::isnan(value) ? "NaN"
                     : value < 0       ? "-inf"
                                       : "inf") +
                    ", element " + indexText(at, array.sizes()) + " of " +
                    std::string(name(array.dtype())) + Shape(array.sizes()).str() +
                    ", and is passed on as it is");
  }
}

} // namespace sinter
