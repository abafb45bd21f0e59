// SPDX-License-Identifier: Apache-2.0
// Functions that move elements, and sums of products with named axes. Their oracles are loops over
// all indices.
#include "tests/ops/Row.h"

#include <algorithm>
#include <map>

namespace sinter::ops {

namespace {

using Index = std::vector<int64_t>;

const DimExpr n = dim("N");

/// Every element of the result is an element of x or 0: `from` tells which.
Oracle moves(std::function<Index(const Index &in)> sizes,
             std::function<std::optional<Index>(const Index &at, const Index &in)> from) {
  return [=](const std::vector<Ref> &x) {
    Ref out(sizes(x[0].sizes));
    forEachIndex(out.sizes, [&](const Index &at) {
      if (std::optional<Index> source = from(at, x[0].sizes))
        out.at(at) = x[0].at(*source);
    });
    return out;
  };
}

Row moving(std::string name, std::vector<Case> cases, std::function<Tensor(const Tensor &)> f,
           std::function<Index(const Index &in)> sizes,
           std::function<std::optional<Index>(const Index &at, const Index &in)> from) {
  return composite(
             std::move(name), {In(-4, 4)}, std::move(cases),
             [=](Graph &, const Tensors &t) { return f(t[0]); },
             moves(std::move(sizes), std::move(from)))
      .on({f32, i64})
      .within(0)
      .smooth();
}

Index same(const Index &in) { return in; }

std::vector<Row> movingRows() {
  using At = std::optional<Index>;
  std::vector<Row> rows;
  rows.push_back(moving(
      "flip", {{{{3, 5}}}, {{{n, 4}}}}, [](const Tensor &x) { return flip(x); }, same,
      [](const Index &at, const Index &in) -> At {
        return Index{in[0] - 1 - at[0], in[1] - 1 - at[1]};
      }));
  rows.push_back(moving(
      "flipAxis", {{{{3, 5, 2}}}, {{{2, n, 3}}}}, [](const Tensor &x) { return flip(x, -2); }, same,
      [](const Index &at, const Index &in) -> At {
        return Index{at[0], in[1] - 1 - at[1], at[2]};
      }));
  for (int64_t shift : {2, -7})
    rows.push_back(moving(
        shift > 0 ? "rollForward" : "rollBack", {{{{3, 5}}}, {{{2, n}}}},
        [=](const Tensor &x) { return roll(x, shift, 1); }, same,
        [=](const Index &at, const Index &in) -> At {
          int64_t from = (at[1] - shift) % in[1];
          return Index{at[0], from < 0 ? from + in[1] : from};
        }));
  rows.push_back(moving(
      "tile", {{{{3, 2}}}, {{{n, 3}}}},
      [](const Tensor &x) {
        return tile(x, {2, 1, 3});
      },
      [](const Index &in) {
        return Index{2, in[0], 3 * in[1]};
      },
      [](const Index &at, const Index &in) -> At {
        return Index{at[1], at[2] % in[1]};
      }));
  rows.push_back(moving(
      "repeat", {{{{3, 2}}}, {{{2, n}}}}, [](const Tensor &x) { return repeat(x, 3, 1); },
      [](const Index &in) {
        return Index{in[0], 3 * in[1]};
      },
      [](const Index &at, const Index &) -> At {
        return Index{at[0], at[1] / 3};
      }));
  rows.push_back(moving(
      "moveAxis", {{{{2, 3, 4}}}, {{{n, 3, 2}}}},
      [](const Tensor &x) { return moveAxis(x, 0, -1); },
      [](const Index &in) {
        return Index{in[1], in[2], in[0]};
      },
      [](const Index &at, const Index &) -> At {
        return Index{at[2], at[0], at[1]};
      }));
  rows.push_back(moving(
      "unflatten", {{{{2, 12}}}},
      [](const Tensor &x) {
        return unflatten(x, 1, {3, -1});
      },
      [](const Index &in) {
        return Index{in[0], 3, in[1] / 3};
      },
      [](const Index &at, const Index &in) -> At {
        return Index{at[0], at[1] * (in[1] / 3) + at[2]};
      }));
  rows.push_back(moving(
      "tril", {{{{4, 5}}}, {{{2, n, 3}}}}, [](const Tensor &x) { return tril(x, 1); }, same,
      [](const Index &at, const Index &) -> At {
        return at.back() <= at[at.size() - 2] + 1 ? At(at) : At();
      }));
  rows.push_back(moving(
      "triu", {{{{4, 5}}}, {{{2, n, 3}}}}, [](const Tensor &x) { return triu(x, -1); }, same,
      [](const Index &at, const Index &) -> At {
        return at.back() >= at[at.size() - 2] - 1 ? At(at) : At();
      }));
  rows.push_back(moving(
      "diagonal", {{{{4, 4}}}, {{{n, n}}}, {{{4, 6}}}}, [](const Tensor &x) { return diagonal(x); },
      [](const Index &in) { return Index{std::min(in[0], in[1])}; },
      [](const Index &at, const Index &) -> At {
        return Index{at[0], at[0]};
      }));
  rows.push_back(moving(
      "diagonalAbove", {{{{4, 5, 3}}}, {{{2, 2, 6}}}},
      [](const Tensor &x) { return diagonal(x, 1, 0, 2); },
      [](const Index &in) {
        return Index{in[1], std::min(in[0], in[2] - 1)};
      },
      [](const Index &at, const Index &) -> At {
        return Index{at[1], at[0], at[1] + 1};
      }));
  rows.push_back(moving(
      "diagonalBelow", {{{{6, 4}}}, {{{3, 5}}}}, [](const Tensor &x) { return diagonal(x, -2); },
      [](const Index &in) { return Index{std::min(in[0] - 2, in[1])}; },
      [](const Index &at, const Index &) -> At {
        return Index{at[0] + 2, at[0]};
      }));
  for (int64_t offset : {0, 2, -1})
    rows.push_back(moving(
        "diagonalMatrix" + std::string(offset == 0  ? ""
                                       : offset > 0 ? "Above"
                                                    : "Below"),
        {{{{4}}}, {{{2, n}}}}, [=](const Tensor &x) { return diagonalMatrix(x, offset); },
        [=](Index in) {
          in.back() += std::abs(offset);
          in.push_back(in.back());
          return in;
        },
        [=](const Index &at, const Index &) -> At {
          if (at.back() - at[at.size() - 2] != offset)
            return At();
          Index from(at.begin(), at.end() - 1);
          from.back() = std::min(from.back(), at.back());
          return from;
        }));
  return rows;
}

// -- Einstein's notation --------------------------------------------------------------------------

/// Loops over all names of an explicit equation without "...".
Ref einsumOf(const std::string &equation, const std::vector<Ref> &x) {
  std::vector<std::string> inputs(1);
  size_t arrow = equation.find("->");
  for (char letter : equation.substr(0, arrow)) {
    if (letter == ',')
      inputs.emplace_back();
    else
      inputs.back() += letter;
  }
  std::string output = equation.substr(arrow + 2);
  std::map<char, int64_t> sizes;
  for (size_t k = 0; k < x.size(); ++k)
    for (size_t i = 0; i < inputs[k].size(); ++i)
      sizes[inputs[k][i]] = std::max(sizes[inputs[k][i]], x[k].sizes[i]);
  std::string names;
  Index every, outSizes;
  for (auto [letter, size] : sizes) {
    names += letter;
    every.push_back(size);
  }
  for (char letter : output)
    outSizes.push_back(sizes[letter]);
  Ref out(outSizes);
  out.magnitude.assign(out.values.size(), 0);
  int64_t total = 1;
  for (int64_t size : every)
    total *= size;
  out.reductionLength = std::max<int64_t>(total / std::max<int64_t>(1, out.values.size()), 1);
  forEachIndex(every, [&](const Index &at) {
    auto where = [&](const std::string &letters, const Index &limits) {
      Index index;
      for (size_t i = 0; i < letters.size(); ++i)
        index.push_back(limits[i] == 1 ? 0 : at[names.find(letters[i])]);
      return index;
    };
    Real product = 1;
    for (size_t k = 0; k < x.size(); ++k)
      product *= x[k].at(where(inputs[k], x[k].sizes));
    size_t offset = out.offset(where(output, outSizes));
    out.values[offset] += product;
    out.magnitude[offset] += std::fabs(product);
  });
  return out;
}

/// `equation` against the loops over `meaning`, which spells it out.
Row einsumRow(std::string name, std::string equation, std::string meaning,
              std::vector<Shape> shapes) {
  return composite(
             std::move(name), std::vector<Input>(shapes.size(), In(-2, 2)), {{std::move(shapes)}},
             [=](Graph &, const Tensors &t) { return einsum(equation, t); },
             [=](const std::vector<Ref> &x) { return einsumOf(meaning, x); })
      .within(8)
      .anyZero()
      .smooth();
}

std::vector<Row> einsumRows() {
  return {
      einsumRow("einsumMatmul", "ij,jk->ik", "ij,jk->ik", {{n, 5}, {5, 4}}),
      einsumRow("einsumBatched", "bij,bkj->bik", "bij,bkj->bik", {{2, 3, 5}, {2, 4, 5}}),
      einsumRow("einsumImplicit", "cb, ba", "cb,ba->ac", {{3, 5}, {5, 4}}),
      einsumRow("einsumTranspose", "abc->cab", "abc->cab", {{2, 3, 4}}),
      einsumRow("einsumSum", "abc->b", "abc->b", {{2, 3, 4}}),
      einsumRow("einsumDiagonal", "iji->j", "iji->j", {{4, 3, 4}}),
      einsumRow("einsumTrace", "ii", "ii->", {{5, 5}}),
      einsumRow("einsumOuter", "i,j->ji", "i,j->ji", {{3}, {4}}),
      einsumRow("einsumHadamard", "ij,ij->ij", "ij,ij->ij", {{3, 4}, {3, 4}}),
      einsumRow("einsumUnused", "ijk,jl->il", "ijk,jl->il", {{2, 3, 4}, {3, 5}}),
      einsumRow("einsumThree", "ij,jk,kl->il", "ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}),
      einsumRow("einsumShared", "ij,ij,jk->ik", "ij,ij,jk->ik", {{2, 3}, {2, 3}, {3, 4}}),
      einsumRow("einsumEllipsis", "...ij,...jk->...ik", "abij,abjk->abik",
                {{2, 3, 4, 5}, {2, 3, 5, 2}}),
      einsumRow("einsumBroadcast", "...ij,...j->i...", "abij,bj->iab", {{2, 3, 4, 5}, {3, 5}}),
      einsumRow("einsumEllipsisSummed", "...i,i->...", "abi,i->ab", {{2, 3, 4}, {4}}),
      einsumRow("einsumOnes", "ij,ij->ij", "ij,ij->ij", {{1, 4}, {3, 1}}),
      einsumRow("einsumScalar", ",ij->ij", ",ij->ij", {{}, {2, 3}}),
      einsumRow("einsumCapitals", "Ab,bA->A", "Ab,bA->A", {{3, 4}, {4, 3}}),
  };
}

} // namespace

std::vector<Row> arrangeRows() {
  std::vector<Row> rows = movingRows();
  for (Row &row : einsumRows())
    rows.push_back(std::move(row));
  rows.push_back(composite(
                     "outer", {In(-2, 2), In(-2, 2)}, {{{{3}, {n}}}},
                     [](Graph &, const Tensors &t) { return outer(t[0], t[1]); },
                     [](const std::vector<Ref> &x) { return einsumOf("i,j->ij", x); })
                     .smooth());
  rows.push_back(composite(
                     "inner", {In(-2, 2), In(-2, 2)}, {{{{3, 4}, {2, 4}}}, {{{n}, {n}}}},
                     [](Graph &, const Tensors &t) { return inner(t[0], t[1]); },
                     [](const std::vector<Ref> &x) {
                       return einsumOf(x[0].sizes.size() == 1 ? "k,k->" : "ik,jk->ij", x);
                     })
                     .within(8)
                     .anyZero()
                     .smooth());
  rows.push_back(composite(
                     "kron", {In(-2, 2), In(-2, 2)}, {{{{2, 3}, {4, 2}}}, {{{n}, {3}}}},
                     [](Graph &, const Tensors &t) { return kron(t[0], t[1]); },
                     [](const std::vector<Ref> &x) {
                       Index sizes = x[0].sizes;
                       for (size_t i = 0; i < sizes.size(); ++i)
                         sizes[i] *= x[1].sizes[i];
                       Ref out(sizes);
                       forEachIndex(sizes, [&](const Index &at) {
                         Index a = at, b = at;
                         for (size_t i = 0; i < at.size(); ++i) {
                           a[i] = at[i] / x[1].sizes[i];
                           b[i] = at[i] % x[1].sizes[i];
                         }
                         out.at(at) = x[0].at(a) * x[1].at(b);
                       });
                       return out;
                     })
                     .smooth());
  rows.push_back(composite(
                     "bilinear", {In(-2, 2), In(-2, 2), In(-2, 2), In(-2, 2)},
                     {{{{3, 4}, {3, 5}, {2, 4, 5}, {2}}}},
                     [](Graph &, const Tensors &t) { return bilinear(t[0], t[1], t[2], t[3]); },
                     [](const std::vector<Ref> &x) {
                       Ref out = einsumOf("ni,nj,oij->no", {x[0], x[1], x[2]});
                       forEachIndex(out.sizes, [&](const Index &at) {
                         out.at(at) += x[3].at({at[1]});
                         out.magnitude[out.offset(at)] += std::fabs(x[3].at({at[1]}));
                       });
                       return out;
                     })
                     .within(8)
                     .smooth());
  rows.push_back(composite(
                     "maskedFill", {In(-2, 2), Mask()}, {{{{3, 4}, {4}}}, {{{n, 2}, {n, 1}}}},
                     [](Graph &, const Tensors &t) { return maskedFill(t[0], t[1], -1.5); },
                     [](const std::vector<Ref> &x) {
                       Ref out = x[0];
                       forEachIndex(out.sizes, [&](const Index &at) {
                         bool vector = x[1].sizes.size() == 1;
                         if (x[1].at(vector ? Index{at[1]} : Index{at[0], 0}) != 0)
                           out.at(at) = -1.5;
                       });
                       return out;
                     })
                     .smooth());
  return rows;
}

} // namespace sinter::ops
