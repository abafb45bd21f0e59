#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times PyTorch beside the packed programs of scripts/pack-gpu-suite, on the same GPU, and makes a table of all figures.

Our side is `gpu-suite-run --serve` in a process of its own. The smaller instance of each case is compared first, on our
inputs and parameters: a peer that differs is reported, not timed, and the exit code is 6, for one of both is wrong. Then both take samples in turn at full size, by the
device's events (in a training step also by the clock of the host, with all that a call costs there)."""

import argparse
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

MODES = {"torch.compile": "default", "torch.compile max-autotune": "max-autotune",
         "torch.compile reduce-overhead": "reduce-overhead"}
EAGER = "torch eager"
# What issue and anchors ask for: share of the limit, and of a peer.
TARGETS = {"chain5_256m": "92% of the copy", "softmax_16kx4k": "85% of the copy, 1.2 of torch.compile",
           "softmax_16kx128k": "85% of the copy, 1.2 of torch.compile",
           "layernorm_fwd_bwd_16kx4k": "85% of the copy, 1.2 of torch.compile",
           "gemm_bf16_8192": "0.90 of cuBLASLt", "mlp_epilogue_8192x4096x16384": "1.1 of cuBLASLt + kernels",
           "tiny_train_step": "2.0 of reduce-overhead"}
TOLERANCES = {"resnet50_train_step": 0.2, "tiny_train_step": 1e-3, "chain5_256m": 1e-5, "sum_1g": 1e-4}
CALLS = 5  # of a sample, which is their median


class Ours:
    """The runner, a line for a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(words) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise SystemExit(self.process.wait() or 5)
        if answer.startswith("error"):
            raise RuntimeError(answer.strip())
        return answer.split()[1:]

    def close(self):
        self.process.communicate("quit\n")


class Torch:
    """Imported only where it is used: the table needs no PyTorch."""

    def __init__(self, device):
        import torch
        self.torch, self.device = torch, torch.device(device)
        if device == "cuda" and not torch.cuda.is_available():
            raise ImportError("this PyTorch sees no GPU")
        import gpu_cases
        from common import check
        self.cases, self.check = gpu_cases.CASES, check
        torch.backends.cudnn.benchmark = True  # of cuDNN's algorithms the fastest, not a guess

    def version(self):
        torch = self.torch
        where = torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"
        return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, {where}"

    def compiler(self, variant):
        torch = self.torch

        def compiled(function, whole=True):
            if variant == EAGER:
                return function
            return torch.compile(function, fullgraph=whole, dynamic=False, mode=MODES[variant])
        return compiled

    def tensor(self, array):
        torch = self.torch
        if array.dtype.name == "uint16":  # bits of bf16
            return torch.from_numpy(array.view("int16").copy()).view(torch.bfloat16).to(self.device)
        return torch.from_numpy(array.copy()).to(self.device)

    def saved(self, path):
        """Inputs and variables on the device; results stay numpy's, for check()."""
        from common import Data
        data = Data(path)
        data.input = {name: self.tensor(value) for name, value in data.input.items()}
        data.state = {name: self.tensor(value) for name, value in data.state.items()}
        return data

    def made(self, arguments):
        """The same arguments at full size, with values as ours: smooth inputs, normal weights."""
        torch = self.torch
        data = type("Data", (), {"input": {}, "state": {}, "output": {}, "updated": {}})()
        torch.manual_seed(1)
        for text in arguments:
            kind, name, dtype, most, sizes = text.split(":")
            sizes = [int(size) for size in sizes.split(",") if size]
            dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "i32": torch.int32, "i64": torch.int64}[dtype]
            if not dtype.is_floating_point:
                value = torch.randint(int(most), sizes, dtype=dtype, device=self.device)
            elif kind == "input":
                value = self.smooth(sizes, dtype, len(data.input))
            elif name.endswith((".gamma", ".variance")):
                value = torch.ones(sizes, dtype=dtype, device=self.device)
            else:
                value = torch.randn(sizes, dtype=dtype, device=self.device) * 0.02
            getattr(data, kind)[name] = value
        return data

    def smooth(self, sizes, dtype, number):
        torch = self.torch
        count, part = 1, 1 << 26
        for size in sizes:
            count *= size
        value = torch.empty(count, dtype=dtype, device=self.device)
        for start in range(0, count, part):
            at = torch.arange(start, min(count, start + part), device=self.device, dtype=torch.float32)
            at *= 0.37 + 0.11 * number
            value[start:start + part] = at.cos() + 0.25 * at.sin()
        return value.view(sizes)

    def sample(self, prepared):
        """Milliseconds of the device, and of calls with all that they cost."""
        torch = self.torch
        clock, kernels = [], []
        for _ in range(CALLS):
            torch.compiler.cudagraph_mark_step_begin()
            if self.device.type == "cuda":
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                prepared.call()
                end.record()
                end.synchronize()
                kernels.append(start.elapsed_time(end))
            begin = time.perf_counter()
            torch.compiler.cudagraph_mark_step_begin()
            prepared.call()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            clock.append((time.perf_counter() - begin) * 1e3)
        return statistics.median(kernels or clock), statistics.median(clock)

    def forget(self):
        self.torch._dynamo.reset()
        gc.collect()
        if self.device.type == "cuda":
            self.torch.cuda.empty_cache()


def ratio(ours, theirs):
    from ratios import percentile
    values = [b / a for a, b in zip(ours, theirs)]
    return {"ratio": percentile(values, 0.5), "p10": percentile(values, 0.1), "p90": percentile(values, 0.9)}


def compare(peer, small, full, name, variants, pairs):
    """One object per variant: its figures, or why there are none."""
    if name not in peer.cases:
        return [{"case": name, "peer": "PyTorch", "missing": "the case is not written in PyTorch"}]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        saved = os.path.join(folder, "case.npz")
        try:
            small.ask("prepare", name)
            small.ask("save", saved)
            full.ask("prepare", name)
        except RuntimeError as problem:  # no memory for it, say
            return [{"case": name, "peer": variant, "missing": f"Sinter's side: {problem}"} for variant in variants]
        for variant in variants:
            result = {"case": name, "peer": variant}
            results.append(result)
            try:
                data = peer.saved(saved)
                prepared = peer.cases[name](data, peer.compiler(EAGER))
                differs = peer.check(data, prepared.results(prepared.call()), "norm", TOLERANCES.get(name, 2e-2))
                if differs:
                    result.update(differs=True, missing="its results are others: " + differs)
                    continue
                begin = time.perf_counter()
                prepared = peer.cases[name](peer.made(full.ask("arguments", name)), peer.compiler(variant))
                for _ in range(3):
                    peer.torch.compiler.cudagraph_mark_step_begin()
                    prepared.call()
                result["first_calls_s"] = time.perf_counter() - begin
                ours, theirs = [], []
                for _ in range(pairs):
                    ours.append([float(ms) for ms in full.ask("sample")])
                    theirs.append(peer.sample(prepared))
                result.update(ours_ms=statistics.median(o[0] for o in ours),
                              theirs_ms=statistics.median(t[0] for t in theirs), pairs=pairs,
                              **ratio([o[0] for o in ours], [t[0] for t in theirs]))
                if name.endswith("train_step"):
                    result["host"] = ratio([o[1] for o in ours], [t[1] for t in theirs])
            except Exception as problem:  # whatever a library throws is an answer
                text = str(problem).strip()
                result["missing"] = f"{type(problem).__name__}: {text.splitlines()[0] if text else ''}"[:300]
            finally:
                data = prepared = None
                peer.forget()
    return results


def describe(result):
    if "missing" in result:
        return f"{result['case']}: NOT compared with {result['peer']}: {result['missing']}"
    text = (f"{result['case']}: {result['ours_ms']:.4f} ms, {result['peer']} {result['theirs_ms']:.4f} ms, "
            f"ratio {result['ratio']:.3f} ({result['p10']:.3f}-{result['p90']:.3f})")
    if "host" in result:
        text += f", by the host's clock {result['host']['ratio']:.3f}"
    return text


def markdown(results, pairs):
    """As in docs/benchmarks.md."""
    lines = [f"{results['device']} ({results['target']}, driver of CUDA {results['driver']}), {results['cublaslt']}"
             + (f", {results['torch']}" if results.get("torch") else "") + ".", ""]
    if results.get("small"):
        lines += ["**Smaller instances, to try the pack out: these are no figures.**", ""]
    probes = results["probes"]
    lines += [f"Probes: copy {probes['copy_gbytes_per_s']:.0f} GB/s, f32 {probes['f32_gflops'] / 1e3:.1f} TF/s, bf16 "
              f"{probes['bf16_gflops'] / 1e3:.0f} TF/s.", "",
              "| case | Sinter | of the limit | peer | time | ratio (p10–p90) | target |", "|---|---|---|---|---|---|---|"]
    for case in results["cases"]:
        share = f"{case['roofline']:.0%}" if case.get("roofline") else "–"
        head = f"| {case['case']} | {case['ms']:.4g} ms | {share} |"
        target = f" {TARGETS.get(case['case'], '')} |"
        of_case = [pair for pair in pairs if pair["case"] == case["case"]] or [None]
        for pair in of_case:
            if not pair:
                lines.append(head + " – | | |" + target)
            elif "missing" in pair:
                lines.append(f"{head} {pair['peer']} | – | missing |{target}")
            else:
                lines.append(f"{head} {pair['peer']} | {pair['theirs_ms']:.4g} ms | {pair['ratio']:.2f} "
                             f"({pair['p10']:.2f}–{pair['p90']:.2f}) |{target}")
    return "\n".join(lines) + "\n"


def compare_all(options, variants, results, found):
    """Adds to `found` case by case."""
    try:
        peer = Torch(options.device)
    except (ImportError, OSError) as problem:  # OSError: a library of CUDA that does not load
        results["torch"] = ""
        print(f"torch.compile: NOT compared, PyTorch cannot be imported: {problem}")
        return
    results["torch"] = peer.version()
    print(results["torch"], flush=True)
    with contextlib.closing(Ours([*options.runner, "--serve", "--small"])) as small, \
            contextlib.closing(Ours([*options.runner, "--serve"] + (["--small"] if options.small else []))) as full:
        for name in [name for name in full.ask("cases") if options.filter in name]:
            for result in compare(peer, small, full, name, variants, options.pairs):
                found.append(result)
                print(describe(result), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runner", nargs="+", required=True, help="gpu-suite-run and its folder of cases")
    parser.add_argument("--figures", required=True, help="what gpu-suite-run --measure --json has written; goes on in it")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--filter", default="", help="only cases whose name contains this")
    parser.add_argument("--modes", default="default,max-autotune,reduce-overhead", help="of torch.compile; may name eager")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: to try this script out")
    parser.add_argument("--small", action="store_true", help="the smaller instances, to try this script out")
    options = parser.parse_args()
    known = {mode: name for name, mode in MODES.items()} | {"eager": EAGER}
    variants = []
    for mode in options.modes.split(","):
        if mode not in known:
            parser.error(f"no mode is called '{mode}'; there are {', '.join(known)}")
        variants.append(known[mode])
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    try:
        with open(options.figures, encoding="utf-8") as file:
            results = json.load(file)
    except (OSError, ValueError) as problem:
        print(f"gpu_main.py: cannot read the figures: {problem}", file=sys.stderr)
        return 3
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    found = []
    try:
        compare_all(options, variants, results, found)
    finally:  # also where the runner's end is ours
        results["torch_pairs"] = found
        with open(options.figures, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
        if options.markdown:
            with open(options.markdown, "w", encoding="utf-8") as file:
                file.write(markdown(results, results["pairs"] + found))
    return 6 if any(result.get("differs") for result in found) else 0


if __name__ == "__main__":
    sys.exit(main())
