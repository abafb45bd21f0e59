# SPDX-License-Identifier: Apache-2.0
"""Unwritable.py GRAPH-COMPILE GRAPH FOLDER: every form of output onto a full device; libraries also into a folder that is
not there, over a folder, and without a place for temporary files. Each is an error of file access that leaves nothing."""

import os
import re
import subprocess
import sys

tool, graph, folder = sys.argv[1:]
os.makedirs(os.path.join(folder, "taken"))
forms = re.search(r"--emit TEXT\s+(\S+)", subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout)
forms = [form for form in forms.group(1).split("|") if form not in ("ptx", "cubin")]  # Which need NVRTC.
libraries = {"obj", "static", "lib"}
plain = os.path.join(folder, "plain.mlir")  # Without parameters, whose values an ONNX model needs.
with open(plain, "w", encoding="ascii") as file:
    file.write("""func.func @main(%x: !sinter.tensor<f32[8]> {sinter.name = "x"}) -> (!sinter.tensor<f32[8]> {sinter.name = "y"}) {
  %y = sinter.tanh %x : (!sinter.tensor<f32[8]>) -> !sinter.tensor<f32[8]>
  return %y : !sinter.tensor<f32[8]>
}
""")
problems = []


def expect(what, arguments, code=3, **options):
    answer = subprocess.run([tool, graph if arguments[0][7:] in libraries else plain, *arguments], text=True, check=False,
                            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
    if answer.returncode != code or "error: " not in answer.stderr or "bug" in answer.stderr:
        problems.append(f"{what}: exit code {answer.returncode}, {answer.stderr!r}")


for form in forms:
    paths = ["/dev/full"]
    if form in libraries:
        paths += [os.path.join(folder, "missing", "x"), os.path.join(folder, "taken"), "/proc/sinter"]
    for path in paths:
        expect(f"{form} to {path}", [f"--emit={form}", "-o", path])
    if form in ("graph", "asm", "dot"):
        with open("/dev/full", "w", encoding="ascii") as full:
            expect(f"{form} to a full standard output", [f"--emit={form}"], stdout=full)
for form in sorted(libraries):
    expect(f"{form} without temporary files", [f"--emit={form}", "-o", os.path.join(folder, "x.so")],
           env={**os.environ, "TMPDIR": os.path.join(folder, "missing")})
    os.makedirs(os.path.join(folder, "taken.h"), exist_ok=True)
    expect(f"{form} whose header is a folder", [f"--emit={form}", "-o", os.path.join(folder, "taken.so")])
left = sorted(os.listdir(folder))
if left != ["plain.mlir", "taken", "taken.h"]:
    problems.append(f"left behind: {left}")
sys.exit("\n".join(problems) if problems else 0)
