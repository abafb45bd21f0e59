#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/coverage.md from what OpTableTest ran and passed (its --gtest_output=json files), or checks that it is so."""

import argparse
import json
import pathlib
import sys

DTYPES = ["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool"]
# The letter of a cell and the properties of the tests that must name the dtype, per engine.
COLUMNS = [("I", "interpreter", ["interpreter"]), ("C", "cpu", ["compiled"]),
           ("G", "gradient", ["interpreter", "compiled"]), ("J", "jvp", ["interpreter", "compiled"]),
           ("2", "second", ["interpreter", "compiled"])]
HEAD = """# Coverage

What the op table (`tests/ops`) ran and passed: this page is written from its results and checked against them, no cell by
hand. In each dtype:

- `I`: the interpreter, and `C`: compiled for the CPU, agree with an oracle in extended precision that shares no code with Sinter,
  over {cases} sets of shapes, with guard bytes around every buffer.
- `G`: the gradient and `J`: the forward derivative agree with each other, ⟨Jv, u⟩ = ⟨v, Jᵀu⟩, in both engines; in f64
  the forward derivative also with central differences, element by element.
- `2`: second derivatives by gradients of gradients agree with central differences, in both engines, and with `jvp` of gradients,
  gradients of `jvp` and `jvp` of `jvp` in the interpreter. Checked in f64, for functions without kinks.

An op without `G` gives integers or booleans, or looks at bits; asking for its derivative is an error that says why.
A composite is made of ops, so its derivatives follow; it is tested all the same.

**{cells} cells** for {ops} ops and {composites} composites: {counts}.
"""


def read(paths):
    """{(op or row, is an op): {(column, dtype): {engines}}} and the number of sets of shapes."""
    found, cases = {}, 0
    for suite in [suite for path in paths for suite in json.loads(path.read_text())["testsuites"]]:
        for test in suite["testsuite"]:
            if "row" not in test:
                continue
            if test.get("result") != "COMPLETED" or test.get("failures"):
                sys.exit(f"error: {test['name']} did not pass")
            engine = test["name"].split("/")[-1].split("_")[0]
            entry = found.setdefault((test["op"] or test["row"], bool(test["op"])), {})
            cases += int(test["cases"]) if "interpreter" in test else 0
            for _, column, _ in COLUMNS:
                for dtype in test.get(column, "").split():
                    entry.setdefault((column, dtype), set()).add(engine)
    return found, cases


def letters(entry, dtype):
    return "".join(letter for letter, column, engines in COLUMNS
                   if entry.get((column, dtype), set()) >= set(engines))


def table(title, found, wantOps):
    names = sorted(name for name, isOp in found if isOp == wantOps)
    used = [d for d in DTYPES if any(letters(found[name, wantOps], d) for name in names)]
    lines = [f"\n## {title}\n", "| | " + " | ".join(used) + " |", "|---" * (len(used) + 1) + "|"]
    for name in names:
        lines.append(f"| `{name}` | " + " | ".join(letters(found[name, wantOps], d) for d in used) + " |")
    return "\n".join(lines) + "\n"


def page(paths):
    found, cases = read(paths)
    if not found:
        sys.exit("error: no results of the op table")
    cells = [letters(entry, dtype) for entry in found.values() for dtype in DTYPES]
    counts = ", ".join(f"{sum(letter in cell for cell in cells):,} {column}" for letter, column, _ in COLUMNS)
    text = HEAD.format(cells=f"{sum(map(len, cells)):,}", ops=sum(isOp for _, isOp in found),
                       composites=sum(not isOp for _, isOp in found), counts=counts, cases=f"{cases:,}")
    return text + table("Ops", found, True) + table("Composites", found, False)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("results", type=pathlib.Path, nargs="+")
group = parser.add_mutually_exclusive_group(required=True)
group.add_argument("--write", type=pathlib.Path)
group.add_argument("--check", type=pathlib.Path)
arguments = parser.parse_args()
text = page(arguments.results)
if arguments.write:
    arguments.write.write_text(text)
elif not arguments.check.exists() or arguments.check.read_text() != text:
    sys.exit(f"{arguments.check}:1: error: it does not say what the op table passed; write it anew:\n"
             f"  tests/ops/Coverage.py {' '.join(map(str, arguments.results))} --write {arguments.check}")
