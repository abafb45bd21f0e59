# SPDX-License-Identifier: Apache-2.0
"""Runs an example on the CPU and by a GPU's kernels on the host: what they print must agree.

usage: CompareRuns.py RUN-ON-HOST TOLERANCE CODE PROGRAM WORD...
Both must end with CODE: an example whose accuracy is too low, after so few steps, does not end with 0.
What is compared are the numbers of lines that tell of a loss, an accuracy or a result; they may differ
by TOLERANCE, relatively. Times are left out.
"""
import re
import subprocess
import sys


def numbers(text):
    lines = [line for line in text.splitlines() if re.search(r"loss|accuracy|=", line)]
    text = re.sub(r"[\d.]+ *(ms|s|images/s)\b", "", "\n".join(lines))
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def main():
    wrapper, tolerance, code, *command = sys.argv[1:]
    runs = []
    for words in (command, [wrapper, *command, "--target=cuda"]):
        run = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        if run.returncode == 77:
            print("skipped:", run.stdout)
            return 77
        if run.returncode != int(code):
            sys.exit(f"{' '.join(words)} ended with {run.returncode}, not {code}\n{run.stdout}")
        runs.append(run.stdout)
    cpu, gpu = map(numbers, runs)
    if len(cpu) < 2 or len(cpu) != len(gpu):
        sys.exit(f"{len(cpu)} and {len(gpu)} numbers\n{runs[0]}\n{runs[1]}")
    for a, b in zip(cpu, gpu):
        if abs(a - b) > float(tolerance) * max(abs(a), abs(b)):
            sys.exit(f"{a} on the CPU, {b} by the GPU's kernels\n{runs[0]}\n{runs[1]}")
    print(len(cpu), "numbers agree")
    return 0


sys.exit(main())
