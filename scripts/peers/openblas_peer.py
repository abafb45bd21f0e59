# SPDX-License-Identifier: Apache-2.0
"""OpenBLAS: the matrix products of f32."""

import os

from native import Library, matmul

LIBRARY = "OpenBLAS"
library = Library(os.environ["SINTER_PEER_OPENBLAS"])

CASES = {
    "gemm_f32_1024": {},
    "gemm_batched_256x64": {},
    "gemm_16x4096x4096": {"weights": "w"},
    "gemv_4096": {"weights": "w"},
}


def versions():
    return {"OpenBLAS": library.version()}


def variants(name, options):
    return [LIBRARY] if name in CASES else []


def prepare(name, variant, data):
    return matmul(library, data, **CASES[name])


def forget():
    pass
