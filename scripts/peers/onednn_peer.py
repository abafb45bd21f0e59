# SPDX-License-Identifier: Apache-2.0
"""oneDNN: the kernel cases, in layouts of its own choice."""

import os

from native import Arrays, Library, matmul

LIBRARY = "oneDNN"
library = Library(os.environ["SINTER_PEER_ONEDNN"])


def softmax(data):
    arrays = Arrays(data)
    x, y = arrays.input("x"), arrays.output("y")
    return library.prepare("peer_softmax", [*x.shape, x, y], arrays.outputs, arrays.held)


def layer_norm(data):
    arrays = Arrays(data)
    given = [arrays.input(name) for name in ("x", "gamma", "beta", "dy")]
    results = [arrays.output(name) for name in ("y", "dx", "dgamma", "dbeta")]
    return library.prepare("peer_layernorm", [*given[0].shape, given, results], arrays.outputs, arrays.held)


def convolution_set(data):
    arrays, all_arrays, channels = Arrays(data), [], []
    sizes = [56, 28, 14, 7]
    for size in sizes:
        x = arrays.input(f"x{size}")
        channels.append(x.shape[1])
        all_arrays += [x, arrays.constant(f"w{size}"), arrays.constant(f"b{size}"), arrays.output(f"y{size}")]
    return library.prepare("peer_convolutions", [len(sizes), all_arrays[0].shape[0], channels, sizes, all_arrays],
                           arrays.outputs, arrays.held)


def convolution_gradients(data):
    arrays = Arrays(data)
    given = [arrays.input(name) for name in ("x", "w", "dy")]
    results = [arrays.output(name) for name in ("y", "dx", "dw")]
    return library.prepare("peer_convolution_gradients", [given[0].shape[0], given, results], arrays.outputs,
                           arrays.held)


def transposed_convolution(data):
    arrays = Arrays(data)
    x, w, y = arrays.input("x"), arrays.input("w"), arrays.output("y")
    return library.prepare("peer_transposed_convolution", [x.shape[0], x, w, y], arrays.outputs, arrays.held)


CASES = {
    "gemm_f32_1024": lambda data: matmul(library, data),
    "gemm_bf16_1024": lambda data: matmul(library, data),
    "gemm_batched_256x64": lambda data: matmul(library, data),
    "gemm_16x4096x4096": lambda data: matmul(library, data, weights="w"),
    "gemv_4096": lambda data: matmul(library, data, weights="w"),
    "linear_gelu_128x768x3072": lambda data: matmul(library, data, bias="b"),
    "softmax_4096x1024": softmax,
    "layernorm_fwd_bwd_4096x1024": layer_norm,
    "resnet_conv3x3_set": convolution_set,
    "conv2d_3x3_fwd_bwd_64_56": convolution_gradients,
    "conv_transpose_4x4_64_56": transposed_convolution,
}


def versions():
    return {"oneDNN": library.version()}


def variants(name, options):
    return [LIBRARY] if name in CASES else []


def prepare(name, variant, data):
    return CASES[name](data)


def forget():
    pass
