# SPDX-License-Identifier: Apache-2.0
"""Schedules of all graphs that fused-bench knows: written, read back, written again."""

import subprocess
import sys


def run(words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def main(folder):
    cases = [line.split()[0] for line in run(["fused-bench", "--list"]).splitlines() if line.strip()]
    cases = [case for case in cases if not case.startswith(("cold_compile_", "first_step_warm"))]  # Graphs of other cases.
    kernels = 0
    for case in cases:
        graph = run(["fused-bench", "--graph", case])
        words = ["graph-compile", "-", "--emit=schedule"]
        first = run(words, input=graph)
        path = f"{folder}/{case}.txt"
        with open(path, "w") as file:
            file.write(first)
        if run(words + [f"--schedule={path}"], input=graph) != first:
            sys.exit(f"{case}: what was written is not what was read")
        kernels += first.count("\nkernel ")
    print(f"{len(cases)} graphs, {kernels} schedules")


main(sys.argv[1])
