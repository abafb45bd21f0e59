// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/Executable.h"

#include <gtest/gtest.h>

#include <string>

namespace sinter::test {

/// y[i] = x[i] . w + table[label[i]]; count: number of rows; w' = w + y.sum() in an updating
/// program. x: f32[N, M], label: i32[N], w: parameter f32[M], table: parameter f32[3]. Written as C
/// functions in place of generated code.
std::shared_ptr<Program> rowsProgram(bool updates);
Executable rowsExecutable(bool updates, std::shared_ptr<Device> device = CpuDevice::shared(2));
/// The same by way of the interpreter hook.
Executable rowsInterpreter(bool updates);

/// c[0] = a[0] + b[0] on f32[1], without State.
Executable addExecutable();

/// Runs `call`, which must throw Error; returns what() after checking kind and code.
template <typename Fn>
std::string errorOf(Fn &&call, ErrorKind kind = ErrorKind::User,
                    ErrorCode code = ErrorCode::Diagnostics) {
  try {
    call();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

} // namespace sinter::test
