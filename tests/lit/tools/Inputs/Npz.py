# SPDX-License-Identifier: Apache-2.0
"""Npz.py FILE NAME=DTYPE[SIZES]:VALUES...: writes .npz (or .npy for a single array), without NumPy.

One value fills an array: x=f4[2,3]:1  y=i4[2]:0,1
"""

import io
import re
import struct
import sys
import zipfile


def npy(text):
    dtype, sizes, values = re.fullmatch(r"(\w+)\[([\d,]*)\]:(.*)", text).groups()
    shape = [int(size) for size in sizes.split(",") if size]
    count = 1
    for size in shape:
        count *= size
    code, convert = {"f4": ("f", float), "f8": ("d", float), "i4": ("i", int), "i8": ("q", int)}[dtype]
    numbers = [convert(value) for value in values.split(",")] if values else []
    if len(numbers) == 1:
        numbers *= count
    tuple_ = "(" + "".join(f"{size}, " for size in shape) + ")"
    header = f"{{'descr': '<{dtype}', 'fortran_order': False, 'shape': {tuple_}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    data = struct.pack(f"<{count}{code}", *numbers)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


path, arrays = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
if path.endswith(".npy"):
    open(path, "wb").write(npy(arrays[0][1]))
else:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in arrays:
            archive.writestr(name + ".npy", npy(text))
