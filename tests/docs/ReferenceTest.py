#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reference that docs/site makes of the public headers: it reads what they are written in, refuses what it cannot
follow, and leaves nothing out. And every page is in the navigation."""

import html
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "docs/site"))
import ApiReference  # noqa: E402
import HeaderText  # noqa: E402

HEADER = """
namespace sinter {
// Said to maintainers.

/// Doc of f.
int f(int a, std::vector<std::pair<int, int>> b = {},
      std::source_location loc = std::source_location::current());
struct Ahead;
/// A class.
class C : public Base<int> {
public:
  explicit C(int x) : x(x), y{x} { g("}"); }
  template <typename T>
  requires std::is_arithmetic_v<T>
  T get() const { return '{'; }
  std::function<void(int)> call = nullptr; ///< Called
                                           ///< later.
  friend bool operator<(const C &a, const C &b);

private:
  /// Hidden.
  int secret() const;
};
enum class E { A, B }; ///< Two.
#define MACRO(x) { x
inline constexpr int table[] = {1, 2};
using F = int (*)(int);
} // namespace sinter
"""


def read(text):
    return HeaderText.Reader(text, "Test.h").items()


class HeaderTextTest(unittest.TestCase):
    def testDeclarations(self):
        members = read(HEADER)[0].members
        self.assertEqual([(m.kind, m.name) for m in members],
                         [("function", "f"), ("class", "C"), ("enum", "E"), ("value", "table"), ("alias", "F")])
        self.assertEqual(members[0].doc, ["Doc of f."])
        self.assertEqual(members[2].trailing, "Two.")
        inside = members[1].members
        self.assertEqual([m.name for m in inside], ["C", "get", "call", "operator<"])
        self.assertEqual(inside[0].text, "explicit C(int x);")
        self.assertEqual(inside[2].trailing, "Called later.")

    def testWhatCannotBeFollowedIsRefused(self):
        for text in ["namespace a {", "class C {", "int f(", "int x = {1", "foo bar {}"]:
            with self.assertRaises(HeaderText.Malformed, msg=text):
                read(text)


class ReferenceTest(unittest.TestCase):
    def testEveryPublicHeaderIsOnAPage(self):
        self.assertEqual(ApiReference.checkCoverage(SOURCE), [])

    def testMissingAndStaleHeadersAreNoticed(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            for name in ApiReference.publicHeaders(SOURCE) | {"frontend/GenerateOps.py"}:
                if (SOURCE / name).exists():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(SOURCE / name, copy / name)
            root = copy / "runtime/sinter.h"
            root.write_text(root.read_text().replace('#include "sinter/frontend/Training.h"',
                                                     '#include "sinter/runtime/New.h"'))
            (copy / "runtime/New.h").write_text("")
            problems = [p for p in ApiReference.checkCoverage(copy) if p not in ApiReference.checkCoverage(SOURCE)]
            self.assertEqual([p.split(":")[0] for p in problems], ["runtime/New.h", "frontend/Training.h"])

    def testNoCommentIsLeftOut(self):
        """Every comment of a declaration in a namespace stands on the page, word by word."""

        def words(text):
            return " ".join(re.findall(r"\w+", text))

        with tempfile.TemporaryDirectory() as folder:
            ApiReference.write(SOURCE, pathlib.Path(folder))
            for page, _, _, headers in ApiReference.PAGES:
                text = html.unescape(pathlib.Path(folder, f"{page}.md").read_text())
                shown = words(re.sub(r"\]\([\w./]*#[\w-]+\)", "", text))
                for header in headers:
                    for line in re.findall(r"^/// ?(.*)", (SOURCE / header).read_text(), re.M):
                        self.assertIn(words(line), shown, f"{header} on {page}.md")


class NavigationTest(unittest.TestCase):
    def testEveryPageIsInTheNavigation(self):
        text = (SOURCE / "docs/site/mkdocs.yml").read_text().split("\nnav:\n")[1]
        named = [page for page in re.findall(r"[\w/.-]+\.md", text) if not page.startswith("reference/")]
        pages = [str(p.relative_to(SOURCE / "docs")) for p in (SOURCE / "docs").rglob("*.md")]
        self.assertEqual(sorted(named), sorted(p for p in pages if not p.startswith("site/")))


if __name__ == "__main__":
    unittest.main()
