#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C++ reference, a page per subject, from the declarations and comments of the public headers.

A public header that stands on no page, or a page without its header, is an error. Functions that are made of operators,
and their options, are on docs/operators.md, which frontend/GenerateOps.py writes."""

import argparse
import dataclasses
import pathlib
import re
import sys
import textwrap

import HeaderText

# Page, title, what it is about, headers.
PAGES = [
    ("graph", "Graph", "A graph under construction: arguments, values, results. "
     "The operators on tensors are on [their own page](../operators.md).",
     ["frontend/Graph.h", "frontend/Tensor.h", "frontend/Init.h"]),
    ("derivatives", "Derivatives", "What they mean is on [Derivatives](../derivatives.md).", ["frontend/Gradients.h"]),
    ("optim", "Optimizers", "Optimizers, and what surrounds them, as parts of the graph.",
     ["frontend/Optim.h", "frontend/Training.h"]),
    ("compile", "Compile", "From a graph to something that runs, or to a library.",
     ["runtime/Session.h", "runtime/Target.h", "ir/base/CacheOptions.h"]),
    ("run", "Run", "Calls, and what they share.",
     ["runtime/Executable.h", "runtime/BoundCall.h", "runtime/State.h", "runtime/NamedArrays.h",
      "runtime/LibraryLoader.h"]),
    ("array", "Arrays", "Data on the host, its types, and the files it is read from.",
     ["ir/base/Array.h", "ir/base/ArrayFiles.h", "ir/base/DType.h"]),
    ("shape", "Shapes", "Sizes as numbers and as expressions.", ["ir/base/Shape.h", "ir/base/DimExpr.h"]),
    ("trace", "Traces and reports", "Where time goes, and what was compiled: [Read a report](../howto/read-a-report.md).",
     ["ir/base/Trace.h", "runtime/Report.h"]),
    ("error", "Errors", "The one exception type, and the exit codes of the tools.", ["ir/base/Error.h"]),
    ("onnx", "ONNX", "What is supported is on [ONNX models](../onnx.md).", ["frontend/onnx/Onnx.h", "frontend/onnx/Export.h"]),
    ("device", "Devices", "Where programs run. Most applications name a target and need none of this.",
     ["runtime/Device.h", "runtime/CpuDevice.h", "runtime/CudaDevice.h", "runtime/ThreadPool.h"]),
    ("program", "Program", "A compiled graph as data, and the C interface of its kernels.",
     ["codegen/Program.h", "ir/base/Signature.h", "ir/base/TargetInfo.h"]),
]
# What headers need and their users do not.
INTERNAL = {"ir/base/ArrayDetail.h", "ir/base/DimExprDetail.h", "ir/base/Float16.h", "frontend/Functions.h",
            "frontend/Ops.h", "runtime/sinter.h"}
ROOTS = ["runtime/sinter.h", "codegen/Program.h", "runtime/Device.h"]


def publicHeaders(source):
    """What the roots reach, as tests/headers has it."""
    seen, pending = set(), list(ROOTS)
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        path = source / name
        if path.exists():  # Ops.h is generated.
            pending += re.findall(r'^#include "sinter/(.*?)"', path.read_text(), re.M)
    return seen


def operatorHeaders(source):
    """The headers whose functions are on docs/operators.md."""
    text = (source / "frontend/GenerateOps.py").read_text()
    names = {"OpArguments.h"}
    for variable in ("STRUCTURAL", "COMPOSITE"):
        names |= set(re.findall(r'"([\w/]+\.h)"', re.search(rf"^{variable} = \[(.*?)\]", text, re.M | re.S)[1]))
    return {"frontend/" + name for name in names} | {"frontend/Elementwise.h", "frontend/nn/Options.h"}


def checkCoverage(source):
    public, shown = publicHeaders(source), [header for _, _, _, headers in PAGES for header in headers]
    elsewhere = operatorHeaders(source) | INTERNAL
    problems = [f"{name}: error: is public, but on no page of the reference (docs/site/ApiReference.py)"
                for name in sorted(public - set(shown) - elsewhere)]
    problems += [f"{name}: error: is on a page of the reference, but not public" for name in shown if name not in public]
    return problems


# What becomes code or a link in a comment: pages, Error(Kind), a::b, f(), classes, a_b, aB.
WORD = re.compile(r"\bdocs/[\w/-]+\.md|\bError\(\w+\)|\b[A-Za-z_]\w*(?:::\w+)+(?:\(\))?|\b[A-Za-z_]\w*\(\)"
                  r"|\b[A-Z][a-z]\w*\b|\b[A-Za-z]+_\w+\b|\b[a-z]+[A-Z]\w*\b")


def identifier(*words):
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


WIDTH = 80  # Of code, in columns.


def fence(text):
    return "\n```cpp\n" + text.rstrip() + "\n```\n"


def declaration(item):
    """One declaration, wrapped; without the parameter that every function has."""
    text = re.sub(r",?\s*std::source_location loc = std::source_location::current\(\)", "", item.text)
    text = re.sub(r"\s+", " ", text) if "///" not in text else text
    if len(text) > WIDTH and "///" not in text:
        head, *rest = re.split(r"(?<=,) ", text)
        lines = [head]
        for word in rest:
            if len(lines[-1]) + len(word) < WIDTH:
                lines[-1] += " " + word
            else:
                lines.append("    " + word)
        text = "\n".join(lines)
    if len(text.splitlines()[-1]) + len(item.trailing) + 6 > WIDTH:
        return comment([item.trailing]) + text
    return text + (f" ///< {item.trailing}" if item.trailing else "")


def comment(lines):
    """Wrapped; a list or an example stays as it is."""
    if not any(line.startswith(" ") for line in lines):
        lines = textwrap.wrap(" ".join(lines), WIDTH - 6)
    return "".join(f"/// {line}".rstrip() + "\n" for line in lines)


class Page:
    def __init__(self, page, known):
        self.page, self.known, self.out, self.taken, self.last = page, known, "", set(), None

    def anchor(self, *words):
        base = identifier(*words) or "operators"
        name, number = base, 2
        while name in self.taken:
            name, number = f"{base}-{number}", number + 1
        self.taken.add(name)
        return name

    def prose(self, lines, own=""):
        """Comment text as Markdown: names become code, classes links, indented lines examples."""
        result, example, linked = "", [], {own}

        def link(match):
            name = match[0]
            if name.startswith("Error("):
                return f"[`{name}`]({'' if self.page == 'error' else 'error.md'}#errorkind)"
            if name in self.known and name not in linked:
                linked.add(name)
                page, anchor = self.known[name]
                return f"[`{name}`]({'' if page == self.page else page + '.md'}#{anchor})"
            if page := re.fullmatch(r"docs/([\w/-]+)\.md", name):
                return f"[{page[1]}](../{page[1]}.md)"
            return name if re.fullmatch(r"[A-Z][A-Za-z]+", name) and name not in self.known else f"`{name}`"

        def inline(text):
            parts = re.split(r"(`[^`]*`)", text)
            for i, part in enumerate(parts):
                if part.startswith("`"):
                    continue
                part = part.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")
                parts[i] = WORD.sub(link, part)
            return "".join(parts)

        def close():
            nonlocal example, result
            if example:
                indent = min(len(line) - len(line.lstrip()) for line in example if line.strip())
                code = [line[indent:] for line in example]
                language = "cpp" if any(line.rstrip().endswith((";", "{")) for line in code) else "text"
                result += f"\n```{language}\n" + "\n".join(code).rstrip() + "\n```\n\n"
                example = []

        paragraph = []
        for line in lines + [""]:
            if line.startswith("  ") and line.strip() and (example or not paragraph or line.startswith("  ")):
                if paragraph:
                    result += inline(" ".join(paragraph)) + "\n"
                    paragraph = []
                example.append(line)
            elif line.strip():
                close()
                paragraph.append(line.strip())
            elif example and not paragraph:
                example.append("")
            else:
                result += inline(" ".join(paragraph)) + "\n\n" if paragraph else ""
                paragraph = []
        close()
        return "\n" + result.rstrip() + "\n" if result.strip() else ""

    def heading(self, level, text, *words):
        shown = text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
        self.out += f"\n{'#' * level} {shown} {{ #{self.anchor(*words)} }}\n"

    def plain(self, item, indent=""):
        """A struct of values, as it is declared, with its comments."""
        lines = [indent + item.text + " {"]
        for member in item.members:
            if member.kind == "section":
                lines.append(f"{indent}  // {member.name}")
                continue
            if member.doc and len(lines) > 1:
                lines.append("")
            if member.kind == "class":
                lines += textwrap.indent(comment(member.doc), indent + "  ").splitlines()
                lines.append(self.plain(member, indent + "  "))
            else:
                text = (comment(member.doc) if member.doc else "") + declaration(member)
                lines += textwrap.indent(text, indent + "  ").splitlines()
        return "\n".join(lines + [indent + "};"])

    def fields(self, item):
        """A struct with much to say about its members: bare, then what is said, which wraps on any screen."""
        bare = [dataclasses.replace(m, doc=[], trailing="") for m in item.members if m.kind != "section"]
        self.out += fence(self.plain(dataclasses.replace(item, members=bare))) + "\n"
        for member in item.members:
            if said := member.doc or [member.trailing] * bool(member.trailing):
                self.out += f"- **`{member.name}`**: {self.prose(said, item.name).strip()}\n"

    def functions(self, level, group, owner):
        names = list(dict.fromkeys(item.name for item in group))
        named = [name for name in names if not name.startswith("operator")]
        title = ", ".join(named) or ("Operators" if len(names) > 1 else names[0])
        if (owner, title) != self.last:  # Overloads that have comments of their own share a heading.
            self.heading(level, title, owner, named[0] if named else "operators")
        self.last = (owner, title)
        self.out += fence("\n".join(map(declaration, group)))
        self.out += self.prose([line for item in group for line in item.doc], owner)

    def entity(self, item, level, owner=""):
        """A class, an enum, a value or an alias."""
        if item.kind == "class" and any(m.kind == "function" and not m.name.startswith("operator")
                                        for m in item.members):
            self.heading(level, item.name, owner, item.name)
            self.out += fence(item.text + ";") if ":" in item.text else ""
            self.out += self.prose(item.doc, item.name)
            self.members(item.members, level + 1, item.name)
        else:
            self.heading(level, item.name, owner, item.name)
            self.out += self.prose(item.doc, item.name)
            if item.kind == "class" and sum(len(m.doc) for m in item.members) > 5:
                self.fields(item)
            else:
                self.out += fence(self.plain(item) if item.kind == "class" else declaration(item))

    def members(self, items, level, owner):
        """Functions that share a comment stay together, as do values."""
        group, values = [], []

        def close():
            nonlocal group, values
            if group:
                self.functions(level, group, owner)
            if values:
                doc = values[0].doc
                self.heading(level, ", ".join(v.name for v in values[:4]) + (", …" if len(values) > 4 else ""),
                             owner, values[0].name)
                self.out += self.prose(doc, owner)
                self.out += fence("\n".join(map(declaration, values)))
            group, values = [], []

        for item in items:
            if item.kind == "function" and (item.name.startswith("~") or re.search(
                    r"= delete;$|^(\w+\()const (\w+) &\) = default;|\(const \w+ &\w*\) (= default)?;$|\(\w+ &&\w*\) noexcept;$"
                    r"|^\w+ &operator=\(.*(= default|noexcept);$", item.text)) and (
                        item.name in ("operator=", owner) or item.name.startswith("~")) and not item.doc:
                continue  # Copying and moving mean what they mean everywhere.
            if item.kind == "function":
                if values or (group and (item.doc or item.apart)):
                    close()
                group.append(item)
            elif item.kind in ("value", "alias"):
                if group or (values and (item.doc or item.apart)):
                    close()
                values.append(item)
            else:
                close()
                if item.kind == "section":
                    self.out += f"\n**{self.prose([item.name]).strip()}**\n"
                elif item.kind == "namespace":
                    if item.name not in ("detail",):
                        self.heading(level, f"namespace {item.name}", "namespace", item.name)
                        self.out += self.prose(item.doc)
                        self.members(item.members, level, owner)
                else:
                    self.entity(item, level, owner)
        close()

    def header(self, name, items):
        self.out += f"\n---\n\n`#include <sinter/{name}>`\n"
        for item in items:
            if item.kind == "namespace" and item.name in ("", "sinter"):
                self.members(item.members, 2, "")
            elif item.kind == "namespace":
                self.heading(2, f"namespace {item.name}", "namespace", item.name)
                self.out += self.prose(item.doc)
                self.members(item.members, 2, item.name.removeprefix("sinter::"))


def entities(page, items):
    """Names of classes, enums and aliases to link to."""
    for item in items:
        if item.kind == "namespace" and item.name != "detail":
            yield from entities(page, item.members)
        elif item.kind in ("class", "enum") and item.name:
            yield item.name, (page, identifier(item.name))


def write(source, out):
    known, parsed = {}, {}
    for page, _, _, headers in PAGES:
        for header in headers:
            parsed[header] = HeaderText.read(source / header)
            for name, place in entities(page, parsed[header]):
                known.setdefault(name, place)
    out.mkdir(parents=True, exist_ok=True)
    for page, title, about, headers in PAGES:
        made = Page(page, known)
        for header in headers:
            made.header(header, parsed[header])
        (out / f"{page}.md").write_text(
            f"# {title}\n\n{about} This page is made from the headers. Names are in the namespace `sinter`; "
            f"where a function has a last parameter `std::source_location loc`, the caller's line, it is not shown.\n"
            f"{made.out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder of the pages")
    arguments = parser.parse_args()
    if problems := checkCoverage(arguments.source):
        sys.exit("\n".join(problems))
    try:
        write(arguments.source, arguments.out)
    except HeaderText.Malformed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
