# SPDX-License-Identifier: Apache-2.0
"""PyTorch on the CPU: eager where it has fused operators, torch.compile by default and with mode=max-autotune; weights
of inference cases frozen, images channels_last."""

import os

import torch
import torch._inductor.config as inductor

EAGER, DEFAULT, AUTOTUNE = "torch eager", "torch.compile", "torch.compile max-autotune"

CASES = {}  # name: (function of Data and Compiler, variants)


def case(name, eager=False):
    """Registers a function(data, compiler) -> common.Prepared."""
    def register(function):
        CASES[name] = (function, [DEFAULT, AUTOTUNE] + ([EAGER] if eager else []))
        return function
    return register


class Compiler:
    """Compiles as a variant says."""

    def __init__(self, variant):
        self.variant = variant

    def __call__(self, function, frozen=False, whole=True):
        # Read when the function is first called, which is before the next one is prepared.
        inductor.freezing = frozen
        if self.variant == EAGER:
            return function
        mode = "max-autotune" if self.variant == AUTOTUNE else "default"
        return torch.compile(function, fullgraph=whole, dynamic=False, mode=mode)


def tensor(array):
    if array.dtype == "uint16":
        return torch.from_numpy(array.view("int16").copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def array(value):
    value = value.detach()
    if value.dtype == torch.bfloat16:
        return value.contiguous().view(torch.int16).numpy().view("uint16")
    return value.contiguous().numpy()


def versions():
    import subprocess
    compiler = os.environ.get("CXX", "g++")
    line = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
    return {"torch": torch.__version__, "inductor's compiler": line[0] if line else compiler}


def variants(name, options):
    ways = CASES.get(name, (None, []))[1]
    return [way for way in ways if way != AUTOTUNE or not options.get("quick")]


def prepare(name, variant, data):
    torch.set_num_threads(int(os.environ["SINTER_PEER_THREADS"]))
    torch.set_grad_enabled(True)
    return CASES[name][0](data, Compiler(variant))


def forget():
    torch._dynamo.reset()


import torch_kernels  # noqa: E402,F401  they register themselves
import torch_networks  # noqa: E402,F401
