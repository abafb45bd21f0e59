// SPDX-License-Identifier: Apache-2.0
// What the frontend's tests share.
#pragma once

#include "sinter/frontend/Graph.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

/// The error that `body` throws, if any.
inline std::optional<sinter::Error> errorOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const sinter::Error &error) {
    return error;
  }
  return std::nullopt;
}

/// The statement throws a User error that names `op` and contains `text`, at this very line.
#define EXPECT_MISTAKE(opName, text, ...)                                                          \
  do {                                                                                             \
    std::optional<sinter::Error> error = errorOf([&] { (void)(__VA_ARGS__); });                    \
    ASSERT_TRUE(error) << "no error: " #__VA_ARGS__;                                               \
    EXPECT_EQ(error->kind(), sinter::ErrorKind::User) << error->what();                            \
    EXPECT_EQ(error->op(), opName) << error->what();                                               \
    EXPECT_NE(std::string(error->what()).find(text), std::string::npos) << error->what();          \
    EXPECT_EQ(error->location().file, __FILE__) << error->what();                                  \
    EXPECT_EQ(error->location().line, static_cast<unsigned>(__LINE__)) << error->what();           \
    EXPECT_NE(error->location().column, 0u) << error->what();                                      \
  } while (false)

/// How often `what` occurs in `text`.
inline int countOf(const std::string &text, const std::string &what) {
  int count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}
