// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DimExpr.h"

#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

namespace sinter {

/// Every rule keeps this promise: where the expression as written has a value for non-negative
/// symbols, the normal form has the same value.
struct DimExpr::Algebra {
  using Terms = std::vector<Term>;
  using Atoms = std::vector<Atom>;

  /// Beyond these an expression is refused, so that printing, parsing and evaluating stay cheap.
  static constexpr size_t maxText = 4096;
  static constexpr size_t maxProducts = 1 << 14;
  static constexpr int maxDepth = 64;

  [[noreturn]] static void refuse(const char *what) {
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Limit}, what);
  }
  static int64_t require(std::optional<int64_t> value) {
    if (!value)
      refuse("a constant in a size expression overflows 64 bits");
    return *value;
  }
  static int64_t add(int64_t a, int64_t b) { return require(checkedAdd(a, b)); }
  static int64_t mul(int64_t a, int64_t b) { return require(checkedMul(a, b)); }

  static const Terms &terms(const DimExpr &e) {
    static const Terms none;
    return e.node ? e.node->terms : none;
  }
  static const std::string &text(const DimExpr &e) {
    static const std::string zero = "0";
    return e.node ? e.node->text : zero;
  }
  static int depth(const DimExpr &e) { return e.node ? e.node->depth : 0; }

  static Node numberNode(int64_t value) {
    Node number;
    number.terms.resize(1);
    number.terms.front().coefficient = value;
    number.text = std::to_string(value);
    return number;
  }

  /// Sizes are mostly small odd numbers times powers of two. Their nodes are made once, live for
  /// ever, and are not counted.
  static constexpr uint64_t numOdds = 32; ///< 1, 3, 5, ...
  static constexpr int numShifts = 24;
  static const Node *knownNumber(int64_t value) {
    if (value <= 0)
      return nullptr;
    const int shift = std::countr_zero(static_cast<uint64_t>(value));
    const uint64_t place = static_cast<uint64_t>(value) >> shift >> 1;
    if (shift >= numShifts || place >= numOdds)
      return nullptr;
    static const std::vector<Node> &all = *new std::vector<Node>([] { // Outlives all expressions.
      std::vector<Node> nodes;
      nodes.reserve(numOdds * numShifts);
      for (int s = 0; s < numShifts; ++s)
        for (uint64_t odd = 0; odd < numOdds; ++odd)
          nodes.push_back(numberNode(static_cast<int64_t>((2 * odd + 1) << s)));
      return nodes;
    }());
    return &all[static_cast<size_t>(shift) * numOdds + place];
  }

  /// Most sizes are numbers, which need none of the rules below.
  using Numbers = std::pair<int64_t, int64_t>;
  static std::optional<Numbers> numbers(const DimExpr &a, const DimExpr &b) {
    if (!a.isConstant() || !b.isConstant())
      return std::nullopt;
    return Numbers{*a.constant(), *b.constant()};
  }

  /// Negative when `a` comes first. Higher degrees come first; this is a monomial order, which
  /// polynomial division relies on.
  static int compare(const Atoms &a, const Atoms &b) {
    if (a.size() != b.size())
      return a.size() > b.size() ? -1 : 1;
    for (size_t i = 0; i < a.size(); ++i)
      if (int order = a[i].text.compare(b[i].text))
        return order;
    return 0;
  }

  static std::string print(const Terms &terms) {
    std::string result;
    for (const Term &term : terms) {
      bool negative = term.coefficient < 0;
      if (!result.empty())
        result += negative ? " - " : " + ";
      else if (negative)
        result += "-";
      uint64_t bits = static_cast<uint64_t>(term.coefficient);
      uint64_t magnitude = negative ? 0 - bits : bits;
      bool needsTimes = magnitude != 1 || term.atoms.empty();
      if (needsTimes)
        result += std::to_string(magnitude);
      for (const Atom &atom : term.atoms) {
        if (needsTimes)
          result += "*";
        result += atom.text;
        needsTimes = true;
      }
    }
    return result;
  }

  /// The normal form of a sum.
  static DimExpr sum(Terms terms) {
    std::sort(terms.begin(), terms.end(),
              [](const Term &a, const Term &b) { return compare(a.atoms, b.atoms) < 0; });
    Node result;
    for (Term &term : terms) {
      if (!result.terms.empty() && compare(result.terms.back().atoms, term.atoms) == 0)
        result.terms.back().coefficient = add(result.terms.back().coefficient, term.coefficient);
      else
        result.terms.push_back(std::move(term));
    }
    std::erase_if(result.terms, [](const Term &term) { return term.coefficient == 0; });
    if (result.terms.empty())
      return DimExpr();
    if (result.terms.front().atoms.empty())
      return result.terms.front().coefficient;
    result.text = print(result.terms);
    for (const Term &term : result.terms)
      for (const Atom &atom : term.atoms)
        if (atom.kind != AtomKind::Symbol)
          result.depth = std::max({result.depth, depth(atom.a) + 1, depth(atom.b) + 1});
    if (result.text.size() > maxText || result.depth > maxDepth)
      refuse("a size expression grows too large");
    return DimExpr(std::make_shared<const Node>(std::move(result)));
  }

  static DimExpr single(Term term) {
    Terms terms;
    terms.push_back(std::move(term));
    return sum(std::move(terms));
  }
  static DimExpr symbol(std::string name) {
    return single({1, {{AtomKind::Symbol, std::move(name), {}, {}}}});
  }
  static DimExpr function(AtomKind kind, const DimExpr &a, const DimExpr &b) {
    const char *name = kind == AtomKind::FloorDiv  ? "floordiv("
                       : kind == AtomKind::CeilDiv ? "ceildiv("
                                                   : "max(";
    return single({1, {{kind, name + text(a) + ", " + text(b) + ")", a, b}}});
  }

  static DimExpr scaled(const DimExpr &e, int64_t factor) {
    Terms result = terms(e);
    for (Term &term : result)
      term.coefficient = mul(term.coefficient, factor);
    return sum(std::move(result));
  }

  static Atoms merge(const Atoms &a, const Atoms &b) {
    Atoms result;
    result.reserve(a.size() + b.size());
    std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result),
               [](const Atom &x, const Atom &y) { return x.text < y.text; });
    return result;
  }

  static DimExpr product(const DimExpr &a, const DimExpr &b) {
    const Terms &left = terms(a), &right = terms(b);
    if (left.size() * right.size() > maxProducts)
      refuse("a size expression grows too large");
    Terms result;
    result.reserve(left.size() * right.size());
    for (const Term &x : left)
      for (const Term &y : right)
        result.push_back({mul(x.coefficient, y.coefficient), merge(x.atoms, y.atoms)});
    return sum(std::move(result));
  }

  //===--- Division ---===//

  /// `a` without the atoms of `b`; nullopt when it lacks one.
  static std::optional<Atoms> without(const Atoms &a, const Atoms &b) {
    Atoms result;
    size_t used = 0;
    for (const Atom &atom : a) {
      if (used < b.size() && atom.text == b[used].text)
        ++used;
      else
        result.push_back(atom);
    }
    if (used < b.size())
      return std::nullopt;
    return result;
  }

  static std::optional<Term> quotient(const Term &a, const Term &b) {
    // The only overflowing quotient; its remainder traps as well.
    if (b.coefficient == -1 && a.coefficient == std::numeric_limits<int64_t>::min())
      return std::nullopt;
    if (a.coefficient % b.coefficient != 0)
      return std::nullopt;
    std::optional<Atoms> atoms = without(a.atoms, b.atoms);
    if (!atoms)
      return std::nullopt;
    return Term{a.coefficient / b.coefficient, std::move(*atoms)};
  }

  /// Long division; nullopt when a remainder is left.
  static std::optional<DimExpr> exactQuotient(const DimExpr &a, const DimExpr &b) {
    if (!b.node)
      return std::nullopt;
    Terms result;
    DimExpr rest = a;
    // A quotient has no more terms than this in any expression of permitted size.
    for (size_t steps = 0; rest.node; ++steps) {
      std::optional<Term> lead = quotient(terms(rest).front(), terms(b).front());
      if (!lead || steps == maxText)
        return std::nullopt;
      result.push_back(*lead);
      rest = rest - product(single(std::move(*lead)), b);
    }
    return sum(std::move(result));
  }

  static int64_t floorQuotient(int64_t a, int64_t b) { // b > 0
    return a / b - (a % b < 0 ? 1 : 0);
  }

  /// floor(a / c) for c > 0. Whole multiples of c leave the quotient, so that coefficients inside
  /// lie in [0, c), and common factors cancel. What is left is floordiv(x, c), or, when its
  /// constant is c - 1, ceildiv(x - (c - 1), c).
  static DimExpr floorByConstant(const DimExpr &a, int64_t c) {
    if (c == 1)
      return a;
    Terms whole, rest;
    int64_t common = c, constant = 0;
    for (const Term &term : terms(a)) {
      int64_t times = floorQuotient(term.coefficient, c);
      int64_t left = term.coefficient - times * c;
      if (times != 0)
        whole.push_back({times, term.atoms});
      if (left != 0)
        rest.push_back({left, term.atoms});
      if (term.atoms.empty())
        constant = left;
      else
        common = std::gcd(common, left);
    }
    if (!whole.empty())
      return sum(std::move(whole)) + floorByConstant(sum(std::move(rest)), c);
    if (rest.empty() || rest.front().atoms.empty()) // 0 or a constant below c
      return DimExpr();
    if (common > 1) {
      for (Term &term : rest)
        term.coefficient = term.coefficient / common; // Rounds the constant down, as floor does.
      return floorByConstant(sum(std::move(rest)), c / common);
    }
    if (std::optional<DimExpr> merged = mergeNested(rest, c))
      return *merged;
    if (constant != c - 1)
      return function(AtomKind::FloorDiv, sum(std::move(rest)), c);
    rest.pop_back(); // The constant is last.
    return function(AtomKind::CeilDiv, sum(std::move(rest)), c);
  }

  /// floor((floor(x / d) + t) / c) = floor((x + d*t) / (c*d)), when there is just one inner
  /// quotient.
  static std::optional<DimExpr> mergeNested(const Terms &terms, int64_t c) {
    const Term *inner = nullptr;
    for (const Term &term : terms) {
      if (term.coefficient != 1 || term.atoms.size() != 1)
        continue;
      const Atom &atom = term.atoms.front();
      if ((atom.kind == AtomKind::FloorDiv || atom.kind == AtomKind::CeilDiv) &&
          atom.b.isConstant()) {
        if (inner)
          return std::nullopt;
        inner = &term;
      }
    }
    if (!inner)
      return std::nullopt;
    const Atom &atom = inner->atoms.front();
    int64_t d = *atom.b.constant();
    std::optional<int64_t> both = checkedMul(c, d);
    if (!both)
      return std::nullopt;
    Terms others;
    for (const Term &term : terms)
      if (&term != inner)
        others.push_back(term);
    DimExpr x = atom.kind == AtomKind::CeilDiv ? atom.a + DimExpr(d - 1) : atom.a;
    return floorByConstant(x + scaled(sum(std::move(others)), d), *both);
  }

  static DimExpr divide(AtomKind kind, const DimExpr &a, const DimExpr &b) {
    if (!b.node)
      throw Error("division of the size " + text(a) + " by zero");
    if (std::optional<int64_t> c = b.constant()) {
      if (*c < 0)
        return divide(kind, scaled(a, -1), scaled(b, -1));
      if (std::optional<int64_t> number = a.constant())
        return floorQuotient(kind == AtomKind::CeilDiv ? add(*number, *c - 1) : *number, *c);
      return floorByConstant(kind == AtomKind::CeilDiv ? a + DimExpr(*c - 1) : a, *c);
    }
    if (std::optional<DimExpr> exact = a.dividedExactlyBy(b))
      return *exact;
    if (terms(b).front().coefficient < 0)
      return divide(kind, scaled(a, -1), scaled(b, -1));
    if (terms(b).size() == 1) {
      Terms whole, rest;
      for (const Term &term : terms(a)) {
        if (std::optional<Term> part = quotient(term, terms(b).front()))
          whole.push_back(std::move(*part));
        else
          rest.push_back(term);
      }
      if (!whole.empty())
        return sum(std::move(whole)) + divide(kind, sum(std::move(rest)), b);
    }
    DimExpr common = single(commonFactor(a, b));
    if (common != DimExpr(1))
      return divide(kind, *a.dividedExactlyBy(common), *b.dividedExactlyBy(common));
    return function(kind, a, b);
  }

  /// The largest term that divides every term of both; neither is zero.
  static Term commonFactor(const DimExpr &a, const DimExpr &b) {
    Term common{0, terms(a).front().atoms};
    for (const DimExpr *e : {&a, &b}) {
      for (const Term &term : terms(*e)) {
        // gcd of INT64_MIN has no representation; 1 is a common factor of anything.
        if (term.coefficient == std::numeric_limits<int64_t>::min())
          common.coefficient = 1;
        else
          common.coefficient = std::gcd(common.coefficient, term.coefficient);
        Atoms shared;
        std::set_intersection(common.atoms.begin(), common.atoms.end(), term.atoms.begin(),
                              term.atoms.end(), std::back_inserter(shared),
                              [](const Atom &x, const Atom &y) { return x.text < y.text; });
        common.atoms = std::move(shared);
      }
    }
    return common;
  }

  //===--- Maximum ---===//

  static bool neverNegative(const Atom &atom) {
    switch (atom.kind) {
    case AtomKind::Symbol:
      return true;
    case AtomKind::Max:
      return neverNegative(atom.a) || neverNegative(atom.b);
    case AtomKind::FloorDiv:
    case AtomKind::CeilDiv:
      break;
    }
    return neverNegative(atom.a) && neverNegative(atom.b);
  }
  static bool neverNegative(const Term &term) {
    return std::all_of(term.atoms.begin(), term.atoms.end(),
                       [](const Atom &atom) { return neverNegative(atom); });
  }
  static bool neverNegative(const DimExpr &e) { return neverLess(e, DimExpr()); }

  /// True when a - b is a sum of parts that cannot be negative. Sound, not complete.
  static bool neverLess(const DimExpr &a, const DimExpr &b) {
    const Terms &left = terms(a), &right = terms(b);
    for (size_t i = 0, j = 0; i < left.size() || j < right.size();) {
      int order = i == left.size()    ? 1
                  : j == right.size() ? -1
                                      : compare(left[i].atoms, right[j].atoms);
      const Term &term = order <= 0 ? left[i] : right[j];
      int64_t first = order <= 0 ? left[i++].coefficient : 0;
      int64_t second = order >= 0 ? right[j++].coefficient : 0;
      if (first < second || (first > second && !neverNegative(term)))
        return false;
    }
    return true;
  }

  static void flattenMax(const DimExpr &e, std::vector<DimExpr> &operands) {
    const Terms &all = terms(e);
    if (all.size() == 1 && all[0].coefficient == 1 && all[0].atoms.size() == 1 &&
        all[0].atoms[0].kind == AtomKind::Max) {
      flattenMax(all[0].atoms[0].a, operands);
      flattenMax(all[0].atoms[0].b, operands);
      return;
    }
    operands.push_back(e);
  }

  static DimExpr maximum(const DimExpr &a, const DimExpr &b) {
    if (std::optional<Numbers> both = numbers(a, b))
      return both->first < both->second ? b : a;
    std::vector<DimExpr> all, kept;
    flattenMax(a, all);
    flattenMax(b, all);
    for (const DimExpr &e : all) {
      if (std::any_of(kept.begin(), kept.end(),
                      [&](const DimExpr &other) { return neverLess(other, e); }))
        continue;
      std::erase_if(kept, [&](const DimExpr &other) { return neverLess(e, other); });
      kept.push_back(e);
    }
    std::sort(kept.begin(), kept.end());
    DimExpr result = kept.back();
    for (size_t i = kept.size() - 1; i-- > 0;)
      result = function(AtomKind::Max, kept[i], result);
    return result;
  }

  //===--- Values ---===//

  static std::optional<int64_t> evaluate(const Atom &atom, const DimBinding &binding) {
    if (atom.kind == AtomKind::Symbol) {
      auto found = binding.find(atom.text);
      return found == binding.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<int64_t> a = atom.a.evaluate(binding), b = atom.b.evaluate(binding);
    if (!a || !b)
      return std::nullopt;
    if (atom.kind == AtomKind::Max)
      return std::max(*a, *b);
    if (*b == 0 || (*b == -1 && *a == std::numeric_limits<int64_t>::min()))
      return std::nullopt;
    int64_t towardsZero = *a / *b;
    bool inexact = *a % *b != 0, negative = (*a < 0) != (*b < 0);
    if (atom.kind == AtomKind::FloorDiv)
      return towardsZero - (inexact && negative ? 1 : 0);
    return towardsZero + (inexact && !negative ? 1 : 0);
  }

  static DimExpr substitute(const Atom &atom,
                            const std::map<std::string, DimExpr, std::less<>> &values) {
    if (atom.kind == AtomKind::Symbol) {
      auto found = values.find(atom.text);
      return found == values.end() ? symbol(atom.text) : found->second;
    }
    DimExpr a = atom.a.substitute(values), b = atom.b.substitute(values);
    return atom.kind == AtomKind::Max ? maximum(a, b) : divide(atom.kind, a, b);
  }
};

DimExpr::DimExpr(int64_t value) {
  if (value == 0)
    return;
  if (const Node *known = Algebra::knownNumber(value))
    node = std::shared_ptr<const Node>(std::shared_ptr<const Node>(), known);
  else
    node = std::make_shared<const Node>(Algebra::numberNode(value));
}

DimExpr DimExpr::symbol(std::string name) {
  if (!isValidName(name))
    throw Error({.hint = "a name is a letter, '_' or '$' followed by letters, digits, '_' or '$'"},
                "'" + name + "' is not a valid name for a dimension");
  return Algebra::symbol(std::move(name));
}

bool DimExpr::isConstant() const { return !node || node->terms.front().atoms.empty(); }

std::optional<int64_t> DimExpr::constant() const {
  if (!node)
    return 0;
  // A constant term sorts last, so a leading one is the only one.
  if (!isConstant())
    return std::nullopt;
  return node->terms.front().coefficient;
}

bool DimExpr::isSymbol() const {
  if (!node || node->terms.size() != 1)
    return false;
  const Term &term = node->terms.front();
  return term.coefficient == 1 && term.atoms.size() == 1 &&
         term.atoms.front().kind == AtomKind::Symbol;
}

std::string DimExpr::str() const { return Algebra::text(*this); }

void DimExpr::collectSymbols(std::set<std::string> &symbols) const {
  for (const Term &term : Algebra::terms(*this)) {
    for (const Atom &atom : term.atoms) {
      if (atom.kind == AtomKind::Symbol) {
        symbols.insert(atom.text);
        continue;
      }
      atom.a.collectSymbols(symbols);
      atom.b.collectSymbols(symbols);
    }
  }
}

std::optional<int64_t> DimExpr::evaluate(const DimBinding &binding) const {
  // The terms' sum is wide, so that only a result out of range counts as overflow.
  __extension__ __int128 sum = 0;
  for (const Term &term : Algebra::terms(*this)) {
    std::optional<int64_t> product = term.coefficient;
    bool zero = false;
    for (const Atom &atom : term.atoms) {
      std::optional<int64_t> value = Algebra::evaluate(atom, binding);
      if (!value)
        return std::nullopt;
      zero |= *value == 0;
      if (product)
        product = checkedMul(*product, *value);
    }
    if (zero)
      continue;
    if (!product)
      return std::nullopt;
    sum += *product;
  }
  if (sum < std::numeric_limits<int64_t>::min() || sum > std::numeric_limits<int64_t>::max())
    return std::nullopt;
  return static_cast<int64_t>(sum);
}

DimExpr DimExpr::substitute(const std::map<std::string, DimExpr, std::less<>> &values) const {
  DimExpr sum;
  for (const Term &term : Algebra::terms(*this)) {
    DimExpr product = term.coefficient;
    for (const Atom &atom : term.atoms)
      product *= Algebra::substitute(atom, values);
    sum += product;
  }
  return sum;
}

std::optional<DimExpr> DimExpr::dividedExactlyBy(const DimExpr &divisor) const {
  try {
    return Algebra::exactQuotient(*this, divisor);
  } catch (const Error &) { // The division itself grows beyond the limits.
    return std::nullopt;
  }
}

DimExpr operator+(const DimExpr &a, const DimExpr &b) {
  if (!a.node || !b.node)
    return a.node ? a : b;
  if (std::optional<DimExpr::Algebra::Numbers> both = DimExpr::Algebra::numbers(a, b))
    return DimExpr::Algebra::add(both->first, both->second);
  DimExpr::Algebra::Terms terms = DimExpr::Algebra::terms(a);
  const DimExpr::Algebra::Terms &more = DimExpr::Algebra::terms(b);
  terms.insert(terms.end(), more.begin(), more.end());
  return DimExpr::Algebra::sum(std::move(terms));
}

DimExpr operator-(const DimExpr &a, const DimExpr &b) {
  if (a == b)
    return DimExpr();
  if (std::optional<DimExpr::Algebra::Numbers> both = DimExpr::Algebra::numbers(a, b))
    return DimExpr::Algebra::add(both->first, DimExpr::Algebra::mul(both->second, -1));
  return a + DimExpr::Algebra::scaled(b, -1);
}

DimExpr operator*(const DimExpr &a, const DimExpr &b) {
  if (!a.node || !b.node)
    return DimExpr();
  if (std::optional<DimExpr::Algebra::Numbers> both = DimExpr::Algebra::numbers(a, b)) {
    if (both->first == 1 || both->second == 1)
      return both->first == 1 ? b : a;
    return DimExpr::Algebra::mul(both->first, both->second);
  }
  return DimExpr::Algebra::product(a, b);
}

DimExpr floorDiv(const DimExpr &a, const DimExpr &b) {
  return DimExpr::Algebra::divide(DimExpr::AtomKind::FloorDiv, a, b);
}

DimExpr ceilDiv(const DimExpr &a, const DimExpr &b) {
  return DimExpr::Algebra::divide(DimExpr::AtomKind::CeilDiv, a, b);
}

DimExpr max(const DimExpr &a, const DimExpr &b) { return DimExpr::Algebra::maximum(a, b); }

bool operator==(const DimExpr &a, const DimExpr &b) {
  if (a.node == b.node)
    return true;
  if (std::optional<DimExpr::Algebra::Numbers> both = DimExpr::Algebra::numbers(a, b))
    return both->first == both->second;
  return DimExpr::Algebra::text(a) == DimExpr::Algebra::text(b);
}

bool operator<(const DimExpr &a, const DimExpr &b) {
  return DimExpr::Algebra::text(a) < DimExpr::Algebra::text(b);
}

} // namespace sinter
