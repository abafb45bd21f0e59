#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every public header compiles alone, with the standard library only, names no third party's type, and exports what it
declares.

Public is what the roots below reach."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOTS = ["sinter/sinter.h", "sinter/runtime.h", "sinter/codegen/Program.h", "sinter/runtime/Device.h"]
# Folders whose files the standard library and the system may pull in.
SYSTEM = re.compile(r"^/usr/(include/(c\+\+|x86_64-linux-gnu|bits|asm|asm-generic|linux|gnu|sys)/"
                    r"|include/[a-z0-9_-]+\.h$|lib/gcc/|lib/llvm-\d+/lib/clang/|lib/clang/)")
THIRD_PARTY_HEADER = re.compile(r"^/usr/include/(zlib|zconf|png|pngconf|ffi|curl)\.h$")
VISIBLE = (r"^#pragma GCC visibility push\(default\)$.*^namespace sinter\b.*^\} // namespace sinter\S*\n"
           r"#pragma GCC visibility pop$")
THIRD_PARTY_NAME = re.compile(r"\b(mlir|llvm|nlohmann|google::protobuf|onnx|CLI)\s*(::|\{)")


def compileAlone(compiler, includes, text):
    """(error text, headers read) of a unit that holds `text`."""
    with tempfile.TemporaryDirectory() as folder:
        source, depfile = pathlib.Path(folder, "Unit.cpp"), pathlib.Path(folder, "Unit.d")
        source.write_text(text)
        command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                   "-MD", "-MF", str(depfile)]
        command += [word for path in includes for word in ("-I", path)] + [str(source)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            return result.stderr or "the compiler failed", []
        words = depfile.read_text().replace("\\\n", " ").split()
        return "", [os.path.normpath(word) for word in words[1:] if word != str(source)]


def ownName(header, includes):
    """"sinter/..." for a header of this project, else None."""
    for path in includes:
        prefix = os.path.normpath(path) + "/"
        if header.startswith(prefix):
            return header[len(prefix):]
    return None


def checkUnit(compiler, includes, name):
    """(problems, own headers that were read) of `name`, included first and twice."""
    error, headers = compileAlone(compiler, includes, f'#include "{name}"\n#include "{name}"\n')
    if error:
        return [f"{name}: does not compile alone with {compiler}:\n{error}"], []
    problems, own = [], []
    for header in headers:
        project = ownName(header, includes)
        if project:
            own.append(project)
            text = pathlib.Path(header).read_text()
            if re.search(r"^namespace sinter\b", text, re.M) and not re.search(VISIBLE, text, re.M | re.S):
                problems.append(f"{project}: error: '#pragma GCC visibility push(default)' and 'pop' are not around what it "
                                "declares: it would stay inside of the shared library")
            for number, line in enumerate(text.splitlines(), 1):
                code = line.split("//")[0]
                if THIRD_PARTY_NAME.search(code):
                    problems.append(f"{project}:{number}: error: names a third party's type: {code.strip()}")
        elif THIRD_PARTY_HEADER.match(header) or not SYSTEM.match(header):
            problems.append(f"{name}: error: pulls in {header}")
    return problems, own


def check(compiler, includes, roots):
    problems, seen, pending = set(), set(), set(roots)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while pending:
            seen |= pending
            results = list(pool.map(lambda name: checkUnit(compiler, includes, name), pending))
            reached = set()
            for unitProblems, own in results:
                problems.update(unitProblems)
                reached.update(own)
            pending = reached - seen
    return sorted(problems), seen


def selfTest(compiler):
    cases = {
        "Good.h": ("#pragma once\n#include <vector>\n#include <cmath>\ninline std::vector<int> f() { return {}; }\n", True),
        "Incomplete.h": ("#pragma once\ninline std::vector<int> f() { return {}; }\n", False),
        "Unguarded.h": ("struct Twice {};\n", False),
        "Forward.h": ("#pragma once\nnamespace mlir { class Operation; }\n", False),
        "Visible.h": ("#pragma once\n#pragma GCC visibility push(default)\nnamespace sinter {\nint f();\n"
                      "} // namespace sinter\n#pragma GCC visibility pop\n", True),
        "Invisible.h": ("#pragma once\nnamespace sinter {\nint f();\n} // namespace sinter\n", False),
        "Zlib.h": ("#pragma once\n#include <zlib.h>\n", False),
    }
    wrong = 0
    for name, (text, good) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            header = pathlib.Path(folder, "sinter", name)
            header.parent.mkdir()
            header.write_text(text)
            problems, _ = check(compiler, [folder], [f"sinter/{name}"])
            if bool(problems) == good:
                wrong += 1
                print(f"{name}: expected {'no ' if good else 'a '}complaint, got {problems}")
    print(f"{len(cases) - wrong} of {len(cases)} cases as expected")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return selfTest(arguments.compiler)
    problems, seen = check(arguments.compiler, arguments.include, ROOTS)
    print("\n".join(problems + [f"{len(seen)} public headers, {len(problems)} problems"]))
    return 1 if problems else 0


sys.exit(main())
