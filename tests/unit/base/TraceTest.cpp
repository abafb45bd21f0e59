// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Trace.h"
#include "sinter/ir/base/Error.h"

#include "TempFolder.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

using namespace sinter;

namespace {

TEST(Trace, InnerEventsLieInsideOfOuterOnes) {
  Trace trace;
  {
    Trace::Span outer(&trace, "run", "outer");
    Trace::Span inner(&trace, "run", "inner");
    inner.argument("bytes", int64_t{12});
  }
  std::vector<Trace::Event> events = trace.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].name, "outer");
  EXPECT_EQ(events[1].name, "inner");
  EXPECT_EQ(events[0].thread, events[1].thread);
  EXPECT_LE(events[0].begin, events[1].begin);
  EXPECT_GE(events[0].begin + events[0].length, events[1].begin + events[1].length);
  ASSERT_EQ(events[1].arguments.size(), 1u);
  EXPECT_EQ(std::get<int64_t>(events[1].arguments[0].second), 12);
}

TEST(Trace, EqualTimesKeepTheOuterEventFirst) {
  Trace trace;
  trace.add({.category = "run", .name = "inner", .thread = 1, .begin = 5, .length = 3});
  trace.add({.category = "run", .name = "outer", .thread = 1, .begin = 5, .length = 3});
  trace.add({.category = "run", .name = "before", .thread = 1, .begin = 1, .length = 2});
  std::vector<Trace::Event> events = trace.events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].name, "before");
  EXPECT_EQ(events[1].name, "outer");
  EXPECT_EQ(events[2].name, "inner");
}

TEST(Trace, WithoutATraceASpanDoesNothing) {
  Trace::Span span(nullptr, "run", "x");
  span.argument("y", std::string("z"));
}

TEST(Trace, ThreadsHaveNumbersAndNames) {
  Trace trace;
  const int here = trace.thread("caller");
  int there = 0;
  std::thread([&] { there = trace.thread("worker 1"); }).join();
  EXPECT_EQ(trace.thread("another name"), here);
  EXPECT_NE(here, there);
  using Names = std::vector<std::pair<int, std::string>>;
  EXPECT_EQ(trace.threads(), (Names{{here, "caller"}, {there, "worker 1"}}));
}

TEST(Trace, CountsWhatItDoesNotKeep) {
  Trace trace({.mostEvents = 2});
  for (int i = 0; i < 5; ++i)
    trace.add({.category = "run", .name = "x", .thread = 1, .begin = i, .length = 1});
  EXPECT_EQ(trace.events().size(), 2u);
  EXPECT_EQ(trace.dropped(), 3u);
  EXPECT_NE(trace.json().find("\"droppedEvents\":3"), std::string::npos);
}

TEST(Trace, ManyThreadsAddAtOnce) {
  Trace trace;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j)
        Trace::Span span(&trace, "run", "x");
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(trace.events().size(), 2000u);
}

/// The text between the quotes of the last event's name.
std::string nameInJson(const std::string &name) {
  Trace trace;
  trace.add({.category = "run", .name = name, .thread = 1, .begin = 1234567, .length = 89});
  std::string json = trace.json();
  size_t from = json.rfind("\"name\":\"") + 8;
  return json.substr(from, json.find("\"}", from) - from);
}

TEST(Trace, TextIsEscaped) {
  EXPECT_EQ(nameInJson("a\"b\\c\n\x01"), "a\\\"b\\\\c\\u000a\\u0001");
  EXPECT_EQ(nameInJson("\xc3\xa4\xf0\x9f\x99\x82"), "\xc3\xa4\xf0\x9f\x99\x82");
  EXPECT_EQ(nameInJson("\xff|\xc0\xaf|\xed\xa0\x80|\xc3"),
            "\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd");
}

TEST(Trace, TimesAreMicroseconds) {
  Trace trace;
  trace.add({.category = "run", .name = "x", .thread = 1, .begin = 1234067, .length = 89});
  EXPECT_NE(trace.json().find("\"ts\":1234.067,\"dur\":0.089"), std::string::npos) << trace.json();
}

TEST(Trace, NumbersThatJsonLacksBecomeNull) {
  Trace trace;
  trace.add({.category = "run",
             .name = "x",
             .thread = 1,
             .begin = 1,
             .length = 1,
             .arguments = {{"a", 1.0 / 0.0 - 1.0 / 0.0}, {"b", 0.5}}});
  EXPECT_NE(trace.json().find("\"args\":{\"a\":null,\"b\":0.5}"), std::string::npos);
}

TEST(Trace, IsWrittenWhole) {
  TempFolder folder;
  Trace trace;
  { Trace::Span span(&trace, "compile", "x"); }
  trace.write(folder / "trace.json");
  std::ifstream file(folder / "trace.json");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), trace.json());
  EXPECT_THROW(trace.write(folder / "missing/trace.json"), Error);
}

} // namespace
