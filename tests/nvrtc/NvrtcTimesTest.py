# SPDX-License-Identifier: Apache-2.0
"""scripts/nvrtc-times: its figures add up where NVRTC is there; what is wrong is said, not a traceback."""

import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "nvrtc-times"
TEXT = """// first: row, a comment
extern "C" __global__ void first(float *x) { x[threadIdx.x] = x[threadIdx.x] * 2.0f; }
// second: sort
extern "C" __global__ void second(float *x) { x[threadIdx.x] = x[threadIdx.x] + 2.0f; }
"""


def run(*words, nvrtc=None):
    environment = dict(os.environ, **({"SINTER_NVRTC": nvrtc} if nvrtc else {}))
    ended = subprocess.run([sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True, check=False, env=environment)
    return ended.returncode, ended.stdout, ended.stderr


def script():
    loader = importlib.machinery.SourceFileLoader("nvrtc_times", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("nvrtc_times", loader))
    loader.exec_module(module)
    return module


class NvrtcTimes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "kernels.cu"
        self.file.write_text(TEXT)

    def expect(self, code, message, *words, nvrtc=None):
        got, _, said = run(*words, nvrtc=nvrtc)
        self.assertNotIn("Traceback", said)
        self.assertIn(message, said)
        self.assertEqual(got, code, said)

    def test_what_is_wrong_is_said(self):
        self.expect(3, "cannot read", self.folder / "none.cu")
        self.file.rename(self.folder / "other.txt")
        self.expect(3, "there is no file *.cu", self.folder)
        (self.folder / "bytes.cu").write_bytes(b"\xff\xfe")
        self.expect(3, "cannot read", self.folder)
        self.expect(2, "must be at least 1", "--runs=0", self.file)
        self.expect(2, "--runs", "--runs=some", self.file)
        (self.folder / "bytes.cu").write_text(TEXT)
        self.expect(5, "NVRTC was not found", self.folder, nvrtc="/nowhere/libnvrtc.so")

    def test_options_are_those_of_the_compiler(self):
        options = script().compile_options()
        self.assertIn("--std=c++17", options)
        self.assertIn("--fmad=false", options)

    def test_times_of_kernels_add_up(self):
        code, table, said = run("--runs=1", self.folder)
        if code == 5:
            self.skipTest(said)
        self.assertEqual(code, 0, said)
        rows = {line.split()[0]: line.split() for line in table.splitlines() if not line.startswith(" ")}
        self.assertEqual([rows[name][1] for name in ("row", "sort", "all")], ["1", "1", "2"])
        self.assertAlmostEqual(float(rows["row"][3]) + float(rows["sort"][3]), 2 * float(rows["all"][3]), delta=0.3)
        self.assertIn("sort second in kernels.cu", table)
        self.file.write_text("here is no kernel")
        self.expect(1, "NVRTC refuses the text", self.folder)


if __name__ == "__main__":
    unittest.main()
