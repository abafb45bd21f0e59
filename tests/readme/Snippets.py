#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fenced block of the pages is compiled, run or compared, or says why not. How to mark one: README.md."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r"<!-- test: (.*?) -->")
FENCE = re.compile(r"^```(\w*)\s*$")


class Block:
    def __init__(self, page, line, language, mark, text):
        self.page, self.line, self.language, self.mark, self.text = page, line, language, mark, text
        self.where = f"{page.name}:{line}"


def fail(where, message):
    sys.exit(f"{where}: error: {message}")


def blocksOf(page):
    blocks, mark, lines = [], "", page.read_text().splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if match := MARK.fullmatch(line.strip()):
            mark = match[1]
        elif match := FENCE.match(line):
            start = number
            while number < len(lines) and lines[number] != "```":
                number += 1
            if number == len(lines):
                fail(f"{page.name}:{start}", "the block does not end")
            blocks.append(Block(page, start + 1, match[1], mark, "\n".join(lines[start:number]) + "\n"))
            number += 1
            mark = ""
        elif line.strip():
            if line.lstrip().startswith("```"):
                fail(f"{page.name}:{number}", "a fence that this test does not understand")
            if mark:
                fail(f"{page.name}:{number}", f"'{mark}' marks no block")
    for index, block in enumerate(blocks):
        verb = block.mark.split(":")[0].split(" ")[0]
        allowed = {"cpp": ["", "as", "more", "throws", "skip"], "sh": ["", "exit", "skip"]}.get(
            block.language, ["output", "file", "skip"])
        if verb not in allowed:
            fail(block.where, f"a {block.language or 'plain'} block needs one of {allowed} in "
                              f"'<!-- test: ... -->', not '{block.mark}'")
        if verb == "skip" and not block.mark.partition(":")[2].strip():
            fail(block.where, "skip needs a reason: '<!-- test: skip: reason -->'")
        if verb == "more" and not any(b.language == "cpp" and not b.mark.startswith(("skip", "throws"))
                                      for b in blocks[:index]):
            fail(block.where, "'more' has no block to go on with")
        if verb in ("output", "throws"):
            other = blocks[index - 1] if verb == "output" else (blocks[index + 1:] or [None])[0]
            if not other or (verb == "throws" and other.mark != "output"):
                fail(block.where, f"'{verb}' has no block to go with")
    return blocks


def expectationOf(blocks, index):
    following = blocks[index + 1] if index + 1 < len(blocks) else None
    return following.text if following and following.mark == "output" else None


def emitCpp(pages, out):
    """One program: each block, with those that go on with it, is a function that either returns, or throws what the
    next block says."""
    includes, snippets = {}, []
    for page in pages:
        blocks, going = blocksOf(page), None  # What 'more' goes on with.
        for index, block in enumerate(blocks):
            if block.language != "cpp" or block.mark.startswith("skip"):
                continue
            words = block.mark.split(" ")
            shown, first = (words[-1], 1) if "as" in words else (page.name, block.line)
            body = f'#line {first} "{shown}"\n'
            for line in block.text.splitlines():
                if line.startswith("#include"):
                    includes[line] = True
                    line = ""
                body += line + "\n"
            expected = expectationOf(blocks, index)
            piece = f'R"expect({expected})expect"' if expected else "nullptr"
            if block.mark == "more":
                going["body"] += "nextBlock();\n" + body
                going["expected"].append(piece)
                continue
            snippet = {"where": block.where, "name": re.sub(r"\W", "_", f"page_{page.stem}_{block.line}"), "body": body,
                       "throws": "throws" in words, "expected": [piece]}
            if "int main() {" in body:  # A whole program, in a namespace of its own.
                name = snippet["name"]
                snippet["program"] = f"namespace {name}_program {{\n{body.replace('int main()', 'static void run()')}}}\n"
                snippet["body"] = f"{name}_program::run();\n"
            snippets.append(snippet)
            going = going if snippet["throws"] else snippet
    functions = [f"{s.get('program', '')}static void {s['name']}() {{\n{s['body']}}}\n" for s in snippets]
    table = [f'{{"{s["where"]}", {s["name"]}, {str(s["throws"]).lower()}, {{{", ".join(s["expected"])}}}}},\n'
             for s in snippets]
    program = pathlib.Path(__file__).with_name("Snippets.cpp.in").read_text()
    program = program.replace("@INCLUDES@", "\n".join(includes)).replace("@FUNCTIONS@", "\n".join(functions))
    pathlib.Path(out).write_text(program.replace("@TABLE@", "".join(table)))


def matches(expected, actual):
    """A line '...' stands for any lines, '...' within a line for any text."""
    pattern = ""
    for line in expected.rstrip().splitlines():
        line = line.rstrip()
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += re.escape(line).replace(r"\.\.\.", r"[^\n]*") + r"\n"
    text = "".join(line.rstrip() + "\n" for line in actual.rstrip().splitlines())
    return re.fullmatch(pattern, text) is not None


def runShell(pages, folders):
    environment = dict(os.environ, PATH=os.pathsep.join([os.path.abspath(f) for f in folders] + [os.environ["PATH"]]),
                       SINTER=str(pathlib.Path(__file__).resolve().parents[2]))
    count = 0
    for page in pages:
        with tempfile.TemporaryDirectory() as folder:
            blocks = blocksOf(page)
            for index, block in enumerate(blocks):
                if block.mark.startswith("file "):
                    pathlib.Path(folder, block.mark.split(" ")[1]).write_text(block.text)
                if block.language != "sh" or block.mark.startswith("skip"):
                    continue
                run = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", block.text], cwd=folder, env=environment,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
                wanted = int(block.mark.split(" ")[1]) if block.mark.startswith("exit ") else 0
                if run.returncode != wanted:
                    fail(block.where, f"exit code {run.returncode}, not {wanted}:\n{run.stdout}")
                expected = expectationOf(blocks, index)
                if expected and not matches(expected, run.stdout):
                    fail(block.where, f"the page says\n{expected}but it is\n{run.stdout}")
                count += 1
    print(f"{count} command blocks run")


def selfTest():
    """Each check can fail."""
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder, "Page.md")

        def refused(text, run=False):
            page.write_text(text)
            try:
                runShell([page], []) if run else blocksOf(page)
            except SystemExit:
                return
            sys.exit(f"accepted:\n{text}")

        refused("```text\nunmarked\n```\n")
        refused("```\nunmarked\n```\n")
        refused("```cpp\nno end\n")
        refused("<!-- test: skip: -->\n```sh\nfalse\n```\n")
        refused("<!-- test: skip: why -->\nprose\n```sh\ntrue\n```\n")
        refused("<!-- test: throws -->\n```cpp\nf();\n```\n")
        refused("<!-- test: more -->\n```cpp\nf();\n```\n")
        refused("```python\nprint()\n```\n")
        refused("```sh\nfalse\n```\n", run=True)
        refused("<!-- test: exit 3 -->\n```sh\ntrue\n```\n", run=True)
        refused("```sh\nfalse | true\n```\n", run=True)
        refused("```sh\necho a; echo b\n```\n<!-- test: output -->\n```text\na\n```\n", run=True)
        page.write_text("```sh\necho a1; echo b; echo c\n```\n<!-- test: output -->\n```text\na...\n...\nc\n```\n")
        runShell([page], [])


parser = argparse.ArgumentParser()
parser.add_argument("pages", nargs="*", type=pathlib.Path)
parser.add_argument("--emit-cpp")
parser.add_argument("--path", action="append", default=[])
parser.add_argument("--self-test", action="store_true")
arguments = parser.parse_args()
if arguments.self_test:
    selfTest()
elif arguments.emit_cpp:
    emitCpp(arguments.pages, arguments.emit_cpp)
else:
    runShell(arguments.pages, arguments.path)
