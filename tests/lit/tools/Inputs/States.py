# SPDX-License-Identifier: Apache-2.0
"""States.py STORED.npz FORTRAN.npz DEFLATED.npz BIG_ENDIAN.npz COMPLEX.npz RECORDS.npz: states for support.c as
numpy.savez writes them, without NumPy."""
import struct
import sys
import zipfile


def npy(dtype, shape, data, fortran=False, version=1):
    header = f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    size = 10 if version == 1 else 12
    header += " " * (-(size + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header.encode() + data


def write(path, fortran, version, method=zipfile.ZIP_STORED, dtype="'<f4'"):
    values = struct.pack("<15f", *range(15))
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in {
                "w": npy(dtype, (5, 3), values, fortran, version),
                "b": npy("'<f2'", (7,), bytes(range(14)), version=version),
                "mask": npy("'|b1'", (7,), b"\1\0\1\0\1\1\0"),
                "t": npy("'<i8'", (), struct.pack("<q", 9))}.items():
            with archive.open(name + ".npy", "w", force_zip64=fortran) as member:  # As NumPy does.
                member.write(data)


write(sys.argv[1], False, 1)
write(sys.argv[2], True, 2)
write(sys.argv[3], False, 1, zipfile.ZIP_DEFLATED)
write(sys.argv[4], False, 1, dtype="'>f4'")
write(sys.argv[5], False, 1, dtype="'<c8'")
write(sys.argv[6], False, 1, dtype="[('a', '<f4')]")
