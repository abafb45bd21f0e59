#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a file includes what its layer may not include. The table below is the rule."""

import argparse
import pathlib
import re
import sys
import tempfile

# Who may include whom. A layer may always include itself and ir/base.
ALLOWED = {
    "ir/base": [],
    "ir": [],
    "frontend": ["ir"],
    "passes": ["ir"],
    "codegen/Program.h": [],
    "codegen": ["codegen/Program.h", "passes", "ir"],
    "runtime/device": ["codegen/Program.h"],
    "runtime/session": ["runtime/device", "frontend", "codegen", "codegen/Program.h", "ir"],
}
# Layers that may use MLIR and LLVM at all, and the prefixes that give such a use away.
MLIR_LAYERS = ["ir", "frontend", "passes", "codegen", "runtime/session"]
MLIR_PREFIXES = ("mlir/", "mlir-c/", "llvm/", "llvm-c/", "lld/")
# Tools, tests and examples sit on top and may include every layer.
SUFFIXES = {".h", ".cpp", ".td"}
INCLUDE = re.compile(r'^\s*#?\s*include\s+(["<])([^">]+)[">]')


def layerOf(path, sessionStems):
    """The layer of a path relative to the sources (or after "sinter/"); None for what is on top."""
    parts = path.split("/")
    if re.fullmatch(r"codegen/Program(Text|TextFields|Steps)?\.(h|cpp)", path):
        return "codegen/Program.h"
    if parts[0] == "ir":
        return "ir/base" if parts[1] == "base" else "ir"
    if parts[0] == "runtime":
        return "runtime/session" if pathlib.Path(path).stem in sessionStems else "runtime/device"
    if path == "sinter.h":
        return "runtime/session"
    return parts[0] if parts[0] in ALLOWED else None


def checkFile(root, path, sessionStems):
    layer = layerOf(path, sessionStems)
    problems = []
    for number, line in enumerate((root / path).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, included = match.groups()

        def complain(reason):
            problems.append(f'{path}:{number}: error: "{included}": {reason}')

        if included.startswith("sinter/"):
            target = layerOf(included[len("sinter/"):], sessionStems)
            if target is None:
                complain("no layer of that name")
            elif target not in (layer, "ir/base") and target not in ALLOWED[layer]:
                complain(f"{layer} may not include {target}")
        elif included.startswith(MLIR_PREFIXES):
            if layer not in MLIR_LAYERS:
                complain(f"{layer} is built without MLIR and LLVM")
        elif quote == '"':
            complain('write includes of this project as "sinter/<folder>/<File>.h"')
    return problems


def check(root, sessionStems):
    problems, count = [], 0
    for folder in ("ir", "frontend", "passes", "codegen", "runtime"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in SUFFIXES:
                count += 1
                problems += checkFile(root, file.relative_to(root).as_posix(), sessionStems)
    return problems, count


def selfTest():
    """Each file breaks one rule, or none; the checker must tell which."""
    cases = [
        ("ir/Ops.cpp", '#include "sinter/passes/Passes.h"', False),
        ("ir/base/Shape.cpp", '#include "sinter/ir/Ops.h"', False),
        ("ir/base/Array.cpp", '#include "llvm/ADT/SmallVector.h"', False),
        ("frontend/Graph.cpp", '#include "sinter/codegen/Pipeline.h"', False),
        ("passes/Fuse.cpp", '#include "sinter/frontend/Graph.h"', False),
        ("codegen/Schedule.cpp", '#include "sinter/runtime/Device.h"', False),
        ("codegen/Program.h", '#include "sinter/ir/Ops.h"', False),
        ("codegen/Program.cpp", '#include "sinter/codegen/Schedule.h"', False),
        ("runtime/CpuDevice.cpp", '#include "mlir/IR/Value.h"', False),
        ("runtime/CpuDevice.cpp", '#include "sinter/codegen/Pipeline.h"', False),
        ("runtime/CpuDevice.cpp", '#include "sinter/runtime/Session.h"', False),
        ("passes/Fuse.cpp", '#include "Fuse.h"', False),
        ("frontend/Graph.cpp", '#include "sinter/nowhere/Graph.h"', False),
        ("frontend/Graph.cpp", '#include "sinter/ir/Ops.h"', True),
        ("codegen/Schedule.cpp", '#include "sinter/passes/Passes.h"', True),
        ("runtime/CpuDevice.cpp", '#include "sinter/codegen/Program.h"', True),
        ("runtime/Session.cpp", '#include "sinter/runtime/CpuDevice.h"', True),
        ("runtime/Session.cpp", "#include <vector>", True),
    ]
    wrong = 0
    for path, text, allowed in cases:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(text + "\n")
            problems, _ = check(pathlib.Path(folder), {"Session"})
            if bool(problems) == allowed:
                wrong += 1
                print(f"{path}: {text}: expected {'no ' if allowed else 'a '}complaint, got {problems}")
    print(f"{len(cases) - wrong} of {len(cases)} cases as expected")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--session", nargs="*", default=[],
                        help="files of the runtime's session half; the others there are the device half")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return selfTest()
    problems, count = check(arguments.root, {pathlib.Path(file).stem for file in arguments.session})
    print("\n".join(problems + [f"{count} files, {len(problems)} forbidden includes"]))
    return 1 if problems or not count else 0


sys.exit(main())
