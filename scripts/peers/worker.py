# SPDX-License-Identifier: Apache-2.0
"""A process that prepares cases in one library and takes samples on command, one JSON object a line. Run as
worker.py MODULE, where the module has

  versions()                      {"torch": "2.8.0", ...}
  variants(case, options)         names of the ways in which it can run the case, best known first; [] when it has none
  prepare(case, variant, data)    a common.Prepared
  forget()                        drops what it keeps of prepared cases

Commands: {"do": "versions"}, {"do": "variants", "case", "options"}, {"do": "prepare", "case", "variant", "file", "error",
"tolerance"}, {"do": "sample", "variant"}, {"do": "forget"}. Answers: an object with the result, or with "error"."""

import gc
import importlib
import json
import os
import sys
import time
import traceback

import common

ENOUGH = 8e-3  # seconds of a sample


class Worker:
    def __init__(self, module):
        self.module = module
        self.prepared, self.calls, self.data = {}, {}, {}

    def answer(self, command):
        return getattr(self, "do_" + command.pop("do"))(**command)

    def do_versions(self):
        return {"versions": self.module.versions()}

    def do_variants(self, case, options):
        return {"variants": self.module.variants(case, options)}

    def do_prepare(self, case, variant, file, error, tolerance):
        if file not in self.data:
            self.data = {file: common.Data(file)}
        data = self.data[file]
        start = time.perf_counter()
        prepared = self.module.prepare(case, variant, data)
        returned = prepared.call()
        seconds = time.perf_counter() - start
        differs = common.check(data, prepared.results(returned), error, tolerance)
        if differs:
            return {"error": "mismatch: " + differs}
        del returned
        prepared.call()
        once = max(prepared.seconds(1), 1e-8)
        self.prepared[variant], self.calls[variant] = prepared, max(1, int(ENOUGH / once))
        return {"seconds": seconds, "calls": self.calls[variant]}

    def do_sample(self, variant):
        prepared = self.prepared[variant]
        gc.disable()
        prepared.call()  # untimed, as before ours
        seconds = prepared.seconds(self.calls[variant])
        gc.enable()
        return {"ns": seconds * 1e9}

    def do_forget(self):
        self.prepared, self.calls, self.data = {}, {}, {}
        self.module.forget()
        gc.collect()
        return {}


def main():
    # Libraries print what they like: only answers go to the pipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(importlib.import_module(sys.argv[1]))
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as problem:  # whatever a library throws is an answer
            traceback.print_exc()
            text = str(problem).strip()
            answer = {"error": f"{type(problem).__name__}: {text.splitlines()[0] if text else ''}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
