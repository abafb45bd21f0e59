# SPDX-License-Identifier: Apache-2.0
"""What a case is given and what it must give, as `fused-bench --serve` saves it."""

import time

import numpy as np


class Data:
    """Arrays by name, each a dict: input, constant, state (before), output and updated (after one call)."""

    def __init__(self, path):
        groups = {group: {} for group in ("input", "constant", "state", "output", "updated")}
        with np.load(path) as file:
            for key in file.files:
                group, name = key.split("/", 1)
                array = file[key]
                # numpy has no bf16: its bits come as two bytes.
                groups[group][name] = array.view(np.uint16) if array.dtype.kind == "V" else array
        self.input, self.constant, self.state, self.output, self.updated = groups.values()


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def difference(got, expected, kind):
    """The largest difference relative to the expected value, or to the root mean square of all where that is larger; or
    ("norm") the norm of the differences over that of the expected values."""
    if expected.dtype == np.uint16:
        expected = from_bf16(expected)
    if got.dtype == np.uint16:
        got = from_bf16(got)
    if got.shape != expected.shape:
        return float("inf")
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    if not np.all(np.isfinite(got)):
        return float("inf")
    gap = np.abs(got - expected)
    if kind == "norm":
        return float(np.sqrt(np.sum(gap * gap) / max(np.sum(expected * expected), 1e-30)))
    scale = np.sqrt(np.mean(expected * expected)) if expected.size else 0.0
    return float(np.max(gap / np.maximum(np.maximum(np.abs(expected), scale), 1e-30), initial=0.0))


def check(data, results, kind, tolerance):
    """Compares what a peer computed, {"output/y": array, ...}, with ours; a message, or None when they agree. Every
    output must be there; of the updated variables those that the peer names."""
    worst, where = 0.0, ""
    for name, expected in data.output.items():
        if "output/" + name not in results:
            return f"output {name} is missing"
    for key, got in results.items():
        group, name = key.split("/", 1)
        error = difference(np.asarray(got), getattr(data, group)[name], kind)
        if not error <= worst:
            worst, where = error, key
    return None if worst <= tolerance else f"{where} differs by {worst:.3g}"


class Prepared:
    """One way to run a case. call() runs it once and returns when the result is there; results(returned) gives
    {"output/y": array, "updated/w": array, ...} after the first call."""

    def __init__(self, call, results):
        self.call, self.results = call, results

    def seconds(self, times):
        call = self.call
        start = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - start) / times
