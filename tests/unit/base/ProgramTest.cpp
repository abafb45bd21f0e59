// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"

#include <gtest/gtest.h>

using namespace sinter;

namespace {

TEST(ProgramTest, TableHoldsDimsThenDerivedEntries) {
  Program program;
  program.dims = {"M", "N"};
  program.table = {dim("N") * dim("M"), ceilDiv(dim("N"), 4) * dim(workersSymbol)};
  EXPECT_EQ(evaluateTable(program, {{"N", 10}, {"M", 3}}, 2), (std::vector<int64_t>{3, 10, 30, 6}));
  program.dims.push_back(workersSymbol);
  EXPECT_EQ(evaluateTable(program, {{"N", 0}, {"M", 3}}, 7), (std::vector<int64_t>{3, 0, 7, 0, 0}));
}

TEST(ProgramTest, TableErrorsNameTheDimension) {
  Program program;
  program.dims = {"M", "N"};
  program.table = {dim("N") * dim("M")};
  auto message = [&](const DimBinding &binding) {
    try {
      evaluateTable(program, binding, 1);
    } catch (const Error &error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(message({{"M", 1}}), "dimension 'N' has no value");
  EXPECT_EQ(message({{"M", -2}, {"N", 1}}), "dimension 'M' is negative: -2");
  program.table.push_back(dim("N") - 4);
  EXPECT_EQ(message({{"M", 2}, {"N", 1}}), "the size N - 4 is -3 for M = 2, N = 1");
  program.table.pop_back();
  try {
    evaluateTable(program, {{"M", int64_t{1} << 40}, {"N", int64_t{1} << 40}}, 1);
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::Limit);
    EXPECT_NE(error.message().find("M*N"), std::string::npos);
  }
  EXPECT_THROW(evaluateTable(program, {{"M", 1}, {"N", 1}}, 0), Error);
}

} // namespace
