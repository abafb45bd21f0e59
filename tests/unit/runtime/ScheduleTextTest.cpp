// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

using namespace sinter;

namespace {

/// One kernel of each form whose schedule has fields to change.
Graph severalForms() {
  Graph g;
  Tensor x = g.placeholder("x", f32, {96, 200});
  Tensor w = g.placeholder("w", f32, {200, 80});
  Tensor v = g.placeholder("v", f32, {90, 100});
  g.output("loop", (v * 2.0f + 1.0f).tanh());
  g.output("row", softmax(x, 1));
  g.output("reduce", x.sum());
  g.output("contraction", x.matmul(w));
  g.output("cumulative", x.cumsum(0));
  Tensor heads = x.reshape({1, 96, 200});
  g.output("attention", attention(heads, heads, heads));
  Tensor u = g.placeholder("u", f32, {50, 200}), i = g.placeholder("i", i32, {50});
  g.output("scatter", scatter(x, i, u, 0, ScatterMode::Add));
  return g;
}

NamedArrays inputs() {
  Array x(f32, {96, 200}), w(f32, {200, 80}), v(f32, {90, 100}), u(f32, {50, 200}),
      places(i32, {50});
  for (int64_t i = 0; i < v.numElements(); ++i)
    v.as<float>()[i] = 0.03f * static_cast<float>(i * 3 % 89 - 44);
  for (int64_t i = 0; i < x.numElements(); ++i)
    x.as<float>()[i] = 0.01f * static_cast<float>(i * 7 % 301 - 150);
  for (int64_t i = 0; i < w.numElements(); ++i)
    w.as<float>()[i] = 0.02f * static_cast<float>(i * 5 % 97 - 48);
  for (int64_t i = 0; i < u.numElements(); ++i)
    u.as<float>()[i] = 0.01f * static_cast<float>(i * 11 % 83 - 41);
  for (int32_t i = 0; i < 50; ++i)
    places.as<int32_t>()[i] = i * i % 96;
  return {{"x", x}, {"w", w}, {"v", v}, {"u", u}, {"i", places}};
}

std::string replaced(std::string text, const std::string &from, const std::string &to,
                     size_t start = 0) {
  size_t place = text.find(from, start);
  EXPECT_NE(place, std::string::npos) << from << "\n" << text;
  return place == std::string::npos ? text : text.replace(place, from.size(), to);
}

/// The value of a field of the first kernel of a form.
std::string valueOf(const std::string &text, const std::string &form, const std::string &field) {
  size_t entry = text.find("  form " + form + "\n");
  EXPECT_NE(entry, std::string::npos) << text;
  size_t begin = text.find("\n  " + field + " ", entry) + field.size() + 4;
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string with(const std::string &text, const std::string &form, const std::string &field,
                 const std::string &value) {
  return replaced(text, "\n  " + field + " " + valueOf(text, form, field) + "\n",
                  "\n  " + field + " " + value + "\n", text.find("  form " + form + "\n"));
}

/// The error that compiling with a schedule gives; "" for none.
std::string errorOf(const Graph &g, const std::string &text) {
  try {
    compile(g, {.schedule = text});
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User) << error.what();
    EXPECT_TRUE(error.location().known()) << error.what();
    EXPECT_EQ(error.location().file, "schedule");
    return std::to_string(error.location().line) + ": " + error.message();
  }
  return "";
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST(ScheduleTextTest, WhatIsWrittenIsReadBack) {
  Graph g = severalForms();
  const std::string text = scheduleText(g);
  EXPECT_EQ(scheduleText(g, {.schedule = text}), text);
  EXPECT_EQ(scheduleText(severalForms()), text); // Names do not depend on the process or the graph.
  EXPECT_TRUE(text.starts_with("sinter schedules 1\n"));
  EXPECT_TRUE(contains(text, "ScheduleTextTest.cpp:")) << text; // The user's line.
}

TEST(ScheduleTextTest, ChangesTakeEffectAndKeepResults) {
  Graph g = severalForms();
  const std::string text = scheduleText(g);
  const ArrayMap wanted = compile(g).run(inputs());
  struct Change {
    const char *form, *field;
    std::string value;
  };
  auto number = [&](const char *form, const char *field) {
    return std::stoll(valueOf(text, form, field));
  };
  // The least that whole vectors and tiles allow.
  int64_t rows = number("attention", "unroll");
  std::string queries = std::to_string(std::lcm(2 * number("attention", "lanes"), rows));
  std::string columns = std::to_string(number("scatter", "lanes"));
  std::set<std::string> taken;
  for (const Change &change : {Change{"loop", "lanes", "2"},
                               {"loop", "unroll", "8"},
                               {"loop", "grain", "3"},
                               {"loop", "block", "64"},
                               {"row", "lanes", "1"},
                               {"row", "lanes", "4"},
                               {"row", "unroll", "1"},
                               {"row", "grain", "1"},
                               {"reduce", "grain", "2"},
                               {"contraction", "mr", "1"},
                               {"contraction", "kUnroll", "3"},
                               {"contraction", "kc", "208"},
                               {"cumulative", "block", "7"},
                               {"cumulative", "grain", "1"},
                               {"attention", "block", queries},
                               {"attention", "keyBlock", std::to_string(2 * rows)},
                               {"scatter", "block", columns},
                               {"scatter", "grain", "1"}}) {
    SCOPED_TRACE(std::string(change.form) + " " + change.field + " " + change.value);
    std::string changed = text;
    if (std::string(change.field) == "mr")
      changed = with(changed, change.form, "mBlock", change.value);
    changed = with(changed, change.form, change.field, change.value);
    if (valueOf(text, change.form, change.field) == change.value)
      continue;
    std::string problem = errorOf(g, changed);
    if (std::string(change.form) == "contraction" && contains(problem, "cannot be changed"))
      continue; // How B is packed decides.
    ASSERT_EQ(problem, "");
    taken.insert(std::string(change.form) + " " + change.field);
    EXPECT_EQ(scheduleText(g, {.schedule = changed}), changed);
    Executable executable = compile(g, {.schedule = changed});
    ArrayMap results = executable.run(inputs());
    for (const auto &[name, array] : wanted)
      for (int64_t i = 0; i < array.numElements(); ++i)
        ASSERT_NEAR(results.at(name).as<float>()[i], array.as<float>()[i],
                    1e-4 * (1 + std::abs(array.as<float>()[i])))
            << name;
  }
  for (const char *change :
       {"loop block", "row grain", "reduce grain", "contraction kUnroll", "contraction kc",
        "cumulative block", "attention block", "attention keyBlock", "scatter block"})
    EXPECT_TRUE(taken.contains(change)) << change;
}

TEST(ScheduleTextTest, FieldsThatAreMissingKeepTheirValue) {
  Graph g = severalForms();
  const std::string text = scheduleText(g);
  size_t entry = text.find("\nkernel "), end = text.find_first_of(" \n", entry + 8);
  std::string name = text.substr(entry + 8, end - entry - 8);
  const std::string one = "# mine\nsinter schedules 1\n\nkernel " + name + "\n";
  EXPECT_EQ(scheduleText(g, {.schedule = one}), text);
  std::string changed = text;
  size_t place = changed.find("\n  grain ", entry) + 9;
  changed.replace(place, changed.find('\n', place) - place, "5");
  EXPECT_EQ(scheduleText(g, {.schedule = one + "\tgrain  5 # five\r\n"}), changed);
}

TEST(ScheduleTextTest, BadTextNamesItsLine) {
  Graph g = severalForms();
  const std::string text = scheduleText(g), head = "sinter schedules 1\n";
  EXPECT_TRUE(contains(errorOf(g, "# nothing"), "must start with"));
  EXPECT_TRUE(contains(errorOf(g, "sinter schedules 2\n"), "1: does not start with"));
  EXPECT_TRUE(contains(errorOf(g, head + "grain 5\n"), "2: a field before the first kernel"));
  EXPECT_TRUE(contains(errorOf(g, head + "\nkernel\n"), "3: a line is"));
  EXPECT_TRUE(contains(errorOf(g, head + "kernel a b\n"), "2: a line is"));
  EXPECT_TRUE(contains(errorOf(g, head + "kernel a\nkernel a\n"), "3: kernel 'a' has an entry"));
  EXPECT_TRUE(contains(errorOf(g, head + "kernel a\n x 1\n x 1\n"), "4: 'x' is given twice"));
  EXPECT_TRUE(contains(errorOf(g, head + "kernel nobody-00\n"), "2: the graph has no kernel"));
  EXPECT_NE(errorOf(g, head + std::string("kernel \0\xff\x01\n", 11)), "");
  EXPECT_TRUE(contains(errorOf(g, replaced(text, "  lanes ", "  lames ")),
                       "there is no field 'lames'; did you mean 'lanes'"))
      << errorOf(g, replaced(text, "  lanes ", "  lames "));
  EXPECT_TRUE(contains(errorOf(g, replaced(text, "form loop", "form row")), "has the form loop"));
}

TEST(ScheduleTextTest, BadValuesAreRefused) {
  Graph g = severalForms();
  const std::string text = scheduleText(g);
  struct Bad {
    const char *form, *field, *value, *message;
  };
  for (const Bad &bad :
       std::initializer_list<Bad>{{"loop", "lanes", "0", "must be 1 to"},
                                  {"loop", "lanes", "3", "power of two"},
                                  {"loop", "lanes", "128", "must be 1 to"},
                                  {"loop", "lanes", "-4", "not a whole number"},
                                  {"loop", "lanes", "4x", "not a whole number"},
                                  {"loop", "lanes", "99999999999999999999", "not a whole number"},
                                  {"loop", "lanes", "9223372036854775807", "must be 1 to"},
                                  {"loop", "unroll", "0", "must be 1 to"},
                                  {"loop", "unroll", "1000000", "must be 1 to"},
                                  {"loop", "block", "0", "must be 1 to"},
                                  {"loop", "block", "13", "multiple of"},
                                  {"loop", "block", "4611686018427387904", "must be 1 to"},
                                  {"loop", "grain", "0", "must be 1 to"},
                                  {"loop", "grain", "9223372036854775807", "must be 1 to"},
                                  {"loop", "threads", "256", "cannot be changed"},
                                  {"loop", "streamStores", "1", "must be 0"},
                                  {"loop", "streamStores", "256", "cannot be 256"},
                                  {"row", "block", "64", "cannot be changed"},
                                  {"row", "streamStores", "1", "must be 0"},
                                  {"reduce", "block", "1", "multiple of"},
                                  {"reduce", "unroll", "64", "must be 1 to"},
                                  {"cumulative", "block", "0", "must be 1 to"},
                                  {"attention", "block", "0", "must be 1 to"},
                                  {"attention", "block", "1", "multiple of"},
                                  {"attention", "block", "2048", "must be 1 to"},
                                  {"attention", "keyBlock", "0", "must be 1 to"},
                                  {"attention", "keyBlock", "8192", "must be 1 to"},
                                  {"scatter", "block", "0", "must be 1 to"},
                                  {"scatter", "block", "1", "multiple of"},
                                  {"contraction", "lanes", "1", "cannot be changed"},
                                  {"contraction", "tileForm", "2", "cannot be changed"},
                                  {"contraction", "tileForm", "258", "cannot be 258"},
                                  {"contraction", "elementBytes", "1", "cannot be changed"},
                                  {"contraction", "fma", "3", "cannot be 3"},
                                  {"contraction", "nr", "0", ""},
                                  {"contraction", "nr", "7", ""},
                                  {"contraction", "mr", "0", ""},
                                  {"contraction", "mr", "64", ""},
                                  {"contraction", "nBlock", "1", ""},
                                  {"contraction", "nBlock", "9223372036854775807", ""},
                                  {"contraction", "kc", "0", ""},
                                  {"contraction", "kc", "9223372036854775807", ""},
                                  {"contraction", "kUnroll", "0", ""},
                                  {"contraction", "groupUnits", "9223372036854775807", ""}}) {
    SCOPED_TRACE(std::string(bad.form) + " " + bad.field + " " + bad.value);
    std::string problem = errorOf(g, with(text, bad.form, bad.field, bad.value));
    EXPECT_NE(problem, "");
    EXPECT_TRUE(contains(problem, bad.message)) << problem;
    EXPECT_EQ(contains(problem, "cannot be changed"),
              std::string(bad.message) == "cannot be changed")
        << "the value was not looked at: " << problem;
    EXPECT_TRUE(contains(problem, bad.field) || contains(problem, "whole number")) << problem;
  }
}

TEST(ScheduleTextTest, ScheduleOfAnotherTargetIsCheckedAgainstThisOne) {
  Graph g = severalForms();
  const std::string text = scheduleText(g, {.target = Target::cpu("x86-64-v2")});
  EXPECT_NO_THROW(scheduleText(g, {.target = Target::cpu("x86-64-v2"), .schedule = text}));
  // Kernels keep their names; tiles of other vectors do not fit.
  EXPECT_TRUE(contains(errorOf(g, text), "cannot be changed")) << errorOf(g, text);
}
