// SPDX-License-Identifier: Apache-2.0
// Checks one row of the op table; every answer is a list of what is wrong.
#pragma once

#include "sinter/runtime/Session.h"
#include "tests/ops/Row.h"

#include <string>
#include <vector>

namespace sinter::ops {

using Failures = std::vector<std::string>;

/// Results against the oracle, over the row's dtypes and cases, at several values of the named dim
/// N, with guard bytes around every buffer.
Failures checkForward(const Row &row, Engine engine, const Target &target = {});

/// ⟨vjp(u), v⟩ against ⟨u, (f(x + hv) − f(x − hv)) / 2h⟩ in f64 away from kinks; the same for the
/// derivative of the gradient where the row has one.
Failures checkGradient(const Row &row, Engine engine);

} // namespace sinter::ops
