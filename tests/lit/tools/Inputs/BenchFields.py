# SPDX-License-Identifier: Apache-2.0
"""BenchFields.py FILE CASE...: what fused-bench --json wrote has these cases and the fields of the contract."""

import json
import sys

FIELDS = ["case", "target", "threads", "ms", "limit_ms", "roofline", "vs_unfused", "bytes_moved", "bytes_needed",
          "kernels", "peak_bytes", "compile_ms", "max_error", "interpreter_ms", "gflops", "gbytes_per_s", "checked_smaller"]

report = json.load(open(sys.argv[1]))
assert [entry["case"] for entry in report] == sys.argv[2:], report
for entry in report:
    assert list(entry) == FIELDS, entry
    assert entry["ms"] > 0 and entry["compile_ms"] > 0 and entry["kernels"] >= 1, entry
softmax = report[0]
assert softmax["kernels"] == 1 and softmax["max_error"] < 1e-5, softmax
assert softmax["bytes_moved"] == softmax["bytes_needed"] == 2 * 4 * 4096 * 1024, softmax
assert softmax["gflops"] is None and softmax["checked_smaller"] == 0, softmax
assert abs(softmax["gbytes_per_s"] - softmax["bytes_needed"] / softmax["ms"] / 1e6) < 1e-2, softmax
if softmax["roofline"] is not None:  # A disturbed machine may have all samples rejected.
    assert abs(softmax["limit_ms"] / softmax["ms"] - softmax["roofline"]) < 1e-3, softmax
