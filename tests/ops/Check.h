// SPDX-License-Identifier: Apache-2.0
// Checks one row of the op table; every answer is a list of what is wrong.
#pragma once

#include "sinter/runtime/Session.h"
#include "tests/ops/Row.h"

#include <functional>
#include <string>
#include <vector>

namespace sinter::ops {

using Failures = std::vector<std::string>;

/// Results against the oracle, over the row's cases, at several values of the named dim N, with
/// guard bytes around every buffer.
Failures checkForward(const Row &row, DType dtype, Engine engine, const Target &target = {});
/// The same in several dtypes at once: one graph, which costs fewer runs of compilers.
Failures checkForward(const Row &row, const std::vector<DType> &dtypes, Engine engine,
                      const Target &target = {});
inline Failures checkForward(const Row &row, Engine engine, const Target &target = {}) {
  return checkForward(row, row.dtypes, engine, target);
}

/// Reverse and forward mode in `dtype`, away from kinks, along a random direction v and a random
/// cotangent u:
///
///   ⟨Jv, u⟩ = ⟨v, Jᵀu⟩, up to the roundings of the dtype
///   Jv = (f(x + hv) − f(x − hv)) / 2h, for each element, in f64
///   d(Jᵀu)v by gradients of gradients, likewise against differences of Jᵀu, in f64 and for rows
///   with second derivatives; and equal to it by jvp of gradients and gradients of jvp; and
///   ⟨jvp of jvp, u⟩ = ⟨d(Jᵀu)v, v⟩
/// `forward` is sinter::jvp, or another one to show that a wrong one is caught.
using ForwardMode =
    std::function<Tensors(const Tensors &ys, const Tensors &xs, const Tensors &tangents)>;
Tensors forwardMode(const Tensors &ys, const Tensors &xs, const Tensors &tangents);
Failures checkDerivatives(const Row &row, DType dtype, Engine engine,
                          const ForwardMode &forward = forwardMode, const Target &target = {});
/// The same in several dtypes at once.
Failures checkDerivatives(const Row &row, const std::vector<DType> &dtypes, Engine engine,
                          const ForwardMode &forward = forwardMode, const Target &target = {});

/// The float dtypes that checkDerivatives() tries a row on: those of the row, and f64.
std::vector<DType> derivativeDTypes(const Row &row);

} // namespace sinter::ops
