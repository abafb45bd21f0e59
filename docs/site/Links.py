#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the links within the Markdown pages of a checkout, or within a built site: files and anchors. In a checkout
also that files which the text names are there."""

import argparse
import html.parser
import pathlib
import re
import sys
import tempfile
import urllib.parse

FENCE = re.compile(r"^(```|~~~)")
# A file of the checkout that a page names.
FILE = re.compile(r"`((?:ir|frontend|passes|codegen|runtime|tools|tests|scripts|examples|cmake|docs)/[\w./*-]+)`")


def slug(title, taken):
    """The anchor that GitHub and the site give to a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
    text = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    number = taken.get(text, -1) + 1
    taken[text] = number
    return text if number == 0 else f"{text}-{number}"


def readMarkdown(path):
    """(anchors, [(line, target)]), a file named in the text being a target "root:FILE"."""
    anchors, links, taken, fenced = set(), [], {}, False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if FENCE.match(line.lstrip()):
            fenced = not fenced
            continue
        if fenced:
            continue
        if match := re.match(r"#{1,6} (.*?)(?:\s*\{ #([\w-]+) \})?\s*$", line):
            anchors.add(match[2] or slug(match[1], taken))
        anchors |= set(re.findall(r'<a (?:id|name)="([^"]+)"', line))
        links += [(number, "root:" + file) for file in FILE.findall(line)]
        plain = re.sub(r"`[^`]*`", "", line)
        links += [(number, target) for target in re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", plain)]
        links += [(number, target) for target in re.findall(r'(?:href|src)="([^"]+)"', plain)]
    return anchors, links


class Html(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.anchors, self.links = set(), []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        for key in ("href", "src"):
            if values.get(key):
                # What a page loads must lie beside it; what it leads to may be anywhere.
                loaded = tag != "a" and "://" in values[key]
                self.links.append((self.getpos()[0], "//another host/ " * loaded + values[key]))


def readHtml(path):
    page = Html()
    page.feed(path.read_text())
    return page.anchors | {"", "__top"}, page.links


def check(pages, read, root):
    """Every problem as text, and the number of links."""
    known, problems, count = {}, [], 0

    def anchorsOf(path):
        if path not in known:
            known[path] = read(path)
        return known[path][0]

    for page in pages:
        anchorsOf(page)
        for line, target in known[page][1]:
            if target.startswith("//another host/ "):
                problems.append(f"{page.relative_to(root)}:{line}: error: is loaded from{target[1:]}")
                continue
            if target.startswith("root:"):
                if not any(root.glob(target[5:].rstrip("/"))) and not any(root.glob(target[5:] + ".*")):
                    problems.append(f"{page.relative_to(root)}:{line}: error: no file '{target[5:]}'")
                continue
            url = urllib.parse.urlsplit(target)
            if url.scheme or url.netloc:
                continue
            count += 1
            where = f"{page.relative_to(root)}:{line}: error: '{target}'"
            to = (page.parent / urllib.parse.unquote(url.path)).resolve() if url.path else page
            if not to.is_relative_to(root):
                problems.append(f"{where} leads out of {root.name}")
            elif not to.exists():
                problems.append(f"{where}: no such file")
            elif url.fragment and to.suffix == page.suffix and urllib.parse.unquote(url.fragment) not in anchorsOf(to):
                problems.append(f"{where}: no such heading")
    return problems, count


def selfTest():
    """Each problem is found, and only these."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        (root / "other.md").write_text("# Other page\n## `a::b()`, again\n## Twice\n## Twice\n")
        page = root / "page.md"
        page.write_text("# Page\n[a](other.md) [b](other.md#ab-again) [c](#page) [d](other.md#twice-1) `[e](none.md)`\n"
                        "```text\n[f](none.md)\n```\n[g](https://example.org/none)\n")
        assert check([page], readMarkdown, root) == ([], 4), check([page], readMarkdown, root)
        for bad in ["[a](none.md)", "[a](other.md#none)", "[a](#none)", "![a](none.svg)", "[a](../../etc/passwd)", "`docs/none.cpp`"]:
            page.write_text(bad + "\n")
            assert len(check([page], readMarkdown, root)[0]) == 1, bad
        site = root / "page.html"
        for text, problems in [('<a id="x" href="#x">', 0), ('<a href="#y">', 1), ('<img src="none.png">', 1),
                               ('<a href="https://example.org">', 0), ('<script src="https://example.org/a.js">', 1)]:
            site.write_text(text)
            assert len(check([site], readHtml, root)[0]) == problems, text
    print("every problem is found")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", action="store_true", help="the folders hold HTML")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--root", type=pathlib.Path, help="what links may not lead out of")
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="pages, or folders of pages")
    arguments = parser.parse_args()
    if arguments.self_test:
        return selfTest()
    suffix = "html" if arguments.site else "md"
    pages = []
    for path in arguments.paths:
        pages += sorted(path.resolve().rglob(f"*.{suffix}")) if path.is_dir() else [path.resolve()]
    if not pages:
        sys.exit(f"no .{suffix} files in {', '.join(map(str, arguments.paths))}")
    root = (arguments.root or arguments.paths[0]).resolve()
    problems, count = check(pages, readHtml if arguments.site else readMarkdown, root)
    print("\n".join(problems + [f"{count} links within {len(pages)} pages, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
