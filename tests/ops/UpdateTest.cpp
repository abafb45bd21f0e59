// SPDX-License-Identifier: Apache-2.0
// Updates happen at once and after everything is read, although the memory plan writes where it can
// in place.
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <functional>

namespace sinter::ops {
namespace {

class UpdateTest : public testing::TestWithParam<Engine> {
protected:
  /// Three variables 1, 2, 3 (times 5 elements), stepped once; their first elements, then the
  /// output's.
  std::vector<double>
  step(const std::function<Tensor(Graph &, const std::vector<Tensor> &)> &build) {
    Graph graph;
    std::vector<Tensor> variables;
    for (const char *name : {"a", "b", "c"})
      variables.push_back(graph.state(name, f64, {5}));
    graph.output("y", build(graph, variables));
    State state(graph);
    for (double value : {1.0, 2.0, 3.0})
      state.get(std::string(1, static_cast<char>('a' + static_cast<int>(value) - 1))).fill(value);
    Array y = compile(graph, {.engine = GetParam()}).run(state, {}).at("y");
    std::vector<double> values;
    for (const char *name : {"a", "b", "c"})
      values.push_back(state.get(name).at({4}));
    values.push_back(y.at({4}));
    return values;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, UpdateTest,
                         testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const auto &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

using Values = std::vector<double>;

TEST_P(UpdateTest, VariablesSwap) {
  EXPECT_EQ(step([](Graph &g, auto &v) {
              g.update({{v[0], v[1]}, {v[1], v[0]}});
              return v[0] + v[1] * 10;
            }),
            (Values{2, 1, 3, 21}));
}

TEST_P(UpdateTest, AnOldValueOutlivesItsUpdate) {
  for (bool readerFirst : {true, false})
    EXPECT_EQ(step([=](Graph &g, auto &v) {
                Update reader = {v[0], v[1]}, writer = {v[1], v[1] + 10};
                g.update(readerFirst ? Updates{reader, writer} : Updates{writer, reader});
                return v[1] * v[2];
              }),
              (Values{2, 12, 3, 6}));
}

TEST_P(UpdateTest, OneValueUpdatesTwoVariables) {
  for (bool readLate : {true, false})
    EXPECT_EQ(step([=](Graph &g, auto &v) {
                Tensor value = v[1] * v[2];
                g.update({{v[0], value}, {v[1], value}});
                Tensor late = v[0] + sum(value); // the reduction ends the kernel of `value`
                return readLate ? late : value + 0;
              }),
              readLate ? (Values{6, 6, 3, 31}) : (Values{6, 6, 3, 6}));
}

TEST_P(UpdateTest, AVariableThatIsAnOutputKeepsItsOldValueThere) {
  EXPECT_EQ(step([](Graph &g, auto &v) {
              g.update({{v[0], v[0] + 5}, {v[2], v[0]}});
              return v[0];
            }),
            (Values{6, 2, 1, 1}));
}

TEST_P(UpdateTest, AnUpdateByItselfChangesNothing) {
  EXPECT_EQ(step([](Graph &g, auto &v) {
              g.update({{v[0], v[0]}, {v[1], v[0] * 4}});
              return v[0];
            }),
            (Values{1, 4, 3, 1}));
}

TEST_P(UpdateTest, UpdatesThatRotateThroughKernels) {
  EXPECT_EQ(step([](Graph &g, auto &v) {
              g.update({{v[0], v[1] + 1}, {v[1], v[2] + 1}, {v[2], v[0] + 1}});
              return v[0] + v[1] + v[2];
            }),
            (Values{3, 4, 2, 6}));
}

} // namespace
} // namespace sinter::ops
