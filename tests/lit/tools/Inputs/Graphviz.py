# SPDX-License-Identifier: Apache-2.0
"""Graphviz.py FILE: fails when Graphviz's parser does not take FILE; without Graphviz it says so and passes."""

import shutil
import subprocess
import sys

dot = shutil.which("dot")
if not dot:
    print("Graphviz is not installed: the text was NOT parsed by it", file=sys.stderr)
    sys.exit(0)
answer = subprocess.run([dot, "-Tsvg", "-o", "/dev/null", sys.argv[1]], capture_output=True, text=True, check=False)
print(answer.stderr, file=sys.stderr)
sys.exit(1 if answer.returncode or answer.stderr else 0)
