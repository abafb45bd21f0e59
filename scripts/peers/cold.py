# SPDX-License-Identifier: Apache-2.0
"""cold.py MODULE CASE VARIANT FILE: in a fresh process, what compiling costs: the first call less a later one."""

import importlib
import json
import os
import sys
import time

from common import Data


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, case, variant, file = sys.argv[1:]
    prepared = importlib.import_module(module).prepare(case, variant, Data(file))
    first = timed(prepared.call)
    later = min(timed(prepared.call) for _ in range(3))
    print(json.dumps({"ms": (first - later) * 1e3}), file=answers, flush=True)


if __name__ == "__main__":
    main()
