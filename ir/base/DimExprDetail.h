// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DimExpr.h"

#pragma GCC visibility push(default)
namespace sinter {

/// A factor that is no sum: a symbol (`text` is its name), or a function of `a` and `b`. `text` is
/// canonical, so it alone decides equality and order.
struct DimExpr::Atom {
  AtomKind kind = AtomKind::Symbol;
  std::string text;
  DimExpr a, b;
};

/// coefficient * product of atoms; the atoms are sorted by text.
struct DimExpr::Term {
  int64_t coefficient = 0;
  std::vector<Atom> atoms;
};

/// The terms in decreasing degree, then by their atoms; no two have the same atoms and no
/// coefficient is 0. Zero is the null node.
struct DimExpr::Node {
  std::vector<Term> terms;
  std::string text;
  int depth = 0; ///< Nested functions.
};

template <typename T> T DimExpr::fold(const Folder<T> &folder) const {
  if (!node)
    return folder.constant(0);
  std::optional<T> sum;
  for (const Term &term : node->terms) {
    std::optional<T> product;
    if (term.coefficient != 1 || term.atoms.empty())
      product.emplace(folder.constant(term.coefficient));
    for (const Atom &atom : term.atoms) {
      auto value = [&]() -> T {
        switch (atom.kind) {
        case AtomKind::Symbol:
          return folder.symbol(atom.text);
        case AtomKind::FloorDiv:
        case AtomKind::CeilDiv:
        case AtomKind::Max:
          break;
        }
        // Named, so that operands are visited in the same order by every compiler.
        T a = atom.a.fold(folder);
        T b = atom.b.fold(folder);
        const auto &combine = atom.kind == AtomKind::FloorDiv  ? folder.floorDiv
                              : atom.kind == AtomKind::CeilDiv ? folder.ceilDiv
                                                               : folder.max;
        return combine(std::move(a), std::move(b));
      }();
      if (product)
        product.emplace(folder.mul(std::move(*product), std::move(value)));
      else
        product.emplace(std::move(value));
    }
    if (sum)
      sum.emplace(folder.add(std::move(*sum), std::move(*product)));
    else
      sum.emplace(std::move(*product));
  }
  return std::move(*sum);
}

} // namespace sinter
#pragma GCC visibility pop
