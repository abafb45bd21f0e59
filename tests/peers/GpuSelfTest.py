# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of the pack for a GPU machine: its cases are those of the benchmark, and the table says what is missing.
Needs neither PyTorch nor numpy. usage: GpuSelfTest.py FUSED-BENCH"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "scripts", "peers")
sys.path.insert(0, PEERS)

import gpu_main  # noqa: E402

BENCH = sys.argv.pop()
FIGURES = {"device": "A", "target": "cuda:sm_90a", "driver": "13.0", "cublaslt": "error: there is no cuBLASLt", "small": 0,
           "probes": {"copy_gbytes_per_s": 4000, "read_gbytes_per_s": 4100, "f32_gflops": 6e4, "bf16_gflops": 8e5},
           "cases": [{"case": "gemm_bf16_8192", "ms": 1.5, "roofline": 0.9}, {"case": "sum_1g", "ms": 2.0, "roofline": None}],
           "pairs": [{"case": "gemm_bf16_8192", "peer": "cuBLASLt", "missing": "error: there is no cuBLASLt"}]}


def names():
    listed = subprocess.run([BENCH, "--target=cuda", "--list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


class Prepared:
    def __init__(self, name):
        self.name = name

    def call(self):
        return self.name

    def results(self, values):
        return values


class Peer:
    """In PyTorch's place; of one case its results may differ."""

    differing = None
    cases = {name: lambda _data, _compiler, name=name: Prepared(name) for name in ("large", "last")}
    torch = unittest.mock.MagicMock()

    def __init__(self, _device):
        pass

    def version(self):
        return "torch 0"

    def compiler(self, variant):
        return variant

    def saved(self, _path):
        return None

    def made(self, _arguments):
        return None

    def check(self, _data, results, *_rules):
        return "y" if results == Peer.differing else ""

    def sample(self, _prepared):
        return 2.0, 4.0

    def forget(self):
        pass


class Gpu(unittest.TestCase):
    def test_cases_are_those_of_the_benchmark(self):
        with open(os.path.join(PEERS, "gpu_cases.py"), encoding="utf-8") as file:
            written = {name for names in re.findall(r"^@case\((.*)\)$", file.read(), re.M)
                       for name in re.findall(r'"(\w+)"', names)}
        self.assertEqual(written, names())
        self.assertLessEqual(set(gpu_main.TARGETS) | set(gpu_main.TOLERANCES), names())

    def test_table_has_figures_and_says_what_is_missing(self):
        found = [{"case": "gemm_bf16_8192", "peer": "torch.compile", "theirs_ms": 3.0, "ratio": 2.0, "p10": 1.9, "p90": 2.1}]
        text = gpu_main.markdown(FIGURES, FIGURES["pairs"] + found)
        self.assertIn("| gemm_bf16_8192 | 1.5 ms | 90% | cuBLASLt | – | missing | 0.90 of cuBLASLt |", text)
        self.assertIn("torch.compile | 3 ms | 2.00 (1.90–2.10) |", text)
        self.assertIn("| sum_1g | 2 ms | – | – |", text)
        self.assertNotIn("no figures", text)
        self.assertIn("no figures", gpu_main.markdown({**FIGURES, "small": 1}, []))

    def test_without_pytorch_it_says_so_and_writes_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            figures, table = os.path.join(folder, "f.json"), os.path.join(folder, "t.md")
            with open(figures, "w", encoding="utf-8") as file:
                json.dump(FIGURES, file)
            command = [sys.executable, "-S", "-I", os.path.join(PEERS, "gpu_main.py"), "--runner", "none", "--figures"]
            run = subprocess.run([*command, figures, "--markdown", table], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("NOT compared, PyTorch cannot be imported", run.stdout)
            self.assertTrue(os.path.exists(table))
            for words, code in (([figures, "--modes=best"], 2), ([figures, "--pairs=0"], 2),
                                ([os.path.join(folder, "none")], 3)):
                run = subprocess.run(command + words, capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, code, run.stderr)

    def compare(self, peer, runner):
        """gpu_main with a stand-in for PyTorch and for the runner: exit code, what it says, its pairs."""
        with tempfile.TemporaryDirectory() as folder:
            figures, table = os.path.join(folder, "f.json"), os.path.join(folder, "t.md")
            program = os.path.join(folder, "runner.py")
            for path, text in ((figures, json.dumps(FIGURES)), (program, runner)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            words = ["gpu_main.py", "--runner", sys.executable, program, "--figures", figures, "--markdown", table,
                     "--modes=default", "--pairs=2"]
            with unittest.mock.patch.object(gpu_main, "Torch", peer), unittest.mock.patch.object(sys, "argv", words), \
                    contextlib.redirect_stdout(io.StringIO()) as output:
                try:
                    code = gpu_main.main()
                except SystemExit as ended:
                    code = ended.code
            self.assertTrue(os.path.exists(table))
            with open(figures, encoding="utf-8") as file:
                return code, output.getvalue(), json.load(file)["torch_pairs"]

    def test_a_runner_that_refuses_or_ends_costs_its_cases_alone(self):
        runner = "import sys\nfor line in sys.stdin:\n" \
                 "  word = line.split()\n" \
                 "  if word[-1] == 'last': sys.exit(5)\n" \
                 "  print('cases large last' if word[0] == 'cases' else 'error: out of memory on the GPU', flush=True)\n"
        code, said, pairs = self.compare(Peer, runner)
        self.assertEqual(code, 5)
        self.assertIn("large: NOT compared with torch.compile: Sinter's side: error: out of memory", said)
        self.assertEqual([pair["case"] for pair in pairs], ["large"])

    def test_other_results_are_exit_code_6(self):
        runner = "import sys\nfor line in sys.stdin:\n" \
                 "  answer = {'cases': 'cases large last', 'sample': 'ms 1 2', 'arguments': 'arguments'}\n" \
                 "  print(answer.get(line.split()[0], 'ready 1'), flush=True)\n"
        code, said, pairs = self.compare(Peer, runner)
        self.assertEqual((code, [pair["ratio"] for pair in pairs]), (0, [2.0, 2.0]), said)
        Peer.differing = "last"
        self.addCleanup(setattr, Peer, "differing", None)
        code, said, pairs = self.compare(Peer, runner)
        self.assertEqual(code, 6)
        self.assertIn("last: NOT compared with torch.compile: its results are others: y", said)
        self.assertEqual([pair.get("ratio") for pair in pairs], [2.0, None])

    def test_ratio_is_of_pairs(self):
        self.assertEqual(gpu_main.ratio([1.0, 2.0, 4.0], [2.0, 2.0, 20.0])["ratio"], 2.0)


if __name__ == "__main__":
    unittest.main()
