// SPDX-License-Identifier: Apache-2.0
// A graph per kernel form in which one op makes a NaN or an infinity.
#pragma once

#include "sinter/runtime/sinter.h"

#include <functional>
#include <vector>

namespace sinter::test {

/// `sizes` of small positive numbers, with `value` at the flat position `at`.
inline Array with(std::vector<int64_t> sizes, int64_t at = -1, float value = 0) {
  Array array(f32, std::move(sizes));
  for (int64_t i = 0; i < array.numElements(); ++i)
    array.as<float>()[i] = 0.5f + 0.25f * static_cast<float>(i % 7);
  if (at >= 0)
    array.as<float>()[at] = value;
  return array;
}

/// One case per kernel form: what is computed from x, and what makes it go wrong.
struct FormCase {
  const char *name;
  std::vector<int64_t> sizes;
  std::function<Tensor(Graph &, const Tensor &)> build;
  const char *op; ///< That is named.
  int64_t at;     ///< Where x gets `value`.
  float value;
};

#define BUILD [](Graph & g, const Tensor &x) -> Tensor
inline const FormCase nanForms[] = {{"loop", {3, 40}, BUILD{(void)g;
return (x.log() * 2 + 1);
} // namespace sinter::test
, "log", 57, 0
}
, {"scalar", {}, BUILD{(void)g;
return x.sqrt() + 1;
}
, "sqrt", 0, -1
}
, {"row", {6, 100}, BUILD{(void)g;
return softmax(x.exp());
}
, "exp", 250, 200
}
, {"shortRows", {300, 3}, BUILD{(void)g;
return x / (x - x.max({1}, true));
}
, "div", -1, 0
}
, {"rowKept", {6, 100}, BUILD{(void)g;
return x.log().sum({1});
}
, "log", 599, -2
}
, {"columns", {64, 40}, BUILD{(void)g;
return x.log().sum({0});
}
, "log", 801, 0
}
, {"all", {64, 40}, BUILD{(void)g;
return (1 / x).mean();
}
, "div", 801, 0
}
, {"contraction", {24, 40}, BUILD{return x.matmul(g.constant(with({40, 32}))).sqrt() + 1;
}
, "sqrt", 41, -1e6f
}
, {"vectorTimesMatrix", {1, 40}, BUILD{return x.matmul(g.constant(with({40, 32}))).log();
}
, "log", 11, -1e6f
}
, {"convolution", {2, 3, 12, 12}, BUILD{return conv2d(x, g.constant(with({8, 3, 3, 3})), {}).log();
}
, "log", 300, -1e6f
}
, {"scatter", {50, 8}, BUILD{Array rows(i32, {50});
for (int i = 0; i < 50; ++i)
  rows.as<int32_t>()[i] = i % 13;
return scatterAddRows(g.constant(rows), x.log(), 13);
}
, "log", 100, 0
}
, {"cumulative", {5, 60}, BUILD{(void)g;
return cumsum(x.log(), 1);
}
, "log", 70, 0
}
, {"cumulativeColumns", {60, 20}, BUILD{(void)g;
return cumprod(1 / x, 0);
}
, "div", 70, 0
}
, {"pairs", {40, 3}, BUILD{(void)g;
return 1 / (expandDims(x, 1) - expandDims(x, 0)).square().sum({2});
}
, "div", -1, 0
}
, {"sort", {4, 50}, BUILD{(void)g;
return sort(x).log();
}
, "log", 70, 0
}
,
}
;
#undef BUILD

} // namespace sinter::test
