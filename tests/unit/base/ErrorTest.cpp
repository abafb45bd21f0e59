// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/DType.h"

#include <gtest/gtest.h>

using namespace sinter;

namespace {

TEST(ErrorTest, SaysEverythingItKnows) {
  Error error({.op = "matmul",
               .shapes = {Shape({dim("N"), 784}), Shape({10})},
               .location = SourceLoc("model.cpp", 12, 7),
               .hint = "transpose the second operand"},
              "the inner sizes differ");
  EXPECT_STREQ(error.what(), "model.cpp:12:7: error: matmul: the inner sizes differ; shapes "
                             "[N, 784] and [10]\n  hint: transpose the second operand");
  EXPECT_EQ(error.message(), "the inner sizes differ");
  EXPECT_EQ(error.op(), "matmul");
  EXPECT_EQ(error.shapes().size(), 2u);
}

TEST(ErrorTest, LeavesOutWhatItDoesNotKnow) {
  EXPECT_STREQ(Error("no outputs").what(), "error: no outputs");
  EXPECT_STREQ(Error("bad", SourceLoc("a.cpp", 3)).what(), "a.cpp:3: error: bad");
  EXPECT_STREQ(Error({.shapes = {Shape()}}, "bad").what(), "error: bad; shape []");
  EXPECT_STREQ(Error({.shapes = {Shape({1}), Shape({2}), Shape({3})}}, "bad").what(),
               "error: bad; shapes [1], [2] and [3]");
}

TEST(ErrorTest, TextOfOthersNeitherEndsNorCommands) {
  EXPECT_STREQ(Error(std::string("'a\0b\x1b[2J' \x7f\r\n\tis unknown", 24)).what(),
               "error: 'a?b?[2J' ??\n\tis unknown");
}

TEST(ErrorTest, CodeFollowsFromTheKind) {
  auto code = [](ErrorKind kind) { return Error({.kind = kind}, "x").code(); };
  EXPECT_EQ(code(ErrorKind::User), ErrorCode::Diagnostics);
  EXPECT_EQ(code(ErrorKind::Unsupported), ErrorCode::Unsupported);
  EXPECT_EQ(code(ErrorKind::Device), ErrorCode::Device);
  EXPECT_EQ(code(ErrorKind::Internal), ErrorCode::Internal);
  EXPECT_EQ(Error({.code = ErrorCode::Limit}, "x").code(), ErrorCode::Limit);
}

TEST(ErrorTest, SourceLocations) {
  SourceLoc here = std::source_location::current();
  EXPECT_TRUE(here.known());
  EXPECT_NE(here.str().find("ErrorTest.cpp:"), std::string::npos);
  EXPECT_EQ(SourceLoc().str(), "<unknown>");
}

TEST(ErrorTest, ClosestName) {
  std::vector<std::string> names = {"fuse", "simplify", "autodiff", "schedule"};
  EXPECT_EQ(closestName("simplfy", names), "simplify");
  EXPECT_EQ(closestName("fsue", names), "fuse");
  EXPECT_EQ(closestName("Autodiff", names), "autodiff");
  EXPECT_EQ(closestName("zzzzzz", names), "");
  EXPECT_EQ(closestName("", names), "");
  EXPECT_EQ(closestName("x", {"y"}), "");
  EXPECT_EQ(closestName("fuse", {}), "");
  EXPECT_EQ(closestName(std::string(100000, 'a'), {std::string(100000, 'a')}), "");
  EXPECT_EQ(didYouMean("schedul", names), "; did you mean 'schedule'?");
  EXPECT_EQ(didYouMean("qqq", names), "");
}

TEST(DTypeTest, NamesRoundTrip) {
  for (DType dtype : allDTypes) {
    EXPECT_EQ(parseDType(name(dtype)), dtype);
    EXPECT_EQ(dispatch(dtype, [](auto zero) { return dtypeOf<decltype(zero)>(); }), dtype);
    EXPECT_EQ(dispatch(dtype, [](auto zero) { return int64_t{sizeof(zero)}; }), byteSize(dtype));
  }
  EXPECT_EQ(parseDType("i1"), boolean);
  EXPECT_EQ(parseDType("ui16"), u16);
  for (const char *text : {"f8", "u1", "ui1", "i128", "u", "ui", "uint8"})
    EXPECT_FALSE(parseDType(text)) << text;
  EXPECT_FALSE(parseDType(""));
}

} // namespace
