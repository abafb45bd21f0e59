# SPDX-License-Identifier: Apache-2.0
"""What the peers behind a C interface (onednn_peer.cpp, openblas_peer.cpp) share."""

import ctypes

import numpy as np

from common import Prepared


def aligned(array):
    """A copy that starts at a cache line."""
    space = np.empty(array.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    result = space[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


class Library:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.peer_version.restype = self.library.peer_error.restype = ctypes.c_char_p
        self.library.peer_run.restype = ctypes.c_double

    def version(self):
        return self.library.peer_version().decode()

    def prepare(self, function, arguments, outputs, held):
        """`arguments`: integers, arrays (or None), and lists of either; `held` is kept alive."""
        make = getattr(self.library, function)
        make.restype = ctypes.c_void_p
        handle = make(*[self.pass_on(argument, held) for argument in arguments])
        if not handle:
            raise RuntimeError(self.library.peer_error().decode())
        return Native(self.library, ctypes.c_void_p(handle), outputs, held)

    def pass_on(self, argument, held):
        if argument is None or isinstance(argument, np.ndarray):
            return ctypes.c_void_p(None if argument is None else argument.ctypes.data)
        if isinstance(argument, list):
            kind = ctypes.c_void_p if isinstance(argument[0], np.ndarray) else ctypes.c_int64
            values = [item.ctypes.data if isinstance(item, np.ndarray) else item for item in argument]
            held.append((kind * len(values))(*values))
            return held[-1]
        return argument if isinstance(argument, ctypes.c_int) else ctypes.c_int64(argument)


class Native(Prepared):
    def __init__(self, library, handle, outputs, held):
        super().__init__(lambda: library.peer_run(handle, ctypes.c_int64(1)), self.named)
        self.library, self.handle, self.outputs, self.held = library, handle, outputs, held

    def named(self, _):
        self.library.peer_finish(self.handle)
        return {"output/" + name: array for name, array in self.outputs.items()}

    def seconds(self, times):
        return self.library.peer_run(self.handle, ctypes.c_int64(times))

    def __del__(self):
        self.library.peer_destroy(self.handle)


class Arrays:
    """Copies of the inputs of a case, and space for its outputs."""

    def __init__(self, data):
        self.data, self.held, self.outputs = data, [], {}

    def input(self, name):
        return self.keep(aligned(self.data.input[name]))

    def constant(self, name):
        return self.keep(aligned(self.data.constant[name]))

    def output(self, name):
        self.outputs[name] = self.keep(aligned(np.zeros_like(self.data.output[name])))
        return self.outputs[name]

    def keep(self, array):
        self.held.append(array)
        return array


def matmul(library, data, weights=None, bias=None):
    """The matrix product of a case of one or two inputs; `weights` names constant ones."""
    arrays = Arrays(data)
    a = arrays.input("a" if "a" in data.input else "x")
    b = arrays.constant(weights) if weights else arrays.input("w" if bias else "b")
    c = arrays.output(next(iter(data.output)))
    batches = a.shape[0] if a.ndim == 3 else 0
    bf16 = ctypes.c_int(a.dtype == np.uint16)
    arguments = [batches, a.shape[-2], a.shape[-1], b.shape[-1], bf16, ctypes.c_int(weights is not None), a, b,
                 arrays.input(bias) if bias else None, c]
    return library.prepare("peer_matmul", arguments, arrays.outputs, arrays.held)
